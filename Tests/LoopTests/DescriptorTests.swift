import CUV
import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// What happens where the process has no descriptors left. Each test runs in a process of its own, which has few of them.
@Suite(.timeLimit(.minutes(1))) struct DescriptorTests {
  @Test func connectionsGoOnWhereNoNewOneCanBe() async {
    await #expect(processExitsWith: .success) { try await Self.runOut() }
  }

  /// libuv keeps a descriptor in reserve, and where another thread has taken that one its own listener never returns.
  @Test func theListenerNeedsNoReserve() async {
    await #expect(processExitsWith: .success) { try await Self.runOut(takingReserve: true) }
  }

  /// What is told is what the system would say, with descriptors left and without.
  @Test func whatIsInUseIsCounted() async {
    await #expect(processExitsWith: .success) {
      // The descriptors of libdispatch come with its first timer, which may be anybody's.
      try await Task.sleep(for: .nanoseconds(1))
      try Self.lowerLimit(to: 100)
      let before = try #require(DescriptorLimit.current)
      #expect(before.limit == 100)
      #expect(before.available == 100 - before.inUse)
      var taken = (0..<5).map { _ in dup(2) }
      #expect(DescriptorLimit.current?.inUse == before.inUse + 5)
      let loop = try EventLoop.start()
      await loop.run {}
      let with = try #require(DescriptorLimit.current)
      // One to wait with and one to be woken by, at least.
      #expect(with.inUse - before.inUse - 5 >= 2)
      try with.check(connections: with.available)
      #expect(throws: LoopError.self) { try with.check(connections: with.available + 1) }
      taken += Self.takeAll()
      #expect(DescriptorLimit.current == DescriptorLimit(limit: 100, inUse: 100))
      for descriptor in taken { close(descriptor) }
      await loop.shutdown()
    }
  }

  @Test func whatIsMissingIsNamed() throws {
    let limit = DescriptorLimit(limit: 1000, inUse: 60)
    for count in [-1, 0, 1, 940] { try limit.check(connections: count) }
    let error = try #require(throws: LoopError.self) { try limit.check(connections: 1000) }
    #expect(error.code == UV_EMFILE.rawValue)
    #expect(
      error.description
        == "open 1000 connections: too many open files (EMFILE); 1000 descriptors are needed, and of 1000 that this process "
        + "may have 60 are in use: 60 are missing; `ulimit -n` raises the limit")
    #expect(throws: LoopError.self) { try limit.check(connections: .max) }
    #expect(throws: LoopError.self) { try DescriptorLimit(limit: 10, inUse: 11).check(connections: 1) }
  }

  @Test func wantOfTheMachineSaysWhereItIsSet() {
    let text = LoopError(UV_ENFILE.rawValue, "open socket").connectionError(.connect).transportMessage
    #expect(text.contains("ENFILE") && text.contains("fs.file-max"), "\(text)")
  }

  private static func runOut(takingReserve: Bool = false) async throws {
    // A loop that hangs is not waited for.
    alarm(50)
    try lowerLimit(to: 100)
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let kept = Confined(ClientLog())
      let channel = Confined<ClientChannel?>(nil)
      await loop.run {
        channel.value = ClientChannel(
          loop: loop, host: "127.0.0.1", port: bench.port, security: .plain, delegate: kept.value)
      }
      await until(loop) { kept.value.lines.contains("greeting ok") }
      if takingReserve {
        await loop.run {
          unsafe close(loop.uv.pointee.emfile_fd)
          unsafe loop.uv.pointee.emfile_fd = -1
        }
      }
      var taken = takeAll()
      #expect(taken.count > 10)

      // A client is told why.
      let refused = try await bench.client { _ in }
      #expect(refused.count == 1)
      let text = refused.first ?? ""
      #expect(text.hasPrefix("closed: error connect:") && text.contains("EMFILE"), "\(text)")
      #expect(text.contains("ulimit -n"), "\(text)")

      // A peer that the server has no descriptor for waits in the kernel's queue, and the loop does not turn in circles.
      if let last = taken.popLast() { close(last) }
      let peer = try Peer(port: bench.port)
      let turns = await loop.run { loop.iteration }
      for index in 1...20 {
        let id = await loop.run { try? channel.value?.send(.noop) }
        #expect(id != nil)
        await until(loop) { kept.value.lines.filter { $0.hasSuffix(" ok") && $0.hasPrefix("A") }.count == index }
      }
      let rest = Promise<Void>()
      await loop.run { _ = loop.schedule(after: .milliseconds(250)) { rest.fulfil(()) } }
      await rest.value
      // A NOOP takes a few, and one visit each while it is waited for.
      let used = await loop.run { loop.iteration &- turns }
      #expect(used < 2000, "\(used)")
      #expect(await loop.run { bench.log.channels.count } == 1)

      // With room again it is served.
      for descriptor in taken { close(descriptor) }
      #expect(peer.readLine().hasPrefix("* OK"))
      peer.end()
      let lines = try await bench.client { log in
        log.onLine = { channel, line in if line == "greeting ok" { _ = try? channel.send(.logout) } }
      }
      #expect(lines.last == "closed: logout", "\(lines)")
      await loop.run { channel.value?.close() }
      await until(loop) { kept.value.closeCount > 0 }
      #expect(await loop.run { kept.value.lines.last } == "closed: local")
      await bench.server.shutdown()
    }
  }

  private static func lowerLimit(to count: UInt) throws {
    DescriptorLimit.set(count)
    if DescriptorLimit.soft != Int(count) { throw SystemError() }
  }

  private static func takeAll() -> [Int32] {
    var taken: [Int32] = []
    while taken.count < 200, case let descriptor = dup(2), descriptor >= 0 { taken.append(descriptor) }
    return taken
  }

  /// A client that blocks, on the test's own thread.
  private struct Peer {
    private let descriptor: Int32

    init(port: UInt16) throws {
      #if canImport(Glibc)
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      #else
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
      #endif
      guard descriptor >= 0, let address = SocketAddress(numeric: "127.0.0.1", port: port) else { throw SystemError() }
      let status = unsafe address.withSystemAddress { [descriptor] in
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
      guard status == 0 else { throw SystemError() }
    }

    func readLine() -> String {
      var bytes = [UInt8](repeating: 0, count: 1000)
      let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
      return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    func end() { close(descriptor) }
  }
}
