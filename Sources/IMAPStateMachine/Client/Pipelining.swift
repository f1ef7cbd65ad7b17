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

    /// Those that two commands can be kept apart by.
    static let disturbing: Rules = [
      .barrier, .usesSequenceNumbers, .removesMessages, .movesByNumber, .letsExpungeCome, .leavesMailbox,
    ]
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

    // Groups. They are made here and not in the table: a list of options costs an allocation.
    static let ofMessage: Data = [.flags, .labels, .annotations, .modSeq]
    static let ofMailbox: Data = [.names, .subscriptions, .access, .metadata, .messages, .ofMessage]
    static let status: Data = [.messages, .flags, .modSeq]
    /// What a command with a name depends on.
    static let name: Data = [.names, .extensions]
    static let chosenMessages: Data = [.selection, .messages]
    static let search: Data = [.selection, .messages, .comparator, .extensions]
    static let space: Data = [.messages, .quota]
    static let seen: Data = [.flags, .modSeq]
    /// Of which a later command must not change what an earlier one tells. "A FETCH of a message's flags and a STORE of that
    /// same message's flags" (RFC 3501, section 5.5); and a name in an answer must not be read as it is not written.
    static let ordered: Data = [.ofMessage, .extensions]
    /// Of which the last change stays.
    static let overwritten: Data = [.flags, .labels, .annotations]
  }

  /// What is done to the data of a mailbox, or of all.
  struct Access {
    /// What is told.
    var reads: Data = []
    var changes: Data = []
    /// What is put beside what is there; the order of such commands cannot be told.
    var adds: Data = []

    var isOnlyReading: Bool { changes.isEmpty && adds.isEmpty }
  }

  /// What else is named; no command names two of these.
  private enum Named {
    case uids([UIDSet.Range])
    case sequence([SequenceSet.Range])
    /// The new name of RENAME.
    case mailbox([UInt8])
    /// What ENABLE asks for.
    case extensions([Capability])
  }

  // One of these is a part of every connection. Arrays are the smallest form.
  private var named: Named?
  /// Nil stands for all.
  private var mailbox: [UInt8]?
  var rules: Rules
  /// In the selected mailbox.
  private var here = Access()
  /// In the mailboxes that are named.
  private var there = Access()

  private init(
    _ rules: Rules = .mayExpunge, _ mailbox: MailboxName? = nil, reads: Data = [], changes: Data = [], adds: Data = []
  ) {
    self.rules = rules
    self.mailbox = mailbox?.bytes
    there = Access(reads: reads, changes: changes, adds: adds)
  }

  func contains(_ rules: Rules) -> Bool { self.rules.contains(rules) }

  /// Whether it changes nothing and counts no messages: any two such commands may go together, whatever they name.
  var isOnlyReading: Bool {
    rules.isDisjoint(with: Rules.disturbing) && here.isOnlyReading && there.isOnlyReading
  }

  /// Whether it is an ENABLE that asks for this, or for what brings it along.
  func enables(_ capability: Capability) -> Bool {
    guard case .extensions(let extensions)? = named else { return false }
    // RFC 7162, section 3.2.3: a server that enables QRESYNC enables CONDSTORE.
    return extensions.contains(capability) || (capability == .condStore && extensions.contains(.qResync))
  }
}

// MARK: The table

extension CommandTraits {
  /// What IDLE does.
  static var idle: CommandTraits { Self(.barrier) }

