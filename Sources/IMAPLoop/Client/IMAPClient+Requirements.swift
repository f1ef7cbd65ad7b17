import IMAPStateMachine

/// What a server must have announced before it is sent a command of an extension: one clear error comes then, instead of a BAD that
/// may mean anything.
extension IMAPClient {
  /// Throws `.capabilityMissing` where the server lacks what `command` needs; it is asked where that is not known. Before the login
  /// servers announce little, so only what is for any state counts then.
  func requireWhatItNeeds(_ command: Command, name: String) async throws(IMAPError) {
    let needs = command.needs
    if needs.isEmpty { return }
    switch (channel.state, command) {
    case (.authenticated, _), (.selected, _), (.notAuthenticated, .id), (.notAuthenticated, .language): break
    // The machine says why not.
    default: return
    }
    let announced: [Capability]
    if let known = channel.capabilities { announced = known } else { announced = try await capability() }
    for need in needs where !need.isMet(by: announced) {
      throw .capabilityMissing(need.capability, command: name)
    }
  }
}

/// One thing that a server must have.
struct CommandNeed: Equatable {
  /// What it is called where it is missing.
  let capability: Capability
  /// Others that include it.
  private var others: [Capability] = []
  /// How the names of others begin that include it.
  private var prefix: String?

  private init(_ capability: Capability) { self.capability = capability }

  /// Only `capability` will do.
  static func only(_ capability: Capability) -> CommandNeed { CommandNeed(capability) }

  /// `capability`, or one that includes it.
  static func any(_ capability: Capability, _ others: Capability...) -> CommandNeed {
    var need = CommandNeed(capability)
    need.others = others
    return need
  }

  /// `capability`, which IMAP4rev2 includes (RFC 9051, appendix E).
  static func revision2(_ capability: Capability) -> CommandNeed { any(capability, .imap4rev2) }

  /// `capability`, or any whose name begins with `prefix`.
  static func any(_ capability: Capability, prefix: String) -> CommandNeed {
    var need = CommandNeed(capability)
    need.prefix = prefix
    return need
  }

  func isMet(by announced: [Capability]) -> Bool {
    announced.contains { announced in
      announced == capability || others.contains(announced)
        || prefix.map { announced.rawValue.hasPrefix($0) } ?? false
    }
  }

  /// RFC 7162, section 3.2.3: QRESYNC includes it.
  static let condStore = any(.condStore, .qResync)
  static let acl = only("ACL")
  /// RFC 9208, section 3: one capability for each resource, and the name of RFC 2087 only for clients that know no other.
  static let quota = any("QUOTA", prefix: "QUOTA=")
  static let urlAuth = only("URLAUTH")
  static let objectID = only("OBJECTID")
  static let gmail = only("X-GM-EXT-1")
  /// RFC 5257, section 3.1.
  static let annotate = any("ANNOTATE-EXPERIMENT-1", prefix: "ANNOTATE-")
  static let drafts = any("ANNOTATEMORE", prefix: "ANNOTATEMORE")
}

extension Command {
  /// What the server must have announced for the command. Nothing for commands of IMAP4rev1, for those that tell what is missing
  /// otherwise (COMPRESS), or that are done in another way then (UNSELECT, UID EXPUNGE), and for commands without a case of their
  /// own. Complexity: O(items of FETCH, LIST and STATUS, search keys).
  var needs: [CommandNeed] {
    switch self {
    case .id: [.only(.id)]
    case .language: [.only("LANGUAGE")]
    // RFC 5255, section 4.4: without a level there is nothing to choose.
    case .comparator: [.only("I18NLEVEL=2")]
    case .unauthenticate: [.only("UNAUTHENTICATE")]
    case .enable: [.revision2(.enable)]
    case .namespace: [.revision2(.namespace)]
    case .getJMAPAccess: [.only("JMAPACCESS")]
    case .idle: [.revision2(.idle)]
    case .notify: [.only("NOTIFY")]
    case .applePushService: [.only("XAPPLEPUSHSERVICE")]
    case .list(let request): request.needs
    case .xlist: [.only("XLIST")]
    case .rlist, .rlsub: [.only("MAILBOX-REFERRALS")]
    case .status(_, let items): items.compactMap(\.need)
    case .create(_, let uses): uses.isEmpty ? [] : [.only("CREATE-SPECIAL-USE")]
    case .select(_, let parameters), .examine(_, let parameters): parameters.needs
    case .append(let request): request.needs
    case .setACL, .deleteACL, .getACL, .listRights, .myRights: [.acl]
    case .getQuota, .getQuotaRoot: [.quota]
    // With RFC 9208 it is QUOTASET, with RFC 2087 a part of QUOTA.
    case .setQuota: [.any("QUOTA", prefix: "QUOTA")]
    case .getMetadata(let mailbox, _, _), .setMetadata(let mailbox, _):
      mailbox == MailboxName("") ? [.any("METADATA", "METADATA-SERVER")] : [.only("METADATA")]
    case .getAnnotation, .setAnnotation: [.drafts]
    case .generateURLAuth, .resetKey: [.urlAuth]
    case .fetchURLs(let requests):
      requests.contains { $0.items != nil } ? [.urlAuth, .only("URLAUTH=BINARY")] : [.urlAuth]
    case .search(let key, _, _, let returning):
      returning.needs(.extendedSearch, context: "CONTEXT=SEARCH") + key.needs
    case .sort(let order, let key, _, _, let returning):
      [.only("SORT")] + returning.needs(.only("ESORT"), context: "CONTEXT=SORT") + order.compactMap(\.need) + key.needs
    case .thread(let algorithm, let key, _, _): [.only(Capability("THREAD=\(algorithm)"))] + key.needs
    case .multiSearch(let search):
      [.only("MULTISEARCH")] + search.key.needs
        + search.returning.needs(.only("MULTISEARCH"), context: "CONTEXT=SEARCH")
    case .cancelUpdate: [.any("CONTEXT=SEARCH", "CONTEXT=SORT")]
    case .uidBatches: [.only("UIDBATCHES")]
    case .fetch(_, let items, let modifiers): items.compactMap(\.need) + modifiers.needs
    case .store(_, _, let since): since == nil ? [] : [.condStore]
    case .storeLabels: [.gmail]
    case .storeAnnotations: [.annotate]
    case .convert, .conversions: [.only("CONVERT")]
    default: []
    }
  }
}

