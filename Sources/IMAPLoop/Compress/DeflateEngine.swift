import IMAPStateMachine

/// DEFLATE on one connection (RFC 4978), without any I/O: what is its own of it. zlib's state is in a ``DeflatePort``, where all
/// connections of a loop take turns. Here is what each of them needs to have its turn again.
final class DeflateEngine {
  /// What went through.
  fileprivate(set) var statistics = CompressionStatistics()
  /// What the peer may do.
  var limits: DeflateLimits
  /// Compressed bytes that came and that nobody wanted yet.
  var pending: [UInt8] = []
  /// Whether there may be more to inflate: of ``pending``, of the port's input, or of what zlib has in work.
  var hasRest = false

  fileprivate var received = Received.window([])
  /// The round in which it had its last turn.
  fileprivate var round: UInt32 = 0
  /// Bytes that had come when its window did not get smaller; 0 where that was not tried.
  fileprivate var unpackable: UInt64 = 0
  /// Whether it is in one of the port's lists.
  fileprivate var isListed = false
  /// The last bytes that were sent, for what follows to refer to.
  fileprivate var sent: [UInt8] = []
  fileprivate var isBroken = false

  /// Where the history of the receiving direction is.
  fileprivate enum Received {
    /// The peer has flushed: this is all that counts.
    case window([UInt8])
    /// The same, compressed.
    case packed([UInt8])
    /// In the middle of something.
    case stream(Inflater)
    /// In the port.
    case port
  }

  /// An engine whose streams are at their start.
  init(limits: DeflateLimits = DeflateLimits()) { self.limits = limits }

  /// Bytes that the engine keeps while others have their turn, zlib's own ones not counted.
  var keptBytes: Int {
    let window =
      switch received {
      case .window(let bytes), .packed(let bytes): bytes.count
      case .stream, .port: 0
      }
    return window + sent.count + pending.count
  }

  /// Whether the engine has a window that is large, and that was not tried before with most of these bytes.
  fileprivate var mayShrink: Bool {
    guard case .window(let bytes) = received, bytes.count >= Self.packedSize else { return false }
    return unpackable == 0 || statistics.received - unpackable >= UInt64(Inflater.windowSize / 2)
  }

  /// Windows below this stay as they are.
  private static var packedSize: Int { 4 * 1024 }

  /// Whether the engine has a stream of zlib's for itself.
  var hasStream: Bool { if case .stream = received { true } else { false } }
}

/// zlib's state, once for all compressed connections of a loop, where each would take 310 KB.
///
/// A connection keeps the state until another needs it. Then it is left with what its next turn depends on. To send that is
/// nothing: each flush ends with a byte and a block, and a new stream may go on there; a few of the last bytes are kept so that
/// it has something to refer to. To receive it is the window: the last bytes that came, up to 32 KB, for the peer may refer to
/// them. Where the peer's bytes end in the middle of a block zlib's state stays with the connection.
///
/// The window of a connection that rests is compressed itself, and inflated again when something comes.
@safe
final class DeflatePort {
  /// Compressed bytes that a socket or TLS reads into: of one connection, during one event.
  var input = ReceiveBuffer()
  /// Compressed bytes that the peer must get. Take them after each call of ``deflate(_:_:)``.
  private(set) var output: [UInt8] = []

  /// How many bytes of ``input`` were inflated.
  private var inputOffset = 0
  private var inflater: Inflater?
  private var inflating: DeflateEngine?
  private var deflater: Deflater?
  private var deflating: DeflateEngine?
  private var engineCount = 0
  private var round: UInt32 = 0
  /// Engines that were left with a large window: in this round, in the one before, and those that are to be packed.
  private(set) var resting: [DeflateEngine] = []
  private var rested: [DeflateEngine] = []
  private var due: [DeflateEngine] = []
  /// Whether somebody will call ``packSome()``.
  var isPackingScheduled = false

  /// Bytes of the sending direction's history that a connection keeps while others have their turn. Commands and the responses of
  /// IDLE repeat what was said just before.
  static var historySize: Int { 1024 }
  /// Plain bytes that are compressed or inflated at a time.
  static var pieceSize: Int { 64 * 1024 }

  /// An engine that starts here.
  func begin(_ limits: DeflateLimits = DeflateLimits()) -> DeflateEngine {
    engineCount += 1
    return DeflateEngine(limits: limits)
  }

