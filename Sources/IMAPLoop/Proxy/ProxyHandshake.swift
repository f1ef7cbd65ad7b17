import IMAPStateMachine

/// What is said to a proxy until it has connected, without any I/O: bytes in, bytes out.
protocol ProxyHandshake {
  /// What is to be sent. Take it after each call.
  var outbound: [UInt8] { get set }
  /// Reads from the front of `input` what is the proxy's and takes it away; what is behind the end is the server's. Returns
  /// whether the connection is there. Throws the proxy's reason where it refuses.
  mutating func read(_ input: inout [UInt8]) throws(ConnectionError) -> Bool
}

extension Proxy {
  /// Asks this proxy for a connection to `host`. Throws where that cannot be put into its words.
  func handshake(host: String, port: UInt16) throws(ConnectionError) -> any ProxyHandshake {
    switch kind {
    case .socks4: try SOCKS4Handshake(self, host: host, port: port)
    case .socks5: try SOCKS5Handshake(self, host: host, port: port)
    case .httpConnect, .httpsConnect: try HTTPConnectHandshake(self, host: host, port: port)
    }
  }

  /// An error that says which proxy.
  func error(_ message: String) -> ConnectionError {
    .transport(.init(.proxy, message: "proxy \(self): \(message)"))
  }

  /// As ``error(_:)``, where the way to the proxy has failed.
  func error(_ failure: ConnectionError.TransportFailure) -> ConnectionError {
    .transport(.init(.proxy, code: failure.code, message: "proxy \(self): \(failure.message)", tls: failure.tls))
  }
}

/// SOCKS 4, and 4A where there is a name to look up: each a request and an answer of eight bytes.
struct SOCKS4Handshake: ProxyHandshake {
  var outbound: [UInt8]

  private let proxy: Proxy

  init(_ proxy: Proxy, host: String, port: UInt16) throws(ConnectionError) {
    self.proxy = proxy
    let user = Array((proxy.user ?? "").utf8)
    let name = Array(host.utf8)
    // Both end at the first zero byte.
    if user.count > 255 || user.contains(0) { throw proxy.error("the user must have at most 255 bytes") }
    if name.isEmpty || name.count > 255 || name.contains(0) {
      throw proxy.error("the host name must have 1 to 255 bytes")
    }
    let request = [4, 1, UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    if let numeric = SocketAddress(numeric: host, port: 0) {
      guard !numeric.isIPv6, let bytes = numeric.bytes else { throw proxy.error("SOCKS4 has no IPv6 addresses") }
      outbound = request + bytes + user + [0]
    } else {
      // SOCKS 4A: an address that cannot be says that a name follows.
      outbound = request + [0, 0, 0, 1] + user + [0] + name + [0]
    }
  }

  mutating func read(_ input: inout [UInt8]) throws(ConnectionError) -> Bool {
    // The version of the answer is 0.
    if let version = input.first, version != 0 { throw proxy.error("does not speak SOCKS4") }
    if input.count > 1, input[1] != 90 { throw proxy.error("cannot connect: \(Self.reason(input[1]))") }
    if input.count < 8 { return false }
    input.removeFirst(8)
    return true
  }

  private static func reason(_ code: UInt8) -> String {
    switch code {
    case 91: "refused, or failed"
    case 92: "it wants the user to be confirmed by identd, which it cannot reach"
    case 93: "identd knows the user by another name"
    default: "reply \(code)"
    }
  }
}

/// SOCKS Protocol Version 5 (RFC 1928) with Username/Password Authentication (RFC 1929).
struct SOCKS5Handshake: ProxyHandshake {
  private enum Step { case method, authentication, reply, done }

  var outbound: [UInt8]

  private let proxy: Proxy
  private var step = Step.method
  private var credentials: [UInt8] = []
  private let request: [UInt8]

