@testable import IMAPStateMachine

/// What the RFCs say about a command behind another one that is not completed. It was written from their texts and shares
/// nothing with the product's table: that one asks what a command is, this one asks what it touches.
enum PipeliningReference {
  /// What may be done, and the sentence that says so.
  enum Verdict: Hashable {
    /// The texts forbid it.
    case mustWait(String)
    /// The texts leave it open, or allow what a careful client does not do.
    case either(String)
    /// Nothing in the texts speaks against it.
    case mayGo
  }

  /// What `later` may do while `earlier` is in flight and `selected` is selected.
  static func verdict(_ earlier: Command, _ later: Command, selected: MailboxName? = .inbox) -> Verdict {
    let first = CommandFacts(earlier, selected: selected)
    let second = CommandFacts(later, selected: selected)
    let verdicts =
      [
        rank(fence(first, second)), rank(numbers(first, second)), rank(renumbering(first, second)),
        rank(leaving(second, selected)),
      ] + first.effects.flatMap { left in second.effects.map { rank(conflict(left, $0, first, second)) } }
    return verdicts.max { $0.0 < $1.0 }?.1 ?? .mayGo
  }

  /// Whether `later` may go behind several: any that is in flight counts, not only the last (RFC 9051, section 5.5: FETCH +
  /// NOOP + STORE is invalid, though NOOP + STORE is what makes it so, and STORE + COPY + FETCH).
  static func verdict(_ earlier: [Command], _ later: Command, selected: MailboxName? = .inbox) -> Verdict {
    earlier.map { rank(verdict($0, later, selected: selected)) }.max { $0.0 < $1.0 }?.1 ?? .mayGo
  }

  private static func rank(_ verdict: Verdict) -> (Int, Verdict) {
    switch verdict {
    case .mustWait: (2, verdict)
    case .either: (1, verdict)
    case .mayGo: (0, verdict)
    }
  }

  /// Commands that own the connection.
  private static func fence(_ first: CommandFacts, _ second: CommandFacts) -> Verdict {
    switch (first.fence, second.fence) {
    case (.unknown, _), (_, .unknown): .mustWait("an ambiguity with what is not known cannot be ruled out")
    case (.login, .enable): .either("5161 3.1: possible; whether ENABLE is announced is not known before (9051 6.1.1)")
    case (.unauthenticate, .login), (.unauthenticate, .authenticate):
      .either("8437 3: permitted, if no security layer was active; capabilities are not known before")
    case (.startTLS, _): .mustWait("9051 6.2.1: MUST NOT issue further commands until TLS is complete")
    case (.compress, _): .mustWait("4978 3: MUST NOT send any further commands until it has seen the result")
    case (.idle, _): .mustWait("2177 3: MUST NOT send a command while the server is waiting for the DONE")
    case (.authenticate, _): .mustWait("9051 5.5: continuations MUST be negotiated before any subsequent command")
    case (.logout, _): .mustWait("9051 6.1.3: the server closes the connection; nothing behind it is executed")
    case (.login, _): .mustWait("9051 5.5: whether it is allowed, and what is announced, depends on the login")
    case (.unauthenticate, _): .mustWait("9051 5.5: whether it is allowed depends on the session")
    case (_, .startTLS), (_, .compress), (_, .idle), (_, .authenticate), (_, .logout), (_, .login),
      (_, .unauthenticate):
      .either("no text speaks against it, but what comes changes the connection under the answers")
    // RFC 5161, section 3.1: no limitations.
    case (.enable, .none), (.none, .enable), (.enable, .enable), (.none, .none): .mayGo
    }
  }

  /// RFC 9051, section 5.5: sequence numbers.
  private static func numbers(_ first: CommandFacts, _ second: CommandFacts) -> Verdict {
    switch (first.expunge, second.numbers) {
    // RFC 5182, section 2.3, example 7: SEARCH RETURN (SAVE) + COPY $ + STORE $.
    case (_, .none), (.never, _): break
    case (.allowed, .arguments):
      return .mustWait("9051 5.5: any command other than FETCH, STORE, or SEARCH, it MUST wait")
    case (.notWhileSorting, .arguments):
      return .either("5256 3: no EXPUNGE comes, but 9051 5.5 names FETCH, STORE, and SEARCH only")
    case (_, .results):
      return .either("9051 5.5: \"a command that uses message sequence numbers\"; they are in the answer only")
    }
    if first.numbers != .none, second.expungesAtAnyTime {
      return .either("5465 5.3: the meaning of an MSN can change at any time")
    }
    return .mayGo
  }

