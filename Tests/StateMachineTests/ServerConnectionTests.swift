import Testing

@testable import IMAPStateMachine

@Suite struct ServerConnectionTests {
  private func authenticated(_ change: (inout ServerConnection.Configuration) -> Void = { _ in }) -> ServerTestBench {
    var configuration = ServerConnection.Configuration()
    change(&configuration)
    let bench = ServerTestBench(configuration, greeting: Status(.preauth, "ready"))
    bench.drive()
    _ = bench.takeSent()
    return bench
  }

  @Test func aSessionFromGreetingToLogout() {
    let bench = ServerTestBench()
    bench.feed("a1 LOGIN fred \"pass word\"\r\na2 select INBOX\r\n")
    #expect(bench.machine.phase == .selected)
    bench.feed("a3 UID FETCH 1:* FLAGS\r\na4 CLOSE\na5 LOGOUT\r\n")
    #expect(
      bench.log == [
        "a1 LOGIN: login(user: \"fred\", password: <redacted>)",
        "a2 select: \(Command.select(.inbox))", "a3 UID FETCH: \(Command.fetch(.uids(.all), [.flags]))",
        "a4 CLOSE: close", "a5 LOGOUT: logout", "closed logout",
      ])
    #expect(
      bench.sentText == "* OK ready\r\na1 OK done\r\na2 OK done\r\na3 OK done\r\na4 OK done\r\n* BYE Logging out\r\n"
        + "a5 OK done\r\n")
    #expect(bench.machine.phase == .closed)
  }

  @Test func phasesFollowCompletions() throws {
    let bench = ServerTestBench(greeting: nil, answers: false)
    bench.feed("1 LOGIN a b\r\n")
    #expect(bench.machine.phase == .greeting)
    #expect(bench.log.isEmpty)
    bench.machine.greet(Status(.ok, "hi"))
    func complete(_ condition: Status.Condition, _ phase: ServerConnection.Phase) throws {
      bench.drive()
      try bench.machine.complete(try #require(bench.id), Status(condition, "x"))
      #expect(bench.machine.phase == phase)
    }
    try complete(.no, .notAuthenticated)
    bench.feed("1 LOGIN a b\r\n")
    try complete(.ok, .authenticated)
    bench.feed("2 SELECT a\r\n")
    try complete(.ok, .selected)
    bench.feed("3 SELECT a\r\n")
    try complete(.bad, .selected)
    bench.feed("3 EXAMINE a\r\n")
    try complete(.no, .authenticated)
    bench.feed("4 EXAMINE a\r\n")
    try complete(.ok, .selected)
    bench.feed("5 CLOSE\r\n")
    try complete(.no, .selected)
    bench.feed("5 UNSELECT\r\n")
    try complete(.ok, .authenticated)
    bench.feed("6 LOGOUT\r\n")
    try complete(.ok, .loggingOut)
    bench.drive()
    #expect(bench.machine.phase == .closed)
    #expect(bench.log.last == "closed logout")
  }

  @Test func commandsOfAnotherPhaseAreRefused() {
    let bench = ServerTestBench()
    bench.feed("1 SELECT INBOX\r\n2 APPEND INBOX {5}\r\n3 LOGIN a b\r\n4 LOGIN a b\r\n5 EXPUNGE\r\n6 STARTTLS\r\n")
    #expect(
      bench.log == [
        "malformed 1: command not allowed in this state at byte 2",
        "malformed 2: command not allowed in this state at byte 18",
        "3 LOGIN: login(user: \"a\", password: <redacted>)",
        "malformed 4: command not allowed in this state at byte 51",
        "malformed 5: command not allowed in this state at byte 64",
        "malformed 6: command not allowed in this state at byte 75",
      ])
    #expect(bench.sentText.hasPrefix("* OK ready\r\n1 BAD Error in IMAP command: command not allowed"))
  }

  @Test func faultsAreAnsweredWithTheTagWhereThereIsOne() {
    let bench = ServerTestBench()
    bench.feed("\r\n1 NOPE\r\n+ x\r\n2 NOOP y\r\n3 NOOP\r\n")
    #expect(
      bench.log == [
        "malformed: unexpected end of line at byte 0", "malformed 1: unknown command at byte 4",
        "malformed: unexpected byte 0x2b at byte 10", "malformed 2: unexpected byte 0x79 at byte 22", "3 NOOP: noop",
      ])
    #expect(
      bench.sentText == "* OK ready\r\n* BAD Error in IMAP command: unexpected end of line at byte 0\r\n"
        + "1 BAD Error in IMAP command: unknown command at byte 2\r\n"
        + "* BAD Error in IMAP command: unexpected byte 0x2b at byte 0\r\n"
        + "2 BAD Error in IMAP command: unexpected byte 0x79 at byte 7\r\n3 OK done\r\n")
  }

  @Test func tooManyFaultsInARowEndTheConnection() {
    var configuration = ServerConnection.Configuration()
    configuration.maximumBadCommands = 3
    let bench = ServerTestBench(configuration)
    bench.feed("1 X\r\n2 X\r\n3 NOOP\r\n4 X\r\n5 X\r\n")
    #expect(bench.machine.phase == .notAuthenticated)
    bench.feed("6 X\r\n7 NOOP\r\n")
    #expect(bench.log.suffix(2) == ["malformed 6: unknown command at byte 30", Self.closedForFaults])
    #expect(bench.sentText.hasSuffix("* BYE limit of 3 for bad commands passed at byte 33\r\n"))
  }

  private static let closedForFaults =
    "closed \(CloseReason.error(.limit(LimitExceeded(limit: .badCommands, value: 3, offset: 33))))"

  // MARK: Literals

  @Test func aLiteralInACommandIsAskedForByTheMachine() {
    let bench = ServerTestBench()
    bench.feed("1 LOGIN {4}\r\n")
    #expect(bench.takeSent() == "* OK ready\r\n+ OK\r\n")
    #expect(bench.log.isEmpty)
    bench.feed("fred {3+}\r\n")
    #expect(bench.takeSent() == "")
    bench.feed("a\n")
    bench.feed("b\r\n")
    #expect(bench.takeSent() == "1 OK done\r\n")
    #expect(bench.log == ["1 LOGIN: login(user: \"fred\", password: <redacted>)"])
  }

  @Test func aLiteralThatIsTooLargeIsRefused() {
    let bench = authenticated { $0.limits.bufferedLiteral = 10 }
    bench.feed("1 CREATE {11}\r\n2 NOOP\r\n")
    #expect(bench.log.count == 2)
    #expect(bench.log.first == "malformed 1: limit of 10 for buffered literal passed at byte 9")
    #expect(
      bench.takeSent()
        == "1 NO [TOOBIG] Literal too large: limit of 10 for buffered literal passed at byte 9\r\n2 OK done\r\n")
    // One that comes without being asked for is skipped by count, with the rest of its command.
    bench.feed("3 XRENAME {11+}\r\n9 NOOP\r\nxyz {4+}\r\n\r\n\r\n more\r\n4 NOOP\r\n")
    #expect(bench.log.suffix(2) == ["malformed 3: unknown command at byte 25", "4 NOOP: noop"])
    bench.feed("5 CREATE {11+}\r\n9 NOOP\r\nxyz {400}\r\n6 NOOP\r\n")
    #expect(bench.log.suffix(2) == ["malformed 5: limit of 10 for buffered literal passed at byte 86", "6 NOOP: noop"])
  }

  @Test func literalsCountAgainstTheLine() {
    let bench = authenticated {
      $0.limits.line = 40
      $0.limits.bufferedLiteral = 30
    }
    bench.feed("1 LIST {10+}\r\n0123456789 {13}\r\n")
    #expect(bench.log.last == "malformed 1: limit of 9 for buffered literal passed at byte 25")
    bench.feed("2 LIST {10+}\r\n0123456789 {2}\r\nab\r\n")
    #expect(bench.log.last == "2 LIST: \(Command.list(reference: "0123456789", pattern: "ab"))")
  }

  @Test func aNumberThatCannotBeCountedIsFatal() {
    let header = "{99999999999999999999+}\r\n"
    for text in ["1 CREATE \(header)", "1 NOPE {1+}\r\nx\(header)", "1 APPEND a {1+}\r\nx\(header)"] {
      let bench = authenticated()
      bench.feed("\(text)2 NOOP\r\n")
      #expect(bench.log.last?.hasPrefix("closed error(limit") == true)
      #expect(
        bench.sentText.hasSuffix(
          "* BYE limit of 67108864 for literal passed at byte \(text.utf8.count - header.utf8.count)\r\n"))
    }
  }

  @Test func aLineWithoutEndIsFatal() {
    let bench = ServerTestBench()
    bench.feed([UInt8](repeating: 0x61, count: 65_536))
    #expect(bench.log.isEmpty)
    bench.feed("a")
    let limit = LimitExceeded(limit: .line, value: 65_536, offset: 65_536)
    #expect(bench.log == ["closed \(CloseReason.error(.limit(limit)))"])
    #expect(bench.sentText.hasSuffix("* BYE \(limit)\r\n"))
  }

  // MARK: APPEND

  @Test func appendIsOfferedStreamedAndCompleted() {
    let bench = authenticated()
    bench.feed("1 APPEND \"a b\" (\\Seen) \" 1-Jan-2026 00:00:00 +0000\" {10}\r\n")
    #expect(bench.log == ["offered a b [\\Seen] 01-Jan-2026 00:00:00 +0000 10"])
    #expect(bench.takeSent() == "+ Ready for literal data\r\n")
    bench.feed("01234")
    bench.feed("56\r\n9\r\n2 NOOP\r\n")
    #expect(bench.log.suffix(2) == ["literal \"0123456\\r\\n9\"", "2 NOOP: noop"])
    #expect(bench.takeSent() == "1 OK appended\r\n2 OK done\r\n")
  }

  @Test func appendWithoutWaitingAndWithTheNameAsLiteral() {
    let bench = authenticated()
    bench.feed("1 APPEND {3+}\r\na b ~{4+}\r\nb\0dy\r\n2 APPEND x {0+}\r\n\r\n3 APPEND {1}\r\n")
    #expect(bench.log == ["offered a b [] - ~4+", "literal \"b\\0dy\"", "offered x [] - 0+", "literal \"\""])
    #expect(bench.takeSent() == "1 OK appended\r\n2 OK appended\r\n+ OK\r\n")
    bench.feed("y {2}\r\n")
    #expect(bench.takeSent() == "+ Ready for literal data\r\n")
    bench.feed("ab\r\n")
    #expect(bench.log.suffix(2) == ["offered y [] - 2", "literal \"ab\""])
  }

  @Test func anAppendThatIsRejectedIsSkipped() {
    let bench = authenticated()
    bench.feed("1 APPEND Refused {7}\r\n2 NOOP\r\n3 APPEND Refused {8+}\r\n9 NOOP\r\n\r\n4 NOOP\r\n")
    #expect(bench.log == ["offered Refused [] - 7", "2 NOOP: noop", "offered Refused [] - 8+", "4 NOOP: noop"])
    #expect(
      bench.sentText == "1 NO [TRYCREATE] no such mailbox\r\n2 OK done\r\n3 NO [TRYCREATE] no such mailbox\r\n"
        + "4 OK done\r\n")
  }

  @Test func anAppendCanBeRejectedInTheMiddle() throws {
    let bench = authenticated()
    bench.answers = false
    bench.feed("1 APPEND a {6}\r\n")
    let id = try #require(bench.id)
    try bench.machine.accept(id)
    bench.feed("012")
    try bench.machine.reject(id, with: Status(.no, "disk full"))
    bench.answers = true
    bench.feed("345\r\n2 NOOP\r\n")
    #expect(bench.log == ["offered a [] - 6", "2 NOOP: noop"])
    #expect(bench.sentText == "+ Ready for literal data\r\n1 NO disk full\r\n2 OK done\r\n")
  }

  @Test func anAppendThatIsTooLargeIsNotOffered() {
    let bench = authenticated { $0.limits.literal = 5 }
    bench.feed("1 APPEND a {6}\r\n2 APPEND a {6+}\r\n012345\r\n3 APPEND a {5+}\r\n01234\r\n")
    #expect(
      bench.log == [
        "malformed 1: limit of 5 for literal passed at byte 11",
        "malformed 2: limit of 5 for literal passed at byte 27",
        "offered a [] - 5+", "literal \"01234\"",
      ])
  }

  @Test func aBrokenAppendIsSkipped() {
    let bench = authenticated()
    bench.feed("1 APPEND a (\\Seen {3+}\r\nabc\r\n2 APPEND a b {3}\r\n3 APPEND a \"x\" {3+}\r\n\r\n\r\r\n4 NOOP\r\n")
    #expect(bench.log.count == 4)
    #expect(bench.log.first == "malformed 1: unexpected byte 0x7b at byte 18")
    #expect(bench.log.last == "4 NOOP: noop")
  }

  @Test func bytesBehindTheMessageAbortTheAppend() {
    let bench = authenticated()
    bench.feed(
      "1 APPEND a {3+}\r\nabc x\r\n2 APPEND a {3+}\r\nabc {4+}\r\n1234\r\n3 APPEND a {1+}\r\nx  \r\n4 NOOP\r\n")
    #expect(
      bench.log == [
        "offered a [] - 3+", "aborted: unexpected byte 0x78 at byte 21",
        "offered a [] - 3+", "aborted: unexpected byte 0x7b at byte 45",
        "offered a [] - 1+", "literal \"x\"", "4 NOOP: noop",
      ])
    #expect(bench.sentText == "1 BAD trailing bytes\r\n2 BAD trailing bytes\r\n3 OK appended\r\n4 OK done\r\n")
  }

  // MARK: AUTHENTICATE

  @Test func aChallengeIsAnswered() {
    let bench = ServerTestBench()
    bench.feed("1 AUTHENTICATE PLAIN\r\n")
    #expect(bench.takeSent() == "* OK ready\r\n+ aGVsbG8=\r\n")
    bench.feed("AGEAYg==\r\n")
    #expect(bench.log.last == "response \"\\0a\\0b\"")
    #expect(bench.takeSent() == "1 OK authenticated\r\n")
    #expect(bench.machine.phase == .authenticated)
  }

  @Test func anEmptyAnswerIsAnAnswer() {
    let bench = ServerTestBench()
    bench.feed("1 AUTHENTICATE EXTERNAL\r\n\r\n")
    #expect(bench.log.last == "response \"\"")
    #expect(bench.machine.phase == .authenticated)
  }

  @Test(arguments: ["*", "no base64!", "QQ==QQ=="])
  func authenticationIsCancelled(_ answer: String) {
    let bench = ServerTestBench()
    bench.feed("1 AUTHENTICATE PLAIN\r\n\(answer)\r\n2 NOOP\r\n")
    #expect(bench.log.suffix(2) == ["cancelled", "2 NOOP: noop"])
    #expect(bench.sentText.hasSuffix("1 BAD cancelled\r\n2 OK done\r\n"))
    #expect(bench.machine.phase == .notAuthenticated)
  }

  @Test func severalChallengesOneAfterAnother() throws {
    let bench = ServerTestBench(answers: false)
    bench.feed("1 AUTHENTICATE LOGIN\r\n")
    let id = try #require(bench.id)
    let challenge: [UInt8] = []
    try bench.machine.challenge(id, challenge.span)
    bench.feed("YQ==\r\n")
    try bench.machine.challenge(id, challenge.span)
    bench.feed("Yg==\r\n")
    try bench.machine.complete(id, Status(.no, code: .authenticationFailed, "no"))
    bench.drive()
    #expect(bench.log.suffix(2) == ["response \"a\"", "response \"b\""])
    #expect(bench.sentText == "* OK ready\r\n+ \r\n+ \r\n1 NO [AUTHENTICATIONFAILED] no\r\n")
  }

  @Test func secretsDoNotStayInTheBuffer() throws {
    var machine = ServerConnection(now: MonotonicInstant(nanoseconds: 0))
    machine.greet(Status(.ok, "hi"))
    var input = ReceiveBuffer(minimumCapacity: 256)
    let line = Array("1 LOGIN fred hunter2\r\n".utf8)
    input.append(line.span)
    let isCommand =
      switch try machine.next(&input, now: MonotonicInstant(nanoseconds: 0)) {
      case .command: true
      default: false
      }
    #expect(isCommand)
    input.discardReported()
    // The storage is not given up, so its old bytes can be looked at.
    _ = unsafe input.prepareForRead(suggested: 1)
    input.commitRead(line.count)
    #expect(input.takeUnread() == [UInt8](repeating: 0, count: line.count))
  }

  // MARK: IDLE

  @Test(arguments: ["DONE", "done", "Done  "])
  func onlyDoneEndsIdle(_ done: String) throws {
    let bench = authenticated()
    bench.feed("1 IDLE\r\n")
    #expect(bench.takeSent() == "+ idling\r\n")
    try bench.machine.respond(.exists(4))
    bench.drive()
    #expect(bench.takeSent() == "* 4 EXISTS\r\n")
    bench.feed("2 NOOP\r\n")
    #expect(bench.takeSent() == "* BAD Expected DONE\r\n")
    bench.feed("\(done)\r\n2 NOOP\r\n")
    #expect(
      bench.log == ["1 IDLE: idle", "malformed: unexpected byte 0x32 at byte 8", "done", "2 NOOP: noop"])
    #expect(bench.takeSent() == "1 OK idle ended\r\n2 OK done\r\n")
  }

  // MARK: STARTTLS

  @Test func startTLSUpgrades() throws {
    let bench = ServerTestBench(answers: false)
    bench.feed("1 STARTTLS\r\n")
    try bench.machine.complete(try #require(bench.id), Status(.ok, "go"))
    bench.drive()
    #expect(bench.log == ["1 STARTTLS: startTLS", "upgrade tls"])
    #expect(bench.takeSent() == "* OK ready\r\n1 OK go\r\n")
    #expect(throws: ConnectionError.self) { try bench.machine.respond(.exists(1)) }
    bench.machine.upgraded(.tls, now: bench.now)
    bench.answers = true
    bench.feed("2 STARTTLS\r\n3 LOGIN a b\r\n")
    #expect(bench.log.suffix(2).first == "malformed 2: command not allowed in this state at byte 14")
    #expect(bench.machine.phase == .authenticated)
  }

  @Test func plainBytesBehindStartTLSAreFatal() {
    let bench = ServerTestBench()
    bench.feed("1 STARTTLS\r\n2 LOGIN mallory x\r\n")
    let violation = ConnectionError.PeerViolation(.plaintextAfterStartTLS)
    #expect(bench.log == ["1 STARTTLS: startTLS", "closed \(CloseReason.error(.peer(violation)))"])
    #expect(bench.sentText == "* OK ready\r\n1 OK done\r\n")
  }

  @Test func plainBytesDuringTheHandshakeAreFatal() throws {
    let bench = ServerTestBench(answers: false)
    bench.feed("1 STARTTLS\r\n")
    try bench.machine.complete(try #require(bench.id), Status(.ok, "go"))
    bench.drive()
    bench.feed("2 NOOP\r\n")
    #expect(bench.log.last?.contains("plain text behind") == true || bench.log.last?.contains("plaintext") == true)
    bench.machine.upgraded(.tls, now: bench.now)
    bench.drive()
    #expect(bench.machine.phase == .closed)
  }

  @Test func aRefusedStartTLSChangesNothing() throws {
    let bench = ServerTestBench(answers: false)
    bench.feed("1 STARTTLS\r\n2 NOOP\r\n")
    try bench.machine.complete(try #require(bench.id), Status(.no, "not now"))
    bench.drive()
    #expect(bench.log == ["1 STARTTLS: startTLS", "2 NOOP: noop"])
  }
}
