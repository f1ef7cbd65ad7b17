import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// Connections that many tasks share.
@Suite struct PoolTests {
  private func withServer(
    _ body: (IMAPTestServer, EventLoop, IMAPPool.Configuration) async throws -> Void
  ) async throws {
    try await withTestServer { server in
      try await server.create(user: "user", mailbox: "Archive")
      var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
      client.signIn.allowsPlaintext = true
      try await body(
        server, server.loop,
        IMAPPool.Configuration(client: client) { .password(user: "user", password: Secret("password")) })
    }
  }

  /// How many connections there are at most while forty tasks use `pool`.
  private static func mostConnections(_ pool: IMAPPool, _ server: IMAPTestServer) async throws -> Int {
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<40 {
        group.addTask {
          try await pool.withClient { client in
            try await client.noop()
            return await server.connectionCount
          }
        }
      }
      return try await group.reduce(0) { max($0, $1) }
    }
  }

  @Test func neverMoreThanThereMayBe() async throws {
    try await withServer { server, loop, configuration in
      var configuration = configuration
      configuration.maximum = 3
      configuration.limit = ConnectionLimit(perHost: 2)
      let pool = IMAPPool(configuration, on: loop)
      let most = try await Self.mostConnections(pool, server)
      #expect(most >= 1 && most <= 2)
      await pool.close()
      #expect(await pool.connectionCount == 0)
      await #expect(throws: IMAPError.connection(.closedLocally)) { try await pool.withClient { _ in } }
    }
  }

  /// A pool that has none gets what others keep and do not use.
  @Test func poolsShareAHost() async throws {
    try await withServer { server, loop, configuration in
      var configuration = configuration
      configuration.limit = ConnectionLimit(perHost: 2)
      let pools = (0..<4).map { _ in IMAPPool(configuration, on: loop) }
      for _ in 0..<3 {
        for pool in pools {
          try await pool.withClient { try await $0.noop() }
          // The server may hear of the end of one a little later.
          while await server.connectionCount > 2 { await Task.yield() }
        }
      }
      for pool in pools { await pool.close() }
    }
  }

  @Test func theOneThatHasTheMailboxOpen() async throws {
    try await withServer { _, loop, configuration in
      let pool = IMAPPool(configuration, on: loop)
      // Two at once, so that there are two.
      let (first, second) = try await pool.withClient(in: "Archive") { one in
        try await pool.withClient(in: .inbox) { other in (ObjectIdentifier(one), ObjectIdentifier(other)) }
      }
      #expect(first != second)
      for _ in 0..<3 {
        #expect(try await pool.withClient(in: .inbox) { ObjectIdentifier($0) } == second)
        #expect(try await pool.withClient(in: "Archive") { ObjectIdentifier($0) } == first)
      }
      #expect(await pool.connectionCount == 2)
      await pool.close()
    }
  }

  /// What one has done to a connection is no surprise to the next.
  @Test func aConnectionIsAsTheNextExpectsIt() async throws {
    try await withServer { _, loop, configuration in
      let pool = IMAPPool(configuration, on: loop)
      try await pool.withClient { _ = try await $0.examine("Archive") }
      let (name, isReadOnly) = try await pool.withClient(in: "Archive") { client in
        let selected = await client.selected
        return (selected?.name, selected?.isReadOnly)
      }
      #expect(name == "Archive" && isReadOnly == false)
      await pool.close()
    }
  }

  @Test func spareOnesLogOutAndDeadOnesAreReplaced() async throws {
    try await withServer { server, loop, configuration in
      var configuration = configuration
      configuration.spare = 1
      configuration.probeAfter = .zero
      let pool = IMAPPool(configuration, on: loop)
      let one = try await pool.withClient { one in
        try await pool.withClient { other in
          try await pool.withClient { _ in try await other.noop() }
        }
        // Itself: another one could have its address.
        return one
      }
      #expect(await pool.connectionCount == 1)
      await server.disconnectClients()
      let two = try await pool.withClient { client in
        try await client.noop()
        return client
      }
      #expect(one !== two)
      // What the body throws goes through, and the connection is good for others.
      await #expect(throws: IMAPError.self) { try await pool.withClient { try await $0.delete("nowhere") } }
      #expect(try await pool.withClient { $0 } === two)
      await pool.close()
    }
  }

  /// Only the greeting says whose server it is: the first connection goes alone, and no more are opened than there may be.
  @Test func theGreetingSaysHowManyThereMayBe() async throws {
    try await withServer { server, loop, configuration in
      var configuration = configuration
      configuration.maximum = 10
      configuration.spare = 10
      configuration.profiles = [HostProfile("test", hosts: [], greeting: "TEST SERVER", connections: 2)]
      let pool = IMAPPool(configuration, on: loop)
      let most = try await Self.mostConnections(pool, server)
      #expect(most == 1 || most == 2)
      // Both may be used at once.
      try await pool.withClient { _ in try await pool.withClient { try await $0.noop() } }
      #expect(await pool.connectionCount == 2)
      await pool.close()
    }
  }

  @Test func theHostSaysHowManyThereMayBe() async throws {
    try await withServer { server, loop, configuration in
      var configuration = configuration
      configuration.profiles = [HostProfile("test", hosts: ["127.0.0.1"], connections: 1)]
      let pool = IMAPPool(configuration, on: loop)
      let most = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<10 { group.addTask { try await pool.withClient { _ in await server.connectionCount } } }
        return try await group.reduce(0) { max($0, $1) }
      }
      #expect(most == 1)
      await pool.close()
    }
  }

  @Test func aFailureToConnectLeavesRoom() async throws {
    try await withServer { _, loop, configuration in
      var configuration = configuration
      configuration.maximum = 1
      configuration.limit = ConnectionLimit(perHost: 1)
      configuration.client.port = 1
      let pool = IMAPPool(configuration, on: loop)
      for _ in 0..<3 { await #expect(throws: IMAPError.self) { try await pool.withClient { _ in } } }
      #expect(await pool.connectionCount == 0)
      await pool.close()
    }
  }
}
