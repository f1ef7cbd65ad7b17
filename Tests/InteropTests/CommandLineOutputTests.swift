import Foundation
import IMAPTestServer
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where the output of the `imap` tool goes, and what a signal does to it.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineOutputTests {
  private let account = ["--user", "user", "--password-stdin", "--insecure", "--host", "127.0.0.1"]

  private func withServer(
    _ configuration: IMAPTestServer.Configuration = .init(), _ body: (IMAPTestServer, [String]) async throws -> Void
  ) async throws {
    let server = try await IMAPTestServer.start(configuration)
    let result: Result<Void, any Error>
    do {
      result = .success(try await body(server, account + ["--port", "\(try #require(server.tlsPort))"]))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  /// Every subcommand and every option of the tool stands in its documentation.
  @Test func documentationIsComplete() async throws {
    struct Dump: Decodable {
      struct Name: Decodable { var kind: String, name: String }
      struct Argument: Decodable {
        var shouldDisplay: Bool, abstract: String?, names: [Name]?
      }
      struct Command: Decodable {
        var commandName: String, abstract: String?, shouldDisplay: Bool?, arguments: [Argument]?
        var subcommands: [Command]?
      }
      var command: Command
    }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try ["cli.md", "decode.md", "service.md"].map {
      try String(contentsOf: root.appendingPathComponent("docs/\($0)"), encoding: .utf8)
    }.joined()
    func has(_ word: String) throws -> Bool {
      let pattern = "(?<![a-z-])" + NSRegularExpression.escapedPattern(for: word) + "(?![a-z-])"
      let expression = try NSRegularExpression(pattern: pattern)
      return expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
    }
    let dump = try await Tool.run(["--experimental-dump-help"])
    var waiting = [try JSONDecoder().decode(Dump.self, from: Data(dump.output.utf8)).command]
    var count = 0
    while let command = waiting.popLast() {
      if command.commandName == "help" || command.shouldDisplay == false { continue }
      #expect(try has(command.commandName), "\(command.commandName) is not in docs/cli.md")
      #expect(command.abstract?.isEmpty == false, "\(command.commandName) does not say what it does")
      for argument in command.arguments ?? [] where argument.shouldDisplay {
        for name in argument.names ?? [] where name.kind == "long" {
          count += 1
          #expect(try has("--" + name.name), "--\(name.name) of \(command.commandName) is not in docs/cli.md")
          #expect(argument.abstract?.isEmpty == false, "--\(name.name) of \(command.commandName) has no help")
        }
      }
      waiting += command.subcommands ?? []
    }
    #expect(count > 500)
  }

  @Test func outputThatCannotBeWrittenFails() async throws {
    try await withServer { server, account in
      for _ in 0..<3 { _ = try await server.append(user: "user", message: .init("Subject: hello\n\ntext\n")) }
      let commands = [["fetch", "--raw", "2"], ["fetch"], ["fetch", "--json"], ["list"], ["search"], ["status"]]
      for command in commands {
        for path in ["/dev/full", nil] {
          let result = try await Tool.run(command + account, input: "password\n", outputTo: path)
          #expect(result.status == 74, "\(command) to \(path ?? "nowhere"): \(result.error)")
          #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
          #expect(result.error.contains("cannot write the output"), "\(result.error)")
        }
      }
      for command in [["--help"], ["help"], ["--version"], ["sync", "--help"], ["help", "sync"]] {
        for path in ["/dev/full", nil] {
          let result = try await Tool.run(command, input: "", outputTo: path)
          #expect(result.status == 74, "\(command) to \(path ?? "nowhere"): \(result.error)")
          #expect(result.error.contains("cannot write the output"), "\(result.error)")
        }
      }
      let decode = try await Tool.run(["decode"], input: "* OK hi\r\n", outputTo: "/dev/full")
      #expect(decode.status == 74)
    }
  }

  @Test func readerThatGoesAwayIsNoFailure() async throws {
    try await withServer { server, account in
      let body = String(repeating: "0123456789abcdef\n", count: 200_000)
      _ = try await server.append(user: "user", message: .init("Subject: long\n\n" + body))
      for command in [["fetch", "--raw"], ["list"]] {
        let running = try Tool.Running(command + account)
        running.closeOutput()
        running.write("password\n")
        running.closeInput()
        let result = await running.result()
        #expect(result.status == 0, "\(command): \(result.error)")
        #expect(result.error.isEmpty)
      }
    }
  }

  @Test func noEscapeSequenceReachesTheTerminal() async throws {
    let name = "a\u{1b}]0;title\u{7}b\u{9b}31m"
    var configuration = IMAPTestServer.Configuration()
    configuration.users = [.init("user", password: "password", mailboxes: [.init("INBOX"), .init("x\u{9b}31m")])]
    try await withServer(configuration) { _, account in
      let list = try await Tool.run(["list"] + account, input: "password\n")
      #expect(list.output.split(separator: "\n").contains { $0.hasPrefix("x?31m") }, "\(list.output)")
      let json = try await Tool.run(["list", "--json"] + account, input: "password\n")
      #expect(json.objects.contains { $0["mailbox"] as? String == "x\u{9b}31m" })
      let error = try await Tool.run(["append", name] + account, input: "password\n")
      #expect(error.status == 74)
      #expect(error.error.contains("a?]0;title?b?31m"), "\(error.error)")
    }
  }

  /// One field per tab, one line per mailbox, whatever these are called.
  @Test(arguments: [["list"], ["list", "--status"], ["tree"], ["tree", "--status"], ["sync"]])
  func tabsAndLineBreaksInNames(_ command: [String]) async throws {
    let name = "a\tb\nc\rd\u{85}e"
    let server = try FunctionServer(greeting: "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      let literal = "{\(name.utf8.count)}\r\n\(name)"
      if line.contains(" LIST ") { return "* LIST () \"/\" plain\r\n* LIST () \"/\" \(literal)\r\n\(tag) OK\r\n" }
      if line.contains(" STATUS ") {
        let name = line.contains("plain") ? "plain" : literal
        return "* STATUS \(name) (MESSAGES 1 UNSEEN 0 UIDNEXT 2 UIDVALIDITY 7)\r\n\(tag) OK\r\n"
      }
      if line.contains(" EXAMINE ") { return "* 0 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(tag) OK\r\n" }
      if line.contains(" CAPABILITY") { return "* CAPABILITY IMAP4rev1\r\n\(tag) OK\r\n" }
      // A name with a line break is sent as a literal.
      if line.contains(" {") { return "+ go\r\n" }
      if line.contains(" LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let folder = try TemporaryFolder()
    let arguments = command + (command == ["sync"] ? [folder.path] : [])
    let result = try await Tool.run(
      arguments + ["--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"],
      environment: ["IMAP_PASSWORD": "secret"])
    #expect(result.status == 0, "\(result.error)")
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(lines.count == 2, "\(result.output)")
    let tabs = Set(lines.map { line in line.unicodeScalars.count { $0 == "\t" } })
    #expect(tabs.count == 1, "\(result.output)")
    #expect(!result.output.unicodeScalars.contains { $0 == "\r" || $0 == "\u{85}" }, "\(result.output)")
    #expect(result.output.contains("a b?c?d?e"), "\(result.output)")
  }

  @Test func missingMessagesAndFiles() async throws {
    try await withServer { _, account in
      for command in [["fetch", "999"], ["fetch", "--raw", "7:9"], ["fetch", "--json", "999"]] {
        let result = try await Tool.run(command + account, input: "password\n")
        #expect(result.status == 66, "\(command): \(result.error)")
        #expect(result.error.split(separator: "\n").count == 1 && result.error.contains("no message"))
      }
      for command in [["fetch"], ["fetch", "--raw", "999:*"]] {
        let result = try await Tool.run(command + account, input: "password\n")
        #expect(result.status == 0 && result.error.isEmpty && result.output.isEmpty, "\(command): \(result.error)")
      }
    }
    // Told before anybody is asked to connect: nobody listens there.
    let nowhere = ["list", "--host", "127.0.0.1", "--port", "1", "--user", "user", "--password-stdin"]
    let result = try await Tool.run(nowhere + ["--ca-file", "nofile"], input: "password\n")
    #expect(result.status == 74)
    #expect(result.error.contains("cannot read nofile"))
  }

  /// What is run against servers that stop talking.
  private static let interrupted = [
    ["list"], ["fetch"], ["fetch", "--raw", "1"], ["search", "all"], ["watch"], ["check"], ["capability"],
    ["append", "-m", "INBOX", #filePath],
  ]

  /// A server that accepts and says nothing.
  @Test(arguments: interrupted) func interruptEndsWhatWaitsForTheServer(_ command: [String]) async throws {
    let (listener, port) = try FreePort.listener()
    defer { close(listener) }
    let running = try Tool.Running(command + account + ["--port", "\(port)", "--tls", "none"])
    running.write("password\n")
    // The tool has connected: from here on it waits.
    let connection = await blocking { accept(listener, nil, nil) }
    defer { close(connection) }
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130)
    #expect(result.error == "imap: interrupted\n")
  }

  /// A server that logs in everybody and then says nothing more, or half of a message.
  @Test(arguments: interrupted.filter { !["watch", "check", "capability"].contains($0[0]) })
  func interruptEndsWhatWaitsForAnAnswer(_ command: [String]) async throws {
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("EXAMINE") { return "* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(tag) OK\r\n" }
      if ["AUTHENTICATE", "CAPABILITY"].contains(where: { line.contains($0) }) { return "\(tag) OK\r\n" }
      defer { ask.yield() }
      return line.contains("BODY") ? "* 1 FETCH (UID 1 BODY[] {9}\r\nSubj" : ""
    }
    defer { server.end() }
    let running = try Tool.Running(command + account + ["--port", "\(server.port)", "--tls", "none"])
    running.write("password\n")
    for await _ in asked { break }
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130)
    // Of a command that changes something that is said where it may have been done.
    let mayBeDone = "imap: interrupted; whether the server has done \(command[0].uppercased()) is not known\n"
    let expected = ["imap: interrupted\n"] + (command[0] == "append" ? [mayBeDone] : [])
    #expect(expected.contains(result.error), "\(result.error)")
  }

  /// What an answer may take is what --timeout says.
  @Test func timeoutHoldsForAnswers() async throws {
    let (listener, port) = try FreePort.listener()
    defer { close(listener) }
    let running = try Tool.Running(
      ["list"] + account + ["--port", "\(port)", "--tls", "none", "--timeout", "1"])
    running.write("password\n")
    let connection = await blocking { accept(listener, nil, nil) }
    defer { close(connection) }
    let greeting = Array("* OK [CAPABILITY IMAP4rev1] hi\r\n".utf8)
    #expect(unsafe send(connection, greeting, greeting.count, Int32(MSG_NOSIGNAL)) == greeting.count)
    #expect(await running.result().status == 75)
  }
}
