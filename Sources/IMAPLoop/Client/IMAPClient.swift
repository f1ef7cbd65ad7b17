import IMAPStateMachine
import Logging

/// An IMAP client for async code. It is an actor that runs on its event loop's thread, so its calls take no locks and make
/// no hops. Calls from many tasks pipeline by themselves; each returns when the server has completed its command. A client that
/// nobody has any more closes its connection, without a LOGOUT.
///
/// ```swift
/// let loop = try EventLoop.start()
/// let client = try await IMAPClient.connect(.init(host: "imap.example.org"), on: loop)
/// try await client.login(user: "joe", password: Secret("secret"))
/// let inbox = try await client.select(.inbox)
/// for message in try await client.fetch(.uids(.all), [.uid, .flags, .envelope]) { print(message) }
/// await client.logout()
/// ```
public actor IMAPClient {
  let loop: EventLoop
  let channel: ClientChannel
  let session: ClientSession
  private nonisolated let end: OnLoop
  let configuration: Configuration
  /// The IDLE that is running.
  var idleID: CommandID?

  /// The loop's thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  /// Where to connect, and how.
  public struct Configuration: Sendable {
    /// What protects the connection.
    public enum Security: Sendable, Hashable {
      /// TLS from the first byte (RFC 8314): port 993.
      case implicitTLS
      /// STARTTLS before anything else: port 143. Without it the connection fails.
      case startTLS
      /// Nothing: port 143. For loopback and tests.
      case plain
    }

    /// A host name or address, without a port; an IPv6 address may stand in brackets.
    public var host: String
    /// The port; nil is 993 for implicit TLS, else 143.
    public var port: UInt16?
    /// What carries the bytes.
    public var transport = Transport.tcp
    /// Who connects on behalf of this client; nil connects directly.
    public var proxy: Proxy?
    /// What the TCP socket is told.
    public var socket = SocketOptions()
    /// What protects the connection.
    public var security: Security
    /// Whose certificates are accepted. What is read for that, a file of certificates for example, is kept until this is set
    /// to something else. Connections of this configuration and of its copies resume each other's TLS sessions.
    public var trust: TLSContext.Trust
    /// How TLS works in all other ways: pins, client certificates, versions. It is used instead of ``trust``.
    public var tls: TLSContext?
    /// How long looking up the name, connecting, and the TLS handshake may take, each.
    public var connectTimeout = Duration.seconds(30)
    /// How ``IMAPClient/signIn(user:password:)`` and ``IMAPClient/authenticate(_:)`` may log in. The default sends no password
    /// or token over a connection that nothing protects.
    public var signIn = SignInPolicy()
    /// Whether each login asks for compression where the server announces it (RFC 4978); see ``IMAPClient/compress()``.
    public var compresses = false
    /// What the server may make of its compressed bytes.
    public var deflateLimits = DeflateLimits()
    /// What the protocol machine is told.
    public var connection = ClientConnection.Configuration()
    /// Where the client logs; nil is nowhere, and costs nothing. Commands and their ends are `debug`, the lines of the wire
    /// `trace`, alerts and data that nothing asked for `notice`, a connection that failed or was lost `warning`. No secret is
    /// logged (`WireLine` says what is left out). The level counts that the logger has when the client connects.
    public var logger: Logger?
    /// How many of the last lines of the wire ``IMAPClient/recentLines`` keeps, without secrets; 0 keeps none and costs nothing.
    /// Each is cut at 1000 bytes, and all together have 16 KiB at the most. Where the connection is lost they are logged, and where
    /// the server does not understand a command, and the first time that its data are not understood.
    public var recentLines = 0
    /// What counts; nil counts nothing.
    public var metrics: IMAPMetrics?

    /// A configuration with the defaults of the field.
    public init(
      host: String, port: UInt16? = nil, security: Security = .implicitTLS, trust: TLSContext.Trust = .system
    ) {
      self.host = host
      self.port = port
      self.security = security
      self.trust = trust
      connection.idleJitter = .seconds(20)
    }

    /// A configuration for something else than TCP to a host, by default without TLS. `host` is the name that the server's
    /// certificate must be for. Passwords may go over UNIX sockets and to child processes as they are: no network sees them.
    public init(
      transport: Transport, host: String = "localhost", security: Security = .plain,
      trust: TLSContext.Trust = .system
    ) {
      self.init(host: host, security: security, trust: trust)
      self.transport = transport
      signIn.allowsPlaintext = transport.isLocal
    }

    private let contexts = TLSContextKeeper()

    /// What protects the connection, with what that needs.
    func transportSecurity() throws(ConnectionError) -> TransportSecurity {
      switch security {
      case .plain: .plain
      case .startTLS: .startTLS(try tlsContext())
      case .implicitTLS: .tls(try tlsContext())
      }
    }

    /// Makes the host what it is connected to, and throws where it is none, or the proxy's. Without TCP it is only compared with
    /// a certificate.
    mutating func checkHosts() throws(InvalidArgument) {
      if !transport.isTCP { return }
      host = try HostName.checked(host)
      if let proxy { try HostName.check(proxy) }
    }

    func tlsContext() throws(ConnectionError) -> TLSContext {
      if let tls { tls } else { try contexts.context(trust) }
    }

    /// The port that is connected to.
    var effectivePort: UInt16 { port ?? (security == .implicitTLS ? 993 : 143) }
  }

  /// Connects, waits for the greeting, and starts TLS where the configuration says so. Throws `.connection` with what was
  /// in the way, and `.invalidArgument` before anything is opened where the host, or that of the proxy, is none.
  public static func connect(_ configuration: Configuration, on loop: EventLoop) async throws(IMAPError) -> IMAPClient {
    var configuration = configuration
    do throws(InvalidArgument) {
      try configuration.checkHosts()
    } catch {
      throw .invalidArgument(error, command: "connect")
    }
    let security: TransportSecurity
    do throws(ConnectionError) {
      security = try configuration.transportSecurity()
    } catch {
      throw .connection(error)
    }
    let client = await loop.run { [configuration] in IMAPClient(configuration, security, loop) }
    try await client.start(configuration.security)
    return client
  }

  /// Must run on the loop's thread.
  private init(_ configuration: Configuration, _ security: TransportSecurity, _ loop: EventLoop) {
    self.loop = loop
    self.configuration = configuration
    let observer = ClientObserver(configuration, on: loop)
    let session = ClientSession(observer, deflateLimits: configuration.deflateLimits)
    var connection = configuration.connection
    if let observer, observer.wantsLines { observer.observe(&connection) }
    if configuration.security == .startTLS { connection.requiresTLS = true }
    self.session = session
    channel = ClientChannel(
      loop: loop, host: configuration.host, port: configuration.effectivePort, transport: configuration.transport,
      proxy: configuration.proxy, socket: configuration.socket, security: security,
      configuration: connection, timeout: configuration.connectTimeout, delegate: session)
    end = OnLoop(channel: channel)
  }

  deinit {
    let end = end
    loop.submit { end.channel.close() }
  }

  /// Sendable: only used on the loop's thread.
  private struct OnLoop: @unchecked Sendable {
    let channel: ClientChannel
  }

  private func start(_ security: Configuration.Security) async throws(IMAPError) {
    let outcome = await withTaskCancellationHandler {
      await awaitGreeting()
    } onCancel: {
      Task { await self.hangUp() }
    }
    if Task.isCancelled {
      channel.close()
      throw .cancelled(command: "connect")
    }
    if case .failed(let error) = outcome { throw .connection(error) }
    if security != .startTLS {
      // PREAUTH is a login, too.
      if phase == .authenticated { try await compressIfWanted() }
      return
    }
    do throws(IMAPError) {
      try await startTLS()
    } catch {
      // Nothing may be said in the clear.
      await close()
      throw error
    }
  }

  private func hangUp() { channel.close() }

  /// A method, as ``awaitOutcome(of:)``.
  private func awaitGreeting() async -> Outcome {
    await withCheckedContinuation { session.awaitGreeting($0) }
  }

  // MARK: Start and end

  /// The last lines of the wire, where ``Configuration/recentLines`` asked for them; also when the connection is over.
  public var recentLines: [RecentLine] { session.observer?.recentLines ?? [] }

  /// What the server said first.
  public var greeting: Status? { session.greeting }

  /// Where in its life the connection is.
  public var phase: ClientConnection.Phase { channel.state }

  /// What the server announced last; nil where nothing valid is known. ``capability()`` asks.
  public var knownCapabilities: [Capability]? { channel.capabilities }

  /// How many bytes of the protocol have come and gone: above TLS and compression.
  public var traffic: (received: UInt64, sent: UInt64) { (UInt64(clamping: channel.receivedCount), session.sentCount) }

  /// The selected mailbox, as kept up to date by every response.
  public var selected: SelectedMailbox? { channel.selected }

  /// Whether the server announced `capability`, asking it where that is not known. Throws as every command does.
  public func supports(_ capability: Capability) async throws(IMAPError) -> Bool {
    let known: [Capability]
    if let announced = channel.capabilities { known = announced } else { known = try await self.capability() }
    return known.contains(capability)
  }

  /// LOGOUT (RFC 9051, section 6.1.3), then waits for the end of the connection. It does not fail: a connection that is
  /// gone already is what was wanted. Where the task is cancelled the connection is closed at once. It is sent behind what is in
  /// flight; where that is IDLE, or callers no longer wait for any of it, `connection.logoutTimeout` of the configuration is the
  /// most that it takes.
  public func logout() async { await logOut(isHurried: false) }

  /// As ``logout()``. One that is hurried waits for nothing that is in flight longer than LOGOUT may take.
  func logOut(isHurried: Bool) async {
    let timer = isHurried || session.isAbandoned ? closeLater() : nil
    defer { timer?.cancel() }
    // Where too many commands wait it can't be sent, and nobody would end the connection.
    if (try? await run("LOGOUT", .logout)) == nil { channel.close() }
    await waitUntilClosed()
  }

  /// Closes the connection after the time that LOGOUT may take.
  func closeLater() -> LoopTimer {
    loop.schedule(after: configuration.connection.logoutTimeout) { [channel] in channel.close() }
  }

  /// Closes the connection without LOGOUT, and waits for its end. Commands in flight fail.
  public func close() async {
    channel.close()
    await waitUntilClosed()
  }

  /// Returns once the connection is closed, by whomever, or when the task is cancelled.
  public func waitUntilClosed() async { await waitUntilClosed(session.newCloseWait()) }

  /// As ``waitUntilClosed()``, or when `session.stopAwaitingClose(id)` is called.
  func waitUntilClosed(_ id: WaitList.ID) async {
    await withTaskCancellationHandler {
      await awaitClose(id)
    } onCancel: {
      Task { await self.stopAwaitingClose(id) }
    }
  }

  /// A method, as ``awaitOutcome(of:)``.
  func awaitClose(_ id: WaitList.ID) async {
    _ = await withCheckedContinuation { continuation in
      if Task.isCancelled { continuation.resume(returning: false) } else { session.awaitClose(id, continuation) }
    }
  }

  func stopAwaitingClose(_ id: WaitList.ID) { session.stopAwaitingClose(id) }

  /// What happens without having been asked for, from now on: new messages, expunges, flag changes, notices. The stream
  /// ends with the connection, or when the next one is asked for. Up to 10,000 events, or 4 MiB of what the server has said,
  /// wait; then the oldest go.
  public func events() -> AsyncStream<MailboxEvent> {
    let queue = EventQueue<MailboxEvent>(dropping: .oldest, count: Self.mostEvents, bytes: Self.mostEventBytes)
    session.setEvents(queue)
    // Whoever has the stream wants the connection.
    return AsyncStream(unfolding: { [self] in
      let event = try? await queue.next()
      withExtendedLifetime(self) {}
      return event
    })
  }

  /// Events that wait for whoever takes them, and the bytes that the server has said them in. What they hold has up to ten times
  /// as many.
  static let mostEvents = 10_000
  static let mostEventBytes = 4 << 20

  /// As ``events()``, but each is handed to `handler` as it comes, on the loop's thread, and what commands have changed is told, too
  /// (``AnswerNews``); `opened` is called when a command is
  /// completed that opens or leaves a mailbox, before anything behind that is read.
  func deliver(
    to handler: @escaping @Sendable (MailboxEvent, _ bytes: Int) -> Void, opened: @escaping @Sendable () -> Void
  ) {
    session.setHandler(handler, opened: opened)
  }

  /// Whether TLS protects the connection.
  public var isSecure: Bool { channel.isSecure }

  /// The TLS version, like `TLSv1.3`; nil without TLS.
  public var tlsVersion: String? { channel.tlsVersion }

  /// Whether the TLS session of an earlier connection was resumed.
  public var isResumed: Bool { channel.isResumed }

  /// The application protocol that was agreed upon (RFC 7301); nil where none was offered.
  public var applicationProtocol: String? { channel.applicationProtocol }

  // MARK: Any state

  /// CAPABILITY (RFC 9051, section 6.1.1).
  public func capability() async throws(IMAPError) -> [Capability] {
    try await gather("CAPABILITY", .capability, into: []) { view, capabilities in
      guard case .capability(let list) = copy view else { return false }
      capabilities = list.copy()
      return true
    }.value
  }

  /// NOOP (RFC 9051, section 6.1.2): lets the server send what is new.
  public func noop() async throws(IMAPError) { _ = try await run("NOOP", .noop) }

  /// ID (RFC 2971): tells the server who the client is, and returns what it says of itself; nil where it says nothing.
  public func id(_ fields: [IDField]?) async throws(IMAPError) -> [IDField]? {
    try await gather("ID", .id(fields), into: nil) { view, answer in
      guard case .id(let fields) = copy view else { return false }
      answer = fields.copy()
      return true
    }.value
  }

  // MARK: Not authenticated

  /// STARTTLS (RFC 9051, section 6.2.1), for a connection that began without TLS; ``Configuration/Security/startTLS`` does it before
  /// anything can be said. Capabilities are unknown afterwards. Throws `.connection` where TLS fails: then the connection is closed.
  public func startTLS() async throws(IMAPError) {
    do throws(ConnectionError) {
      channel.prepareTLS(
        try configuration.tlsContext(), host: configuration.host, port: configuration.effectivePort,
        timeout: configuration.connectTimeout)
    } catch {
      throw .connection(error)
    }
    _ = try await run("STARTTLS", .startTLS)
  }

  /// LOGIN (RFC 9051, section 6.2.3). The password goes over the connection as it is, protected or not; ``signIn(user:password:)``
  /// sees to that.
  public func login(user: String, password: Secret) async throws(IMAPError) {
    _ = try await run("LOGIN", .login(user: user, password: password))
    try await compressIfWanted()
  }

  /// AUTHENTICATE PLAIN (RFC 4616). The password goes over the connection as it is, protected or not;
  /// ``signIn(user:password:)`` sees to that. Throws `.invalidArgument` where one of the three holds NUL, or the user or the password
  /// is empty.
  public func authenticatePlain(
    authorizationID: String = "", user: String, password: Secret
  ) async throws(IMAPError) {
    guard let exchange = SASLExchange.plain(authorizationID: authorizationID, user: user, password: password) else {
      let hasNUL = (user + authorizationID).utf8.contains(0)
      let flaw: InvalidArgument =
        hasNUL || user.isEmpty
        ? .init(.user, hasNUL ? .nul : .empty) : .init(.password, password.count == 0 ? .empty : .nul)
      throw .invalidArgument(flaw, command: "AUTHENTICATE")
    }
    _ = try await run("AUTHENTICATE", .authenticate(exchange))
    try await compressIfWanted()
  }

  // MARK: Running commands

  /// Sends `command`, waits for its completion and returns its status. `prepare` sees the waiter before any response can.
  /// Throws where the command was not completed by OK, and where the server lacks what it needs. `name` is for errors.
  /// `selection` is the mailbox that it is about: nil is that of now, also where something must be waited for.
  @discardableResult
  func run(
    _ name: String, _ command: Command, in selection: UInt64? = nil, prepare: (CommandWaiter) -> Void = { _ in }
  ) async throws(IMAPError) -> Status {
    if Task.isCancelled { throw .cancelled(command: name) }
    let selection = selection ?? expectedSelection
    try await requireWhatItNeeds(command, name: name)
    let turn = try await awaitAnswerTurn(name, command)
    let waiter: CommandWaiter
    do throws(IMAPError) {
      waiter = try send(name, command, in: selection) { waiter in
        prepare(waiter)
        guard let turn else { return }
        waiter.turn = turn
        let finish = waiter.onFinish
        // Also where nobody waits for it any longer.
        waiter.onFinish = { [session] outcome in
          session.answers.leave(turn)
          finish?(outcome)
        }
      }
    } catch {
      if let turn { session.answers.leave(turn) }
      throw error
    }
    let id = waiter.id
    let outcome = await withTaskCancellationHandler {
      await awaitOutcome(of: waiter)
    } onCancel: {
      Task { await cancel(id) }
    }
    do throws(IMAPError) { return try result(name, outcome, of: waiter).get() } catch {
      guard case .connection(let error) = error else { throw error }
      throw .connection(advised(error, name, command))
    }
  }

  /// Sends `command`. `prepare` sees the waiter before any response can. `selection` is the mailbox that it is about.
  func send(
    _ name: String, _ command: Command, in selection: UInt64, prepare: (CommandWaiter) -> Void = { _ in }
  ) throws(IMAPError) -> CommandWaiter {
    if selection != session.selection, command.concernsSelected { throw .mailboxWasLeft }
    // Some servers say OK then, and do nothing.
    if command.changesSelected, let mailbox = settledMailbox, mailbox.isReadOnly {
      throw .readOnly(mailbox.name, command: name)
    }
    // One that waits to be sent gives way like one that was.
    session.idlePace?.endWaiting(session)
    let id: CommandID
    do throws(ConnectionError) { id = try channel.send(command) } catch {
      throw IMAPError(advised(error, name, command), command: name)
    }
    session.observer?.began(id, command, channel)
    ThrottledAttempt.current?.note(name, command)
    // Before anything suspends: an answer may come in any turn of the loop behind this one.
    let waiter = CommandWaiter(id, leavesMailbox: command.leavesMailbox)
    waiter.news = AnswerNews(of: command)
    waiter.named = NamedMessages(of: command)
    prepare(waiter)
    session.add(waiter, channel)
    return waiter
  }

  /// `error` with what is to be done before `command`.
  private func advised(_ error: ConnectionError, _ name: String, _ command: Command) -> ConnectionError {
    guard case .misuse(let misuse) = error, misuse.rule == .wrongState else { return error }
    let advice =
      switch channel.state {
      case .notAuthenticated where !command.isSignIn: "log in before \(name)"
      case .authenticated where command.concernsSelected: "select a mailbox before \(name)"
      default: name
      }
    return .misuse(ConnectionError.Misuse(.wrongState, state: "\(misuse.state); \(advice)"))
  }

  /// The status of the command that `waiter` waited for, or why it failed.
  func result(_ name: String, _ outcome: Outcome, of waiter: CommandWaiter) -> Result<Status, IMAPError> {
    switch outcome {
    case .cancelled(let wasSent): return .failure(.cancelled(command: name, outcomeUnknown: wasSent))
    case .failed(let error):
      return .failure(
        channel.mayHaveBeenDone(waiter.id)
          ? .outcomeUnknown(command: name, error) : IMAPError(error, command: name))
    case .completed(let status):
      if let reason = waiter.failure { return .failure(.authentication(reason, status)) }
      switch status.condition {
      case .ok, .bye, .preauth: return .success(status)
      case .no:
        if waiter.hasParts { ThrottledAttempt.current?.noteParts(name) }
        return .failure(.refused(command: name, status))
      case .bad:
        if waiter.hasParts { ThrottledAttempt.current?.noteParts(name) }
        return .failure(.rejected(command: name, status))
      }
    }
  }

  /// As ``run(_:_:prepare:)``, and returns the data that `take` has put into a value of which `initial` is the first. `take` is
  /// offered untagged data while the command is in flight, and returns whether it was for it.
  func gather<Value>(
    _ name: String, _ command: Command, into initial: Value,
    _ take: @escaping (borrowing UntaggedView, inout Value) -> Bool
  ) async throws(IMAPError) -> (value: Value, status: Status) {
    // Written on this actor's thread only, before `run` returns.
    var value = initial
    let status = try await run(name, command) { $0.dataHandler = { take($0, &value) } }
    return (value, status)
  }

  /// How the command of `waiter` ends. A method, so that it runs on the loop's thread: an async closure that does not
  /// capture the actor is not isolated to it, and an answer that came while it ran elsewhere would be lost.
  func awaitOutcome(of waiter: CommandWaiter) async -> Outcome {
    await withCheckedContinuation { waiter.wait($0) }
  }

  /// Ends the IDLE `id`. One that was not sent is taken back.
  func endIdle(_ id: CommandID) {
    guard let waiter = session.waiter(of: id), waiter.isIdle else { return }
    waiter.mustEnd = true
    if channel.withdraw(id) { return session.finish(id, .completed(Status(.ok, "")), channel) }
    try? channel.endIdle(id)
  }
}
