import Testing

@testable import IMAPStateMachine

/// However the bytes come, the events are the same, no byte behind them is read, and none is looked at over and over.
@Suite struct IncrementalTests {
  static let seed: UInt64 = 0x5eed_0003

  /// Random sizes from 1 to 20 that cover `count` bytes.
  private static func pieces(_ count: Int, _ generator: inout Generator) -> Feed {
    var sizes: [Int] = []
    var sum = 0
    while sum < count {
      sizes.append(1 + generator.below(generator.chance(4) ? 20 : 5))
      sum += sizes[sizes.count - 1]
    }
    return .pieces(sizes)
  }

  /// Every fixture in 50 ways. Each suite of fixtures feeds its own whole, byte by byte and at each split in two.
  @Test func fixturesInRandomPieces() {
    var generator = Generator(seed: Self.seed)
    for fixture in Corpus.logged {
      let bytes = wire(fixture.input)
      for _ in 0..<50 {
        let feed = Self.pieces(bytes.count, &generator)
        let result = responseLog(bytes, feed)
        #expect(result.text == fixture.log, "seed \(Self.seed), \(fixture.name), \(feed)")
        #expect(result.unread == 0)
      }
    }
  }

  /// The answers of a real server: in random pieces, byte by byte and cut in two they give what they give whole.
  @Test func capturedResponsesInRandomPieces() {
    var generator = Generator(seed: Self.seed + 4)
    for (name, bytes) in Corpus.captured {
      for _ in 0..<6 {
        // A window that starts at a line, and ends anywhere.
        let start = (bytes[generator.below(bytes.count)...].firstIndex(of: 0x0a) ?? -1) + 1
        let window = Array(bytes[start..<min(bytes.count, start + 3000)])
        let whole = responseLog(window)
        for feed in [.bytewise, .split(generator.below(window.count)), Self.pieces(window.count, &generator)] as [Feed]
        {
          let result = responseLog(window, feed)
          #expect(result.text == whole.text, "seed \(Self.seed + 4), \(name), \(feed)")
          #expect(result.unread == whole.unread, "seed \(Self.seed + 4), \(name), \(feed)")
        }
      }
    }
  }

  /// Each transcript, cut in 30 ways.
  @Test func transcriptsInRandomPieces() throws {
    var generator = Generator(seed: Self.seed + 1)
    for name in ClientTranscriptTests.names {
      let transcript = try Transcript(named: name)
      if transcript.isWhole { continue }
      for _ in 0..<30 {
        let feed = Self.pieces(transcript.serverByteCount, &generator)
        let problems = transcript.replay(feed)
        #expect(problems.isEmpty, "seed \(Self.seed + 1), \(name), \(feed): \(problems.joined(separator: "; "))")
      }
    }
  }

  /// All fixtures in one stream, in random pieces, through one parser and its buffer.
  @Test func fixturesInOneStream() {
    var generator = Generator(seed: Self.seed + 2)
    // Offsets of errors count from the stream's start, so only fixtures without errors.
    let fixtures = ResponseParserTests.fixtures.filter { !$0.log.contains("at byte") }
    for _ in 0..<10 {
      let order = fixtures.shuffled(using: &generator.random)
      let bytes = order.flatMap { wire($0.input) }
      let result = responseLog(bytes, Self.pieces(bytes.count, &generator))
      #expect(result.text == order.map(\.log).joined(separator: "\n"), "seed \(Self.seed + 2)")
      #expect(result.unread == 0)
    }
  }

  // MARK: Canaries

  /// Bytes behind the last whole response stay where they are.
  @Test func whatFollowsStaysUnread() {
    let canaries = ["CANARY", "* 9 EXISTS", "*", "+", "A1 OK done", "\"", "(", "{5}", "* X {3}"]
    for fixture in ResponseParserTests.fixtures {
      let bytes = wire(fixture.input)
      for canary in canaries {
        for feed in [Feed.whole, .bytewise, .split(bytes.count)] {
          let result = responseLog(bytes + Array(canary.utf8), feed)
          #expect(result.text == fixture.log, "\(fixture.name) before \(canary)")
          #expect(result.unread == canary.utf8.count, "\(fixture.name) before \(canary)")
        }
      }
    }
  }

  /// What lies in the buffer's memory behind the received bytes changes nothing: it is never read.
  @Test func memoryBehindTheInputIsNotRead() {
    let garbage: [[UInt8]] = [
      [UInt8](repeating: 0x0a, count: 64), Array("\")} ]\r\n0123456789 FETCH (UID 5)\r\n".utf8),
      [UInt8](repeating: 0x30, count: 64), [UInt8](repeating: 0xff, count: 64),
      Array("{3}\r\nabc\"\\\"\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxx".utf8),
    ]
    for fixture in ResponseParserTests.fixtures {
      let bytes = wire(fixture.input)
      for garbage in garbage {
        for cut in 0...bytes.count {
          var parser = ResponseParser()
          var input = ReceiveBuffer()
          var log = EventLog()
          for part in [bytes[..<cut], bytes[cut...]] {
            Self.append(part, garbage, to: &input)
            do throws(ParseError) {
              while log.add(try parser.next(&input)) {}
            } catch {
              log.note("error \(error)")
            }
          }
          if log.text != fixture.log { Issue.record("\(fixture.name), cut at \(cut), garbage \(garbage)") }
        }
      }
    }
  }

