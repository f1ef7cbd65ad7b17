import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Answers `GET /metrics` by HTTP on the loopback interface: one request a connection, one after the other, each in bounded time
/// and memory.
final class MetricsListener: Sendable {
  /// Where it listens.
  let address: LoopbackAddress
  private let descriptor: Int32
  private let text: @Sendable () -> String

  /// Listens until the process ends. `text` is asked for at each request.
  init(_ address: LoopbackAddress, text: @escaping @Sendable () -> String) throws(Failure) {
    (descriptor, self.address) = try Self.listen(address)
    self.text = text
    Thread.detachNewThread { [self] in
      BackgroundThread.blockPipeSignal()
      while true {
        let client = accept(descriptor, nil, nil)
        if client >= 0 {
          _ = fcntl(client, F_SETFD, FD_CLOEXEC)
          answer(client)
          close(client)
        } else if errno != EINTR, errno != ECONNABORTED {
          // No descriptors are left, for example: it may be better soon.
          usleep(100_000)
        }
      }
    }
  }

  private func answer(_ client: Int32) {
    _ = fcntl(client, F_SETFL, fcntl(client, F_GETFL) | O_NONBLOCK)
    let deadline = ContinuousClock.now + Self.patience
    guard let request = receive(client, deadline) else { return }
    var response = Array(Self.response(to: request, text).utf8)[...]
    while !response.isEmpty {
      let count = unsafe response.withUnsafeBytes { unsafe send(client, $0.baseAddress, $0.count, Self.sendFlags) }
      if count > 0 {
        response = response.dropFirst(count)
      } else if count < 0, errno == EINTR {
        continue
      } else if count == 0 || errno != EAGAIN || !isReady(client, POLLOUT, deadline) {
        return
      }
    }
  }

  /// The head of a request; what has come where it is too long; nil where the client is too slow, or has gone.
  private func receive(_ client: Int32, _ deadline: ContinuousClock.Instant) -> [UInt8]? {
    var request: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1024)
    while request.count <= Self.mostBytes, !Self.isComplete(request) {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(client, $0.baseAddress, $0.count, 0) }
      if count > 0 {
        request += chunk.prefix(count)
      } else if count < 0, errno == EINTR {
        continue
      } else if count == 0 || errno != EAGAIN || !isReady(client, POLLIN, deadline) {
        return nil
      }
    }
    return request
  }

  private func isReady(_ client: Int32, _ events: Int32, _ deadline: ContinuousClock.Instant) -> Bool {
    let left = deadline - .now
    if left <= .zero { return false }
    var waiting = pollfd(fd: client, events: Int16(events), revents: 0)
    let count = unsafe poll(&waiting, 1, Int32(clamping: Int64(left / .milliseconds(1)) + 1))
    return count > 0 || (count < 0 && errno == EINTR)
  }

  private static func isComplete(_ request: [UInt8]) -> Bool {
    // As bytes: a line break is one character of a String.
    let end = Array("\r\n\r\n".utf8)
    return request.indices.contains { request[$0...].starts(with: end) }
  }

  /// What a request gets.
  static func response(to request: [UInt8], _ text: () -> String) -> String {
    guard request.count <= mostBytes else { return response("431 Request Header Fields Too Large", "too long\n") }
    let line = String(decoding: request.prefix { $0 != 0x0d && $0 != 0x0a }, as: UTF8.self)
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return response("400 Bad Request", "no HTTP\n") }
    guard words[0] == "GET" || words[0] == "HEAD" else {
      return response("405 Method Not Allowed", "only GET and HEAD\n", extra: "Allow: GET, HEAD\r\n")
    }
    let path = words[1].prefix { $0 != "?" }
    guard path == "/metrics" else { return response("404 Not Found", "see /metrics\n") }
    return response("200 OK", text(), hasBody: words[0] == "GET")
  }

  private static func response(
    _ status: String, _ body: String, hasBody: Bool = true, extra: String = ""
  ) -> String {
    let head =
      "HTTP/1.1 \(status)\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\(extra)Connection: close\r\n\r\n"
    return hasBody ? head + body : head
  }

  private static func listen(_ address: LoopbackAddress) throws(Failure) -> (Int32, LoopbackAddress) {
    func failure() -> Failure {
      let reason = unsafe String(cString: strerror(errno))
      return Failure(.unavailable, "cannot listen on \(address.description): \(reason); give another port by --metrics")
    }
    var hints = unsafe addrinfo()
    unsafe hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE
    #if canImport(Glibc)
      unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
      unsafe hints.ai_socktype = SOCK_STREAM
    #endif
    var found: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(address.host, String(address.port), &hints, &found) == 0, let info = unsafe found else {
      throw failure()
    }
    defer { unsafe freeaddrinfo(info) }
    let descriptor = unsafe socket(info.pointee.ai_family, info.pointee.ai_socktype, 0)
    guard descriptor >= 0 else { throw failure() }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    // A service that starts again finds its port free.
    var isOn: Int32 = 1
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<Int32>.size))
    guard unsafe bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0, systemListen(descriptor, 16) == 0
    else {
      let failure = failure()
      close(descriptor)
      throw failure
    }
    var bound = address
    bound.port = port(descriptor) ?? address.port
    return (descriptor, bound)
  }

  /// The port that a free one has become.
  private static func port(_ descriptor: Int32) -> UInt16? {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard unsafe getsockname(descriptor, address, &size) == 0 else { return nil }
        // The port is at the same place of both kinds of address.
        return unsafe UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
      }
    }
  }

  private static let mostBytes = 8192
  /// For a request and its answer.
  private static let patience = Duration.seconds(5)
  #if canImport(Glibc)
    private static let sendFlags = Int32(MSG_NOSIGNAL)
  #else
    private static let sendFlags: Int32 = 0
  #endif
}

private let systemListen: @Sendable (Int32, Int32) -> Int32 = { listen($0, $1) }
