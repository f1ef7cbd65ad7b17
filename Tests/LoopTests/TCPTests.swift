import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A stream's owner that writes down what happens.
@safe
private final class Recorder: StreamOwner {
  var received: [UInt8] = []
  var events: [String] = []
  var echoes = false
  var closesAtEnd = true
  var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
  var onReceive: ((ByteStream) -> Void)?
  var onDrained: ((ByteStream) -> Void)?
  var onClosed: (() -> Void)?

  deinit { unsafe memory.deallocate() }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    events.append(error == nil ? "connected" : "refused")
  }
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }
  func stream(_ stream: ByteStream, received count: Int) {
    let bytes = unsafe Array(memory[..<count])
    received += bytes
    if echoes { _ = try? stream.write(bytes.span) }
    if count > 0 { onReceive?(stream) }
  }
  func streamEnded(_ stream: ByteStream) {
    events.append("end")
    if closesAtEnd { stream.close() }
  }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {
    events.append("failed \(error)")
    stream.close()
  }
  func streamDrained(_ stream: ByteStream) { onDrained?(stream) }
  func streamClosed(_ stream: ByteStream) {
    events.append("closed")
    onClosed?()
    // Scripts hold what they are part of.
    onReceive = nil
    onDrained = nil
    onClosed = nil
  }
}

/// The suite has a method of that name.
private func systemConnect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>) -> Int32 {
  unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
}

private let loopback = SocketAddress(numeric: "127.0.0.1", port: 0)

@Suite(.timeLimit(.minutes(1))) struct TCPTests {
  /// Listens, connects, and hands both ends to `body` on the loop's thread.
  private func withPair(
    on loop: EventLoop,
    _ body: @escaping @Sendable (_ client: ByteStream, _ server: ByteStream, _ done: Promise<String>) -> Void
  ) async throws -> String {
    let done = Promise<String>()
    let address = try #require(loopback)
    loop.submit {
      do {
        let accepted = Confined<ByteStream?>(nil)
        let connected = Confined<ByteStream?>(nil)
        @Sendable func meet() {
          if let server = accepted.value, let client = connected.value { body(client, server, done) }
        }
        let listener = Confined<Listener?>(nil)
        listener.value = try Listener(loop: loop, address: address) { stream in
          accepted.value = stream
          stream.owner = Recorder()
          listener.value?.close()
          meet()
        }
        let deadline = loop.now.advanced(by: .seconds(10))
        _ = Connector(loop: loop, host: "127.0.0.1", port: listener.value?.address.port ?? 0, deadline: deadline) {
          result in
          guard case .success(let stream) = result else { return done.fulfil("\(result)") }
          connected.value = stream
          stream.owner = Recorder()
          meet()
        }
      } catch {
        done.fulfil("\(error)")
      }
    }
    return await done.value
  }

  @Test func echoes() async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        let far = Recorder()
        far.echoes = true
        server.owner = far
        let near = Recorder()
        client.owner = near
        near.onReceive = { if near.received.count == 5 { $0.close() } }
        near.onClosed = { done.fulfil(String(decoding: near.received, as: UTF8.self)) }
        _ = try? client.startReading()
        _ = try? server.startReading()
        _ = try? client.write(Array("hello".utf8).span)
      }
      #expect(result == "hello")
    }
  }

  /// More than the kernel takes, in uneven pieces, to a peer that starts to read late: nothing is lost or swapped.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func keepsOrderUnderPartialWrites(seed: UInt64) async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        var random = SeededRandom(seed: seed)
        let total = 6_000_000
        var sent = 0
        let far = Recorder()
        server.owner = far
        let near = Recorder()
        client.owner = near
        while sent < total {
          let count = min(total - sent, Int.random(in: 1...100_000, using: &random))
          let piece = (sent..<sent + count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
          sent += count
          if (try? client.write(piece.span)) != count { done.fulfil("short write") }
        }
        if client.queued == 0 { done.fulfil("nothing was queued") }
        near.onDrained = { stream in
          if stream.queued == 0 { stream.close() }
        }
        far.onClosed = {
          let isRight = far.received.indices.allSatisfy {
            far.received[$0] == UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8)
          }
          done.fulfil("\(far.received.count) \(isRight) \(far.events)")
        }
        _ = try? server.startReading()
      }
      #expect(result == #"6000000 true ["end", "closed"]"#, "seed \(seed)")
    }
  }

  @Test func stopsAtTheWriteLimit() async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        let chunk = [UInt8](repeating: 1, count: 1 << 20)
        var total = 0
        // The peer does not read: the kernel's buffers fill, then the queue.
        while let count = try? client.write(chunk.span, queueing: 10_000), count > 0 { total += count }
        let queued = client.queued
        client.close()
        server.close()
        done.fulfil("\(queued) \(total > 10_000)")
      }
      #expect(result == "10000 true")
    }
  }

  @Test func pausedStreamReadsNothing() async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        let far = Recorder()
        server.owner = far
        _ = try? server.startReading()
        server.pauseReading()
        _ = try? client.write(Array("late".utf8).span)
        loop.schedule(after: .milliseconds(20)) {
          let early = far.received.count
          _ = try? server.startReading()
          far.onReceive = {
            $0.close()
            client.close()
            done.fulfil("\(early) \(far.received.count)")
          }
        }
      }
      #expect(result == "0 4")
    }
  }

  @Test func oneBusyStreamDoesNotStarveTimers() async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        let chunk = [UInt8](repeating: 1, count: 1 << 20)
        let near = Recorder()
        client.owner = near
        let far = Recorder()
        server.owner = far
        var first: UInt32?
        var most = 0
        var reads = 0
        far.onReceive = { _ in
          if first != loop.iteration { reads = 0 }
          first = loop.iteration
          reads += 1
          most = max(most, reads)
        }
        for _ in 0..<8 { _ = try? client.write(chunk.span) }
        near.onDrained = { $0.close() }
        far.onClosed = { done.fulfil("\(far.received.count) \(most)") }
        _ = try? server.startReading()
      }
      // Buffers of 1 KiB come back full each time: four, then the others have their turn.
      #expect(result == "8388608 4")
    }
  }

  @Test func closesOnceAndFreesQueuedWrites() async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        let near = Recorder()
        client.owner = near
        _ = try? client.write([UInt8](repeating: 1, count: 8 << 20).span)
        client.close()
        client.close()
        let refused = (try? client.write([1].span)) == nil
        server.close()
        near.onClosed = { done.fulfil("\(near.events) \(refused) \(client.remoteAddress == nil)") }
      }
      #expect(result == #"["closed"] true true"#)
    }
  }

  @Test func writingToAClosedPeerRaisesNoSignal() async throws {
    try await withLoop { loop in
      let result = try await withPair(on: loop) { client, server, done in
        let near = Recorder()
        client.owner = near
        near.onClosed = { done.fulfil("\(near.events.last ?? "")") }
        server.close()
        // The first write is answered by a reset; a later one meets a broken pipe.
        func again() {
          do throws(LoopError) {
            _ = try client.write([1].span)
            loop.schedule(after: .milliseconds(1)) { again() }
          } catch {
            client.close()
          }
        }
        again()
      }
      #expect(result == "closed")
    }
  }

  @Test func shutdownClosesWhatIsOpen() async throws {
    let loop = try EventLoop.start()
    let events = Confined<[Recorder]>([])
    let result = try await withPair(on: loop) { client, server, done in
      for stream in [client, server] {
        let recorder = Recorder()
        stream.owner = recorder
        events.value.append(recorder)
        _ = try? stream.startReading()
      }
      done.fulfil("open")
    }
    #expect(result == "open")
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(events.value.map(\.events) == [["closed"], ["closed"]])
  }
}

