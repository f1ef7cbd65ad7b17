import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// A client that stays.
@Suite struct SessionTests {
  // MARK: Waits

  @Test func waitsGrowAndShrink() {
    var backoff = Backoff()
    var now = MonotonicInstant(nanoseconds: 0)
    // The highest chance gives all of it, the lowest half.
    let waits = (0..<10).map { _ in backoff.failed(at: now, chance: .max).seconds }
    #expect(waits.map { $0.rounded() } == [2, 4, 8, 16, 32, 64, 120, 120, 120, 120])
    #expect(backoff.failed(at: now, chance: 0) == .seconds(60))
    // A connection that does not last changes nothing.
    backoff.succeeded(at: now)
    now = now.advanced(by: .seconds(299))
    #expect(backoff.failed(at: now, chance: 0) == .seconds(60))
    backoff.succeeded(at: now)
    now = now.advanced(by: .seconds(300))
    #expect(backoff.failed(at: now, chance: 0) == .seconds(1))
    #expect(backoff.failed(at: now, retryAfter: .seconds(299), chance: 0) == .seconds(299))
    // No line of a server keeps anybody away for years.
    let years = Duration.seconds(99_999_999_999)
    #expect(backoff.failed(at: now, retryAfter: years, chance: 0) == .seconds(3600))
    backoff.longestAsked = .seconds(60)
    #expect(backoff.failed(at: now, retryAfter: years, chance: 0) == .seconds(60))
    for _ in 0..<2000 { #expect(backoff.failed(at: now, chance: 0) <= .seconds(60)) }
  }

  // MARK: Against a server

  private func withSession(
    without capabilities: Set<Capability> = [], password: String = "password",
    _ body: (IMAPTestServer, IMAPSession) async throws -> Void
  ) async throws {
    try await withTestServer(.init(without: capabilities)) { server in
      for number in 1...3 { try await server.append(user: "user", message: .numbered(number)) }
      var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
      client.signIn.allowsPlaintext = true
      var options = IMAPSession.Configuration(client: client) {
        .password(user: "user", password: Secret(password))
      }
      options.backoff = Backoff(initial: .milliseconds(2), maximum: .milliseconds(4))
      options.pollInterval = .milliseconds(2)
      let session = IMAPSession(options, on: server.loop)
      let result: Result<Void, any Error>
      do {
        try await body(server, session)
        result = .success(())
      } catch {
        result = .failure(error)
      }
      await session.stop()
      try result.get()
    }
  }

  /// The mailbox as whoever takes all events knows it: UIDs and flags, in order.
  private struct View {
    var messages: [MessageState?] = []
    var connections = 0

    mutating func take(_ event: SessionEvent) {
      switch event {
      case .connected(_, .fresh(let all)), .connected(_, .current(let all)):
        messages = all
        connections += 1
      case .connected(_, .changes(let vanished, let changed)):
        // What is known by its number only is among those that changed.
        messages.removeAll { $0.map { vanished.contains($0.uid, largest: UID(rawValue: .max)) } ?? true }
        for state in changed {
          if let index = messages.firstIndex(where: { $0?.uid == state.uid }) {
            messages[index] = state
          } else {
            messages.append(state)
          }
        }
        connections += 1
      case .mailbox(.exists(let count)):
        // What is new is known by its number only.
        while messages.count < Int(count) { messages.append(nil) }
      case .mailbox(.expunged(let sequence)): messages.remove(at: Int(sequence.rawValue) - 1)
      case .mailbox(.changed(let response)):
        for case .flags(let flags) in response.attributes {
          messages[Int(response.sequence.rawValue) - 1]?.flags = flags
        }
      default: break
      }
    }

    var uids: [UID?] { messages.map { $0?.uid } }
  }

  @Test(arguments: [[], [.condStore], [.idle, .imap4rev2], [.idle, .condStore]] as [Set<Capability>])
  func comesBackAndKnowsWhatThereIs(without capabilities: Set<Capability>) async throws {
    try await withSession(without: capabilities) { server, session in
      var view = View()
      var disconnected = 0
      var (hasAppended, hasCut) = (false, false)
      for await event in await session.start() {
        view.take(event)
        if case .disconnected = event { disconnected += 1 }
        switch (view.connections, view.messages.count) {
        case (1, 3) where !hasAppended:
          #expect(view.uids == [1, 2, 3])
          hasAppended = true
          try await server.append(user: "user", message: .numbered(4))
        case (1, 4) where !hasCut:
          hasCut = true
          // Seen by its number; then the connection goes, and things happen that nobody is told of.
          await server.disconnectClients()
          try await server.remove(user: "user", uids: [2])
          try await server.store(user: "user", uids: [3], StoreOperation(.add, [.flagged]))
        case (2, 3):
          #expect(view.uids == [1, 3, 4])
          // It may hear of this one a moment later.
          if view.messages[1]?.flags.contains(.flagged) == true { await session.stop() }
        default: break
        }
      }
      #expect(view.connections == 2)
      #expect(disconnected == 1)
    }
  }

  @Test func commandsGoInBetween() async throws {
    try await withSession { _, session in
      let events = await session.start()
      let found = try await session.withClient { client in
        try await client.store(.uids([2]), StoreOperation(.add, [.seen]))
        return try await client.search(.flag(.seen))
      }
      #expect(found == [2])
      await session.stop()
      var last: SessionEvent?
      for await event in events { last = event }
      #expect(last == .stopped(nil))
      await #expect(throws: IMAPError.connection(.closedLocally)) { try await session.withClient { _ in } }
    }
  }

  /// Trying again with a wrong password would lock the account.
  @Test func stopsWhereThePasswordIsWrong() async throws {
    try await withSession(password: "wrong") { _, session in
      var seen: [SessionEvent] = []
      for await event in await session.start() { seen.append(event) }
      #expect(seen.count == 1)
      guard case .stopped(let error?)? = seen.first else {
        Issue.record("\(seen)")
        return
      }
      #expect(error.reason == .notAuthenticated)
    }
  }

  @Test func triesAgainWhereNobodyListens() async throws {
    let loop = try EventLoop.start(name: "test")
    var options = IMAPSession.Configuration(client: .init(host: "127.0.0.1", port: 1, security: .plain)) {
      .password(user: "user", password: Secret("password"))
    }
    options.backoff = Backoff(initial: .milliseconds(1), maximum: .milliseconds(2))
    let session = IMAPSession(options, on: loop)
    var failures = 0
    for await event in await session.start() {
      guard case .disconnected(let error, _) = event else { continue }
      #expect(error.reason == .transport(.connect))
      failures += 1
      if failures == 5 { Task { await session.stop() } }
    }
    #expect(failures >= 5)
    #expect(await loop.shutdown().isClean)
  }
}

extension Duration {
  fileprivate var seconds: Double { self / .seconds(1) }
}
