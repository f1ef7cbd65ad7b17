#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPTestServer

/// A pipe of a user's own: a blocking socket.
private final class SocketPipe: BytePipe {
  struct Failure: Error {}
  private let descriptor: Int32

  init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let isConnected = unsafe withUnsafePointer(to: &address) { [descriptor] pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if !isConnected { throw Failure() }
  }

  deinit { Foundation.close(descriptor) }

  func cut() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  func send(_ bytes: [UInt8]) async throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { bytes in
        unsafe Foundation.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { throw Failure() }
      rest = rest.dropFirst(count)
    }
  }

  func receive(upTo count: Int) async throws -> [UInt8]? {
    await withCheckedContinuation { continuation in
      // It blocks, so it needs a thread.
      Thread.detachNewThread { [self] in
        var buffer = [UInt8](repeating: 0, count: count)
        let received = unsafe recv(descriptor, &buffer, count, 0)
        continuation.resume(returning: received > 0 ? Array(buffer[..<received]) : nil)
      }
    }
  }

  func close() async { cut() }
}

/// Sessions over transports that are no TCP.
@Suite(.timeLimit(.minutes(1))) struct PipeSessionTests {
  /// Runs a session until it stops, cutting each connection as it is made, but the `last`.
  private func run(
    _ server: IMAPTestServer, _ transport: Transport, last: Int, cut: @escaping (Int) -> Void
  ) async -> (connections: Int, reason: IMAPError?) {
    var client = IMAPClient.Configuration(transport: transport)
    client.signIn.allowsPlaintext = true
    var options = IMAPSession.Configuration(client: client) {
      .password(user: "user", password: Secret("password"))
    }
    options.backoff = Backoff(initial: .milliseconds(2), maximum: .milliseconds(4))
    let session = IMAPSession(options, on: server.loop)
    var connections = 0
    var end: IMAPError?
    for await event in await session.start() {
      switch event {
      case .connected:
        connections += 1
        if connections == last { Task { await session.stop() } } else { cut(connections - 1) }
      case .stopped(let reason): end = reason
      default: break
      }
    }
    return (connections, end)
  }

  @Test func aSessionOpensItsPipeAnew() async throws {
    try await withTestServer { server in
      let port = try #require(server.plainPort)
      let pipes = Mutex<[SocketPipe]>([])
      let transport = Transport.pipes {
        let pipe = try SocketPipe(port: port)
        pipes.withLock { $0.append(pipe) }
        return pipe
      }
      let result = await run(server, transport, last: 3) { index in pipes.withLock { $0[index].cut() } }
      #expect(result.connections == 3)
      #expect(result.reason == nil)
      #expect(pipes.withLock(\.count) == 3)
    }
  }

  @Test func aSessionOverAPipeThatCannotBeOpenedAnewStops() async throws {
    try await withTestServer { server in
      let pipe = try SocketPipe(port: try #require(server.plainPort))
      let result = await run(server, .pipe(pipe), last: 2) { _ in pipe.cut() }
      #expect(result.connections == 1)
      #expect(result.reason != nil)
    }
  }
}
