import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// COMPRESS=DEFLATE between the client and the server of this package.
@Suite(.timeLimit(.minutes(2))) struct CompressionTests {
  private func configuration(
    _ server: IMAPTestServer, _ security: IMAPClient.Configuration.Security
  ) -> IMAPClient.Configuration {
    var configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: security == .implicitTLS ? server.tlsPort : server.plainPort, security: security,
      trust: .pem(server.certificatePEM))
    configuration.signIn.allowsPlaintext = true
    return configuration
  }

  private func connect(
    _ server: IMAPTestServer, _ security: IMAPClient.Configuration.Security = .plain
  ) async throws -> IMAPClient {
    let client = try await IMAPClient.connect(configuration(server, security), on: server.loop)
    try await client.login(user: "user", password: Secret("password"))
    return client
  }

  @Test(arguments: [IMAPClient.Configuration.Security.plain, .startTLS, .implicitTLS])
  func aSession(_ security: IMAPClient.Configuration.Security) async throws {
    try await withTestServer { server in
      for number in 1...200 { try await server.append(user: "user", message: .numbered(number)) }
      let client = try await connect(server, security)
      #expect(await !client.isCompressed)
      #expect(await client.compression == nil)
      try await client.compress()
      #expect(await client.isCompressed)
      try await client.select(.inbox)
      let messages = try await client.fetch(.uids(.all), [.uid, .flags, .envelope, .section(.full)])
      #expect(messages.count == 200)
      let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 % 61 + $0 / 7000 + 32) }
      let uid = try await client.append(large, to: .inbox)?.destination
      #expect(uid == UIDSet(UID(rawValue: 201)))
      #expect(
        try await client.fetch(.uids([201]), [.section(.full)]).first?.attributes.contains(
          .section(.body(.full), origin: nil, data: large)) == true)
      let counts = try #require(await client.compression)
      #expect(counts.ratio > 3 && counts.sent > 300_000 && counts.received > 300_000)
      await client.logout()
    }
  }

  @Test func itStartsOnce() async throws {
    try await withTestServer { server in
      let client = try await connect(server)
      // Both wait for the same answer.
      async let first: Void = client.compress()
      async let second: Void = client.compress()
      var refusals = 0
      do { try await first } catch { refusals += 1 }
      do { try await second } catch { refusals += 1 }
      #expect(refusals == 1)
      do throws(IMAPError) {
        try await client.compress()
        Issue.record("it was compressed twice")
      } catch {
        #expect(error.reason == .wrongState)
      }
      try await client.noop()
      await client.logout()
    }
  }

  @Test func aServerWithoutIt() async throws {
    try await withTestServer(.init(without: [.compressDeflate])) { server in
      let client = try await connect(server)
      await #expect(throws: IMAPError.capabilityMissing(.compressDeflate, command: "COMPRESS")) {
        try await client.compress()
      }
      await client.logout()
      var configuration = configuration(server, .plain)
      configuration.compresses = true
      let other = try await IMAPClient.connect(configuration, on: server.loop)
      try await other.signIn(user: "user", password: Secret("password"))
      #expect(await !other.isCompressed)
      try await other.select(.inbox)
      await other.logout()
    }
  }

  @Test(arguments: 0..<4) func eachLoginAsksForIt(way: Int) async throws {
    try await withTestServer { server in
      var configuration = configuration(server, .implicitTLS)
      configuration.compresses = true
      let client = try await IMAPClient.connect(configuration, on: server.loop)
      #expect(await !client.isCompressed)
      switch way {
      case 0: try await client.login(user: "user", password: Secret("password"))
      case 1: try await client.authenticatePlain(user: "user", password: Secret("password"))
      case 2: try await client.signIn(user: "user", password: Secret("password"))
      default: try await client.authenticate(try SASLPlain(user: "user", password: Secret("password")))
      }
      #expect(await client.isCompressed)
      try await client.select(.inbox)
      await client.logout()
    }
  }

  @Test func aSessionUsesTheConfiguration() async throws {
    try await withTestServer { server in
      var client = configuration(server, .plain)
      client.compresses = true
      let session = IMAPSession(
        .init(client: client) { .password(user: "user", password: Secret("password")) }, on: server.loop)
      var delivered = false
      for await event in await session.start() {
        switch event {
        case .connected:
          #expect(try await session.withClient { await $0.isCompressed })
          try await server.append(user: "user", message: .numbered(1))
        case .mailbox(.exists(1)):
          delivered = true
          await session.stop()
        default: break
        }
      }
      #expect(delivered)
    }
  }

  /// Random messages of random sizes, some of which nothing can compress, over connections that take turns.
  @Test(arguments: 1...5) func randomMessagesComeBack(seed: UInt64) async throws {
    try await withTestServer { server in
      var random = Seeded(state: seed)
      let clients = [try await connect(server), try await connect(server, .implicitTLS), try await connect(server)]
      for client in clients { try await client.compress() }
      var expected: [[UInt8]] = []
      for turn in 0..<24 {
        let count = Int.random(in: 1...(turn % 6 == 0 ? 400_000 : 3000), using: &random)
        let kinds = UInt8.random(in: 0...254, using: &random)
        expected.append((0..<count).map { _ in UInt8.random(in: 1...kinds + 1, using: &random) })
        _ = try await clients[turn % 3].append(expected[turn], to: .inbox)
      }
      for client in clients {
        try await client.select(.inbox)
        let all = try await client.fetch(.uids(.all), [.section(.full)])
        let bodies = all.compactMap { response in
          response.attributes.lazy.compactMap { attribute -> [UInt8]? in
            if case .section(_, _, let data) = attribute { data } else { nil }
          }.first
        }
        #expect(bodies == expected, "seed \(seed)")
      }
      for client in clients { await client.logout() }
    }
  }

  private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }
  }
}
