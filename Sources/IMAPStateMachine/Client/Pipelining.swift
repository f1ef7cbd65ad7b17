/// What a command does that matters for commands sent before its completion (RFC 9051, section 5.5).
///
/// Of several commands in flight, each may be executed before those ahead of it are completed. So one waits where the
/// order could be told from its result, or from theirs, and where a number in it could come to name another message.
struct CommandTraits {
  struct Rules: OptionSet {
    let rawValue: UInt16

    /// Sent alone: nothing may be in flight before it, nothing may follow before its completion. Commands that end or
    /// begin what others need, start a layer, or take over the meaning of continuation requests.
    static let barrier = Rules(rawValue: 1 << 0)
    /// Names messages by sequence number, or returns sequence numbers.
    static let usesSequenceNumbers = Rules(rawValue: 1 << 1)
    /// The server may send EXPUNGE before completing it: every command but FETCH, STORE and SEARCH without UID.
    static let mayExpunge = Rules(rawValue: 1 << 2)
    /// Removes messages of the selected mailbox.
    static let removesMessages = Rules(rawValue: 1 << 3)
    /// MOVE without UID.
    static let movesByNumber = Rules(rawValue: 1 << 4)
    /// Lets EXPUNGE come at any time from its execution on.
    static let letsExpungeCome = Rules(rawValue: 1 << 5)
    /// Leaves the selected mailbox.
    static let leavesMailbox = Rules(rawValue: 1 << 6)
    /// Turns CONDSTORE on (RFC 7162, section 3.1).
    static let enablesCondStore = Rules(rawValue: 1 << 7)
  }

  /// What results depend on.
  struct Data: OptionSet {
    let rawValue: UInt16

    /// Which mailboxes there are.
    static let names = Data(rawValue: 1 << 0)
    static let subscriptions = Data(rawValue: 1 << 1)
    static let access = Data(rawValue: 1 << 2)
    static let metadata = Data(rawValue: 1 << 3)
    /// Which messages there are.
    static let messages = Data(rawValue: 1 << 4)
    static let flags = Data(rawValue: 1 << 5)
    static let labels = Data(rawValue: 1 << 6)
    static let annotations = Data(rawValue: 1 << 7)
    static let modSeq = Data(rawValue: 1 << 8)
    /// Which mailbox is selected.
    static let selection = Data(rawValue: 1 << 9)
    static let quota = Data(rawValue: 1 << 10)
    /// What URLs are signed with.
    static let keys = Data(rawValue: 1 << 11)
    static let language = Data(rawValue: 1 << 12)
    static let comparator = Data(rawValue: 1 << 13)
    /// What ENABLE switched on: it decides how names and texts are written.
    static let extensions = Data(rawValue: 1 << 14)

    static let ofMessage: Data = [.flags, .labels, .annotations, .modSeq]
    static let ofMailbox: Data = [.names, .subscriptions, .access, .metadata, .messages, .ofMessage]
  }

  /// What is done to the data of a mailbox, or of all.
  struct Access {
    /// What is told.
    var reads: Data = []
    var changes: Data = []
    /// What is put beside what is there; the order of such commands cannot be told.
    var adds: Data = []
  }

  var rules: Rules
  /// In the selected mailbox.
  private var here = Access()
  /// The messages in it, where they are named one by one.
  private var messages: MessageReference?
  /// In ``mailbox`` and ``target``.
  private var there = Access()
  /// Nil stands for all.
  private var mailbox: MailboxName?
  private var target: MailboxName?

  private init(
    _ rules: Rules = .mayExpunge, _ mailbox: MailboxName? = nil, reads: Data = [], changes: Data = [], adds: Data = []
  ) {
    self.rules = rules
    self.mailbox = mailbox
    there = Access(reads: reads, changes: changes, adds: adds)
  }

  func contains(_ rules: Rules) -> Bool { self.rules.contains(rules) }
}

// MARK: The table

extension CommandTraits {
  private static let named: Data = [.names, .extensions]

