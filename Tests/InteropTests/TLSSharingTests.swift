import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Connections resume the sessions of those before them without anybody having to do something for it.
@Suite(.timeLimit(.minutes(2))) struct TLSSharingTests {
  private func withServer(_ body: (IMAPClient.Configuration, EventLoop) async throws -> Void) async throws {
    let server = try await IMAPTestServer.start()
    let loop = try EventLoop.start()
    let result: Result<Void, any Error>
    do {
      let configuration = IMAPClient.Configuration(
        host: "localhost", port: server.tlsPort, trust: .pem(server.certificatePEM))
      result = .success(try await body(configuration, loop))
    } catch {
      result = .failure(error)
    }
    #expect(await loop.shutdown().isClean)
    await server.shutdown()
    try result.get()
  }

  private func connect(_ configuration: IMAPClient.Configuration, _ loop: EventLoop, isResumed: Bool) async throws {
    let client = try await IMAPClient.connect(configuration, on: loop)
    #expect(await client.isSecure)
    #expect(await client.isResumed == isResumed)
    await client.close()
  }

  @Test func byOneConfiguration() async throws {
    try await withServer { configuration, loop in
      try await connect(configuration, loop, isResumed: false)
      try await connect(configuration, loop, isResumed: true)
      var copy = configuration
      copy.connectTimeout = .seconds(20)
      try await connect(copy, loop, isResumed: true)
      // Another one that trusts the same.
      let other = IMAPClient.Configuration(host: "localhost", port: configuration.port, trust: configuration.trust)
      try await connect(other, loop, isResumed: true)
      // Whoever trusts others has to look for himself.
      copy.trust = .insecure
      try await connect(copy, loop, isResumed: false)
      try await connect(copy, loop, isResumed: true)
      // So does whoever connects by another name.
      var address = configuration
      address.host = "127.0.0.1"
      try await connect(address, loop, isResumed: false)
    }
  }

  @Test func byAContextOfOnesOwn() async throws {
    try await withServer { configuration, loop in
      var options = TLSContext.ClientOptions(trust: configuration.trust)
      var one = configuration
      one.tls = try TLSContext.client(options)
      try await connect(one, loop, isResumed: false)
      try await connect(one, loop, isResumed: true)
      options.resumesSessions = false
      one.tls = try TLSContext.client(options)
      for _ in 0..<2 { try await connect(one, loop, isResumed: false) }
    }
  }

  @Test func aPoolThatConnectsAgain() async throws {
    try await withServer { configuration, loop in
      var settings = IMAPPool.Configuration(client: configuration) {
        .password(user: "user", password: Secret("password"))
      }
      settings.spare = 0
      let pool = IMAPPool(settings, on: loop)
      for index in 0..<3 {
        let isResumed = try await pool.withClient { await $0.isResumed }
        #expect(isResumed == (index > 0))
      }
      await pool.close()
    }
  }
}
