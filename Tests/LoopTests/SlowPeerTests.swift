import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Peers that take or send little at a time, or nothing, through all layers and on a clock that is moved.
@Suite(.timeLimit(.minutes(2))) struct SlowPeerTests {
  /// A client and a server at the two ends of a link, the client's script and what became of it.
  private struct Bench: Sendable {
    let loop: EventLoop
    let link: MeteredLink
    let client = Confined(ClientLog())
    let server = ServerLog()
    let security: (client: TransportSecurity, server: TransportSecurity)
    let layers: Layers

    init(_ loop: EventLoop, _ layers: Layers) async throws {
      self.loop = loop
      self.layers = layers
      link = await loop.run { MeteredLink(loop) }
      let certificate = try SelfSignedCertificate.generate(hosts: ["mail.example"])
      security =
        layers.isTLS
        ? (
          .tls(try .client(trust: .pem(certificate.certificatePEM))),
          .tls(try .server(identity: certificate.identity))
        ) : (.plain, .plain)
    }

    /// Starts both, and lets the time go by until the client has reached `begin`, which is done at the speed of memory.
    func start(
      _ clientConfiguration: ClientConnection.Configuration = .init(),
      _ serverConfiguration: ServerConnection.Configuration = .init(),
      _ begin: @escaping @Sendable (ClientChannel) -> Void,
      _ next: @escaping @Sendable (ClientChannel, String) -> Void = { _, _ in }
    ) async {
      let hasBegun = Confined(false)
      await loop.run { [self] in
        client.value.onLine = layers.script(
          { channel in
            hasBegun.value = true
            begin(channel)
          }, next)
        link.serve(security.server, serverConfiguration, server)
        _ = link.connect(security.client, clientConfiguration, client.value)
      }
      await link.run { [client] in hasBegun.value || client.value.closeCount > 0 }
    }

    /// What both ends have to say at last. The link goes at full speed, so that neither waits for the other.
    func end() async -> (client: [String], server: [String]) {
      await loop.run { [link] in link.rates = (.max, .max) }
      await link.run { [client, server] in client.value.closeCount > 0 && server.channels.isEmpty }
      await until(loop) { [client, server] in client.value.closeCount > 0 && server.channels.isEmpty }
      return await loop.run { [client, server] in (client.value.lines, server.lines) }
    }
  }

  private static func serverConfiguration(sendTimeout: Duration) -> ServerConnection.Configuration {
    var configuration = ServerConnection.Configuration()
    configuration.sendTimeout = sendTimeout
    return configuration
  }

  /// A client asks for much and reads nothing: what waits for it is bounded, and so is the time.
  @Test(arguments: Layers.allCases)
  func aClientThatTakesNothingIsClosed(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await Bench(loop, layers)
      await loop.run { bench.server.answer = noiseLines(200, of: 1000) }
      let most = Confined(0)
      await bench.start(.init(), Self.serverConfiguration(sendTimeout: .seconds(60))) { channel in
        for _ in 0..<10 { _ = try? channel.send(.list(reference: "", pattern: "*")) }
      }
      let before = await loop.run {
        bench.link.rates = (.max, 0)
        return bench.link.seconds
      }
      await bench.link.run {
        guard let channel = bench.server.channels.first else { return true }
        most.value = max(most.value, channel.outboundCount + (channel.stream?.queued ?? 0))
        return bench.link.seconds > before + 1000
      }
      let (seconds, lines) = await loop.run { (bench.link.seconds - before, bench.server.lines) }
      #expect(lines.last == "closed: error timed out: sending", "\(lines)")
      #expect(seconds >= 60 && seconds < 1000, "\(seconds)")
      // The machine begins no command while it is full. One LIST makes 200 KB.
      let waiting = await loop.run { most.value }
      #expect(
        waiting > Channel.highWatermark
          && waiting <= ServerConnection.Configuration().maximumOutbound + 300 * 1024, "\(waiting)")
      _ = await bench.end()
    }
  }

  /// One that takes a kilobyte every half of that time gets everything.
  @Test(arguments: Layers.allCases)
  func aSlowClientGetsEverything(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await Bench(loop, layers)
      await loop.run { bench.server.answer = noiseLines(200, of: 1000) }
      let isDone = Confined(false)
      await bench.start(.init(), Self.serverConfiguration(sendTimeout: .milliseconds(2900))) { channel in
        _ = try? channel.send(.list(reference: "", pattern: "*"))
      } _: { channel, line in
        if line == "\(layers.tag(1)) ok" { isDone.value = true }
      }
      await loop.run { bench.link.rates = (.max, 1024) }
      await bench.link.run { isDone.value || bench.server.channels.isEmpty }
      let (seconds, lines) = await loop.run { (bench.link.seconds, bench.client.value.lines) }
      #expect(lines.filter { $0 == "response" }.count >= 200)
      #expect(lines.contains("\(layers.tag(1)) ok") && seconds > 100, "\(lines.last ?? "") \(seconds)")
      await loop.run { bench.server.channels.first?.close() }
      #expect(await bench.end().server.last == "closed: local")
    }
  }

  /// The other way round: a message goes to a server that takes a kilobyte at a time.
  @Test(arguments: Layers.allCases)
  func aSlowServerGetsAMessage(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await Bench(loop, layers)
      let message = noise(300_000)
      var configuration = ClientConnection.Configuration()
      configuration.commandTimeout = .milliseconds(2900)
      await loop.run {
        var sent = 0
        bench.client.value.onLiteral = { channel, id in
          sent += (try? channel.write(id, literal: message.span.extracting(sent...))) ?? 0
        }
      }
      await bench.start(configuration) { channel in
        _ = try? channel.send(.append(AppendRequest(mailbox: "INBOX", byteCount: UInt64(message.count))))
      } _: { channel, line in
        if line == "\(layers.tag(1)) ok" { _ = try? channel.send(.logout) }
      }
      await loop.run { bench.link.rates = (1024, .max) }
      await bench.link.run { bench.client.value.closeCount > 0 || bench.server.lines.contains("appended 300000") }
      let seconds = await loop.run { bench.link.seconds }
      #expect(seconds > 200, "\(seconds)")
      let lines = await bench.end()
      #expect(lines.client.last == "closed: logout", "\(lines)")
      #expect(lines.server.suffix(2) == ["appended 300000", "closed: logout"], "\(lines)")
    }
  }

  /// A server that takes nothing of a message is given up.
  @Test(arguments: Layers.allCases)
  func aServerThatTakesNothingIsGivenUp(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await Bench(loop, layers)
      let piece = noise(1 << 20)
      let most = Confined(0)
      await loop.run {
        bench.client.value.onLiteral = { channel, id in
          while let taken = try? channel.write(id, literal: piece.span), taken > 0 {}
        }
      }
      await bench.start { channel in
        _ = try? channel.send(.append(AppendRequest(mailbox: "INBOX", byteCount: 64 << 20)))
      }
      await bench.link.run { (bench.link.near.owner as? Channel)?.isCongested == true }
      let before = await loop.run {
        bench.link.rates = (0, .max)
        return bench.link.seconds
      }
      await bench.link.run {
        most.value = max(most.value, bench.link.near.queued)
        return bench.client.value.closeCount > 0 || bench.link.seconds > before + 1000
      }
      let seconds = await loop.run { bench.link.seconds - before }
      // The time begins anew once, as some bytes went, and the socket is kept for ten seconds.
      #expect(seconds >= 119 && seconds <= 255, "\(seconds)")
      // A piece that is compressed is sent as a whole, and so is a record of TLS.
      let queued = await loop.run { most.value }
      #expect(queued > Channel.highWatermark / 2 && queued <= 2 * Channel.highWatermark + 1024, "\(queued)")
      let lines = await bench.end().client
      #expect(
        lines.suffix(2) == ["\(layers.tag(1)) failed: timed out: sending", "closed: error timed out: sending"],
        "\(lines)")
    }
  }

  /// A byte a second in each direction: a record of TLS takes much longer than a server may be silent, and a client.
  @Test(arguments: Layers.allCases)
  func aByteASecond(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await Bench(loop, layers)
      let message = noise(2500)
      await loop.run {
        bench.server.answer = noiseLines(2, of: 500)
        bench.client.value.onLiteral = { channel, id in _ = try? channel.write(id, literal: message.span) }
      }
      await bench.start { channel in
        _ = try? channel.send(.list(reference: "", pattern: "*"))
        _ = try? channel.send(.append(AppendRequest(mailbox: "INBOX", byteCount: UInt64(message.count))))
      } _: { channel, line in
        if line != "\(layers.tag(2)) ok" { return }
        // The answer to LOGOUT must come at once.
        bench.link.rates = (.max, .max)
        _ = try? channel.send(.logout)
      }
      await loop.run { bench.link.rates = (1, 1) }
      await bench.link.run { bench.client.value.closeCount > 0 }
      let seconds = await loop.run { bench.link.seconds }
      #expect(seconds > 2500)
      let lines = await bench.end()
      #expect(
        lines.client.filter { $0 != "response" }.suffix(4) == [
          "\(layers.tag(1)) ok", "\(layers.tag(2)) ok", "\(layers.tag(3)) ok", "closed: logout",
        ], "\(lines)")
      #expect(lines.server.suffix(2) == ["appended 2500", "closed: logout"], "\(lines)")
    }
  }

  /// The time of a client that says nothing counts from the last answer, and not from when somebody looks.
  @Test func autologoutIsOnTime() async throws {
    try await withLoop { loop in
      let bench = try await Bench(loop, .plain)
      await bench.start { channel in _ = try? channel.send(.noop) }
      await bench.link.run { bench.client.value.lines.contains("A2 ok") }
      let before = await loop.run { bench.link.seconds }
      await bench.link.run { bench.client.value.closeCount > 0 }
      let seconds = await loop.run { bench.link.seconds - before }
      #expect(seconds > 1700 && seconds < 1900, "\(seconds)")
      #expect(await bench.end().server.last == "closed: error timed out: autologout")
    }
  }

  /// One that sends all it has to say at once, and much of it, gets its answers in turns.
  @Test func commandsInAHeapTakeTurns() async throws {
    try await withLoop { loop in
      let link = await loop.run { MeteredLink(loop) }
      let turns = Confined<[UInt32: Int]>([:])
      let count = 30_000
      await loop.run {
        let counter = NoopCounter { turns.value[loop.iteration, default: 0] += 1 }
        let setup = ServerSetup(
          tls: nil, isImplicit: false, configuration: .init(), handshakeTimeout: .seconds(30))
        ServerChannel(loop: loop, setup: setup).start(link.far, delegate: counter)
        link.far.bring(Array(String(repeating: "a NOOP\r\n", count: count).utf8))
      }
      await until(loop) {
        _ = link.far.take(.max)
        return turns.value.values.reduce(0, +) >= count
      }
      let (most, total) = await loop.run { (turns.value.values.max() ?? 0, turns.value.values.reduce(0, +)) }
      #expect(total == count)
      // A turn when the bytes come, and one at the end of the tick.
      #expect(most <= 2 * Channel.eventsPerTurn, "\(most)")
      await loop.run {
        link.far.close()
        link.near.close()
      }
    }
  }

  /// Completes each command at once.
  private final class NoopCounter: ServerChannelDelegate {
    private let onCommand: () -> Void
    init(_ onCommand: @escaping () -> Void) { self.onCommand = onCommand }

    func channelConnected(_ channel: ServerChannel) { channel.withConnection { $0.greet(Status(.ok, "hi")) } }
    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      guard case .command(let id, _) = copy event else { return }
      onCommand()
      try? channel.withConnection { try $0.complete(id, Status(.ok, "done")) }
    }
    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}
  }
}
