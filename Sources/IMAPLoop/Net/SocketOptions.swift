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
  /// More addresses to connect from, each of which this machine must have. A source address has about 28,000 ports for each
  /// address of a server, and finding a free one gets slow, for the whole loop, long before they are used up. So a connection
  /// comes from the first address, ``localAddress`` before these, from which this process has fewer than
  /// ``connectionsPerSource`` to the server's address; where there is none, from that which has the fewest: slow is better
  /// than none, and ``crowdedConnections`` counts it. Only addresses of the server's family count. Where these are none of
  /// it, the system chooses, which it does not otherwise.
  public var localAddresses: [SocketAddress] = []

  /// The system's defaults.
  public init() {}

  /// Connections from one address to one of a server's behind which the next one of ``localAddresses`` is used: 12,000. With
  /// Linux's default range of ports a connection takes a hundred times as long from about 13,000 on.
  public static var connectionsPerSource: Int { 12_000 }

  /// How many connections this process has opened, with and without ``localAddresses``, from an address that had
  /// ``connectionsPerSource`` to that address of the server already. Where this grows, give more ``localAddresses``. Any thread
  /// may read it. Complexity: O(1).
  public static var crowdedConnections: Int { SourceSpread.shared.crowded }

  /// Where connections to `address` may come from, in this order; nil for wherever the system likes.
  func sources(for address: SocketAddress) -> [SocketAddress?] {
    if localAddresses.isEmpty { return [localAddress] }
    var sources: [SocketAddress?] = []
    for source in [localAddress].compactMap({ $0 }) + localAddresses
    where source.isIPv6 == address.isIPv6 && !sources.contains(source) { sources.append(source) }
    return sources.isEmpty ? [localAddress] : sources
  }
}

extension TCPStream {
  /// A stream that connects to `address`.
  static func connecting(
    to address: SocketAddress, _ options: SocketOptions, on loop: EventLoop, owner: any StreamOwner
  ) throws(LoopError) -> TCPStream {
    let stream = try TCPStream(loop: loop, family: address.isIPv6 ? AF_INET6 : AF_INET)
    // Counted as it is made, and uncounted as it closes.
    let (source, place) = loop.spread.open(address, from: options.sources(for: address))
    stream.place = place
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
    if status == 0 { return }
    let isForeign = status == UV_EADDRNOTAVAIL.rawValue
    throw LoopError(status, "bind to \(source)", isForeign ? "this machine has no address \(source.host)" : "")
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
