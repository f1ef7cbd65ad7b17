import Foundation
import Synchronization
import Testing

@testable import imap

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What becomes of the tool, and of what it says, where a signal comes while it waits for something else than the server, or
/// while the server has a command that must not be done twice.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineInterruptionTests {
  private static let account = ["--host", "127.0.0.1", "--tls", "none", "--user", "joe", "--password-stdin"]

  /// A server that does `script` and says OK to everything else.
  private static func server(
    _ capabilities: String = "", _ script: @escaping @Sendable (_ tag: String, _ line: String) -> String?
  ) throws -> FunctionServer {
    let all = "IMAP4rev1 SASL-IR AUTH=PLAIN \(capabilities)"
    return try FunctionServer(greeting: "* OK [CAPABILITY \(all)] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first.map(String.init) else { return nil }
      if let answer = script(tag, line) { return answer }
      if line.contains(" CAPABILITY") { return "* CAPABILITY \(all)\r\n\(tag) OK\r\n" }
      if line.contains(" LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
  }

  /// A command that prints more than a pipe takes.
  enum Talkative: String, CaseIterable, Sendable {
    case get, watch, check, sync

    /// Where so much does not fit any more it is stuck, or soon will be.
    var length: Int {
      switch self {
      case .get: 1
      case .watch: 20
      case .check: 1000
      case .sync: 80
      }
    }

    func arguments(_ folder: TemporaryFolder) -> [String] {
      switch self {
      case .get: ["get", "1"]
      case .watch: ["watch", "--json"]
      case .check: ["check", "--json"]
      case .sync: ["sync", "--json", folder.path]
      }
    }

    func server() throws -> FunctionServer {
      let idle = Mutex("")
      return try CommandLineInterruptionTests.server("IDLE") { tag, line in
        switch self {
        case .get:
          if line.contains("RFC822.SIZE") { return "* 1 FETCH (UID 1 RFC822.SIZE 200000)\r\n\(tag) OK\r\n" }
          if line.contains("BODY") {
            return "* 1 FETCH (UID 1 BODY[] {200000}\r\n\(String(repeating: "x", count: 200_000)))\r\n\(tag) OK\r\n"
          }
        case .watch:
          if line.contains("IDLE") {
            idle.withLock { $0 = tag }
            return "+ idling\r\n" + (1...10_000).map { "* \($0) EXISTS\r\n" }.joined()
          }
          if line == "DONE\r\n" { return "\(idle.withLock { $0 }) OK\r\n" }
        case .check:
          // What fails is told with the server's reason.
          if line.contains("LIST") || line.contains("CREATE") || line.contains("NOOP") || line.contains("ID ") {
            return "\(tag) NO \(String(repeating: "no ", count: 300))\r\n"
          }
        case .sync:
          if line.contains("LIST") {
            return (1...100).map { "* LIST () \"/\" box\($0)\r\n" }.joined() + "\(tag) OK\r\n"
          }
          if line.contains("EXAMINE") { return "* 0 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n\(tag) OK\r\n" }
        }
        return nil
      }
    }
  }

  /// Nobody reads what these print, and one signal ends them all the same.
  @Test(arguments: Talkative.allCases) func oneSignalEndsWhatWaitsForAPipe(_ command: Talkative) async throws {
    let server = try command.server()
    defer { server.end() }
    let folder = try TemporaryFolder()
    let running = try Tool.Running(command.arguments(folder) + Self.account + ["--port", "\(server.port)"])
    running.narrowOutput()
    running.write("secret\n")
    running.closeInput()
    await running.outputIsFull(command.length)
    running.send(SIGTERM)
    let result = await running.resultUnread()
    #expect(result.status == 130, "\(result.error)")
    // Where the signal comes just before it is stuck, it may still say more.
    #expect(result.error.hasPrefix("imap: interrupted"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
  }

  @Test(arguments: [SIGTERM, SIGINT]) func oneSignalEndsAShellThatWaitsForAPipe(_ signal: Int32) async throws {
    let server = try Talkative.get.server()
    defer { server.end() }
    let running = try Tool.Running(
      ["shell"] + Self.account.dropLast() + ["--port", "\(server.port)"], environment: ["IMAP_PASSWORD": "secret"])
    running.narrowOutput()
    running.write("get 1 --mailbox INBOX\n")
    await running.outputIsFull(Talkative.get.length)
    running.send(signal)
    let result = await running.resultUnread()
    running.closeInput()
    #expect(result.status == 130, "\(result.error)")
    #expect(result.error.hasPrefix("imap: interrupted"), "\(result.error)")
  }

  /// A command that the server has, and whose answer does not come: doing it again may do it twice.
  @Test(arguments: [["append"], ["copy", "1", "Other"], ["store", "1", "--add", "seen"]])
  func whatMayHaveBeenDoneIsSaid(_ command: [String]) async throws {
    let folder = try TemporaryFolder()
    let file = command.count == 1 ? [try folder.write("m.eml", "hello\n")] : []
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let server = try Self.server { tag, line in
      if line.contains("SEARCH") { return "* SEARCH 1\r\n\(tag) OK\r\n" }
      if line.contains("APPEND") { return "+ go\r\n" }
      guard ["hello", "COPY", "STORE"].contains(where: { line.contains($0) }) else { return nil }
      ask.yield()
      return ""
    }
    defer { server.end() }
    let running = try Tool.Running(command + file + Self.account + ["--port", "\(server.port)"])
    running.write("secret\n")
    running.closeInput()
    for await _ in asked { break }
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    let name = command[0].uppercased()
    #expect(result.error == "imap: interrupted; whether the server has done \(name) is not known\n")
  }

  /// What is too long for a line is copied in parts, and what stops between two of them says which are copied.
  @Test(arguments: ["[COPYUID 7 1,3 11:12] ", ""], [true, false])
  func whatIsCopiedInPartIsSaid(_ code: String, _ isInterrupted: Bool) async throws {
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let copies = Mutex(0)
    // None of them stands in one range with another.
    let uids = stride(from: 1, to: 9999, by: 2).map { String($0) }.joined(separator: " ")
    let server = try Self.server { tag, line in
      if line.contains("SEARCH") { return "* SEARCH \(uids)\r\n\(tag) OK\r\n" }
      guard line.contains("COPY") else { return nil }
      let isFirst = copies.withLock { copies in
        copies += 1
        return copies == 1
      }
      if isFirst { return "\(tag) OK \(code)done\r\n" }
      ask.yield()
      return isInterrupted ? "" : "\(tag) NO [OVERQUOTA] full\r\n"
    }
    defer { server.end() }
    let running = try Tool.Running(["copy", "1:9999", "Other"] + Self.account + ["--port", "\(server.port)"])
    running.write("secret\n")
    running.closeInput()
    for await _ in asked { break }
    if isInterrupted { running.interrupt() }
    let result = await running.result()
    let what = code.isEmpty ? "some or all of the messages" : "UID 1,3"
    let said = "; \(what) were copied before that: doing it again copies them twice\n"
    #expect(result.error.hasSuffix(said), "\(result.error)")
    if isInterrupted {
      #expect(result.status == 130)
      #expect(
        result.error.hasPrefix("imap: interrupted; whether the server has done COPY is not known; "),
        "\(result.error)")
    } else {
      #expect(result.status == 73)
      #expect(result.error.hasPrefix("imap: 127.0.0.1 refused COPY"), "\(result.error)")
    }
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
  }

  /// What went wrong before the signal came is said, and is the status.
  @Test func aFailureBeforeTheSignalStays() async throws {
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let server = try Self.server("UIDPLUS") { tag, line in
      if line.contains("SEARCH") { return "* SEARCH 1\r\n\(tag) OK\r\n" }
      if line.contains("LOGOUT") {
        ask.yield()
        return ""
      }
      return nil
    }
    defer { server.end() }
    let running = try Tool.Running(["delete", "1,99"] + Self.account + ["--port", "\(server.port)"])
    running.write("secret\n")
    running.closeInput()
    for await _ in asked { break }
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 66, "\(result.error)")
    #expect(result.output == "1\n")
    #expect(result.error.contains("no message with UID 99; the others are done"), "\(result.error)")
  }

  /// In a shell Ctrl-C stops `get`, and the connection stays: it goes where the server is silent, or by a second Ctrl-C. The
  /// shell goes on in any case.
  @Test func aShellOutlivesGet() async throws {
    @Sendable func isBody(_ line: String) -> Bool { line.hasPrefix("UID FETCH") && line.contains("BODY") }
    let isStuck = Mutex(false)
    let server = try ScriptedServer(capabilities: "") { _, command in
      if command.hasPrefix("UID FETCH") {
        if !isBody(command) { return ["* 1 FETCH (UID 1 RFC822.SIZE 9)"] }
        isStuck.withLock { $0 = true }
        return ["* 1 FETCH (UID 1 BODY[] {9}", "Subj", "HOLD"]
      }
      switch command {
      case "CAPABILITY": return ["* CAPABILITY IMAP4rev1"]
      case "LOGOUT": return ["* BYE"]
      case "NOOP": return isStuck.withLock(\.self) ? ["HOLD"] : []
      default: return command.hasSuffix("INBOX") ? ["* 1 EXISTS", "* OK [UIDVALIDITY 7]"] : []
      }
    }
    defer { server.stop() }
    let folder = try TemporaryFolder()
    let password = try folder.write("password", "secret\n")
    let terminal = try Terminal(
      [
        "shell", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe",
        "--password-file", password, "--timeout", "60", "INBOX",
      ], environment: ["XDG_STATE_HOME": folder.path])
    try await terminal.wait(for: ":INBOX> ")
    terminal.send("get 1 -o \(folder.path)/m\r")
    await server.received(1) { isBody($0) }
    let asked = server.commands.count { $0 == "NOOP" }
    terminal.send("\u{3}")
    // The shell asks whether the server still answers.
    await server.received(asked + 1) { $0 == "NOOP" }
    isStuck.withLock { $0 = false }
    server.release(["abc)"])
    try await terminal.wait(for: "imap: interrupted; what was not complete is not there")
    try await terminal.wait(for: ":INBOX> ")
    terminal.send("capability\r")
    try await terminal.wait(for: "IMAP4REV1\r\n")
    #expect(server.connectionCount == 1)

    try await terminal.wait(for: ":INBOX> ")
    terminal.send("get 1 -o \(folder.path)/m\r")
    await server.received(2) { isBody($0) }
    terminal.send("\u{3}\u{3}")
    try await terminal.wait(for: "imap: interrupted")
    isStuck.withLock { $0 = false }
    try await terminal.wait(for: ":INBOX> ")
    terminal.send("capability\r")
    try await terminal.wait(for: "IMAP4REV1\r\n")
    #expect(server.connectionCount == 2)
    terminal.send("quit\r")
    #expect(await terminal.end().status == 0)
    #expect(!folder.names.contains("m"))
  }

  /// A command for the password goes with the tool, with all that it has started, also against its will.
  @Test(
    arguments: ["cat FIFO & wait", "(trap '' TERM INT; cat FIFO) & wait", "echo password; exec >/dev/null; cat FIFO"],
    [SIGTERM, SIGINT])
  func aSignalEndsHelpers(_ command: String, _ signal: Int32) async throws {
    let folder = try TemporaryFolder()
    let fifo = folder.path + "/fifo"
    #expect(unsafe mkfifo(fifo, 0o600) == 0)
    let running = try Tool.Running(
      ["list", "--host", "127.0.0.1", "--port", "1", "--tls", "none", "--user", "joe"],
      environment: ["IMAP_PASSWORD_COMMAND": command.replacing("FIFO", with: "'\(fifo)'")])
    running.closeInput()
    // Returns once its reader is there.
    let end = await blocking { unsafe open(fifo, O_WRONLY | O_CLOEXEC) }
    defer { close(end) }
    running.send(signal)
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    #expect(result.error == "imap: interrupted\n")
    // Returns once the reader has gone; what is longer than any test turns a hang into a failure.
    let isAlone = await blocking {
      var waiting = pollfd(fd: end, events: 0, revents: 0)
      return unsafe poll(&waiting, 1, 30_000) == 1
    }
    #expect(isAlone)
  }

  /// So does what asks for an access token.
  @Test(arguments: [SIGTERM, SIGINT]) func aSignalEndsARequestForAToken(_ signal: Int32) async throws {
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let web = try FunctionServer { request in
      if request.contains("grant_type=refresh_token") { ask.yield() }
      return nil
    }
    defer { web.end() }
    let environment = [
      "IMAP_OAUTH2": "yes", "IMAP_OAUTH2_CLIENT_ID": "i", "IMAP_OAUTH2_CLIENT_SECRET": "s",
      "IMAP_OAUTH2_REFRESH_TOKEN": "r", "IMAP_OAUTH2_TOKEN_URL": "http://127.0.0.1:\(web.port)/token",
    ]
    let running = try Tool.Running(
      ["list", "--host", "127.0.0.1", "--port", "1", "--tls", "none", "--user", "joe"], environment: environment)
    running.closeInput()
    for await _ in asked { break }
    running.send(signal)
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    #expect(result.error == "imap: interrupted\n")
  }

  /// On a terminal it may ask, and the key for the interruption is heard by both.
  @Test func aKeyEndsHelpersThatMayAsk() async throws {
    let folder = try TemporaryFolder()
    let fifo = folder.path + "/fifo"
    #expect(unsafe mkfifo(fifo, 0o600) == 0)
    let terminal = try Terminal(
      ["list", "--host", "127.0.0.1", "--port", "1", "--tls", "none", "--user", "joe"],
      environment: ["IMAP_PASSWORD_COMMAND": "echo asking >&2; cat '\(fifo)'"])
    try await terminal.wait(for: "asking")
    terminal.send("\u{3}")
    let end = await terminal.end()
    #expect(end.status == 130, "\(end.output)")
    #expect(end.output.contains("imap: interrupted"), "\(end.output)")
    #expect(unsafe open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 && errno == ENXIO)
  }

  /// The second signal ends all at once, with the same status whichever it is.
  @Test(arguments: [SIGTERM, SIGINT]) func theSecondSignalHasTheSameStatus(_ signal: Int32) async throws {
    let (ended, end) = AsyncStream.makeStream(of: Void.self)
    let server = try Self.server("IDLE") { tag, line in
      if line.contains("IDLE") { return "+ idling\r\n* 1 EXISTS\r\n" }
      guard line == "DONE\r\n" else { return nil }
      // The first has been heard. It waits for this one's answer.
      end.yield()
      return ""
    }
    defer { server.end() }
    let running = try Tool.Running(["watch"] + Self.account + ["--port", "\(server.port)"])
    running.write("secret\n")
    running.closeInput()
    #expect(await running.line() == "1 messages")
    running.send(signal)
    for await _ in ended { break }
    running.send(signal)
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
  }

  /// Those that come and go while others do, as commands that end do.
  @Test func manyAtOnce() async {
    let all = Interruption()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<2000 {
            let one = Interruption()
            one.come()
            await one.wait()
            #expect(Interruption.isSeenTo)
            one.finish()
          }
        }
      }
    }
    #expect(!all.hasCome)
    all.finish()
    await all.wait()
    #expect(!all.hasCome)
  }
}
