import Foundation
import IMAPTestServer
import Testing

/// `imap check`: it says what works, and leaves nothing behind.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineCheckTests {
  private static func mailboxes(_ imap: ToolAccount) async throws -> [String] {
    try await imap.json("list").compactMap { $0["mailbox"] as? String }
  }

  /// Runs the check against the account of `imap`. Returns the operations by how they went.
  private func check(_ imap: ToolAccount) async throws -> [String: [String]] {
    let before = try await Self.mailboxes(imap)
    let objects = try await imap.json("check")
    #expect(try await Self.mailboxes(imap) == before)
    for object in objects where object["result"] as? String != "pass" {
      #expect(object["reason"] as? String != nil, "\(object)")
      if object["result"] as? String == "fail" { Issue.record("\(object)") }
    }
    return Dictionary(grouping: objects) { $0["result"] as? String ?? "" }
      .mapValues { $0.compactMap { $0["operation"] as? String } }
  }

  @Test(arguments: ServerKind.all) func everyOperationPasses(_ kind: ServerKind) async throws {
    let server = try kind.start()
    let certificate = try String(contentsOfFile: server.certificateFile, encoding: .utf8)
    let imap = try ToolAccount(port: server.tlsPort, user: "joe", password: server.password, certificate: certificate)
    let results = try await check(imap)
    #expect(results["fail"] == nil, "\(results)")
    // Courier lacks what is newer.
    #expect((results["skip"] == nil) == (kind != .courier), "\(results)")
    #expect((results["pass"]?.count ?? 0) > (kind == .courier ? 25 : 40), "\(results)")
  }

  @Test func whatTheServerLacksIsSkipped() async throws {
    let server = try await IMAPTestServer.start()
    let imap = try ToolAccount(server)
    let results = try await check(imap)
    #expect(results["fail"] == nil, "\(results)")
    #expect(results["skip"]?.contains("sort") == true && results["skip"]?.contains("acl") == true, "\(results)")
    await server.shutdown()
  }

  /// A server that does something wrong: its IDs are not those of a mailbox that it was asked to make.
  @Test func whatIsWrongFails() async throws {
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      if line.contains("CREATE") { return "\(tag) NO [NOPERM] nobody may\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let result = try await Tool.run(
      [
        "check", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe",
        "--password-stdin", "--json",
      ], input: "secret\n")
    #expect(result.status == 1, "\(result.error)")
    #expect(result.error.isEmpty, "\(result.error)")
    let results = Dictionary(
      result.objects.map { ($0["operation"] as? String ?? "", $0["result"] as? String ?? "") }
    ) { $1 }
    #expect(results["noop"] == "pass")
    #expect(results["list"] == "fail" && results["create"] == "fail")
    #expect(results["append"] == "skip" && results["select"] == "skip")
  }

  /// A server that logs in and then says nothing more, at once or once mailboxes are there. No answer is given up in the time
  /// that the suite has: the interruption ends it.
  @Test(arguments: [false, true]) func interruptEndsIt(_ isLate: Bool) async throws {
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      var answered = ["AUTHENTICATE", "CAPABILITY"]
      if isLate { answered += ["NOOP", "LIST", "STATUS", "CREATE", "NAMESPACE", "RENAME"] }
      if answered.contains(where: { line.contains($0) }) { return "\(tag) OK\r\n" }
      ask.yield()
      return ""
    }
    defer { server.end() }
    let running = try Tool.Running([
      "check", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe",
      "--password-stdin", "--timeout", "600",
    ])
    running.write("secret\n")
    for await _ in asked { break }
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    #expect(result.error.hasPrefix("imap: interrupted; "), "\(result.error)")
    // What was made is there still, as far as anybody knows.
    #expect(result.error.contains(isLate ? "left are imap-check-" : "nothing is left"), "\(result.error)")
  }
}
