import CSSL
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Sessions of earlier connections are resumed: each once, for the same host only, and not for ever.
@Suite struct TLSResumptionTests {
  private let certificate: SelfSignedCertificate
  private let server: TLSContext

  init() throws {
    certificate = try SelfSignedCertificate.generate(hosts: ["localhost", "127.0.0.1"])
    server = try TLSContext.server(identity: certificate.identity)
  }

  private func context(_ change: (inout TLSContext.ClientOptions) -> Void = { _ in }) throws -> TLSContext {
    var options = TLSContext.ClientOptions(trust: .pem(certificate.certificatePEM))
    change(&options)
    return try TLSContext.client(options)
  }

  /// Connects, and closes without a word, as connections that are lost do.
  private func connect(
    _ context: TLSContext, host: String = "localhost", port: UInt16 = 993, server: TLSContext? = nil
  ) throws -> Bool {
    let pair = try TLSPair(client: context, server: server ?? self.server, host: host, peerPort: port)
    pair.exchange()
    try #require(pair.client.isEstablished && pair.server.isEstablished, "\(String(describing: pair.clientError))")
    #expect(pair.client.isResumed == pair.server.isResumed)
    return pair.client.isResumed
  }

  @Test(arguments: [TLSContext.Version.tls12, .tls13]) func laterConnectionsResume(version: TLSContext.Version) throws {
    let context = try context { $0.maximumVersion = version }
    #expect(try !connect(context))
    for _ in 0..<20 { #expect(try connect(context)) }
    let sessions = try #require(context.sessions)
    #expect(sessions.count > 0 && sessions.count <= sessions.perHost)
  }

  @Test func onlyWithTheSameHostAndContext() throws {
    let first = try context()
    #expect(try !connect(first))
    #expect(try !connect(first, host: "127.0.0.1"))
    #expect(try !connect(first, port: 143))
    #expect(try !connect(context()))
    #expect(try connect(first, host: "LOCALHOST"))
  }

  @Test func notWhereEitherSideDoesNotWantTo() throws {
    let without = try context { $0.resumesSessions = false }
    #expect(without.sessions == nil)
    #expect(try !connect(without))
    #expect(try !connect(without))
    var options = TLSContext.ServerOptions(identity: certificate.identity)
    options.resumesSessions = false
    let silent = try TLSContext.server(options)
    let client = try context()
    for _ in 0..<2 { #expect(try !connect(client, server: silent)) }
    #expect(client.sessions?.count == 0)
  }

  /// The server has forgotten its keys: another one at the same place, or after a restart.
  @Test func aTicketThatNobodyKnowsIsNoFailure() throws {
    let client = try context()
    #expect(try !connect(client))
    #expect(try !connect(client, server: .server(identity: certificate.identity)))
  }

  @Test func eachTicketIsUsedOnce() throws {
    let client = try context()
    #expect(try !connect(client))
    let sessions = try #require(client.sessions)
    let ring = sessions.ring(host: "localhost", name: nil, port: 993)
    let count = sessions.count
    #expect(count == 2)
    let one = try #require(sessions.take(from: ring))
    let two = try #require(sessions.take(from: ring))
    #expect(one !== two)
    #expect(sessions.take(from: ring) == nil)
    #expect(sessions.count == 0)
    // The newest first.
    sessions.add(one, to: ring)
    sessions.add(two, to: ring)
    #expect(sessions.take(from: ring) === two)
  }

  @Test func oneForAll() throws {
    let client = try context()
    #expect(try !connect(client))
    let tickets = try #require(client.sessions)
    let ticket = try #require(tickets.take(from: tickets.ring(host: "localhost", name: nil, port: 993)))

    let cache = TLSSessionCache(perHost: 3, total: 5, lifetime: 100)
    let rings = (0..<3).map { cache.ring(host: "host\($0)", name: nil, port: 993) }
    let now = TLSSessionCache.now
    // Per host.
    for _ in 0..<5 { cache.add(ticket, to: rings[0], now: now) }
    #expect(cache.count == 3)
    // In all: the oldest go.
    for second in 1...3 { cache.add(ticket, to: rings[1], now: now + second) }
    #expect(cache.count == 5)
    #expect(cache.take(from: rings[0], now: now) != nil)
    #expect(cache.take(from: rings[0], now: now) != nil)
    #expect(cache.take(from: rings[0], now: now) == nil)
    #expect(cache.count == 3)
    // They expire.
    #expect(cache.take(from: rings[1], now: now + 200) == nil)
    #expect(cache.count == 0)
    cache.add(ticket, to: rings[2], now: now)
    #expect(cache.take(from: rings[2], now: now + 99) != nil)
    let none = TLSSessionCache(perHost: 0, total: 5)
    none.add(ticket, to: rings[0], now: now)
    #expect(none.count == 0)
    #expect(cache.ring(host: "HOST0", name: nil, port: 993) === rings[0])
    #expect(cache.ring(host: "host0", name: "x", port: 993) !== rings[0])
  }

  /// Many hosts cost nothing once nobody is connected to them.
  @Test func ringsOfOthersAreForgotten() {
    let cache = TLSSessionCache()
    let kept = cache.ring(host: "kept", name: nil, port: 993)
    for index in 0..<10_000 { _ = cache.ring(host: "host\(index)", name: nil, port: 993) }
    #expect(cache.ringCount <= 64)
    #expect(cache.ring(host: "kept", name: nil, port: 993) === kept)
  }

  @Test(arguments: [TLSContext.Version.tls12, .tls13]) func bindingsStayApart(version: TLSContext.Version) throws {
    let client = try context { $0.maximumVersion = version }
    #expect(try !connect(client))
    let pairs = try (0..<2).map { _ in
      try TLSPair(client: client, server: server, host: "localhost", peerPort: 993)
    }
    for pair in pairs {
      pair.exchange()
      #expect(pair.client.isResumed)
      #expect(pair.client.channelBinding(.tlsExporter) == pair.server.channelBinding(.tlsExporter))
      #expect(pair.client.channelBinding(.tlsServerEndPoint) == pair.server.channelBinding(.tlsServerEndPoint))
      #expect(pair.client.peerCertificate != nil)
    }
    #expect(pairs[0].client.channelBinding(.tlsExporter) != pairs[1].client.channelBinding(.tlsExporter))
    if version == .tls12 {
      // Here the server's Finished message is the first.
      for pair in pairs {
        let unique = try #require(pair.client.channelBinding(.tlsUnique))
        #expect(pair.server.channelBinding(.tlsUnique) == unique)
      }
      #expect(pairs[0].client.channelBinding(.tlsUnique) != pairs[1].client.channelBinding(.tlsUnique))
    }
  }

  /// A ticket holds who the client was, so that EXTERNAL works on a resumed connection.
  @Test func theClientIsKnownAgain() throws {
    let user = try SelfSignedCertificate.generate(hosts: ["user"])
    var options = TLSContext.ServerOptions(identity: certificate.identity)
    options.clientCertificates = .required(.pem(user.certificatePEM))
    let server = try TLSContext.server(options)
    let client = try context { $0.identity = user.identity }
    for index in 0..<3 {
      let pair = try TLSPair(client: client, server: server, host: "localhost", peerPort: 993)
      pair.exchange()
      #expect(pair.client.isResumed == (index > 0))
      #expect(pair.server.peerCommonName == "user")
    }
  }

  /// Several loops use one context.
  @Test func fromManyThreads() async throws {
    let client = try context()
    let server = server
    let resumed = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask {
          var resumed = 0
          for _ in 0..<20 {
            let pair = try TLSPair(client: client, server: server, host: "localhost", peerPort: 993)
            pair.exchange()
            try #require(pair.client.isEstablished, "\(String(describing: pair.clientError))")
            if pair.client.isResumed { resumed += 1 }
          }
          return resumed
        }
      }
      return try await group.reduce(0, +)
    }
    // Only those that began before anybody had a ticket could not.
    #expect(resumed >= 160 - 16, "\(resumed)")
  }

  @Test func overSockets() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .tls)
      let security = try bench.clientSecurity()
      for index in 0..<3 {
        let lines = try await bench.client(security: security) { log in
          log.onLine = { channel, line in
            guard line.hasPrefix("greeting") else { return }
            log.lines.append("resumed \(channel.isResumed)")
            channel.close()
          }
        }
        #expect(lines.contains("resumed \(index > 0)"), "\(lines)")
      }
      await bench.server.shutdown()
    }
  }
}
