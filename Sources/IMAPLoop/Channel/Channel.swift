import IMAPStateMachine

/// One connection on a loop: a socket, TLS where wanted, and below both the machine that a subclass owns. ``ClientChannel`` and
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
    case upgrade
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
    var connector: Connector?

    init(tls: TLSContext?, isImplicit: Bool, host: String?, handshakeTimeout: Duration) {
      self.tls = tls
      self.isImplicit = isImplicit
      self.host = host
      self.handshakeTimeout = handshakeTimeout
    }
  }

  private struct Flags: OptionSet {
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
  }

  /// Unread input between two reads.
  private enum Tail {
    case none
    /// A few bytes, kept exactly. They go in front of the next read.
    case small([UInt8])
    /// More: the next reads go behind them, so that a long line is not copied for each.
    case large(Box)
  }

  private final class Box {
    var buffer: ReceiveBuffer
    init(unreadOf source: borrowing ReceiveBuffer) {
      buffer = ReceiveBuffer(minimumCapacity: source.unread)
      buffer.append(source.readable)
    }
  }

  private final class Ending {
    let reason: CloseReason
    init(_ reason: CloseReason) { self.reason = reason }
  }

  private(set) final var phase = Phase.connecting
  private final var flags: Flags = []
  final var setup: Setup?
  private final var stream: TCPStream?
  private final var tls: TLSEngine?
  private final var tail = Tail.none
  private final var transportDeadline = MonotonicInstant(nanoseconds: .max)
  private final var end: Ending?

  init(loop: EventLoop, setup: Setup?) {
    self.setup = setup
    super.init(loop: loop)
  }

  /// Whether TLS protects the connection.
  public final var isSecure: Bool { tls?.isEstablished ?? false }

  /// The TLS version, like `TLSv1.3`; nil without TLS.
  public final var tlsVersion: String? { isSecure ? tls?.version : nil }

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
  /// Whether the peer must read what was sent before more is read from it.
  var stopsReadingWhenCongested: Bool { false }
  /// When ``machineTimedOut()`` is due.
  var machineDeadline: MonotonicInstant? { nil }
  /// Bytes that the machine wants to send.
  var outboundCount: Int { 0 }

  /// The transport is up for the first time.
  func transportReady() {}
  /// The TLS handshake that the machine asked for is complete.
  func machineUpgraded() {}
  /// Hands out events until there are none, or `isHeld` says stop.
  func driveMachine(_ input: inout ReceiveBuffer) -> DriveResult { .needsInput }
  func machineTimedOut() {}
  func machineCloses() {}
  func machineFails(_ error: ConnectionError) {}
  /// Offers the bytes to send to `sink`, which returns how many it took.
  func sendOutbound(to sink: (Span<UInt8>) -> Int) {}
  /// Less than the low watermark waits to be sent again.
  func becameWritable() {}
  /// TLS protects the connection from now on.
  func becameSecure() {}
  /// The last call.
  func becameClosed(_ reason: CloseReason) {}
  /// Behind it: the channel needs its setup no longer.
  func releasedSetup(_ setup: Setup) {}

  /// A verb of the machine was called: it may have bytes, events or another deadline.
  final func changed() {
    flags.insert(.needsDrive)
    loop.markDirty(self)
  }

  /// Whether events that stem from input must wait.
  final var isHeld: Bool { flags.contains(.pausedByUser) && !flags.contains(.ending) }

  // MARK: Limits

  /// Bytes waiting to be sent at which a writer should stop. NIO has the same.
  static var highWatermark: Int { 64 * 1024 }
  /// Bytes at which it may go on.
  static var lowWatermark: Int { 32 * 1024 }
  /// Input that is kept for a machine that does not want it yet.
  private static var pausedInput: Int { 16 * 1024 }
  /// How long the last bytes may take to be sent.
  private static var finishTimeout: Duration { .seconds(10) }
  /// How long the peer may take to close after us.
  private static var lingerTimeout: Duration { .seconds(2) }

  // MARK: The tick

  override func tick() {
    if phase == .open {
      if flags.contains(.needsDrive) { pump() }
      flush()
    }
    if phase == .finishing { finish() }
    if phase == .connecting, let end { return deliverEnd(end) }
    updateReading()
    rearm()
  }

  override func timerFired() {
    if loop.now >= transportDeadline {
      transportDeadline = MonotonicInstant(nanoseconds: .max)
      switch phase {
      case .securing: fail(.timedOut(.tls))
      case .finishing, .lingering: closeStream()
      case .connecting, .open, .closed: break
      }
    }
    if phase == .open, let deadline = machineDeadline, loop.now >= deadline {
      machineTimedOut()
      flags.insert(.needsDrive)
    }
    loop.markDirty(self)
  }

  private func rearm() {
    var deadline = transportDeadline
    if phase == .open, let machine = machineDeadline { deadline = min(deadline, machine) }
    if phase == .closed || deadline.nanoseconds == .max { loop.disarm(self) } else { loop.arm(self, at: deadline) }
  }
}

