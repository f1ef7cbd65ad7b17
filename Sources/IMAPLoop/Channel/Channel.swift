import IMAPStateMachine

/// One connection on a loop: a socket, TLS and DEFLATE where wanted, and below them the machine that a subclass owns. ``ClientChannel`` and
/// ``ServerChannel`` are the two there are.
///
/// Bytes that arrive are parsed where the socket was read into, which is a buffer of the loop; an idle connection has none of
/// its own. What the machine wants to send, and events that it has queued, go out at the end of the tick: every verb only
/// marks the channel. So verbs may be called at any time, also from inside an event of this or another channel.
///
/// Everything must happen on the loop's thread. A channel lives until its delegate was told that it is closed, which happens
/// exactly once.
public class Channel: LoopMember {
  // `driveMachine`, `sendOutbound` and the other methods below "What the subclass does" are the whole interface to a machine.

  /// Where a connection is in its life, as far as the transport is concerned.
  enum Phase: UInt8 {
    /// There is no socket yet.
    case connecting
    /// The TLS handshake is running.
    case securing
    /// The machine sees the bytes.
    case open
    /// The machine has ended; its last bytes are on their way.
    case finishing
    /// Everything is sent; what still comes is thrown away until the peer closes too.
    case lingering
    /// The socket is being closed, or is.
    case closed
  }

  /// Why the machine stopped.
  enum DriveResult {
    case needsInput
    case paused
    /// There may be more, and it is the others' turn.
    case yielded
    case upgrade(Upgrade)
    case closed(CloseReason)
  }

  /// What a connection needs until it is set up, or until STARTTLS. Servers share one for all connections of an endpoint.
  class Setup {
    /// For implicit TLS or STARTTLS.
    let tls: TLSContext?
    /// Whether TLS comes before the first byte.
    let isImplicit: Bool
    /// The name that the peer's certificate must be for.
    let host: String?
    /// How long a TLS handshake may take.
    let handshakeTimeout: Duration
    /// When the connection must be set up, implicit TLS included; nil where only the handshake counts.
    var deadline: MonotonicInstant?
    var opener: StreamOpener?
    /// The port at ``host``.
    var port: UInt16 = 0
    /// Where in the queue of handshakes a client is.
    var turn = HandshakeQueue.Turn.none
    /// When that turn is over.
    var turnEnd = MonotonicInstant(nanoseconds: .max)

    init(tls: TLSContext?, isImplicit: Bool, host: String?, handshakeTimeout: Duration) {
      self.tls = tls
      self.isImplicit = isImplicit
      self.host = host
      self.handshakeTimeout = handshakeTimeout
    }
  }

  struct Flags: OptionSet {
    var rawValue: UInt8
    /// The machine may have something to say without new input.
    static let needsDrive = Flags(rawValue: 1 << 0)
    /// ``pauseReading()`` was called.
    static let pausedByUser = Flags(rawValue: 1 << 1)
    /// The machine wants no input for now.
    static let machinePaused = Flags(rawValue: 1 << 2)
    /// The peer sends no more.
    static let sawEnd = Flags(rawValue: 1 << 3)
    /// Nothing can be sent any more.
    static let broken = Flags(rawValue: 1 << 4)
    /// The high watermark was passed.
    static let congested = Flags(rawValue: 1 << 5)
    /// The end was decided, so a pause must not hold it up.
    static let ending = Flags(rawValue: 1 << 6)
    /// The machine is handing out events, and has the unread bytes.
    static let driving = Flags(rawValue: 1 << 7)
  }

  /// Unread input between two reads.
  enum Tail {
    case none
    /// A few bytes, kept exactly. They go in front of the next read.
    case small([UInt8])
    /// More: the next reads go behind them, so that a long line is not copied for each.
    case large(Box)
  }

  final class Box {
    var buffer: ReceiveBuffer
    init(unreadOf source: borrowing ReceiveBuffer) {
      buffer = ReceiveBuffer(minimumCapacity: source.unread)
      buffer.append(source.readable)
    }
  }

