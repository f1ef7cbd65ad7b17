import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Synchronization
import Testing

/// Messages that are marked deleted on a server that has EXPUNGE alone, and sets that are too long for a line.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MarkTests {
  /// A client with INBOX open, and so many messages in it, on a server without UIDPLUS and MOVE.
  private func withMessages(
    _ count: Int, lineLength: Int = 8192, withheld: Set<Capability> = [.uidPlus, .move],
    _ body: (IMAPClient) async throws -> Void
  ) async throws {
    var options = IMAPTestServer.Configuration()
    options.withheldCapabilities = withheld
    let server = try await IMAPTestServer.start(options)
    for number in 1...count {
      _ = try await server.append(user: "user", message: .init(Array("Subject: \(number)\r\n\r\n".utf8)))
    }
    var configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: server.plainPort, security: .plain)
    configuration.connection.maximumLineLength = lineLength
    try await IMAPClient.withClient(configuration) { client in
      try await client.login(user: "user", password: Secret("password"))
      try await client.create("Archive")
      try await client.select(.inbox)
      try await body(client)
    }
    await server.shutdown()
  }

  /// Each takes away what it was given, and what somebody else has marked stays, and stays marked.
  @Test func manyAtOnce() async throws {
    for _ in 0..<5 {
      try await withMessages(12) { client in
        try await client.addFlags([.deleted], to: [7])
        try await withThrowingTaskGroup(of: Void.self) { group in
          for uid in [1, 2, 5] as [UID] {
            group.addTask { _ = try await client.move(.uids(UIDSet(uid)), to: "Archive") }
          }
          for uid in [3, 9] as [UID] { group.addTask { try await client.delete(UIDSet(uid)) } }
          // What they are marked by comes before one of the others, or behind it.
          group.addTask { _ = try await client.addFlags([.deleted], to: [10]) }
          group.addTask { _ = try await client.run(.store(.uids([11]), StoreOperation(.add, [.deleted]))) }
          try await group.waitForAll()
        }
        #expect(try await client.search(.all) == [4, 6, 7, 8, 10, 11, 12])
        #expect(try await client.search(.flag(.deleted)) == [7, 10, 11])
        #expect(try await client.status("Archive", [.messages])?.messages == 3)
      }
    }
  }

  /// One that has to wait gives up when its task does, and the others go on.
  @Test func whoeverWaitsMayGiveUp() async throws {
    let answers = [("SELECT", ["* 9 EXISTS"]), ("UID STORE", []), ("UID SEARCH", ["* SEARCH"]), ("EXPUNGE", ["HOLD"])]
    try await withScript("", answers) { client, server in
      try await client.select(.inbox)
      let first = Task { try await client.delete([1]) }
      await server.received("EXPUNGE")
      let second = Task { try await client.delete([2]) }
      let third = Task { try await client.addFlags([.deleted], to: [3]) }
      second.cancel()
      await #expect { try await second.value } throws: { error in
        guard case .cancelled("STORE", outcomeUnknown: false)? = error as? IMAPError else { return false }
        return true
      }
      #expect(server.commands.count { $0.hasPrefix("UID STORE") } == 1)
      server.release()
      try await first.value
      _ = try await third.value
      #expect(server.commands.last == #"UID STORE 3 +FLAGS (\Deleted)"#)
    }
  }

  /// Every second message, so that no two stand in one range.
  private static let scattered = UIDSet(stride(from: 1, to: 600, by: 2).map { UID(rawValue: $0) })

  @Test(arguments: [[.uidPlus, .move], [.move], []] as [Set<Capability>])
  func setsThatAreTooLongForALine(_ withheld: Set<Capability>) async throws {
    try await withMessages(600, lineLength: 500, withheld: withheld) { client in
      let all = Self.scattered.numbers(limit: 1000)
      #expect(try await client.search(.uid(Self.scattered)) == all)
      #expect(try await client.search(.uid(Self.scattered) && !.flag(.deleted)) == all)
      let copies = try await client.copy(.uids(Self.scattered), to: "Archive")
      #expect(try await client.status("Archive", [.messages])?.messages == 300)
      if !withheld.contains(.uidPlus) {
        #expect(copies?.source.numbers(limit: 1000) == all)
        #expect(copies?.destination.count(largest: 0) == 300)
      }
      try await client.move(.uids(UIDSet(all.prefix(200))), to: "Archive")
      #expect(try await client.status("Archive", [.messages])?.messages == 500)
      try await client.delete(UIDSet(all.suffix(100)))
      #expect(try await client.search(.all).allSatisfy { $0.rawValue.isMultiple(of: 2) })
      #expect(await client.selected?.exists == 300)
    }
  }

  /// What is copied by then is told.
  @Test func aPartOfACopyIsRefused() async throws {
    let copied = "OK [COPYUID 7 1 11] done"
    let isFirst = Atomic(true)
    let server = try ScriptedServer(capabilities: "UIDPLUS") { _, command in
      if command.hasPrefix("LOGOUT") { return ["* BYE"] }
      if command.hasPrefix("SELECT") { return ["* 9 EXISTS"] }
      return isFirst.exchange(false, ordering: .relaxed) ? [copied] : ["NO [OVERQUOTA] full"]
    }
    defer { server.stop() }
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    configuration.connection.maximumLineLength = 500
    try await IMAPClient.withClient(configuration) { client in
      try await client.select(.inbox)
      await #expect { try await client.copy(.uids(Self.scattered), to: "Archive") } throws: { error in
        guard case .copiedOnly(let copies?, .refused("COPY", _)) = error as? IMAPError else { return false }
        return copies.destination == [11]
      }
    }
  }

  /// On a server without UNSELECT it is two commands, which are done though nobody waits for them any more.
  @Test func unselectIsCancelled() async throws {
    let answers = [("SELECT", ["* 9 EXISTS"]), ("EXAMINE", ["HOLD"]), ("CLOSE", [])]
    try await withScript("", answers) { client, server in
      try await client.select(.inbox)
      let leaving = Task { try await client.unselect() }
      await server.received("EXAMINE")
      leaving.cancel()
      await #expect { try await leaving.value } throws: { error in
        guard case .cancelled(_, outcomeUnknown: true)? = error as? IMAPError else { return false }
        return true
      }
      server.release()
      try await client.noop()
      #expect(server.commands == [#"SELECT "INBOX""#, #"EXAMINE "INBOX""#, "CLOSE", "NOOP"])
      #expect(await client.selected == nil)
    }
  }

  /// It leaves no mailbox that somebody else has for himself by the time that it may go.
  @Test func unselectWaitsForItsTurn() async throws {
    let answers = [
      ("SELECT \"A\"", ["HOLD"]), ("SELECT", ["* 9 EXISTS"]), ("EXAMINE", []), ("CLOSE", []), ("UID SEARCH", []),
    ]
    let server = try ScriptedServer(capabilities: "") { _, command in
      command.hasPrefix("LOGOUT")
        ? ["* BYE"] : command == "NOOP" ? [] : answers.first { command.hasPrefix($0.0) }?.1
    }
    defer { server.stop() }
    let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    try await IMAPClient.withClient(configuration) { client in
      let opening = Task { try await client.select("A") }
      await server.received("SELECT")
      let leaving = Task { try await client.unselect() }
      // Turns of the loop, in which it begins to wait.
      for _ in 0..<100 { _ = await client.phase }
      let holding = Task {
        try await client.withMailbox("B") { _ in _ = try await client.search(.all) }
      }
      for _ in 0..<100 { _ = await client.phase }
      server.release()
      _ = try await opening.value
      try await leaving.value
      try await holding.value
      let commands = server.commands.filter { $0 != "NOOP" }
      #expect(
        commands == [
          #"SELECT "A""#, #"EXAMINE "A""#, "CLOSE", #"SELECT "B""#, "UID SEARCH ALL",
        ])
    }
  }
}
