import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// IDLE for some time.
@Suite(.serialized, .timeLimit(.minutes(2))) struct WatchTimeTests {
  private static let answers = [("IDLE", ["+ idling", "* 4 EXISTS", "* 5 EXISTS", "HOLD"])]

  /// It ends by itself, and so does the IDLE; what has come is not lost.
  @Test func watchingEndsWhenTheTimeIsOver() async throws {
    try await withScript("IDLE", Self.answers) { client, server in
      try await client.select(.inbox)
      let loop = await client.loop
      var events: [MailboxEvent] = []
      for try await event in client.watch(for: .seconds(30)) {
        events.append(event)
        if events.count == 2 { await loop.run { loop.skip(.seconds(30)) } }
      }
      #expect(events == [.exists(4), .exists(5)])
      try await client.noop()
      #expect(server.commands.suffix(3) == ["IDLE", "DONE", "NOOP"])
    }
  }

  @Test func idleEndsWhenTheTimeIsOver() async throws {
    try await withScript("IDLE", Self.answers) { client, server in
      try await client.select(.inbox)
      try await client.idle(for: .milliseconds(50))
      try await client.noop()
      #expect(server.commands.last == "NOOP")
      // Another command ends it before.
      let idles = server.commands.count { $0 == "IDLE" } + 1
      async let idling: Void = client.idle(for: .seconds(3600))
      await server.received("IDLE", count: idles)
      try await client.noop()
      try await idling
      #expect(server.commands.suffix(3) == ["IDLE", "DONE", "NOOP"])
    }
  }

  /// What the connection ends with is told, whatever the time is.
  @Test func theEndOfTheConnectionComesFirst() async throws {
    try await withScript("IDLE", [("IDLE", ["+ idling", "DROP"])]) { client, _ in
      try await client.select(.inbox)
      await #expect { for try await _ in client.watch(for: .seconds(3600)) {} } throws: {
        if case .connectionLost = ($0 as? IMAPError)?.reason { true } else { false }
      }
      await #expect(throws: IMAPError.self) { try await client.idle(for: .seconds(3600)) }
    }
  }

  /// What comes together is one burst.
  @Test func burstsOfNews() async throws {
    try await withScript("IDLE", Self.answers) { client, server in
      try await client.select(.inbox)
      var events = client.watch().makeAsyncIterator()
      let burst = try await events.burst(within: .seconds(1))
      #expect(burst == [.exists(4), .exists(5)])
      server.say("* 6 EXISTS")
      let next = try await events.burst()
      #expect(next == [.exists(6)])
      await client.logout()
      let last = try await events.burst()
      // The BYE of LOGOUT may come before it is over.
      #expect(last.allSatisfy { if case .notice = $0 { true } else { false } }, "\(last)")
    }
  }
}