  final class Ending {
    let reason: CloseReason
    init(_ reason: CloseReason) { self.reason = reason }
  }

  final var phase = Phase.connecting
  final var flags: Flags = []
  final var setup: Setup?
  final var stream: ByteStream?
  final var tls: TLSEngine?
  final var deflate: DeflateEngine?
  final var tail = Tail.none
  final var transportDeadline = MonotonicInstant(nanoseconds: .max)
  final var end: Ending?

  init(loop: EventLoop, setup: Setup?) {
    self.setup = setup
    super.init(loop: loop)
  }

  /// Whether TLS protects the connection.
  public final var isSecure: Bool { tls?.isEstablished ?? false }

  /// The TLS version, like `TLSv1.3`; nil without TLS.
  public final var tlsVersion: String? { isSecure ? tls?.version : nil }

  /// What names the TLS connection to both of its ends, for authentication that is bound to it; nil without TLS, and where
  /// this connection has no data of this kind.
  public final func channelBinding(_ kind: ChannelBinding.Kind) -> ChannelBinding? {
    isSecure ? tls?.channelBinding(kind) : nil
  }

  /// The peer's address while the socket is open.
  public final var remoteAddress: SocketAddress? { stream?.remoteAddress }

  /// This side's address while the socket is open.
  public final var localAddress: SocketAddress? { stream?.localAddress }

  /// Whether more than the high watermark of 64 KiB waits to be sent. The delegate is told when it is below the low one again.
  public final var isCongested: Bool { flags.contains(.congested) }

  /// Lets the peer wait: no further event that stems from input comes until ``resumeReading()``. May be called from inside an
  /// event.
  public final func pauseReading() {
    flags.insert(.pausedByUser)
    updateReading()
  }

  /// Ends a pause. What has arrived in the meantime is handed out at the end of the tick.
  public final func resumeReading() {
    if !flags.contains(.pausedByUser) { return }
    flags.remove(.pausedByUser)
    machineResumed()
    changed()
  }

  /// Closes the connection: what is in flight fails, and the delegate is told that the channel is closed. Calling it again
  /// does nothing.
  public final func close() {
    flags.insert(.ending)
    switch phase {
    case .connecting: endBeforeMachine(.local)
    case .lingering, .finishing, .closed: break
    case .securing, .open:
      if !isMachineRunning { return endBeforeMachine(.local) }
      machineCloses()
      if phase == .securing { stopSecuring() }
      changed()
    }
  }

  // MARK: What the subclass does

  /// Whether the machine knows of the transport.
  var isMachineRunning: Bool { false }
  /// Whether the socket is kept for a moment so that the peer can read what was sent last.
  var lingers: Bool { false }
  /// Whether TLS handshakes wait until the loop has few enough of them.
  var queuesHandshakes: Bool { false }
  /// Whether the peer must read what was sent before more is read from it.
  var stopsReadingWhenCongested: Bool { false }
  /// How long the peer may take none of the bytes that wait for it; nil where the machine knows.
  var sendTimeout: Duration? { nil }
  /// Whether the machine has nothing to send and nothing to do before bytes come or its deadline does.
  var isMachineAtRest: Bool { false }
  /// When ``machineTimedOut()`` is due.
  var machineDeadline: MonotonicInstant? { nil }
  /// Bytes that the machine wants to send.
  var outboundCount: Int { 0 }

