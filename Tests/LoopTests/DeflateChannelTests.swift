import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A server that says a fixed text: the greeting, an answer to the first read, and one to the second.
@safe
private final class ScriptedPeer: StreamOwner {
  private let stream: ByteStream
  private var answers: ArraySlice<[UInt8]>
  private let closesBehind: Bool
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)

  init(_ stream: ByteStream, _ answers: [[UInt8]], closesBehind: Bool) {
    self.stream = stream
    self.answers = answers[...]
    self.closesBehind = closesBehind
    stream.owner = self
    if let secure = stream as? TLSStream { secure.start() } else { streamConnected(stream, error: nil) }
  }

  deinit { unsafe memory.deallocate() }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    _ = try? stream.startReading()
    if let first = answers.popFirst() { _ = try? stream.write(first.span) }
  }

  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }

  func stream(_ stream: ByteStream, received count: Int) {
    guard count > 0, let answer = answers.popFirst() else { return }
    _ = try? stream.write(answer.span)
    if answers.isEmpty, closesBehind { stream.shutdownWriting() }
  }

  func streamEnded(_ stream: ByteStream) { stream.close() }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {
    stream.close()
  }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) {}
}

extension ScriptedPeer: @unchecked Sendable {}

@Suite(.timeLimit(.minutes(2))) struct DeflateChannelTests {
  private static let login = Command.login(user: "u", password: Secret("p"))

  /// Logs in, starts TLS before where that is wanted, and compresses. `then` goes on with each line.
  private static func compressing(
    _ protection: Protection, _ then: @escaping (ClientChannel, String) -> Void
  ) -> (ClientLog) -> Void {
    { log in
      log.onLine = { channel, line in
        switch line {
        case "greeting ok" where protection == .startTLS: _ = try? channel.send(.startTLS)
        case "greeting ok": _ = try? channel.send(login)
        case "secured" where protection == .startTLS: _ = try? channel.send(login)
        case "A1 ok" where protection != .startTLS, "A2 ok" where protection == .startTLS:
          _ = try? channel.send(.compress)
        default: then(channel, line)
        }
      }
    }
  }

  private func session(_ bench: TestBench, port: UInt16? = nil) async throws -> [String] {
    // Tags count STARTTLS.
    let first = bench.protection == .startTLS ? 4 : 3
    let protection = bench.protection
    let statistics = Confined<CompressionStatistics?>(nil)
    let lines = try await bench.client(port: port) { log in
      Self.compressing(protection) { channel, line in
        switch line {
        case "compressed": _ = try? channel.send(.noop)
        case "A\(first) ok": _ = try? channel.send(.list(reference: "", pattern: "*"))
        case "A\(first + 1) ok":
          statistics.value = channel.compression
          #expect(channel.isCompressed)
          _ = try? channel.send(.logout)
        default: break
        }
      }(log)
    }
    let counts = await bench.loop.run { statistics.value }
    if let counts {
      #expect(counts.received > 200_000 && counts.receivedCompressed < 20_000)
      #expect(counts.ratio > 10)
    }
    return lines
  }

  @Test(arguments: Protection.allCases)
  func everythingBehindTheAnswerIsCompressed(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let lines = try await session(bench).filter { $0 != "response" && $0 != "secured" }
      let before = protection == .startTLS ? ["A1 upgrade"] : []
      let tags = (protection == .startTLS ? 2...6 : 1...5).map { "A\($0)" }
      #expect(
        lines == ["connected", "greeting ok"] + before + [
          "\(tags[0]) ok", "\(tags[1]) upgrade", "compressed", "\(tags[2]) ok", "\(tags[3]) ok", "\(tags[4]) ok",
          "closed: logout",
        ])
      await bench.server.shutdown()
      let server = await loop.run { bench.log.lines }
      #expect(server.suffix(3) == ["upgrade", "compressed true", "closed: logout"])
    }
  }

  /// What waits in the machine while COMPRESS is in flight goes compressed, and in order.
  @Test(arguments: [Protection.plain, .tls])
  func commandsQueuedBehindCompress(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let lines = try await bench.client { log in
        log.onLine = { channel, line in
          if line == "greeting ok" { _ = try? channel.send(Self.login) }
          guard line == "A1 ok" else { return }
          for command in [Command.compress, .noop, .list(reference: "", pattern: "*"), .compress, .logout] {
            _ = try? channel.send(command)
          }
        }
      }
      #expect(
        lines.filter { $0 != "response" && $0 != "secured" } == [
          "connected", "greeting ok", "A1 ok", "A2 upgrade", "compressed", "A3 ok", "A4 ok",
          "A5 failed: command not allowed in this state (authenticated)", "A6 ok", "closed: logout",
        ] || lines.contains { $0.contains("failed: command not allowed") })
      #expect(lines.filter { $0 == "response" }.count >= 200)
      #expect(lines.last == "closed: logout")
      await bench.server.shutdown()
    }
  }

  // MARK: Cuts and pieces

  private func through(
    _ bench: TestBench, allowing count: Int, piece: Int = .max, _ body: (UInt16) async throws -> [String]
  ) async throws -> [String] {
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
    let lines = try await body(port)
    await loop.run { listener.value?.close() }
    return lines.filter { $0 != "response" && $0 != "secured" }
  }

  @Test(arguments: Protection.allCases, [1, 7, 1000])
  func arrivesInPieces(protection: Protection, piece: Int) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let lines = try await through(bench, allowing: .max, piece: piece) { try await session(bench, port: $0) }
      #expect(lines.last == "closed: logout", "\(lines)")
      #expect(lines.filter { $0.hasSuffix(" ok") }.count == 5)
      await bench.server.shutdown()
    }
  }

  /// A short session cut behind every byte of the server: it ends once, in order, and says why.
  @Test func cutBehindEachByte() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      @Sendable func run(_ port: UInt16) async throws -> [String] {
        try await bench.client(port: port) { log in
          Self.compressing(.plain) { channel, line in
            if line == "compressed" { _ = try? channel.send(.noop) }
            if line == "A3 ok" { _ = try? channel.send(.logout) }
          }(log)
        }
      }
      let whole = try await through(bench, allowing: .max) { try await run($0) }
      #expect(whole.last == "closed: logout")
      var finished = 0
      for count in 1..<300 where finished < 3 {
        let lines = try await through(bench, allowing: count) { try await run($0) }
        #expect(lines.filter { $0.hasPrefix("closed:") }.count == 1 && lines.last?.hasPrefix("closed:") == true)
        if lines == whole {
          finished += 1
          continue
        }
        #expect(finished == 0)
        let sound = lines.prefix { !$0.contains("failed") && !$0.hasPrefix("closed") }
        #expect(Array(sound) == Array(whole.prefix(sound.count)), "cut behind \(count): \(lines)")
      }
      #expect(finished == 3)
      await bench.server.shutdown()
      #expect(await loop.run { bench.log.channels.isEmpty })
    }
  }

  // MARK: What servers may say

  /// A client whose COMPRESS is answered by OK and `behind`, in one write.
  private func client(
    _ loop: EventLoop, behind bytes: [UInt8], closesBehind: Bool = false, protection: Protection = .plain,
    _ script: @escaping @Sendable (ClientLog, ClientChannel, String) -> Void = { _, _, _ in }
  ) async throws -> [String] {
    let answers = [Array("* OK hi\r\n".utf8), Array("A1 OK in\r\n".utf8), Array("A2 OK go\r\n".utf8) + bytes]
    let listener = Confined<Listener?>(nil)
    let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
    let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
    let context = try TLSContext.server(identity: certificate.identity)
    let security: TransportSecurity =
      protection == .plain ? .plain : .tls(try .client(trust: .pem(certificate.certificatePEM)))
    let port = await loop.run {
      listener.value = try? Listener(loop: loop, address: address) {
        var stream: ByteStream? = $0
        if protection == .tls { stream = try? TLSStream(context, host: nil, over: $0) }
        guard let stream else { return $0.close() }
        _ = ScriptedPeer(stream, answers, closesBehind: closesBehind)
      }
      return listener.value?.address.port ?? 0
    }
    let lines = await runClient(loop, port: port, security: security) { log in
      Self.compressing(.plain) { channel, line in script(log, channel, line) }(log)
    }
    await loop.run { listener.value?.close() }
    return lines.filter { $0 != "secured" }
  }

  private static let upTo = ["connected", "greeting ok", "A1 ok", "A2 upgrade", "compressed"]

  @Test func bytesBehindTheAnswerAreInflated() async throws {
    try await withLoop { loop in
      let bytes = peerDeflated([Array("* 7 EXISTS\r\n".utf8), Array("* 8 EXISTS\r\n".utf8)])
      let lines = try await client(loop, behind: bytes) { _, channel, line in
        if line == "8 exists" { channel.close() }
      }
      #expect(lines == Self.upTo + ["7 exists", "8 exists", "closed: local"])
    }
  }

  /// All that has come is handed out before the end of the connection is.
  @Test func theEndComesBehindWhatWasCompressed() async throws {
    try await withLoop { loop in
      let many = Array((1...20_000).map { "* \($0) EXISTS\r\n" }.joined().utf8)
      let lines = try await client(loop, behind: peerDeflated([many]), closesBehind: true)
      #expect(lines.count == Self.upTo.count + 20_001)
      #expect(lines.suffix(2) == ["20000 exists", "closed: end of input"])
    }
  }

  @Test func garbageEndsTheConnection() async throws {
    try await withLoop { loop in
      let sound = peerDeflated([Array("* 7 EXISTS\r\n".utf8)])
      let lines = try await client(loop, behind: sound + [0x07])
      let text = "closed: error deflate: invalid block type at compressed byte \(sound.count + 1)"
      #expect(lines == Self.upTo + ["7 exists", text])
      // Plain text where compressed bytes belong.
      let plain = try await client(loop, behind: Array("* 7 EXISTS\r\n".utf8))
      #expect(plain.last?.hasPrefix("closed: error deflate: ") == true, "\(plain)")
    }
  }

  @Test func theEndOfTheCompressedStreamEndsTheConnection() async throws {
    try await withLoop { loop in
      let bytes = peerDeflated([Array("* 7 EXISTS\r\n".utf8)], ends: true)
      let text = "closed: error deflate: the peer has ended the compressed stream at byte \(bytes.count)"
      let lines = try await client(loop, behind: bytes)
      #expect(lines == Self.upTo + ["7 exists", text])
      let ended = try await client(loop, behind: bytes, closesBehind: true)
      #expect(ended == Self.upTo + ["7 exists", text])
      let followed = try await client(loop, behind: bytes + [0])
      #expect(followed == Self.upTo + ["7 exists", text + ", and 1 bytes follow"])
      // Behind a BYE it is how a connection ends.
      let bye = peerDeflated([Array("* BYE for now\r\n".utf8)], ends: true)
      let last = try await client(loop, behind: bye, closesBehind: true).last
      #expect(last == "closed: bye for now")
    }
  }

  /// 24 MB in 24 KB: while the client takes nothing they stay as they came.
  @Test(arguments: [Protection.plain, .tls])
  func aBombWaitsCompressed(protection: Protection) async throws {
    try await withLoop { loop in
      let line = Array("* 7 EXISTS\r\n".utf8)
      let count = 200_000
      let bomb = peerDeflated([Array(repeating: line, count: count).flatMap { $0 }])
      #expect(bomb.count < 10_000)
      // A line says that TLS is there.
      let more = protection == .tls ? 1 : 0
      let lines = try await client(loop, behind: bomb, protection: protection) { log, channel, line in
        guard line == "7 exists" else { return }
        if log.lines.count == 10 + more {
          channel.pauseReading()
          loop.schedule(after: .milliseconds(20)) {
            let kept = (channel.deflate?.pending.count ?? 0, channel.compression?.received ?? .max)
            log.lines.append("kept \(kept.0 > 0 && kept.0 < 10_000 && kept.1 <= UInt64(DeflatePort.pieceSize))")
            #expect(log.lines.count == 11 + more)
            channel.resumeReading()
          }
        }
        if log.lines.count == Self.upTo.count + count + 1 + more { channel.close() }
      }
      #expect(lines.filter { $0 == "7 exists" }.count == count)
      #expect(lines.contains("kept true"))
      #expect(lines.last == "closed: local")
    }
  }

  /// A literal is one event for each piece, and 24 MB of it are there at once: sockets have their turn in between.
  @Test(arguments: [Protection.plain, .tls])
  func aLiteralBombTakesTurns(protection: Protection) async throws {
    try await withLoop { loop in
      let size = 24 << 20
      let head = Array("* 1 FETCH (BODY[] {\(size)}\r\n".utf8)
      let bomb = peerDeflated([head + [UInt8](repeating: 0x41, count: size) + Array(")\r\n* 7 EXISTS\r\n".utf8)])
      #expect(bomb.count < 60_000)
      let turns = Confined<[UInt32: UInt64]>([:])
      let lines = try await client(loop, behind: bomb, protection: protection) { log, channel, line in
        guard line == "compressed" else {
          if line == "7 exists" { channel.close() }
          return
        }
        var before: UInt64 = 0
        log.onChunk = {
          let received = channel.compression?.received ?? before
          turns.value[loop.iteration, default: 0] += received - before
          before = received
        }
      }
      #expect(lines.suffix(2) == ["7 exists", "closed: local"], "\(lines.suffix(3))")
      let most = await loop.run { turns.value.values.max() ?? 0 }
      // A turn when bytes come, and one at the end of the tick.
      #expect(most > 0 && most <= 2 * (256 * 1024 + UInt64(DeflatePort.pieceSize)), "\(most)")
    }
  }

  @Test(arguments: [Protection.plain, .tls])
  func limitsEndTheConnection(protection: Protection) async throws {
    try await withLoop { loop in
      let bomb = peerDeflated([Array(repeating: Array("* 7 EXISTS\r\n".utf8), count: 200_000).flatMap { $0 }])
      let lines = try await client(loop, behind: bomb, protection: protection) { _, channel, line in
        if line == "compressed" { channel.deflateLimits.inflatedBytes = 1 << 20 }
      }
      #expect(lines.last?.hasPrefix("closed: error limit of 1048576 for inflated bytes passed at byte") == true)
      let other = try await client(loop, behind: bomb, protection: protection) { _, channel, line in
        if line == "compressed" { channel.deflateLimits.ratioAfter = 1 << 20 }
      }
      #expect(other.last?.contains("limit of 200 for inflated bytes for each compressed one") == true)
    }
  }

  // MARK: Memory

  /// Many connections of a loop, and the memory of two.
  @Test func connectionsShareTheStreams() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let count = 20
      let logs = Confined((0..<count).map { _ in ClientLog() })
      let channels = Confined<[ClientChannel]>([])
      let allIdle = Promise<Void>()
      let allClosed = Promise<Void>()
      loop.submit {
        var idle = 0
        var closed = 0
        for log in logs.value {
          Self.compressing(.plain) { channel, line in
            if line == "compressed" { _ = try? channel.send(.idle) }
            if line == "A3 idling" {
              channels.value.append(channel)
              idle += 1
              if idle == count { allIdle.fulfil(()) }
            }
          }(log)
          log.onClosed = { _ in
            closed += 1
            if closed == count { allClosed.fulfil(()) }
          }
          _ = ClientChannel(loop: loop, host: "127.0.0.1", port: bench.port, security: .plain, delegate: log)
        }
      }
      await allIdle.value
      await loop.run {
        let engines = channels.value.compactMap(\.deflate) + bench.log.channels.compactMap(\.deflate)
        #expect(engines.count == 2 * count)
        #expect(engines.allSatisfy { !$0.hasStream })
        // "A3 IDLE" and "+ idling".
        #expect(engines.allSatisfy { $0.keptBytes < 100 })
        for channel in channels.value { channel.close() }
      }
      await allClosed.value
      await bench.server.shutdown()
    }
  }

  @Test func anUncompressedChannelPaysForOneReference() {
    #expect(MemoryLayout<DeflateEngine?>.size == 8)
  }

  // MARK: Lending the machine

  /// Inside `withConnection` nobody else gets the machine, and nothing traps.
  @Test func theMachineIsLentOnce() async throws {
    try await withLoop { loop in
      let failures = Confined<[ConnectionError]>([])
      let states = Confined<[ServerConnection.Phase]>([])
      let server = try await IMAPServer.start(on: loop) { _ in Nesting(failures, states) }
      let port = try #require(server.addresses.first?.port)
      let lines = await runClient(loop, port: port, security: .plain) { log in
        log.onLine = { channel, line in
          if line == "greeting ok" { _ = try? channel.send(.noop) }
        }
      }
      #expect(lines.contains("A1 ok") && lines.last?.hasPrefix("closed: bye") == true, "\(lines)")
      await server.shutdown()
      await loop.run {
        #expect(failures.value == [.misuse(.init(.closed, state: "closed"))] || failures.value.count == 1)
        guard case .misuse(let misuse)? = failures.value.first else {
          Issue.record("\(failures.value)")
          return
        }
        #expect(misuse.rule == .closed)
        #expect(states.value == [.notAuthenticated])
      }
    }
  }

  private final class Nesting: ServerChannelDelegate {
    let failures: Confined<[ConnectionError]>
    let states: Confined<[ServerConnection.Phase]>

    init(_ failures: Confined<[ConnectionError]>, _ states: Confined<[ServerConnection.Phase]>) {
      self.failures = failures
      self.states = states
    }

    func channelConnected(_ channel: ServerChannel) { channel.withConnection { $0.greet(Status(.ok, "hi")) } }

    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      guard case .command(let id, _) = copy event else { return }
      channel.withConnection { outer in
        do throws(ConnectionError) {
          try channel.withConnection { inner throws(ConnectionError) in try inner.complete(id, Status(.no, "inner")) }
        } catch {
          failures.value.append(error)
        }
        states.value.append(channel.state)
        channel.close()
        try? outer.complete(id, Status(.ok, "outer"))
      }
    }

    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}
  }
}