// MARK: - Setting up

extension Channel {
  /// Takes over a connected socket. TLS comes first where the setup says so.
  final func adopt(_ stream: TCPStream) {
    self.stream = stream
    stream.owner = self
    if let setup, setup.isImplicit {
      secure()
    } else {
      ready()
    }
    updateReading()
    loop.markDirty(self)
  }

  /// Ends the connection before there is a machine to tell.
  final func endBeforeMachine(_ reason: CloseReason) {
    if end != nil || phase == .closed { return }
    end = Ending(reason)
    setup?.connector?.cancel()
    setup?.connector = nil
    flags.insert(.broken)
    if stream == nil { loop.markDirty(self) } else { closeStream() }
  }

  private func ready() {
    phase = .open
    transportDeadline = MonotonicInstant(nanoseconds: .max)
    transportReady()
    // Kept only where a handshake may still come.
    if setup?.tls == nil || isSecure { releaseSetup() }
    changed()
  }

  /// Starts TLS. All bytes that were to be sent before are queued already.
  private func secure() {
    phase = .securing
    tail = .none
    guard let setup, let context = setup.tls else {
      return fail(.transport(.init(.tls, message: "no TLS configuration for this connection")))
    }
    transportDeadline = loop.now.advanced(by: setup.handshakeTimeout)
    do throws(ConnectionError) {
      let engine = try TLSEngine(context, host: setup.host, port: loop.tlsPort)
      loop.counters.open(.tls)
      tls = engine
      // A client speaks first.
      _ = try engine.handshake()
      writeCiphertext()
    } catch {
      fail(error)
    }
  }

  private func secured() {
    transportDeadline = MonotonicInstant(nanoseconds: .max)
    if isMachineRunning {
      phase = .open
      machineUpgraded()
      releaseSetup()
      becameSecure()
      changed()
    } else {
      ready()
      becameSecure()
    }
  }

  /// STARTTLS was given up in the middle: the machine has the last word, but nothing can be sent.
  private func stopSecuring() {
    flags.formUnion([.broken, .ending])
    transportDeadline = MonotonicInstant(nanoseconds: .max)
    phase = .open
  }

  private func releaseSetup() {
    if !(setup is SharedSetup) { setup = nil }
  }
}

/// A setup that a server's connections share.
class SharedSetup: Channel.Setup {}

// MARK: - Input

extension Channel: StreamOwner {
  final func streamConnected(_ stream: TCPStream, error: LoopError?) {}

  @unsafe final func streamBuffer(_ stream: TCPStream) -> UnsafeMutableRawBufferPointer {
    if tls != nil || phase != .open { return unsafe loop.tlsPort.readBuffer }
    switch tail {
    case .large(let box): return unsafe box.buffer.prepareForRead(suggested: EventLoop.readSize)
    case .small(let bytes): loop.scratch.append(bytes.span)
    case .none: break
    }
    return unsafe loop.scratch.prepareForRead(suggested: EventLoop.readSize)
  }

  final func stream(_ stream: TCPStream, received count: Int) {
    if tls != nil {
      if count > 0 && (phase == .open || phase == .securing) { decrypt(count) }
    } else if phase == .open {
      if case .large(let box) = tail {
        box.buffer.commitRead(count)
      } else if count > 0 {
        loop.scratch.commitRead(count)
      } else {
        // The stashed bytes were only copied in front.
        loop.scratch.reset()
      }
      if count > 0 { pump(isLoaded: true) }
    }
    loop.markDirty(self)
  }

  final func streamEnded(_ stream: TCPStream) {
    flags.insert(.sawEnd)
    switch phase {
    case .securing:
      do throws(ConnectionError) { try tls?.endOfInput() } catch { return fail(error) }
      fail(.transport(.init(.tls, message: "connection closed during the handshake")))
    case .open: changed()
    case .finishing: loop.markDirty(self)
    case .lingering: closeStream()
    case .connecting, .closed: break
    }
  }