  /// Adds `bytes`, with `garbage` in the memory behind them.
  private static func append(_ bytes: ArraySlice<UInt8>, _ garbage: [UInt8], to input: inout ReceiveBuffer) {
    let all = Array(bytes) + garbage
    let free = unsafe input.prepareForRead(suggested: all.count)
    // Safe: `prepareForRead` returned at least `all.count` bytes.
    unsafe free.copyBytes(from: all)
    input.commitRead(bytes.count)
  }

  /// The bytes before the first unread one do not matter either: the buffer moves them away as it wants.
  @Test func placeInTheBufferDoesNotMatter() {
    for fixture in ResponseParserTests.fixtures where !fixture.log.contains("at byte") {
      let bytes = wire(fixture.input)
      for lead in [1, 7, 8, 9, 63] {
        let before = wire("* OK \(String(repeating: "x", count: lead))\n")
        let result = responseLog(before + bytes, .whole)
        #expect(result.text == "status OK \"\(String(repeating: "x", count: lead))\"\n" + fixture.log)
        #expect(result.unread == 0)
      }
    }
  }

  // MARK: Work

  /// After each byte everything that is here was looked at for a line end, and the search goes on behind it.
  @Test(arguments: ["", "* SEARCH ", "* LIST () NIL {3}\r\nabc ", "* OK [", "A1 OK ", "* X (((\""])
  func aLineInSingleBytesIsSearchedOnce(_ start: String) throws {
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(Array(start.utf8).span)
    #expect(try parser.nextOwned(&input) == nil)
    for _ in 0..<20_000 {
      input.append([0x31].span)
      #expect(try parser.nextOwned(&input) == nil)
      if parser.scanned != input.unread { Issue.record("\(parser.scanned) of \(input.unread) bytes") }
    }
  }

  @Test func aFetchInSingleBytesIsSearchedOnce() throws {
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(Array("* 1 FETCH (UID 1 X ({3}\r\nabc".utf8).span)
    #expect(try parser.nextOwned(&input) == nil)
    for _ in 0..<20_000 {
      input.append([0x31].span)
      #expect(try parser.nextOwned(&input) == nil)
      #expect(parser.phase == .fetch)
      let scanned = parser.progress.scanned
      if scanned != input.unread { Issue.record("\(scanned) of \(input.unread) bytes") }
    }
  }

  /// An item whose value goes on behind many literals, below a name of any length: neither is walked over again. If they
  /// were, this would take hours.
  @Test(.timeLimit(.minutes(1)))
  func manyLiteralsInOneItemAreLinear() throws {
    let count = 20_000
    let name = "X[" + String(repeating: "y", count: 500_000) + "]"
    var bytes = Array("* 1 FETCH (\(name)\(String(repeating: " ", count: 100_000))(".utf8)
    for _ in 0..<count { bytes += Array("{1}\r\nz".utf8) }
    bytes += Array(") UID 7)\r\n".utf8)
    for chunk in [bytes.count, 1000] {
      var parser = ResponseParser()
      var input = ReceiveBuffer()
      var responses: [Response] = []
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + chunk)
        input.append(bytes.span.extracting(start..<end))
        start = end
        while let response = try parser.nextOwned(&input) { responses.append(response) }
      }
      guard case .fetch(let fetch)? = responses.first, case .unknown(let found, let value)? = fetch.attributes.first
      else {
        Issue.record("no FETCH: \(responses.count)")
        continue
      }
      #expect(found == Array(name.utf8))
      #expect(value.count == 2 + count * 6)
      #expect(fetch.attributes.last == .uid(7))
      #expect(fetch.attributes.count == 2)
    }
  }

  /// Collected bytes move a number of times that grows like the logarithm of their number.
  @Test func collectingALiteralIsLinear() {
    var owned = OwnedFetch()
    var capacities: Set<Int> = []
    for index in 0..<20_000 {
      owned.append([UInt8(truncatingIfNeeded: index)].span)
      capacities.insert(owned.data.capacity)
    }
    #expect(owned.data.count == 20_000)
    #expect(owned.data[300] == 44)
    #expect(capacities.count < 40)
  }

  /// What a server says that it enabled is kept up to a number: it may go on for ever.
  @Test(.timeLimit(.minutes(1)))
  func enabledDoesNotGrowWithoutBound() throws {
    let now = MonotonicInstant(nanoseconds: 0)
    var machine = ClientConnection(now: now)
    var input = ReceiveBuffer()
    // Only an ENABLED that was asked for counts.
    _ = try machine.enqueue(.enable([.condStore]), now: now)
    var text = "* PREAUTH hi\r\n* ENABLED CONDSTORE"
    for index in 0..<300_000 { text += " X\(index)" }
    input.append(Array((text + "\r\n").utf8).span)
    drain: while true {
      switch try machine.next(&input, now: now) {
      case .needMoreInput: break drain
      default: continue
      }
    }
    let enabled = machine.enabled
    #expect(enabled.first == .condStore)
    #expect(enabled.count <= 64)
  }
}
