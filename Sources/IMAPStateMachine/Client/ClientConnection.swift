import DequeModule

/// The client role of IMAP, without I/O: bytes in, events out, bytes to send out.
///
/// What the outside did is told by ``next(_:now:)`` (bytes arrived, or the input was closed), ``handleTimeout(now:)``,
/// ``upgraded(_:now:)`` and ``transportFailed(_:)``. What the user wants is told by ``enqueue(_:now:)`` and the other verbs.
/// After any of them, in this order: call ``next(_:now:)`` until it returns ``ClientEvent/needMoreInput`` or
/// ``ClientEvent/paused``; send ``outbound`` and say how much of it went with ``consumeOutbound(_:)``; call
/// ``handleTimeout(now:)`` when ``nextDeadline`` comes. Calls in another order do no harm.
///
/// Commands may be enqueued at any time and in any number. Each is sent as early as RFC 9051, section 5.5 lets it.
/// Every enqueued command ends in exactly one ``ClientEvent/completed(_:_:)`` or ``ClientEvent/failed(_:_:)``, a STARTTLS
/// that was agreed on in ``ClientEvent/upgrade(_:_:)``, and the connection in exactly one ``ClientEvent/closed(_:)``.
public struct ClientConnection: ~Copyable {
  /// The states of RFC 9051, section 3, with the moments before and after.
  public enum Phase: Hashable, Sendable, CustomStringConvertible {
    /// The greeting has not come.
    case greeting
    /// The server does not know who the user is.
    case notAuthenticated
    /// The user is logged in and no mailbox is selected.
    case authenticated
    /// A mailbox is selected.
    case selected(readOnly: Bool)
    /// The connection is ending.
    case loggingOut
    /// The connection is over.
    case closed

    /// The state in words.
    public var description: String {
      switch self {
      case .greeting: "waiting for the greeting"
      case .notAuthenticated: "not authenticated"
      case .authenticated: "authenticated"
      case .selected(readOnly: false): "mailbox selected"
      case .selected(readOnly: true): "mailbox selected for reading"
      case .loggingOut: "logging out"
      case .closed: "closed"
      }
    }
  }

  var state: ClientState

  /// A connection whose bytes start with the server's greeting, at `now`.
  public init(_ configuration: Configuration = Configuration(), now: MonotonicInstant) {
    state = ClientState(configuration, now: now)
  }

  /// Where in its life the connection is.
  public var phase: Phase { state.phase }

  /// What the server announced last, in any of the places where it can; nil where nothing valid is known: at the start,
  /// after STARTTLS, and after a login that announced nothing (RFC 9051, section 7.2.2).
  public var capabilities: [Capability]? { state.capabilities }

  /// The largest message that any mailbox takes, in bytes; nil where the server named no such limit, and the mailboxes may
  /// have their own, which STATUS tells (RFC 7889, section 2). Complexity: O(capabilities).
  public var appendLimit: UInt64? { state.appendLimit }

  /// What ENABLE switched on.
  public var enabled: [Capability] { state.enabled }

  /// The selected mailbox. While SELECT or EXAMINE is in flight, that is the one selected before, until the server says
  /// `[CLOSED]`; nil where a server says no such thing.
  public var selected: SelectedMailbox? { state.selected?.mailbox }

  /// Whether the server tells modification sequences by itself: after a command that turns CONDSTORE on went well (RFC 7162,
  /// section 3.1).
  public var isCondStoreEnabled: Bool { state.isCondStoreOn }

  /// The UID of a message of the selected mailbox, where ``Configuration/mapsUIDs`` is set and a FETCH told it; sequence
  /// numbers are those of now. Complexity: O(n / 1024 + 1024) for n runs of UIDs that follow one another; allocates nothing.
  public func uid(of sequence: SequenceNumber) -> UID? {
    state.selected?.uids?.uid(at: Int(sequence.rawValue) - 1).map { UID(rawValue: $0) }
  }

  /// Where a message of the selected mailbox is now, as far as known; nil also where there is no such message any more.
  /// Complexity: as for ``uid(of:)``.
  public func sequence(of uid: UID) -> SequenceNumber? {
    state.selected?.uids?.position(of: uid.rawValue).map { SequenceNumber(rawValue: UInt32(clamping: $0 + 1)) }
  }

  /// Whether the command was sent and is not completed: only then can a response be its answer. Complexity: O(commands in
  /// flight).
  public func isInFlight(_ id: CommandID) -> Bool {
    state.isInFlight(id)
  }