  /// What `command` does. No initialiser, which would copy what another one made.
  static func of(_ command: Command) -> CommandTraits {
    var traits: CommandTraits
    switch command {
    // What they do to the connection holds from their completion on. Of an unknown command nothing is known.
    case .logout, .startTLS, .login, .authenticate, .unauthenticate, .proxyAuth, .compress, .idle, .other:
      traits = Self(.barrier)
    case .select(let name, let parameters), .examine(let name, let parameters):
      traits = Self(
        [.mayExpunge, .leavesMailbox], name, reads: [Data.name, .messages, .flags, .selection], changes: .selection)
      if parameters.condStore { traits.rules.insert(.enablesCondStore) }
    case .close:
      traits = Self([.mayExpunge, .leavesMailbox], reads: .selection, changes: .selection)
      traits.here.changes = .messages
    case .unselect: traits = Self([.mayExpunge, .leavesMailbox], reads: .selection, changes: .selection)
    case .enable(let extensions):
      traits = Self(reads: .selection, changes: .extensions)
      traits.named = .extensions(extensions)
    case .language: traits = Self(changes: .language)
    case .comparator: traits = Self(changes: .comparator)
    case .notify(let request):
      // RFC 5465, section 5.3: the meaning of a sequence number can change at any time.
      traits = Self([.mayExpunge, .letsExpungeCome])
      if case .set(status: true, _) = request { traits.there.reads = Data.status }
    case .capability, .id, .getJMAPAccess, .noop, .conversions: traits = Self()
    case .check, .cancelUpdate: traits = Self(reads: .selection)
    // RFC 5255, section 3.4: prefixes are translated.
    case .namespace: traits = Self(reads: [.extensions, .language])
    case .applePushService: traits = Self(reads: .extensions)
    case .list(let request): traits = Self(reads: Self.reads(request))
    case .lsub, .rlsub: traits = Self(reads: [Data.name, .subscriptions])
    case .xlist, .rlist: traits = Self(reads: Data.name)
    case .status(let name, let items):
      traits = Self(.mayExpunge, name, reads: [Data.name, Data.status])
      if items.contains(.highestModSeq) { traits.rules.insert(.enablesCondStore) }
    case .create(let name, specialUse: _): traits = Self(.mayExpunge, name, reads: Data.name, changes: .names)
    case .delete(let name): traits = Self(.mayExpunge, name, reads: Data.name, changes: [.names, .messages])
    case .rename(let name, let target):
      traits = Self(.mayExpunge, name, reads: Data.name, changes: [.names, .messages])
      traits.named = .mailbox(target.bytes)
    case .subscribe(let name): traits = Self(.mayExpunge, name, reads: Data.name, changes: .subscriptions)
    case .unsubscribe(let name): traits = Self(.mayExpunge, name, reads: .extensions, changes: .subscriptions)
    case .append(let request): traits = Self(request)
    case .setACL(let name, identifier: _, _), .deleteACL(let name, identifier: _):
      traits = Self(.mayExpunge, name, reads: Data.name, changes: .access)
    case .getACL(let name), .listRights(let name, identifier: _), .myRights(let name):
      traits = Self(.mayExpunge, name, reads: [Data.name, .access])
    case .getQuota: traits = Self(reads: .quota)
    case .getQuotaRoot(let name): traits = Self(.mayExpunge, name, reads: [Data.name, .quota])
    case .setQuota: traits = Self(reads: .quota, changes: .quota)
    case .getMetadata(let name, entries: _, _): traits = Self(.mayExpunge, name, reads: [Data.name, .metadata])
    case .setMetadata(let name, let entries):
      traits = Self(.mayExpunge, name, reads: Data.name, changes: .metadata)
      // RFC 6154, section 4: LIST tells it.
      if entries.contains(where: { $0.name.span.equalsIgnoringCase("/private/specialuse") }) {
        traits.there.changes.insert(.names)
      }
    case .getAnnotation: traits = Self(reads: [.extensions, .metadata])
    case .setAnnotation: traits = Self(reads: .extensions, changes: .metadata)
    case .generateURLAuth: traits = Self(reads: .keys)
    case .fetchURLs: traits = Self(reads: [.keys, .messages])
    case .resetKey: traits = Self(changes: .keys)
    case .expunge: traits = Self(removing: nil)
    case .uidExpunge(let set): traits = Self(removing: .uids(set))
    case .search(let key, let uid, _, _): traits = Self(searching: key, uid: uid)
    case .sort(let criteria, let key, let uid, _, _):
      traits = Self(searching: key, uid: uid)
      // RFC 5256, section 3 has no EXPUNGE come without UID either, but the rule of RFC 9051 names only three commands.
      traits.rules.insert(.mayExpunge)
      if criteria.contains(where: { if case .annotation = $0.key { true } else { false } }) {
        traits.here.reads.insert(.annotations)
      }
    case .thread(_, let key, let uid, _):
      traits = Self(searching: key, uid: uid)
      traits.rules.insert(.mayExpunge)
    case .multiSearch(let search):
      traits = Self(searching: search.key, uid: true)
      // In any mailbox.
      traits.there.reads = traits.here.reads.union(.names)
    case .uidBatches:
      traits = Self()
      traits.here.reads = .chosenMessages
    // The commonest, without a copy.
    case .fetch(let messages, let items, let modifiers): return fetching(messages, items, modifiers)
    case .store(let messages, let operation, let since):
      traits = Self(storing: .flags, messages, isSilent: operation.isSilent, since)
    case .storeLabels(let messages, let operation, let since):
      traits = Self(storing: .labels, messages, isSilent: operation.isSilent, since)
    case .storeAnnotations(let messages, _, let since):
      traits = Self(storing: .annotations, messages, isSilent: false, since)
    case .partial(let message, let item, first: _, count: _):
      traits = fetching(.sequence([message]), [item], FetchModifiers())
      traits.rules.insert(.mayExpunge)
    case .convert(let messages, _):
      traits = Self(on: messages)
      // RFC 5259, section 6: EXPUNGE may come during UID CONVERT.
      if case .uids = messages { traits.rules.insert(.mayExpunge) }
    case .copy(let messages, let name): traits = Self(copying: messages, to: name)
    case .move(let messages, let name):
      traits = Self(copying: messages, to: name)
      traits.here.changes = .space
      traits.rules.insert(.removesMessages)
      if case .sequence = messages { traits.rules.insert(.movesByNumber) }
    }
    return traits
  }