  init(_ proxy: Proxy, host: String, port: UInt16) throws(ConnectionError) {
    self.proxy = proxy
    request = [5, 1, 0] + (try Self.address(host, proxy)) + [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    var methods: [UInt8] = [0]
    if let user = proxy.user {
      methods.append(2)
      let password = proxy.password ?? Secret([])
      // RFC 1929, section 2: both have 1 to 255 bytes. An empty password is known to be taken.
      if user.isEmpty || user.utf8.count > 255 || password.count > 255 {
        throw proxy.error("user and password must have 1 to 255 bytes each")
      }
      credentials = [1, UInt8(user.utf8.count)] + Array(user.utf8) + [UInt8(password.count)] + password.copied
    }
    outbound = [5, UInt8(methods.count)] + methods
  }

  mutating func read(_ input: inout [UInt8]) throws(ConnectionError) -> Bool {
    while step != .done {
      switch step {
      case .method:
        if let version = input.first, version != 5 { throw proxy.error("does not speak SOCKS5") }
        guard let answer = take(2, from: &input) else { return false }
        switch answer[1] {
        case 0: ask()
        case 2 where !credentials.isEmpty:
          outbound += credentials
          step = .authentication
        case 0xff:
          throw proxy.error(
            credentials.isEmpty ? "wants a user and a password" : "knows no way to log in that is known here")
        default: throw proxy.error("wants authentication method \(answer[1]), which was not offered")
        }
      case .authentication:
        guard let answer = take(2, from: &input) else { return false }
        if answer[1] != 0 { throw proxy.error("refused user and password") }
        ask()
      case .reply:
        if let version = input.first, version != 5 { throw proxy.error("does not speak SOCKS5") }
        if input.count > 1, input[1] != 0 { throw proxy.error("cannot connect: \(Self.reason(input[1]))") }
        guard input.count > 4 else { return false }
        let size: Int
        switch input[3] {
        case 1: size = 4
        case 3: size = 1 + Int(input[4])
        case 4: size = 16
        default: throw proxy.error("answered with an address of unknown type \(input[3])")
        }
        // Where the proxy connects from: of no use here.
        if take(4 + size + 2, from: &input) == nil { return false }
        step = .done
      case .done: break
      }
    }
    return true
  }

  private mutating func ask() {
    credentials = []
    outbound += request
    step = .reply
  }

  private func take(_ count: Int, from input: inout [UInt8]) -> [UInt8]? {
    if input.count < count { return nil }
    defer { input.removeFirst(count) }
    return Array(input.prefix(count))
  }

  private static func address(_ host: String, _ proxy: Proxy) throws(ConnectionError) -> [UInt8] {
    if let numeric = SocketAddress(numeric: host, port: 0) {
      // A scope, as in fe80::1%eth0, is nothing that another host could know.
      if let bytes = numeric.bytes { return [numeric.isIPv6 ? 4 : 1] + bytes }
    }
    let name = Array(host.utf8)
    if name.isEmpty || name.count > 255 || name.contains(0) {
      throw proxy.error("the host name must have 1 to 255 bytes")
    }
    return [3, UInt8(name.count)] + name
  }

  /// RFC 1928, section 6.
  private static func reason(_ code: UInt8) -> String {
    switch code {
    case 1: "general failure"
    case 2: "not allowed by its rules"
    case 3: "network unreachable"
    case 4: "host unreachable"
    case 5: "connection refused"
    case 6: "time to live expired"
    case 7: "command not supported"
    case 8: "type of address not supported"
    default: "reply \(code)"
    }
  }
}

/// CONNECT of HTTP/1.1 (RFC 9110, section 9.3.6; RFC 9112).
struct HTTPConnectHandshake: ProxyHandshake {
  var outbound: [UInt8]

  private let proxy: Proxy
  /// Bytes of the input that were looked at, and the last line feed among them.
  private var scanned = 0
  private var lineStart = 0

  init(_ proxy: Proxy, host: String, port: UInt16) throws(ConnectionError) {
    self.proxy = proxy
    // Nothing of the name may end the line or start another.
    if host.isEmpty || host.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
      throw proxy.error("the host name cannot be sent")
    }
    let target = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    outbound = Array("CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n".utf8)
    if let user = proxy.user {
      // RFC 7617, section 2: the user must not have a colon.
      if user.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: ":") }) {
        throw proxy.error("the user must have neither colons nor control characters")
      }
      outbound += Array("Proxy-Authorization: Basic ".utf8)
      outbound += OpenSSLBase64.encode(Array("\(user):".utf8) + (proxy.password?.copied ?? []))
      outbound += [0x0d, 0x0a]
    }
    outbound += [0x0d, 0x0a]
  }

  mutating func read(_ input: inout [UInt8]) throws(ConnectionError) -> Bool {
    while scanned < input.count {
      let byte = input[scanned]
      // Whatever this is, it will not become HTTP.
      if scanned < Self.start.count, byte != Self.start[scanned] { throw proxy.error("does not speak HTTP") }
      scanned += 1
      if scanned > Self.mostBytes {
        throw proxy.error("sent more than \(Self.mostBytes) bytes before it had connected")
      }
      if byte != 0x0a { continue }
      let line = input[lineStart..<scanned].filter { $0 != 0x0d && $0 != 0x0a }
      let isFirst = lineStart == 0
      lineStart = scanned
      if !line.isEmpty || isFirst { continue }
      // The empty line ends the headers.
      let status = Self.statusLine(input)
      input.removeFirst(scanned)
      scanned = 0
      lineStart = 0
      let code = status.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      switch code {
      // RFC 9110, section 15.2: what is interim is followed by the answer.
      case 100..<200: continue
      // Section 9.3.6: any of these, and what follows the headers is the server's.
      case 200..<300: return true
      default: throw proxy.error("cannot connect: \(status)")
      }
    }
    return false
  }

  private static let start = Array("HTTP/1.".utf8)
  /// Bytes that the headers of one connection may have. Others have 8 to 64 KiB.
  private static let mostBytes = 16 * 1024

  /// The first line, as short and harmless text.
  private static func statusLine(_ input: [UInt8]) -> String {
    let line = input.prefix { $0 != 0x0a }.filter { $0 >= 0x20 && $0 < 0x7f }
    return String(decoding: line.prefix(200), as: UTF8.self)
  }
}

extension Secret {
  /// The bytes, to be sent.
  fileprivate var copied: [UInt8] {
    withBytes { bytes in bytes.indices.map { bytes[$0] } }
  }
}