  /// RFC 9051, section 7.1: CLOSED is the boundary between responses of two mailboxes. A server of RFC 3501 has none.
  private static func leaving(_ second: CommandFacts, _ selected: MailboxName?) -> Verdict {
    guard selected != nil, second.effects.contains(.changes(Resource(.selection))) else { return .mayGo }
    return .either("9051 7.1: without CLOSED nothing tells the responses of two mailboxes apart")
  }

  /// RFC 6851, section 3.3: "MOVE cannot be pipelined with a command that might cause message renumbering".
  private static func renumbering(_ first: CommandFacts, _ second: CommandFacts) -> Verdict {
    guard first.isMoveByNumber, second.causesRenumbering else { return .mayGo }
    return .mustWait("6851 3.3: MOVE cannot be pipelined with a command that might cause renumbering")
  }

  /// "If an ambiguity would result because of a command that would affect the results of other commands."
  private static func conflict(
    _ first: Effect, _ second: Effect, _ earlier: CommandFacts, _ later: CommandFacts
  ) -> Verdict {
    guard first.resource.overlaps(second.resource) else { return .mayGo }
    let kind = first.resource.kind
    // "That same message's flags" (RFC 3501, section 5.5): these are of others.
    if earlier.isApart(from: later), first.isOfChosen, second.isOfChosen { return .mayGo }
    switch (first, second) {
    case (.changes, .reports), (.adds, .reports):
      switch kind {
      case .access: return .either("4314 5.1.1: an ambiguity, yet clients are permitted to send such a pipeline")
      case .extensions: return .either("5161 3.1: no limitations; 6855 3: the form of names depends on it")
      case .language: return .either("5255 3.2: only texts for people depend on it")
      default: return .mustWait("9051 5.5: \(kind): affects the results")
      }
    case (.reports, .changes) where kind.belongsToMessages:
      return .mustWait("3501 5.5: \(kind): \"a FETCH of a message's flags and a STORE of that same message's flags\"")
    case (.reports, .changes), (.reports, .adds), (.uses, .changes), (.uses, .adds):
      return .either("9051 5.5: \(kind): only a server out of order could confuse them, and it MUST keep the order")
    case (.changes, .uses) where kind == .savedResult: return .mayGo  // RFC 9051, section 6.4.4.2.
    case (.changes, .changes) where kind == .savedResult: return .mayGo  // RFC 5182, section 2.3, example 9.
    case (.changes, .changes) where kind == .modSeq: return .mayGo  // Each change has its own.
    case (.changes, .uses), (.adds, .uses): return .mayGo  // RFC 9051, section 5.5: STORE + COPY + EXPUNGE.
    case (.changes, .changes), (.changes, .adds), (.adds, .changes):
      return .either("9051 5.5: \(kind): nothing is told of it, and the server MUST keep the order")
    // RFC 3502, section 1: "pipelined batch append".
    case (.adds, .adds), (.reports, .reports), (.reports, .uses), (.uses, .reports), (.uses, .uses): return .mayGo
    }
  }
}

/// What a command touches.
enum Effect: Hashable {
  /// The answer tells it.
  case reports(Resource)
  /// It decides what is done, but is not told: COPY takes flags along, EXPUNGE goes by \Deleted.
  case uses(Resource)
  case changes(Resource)
  /// Something is put beside what is there; two of that kind do not meet.
  case adds(Resource)

  /// Whether it is of the messages that the command names, and not of what comes in.
  var isOfChosen: Bool {
    if case .adds = self { return false }
    return resource.kind.belongsToMessages || resource.kind == .messages
  }

  var resource: Resource {
    switch self {
    case .reports(let resource), .uses(let resource), .changes(let resource), .adds(let resource): resource
    }
  }
}

/// What can be touched, of one mailbox or of all.
struct Resource: Hashable {
  enum Kind: Hashable {
    case selection, extensions, language, comparator, savedResult, contexts, notifications
    /// Names of mailboxes.
    case names
    case subscriptions, access, quota, metadata, keys
    /// Which messages a mailbox has.
    case messages
    case flags, labels, annotations, modSeq

    var belongsToMessages: Bool {
      switch self {
      case .flags, .labels, .annotations, .modSeq: true
      default: false
      }
    }
  }

  var kind: Kind
  /// Nil: all of them, or what is not of a mailbox.
  var mailbox: MailboxName?

  init(_ kind: Kind, _ mailbox: MailboxName? = nil) {
    self.kind = kind
    self.mailbox = mailbox
  }