  final func streamFailed(
    _ stream: TCPStream, _ operation: ConnectionError.TransportFailure.Operation, _ error: LoopError
  ) {
    fail(error.connectionError(operation))
  }

  final func streamDrained(_ stream: TCPStream) { loop.markDirty(self) }

  final func streamClosed(_ stream: TCPStream) {
    self.stream = nil
    if end == nil, isMachineRunning {
      // The loop shuts down and has closed the socket itself.
      machineCloses()
      flags.formUnion([.broken, .ending])
      phase = .open
      pump()
    }
    phase = .closed
    deliverEnd(end ?? Ending(.local))
  }

  /// Hands what is unread, and what was just read into the loop's buffer if `isLoaded`, to the machine.
  private func pump(isLoaded: Bool = false) {
    // Never inside another connection's event: that one has borrowed the loop's buffer.
    if loop.isDriving { return changed() }
    loop.isDriving = true
    let result: DriveResult
    if case .large(let box) = tail {
      result = drive(&box.buffer)
      let unread = box.buffer.unread
      if unread == 0 {
        tail = .none
      } else if unread <= EventLoop.stashLimit {
        tail = .small(box.buffer.takeUnread())
      }
    } else {
      if !isLoaded, case .small(let bytes) = tail { loop.scratch.append(bytes.span) }
      tail = .none
      result = drive(&loop.scratch)
      let unread = loop.scratch.unread
      if unread > EventLoop.stashLimit {
        tail = .large(Box(unreadOf: loop.scratch))
      } else if unread > 0 {
        tail = .small(loop.scratch.takeUnread())
      }
      loop.scratch.reset()
    }
    loop.isDriving = false
    flags.remove([.needsDrive, .machinePaused])
    switch result {
    case .needsInput: break
    case .paused: flags.insert(.machinePaused)
    case .upgrade: upgrade()
    case .closed(let reason): machineEnded(reason)
    }
    updateReading()
  }

  private func drive(_ input: inout ReceiveBuffer) -> DriveResult {
    if flags.contains(.sawEnd) { input.close() }
    return driveMachine(&input)
  }

  private func upgrade() {
    sendAll()
    if flags.contains(.broken) { return changed() }
    secure()
  }

  private func machineEnded(_ reason: CloseReason) {
    if end == nil { end = Ending(reason) }
    if phase != .open { return }
    if flags.contains(.broken) { return closeStream() }
    phase = .finishing
    transportDeadline = loop.now.advanced(by: Self.finishTimeout)
    loop.markDirty(self)
  }

  /// Decrypts everything that has arrived. Nothing of it stays behind as ciphertext: what a paused machine does not want is
  /// kept as plain text.
  private func decrypt(_ count: Int) {
    guard let engine = tls else { return }
    let wasEstablished = engine.isEstablished
    var isClosed = false
    var failure: ConnectionError?
    if !isLarge, case .small(let bytes) = tail { loop.scratch.append(bytes.span) }
    let port = loop.tlsPort
    do throws(ConnectionError) {
      try port.withReadBuffer(count) { () throws(ConnectionError) in
        if try !engine.handshake() { return }
        if case .large(let box) = tail {
          isClosed = try engine.read(into: &box.buffer) == .closed
        } else {
          isClosed = try engine.read(into: &loop.scratch) == .closed
        }
      }
    } catch {
      failure = error
    }
    // An alert tells the peer what was wrong.
    writeCiphertext()
    if isClosed { flags.insert(.sawEnd) }
    if engine.isEstablished && !wasEstablished && phase == .securing { secured() }
    // What was decrypted before a bad record came from the peer all the same.
    if phase == .open { pump(isLoaded: true) } else { loop.scratch.reset() }
    if let failure { fail(failure) }
  }

  private var isLarge: Bool {
    if case .large = tail { return true }
    return false
  }

  private func updateReading() {
    guard let stream else { return }
    var reads = !flags.contains(.sawEnd)
    switch phase {
    case .connecting, .closed: reads = false
    case .securing, .lingering: break
    // Reading on shows whether the peer goes away; the bytes are of no use.
    case .finishing: reads = false
    case .open:
      if isHeld || flags.contains(.broken) { reads = false }
      if flags.contains(.machinePaused) && unreadCount > Self.pausedInput { reads = false }
      if flags.contains(.congested) && stopsReadingWhenCongested { reads = false }
    }
    if !reads { return stream.pauseReading() }
    do throws(LoopError) { try stream.startReading() } catch { fail(error.connectionError(.read)) }
  }

