/// The server's side of one IMAP connection, without I/O: bytes of the client go in through ``next(_:now:)``, verbs say
/// what the server answers, and ``outbound`` holds what to send.
///
/// Commands are handed out one at a time: the next one comes behind the completion of the last, and what the client sent
/// ahead waits in the receive buffer. So drive a connection like this:
/// 1. ``greet(_:)``, then call ``next(_:now:)`` until it answers ``ServerEvent/needMoreInput`` or
///    ``ServerEvent/paused``, and send ``outbound``.
/// 2. Call `next` again after bytes arrived, after every verb, after outbound bytes were sent, after ``close(now:)``,
///    ``handleTimeout(now:)``, ``transportFailed(_:)`` and after the end of input was put into the buffer.
/// 3. After ``ServerEvent/closed(_:)`` send what is left of ``outbound`` and close the transport.
///
/// Every command that was handed out is completed with ``complete(_:_:)`` (an offered literal may be rejected instead),
/// except where the connection closes before. A verb that does not fit throws ``ConnectionError/misuse(_:)`` and changes
/// nothing.
public struct ServerConnection: ~Copyable {
  /// What a connection allows its client.
  public struct Configuration: Sendable {
    /// Bounds of what is read.
    public var limits = ParserLimits.server
    /// How long a client may send nothing. RFC 9051, section 5.4: at least 30 minutes.
    public var autologout: Duration = .seconds(30 * 60)
    /// How long a client may take to authenticate, from the connection's start.
    public var loginTimeout: Duration = .seconds(180)
    /// How long a client may take none of the bytes that wait to be sent to it. The machine does not know what the transport
    /// holds: a `ServerChannel` sees to it, and ends the connection with ``TimeoutKind/sending``. Systems tell of room for more
    /// in large steps, so this is no time for a byte. Dovecot allows 5 minutes.
    public var sendTimeout: Duration = .seconds(5 * 60)
    /// With this many bytes waiting to be sent no further command is handed out: a client that does not read its
    /// answers cannot make the server hold more of them. One command's answers may go above it.
    public var maximumOutbound = 1 << 20
    /// So many commands in a row that are no commands end the connection. Dovecot allows 20.
    public var maximumBadCommands = 20
    /// Whether TLS is below the connection from its start.
    public var isEncrypted = false
    /// Whether APPEND may have several messages (MULTIAPPEND, RFC 3502) and parts (CATENATE, RFC 4469). Each is then a
    /// ``ServerEvent/literalOffered(_:_:_:)`` of its own, with the whole request as far as it came, and
    /// ``ServerConnection/appendRequest`` holds all of it at the end. Without, such a command is answered with BAD.
    public var takesSeveralLiterals = false
    /// Whether commands and FETCH items that have no type of their own are handed out as ``Command/other(_:)`` and
    /// ``FetchItem/other(_:)``, as a proxy wants them. Without, they are answered with BAD.
    public var passesUnknownCommands = false

    /// The defaults.
    public init() {}
  }

  /// What the connection is up to (RFC 9051, section 3).
  public enum Phase: Sendable, Hashable {
    /// The server did not greet yet.
    case greeting
    /// The client did not authenticate yet.
    case notAuthenticated
    /// No mailbox is selected.
    case authenticated
    /// A mailbox is selected.
    case selected
    /// The end was decided and is not yet reported.
    case loggingOut
    /// The end was reported.
    case closed
  }

  let configuration: Configuration
  /// Changed by the transitions of ``ServerState`` only.
  var state = ServerState.greeting
  var access = ServerAccess.notAuthenticated
  var isEncrypted: Bool
  var parser: CommandParser
  var output = SendBuffer()
  var frame = CommandFrame()
  /// The APPEND whose messages arrive, as far as it was read.
  var appending: AppendRequest?
  /// Whether the parts of its last message go on.
  var isInCatenate = false
  /// The tag of the command that the handler has.
  var tag: [UInt8] = []
  /// Bytes of the stream before the first unread one.
  var streamOffset = 0
  var badCommands = 0
  private var lastID: UInt64 = 0
  private var saidBye = false
  private let loginDeadline: MonotonicInstant
  private var lastActivity: MonotonicInstant
  /// Something was done without a time: it counts as done when a time is next told.
  private var wasActive = false

  /// A connection that was just accepted.
  public init(_ configuration: Configuration = .init(), now: MonotonicInstant) {
    self.configuration = configuration
    isEncrypted = configuration.isEncrypted
    parser = CommandParser(
      limits: configuration.limits.countable, takesUnknownCommands: configuration.passesUnknownCommands)
    loginDeadline = now.advanced(by: configuration.loginTimeout)
    lastActivity = now
  }

