import IMAPStateMachine

/// Who answers the commands of a ``ServerChannel``. All calls come on the loop's thread. In each of them every verb of this
/// and of other channels may be used: what is pushed to another connection goes out at the end of the tick.
public protocol ServerChannelDelegate: AnyObject {
  /// The transport is up, TLS included where it comes first. Greet the client, now or later.
  func channelConnected(_ channel: ServerChannel)
  /// The client did something. The event borrows the bytes: copy what you keep. The events `needMoreInput`, `paused` and
  /// `closed` are not passed on.
  func channel(_ channel: ServerChannel, received event: borrowing ServerEvent)
  /// STARTTLS is complete: what follows is protected.
  func channelSecured(_ channel: ServerChannel)
  /// COMPRESS is complete: what follows is compressed (RFC 4978).
  func channelCompressed(_ channel: ServerChannel)
  /// Less than 32 KiB wait to be sent, after it were more than 64 KiB.
  func channelWritable(_ channel: ServerChannel)
  /// The connection is over and its socket closed. The last call; the channel lets go of its delegate.
  func channelClosed(_ channel: ServerChannel, reason: CloseReason)
}

extension ServerChannelDelegate {
  /// Does nothing.
  public func channelSecured(_ channel: ServerChannel) {}
  /// Does nothing.
  public func channelCompressed(_ channel: ServerChannel) {}
  /// Does nothing.
  public func channelWritable(_ channel: ServerChannel) {}
}

/// A server's connection: a `ServerConnection` with its transport.
public final class ServerChannel: Channel {
  private var machine: ServerConnection
  private var delegate: (any ServerChannelDelegate)?
  private var isReady = false
  /// The phase that the machine had when ``withConnection(_:)`` lent it to somebody who still has it.
  private var lent: ServerConnection.Phase?
  private var mustClose = false

  init(loop: EventLoop, setup: ServerSetup) {
    var configuration = setup.configuration
    if setup.isImplicit { configuration.isEncrypted = true }
    machine = ServerConnection(configuration, now: loop.now)
    super.init(loop: loop, setup: setup)
    setup.liveCount += 1
  }

  /// Where in its life the protocol is.
  public var state: ServerConnection.Phase { lent ?? machine.phase }

  /// Lets `body` use the machine in place: greet, respond, complete and the other verbs. What they write is sent at the end of
  /// the tick, and what they make possible (the next command) happens then.
  ///
  /// There is one machine: where `body` calls this method of the same channel again, the inner `body` gets one that is
  /// closed, whose verbs do nothing but throw `.misuse`.
  public func withConnection<Result, Failure: Error>(
    _ body: (inout ServerConnection) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if lent != nil {
      var closed = ServerConnection(now: loop.now)
      closed.close(now: loop.now)
      return try body(&closed)
    }
    lent = machine.phase
    defer {
      lent = nil
      if mustClose { machine.close(now: loop.now) }
      mustClose = false
      changed()
    }
    return try body(&machine)
  }

  /// Takes over an accepted socket.
  func start(_ stream: ByteStream, delegate: any ServerChannelDelegate) {
    self.delegate = delegate
    adopt(stream)
  }

  override var isMachineRunning: Bool { isReady }
  override var lingers: Bool { true }
  override var stopsReadingWhenCongested: Bool { true }
  override var sendTimeout: Duration? { (setup as? ServerSetup)?.configuration.sendTimeout }
  override var machineDeadline: MonotonicInstant? { machine.nextDeadline }
  override var outboundCount: Int { machine.outboundCount }

  override func transportReady() {
    isReady = true
    delegate?.channelConnected(self)
  }

  override func driveMachine(_ input: inout ReceiveBuffer) -> DriveResult {
    do throws(ConnectionError) {
      var turn = Self.eventsPerTurn
      while !isHeld {
        if turn == 0, !flags.contains(.ending) { return .yielded }
        turn &-= 1
        let event = try machine.next(&input, now: loop.now)
        switch event {
        case .needMoreInput: return .needsInput
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

  override func machineUpgraded(_ upgrade: Upgrade) { machine.upgraded(upgrade, now: loop.now) }
  override func machineProgressed() { machine.progressed(now: loop.now) }
  override func machineTimedOut() { machine.handleTimeout(now: loop.now) }
  override func machineCloses() {
    // By whoever has the machine: it is closed when it is back.
    if lent != nil { mustClose = true } else { machine.close(now: loop.now) }
  }
  override func machineFails(_ error: ConnectionError) { machine.transportFailed(error) }
  override func sendOutbound(to sink: (Span<UInt8>) -> Int) -> Bool { Self.send(&machine, to: sink, now: loop.now) }
  override func becameWritable() { delegate?.channelWritable(self) }
  override func becameSecure() { delegate?.channelSecured(self) }
  override func becameCompressed() { delegate?.channelCompressed(self) }

  override func becameClosed(_ reason: CloseReason) {
    let delegate = self.delegate
    self.delegate = nil
    delegate?.channelClosed(self, reason: reason)
  }

  override func releasedSetup(_ setup: Setup) { (setup as? ServerSetup)?.channelClosed() }

  /// A span of a class's property cannot be named, that of an `inout` argument can.
  private static func send(
    _ machine: inout ServerConnection, to sink: (Span<UInt8>) -> Int, now: MonotonicInstant
  ) -> Bool {
    if machine.outboundCount == 0 { return false }
    // Commands wait for room there. They do not wait for the client to take every answer: that would be no turns.
    let wasFull = machine.isOutboundFull
    let count = sink(machine.outbound)
    machine.consumeOutbound(count)
    // It may not be driven because of that, and is idle from now on.
    if count > 0 { machine.progressed(now: now) }
    return wasFull && !machine.isOutboundFull
  }
}

/// What the connections of one endpoint share.
final class ServerSetup: SharedSetup {
  let configuration: ServerConnection.Configuration
  /// Channels that were made and are not closed.
  var liveCount = 0
  /// Called when the last channel has closed.
  var onIdle: (() -> Void)?

  init(tls: TLSContext?, isImplicit: Bool, configuration: ServerConnection.Configuration, handshakeTimeout: Duration) {
    self.configuration = configuration
    super.init(tls: tls, isImplicit: isImplicit, host: nil, handshakeTimeout: handshakeTimeout)
  }

  func channelClosed() {
    liveCount -= 1
    if liveCount == 0 {
      let body = onIdle
      onIdle = nil
      body?()
    }
  }
}
