import IMAPStateMachine

/// What protects a connection.
public enum TransportSecurity: Sendable {
  /// Nothing. For loopback and tests.
  case plain
  /// TLS from the first byte (RFC 8314: port 993).
  case tls(TLSContext)
  /// TLS once the server has agreed to STARTTLS (port 143). Sending that command is up to the user.
  case startTLS(TLSContext)
}

/// Who is told what happens on a ``ClientChannel``. All calls come on the loop's thread. In each of them every verb of this
/// and of other channels may be used.
public protocol ClientChannelDelegate: AnyObject {
  /// The transport is up, TLS included where it comes first. The greeting follows.
  func channelConnected(_ channel: ClientChannel)
  /// Something came from the server, or a command ended. The event borrows the bytes: copy what you keep. The events
  /// `needMoreInput`, `paused` and `closed` are not passed on.
  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent)
  /// The TLS handshake starts: for TLS from the first byte before ``channelConnected(_:)``.
  func channelSecuring(_ channel: ClientChannel)
  /// The TLS handshake is complete: what follows is protected.
  func channelSecured(_ channel: ClientChannel)
  /// COMPRESS is complete: what follows is compressed (RFC 4978).
  func channelCompressed(_ channel: ClientChannel)
  /// So many bytes of IMAP went to the socket, or into TLS.
  func channel(_ channel: ClientChannel, sent byteCount: Int)
  /// Less than 32 KiB wait to be sent, after it were more than 64 KiB.
  func channelWritable(_ channel: ClientChannel)
  /// The connection is over and its socket closed. The last call; the channel lets go of its delegate.
  func channelClosed(_ channel: ClientChannel, reason: CloseReason)
}

extension ClientChannelDelegate {
  /// Does nothing.
  public func channelSecuring(_ channel: ClientChannel) {}
  /// Does nothing.
  public func channel(_ channel: ClientChannel, sent byteCount: Int) {}
  /// Does nothing.
  public func channelSecured(_ channel: ClientChannel) {}
  /// Does nothing.
  public func channelCompressed(_ channel: ClientChannel) {}
  /// Does nothing.
  public func channelWritable(_ channel: ClientChannel) {}
}

/// A client's connection: a `ClientConnection` with its transport.
public final class ClientChannel: Channel {
  // Unchecked for exclusive access, which they are asked for several times for each event: each access only reads or replaces the
  // value, on the loop's thread. One of both is there at most, so that replacing one frees nothing, which could call others.
  /// The machine, while there is something for it to do; see ``awake``. There is none before the transport is up.
  @safe @exclusivity(unchecked) private var machine: AwakeConnection?
  /// What is kept of it meanwhile.
  @safe @exclusivity(unchecked) private var resting: RestingConnection?
  private var delegate: (any ClientChannelDelegate)?
  private var isReady = false

  /// Starts to connect to `host`, a name or an address, through `proxy` where there is one. Looking it up, the TCP connection
  /// and TLS must each be complete `timeout` from now, also where TLS has to wait for other handshakes; see
  /// ``EventLoop/handshakeLimit``. With another `transport` than TCP the host is only the name that the server's certificate must
  /// be for. `delegate` is kept until it was told that the channel is closed, which also happens where no connection comes
  /// about. Nothing is called before this returns.
  public init(
    loop: EventLoop, host: String, port: UInt16, transport: Transport = .tcp, proxy: Proxy? = nil,
    socket: SocketOptions = .init(), security: TransportSecurity,
    configuration: ClientConnection.Configuration = .init(), timeout: Duration = .seconds(30),
    delegate: any ClientChannelDelegate
  ) {
    self.delegate = delegate
    let setup = ClientSetup(host: host, security: security, configuration: configuration, timeout: timeout)
    super.init(loop: loop, setup: setup)
    let deadline = loop.now.advanced(by: timeout)
    setup.deadline = deadline
    setup.port = port
    let completion: StreamOpener.Completion = { [self] in opened($0, setup) }
    setup.opener =
      if !transport.isTCP {
        LocalOpener(loop: loop, transport, proxy: proxy, deadline: deadline, completion: completion)
      } else if let proxy {
        ProxyOpener(
          loop: loop, host: host, port: port, proxy: proxy, options: socket, deadline: deadline, completion: completion)
      } else {
        Connector(
          loop: loop, host: host, port: port, options: socket, deadline: deadline, completion: completion)
      }
  }

  private func opened(_ result: Result<ByteStream, ConnectionError>, _ setup: Setup) {
    let unread = setup.opener?.unread ?? []
    setup.opener = nil
    switch result {
    case .success(let stream): adopt(stream, unread: unread)
    case .failure(.closedLocally): endBeforeMachine(.local)
    case .failure(let error): endBeforeMachine(.error(error))
    }
  }

