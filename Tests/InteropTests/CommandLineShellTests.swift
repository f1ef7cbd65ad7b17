import Foundation
import IMAPStateMachine
import IMAPTestServer
import Testing

/// `imap shell`, by a pipe and on a terminal.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineShellTests {
  private func withAccount(
    _ configuration: IMAPTestServer.Configuration = .init(), _ body: (ToolAccount, IMAPTestServer) async throws -> Void
  ) async throws {
    let server = try await IMAPTestServer.start(configuration)
    let result: Result<Void, any Error>
    do { result = .success(try await body(try ToolAccount(server), server)) } catch { result = .failure(error) }
    await server.shutdown()
    try result.get()
  }

  private static func message(_ subject: String) -> IMAPTestServer.Configuration.Message {
    .init("From: Anna <anna@example.org>\nSubject: \(subject)\n\ntext\n")
  }

  // MARK: By a pipe

  @Test func commandsShareTheConnection() async throws {
    try await withAccount { imap, server in
      for subject in ["one", "two", "three"] {
        _ = try await server.append(user: "user", message: Self.message(subject))
      }
      let script = """
        # a comment, and an empty line

        create "My Box" Süd
        select INBOX
        search subject:one
        store - --add seen,flagged
        copy 1 "My Box"
        search -m 'My Box' all
        move 2 Süd
        search
        status INBOX "My Box" Süd
        raw UID FETCH 1 (UID FLAGS)
        raw STATUS "My Box" (MESSAGES)
        delete 3
        """
      let result = try await imap("shell", input: script)
      #expect(result.status == 0, "\(result.error)")
      #expect(result.error.isEmpty, "\(result.error)")
      let lines = result.output.split(separator: "\n").map { String($0) }
      #expect(lines.contains("mailbox\tINBOX"))
      #expect(lines.contains { $0.hasPrefix("1\t\\Seen \\Flagged") }, "\(lines)")
      #expect(lines.contains("INBOX UID 1\tMy Box UID 1"), "\(lines)")
      #expect(
        lines.contains { $0.hasPrefix("INBOX\t2\t") } && lines.contains { $0.hasPrefix("My Box\t1\t") }, "\(lines)")
      #expect(lines.contains { $0.hasPrefix("* 1 FETCH (UID 1 FLAGS (") }, "\(lines)")
      #expect(lines.contains { $0.contains("STATUS \"My Box\" (MESSAGES 1)") }, "\(lines)")
      #expect(lines.last == "3")
      let left = try await server.messages(user: "user").map(\.uid.rawValue)
      #expect(left == [1])
    }
  }

  @Test func firstFailureEndsAPipe() async throws {
    try await withAccount { imap, server in
      let script = "select nowhere\ncreate after\n"
      let result = try await imap("shell", input: script)
      #expect(result.status == 66, "\(result.error)")
      #expect(result.error.split(separator: "\n").count == 1 && result.error.contains("no such mailbox"))
      await #expect(throws: TestServerError.self) {
        _ = try await server.messages(user: "user", mailbox: .init("after"))
      }
      let going = try await imap("shell", "--keep-going", input: script + "nonsense\nselect after\n")
      #expect(going.status == 66, "\(going.error)")
      #expect(going.error.contains("no such command: nonsense"))
      #expect(going.output.contains("mailbox\tafter"))

      let cases: [(line: String, status: Int32, says: String)] = [
        ("nonsense", 64, "`help`"), ("search all", 64, "no mailbox is open"), ("select \"INBOX", 64, "not closed"),
        ("list --host other", 64, "one connection"), ("fetch -", 64, "last search"), ("json maybe", 64, "json on"),
        ("append -", 64, "name a file"), ("raw LOGIN a b", 64, "LOGIN changes"), ("store 1", 64, "--add"),
        ("select INBOX\nfetch 99", 66, "no message with UID 99"), ("raw NOSUCH", 73, "refused NOSUCH"),
        ("append /no/such/file", 74, "/no/such/file"), ("serve", 64, "no such command"),
      ]
      for entry in cases {
        let result = try await imap("shell", input: entry.line + "\n")
        #expect(result.status == entry.status, "\(entry.line): \(result.error)")
        #expect(result.error.contains(entry.says), "\(entry.line): \(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(entry.line): \(result.error)")
      }
      #expect(try await imap("shell", "nowhere", input: "list\n").status == 66)
      #expect(try await imap("shell", input: "quit\nnonsense\n").status == 0)
      #expect(try await imap("shell", input: "").status == 0)
    }
  }

  @Test func jsonAndHelp() async throws {
    try await withAccount { imap, server in
      _ = try await server.append(user: "user", message: Self.message("hello"))
      let script = "select\nfetch\nsearch all\ncopy 1 INBOX\nstatus\naccount\njson off\nsearch uid:1\n"
      let result = try await imap("shell", "--json", input: script)
      #expect(result.status == 0, "\(result.error)")
      #expect(result.objects.count == 6, "\(result.output)")
      #expect(result.objects[0]["uidNext"] as? Int == 2)
      #expect(result.objects[3]["target"] as? String == "INBOX")
      #expect(result.objects[5]["mailbox"] as? String == "INBOX")
      #expect(result.output.hasSuffix("\n1\n"))

      let help = try await imap("shell", input: "help\nhelp search\nhelp acl\nlist --help\nhelp acl set\n")
      #expect(help.status == 0, "\(help.error)")
      for text in [
        "remove-mailbox", "reconnect", "-m, --mailbox MAILBOX", "search [OPTIONS] [CRITERIA...]", "grantable",
        "list [OPTIONS] [PATTERN]", "acl set [OPTIONS] MAILBOX WHO RIGHTS",
      ] {
        #expect(help.output.contains(text), "\(text) in \(help.output)")
      }
      #expect(!help.output.contains("--password-file"))
    }
  }

  /// `-` names messages of the mailbox that was searched, and of no other one that has the same UIDs.
  @Test func whatWasFoundIsOfItsMailbox() async throws {
    try await withAccount { imap, server in
      let archive = MailboxName("Archive")
      try await server.create(user: "user", mailbox: archive)
      for mailbox in [MailboxName.inbox, archive] {
        for subject in ["one", "two"] {
          _ = try await server.append(user: "user", mailbox: mailbox, message: Self.message(subject))
        }
      }
      let commands = [
        "delete -", "expunge -", "store - --add seen", "copy - Archive", "move - Archive", "fetch -", "headers -",
        "get -",
      ]
      let wrong = ["select INBOX", "search -m Archive subject:one"] + commands
      let refused = try await imap("shell", "--keep-going", input: wrong.joined(separator: "\n") + "\n")
      #expect(refused.status == 64, "\(refused.error)")
      let errors = refused.error.split(separator: "\n")
      #expect(errors.count == commands.count && errors.allSatisfy { $0.contains("--mailbox Archive") }, "\(errors)")
      #expect(refused.output.hasSuffix("\n1\n"), "\(refused.output)")
      #expect(try await server.messages(user: "user").map(\.uid.rawValue) == [1, 2])
      #expect(try await server.messages(user: "user").allSatisfy { $0.flags.isEmpty })
      #expect(try await server.messages(user: "user", mailbox: archive).map(\.uid.rawValue) == [1, 2])

      // Also where another mailbox was entered meanwhile, and where the connection is another one.
      let script = """
        select INBOX
        search -m Archive subject:one
        reconnect
        select INBOX
        delete -m Archive -
        """
      let result = try await imap("shell", input: script)
      #expect(result.status == 0, "\(result.error)")
      #expect(try await server.messages(user: "user").map(\.uid.rawValue) == [1, 2])
      #expect(try await server.messages(user: "user", mailbox: archive).map(\.uid.rawValue) == [2])
    }
  }

  /// A mailbox that was made anew has other messages by the UIDs that were found.
  @Test func whatWasFoundIsGoneWithItsMailbox() async throws {
    try await withAccount { imap, server in
      let lists = MailboxName("Lists")
      try await server.create(user: "user", mailbox: lists)
      _ = try await server.append(user: "user", mailbox: lists, message: Self.message("old"))
      let running = try Tool.Running(["shell"], environment: imap.environment)
      running.write("select --read-write Lists\nsearch all\n")
      while let line = await running.line(), line != "1" {}
      await server.disconnectClients()
      try await server.delete(user: "user", mailbox: lists)
      try await server.create(user: "user", mailbox: lists)
      _ = try await server.append(user: "user", mailbox: lists, message: Self.message("new"))
      running.write("delete -\n")
      running.closeInput()
      let result = await running.result()
      #expect(result.status == 66, "\(result.error)")
      #expect(result.error.contains("search again"), "\(result.error)")
      #expect(try await server.messages(user: "user", mailbox: lists).map(\.uid.rawValue) == [1])
    }
  }

  /// The server ends the connection between two commands: the second has another one, with the mailbox open.
  @Test func lostConnectionsAreOpenedAgain() async throws {
    try await withAccount { imap, server in
      _ = try await server.append(user: "user", message: Self.message("hello"))
      let running = try Tool.Running(["shell"], environment: imap.environment)
      running.write("select INBOX\nsearch all\n")
      while let line = await running.line(), line != "1" {}
      await server.disconnectClients()
      running.write("search subject:hello\nreconnect\nsearch subject:hello\n")
      running.closeInput()
      let result = await running.result()
      #expect(result.status == 0, "\(result.error)")
      #expect(result.output == "1\n1\n", "\(result.output)")
    }
  }

  @Test func interruptEndsAPipe() async throws {
    try await withAccount { imap, _ in
      let running = try Tool.Running(["shell"], environment: imap.environment)
      running.write("capability\n")
      _ = await running.line()
      running.interrupt()
      let result = await running.result()
      #expect(result.status == 130, "\(result.error)")
      running.closeInput()
    }
  }

  // MARK: On a terminal

  private func withTerminal(
    _ mailboxes: [String] = [], _ body: (Terminal, IMAPTestServer, TemporaryFolder) async throws -> Void
  ) async throws {
    var configuration = IMAPTestServer.Configuration()
    let names = ["INBOX"] + mailboxes
    configuration.users = [.init("user", password: "password", mailboxes: names.map { .init(.init($0)) })]
    try await withAccount(configuration) { imap, server in
      let state = try TemporaryFolder()
      let terminal = try Terminal(
        ["shell"], environment: imap.environment.merging(["XDG_STATE_HOME": state.path]) { $1 })
      try await terminal.wait(for: "work> ")
      try await body(terminal, server, state)
    }
  }

  @Test func tabCompletes() async throws {
    try await withTerminal(["My Box", "Entwürfe"]) { terminal, _, _ in
      terminal.send("sel\tMy\t\r")
      try await terminal.wait(for: "mailbox         My Box")
      try await terminal.wait(for: "work:My Box> ")
      terminal.send("select Entw\t\r")
      try await terminal.wait(for: "work:Entwürfe> ")
      // The first Tab goes as far as all have in common, the second shows what there is.
      terminal.send("s\t\t")
      try await terminal.wait(for: "subscribe")
      try await terminal.wait(for: "work:Entwürfe> s")
      terminal.send("\u{15}fetch --str\t")
      try await terminal.wait(for: "ucture ")
      // Ctrl-C takes with it what the program has not read yet.
      terminal.send("\u{3}")
      try await terminal.wait(for: "^C")
      terminal.send("quit\r")
      #expect(await terminal.end().status == 0)
    }
  }

  @Test func historyComesBack() async throws {
    try await withTerminal { terminal, _, state in
      terminal.send("select INBOX\r")
      try await terminal.wait(for: "work:INBOX> ")
      terminal.send(" account\r")
      try await terminal.wait(for: "greeting")
      try await terminal.wait(for: "work:INBOX> ")
      terminal.send("raw login joe hunter2\r")
      try await terminal.wait(for: "cannot be sent")
      try await terminal.wait(for: "work:INBOX> ")
      terminal.send("\u{1b}[A\r")
      try await terminal.wait(for: "uidValidity")
      try await terminal.wait(for: "work:INBOX> ")
      terminal.send("\u{4}")
      #expect(await terminal.end().status == 0)
      let text = try String(contentsOfFile: state.path + "/imap/history", encoding: .utf8)
      #expect(text == "select INBOX\nselect INBOX\n", "\(text)")
    }
  }

  /// Who sees the prompt can press Ctrl-D: it is a key by then.
  @Test func controlDEndsAtThePrompt() async throws {
    for _ in 0..<5 {
      try await withTerminal { terminal, _, _ in
        terminal.send("\u{4}")
        #expect(await terminal.end().status == 0)
      }
    }
  }

  @Test func interruptClearsTheLine() async throws {
    try await withTerminal { terminal, server, _ in
      terminal.send("nonsense")
      try await terminal.wait(for: "nonsense")
      terminal.send("\u{3}")
      try await terminal.wait(for: "^C")
      try await terminal.wait(for: "work> ")
      terminal.send("select\r")
      let output = try await terminal.wait(for: "work:INBOX> ")
      #expect(!output.contains("no such command"), "\(output)")
      #expect(await server.connectionCount == 1)
      terminal.send("quit\r")
      #expect(await terminal.end().status == 0)
    }
  }

  @Test func newsComeAboveWhatIsTyped() async throws {
    try await withTerminal { terminal, server, _ in
      terminal.send("select INBOX\r")
      try await terminal.wait(for: "work:INBOX> ")
      terminal.send("search al")
      try await terminal.wait(for: "search al")
      while await server.idleCount == 0 { await Task.yield() }
      for subject in ["one", "two"] { _ = try await server.append(user: "user", message: Self.message(subject)) }
      try await terminal.wait(for: "in INBOX\r")
      // What was typed stands below.
      try await terminal.wait(for: "work:INBOX> search al")
      try await server.store(user: "user", uids: .init(.init(rawValue: 1)), .init(.add, [.flagged]))
      try await terminal.wait(for: "is \\Flagged")
      try await terminal.wait(for: "work:INBOX> search al")
      try await server.remove(user: "user", uids: .init(.init(rawValue: 1)))
      try await terminal.wait(for: "* 1 message expunged from INBOX")
      try await terminal.wait(for: "work:INBOX> search al")
      terminal.send("l\r")
      try await terminal.wait(for: "\n2\r\n")
      // A connection that was lost is said once, and the line stays.
      try await terminal.wait(for: "work:INBOX> ")
      while await server.idleCount == 0 { await Task.yield() }
      terminal.send("search all")
      try await terminal.wait(for: "search all")
      await server.disconnectClients()
      try await terminal.wait(for: "the next command connects again")
      try await terminal.wait(for: "work:INBOX> search all")
      terminal.send("\r")
      let output = try await terminal.wait(for: "\n2\r\n")
      #expect(!output.contains("connects again"))
      // While a command runs Ctrl-D is no key.
      try await terminal.wait(for: "work:INBOX> ")
      terminal.send("\u{4}")
      #expect(await terminal.end().status == 0)
    }
  }

  /// A command that the server does not answer ends by Ctrl-C, and the shell goes on.
  @Test(arguments: [false, true]) func interruptStopsACommand(hasHelper: Bool) async throws {
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("NAMESPACE") || line.contains("LSUB") {
        ask.yield()
        return nil
      }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let state = try TemporaryFolder()
    let password = try state.write("password", "secret\n")
    let terminal = try Terminal(
      [
        "shell", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe", "--timeout", "60",
      ] + (hasHelper ? [] : ["--password-file", password]),
      environment: ["XDG_STATE_HOME": state.path, "IMAP_PASSWORD_COMMAND": "cat '\(password)'"])
    try await terminal.wait(for: "> ")
    terminal.send("list --subscribed\r")
    for await _ in asked { break }
    terminal.send("\u{3}")
    try await terminal.wait(for: "interrupted")
    try await terminal.wait(for: "> ")
    // The server is still busy with the first one: the next has a connection of its own.
    terminal.send("capability\r")
    try await terminal.wait(for: "IMAP4REV1\r\n")
    terminal.send("quit\r")
    #expect(await terminal.end().status == 0)
  }
}