  static let savedResult = Resource(.savedResult)

  func overlaps(_ other: Resource) -> Bool {
    guard kind == other.kind else { return false }
    guard let mailbox, let second = other.mailbox, mailbox != second else { return true }
    // RFC 9051, sections 6.3.4 to 6.3.6: CREATE makes the names above as well, RENAME takes those below along.
    return String(describing: mailbox).hasPrefix("\(second)/") || String(describing: second).hasPrefix("\(mailbox)/")
  }
}

struct CommandFacts {
  enum Numbers { case none, arguments, results }
  enum Expunge { case never, notWhileSorting, allowed }
  enum Fence { case none, startTLS, compress, idle, login, authenticate, logout, unauthenticate, enable, unknown }

  var numbers = Numbers.none
  var fence = Fence.none
  /// RFC 9051, section 7.5.1: no EXPUNGE "while responding to a FETCH, STORE, or SEARCH command"; RFC 5256, section 3: SORT and
  /// THREAD likewise; their UID forms are other commands.
  var expunge = Expunge.allowed
  var expungesAtAnyTime = false
  var isMoveByNumber = false
  var causesRenumbering = false
  var effects: [Effect] = []
  /// The messages, where the command names them one by one.
  var messages: MessageReference?

  /// Both name their messages in the same way, and none is named by both.
  func isApart(from other: CommandFacts) -> Bool {
    switch (messages, other.messages) {
    case (.uids(let left), .uids(let right)): Self.areApart(left, right)
    case (.sequence(let left), .sequence(let right)): Self.areApart(left, right)
    default: false
    }
  }

  private static func areApart<Number>(_ left: MessageSet<Number>, _ right: MessageSet<Number>) -> Bool {
    // `*` and `$` may be anything.
    let bounds = (left.ranges + right.ranges).flatMap { [$0.first, $0.last] }
    if left.isSavedResult || right.isSavedResult || bounds.contains(.star) { return false }
    return Set(left.numbers(limit: 1000)).isDisjoint(with: right.numbers(limit: 1000))
  }
}

// MARK: The facts of each command

