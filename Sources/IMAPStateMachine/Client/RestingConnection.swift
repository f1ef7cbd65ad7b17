/// A ``ClientConnection`` while nothing goes on but, perhaps, an IDLE: all that is worth keeping, in a quarter of the memory. For
/// those who hold very many connections; see ``ClientConnection/rest()`` and ``ClientConnection/wake(_:)``.
public struct RestingConnection: ~Copyable {
  fileprivate let configuration: ClientConnection.Configuration
  fileprivate let session: ClientState.Session
  fileprivate let marks: Marks
  fileprivate let mailboxEncoding: MailboxName.Encoding
  fileprivate let literals: LiteralPolicy
  fileprivate let nextTag: UInt32
  fileprivate let nextID: UInt32
  fileprivate let idleID: UInt32
  fileprivate let idleTag: UInt32
  fileprivate let renewAt: MonotonicInstant
  fileprivate let lastProgress: MonotonicInstant
  fileprivate let offset: Int
  fileprivate let allowance: Int
  // Variables, to be swapped with those of the connection that wakes: nothing is copied.
  fileprivate var capabilities: [Capability]?
  fileprivate var enabled: [Capability]
  fileprivate var selected: TrackedMailbox?

  /// Whether the server has accepted an IDLE that was not ended.
  public var isIdling: Bool { marks.contains(.isIdling) }

  /// When the connection must be woken, to renew its IDLE; nil where it need not be.
  public var nextDeadline: MonotonicInstant? { isIdling ? renewAt : nil }

  /// How many bytes of the server were read. Complexity: O(1).
  public var receivedCount: Int { offset }

  fileprivate struct Marks: OptionSet {
    let rawValue: UInt16

    static let isIdling = Marks(rawValue: 1 << 0)
    static let isCompressed = Marks(rawValue: 1 << 1)
    static let hasSelected = Marks(rawValue: 1 << 2)
    static let hasTurnedCondStoreOn = Marks(rawValue: 1 << 3)
    static let mayExpungeAnytime = Marks(rawValue: 1 << 4)
    static let hasSent = Marks(rawValue: 1 << 5)
    static let hasSASLIR = Marks(rawValue: 1 << 6)
  }
}

extension ClientConnection {
  /// Packs the connection where nothing goes on but, perhaps, an IDLE that the server has accepted: nothing waits to be sent, told or
  /// read, and every response that has begun is whole. Returns nil and changes nothing anywhere else.
  ///
  /// Behind it this value is a new connection, to be used for whichever is woken next: ``wake(_:)``. Unread bytes in the
  /// receive buffer are the caller's, as ever. Deadlines count on; take ``nextDeadline`` before. Complexity: O(1).
  public mutating func rest() -> RestingConnection? { state.rest() }

  /// Goes on with a connection that rested, in the place of this one, which must be new or just put to rest: what it was is
  /// forgotten. Complexity: O(1).
  public mutating func wake(_ resting: consuming RestingConnection) { state.wake(resting) }
}

extension ClientState {
  fileprivate mutating func rest() -> RestingConnection? {
    var idle: (id: UInt32, tag: UInt32)?
    var renewAt = MonotonicInstant(nanoseconds: 0)
    switch flow {
    case .open: if !inFlight.isEmpty { return nil }
    case .idle(let id, .active(let time)):
      guard inFlight.count == 1, let (command, tag) = inFlight.firstNumbers, command == id else { return nil }
      idle = (id.rawValue, tag)
      renewAt = time
    default: return nil
    }
    if session == .greeting || isLoggingOut { return nil }
    guard outbound.isEmpty, queue.isEmpty, pending.isEmpty, held == nil, selecting == nil, !isEnding, parser.canRest
    else {
      return nil
    }
    var resting = RestingConnection(
      configuration: configuration, session: session, marks: marks(isIdling: idle != nil),
      mailboxEncoding: parser.mailboxEncoding, literals: literals, nextTag: nextTag, nextID: nextID,
      idleID: idle?.id ?? 0, idleTag: idle?.tag ?? 0, renewAt: renewAt, lastProgress: lastProgress,
      offset: parser.offset, allowance: parser.allowance, capabilities: nil, enabled: [], selected: nil)
    swap(&resting.capabilities, &capabilities)
    swap(&resting.enabled, &enabled)
    swap(&resting.selected, &selected)
    // An IDLE that began gave its storage back, and has none since.
    if idle == nil { giveBackStorage() }
    startAnew()
    return resting
  }