  init(_ command: borrowing Command) {
    switch copy command {
    // What they do to the connection holds from their completion on. Of an unknown command nothing is known.
    case .logout, .startTLS, .login, .authenticate, .unauthenticate, .proxyAuth, .compress, .idle, .other:
      self.init(.barrier)
    case .select(let name, let parameters), .examine(let name, let parameters):
      self.init(
        [.mayExpunge, .leavesMailbox], name, reads: [Self.named, .messages, .flags, .selection], changes: .selection)
      if parameters.condStore { rules.insert(.enablesCondStore) }
    case .close:
      self.init([.mayExpunge, .leavesMailbox], reads: .selection, changes: .selection)
      here.changes = .messages
    case .unselect: self.init([.mayExpunge, .leavesMailbox], reads: .selection, changes: .selection)
    case .enable: self.init(reads: .selection, changes: .extensions)
    case .language: self.init(changes: .language)
    case .comparator: self.init(changes: .comparator)
    case .notify(let request):
      // RFC 5465, section 5.3: the meaning of a sequence number can change at any time.
      self.init([.mayExpunge, .letsExpungeCome])
      if case .set(status: true, _) = request { there.reads = Self.status }
    case .capability, .id, .getJMAPAccess, .noop: self.init()
    case .check, .cancelUpdate: self.init(reads: .selection)
    // RFC 5255, section 3.4: prefixes are translated.
    case .namespace: self.init(reads: [.extensions, .language])
    case .applePushService: self.init(reads: .extensions)
    case .list(let request): self.init(reads: Self.reads(request))
    case .lsub: self.init(reads: [Self.named, .subscriptions])
    case .xlist: self.init(reads: Self.named)
    case .status(let name, let items):
      self.init(.mayExpunge, name, reads: [Self.named, Self.status])
      if items.contains(.highestModSeq) { rules.insert(.enablesCondStore) }
    case .create(let name, specialUse: _): self.init(.mayExpunge, name, reads: Self.named, changes: .names)
    case .delete(let name): self.init(.mayExpunge, name, reads: Self.named, changes: [.names, .messages])
    case .rename(let name, let target):
      self.init(.mayExpunge, name, reads: Self.named, changes: [.names, .messages])
      self.target = target
    case .subscribe(let name): self.init(.mayExpunge, name, reads: Self.named, changes: .subscriptions)
    case .unsubscribe(let name): self.init(.mayExpunge, name, reads: .extensions, changes: .subscriptions)
    case .append(let request): self.init(request)
    case .setACL(let name, identifier: _, _), .deleteACL(let name, identifier: _):
      self.init(.mayExpunge, name, reads: Self.named, changes: .access)
    case .getACL(let name), .listRights(let name, identifier: _), .myRights(let name):
      self.init(.mayExpunge, name, reads: [Self.named, .access])
    case .getQuota: self.init(reads: .quota)
    case .getQuotaRoot(let name): self.init(.mayExpunge, name, reads: [Self.named, .quota])
    case .setQuota: self.init(reads: .quota, changes: .quota)
    case .getMetadata(let name, entries: _, _): self.init(.mayExpunge, name, reads: [Self.named, .metadata])
    case .setMetadata(let name, let entries):
      self.init(.mayExpunge, name, reads: Self.named, changes: .metadata)
      // RFC 6154, section 4: LIST tells it.
      if entries.contains(where: { $0.name.span.equalsIgnoringCase("/private/specialuse") }) {
        there.changes.insert(.names)
      }
    case .getAnnotation: self.init(reads: [.extensions, .metadata])
    case .setAnnotation: self.init(reads: .extensions, changes: .metadata)
    case .generateURLAuth: self.init(reads: .keys)
    case .fetchURLs: self.init(reads: [.keys, .messages])
    case .resetKey: self.init(changes: .keys)
    case .expunge: self.init(removing: nil)
    case .uidExpunge(let set): self.init(removing: .uids(set))
    case .search(let key, let uid, _, _): self.init(searching: key, uid: uid)
    case .sort(let criteria, let key, let uid, _, _):
      self.init(searching: key, uid: uid)
      // RFC 5256, section 3 has no EXPUNGE come without UID either, but the rule of RFC 9051 names only three commands.
      rules.insert(.mayExpunge)
      if criteria.contains(where: { if case .annotation = $0.key { true } else { false } }) {
        here.reads.insert(.annotations)
      }
    case .thread(_, let key, let uid, _):
      self.init(searching: key, uid: uid)
      rules.insert(.mayExpunge)
    case .multiSearch(let search):
      self.init(searching: search.key, uid: true)
      // In any mailbox.
      there.reads = here.reads.union(.names)
    case .uidBatches:
      self.init()
      here.reads = [.selection, .messages]
    case .fetch(let messages, let items, let modifiers): self.init(messages, items, modifiers)
    case .store(let messages, let operation, let since):
      self.init(storing: .flags, messages, isSilent: operation.isSilent, since)
    case .storeLabels(let messages, let operation, let since):
      self.init(storing: .labels, messages, isSilent: operation.isSilent, since)
    case .storeAnnotations(let messages, _, let since):
      self.init(storing: .annotations, messages, isSilent: false, since)
    case .copy(let messages, let name): self.init(copying: messages, to: name)
    case .move(let messages, let name):
      self.init(copying: messages, to: name)
      here.changes = [.messages, .quota]
      rules.insert(.removesMessages)
      if case .sequence = messages { rules.insert(.movesByNumber) }
    }
  }

