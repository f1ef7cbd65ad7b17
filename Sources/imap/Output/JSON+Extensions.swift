import IMAPStateMachine

/// Responses of extensions.
extension JSON {
  /// The name and the fields of a response.
  static func extensionData(_ response: Response) -> (name: String, members: [Member]) {
    switch response {
    case .vanished(let uids, let earlier):
      ("VANISHED", [("earlier", .bool(earlier)), ("uids", .string(uids.description))])
    case .sort(let result): ("SORT", search(result))
    case .thread(let threads): ("THREAD", [("threads", .array(threads.map { thread($0) }))])
    case .extendedSearch(let result): ("ESEARCH", extendedSearch(result))
    case .acl(let list):
      (
        "ACL",
        [
          ("mailbox", mailbox(list.mailbox)),
          (
            "entries",
            .array(
              list.entries.map {
                .object([("identifier", .bytes($0.identifier)), ("rights", .string($0.rights.rawValue))])
              })
          ),
        ]
      )
    case .listRights(let list):
      (
        "LISTRIGHTS",
        [
          ("mailbox", mailbox(list.mailbox)), ("identifier", .bytes(list.identifier)),
          ("required", .string(list.required.rawValue)),
          ("optional", .array(list.optional.map { .string($0.rawValue) })),
        ]
      )
    case .myRights(let value):
      ("MYRIGHTS", [("mailbox", mailbox(value.mailbox)), ("rights", .string(value.rights.rawValue))])
    case .quota(let quota): ("QUOTA", [("root", .bytes(quota.root)), ("resources", resources(quota.resources))])
    case .quotaRoots(let roots):
      (
        "QUOTAROOT",
        [("mailbox", mailbox(roots.mailbox)), ("roots", .array(roots.roots.map { .bytes($0) }))]
      )
    case .metadata(let metadata): ("METADATA", self.metadata(metadata))
    case .language(let tags): ("LANGUAGE", [("languages", .array(tags.map { .string($0) }))])
    case .comparator(let value):
      (
        "COMPARATOR",
        [("active", .string(value.active)), ("matching", .array(value.matching.map { .string($0) }))]
      )
    case .authorizedURLs(let urls): ("GENURLAUTH", [("urls", .array(urls.map { .bytes($0) }))])
    case .fetchedURLs(let urls): ("URLFETCH", [("urls", .array(urls.map { url($0) }))])
    case .jmapAccess(let url): ("JMAPACCESS", [("url", .bytes(url))])
    case .uidBatches(let value):
      ("UIDBATCHES", [("tag", .optional(value.tag)), ("batches", .string(value.batches.description))])
    case .annotation(let name, let annotation):
      ("ANNOTATION", [("mailbox", mailbox(name)), ("entries", annotations([annotation]))])
    default: ("", [])
    }
  }

  private static func extendedSearch(_ result: ExtendedSearchResult) -> [Member] {
    var members: [Member] = [("tag", .optional(result.tag))]
    if let mailbox = result.mailbox { members.append(("mailbox", self.mailbox(mailbox))) }
    if let value = result.uidValidity { members.append(("uidValidity", .unsigned(UInt64(value)))) }
    members.append(("uid", .bool(result.isUID)))
    members.append(("results", distinct(result.items.map { searchItem($0) })))
    return members
  }

  private static func searchItem(_ item: ExtendedSearchResult.Item) -> Member {
    func updates(_ list: [ExtendedSearchResult.Update]) -> JSON {
      .array(
        list.map {
          .object([("position", .unsigned(UInt64($0.position))), ("messages", .string($0.messages.wireForm))])
        })
    }
    return switch item {
    case .min(let number): ("MIN", .unsigned(UInt64(number)))
    case .max(let number): ("MAX", .unsigned(UInt64(number)))
    case .count(let count): ("COUNT", .unsigned(count))
    case .all(let set): ("ALL", .string(set.wireForm))
    case .modSeq(let value): ("MODSEQ", .unsigned(value.rawValue))
    case .partial(let window, let set):
      (
        "PARTIAL",
        .object([
          ("range", .string(window.description)), ("messages", set.map { .string($0.wireForm) } ?? .null),
        ])
      )
    case .addTo(let list): ("ADDTO", updates(list))
    case .removeFrom(let list): ("REMOVEFROM", updates(list))
    case .relevancy(let scores): ("RELEVANCY", .array(scores.map { .unsigned(UInt64($0)) }))
    case .unknown(let name, let value): (name, .bytes(value))
    case .invalid(let item): invalid(item)
    }
  }

  /// Messages, then each branch as an array of its own.
  static func thread(_ thread: MessageThread) -> JSON {
    .array(thread.messages.map { .unsigned(UInt64($0)) } + thread.branches.map { self.thread($0) })
  }

  private static func resources(_ list: [Quota.Resource]) -> JSON {
    .array(
      list.map {
        .object([("name", .string($0.name)), ("usage", .unsigned($0.usage)), ("limit", .unsigned($0.limit))])
      })
  }

  private static func metadata(_ metadata: Metadata) -> [Member] {
    let entries: JSON =
      switch metadata.content {
      case .changed(let names): .array(names.map { .bytes($0) })
      case .values(let list):
        .array(list.map { .object([("name", .bytes($0.name)), ("value", .optional($0.value))]) })
      }
    return [("mailbox", mailbox(metadata.mailbox)), ("entries", entries)]
  }

  private static func url(_ url: FetchedURL) -> JSON {
    switch url.content {
    case .data(let data): .object([("url", .bytes(url.url)), ("data", .optional(data))])
    case .parts(let parts): .object([("url", .bytes(url.url)), ("parts", distinct(parts.map { part($0) }))])
    }
  }

  private static func part(_ part: FetchedURL.Part) -> Member {
    switch part {
    case .structure(let structure): ("BODYPARTSTRUCTURE", self.structure(structure))
    case .body(let data): ("BODY", .optional(data))
    case .binary(let data): ("BINARY", .optional(data))
    case .unknown(let name, let value): (name, .bytes(value))
    case .invalid(let item): invalid(item)
    }
  }

  /// Under which name ``MailboxListing/invalid`` has a delimiter.
  static let delimiterName = Array("DELIMITER".utf8)

  /// Extended data of LIST, where there is some.
  static func listExtensions(_ listing: MailboxListing) -> [Member] {
    var members: [Member] = []
    if listing.isXList { members.append(("xlist", .bool(true))) }
    if !listing.childInfo.isEmpty { members.append(("childInfo", .array(listing.childInfo.map { .string($0) }))) }
    if let name = listing.oldName { members.append(("oldName", mailbox(name))) }
    let extended: [Member] =
      listing.extended.map { (key: $0.name, value: .bytes($0.value)) }
      + listing.invalid.filter { $0.name != Self.delimiterName }.map { invalid($0) }
    if !extended.isEmpty { members.append(("extended", distinct(extended))) }
    return members
  }

  static func namespaceExtension(_ item: Namespaces.Extension) -> JSON {
    .object([("name", .bytes(item.name)), ("values", .array(item.values.map { .bytes($0) }))])
  }

  static func annotations(_ list: [MessageAnnotation]) -> JSON {
    .array(
      list.map { annotation in
        .object([
          ("entry", .bytes(annotation.entry)),
          (
            "attributes",
            .array(annotation.attributes.map { .object([("name", .bytes($0.name)), ("value", .optional($0.value))]) })
          ),
        ])
      })
  }
}