  private var unreadCount: Int {
    switch tail {
    case .none: 0
    case .small(let bytes): bytes.count
    case .large(let box): box.buffer.unread
    }
  }
}

// MARK: - Output

extension Channel {
  private func flush() {
    if flags.contains(.broken) { return }
    let before = outboundCount
    if tls != nil { flushEncrypted(limit: Self.highWatermark) } else { flushPlain(limit: Self.highWatermark) }
    if flags.contains(.broken) { return }
    let left = outboundCount
    let pending = left + (stream?.queued ?? 0)
    if pending > Self.highWatermark {
      flags.insert(.congested)
    } else if flags.contains(.congested), pending <= Self.lowWatermark {
      flags.remove(.congested)
      becameWritable()
    }
    // A machine may have waited for room.
    if left < before { changed() }
  }

  /// Sends or queues all that the machine has, whatever the watermarks: what follows has another form.
  private func sendAll() {
    if tls != nil { flushEncrypted(limit: .max) } else { flushPlain(limit: .max) }
  }

  private func flushPlain(limit: Int) {
    guard let stream else { return }
    var failure: LoopError?
    sendOutbound { bytes in
      do throws(LoopError) {
        return try stream.write(bytes, queueing: limit)
      } catch {
        failure = error
        return 0
      }
    }
    if let failure { fail(failure.connectionError(.write)) }
  }

  private func flushEncrypted(limit: Int) {
    guard let stream, let engine = tls, engine.isEstablished else { return }
    var failure: ConnectionError?
    sendOutbound { bytes in
      var sent = 0
      do throws(ConnectionError) {
        while sent < bytes.count, stream.queued < limit, failure == nil {
          let count = try engine.write(bytes.extracting(sent...))
          if count == 0 { break }
          sent += count
          if loop.tlsPort.output.count >= Self.highWatermark { failure = sendCiphertext() }
        }
      } catch {
        failure = error
      }
      return sent
    }
    failure = sendCiphertext() ?? failure
    if let failure { fail(failure) }
  }

  /// Writes what OpenSSL has left for the peer.
  private func writeCiphertext() {
    if let error = sendCiphertext() { fail(error) }
  }

  private func sendCiphertext() -> ConnectionError? {
    let port = loop.tlsPort
    defer { port.clearOutput() }
    guard let stream, !port.output.isEmpty, !flags.contains(.broken) else { return nil }
    do throws(LoopError) {
      _ = try stream.write(port.output.span)
      return nil
    } catch {
      return error.connectionError(.write)
    }
  }
}

// MARK: - The end

extension Channel {
  /// The transport does not work any more.
  private func fail(_ error: ConnectionError) {
    switch phase {
    case .connecting: endBeforeMachine(.error(error))
    case .securing:
      if !isMachineRunning { return endBeforeMachine(.error(error)) }
      machineFails(error)
      stopSecuring()
      changed()
    case .open:
      if flags.contains(.broken) { return }
      flags.formUnion([.broken, .ending])
      machineFails(error)
      changed()
    case .finishing, .lingering: closeStream()
    case .closed: break
    }
  }

  /// Sends the machine's last bytes, says goodbye in TLS, then closes.
  private func finish() {
    guard let stream else { return closeStream() }
    sendAll()
    if flags.contains(.broken) || phase != .finishing { return closeStream() }
    if let tls {
      tls.close()
      writeCiphertext()
    }
    if phase != .finishing || stream.queued > 0 { return }
    if !lingers || flags.contains(.sawEnd) { return closeStream() }
    // Closing a socket with unread input resets it, and the peer may never see what was sent last.
    phase = .lingering
    transportDeadline = loop.now.advanced(by: Self.lingerTimeout)
    stream.shutdownWriting()
  }

  private func closeStream() {
    if phase == .closed { return }
    phase = .closed
    loop.disarm(self)
    if let stream { stream.close() } else { loop.markDirty(self) }
  }

  private func deliverEnd(_ end: Ending) {
    phase = .closed
    loop.disarm(self)
    self.end = end
    tail = .none
    let setup = self.setup
    self.setup = nil
    if tls != nil {
      tls = nil
      loop.counters.close(.tls)
      loop.counters.free(.tls)
    }
    becameClosed(end.reason)
    if let setup { releasedSetup(setup) }
  }
}
