import Synchronization
import Testing

@testable import IMAPStateMachine

/// What the observer of the wire is shown: every line, and no secret, however the bytes arrive.
@Suite struct WireLineTests {
  /// A client, and a server that answers by a list.
  private struct Bench: ~Copyable {
    let lines = Lines()
    var machine: ClientConnection
    var input = ReceiveBuffer()
    /// Bytes of the server that are added at once.
    var chunk = Int.max
    var ids: [CommandID] = []

    init(_ capabilities: String, isPreauth: Bool = true, chunk: Int = .max) throws {
      var configuration = ClientConnection.Configuration()
      configuration.wireObserver = { [lines] in lines.add($0) }
      machine = ClientConnection(configuration, now: MonotonicInstant(nanoseconds: 0))
      self.chunk = chunk
      try say("* \(isPreauth ? "PREAUTH" : "OK") [CAPABILITY IMAP4rev1 \(capabilities)] hello\r\n")
      lines.removeAll()
    }

    mutating func run(_ command: Command) throws {
      ids.append(try machine.enqueue(command, now: MonotonicInstant(nanoseconds: 1)))
      try drain()
    }

    mutating func say(_ text: String) throws {
      let bytes = Array(text.utf8)
      var index = 0
      while index < bytes.count {
        let end = min(bytes.count, chunk == .max ? bytes.count : index + chunk)
        input.append(bytes[index..<end].span)
        index = end
        try drain()
      }
    }

    private static func takeEvents(_ machine: inout ClientConnection, _ input: inout ReceiveBuffer) throws {
      while true {
        switch try machine.next(&input, now: MonotonicInstant(nanoseconds: 2)) {
        case .needMoreInput, .paused, .closed: return
        default: break
        }
      }
    }

    /// A few bytes at a time, as a socket may take them.
    mutating func drain() throws {
      try Self.takeEvents(&machine, &input)
      while machine.outboundCount > 0 { machine.consumeOutbound(3) }
    }
  }

  /// Sendable: tests use it on one thread, and the lock shows it.
  private final class Lines: Sendable {
    private let pieces = Mutex<[WireLine]>([])

    func add(_ line: WireLine) { pieces.withLock { $0.append(line) } }
    func removeAll() { pieces.withLock { $0 = [] } }

    /// Whole lines.
    var text: [String] {
      pieces.withLock { pieces in
        var lines: [String] = []
        var isOpen = false
        for piece in pieces {
          if isOpen { lines[lines.count - 1] += piece.text } else { lines.append(piece.description) }
          isOpen = !piece.endsLine
        }
        return lines
      }
    }
  }

  @Test func loginInEveryForm() throws {
    for password in ["hunter2", "hun\"ter2", "hünter2"] {
      var bench = try Bench("", isPreauth: false)
      try bench.run(.login(user: "joe", password: Secret(password)))
      // The literal's rest goes out later.
      try bench.say("+ go on, hunter\r\n")
      try bench.say("A1 OK in\r\n")
      let lines = bench.lines.text
      let isLiteral = password == "hünter2"
      // Where no literal was asked for, nothing is known of what the server says.
      let asked = isLiteral ? "S: + go on, hunter" : "S: + <redacted>"
      #expect(lines == ["C: A1 LOGIN <redacted>", asked, "S: A1 OK in"])
    }
  }

  @Test func theTextOfBadMayRepeatTheLogin() throws {
    var bench = try Bench("", isPreauth: false)
    try bench.run(.login(user: "joe", password: Secret("hunter2")))
    try bench.say("* WHAT hunter2\r\n* 1 FETCH hunter2\r\n* SEARCH hunter2 (\r\nA1 BAD no LOGIN joe hunter2\r\n")
    var lines = bench.lines.text
    #expect(!lines.joined().contains("hunter2"), "\(lines)")
    #expect(lines.last == "S: A1 BAD <redacted>")
    try bench.run(.login(user: "joe", password: Secret("hunter2")))
    try bench.say("A2 NO [AUTHENTICATIONFAILED] wrong\r\n")
    lines = bench.lines.text
    #expect(lines.last == "S: A2 NO [AUTHENTICATIONFAILED] wrong")
  }

