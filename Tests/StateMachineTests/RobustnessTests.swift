import Testing

@testable import IMAPStateMachine

/// Bytes and calls that nobody should send or make: nothing traps, nothing runs for ever, and every command ends once.
/// Each test prints its seed where it fails; a trap is found by its argument, which is the seed.
@Suite struct RobustnessTests {
  /// Every fixture, and what the server says in every transcript.
  static let corpus: [[UInt8]] = {
    var corpus = ResponseParserTests.fixtures.map { wire($0.input) }
    for name in ClientTranscriptTests.names {
      guard let transcript = try? Transcript(named: name) else { continue }
      var bytes: [UInt8] = []
      for case (_, .server(let part)) in transcript.lines { bytes += part }
      corpus.append(bytes)
    }
    return corpus
  }()

  /// Pieces of the grammar.
  static let pieces: [String] = [
    "* ", "+ ", "A1 ", "A2 ", "OK ", "NO ", "BAD ", "BYE ", "PREAUTH ", "\r\n", "\n", "\r", " ", "(", ")", "[", "]",
    "<", ">",
    "\"", "\\", "{3}\r\n", "{0}\r\n", "{3+}\r\n", "~{2}\r\n", "{18446744073709551615}\r\n",
    "{99999999999999999999}\r\n",
    "{4294967296}\r\n", "abc", "NIL", "1 FETCH (", "UID ", "FLAGS (", "\\Seen ", "ENVELOPE (", "BODYSTRUCTURE (",
    "BODY[] ", "BODY[1.2.HEADER.FIELDS (A B)]<3> ", "RFC822.SIZE ", "INTERNALDATE ", "\"17-Jul-1996 02:44:25 -0700\"",
    "MODSEQ (", "1 EXISTS", "2 EXPUNGE", "3 RECENT", "SEARCH ", "1 2 3 ", "LIST ", "LSUB ", "STATUS ", "NAMESPACE ",
    "ID ",
    "ENABLED ", "CAPABILITY ", "[CAPABILITY IMAP4rev1 LITERAL+ SASL-IR STARTTLS]", "[UIDNEXT 5]", "[COPYUID 1 2:3 4:5]",
    "[PERMANENTFLAGS (", "4294967295", "4294967296", "18446744073709551616", "0", "-1", "\"a\" \"b\" ", "NIL NIL NIL ",
    "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)", "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 1 (", "*", ",", ":",
    "\0",
    "\u{e4}", "((((((((", "))))))))", "MIME", "&AOQ-", "&", "X-NEW ",
  ]