  private func marks(isIdling: Bool) -> RestingConnection.Marks {
    var marks: RestingConnection.Marks = []
    if isIdling { marks.insert(.isIdling) }
    if isCompressed { marks.insert(.isCompressed) }
    if hasSelected { marks.insert(.hasSelected) }
    if hasTurnedCondStoreOn { marks.insert(.hasTurnedCondStoreOn) }
    if mayExpungeAnytime { marks.insert(.mayExpungeAnytime) }
    if hasSent { marks.insert(.hasSent) }
    if hasSASLIR { marks.insert(.hasSASLIR) }
    return marks
  }

  /// Makes it a new connection of the same configuration. Only for one that may rest, and whose lists and mailbox were taken: all that
  /// is not set here is then as it was at the start.
  private mutating func startAnew() {
    if isObserved {
      // Whatever an observer holds is no matter of the next connection.
      configuration = ClientConnection.Configuration()
      isObserved = false
      parser = ResponseParser(limits: configuration.limits)
    } else {
      parser.startAnew()
    }
    inFlight.removeFirst()
    flow = .open
    session = .greeting
    received = 0
    (nextTag, nextID) = (1, 1)
    literals = .synchronizing
    isCompressed = false
    hasSelected = false
    hasTurnedCondStoreOn = false
    mayExpungeAnytime = false
    hasSent = false
    hasSASLIR = false
  }

  /// Whether nothing has happened: no byte was read, nothing enqueued, and it has not ended.
  private var isNew: Bool { session == .greeting && nextID == 1 && !isEnding && parser.isNew }

  /// Most are woken where one of the same configuration rested: then there is little to do.
  fileprivate mutating func wake(_ resting: consuming RestingConnection) {
    if !isNew { self = ClientState(resting.configuration, now: resting.lastProgress) }
    if configuration.hasSameValues(as: resting.configuration) {
      configuration.isSecure = resting.configuration.isSecure
    } else {
      let isParserFit = configuration.limits == resting.configuration.limits
      configuration = resting.configuration
      isObserved = configuration.wireObserver != nil
      if !isParserFit { parser = ResponseParser(limits: configuration.limits) }
    }
    // What is derived of them rested as well.
    swap(&capabilities, &resting.capabilities)
    swap(&enabled, &resting.enabled)
    swap(&selected, &resting.selected)
    lastProgress = resting.lastProgress
    session = resting.session
    received = resting.offset
    nextTag = resting.nextTag
    nextID = resting.nextID
    literals = resting.literals
    isCompressed = resting.marks.contains(.isCompressed)
    hasSelected = resting.marks.contains(.hasSelected)
    hasTurnedCondStoreOn = resting.marks.contains(.hasTurnedCondStoreOn)
    mayExpungeAnytime = resting.marks.contains(.mayExpungeAnytime)
    hasSent = resting.marks.contains(.hasSent)
    hasSASLIR = resting.marks.contains(.hasSASLIR)
    parser.mailboxEncoding = resting.mailboxEncoding
    parser.offset = resting.offset
    parser.responsePosition = resting.offset
    parser.allowance = resting.allowance
    if resting.marks.contains(.isIdling) {
      let id = CommandID(rawValue: resting.idleID)
      flow = .idle(id, .active(renewAt: resting.renewAt))
      inFlight.append(
        InFlight(
          id: id, tag: resting.idleTag, traits: CommandTraits.idle, kind: .idle,
          limit: configuration.timeouts.number(of: .idle)))
    }
  }
}