extension ListRequest {
  fileprivate var needs: [CommandNeed] {
    if !isExtended { return [] }
    var needs: [CommandNeed] = [.revision2("LIST-EXTENDED")]
    for option in selection where option == .specialUse { needs.append(.revision2(.specialUse)) }
    for option in returning {
      switch option {
      case .specialUse: needs.append(.revision2(.specialUse))
      case .status(let items): needs += [.revision2("LIST-STATUS")] + items.compactMap(\.need)
      case .myRights: needs.append(.only("LIST-MYRIGHTS"))
      case .metadata: needs.append(.only("LIST-METADATA"))
      case .subscribed, .children, .other: break
      }
    }
    return needs
  }
}

extension StatusItem {
  fileprivate var need: CommandNeed? {
    switch self {
    case .messages, .recent, .uidNext, .uidValidity, .unseen: nil
    // RFC 9208, section 4.1.4; IMAP4rev2 has the first of the two.
    case .deleted: .any("QUOTA=RES-MESSAGE", .imap4rev2)
    case .deletedStorage: .only("QUOTA=RES-STORAGE")
    case .size: .revision2("STATUS=SIZE")
    case .highestModSeq: .condStore
    case .appendLimit: .any("APPENDLIMIT", prefix: "APPENDLIMIT")
    case .mailboxID: .objectID
    }
  }
}

extension SelectParameters {
  fileprivate var needs: [CommandNeed] {
    var needs: [CommandNeed] = []
    if condStore { needs.append(.condStore) }
    if qResync != nil { needs.append(.only(.qResync)) }
    if annotate { needs.append(.annotate) }
    return needs
  }
}

extension AppendRequest {
  fileprivate var needs: [CommandNeed] {
    var needs: [CommandNeed] = []
    if replacing != nil { needs.append(.only("REPLACE")) }
    if messages.count > 1 { needs.append(.only("MULTIAPPEND")) }
    for message in messages {
      if !message.annotations.isEmpty { needs.append(.annotate) }
      switch message.data {
      case .literal, .utf8: break
      // RFC 9051, appendix E: IMAP4rev2 includes what FETCH has of it, and no more.
      case .binary: needs.append(.only("BINARY"))
      case .catenate(let parts):
        needs.append(.only("CATENATE"))
        for case .text(_, binary: true) in parts { needs.append(.only("BINARY")) }
      }
    }
    return needs
  }
}

extension FetchItem {
  fileprivate var need: CommandNeed? {
    switch self {
    case .modSeq: .condStore
    case .binary, .binarySize: .revision2("BINARY")
    case .preview: .only("PREVIEW")
    case .saveDate: .only("SAVEDATE")
    case .emailID, .threadID: .objectID
    case .gmailMessageID, .gmailThreadID, .gmailLabels: .gmail
    case .annotations: .annotate
    default: nil
    }
  }
}

extension FetchModifiers {
  fileprivate var needs: [CommandNeed] {
    var needs: [CommandNeed] = []
    if changedSince != nil { needs.append(.condStore) }
    if vanished { needs.append(.only(.qResync)) }
    if partial != nil { needs.append(.only("PARTIAL")) }
    return needs
  }
}
