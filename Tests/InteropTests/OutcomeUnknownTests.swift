import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Commands that must not be done twice, whose answer is lost: the error says so, and nobody sends them again.
@Suite(.serialized, .timeLimit(.minutes(2))) struct OutcomeUnknownTests {
  enum Lost: String, CaseIterable, Sendable {
    case append = "APPEND"
    case copy = "UID COPY"
    case move = "UID MOVE"

    /// As errors have it.
    var name: String { self == .append ? rawValue : String(rawValue.dropFirst(4)) }

    func run(_ client: IMAPClient) async throws {
      switch self {
      case .append: try await client.append(Array("text".utf8), to: .inbox)
      case .copy: try await client.copy(.uids([1, 2]), to: "Archive")
      case .move: try await client.move(.uids([1, 2]), to: "Archive")
      }
    }
  }

  /// The server takes them all, and goes away without a word.
  private static let answers = [
    ("APPEND", ["+ go", "HOLD"]), ("text", ["DROP"]), ("UID COPY", ["DROP"]), ("UID MOVE", ["DROP"]),
    ("FETCH", (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }), ("IDLE", ["+ idling", "HOLD"]),
  ]

  @Test(arguments: Lost.allCases) func aClientSaysSo(_ lost: Lost) async throws {
    try await withScript("MOVE", Self.answers) { client, server in
      try await client.select(.inbox)
      let error = await #expect(throws: IMAPError.self) { try await lost.run(client) }
      check(error, lost)
      await client.waitUntilClosed()
      #expect(server.commands.count { $0.hasPrefix(lost.rawValue) } == 1)
      #expect(server.connectionCount == 1)
    }
  }

  /// It connects again, and leaves it to its caller what has to be done.
  @Test(arguments: Lost.allCases) func aSessionDoesNotRepeatIt(_ lost: Lost) async throws {
    let server = try ScriptedServer(capabilities: "IDLE MOVE", Self.answers)
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(.scripted(server), on: loop)
    var events = await session.start().makeAsyncIterator()
    await events.skip { if case .connected = $0 { true } else { false } }
    let error = await #expect(throws: IMAPError.self) { try await session.withClient { try await lost.run($0) } }
    check(error, lost)
    await events.skip { if case .connected = $0 { true } else { false } }
    // What waits for the new connection is done there.
    try await session.withClient { try await $0.noop() }
    #expect(server.connectionCount == 2)
    #expect(server.commands.count { $0.hasPrefix(lost.rawValue) } == 1)
    await session.stop()
    #expect(server.commands.count { $0.hasPrefix(lost.rawValue) } == 1)
    #expect(await loop.shutdown().isClean)
  }

  /// Of one that was not sent it is known that it was not done.
  @Test func whatWasNotSentWasNotDone() async throws {
    try await withScript("MOVE", [("UID COPY", ["HOLD"])], inFlight: 1) { client, server in
      try await client.select(.inbox)
      let first = Task { _ = try await client.copy(.uids([1]), to: "Archive") }
      await server.received("UID COPY")
      // Not another COPY: that would wait for the answer of the first before it is queued.
      let second = Task { try await client.create("Archive") }
      while await client.commandCount < 2 { await Task.yield() }
      server.drop()
      let error = await #expect(throws: IMAPError.self) { try await second.value }
      #expect(error?.isOutcomeUnknown == false, "\(String(describing: error))")
      check(await #expect(throws: IMAPError.self) { try await first.value }, .copy)
      #expect(server.commands.count { $0.hasPrefix("UID COPY") } == 1)
      #expect(!server.commands.contains { $0.hasPrefix("CREATE") })
    }
  }

  private func check(_ error: IMAPError?, _ lost: Lost) {
    guard case .outcomeUnknown(lost.name, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.isOutcomeUnknown == true)
    #expect(error?.reason == .connectionLost(outcomeUnknown: true))
  }
}

extension IMAPClient {
  /// How many commands have no answer, those that were not sent included.
  fileprivate var commandCount: Int { session.waiters.count }
}

extension IMAPSession.Configuration {
  /// A session that watches the INBOX of a scripted server, and comes back at once.
  static func scripted(_ server: ScriptedServer) -> IMAPSession.Configuration {
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    client.signIn.allowsPlaintext = true
    var configuration = IMAPSession.Configuration(client: client) {
      .password(user: "user", password: Secret("password"))
    }
    configuration.backoff = Backoff(initial: .milliseconds(1), maximum: .milliseconds(2))
    configuration.pollInterval = .milliseconds(1)
    return configuration
  }
}

extension AsyncStream.Iterator where Element == SessionEvent {
  /// The next event that `fits` likes.
  @discardableResult
  mutating func skip(to fits: (SessionEvent) -> Bool) async -> SessionEvent? {
    while let event = await next() {
      if fits(event) { return event }
    }
    Issue.record("the session is over")
    return nil
  }
}
