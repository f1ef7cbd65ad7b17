import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// What the async client promises beyond its commands.
@Suite(.timeLimit(.minutes(2))) struct IMAPClientTests {
  private func plain(_ server: IMAPTestServer) -> IMAPClient.Configuration {
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    configuration.signIn.allowsPlaintext = true
    return configuration
  }

  /// A client with INBOX selected, and everything that it needs.
  private func withClient(_ body: (IMAPClient, IMAPTestServer) async throws -> Void) async throws {
    let server = try await IMAPTestServer.start()
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(plain(server), on: loop)
    try await client.signIn(user: "user", password: Secret("password"))
    _ = try await client.select(.inbox)
    try await body(client, server)
    await client.logout()
    await server.shutdown()
    #expect(await loop.shutdown().isClean)
  }

  @Test func cancellingATaskEndsItsIdle() async throws {
    try await withClient { client, _ in
      let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
      let task = Task { try await client.idle { accepted.finish() } }
      for await _ in idling {}
      task.cancel()
      try await task.value
      try await client.noop()
    }
  }

  @Test func cancellingBeforeTheServerHasAcceptedEndsTheIdle() async throws {
    try await withClient { client, _ in
      let task = Task { try await client.idle() }
      task.cancel()
      try await task.value
    }
  }

  @Test func anIdleEndsTheOneBeforeAndCanItselfBeEnded() async throws {
    try await withClient { client, _ in
      let (firstIdles, first) = AsyncStream.makeStream(of: Void.self)
      let (secondIdles, second) = AsyncStream.makeStream(of: Void.self)
      let one = Task { try await client.idle { first.finish() } }
      for await _ in firstIdles {}
      let two = Task { try await client.idle { second.finish() } }
      try await one.value
      for await _ in secondIdles {}
      await client.endIdle()
      try await two.value
    }
  }

  @Test func callsFromManyTasksAllComeBack() async throws {
    try await withClient { client, server in
      for index in 0..<20 {
        _ = try await server.append(user: "user", message: .init("Subject: message \(index)\n\nbody\n"))
      }
      let subjects = try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
        for uid in 1...20 {
          group.addTask {
            let message = try await client.fetch(.uids(UIDSet(UID(rawValue: UInt32(uid)))), [.envelope]).first
            for case .envelope(let envelope) in message?.attributes ?? [] { return envelope.subject }
            return Array("\(uid): \(String(describing: message))".utf8)
          }
        }
        return try await group.reduce(into: Set<[UInt8]>()) { if let subject = $1 { $0.insert(subject) } }
      }
      #expect(subjects.count == 20, "\(subjects.map { String(decoding: $0, as: UTF8.self) }.sorted())")
    }
  }

  @Test func aBrokenConnectionFailsEveryCallWithItsReason() async throws {
    let server = try await IMAPTestServer.start()
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(plain(server), on: loop)
    try await client.signIn(user: "user", password: Secret("password"))
    await server.shutdown()
    await client.waitUntilClosed()
    do throws(IMAPError) {
      try await client.noop()
      Issue.record("a command went through a closed connection")
    } catch {
      guard case .connection(.closedByPeer) = error else { throw error }
    }
    #expect(await loop.shutdown().isClean)
  }
}
