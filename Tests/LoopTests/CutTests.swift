import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Stands between a client and a server and passes on at most so many bytes of the server, in pieces of a given size.
@safe
final class CuttingRelay: StreamOwner {
  private let near: ByteStream
  private var far: ByteStream?
  private var allowed: Int
  private let piece: Int
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
  private var waiting: [UInt8] = []
  private var early: [UInt8] = []
  private let loop: EventLoop

  init(_ near: ByteStream, to port: UInt16, allowing count: Int, piece: Int) {
    self.near = near
    allowed = count
    self.piece = piece
    loop = near.loop
    near.owner = self
    _ = try? near.startReading()
    _ = Connector(loop: loop, host: "127.0.0.1", port: port, deadline: loop.now.advanced(by: .seconds(10))) {
      [self] result in
      guard case .success(let stream) = result else { return near.close() }
      if near.isClosing { return stream.close() }
      far = stream
      stream.owner = self
      let early = self.early
      _ = try? stream.write(early.span)
      _ = try? stream.startReading()
    }
  }

  deinit { unsafe memory.deallocate() }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }

  func stream(_ stream: ByteStream, received count: Int) {
    let bytes = unsafe Array(memory[..<count])
    if stream === near {
      if let far { _ = try? far.write(bytes.span) } else { early += bytes }
    } else {
      let isFirst = waiting.isEmpty
      waiting += bytes
      if isFirst { pass() }
    }
  }

  /// One piece an iteration, so that the client reads it by itself.
  private func pass() {
    if near.isClosing { return }
    let count = min(piece, waiting.count, allowed)
    let bytes = Array(waiting[..<count])
    _ = try? near.write(bytes.span)
    waiting.removeFirst(count)
    allowed -= count
    if allowed == 0 {
      near.close()
      far?.close()
    } else if !waiting.isEmpty {
      loop.submit { [self] in pass() }
    }
  }

  func streamEnded(_ stream: ByteStream) { close() }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {
    close()
  }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) { close() }

  private func close() {
    if waiting.isEmpty { near.close() }
    far?.close()
  }
}

extension CuttingRelay: @unchecked Sendable {}