  /// Whether the server may have had the command, or a part of it, and has not said how it went: it may have been done. A command
  /// that ended in ``ClientEvent/failed(_:_:)`` and of which this is false was never sent. While the connection lives it knows of
  /// the last 256 such commands. Complexity: O(such commands).
  public func mayHaveBeenDone(_ id: CommandID) -> Bool { state.unanswered.contains(id) }

  /// Makes ``Configuration/maximumInFlight``, ``Configuration/maximumLineLength`` and ``Configuration/maximumFetchBatch`` of this
  /// connection as narrow as this, where they are wider: for what only the greeting tells of a server. Commands that were sent stay
  /// as they are.
  public mutating func narrow(commandsInFlight: Int? = nil, lineLength: Int? = nil, fetchBatch: UInt32? = nil) {
    if let most = commandsInFlight, most < state.configuration.maximumInFlight {
      state.configuration.maximumInFlight = most
    }
    if let most = lineLength, most < state.configuration.maximumLineLength {
      state.configuration.maximumLineLength = most
    }
    if let most = fetchBatch, most < state.configuration.maximumFetchBatch ?? .max {
      state.configuration.maximumFetchBatch = most
    }
  }

  /// The tag that the command has on the wire: an ESEARCH response may name it, and CANCELUPDATE does (RFC 4731, section 3.1;
  /// RFC 5267, section 4.4). Nil where the command is not in flight. Complexity: O(commands in flight).
  ///
  /// It changes where one command takes several: an IDLE that is renewed, a command that is too long for a line, and a search
  /// whose charset the server does not know (`NO [BADCHARSET]`). That is sent again, once: without a charset where all texts
  /// are ASCII, which is US-ASCII for SORT and THREAD, or else in UTF-8 or ISO-8859-1 where the server lists one that holds
  /// them. The refusal is a ``ClientEvent/response(_:)`` then. There is no second attempt where it could go wrong unseen: if
  /// anything was sent behind a search with SAVE, or one that names `$` or sequence numbers; nor for UID SEARCH of sequence
  /// numbers, and of `$` with SAVE.
  public func tag(of id: CommandID) -> String? { state.tag(of: id) }

  /// Whether TLS protects the connection.
  public var isSecure: Bool { state.isSecure }

  /// The next event. Throws only behind ``ClientEvent/closed(_:)`` with an error: the same error for ever.
  @_lifetime(&input)
  public mutating func next(
    _ input: inout ReceiveBuffer, now: MonotonicInstant
  ) throws(ConnectionError) -> ClientEvent {
    var lists = ListPool.none
    return try next(&input, now: now, sharing: &lists)
  }

  /// The same, for one of many connections: ``capabilities`` and the selected mailbox's flags are those of `lists` where the server
  /// says what another one's has said, or else are added there. So connections to one server hold one copy, which is read once.
  @_lifetime(&input)
  public mutating func next(
    _ input: inout ReceiveBuffer, now: MonotonicInstant, sharing lists: inout ListPool
  ) throws(ConnectionError) -> ClientEvent {
    while true {
      if let event = state.takePending() { return Self.event(event, &input) }
      switch state.readiness {
      case .reading: break
      case .paused: return .paused
      case .failed(let error): throw error
      }
      switch state.step(&input, now: now, &lists) {
      case .again: continue
      case .event(let event): return event
      }
    }
  }

  /// Does what is due at `now`. A call before ``nextDeadline`` does nothing. What has arrived is read first, by
  /// ``next(_:now:)``: whoever holds bytes back makes the server look silent, and says so by
  /// ``resumed(now:)``.
  public mutating func handleTimeout(now: MonotonicInstant) { state.handleTimeout(now: now) }

  /// The layer that ``ClientEvent/upgrade(_:_:)`` asked for is up. A call that nothing asked for does nothing.
  public mutating func upgraded(_ upgrade: Upgrade, now: MonotonicInstant) { state.upgraded(upgrade, now: now) }

  /// The connection broke below the protocol: every command fails with `error`, and the connection is closed. Behind a BYE
  /// it is closed as if it had ended properly.
  public mutating func transportFailed(_ error: ConnectionError) { state.transportFailed(error) }

  /// Takes a command; it is sent as soon as the protocol allows. A command that the state does not allow when its turn
  /// comes ends in ``ClientEvent/failed(_:_:)``. Throws `.misuse` on a closed connection, `.limit` where too many wait.
  ///
  /// A command that waits may be sent behind an EXPUNGE that came meanwhile, and sequence numbers are those of then. UIDs stay.
  public mutating func enqueue(
    _ command: consuming Command, now: MonotonicInstant
  ) throws(ConnectionError) -> CommandID {
    try state.enqueue(command, now: now)
  }

