#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Foundation
import Synchronization

/// A TCP proxy in front of a server that ends each connection after a number of bytes from the server. It knows no IMAP.
final class CuttingProxy: Sendable {
  let port: UInt16
  private let target: UInt16
  private let listener: Int32
  private let budget: Mutex<Int>
  private let counts = Mutex(Counts())
  private let answers: [[UInt8]]

  private struct Counts {
    var passed = 0
    var isCut = false
    var isOver = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  /// A proxy in front of `target`. It serves one connection after the other on a thread of its own.
  /// Before it passes anything on, it gives each of `answers` to one message of the client.
  init(target: UInt16, answers: [[UInt8]] = []) throws {
    self.target = target
    self.answers = answers
    (listener, port) = try FreePort.listener()
    budget = Mutex(0)
    Thread.detachNewThread { [self] in serve() }
  }

  /// The next connection is cut behind this many bytes from the server.
  func cut(after count: Int) {
    budget.withLock { $0 = count }
    counts.withLock { $0 = Counts() }
  }

  /// Returns when the connection since ``cut(after:)`` is over: how many bytes from the server it let through, and whether
  /// it was cut behind them.
  func outcome() async -> (passed: Int, isCut: Bool) {
    await withCheckedContinuation { continuation in
      let isOver = counts.withLock { counts in
        if !counts.isOver { counts.waiting.append(continuation) }
        return counts.isOver
      }
      if isOver { continuation.resume() }
    }
    return counts.withLock { ($0.passed, $0.isCut) }
  }

  /// How many bytes from the server have passed since ``cut(after:)``.
  var passedBytes: Int { counts.withLock(\.passed) }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve() {
    while true {
      let client = accept(listener, nil, nil)
      if client < 0 { break }
      if let server = FreePort.connection(to: target) {
        relay(client, server)
        close(server)
      }
      close(client)
      let waiting = counts.withLock { counts in
        counts.isOver = true
        defer { counts.waiting = [] }
        return counts.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
    close(listener)
  }

  private func relay(_ client: Int32, _ server: Int32) {
    var left = budget.withLock { $0 }
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    for answer in answers {
      if unsafe recv(client, &buffer, buffer.count, 0) <= 0 || !send(client, answer, answer.count) { return }
    }
    while true {
      var sockets = [
        pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0),
      ]
      guard unsafe poll(&sockets, 2, 30_000) > 0 else { return }
      if sockets[0].revents != 0 {
        let count = unsafe recv(client, &buffer, buffer.count, 0)
        if count <= 0 || !send(server, buffer, count) { return }
      }
      if sockets[1].revents != 0 {
        let count = unsafe recv(server, &buffer, buffer.count, 0)
        if count <= 0 { return }
        let allowed = min(count, left)
        left -= allowed
        // Before they are sent: what the client makes of them comes after this.
        counts.withLock { counts in
          counts.passed += allowed
          counts.isCut = left == 0
        }
        if !send(client, buffer, allowed) { return }
        if left == 0 { return }
      }
    }
  }

  private func send(_ descriptor: Int32, _ bytes: [UInt8], _ count: Int) -> Bool {
    var sent = 0
    while sent < count {
      let more = unsafe bytes.withUnsafeBytes { bytes in
        unsafe Foundation.send(
          descriptor, bytes.baseAddress.map { unsafe $0 + sent }, count - sent, Int32(MSG_NOSIGNAL))
      }
      if more <= 0 { return false }
      sent += more
    }
    return true
  }
}
