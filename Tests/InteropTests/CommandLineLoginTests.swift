import Testing

@testable import imap

/// Why servers let nobody in: the reason is told, with what helps, and has its status.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineLoginTests {
  struct Refusal: Sendable, CustomStringConvertible {
    var answer: String
    var status: Int32
    /// What the line holds beside the server's words.
    var says: String
    var isWrongPassword = false
    var description: String { answer }
  }

  /// As real servers write them.
  static let refusals: [Refusal] = [
    .init(
      answer: "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833",
      status: 77, says: "a password for this program"),
    .init(answer: "NO [AUTHENTICATIONFAILED] LOGIN failed. (ocf12)", status: 77, says: "a password for this program"),
    .init(
      answer: "NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754",
      status: 77, says: "web browser"),
    .init(
      answer: "NO [WEBALERT https://example.com/x] Web login required.", status: 77,
      says: "open https://example.com/x in a web browser"),
    .init(answer: "NO [ALERT] Your account is not enabled for IMAP use.", status: 77, says: "switch IMAP on"),
    .init(answer: "NO [EXPIRED] That password isn't valid any more", status: 77, says: "set a new one"),
    .init(answer: "NO [PRIVACYREQUIRED] Connection isn't secure", status: 76, says: "--tls implicit"),
    .init(answer: "NO [NOPERM] no", status: 73, says: "may not log in"),
    .init(answer: "NO [CONTACTADMIN] Account suspended", status: 73, says: "ask the administrator"),
    .init(answer: "NO [SERVERBUG] oops", status: 73, says: "report it"),
    .init(answer: "NO [INUSE] too busy", status: 69, says: "try again later"),
    .init(answer: "NO [UNAVAILABLE] Temporary authentication failure", status: 69, says: "try again later"),
    .init(answer: "NO [LIMIT] Too many connections", status: 69, says: "close other connections"),
    .init(answer: "NO [ALERT] Too many simultaneous connections. (Failure)", status: 69, says: "close other"),
    .init(answer: "NO [THROTTLED] Account exceeded command or bandwidth limits", status: 69, says: "wait"),
    .init(
      answer: "NO [AUTHENTICATIONFAILED] Authentication failed.", status: 77, says: "check --user and the password",
      isWrongPassword: true),
    .init(answer: "NO LOGIN failed.", status: 77, says: "check --user and the password", isWrongPassword: true),
    .init(answer: "NO [AUTHORIZATIONFAILED] not as him", status: 77, says: "check --user", isWrongPassword: true),
    .init(answer: "BAD what", status: 77, says: "check --user and the password", isWrongPassword: true),
  ]

  private static func login(_ answer: String, _ capability: String, _ environment: [String: String]) async throws
    -> Tool.Result
  {
    let all = "IMAP4rev1 \(capability)"
    let server = try FunctionServer(greeting: "* OK [CAPABILITY \(all)] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("AUTHENTICATE") || line.contains("LOGIN") { return "\(tag) \(answer)\r\n" }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY \(all)\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    return try await Tool.run(
      ["list", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"],
      environment: environment)
  }

  @Test(arguments: refusals, ["", "SASL-IR AUTH=PLAIN"])
  func reasonsAreTold(_ refusal: Refusal, _ capability: String) async throws {
    let result = try await Self.login(refusal.answer, capability, ["IMAP_PASSWORD": "secret"])
    #expect(result.status == refusal.status, "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    #expect(result.error.contains(refusal.says), "\(result.error)")
    #expect(result.error.contains("user name or password") == refusal.isWrongPassword, "\(result.error)")
    // What the server says stands in the line, too: but that of BAD, which may repeat the password.
    let said = refusal.answer.drop { $0 != "]" }.dropFirst(2)
    #expect(said.isEmpty || result.error.contains(said), "\(result.error)")
  }

  /// The same reasons where an access token is what was sent.
  @Test(
    arguments: [
      ("NO [AUTHENTICATIONFAILED] no", 77, "refused the access token"),
      ("NO [ALERT] Your account is not enabled for IMAP use.", 77, "switch IMAP on"),
      ("NO [INUSE] too busy", 69, "try again later"), ("NO [CONTACTADMIN] suspended", 73, "ask the administrator"),
    ] as [(String, Int32, String)])
  func reasonsAreToldWithTokens(_ answer: String, _ status: Int32, _ says: String) async throws {
    let result = try await Self.login(answer, "SASL-IR AUTH=XOAUTH2", ["IMAP_OAUTH2_COMMAND": "echo token"])
    #expect(result.status == status, "\(result.error)")
    #expect(result.error.contains(says), "\(result.error)")
  }
}