extension CommandFacts {
  // A case more than there are does not compile: whoever adds a command has to look up what the texts say.
  init(_ command: Command, selected: MailboxName?) {
    self.init()
    let here: (Resource.Kind) -> Resource = { Resource($0, selected) }
    switch command {
    // RFC 9051, section 6.1.1. What changes the list is a fence of its own; ENABLE MUST NOT (RFC 5161, section 3.1).
    case .capability: break
    // RFC 9051, section 6.1.2: "can be used as a periodic poll"; the tagged OK is all of its result.
    case .noop: break
    case .logout: fence = .logout
    // RFC 2971, section 3.1: nothing may depend on it.
    case .id: break
    // RFC 5255, section 3.2: the language of later texts, and of the prefixes that NAMESPACE tells (section 3.4).
    case .language: effects = [.changes(Resource(.language))]

    case .startTLS: fence = .startTLS
    case .login, .proxyAuth: fence = .login
    case .authenticate: fence = .authenticate
    case .unauthenticate: fence = .unauthenticate
    case .compress: fence = .compress
    case .enable:
      fence = .enable
      // RFC 5161, section 3.1: only "before any mailbox is selected".
      effects = [.reports(Resource(.selection)), .changes(Resource(.extensions))]
    // RFC 5255, section 4.7: what SEARCH, SORT and THREAD find.
    case .comparator: effects = [.changes(Resource(.comparator))]
    case .namespace: effects = [.reports(Resource(.language)), .reports(Resource(.extensions))]
    case .getJMAPAccess: break
    case .idle: fence = .idle
    // RFC 5465, section 3.1: a successful NOTIFY SET implies a NOOP.
    case .notify(let request):
      effects = [.changes(Resource(.notifications))]
      if case .set(status: true, _) = request { effects += Self.status(nil) }
      expungesAtAnyTime = true
    case .applePushService: effects = [.reports(Resource(.extensions))]

    case .list(let request):
      effects = [.reports(Resource(.names)), .reports(Resource(.extensions))]
      for option in request.returning {
        switch option {
        case .subscribed: effects.append(.reports(Resource(.subscriptions)))
        case .status: effects += Self.status(nil)
        case .myRights: effects.append(.reports(Resource(.access)))
        case .metadata: effects.append(.reports(Resource(.metadata)))
        case .other: effects += Self.status(nil)
        case .children, .specialUse: break
        }
      }
      if request.selection.contains(.subscribed) { effects.append(.reports(Resource(.subscriptions))) }
    // RFC 3501, section 6.3.9: it tells attributes of mailboxes as well.
    case .lsub, .rlsub:
      effects = [.reports(Resource(.subscriptions)), .reports(Resource(.names)), .reports(Resource(.extensions))]
    case .xlist, .rlist: effects = [.reports(Resource(.names)), .reports(Resource(.extensions))]
    case .status(let name, _): effects = Self.named(name) + Self.status(name)
    // The tagged answer says whether there is such a mailbox already: told, and changed.
    case .create(let name, specialUse: _): effects = Self.named(name) + [.changes(Resource(.names, name))]
    case .delete(let name):
      effects = Self.named(name) + [.changes(Resource(.names, name)), .changes(Resource(.messages, name))]
    case .rename(let name, let new):
      effects =
        Self.named(name) + Self.named(new)
        + [name, new].flatMap { [.changes(Resource(.names, $0)), .changes(Resource(.messages, $0))] }
    // RFC 9051, section 6.3.7: "A server MAY validate the mailbox argument".
    case .subscribe(let name):
      effects = Self.named(name) + [.changes(Resource(.subscriptions, name))]
    case .unsubscribe(let name):
      effects = [.reports(Resource(.extensions)), .changes(Resource(.subscriptions, name))]
    // RFC 9051, section 6.3.2: it tells the messages and the flags in use, and what comes behind it is in another mailbox.
    case .select(let name, _), .examine(let name, _):
      effects = Self.named(name) + [.changes(Resource(.selection)), .reports(Resource(.messages, name))]
      effects.append(.reports(Resource(.flags, name)))
    case .append(let request):
      effects = Self.named(request.mailbox) + Self.adding(to: request.mailbox)
      // RFC 8508, section 3: the new message comes in and the old one goes.
      switch request.replacing {
      // RFC 9051, section 9: `*` is a seq-number.
      case .sequence:
        numbers = .arguments
        replace(selected)
      case .uid: replace(selected)
      case nil: break
      }

    // RFC 4314, section 5.1.1 and section 3.
    case .setACL(let name, identifier: _, _), .deleteACL(let name, identifier: _):
      effects = Self.named(name) + [.changes(Resource(.access, name))]
    case .getACL(let name), .myRights(let name): effects = Self.named(name) + [.reports(Resource(.access, name))]
    // RFC 4314, section 4: the right "a" allows it.
    case .listRights(let name, identifier: _): effects = Self.named(name) + [.reports(Resource(.access, name))]
    case .getQuota: effects = [.reports(Resource(.quota))]
    case .getQuotaRoot(let name): effects = Self.named(name) + [.reports(Resource(.quota))]
    case .setQuota: effects = [.changes(Resource(.quota)), .reports(Resource(.quota))]
    case .getMetadata(let name, entries: _, _): effects = Self.named(name) + [.reports(Resource(.metadata, name))]
    case .setMetadata(let name, _): effects = Self.named(name) + [.changes(Resource(.metadata, name))]
    // The name may be a pattern: all mailboxes.
    case .getAnnotation: effects = [.reports(Resource(.extensions)), .reports(Resource(.metadata))]
    case .setAnnotation: effects = [.reports(Resource(.extensions)), .changes(Resource(.metadata))]
    // RFC 4467, section 7: RESETKEY revokes every URL made with the key.
    case .generateURLAuth: effects = [.reports(Resource(.keys))]
    case .fetchURLs: effects = [.reports(Resource(.keys)), .reports(Resource(.messages))]
    case .resetKey: effects = [.changes(Resource(.keys))]

    // RFC 9051, section 6.4.1: removes what is \Deleted, and nothing is selected behind it.
    case .close:
      effects = [.changes(Resource(.selection)), .uses(here(.flags)), .changes(here(.messages))]
      causesRenumbering = true
    case .unselect: effects = [.changes(Resource(.selection))]
    // RFC 3501, section 6.4.1: without a mailbox it is BAD.
    case .check: effects = [.reports(Resource(.selection))]
    case .expunge: remove(selected)
    case .uidExpunge(let set):
      remove(selected)
      messages = .uids(set)
    case .search(let key, let uid, charset: _, let returning):
      search(key, uid: uid, selected)
      save(returning)
    case .sort(let criteria, let key, let uid, charset: _, let returning):
      search(key, uid: uid, selected)
      save(returning)
      if !uid { expunge = .notWhileSorting }
      for case .annotation in criteria.map(\.key) { effects.append(.reports(here(.annotations))) }
    case .thread(_, let key, let uid, charset: _):
      search(key, uid: uid, selected)
      if !uid { expunge = .notWhileSorting }
    // RFC 7377: any mailbox; "the server MUST execute ESEARCH with SEARCHRES in order".
    case .multiSearch(let search):
      self.search(search.key, uid: true, nil)
      effects.append(.reports(Resource(.names)))
      save(search.returning)
    // RFC 5267, section 4.3.5.
    case .cancelUpdate: effects = [.reports(Resource(.selection)), .changes(Resource(.contexts))]
    // RFC 5259, section 5: nothing of a mailbox.
    case .conversions: break
    // RFC 5259, section 6: no flag is set, and EXPUNGE does not come but with UID.
    case .convert(let set, _):
      choose(set, selected)
      if case .sequence = set { expunge = .never }
    // RFC 1730, section 6.4.6: a FETCH of a part.
    case .partial(let number, let item, first: _, count: _):
      choose(.sequence([number]), selected)
      effects += Self.fetched(item, selected)
    case .uidBatches: effects = [.reports(Resource(.selection)), .reports(here(.messages))]
    case .fetch(let set, let items, let modifiers):
      choose(set, selected)
      effects += items.flatMap { Self.fetched($0, selected) }
      if modifiers.changedSince != nil { effects.append(.reports(here(.modSeq))) }
      if case .sequence = set { expunge = .never }
    case .store(let set, let operation, let unchangedSince):
      store(set, .flags, silent: operation.isSilent, unchangedSince, selected)
    // Gmail: a label is a mailbox, so that messages come and go.
    case .storeLabels(let set, let operation, let unchangedSince):
      store(set, .labels, silent: operation.isSilent, unchangedSince, selected)
    case .storeAnnotations(let set, _, let unchangedSince):
      store(set, .annotations, silent: false, unchangedSince, selected)
    case .copy(let set, let name):
      choose(set, selected)
      effects += Self.named(name) + Self.adding(to: name) + Self.taken(selected)
    case .move(let set, let name):
      choose(set, selected)
      effects += Self.named(name) + Self.adding(to: name) + Self.taken(selected)
      effects += [.changes(here(.messages)), .changes(Resource(.quota))]
      causesRenumbering = true
      if case .sequence = set { isMoveByNumber = true }

    case .other: fence = .unknown
    }
  }