  /// Answers a ``ClientEvent/challenge(_:_:)``. Throws `.misuse` where none is open for `id`.
  public mutating func answer(
    _ id: CommandID, challenge response: Span<UInt8>, now: MonotonicInstant
  ) throws(ConnectionError) {
    try state.answer(id, response, now: now)
  }

  /// Gives up a SASL exchange: sends `*`, which the server answers by BAD (RFC 9051, section 6.2.2). Throws `.misuse` where
  /// no challenge is open for `id`.
  public mutating func cancelAuthentication(_ id: CommandID, now: MonotonicInstant) throws(ConnectionError) {
    try state.cancelAuthentication(id, now: now)
  }

  /// Takes bytes of the message of an APPEND, after ``ClientEvent/readyForLiteral(_:byteCount:)``. Returns how many it took:
  /// fewer than given once 256 KiB wait to be sent; the event then comes again when there is room. Throws `.misuse` where
  /// `id` waits for no bytes, or for fewer.
  public mutating func write(
    _ id: CommandID, literal bytes: Span<UInt8>, now: MonotonicInstant
  ) throws(ConnectionError) -> Int {
    try state.write(id, bytes, now: now)
  }

  /// Ends an IDLE; ``ClientEvent/completed(_:_:)`` follows. Enqueueing a command does the same by itself. Throws `.misuse`
  /// where `id` is no IDLE in flight.
  public mutating func endIdle(_ id: CommandID, now: MonotonicInstant) throws(ConnectionError) {
    try state.endIdle(id, now: now)
  }

  /// Takes back a command that was not sent: it ends without an event. False where the server has it, in whole or in part, and
  /// where it is over: then it ends as ever. Of one that goes in parts those that were not sent are dropped while others are
  /// in flight. Complexity: O(commands that wait).
  public mutating func withdraw(_ id: CommandID, now: MonotonicInstant) -> Bool { state.withdraw(id, now: now) }

  /// Says that the caller kept the server's bytes back until `now`: that none came does not count, and every deadline but the
  /// renewal of an IDLE starts anew.
  public mutating func resumed(now: MonotonicInstant) { state.lastProgress = now }

  /// Says that bytes moved below the machine: some of ``outbound`` that was consumed before has gone only now, or some came that
  /// make no whole piece yet, as in a record of TLS. They put ``nextDeadline`` off where the server's own bytes do.
  public mutating func progressed(now: MonotonicInstant) {
    if state.isPatient { state.lastProgress = now }
  }

  /// Whether the server has accepted an IDLE, and DONE was not sent.
  public var isIdling: Bool { state.isIdling }

  /// Closes the connection without LOGOUT: every command fails with `.closedLocally`.
  public mutating func close(now: MonotonicInstant) { state.end(.local) }

  /// Bytes that wait to be sent. Complexity: O(1).
  public var outbound: Span<UInt8> { @_lifetime(borrow self) get { state.outbound.bytes } }

  /// How many bytes of the server were read. Complexity: O(1).
  public var receivedCount: Int { state.parser.position }

  /// How many bytes the response that is being read has so far, or the last one had. Complexity: O(1).
  public var responseSize: Int { state.parser.position - state.parser.responsePosition }

  /// How many bytes ``outbound`` has. Complexity: O(1).
  public var outboundCount: Int { state.outbound.count }

  /// Says that the first `count` bytes of ``outbound`` were sent. Returns whether that changed more than ``outbound`` and
  /// ``nextDeadline``: an APPEND has room again, or goes on by itself. Only then is there a reason to call ``next(_:now:)``.
  @discardableResult
  public mutating func consumeOutbound(_ count: Int) -> Bool { state.consumeOutbound(count) }

  /// When ``handleTimeout(now:)`` is due; nil where nothing is: with nothing in flight, and while the caller has the next
  /// step, which is a challenge to answer, bytes of a message to write or a layer to set up. It may move with every call.
  public var nextDeadline: MonotonicInstant? { state.nextDeadline }

  @_lifetime(&input)
  private static func event(_ pending: ClientState.PendingEvent, _ input: inout ReceiveBuffer) -> ClientEvent {
    switch pending {
    case .readyForLiteral(let id, let count): return .readyForLiteral(id, byteCount: count)
    case .refused(let id, let refusal):
      input.lend(refusal.line)
      return .completed(id, StatusView(refusal.condition, input.lentBytes))
    case .failed(let id, let error): return .failed(id, error)
    case .closed(let reason): return .closed(reason)
    }
  }
}
