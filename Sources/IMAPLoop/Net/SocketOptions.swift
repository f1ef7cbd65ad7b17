internal import CUV
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What a TCP socket is told before it connects.
public struct SocketOptions: Sendable, Hashable {
  /// How long a connection may be silent before the system asks whether the peer is still there (SO_KEEPALIVE); nil for never.
  /// Whole seconds, at least one. The system gives up after ten questions, one a second.
  public var keepAlive: Duration?
  /// How long sent bytes may wait for an acknowledgement before the system gives the connection up (TCP_USER_TIMEOUT, RFC
  /// 5482); nil for the system's own time, which is about 15 minutes. Linux only.
  public var userTimeout: Duration?
  /// The address to connect from; nil lets the system choose. Port 0 lets it choose a port.
  public var localAddress: SocketAddress?
  /// More addresses to connect from. They are used in turn for a server's address to which this loop has 12,000 connections
  /// already: a source address has about 28,000 ports for each address of a server, and finding a free one gets slow long
  /// before they are used up.
  public var localAddresses: [SocketAddress] = []

  /// The system's defaults.
  public init() {}

  /// Connections of a loop to one address behind which ``localAddresses`` are used.
  static var spreadingStart: Int { 12_000 }
}

/// How many connections a loop has to each address of a server, as far as somebody wants them spread.
struct SourceSpread {
  private var counts: [SocketAddress: Int] = [:]
  private var turn = 0
  private let start: Int

  init(start: Int = SocketOptions.spreadingStart) { self.start = start }

  /// Counts a connection to `address`, and returns where it should come from: one of `sources`, or nil for wherever.
  mutating func open(_ address: SocketAddress, from sources: [SocketAddress]) -> SocketAddress? {
    let count = counts[address, default: 0]
    counts[address] = count + 1
    if count < start { return nil }
    let usable = sources.filter { $0.isIPv6 == address.isIPv6 }
    if usable.isEmpty { return nil }
    turn = (turn + 1) % usable.count
    return usable[turn]
  }

  /// The connection is gone.
  mutating func close(_ address: SocketAddress) {
    guard let count = counts[address] else { return }
    counts[address] = count > 1 ? count - 1 : nil
  }
}

extension TCPStream {
  /// A stream that connects to `address`.
  static func connecting(
    to address: SocketAddress, _ options: SocketOptions, on loop: EventLoop, owner: any StreamOwner
  ) throws(LoopError) -> TCPStream {
    let family = address.isIPv6 ? AF_INET6 : AF_INET
    let stream: TCPStream
    var source = options.localAddress
    if options.localAddresses.isEmpty {
      stream = try TCPStream(loop: loop, family: family)
    } else {
      // Counted as it is made, so that it is uncounted as it closes.
      stream = try SpreadTCPStream(loop: loop, family: family, to: address)
      source = loop.spread.open(address, from: options.localAddresses) ?? source
    }
    do throws(LoopError) {
      try stream.apply(options, source)
      stream.owner = owner
      try stream.connect(to: address)
      return stream
    } catch {
      stream.owner = nil
      stream.close()
      throw error
    }
  }

  private func apply(_ options: SocketOptions, _ source: SocketAddress?) throws(LoopError) {
    if let idle = options.keepAlive {
      let seconds = UInt32(clamping: max(1, idle.components.seconds))
      try unsafe check(uv_tcp_keepalive(tcp, 1, seconds), "set keepalive")
    }
    #if canImport(Glibc)
      if let time = options.userTimeout {
        let (seconds, attoseconds) = time.components
        let milliseconds = Double(seconds) * 1000 + Double(attoseconds) / 1e15
        let limit = Double(Int32.max)
        try set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(max(1, min(limit, milliseconds))), "set user timeout")
      }
    #endif
    guard let source else { return }
    #if canImport(Glibc)
      // The port is chosen when the server is known, and may be used for several servers.
      if source.port == 0 { try set(Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1, "bind") }
    #endif
    let status = unsafe source.withSystemAddress { unsafe uv_tcp_bind(tcp, $0, 0) }
    if status != 0 { throw LoopError(status, "bind to \(source)") }
  }

  /// What the socket has; -1 where it does not say.
  func option(_ level: Int32, _ name: Int32) -> Int32 {
    var descriptor: uv_os_fd_t = -1
    var value: Int32 = -1
    var size = socklen_t(MemoryLayout<Int32>.size)
    if unsafe uv_fileno(raw, &descriptor) != 0 || getsockopt(descriptor, level, name, &value, &size) != 0 { return -1 }
    return value
  }

  private func set(_ level: Int32, _ option: Int32, _ value: Int32, _ operation: StaticString) throws(LoopError) {
    var descriptor: uv_os_fd_t = -1
    try unsafe check(uv_fileno(raw, &descriptor), operation)
    var value = value
    let status = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    if status != 0 { throw LoopError(uv_translate_sys_error(errno), operation.description) }
  }
}

/// A connection that counts for its server's address.
private final class SpreadTCPStream: TCPStream {
  private let target: SocketAddress

  init(loop: EventLoop, family: Int32, to target: SocketAddress) throws(LoopError) {
    self.target = target
    try super.init(loop: loop, family: family)
  }

  override func handleClosed() {
    loop.spread.close(target)
    super.handleClosed()
  }
}
