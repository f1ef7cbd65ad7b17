import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// A mailbox that is open for reading only, and sets of messages that are empty.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ReadOnlyTests {
  private static let changes: [(name: String, run: @Sendable (IMAPClient) async throws -> Void)] = [
    ("STORE", { try await $0.addFlags([.seen], to: [1]) }),
    ("STORE", { try await $0.delete([1]) }),
    ("STORE", { try await $0.store(.uids([1]), StoreOperation(.replace, [.deleted], silent: true)) }),
    ("EXPUNGE", { try await $0.expunge() }),
    ("UID EXPUNGE", { try await $0.expunge([1]) }),
    ("MOVE", { try await $0.move(.uids([1]), to: "Archive") }),
  ]

  /// Some servers say OK to what they do not do then.
  @Test(arguments: ["MOVE UIDPLUS", ""]) func nothingIsSentThatWouldChangeIt(_ capabilities: String) async throws {
    let answers: [(command: String, lines: [String])] = [
      ("EXAMINE", ["* 3 EXISTS", "OK [READ-ONLY] done"]),
      ("SELECT", ["* 3 EXISTS", "OK [READ-WRITE] done"]),
      ("UID SEARCH", []), ("UID STORE", []), ("EXPUNGE", []),
    ]
    try await withScript(capabilities, answers) { client, server in
      try await client.examine("Box")
      for change in Self.changes {
        do {
          try await change.run(client)
          Issue.record("\(change.name) was done")
        } catch let error as IMAPError {
          #expect(error.reason == .readOnly)
          guard case .readOnly("Box", let command) = error else { throw error }
          // Without UIDPLUS it is done in another way.
          #expect(command == change.name || command == "EXPUNGE", "\(command)")
          #expect(
            error.description == "\(command) would change Box, which is open for reading only: select it for writing")
        }
      }
      let sent = server.commands
      #expect(sent.allSatisfy { $0.hasPrefix("EXAMINE") || $0.hasPrefix("UID SEARCH") }, "\(sent)")
      // Nor is anything held against what is sent behind a SELECT that is on its way.
      async let selected = client.select("Box")
      await server.received("SELECT")
      try await client.addFlags([.seen], to: [1])
      _ = try await selected
      try await client.expunge()
      #expect(server.commands.suffix(2).map { $0.prefix(9) } == ["UID STORE", "EXPUNGE"])
    }
  }

  @Test(arguments: ServerKind.all) func realServers(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      try await client.append(Array("Subject: a\r\n\r\nb\r\n".utf8), to: .inbox)
      try await client.examine(.inbox)
      let uids = UIDSet(try await client.search(.all))
      await #expect { try await client.delete(uids) } throws: { ($0 as? IMAPError)?.reason == .readOnly }
      try await client.select(.inbox)
      #expect(try await client.search(.not(.flag(.deleted))).count == 1)
      try await client.delete(uids)
      #expect(try await client.search(.all).isEmpty)
    }
  }

  /// What a search that found nothing gives to the next call.
  @Test func emptySetsAreNothingToDo() async throws {
    try await withScript("MOVE UIDPLUS CONDSTORE", []) { client, server in
      try await client.select(.inbox)
      let none = UIDSet([UID]())
      #expect(try await client.fetch(.uids(none), [.flags]).isEmpty)
      #expect(try await client.fetch(.sequence(SequenceSet([SequenceNumber]())), [.flags]).isEmpty)
      try await client.fetch(.uids(none), [.flags]) { _ in Issue.record("an event") }
      for try await _ in client.messages(.uids(none), [.flags]) { Issue.record("a message") }
      #expect(try await client.addFlags([.seen], to: none).isEmpty)
      #expect(try await client.store(.uids(none), StoreOperation(.add, [.seen]), unchangedSince: 1).modified == nil)
      #expect(try await client.copy(.uids(none), to: "A") == nil)
      #expect(try await client.move(.uids(none), to: "A") == nil)
      try await client.expunge(none)
      try await client.delete(none)
      #expect(server.commands == [#"SELECT "INBOX""#])
    }
  }
}