  /// The transport is up for the first time.
  func transportReady() {}
  /// The layer that the machine asked for is there.
  func machineUpgraded(_ upgrade: Upgrade) {}
  /// Hands out events until there are none, or `isHeld` says stop.
  func driveMachine(_ input: inout ReceiveBuffer) -> DriveResult { .needsInput }
  func machineTimedOut() {}
  /// Bytes went to the peer that the machine had given away before, or came that do not make what it could read.
  func machineProgressed() {}
  /// What was kept from the machine comes now.
  func machineResumed() {}
  func machineCloses() {}
  func machineFails(_ error: ConnectionError) {}
  /// Offers the bytes to send to `sink`, which returns how many it took. Returns whether the machine may have waited for that.
  func sendOutbound(to sink: (Span<UInt8>) -> Int) -> Bool { false }
  /// Less than the low watermark waits to be sent again.
  func becameWritable() {}
  /// The TLS handshake starts.
  func beginsSecuring() {}
  /// TLS protects the connection from now on.
  func becameSecure() {}
  /// DEFLATE compresses the connection from now on.
  func becameCompressed() {}
  /// The last call.
  func becameClosed(_ reason: CloseReason) {}
  /// Behind it: the channel needs its setup no longer.
  func releasedSetup(_ setup: Setup) {}

  /// Looks whether the peer has taken some of what waits for it.
  final func noteProgress() {
    guard phase == .open, let stream, stream.takeProgress() else { return }
    machineProgressed()
    // It is set again while there is more.
    transportDeadline = MonotonicInstant(nanoseconds: .max)
  }

  /// A verb of the machine was called: it may have bytes, events or another deadline.
  final func changed() {
    flags.insert(.needsDrive)
    loop.markDirty(self)
  }

  /// Whether events that stem from input must wait.
  final var isHeld: Bool { flags.contains(.pausedByUser) && !flags.contains(.ending) }

  // MARK: Limits

  /// Events that one connection may hand out before the others have their turn. A peer that sends without end fills whole
  /// buffers with short lines.
  static var eventsPerTurn: Int { 256 }
  /// Bytes waiting to be sent at which a writer should stop. NIO has the same.
  static var highWatermark: Int { 64 * 1024 }
  /// Bytes at which it may go on.
  static var lowWatermark: Int { 32 * 1024 }
  /// Input that is kept for a machine that does not want it yet.
  static var pausedInput: Int { 16 * 1024 }
  /// How long the last bytes may take to be sent.
  static var finishTimeout: Duration { .seconds(10) }
  /// How long the peer may take to close after us.
  static var lingerTimeout: Duration { .seconds(2) }

  // MARK: The tick

  override func tick() {
    // The loop shuts down and has closed the socket itself: `streamClosed` says so.
    if let stream, stream.isClosing { return }
    if phase == .securing, tls == nil, setup?.turn == .granted { startHandshake() }
    if phase == .open {
      if flags.contains(.needsDrive) {
        pump()
        inflatePending()
      }
      flush()
    }
    if phase == .finishing { finish() }
    if phase == .connecting, let end { return deliverEnd(end) }
    updateReading()
    rearm()
  }

  override func timerFired() {
    noteProgress()
    if loop.now >= transportDeadline {
      transportDeadline = MonotonicInstant(nanoseconds: .max)
      switch phase {
      case .securing: fail(.timedOut(.tls))
      case .open: fail(.timedOut(.sending))
      case .finishing, .lingering: closeStream()
      case .connecting, .closed: break
      }
    }
    if phase == .securing, let setup, setup.turn == .granted, loop.now >= setup.turnEnd { endTurn() }
    if phase == .open, let deadline = machineDeadline, loop.now >= deadline {
      machineTimedOut()
      flags.insert(.needsDrive)
    }
    loop.markDirty(self)
  }

  /// Whether the end of the tick would find nothing to do but to set the timer: most reads bring an event and no more.
  final func needsTick(_ stream: ByteStream) -> Bool {
    if phase != .open || !flags.isEmpty || !isMachineAtRest { return true }
    return stream.queued > 0 || stream.isClosing || deflate != nil || transportDeadline.nanoseconds != .max
  }

  final func rearm() {
    var deadline = transportDeadline
    if phase == .open, let machine = machineDeadline { deadline = min(deadline, machine) }
    if phase == .securing, let setup, setup.turn == .granted { deadline = min(deadline, setup.turnEnd) }
    if phase == .closed || deadline.nanoseconds == .max { loop.disarm(self) } else { loop.arm(self, at: deadline) }
  }
}

