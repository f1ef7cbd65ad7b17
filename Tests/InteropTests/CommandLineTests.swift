import Foundation
import IMAPLoop
import IMAPTestServer
import Testing

/// The `imap` tool as its users run it: a process with arguments, output and exit status.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineTests {
  private static let commands = [
    "list", "tree", "status", "select", "create", "rename", "remove-mailbox", "subscribe", "unsubscribe", "search",
    "sort", "thread", "fetch", "headers", "get", "append", "store", "copy", "move", "delete", "expunge", "watch",
    "sync",
    "capability", "id", "namespace", "quota", "acl", "metadata", "raw", "shell", "check", "decode",
    "serve", "demo", "completion",
  ]

  @Test(arguments: commands) func helpShowsAnExample(_ command: String) async throws {
    let result = try await Tool.run([command, "--help"])
    #expect(result.status == 0)
    #expect(result.output.contains("EXAMPLE"))
    #expect(result.output.contains("imap \(command) "))
  }

  /// docs/cli.md has a word on each command, and the statuses as the help has them.
  @Test func documentationIsComplete() async throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("docs/cli.md")
    let text = try String(contentsOf: path, encoding: .utf8)
    let help = try await Tool.run(["--help"]).output
    for command in Self.commands {
      #expect(text.contains("| `\(command)") || text.contains(", `\(command)"), "\(command)")
      #expect(help.contains("\n  \(command) "), "\(command)")
    }
    let statuses = try #require(help.components(separatedBy: "EXIT STATUS").last).split(separator: "\n")
    var count = 0
    for line in statuses {
      guard let match = line.wholeMatch(of: /\s*(\d+)\s+(.*\S)\s*/) else { continue }
      #expect(text.contains("| \(match.1) | \(match.2) |"), "\(line)")
      count += 1
    }
    #expect(count == 15)
  }

  @Test func everyCommandAgainstTheServerOfTheTool() async throws {
    let serve = try Tool.Running(
      ["serve", "--json", "--end-with-input", "--user", "joe:secret", "--mailbox", "Archive"])
    let ready = try #require(Self.object(await serve.line()))
    let tlsPort = try #require(ready["tlsPort"] as? Int)
    let caFile = try #require(ready["caFile"] as? String)
    #expect(!caFile.contains("//"))
    let directory = URL(fileURLWithPath: caFile).deletingLastPathComponent().path
    let mode = try FileManager.default.attributesOfItem(atPath: directory)[.posixPermissions] as? Int
    #expect(mode == 0o700, "\(directory)")
    let server = ["--host", "localhost", "--port", "\(tlsPort)", "--user", "joe", "--ca-file", caFile]
    let account = server + ["--password-stdin"]

    let list = try await Tool.run(["list", "--json"] + account, input: "secret\n")
    #expect(list.objects.map { $0["mailbox"] as? String } == ["Archive", "INBOX"])

    let file = FileManager.default.temporaryDirectory.appendingPathComponent("imap-test-\(UUID().uuidString).eml")
    defer { try? FileManager.default.removeItem(at: file) }
    let message = "From: a@example.org\nSubject: From the file\n\nBody\n"
    try message.write(to: file, atomically: true, encoding: .utf8)
    let append = try await Tool.run(
      ["append", "--json", "--flag", "\\Flagged", file.path] + account, input: "secret\n")
    #expect(append.status == 0, "\(append.error)")
    #expect(append.objects.first?["uids"] as? String == "1")

    let status = try await Tool.run(["status", "--json", "INBOX"] + account, input: "secret\n")
    #expect((status.objects.first?["items"] as? [String: Int])?["MESSAGES"] == 1)

    let search = try await Tool.run(
      ["search", "--json", "--raw"] + account + ["FLAGGED", "SUBJECT", "from the"], input: "secret\n")
    #expect(search.objects.first?["uids"] as? [Int] == [1], "\(search.error)")

    let fetch = try await Tool.run(["fetch", "--json", "--structure", "1:*"] + account, input: "secret\n")
    let items = fetch.objects.first?["items"] as? [String: any Sendable]
    #expect((items?["ENVELOPE"] as? [String: any Sendable])?["subject"] as? String == "From the file")
    #expect((items?["BODYSTRUCTURE"] as? [String: any Sendable])?["octets"] as? Int == 6)

    let raw = try await Tool.run(["fetch", "--raw", "1"] + account, input: "secret\n")
    #expect(Array(raw.output.utf8) == Array(message.replacingOccurrences(of: "\n", with: "\r\n").utf8))

    serve.closeInput()
    #expect(await serve.result().status == 0)
    #expect(!FileManager.default.fileExists(atPath: directory))
  }

  @Test func watchPrintsEventsAndLogsOutOnInterrupt() async throws {
    let server = try await IMAPTestServer.start()
    let certificate = FileManager.default.temporaryDirectory.appendingPathComponent("imap-\(UUID().uuidString).pem")
    try server.certificatePEM.write(to: certificate, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: certificate) }
    let watch = try Tool.Running([
      "watch", "--json", "--host", "127.0.0.1", "--port", "\(try #require(server.tlsPort))", "--user", "user",
      "--password-stdin", "--ca-file", certificate.path,
    ])
    watch.write("password\n")
    #expect(Self.object(await watch.line())?["count"] as? Int == 0)
    _ = try await server.append(user: "user", message: .init("Subject: hello\n\n"))
    while let line = await watch.line() {
      let event = try #require(Self.object(line))
      if event["event"] as? String == "exists" {
        #expect(event["count"] as? Int == 1)
        break
      }
    }
    watch.interrupt()
    let result = await watch.result()
    #expect(result.status == 0, "\(result.error)")
    await server.shutdown()
  }

  @Test func eachFailureHasItsOwnStatusAndOneLine() async throws {
    let server = try await IMAPTestServer.start()
    let tlsPort = "\(try #require(server.tlsPort))"
    let certificate = FileManager.default.temporaryDirectory.appendingPathComponent("imap-\(UUID().uuidString).pem")
    try server.certificatePEM.write(to: certificate, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: certificate) }
    let trusted = ["--ca-file", certificate.path]
    let port = ["--port", tlsPort]
    let account = ["--user", "user", "--password-stdin"]
    let closed = try FreePort.pair().0

    let cases: [(arguments: [String], input: String, status: Int32, says: String)] = [
      (["list", "--host", "127.0.0.1"] + port + account + trusted, "wrong\n", 77, "password"),
      (["list", "--host", "no.such.host.invalid"] + account, "password\n", 68, "unknown host"),
      (["list", "--host", "127.0.0.1"] + port + account, "password\n", 76, "--ca-file"),
      (["list", "--host", "127.0.0.1", "--port", "\(closed)"] + account, "password\n", 69, "--port"),
      (
        ["fetch", "--mailbox", "nowhere", "--host", "127.0.0.1"] + port + account + trusted, "password\n", 66,
        "no such mailbox"
      ),
      (["status", "nowhere", "--host", "127.0.0.1"] + port + account + trusted, "password\n", 66, "no such mailbox"),
      (["list", "--host", "127.0.0.1", "--user", "x", "--password-file", "/no/such/file"], "", 74, "/no/such/file"),
      (["list", "--host", "127.0.0.1"], "", 64, "--user"), (["lis"], "", 64, "did you mean `imap list`?"),
      (["serach", "all"], "", 64, "`imap search`?"), (["acl", "gte"], "", 64, "`imap acl get`?"),
      (["frobnicate"], "", 64, "`imap --help` lists"), (["list", "--host"], "", 64, "`imap list --help` shows how"),
      (["list", "--frob"], "", 64, "--frob"), (["store", "1"], "", 64, "say what to change"),
      (["store"], "", 64, "`imap store --help`"), (["status", "--item", "frob"], "", 64, "frob"),
      (["list", "--tls", "frob"], "", 64, "starttls"), (["list", "--port", "high"], "", 64, "--port"),
      (["--frob"], "", 64, "`imap --help`"), (["acl", "set", "--frob"], "", 64, "`imap acl set --help`"),
      (["fetch", "--raw", "--json"], "", 64, "not both"), (["delete"], "", 64, "uids"),
      (["list", "--timeout", "1e30"], "", 64, "below 1000000"), (["list", "--timeout", "0"], "", 64, "above 0"),
      (["decode", "--split", "0"], "", 64, "--split must be"), (["completion", "csh"], "", 64, "fish"),
    ]
    for entry in cases {
      let result = try await Tool.run(entry.arguments, input: entry.input)
      #expect(result.status == entry.status, "\(entry.arguments): \(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      #expect(result.error.contains(entry.says), "\(result.error)")
      #expect(result.output.isEmpty)
    }
    for arguments in [["--help"], ["help", "list"], ["acl", "set", "--help"], []] {
      let help = try await Tool.run(arguments)
      #expect(help.status == 0 && help.error.isEmpty, "\(arguments): \(help.error)")
      #expect(help.output.contains("USAGE: imap") && help.output.contains("OPTIONS:"), "\(arguments)")
    }
    await server.shutdown()
  }

  @Test func serveMakesMailboxesByNumber() async throws {
    let serve = try Tool.Running([
      "serve", "--json", "--end-with-input", "--user", "joe:secret", "--mailbox-count", "3000", "--mailbox-prefix", "m",
    ])
    let ready = try #require(Self.object(await serve.line()))
    let port = try #require(ready["port"] as? Int)
    let account = ["--host", "127.0.0.1", "--port", "\(port)", "--tls", "none", "--user", "joe", "--password-stdin"]
    let list = try await Tool.run(["list", "--json"] + account, input: "secret\n")
    #expect(
      Set(list.objects.compactMap { $0["mailbox"] as? String }) == Set((0..<3000).map { "m\($0)" } + ["INBOX"]))
    serve.closeInput()
    #expect(await serve.result().status == 0)
  }

  /// In the place of a pipe, or of a link, no certificate is put.
  @Test func serveWritesTheCertificateWhereItIsWanted() async throws {
    let folder = try TemporaryFolder()
    #expect(unsafe mkfifo(folder.path + "/pipe", 0o600) == 0)
    let reader = unsafe open(folder.path + "/pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    defer { close(reader) }
    try folder.write("target", "old")
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "target")
    var kinds: [mode_t] = []
    for name in ["pipe", "link"] {
      let serve = try Tool.Running(["serve", "--json", "--end-with-input", "--ca-file", "\(folder.path)/\(name)"])
      let ready = try #require(Self.object(await serve.line()))
      #expect(ready["caFile"] as? String == "\(folder.path)/\(name)")
      serve.closeInput()
      #expect(await serve.result().status == 0)
      var information = stat()
      #expect(unsafe lstat("\(folder.path)/\(name)", &information) == 0)
      kinds.append(information.st_mode & S_IFMT)
    }
    #expect(kinds == [S_IFIFO, S_IFLNK])
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(unsafe read(reader, &bytes, bytes.count) == 10 && bytes == Array("-----BEGIN".utf8))
    #expect(folder.bytes("target")?.starts(with: Array("-----BEGIN".utf8)) == true)
    #expect(folder.names == ["link", "pipe", "target"])
    for name in ["", folder.path] {
      let refused = try await Tool.run(["serve", "--ca-file", name])
      #expect(refused.status == (name.isEmpty ? 64 : 74), "\(refused.error)")
    }
  }

  @Test func demoDeliversEverything() async throws {
    let result = try await Tool.run(["demo", "--json", "--connections", "50", "--messages", "40"])
    #expect(result.status == 0, "\(result.error)")
    let report = try #require(result.objects.first)
    #expect(report["connections"] as? Int == 50)
    #expect(report["duplicates"] as? Int == 0)
    let delivered = try #require(report["delivered"] as? Int)
    #expect(delivered == report["expected"] as? Int)
    #expect(delivered >= 80)
  }

  private static func object(_ line: String?) -> [String: any Sendable]? {
    guard let line else { return nil }
    return (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: any Sendable]
  }
}