  private static func soup(_ generator: inout Generator, upTo count: Int = 50) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<generator.below(count) {
      if generator.chance(10) {
        bytes.append(UInt8(generator.below(256)))
      } else {
        bytes += Array(pieces[generator.below(pieces.count)].utf8)
      }
    }
    return bytes
  }

  /// Something from the corpus with a few faults.
  private static func mutated(_ generator: inout Generator) -> [UInt8] {
    var bytes = corpus[generator.below(corpus.count)]
    for _ in 0...generator.below(6) {
      let index = generator.below(bytes.count + 1)
      switch generator.below(7) {
      case 0 where index < bytes.count: bytes[index] ^= UInt8(1 << generator.below(8))
      case 1 where index < bytes.count: bytes[index] = UInt8(generator.below(256))
      case 2: bytes.insert(UInt8(generator.below(256)), at: index)
      case 3: bytes.insert(contentsOf: Array(pieces[generator.below(pieces.count)].utf8), at: index)
      case 4 where index < bytes.count:
        bytes.removeSubrange(index..<min(bytes.count, index + 1 + generator.below(20)))
      case 5:
        let other = corpus[generator.below(corpus.count)]
        let start = generator.below(other.count)
        bytes.insert(contentsOf: other[start..<min(other.count, start + generator.below(60))], at: index)
      default: bytes.removeSubrange(index...)
      }
    }
    return bytes
  }

  private static func limits(_ generator: inout Generator) -> ParserLimits {
    var limits = ParserLimits()
    if generator.chance(3) {
      limits.line = 20 + generator.below(200)
      limits.bufferedLiteral = generator.below(20)
      limits.literal = UInt64(generator.below(20))
      limits.nesting = generator.below(6)
      limits.fetchItems = generator.below(6)
    }
    return limits
  }

  // MARK: The parser

  /// 20 x 400 inputs: each view is read completely, whole and in pieces, with the same result.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func parserTakesAnyBytes(_ seed: UInt64) {
    var generator = Generator(seed: seed)
    for index in 0..<400 {
      let bytes = generator.chance(3) ? Self.soup(&generator) : Self.mutated(&generator)
      let limits = Self.limits(&generator)
      let whole = Self.read([bytes[...]], limits)
      var chunks: [ArraySlice<UInt8>] = []
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + 1 + generator.below(12))
        chunks.append(bytes[start..<end])
        start = end
      }
      let parts = Self.read(chunks, limits)
      if whole != parts { Issue.record("seed \(seed), input \(index): \(bytes)\n\(whole)\n\(parts)") }
      // One event at the most for each byte, and the last is that of the end.
      #expect(whole.count <= bytes.count + 3, "seed \(seed), input \(index): \(bytes)")
    }
  }

  private static func read(_ chunks: [ArraySlice<UInt8>], _ limits: ParserLimits) -> [String] {
    var parser = ResponseParser(limits: limits)
    var input = ReceiveBuffer()
    var log = EventLog()
    var bound = 10_000
    func drain(_ parser: inout ResponseParser, _ input: inout ReceiveBuffer) {
      do throws(ParseError) {
        while bound > 0 {
          bound -= 1
          let goesOn = try note(&parser, &input, &log)
          if !goesOn { return }
        }
        Issue.record("events without end")
      } catch {
        if log.lines.last != "error \(error)" { log.note("error \(error)") }
      }
    }
    for chunk in chunks {
      input.append(Array(chunk).span)
      drain(&parser, &input)
    }
    input.close()
    drain(&parser, &input)
    return log.lines
  }

  private static func note(
    _ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ log: inout EventLog
  ) throws(ParseError) -> Bool {
    switch try parser.next(&input) {
    case .fetchAttribute(let attribute):
      // The log reads by `copy()`; the fields one by one say the same.
      touch(attribute)
      return log.add(.fetchAttribute(attribute))
    case .untagged(let view):
      touch(view)
      return log.add(.untagged(view))
    case .literalBegin(let section, let header):
      _ = section.isWholeMessage
      return log.add(.literalBegin(section, header))
    case let event: return log.add(event)
    }
  }

  /// `#expect` cannot take views.
  private static func holds(_ condition: Bool, _ location: SourceLocation = #_sourceLocation) {
    if !condition { Issue.record("views and copies differ", sourceLocation: location) }
  }

  private static func touch(_ attribute: borrowing FetchAttributeView) {
    switch copy attribute {
    case .envelope(let view):
      let owned = view.copy()
      holds(bytes(view.date) == owned.date)
      holds(bytes(view.subject) == owned.subject)
      holds(bytes(view.inReplyTo) == owned.inReplyTo)
      holds(bytes(view.messageID) == owned.messageID)
      var addresses = view.from
      var index = 0
      while let address = addresses.next() {
        let same = bytes(address.name) == owned.from[index].name && bytes(address.host) == owned.from[index].host
        holds(same && bytes(address.route) == owned.from[index].route)
        holds(bytes(address.mailbox) == owned.from[index].mailbox)
        index += 1
      }
      holds(index == owned.from.count)
    case .flags(let view):
      var flags = view
      while let flag = flags.next() { holds(!flag.isEmpty) }
    case .section(let section, let string):
      _ = (section.copy(), section.isWholeMessage, section.origin)
      switch string {
      case .some(let view): holds(view.hasEscapes || view.raw.count == view.copy().count)
      case .none: break
      }
    case .bodyStructure(let view), .body(let view): holds(view.raw.count > 0)
    default: break
    }
  }

  private static func touch(_ view: borrowing UntaggedView) {
    switch copy view {
    case .status(let view):
      switch view.code {
      case .some(let code): holds(!"\(code.copy())".isEmpty || code.name.isEmpty)
      case .none: break
      }
    case .list(let view), .lsub(let view):
      holds(!view.copy().name.description.isEmpty || view.name.raw.isEmpty || !view.name.copy().isEmpty)
    case .mailboxStatus(let view):
      var items = view
      while let item = items.next() { holds(!item.name.isEmpty || !item.raw.isEmpty) }
    case .search(let view):
      var numbers = view
      var count = 0
      while numbers.next() != nil { count += 1 }
      holds(count == view.copy().numbers.count)
    case .capability(let view), .enabled(let view):
      var list = view
      while let capability = list.next() { holds(!capability.isEmpty) }
    case .id(let view): _ = view.copy()
    case .namespace(let view): _ = view.copy()
    default: break
    }
  }

  private static func bytes(_ view: borrowing StringView?) -> [UInt8]? {
    switch copy view {
    case .some(let view): view.copy()
    case .none: nil
    }
  }

  // MARK: The client

  /// 20 x 100 connections: bytes, time and verbs in any order.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func clientTakesAnyCalls(_ seed: UInt64) {
    var generator = Generator(seed: seed &* 7919)
    var seen: [String: Int] = [:]
    for index in 0..<100 {
      var chaos = ClientChaos(&generator)
      let problems = chaos.run(200, &generator)
      #expect(problems.isEmpty, "seed \(seed), connection \(index): \(problems)")
      for (event, count) in chaos.seen { seen[event, default: 0] += count }
    }
    // Chance must lead everywhere, else this tests little.
    for event in ["completed", "failed", "greeting", "response", "challenge", "ready", "idling", "upgrade", "closed"] {
      #expect(seen[event, default: 0] > 0, "seed \(seed): \(event) never came; \(seen)")
    }
  }

  /// Mostly what a server may say. Whatever else would end nearly every connection before it got anywhere.
  static func serverBytes(_ generator: inout Generator) -> [UInt8] {
    let lines = [
      "* 3 EXISTS\r\n", "* 1 EXPUNGE\r\n", "+ \r\n", "+ aGVsbG8=\r\n", "* ENABLED UTF8=ACCEPT\r\n",
      "* CAPABILITY IMAP4rev1 LITERAL+\r\n", "* 1 FETCH (UID 1 BODY[] {3}\r\nabc FLAGS ())\r\n",
      "* LIST () NIL {1}\r\na\r\n",
    ]
    switch generator.below(40) {
    case 0: return soup(&generator, upTo: 12)
    case 1: return mutated(&generator)
    case 2: return Array("* BYE now\r\n".utf8)
    default: return Array(lines[generator.below(lines.count)].utf8)
    }
  }

  /// 12 x 40 pairs whose bytes are changed in flight: each ends, or is idle, and no command ends twice.
  @Test(arguments: 1...12 as ClosedRange<UInt64>)
  func pairsWhoseBytesAreChanged(_ seed: UInt64) throws {
    var generator = Generator(seed: seed &* 104_729)
    for index in 0..<40 {
      let greeting = Status(generator.chance(3) ? .ok : .preauth, code: .capability([.literalPlus, .startTLS]), "hi")
      let pair = Pair(greeting: greeting)
      pair.largestChunk = 1 + generator.below(300)
      var noise = Generator(seed: generator.random.next())
      pair.filter = { _, bytes in
        if bytes.isEmpty || !noise.chance(12) { return }
        let index = noise.below(bytes.count)
        switch noise.below(4) {
        case 0: bytes[index] = UInt8(noise.below(256))
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(UInt8(noise.below(256)), at: index)
        default: bytes.removeSubrange(index...)
        }
      }
      var ids: [CommandID] = []
      if generator.chance(2) { try ids.append(pair.enqueue(.select(.inbox))) }
      for _ in 0..<10 {
        if let id = try? pair.enqueue(generator.chance(8) ? .idle : generator.command()) { ids.append(id) }
        if generator.chance(4), let id = try? pair.append(generator.bytes()) { ids.append(id) }
        if generator.chance(2) { #expect(pair.driveBounded(20_000), "seed \(seed), pair \(index)") }
      }
      #expect(pair.driveBounded(20_000), "seed \(seed), pair \(index)")
      // In the end one side or the other gives up.
      pair.cut(.toClient)
      pair.cut(.toServer)
      pair.drive(for: .seconds(4000))
      #expect(pair.clientClosed.count == 1, "seed \(seed), pair \(index)")
      for id in ids { #expect(pair.endings[id] == 1, "seed \(seed), pair \(index), \(id)") }
    }
  }
}

/// A client connection, and somebody who calls it at random.
private struct ClientChaos: ~Copyable {
  var machine: ClientConnection
  var input = ReceiveBuffer()
  var now = MonotonicInstant(nanoseconds: 0)
  var enqueued: [CommandID] = []
  var endings: [CommandID: Int] = [:]
  var closed = 0
  var thrown: [ConnectionError] = []
  var problems: [String] = []
  /// How often each event came.
  var seen: [String: Int] = [:]

  init(_ generator: inout Generator) {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 1 + generator.below(6)
    configuration.maximumQueued = generator.chance(4) ? 3 : 100
    configuration.requiresTLS = generator.chance(5)
    configuration.isSecure = generator.chance(3)
    if generator.chance(4) { configuration.limits.line = 60 }
    // Short enough that sets of UIDs go in parts.
    if generator.chance(3) { configuration.maximumLineLength = 60 }
    machine = ClientConnection(configuration, now: now)
  }

  mutating func run(_ calls: Int, _ generator: inout Generator) -> [String] {
    if !generator.chance(4) {
      let greetings = [
        "* OK hi\r\n", "* PREAUTH [CAPABILITY LITERAL+] hi\r\n", "* OK [CAPABILITY SASL-IR LITERAL-] hi\r\n",
      ]
      input.append(Array(greetings[generator.below(3)].utf8).span)
    }
    for _ in 0..<calls { call(&generator) }
    machine.close(now: now)
    drain()
    if closed != 1 { problems.append("closed \(closed) times") }
    for id in enqueued where endings[id] != 1 { problems.append("\(id) ended \(endings[id] ?? 0) times") }
    if endings.count != enqueued.count { problems.append("endings of commands that never were") }
    if Set(thrown).count > 1 { problems.append("different errors: \(thrown)") }
    if machine.nextDeadline != nil { problems.append("a deadline behind the end") }
    if machine.outbound.count > 0 { problems.append("bytes behind the end") }
    if machine.phase != .closed { problems.append("not closed") }
    return problems
  }

  private mutating func call(_ generator: inout Generator) {
    // The last few, so that most calls find their command.
    let id = enqueued.isEmpty ? nil : enqueued[max(0, enqueued.count - 1 - generator.below(3))]
    switch generator.below(24) {
    case 0...3: enqueue(&generator)
    case 4...7: input.append(RobustnessTests.serverBytes(&generator).span)
    case 8...11: reply(&generator)
    case 12: input.append(Array("+ \r\n".utf8).span)
    case 13:
      now = now.advanced(by: .seconds(generator.below(generator.chance(40) ? 400 : 5)))
      machine.handleTimeout(now: now)
    case 14:
      if let id {
        let bytes = [UInt8](repeating: 0x61, count: generator.below(generator.chance(20) ? 400_000 : 50))
        _ = try? machine.write(id, literal: bytes.span, now: now)
      }
    case 15: if let id { _ = try? machine.endIdle(id, now: now) }
    case 16:
      if let id {
        let bytes = generator.bytes()
        _ = try? machine.answer(id, challenge: bytes.span, now: now)
      }
    case 17: if let id, generator.chance(3) { _ = try? machine.cancelAuthentication(id, now: now) }
    case 18: machine.consumeOutbound(generator.below(5000) - 10)
    case 19: machine.consumeOutbound(.max)
    case 20: if generator.chance(2) { machine.upgraded(.tls, now: now) }
    case 21: if generator.chance(40) { input.close() }
    case 22: if generator.chance(30) { machine.close(now: now) }
    default: if generator.chance(30) { machine.transportFailed(.transport(.init(.read, message: "reset"))) }
    }
    if !generator.chance(4) { drain() }
  }

  private mutating func enqueue(_ generator: inout Generator) {
    let command: Command
    // What gets on in the state that there is, or anything.
    let kinds = machine.phase == .notAuthenticated ? 5 : 14
    switch generator.below(generator.chance(5) ? 14 : kinds) {
    case 0: command = .login(user: generator.text(), password: Secret(generator.bytes()))
    case 1: command = .authenticate(SASLExchange(mechanism: "PLAIN", initialResponse: Secret(generator.bytes())))
    // Few names are words, and every seed has to see a challenge.
    case 2: command = .authenticate(SASLExchange(mechanism: generator.chance(3) ? generator.text() : "LOGIN"))
    case 3: command = generator.chance(3) ? .logout : .idle
    // Most STARTTLS comes to nothing, and every seed has to see it succeed.
    case 4: command = generator.chance(6) ? .enable([.utf8Accept, .condStore]) : .startTLS
    case 5, 6: command = .select(generator.mailbox())
    case 7, 8:
      let size = generator.chance(4) ? 300_000 : generator.chance(20) ? UInt64.max : UInt64(generator.below(60))
      command = .append(AppendRequest(mailbox: generator.mailbox(), byteCount: size))
    case 9: command = .idle
    case 10: command = generator.chance(2) ? .close : .unselect
    default: command = generator.command()
    }
    if let id = try? machine.enqueue(command, now: now) { enqueued.append(id) }
  }

  /// A completion with a tag that may be in flight.
  private mutating func reply(_ generator: inout Generator) {
    if machine.state.nextTag == 1 { return }
    // A command in flight, mostly the oldest, or one that is over.
    let count = machine.state.inFlight.count
    let index = generator.chance(5) ? generator.below(max(count, 1)) : 0
    let tag = count > 0 ? machine.state.inFlight[index].tag : machine.state.nextTag - 1
    let condition = ["OK", "OK", "OK", "NO", "BAD"][generator.below(5)]
    let code = condition == "NO" ? "BADCHARSET (UTF-8 ISO-8859-1)" : "CAPABILITY IMAP4rev1"
    input.append(Array("A\(tag) \(condition) [\(code)] x\r\n".utf8).span)
  }

  private mutating func drain() {
    var bound = 10_000
    while step() {
      bound -= 1
      if bound == 0 {
        problems.append("events without end")
        return
      }
    }
  }

  private mutating func step() -> Bool {
    do throws(ConnectionError) {
      guard let event = try Self.next(&machine, &input, now) else { return false }
      seen[event.name, default: 0] += 1
      if closed > 0 { problems.append("\(event.name) behind the end") }
      if let id = event.ended { endings[id, default: 0] += 1 }
      if event.name == "closed" { closed += 1 }
      return true
    } catch {
      thrown.append(error)
      if closed != 1 { problems.append("threw \(error) before it closed") }
      return false
    }
  }

  /// The next event's name, and the command that it ends.
  private static func next(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant
  ) throws(ConnectionError) -> (name: String, ended: CommandID?)? {
    switch try machine.next(&input, now: now) {
    case .needMoreInput, .paused: nil
    case .completed(let id, _): ("completed", id)
    case .partCompleted: ("part completed", nil)
    case .failed(let id, _): ("failed", id)
    case .upgrade(_, let id): ("upgrade", id)
    case .closed: ("closed", nil)
    case .response: ("response", nil)
    case .greeting: ("greeting", nil)
    case .challenge: ("challenge", nil)
    case .readyForLiteral: ("ready", nil)
    case .idling: ("idling", nil)
    }
  }
}
