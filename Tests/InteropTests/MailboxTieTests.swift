import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

/// Operations of several commands, and of commands that must wait for others, while another task opens another mailbox.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MailboxTieTests {
  enum Operation: String, CaseIterable, Sendable {
    case expunge, delete, move

    /// How many commands there are, on a server that has neither UIDPLUS nor MOVE.
    var count: Int {
      switch self {
      case .expunge: 5
      case .delete: 6
      case .move: 8
      }
    }

    func run(_ client: IMAPClient) async throws {
      switch self {
      case .expunge: try await client.expunge([1, 2])
      case .delete: try await client.delete([1, 2])
      case .move: try await client.move(.uids([1, 2]), to: "Archive")
      }
    }
  }

  /// A server with two mailboxes, of which it does not say what is in them. Of the commands that are neither SELECT nor NOOP the one
  /// with the number `held`, which counts from 0, waits to be released.
  private func server(holding held: Int) throws -> ScriptedServer {
    let state = Mutex((commands: 0, marks: 0))
    return try ScriptedServer(capabilities: "") { _, command in
      if command == "LOGOUT" { return ["* BYE"] }
      if command.hasPrefix("SELECT") || command == "NOOP" { return ["* 9 EXISTS"] }
      var lines: [String] = []
      let number = state.withLock { state in
        if command.hasPrefix("UID SEARCH") {
          // What else is marked is found once: then the mark is gone.
          if command.contains("DELETED") { state.marks += 1 }
          lines = [command.contains("DELETED") ? state.marks == 1 ? "* SEARCH 7" : "* SEARCH" : "* SEARCH 1 2"]
        }
        defer { state.commands += 1 }
        return state.commands
      }
      return number == held ? lines + ["HOLD"] : lines
    }
  }

  private func withClient(
    _ server: ScriptedServer, _ body: (IMAPClient) async throws -> Void
  ) async throws {
    defer { server.stop() }
    let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    try await IMAPClient.withClient(configuration) { client in
      try await client.select("A")
      try await body(client)
    }
  }

  /// Another mailbox is opened in the middle of it, at each step: it is opened when the operation is over.
  @Test(arguments: Operation.allCases.flatMap { operation in (0..<operation.count).map { (operation, $0) } })
  func theMailboxStaysWhileItIsChanged(_ operation: Operation, _ step: Int) async throws {
    let server = try server(holding: step)
    try await withClient(server) { client in
      let running = Task { try await operation.run(client) }
      await server.received(step + 1) { !$0.hasPrefix("SELECT") }
      let opening = await opening("B", client)
      server.release()
      try await running.value
      #expect(try await opening.value.name == "B")
      let commands = server.commands
      #expect(commands.count == operation.count + 2, "\(commands)")
      #expect(commands.last == #"SELECT "B""#, "\(commands)")
    }
  }

  /// Whoever has the mailbox for himself may open another one all the same. Then what is left of the operation is not done.
  @Test(arguments: Operation.allCases.flatMap { operation in (0..<operation.count - 1).map { (operation, $0) } })
  func whatIsLeftIsNotDoneInAnotherMailbox(_ operation: Operation, _ step: Int) async throws {
    let server = try server(holding: step)
    try await withClient(server) { client in
      try await client.withMailbox("A") { _ in
        let running = Task { try await operation.run(client) }
        await server.received(step + 1) { !$0.hasPrefix("SELECT") }
        let opening = await opening("B", client)
        server.release()
        await #expect { try await running.value } throws: { ($0 as? IMAPError)?.reason == .wrongState }
        let opened = try await opening.value
        #expect(opened.name == "B")
      }
      let commands = server.commands
      #expect(commands.count == step + 3, "\(commands)")
      #expect(commands.last == #"SELECT "B""#, "\(commands)")
    }
  }

  /// A command that has to wait for another one's answers, and is overtaken by SELECT.
  @Test func whatWaitsIsNotDoneInAnotherMailbox() async throws {
    let server = try server(holding: 0)
    try await withClient(server) { client in
      async let fetched = client.fetch(.sequence(.all), [.flags])
      await server.received("FETCH")
      // Given before the other mailbox is opened.
      let storing = Task.immediate { try await self.mark(client) }
      let opening = await opening("B", client)
      server.release()
      await #expect { try await storing.value } throws: { ($0 as? IMAPError)?.reason == .wrongState }
      #expect(try await opening.value.name == "B")
      #expect(try await fetched.isEmpty)
      // What is given now is for the mailbox that is open now.
      try await client.addFlags([.deleted], to: [1])
      #expect(server.commands.dropFirst(2).map { $0.prefix(10) } == [#"SELECT "B""#, "UID STORE "])
    }
  }

  /// A set that is too long for a line is done in parts, which is known when it is to be sent.
  @Test func whatIsTooLongIsNotDoneInAnotherMailbox() async throws {
    let uids = UIDSet((1...9000).map { UID(rawValue: $0 * 2) })
    let server = try server(holding: 0)
    try await withClient(server) { client in
      let expunging = Task { try await client.expunge() }
      await server.received("EXPUNGE")
      // Given before the other mailbox is opened.
      let copying = Task.immediate { _ = try await client.copy(.uids(uids), to: "Archive") }
      let searching = Task.immediate { _ = try await client.search(.uid(uids)) }
      let opening = await opening("B", client)
      server.release()
      try await expunging.value
      for task in [copying, searching] {
        await #expect { try await task.value } throws: { ($0 as? IMAPError)?.reason == .wrongState }
      }
      #expect(try await opening.value.name == "B")
      #expect(server.commands.map { $0.prefix(8) } == [#"SELECT ""#, "EXPUNGE", #"SELECT ""#])
    }
  }

  // MARK: Downloads

  /// A message of two pieces and a bit. The first is held back while a mailbox is opened.
  private func downloading(
    opening name: MailboxName, uidValidity: [Int],
    _ check: (IMAPClient, Task<UInt64, any Error>, String) async throws -> Void
  ) async throws -> [String] {
    let openings = Mutex(0)
    let server = try ScriptedServer(capabilities: "") { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "LOGOUT": return ["* BYE"]
      case "NOOP": return []
      case "SELECT":
        let number = openings.withLock { openings in
          defer { openings += 1 }
          return openings
        }
        return ["* 9 EXISTS", "* OK [UIDVALIDITY \(uidValidity[min(number, uidValidity.count - 1)])] x"]
      default: break
      }
      if command.hasSuffix("<0.4>])") || command.hasSuffix("<0.4>)") {
        return ["* 1 FETCH (UID 5 BODY[]<0> \"abcd\")", "HOLD"]
      }
      return ["* 1 FETCH (UID 5 BODY[]<4> \"ef\")"]
    }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("message").path
    try await withClient(server) { client in
      let running = Task { try await client.download(5, to: path, chunkSize: 4) }
      await server.received("UID FETCH")
      let opening = await opening(name, client)
      server.release()
      _ = try await opening.value
      try await check(client, running, path)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count <= 1)
    return server.commands.filter { $0.hasPrefix("UID") || $0.hasPrefix("SELECT") }
  }

  @Test func noFileIsMadeOfTwoMessages() async throws {
    let commands = try await downloading(opening: "B", uidValidity: [3]) { _, running, path in
      await #expect(throws: DownloadError.mailboxChanged(uid: 5, section: "")) { try await running.value }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
    #expect(commands.count == 3, "\(commands)")
  }

  @Test func anotherUIDValidityIsAnotherMailbox() async throws {
    let commands = try await downloading(opening: "A", uidValidity: [3, 4]) { _, running, path in
      await #expect(throws: DownloadError.mailboxChanged(uid: 5, section: "")) { try await running.value }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
    #expect(commands.count == 3, "\(commands)")
  }

  /// It is the same message.
  @Test func theSameMailboxMayBeOpenedAgain() async throws {
    let commands = try await downloading(opening: "A", uidValidity: [3]) { _, running, path in
      let count = try await running.value
      #expect(count == 6)
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text == "abcdef")
    }
    #expect(commands.count == 4, "\(commands)")
  }

  // MARK: What is open while SELECT is not over

  /// A SELECT that nobody waits for any more, on a server that says when it has left the mailbox from before.
  private func withCancelledSelect(
    _ select: (ScriptedServer, EventLoop) async throws -> (
      cancelled: Task<Void, any Error>, next: @Sendable () async throws -> Void
    )
  ) async throws -> [String] {
    let server = try ScriptedServer(capabilities: "CONDSTORE") { _, command in
      if command == "LOGOUT" { return ["* BYE"] }
      if command == #"SELECT "B""# { return ["HOLD"] }
      return command.hasPrefix("SELECT") ? ["* 9 EXISTS"] : []
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    let (cancelled, next) = try await select(server, loop)
    await server.received(#"SELECT "B""#)
    cancelled.cancel()
    await #expect { try await cancelled.value } throws: { ($0 as? IMAPError)?.reason == .cancelled }
    let marking = Task { try await next() }
    // Long enough for whoever does not wait.
    for _ in 0..<100 {
      await loop.run {}
      await Task.yield()
    }
    server.release(["* OK [CLOSED] x", "* 3 EXISTS"])
    try await marking.value
    #expect(await loop.shutdown().isClean)
    return server.commands.filter { $0 != "LOGOUT" }.map { String($0.prefix(10)) }
  }

  private static let expected = [#"SELECT "A""#, #"SELECT "B""#, #"SELECT "A""#, "UID STORE "]

  @Test func aPoolOpensTheMailboxAgain() async throws {
    let commands = try await withCancelledSelect { server, loop in
      let client = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
      var configuration = IMAPPool.Configuration(client: client) {
        .password(user: "user", password: Secret("password"))
      }
      configuration.maximum = 1
      let pool = IMAPPool(configuration, on: loop)
      try await pool.withClient(in: "A") { _ in }
      let cancelled = Task { _ = try await pool.withClient { try await $0.select("B") } }
      return (
        cancelled,
        {
          try await pool.withClient(in: "A") { client in
            #expect(await client.selected?.name == "A")
            try await client.addFlags([.deleted], to: [1])
          }
          await pool.close()
        }
      )
    }
    #expect(commands == Self.expected)
  }

  @Test func withMailboxOpensTheMailboxAgain() async throws {
    let commands = try await withCancelledSelect { server, loop in
      let client = try await IMAPClient.connect(
        .init(host: "127.0.0.1", port: server.port, security: .plain), on: loop)
      try await client.select("A")
      let cancelled = Task { _ = try await client.select("B") }
      return (
        cancelled,
        {
          try await client.withMailbox("A") { open in
            #expect(open.name == "A")
            try await client.addFlags([.deleted], to: [1])
          }
          await client.logout()
        }
      )
    }
    #expect(commands == Self.expected)
  }

  /// A task that outlives the body has nothing for itself any more.
  @Test func aTaskThatIsLeftOverWaitsLikeOthers() async throws {
    let server = try server(holding: .max)
    try await withClient(server) { client in
      let (go, isGoing) = AsyncStream.makeStream(of: Void.self)
      let left = try await client.withMailbox("A") { _ in
        Task {
          for await _ in go {}
          try await client.select("B")
        }
      }
      try await client.withMailbox("A") { _ in
        isGoing.finish()
        for _ in 0..<100 {
          try await client.noop()
          #expect(await client.selected?.name == "A")
        }
      }
      try await left.value
      #expect(await client.selected?.name == "B")
    }
  }

  private func mark(_ client: isolated IMAPClient) async throws {
    try await client.addFlags([.deleted], to: [1])
  }

  /// Opens a mailbox in another task, and returns when it was asked for.
  private func opening(_ name: MailboxName, _ client: IMAPClient) async -> Task<SelectedMailbox, any Error> {
    let (started, start) = AsyncStream.makeStream(of: Void.self)
    let task = Task { try await self.select(name, client, start) }
    for await _ in started {}
    // Behind the turn in which it was asked for.
    _ = await client.phase
    return task
  }

  private func select(
    _ name: MailboxName, _ client: isolated IMAPClient, _ start: AsyncStream<Void>.Continuation
  ) async throws -> SelectedMailbox {
    start.finish()
    return try await client.select(name)
  }
}
