import CZlib
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// What a peer's zlib makes of `pieces`, each flushed by `flush`, and the stream ended where `ends`.
func peerDeflated(_ pieces: [[UInt8]], flush: Int32 = Z_SYNC_FLUSH, ends: Bool = false) -> [UInt8] {
  var output: [UInt8] = []
  unsafe withUnsafeTemporaryAllocation(of: z_stream.self, capacity: 1) { memory in
    guard let stream = memory.baseAddress else { return }
    unsafe stream.initialize(to: z_stream())
    unsafe czlib_deflate_init(stream, 6, -15, 8)
    for (index, piece) in pieces.enumerated() {
      var piece = piece
      var room = [UInt8](repeating: 0, count: piece.count + piece.count / 8 + 128)
      unsafe piece.withUnsafeMutableBufferPointer { input in
        unsafe room.withUnsafeMutableBufferPointer { room in
          unsafe stream.pointee.next_in = input.baseAddress
          unsafe stream.pointee.avail_in = UInt32(input.count)
          unsafe stream.pointee.next_out = room.baseAddress
          unsafe stream.pointee.avail_out = UInt32(room.count)
          unsafe _ = deflate(stream, ends && index == pieces.count - 1 ? Z_FINISH : flush)
        }
      }
      unsafe output += room[..<(room.count - Int(stream.pointee.avail_out))]
    }
    unsafe deflateEnd(stream)
  }
  return output
}

/// Lines as servers say them.
func responseLines(_ count: Int, from first: Int = 1) -> [UInt8] {
  Array((first..<first + count).map { "* \($0) FETCH (UID \($0 * 3) FLAGS (\\Seen))\r\n" }.joined().utf8)
}

extension DeflatePort {
  /// Compresses `bytes`.
  func deflated(_ engine: DeflateEngine, _ bytes: [UInt8]) throws(ConnectionError) -> [UInt8] {
    defer { clearOutput() }
    try deflate(engine, bytes.span)
    return output
  }

  /// Inflates `bytes`, at most `limit` at a time.
  func inflated(
    _ engine: DeflateEngine, _ bytes: [UInt8], limit: Int = DeflatePort.pieceSize
  ) throws(ConnectionError) -> [UInt8] {
    var result: [UInt8] = []
    var rest = bytes[...]
    repeat {
      var output = ReceiveBuffer()
      let used = try inflate(engine, rest.span, into: &output, atMost: limit)
      rest = rest.dropFirst(used)
      let piece = output.takeUnread()
      #expect(piece.count <= limit)
      result += piece
    } while engine.hasRest
    #expect(rest.isEmpty)
    return result
  }
}

@Suite struct DeflateEngineTests {
  private static let pieces = [responseLines(3), responseLines(40, from: 2), Array("A1 OK done\r\n".utf8)]

  @Test(arguments: [1, 7, 64 * 1024])
  func atEverySplitPoint(limit: Int) throws {
    let bytes = peerDeflated(Self.pieces)
    let whole = Self.pieces.flatMap { $0 }
    #expect(bytes.count < whole.count / 4)
    for split in 0...bytes.count {
      let port = DeflatePort()
      let engine = port.begin()
      let first = try port.inflated(engine, Array(bytes[..<split]), limit: limit)
      let second = try port.inflated(engine, Array(bytes[split...]), limit: limit)
      #expect(first + second == whole, "split at \(split)")
      #expect(engine.statistics.received == UInt64(whole.count))
      #expect(engine.statistics.receivedCompressed == UInt64(bytes.count))
    }
  }

  @Test func byteByByteWithOthersInBetween() throws {
    let bytes = peerDeflated(Self.pieces)
    let port = DeflatePort()
    let engine = port.begin()
    let other = port.begin()
    let otherBytes = peerDeflated(Array(repeating: [0x61], count: bytes.count))
    var result: [UInt8] = []
    var otherCount = 0
    for index in bytes.indices {
      result += try port.inflated(engine, [bytes[index]])
      otherCount += try port.inflated(other, [otherBytes[index]]).count
    }
    #expect(result == Self.pieces.flatMap { $0 })
    #expect(otherCount > 0)
  }

  /// What is flushed can be inflated as soon as it has come.
  @Test func nothingWaitsForWhatFollows() throws {
    let port = DeflatePort()
    let (sender, receiver) = (port.begin(), port.begin())
    for piece in Self.pieces {
      #expect(try port.inflated(receiver, port.deflated(sender, piece)) == piece)
    }
    #expect(try port.deflated(sender, []).isEmpty)
  }

  // MARK: Taking turns

