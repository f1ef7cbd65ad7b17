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
      default: limits.fetchItems = value
      }
      self.met = met
      self.passed = passed
      self.eventsBefore = eventsBefore
      error = LimitExceeded(limit: limit, value: UInt64(value), offset: offset)
    }
  }

  private static func x(_ count: Int) -> String { String(repeating: "x", count: count) }

  static let cases: [Case] = [
    Case("line", .line, 20, met: "* OK \(x(13))\n", passed: "* OK \(x(14))\n", at: 0),
    Case("line without an end", .line, 20, met: "* OK \(x(13))\n", passed: x(20), at: 0),
    Case(
      "second line", .line, 20, met: "* 1 EXISTS\n* 2 EXISTS\n", passed: "* 1 EXISTS\n\(x(20))", at: 12, eventsBefore: 1
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
      passed: "* LIST () NIL {11}\n", at: 19),
    Case(
      "buffered literal beyond every number", .bufferedLiteral, 10, met: "* LIST () NIL {10}\n0123456789\n",
      passed: "* LIST () NIL {99999999999999999999999}\n", at: 40),
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
      "FETCH items", .fetchItems, 3, met: "* 1 FETCH (UID 1 UID 2 UID 3)\n",
      passed: "* 1 FETCH (UID 1 UID 2 UID 3 UID 4)\n", at: 29, eventsBefore: 4),
    Case(
      "FETCH items with a literal", .fetchItems, 2, met: "* 1 FETCH (X ({1}\na {1}\nb) BODY[] {1}\na)\n",
      passed: "* 1 FETCH (X ({1}\na {1}\nb) BODY[] {1}\na UID 1)\n", at: 43, eventsBefore: 5),
  ]

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

  /// Bounds that make no sense bound everything, and trap nowhere.
  @Test(arguments: [Int.min, -1, 0, 1, Int.max]) func anyNumberIsABound(_ value: Int) throws {
    var limits = ParserLimits()
    limits.line = value
    limits.bufferedLiteral = value
    limits.nesting = value
    limits.fetchItems = value
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

  /// 18 positions for each part and for the end, four for the begin: 58,253 parts meet 1,048,576.
  @Test func structuresOfTooManyPartsEndEverything() throws {
    let part = "(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1)"
    for (count, isRead) in [(58_253, true), (58_254, false)] {
      let text = "* 1 FETCH (BODYSTRUCTURE (\(String(repeating: part, count: count)) \"MIXED\"))\r\n"
      var input = ReceiveBuffer()
      input.append(Array(text.utf8).span)
      var parser = ResponseParser()
      _ = try parser.next(&input)
      if isRead {
        guard case .fetchAttribute(.bodyStructure(let body)) = try parser.next(&input) else {
          Issue.record("no structure")
          continue
        }
        #expect(body.fields.childCount == count)
      } else {
        let error = #expect(throws: ParseError.self) { _ = try parser.next(&input) }
        let limit = LimitExceeded(limit: .structure, value: 1 << 20, offset: 25)
        #expect(error?.reason == .limit(limit) && error?.offset == 25)
      }
    }
  }
}