  /// What the connection is up to.
  public var phase: Phase {
    switch state {
    case .greeting: .greeting
    case .closing: .loggingOut
    case .closed: .closed
    default:
      switch access {
      case .notAuthenticated: .notAuthenticated
      case .authenticated: .authenticated
      case .selected: .selected
      }
    }
  }

  // MARK: What the outside did

  /// The next thing that the client did. Complexity: every byte is looked at a constant number of times, whatever the
  /// chunks are that it comes in.
  ///
  /// A client's faults never throw: commands that make no sense are ``ServerEvent/malformed(tag:_:)``, and what cannot be
  /// followed any more is answered with BYE and reported as ``ServerEvent/closed(_:)``.
  @_lifetime(&input)
  public mutating func next(_ input: inout ReceiveBuffer, now: MonotonicInstant) throws(ConnectionError) -> ServerEvent
  {
    noteActivity(now)
    input.discardReported()
    switch advance(&input, now) {
    case .needMoreInput: return .needMoreInput
    case .paused: return .paused
    case .command(let id, let head, let command):
      return .command(id, CommandView(input.reportedBytes, head, command))
    case .offered(let id, let request, let header): return .literalOffered(id, request, header)
    case .chunk(let id, let remaining): return .literalChunk(id, input.reportedBytes, remaining: remaining)
    case .literalEnd(let id): return .literalEnd(id)
    case .literalAborted(let id, let error): return .literalAborted(id, error)
    case .response(let id, let count):
      return .saslResponse(id, ByteView(input.reportedBytes.extracting(first: count)))
    case .cancelled(let id): return .saslCancelled(id)
    case .idleDone(let id): return .idleDone(id)
    case .malformed(nil, let error): return .malformed(tag: nil, error)
    case .malformed(let tag?, let error):
      return .malformed(tag: ByteView(input.reportedBytes.extracting(tag)), error)
    case .upgrade(let upgrade, let id): return .upgrade(upgrade, id)
    case .closed(let reason): return .closed(reason)
    }
  }

  /// Says that ``nextDeadline`` may have passed. A spurious call does nothing.
  public mutating func handleTimeout(now: MonotonicInstant) {
    noteActivity(now)
    guard let deadline = nextDeadline, now >= deadline else { return }
    let isLogin = access == .notAuthenticated && now >= loginDeadline
    fail(.timedOut(isLogin ? .login : .autologout))
  }

  /// The layer of ``ServerEvent/upgrade(_:_:)`` is up: the bytes that follow come through it.
  public mutating func upgraded(_ upgrade: Upgrade, now: MonotonicInstant) {
    guard case .upgrading(upgrade) = state else { return }
    lastActivity = now
    if upgrade == .tls { isEncrypted = true }
    state.upgraded()
  }

  /// Ends the connection from this side, with a BYE where the client could read it.
  public mutating func close(now: MonotonicInstant) {
    if state.isOver { return }
    bye("Server closes the connection")
    state.close(.local)
  }

  /// The transport broke: nothing can be sent any more.
  public mutating func transportFailed(_ error: ConnectionError) {
    _ = output.takeTail(behind: 0)
    state.transportFailed(error)
  }

  // MARK: What the server wants

  /// Sends the greeting: OK, PREAUTH, or BYE for a client that is not served. Any other condition is sent as BYE. Does
  /// nothing after the first time.
  public mutating func greet(_ status: Status) {
    guard case .greeting = state else { return }
    var status = status
    if status.condition == .no || status.condition == .bad { status.condition = .bye }
    output.append("* ")
    encoder.status(status, into: &output)
    output.append("\r\n")
    if status.condition == .preauth { access = .authenticated }
    saidBye = status.condition == .bye
    wasActive = true
    state.greeted(status)
  }

