import Testing

@testable import IMAPStateMachine

/// The bounds of ``ParserLimits`` on the client's side: what just meets one is read, what just passes it ends everything.
@Suite struct LimitTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var limits: ParserLimits
    /// Responses that just meet the bound.
    var met: String
    /// What just passes it.
    var passed: String
    var error: LimitExceeded
    /// How many events `passed` gives before the bound.
    var eventsBefore = 0
    var testDescription: String { name }

    init(
      _ name: String, _ limit: LimitExceeded.Limit, _ value: Int, met: String, passed: String, at offset: Int,
      eventsBefore: Int = 0
    ) {
      self.name = name
      limits = ParserLimits()
      switch limit {
      case .line: limits.line = value
      case .literal: limits.literal = UInt64(value)
      case .bufferedLiteral: limits.bufferedLiteral = value
      case .nesting: limits.nesting = value
      case .listElements: limits.listElements = value
      default: limits.fetchItems = value
      }
      self.met = met
      self.passed = passed
      self.eventsBefore = eventsBefore
      error = LimitExceeded(limit: limit, value: UInt64(value), offset: offset)
    }
  }

  private static func x(_ count: Int) -> String { String(repeating: "x", count: count) }

  static let cases: [Case] =
    [
      Case("line", .line, 20, met: "* OK \(x(13))\n", passed: "* OK \(x(14))\n", at: 0),
      Case("line without an end", .line, 20, met: "* OK \(x(13))\n", passed: x(20), at: 0),
      Case(
        "second line", .line, 20, met: "* 1 EXISTS\n* 2 EXISTS\n", passed: "* 1 EXISTS\n\(x(20))", at: 12,
        eventsBefore: 1
      ),
      // A literal in a line counts as part of it.
      Case(
        "line with literals", .line, 32, met: "* LIST () NIL {10}\n0123456789\n",
        passed: "* LIST () NIL {11}\n0123456789a\n", at: 0),
      Case(
        "line of a FETCH", .line, 31, met: "* 1 FETCH (FLAGS (\\Seen a b))\n",
        passed: "* 1 FETCH (FLAGS (\\Seen a bc))\n",
        at: 0),
      Case(
        "line behind a section", .line, 33,
        met: "* 1 FETCH (BODY[] {50}\n\(x(50)) FLAGS (\\Seen a bcdefghijklmn))\n",
        passed: "* 1 FETCH (BODY[] {50}\n\(x(50)) FLAGS (\\Seen a bcdefghijklmno))\n", at: 74, eventsBefore: 4),
      Case(
        "literal", .literal, 10, met: "* 1 FETCH (BODY[] {10}\n0123456789)\n",
        passed: "* 1 FETCH (UID 1 BODY[] {11}\n", at: 24, eventsBefore: 2),
      Case(
        "literal beyond every number", .literal, 10, met: "* 1 FETCH (BODY[] {0010}\n0123456789)\n",
        passed: "* 1 FETCH (BODY[] {18446744073709551615}\n", at: 18, eventsBefore: 1),
      Case(
        "buffered literal of LIST", .bufferedLiteral, 10, met: "* LIST () NIL {10}\n0123456789\n",
        passed: "* LIST () NIL {11}\n", at: 14),
      Case(
        "buffered literal beyond every number", .bufferedLiteral, 10, met: "* LIST () NIL {10}\n0123456789\n",
        passed: "* LIST () NIL {99999999999999999999999}\n", at: 14),
      Case(
        "literal beyond 64 bits", .literal, 10, met: "* 1 FETCH (BODY[] {10}\n0123456789)\n",
        passed: "* 1 FETCH (BODY[] {99999999999999999999999}\n", at: 18, eventsBefore: 1),
      Case(
        "buffered binary literal", .bufferedLiteral, 4, met: "* METADATA \"\" (/a ~{4}\nabcd)\n",
        passed: "* METADATA \"\" (/a ~{5}\n", at: 19),
      Case(
        "binary literal of an unknown item", .bufferedLiteral, 4, met: "* 1 FETCH (X ~{4}\nabcd)\n",
        passed: "* 1 FETCH (X ~{5}\n", at: 14, eventsBefore: 1),
      Case(
        "literal among field names", .bufferedLiteral, 4, met: "* 1 FETCH (BODY[HEADER.FIELDS ({4}\nDATE)] NIL)\n",
        passed: "* 1 FETCH (BODY[HEADER.FIELDS ({5}\n", at: 31, eventsBefore: 1),
      Case(
        "literal behind damage", .literal, 4, met: "* 1 FETCH (UID 1)\n", passed: "* 1 FETCH (BODY[ {5}\n", at: 17,
        eventsBefore: 1),
      Case(
        "buffered literal of ENVELOPE", .bufferedLiteral, 4,
        met: "* 1 FETCH (ENVELOPE ({4}\nabcd NIL NIL NIL NIL NIL NIL NIL NIL NIL))\n",
        passed: "* 1 FETCH (ENVELOPE ({5}\n", at: 21, eventsBefore: 1),
      Case(
        "buffered literal of an unknown item", .bufferedLiteral, 4, met: "* 1 FETCH (X {4}\nabcd)\n",
        passed: "* 1 FETCH (X {5}\n", at: 13, eventsBefore: 1),
      Case(
        "nesting", .nesting, 3, met: "* 1 FETCH (X (((a))))\n", passed: "* 1 FETCH (X ((((a)))))\n", at: 16,
        eventsBefore: 1),
      Case(
        "nesting across a literal", .nesting, 3, met: "* 1 FETCH (X (({1}\na(b))))\n",
        passed: "* 1 FETCH (X (({1}\na((b)))))\n", at: 22, eventsBefore: 1),
      Case(
        "nesting in THREAD", .nesting, 3, met: "* THREAD (1 (2 (3)(4)))\n", passed: "* THREAD (1 (2 (3 (4)(5))))\n",
        at: 18
      ),
      Case(
        "nesting in extended data of LIST", .nesting, 3, met: "* LIST () \"/\" a (X ((a)(b)))\n",
        passed: "* LIST () \"/\" a (X (((a))))\n", at: 21),
      Case(
        "nesting in ESEARCH", .nesting, 3, met: "* ESEARCH (TAG \"((((\") X (((a)))\n",
        passed: "* ESEARCH X ((((a))))\n",
        at: 15),
      Case(
        "nesting in STATUS", .nesting, 3, met: "* STATUS a (X ((1)))\n", passed: "* STATUS a (X (((1))))\n", at: 16),
      Case(
        "nesting in a code", .nesting, 3, met: "* OK [X (((a)))] ((((((\nA1 NO [X (((a)))] ((((\n+ ((((\n",
        passed: "A1 OK [X ((((a))))] x\n", at: 12),
      Case(
        "nesting across a literal of LIST", .nesting, 3, met: "* LIST () \"/\" {5}\n((((( (X ((a)))\n",
        passed: "* LIST () \"/\" {5}\n((((( (X (((a))))\n", at: 30),
      Case(
        "nesting on a line that is not known", .nesting, 3, met: "* METADATA \"\" (/a \"((((\")\n",
        passed: "* X ((((a))))\n", at: 7),
      Case(
        "FETCH items", .fetchItems, 3, met: "* 1 FETCH (UID 1 UID 2 UID 3)\n",
        passed: "* 1 FETCH (UID 1 UID 2 UID 3 UID 4)\n", at: 29, eventsBefore: 4),
      Case(
        "FETCH items with a literal", .fetchItems, 2, met: "* 1 FETCH (X ({1}\na {1}\nb) BODY[] {1}\na)\n",
        passed: "* 1 FETCH (X ({1}\na {1}\nb) BODY[] {1}\na UID 1)\n", at: 43, eventsBefore: 5),
    ] + listElements

  /// What is behind `start` is the first element too many.
  private static func list(
    _ name: String, _ value: Int, met: String, passed start: String, _ end: String, eventsBefore: Int = 0
  ) -> Case {
    Case(
      name, .listElements, value, met: met, passed: start + end, at: wire(start).count, eventsBefore: eventsBefore)
  }

  private static let listElements: [Case] = [
    list("flags", 3, met: "* FLAGS (\\a \\b \\c)\n", passed: "* FLAGS (\\a \\b \\c ", "\\d)\n"),
    list("numbers of SEARCH", 3, met: "* SEARCH 1 2 3\n", passed: "* SEARCH 1 2 3 ", "4\n"),
    list("capabilities", 3, met: "* CAPABILITY A B C \n", passed: "* CAPABILITY A B C ", "D\n"),
    // Text for people has no elements.
    list(
      "capabilities in a code", 3, met: "* OK [CAPABILITY A B C] a b c d e f\n", passed: "* OK [CAPABILITY A B C ",
      "D] x\n"),
    list(
      "arguments of a tagged code", 2, met: "A1 OK [X a (b c)] d e f g h i\n", passed: "A1 OK [X a (b c) ", "d] e\n"),
    list(
      "status without text", 2, met: "* NO [ALERT] a b c d e f\n+ a b c d e f\n[ALERT] a b c d e f\n",
      passed: "[X (a b ", "c)] d\n"),
    list(
      "ranges of a set", 3, met: "* ESEARCH ALL 1,3:5,7\n* VANISHED 1,2,3\n", passed: "* VANISHED 1,3:5,7,", "9\n"),
    list(
      "lists in lists count for themselves", 3, met: "* NAMESPACE ((\"a\" \"/\")(\"b\" \"/\")(\"c\" \"/\")) NIL NIL\n",
      passed: "* NAMESPACE ((\"a\" \"/\")(\"b\" \"/\")(\"c\" \"/\")", "(\"d\" \"/\")) NIL NIL\n"),
    // What is in strings is no element, and a comma in a name none of a set.
    list(
      "strings are one element each", 3, met: "* LIST () \"a b c d\" {9}\na b c d e\n* LIST () NIL a,b,c,d,e\n",
      passed: "* LIST () \"/\" {3}\na b ", "x\n"),
    list(
      "flags of a message", 3, met: "* 1 FETCH (UID 1 FLAGS (a b c) UID 2 UID 3 UID 4)\n",
      passed: "* 1 FETCH (UID 1 FLAGS (a b c ", "d))\n", eventsBefore: 2),
    list(
      "addresses", 10,
      met: "* 1 FETCH (ENVELOPE (NIL NIL (" + addresses(10) + ") NIL NIL NIL NIL NIL NIL NIL))\n",
      passed: "* 1 FETCH (ENVELOPE (NIL NIL (" + addresses(10), addresses(1) + ") NIL NIL NIL NIL NIL NIL NIL))\n",
      eventsBefore: 1),
    list(
      "parts of a body", 12, met: "* 1 FETCH (BODYSTRUCTURE (" + parts(11) + " \"MIXED\"))\n",
      passed: "* 1 FETCH (BODYSTRUCTURE (" + parts(12) + " ", "\"MIXED\"))\n", eventsBefore: 1),
    list(
      "field names of a section", 3, met: "* 1 FETCH (BODY[HEADER.FIELDS (A B C)] {3}\nabc)\n",
      passed: "* 1 FETCH (BODY[HEADER.FIELDS (A B C ", "D)] {3}\nabc)\n", eventsBefore: 1),
    list(
      "behind a literal", 3, met: "* 1 FETCH (X (a {1}\nb c))\n", passed: "* 1 FETCH (X (a {1}\nb c ", "d))\n",
      eventsBefore: 1),
  ]

  private static func addresses(_ count: Int) -> String { String(repeating: "(NIL NIL \"a\" \"b\")", count: count) }

  private static func parts(_ count: Int) -> String {
    String(repeating: "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)", count: count)
  }

  private func events(
    _ parser: inout ResponseParser, _ input: inout ReceiveBuffer
  ) throws(ParseError) -> (count: Int, hasDamage: Bool) {
    var count = 0
    var hasDamage = false
    while true {
      switch try parser.next(&input) {
      case .needMoreInput, .endOfInput: return (count, hasDamage)
      case .malformed, .unknown, .fetchAttribute(.invalid): hasDamage = true
      default: break
      }
      count += 1
    }
  }

  @Test(arguments: cases) func whatMeetsTheBoundIsRead(_ limit: Case) throws {
    let bytes = wire(limit.met)
    for feed in feeds(bytes.count) {
      var parser = ResponseParser(limits: limit.limits)
      var input = ReceiveBuffer()
      var count = 0
      for chunk in feed.chunks(of: bytes) {
        input.append(Array(chunk).span)
        let found = try events(&parser, &input)
        #expect(!found.hasDamage)
        count += found.count
      }
      #expect(count > 0)
      #expect(input.unread == 0)
      #expect(parser.position == bytes.count)
    }
  }

  @Test(arguments: cases) func whatPassesItIsFatalForEver(_ limit: Case) {
    let bytes = wire(limit.passed)
    let expected = ParseError(.limit(limit.error), offset: limit.error.offset)
    for feed in feeds(bytes.count) {
      var parser = ResponseParser(limits: limit.limits)
      var input = ReceiveBuffer()
      var seen: [ParseError] = []
      var before = 0
      for chunk in feed.chunks(of: bytes) {
        input.append(Array(chunk).span)
        do throws(ParseError) {
          // One by one, so that what came before the error is counted.
          while true {
            if case .needMoreInput = try parser.next(&input) { break }
            if case .whole = feed { before += 1 }
          }
        } catch {
          seen.append(error)
        }
      }
      #expect(seen.first == expected, "\(feed)")
      if case .whole = feed { #expect(before == limit.eventsBefore) }
      // Sticky, whatever comes behind it.
      input.append(Array("* 1 EXISTS\r\n".utf8).span)
      #expect(throws: expected) { try parser.nextOwned(&input) }
      #expect(throws: expected) { try parser.nextOwned(&input) }
      #expect(seen.allSatisfy { $0 == expected })
    }
  }

  @Test(arguments: cases) func inAConnectionEveryCommandFails(_ limit: Case) throws {
    var configuration = ClientConnection.Configuration()
    configuration.limits = limit.limits
    configuration.maximumInFlight = 2
    // The shortest greeting there is: it must pass the bound on lines.
    let greeting = Array("* PREAUTH x\r\n".utf8)
    var error = limit.error
    error.offset += greeting.count
    let now = MonotonicInstant(nanoseconds: 0)
    var machine = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    var ids: Set<CommandID> = []
    for _ in 0..<5 { ids.insert(try machine.enqueue(.noop, now: now)) }
    input.append(greeting.span)
    input.append(wire(limit.passed).span)
    var failed: [CommandID] = []
    var closed: [CloseReason] = []
    var thrown: [ConnectionError] = []
    for _ in 0..<1000 {
      do throws(ConnectionError) {
        switch try machine.next(&input, now: now) {
        case .failed(let id, let reason):
          #expect(reason == .limit(error))
          failed.append(id)
        case .closed(let reason): closed.append(reason)
        case .completed, .needMoreInput: Issue.record("nothing is completed, and no more is needed")
        default: break
        }
      } catch {
        thrown.append(error)
        if thrown.count == 3 { break }
      }
    }
    #expect(Set(failed) == ids)
    #expect(failed.count == ids.count)
    #expect(closed == [.error(.limit(error))])
    #expect(thrown == [.limit(error), .limit(error), .limit(error)])
    let waiting = machine.outbound.count
    #expect(waiting == 0)
    #expect(throws: ConnectionError.limit(error)) {
      try machine.enqueue(.noop, now: now)
    }
  }

  // MARK: Bytes between tagged responses

  /// The events of `text` as a log, and how much of it was read.
  private func log(_ text: String, unsolicited: Int, _ feed: Feed = .whole) -> String {
    var limits = ParserLimits()
    limits.unsolicitedBytes = UInt64(unsolicited)
    return responseLog(wire(text), feed, limits: limits).text
  }

  private func passes(_ bound: Int, at offset: Int) -> String {
    "error limit of \(bound) for bytes without a tagged response passed at byte \(offset)"
  }

  @Test func untaggedResponsesInARowAreBounded() {
    let text = "* 1 EXISTS\n* 22 EXISTS\n"
    for feed in feeds(wire(text).count) {
      #expect(log(text, unsolicited: 25, feed) == "exists 1\nexists 22", "\(feed)")
      let lines = log(text, unsolicited: 24, feed).split(separator: "\n")
      #expect(lines.prefix(3).joined(separator: "\n") == "exists 1\nexists 22\n" + passes(24, at: 25), "\(feed)")
      // For ever the same.
      #expect(Set(lines.dropFirst(2)).count == 1, "\(feed)")
    }
  }

  @Test func ataggedResponseStartsAgain() {
    let text = "* 1 EXISTS\nA1 OK x\n* 2 EXISTS\n+ abcdefg\n"
    #expect(log(text, unsolicited: 23) == "exists 1\ntagged A1 OK \"x\"\nexists 2\ncontinue \"abcdefg\"")
    // Without it the second line is too much, and so is one that only looks like it.
    #expect(log(text.replacing("A1 OK x\n", with: ""), unsolicited: 22).hasSuffix(passes(22, at: 24)))
    #expect(log(text.replacing("A1 OK", with: "A1 XX"), unsolicited: 23).contains(passes(23, at: 33)))
    // A tagged response does not undo what was passed before it.
    #expect(log(text, unsolicited: 11).contains(passes(11, at: 12)))
    #expect(log("\n\n\n* 1 EXISTS\n", unsolicited: 17).hasSuffix(passes(17, at: 18)))
    // Blank lines count wherever they are cut.
    let blank = wire("* 1 EXISTS\n\n\n* 2 EXISTS\n")
    for cut in 0...blank.count {
      #expect(log("* 1 EXISTS\n\n\n* 2 EXISTS\n", unsolicited: 12, .split(cut)).hasSuffix(passes(12, at: 13)), "\(cut)")
    }
  }

  /// A quote that nothing closes is looked for once, not from each quote anew: that would take hours.
  @Test(.timeLimit(.minutes(1)), arguments: ["* CAPABILITY", "* XFOO", "* 1 FETCH (FLAGS (", "* OK [PERMANENTFLAGS ("])
  func unclosedQuotesTakeLinearTime(start: String) throws {
    let text = start + String(repeating: " \"a", count: 200_000) + "\r\n"
    var limits = ParserLimits()
    limits.listElements = 300_000
    var parser = ResponseParser(limits: limits)
    var input = ReceiveBuffer()
    input.append(Array(text.utf8).span)
    var count = 0
    while try parser.nextOwned(&input) != nil { count += 1 }
    #expect(count > 0 && input.unread == 0)
  }

  /// Sections belong to the caller as they come; what is around them counts.
  @Test func streamedSectionsAreNotCounted() {
    let body = Self.x(1000)
    let one = "* 1 FETCH (UID 1 BODY[] {1000}\n\(body))\n"
    let text = one + one
    let counted = wire(text).count - 2000
    let bytes = wire(text)
    for feed in [Feed.whole, .bytewise, .split(500), .split(1500), .pieces([7, 300, 300, 300, 300])] {
      #expect(!log(text, unsolicited: counted, feed).contains("limit"), "\(feed)")
      #expect(log(text, unsolicited: counted - 1, feed).contains(passes(counted - 1, at: bytes.count)), "\(feed)")
    }
    // A literal that is kept with its line is part of it.
    let kept = "* LIST () NIL {100}\n\(Self.x(100))\n"
    #expect(!log(kept, unsolicited: wire(kept).count).contains("limit"))
    #expect(log(kept, unsolicited: wire(kept).count - 1).hasSuffix(passes(wire(kept).count - 1, at: wire(kept).count)))
  }

  /// A FETCH response has a bounded number of items; damage is stopped inside.
  @Test func aResponseWithoutEndIsBounded() {
    let items = String(repeating: "BODY[] {3}\nabc ", count: 2000)
    #expect(log("* 1 FETCH (" + items, unsolicited: 500).contains("limit of 1024 for FETCH items passed"))
    let whole = "* 1 FETCH (UID 1 UID 2 UID 3)\n"
    #expect(log(whole, unsolicited: 30).hasSuffix("fetch end\n" + passes(30, at: 31)))
    let damage = "* 1 FETCH (UID 1 BODY[HEADER {3}\nabc" + String(repeating: " x {3}\nabc", count: 100)
    #expect(log(damage, unsolicited: 500).contains("limit of 500 for bytes without a tagged response"))
  }

  /// IDLE has no tagged response before DONE: renewing it starts again.
  @Test func renewingAnIdleStartsAgain() throws {
    var configuration = ClientConnection.Configuration()
    configuration.limits.unsolicitedBytes = 200
    var now = MonotonicInstant(nanoseconds: 0)
    var machine = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    let news = String(repeating: "* 1 EXISTS\n", count: 12)
    var tag = 1
    var seen = 0
    input.append(wire("* PREAUTH [CAPABILITY IMAP4rev1 IDLE] x\n").span)
    _ = try machine.enqueue(.idle, now: now)
    for _ in 0..<5 {
      seen += try existsCount(&machine, &input, now)
      input.append(wire("+ idling\n" + news).span)
      seen += try existsCount(&machine, &input, now)
      let deadline = machine.nextDeadline
      now = try #require(deadline)
      machine.handleTimeout(now: now)
      input.append(wire("A\(tag) OK done\n").span)
      tag += 1
    }
    #expect(seen == 60)
    input.append(wire("+ idling\n" + news + news).span)
    #expect(throws: ConnectionError.self) { _ = try existsCount(&machine, &input, now) }
  }

  private func existsCount(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant
  ) throws(ConnectionError) -> Int {
    machine.consumeOutbound(.max)
    var count = 0
    while true {
      switch try machine.next(&input, now: now) {
      case .needMoreInput, .paused: return count
      case .response(.untagged(.exists)): count += 1
      default: break
      }
    }
  }

  /// Four million numbers meet the defaults; a bound below them is met and passed exactly.
  @Test func longSearchesMeetTheDefaults() throws {
    let numbers = [UInt8]("* SEARCH".utf8) + (0..<4_000_000).flatMap { _ in [UInt8(ascii: " "), UInt8(ascii: "1")] }
    let line = numbers + [0x0d, 0x0a]
    for (bound, isMet) in [(ParserLimits().listElements, true), (4_000_000, true), (3_999_999, false)] {
      var limits = ParserLimits()
      limits.listElements = bound
      var parser = ResponseParser(limits: limits)
      var input = ReceiveBuffer()
      input.append(line.span)
      do throws(ParseError) {
        switch try parser.next(&input) {
        case .untagged(.search): #expect(isMet)
        default: Issue.record("no SEARCH")
        }
      } catch {
        #expect(!isMet)
        let offset = 9 + 2 * 3_999_999
        #expect(
          error == ParseError(.limit(.init(limit: .listElements, value: UInt64(bound), offset: offset)), offset: offset)
        )
      }
    }
  }

  /// Bounds that make no sense bound everything, and trap nowhere.
  @Test(arguments: [Int.min, -1, 0, 1, Int.max]) func anyNumberIsABound(_ value: Int) throws {
    var limits = ParserLimits()
    limits.line = value
    limits.bufferedLiteral = value
    limits.nesting = value
    limits.fetchItems = value
    limits.listElements = value
    limits.unsolicitedBytes = UInt64(clamping: value)
    limits.literal = UInt64(clamping: value)
    let texts = [
      "* LIST () NIL {10}\n0123456789\n", "* LIST () NIL {9223372036854775807}\n", "* 1 FETCH (X (a))\n",
      "* 1 FETCH (X ({9223372036854775807}\n", "* 1 FETCH (BODY[] {18446744073709551615}\nabc",
      "* X {9223372036854775800}\n",
    ]
    for text in texts {
      var parser = ResponseParser(limits: limits)
      var input = ReceiveBuffer()
      input.append(wire(text).span)
      var owned: [Response] = []
      do throws(ParseError) {
        while let response = try parser.nextOwned(&input) { owned.append(response) }
        #expect(value > 1, "\(text)")
      } catch {
        guard case .limit = error.reason else {
          Issue.record("\(error) is no bound")
          continue
        }
      }
      #expect(owned.count <= 1)
    }
    var configuration = ClientConnection.Configuration()
    configuration.maximumQueued = value
    configuration.maximumInFlight = value
    var machine = ClientConnection(configuration, now: MonotonicInstant(nanoseconds: 0))
    do throws(ConnectionError) {
      _ = try machine.enqueue(.noop, now: MonotonicInstant(nanoseconds: 0))
      #expect(value >= 1)
    } catch {
      #expect(error == .limit(LimitExceeded(limit: .queuedCommands, value: 0, offset: 0)))
    }
  }

  /// 18 positions for each part and for the end, four for the begin, three more for damage: 58,253 parts meet 1,048,576,
  /// or 49,931 that are damaged.
  @Test(arguments: [("1", 58_253, true), ("1", 58_254, false), ("x", 49_931, true), ("x", 49_932, false)])
  func structuresOfTooManyPartsEndEverything(_ octets: String, _ count: Int, _ isRead: Bool) throws {
    let part = "(\"A\" \"B\" NIL NIL NIL \"7BIT\" \(octets))"
    let text = "* 1 FETCH (BODYSTRUCTURE (\(String(repeating: part, count: count)) \"MIXED\"))\r\n"
    var input = ReceiveBuffer()
    input.append(Array(text.utf8).span)
    var parser = ResponseParser()
    _ = try parser.next(&input)
    if isRead {
      guard case .fetchAttribute(.bodyStructure(let body)) = try parser.next(&input) else {
        Issue.record("no structure")
        return
      }
      #expect(body.fields.childCount == count)
    } else {
      let error = #expect(throws: ParseError.self) { _ = try parser.next(&input) }
      let limit = LimitExceeded(limit: .structure, value: 1 << 20, offset: 25)
      #expect(error?.reason == .limit(limit) && error?.offset == 25)
    }
  }

  /// Ten positions for the envelope, two for its last strings, four for each address: 262,141 addresses meet 1,048,576. Behind
  /// that the tape starts anew, wherever it was.
  @Test(arguments: 262_141...262_143)
  func envelopesOfTooManyAddressesEndEverything(_ count: Int) throws {
    let address = Array("(NIL NIL NIL NIL)".utf8)
    var bytes = wire("* 1 FETCH (ENVELOPE (NIL NIL (")
    for _ in 0..<count { bytes += address }
    bytes += wire(") NIL NIL NIL NIL NIL NIL NIL))\n")
    var input = ReceiveBuffer()
    input.append(bytes.span)
    var parser = ResponseParser()
    _ = try parser.next(&input)
    if count <= 262_141 {
      guard case .fetchAttribute(.envelope(let envelope)) = try parser.next(&input) else {
        Issue.record("no envelope")
        return
      }
      #expect(envelope.from.count == count)
    } else {
      let error = #expect(throws: ParseError.self) { _ = try parser.next(&input) }
      #expect(error?.reason == .limit(LimitExceeded(limit: .structure, value: 1 << 20, offset: 20)))
    }
  }

  /// The same in the middle of a structure, at every place around the end of the tape.
  @Test(arguments: [58_246, 58_249, 58_252])
  func envelopesInsideStructuresOfTooManyParts(_ count: Int) throws {
    let part = Array("(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1)".utf8)
    let list = "((\"a\" NIL \"name\" \"host.example\")(\"a\" NIL \"name\" \"host.example\"))"
    var bytes = wire("* 1 FETCH (BODYSTRUCTURE (")
    for _ in 0..<count { bytes += part }
    bytes += wire(
      "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 1 (NIL NIL \(list) \(list) \(list) \(list) NIL NIL NIL NIL) "
        + "(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1) 1) \"MIXED\"))\n")
    var input = ReceiveBuffer()
    input.append(bytes.span)
    var parser = ResponseParser()
    _ = try parser.next(&input)
    do throws(ParseError) {
      guard case .fetchAttribute(.bodyStructure(let body)) = try parser.next(&input) else {
        Issue.record("no structure")
        return
      }
      #expect(body.fields.childCount == count + 1)
    } catch {
      #expect(error.reason == .limit(LimitExceeded(limit: .structure, value: 1 << 20, offset: 25)))
      #expect(count > 58_246)
    }
  }
}
