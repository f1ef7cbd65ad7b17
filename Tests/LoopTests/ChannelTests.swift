import IMAPStateMachine
import Testing

@testable import IMAPLoop

@Suite(.timeLimit(.minutes(1))) struct ChannelTests {
  /// Sends the next command whenever one is complete.
  private static func sending(_ commands: [Command]) -> @Sendable (ClientLog) -> Void {
    { log in
      var rest = commands[...]
      log.onLine = { channel, line in
        guard line.hasPrefix("greeting") || line == "secured" || line.hasSuffix(" OK") || line.hasSuffix(" ok") else {
          return
        }
        guard let next = rest.popFirst() else { return }
        do throws(ConnectionError) { _ = try channel.send(next) } catch { log.lines.append("refused: \(error)") }
      }
    }
  }

  private static let login = Command.login(user: "u", password: Secret("p"))

  @Test(arguments: [Protection.plain, .tls])
  func session(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let lines = try await bench.client(Self.sending([Self.login, .noop, .logout]))
      let secured = protection == .tls ? ["secured"] : []
      #expect(
        lines.filter { $0 != "response" && $0 != "secured" } == [
          "connected", "greeting ok", "A1 ok", "A2 ok", "A3 ok", "closed: logout",
        ])
      #expect(lines.filter { $0 == "secured" } == secured)
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.lines } == (protection == .tls ? ["secured true"] : []) + ["closed: logout"])
    }
  }

  @Test func startTLS() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .startTLS)
      let isSecure = Confined(false)
      let lines = try await bench.client { log in
        log.onLine = { channel, line in
          switch line {
          case "greeting ok": _ = try? channel.send(.startTLS)
          case "secured":
            isSecure.value = channel.isSecure && channel.tlsVersion == "TLSv1.3"
            _ = try? channel.send(Self.login)
          case "A2 ok": _ = try? channel.send(.logout)
          default: break
          }
        }
      }
      #expect(
        lines.filter { $0 != "response" } == [
          "connected", "greeting ok", "A1 upgrade", "secured", "A2 ok", "A3 ok", "closed: logout",
        ])
      #expect(isSecure.value)
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.lines } == ["upgrade", "secured true", "closed: logout"])
    }
  }

  @Test func startTLSNeedsAContext() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .startTLS)
      let lines = try await bench.client(security: .plain, Self.sending([.startTLS]))
      #expect(lines.last?.contains("no TLS configuration") == true, "\(lines)")
      await bench.server.shutdown()
    }
  }

  @Test(arguments: [Protection.tls, .startTLS])
  func wrongHostEndsTheConnection(protection: Protection) async throws {
    try await withLoop { loop in
      // The certificate names neither this name nor this address.
      let bench = try await TestBench(loop, protection)
      let other = try SelfSignedCertificate.generate(hosts: ["mail.example"])
      let context = try TLSContext.server(identity: other.identity)
      let trusted = try TLSContext.client(trust: .pem(other.certificatePEM))
      let server = try await IMAPServer.start(
        on: loop, endpoints: [.init(security: protection == .tls ? .tls(context) : .startTLS(context))]
      ) { _ in AgreeingServer(bench.log) }
      let port = try #require(server.addresses.first?.port)
      let lines = await runClient(
        loop, port: port, security: protection == .tls ? .tls(trusted) : .startTLS(trusted),
        Self.sending([.startTLS, .noop]))
      #expect(lines.last?.contains("IP address mismatch") == true, "\(lines)")
      #expect(!lines.contains("secured"))
      await server.shutdown()
      await bench.server.shutdown()
    }
  }

  @Test func untrustedEndsTheConnection() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .tls)
      let lines = try await bench.client(security: .tls(.client()), Self.sending([]))
      #expect(lines.count == 1 && lines[0].hasPrefix("closed: error certificate:"), "\(lines)")
      await bench.server.shutdown()
      let server = await loop.run { bench.log.lines }
      #expect(
        server.count == 1 && server[0].hasPrefix("closed: error TLS") || server[0].hasPrefix("closed: error tls"),
        "\(server)")
    }
  }

  @Test func plainClientOnATLSPort() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .tls, handshakeTimeout: .milliseconds(30))
      // Each waits for the other to speak first.
      #expect(try await bench.client(security: .plain) { _ in } == ["connected", "closed: end of input"])
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.lines } == ["closed: error timed out: TLS handshake"])
    }
  }

  @Test func failuresBeforeTheConnectionAreReportedOnce() async throws {
    try await withLoop { loop in
      for (host, text) in [("127.0.0.1", "ECONNREFUSED"), ("no such host", "resolve")] {
        let lines = await runClient(loop, host: host, port: 1, security: .plain) { _ in }
        #expect(lines.count == 1 && lines[0].contains(text), "\(lines)")
      }
    }
  }

  @Test func sendingTooEarlyIsMisuse() async throws {
    try await withLoop { loop in
      let error: ConnectionError? = await loop.run {
        let channel = ClientChannel(loop: loop, host: "127.0.0.1", port: 1, security: .plain, delegate: ClientLog())
        defer { channel.close() }
        do throws(ConnectionError) {
          _ = try channel.send(.noop)
          return nil
        } catch {
          return error
        }
      }
      #expect(error == .misuse(.init(.wrongState, state: "connecting")))
    }
  }

  @Test func silentServerIsGivenUp() async throws {
    try await withLoop { loop in
      let listener = Confined<Listener?>(nil)
      let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
      let kept = Confined<[SilentPeer]>([])
      let port = await loop.run {
        listener.value = try? Listener(loop: loop, address: address) { stream in kept.value.append(SilentPeer(stream)) }
        return listener.value?.address.port ?? 0
      }
      let context = try TLSContext.client(trust: .insecure)
      let tls = await runClient(loop, port: port, security: .tls(context), timeout: .milliseconds(30)) { _ in }
      #expect(tls == ["closed: error timed out: TLS handshake"])
      var configuration = ClientConnection.Configuration()
      configuration.greetingTimeout = .milliseconds(30)
      let plain = await runClient(loop, port: port, security: .plain, configuration: configuration) { _ in }
      #expect(plain == ["connected", "closed: error timed out: greeting"])
    }
  }

  @Test func silentClientIsGivenUp() async throws {
    try await withLoop { loop in
      var configuration = ServerConnection.Configuration()
      configuration.loginTimeout = .milliseconds(30)
      let bench = try await TestBench(loop, configuration: configuration)
      let lines = try await bench.client { _ in }
      #expect(lines.last?.hasPrefix("closed: bye") == true, "\(lines)")
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.lines }.last?.contains("timed out") == true)
    }
  }

  /// Close from inside each kind of event; what is in flight fails, and the end comes once.
  @Test(arguments: Protection.allCases, ["connected", "greeting ok", "A1 ok", "7 exists", "A2 idling", "secured"])
  func closesInsideAnEvent(protection: Protection, moment: String) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let didClose = Confined(false)
      let lines = try await bench.client { log in
        log.onLine = { channel, line in
          if line == moment {
            didClose.value = true
            _ = try? channel.send(.noop)
            channel.close()
            channel.close()
            return
          }
          if didClose.value { return }
          switch line {
          case "greeting ok": _ = try? channel.send(protection == .startTLS ? .startTLS : Self.login)
          case "secured" where protection == .startTLS: _ = try? channel.send(Self.login)
          case "A1 ok", "A2 ok": _ = try? channel.send(.idle)
          case "A2 idling", "A3 idling":
            for server in bench.log.channels { try? server.withConnection { try $0.respond(.exists(7)) } }
          case "7 exists":
            // Reached where the moment is one that does not come on this kind of connection.
            channel.close()
          default: break
          }
        }
      }
      #expect(lines.last == "closed: local", "\(lines)")
      #expect(lines.filter { $0.hasPrefix("closed") }.count == 1)
      if didClose.value, moment != "connected" {
        #expect(lines.contains { $0.contains("failed: connection closed") }, "\(lines)")
      }
      await bench.server.shutdown()
    }
  }

  @Test func serverClosesInsideAnEvent() async throws {
    try await withLoop { loop in
      let server = try await IMAPServer.start(on: loop) { _ in ClosingServer() }
      let port = try #require(server.addresses.first?.port)
      let lines = await runClient(loop, port: port, security: .plain, Self.sending([.noop, .noop]))
      #expect(lines.last?.hasPrefix("closed: bye") == true, "\(lines)")
      await server.shutdown()
    }
  }

  private final class ClosingServer: ServerChannelDelegate {
    func channelConnected(_ channel: ServerChannel) { channel.withConnection { $0.greet(Status(.ok, "hi")) } }
    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) { channel.close() }
    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}
  }

  @Test func handlerMayRefuse() async throws {
    try await withLoop { loop in
      let server = try await IMAPServer.start(on: loop) { _ in nil }
      let port = try #require(server.addresses.first?.port)
      let lines = await runClient(loop, port: port, security: .plain) { _ in }
      #expect(lines.last?.hasPrefix("closed:") == true)
      await server.shutdown()
    }
  }

  /// One connection's command is pushed to others from inside its event; all of them sit on the same loop.
  @Test(arguments: [Protection.plain, .tls])
  func pushesToOtherConnections(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let idling = Confined(0)
      let ready = Promise<Void>()
      async let watchers = withTaskGroup(of: [String].self) { group in
        for _ in 0..<10 {
          group.addTask {
            (try? await bench.client { log in
              Self.sending([Self.login, .idle])(log)
              let next = log.onLine
              log.onLine = { channel, line in
                next?(channel, line)
                if line == "A2 idling" {
                  idling.value += 1
                  if idling.value == 10 { ready.fulfil(()) }
                }
                if line == "7 exists" { channel.close() }
              }
            }) ?? []
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      await ready.value
      _ = try await bench.client(Self.sending([Self.login, .noop, .logout]))
      let all = await watchers
      #expect(all.count == 10)
      #expect(all.filter { $0.contains("7 exists") }.count == 10)
      await bench.server.shutdown()
    }
  }

  @Test(arguments: [Protection.plain, .tls])
  func appendsMuch(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let total = 3_000_000
      let message = [UInt8](repeating: 0x41, count: total)
      let lines = try await bench.client { log in
        var sent = 0
        Self.sending([Self.login, .append(AppendRequest(mailbox: "INBOX", byteCount: UInt64(total))), .logout])(log)
        log.onLiteral = { channel, id in
          sent += (try? channel.write(id, literal: message.span.extracting(sent..<min(sent + 700_000, total)))) ?? 0
        }
      }
      #expect(lines.filter { $0 != "response" }.suffix(3) == ["A2 ok", "A3 ok", "closed: logout"])
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.lines }.suffix(2) == ["appended \(total)", "closed: logout"])
    }
  }

  /// The client pauses in the middle of much input and goes on later: nothing is lost, and the server feels it.
  @Test(arguments: [Protection.plain, .tls])
  func pausesAndResumes(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let commands = 15
      let whilePaused = Confined(0)
      let lines = try await bench.client { log in
        var pauses = 0
        log.onLine = { channel, line in
          if whilePaused.value > 0 { Issue.record("an event came during a pause") }
          if line == "greeting ok" { _ = try? channel.send(Self.login) }
          if line == "A1 ok" { for _ in 0..<commands { _ = try? channel.send(.list(reference: "", pattern: "*")) } }
          if line == "A\(commands + 1) ok" { _ = try? channel.send(.logout) }
          if line == "response", log.lines.count % 701 == 0 {
            pauses += 1
            whilePaused.value = 1
            channel.pauseReading()
            loop.schedule(after: .milliseconds(10)) {
              whilePaused.value = 0
              channel.resumeReading()
            }
          }
        }
        log.onClosed = { $0.lines.append("\(pauses) pauses") }
      }
      #expect(lines.filter { $0 == "response" }.count >= commands * 200)
      #expect(lines.suffix(2).first == "closed: logout", "\(lines.suffix(3))")
      #expect(lines.last == "4 pauses")
      #expect(lines.filter { $0.hasSuffix(" ok") }.count == commands + 3)
      await bench.server.shutdown()
    }
  }

  /// The client does not read until the server has more to send than it may: the server waits, and goes on afterwards.
  @Test(arguments: Layers.allCases)
  func slowReaderHoldsTheServer(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, layers.protection)
      await loop.run { bench.log.answer = noiseLines(200, of: 1000) }
      // 24 MB of answers: more than the kernel holds.
      let commands = 120
      var configuration = ClientConnection.Configuration()
      configuration.maximumInFlight = commands
      let lines = try await bench.client(configuration: configuration) { log in
        func resumeOnceCongested(_ channel: ClientChannel) {
          if bench.log.channels.first?.isCongested == true { return channel.resumeReading() }
          loop.schedule(after: .milliseconds(1)) { resumeOnceCongested(channel) }
        }
        log.onLine = layers.script { channel in
          for _ in 0..<commands { _ = try? channel.send(.list(reference: "", pattern: "*")) }
          channel.pauseReading()
          resumeOnceCongested(channel)
        } _: { channel, line in
          if line == "\(layers.tag(commands)) ok" { _ = try? channel.send(.logout) }
        }
      }
      #expect(lines.filter { $0 == "response" }.count >= commands * 200)
      #expect(lines.last == "closed: logout")
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.writableCount } > 0)
    }
  }

  /// A server that nobody listens to is not late, however long that takes.
  @Test func noDeadlineInAPause() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      var configuration = ClientConnection.Configuration()
      configuration.commandTimeout = .milliseconds(50)
      let lines = try await bench.client(configuration: configuration) { log in
        log.onLine = { channel, line in
          if line == "greeting ok" {
            _ = try? channel.send(.noop)
            channel.pauseReading()
            loop.schedule(after: .milliseconds(200)) { channel.resumeReading() }
          }
          if line == "A1 ok" { _ = try? channel.send(.logout) }
        }
      }
      #expect(lines.contains("A1 ok"), "\(lines)")
      #expect(lines.last == "closed: logout", "\(lines)")
      await bench.server.shutdown()
    }
  }

  @Test func closingEndsAPause() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let lines = try await bench.client { log in
        log.onLine = { channel, line in
          guard line == "greeting ok" else { return }
          channel.pauseReading()
          _ = try? channel.send(.noop)
          loop.schedule(after: .milliseconds(10)) { channel.close() }
        }
      }
      #expect(lines.last == "closed: local", "\(lines)")
      #expect(lines.contains("A1 failed: connection closed"))
      await bench.server.shutdown()
    }
  }

  @Test(arguments: Protection.allCases)
  func shutdownOfTheLoopTellsEverybody(protection: Protection) async throws {
    let loop = try EventLoop.start()
    let bench = try await TestBench(loop, protection)
    let ready = Promise<Void>()
    let log = Confined(ClientLog())
    let security = try bench.clientSecurity()
    loop.submit {
      log.value.onLine = { channel, line in
        if line == "greeting ok" { _ = try? channel.send(Self.login) }
        if line == "A1 ok" { _ = try? channel.send(.idle) }
        if line == "A2 idling" { ready.fulfil(()) }
      }
      _ = ClientChannel(loop: loop, host: "127.0.0.1", port: bench.port, security: security, delegate: log.value)
      // One that is still looking for its address.
      _ = ClientChannel(loop: loop, host: "localhost", port: 1, security: security, delegate: ClientLog())
    }
    await ready.value
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(log.value.closeCount == 1)
    #expect(log.value.lines.suffix(2) == ["A2 failed: connection closed", "closed: local"], "\(log.value.lines)")
    #expect(bench.log.lines == (protection == .tls ? ["secured true"] : []) + ["closed: local"])
    #expect(bench.log.channels.isEmpty)
  }

  @Test func shutdownOfTheServerSaysBye() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .tls)
      let ready = Promise<Void>()
      async let lines = bench.client { log in
        log.onLine = { _, line in if line == "greeting ok" { ready.fulfil(()) } }
      }
      await ready.value
      await bench.server.shutdown()
      #expect(try await lines.last?.hasPrefix("closed: bye") == true)
      #expect(await loop.run { bench.log.lines } == ["secured true", "closed: local"])
    }
  }
}

/// The far end of a connection that never says anything.
@safe
private final class SilentPeer: StreamOwner {
  init(_ stream: TCPStream) {
    stream.owner = self
    _ = try? stream.startReading()
  }
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 16)
  deinit { unsafe memory.deallocate() }
  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }
  func stream(_ stream: ByteStream, received count: Int) {}
  func streamEnded(_ stream: ByteStream) { stream.close() }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {
    stream.close()
  }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) {}
}