@Suite(.timeLimit(.minutes(1))) struct ConnectorTests {
  private func connect(
    _ loop: EventLoop, host: String, port: UInt16, within time: Duration = .seconds(20)
  ) async -> ConnectionError? {
    let done = Promise<ConnectionError?>()
    loop.submit {
      _ = Connector(loop: loop, host: host, port: port, deadline: loop.now.advanced(by: time)) { result in
        if case .success(let stream) = result { stream.close() }
        done.fulfil(result.error)
      }
    }
    return await done.value
  }

  /// A port that nobody listens on and that nobody else is given: the socket stays bound until this object goes.
  @safe
  private final class SilentPort: Sendable {
    let port: UInt16
    private let descriptor: Int32

    /// With `isListening` one connection is taken, which nobody accepts.
    init(isListening: Bool = false) throws {
      struct SystemError: Error { var code = errno }
      #if canImport(Glibc)
        let kind = Int32(SOCK_STREAM.rawValue)
      #else
        let kind = SOCK_STREAM
      #endif
      descriptor = socket(AF_INET, kind, 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let isBound = unsafe withUnsafeMutablePointer(to: &address) { [descriptor] address in
        unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          unsafe bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
        }
      }
      port = UInt16(bigEndian: address.sin_port)
      if !isBound { throw SystemError() }
      if isListening, listen(descriptor, 0) != 0 { throw SystemError() }
    }

    deinit { close(descriptor) }
  }

  @Test func isRefused() async throws {
    let silent = try SilentPort()
    try await withLoop { loop in
      let error = await connect(loop, host: "127.0.0.1", port: silent.port)
      #expect(error?.transportOperation == .connect)
      #expect(error?.transportMessage.contains("ECONNREFUSED") == true, "\(String(describing: error))")
    }
    withExtendedLifetime(silent) {}
  }

  @Test func resolvesLocalhost() async throws {
    try await withLoop { loop in
      let done = Promise<[SocketAddress]>()
      let inside = Confined(true)
      loop.submit {
        _ = loop.resolver.resolve(host: "localhost", port: 143) { result in
          #expect(!inside.value)
          done.fulfil((try? result.get()) ?? [])
        }
        inside.value = false
      }
      let addresses = await done.value
      #expect(!addresses.isEmpty)
      #expect(addresses.filter { $0.port == 143 }.count == addresses.count)
      #expect(Set(addresses).count == addresses.count)
    }
  }

  @Test func manyLookupsRunTwoAtATime() async throws {
    try await withLoop { loop in
      let done = Promise<Int>()
      let most = Confined(0)
      let left = Confined(20)
      loop.submit {
        // The system knows these without asking anybody.
        for index in 1...20 {
          _ = loop.resolver.resolve(host: "127.0.0.\(index)", port: 1) { _ in
            most.value = max(most.value, loop.counters[.lookup].opened - loop.counters[.lookup].freed)
            left.value -= 1
            if left.value == 0 { done.fulfil(most.value) }
          }
        }
        most.value = loop.counters[.lookup].opened
      }
      #expect(await done.value == 2)
      #expect(await loop.run { loop.counters[.lookup].opened } == 20)
    }
  }

  @Test func cancelledLookupsStaySilent() async throws {
    try await withLoop { loop in
      await loop.run {
        let queries = (0..<10).map { _ in
          loop.resolver.resolve(host: "localhost", port: 1) { _ in Issue.record("a cancelled look-up was reported") }
        }
        for query in queries { query.cancel() }
      }
    }
  }

  #if canImport(Glibc)
    /// A listener whose queue is full does not answer: the deadline ends the attempt.
    @Test func givesUpAtTheDeadline() async throws {
      let full = try FullPort()
      try await withLoop { loop in
        let done = Promise<ConnectionError?>()
        await loop.run {
          let deadline = loop.now.advanced(by: .seconds(30))
          _ = Connector(loop: loop, host: "127.0.0.1", port: full.port, deadline: deadline) { result in
            if case .success(let stream) = result { stream.close() }
            done.fulfil(result.error)
          }
        }
        await loop.run { loop.skip(.seconds(30)) }
        #expect(await done.value == .timedOut(.connect))
      }
      withExtendedLifetime(full) {}
    }

    /// A port where the kernel takes no more connections, as nobody accepts those that there are.
    private final class FullPort: Sendable {
      let port: UInt16
      private let silent: SilentPort
      private let clients: [Int32]

      init() throws {
        silent = try SilentPort(isListening: true)
        port = silent.port
        let address = try #require(SocketAddress(numeric: "127.0.0.1", port: port))
        clients = (0..<4).map { _ in
          let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
          _ = unsafe address.withSystemAddress { unsafe systemConnect(client, $0) }
          return client
        }
      }

      deinit { for client in clients { close(client) } }
    }
  #endif

  @Test func cancelledAttemptStaysSilent() async throws {
    try await withLoop { loop in
      await loop.run {
        for host in ["127.0.0.1", "localhost", "host.invalid"] {
          let deadline = loop.now.advanced(by: .seconds(5))
          let connector = Connector(loop: loop, host: host, port: 9, deadline: deadline) { _ in
            Issue.record("a cancelled attempt was reported")
          }
          connector.cancel()
        }
      }
    }
  }

  @Test func shutdownEndsAttempts() async throws {
    let loop = try EventLoop.start()
    let done = Promise<ConnectionError?>()
    loop.submit {
      // 192.0.2.0/24 is reserved for documentation: no answer, or no route.
      let deadline = loop.now.advanced(by: .seconds(50))
      _ = Connector(loop: loop, host: "localhost", port: 9, deadline: deadline) { done.fulfil($0.error) }
    }
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    let error = await done.value
    #expect(error == .closedLocally || error?.transportOperation == .connect, "\(String(describing: error))")
  }

  @Test func portInUseIsAnError() async throws {
    try await withLoop { loop in
      let address = try #require(loopback)
      let error: LoopError? = await loop.run {
        do throws(LoopError) {
          let first = try Listener(loop: loop, address: address) { _ in }
          defer { first.close() }
          _ = try Listener(loop: loop, address: first.address) { _ in }
          return nil
        } catch {
          return error
        }
      }
      #expect(error?.description.contains("EADDRINUSE") == true, "\(String(describing: error))")
    }
  }

  @Test func readsNumericAddresses() {
    #expect(SocketAddress(numeric: "127.0.0.1", port: 143)?.description == "127.0.0.1:143")
    #expect(SocketAddress(numeric: "::1", port: 993)?.description == "[::1]:993")
    for name in ["localhost", "", "127.0.0.1\u{0}x", "1.2.3", "127.0.0.256", "::g"] {
      #expect(SocketAddress(numeric: name, port: 1) == nil)
    }
  }
}