  /// Between two turns a connection keeps what its peer may refer to, and no state of zlib's.
  @Test func whatAnIdleConnectionKeeps() throws {
    let port = DeflatePort()
    let (engine, other) = (port.begin(), port.begin())
    let small = responseLines(40)
    #expect(try port.inflated(engine, peerDeflated([small])) == small)
    _ = try port.deflated(engine, Array("A1 NOOP\r\n".utf8))
    #expect(engine.keptBytes == 0)
    _ = try port.inflated(other, peerDeflated([small]))
    _ = try port.deflated(other, small)
    #expect(!engine.hasStream)
    #expect(engine.keptBytes == small.count + 9)
    // The window is as large as what came, and never larger than what may be referred to.
    let large = responseLines(5000)
    _ = try port.inflated(other, peerDeflated([large]))
    _ = try port.deflated(engine, large)
    _ = try port.inflated(engine, [])
    #expect(other.keptBytes == Inflater.windowSize + DeflatePort.historySize)
    port.end(engine)
    port.end(other)
  }

  /// A window that nobody has used for a while is compressed, and what refers to it is understood all the same.
  @Test func restingWindowsArePacked() throws {
    let port = DeflatePort()
    let lines = (0..<8).map { responseLines(2000, from: $0) }
    let engines = lines.map { _ in port.begin() }
    let wires = lines.map { peerDeflated([$0, $0.suffix(20_000), $0.suffix(30_000)]) }
    let ends = lines.map { piece in
      (peerDeflated([piece]).count, peerDeflated([piece, Array(piece.suffix(20_000))]).count)
    }
    for (index, engine) in engines.enumerated() {
      #expect(try port.inflated(engine, Array(wires[index][..<ends[index].0])) == lines[index])
    }
    #expect(engines.dropLast().allSatisfy { $0.keptBytes == Inflater.windowSize })
    #expect(port.packingDelay == .seconds(10))
    // The first call begins a round, the second has something to do; one engine has a turn in between.
    port.packSome()
    #expect(try port.inflated(engines[0], Array(wires[0][ends[0].0..<ends[0].1])) == lines[0].suffix(20_000))
    port.packSome()
    #expect(port.packingDelay == .milliseconds(10))
    port.packSome()
    #expect(engines[1..<7].allSatisfy { $0.keptBytes > 0 && $0.keptBytes < 10_000 })
    #expect(engines[0].keptBytes == 0 && engines[7].keptBytes == Inflater.windowSize)
    for (index, engine) in engines.enumerated().dropFirst() {
      let first = try port.inflated(engine, Array(wires[index][ends[index].0..<ends[index].1]))
      let second = try port.inflated(engine, Array(wires[index][ends[index].1...]))
      #expect(first == lines[index].suffix(20_000) && second == lines[index].suffix(30_000))
    }
    // Those that are gone are forgotten.
    for engine in engines { port.end(engine) }
    #expect(port.packingDelay == nil)
    port.packSome()
  }

