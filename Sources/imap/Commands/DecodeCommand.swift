import ArgumentParser
import Foundation
import IMAPStateMachine

struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Show a server's bytes as JSON, one response a line.",
    discussion: """
      Each line has offset, length and type (tagged, untagged, continuation, malformed), then the fields of the response.
      Bytes are strings where they are UTF-8, else {"base64": ...}. The last line says where it went wrong, if it did:
      {"type":"error"} with exit status 1, {"type":"incomplete"} with exit status 2.

      EXAMPLE
        imap decode session.txt | jq 'select(.name == "FETCH").items.ENVELOPE.subject'
      """)

  @Option(help: ArgumentHelp("Feed this many bytes at a time. The output is the same.", valueName: "bytes"))
  var split = 16 * 1024

  @Argument(help: ArgumentHelp("File with what a server sent. (default: standard input)"))
  var file: String?

  func validate() throws {
    if split < 1 { throw ValidationError("--split must be at least 1.") }
  }

  func run() throws { try reporting { try decode() } }

  private func decode() throws {
    let handle: FileHandle
    if let file {
      guard let opened = FileHandle(forReadingAtPath: file) else { throw Failure(.file, "cannot read \(file)") }
      handle = opened
    } else {
      handle = .standardInput
    }
    var decoder = Decoder()
    // Read in large pieces, fed in the size that was asked for.
    while let data = try Self.read(handle, max(split, 64 * 1024)), !data.isEmpty {
      var rest = data[...]
      while !rest.isEmpty {
        let piece = Array(rest.prefix(split))
        rest = rest.dropFirst(piece.count)
        try decoder.feed(piece)
      }
    }
    try decoder.end()
  }

  private static func read(_ handle: FileHandle, _ count: Int) throws -> Data? {
    do { return try handle.read(upToCount: count) } catch {
      throw Failure(.file, "cannot read the input: \(error.localizedDescription)")
    }
  }
}

/// Turns responses into lines.
private struct Decoder: ~Copyable {
  private var parser = ResponseParser()
  private var input = ReceiveBuffer()
  /// Where the response that is being read started.
  private var start: Int?

  mutating func feed(_ bytes: [UInt8]) throws {
    input.append(bytes.span)
    try drain()
  }

  mutating func end() throws {
    input.close()
    try drain()
    if input.unread > 0 || start != nil {
      let offset = start ?? parser.position
      try Console.line(JSON.object([("type", .string("incomplete")), ("offset", .number(Int64(offset)))]))
      throw ExitCode(2)
    }
  }

  private mutating func drain() throws {
    do {
      while let response = try parser.nextOwned(&input) {
        let end = parser.position
        let begin = parser.responsePosition
        let members: [(key: String, value: JSON)] = [
          ("offset", .number(Int64(begin))), ("length", .number(Int64(end - begin))),
        ]
        try Console.line(JSON.object(members + JSON.response(response)))
      }
      start = parser.isInsideResponse ? parser.responsePosition : nil
    } catch let error as ParseError {
      try Console.line(
        JSON.object([
          ("type", .string("error")), ("offset", .number(Int64(error.offset))), ("fault", .string("peer")),
          ("message", .string(error.description)),
        ]))
      throw ExitCode(1)
    }
  }
}

extension JSON {
  /// `type` and the fields of a response.
  static func response(_ response: Response) -> [(key: String, value: JSON)] {
    func untagged(_ name: String, _ members: [(key: String, value: JSON)]) -> [(key: String, value: JSON)] {
      [("type", .string("untagged")), ("name", .string(name))] + members
    }
    func numbered(_ name: String, _ number: UInt32) -> [(key: String, value: JSON)] {
      untagged(name, [("number", .unsigned(UInt64(number)))])
    }
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
    case .list(let value): return untagged("LIST", listing(value))
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
      .language, .comparator, .authorizedURLs, .fetchedURLs:
      let (name, members) = extensionData(response)
      return untagged(name, members)
    case .unknown(let line): return unknown(line)
    case .malformed(let line, let error):
      return [("type", .string("malformed")), ("raw", .bytes(line)), ("reason", .string(error.description))]
    }
  }

  /// `* NAME rest` or `* 5 NAME rest`, as far as that can be told.
  private static func unknown(_ line: [UInt8]) -> [(key: String, value: JSON)] {
    let words = String(decoding: line, as: UTF8.self).split(
      separator: " ", maxSplits: 3, omittingEmptySubsequences: true)
    var members: [(key: String, value: JSON)] = [("type", .string("untagged"))]
    var name = words.dropFirst().first.map { String($0) } ?? ""
    if let number = UInt64(name) {
      members.append(("number", .unsigned(number)))
      name = words.dropFirst(2).first.map { String($0) } ?? ""
    }
    let trimmed = name.uppercased().filter { !$0.isNewline }
    return [members[0], ("name", .string(trimmed))] + members.dropFirst() + [("raw", .bytes(line))]
  }
}