  private static let status: Data = [.messages, .flags, .modSeq]

  private static func reads(_ request: ListRequest) -> Data {
    var reads = named
    if request.selection.contains(.subscribed) { reads.insert(.subscriptions) }
    for option in request.returning {
      switch option {
      case .subscribed: reads.insert(.subscriptions)
      case .status: reads.formUnion(status)
      case .myRights: reads.insert(.access)
      case .metadata: reads.insert(.metadata)
      case .children, .specialUse: break
      case .other: reads.formUnion(.ofMailbox)
      }
    }
    return reads
  }

  private init(_ request: AppendRequest) {
    self.init(.mayExpunge, request.mailbox, reads: Self.named, adds: [.messages, .quota])
    guard let replaced = request.replacing else { return }
    here = Access(reads: [.selection, .messages], changes: [.messages, .quota])
    rules.insert(.removesMessages)
    if case .sequence = replaced { rules.insert(.usesSequenceNumbers) }
  }

  /// On messages of the selected mailbox.
  private init(on messages: MessageReference) {
    switch messages {
    case .uids: self.init()
    // `$` is kept up to date when messages go: RFC 5182, section 2.1.
    case .sequence(let set): self.init(set.isSavedResult ? [] : .usesSequenceNumbers)
    }
    self.messages = messages
    here.reads = [.selection, .messages]
  }

  /// RFC 9051, section 5.5: STORE + COPY + EXPUNGE may go together, so neither that COPY takes flags along nor that EXPUNGE
  /// goes by one of them counts.
  private init(removing messages: MessageReference?) {
    self.init([.mayExpunge, .removesMessages])
    self.messages = messages
    here = Access(reads: .selection, changes: [.messages, .quota])
  }

  private init(copying messages: MessageReference, to name: MailboxName) {
    self.init(on: messages)
    rules.insert(.mayExpunge)
    mailbox = name
    there = Access(reads: Self.named, adds: [.messages, .quota])
  }

  private init(storing data: Data, _ messages: MessageReference, isSilent: Bool, _ since: ModSeq?) {
    self.init(on: messages)
    here.changes = [data, .modSeq]
    if !isSilent { here.reads.insert(data) }
    if since != nil {
      here.reads.insert(.modSeq)
      rules.insert(.enablesCondStore)
    }
  }

  private init(_ messages: MessageReference, _ items: [FetchItem], _ modifiers: FetchModifiers) {
    self.init(on: messages)
    for item in items {
      switch item {
      case .flags: here.reads.insert(.flags)
      case .modSeq: here.reads.insert(.modSeq)
      case .gmailLabels: here.reads.insert(.labels)
      case .annotations: here.reads.insert(.annotations)
      // RFC 9051, section 6.4.5: \Seen is set.
      case .rfc822, .rfc822Text, .section(_, peek: false, _), .binary(_, peek: false, _):
        here.changes.formUnion([.flags, .modSeq])
      // It may be anything.
      case .other:
        here.reads.formUnion(.ofMessage)
        here.changes.formUnion([.flags, .modSeq])
      default: break
      }
    }
    if modifiers.changedSince != nil { here.reads.insert(.modSeq) }
    if items.contains(.modSeq) || modifiers.changedSince != nil { rules.insert(.enablesCondStore) }
  }

  private init(searching key: SearchKey, uid: Bool) {
    self.init(uid ? .mayExpunge : .usesSequenceNumbers)
    here.reads = [.selection, .messages, .comparator, .extensions]
    // By an explicit stack: nesting is checked when the key is written.
    var pending = [key]
    while let key = pending.popLast() {
      switch key {
      case .sequence(let set): if !set.isSavedResult { rules.insert(.usesSequenceNumbers) }
      case .flag, .noFlag, .new, .old: here.reads.insert(.flags)
      case .gmailLabel: here.reads.insert(.labels)
      case .annotation: here.reads.insert(.annotations)
      // A filter is a search that only the server knows, and a query of Gmail may name anything.
      case .gmailRaw, .filter: here.reads.formUnion(.ofMessage)
      case .modSeq:
        here.reads.insert(.modSeq)
        rules.insert(.enablesCondStore)
      case .and(let keys): pending += keys
      case .or(let left, let right): pending += [left, right]
      case .not(let inner), .fuzzy(let inner): pending.append(inner)
      default: break
      }
    }
  }
}

