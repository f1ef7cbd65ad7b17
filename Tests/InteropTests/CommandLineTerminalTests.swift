import IMAPTestServer
import Synchronization
import Testing

/// What the tool shows on a terminal only.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineTerminalTests {
  /// A server whose only message never comes to its end.
  private func withHalfAMessage(_ body: (_ arguments: [String]) async throws -> Void) async throws {
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("RFC822.SIZE") { return "* 1 FETCH (UID 1 RFC822.SIZE 102400)\r\n\(tag) OK\r\n" }
      if line.contains("BODY") {
        return "* 1 FETCH (UID 1 BODY[] {102400}\r\n" + String(repeating: "x", count: 51_200)
      }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let folder = try TemporaryFolder()
    let password = try folder.write("password", "secret\n")
    try await body([
      "get", "1", "--output", folder.path + "/m.eml", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls",
      "none", "--user", "joe", "--password-file", password,
    ])
    #expect(folder.names == ["password"])
  }

  @Test func progressIsDrawnOnATerminal() async throws {
    try await withHalfAMessage { arguments in
      let terminal = try Terminal(arguments + ["--timeout", "60"], environment: [:])
      try await terminal.wait(for: "message 1  [###############---------------] 50K of 100K  ")
      // Again and again, in the place of the last one.
      try await terminal.wait(for: "\r\u{1b}[Kmessage 1  [")
      terminal.send("\u{3}")
      try await terminal.wait(for: "imap: interrupted; what was not complete is not there")
      #expect(await terminal.end().status == 130)
    }
  }

  /// A mailbox whose name has escape sequences, and is longer than a line.
  @Test(arguments: [60, 100, 300] as [UInt16]) func theBarKeepsToItsLine(_ columns: UInt16) async throws {
    let name = "a\u{1b}]0;title\u{7}b\u{9b}31m" + String(repeating: "long name ", count: 15)
    let examining = Mutex("")
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains(" LIST ") {
        return "* LIST () \"/\" {\(name.utf8.count)}\r\n\(name)\r\n\(tag) OK\r\n"
      }
      // Such a name is sent as a literal.
      if line.contains(" {") {
        examining.withLock { $0 = String(tag) }
        return "+ go\r\n"
      }
      if line.contains("long name") {
        return "* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(examining.withLock { $0 }) OK\r\n"
      }
      if line.contains("RFC822.SIZE") { return "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 102400)\r\n\(tag) OK\r\n" }
      if line.contains("BODY") {
        return "* 1 FETCH (UID 1 BODY[] {102400}\r\n" + String(repeating: "x", count: 51_200)
      }
      if line.contains(" CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let folder = try TemporaryFolder()
    let password = try folder.write("password", "secret\n")
    let terminal = try Terminal(
      [
        "sync", folder.path + "/mail", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user",
        "joe", "--password-file", password, "--timeout", "60",
      ], environment: [:], columns: columns)
    var shown = try await terminal.wait(for: "50K of 100K  ")
    shown += try await terminal.wait(for: "50K of 100K  ")
    terminal.send("\u{3}")
    shown += try await terminal.wait(for: "imap: interrupted")
    #expect(await terminal.end().status == 130)
    #expect(!shown.contains("\u{7}") && !shown.contains("\u{9b}"), "\(shown.debugDescription)")
    // The terminal itself shows the key.
    let lines = shown.replacing("^C", with: "").split(separator: "\r\u{1b}[K").filter { $0.contains("[#") }
    #expect(lines.count >= 2, "\(shown.debugDescription)")
    for line in lines { #expect(line.count < columns && !line.contains("\u{1b}"), "\(line.debugDescription)") }
    if columns == 300 { #expect(shown.contains("a?]0;title?b?31mlong name"), "\(shown.debugDescription)") }
  }

  /// The server is waited for two seconds, one more than it takes until a bar is drawn.
  @Test func progressIsNotDrawnInAPipe() async throws {
    try await withHalfAMessage { arguments in
      let result = try await Tool.run(arguments + ["--timeout", "2"])
      #expect(result.status == 75)
      #expect(result.output.isEmpty)
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      #expect(result.error.hasPrefix("imap: 127.0.0.1 took too long"), "\(result.error)")
    }
  }

  /// Some terminals do not tell how wide they are.
  @Test(arguments: [0, 40, 100] as [UInt16]) func tablesFitTheTerminal(_ columns: UInt16) async throws {
    let server = try await IMAPTestServer.start()
    let result: Result<Void, any Error>
    do {
      let subject = String(repeating: "long ", count: 40)
      _ = try await server.append(user: "user", message: .init("From: anna@example.org\nSubject: \(subject)\n\ntext\n"))
      let account = try ToolAccount(server)
      let terminal = try Terminal(["fetch"], environment: account.environment, columns: columns)
      let (output, status) = await terminal.end()
      #expect(status == 0)
      let lines = output.split(separator: "\r\n")
      #expect(lines.count == 2 && lines.first?.hasPrefix("UID  DATE") == true, "\(output)")
      #expect(lines.allSatisfy { !$0.contains("\t") && $0.count <= (columns == 0 ? 80 : Int(columns)) }, "\(output)")
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }
}