  /// Where in its life the protocol is.
  public var state: ClientConnection.Phase { isReady ? awake.connection.phase : .greeting }

  /// What the server has announced; nil where nothing is known.
  public var capabilities: [Capability]? { isReady ? awake.connection.capabilities : nil }

  /// What ENABLE has switched on.
  public var enabled: [Capability] { isReady ? awake.connection.enabled : [] }

  /// Whether the server has accepted an IDLE that was not ended.
  public var isIdling: Bool { machine?.connection.isIdling ?? resting?.isIdling ?? false }

  /// The selected mailbox.
  public var selected: SelectedMailbox? { isReady ? awake.connection.selected : nil }

  /// How many bytes of IMAP the server has sent that were read.
  public var receivedCount: Int { machine?.connection.receivedCount ?? resting?.receivedCount ?? 0 }

  /// How many bytes the response that is being read has so far, or the last one had.
  var responseSize: Int { machine?.connection.responseSize ?? 0 }

  /// Whether the command was sent and is not completed; see `ClientConnection.isInFlight(_:)`.
  public func isInFlight(_ id: CommandID) -> Bool { isReady && awake.connection.isInFlight(id) }

  /// The tag of the command that is in flight; see `ClientConnection.tag(of:)`.
  public func tag(of id: CommandID) -> String? { isReady ? awake.connection.tag(of: id) : nil }

  /// Whether the server may have done a command that failed; see `ClientConnection.mayHaveBeenDone(_:)`.
  public func mayHaveBeenDone(_ id: CommandID) -> Bool { isReady && awake.connection.mayHaveBeenDone(id) }

  /// Gives a connection that began without TLS what STARTTLS needs.
  func prepareTLS(_ context: TLSContext, host: String, port: UInt16, timeout: Duration) {
    if isSecure || setup != nil { return }
    let setup = ClientSetup(host: host, security: .startTLS(context), configuration: .init(), timeout: timeout)
    setup.port = port
    self.setup = setup
  }

  /// Narrows what is sent; see `ClientConnection.narrow(commandsInFlight:lineLength:fetchBatch:)`.
  func narrow(commandsInFlight: Int?, lineLength: Int?, fetchBatch: UInt32?) {
    awake.connection.narrow(commandsInFlight: commandsInFlight, lineLength: lineLength, fetchBatch: fetchBatch)
  }

  /// Enqueues a command; see `ClientConnection.enqueue(_:now:)`. Throws `.misuse` before the transport is up as well.
  public func send(_ command: consuming Command) throws(ConnectionError) -> CommandID {
    if !isReady { throw .misuse(.init(.wrongState, state: "connecting")) }
    defer { changed() }
    return try awake.connection.enqueue(command, now: loop.now)
  }

  /// Answers a challenge; see `ClientConnection.answer(_:challenge:now:)`.
  public func answer(_ id: CommandID, challenge response: Span<UInt8>) throws(ConnectionError) {
    defer { changed() }
    try awake.connection.answer(id, challenge: response, now: loop.now)
  }

  /// Gives up a SASL exchange; see `ClientConnection.cancelAuthentication(_:now:)`.
  public func cancelAuthentication(_ id: CommandID) throws(ConnectionError) {
    defer { changed() }
    try awake.connection.cancelAuthentication(id, now: loop.now)
  }

  /// Writes bytes of an APPEND and returns how many were taken; see `ClientConnection.write(_:literal:now:)`.
  public func write(_ id: CommandID, literal bytes: Span<UInt8>) throws(ConnectionError) -> Int {
    defer { changed() }
    return try awake.connection.write(id, literal: bytes, now: loop.now)
  }

  /// Ends an IDLE; see `ClientConnection.endIdle(_:now:)`.
  public func endIdle(_ id: CommandID) throws(ConnectionError) {
    defer { changed() }
    try awake.connection.endIdle(id, now: loop.now)
  }

  /// Takes back a command that was not sent; see `ClientConnection.withdraw(_:now:)`.
  public func withdraw(_ id: CommandID) -> Bool {
    defer { changed() }
    return awake.connection.withdraw(id, now: loop.now)
  }

  private final class ClientSetup: Setup {
    let configuration: ClientConnection.Configuration

    init(host: String, security: TransportSecurity, configuration: ClientConnection.Configuration, timeout: Duration) {
      self.configuration = configuration
      let (context, isImplicit): (TLSContext?, Bool) =
        switch security {
        case .plain: (nil, false)
        case .tls(let context): (context, true)
        case .startTLS(let context): (context, false)
        }
      super.init(tls: context, isImplicit: isImplicit, host: host, handshakeTimeout: timeout)
    }
  }

