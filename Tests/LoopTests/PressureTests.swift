import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Peers that take nothing, or send without end: memory stays bounded, and others have their turn.
@Suite(.timeLimit(.minutes(1))) struct PressureTests {
  private static let greeting = "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hi\r\n"

  /// The server reads none of a message: so much waits and no more, until the time for progress is over.
  @Test(arguments: [64 << 20])
  func aPeerThatTakesNothing(size: Int) async throws {
    try await withLoop { loop in
      let listener = await ScriptListener(loop, [Self.greeting], listens: false)
      var configuration = ClientConnection.Configuration()
      configuration.commandTimeout = .milliseconds(100)
      let most = Confined(0)
      let lines = await runClient(loop, port: listener.port, security: .plain, configuration: configuration) { log in
        let piece = [UInt8](repeating: 0x41, count: 1 << 20)
        log.onLine = { channel, line in
          guard line == "greeting preauth" else { return }
          _ = try? channel.send(.append(AppendRequest(mailbox: "INBOX", byteCount: UInt64(size))))
        }
        log.onLiteral = { channel, id in
          while let taken = try? channel.write(id, literal: piece.span), taken > 0 {
            most.value = max(most.value, channel.outboundCount + (channel.stream?.queued ?? 0))
          }
        }
      }
      let waiting = await loop.run { most.value }
      // What the machine holds of a literal is bounded, and so is what the stream queues.
      #expect(waiting > Channel.highWatermark / 2 && waiting <= 4 * Channel.highWatermark, "\(waiting)")
      #expect(lines.suffix(2) == ["A1 failed: timed out: sending", "closed: error timed out: sending"], "\(lines)")
      await listener.close()
    }
  }

  /// A paused client keeps what one read brought, and the server's congestion holds up nobody else.
  @Test(arguments: [Protection.plain, .tls])
  func aPausedChannelKeepsLittle(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let security = try bench.clientSecurity()
      var configuration = ClientConnection.Configuration()
      configuration.maximumInFlight = 120
      let kept = Confined<ClientChannel?>(nil)
      let paused = Confined(ClientLog())
      await loop.run { [configuration] in
        paused.value.onLine = { channel, line in
          if line == "greeting ok" { _ = try? channel.send(.login(user: "u", password: Secret("p"))) }
          guard line == "A1 ok" else { return }
          // 24 MB of answers: more than the kernel holds.
          for _ in 0..<120 { _ = try? channel.send(.list(reference: "", pattern: "*")) }
          channel.pauseReading()
        }
        kept.value = ClientChannel(
          loop: loop, host: "127.0.0.1", port: bench.port, security: security, configuration: configuration,
          delegate: paused.value)
      }
      await until(loop) { bench.log.channels.contains { $0.isCongested } }
      let lines = try await bench.client { log in
        log.onLine = { channel, line in
          if line == "greeting ok" { _ = try? channel.send(.login(user: "u", password: Secret("p"))) }
          if line == "A1 ok" { for _ in 0..<10 { _ = try? channel.send(.list(reference: "", pattern: "*")) } }
          if line == "A11 ok" { _ = try? channel.send(.logout) }
        }
      }
      #expect(lines.filter { $0 == "response" }.count >= 2000)
      #expect(lines.last == "closed: logout")
      let (unread, queued) = await loop.run { () -> (Int, Int) in
        let server = bench.log.channels.first { $0.isCongested }
        return (kept.value?.tail.count ?? -1, (server?.outboundCount ?? 0) + (server?.stream?.queued ?? 0))
      }
      #expect(unread >= 0 && unread <= EventLoop.readSize + EventLoop.stashLimit, "\(unread)")
      // The machine begins no command while it is full. One LIST makes 200 KB.
      let bound = ServerConnection.Configuration().maximumOutbound + 300 * 1024
      #expect(queued > 0 && queued <= bound, "\(queued)")
      await loop.run { kept.value?.close() }
      await until(loop) { paused.value.closeCount > 0 }
      #expect(await loop.run { paused.value.lines.last } == "closed: local")
      await bench.server.shutdown()
    }
  }

  /// A server on another thread fills one connection as fast as it can. Each command of another connection is through within a
  /// few iterations of the loop, whatever those cost.
  @Test(arguments: [Protection.plain, .tls])
  func aFloodHoldsUpNobody(protection: Protection) async throws {
    try await withLoop { far in
      try await withLoop { loop in
        let flooder = try await Flooder(far, protection)
        let bench = try await TestBench(loop, protection)
        let flooded = Confined<(ClientChannel?, ClientLog)>((nil, ClientLog()))
        let count = Confined(0)
        await loop.run {
          let log = flooded.value.1
          log.onLine = { _, _ in
            count.value += 1
            if log.lines.count > 1000 { log.lines = [] }
          }
          flooded.value.0 = ClientChannel(
            loop: loop, host: "127.0.0.1", port: flooder.port, security: flooder.clientSecurity, delegate: log)
        }
        await until(loop) { count.value > 10_000 }
        let turns = Confined<[UInt32]>([])
        let before = await loop.run { count.value }
        let lines = try await bench.client { log in
          var sent: UInt32 = 0
          log.onLine = { channel, line in
            if line.hasPrefix("A") { turns.value.append(loop.iteration &- sent) }
            guard line == "greeting ok" || line.hasPrefix("A") else { return }
            sent = loop.iteration
            _ = try? channel.send(turns.value.count < 50 ? .noop : .logout)
          }
        }
        #expect(lines.last == "closed: logout", "\(lines)")
        let (most, after) = await loop.run { (turns.value.max() ?? .max, count.value) }
        #expect(most <= 10, "\(most)")
        #expect(after > before + 1000)
        await loop.run { flooded.value.0?.close() }
        await until(loop) { flooded.value.1.closeCount > 0 }
        await bench.server.shutdown()
        await flooder.server.shutdown()
      }
    }
  }

  private struct Flooder {
    let server: IMAPServer
    let clientSecurity: TransportSecurity
    var port: UInt16 { server.addresses.first?.port ?? 0 }

    init(_ loop: EventLoop, _ protection: Protection) async throws {
      let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
      let context = try TLSContext.server(identity: certificate.identity)
      clientSecurity = protection == .plain ? .plain : .tls(try .client(trust: .pem(certificate.certificatePEM)))
      server = try await IMAPServer.start(
        on: loop, endpoints: [.init(security: protection == .plain ? .plain : .tls(context))]
      ) { _ in Flood() }
    }

    private final class Flood: ServerChannelDelegate {
      func channelConnected(_ channel: ServerChannel) {
        channel.withConnection { $0.greet(Status(.ok, "hi")) }
        fill(channel)
      }

      func channelWritable(_ channel: ServerChannel) { fill(channel) }
      func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {}
      func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}

      private func fill(_ channel: ServerChannel) {
        channel.withConnection { connection in
          for _ in 0..<5000 { try? connection.respond(.status(Status(.ok, "more and more and more"))) }
        }
        // Where the socket took everything at once there is no call that says so.
        channel.loop.schedule(after: .zero) { [weak self] in
          if !channel.isCongested, channel.stream != nil { self?.fill(channel) }
        }
      }
    }
  }
}

extension Channel.Tail {
  /// Bytes that are unread.
  var count: Int {
    switch self {
    case .none: 0
    case .small(let bytes): bytes.count
    case .large(let box): box.buffer.unread
    }
  }
}