  @Test(arguments: [true, false]) func authentication(hasInitialResponse: Bool) throws {
    for chunk in [Int.max, 1, 3] {
      var bench = try Bench(hasInitialResponse ? "SASL-IR" : "", isPreauth: false, chunk: chunk)
      try bench.run(.authenticate(SASLExchange(mechanism: "X", initialResponse: Secret("hunter2"))))
      if !hasInitialResponse { try bench.say("+ \r\n") }
      try bench.say("+ aHVudGVyMg==\r\n")
      let answer: [UInt8] = Array("hunter2".utf8)
      try bench.machine.answer(bench.ids[0], challenge: answer.span, now: MonotonicInstant(nanoseconds: 3))
      try bench.drain()
      try bench.say("+ aHVudGVyMg==\r\n")
      try bench.machine.cancelAuthentication(bench.ids[0], now: MonotonicInstant(nanoseconds: 3))
      try bench.say("+ aHVudGVyMg==\r\nA1 BAD aHVudGVyMg==\r\n+ aHVudGVyMg==\r\n")
      let start =
        hasInitialResponse
        ? ["C: A1 AUTHENTICATE X <redacted>"] : ["C: A1 AUTHENTICATE X", "S: + <redacted>", "C: <redacted>"]
      let lines = bench.lines.text
      #expect(
        lines == start + [
          "S: + <redacted>", "C: <redacted>", "S: + <redacted>", "C: *", "S: + <redacted>", "S: A1 BAD <redacted>",
          "S: + <redacted>",
        ])
    }
  }

  @Test func literalsAreCounted() throws {
    for chunk in [Int.max, 1, 7] {
      var bench = try Bench("BINARY", chunk: chunk)
      try bench.run(.append(AppendRequest(mailbox: .inbox, flags: [.seen], byteCount: 5)))
      try bench.say("+ yes\r\n")
      let bytes: [UInt8] = Array("heavy".utf8)
      _ = try bench.machine.write(bench.ids[0], literal: bytes.span, now: MonotonicInstant(nanoseconds: 3))
      try bench.say("A1 OK there\r\n")
      try bench.run(.select("Entwürfe"))
      try bench.say("* LIST () \"/\" {4}\r\nA\"BC\r\nA2 OK open {5}\r\n")
      try bench.run(.fetch(.uids([1]), [.uid, .envelope, .section(.full)]))
      try bench.say(
        "* 1 FETCH (UID 1 ENVELOPE (NIL {7}\r\nsubject NIL NIL NIL NIL NIL NIL NIL NIL) BODY[] {13}\r\nS: x\r\n\r\nbody"
          + "\u{1})\r\nA3 OK done\r\n")
      try bench.run(.search(.subject("é\r\nA9 LOGOUT")))
      try bench.say("+ go\r\n* SEARCH\r\nA4 OK done\r\n")
      let lines = bench.lines.text
      #expect(
        lines == [
          #"C: A1 APPEND "INBOX" (\Seen) {5 bytes}"#, "S: + yes", "S: A1 OK there", #"C: A2 SELECT "Entw&APw-rfe""#,
          #"S: * LIST () "/" {4 bytes}"#, "S: A2 OK open {5}",
          "C: A3 UID FETCH 1 (UID ENVELOPE BODY.PEEK[])",
          "S: * 1 FETCH (UID 1 ENVELOPE (NIL {7 bytes} NIL NIL NIL NIL NIL NIL NIL NIL) BODY[] {13 bytes})",
          "S: A3 OK done", "C: A4 UID SEARCH CHARSET UTF-8 SUBJECT {13 bytes}", "S: + go", "S: * SEARCH",
          "S: A4 OK done",
        ], "\(chunk)")
    }
  }

  @Test func urlsThatOpenMessages() throws {
    let url = "imap://joe@example.org/INBOX/;uid=20/;urlauth=anonymous:internal:91354a47"
    for chunk in [Int.max, 1] {
      var bench = try Bench("URLAUTH CATENATE", chunk: chunk)
      try bench.run(
        .generateURLAuth([URLAuthRequest("imap://joe@example.org/INBOX/;uid=20", mechanism: "INTERNAL")]))
      try bench.say("* GENURLAUTH \"\(url)\"\r\n* GENURLAUTH (\"\(url)\"\r\nA1 OK done\r\n")
      try bench.run(.fetchURLs([URLFetchRequest(url)]))
      try bench.say("* URLFETCH \"\(url)\" {3}\r\nabc\r\n* URLFETCH (( \"\(url)\r\nA2 OK done\r\n")
      let request = AppendRequest(mailbox: "Sent", messages: [AppendMessage(.catenate([.url(url)]))])
      try bench.run(.append(request))
      try bench.say("* X \(url)\r\nA3 NO [BADURL \"\(url)\"] \(url)\r\n")
      try bench.run(.other(GenericCommand("XTOKEN", [.string(url)])))
      try bench.say("* XTOKEN \(url)\r\nA4 OK done\r\n")
      let lines = bench.lines.text
      #expect(!lines.joined().contains("91354a47"), "\(lines)")
      #expect(lines.contains("S: * GENURLAUTH <redacted>") && lines.contains("S: * URLFETCH <redacted>"))
      #expect(lines.contains("C: A3 APPEND <redacted>") && lines.contains("S: A3 NO <redacted>"))
      #expect(lines.suffix(3) == ["C: A4 XTOKEN <redacted>", "S: * <redacted>", "S: A4 OK done"])
    }
  }

  @Test func idleAndItsEnd() throws {
    var bench = try Bench("IDLE")
    try bench.run(.idle)
    try bench.say("+ idling\r\n")
    bench.machine.handleTimeout(now: MonotonicInstant(nanoseconds: 301 * 1_000_000_000))
    try bench.say("A1 OK renewed\r\n+ idling\r\n* 1 EXISTS\r\n")
    try bench.run(.noop)
    try bench.say("A2 OK done\r\nA3 OK done\r\n")
    let lines = bench.lines.text
    #expect(
      lines == [
        "C: A1 IDLE", "S: + idling", "C: DONE", "S: A1 OK renewed", "C: A2 IDLE", "S: + idling", "S: * 1 EXISTS",
        "C: DONE", "S: A2 OK done", "C: A3 NOOP", "S: A3 OK done",
      ])
  }

  @Test func nothingThatATerminalObeys() throws {
    var bench = try Bench("")
    try bench.say("\r\n\r\n* OK \u{1b}[2J\u{7}é\u{9b}\u{2028}\r\n* OK \(String(repeating: "x", count: 5000))\r\n")
    let lines = bench.lines.text
    #expect(lines.first == #"S: * OK \x1b[2J\x07é\x9b\x2028"#)
    #expect(lines.count == 2 && lines[1].hasSuffix("xx…") && lines[1].utf8.count < 1010)
  }

  @Test func whatEndsTheConnectionIsShown() throws {
    var bench = try Bench("")
    do {
      try bench.say("* LIST () \"/\" {99999999}\r\n")
      try bench.drain()
      Issue.record("the literal is too long")
    } catch is ConnectionError {}
    let lines = bench.lines.text
    #expect(lines == [#"S: * LIST () "/" {99999999}\x0d\x0a"#])
  }

  /// Whoever looks on changes nothing, and sees the same however the bytes arrive.
  @Test(arguments: ClientTranscriptTests.names) func everyTranscript(_ name: String) throws {
    let transcript = try Transcript(named: name)
    var first: [String]?
    for feed in transcript.isWhole ? [Feed.whole] : [.whole, .bytewise] {
      let lines = Lines()
      let problems = transcript.replay(feed) { lines.add($0) }
      #expect(problems.isEmpty, "\(name), \(feed): \(problems.joined(separator: "; "))")
      let text = lines.text
      #expect(text.allSatisfy { !$0.contains("\r") && !$0.contains("\n") })
      #expect(!text.contains { $0.contains("joe secret") || $0.contains("\"joe\" ") }, "\(text)")
      if let first { #expect(text == first) } else { first = text }
    }
  }

  @Test func namesAreThoseOfTheEncoder() throws {
    // Commands without a state of their own, each as it is written.
    let commands: [Command] = [
      .noop, .capability, .id(nil), .namespace, .list(reference: "", pattern: "*"), .lsub(reference: "", pattern: "*"),
      .xlist(reference: "", pattern: "*"), .rlist(reference: "", pattern: "*"), .rlsub(reference: "", pattern: "*"),
      .status("a", [.messages]), .create("a"), .delete("a"), .rename("a", to: "b"), .subscribe("a"), .unsubscribe("a"),
      .append(AppendRequest(mailbox: "a", byteCount: 0)), .getACL("a"), .myRights("a"), .getQuota(root: ""),
      .getQuotaRoot("a"), .getMetadata("a", entries: ["/shared/comment"]), .select("a"), .examine("a"),
      .fetch(.uids([1]), [.uid]), .fetch(.sequence([1]), [.uid]), .store(.uids([1]), StoreOperation(.add, [.seen])),
      .copy(.uids([1]), "b"), .move(.sequence([1]), "b"), .search(.all), .search(.all, uid: false), .expunge,
      .uidExpunge([1]), .check, .close, .unselect, .sort([SortCriterion(.date)], .all), .thread(.references, .all),
    ]
    for command in commands {
      var bench = try Bench("")
      try bench.run(.select("x"))
      try bench.say("A1 OK [READ-WRITE] open\r\n")
      try bench.run(command)
      let lines = bench.lines.text
      let line = try #require(lines.last)
      #expect(line == "C: A2 \(command.name)" || line.hasPrefix("C: A2 \(command.name) "), "\(line)")
    }
  }
}