// MARK: The rule

extension CommandTraits {
  /// Whether a command with these traits may be sent while one with `earlier` is in flight and `selected` is selected.
  ///
  /// What names `$` may go behind the search that makes it (RFC 9051, section 6.4.4.2).
  func mayFollow(_ earlier: CommandTraits, selected: MailboxName?) -> Bool {
    if contains(.barrier) || earlier.contains(.barrier) { return false }
    if contains(.usesSequenceNumbers), earlier.contains(.mayExpunge) { return false }
    if contains(.letsExpungeCome), earlier.contains(.usesSequenceNumbers) { return false }
    // RFC 6851, section 3.3: MOVE cannot be pipelined with a command that might cause renumbering.
    if contains(.removesMessages), earlier.contains(.movesByNumber) { return false }
    // What comes before `[CLOSED]` is of the mailbox that is left, and a server may not say that.
    if contains(.leavesMailbox), selected != nil { return false }
    let areApart = areApart(from: earlier)
    return here.mayFollow(earlier.here, meets: true, areApart: areApart)
      && here.mayFollow(earlier.there, meets: earlier.names(selected), areApart: false)
      && there.mayFollow(earlier.here, meets: names(selected), areApart: false)
      && there.mayFollow(earlier.there, meets: meets(earlier), areApart: false)
  }

  private func names(_ selected: MailboxName?) -> Bool {
    guard let mailbox, let selected else { return true }
    return mailbox.meets(selected) || (target?.meets(selected) ?? false)
  }

  private func meets(_ other: CommandTraits) -> Bool {
    other.names(mailbox) || (target != nil && other.names(target))
  }

  /// Whether both name messages in the same way and none is named by both.
  private func areApart(from other: CommandTraits) -> Bool {
    switch (messages, other.messages) {
    case (.uids(let left), .uids(let right)): left.isApart(from: right)
    case (.sequence(let left), .sequence(let right)): left.isApart(from: right)
    default: false
    }
  }
}

extension CommandTraits.Access {
  /// `meets` says whether both are of the same mailbox, `areApart` that they are of other messages in it.
  fileprivate func mayFollow(_ earlier: Self, meets: Bool, areApart: Bool) -> Bool {
    var disputed = reads.intersection(earlier.changes.union(earlier.adds))
    // "A FETCH of a message's flags and a STORE of that same message's flags" (RFC 3501, section 5.5), in either order.
    // How a name in an answer is written must not change on its way either.
    let ordered: CommandTraits.Data = [.ofMessage, .extensions]
    disputed.formUnion(changes.intersection(earlier.reads).intersection(ordered))
    // The last one wins.
    disputed.formUnion(changes.intersection(earlier.changes).intersection(.ofMessage.subtracting(.modSeq)))
    if !meets { disputed.subtract(.ofMailbox) }
    if areApart { disputed.subtract(.ofMessage.union(.messages)) }
    return disputed.isEmpty
  }
}

extension MailboxName {
  /// Whether one of the names may be above the other in the hierarchy, whose delimiter is not known, or they are the same.
  fileprivate func meets(_ other: MailboxName) -> Bool {
    // The empty name is the server's.
    if bytes.isEmpty || other.bytes.isEmpty { return bytes == other.bytes }
    return bytes.starts(with: other.bytes) || other.bytes.starts(with: bytes)
  }
}

extension MessageSet {
  /// Whether no number is in both. False where that takes long to tell, and where `*` or `$` may name anything.
  fileprivate func isApart(from other: MessageSet) -> Bool {
    let largest = 64
    if isSavedResult || other.isSavedResult || ranges.count > largest || other.ranges.count > largest { return false }
    return ranges.allSatisfy { range in
      guard let bounds = range.numbers else { return false }
      return other.ranges.allSatisfy { $0.numbers.map { !$0.overlaps(bounds) } ?? false }
    }
  }
}

extension MessageSet.Range {
  /// The numbers without `*`.
  fileprivate var numbers: ClosedRange<UInt32>? {
    guard let first = first.number, let last = last.number else { return nil }
    return min(first, last)...max(first, last)
  }
}