  private static func reads(_ request: ListRequest) -> Data {
    var reads = Data.name
    if request.selection.contains(.subscribed) { reads.insert(.subscriptions) }
    for option in request.returning {
      switch option {
      case .subscribed: reads.insert(.subscriptions)
      case .status: reads.formUnion(.status)
      case .myRights: reads.insert(.access)
      case .metadata: reads.insert(.metadata)
      case .children, .specialUse: break
      case .other: reads.formUnion(.ofMailbox)
      }
    }
    return reads
  }

  private init(_ request: AppendRequest) {
    self.init(.mayExpunge, request.mailbox, reads: Data.name, adds: .space)
    guard let replaced = request.replacing else { return }
    here = Access(reads: .chosenMessages, changes: .space)
    rules.insert(.removesMessages)
    if case .sequence = replaced { rules.insert(.usesSequenceNumbers) }
  }

  /// On messages of the selected mailbox.
  private init(on messages: MessageReference) {
    self.init(messages, Self.rules(on: messages), Access(reads: .chosenMessages))
  }

  private init(_ messages: MessageReference, _ rules: Rules, _ here: Access) {
    named = Self.name(messages)
    self.rules = rules
    self.here = here
  }

  private static func rules(on messages: MessageReference) -> Rules {
    switch messages {
    case .uids: .mayExpunge
    // `$` is kept up to date when messages go: RFC 5182, section 2.1.
    case .sequence(let set): set.isSavedResult ? [] : .usesSequenceNumbers
    }
  }

  private static func name(_ messages: MessageReference) -> Named? {
    switch messages {
    // `$` may be anything.
    case .uids(let set): set.isSavedResult ? nil : .uids(set.ranges)
    case .sequence(let set): set.isSavedResult ? nil : .sequence(set.ranges)
    }
  }

  /// RFC 9051, section 5.5: STORE + COPY + EXPUNGE may go together, so neither that COPY takes flags along nor that EXPUNGE
  /// goes by one of them counts.
  private init(removing messages: MessageReference?) {
    self.init([.mayExpunge, .removesMessages])
    if let messages { named = Self.name(messages) }
    here = Access(reads: .selection, changes: .space)
  }

  private init(copying messages: MessageReference, to name: MailboxName) {
    self.init(on: messages)
    rules.insert(.mayExpunge)
    mailbox = name.bytes
    there = Access(reads: Data.name, adds: .space)
  }

  private init(storing data: Data, _ messages: MessageReference, isSilent: Bool, _ since: ModSeq?) {
    self.init(on: messages)
    here.changes = data.union(.modSeq)
    if !isSilent { here.reads.insert(data) }
    if since != nil {
      here.reads.insert(.modSeq)
      rules.insert(.enablesCondStore)
    }
  }