  /// An engine is not used any more. zlib's memory is given back with the last.
  func end(_ engine: DeflateEngine) {
    if inflating === engine { inflating = nil }
    if deflating === engine { deflating = nil }
    engine.received = .window([])
    engine.isBroken = true
    engineCount -= 1
    if engineCount > 0 { return }
    inflater = nil
    deflater = nil
    (resting, rested, due) = ([], [], [])
    input = ReceiveBuffer()
    output = []
  }

  /// Empties ``output`` and keeps its memory.
  func clearOutput() { output.removeAll(keepingCapacity: true) }

  // MARK: Receiving

  /// Puts what the engine has pending in front of what is read next into ``input``.
  func load(_ engine: DeflateEngine) {
    let pending = engine.pending
    input.append(pending.span)
  }

  /// Inflates a piece of ``input``, as ``inflate(_:_:into:atMost:)``.
  func inflateInput(
    _ engine: DeflateEngine, into output: inout ReceiveBuffer, atMost limit: Int
  ) throws(ConnectionError) -> Int {
    let before = output.unread
    inputOffset += try inflate(&input, inputOffset, engine, into: &output, atMost: limit)
    return output.unread - before
  }

  /// Takes out what of ``input`` was not inflated, for the engine to keep.
  func unload(_ engine: DeflateEngine) {
    engine.pending = inputOffset < input.unread ? Array(input.takeUnread()[inputOffset...]) : []
    input.reset()
    inputOffset = 0
  }

