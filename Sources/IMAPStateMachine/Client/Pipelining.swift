/// What a command does that matters for commands sent before its completion (RFC 9051, section 5.5).
struct CommandTraits: OptionSet {
  let rawValue: UInt16

  /// Sent alone: nothing may be in flight before it, nothing may follow before its completion. Commands that change the
  /// state, start a layer, or take over the meaning of continuation requests.
  static let barrier = CommandTraits(rawValue: 1 << 0)
  /// Names messages by sequence number, or returns sequence numbers.
  static let usesSequenceNumbers = CommandTraits(rawValue: 1 << 1)
  /// The server may send EXPUNGE before completing it: every command but FETCH, STORE and SEARCH without UID.
  static let mayExpunge = CommandTraits(rawValue: 1 << 2)
  /// Changes flags of messages, by STORE or by fetching a body without PEEK.
  static let changesFlags = CommandTraits(rawValue: 1 << 3)
  /// Its result depends on flags.
  static let readsFlags = CommandTraits(rawValue: 1 << 4)
  /// Changes which mailboxes there are or what they hold.
  static let changesMailboxes = CommandTraits(rawValue: 1 << 5)
  /// Its result depends on which mailboxes there are or what they hold.
  static let readsMailboxes = CommandTraits(rawValue: 1 << 6)
  /// Names messages by `$` (RFC 5182).
  static let usesSearchResult = CommandTraits(rawValue: 1 << 7)
  /// Makes `$` name others.
  static let savesSearchResult = CommandTraits(rawValue: 1 << 8)
  /// Turns CONDSTORE on (RFC 7162, section 3.1).
  static let enablesCondStore = CommandTraits(rawValue: 1 << 9)

  init(rawValue: UInt16) { self.rawValue = rawValue }

  init(_ command: borrowing Command) {
    switch copy command {
    // What they do to the connection, or to what others get to see, holds from their completion on. Of an unknown command
    // nothing is known.
    case .logout, .startTLS, .login, .authenticate, .unauthenticate, .proxyAuth, .compress, .enable, .idle, .close,
      .unselect, .other:
      self = .barrier
    case .select(_, let parameters), .examine(_, let parameters):
      self = parameters.condStore ? [.barrier, .enablesCondStore] : .barrier
    // RFC 5255, sections 3.2 and 4.7: the language of texts and the order of sorts change. RFC 5465, section 3.1: NOTIFY
    // decides whether EXPUNGE may come at any time.
    case .language, .comparator, .notify:
      self = .barrier
    case .capability, .id, .namespace, .getJMAPAccess, .noop, .check, .applePushService, .cancelUpdate:
      self = .mayExpunge
    case .list(let request):
      self = [.mayExpunge, .readsMailboxes]
      if request.returning.contains(where: { if case .status = $0 { true } else { false } }) { insert(.readsFlags) }
    case .lsub, .xlist, .getACL, .listRights, .myRights, .getQuota, .getQuotaRoot, .getMetadata, .getAnnotation,
      .generateURLAuth, .fetchURLs:
      self = [.mayExpunge, .readsMailboxes]
    case .status(_, let items):
      self = [.mayExpunge, .readsMailboxes, .readsFlags]
      if items.contains(.highestModSeq) { insert(.enablesCondStore) }
    case .create, .delete, .rename, .subscribe, .unsubscribe, .setACL, .deleteACL, .setQuota, .setMetadata,
      .setAnnotation, .resetKey:
      self = [.mayExpunge, .changesMailboxes, .readsMailboxes]
    case .append(let request):
      self = [.mayExpunge, .changesMailboxes, .readsMailboxes]
      if case .sequence = request.replacing { insert(.usesSequenceNumbers) }
    case .expunge:
      self = [.mayExpunge, .changesMailboxes]
    case .uidExpunge(let set):
      self = [.mayExpunge, .changesMailboxes]
      if set.isSavedResult { insert(.usesSearchResult) }
    case .search(let key, let uid, _, let options), .sort(_, let key, let uid, _, let options):
      self = Self.search(key, uid: uid, options)
      // RFC 5256 gives SORT no part in the rule that no EXPUNGE comes during SEARCH.
      if case .sort = copy command { insert(.mayExpunge) }
    case .thread(_, let key, let uid, _):
      self = Self.search(key, uid: uid, nil).union(.mayExpunge)
    case .multiSearch(let search):
      self = Self.search(search.key, uid: true, search.returning)
    case .uidBatches:
      self = [.mayExpunge, .readsMailboxes]
    case .fetch(let messages, let items, let modifiers):
      self = Self.reference(messages).union(.readsMailboxes)
      // A change of flags changes the modification sequence (RFC 7162, section 3.1).
      if !modifiers.isEmpty { insert(.readsFlags) }
      if modifiers.changedSince != nil { insert(.enablesCondStore) }
      for index in items.indices {
        if Self.readsFlags(items[index]) { insert(.readsFlags) }
        if Self.setsSeen(items[index]) { insert(.changesFlags) }
        if items[index] == .modSeq { insert(.enablesCondStore) }
      }
    case .store(let messages, _, let since), .storeLabels(let messages, _, let since),
      .storeAnnotations(let messages, _, let since):
      self = Self.reference(messages).union(.changesFlags).union(.readsMailboxes)
      if since != nil { formUnion([.readsFlags, .enablesCondStore]) }
    case .copy(let messages, _), .move(let messages, _):
      self = Self.reference(messages).union([.mayExpunge, .changesMailboxes, .readsMailboxes])
    }
  }