  /// Two connections that have their turns again and again are in the lists once, and are packed when they rest.
  @Test func theListsDoNotGrow() throws {
    let port = DeflatePort()
    let (one, other, last) = (port.begin(), port.begin(), port.begin())
    let large = responseLines(2000)
    let more = peerDeflated([large, [0x61]]).suffix(from: peerDeflated([large]).count)
    _ = try port.inflated(one, peerDeflated([large]))
    _ = try port.inflated(other, peerDeflated([large]))
    for turn in 0..<10_000 {
      // A stored block of one byte, and the same again.
      let bytes: [UInt8] = [0x00, 0x01, 0x00, 0xFE, 0xFF, 0x61]
      #expect(try port.inflated(turn % 2 == 0 ? one : other, turn < 2 ? Array(more) : bytes) == [0x61])
      if turn == 5000 { port.packSome() }
    }
    _ = try port.inflated(last, peerDeflated([[0x61]]))
    #expect(port.resting.count <= 2)
    for _ in 0..<3 { port.packSome() }
    for engine in [one, other] { #expect(engine.keptBytes > 0 && engine.keptBytes < 10_000) }
    #expect(port.packingDelay == nil)
  }

  /// What does not get smaller is tried once, not whenever its connection has had a turn: but for one that received much since.
  @Test func noiseIsNotPackedAgain() throws {
    let port = DeflatePort()
    let (engine, other) = (port.begin(), port.begin())
    let peer = port.begin()
    func turn(_ bytes: [UInt8]) throws {
      let wire = try port.deflated(peer, bytes)
      #expect(try port.inflated(engine, wire) == bytes)
      _ = try port.inflated(other, peerDeflated([[0x61]]))
    }
    try turn(noise(40_000))
    #expect(port.packingDelay != nil)
    for _ in 0..<3 { port.packSome() }
    #expect(engine.keptBytes == Inflater.windowSize && port.packingDelay == nil)
    try turn([0x61])
    #expect(port.packingDelay == nil)
    try turn(responseLines(2000))
    #expect(port.packingDelay != nil)
    for _ in 0..<3 { port.packSome() }
    #expect(engine.keptBytes < 10_000)
  }

  /// A peer whose zlib never starts anew refers to all of the last 32 KB.
  @Test func theWindowOutlivesTheTurn() throws {
    var random = SeededRandom(seed: 1)
    let noise = (0..<30_000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    // The second piece is the first again: all of it refers to 30,000 bytes before.
    let bytes = peerDeflated([noise, noise])
    let first = peerDeflated([noise]).count
    #expect(bytes.count < first + 1000)
    let port = DeflatePort()
    let (engine, other) = (port.begin(), port.begin())
    var result = try port.inflated(engine, Array(bytes[..<first]))
    _ = try port.inflated(other, peerDeflated([[0x61]]))
    #expect(!engine.hasStream)
    result += try port.inflated(engine, Array(bytes[first...]))
    #expect(result == noise + noise)
  }

  /// A peer that flushes without ending the byte leaves zlib in the middle of something.
  @Test func theStreamStaysWhereNoBlockEnds() throws {
    let bytes = peerDeflated(Self.pieces, flush: Z_PARTIAL_FLUSH)
    let port = DeflatePort()
    let (engine, other) = (port.begin(), port.begin())
    var result: [UInt8] = []
    var hadStream = false
    for index in bytes.indices {
      result += try port.inflated(engine, [bytes[index]])
      _ = try port.inflated(other, peerDeflated([[0x61]]))
      hadStream = hadStream || engine.hasStream
    }
    // What a partial flush leaves back are some bits of an empty block.
    #expect(result == Self.pieces.flatMap { $0 })
    #expect(hadStream)
  }

  /// What connections send in turns is one stream for each of their peers, whose zlib knows of no turns.
  @Test func peersNoticeNoTurns() throws {
    let port = DeflatePort()
    let engines = (0..<3).map { _ in port.begin() }
    let peers = try engines.map { _ in try #require(Inflater.make()) }
    var random = SeededRandom(seed: 2)
    for turn in 0..<300 {
      let index = Int.random(in: 0..<3, using: &random)
      let line = responseLines(Int.random(in: 1...60, using: &random), from: turn)
      let bytes = try port.deflated(engines[index], line)
      var output = [UInt8](repeating: 0, count: line.count + 1)
      let step = unsafe output.withUnsafeMutableBytes { unsafe peers[index].inflate(bytes.span, into: $0) }
      #expect(step.failure == nil && step.read == bytes.count && peers[index].isAtBoundary)
      #expect(Array(output[..<step.written]) == line)
    }
    // The history that is kept is worth something.
    let line = Array("A12 UID FETCH 100:200 (UID FLAGS INTERNALDATE)\r\n".utf8)
    _ = try port.deflated(engines[0], line)
    _ = try port.deflated(engines[1], line)
    #expect(try port.deflated(engines[0], line).count < 16)
  }

  /// Random bytes in random pieces over ten connections of one loop, both ways.
  @Test(arguments: 1...8) func randomRoundTrips(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let (here, there) = (DeflatePort(), DeflatePort())
    let pairs = (0..<10).map { _ in (here.begin(), there.begin()) }
    var wires = Array(repeating: (toThere: [UInt8](), toHere: [UInt8]()), count: 10)
    var sent = Array(repeating: (toThere: [UInt8](), toHere: [UInt8]()), count: 10)
    var got = Array(repeating: (toThere: [UInt8](), toHere: [UInt8]()), count: 10)
    for _ in 0..<200 {
      let index = Int.random(in: 0..<10, using: &random)
      let count = Int.random(in: 1...(Bool.random(using: &random) ? 200 : 20_000), using: &random)
      let kinds = UInt8.random(in: 1...255, using: &random)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...kinds, using: &random) }
      if Int.random(in: 0..<10, using: &random) == 0 {
        here.packSome()
        there.packSome()
      }
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        sent[index].toThere += bytes
        wires[index].toThere += try here.deflated(pairs[index].0, bytes)
      case 1:
        sent[index].toHere += bytes
        wires[index].toHere += try there.deflated(pairs[index].1, bytes)
      case 2:
        let cut = Int.random(in: 0...wires[index].toThere.count, using: &random)
        got[index].toThere += try there.inflated(pairs[index].1, Array(wires[index].toThere[..<cut]))
        wires[index].toThere.removeFirst(cut)
      default:
        let cut = Int.random(in: 0...wires[index].toHere.count, using: &random)
        got[index].toHere += try here.inflated(pairs[index].0, Array(wires[index].toHere[..<cut]), limit: count)
        wires[index].toHere.removeFirst(cut)
      }
    }
    for index in 0..<10 {
      got[index].toThere += try there.inflated(pairs[index].1, wires[index].toThere)
      got[index].toHere += try here.inflated(pairs[index].0, wires[index].toHere)
      #expect(got[index].toThere == sent[index].toThere && got[index].toHere == sent[index].toHere, "seed \(seed)")
      here.end(pairs[index].0)
      there.end(pairs[index].1)
    }
  }

