import IMAPStateMachine

extension Channel {
  /// Whether both directions are compressed (RFC 4978).
  public final var isCompressed: Bool { deflate != nil }

  /// What compression made of the connection's bytes; nil where they are not compressed.
  public final var compression: CompressionStatistics? { deflate?.statistics }

  /// What the peer may make of its compressed bytes. Setting it does nothing where they are not compressed.
  public final var deflateLimits: DeflateLimits {
    get { deflate?.limits ?? DeflateLimits() }
    set { deflate?.limits = newValue }
  }

  /// Inflated bytes that one connection hands to its machine before others have their turn.
  private static var inflatedPerTurn: Int { 4 * DeflatePort.pieceSize }

  /// Starts DEFLATE in both directions. Everything that was to be sent before goes as it is.
  final func compress() {
    sendAll()
    if flags.contains(.broken) { return changed() }
    let engine = loop.deflatePort.begin()
    // What was read behind the answer is compressed.
    switch tail {
    case .none: break
    case .small(let bytes): engine.pending = bytes
    case .large(let box): engine.pending = box.buffer.takeUnread()
    }
    tail = .none
    engine.hasRest = !engine.pending.isEmpty
    deflate = engine
    machineUpgraded(.deflate)
    becameCompressed()
    changed()
  }

  /// Gives back what DEFLATE has.
  final func endDeflate() {
    guard let engine = deflate else { return }
    deflate = nil
    loop.deflatePort.end(engine)
  }

  /// Memory for compressed bytes that the socket reads.
  @unsafe final func compressedBuffer(_ engine: DeflateEngine) -> UnsafeMutableRawBufferPointer {
    let port = loop.deflatePort
    port.load(engine)
    return unsafe port.input.prepareForRead(suggested: EventLoop.readSize)
  }

  /// The socket has read `count` bytes into ``compressedBuffer(_:)``.
  final func received(_ count: Int, for engine: DeflateEngine) {
    let port = loop.deflatePort
    // What was pending was only copied in front.
    if count == 0 { return port.input.reset() }
    port.input.commitRead(count)
    engine.pending = []
    engine.hasRest = true
    inflate(engine)
  }

  /// Lets TLS decrypt into the port's input, behind what is pending. Returns whether the peer has said that nothing more comes.
  final func decrypt(_ tls: TLSEngine, for engine: DeflateEngine) throws(ConnectionError) -> Bool {
    let port = loop.deflatePort
    port.load(engine)
    engine.pending = []
    defer { if port.input.unread > 0 { engine.hasRest = true } }
    return try tls.read(into: &port.input) == .closed
  }

  /// Goes on with what was left pending.
  final func inflatePending() {
    guard let engine = deflate, engine.hasRest else { return }
    loop.deflatePort.load(engine)
    engine.pending = []
    inflate(engine)
  }

  /// Inflates what the port has, a piece at a time, and hands each to the machine. Stops where the machine wants no more: then
  /// the rest stays as small as it came.
  final func inflate(_ engine: DeflateEngine) {
    let port = loop.deflatePort
    var produced = 0
    while engine.hasRest, phase == .open, !loop.isDriving, flags.isDisjoint(with: [.machinePaused, .broken]) {
      if produced >= Self.inflatedPerTurn {
        // The rounds of one tick are no turns: sockets come first.
        loop.resumeLater(self)
        break
      }
      do throws(ConnectionError) {
        produced += try inflatePiece(engine)
        pump(isLoaded: true)
      } catch {
        // What came before the fault came from the peer all the same. It may have been the end of the connection.
        pump(isLoaded: true)
        fail(error)
      }
    }
    if loop.isDriving { changed() }
    port.unload(engine)
    updateReading()
    loop.schedulePacking()
  }

  private func inflatePiece(_ engine: DeflateEngine) throws(ConnectionError) -> Int {
    let port = loop.deflatePort
    if case .large(let box) = tail {
      return try port.inflateInput(engine, into: &box.buffer, atMost: DeflatePort.pieceSize)
    }
    loop.requireScratch()
    if case .small(let bytes) = tail { loop.scratch.append(bytes.span) }
    return try port.inflateInput(engine, into: &loop.scratch, atMost: DeflatePort.pieceSize)
  }

  /// As `flushPlain` and `flushEncrypted`.
  final func flushCompressed(_ engine: DeflateEngine, limit: Int) -> Bool {
    guard let stream else { return false }
    var failure: ConnectionError?
    let hasMore = sendOutbound { bytes in
      var sent = 0
      do throws(ConnectionError) {
        while sent < bytes.count, stream.queued < limit {
          let end = min(bytes.count, sent + DeflatePort.pieceSize)
          // The peer needs all that was compressed, so all of it is queued.
          try loop.deflatePort.deflate(engine, bytes.extracting(sent..<end))
          sent = end
          try sendDeflated(to: stream)
        }
      } catch {
        failure = error
      }
      return sent
    }
    if let failure { fail(failure) }
    return hasMore
  }

  private func sendDeflated(to stream: ByteStream) throws(ConnectionError) {
    let port = loop.deflatePort
    defer { port.clearOutput() }
    if let tls { return try encrypt(port.output.span, tls) }
    do throws(LoopError) { _ = try stream.write(port.output.span) } catch { throw error.connectionError(.write) }
  }

  private func encrypt(_ bytes: Span<UInt8>, _ tls: TLSEngine) throws(ConnectionError) {
    var sent = 0
    while sent < bytes.count {
      let count = try tls.write(bytes.extracting(sent...))
      if count == 0 { throw .transport(.init(.tls, message: "cannot encrypt")) }
      sent += count
    }
    if let failure = sendCiphertext() { throw failure }
  }
}

extension EventLoop {
  /// Sees to it that the windows of compressed connections which rest are packed.
  func schedulePacking() {
    let port = deflatePort
    guard !port.isPackingScheduled, let delay = port.packingDelay else { return }
    port.isPackingScheduled = true
    schedule(after: delay) { [self] in
      port.isPackingScheduled = false
      port.packSome()
      schedulePacking()
    }
  }
}