  /// Inflates a piece of `bytes`, which are what came last, to at most `limit` bytes behind those in `output`. Returns how many of
  /// `bytes` were used. Says by ``DeflateEngine/hasRest`` whether there may be more to come.
  ///
  /// Throws where the bytes are no DEFLATE stream, or are its end, and where a limit was passed. What was inflated before is
  /// in `output` also then.
  func inflate(
    _ engine: DeflateEngine, _ bytes: Span<UInt8>, into output: inout ReceiveBuffer, atMost limit: Int
  ) throws(ConnectionError) -> Int {
    if engine.isBroken { throw failure("the stream has failed before") }
    let inflater = try inflater(for: engine)
    // Safe: what zlib has written is what is committed.
    let memory = unsafe output.prepareForRead(suggested: limit)
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<min(max(limit, 0), memory.count)])
    let step = unsafe inflater.inflate(bytes, into: room)
    output.commitRead(step.written)
    engine.statistics.receivedCompressed += UInt64(step.read)
    engine.statistics.received += UInt64(step.written)
    engine.hasRest = step.read < bytes.count || step.written == room.count
    do throws(ConnectionError) { try check(step, of: engine, unread: bytes.count - step.read) } catch {
      engine.isBroken = true
      // Whatever the socket says, this is why the connection ends.
      engine.hasRest = true
      throw error
    }
    return step.read
  }

  private func check(_ step: Inflater.Step, of engine: DeflateEngine, unread: Int) throws(ConnectionError) {
    let (place, total, limits) = (engine.statistics.receivedCompressed, engine.statistics.received, engine.limits)
    if let (code, text) = step.failure {
      throw failure(code: Int(code), "\(text) at compressed byte \(place)")
    }
    if step.isEnd {
      let rest = unread == 0 ? "" : ", and \(unread) bytes follow"
      throw failure("the peer has ended the compressed stream at byte \(place)\(rest)")
    }
    if total > limits.inflatedBytes {
      throw .limit(LimitExceeded(limit: .inflatedBytes, value: limits.inflatedBytes, offset: Int(clamping: place)))
    }
    if total > limits.ratioAfter, total / max(place, 1) > limits.ratio {
      throw .limit(LimitExceeded(limit: .compressionRatio, value: limits.ratio, offset: Int(clamping: place)))
    }
  }

  /// A span of a class's property cannot be named, that of an `inout` argument can.
  private func inflate(
    _ input: inout ReceiveBuffer, _ offset: Int, _ engine: DeflateEngine, into output: inout ReceiveBuffer,
    atMost limit: Int
  ) throws(ConnectionError) -> Int {
    try inflate(engine, input.readable.extracting(droppingFirst: offset), into: &output, atMost: limit)
  }

  /// zlib's state with the history of `engine`.
  private func inflater(for engine: DeflateEngine) throws(ConnectionError) -> Inflater {
    if inflating === engine, let inflater { return inflater }
    parkInflater()
    if case .stream(let own) = engine.received {
      inflater = own
    } else {
      guard let fresh = inflater ?? Inflater.make(), restart(fresh, for: engine) else { throw failure("no memory") }
      inflater = fresh
    }
    guard let inflater else { throw failure("no memory") }
    engine.received = .port
    inflating = engine
    return inflater
  }

  /// Leaves the engine that had its turn last with what it needs for the next one.
  private func parkInflater() {
    guard let engine = inflating, let inflater else { return }
    inflating = nil
    if inflater.isAtBoundary {
      let window = inflater.window()
      engine.received = .window(window)
      engine.round = round
      list(engine)
    } else {
      engine.received = .stream(inflater)
      self.inflater = nil
    }
  }

  private func restart(_ inflater: Inflater, for engine: DeflateEngine) -> Bool {
    switch engine.received {
    case .window(let window): return inflater.restart(behind: window.span)
    case .packed(let bytes):
      let nothing: [UInt8] = []
      if !inflater.restart(behind: nothing.span) { return false }
      // What was inflated last is the window. A byte more, or zlib would stop in front of the end of the block.
      return unsafe withUnsafeTemporaryAllocation(byteCount: Inflater.windowSize + 1, alignment: 16) { room in
        let step = unsafe inflater.inflate(bytes.span, into: room)
        return step.failure == nil && step.read == bytes.count && inflater.isAtBoundary
      }
    case .stream, .port: return false
    }
  }

  // MARK: Resting

  /// Windows that are compressed at a time: some 3 ms.
  private static var packedAtOnce: Int { 4 }

  /// How soon ``packSome()`` is to be called; nil where there is nothing to do.
  var packingDelay: Duration? {
    if !due.isEmpty { return .milliseconds(10) }
    return resting.isEmpty && rested.isEmpty ? nil : .seconds(10)
  }

  /// Puts the engine into the list of those that rest, where its window is worth it.
  private func list(_ engine: DeflateEngine) {
    guard !engine.isListed, engine.mayShrink else { return }
    engine.isListed = true
    resting.append(engine)
  }

  /// Begins a round: those that had no turn in the last one are due.
  private func beginRound() {
    var next = resting
    resting = []
    for engine in rested {
      if !engine.mayShrink {
        engine.isListed = false
      } else if engine.round &+ 1 == round {
        due.append(engine)
      } else {
        next.append(engine)
      }
    }
    rested = next
    round &+= 1
  }

  /// Compresses the windows of some engines that had no turn since the call before the last. A new round begins when that is
  /// done.
  func packSome() {
    if due.isEmpty { beginRound() }
    // As good as the one in use, which has a history to lose.
    guard !due.isEmpty, let packer = Deflater.make() else { return }
    for _ in 0..<Self.packedAtOnce {
      guard let engine = due.popLast() else { return }
      engine.isListed = false
      guard case .window(let window) = engine.received, engine.round &+ 2 == round else {
        // It had a turn meanwhile.
        list(engine)
        continue
      }
      var packed: [UInt8] = []
      if !packer.restart(behind: packed.span) || packer.deflate(window.span, into: &packed) != nil { return }
      // A copy, as large as it needs to be.
      if packed.count < window.count * 3 / 4 {
        engine.received = unsafe .packed(packed.withUnsafeBytes { unsafe Array($0) })
      } else {
        engine.unpackable = engine.statistics.received
      }
    }
  }

  // MARK: Sending

  /// Appends `bytes` to ``output``, compressed. The peer can inflate all of it when it has come.
  func deflate(_ engine: DeflateEngine, _ bytes: Span<UInt8>) throws(ConnectionError) {
    if bytes.isEmpty { return }
    if engine.isBroken { throw failure("the stream has failed before") }
    let deflater = try deflater(for: engine)
    let before = output.count
    if let status = deflater.deflate(bytes, into: &output) {
      engine.isBroken = true
      throw failure(code: Int(status), "cannot compress")
    }
    engine.statistics.sent += UInt64(bytes.count)
    engine.statistics.sentCompressed += UInt64(output.count - before)
  }

  private func deflater(for engine: DeflateEngine) throws(ConnectionError) -> Deflater {
    if deflating === engine, let deflater { return deflater }
    if let deflating { deflating.sent = deflater?.history(Self.historySize) ?? [] }
    deflating = nil
    let history = engine.sent
    guard let deflater = deflater ?? Deflater.make(), deflater.restart(behind: history.span) else {
      throw failure("no memory")
    }
    self.deflater = deflater
    engine.sent = []
    deflating = engine
    return deflater
  }

  private func failure(code: Int = 0, _ text: String) -> ConnectionError {
    .transport(ConnectionError.TransportFailure(.deflate, code: code, message: text))
  }
}