  /// Sends an untagged response. BYE ends the connection, except while LOGOUT is running. After ENABLED with
  /// `UTF8=ACCEPT` or `IMAP4rev2` mailbox names are UTF-8 in both directions.
  ///
  /// Throws ``ConnectionError/misuse(_:)`` before the greeting, during an upgrade, after the end, for
  /// ``Response/tagged(tag:_:)``, ``Response/continuation(text:)`` and PREAUTH, and for what cannot be encoded.
  public mutating func respond(_ response: borrowing Response) throws(ConnectionError) {
    try checkMaySpeak()
    switch copy response {
    case .tagged, .continuation: throw misuse(.wrongState)
    case .status(let status) where status.condition == .preauth: throw misuse(.wrongState)
    case .status(let status) where status.condition == .bye:
      try encoder.encode(response, into: &output)
      saidBye = true
      if case .running(let active) = state, active.name == .logout { return }
      state.close(.bye(status.text))
    case .enabled(let list):
      try encoder.encode(response, into: &output)
      if list.contains(.utf8Accept) || list.contains(.imap4rev2) { parser.mailboxEncoding = .utf8 }
    default: try encoder.encode(response, into: &output)
    }
  }

  /// Sends a FETCH response whose items `body` writes, straight into the outbound bytes. Where `body` throws, or writes no
  /// item, nothing is sent; nor in a state where ``respond(_:)`` would throw.
  public mutating func writeFetch<Failure: Error>(
    _ sequence: SequenceNumber, _ body: (inout FetchWriter) throws(Failure) -> Void
  ) throws(Failure) {
    let start = output.count
    var taken = SendBuffer()
    swap(&taken, &output)
    var writer = FetchWriter(taken, encoder, sequence)
    do throws(Failure) {
      try body(&writer)
    } catch {
      output = writer.finish(keeping: false, from: start)
      throw error
    }
    output = writer.finish(keeping: maySpeak, from: start)
  }

  /// Completes the command `id` with OK, NO or BAD. OK moves the connection on by what the command was: LOGIN,
  /// AUTHENTICATE, SELECT, EXAMINE, CLOSE, UNSELECT, UNAUTHENTICATE; LOGOUT ends it (with a BYE where ``respond(_:)``
  /// sent none), STARTTLS and COMPRESS lead to ``ServerEvent/upgrade(_:_:)``. NO to SELECT or EXAMINE leaves no
  /// mailbox selected.
  ///
  /// Call ``next(_:now:)`` afterwards: more commands may be waiting in the buffer.
  public mutating func complete(_ id: ServerCommandID, _ status: Status) throws(ConnectionError) {
    let active = try running(id)
    guard status.condition == .ok || status.condition == .no || status.condition == .bad else {
      throw misuse(.unencodable)
    }
    if active.name == .logout, status.condition == .ok { bye("Logging out") }
    answer(status)
    wasActive = true
    access = active.name.access(after: status.condition, from: access)
    // RFC 8437, section 4.1: what ENABLE switched on is off again.
    if active.name == .unauthenticate, status.condition == .ok { parser.mailboxEncoding = .modifiedUTF7 }
    appending = nil
    state.completed(status.condition)
  }

  /// Lets the client send the message of the APPEND `id`.
  public mutating func accept(_ id: ServerCommandID) throws(ConnectionError) {
    guard case .offered(let active, let header) = state, active.id == id else { throw misuse(for: id) }
    if header.isSynchronizing { output.append("+ Ready for literal data\r\n") }
    wasActive = true
    state.accepted()
  }

  /// Completes the APPEND `id` with NO or BAD instead of taking its message, or the rest of it. Bytes that the client
  /// sends anyway are skipped (RFC 7888, section 4).
  public mutating func reject(_ id: ServerCommandID, with status: Status) throws(ConnectionError) {
    switch state {
    case .offered(let active, _) where active.id == id: break
    case .literal(let active, _) where active.id == id: break
    case .literalTail(let active) where active.id == id: break
    default: throw misuse(for: id)
    }
    guard status.condition == .no || status.condition == .bad else { throw misuse(.unencodable) }
    answer(status)
    wasActive = true
    appending = nil
    state.rejected()
  }

  /// Sends `bytes` as a challenge of the AUTHENTICATE `id`, in base64. The answer comes as
  /// ``ServerEvent/saslResponse(_:_:)`` or ``ServerEvent/saslCancelled(_:)``.
  public mutating func challenge(_ id: ServerCommandID, _ bytes: Span<UInt8>) throws(ConnectionError) {
    let active = try running(id)
    guard active.name == .authenticate, active.mayContinue else { throw misuse(.wrongState) }
    var encoded: [UInt8] = []
    Base64.encode(bytes, into: &encoded)
    output.append("+ ")
    output.append(encoded)
    output.append("\r\n")
    wasActive = true
    state.challenged()
  }

  /// Tells the client that it is idle now (RFC 2177). Whatever ``respond(_:)`` is given from here on reaches it at once,
  /// until ``ServerEvent/idleDone(_:)``.
  public mutating func startIdle(_ id: ServerCommandID) throws(ConnectionError) {
    let active = try running(id)
    guard active.name == .idle, active.mayContinue else { throw misuse(.wrongState) }
    output.append("+ idling\r\n")
    wasActive = true
    state.idled()
  }