  // MARK: Bad peers

  private func failure(_ bytes: [UInt8], _ limits: DeflateLimits = DeflateLimits()) -> ConnectionError? {
    let port = DeflatePort()
    let engine = port.begin(limits)
    do throws(ConnectionError) {
      _ = try port.inflated(engine, bytes)
      return nil
    } catch {
      // It stays broken.
      #expect(throws: ConnectionError.self) { try port.inflated(engine, [0]) }
      #expect(throws: ConnectionError.self) { try port.deflated(engine, [0]) }
      return error
    }
  }

  @Test func brokenStreamsSayWhereAndWhy() {
    let sound = peerDeflated([responseLines(3)])
    let broken = failure(sound + [0x07])
    #expect(broken?.transportOperation == .deflate)
    #expect(broken?.transportMessage == "invalid block type at compressed byte \(sound.count + 1)")
    // A stored block of two bytes whose length is not said twice.
    #expect(failure([0x00, 0x02, 0x00, 0x02, 0x00])?.transportMessage.contains("stored block lengths") == true)
    // A reference to before the start.
    let both = peerDeflated([responseLines(1), responseLines(1)])
    let far = failure(Array(both.dropFirst(peerDeflated([responseLines(1)]).count)))
    #expect(far?.transportMessage.contains("too far back") == true, "\(String(describing: far))")
  }

  @Test func theEndOfTheStreamIsAnError() {
    let bytes = peerDeflated([responseLines(1), responseLines(1)], ends: true)
    #expect(failure(bytes)?.transportMessage == "the peer has ended the compressed stream at byte \(bytes.count)")
    #expect(
      failure(bytes + [1, 2, 3])?.transportMessage
        == "the peer has ended the compressed stream at byte \(bytes.count), and 3 bytes follow")
    // What came before is handed out.
    let port = DeflatePort()
    var output = ReceiveBuffer()
    #expect(throws: ConnectionError.self) {
      _ = try port.inflate(port.begin(), bytes.span, into: &output, atMost: 1 << 16)
    }
    #expect(output.takeUnread() == responseLines(1) + responseLines(1))
  }

  /// Every byte of a stream altered: an error, or other bytes, and nothing worse.
  @Test func alteredBytes() {
    let sound = peerDeflated(Self.pieces)
    var errors = 0
    for index in sound.indices {
      for bit in 0..<8 {
        var bytes = sound
        bytes[index] ^= 1 << UInt8(bit)
        if let error = failure(bytes) {
          #expect(error.transportOperation == .deflate)
          errors += 1
        }
      }
    }
    #expect(errors > 100)
  }

  @Test func aBombIsInflatedPieceByPiece() throws {
    let size = 16 << 20
    let bomb = peerDeflated([[UInt8](repeating: 0, count: size)])
    #expect(bomb.count < 20_000)
    let port = DeflatePort()
    let engine = port.begin()
    var rest = bomb[...]
    var total = 0
    var output = ReceiveBuffer()
    repeat {
      rest = rest.dropFirst(try port.inflate(engine, rest.span, into: &output, atMost: 1000))
      let count = output.unread
      #expect(count <= 1000)
      total += count
      output.reset()
    } while engine.hasRest
    #expect(total == size)

    var limits = DeflateLimits()
    limits.inflatedBytes = 1 << 20
    let tooMuch = failure(bomb, limits)
    guard case .limit(let passed)? = tooMuch else { throw tooMuch ?? .closedLocally }
    #expect(passed.limit == .inflatedBytes && passed.value == 1 << 20 && passed.offset < bomb.count / 2)
    limits = DeflateLimits()
    limits.ratioAfter = 1 << 20
    let text = "limit of 200 for inflated bytes for each compressed one"
    #expect(failure(bomb, limits)?.description.hasPrefix(text) == true)
    limits.ratio = 2000
    #expect(failure(bomb, limits) == nil)
  }

  @Test func statistics() throws {
    let port = DeflatePort()
    let (sender, receiver) = (port.begin(), port.begin())
    #expect(sender.statistics.ratio == 1)
    let lines = responseLines(100)
    let bytes = try port.deflated(sender, lines)
    _ = try port.inflated(receiver, bytes)
    #expect(sender.statistics.sent == UInt64(lines.count) && sender.statistics.sentCompressed == UInt64(bytes.count))
    #expect(sender.statistics.ratio == receiver.statistics.ratio)
    #expect(sender.statistics.ratio > 5)
  }
}
