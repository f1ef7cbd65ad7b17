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
  /// STARTTLS is complete: what follows is protected.
  func channelSecured(_ channel: ClientChannel)
  /// So many bytes of the protocol were handed to the layers below.
  func channel(_ channel: ClientChannel, sent count: Int)
  /// Less than 32 KiB wait to be sent, after it were more than 64 KiB.
  func channelWritable(_ channel: ClientChannel)
  /// The connection is over and its socket closed. The last call; the channel lets go of its delegate.
  func channelClosed(_ channel: ClientChannel, reason: CloseReason)
}

extension ClientChannelDelegate {
  /// Does nothing.
  public func channelSecured(_ channel: ClientChannel) {}
  /// Does nothing.
  public func channel(_ channel: ClientChannel, sent count: Int) {}
  /// Does nothing.
  public func channelWritable(_ channel: ClientChannel) {}
}

/// A client's connection: a `ClientConnection` with its transport.
public final class ClientChannel: Channel {
  private var machine: ClientConnection
  private var delegate: (any ClientChannelDelegate)?
  private var isReady = false

  /// Starts to connect to `host`, a name or an address. Looking it up, the TCP connection and TLS must each be complete
  /// `timeout` from now. `delegate` is kept until it was told that the channel is closed, which also happens where no
  /// connection comes about. Nothing is called before this returns.
  public init(
    loop: EventLoop, host: String, port: UInt16, security: TransportSecurity,
    configuration: ClientConnection.Configuration = .init(), timeout: Duration = .seconds(30),
    delegate: any ClientChannelDelegate
  ) {
    self.delegate = delegate
    machine = ClientConnection(configuration, now: loop.now)
    let setup = ClientSetup(host: host, security: security, configuration: configuration, timeout: timeout)
    super.init(loop: loop, setup: setup)
    let deadline = loop.now.advanced(by: timeout)
    setup.deadline = deadline
    setup.connector = Connector(loop: loop, host: host, port: port, deadline: deadline) { [self] result in
      setup.connector = nil
      switch result {
      case .success(let stream): adopt(stream)
      case .failure(.closedLocally): endBeforeMachine(.local)
      case .failure(let error): endBeforeMachine(.error(error))
      }
    }
  }

  /// Where in its life the protocol is.
  public var state: ClientConnection.Phase { machine.phase }

  /// What the server has announced; nil where nothing is known.
  public var capabilities: [Capability]? { machine.capabilities }

  /// What ENABLE has switched on.
  public var enabled: [Capability] { machine.enabled }

  /// How many bytes of the protocol have come; see `ClientConnection.receivedCount`.
  public var receivedCount: UInt64 { machine.receivedCount }

  /// Whether the server has accepted an IDLE that was not ended.
  public var isIdling: Bool { machine.isIdling }

  /// The selected mailbox.
  public var selected: SelectedMailbox? { machine.selected }

  /// Whether the command was sent and is not completed; see `ClientConnection.isInFlight(_:)`.
  public func isInFlight(_ id: CommandID) -> Bool { machine.isInFlight(id) }

  /// The tag of the command that is in flight; see `ClientConnection.tag(of:)`.
  public func tag(of id: CommandID) -> String? { machine.tag(of: id) }

  /// Whether the server may have done a command that failed; see `ClientConnection.mayHaveBeenDone(_:)`.
  public func mayHaveBeenDone(_ id: CommandID) -> Bool { machine.mayHaveBeenDone(id) }

  /// Enqueues a command; see `ClientConnection.enqueue(_:now:)`. Throws `.misuse` before the transport is up as well.
  public func send(_ command: consuming Command) throws(ConnectionError) -> CommandID {
    if !isReady { throw .misuse(.init(.wrongState, state: "connecting")) }
    defer { changed() }
    return try machine.enqueue(command, now: loop.now)
  }