  /// Whether a command with these traits may be sent while one with `earlier` is in flight.
  ///
  /// RFC 9051, section 5.5 forbids sequence numbers behind what may bring EXPUNGE, and commands whose results depend on one
  /// another. Its examples of what is allowed show the direction: FETCH + STORE + SEARCH + NOOP and STORE + COPY + EXPUNGE; a
  /// later command may change what an earlier one has read.
  func mayFollow(_ earlier: CommandTraits) -> Bool {
    if contains(.barrier) || earlier.contains(.barrier) { return false }
    if contains(.usesSequenceNumbers), earlier.contains(.mayExpunge) { return false }
    // RFC 5182, section 2.4 lets a server run what names `$` before the search that makes it is over, unless that fails:
    // the client cannot know, so it waits.
    if contains(.usesSearchResult) || contains(.savesSearchResult), earlier.contains(.savesSearchResult) {
      return false
    }
    if contains(.readsFlags) || contains(.changesFlags), earlier.contains(.changesFlags) { return false }
    return !(contains(.readsMailboxes) && earlier.contains(.changesMailboxes))
  }

  private static func reference(_ messages: MessageReference) -> CommandTraits {
    switch messages {
    case .uids(let set): set.isSavedResult ? [.mayExpunge, .usesSearchResult] : .mayExpunge
    // `$` is kept up to date when messages go: RFC 5182, section 2.1.
    case .sequence(let set): set.isSavedResult ? .usesSearchResult : .usesSequenceNumbers
    }
  }

  private static func search(
    _ key: SearchKey, uid: Bool, _ options: [SearchReturnOption]?
  ) -> CommandTraits {
    var traits: CommandTraits = uid ? [.mayExpunge, .readsMailboxes] : [.usesSequenceNumbers, .readsMailboxes]
    traits.formUnion(reads(key))
    if options?.contains(.save) ?? false { traits.insert(.savesSearchResult) }
    return traits
  }

  private static func setsSeen(_ item: FetchItem) -> Bool {
    switch item {
    case .rfc822, .rfc822Text, .section(_, peek: false, _), .binary(_, peek: false, _): true
    // It may be anything.
    case .other: true
    default: false
    }
  }

  /// Labels and annotations count as flags: STORE changes them.
  private static func readsFlags(_ item: FetchItem) -> Bool {
    switch item {
    case .flags, .modSeq, .gmailLabels, .annotations, .other: true
    default: false
    }
  }

  /// What the result of a search depends on, besides the messages themselves.
  private static func reads(_ key: SearchKey) -> CommandTraits {
    var traits: CommandTraits = []
    // By an explicit stack: nesting is checked when the key is written.
    var pending = [key]
    while let key = pending.popLast() {
      switch key {
      case .sequence(let set): traits.insert(set.isSavedResult ? .usesSearchResult : .usesSequenceNumbers)
      case .uid(let set): if set.isSavedResult { traits.insert(.usesSearchResult) }
      // A filter is a search that only the server knows, and a query of Gmail may name anything.
      case .flag, .noFlag, .new, .old, .gmailLabel, .gmailRaw, .annotation, .filter: traits.insert(.readsFlags)
      case .modSeq: traits.formUnion([.readsFlags, .enablesCondStore])
      case .and(let keys): pending += keys
      case .or(let left, let right): pending += [left, right]
      case .not(let inner), .fuzzy(let inner): pending.append(inner)
      default: break
      }
    }
    return traits
  }
}