  /// Whether the machine is packed; see ``rest()``.
  var isResting: Bool { resting != nil }
  override var isMachineAtRest: Bool { machine == nil }

  override var isMachineRunning: Bool { isReady }
  override var queuesHandshakes: Bool { true }
  /// A server is not late while nobody reads what it sends. It still must hear of an IDLE that goes on.
  override var machineDeadline: MonotonicInstant? {
    guard let machine else { return resting?.nextDeadline }
    return isHeld && !machine.connection.isIdling ? nil : machine.connection.nextDeadline
  }
  override var outboundCount: Int { machine?.connection.outboundCount ?? 0 }

  override func tick() {
    super.tick()
    rest()
  }

  override func transportReady() {
    isReady = true
    if let setup = setup as? ClientSetup {
      var configuration = setup.configuration
      if isSecure { configuration.isSecure = true }
      woken().connection = ClientConnection(configuration, now: loop.now)
    }
    delegate?.channelConnected(self)
  }

  override func driveMachine(_ input: inout ReceiveBuffer) -> DriveResult {
    // Whoever hands input over sees to the end of the tick where there is a need for it.
    let machine = woken()
    // It stays until the socket is closed, which is never inside an event.
    let delegate = self.delegate
    let now = loop.now
    do throws(ConnectionError) {
      var turn = Self.eventsPerTurn
      while !isHeld {
        if turn == 0, !flags.contains(.ending) { return .yielded }
        turn &-= 1
        let event = try machine.connection.next(&input, now: now, sharing: &loop.listPool)
        switch event {
        case .needMoreInput:
          rest()
          return .needsInput
        case .paused: return .paused
        case .closed(let reason): return .closed(reason)
        case .upgrade(let upgrade, _):
          delegate?.channel(self, received: event)
          return .upgrade(upgrade)
        default: delegate?.channel(self, received: event)
        }
      }
      return .paused
    } catch {
      return .closed(.error(error))
    }
  }

  /// The machine, woken if it rests.
  private var awake: AwakeConnection {
    // Whoever woke it may do no more.
    if machine == nil { loop.markDirty(self) }
    return woken()
  }

  private func woken() -> AwakeConnection {
    if let machine { return machine }
    let machine = loop.spareConnections.popLast() ?? AwakeConnection(ClientConnection(now: loop.now))
    if let resting = resting.take() { machine.connection.wake(resting) }
    self.machine = machine
    return machine
  }

  /// Puts the machine to rest where it has nothing to do: most connections idle most of the time.
  private func rest() {
    guard phase == .open, !flags.contains(.needsDrive), let machine else { return }
    resting = machine.connection.rest()
    if resting == nil { return }
    self.machine = nil
    loop.keep(machine)
  }

  override func machineUpgraded(_ upgrade: Upgrade) { awake.connection.upgraded(upgrade, now: loop.now) }
  override func machineResumed() { if isReady { awake.connection.resumed(now: loop.now) } }
  override func machineProgressed() { machine?.connection.progressed(now: loop.now) }
  override func machineTimedOut() { awake.connection.handleTimeout(now: loop.now) }
  override func machineCloses() { awake.connection.close(now: loop.now) }
  override func machineFails(_ error: ConnectionError) { awake.connection.transportFailed(error) }

  override func sendOutbound(to sink: (Span<UInt8>) -> Int) -> Bool {
    guard let machine else { return false }
    let (count, hasChanged) = Self.send(&machine.connection, to: sink)
    if count > 0 { delegate?.channel(self, sent: count) }
    return hasChanged
  }

  override func becameWritable() { delegate?.channelWritable(self) }
  override func beginsSecuring() { delegate?.channelSecuring(self) }
  override func becameSecure() { delegate?.channelSecured(self) }
  override func becameCompressed() { delegate?.channelCompressed(self) }

  override func becameClosed(_ reason: CloseReason) {
    let delegate = self.delegate
    self.delegate = nil
    delegate?.channelClosed(self, reason: reason)
  }

  /// A span of a class's property cannot be named, that of an `inout` argument can.
  private static func send(_ machine: inout ClientConnection, to sink: (Span<UInt8>) -> Int) -> (Int, Bool) {
    if machine.outboundCount == 0 { return (0, false) }
    let count = sink(machine.outbound)
    return (count, machine.consumeOutbound(count))
  }
}

/// A machine that works. Connections that rest have none.
final class AwakeConnection {
  /// Safe to leave unchecked, which costs a good part of what an event does: the machine calls nobody back, so no access begins
  /// during another one. All are on the loop's thread.
  @safe @exclusivity(unchecked) var connection: ClientConnection

  init(_ connection: consuming ClientConnection) { self.connection = connection }
}