  /// Answers a challenge; see `ClientConnection.answer(_:challenge:now:)`.
  public func answer(_ id: CommandID, challenge response: Span<UInt8>) throws(ConnectionError) {
    defer { changed() }
    try machine.answer(id, challenge: response, now: loop.now)
  }

  /// Gives up a SASL exchange; see `ClientConnection.cancelAuthentication(_:now:)`.
  public func cancelAuthentication(_ id: CommandID) throws(ConnectionError) {
    defer { changed() }
    try machine.cancelAuthentication(id, now: loop.now)
  }

  /// Writes bytes of an APPEND and returns how many were taken; see `ClientConnection.write(_:literal:now:)`.
  public func write(_ id: CommandID, literal bytes: Span<UInt8>) throws(ConnectionError) -> Int {
    defer { changed() }
    return try machine.write(id, literal: bytes, now: loop.now)
  }

  /// Ends an IDLE; see `ClientConnection.endIdle(_:now:)`.
  public func endIdle(_ id: CommandID) throws(ConnectionError) {
    defer { changed() }
    try machine.endIdle(id, now: loop.now)
  }

  /// Takes back a command that was not sent; see `ClientConnection.withdraw(_:now:)`.
  public func withdraw(_ id: CommandID) -> Bool {
    defer { changed() }
    return machine.withdraw(id, now: loop.now)
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

  override var isMachineRunning: Bool { isReady }
  /// A server is not late while nobody reads what it sends. It still must hear of an IDLE that goes on.
  override var machineDeadline: MonotonicInstant? { isHeld && !machine.isIdling ? nil : machine.nextDeadline }
  override var outboundCount: Int { machine.outboundCount }

  override func transportReady() {
    isReady = true
    if let setup = setup as? ClientSetup {
      var configuration = setup.configuration
      if isSecure { configuration.isSecure = true }
      // Again, because the time for the greeting begins now.
      machine = ClientConnection(configuration, now: loop.now)
    }
    delegate?.channelConnected(self)
  }

  override func driveMachine(_ input: inout ReceiveBuffer) -> DriveResult {
    do throws(ConnectionError) {
      while !isHeld {
        let event = try machine.next(&input, now: loop.now)
        switch event {
        case .needMoreInput:
          machine.shareCapabilities(in: &loop.capabilityPool)
          return .needsInput
        case .paused: return .paused
        case .closed(let reason): return .closed(reason)
        case .upgrade(.deflate, _):
          // There is no such layer here yet, and what comes next can only be read through one.
          let error = ConnectionError.transport(
            ConnectionError.TransportFailure(.read, message: "DEFLATE is not available"))
          machine.transportFailed(error)
          return .closed(.error(error))
        case .upgrade:
          delegate?.channel(self, received: event)
          return .upgrade
        default: delegate?.channel(self, received: event)
        }
      }
      return .paused
    } catch {
      return .closed(.error(error))
    }
  }

  override func machineUpgraded() { machine.upgraded(.tls, now: loop.now) }
  override func machineResumed() { machine.resumed(now: loop.now) }
  override func machineTimedOut() { machine.handleTimeout(now: loop.now) }
  override func machineCloses() { machine.close(now: loop.now) }
  override func machineFails(_ error: ConnectionError) { machine.transportFailed(error) }
  override func sendOutbound(to sink: (Span<UInt8>) -> Int) {
    let count = Self.send(&machine, to: sink)
    if count > 0 { delegate?.channel(self, sent: count) }
  }
  override func becameWritable() { delegate?.channelWritable(self) }
  override func becameSecure() { delegate?.channelSecured(self) }

  override func becameClosed(_ reason: CloseReason) {
    let delegate = self.delegate
    self.delegate = nil
    delegate?.channelClosed(self, reason: reason)
  }

  /// A span of a class's property cannot be named, that of an `inout` argument can.
  private static func send(_ machine: inout ClientConnection, to sink: (Span<UInt8>) -> Int) -> Int {
    if machine.outboundCount == 0 { return 0 }
    let count = sink(machine.outbound)
    machine.consumeOutbound(count)
    return count
  }
}