// MARK: - Setting up

extension Channel {
  /// Takes over a connection. TLS comes first where the setup says so. `unread` has come from the peer already.
  final func adopt(_ stream: ByteStream, unread: [UInt8] = []) {
    self.stream = stream
    stream.owner = self
    if let setup, setup.isImplicit {
      secure()
    } else {
      ready()
    }
    receive(unread)
    updateReading()
    loop.markDirty(self)
  }

  /// As if `bytes` had just been read.
  private func receive(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty, let stream {
      let memory = unsafe streamBuffer(stream)
      let piece = rest.prefix(memory.count)
      if piece.isEmpty { return }
      unsafe memory.copyBytes(from: piece)
      rest = rest.dropFirst(piece.count)
      self.stream(stream, received: piece.count)
    }
  }

  /// Ends the connection before there is a machine to tell.
  final func endBeforeMachine(_ reason: CloseReason) {
    if end != nil || phase == .closed { return }
    end = Ending(reason)
    setup?.opener?.cancel()
    setup?.opener = nil
    endTurn()
    flags.insert(.broken)
    if stream == nil { loop.markDirty(self) } else { closeStream() }
  }

  final func ready() {
    phase = .open
    transportDeadline = MonotonicInstant(nanoseconds: .max)
    transportReady()
    // Kept only where a handshake may still come.
    if setup?.tls == nil || isSecure { releaseSetup() }
    changed()
  }

  /// Starts TLS. All bytes that were to be sent before are queued already.
  final func secure() {
    phase = .securing
    tail = .none
    guard let setup, setup.tls != nil else {
      return fail(.transport(.init(.tls, message: "no TLS configuration for this connection", tls: .configuration)))
    }
    if queuesHandshakes, !loop.handshakes.enter(self, setup) {
      // What counts until then is the time for all of connecting.
      if !isMachineRunning, let deadline = setup.deadline { transportDeadline = deadline }
      return
    }
    startHandshake()
  }

  private func startHandshake() {
    guard let setup, let context = setup.tls else { return }
    beginsSecuring()
    let own = loop.now.advanced(by: setup.handshakeTimeout)
    transportDeadline = isMachineRunning ? own : setup.deadline ?? own
    if setup.turn == .granted { setup.turnEnd = loop.now.advanced(by: loop.handshakes.turnLength) }
    do throws(ConnectionError) {
      let engine = try TLSEngine(context, host: setup.host, peerPort: setup.port, port: loop.tlsPort)
      loop.counters.open(.tls)
      tls = engine
      // A client speaks first.
      _ = try engine.handshake()
      writeCiphertext()
    } catch {
      fail(error)
    }
  }

  final func secured() {
    endTurn()
    transportDeadline = MonotonicInstant(nanoseconds: .max)
    if isMachineRunning {
      phase = .open
      machineUpgraded(.tls)
      releaseSetup()
      becameSecure()
      changed()
    } else {
      ready()
      becameSecure()
    }
  }

  /// STARTTLS was given up in the middle: the machine has the last word, but nothing can be sent.
  final func stopSecuring() {
    endTurn()
    flags.formUnion([.broken, .ending])
    transportDeadline = MonotonicInstant(nanoseconds: .max)
    phase = .open
  }

  /// The handshake is over, or will not be, or its turn is: the next one may begin.
  final func endTurn() {
    guard let setup, setup.turn != .none else { return }
    loop.handshakes.leave(setup)
    // glibc keeps what handshakes needed for good, unless it is asked.
    if loop.handshakes.takeEndOfStorm() { loop.trimMemory() }
  }

  final func releaseSetup() {
    if !(setup is SharedSetup) { setup = nil }
  }
}

/// A setup that a server's connections share.
class SharedSetup: Channel.Setup {}
