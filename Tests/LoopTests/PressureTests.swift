import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Peers that take nothing, or send without end: memory stays bounded, and others have their turn.
@Suite(.timeLimit(.minutes(1))) struct PressureTests {
  /// The server reads none of a message: so much waits and no more, until the time for progress is over.
  @Test(arguments: Layers.allCases)
  func aPeerThatTakesNothing(layers: Layers) async throws {
    try await withLoop { loop in
      let peer = try await DeafServer(loop, layers)
      var configuration = ClientConnection.Configuration()
      configuration.commandTimeout = .milliseconds(200)
      let most = Confined((all: 0, queued: 0))
      let lines = await runClient(
        loop, port: peer.port, security: peer.clientSecurity, configuration: configuration
      ) { log in
        let piece = noise(1 << 20)
        let tag = layers.isCompressed ? "compressed" : "greeting preauth"
        func look(_ channel: ClientChannel) {
          let queued = channel.stream?.queued ?? 0
          most.value = (max(most.value.all, channel.outboundCount + queued), max(most.value.queued, queued))
          if channel.phase == .open { loop.schedule(after: .milliseconds(1)) { look(channel) } }
        }
        log.onLine = { channel, line in
          if line == "greeting preauth", layers.isCompressed { _ = try? channel.send(.compress) }
          guard line == tag else { return }
          _ = try? channel.send(.append(AppendRequest(mailbox: "INBOX", byteCount: 64 << 20)))
          look(channel)
        }
        log.onLiteral = { channel, id in while let taken = try? channel.write(id, literal: piece.span), taken > 0 {} }
      }
      let waiting = await loop.run { most.value }
      // What the machine holds of a literal is bounded, and so is what the stream queues: a piece that is compressed, or some
      // records, may go above the limit.
      #expect(waiting.all > Channel.highWatermark / 2 && waiting.all <= 6 * Channel.highWatermark + 1024, "\(waiting)")
      let piece = layers.isCompressed || layers.isTLS ? DeflatePort.pieceSize + 1024 : 0
      #expect(waiting.queued > 0 && waiting.queued <= Channel.highWatermark + piece, "\(waiting)")
      let tag = layers.isCompressed ? "A2" : "A1"
      #expect(lines.suffix(2) == ["\(tag) failed: timed out: sending", "closed: error timed out: sending"], "\(lines)")
      await peer.close()
    }
  }

  /// A paused client keeps what one read brought, and the server's congestion holds up nobody else.
  @Test(arguments: Layers.allCases)
  func aPausedChannelKeepsLittle(layers: Layers) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, layers.protection)
      await loop.run { bench.log.answer = noiseLines(200, of: 1000) }
      let security = try bench.clientSecurity()
      var configuration = ClientConnection.Configuration()
      configuration.maximumInFlight = 120
      let kept = Confined<ClientChannel?>(nil)
      let paused = Confined(ClientLog())
      await loop.run { [configuration] in
        paused.value.onLine = layers.script { channel in
          // 24 MB of answers: more than the kernel holds.
          for _ in 0..<120 { _ = try? channel.send(.list(reference: "", pattern: "*")) }
          channel.pauseReading()
        } _: { _, _ in
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
      let (unread, queued, pending) = await loop.run { () -> (Int, Int, Int) in
        let server = bench.log.channels.first { $0.isCongested }
        let queued = (server?.outboundCount ?? 0) + (server?.stream?.queued ?? 0)
        return (kept.value?.tail.count ?? -1, queued, kept.value?.deflate?.pending.count ?? 0)
      }
      #expect(unread >= 0 && unread <= EventLoop.readSize + EventLoop.stashLimit, "\(unread)")
      #expect(pending <= EventLoop.readSize + EventLoop.stashLimit, "\(pending)")
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
  @Test(arguments: Layers.allCases)
  func aFloodHoldsUpNobody(layers: Layers) async throws {
    try await withLoop { far in
      try await withLoop { loop in
        let flooder = try await Flooder(far, layers)
        let bench = try await TestBench(loop, layers.protection)
        let flooded = Confined<(ClientChannel?, ClientLog)>((nil, ClientLog()))
        let count = Confined(0)
        await loop.run {
          let log = flooded.value.1
          log.onLine = layers.script { _ in
          } _: { _, _ in
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

    init(_ loop: EventLoop, _ layers: Layers) async throws {
      let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
      let context = try TLSContext.server(identity: certificate.identity)
      clientSecurity = layers.isTLS ? .tls(try .client(trust: .pem(certificate.certificatePEM))) : .plain
      server = try await IMAPServer.start(
        on: loop, endpoints: [.init(security: layers.isTLS ? .tls(context) : .plain)]
      ) { _ in Flood(layers) }
    }

    /// Says more whenever what it said is gone.
    private final class Flood: ServerChannelDelegate {
      private let layers: Layers
      init(_ layers: Layers) { self.layers = layers }

      func channelConnected(_ channel: ServerChannel) {
        channel.withConnection { $0.greet(Status(.ok, "hi")) }
        if !layers.isCompressed { fill(channel) }
      }

      func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
        guard case .command(let id, _) = copy event else { return }
        try? channel.withConnection { try $0.complete(id, Status(.ok, "done")) }
      }

      func channelCompressed(_ channel: ServerChannel) { fill(channel) }
      // Also where the socket took at once what was above the high watermark.
      func channelWritable(_ channel: ServerChannel) { fill(channel) }
      func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}

      private func fill(_ channel: ServerChannel) {
        channel.withConnection { connection in
          while connection.outboundCount <= 2 * Channel.highWatermark {
            do { try connection.respond(.status(Status(.ok, "more and more and more"))) } catch { return }
          }
        }
      }
    }
  }
}

/// A server that greets, agrees to COMPRESS where that is wanted, and reads no more.
@safe
private final class DeafServer: StreamOwner, @unchecked Sendable {
  // Sendable: everything but the constants is used on the loop's thread.
  private(set) var port: UInt16 = 0
  let clientSecurity: TransportSecurity
  private let layers: Layers
  private let loop: EventLoop
  private let context: TLSContext
  private var listener: Listener?
  private var stream: ByteStream?
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)

  init(_ loop: EventLoop, _ layers: Layers) async throws {
    self.loop = loop
    self.layers = layers
    let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
    context = try TLSContext.server(identity: certificate.identity)
    clientSecurity = layers.isTLS ? .tls(try .client(trust: .pem(certificate.certificatePEM))) : .plain
    await loop.run { [self] in listen() }
  }

  deinit { unsafe memory.deallocate() }

  private func listen() {
    guard let address = SocketAddress(numeric: "127.0.0.1", port: 0) else { return }
    listener = try? Listener(loop: loop, address: address) { [weak self] stream in self?.accept(stream) }
    port = listener?.address.port ?? 0
  }

  private func accept(_ stream: TCPStream) {
    if layers.isTLS {
      guard let secure = try? TLSStream(context, host: nil, over: stream) else { return stream.close() }
      self.stream = secure
      secure.owner = self
      secure.start()
    } else {
      self.stream = stream
      stream.owner = self
      streamConnected(stream, error: nil)
    }
  }

  func close() async {
    await loop.run { [self] in
      listener?.close()
      stream?.close()
    }
  }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    say("* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ COMPRESS=DEFLATE] hi\r\n", stream)
    if layers.isCompressed { _ = try? stream.startReading() } else { stream.pauseReading() }
  }

  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }
  func stream(_ stream: ByteStream, received count: Int) {
    if count == 0 { return }
    stream.pauseReading()
    say("A1 OK go\r\n", stream)
  }
  func streamEnded(_ stream: ByteStream) {}
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { stream.close() }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) {}

  private func say(_ text: String, _ stream: ByteStream) {
    let bytes = Array(text.utf8)
    _ = try? stream.write(bytes.span)
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
