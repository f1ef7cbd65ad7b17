import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

/// Servers that say no, and what a client makes of it.
@Suite(.timeLimit(.minutes(2))) struct ClientRefusalTests {
  /// Lines that were heard, without tags, and how often a command came.
  private final class Log: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func count(_ start: String) -> Int { all.count { $0.hasPrefix(start) } }

    /// Adds `line`, and returns how many began like it.
    func add(_ line: String, _ start: String) -> Int {
      lines.withLock { lines in
        lines.append(line)
        return lines.count { $0.hasPrefix(start) }
      }
    }
  }

  /// Runs `body` with a client of a server that answers each command by a function of it, and of how many of its first words
  /// came.
  private static func with(
    _ capabilities: String, isLoggedIn: Bool = true, _ answer: @escaping @Sendable (String, Int) -> [String],
    _ body: (IMAPClient, Log) async throws -> Void
  ) async throws {
    let log = Log()
    let greeting = "* \(isLoggedIn ? "PREAUTH" : "OK") [CAPABILITY IMAP4rev1 \(capabilities)] hi\r\n"
    let server = try FunctionServer(greeting: greeting) { heard in
      guard heard.hasSuffix("\r\n") else { return nil }
      return heard.split(separator: "\r\n").map { line in
        let parts = line.split(separator: " ", maxSplits: 1).map { String($0) }
        let command = parts.count > 1 ? parts[1] : ""
        let words = command.split(separator: " ").prefix(command.hasPrefix("UID ") ? 2 : 1).joined(separator: " ")
        let lines = answer(command, log.add(command, words))
        let isEnded = lines.last.map { $0.hasPrefix("NO") || $0.hasPrefix("BAD") } ?? false
        let untagged = (isEnded ? lines.dropLast() : lines[...]).map { "\($0)\r\n" }.joined()
        return "\(untagged)\(parts[0]) \(isEnded ? lines.last ?? "" : "OK done")\r\n"
      }.joined()
    }
    defer { server.end() }
    let loop = try EventLoop.start()
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    configuration.signIn.allowsPlaintext = true
    let client = try await IMAPClient.connect(configuration, on: loop)
    do { try await body(client, log) } catch { Issue.record("\(error)") }
    await client.close()
    #expect(await loop.shutdown().isClean)
  }

  private static let throttled = "NO Request is throttled. Suggested Backoff Time: 20 milliseconds"

  // MARK: Logging in

  private static let refusals: [(String, IMAPError.Reason)] = [
    ("NO [AUTHENTICATIONFAILED] no", .notAuthenticated), ("NO no", .notAuthenticated), ("NO [EXPIRED] no", .expired),
    ("NO [PRIVACYREQUIRED] no", .privacyRequired), ("NO [UNAVAILABLE] no", .unavailable),
    ("NO Your account is not enabled for IMAP use", .accessDisabled),
    ("NO Application-specific password required", .applicationPasswordRequired),
    ("NO [WEBALERT https://example.com/] Web login required", .webLoginRequired), ("NO [INUSE] no", .inUse),
    ("NO [CONTACTADMIN] no", .contactAdministrator),
  ]

  @Test func whyASignInFailed() async throws {
    for (answer, reason) in Self.refusals {
      try await Self.with("AUTH=PLAIN SASL-IR", isLoggedIn: false) { command, _ in
        command.hasPrefix("AUTHENTICATE") ? [answer] : []
      } _: { client, _ in
        await #expect { try await client.signIn(user: "joe", password: Secret("secret")) } throws: {
          ($0 as? IMAPError)?.reason == reason
        }
      }
    }
  }

  /// What must come first is said.
  @Test func whatIsToBeDoneFirst() async throws {
    try await Self.with("AUTH=PLAIN", isLoggedIn: false) { _, _ in
      []
    } _: { client, _ in
      await #expect { try await client.list(pattern: "*") } throws: {
        "\($0)" == "command not allowed in this state (not authenticated; log in before LIST)"
          && ($0 as? IMAPError)?.reason == .wrongState
      }
    }
    try await Self.with("") { _, _ in
      []
    } _: { client, _ in
      await #expect { try await client.search(.all) } throws: {
        "\($0)" == "command not allowed in this state (authenticated; select a mailbox before SEARCH)"
          && ($0 as? IMAPError)?.reason == .wrongState
      }
    }
  }

  /// What this side does not send, or does not take, is no wrong password.
  @Test func whyASignInWasGivenUp() {
    let reasons: [(SASLError, IMAPError.Reason)] = [
      (.plaintextRefused, .privacyRequired), (.noMechanism(loginDisabled: true), .privacyRequired),
      (.noMechanism(loginDisabled: false), .notAuthenticated), (.malformedChallenge("x"), .protocolViolation),
      (.unexpectedChallenge, .protocolViolation), (.completedEarly, .protocolViolation), (.cancelled, .cancelled),
      (.server("other"), .notAuthenticated), (.credential(.password, .empty), .notAuthenticated),
    ]
    for (error, reason) in reasons { #expect(IMAPError.authentication(error, nil).reason == reason, "\(error)") }
  }

  // MARK: Throttling

  @Test func whatIsThrottledIsDoneLater() async throws {
    try await Self.with("UIDPLUS") { command, count in
      if command.hasPrefix("UID SEARCH") { return count < 3 ? [Self.throttled] : ["* SEARCH 7 9"] }
      if command.hasPrefix("NOOP") { return ["NO no"] }
      if command.hasPrefix("UID STORE") { return [Self.throttled] }
      if command.hasPrefix("STATUS") { return ["BAD Suggested Backoff Time: 300 seconds"] }
      return []
    } _: { client, log in
      try await client.select("INBOX")
      let found = try await client.retryingThrottled { try await client.search(.unseen) }
      #expect(found == [7, 9])
      #expect(log.count("UID SEARCH") == 3)

      // Other errors are thrown as they are.
      await #expect { try await client.retryingThrottled { try await client.noop() } } throws: { error in
        (error as? IMAPError)?.reason == .unspecified
      }
      #expect(log.count("NOOP") == 1)

      // There is an end to it.
      await #expect {
        try await client.retryingThrottled(attempts: 2) { try await client.addFlags([.seen], to: [7]) }
      } throws: { error in
        (error as? IMAPError)?.retryAfter == .milliseconds(20)
      }
      #expect(log.count("UID STORE") == 2)

      // Nobody waits for so long.
      await #expect {
        try await client.retryingThrottled(longestWait: .seconds(60)) { _ = try await client.status("x", [.messages]) }
      } throws: { error in
        (error as? IMAPError)?.retryAfter == .seconds(300)
      }
      #expect(log.count("STATUS") == 1)

      // COPY was done before STORE was refused: not again.
      await #expect { try await client.retryingThrottled { _ = try await client.move(.uids([7]), to: "x") } } throws: {
        ($0 as? IMAPError)?.reason == .throttled(retryAfter: .milliseconds(20))
      }
      #expect(log.count("UID COPY") == 1)
      #expect(log.count("UID STORE") == 3)
    }
  }

  /// The wait ends with the task, and with the connection.
  @Test func nobodyWaitsInVain() async throws {
    try await Self.with("") { command, _ in
      command.hasPrefix("STATUS") ? ["NO Suggested Backoff Time: 300 seconds"] : []
    } _: { client, log in
      // Until the NO is here the command is what ends, not the wait behind it.
      func refused(_ count: Int, after received: UInt64) async {
        while log.count("STATUS") < count { await Task.yield() }
        while await client.traffic.received == received { await Task.yield() }
      }
      var received = await client.traffic.received
      let task = Task {
        try await client.retryingThrottled { _ = try await client.status("x", [.messages]) }
      }
      await refused(1, after: received)
      task.cancel()
      guard case .failure(let error) = await task.result, case .cancelled? = error as? IMAPError else {
        Issue.record("it was not cancelled")
        return
      }
      received = await client.traffic.received
      let other = Task {
        try await client.retryingThrottled { _ = try await client.status("x", [.messages]) }
      }
      await refused(2, after: received)
      await client.close()
      await #expect(throws: IMAPError.self) { try await other.value }
    }
  }

  /// What the server may have done is not done again by itself.
  @Test func unknownOutcomesAreNotRepeated() async throws {
    try await Self.with("") { _, _ in
      []
    } _: { client, _ in
      let bye = ConnectionError.closedByPeer(bye: "Suggested Backoff Time: 1 milliseconds")
      let attempts = Mutex(0)
      for error in [IMAPError.outcomeUnknown(command: "UID SEARCH", bye), .connection(bye)] {
        await #expect(throws: error) {
          try await client.retryingThrottled {
            attempts.withLock { $0 += 1 }
            throw error
          }
        }
        #expect(error.retryAfter == .milliseconds(1))
      }
      #expect(attempts.withLock { $0 } == 2)
    }
  }

  // MARK: Logging in on a web page

  @Test(
    arguments: [
      (
        [
          "* NO [WEBALERT https://accounts.example/s?a=1&b=2] Web login required.",
          "NO [ALERT] Please log in (Failure)",
        ],
        ResponseCode.webAlert("https://accounts.example/s?a=1&b=2")
      ),
      (
        ["* NO [WEBALERT https://accounts.example/] x", "NO [AUTHENTICATIONFAILED] Web login required."],
        .authenticationFailed
      ),
      (["NO [WEBALERT https://accounts.example/] x"], .webAlert("https://accounts.example/")),
      (["NO Web login required."], nil),
    ] as [([String], ResponseCode?)])
  func theUserHasToOpenAPage(_ lines: [String], _ code: ResponseCode?) async throws {
    try await Self.with("AUTH=PLAIN SASL-IR", isLoggedIn: false) { command, _ in
      command.hasPrefix("AUTHENTICATE") ? lines : []
    } _: { client, _ in
      let events = await client.events()
      do throws(IMAPError) {
        try await client.signIn(user: "joe", password: Secret("x"))
        Issue.record("it logged in")
      } catch {
        #expect(error.reason == .webLoginRequired)
        #expect(error.code == code)
      }
      await client.close()
      var notices: [ResponseCode?] = []
      for await case .notice(let status) in events { notices.append(status.code) }
      let said = lines.filter { $0.hasPrefix("*") }
      #expect(notices.count == said.count)
      for case .webAlert(let url)? in notices { #expect(said.contains { $0.contains("[WEBALERT \(url)]") }) }
      // The next login is told nothing of it.
      #expect(lines.count == 1 || notices.contains { if case .webAlert = $0 { true } else { false } })
    }
  }

  // MARK: Yahoo

  @Test func vendorOfAToken() async throws {
    try await Self.with("AUTH=XOAUTH2 SASL-IR", isLoggedIn: false) { _, _ in
      []
    } _: { client, log in
      try await client.authenticate(SASLXOAuth2(user: "joe", token: Secret("tok"), vendor: "Acme"))
      let line = try #require(log.all.first { $0.hasPrefix("AUTHENTICATE XOAUTH2 ") })
      let data = Data(base64Encoded: String(line.dropFirst("AUTHENTICATE XOAUTH2 ".count)))
      let expected = "user=joe\u{1}auth=Bearer tok\u{1}vendor=Acme\u{1}\u{1}"
      #expect(data.map { String(decoding: $0, as: UTF8.self) } == expected)
    }
  }
}
