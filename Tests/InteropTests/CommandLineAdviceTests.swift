import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

@testable import imap

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the tool says where something goes wrong: the reason, and what helps.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineAdviceTests {
  private func withAccount(_ body: (ToolAccount) async throws -> Void) async throws {
    let server = try await IMAPTestServer.start()
    let result: Result<Void, any Error>
    do {
      _ = try await server.append(user: "user", message: .init("Subject: one\n\ntext\n"))
      result = .success(try await body(try ToolAccount(server)))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  @Test func adviceFits() async throws {
    try await withAccount { imap in
      let cases: [(arguments: [String], status: Int32, says: String)] = [
        (["search", "--raw", "FROB"], 64, "go wrong at FROB;"),
        (["search", "--raw", "UNSEEN", "FROB"], 64, "at FROB;"),
        (["search", "--raw", "X-GUID", "abc"], 64, "`imap raw --mailbox NAME UID SEARCH ...` sends any other"),
        (["search", "--query", "UNSEEN FRO", "--raw"], 64, "at FRO;"), (["search", "--raw", "FROM"], 64, "is missing"),
        (["raw", "FETCH", "1", "FLAGS"], 64, "FETCH needs a mailbox; open one by --mailbox"),
        (["raw", "uid search all"], 64, "UID SEARCH needs a mailbox; open one by --mailbox"),
        (["raw", "UID", "STORE", "1", "+FLAGS", "(\\Seen)"], 64, "UID STORE needs a mailbox; open one by --mailbox"),
        (["raw", "EXPUNGE"], 64, "EXPUNGE needs a mailbox; open one by --mailbox"),
        (["raw", ""], 64, "name a command, as in `imap raw NOOP`"),
        (["raw", "  "], 64, "name a command, as in `imap raw NOOP`"),
        (["raw", "\"STATUS\"", "INBOX"], 64, "\"STATUS\" is no name of a command"),
        (["raw", "(x)"], 64, "(x) is no name of a command"),
        (["raw", "login a b"], 64, "LOGIN changes"),
        (["list", "--port", "0"], 64, "--port must be from 1 to 65535"),
        (["list", "--config", "/no/such"], 74, "the configuration file /no/such: No such file or directory; check"),
        (["list", "--config", "/"], 74, "the configuration file /: Is a directory; check"),
        (["list", "--password-file", "/no/such"], 74, "the password file /no/such: No such file or directory; check"),
        (["list", "--config", "", "--socket", "/no/such"], 69, "check --socket and"),
        (["list", "--config", "", "--socket", "~"], 69, "check --socket and"),
        (["append", "/"], 74, "cannot read /: Is a directory"),
        (["append", ""], 74, "cannot read a file without a name:"),
        (["list", "--timeout", "1e30"], 64, "below 1000000"),
        (["list", "--ca-file", ""], 64, "--ca-file has no value; give one, or leave the option out"),
        (["list", "--password-file", ""], 64, "--password-file has no value;"),
        (["help", "lis"], 64, "no such command: lis; did you mean `imap help list`?"),
        (["help", "frobnicate"], 64, "no such command: frobnicate; `imap help` lists those there are"),
      ]
      for entry in cases {
        var environment = imap.environment
        if entry.arguments.contains("--config") { environment["IMAP_ACCOUNT"] = nil }
        let result = try await Tool.run(entry.arguments, environment: environment)
        #expect(result.status == entry.status, "\(entry.arguments): \(result.error)")
        #expect(result.error.contains(entry.says), "\(entry.arguments): \(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      }
      let both = try await imap.json("fetch", "1", "--structure", "--item", "FLAGS").first
      let items = both?["items"] as? [String: any Sendable]
      #expect(items?.keys.sorted() == ["BODYSTRUCTURE", "FLAGS", "UID"])
      let help = try await imap("shell", input: "help store\nhelp fetch\n")
      #expect(help.status == 0 && !help.output.contains(" -a "), "\(help.output)")
    }
  }

  /// The command of `raw` may be one word, or many.
  @Test func rawTakesACommandInOneWord() async throws {
    try await withAccount { imap in
      for command in [["STATUS INBOX (MESSAGES)"], ["status", "INBOX (MESSAGES)"], ["STATUS", "INBOX", "(MESSAGES)"]] {
        let result = try await Tool.run(["raw"] + command, environment: imap.environment)
        #expect(result.status == 0, "\(command): \(result.error)")
        #expect(result.output.hasPrefix("* STATUS INBOX (MESSAGES 1)\nOK"), "\(result.output)")
      }
      let search = try await imap("raw", "-m", "INBOX", "uid search subject \"one  two\"")
      #expect(search.status == 0 && search.output.hasPrefix("* SEARCH\n"), "\(search.output)\(search.error)")
    }
  }

  /// A command that changes something opens the mailbox for that, as all others do.
  @Test func rawChangesWhatItSays() async throws {
    try await withAccount { imap in
      let stored = try await imap("raw", "-m", "INBOX", "UID", "STORE", "1", "+FLAGS", "(\\Flagged)")
      #expect(stored.status == 0 && stored.output.contains("\\Flagged"), "\(stored.output)\(stored.error)")
      #expect(try await imap("search", "flagged").output == "1\n")
      // What reads does not, and so marks nothing as seen; unless that is what is wanted.
      #expect(try await imap("raw", "-m", "INBOX", "FETCH", "1", "BODY[]").status == 0)
      #expect(try await imap("search", "seen").output.isEmpty)
      #expect(try await imap("raw", "-m", "INBOX", "--read-write", "FETCH", "1", "BODY[]").status == 0)
      #expect(try await imap("search", "seen").output == "1\n")
      // In a shell it is the mailbox that is open.
      let script =
        "select INBOX\nraw UID STORE 1 +FLAGS.SILENT (\\Deleted)\nraw FETCH 1 FLAGS\nraw EXPUNGE\nsearch all\n"
      let shell = try await imap("shell", input: script)
      #expect(shell.status == 0, "\(shell.error)")
      #expect(shell.output.contains("\\Deleted"), "\(shell.output)")
      #expect(try await imap("search", "all").output.isEmpty)
      let none = try await imap("shell", input: "raw EXPUNGE\n")
      #expect(none.status == 64, "\(none.error)")
      #expect(
        none.error.contains("EXPUNGE needs a mailbox; open one by `select`, or name one by --mailbox"), "\(none.error)")
    }
  }

  /// Servers that say OK to what they do not do: Dovecot to STORE in a mailbox that was opened by EXAMINE.
  @Test(arguments: [["UID", "STORE", "1", "+FLAGS", "(\\Seen)"], ["uid expunge 1"], ["EXPUNGE"], ["MOVE", "1", "x"]])
  func rawOpensForChanging(_ command: [String]) async throws {
    let server = try ScriptedServer(
      capabilities: "UIDPLUS MOVE",
      [
        ("EXAMINE", ["* 3 EXISTS", "OK [READ-ONLY] done"]), ("UID STORE", []), ("UID EXPUNGE", []), ("EXPUNGE", []),
        ("MOVE", []),
      ])
    defer { server.stop() }
    let result = try await Tool.run(
      ["raw", "-m", "INBOX", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"]
        + command, environment: ["IMAP_PASSWORD": "secret"])
    #expect(result.status == 0, "\(result.error)")
    #expect(server.commands.contains("SELECT \"INBOX\""), "\(server.commands)")
  }

  /// Reading once more does no harm: nobody has to know whether it was done.
  @Test(arguments: [["get", "1"], ["fetch"], ["search", "all"], ["headers", "1"]])
  func whatWasReadIsNobodysConcern(_ command: [String]) async throws {
    let server = try FunctionServer(greeting: "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("EXAMINE") { return "* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(tag) OK\r\n" }
      if line.contains("CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      if line.contains("RFC822.SIZE"), command[0] == "get" {
        return "* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n\(tag) OK\r\n"
      }
      // It hangs up.
      return "\0"
    }
    defer { server.end() }
    let result = try await Tool.run(
      command + ["--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"],
      environment: ["IMAP_PASSWORD": "secret"])
    #expect(result.status == 69, "\(result.error)")
    #expect(result.error.contains("closed the connection") || result.error.contains("lost"), "\(result.error)")
    #expect(!result.error.contains("is not known"), "\(result.error)")
  }

  /// A mailbox is never called what nobody has typed.
  @Test func bytesThatAreNoTextAreRefused() async throws {
    try await withAccount { imap in
      let shell = ["-c", "exec \"$0\" create \"$(printf 'a\\377\\376')\"", Tool.executable.path]
      let running = try Tool.Running(
        shell, program: URL(fileURLWithPath: "/bin/sh"), environment: imap.environment)
      running.closeInput()
      let result = await running.result()
      #expect(result.status == 64)
      #expect(result.error.contains("argument 2 is not UTF-8"), "\(result.error)")
      #expect(try await imap("list").output.split(separator: "\n").count == 1)
    }
  }

  /// A command for the password that does not end is given up, and is not left behind.
  @Test func helpersHaveATime() async throws {
    try await withAccount { imap in
      let folder = try TemporaryFolder()
      for key in ["IMAP_PASSWORD_COMMAND", "IMAP_OAUTH2_COMMAND"] {
        let fifo = folder.path + "/" + key
        #expect(unsafe mkfifo(fifo, 0o600) == 0)
        // Nobody ever writes there.
        let environment = imap.environment.merging([key: "exec cat '\(fifo)'", "IMAP_TIMEOUT": "1"]) { $1 }
        let result = try await Tool.run(["list"], environment: environment)
        #expect(result.status == 75, "\(result.error)")
        #expect(result.error.contains("\(key.dropFirst(5).lowercased()) took too long"), "\(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
        // Its reader has gone with it.
        #expect(unsafe open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 && errno == ENXIO)
      }
    }
  }

  /// What it has started goes with it, also behind its back and against its will.
  @Test(arguments: [
    "cat FIFO & wait", "(trap '' TERM; cat FIFO) & echo soon; wait", "cat FIFO & exit", "cat FIFO & yes",
    "echo password; exec >/dev/null; cat FIFO",
  ])
  func helpersTakeTheirChildrenAlong(_ command: String) async throws {
    try await withAccount { imap in
      let folder = try TemporaryFolder()
      let fifo = folder.path + "/fifo"
      #expect(unsafe mkfifo(fifo, 0o600) == 0)
      let environment = imap.environment.merging(
        ["IMAP_PASSWORD_COMMAND": command.replacing("FIFO", with: "'\(fifo)'"), "IMAP_TIMEOUT": "1"]) { $1 }
      // Without a terminal, wherever the tests run.
      let running = try Tool.Running(
        ["-w", Tool.executable.path, "list"], program: URL(fileURLWithPath: "/usr/bin/setsid"),
        environment: environment)
      running.closeInput()
      let result = await running.result()
      #expect(result.status == 75, "\(result.error)")
      #expect(result.error.contains("password_command took too long"), "\(result.error)")
      // Its readers have gone with it.
      #expect(unsafe open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 && errno == ENXIO)
    }
  }

  /// Servers that refuse tokens, know no tokens, or end in the middle of a line.
  @Test func whatServersDo() async throws {
    let cases: [(capability: String, answer: String?, status: Int32, says: String, never: String)] = [
      ("AUTH=PLAIN", nil, 77, "no way to log in with what it is given", "their password"),
      ("AUTH=XOAUTH2", "NO [AUTHENTICATIONFAILED] no", 77, "access token", "password"),
      ("AUTH=XOAUTH2", "* LIST () \"/\" IN", 69, "before it was done; try again", "without a word"),
    ]
    for entry in cases {
      let all = "IMAP4rev1 SASL-IR \(entry.capability)"
      let server = try FunctionServer(greeting: "* OK [CAPABILITY \(all)] hi\r\n") { line in
        guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
        if line.contains("AUTHENTICATE"), let answer = entry.answer {
          return answer.hasPrefix("NO") ? "\(tag) \(answer)\r\n" : "\(tag) OK\r\n"
        }
        // It hangs up behind half of a line.
        if line.contains("LIST"), let answer = entry.answer { return answer + "\0" }
        if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
        if line.contains("CAPABILITY") { return "* CAPABILITY \(all)\r\n\(tag) OK\r\n" }
        return "\(tag) OK\r\n"
      }
      let result = try await Tool.run(
        ["list", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"],
        environment: ["IMAP_OAUTH2_COMMAND": "echo token"])
      server.end()
      #expect(result.status == entry.status, "\(entry): \(result.error)")
      #expect(result.error.contains(entry.says) && !result.error.contains(entry.never), "\(entry): \(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    }
  }

  private static func message(_ sequence: SequenceNumber, _ attributes: [FetchAttribute]) -> FetchResponse {
    FetchResponse(sequence: sequence, attributes: attributes)
  }

  /// `watch` tells people in words what happens.
  @Test func eventsInWords() {
    let events: [(MailboxEvent, String)] = [
      (.exists(3), "3 messages"), (.expunged(2), "message number 2 expunged"),
      (.changed(Self.message(1, [.uid(7), .flags([.seen]), .modSeq(9)])), "message number 1, UID 7: flags \\Seen"),
      (.changed(Self.message(4, [.flags([])])), "message number 4: no flags"),
      (.changed(Self.message(4, [.modSeq(9)])), "message number 4 changed"),
      (.changed(Self.message(4, [.rfc822Size(9)])), "message number 4: RFC822.SIZE 9"),
    ]
    for (event, text) in events { #expect(WatchCommand.text(event) == text) }
  }

  @Test(
    arguments: [
      ("", ".", ""), ("q", ".", "q"), ("é", ".", "é"), ("-", ".", "-"), ("/", "/", "/"), ("/q", "/", "/q"),
      ("q/", "q", "q/"), ("a/b", "a", "a/b"), ("a/b/c", "a/b", "a/b/c"), ("a/\u{301}", "a", "a/\u{301}"),
      ("~", ".", NSHomeDirectory()), ("~/", "~", NSHomeDirectory() + "/"), ("~/x", "~", NSHomeDirectory() + "/x"),
      ("~nobody-at-all/x", "~nobody-at-all", "~nobody-at-all/x"),
    ])
  func paths(_ path: String, _ folder: String, _ expanded: String) {
    #expect(FilePath.folder(path) == folder)
    #expect(FilePath.expanded(path) == expanded)
  }

  @Test(
    arguments: [
      ("lis", "list"), ("LIST", "list"), ("fecth", "fetch"), ("serach", "search"), ("cap", "capability"),
      ("remove", "remove-mailbox"), ("q", nil), ("", nil), ("frobnicate", nil), ("sel", "select"),
      (String(repeating: "x", count: 100_000), nil),
    ] as [(String, String?)])
  func nearest(_ word: String, _ name: String?) {
    let names = CommandGroups.mailboxes + CommandGroups.messages + CommandGroups.server
    #expect(UsageText.nearest(word, names.compactMap { $0.configuration.commandName }) == name)
  }
}