  /// A command with a mailbox's name: its answer depends on whether there is one, and its form on what is enabled.
  private static func named(_ name: MailboxName) -> [Effect] {
    [.reports(Resource(.names, name)), .reports(Resource(.extensions))]
  }

  private static func status(_ name: MailboxName?) -> [Effect] {
    [Resource.Kind.messages, .flags, .modSeq].map { .reports(Resource($0, name)) }
  }

  private static func adding(to name: MailboxName) -> [Effect] {
    [.adds(Resource(.messages, name)), .adds(Resource(.quota))]
  }

  /// What goes along with a message.
  private static func taken(_ selected: MailboxName?) -> [Effect] {
    [Resource.Kind.flags, .annotations, .labels].map { .uses(Resource($0, selected)) }
  }

  private mutating func replace(_ selected: MailboxName?) {
    effects += [.reports(Resource(.selection)), .changes(Resource(.messages, selected))]
    effects += [.changes(Resource(.quota))]
    causesRenumbering = true
  }

  private mutating func remove(_ selected: MailboxName?) {
    effects = [
      .reports(Resource(.selection)), .uses(Resource(.flags, selected)), .uses(Resource(.messages, selected)),
      .changes(Resource(.messages, selected)), .changes(Resource(.quota)),
    ]
    causesRenumbering = true
  }

  /// A command on messages of the selected mailbox: its answer is of those that are there.
  private mutating func choose(_ set: MessageReference, _ selected: MailboxName?) {
    messages = set
    effects += [.reports(Resource(.selection)), .reports(Resource(.messages, selected))]
    let isSaved: Bool
    switch set {
    case .uids(let set): isSaved = set.isSavedResult
    case .sequence(let set):
      isSaved = set.isSavedResult
      if !isSaved { numbers = .arguments }
    }
    if isSaved { effects.append(.uses(.savedResult)) }
  }

