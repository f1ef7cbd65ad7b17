import CUV
import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Where connections come from.
@Suite(.timeLimit(.minutes(1))) struct SourceSpreadTests {
  private func address(_ host: String, _ port: UInt16 = 0) throws -> SocketAddress {
    try #require(SocketAddress(numeric: host, port: port))
  }

  @Test func theFirstWithRoomThenTheOneWithTheFewest() throws {
    let spread = SourceSpread(limit: 2)
    let (server, other) = (try address("192.0.2.1", 993), try address("192.0.2.2", 993))
    let sources = [try address("127.0.0.2"), try address("127.0.0.3")]
    var places: [SourceSpread.Place] = []
    func next(_ server: SocketAddress) -> String? {
      let (source, place) = spread.open(server, from: sources)
      places.append(place)
      return source?.host
    }
    #expect((0..<4).map { _ in next(server) } == ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"])
    #expect(spread.crowded == 0)
    // An address of another server, and another port of this one, have ports of their own.
    #expect(next(other) == "127.0.0.2")
    #expect(next(server.with(port: 143)) == "127.0.0.2")
    #expect(spread.crowded == 0)
    // Everywhere is the limit: the load stays even.
    #expect((0..<4).map { _ in next(server) } == ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"])
    #expect(spread.crowded == 4)
    // Two of the first go: it has room for one.
    for place in [places[0], places[1], places[6]] { spread.close(place) }
    #expect(spread.count(from: sources[0], to: server) == 1)
    #expect(next(server) == "127.0.0.2")
    #expect(next(server) == "127.0.0.2")
    #expect(spread.crowded == 5)
  }

  @Test func theSystemsChoiceIsCountedToo() throws {
    let spread = SourceSpread(limit: 2)
    let server = try address("192.0.2.1", 993)
    for _ in 0..<3 { #expect(spread.open(server, from: [nil]).source == nil) }
    #expect(spread.open(server, from: []).source == nil)
    #expect(spread.count(from: nil, to: server) == 4)
    #expect(spread.crowded == 2)
  }

  @Test func onlyAddressesOfTheFamily() throws {
    var options = SocketOptions()
    let (four, six) = (try address("192.0.2.1", 993), try address("2001:db8::1", 993))
    #expect(options.sources(for: four) == [nil])
    options.localAddresses = [try address("127.0.0.3"), try address("127.0.0.3"), try address("::1")]
    #expect(options.sources(for: four).map { $0?.host } == ["127.0.0.3"])
    #expect(options.sources(for: six).map { $0?.host } == ["::1"])
    options.localAddress = try address("127.0.0.2")
    #expect(options.sources(for: four).map { $0?.host } == ["127.0.0.2", "127.0.0.3"])
    options.localAddresses = []
    #expect(options.sources(for: four).map { $0?.host } == ["127.0.0.2"])
  }

  /// Against a plain dictionary: whatever opens and closes, counts are right, and places are used again.
  @Test(arguments: 1...5 as ClosedRange<UInt64>) func countsAreExact(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let spread = SourceSpread(limit: 3)
    let servers = try (1...3).map { try address("192.0.2.\($0)", 993) }
    let sources = try (1...3).map { try address("127.0.0.\($0)") }
    var open: [(place: SourceSpread.Place, route: [String])] = []
    for _ in 0..<2000 {
      if Bool.random(using: &random), let index = open.indices.randomElement(using: &random) {
        spread.close(open.remove(at: index).place)
      } else if let server = servers.randomElement(using: &random) {
        let (source, place) = spread.open(server, from: sources)
        open.append((place, [source?.host ?? "", server.host]))
      }
      #expect(open.allSatisfy { (1...9).contains($0.place) }, "seed \(seed)")
    }
    for server in servers {
      for source in sources {
        let expected = open.count(where: { $0.route == [source.host, server.host] })
        #expect(spread.count(from: source, to: server) == expected, "seed \(seed)")
      }
    }
    for (place, _) in open { spread.close(place) }
    // What was closed already, or never was, changes nothing.
    for place in [0, 1, 9, 10, .max] as [SourceSpread.Place] { spread.close(place) }
    #expect(servers.allSatisfy { server in sources.allSatisfy { spread.count(from: $0, to: server) == 0 } })
  }

  @Test func loopsShareOneCount() async throws {
    try await withLoop { one in
      try await withLoop { other in
        let (first, second) = (await one.run { one.spread }, await other.run { other.spread })
        #expect(first === second)
        #expect(first === SourceSpread.shared)
      }
    }
  }

  /// A connection's end, on one of two loops, which the test closes.
  private func connect(
    _ loop: EventLoop, port: UInt16, _ options: SocketOptions
  ) async throws -> (Confined<ByteStream>, String?) {
    let done = Promise<Result<Confined<ByteStream>, ConnectionError>>()
    loop.submit {
      let deadline = loop.now.advanced(by: .seconds(20))
      _ = Connector(loop: loop, host: "127.0.0.1", port: port, options: options, deadline: deadline) { result in
        if case .success(let stream) = result { stream.owner = Idler() }
        done.fulfil(result.map { Confined($0) })
      }
    }
    let stream = try await done.value.get()
    return (stream, await loop.run { stream.value.localAddress?.host })
  }

  @Test func twoLoopsSpreadTogetherAndClosingMakesRoom() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let server = try address("127.0.0.1", bench.port)
      let spread = SourceSpread(limit: 2)
      var options = SocketOptions()
      options.localAddresses = [try address("127.0.0.7"), try address("127.0.0.8")]
      let sources = options.localAddresses
      try await withLoop { other in
        for loop in [loop, other] { await loop.run { loop.spread = spread } }
        var streams: [(EventLoop, Confined<ByteStream>)] = []
        var hosts: [String?] = []
        for loop in [loop, other, loop, other] {
          let (stream, host) = try await connect(loop, port: bench.port, options)
          streams.append((loop, stream))
          hosts.append(host)
        }
        #expect(hosts == ["127.0.0.7", "127.0.0.7", "127.0.0.8", "127.0.0.8"])
        #expect(sources.map { spread.count(from: $0, to: server) } == [2, 2])
        let (owner, first) = streams.removeFirst()
        await owner.run { first.value.close() }
        await until(owner) { spread.count(from: sources[0], to: server) == 1 }
        let (again, host) = try await connect(other, port: bench.port, options)
        #expect(host == "127.0.0.7")
        streams.append((other, again))
        for (loop, stream) in streams { await loop.run { stream.value.close() } }
        await until(loop) { sources.allSatisfy { spread.count(from: $0, to: server) == 0 } }
        #expect(spread.crowded == 0)
      }
      await bench.server.shutdown()
    }
  }

  /// Connections that do not come about are counted no longer, either.
  @Test func failuresMakeRoom() async throws {
    try await withLoop { loop in
      let spread = SourceSpread(limit: 1)
      await loop.run { loop.spread = spread }
      let nowhere = try address("127.0.0.1", 0)
      // The second is not this machine's.
      for source in [try address("127.0.0.7"), try address("192.0.2.1")] {
        var chosen = SocketOptions()
        chosen.localAddresses = [source]
        let options = chosen
        for _ in 0..<3 {
          await #expect(throws: ConnectionError.self) { _ = try await connect(loop, port: 0, options) }
          await until(loop) { spread.count(from: source, to: nowhere) == 0 }
        }
      }
      #expect(spread.crowded == 0)
    }
  }

  /// A port that is taken for this server cannot be found with another source address only.
  @Test func wantOfPortsSaysWhatToGive() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      var options = SocketOptions()
      // Nobody else is on that address.
      options.localAddress = try address("127.0.0.77", 20_143)
      let (stream, _) = try await connect(loop, port: bench.port, options)
      do {
        _ = try await connect(loop, port: bench.port, options)
        Issue.record("two connections have the same addresses and ports")
      } catch let error as ConnectionError {
        #expect(error.transportOperation == .connect)
        #expect(error.transportMessage.contains("EADDRNOTAVAIL"), "\(error)")
        #expect(error.transportMessage.contains("all ports of the source address are in use"), "\(error)")
      }
      await loop.run { stream.value.close() }
      await bench.server.shutdown()
    }
  }

  #if canImport(Glibc)
    /// The count costs a connection nothing: its place fits between what is stored already.
    @Test func connectionsDoNotGrow() async throws {
      try await withLoop { loop in
        let size = try await loop.run { () -> Result<Int, LoopError> in
          Result { () throws(LoopError) in
            let stream = try TCPStream(loop: loop)
            defer { stream.close() }
            return unsafe malloc_usable_size(Unmanaged.passUnretained(stream).toOpaque())
          }
        }.get()
        #expect(size <= 72)
      }
    }
  #endif
}

/// An owner that does nothing.
@safe
private final class Idler: StreamOwner {
  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer {
    unsafe .init(start: nil, count: 0)
  }
  func stream(_ stream: ByteStream, received count: Int) {}
  func streamEnded(_ stream: ByteStream) {}
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {}
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) {}
}
