import IMAPStateMachine
import Testing

@testable import IMAPLoop

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The far end of a connection: it says one text for each read, and nothing behind the last.
@safe
final class ScriptPeer: StreamOwner {
  private(set) var reads = 0
  private let stream: TCPStream
  private var texts: ArraySlice<[UInt8]>
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)

  /// The first text is said at once. Nothing at all is read where `listens` is false.
  init(_ stream: TCPStream, _ texts: [String], listens: Bool = true) {
    self.stream = stream
    self.texts = texts.map { Array($0.utf8) }[...]
    stream.owner = self
    if listens { _ = try? stream.startReading() }
    say()
  }

  deinit { unsafe memory.deallocate() }

  func say() {
    if let text = texts.popFirst() { _ = try? stream.write(text.span) }
  }
  func end() { stream.shutdownWriting() }
  func close() { stream.close() }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }
  func stream(_ stream: ByteStream, received count: Int) {
    if count == 0 { return }
    reads += 1
    say()
  }
  func streamEnded(_ stream: ByteStream) { stream.close() }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { stream.close() }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) {}
}

/// Peers that follow a script each.
final class ScriptListener: @unchecked Sendable {
  // Sendable: everything but the port is used on the loop's thread.
  private(set) var peers: [ScriptPeer] = []
  private var listener: Listener?
  let loop: EventLoop
  private(set) var port: UInt16 = 0

  init(_ loop: EventLoop, _ texts: [String] = [], listens: Bool = true) async {
    self.loop = loop
    await loop.run { [self] in
      guard let address = SocketAddress(numeric: "127.0.0.1", port: 0) else { return }
      listener = try? Listener(loop: loop, address: address) { [weak self] in
        self?.peers.append(ScriptPeer($0, texts, listens: listens))
      }
      port = listener?.address.port ?? 0
    }
  }

  func close() async {
    await loop.run { [self] in
      listener?.close()
      for peer in peers { peer.close() }
    }
  }
}