  private mutating func store(
    _ set: MessageReference, _ kind: Resource.Kind, silent: Bool, _ unchangedSince: ModSeq?, _ selected: MailboxName?
  ) {
    choose(set, selected)
    if case .sequence = set { expunge = .never }
    effects += [.changes(Resource(kind, selected)), .changes(Resource(.modSeq, selected))]
    // RFC 9051, section 6.4.6: without .SILENT the new value is told.
    if !silent { effects.append(.reports(Resource(kind, selected))) }
    // RFC 7162, section 3.1.3: MODIFIED.
    if unchangedSince != nil { effects.append(.reports(Resource(.modSeq, selected))) }
  }

  private mutating func save(_ returning: [SearchReturnOption]?) {
    for option in returning ?? [] {
      switch option {
      // RFC 5182, section 2.1.
      case .save: effects.append(.changes(.savedResult))
      // RFC 5267, section 4.3.
      case .update, .context: effects.append(.uses(Resource(.contexts)))
      default: break
      }
    }
  }

  private mutating func search(_ key: SearchKey, uid: Bool, _ selected: MailboxName?) {
    effects.append(.reports(Resource(.selection)))
    effects += [.reports(Resource(.messages, selected)), .reports(Resource(.comparator))]
    // RFC 6855, section 3: no CHARSET once UTF8=ACCEPT is enabled.
    effects.append(.reports(Resource(.extensions)))
    if !uid {
      expunge = .never
      numbers = .results
    }
    look(key, selected)
  }

  private mutating func look(_ key: SearchKey, _ selected: MailboxName?) {
    switch key {
    case .and(let keys): for key in keys { look(key, selected) }
    case .or(let left, let right):
      look(left, selected)
      look(right, selected)
    case .not(let key), .fuzzy(let key): look(key, selected)
    case .flag, .noFlag, .new, .old: effects.append(.reports(Resource(.flags, selected)))
    case .modSeq: effects.append(.reports(Resource(.modSeq, selected)))
    case .annotation: effects.append(.reports(Resource(.annotations, selected)))
    case .gmailLabel: effects.append(.reports(Resource(.labels, selected)))
    // What a named filter, or a web search, asks for is not known: `is:unread`.
    case .filter, .gmailRaw, .other:
      if case .other(_, let arguments) = key, arguments.contains(where: Self.isSequence) { numbers = .arguments }
      effects += [Resource.Kind.flags, .labels, .annotations, .modSeq].map { .reports(Resource($0, selected)) }
    case .uid(let set): if set.isSavedResult { effects.append(.uses(.savedResult)) }
    case .sequence(let set):
      if set.isSavedResult { effects.append(.uses(.savedResult)) } else { numbers = .arguments }
    case .all, .bcc, .cc, .from, .to, .subject, .body, .text, .header, .before, .on, .since, .sentBefore, .sentOn,
      .sentSince, .larger, .smaller, .older, .younger, .savedBefore, .savedOn, .savedSince, .saveDateSupported,
      .emailID, .threadID, .uidAfter, .uidBefore, .gmailMessageID, .gmailThreadID:
      break
    }
  }

  private static func isSequence(_ argument: CommandArgument) -> Bool {
    switch argument {
    case .set(let set): !set.isSavedResult
    case .list(let values): values.contains(where: isSequence)
    case .atom, .number, .string, .binary, .raw: false
    }
  }

  private static func fetched(_ item: FetchItem, _ selected: MailboxName?) -> [Effect] {
    switch item {
    case .flags: [.reports(Resource(.flags, selected))]
    case .modSeq: [.reports(Resource(.modSeq, selected))]
    case .gmailLabels: [.reports(Resource(.labels, selected))]
    case .annotations: [.reports(Resource(.annotations, selected))]
    // RFC 9051, section 6.4.5: "The \Seen flag is implicitly set".
    case .section(_, let peek, partial: _), .binary(_, let peek, partial: _):
      peek ? [] : [.changes(Resource(.flags, selected)), .changes(Resource(.modSeq, selected))]
    case .rfc822, .rfc822Text: [.changes(Resource(.flags, selected)), .changes(Resource(.modSeq, selected))]
    // An item of a name that is not known could be any of these.
    case .other:
      [Resource.Kind.flags, .labels, .annotations, .modSeq].map { .reports(Resource($0, selected)) }
        + [.changes(Resource(.flags, selected)), .changes(Resource(.modSeq, selected))]
    case .uid, .internalDate, .rfc822Size, .envelope, .bodyStructure, .body, .rfc822Header, .binarySize, .preview,
      .saveDate, .emailID, .threadID, .gmailMessageID, .gmailThreadID:
      []
    }
  }
}
