import IMAPStateMachine

extension JSON {
  /// `type` and the fields of a response.
  static func response(_ response: Response) -> [Member] {
    switch response {
    case .tagged(let tag, let status):
      return [
        ("type", .string("tagged")), ("tag", .string(tag)), ("status", .string(status.condition.rawValue)),
        ("code", code(status.code)), ("text", .string(status.text)),
      ]
    case .status(let status):
      return untagged(status.condition.rawValue, [("code", code(status.code)), ("text", .string(status.text))])
    case .continuation(let text): return [("type", .string("continuation")), ("text", .bytes(text))]
    case .capability(let list): return untagged("CAPABILITY", [("capabilities", capabilities(list))])
    case .enabled(let list): return untagged("ENABLED", [("capabilities", capabilities(list))])
    case .id(let fields): return untagged("ID", [("fields", id(fields))])
    case .namespace(let spaces): return untagged("NAMESPACE", namespaces(spaces))
    case .list(let value): return untagged(value.isXList ? "XLIST" : "LIST", listing(value))
    case .lsub(let value): return untagged("LSUB", listing(value))
    case .mailboxStatus(let status): return untagged("STATUS", mailboxStatus(status))
    case .flags(let list): return untagged("FLAGS", [("flags", flags(list))])
    case .search(let result): return untagged("SEARCH", search(result))
    case .exists(let count): return numbered("EXISTS", count)
    case .recent(let count): return numbered("RECENT", count)
    case .expunge(let sequence): return numbered("EXPUNGE", sequence.rawValue)
    case .fetch(let fetch):
      return numbered("FETCH", fetch.sequence.rawValue) + [("items", fetchItems(fetch.attributes))]
    case .uidFetch(let uid, let attributes):
      return numbered("UIDFETCH", uid.rawValue) + [("items", fetchItems(attributes))]
    case .vanished, .sort, .thread, .extendedSearch, .acl, .listRights, .myRights, .quota, .quotaRoots, .metadata,
      .language, .comparator, .authorizedURLs, .fetchedURLs, .jmapAccess, .uidBatches, .annotation:
      let (name, members) = extensionData(response)
      return untagged(name, members)
    case .unknown(let line): return unknown(line)
    case .malformed(let line, let error):
      return [("type", .string("malformed")), ("raw", .bytes(line)), ("reason", .string(error.description))]
    }
  }

  /// An untagged response.
  static func untagged(_ name: String, _ members: [Member]) -> [Member] {
    [("type", .string("untagged")), ("name", .string(name))] + members
  }

  private static func numbered(_ name: String, _ number: UInt32) -> [Member] {
    untagged(name, [("number", .unsigned(UInt64(number)))])
  }

  /// `* NAME rest` or `* 5 NAME rest`, as far as that can be told.
  private static func unknown(_ line: [UInt8]) -> [Member] {
    let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x0d || $0 == 0x0a }
    // Nothing but a space ends a word, and behind the asterisk there may be none.
    var words = line.dropFirst().split(maxSplits: 2, omittingEmptySubsequences: true, whereSeparator: isSpace)[...]
    var number: UInt64?
    if let first = words.first, first.allSatisfy({ (0x30...0x39).contains($0) }) {
      number = UInt64(String(decoding: first, as: UTF8.self))
      if number != nil { words = words.dropFirst() }
    }
    let name = words.first.map { upper(key(Array($0))) } ?? ""
    return untagged(name, (number.map { [("number", .unsigned($0))] } ?? []) + [("raw", .bytes(line))])
  }
}
