import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Only so many handshakes run at once, whatever becomes of them.
@Suite(.timeLimit(.minutes(2))) struct HandshakeQueueTests {
  @Test(arguments: [Protection.tls, .startTLS]) func manyConnectTogether(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let security = try bench.clientSecurity()
      await loop.run { loop.handshakeLimit = 3 }
      let port = bench.port
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<40 {
          group.addTask {
            let lines = await runClient(loop, port: port, security: security) { log in
              log.onLine = { channel, line in
                if line.hasPrefix("greeting") {
                  if protection == .tls { channel.close() } else { _ = try? channel.send(.startTLS) }
                } else if line == "secured" {
                  channel.close()
                }
              }
            }
            #expect(lines.last == "closed: local", "\(lines)")
          }
        }
      }
      await loop.run {
        #expect(loop.handshakes.peak <= 3)
        #expect(loop.handshakes.peak > 0)
        #expect(loop.handshakesRunning == 0)
        #expect(loop.handshakesWaiting == 0)
      }
      await bench.server.shutdown()
    }
  }

  /// A listener that says nothing: handshakes with it stay where they are.
  private func withSilence(_ body: (EventLoop, UInt16, TransportSecurity) async throws -> Void) async throws {
    try await withLoop { loop in
      let server = try await IMAPServer.start(on: loop) { _ in SilentServer() }
      try await body(loop, server.addresses[0].port, .tls(.client(trust: .insecure)))
      await server.shutdown()
    }
  }

  /// Peers that accept connections and say nothing do not keep others out: when their turns are over they still wait, and it is the
  /// other host's turn before that of the rest of them.
  @Test func silentPeersKeepNobodyOut() async throws {
    try await withSilence { loop, port, security in
      let bench = try await TestBench(loop, .tls, handshakeTimeout: .seconds(3600))
      let good = try bench.clientSecurity()
      let stuck = Confined<[ClientChannel]>([])
      let closed = Confined(0)
      let waiting = Confined(-1)
      await loop.run {
        loop.handshakeLimit = 2
        loop.handshakes.turnLength = .seconds(60)
        for _ in 0..<8 {
          let log = ClientLog()
          log.onClosed = { _ in closed.value += 1 }
          stuck.value.append(
            ClientChannel(
              loop: loop, host: "127.0.0.1", port: port, security: security, timeout: .seconds(3600), delegate: log))
        }
      }
      await until(loop) { loop.handshakesWaiting == 6 }
      async let lines = bench.client(security: good, timeout: .seconds(3600)) { log in
        log.onLine = { channel, line in
          if !line.hasPrefix("greeting") { return }
          waiting.value = loop.handshakesWaiting
          channel.close()
        }
      }
      await until(loop) { loop.handshakesWaiting == 7 }
      await loop.run {
        #expect(loop.handshakesRunning == 2)
        loop.skip(.seconds(61))
      }
      #expect(try await lines.last == "closed: local")
      await loop.run {
        // One of them had the other turn, and another one has the turn that the good one left.
        #expect(waiting.value == 4 && closed.value == 0)
        #expect(loop.handshakesRunning == 2 && loop.handshakesWaiting == 4)
        for channel in stuck.value { channel.close() }
      }
      await until(loop) { closed.value == 8 }
      await loop.run { #expect(loop.handshakesRunning == 0 && loop.handshakesWaiting == 0) }
      await bench.server.shutdown()
    }
  }

  /// A handshake whose turn is over goes on, and is complete when its peer has come round.
  @Test func aSlowPeerGetsItsHandshake() async throws {
    try await withLoop { loop in
      let certificate = try SelfSignedCertificate.generate(hosts: ["mail.example"])
      let link = await loop.run { MeteredLink(loop) }
      let client = Confined(ClientLog())
      let server = ServerLog()
      let security = TransportSecurity.tls(try .client(trust: .pem(certificate.certificatePEM)))
      let serverSecurity = TransportSecurity.tls(try .server(identity: certificate.identity))
      await loop.run {
        loop.handshakeLimit = 1
        client.value.onLine = { channel, line in if line == "greeting ok" { channel.close() } }
        link.rates = (0, 0)
        link.serve(serverSecurity, .init(), server)
        _ = link.connect(security, .init(), client.value)
        #expect(loop.handshakesRunning == 1)
      }
      await link.run { link.seconds == 5 }
      await loop.run {
        #expect(loop.handshakesRunning == 0 && client.value.closeCount == 0)
        link.rates = (.max, .max)
      }
      await link.run { client.value.closeCount > 0 }
      #expect(
        await loop.run { client.value.lines.filter { $0 != "response" } } == [
          "connected", "secured", "greeting ok", "closed: local",
        ])
      await until(loop) { server.channels.isEmpty }
    }
  }

  @Test func turnsGoRoundInOrder() async throws {
    try await withSilence { loop, port, security in
      let order = Confined<[Int]>([])
      let channels = Confined<[ClientChannel]>([])
      let done = Promise<Void>()
      // Each ends when it is its turn, which shows as a handshake that runs.
      loop.submit {
        loop.handshakeLimit = 1
        loop.handshakes.turnLength = .seconds(60)
        for index in 0..<6 {
          let log = ClientLog()
          log.onClosed = { _ in
            order.value.append(index)
            if order.value.count == 6 { done.fulfil(()) }
          }
          channels.value.append(
            ClientChannel(loop: loop, host: "127.0.0.1", port: port, security: security, delegate: log))
        }
        Self.watch(loop, channels)
      }
      await done.value
      await loop.run {
        #expect(loop.handshakes.peak == 1)
        #expect(loop.handshakesRunning == 0 && loop.handshakesWaiting == 0)
        #expect(order.value.sorted() == Array(0..<6))
      }
    }
  }

  /// Closes whoever has his turn once all the others wait, until nobody is left.
  private static func watch(_ loop: EventLoop, _ channels: Confined<[ClientChannel]>) {
    let open = channels.value.filter { $0.phase != .closed }
    if open.isEmpty { return }
    #expect(loop.handshakesRunning <= 1)
    if loop.handshakesRunning == 1, loop.handshakesWaiting == open.count - 1 {
      let running = open.filter { $0.setup?.turn == .granted }
      #expect(running.count == 1)
      running.first?.close()
    }
    loop.schedule(after: .milliseconds(1)) { watch(loop, channels) }
  }

  @Test func thoseWhoGiveUpKeepNobodyWaiting() async throws {
    try await withSilence { loop, port, security in
      let bench = try await TestBench(loop, .tls)
      let good = try bench.clientSecurity()
      let stuck = Confined<[ClientChannel]>([])
      let closed = Promise<Void>()
      let count = Confined(0)
      loop.submit {
        loop.handshakeLimit = 2
        loop.handshakes.turnLength = .seconds(60)
        for _ in 0..<8 {
          let log = ClientLog()
          log.onClosed = { _ in
            count.value += 1
            if count.value == 8 { closed.fulfil(()) }
          }
          stuck.value.append(
            ClientChannel(loop: loop, host: "127.0.0.1", port: port, security: security, delegate: log))
        }
      }
      async let waiting = bench.client(security: good) { log in
        log.onLine = { channel, line in if line.hasPrefix("greeting") { channel.close() } }
      }
      loop.submit { Self.closeAll(loop, stuck) }
      await closed.value
      let lines = try await waiting
      #expect(lines.last == "closed: local", "\(lines)")
      await loop.run { #expect(loop.handshakesRunning == 0 && loop.handshakesWaiting == 0) }
      await bench.server.shutdown()
    }
  }

  /// Once two run and all others wait.
  private static func closeAll(_ loop: EventLoop, _ channels: Confined<[ClientChannel]>) {
    if loop.handshakesRunning == 2, loop.handshakesWaiting >= 6 {
      for channel in channels.value.reversed() { channel.close() }
      channels.value = []
    } else {
      loop.schedule(after: .milliseconds(1)) { closeAll(loop, channels) }
    }
  }

  /// All of connecting has one deadline, also for those whose turn never comes.
  @Test func waitingCountsAsConnecting() async throws {
    try await withSilence { loop, port, security in
      await loop.run {
        loop.handshakeLimit = 1
        loop.handshakes.turnLength = .seconds(60)
      }
      await withTaskGroup(of: [String].self) { group in
        for _ in 0..<3 {
          group.addTask { await runClient(loop, port: port, security: security, timeout: .seconds(1)) { _ in } }
        }
        for await lines in group { #expect(lines == ["closed: error timed out: TLS handshake"], "\(lines)") }
      }
      await loop.run { #expect(loop.handshakesRunning == 0 && loop.handshakesWaiting == 0) }
    }
  }

  @Test func aLoopThatEndsLeavesNobodyInTheQueue() async throws {
    let other = try EventLoop.start()
    let server = try await IMAPServer.start(on: other) { _ in SilentServer() }
    let port = server.addresses[0].port
    let security = TransportSecurity.tls(try .client(trust: .insecure))
    let loop = try EventLoop.start()
    let closed = Confined(0)
    let waiting = Promise<Void>()
    loop.submit {
      loop.handshakeLimit = 1
      loop.handshakes.turnLength = .seconds(60)
      for _ in 0..<5 {
        let log = ClientLog()
        log.onClosed = { _ in closed.value += 1 }
        _ = ClientChannel(loop: loop, host: "127.0.0.1", port: port, security: security, delegate: log)
      }
      Self.awaitQueue(loop, 4, waiting)
    }
    await waiting.value
    #expect(await loop.shutdown().isClean)
    #expect(closed.value == 5)
    await server.shutdown()
    await other.shutdown()
  }

  private static func awaitQueue(_ loop: EventLoop, _ count: Int, _ promise: Promise<Void>) {
    if loop.handshakesWaiting == count { return promise.fulfil(()) }
    loop.schedule(after: .milliseconds(1)) { awaitQueue(loop, count, promise) }
  }
}

/// Accepts, and never says a word.
private final class SilentServer: ServerChannelDelegate {
  func channelConnected(_ channel: ServerChannel) {}
  func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {}
  func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}
}
