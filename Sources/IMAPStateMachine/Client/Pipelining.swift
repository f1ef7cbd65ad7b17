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

  init(rawValue: UInt16) { self.rawValue = rawValue }

  init(_ command: borrowing Command) {
    switch copy command {
    case .logout, .startTLS, .login, .authenticate, .enable, .select, .examine, .idle, .close, .unselect:
      self = .barrier
    case .capability, .id, .namespace, .noop:
      self = .mayExpunge
    case .list:
      self = [.mayExpunge, .readsMailboxes]
    case .status:
      self = [.mayExpunge, .readsMailboxes, .readsFlags]
    case .create, .delete, .append:
      self = [.mayExpunge, .changesMailboxes, .readsMailboxes]
    case .expunge, .uidExpunge:
      self = [.mayExpunge, .changesMailboxes]
    case .search(let key, let uid, _):
      self = uid ? [.mayExpunge, .readsMailboxes] : [.usesSequenceNumbers, .readsMailboxes]
      formUnion(Self.reads(key))
    case .fetch(let messages, let items, let since):
      self = Self.reference(messages).union(.readsMailboxes)
      // A change of flags changes the modification sequence (RFC 7162, section 3.1).
      if items.contains(.flags) || items.contains(.modSeq) || since != nil { insert(.readsFlags) }
      if items.contains(where: Self.setsSeen) { insert(.changesFlags) }
    case .store(let messages, _, let since):
      self = Self.reference(messages).union([.changesFlags, .readsMailboxes])
      if since != nil { insert(.readsFlags) }
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
    if contains(.readsFlags) || contains(.changesFlags), earlier.contains(.changesFlags) { return false }
    return !(contains(.readsMailboxes) && earlier.contains(.changesMailboxes))
  }

  private static func reference(_ messages: MessageReference) -> CommandTraits {
    switch messages {
    case .uids: .mayExpunge
    case .sequence: .usesSequenceNumbers
    }
  }

  private static func setsSeen(_ item: FetchItem) -> Bool {
    switch item {
    case .rfc822, .rfc822Text, .section(_, peek: false, _): true
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
      case .sequence: traits.insert(.usesSequenceNumbers)
      case .flag, .noFlag, .new, .old, .modSeq: traits.insert(.readsFlags)
      case .and(let keys): pending += keys
      case .or(let left, let right): pending += [left, right]
      case .not(let inner): pending.append(inner)
      default: break
      }
    }
    return traits
  }
}