  private static func fetching(
    _ messages: MessageReference, _ items: [FetchItem], _ modifiers: FetchModifiers
  ) -> CommandTraits {
    var rules = Self.rules(on: messages)
    var here = Access(reads: .chosenMessages)
    for index in items.indices {
      switch items[index] {
      case .flags: here.reads.insert(.flags)
      case .modSeq:
        here.reads.insert(.modSeq)
        rules.insert(.enablesCondStore)
      case .gmailLabels: here.reads.insert(.labels)
      case .annotations: here.reads.insert(.annotations)
      // RFC 9051, section 6.4.5: \Seen is set.
      case .rfc822, .rfc822Text, .section(_, peek: false, _), .binary(_, peek: false, _):
        here.changes.formUnion(.seen)
      // It may be anything.
      case .other:
        here.reads.formUnion(.ofMessage)
        here.changes.formUnion(.seen)
      default: break
      }
    }
    if modifiers.changedSince != nil {
      here.reads.insert(.modSeq)
      rules.insert(.enablesCondStore)
    }
    return Self(messages, rules, here)
  }

  private init(searching key: SearchKey, uid: Bool) {
    self.init(uid ? .mayExpunge : .usesSequenceNumbers)
    here.reads = .search
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
      case .other(_, let arguments):
        // It may name anything.
        here.reads.formUnion(.ofMessage)
        if CommandArgument.list(arguments).contents.sequenceNumbers { rules.insert(.usesSequenceNumbers) }
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
    let selected = selected?.bytes
    return here.mayFollow(earlier.here, meets: true, areApart: areApart(from: earlier))
      && here.mayFollow(earlier.there, meets: earlier.names(selected), areApart: false)
      && there.mayFollow(earlier.here, meets: names(selected), areApart: false)
      && there.mayFollow(earlier.there, meets: meets(earlier), areApart: false)
  }

  private func meets(_ other: CommandTraits) -> Bool {
    if case .mailbox(let name)? = named, other.names(name) { return true }
    return other.names(mailbox)
  }

  private func names(_ name: [UInt8]?) -> Bool {
    guard let mailbox, let name else { return true }
    if case .mailbox(let other)? = named, Self.areRelated(other, name) { return true }
    return Self.areRelated(mailbox, name)
  }

  /// Whether one of the names may be above the other in the hierarchy, whose delimiter is not known, or they are the same.
  private static func areRelated(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    // The empty name is the server's.
    if one.isEmpty || other.isEmpty { return one == other }
    return one.starts(with: other) || other.starts(with: one)
  }

  /// Whether both name messages in the same way and none is named by both.
  private func areApart(from other: CommandTraits) -> Bool {
    switch (named, other.named) {
    case (.uids(let left), .uids(let right)): Self.areApart(left, right)
    case (.sequence(let left), .sequence(let right)): Self.areApart(left, right)
    default: false
    }
  }

  /// False where `*` may be anything, and where it takes long to tell.
  private static func areApart<Number>(_ left: [MessageSet<Number>.Range], _ right: [MessageSet<Number>.Range]) -> Bool
  {
    if left.count > 64 || right.count > 64 { return false }
    for range in left {
      guard let first = range.first.number, let last = range.last.number else { return false }
      for other in right {
        guard let start = other.first.number, let end = other.last.number else { return false }
        if max(first, last) >= min(start, end), max(start, end) >= min(first, last) { return false }
      }
    }
    return true
  }
}

extension CommandTraits.Access {
  /// `meets` says whether both are of the same mailbox, `areApart` that they are of other messages in it.
  fileprivate func mayFollow(_ earlier: Self, meets: Bool, areApart: Bool) -> Bool {
    var disputed = reads.intersection(earlier.changes.union(earlier.adds))
    disputed.formUnion(changes.intersection(earlier.reads).intersection(.ordered))
    disputed.formUnion(changes.intersection(earlier.changes).intersection(.overwritten))
    if !meets { disputed.subtract(.ofMailbox) }
    if areApart { disputed.subtract(.ofMessage.union(.messages)) }
    return disputed.isEmpty
  }
}