/// The end of a connection, from this side or by its loop, while it is being set up.
@Suite(.timeLimit(.minutes(1))) struct EndingTests {
  enum Stage: String, CaseIterable, Sendable {
    case lookup, greeting, tls, turn, startTLS, socks, http, compress, command, paused
  }
  enum End: String, CaseIterable, Sendable { case close, shutdown, peerEnds }

  private static let script = ["* PREAUTH [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hi\r\n"]
  private static let plainScript = ["* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n", "A1 OK go\r\n"]

  /// Starts a client, and waits until it is in `stage`.
  private func client(_ stage: Stage, _ loop: EventLoop) async throws -> (ClientLog, ClientChannel, ScriptListener) {
    let texts =
      switch stage {
      case .compress, .command, .paused: Self.script
      case .startTLS: Self.plainScript
      default: [String]()
      }
    let listener = await ScriptListener(loop, texts)
    let context = try TLSContext.client(trust: .insecure)
    let port = listener.port
    let made = await loop.run { () -> Confined<(ClientLog, ClientChannel)> in
      let log = ClientLog()
      log.onLine = { channel, line in
        switch (line, stage) {
        case ("greeting preauth", .compress): _ = try? channel.send(.compress)
        case ("greeting preauth", .command): for _ in 0..<3 { _ = try? channel.send(.noop) }
        case ("greeting preauth", .paused):
          _ = try? channel.send(.noop)
          channel.pauseReading()
        case ("greeting ok", .startTLS): _ = try? channel.send(.startTLS)
        default: break
        }
      }
      if stage == .lookup { loop.resolver.substitute = { _, _ in } }
      let security: TransportSecurity =
        switch stage {
        case .tls, .turn: .tls(context)
        case .startTLS: .startTLS(context)
        default: .plain
        }
      let proxy: Proxy? =
        switch stage {
        case .socks: .socks5(host: "127.0.0.1", port: port)
        case .http: .httpConnect(host: "127.0.0.1", port: port)
        default: nil
        }
      if stage == .turn {
        loop.handshakeLimit = 1
        loop.handshakes.turnLength = .seconds(60)
        _ = ClientChannel(loop: loop, host: "127.0.0.1", port: port, security: security, delegate: ClientLog())
      }
      let host = stage == .lookup ? "mail.example" : "127.0.0.1"
      let channel = ClientChannel(
        loop: loop, host: host, port: port, proxy: proxy, security: security, delegate: log)
      return Confined((log, channel))
    }
    await until(loop) {
      switch stage {
      case .lookup: true
      case .greeting: made.value.0.lines == ["connected"] && listener.peers.count == 1
      case .turn: loop.handshakesWaiting == 1 && listener.peers.count == 2
      case .startTLS: listener.peers.first?.reads == 2
      case .paused, .compress, .command, .tls, .socks, .http: listener.peers.first?.reads == 1
      }
    }
    return (made.value.0, made.value.1, listener)
  }

  @Test(arguments: Stage.allCases, End.allCases)
  func endsOnce(stage: Stage, end: End) async throws {
    if stage == .lookup, end == .peerEnds { return }
    let loop = try EventLoop.start(name: "test")
    let (log, channel, listener) = try await client(stage, loop)
    let kept = Confined((log, channel))
    switch end {
    case .close:
      await loop.run {
        kept.value.1.close()
        kept.value.1.close()
      }
      await until(loop) { kept.value.0.closeCount > 0 }
    case .peerEnds:
      await loop.run {
        for peer in listener.peers { peer.end() }
        // Nobody sees it in a pause.
        if stage == .paused { kept.value.1.resumeReading() }
      }
      await until(loop) { kept.value.0.closeCount > 0 }
    case .shutdown: break
    }
    if end != .shutdown { await listener.close() }
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(log.closeCount == 1)
    let last = log.lines.last ?? ""
    if end == .peerEnds {
      #expect(last == "closed: end of input" || last.hasPrefix("closed: error "), "\(log.lines)")
      #expect(!last.contains("timed out"), "\(log.lines)")
    } else {
      #expect(last == "closed: local", "\(log.lines)")
    }
    let failures = log.lines.filter { $0.contains("failed") }
    #expect(failures.count == (stage == .command ? 3 : stage == .compress || stage == .paused ? 1 : 0), "\(log.lines)")
    #expect(Set(failures).count == failures.count)
  }

  /// What is sent as the loop shuts down fails as everything does, not because the socket is closed already.
  @Test(arguments: [Protection.plain, .tls])
  func sentInTheLastTick(protection: Protection) async throws {
    let loop = try EventLoop.start(name: "test")
    let bench = try await TestBench(loop, protection)
    let log = Confined(ClientLog())
    let security = try bench.clientSecurity()
    let channel = await loop.run {
      Confined(
        ClientChannel(loop: loop, host: "127.0.0.1", port: bench.port, security: security, delegate: log.value))
    }
    await until(loop) { log.value.lines.contains("greeting ok") }
    // The visit ends before the shutdown begins, and both are of one batch.
    let down = Promise<EventLoop.ShutdownReport>()
    loop.submit {
      Task { down.fulfil(await loop.shutdown()) }
      @Sendable func sendUntilTheEnd() {
        if loop.isShuttingDown {
          _ = try? channel.value.send(.noop)
        } else {
          loop.submit { sendUntilTheEnd() }
        }
      }
      sendUntilTheEnd()
    }
    let report = await down.value
    #expect(report.isClean, "\(report)")
    #expect(log.value.lines.suffix(2) == ["A1 failed: connection closed", "closed: local"], "\(log.value.lines)")
    #expect(log.value.closeCount == 1)
  }

  /// How many of `wanted` connections this process may have, both ends of each; the rest of its files is for other tests.
  private static func allowed(_ wanted: Int) throws -> Int {
    let reserve = 500
    let limit = try #require(DescriptorLimit.raise(to: 2 * wanted + reserve))
    return min(wanted, max(100, (limit - reserve) / 2))
  }

  /// Ten thousand connections, both ends of five thousand, each with two commands in flight; fewer where the system does not let
  /// this process have them.
  @Test(arguments: [(Protection.plain, 5000), (.tls, 200)])
  func shutdownWithManyConnections(protection: Protection, wanted: Int) async throws {
    let pairs = try Self.allowed(wanted)
    let loop = try EventLoop.start(name: "test")
    let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
    let context = try TLSContext.server(identity: certificate.identity)
    let security: TransportSecurity =
      protection == .plain ? .plain : .tls(try .client(trust: .pem(certificate.certificatePEM)))
    let asked = Confined(0)
    let served = Confined(0)
    let server = try await IMAPServer.start(
      on: loop, endpoints: [.init(security: protection == .plain ? .plain : .tls(context))]
    ) { _ in DeafServer(asked, served) }
    let port = try #require(server.addresses.first?.port)
    let logs = Confined<[ClientLog]>([])
    @Sendable func open() {
      if logs.value.count >= pairs { return }
      let log = ClientLog()
      logs.value.append(log)
      log.onLine = { channel, line in
        guard line.hasPrefix("greeting") else { return }
        for _ in 0..<2 { _ = try? channel.send(.noop) }
        open()
      }
      _ = ClientChannel(loop: loop, host: "127.0.0.1", port: port, security: security, delegate: log)
    }
    // No more at once than the listening socket's queue takes.
    await loop.run { for _ in 0..<200 { open() } }
    await until(loop) { asked.value == pairs }
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(logs.value.count == pairs)
    let ended = ["A1 failed: connection closed", "A2 failed: connection closed", "closed: local"]
    let wrong = logs.value.filter { $0.closeCount != 1 || Array($0.lines.suffix(3)) != ended }
    #expect(wrong.isEmpty, "\(wrong.count): \(wrong.first?.lines ?? [])")
    #expect(served.value == pairs)
  }

  /// Answers no command.
  private final class DeafServer: ServerChannelDelegate {
    private let asked: Confined<Int>
    private let served: Confined<Int>
    private var wasAsked = false

    init(_ asked: Confined<Int>, _ served: Confined<Int>) {
      self.asked = asked
      self.served = served
    }

    func channelConnected(_ channel: ServerChannel) { channel.withConnection { $0.greet(Status(.ok, "hi")) } }
    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      guard case .command = copy event else { return }
      if !wasAsked { asked.value += 1 }
      wasAsked = true
    }
    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {
      if case .local = reason { served.value += 1 }
    }
  }
}