@Suite(.timeLimit(.minutes(5))) struct CutTests {
  private static let expected = ["connected", "greeting ok", "A1 ok", "A2 ok", "A3 ok", "closed: logout"]

  /// Runs one client through a proxy.
  private func run(_ bench: TestBench, allowing count: Int, piece: Int = .max) async throws -> [String] {
    let loop = bench.loop
    let listener = Confined<Listener?>(nil)
    let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
    let target = bench.port
    let port = await loop.run {
      listener.value = try? Listener(loop: loop, address: address) {
        _ = CuttingRelay($0, to: target, allowing: count, piece: piece)
      }
      return listener.value?.address.port ?? 0
    }
    let lines = try await bench.client(port: port) { log in
      log.onLine = { channel, line in
        switch line {
        case "greeting ok" where bench.protection != .startTLS:
          _ = try? channel.send(.login(user: "u", password: Secret("p")))
        case "greeting ok": _ = try? channel.send(.startTLS)
        case "secured" where bench.protection == .startTLS:
          _ = try? channel.send(.login(user: "u", password: Secret("p")))
        case "A1 ok" where bench.protection != .startTLS: _ = try? channel.send(.noop)
        case "A2 ok": _ = try? channel.send(.logout)
        default: break
        }
      }
    }
    await loop.run { listener.value?.close() }
    // STARTTLS ends by the upgrade.
    return lines.filter { $0 != "response" }.map { $0 == "A1 upgrade" ? "A1 ok" : $0 }
  }

  /// What came before the cut is what comes in a whole session; then each command that was sent and not completed fails once, for the
  /// reason that the connection ends for, and that end is told once.
  private func check(_ lines: [String], _ whole: [String], _ protection: Protection, _ count: Int) {
    let sound = lines.prefix { !$0.contains("failed") && !$0.hasPrefix("closed") }
    #expect(Array(sound) == Array(whole.prefix(sound.count)), "cut behind \(count): \(lines)")
    // The command that this line had sent.
    let open: String? =
      switch (sound.last, protection) {
      case ("greeting ok", _): "A1"
      case ("A1 ok", .plain), ("A1 ok", .tls), ("secured", .startTLS): "A2"
      case ("A2 ok", _): "A3"
      default: nil
      }
    let end: (reason: String, failure: String)? =
      switch lines.last {
      case "closed: end of input": ("closed: end of input", "\(ConnectionError.closedByPeer(bye: nil))")
      case let line? where line.hasPrefix("closed: error "): (line, String(line.dropFirst("closed: error ".count)))
      // Said goodbye already.
      case "closed: logout": ("closed: logout", "\(ConnectionError.closedLocally)")
      default: nil
      }
    guard let end else {
      Issue.record("cut behind \(count): \(lines)")
      return
    }
    #expect(
      Array(lines[sound.count...]) == (open.map { ["\($0) failed: \(end.failure)"] } ?? []) + [end.reason],
      "cut behind \(count): \(lines)")
  }

  /// The connection is cut behind every byte of a whole session: it ends once, in order, and says why.
  @Test func cutBehindEachByte() async throws { try await cut(.plain, every: 1) }

  /// Also where the cut is in a handshake, or inside a record.
  @Test(arguments: [Protection.tls, .startTLS])
  func cutInsideTLS(protection: Protection) async throws {
    try await cut(protection, every: FaultTests.takesEachByte ? 1 : 37)
  }

  private func cut(_ protection: Protection, every step: Int) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let whole = try await run(bench, allowing: 100_000)
      #expect(whole.filter { $0 != "secured" } == Self.expected)
      var finished = 0
      for count in stride(from: 1, to: 20_000, by: step) {
        let lines = try await run(bench, allowing: count)
        // The length of signatures varies, and so that of a session with TLS.
        if lines == whole {
          finished += 1
          if finished == 3 { break }
          continue
        }
        #expect(finished == 0 || protection != .plain)
        check(lines, whole, protection, count)
      }
      #expect(finished == 3)
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.channels.isEmpty })
    }
  }

  @Test(arguments: Protection.allCases, [1, 5, 100])
  func arrivesInPieces(protection: Protection, piece: Int) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let lines = try await run(bench, allowing: 1_000_000, piece: piece)
      #expect(lines.last == "closed: logout", "\(lines)")
      #expect(lines.filter { $0.hasSuffix(" ok") }.count >= 3)
      await bench.server.shutdown()
    }
  }

  /// Lines around the sizes at which the unread tail changes its form, in pieces of many sizes.
  @Test(arguments: [Protection.plain, .tls], [1, 4095, 4096, 4097, 70_000, 300_000])
  func longLinesAcrossReads(protection: Protection, length: Int) async throws {
    try await withLoop { loop in
      let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
      let context = try TLSContext.server(identity: certificate.identity)
      let server = try await IMAPServer.start(
        on: loop, endpoints: [.init(security: protection == .plain ? .plain : .tls(context))]
      ) { _ in LongLines(length: length) }
      let port = try #require(server.addresses.first?.port)
      let trusted = try TLSContext.client(trust: .pem(certificate.certificatePEM))
      let lines = await runClient(loop, port: port, security: protection == .plain ? .plain : .tls(trusted)) { log in
        log.onLine = { channel, line in
          if line == "greeting ok" { _ = try? channel.send(.noop) }
          if line == "A1 ok" { channel.close() }
        }
      }
      #expect(lines.filter { $0 == "response" }.count == 20)
      #expect(lines.last == "closed: local")
      await server.shutdown()
    }
  }

  private final class LongLines: ServerChannelDelegate {
    let length: Int
    init(length: Int) { self.length = length }

    func channelConnected(_ channel: ServerChannel) { channel.withConnection { $0.greet(Status(.ok, "hi")) } }

    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      guard case .command(let id, _) = copy event else { return }
      send(20, id, channel)
    }

    /// One line a tick: they end at every place of the reader's buffer.
    private func send(_ left: Int, _ id: ServerCommandID, _ channel: ServerChannel) {
      channel.withConnection { connection in
        if left == 0 { return (try? connection.complete(id, Status(.ok, "done"))) ?? () }
        _ = try? connection.respond(.status(Status(.ok, String(repeating: "x", count: length + left))))
      }
      if left > 0 { channel.loop.schedule(after: .zero) { [self] in send(left - 1, id, channel) } }
    }

    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}
  }
}
