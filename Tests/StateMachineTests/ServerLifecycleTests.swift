import Testing

@testable import IMAPStateMachine

@Suite struct ServerLifecycleTests {
  private static func misuse(_ error: any Error) -> ConnectionError.Misuse.Rule? {
    if case .misuse(let misuse)? = error as? ConnectionError { misuse.rule } else { nil }
  }

  private func expectMisuse(
    _ rule: ConnectionError.Misuse.Rule, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
  ) {
    #expect(sourceLocation: sourceLocation) {
      try body()
    } throws: {
      Self.misuse($0) == rule
    }
  }

  /// Behind the message a literal is announced that is too large to be counted: nothing can be answered any more.
  @Test func nothingIsAskedOfTheHandlerOnceTheEndOfACommandIsUnknown() {
    let bench = ServerTestBench(greeting: Status(.preauth, "hi"))
    bench.feed("1 APPEND a {5+}\r\nhello {99999999999999999999+}\r\n2 NOOP\r\n")
    #expect(bench.log.count == 2, "\(bench.log)")
    #expect(bench.log.last?.hasPrefix("closed ") == true, "\(bench.log)")
    #expect(bench.sentText.contains("\r\n* BYE "), "\(bench.sentText)")
    #expect(!bench.sentText.contains("\r\n1 "), "\(bench.sentText)")
  }

  /// The one bad answer that was too many.
  @Test func nothingIsAskedOfTheHandlerOnceTooMuchWasBad() {
    var configuration = ServerConnection.Configuration()
    configuration.maximumBadCommands = 1
    let bench = ServerTestBench(configuration)
    bench.feed("1 AUTHENTICATE PLAIN\r\n!\r\n2 NOOP\r\n")
    #expect(bench.log.count == 2, "\(bench.log)")
    #expect(bench.log.last?.hasPrefix("closed ") == true, "\(bench.log)")
    #expect(bench.sentText.contains("\r\n* BYE "), "\(bench.sentText)")
    #expect(!bench.sentText.contains("\r\n1 "), "\(bench.sentText)")
  }

  @Test func misuseThrowsAndChangesNothing() throws {
    let bench = ServerTestBench(greeting: nil, answers: false)
    let bytes: [UInt8] = [1]
    let other = ServerCommandID(rawValue: 99)
    expectMisuse(.wrongState) { try bench.machine.respond(.exists(1)) }
    bench.machine.greet(Status(.preauth, "hi"))
    bench.machine.greet(Status(.ok, "again"))
    expectMisuse(.unknownCommand) { try bench.machine.complete(other, Status(.ok, "x")) }
    expectMisuse(.wrongState) { try bench.machine.respond(.tagged(tag: "1", Status(.ok, "x"))) }
    expectMisuse(.wrongState) { try bench.machine.respond(.continuation(text: [])) }
    expectMisuse(.wrongState) { try bench.machine.respond(.status(Status(.preauth, "x"))) }
    expectMisuse(.unencodable) { try bench.machine.respond(.flags(["a b"])) }
    bench.feed("1 NOOP\r\n")
    let id = try #require(bench.id)
    expectMisuse(.unknownCommand) { try bench.machine.complete(other, Status(.ok, "x")) }
    expectMisuse(.unencodable) { try bench.machine.complete(id, Status(.bye, "x")) }
    expectMisuse(.wrongState) { try bench.machine.accept(id) }
    expectMisuse(.wrongState) { try bench.machine.reject(id, with: Status(.no, "x")) }
    expectMisuse(.wrongState) { try bench.machine.challenge(id, bytes.span) }
    expectMisuse(.wrongState) { try bench.machine.startIdle(id) }
    bench.machine.upgraded(.tls, now: bench.now)
    #expect(bench.machine.outboundCount == 0)
    try bench.machine.complete(id, Status(.ok, "x"))
    expectMisuse(.unknownCommand) { try bench.machine.complete(id, Status(.ok, "x")) }
    bench.drive()
    #expect(bench.takeSent() == "* PREAUTH hi\r\n1 OK x\r\n")

    bench.feed("2 APPEND a {3}\r\n")
    let append = try #require(bench.id)
    expectMisuse(.wrongState) { try bench.machine.complete(append, Status(.ok, "x")) }
    expectMisuse(.unencodable) { try bench.machine.reject(append, with: Status(.ok, "x")) }
    try bench.machine.accept(append)
    expectMisuse(.wrongState) { try bench.machine.accept(append) }
    expectMisuse(.wrongState) { try bench.machine.complete(append, Status(.ok, "x")) }
    bench.feed("abc\r\n")
    try bench.machine.complete(append, Status(.ok, "x"))

    bench.feed("3 IDLE\r\n")
    let idle = try #require(bench.id)
    try bench.machine.startIdle(idle)
    expectMisuse(.wrongState) { try bench.machine.startIdle(idle) }
    expectMisuse(.wrongState) { try bench.machine.complete(idle, Status(.ok, "x")) }
    bench.feed("DONE\r\n")
    expectMisuse(.wrongState) { try bench.machine.startIdle(idle) }
    try bench.machine.complete(idle, Status(.ok, "x"))
    bench.drive()
    #expect(bench.takeSent() == "+ Ready for literal data\r\n2 OK x\r\n+ idling\r\n3 OK x\r\n")

    bench.machine.close(now: bench.now)
    expectMisuse(.closed) { try bench.machine.respond(.exists(1)) }
    expectMisuse(.closed) { try bench.machine.complete(idle, Status(.ok, "x")) }
    bench.machine.close(now: bench.now)
    bench.drive()
    #expect(bench.log.last == "closed local")
    #expect(bench.takeSent() == "* BYE Server closes the connection\r\n")
    expectMisuse(.closed) { try bench.machine.accept(append) }
  }

  @Test func oneCommandAtATime() throws {
    let bench = ServerTestBench(answers: false)
    bench.feed("1 NOOP\r\n2 NOOP\r\n3 CAPABILITY\r\n")
    #expect(bench.log == ["1 NOOP: noop"])
    bench.drive()
    #expect(bench.log.count == 1)
    try bench.machine.complete(try #require(bench.id), Status(.ok, "x"))
    bench.drive()
    #expect(bench.log == ["1 NOOP: noop", "2 NOOP: noop"])
    // A half-closed connection is still answered.
    bench.close()
    try bench.machine.complete(try #require(bench.id), Status(.ok, "x"))
    bench.drive()
    try bench.machine.complete(try #require(bench.id), Status(.ok, "x"))
    bench.drive()
    #expect(bench.log.suffix(2) == ["3 CAPABILITY: capability", "closed endOfInput"])
    #expect(bench.sentText == "* OK ready\r\n1 OK x\r\n2 OK x\r\n3 OK x\r\n")
  }

  @Test func aClientThatDoesNotReadGetsNoFurtherCommands() throws {
    var configuration = ServerConnection.Configuration()
    configuration.maximumOutbound = 30
    var machine = ServerConnection(configuration, now: MonotonicInstant(nanoseconds: 0))
    machine.greet(Status(.ok, "ready"))
    var input = ReceiveBuffer()
    for _ in 0..<10 { input.append(Array("1 NOOP\r\n".utf8).span) }
    func run() throws -> Int {
      var commands = 0
      while true {
        switch try machine.next(&input, now: MonotonicInstant(nanoseconds: 0)) {
        case .command(let id, _):
          commands += 1
          try machine.complete(id, Status(.ok, "done"))
        default: return commands
        }
      }
    }
    #expect(try run() == 2)
    let isFull = machine.isOutboundFull
    #expect(isFull)
    #expect(try run() == 0)
    machine.consumeOutbound(10)
    #expect(try run() == 1)
    machine.consumeOutbound(.max)
    #expect(try run() == 3)
  }

  @Test func theLoginTimeoutEndsAConnectionThatDoesNotAuthenticate() {
    let bench = ServerTestBench()
    bench.feed("1 NOOP\r\n")
    #expect(bench.machine.nextDeadline == MonotonicInstant(nanoseconds: 180_000_000_000))
    bench.now = MonotonicInstant(nanoseconds: 179_999_999_999)
    bench.machine.handleTimeout(now: bench.now)
    bench.feed("2 NOOP\r\n")
    bench.now = MonotonicInstant(nanoseconds: 180_000_000_000)
    bench.machine.handleTimeout(now: bench.now)
    bench.drive()
    #expect(bench.log.last == "closed \(CloseReason.error(.timedOut(.login)))")
    #expect(bench.sentText.hasSuffix("* BYE Autologout; authentication took too long\r\n"))
    #expect(bench.machine.nextDeadline == nil)
    // A server that never came to greeting says BYE instead.
    let silent = ServerTestBench(greeting: nil)
    silent.now = bench.now
    silent.machine.handleTimeout(now: silent.now)
    silent.drive()
    #expect(silent.sentText == "* BYE Autologout; authentication took too long\r\n")
  }

  @Test func autologoutCountsFromTheLastSign() throws {
    let minute: Int64 = 60_000_000_000
    let bench = ServerTestBench(greeting: Status(.preauth, "hi"))
    bench.drive()
    bench.now = MonotonicInstant(nanoseconds: 10 * minute)
    bench.feed("1 IDLE\r\n")
    #expect(bench.machine.nextDeadline == MonotonicInstant(nanoseconds: 40 * minute))
    // A client that takes what it is sent is there.
    bench.now = MonotonicInstant(nanoseconds: 39 * minute)
    try bench.machine.respond(.exists(1))
    bench.flush()
    bench.drive()
    bench.machine.handleTimeout(now: MonotonicInstant(nanoseconds: 40 * minute))
    bench.drive()
    #expect(bench.machine.phase == .authenticated)
    // Half a line is no sign.
    bench.now = MonotonicInstant(nanoseconds: 60 * minute)
    bench.feed("DON")
    #expect(bench.machine.nextDeadline == MonotonicInstant(nanoseconds: 69 * minute))
    bench.now = MonotonicInstant(nanoseconds: 69 * minute)
    bench.machine.handleTimeout(now: bench.now)
    bench.drive()
    #expect(bench.log.last == "closed \(CloseReason.error(.timedOut(.autologout)))")
    #expect(bench.sentText.hasSuffix("* BYE Autologout; idle for too long\r\n"))
  }

  @Test func aClientIsNotLoggedOutWhileItWaitsForTheServer() throws {
    let hour: Int64 = 3_600_000_000_000
    let bench = ServerTestBench(greeting: Status(.preauth, "hi"), answers: false)
    bench.feed("1 NOOP\r\n")
    #expect(bench.machine.nextDeadline == nil)
    bench.now = MonotonicInstant(nanoseconds: hour)
    bench.machine.handleTimeout(now: bench.now)
    try bench.machine.complete(try #require(bench.id), Status(.ok, "x"))
    // Even where the timer is looked at before `next` could tell the time.
    bench.machine.handleTimeout(now: bench.now)
    bench.drive()
    #expect(bench.machine.phase == .authenticated)
    #expect(bench.machine.nextDeadline == MonotonicInstant(nanoseconds: hour + hour / 2))
  }

  @Test func theEndOfInputIsCleanBetweenCommandsOnly() {
    let clean = ServerTestBench()
    clean.feed("1 NOOP\r\n")
    clean.close()
    #expect(clean.log.last == "closed endOfInput")
    for (text, offset) in [("1 NO", 4), ("1 LOGIN {3+}\r\nab", 16)] {
      let cut = ServerTestBench()
      cut.feed(text)
      cut.close()
      #expect(cut.log == ["closed \(CloseReason.error(.parse(ParseError(.unexpectedEnd, offset: offset))))"])
    }
    let appending = ServerTestBench(greeting: Status(.preauth, "hi"))
    appending.feed("1 APPEND a {3+}\r\nab")
    appending.close()
    #expect(appending.log.last == "closed \(CloseReason.error(.parse(ParseError(.unexpectedEnd, offset: 19))))")
    let idling = ServerTestBench(greeting: Status(.preauth, "hi"))
    idling.feed("1 IDLE\r\n")
    idling.close()
    #expect(idling.log.last == "closed endOfInput")
  }

  @Test func aBrokenTransportIsReportedOnce() {
    let bench = ServerTestBench()
    let error = ConnectionError.transport(.init(.read, message: "reset"))
    bench.machine.transportFailed(error)
    bench.drive()
    bench.machine.transportFailed(error)
    bench.drive()
    #expect(bench.log == ["closed \(CloseReason.error(error))"])
    #expect(bench.sentText == "")
  }

  @Test func byeEndsTheConnection() throws {
    let bench = ServerTestBench(greeting: Status(.preauth, "hi"))
    bench.feed("1 NOOP\r\n")
    try bench.machine.respond(.status(Status(.bye, "restarting")))
    bench.feed("2 NOOP\r\n")
    #expect(bench.log == ["1 NOOP: noop", "closed \(CloseReason.bye("restarting"))"])
    #expect(bench.sentText == "* PREAUTH hi\r\n1 OK done\r\n* BYE restarting\r\n")
    let refused = ServerTestBench(greeting: Status(.no, "too many"))
    refused.feed("1 NOOP\r\n")
    #expect(refused.log == ["closed \(CloseReason.bye("too many"))"])
    #expect(refused.sentText == "* BYE too many\r\n")
  }

  @Test func logoutSaysByeOnce() throws {
    let bench = ServerTestBench(answers: false)
    bench.feed("1 LOGOUT\r\n2 NOOP\r\n")
    try bench.machine.respond(.status(Status(.bye, "so long")))
    try bench.machine.complete(try #require(bench.id), Status(.ok, "x"))
    bench.drive()
    #expect(bench.log == ["1 LOGOUT: logout", "closed logout"])
    #expect(bench.sentText == "* OK ready\r\n* BYE so long\r\n1 OK x\r\n")
  }

  @Test func enablingUTF8ChangesMailboxNamesBothWays() throws {
    let bench = ServerTestBench(greeting: Status(.preauth, "hi"))
    bench.feed("1 ENABLE UTF8=ACCEPT\r\n")
    _ = bench.takeSent()
    try bench.machine.respond(.list(MailboxListing(attributes: [], delimiter: "/", name: "\u{e4}")))
    bench.feed("2 SELECT \"\u{e4}\"\r\n")
    #expect(bench.takeSent() == "* LIST () \"/\" \"\u{e4}\"\r\n2 OK done\r\n")
    #expect(bench.log.last == "2 SELECT: \(Command.select(MailboxName(wire: Array("\u{e4}".utf8), encoding: .utf8)))")
  }

  @Test func fetchIsWrittenInPlace() throws {
    struct Stop: Error {}
    var machine = ServerConnection(now: MonotonicInstant(nanoseconds: 0))
    machine.greet(Status(.preauth, "hi"))
    machine.consumeOutbound(machine.outboundCount)
    let body = Array("hello".utf8)
    machine.writeFetch(7) { writer in
      writer.uid(12)
      writer.flags([.seen, "not valid", "$ok"])
      writer.internalDate(InternalDate(unixSeconds: 0))
      writer.size(5)
      writer.modSeq(9)
      writer.envelope(Envelope())
      writer.bodyStructure(.single(ResponseEncoderTests.text))
      writer.body(.single(ResponseEncoderTests.text))
      writer.section(.body(.full), bytes: body.span)
      writer.section(.other(Array("UID".utf8)), bytes: body.span)
      writer.section(.body(Section(part: [2])), origin: 3, bytes: nil)
    }
    // Neither of these leaves a byte.
    machine.writeFetch(8) { _ in }
    #expect(throws: Stop.self) {
      try machine.writeFetch(9) { (writer) throws(Stop) in
        writer.uid(1)
        throw Stop()
      }
    }
    let part = "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"7BIT\" 12 1)"
    #expect(
      machine.outbound.lossyString()
        == "* 7 FETCH (UID 12 FLAGS (\\Seen $ok) INTERNALDATE \"01-Jan-1970 00:00:00 +0000\" RFC822.SIZE 5 MODSEQ (9) "
        + "ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) BODYSTRUCTURE \(part) BODY \(part) BODY[] {5}\r\nhello "
        + "BODY[2]<3> NIL)\r\n")
  }
}