  // MARK: What the outside must do

  /// Bytes to send. Complexity: O(1).
  public var outbound: Span<UInt8> {
    @_lifetime(borrow self) get { output.bytes }
  }

  /// The APPEND or REPLACE that is being handled, as far as it was read: at ``ServerEvent/literalEnd(_:)`` all of it,
  /// the URLs behind the last literal included. Nil while there is none.
  public var appendRequest: AppendRequest? { appending }

  /// How many bytes ``outbound`` has.
  public var outboundCount: Int { output.count }

  /// Whether ``Configuration/maximumOutbound`` is reached. A handler that has more to say on its own account, as during
  /// IDLE, waits until it is not: the verbs themselves refuse nothing for it.
  public var isOutboundFull: Bool { output.count >= max(1, configuration.maximumOutbound) }

  /// Says that the first `count` bytes of ``outbound`` were sent.
  public mutating func consumeOutbound(_ count: Int) {
    output.consume(count)
    // A client that still takes its answer is not idle.
    if count > 0 { wasActive = true }
  }

  /// Says that bytes moved below the machine: some of ``outbound`` that was consumed before has gone only now, or some came that
  /// make no whole piece yet, as in a record of TLS. Such a client is not idle.
  public mutating func progressed(now: MonotonicInstant) {
    touch(now)
    wasActive = false
  }

  /// When to call ``handleTimeout(now:)``. It may move with every call to the machine.
  public var nextDeadline: MonotonicInstant? {
    var deadline: MonotonicInstant?
    switch state {
    case .closing, .closed: return nil
    // The handler keeps the client waiting, not the other way round.
    case .greeting, .running, .offered: deadline = nil
    default: deadline = lastActivity.advanced(by: configuration.autologout)
    }
    if access == .notAuthenticated { deadline = deadline.map { min($0, loginDeadline) } ?? loginDeadline }
    return deadline
  }

  // MARK: Parts

  var encoder: ResponseEncoder { ResponseEncoder(mailboxEncoding: parser.mailboxEncoding) }

  /// The identifier of a command that is handed out now.
  mutating func makeID() -> ServerCommandID {
    lastID &+= 1
    return ServerCommandID(rawValue: lastID)
  }

  /// The client did something at `now`.
  mutating func touch(_ now: MonotonicInstant) { lastActivity = max(lastActivity, now) }

  /// Says BYE and ends the connection.
  mutating func fail(_ error: ConnectionError) {
    switch error {
    case .timedOut(.autologout): bye("Autologout; idle for too long")
    case .timedOut(.login): bye("Autologout; authentication took too long")
    default: bye(error.description)
    }
    state.close(.error(error))
  }

  /// Completes the command that the handler has.
  private mutating func answer(_ status: Status) {
    let (tag, encoder) = (tag, encoder)
    encoder.encode(tag: tag.span, status, into: &output)
  }

  private mutating func bye(_ text: String) {
    switch state {
    // A BYE may be the greeting; between STARTTLS and TLS nothing may be said.
    case .upgradeReady, .upgrading, .closing, .closed: return
    default: if saidBye { return }
    }
    saidBye = true
    output.append("* ")
    encoder.status(Status(.bye, text), into: &output)
    output.append("\r\n")
  }

  private mutating func noteActivity(_ now: MonotonicInstant) {
    if wasActive { touch(now) }
    wasActive = false
  }

  private var maySpeak: Bool {
    switch state {
    case .greeting, .upgradeReady, .upgrading, .closing, .closed: false
    default: true
    }
  }

  private func checkMaySpeak() throws(ConnectionError) {
    if state.isOver { throw misuse(.closed) }
    if !maySpeak { throw misuse(.wrongState) }
  }

  private func running(_ id: ServerCommandID) throws(ConnectionError) -> ActiveCommand {
    guard let active = state.running(id) else { throw misuse(for: id) }
    return active
  }

  /// The error for a verb that `id` cannot take now.
  private func misuse(for id: ServerCommandID) -> ConnectionError {
    if state.isOver { return misuse(.closed) }
    return misuse(state.activeID == id ? .wrongState : .unknownCommand)
  }

  private func misuse(_ rule: ConnectionError.Misuse.Rule) -> ConnectionError {
    .misuse(ConnectionError.Misuse(rule, state: state.description))
  }
}
