import Foundation
import IMAPTestServer
import Synchronization
import Testing

@testable import imap

/// What comes on standard input, and what was meant by arguments that are empty.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineInputTests {
  private func withAccount(_ body: (ToolAccount, IMAPTestServer) async throws -> Void) async throws {
    let server = try await IMAPTestServer.start()
    let result: Result<Void, any Error>
    do {
      _ = try await server.append(user: "user", message: .init("Subject: one\n\ntext\n"))
      result = .success(try await body(try ToolAccount(server), server))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  /// Runs the tool with what `printf` makes of `input`: bytes that are no text.
  private static func run(_ arguments: [String], printf input: String, _ environment: [String: String]) async throws
    -> Tool.Result
  {
    let running = try Tool.Running(
      ["-c", "printf '\(input)' | \"$0\" \"$@\"", Tool.executable.path] + arguments,
      program: URL(fileURLWithPath: "/bin/sh"), environment: environment)
    running.closeInput()
    return await running.result()
  }

  // MARK: Criteria

  /// A variable of a script that is empty by mistake must not become all messages: what follows may delete them.
  @Test func emptyCriteriaAreNotAll() async throws {
    try await withAccount { imap, _ in
      for command in ["search", "sort", "thread"] {
        for criteria in [
          [""], ["unseen", ""], [" "], ["--query", ""], ["--query", " \t"], ["--raw", ""], ["--raw", "--query", ""],
          ["--raw", "--query", " "], ["--query", "()"], ["header:Subject="],
          ["--raw", "SUBJECT", ""],
        ] {
          let result = try await Tool.run([command] + criteria, environment: imap.environment)
          #expect(result.status == 64, "\(command) \(criteria): \(result.error)")
          #expect(result.output.isEmpty, "\(command) \(criteria): \(result.output)")
          #expect(result.error.split(separator: "\n").count == 1, "\(command) \(criteria): \(result.error)")
        }
      }
      let all = try await imap("search")
      #expect(all.status == 0 && all.output == "1\n", "\(all.error)")
      let empty = try await imap("search", "")
      #expect(
        empty.error == "imap: an empty text is no search criterion; write all for every message, or leave it out\n")
      #expect(try await imap("shell", "INBOX", input: "search \"\"\n").status == 64)
      // Neither are UIDs.
      for command in ["fetch", "headers", "get", "delete", "expunge"] {
        let result = try await imap(command, "")
        #expect(result.status == 64, "\(command): \(result.error)")
      }
    }
  }

  // MARK: Bytes

  @Test func passwordsAreBytes() async throws {
    let heard = Mutex("")
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      heard.withLock { $0 += line }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let result = try await Self.run(
      [
        "list", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe", "--password-stdin",
      ],
      printf: #"p\351ss\r\nx"#, [:])
    #expect(result.status == 0, "\(result.error)")
    let sent = Data([0] + Array("joe".utf8) + [0] + [0x70, 0xe9, 0x73, 0x73]).base64EncodedString()
    #expect(heard.withLock(\.self).contains(" AUTHENTICATE PLAIN \(sent)\r\n"), "\(heard.withLock(\.self))")
  }

  /// The commands of a shell may follow the password.
  @Test func thePasswordIsOneLine() async throws {
    try await withAccount { imap, server in
      let port = try #require(server.tlsPort)
      let account = ["--host", "localhost", "--port", "\(port)", "--user", "user", "--password-stdin"]
      let trust = ["--ca-file", imap.folder.path + "/ca.pem"]
      for input in ["password\nsearch -m INBOX\n", "password\r\nsearch -m INBOX\r\n", "password\nsearch -m INBOX"] {
        let result = try await Tool.run(["shell"] + account + trust, input: input)
        #expect(result.status == 0 && result.output == "1\n", "\(input): \(result.error)")
      }
      for input in ["", String(repeating: "x", count: 70_000) + "\n"] {
        let result = try await Tool.run(["list"] + account + trust, input: input)
        #expect(result.status == 74, "\(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      }
      // It is not shown as something that it is not.
      let both = try await Tool.run(["fetch", "-"] + account + trust, input: "password\n1\n")
      #expect(both.status == 64, "\(both.error)")
      #expect(both.error.contains("--password-file") && !both.error.contains("password names"), "\(both.error)")
    }
  }

  @Test func linesOfAShellAreText() async throws {
    try await withAccount { imap, _ in
      let script = #"create one\ncreate caf\351\ncreate two\n"#
      let result = try await Self.run(["shell"], printf: script, imap.environment)
      #expect(result.status == 64, "\(result.error)")
      #expect(result.error == "imap: line 2 is not UTF-8; write it in that encoding\n")
      #expect(
        try await imap("list").output.split(separator: "\n").map { $0.prefix(while: { $0 != "\t" }) } == [
          "INBOX", "one",
        ])
      let going = try await Self.run(["shell", "--keep-going"], printf: #"caf\351\ncreate two"#, imap.environment)
      #expect(going.status == 64, "\(going.error)")
      #expect(try await imap("list", "two").status == 0)
      // What cannot be read is not its end.
      let running = try Tool.Running(
        ["-c", "exec \"$0\" shell --keep-going < /", Tool.executable.path], program: URL(fileURLWithPath: "/bin/sh"),
        environment: imap.environment)
      running.closeInput()
      let folder = await running.result()
      #expect(folder.status == 74, "\(folder.error)")
      #expect(folder.error == "imap: cannot read the input: Is a directory\n")
    }
  }

  @Test func linesAreTakenApart() {
    let whole = Array("a\r\nb\n\nü \r\r\nlast".utf8)
    let expected: [InputLine] = [.text("a"), .text("b"), .text(""), .text("ü \r"), .text("last"), .end, .end]
    for size in 1...whole.count {
      var lines = InputLines()
      var found: [InputLine] = []
      for start in stride(from: 0, to: whole.count, by: size) {
        lines.add(Array(whole[start..<min(start + size, whole.count)]))
        while let line = lines.next() { found.append(line) }
      }
      lines.add([])
      while found.count < expected.count, let line = lines.next() { found.append(line) }
      #expect(found == expected, "\(size)")
    }
  }

  // MARK: Output

  /// A literal is a part of the answer.
  @Test func rawShowsAllOfAnAnswer() async throws {
    let literal = "Subject: a\u{1b}[31m\r\nX: \tb\r\n\r\n"
    let server = try ScriptedServer(
      capabilities: "",
      [
        ("EXAMINE", ["* 1 EXISTS"]), ("CAPABILITY", ["* CAPABILITY IMAP4rev1"]), ("XMORE", ["* XMORE x (y"]),
        (
          "UID FETCH",
          [
            "* 1 FETCH (UID 1 BODY[HEADER] {\(literal.utf8.count)}", "Subject: a\u{1b}[31m", "X: \tb", "",
            " FLAGS (\\Seen))",
          ]
        ),
      ])
    defer { server.stop() }
    let account = ["--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"]
    func raw(_ arguments: String...) async throws -> Tool.Result {
      try await Tool.run(["raw"] + account + arguments, environment: ["IMAP_PASSWORD": "secret"])
    }
    #expect(try await raw("XMORE").output == "* XMORE x (y\nOK done\n")
    let fetched = try await raw("-m", "INBOX", "UID FETCH 1 (BODY[HEADER] FLAGS)")
    #expect(fetched.status == 0, "\(fetched.error)")
    #expect(
      fetched.output == """
        * 1 FETCH (UID 1 BODY[HEADER] {\(literal.utf8.count)}
        Subject: a?[31m
        X:  b

         FLAGS (\\Seen))
        OK UID FETCH completed

        """)
    let json = try await raw("--json", "-m", "INBOX", "UID FETCH 1 (BODY[HEADER] FLAGS)")
    #expect(json.objects.count == 2, "\(json.output)")
  }

  /// As with all other commands: `head` may have read enough.
  @Test func aReaderThatGoesAwayIsNoFailure() async throws {
    try await withAccount { imap, _ in
      for options in [[], ["--keep-going"]] {
        let running = try Tool.Running(["shell"] + options, environment: imap.environment)
        running.closeOutput()
        running.write("list\nlist\n")
        running.closeInput()
        let result = await running.result()
        #expect(result.status == 0, "\(result.error)")
        #expect(result.error.isEmpty, "\(result.error)")
      }
      // What went wrong before stays.
      let running = try Tool.Running(["shell", "--keep-going"], environment: imap.environment)
      running.closeOutput()
      running.write("select nowhere\nlist\n")
      running.closeInput()
      #expect(await running.result().status == 66)
    }
  }
}
