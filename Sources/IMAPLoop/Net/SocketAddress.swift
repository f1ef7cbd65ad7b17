internal import CUV

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A numeric internet address with a port.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
  /// The address without the port: `127.0.0.1`, `::1`.
  public let host: String
  /// The port.
  public let port: UInt16
  /// Whether this is an IPv6 address.
  public let isIPv6: Bool

  /// Reads a numeric address; nil if `host` is a name. Complexity: O(n).
  public init?(numeric host: String, port: UInt16) {
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    // C strings end at the first zero byte; what comes behind must not be dropped silently.
    if host.utf8.contains(0) { return nil }
    if unsafe uv_ip4_addr(host, Int32(port), &v4) == 0 {
      isIPv6 = false
    } else if unsafe uv_ip6_addr(host, Int32(port), &v6) == 0 {
      isIPv6 = true
    } else {
      return nil
    }
    self.host = host
    self.port = port
  }

  /// `host:port`, with brackets around an IPv6 address.
  public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// The same address with another port.
  public func with(port: UInt16) -> SocketAddress { SocketAddress(host: host, port: port, isIPv6: isIPv6) }

  private init(host: String, port: UInt16, isIPv6: Bool) {
    self.host = host
    self.port = port
    self.isIPv6 = isIPv6
  }

  /// Reads what the system filled in; nil for other families.
  init?(_ address: UnsafePointer<sockaddr>, port: UInt16? = nil) {
    var text = [CChar](repeating: 0, count: 64)
    let raw = unsafe UnsafeRawPointer(address)
    // Safe: the family says which structure the system has written there.
    switch unsafe Int32(address.pointee.sa_family) {
    case AF_INET:
      let v4 = unsafe raw.assumingMemoryBound(to: sockaddr_in.self)
      if unsafe uv_ip4_name(v4, &text, text.count) != 0 { return nil }
      self.port = unsafe port ?? UInt16(bigEndian: v4.pointee.sin_port)
      isIPv6 = false
    case AF_INET6:
      let v6 = unsafe raw.assumingMemoryBound(to: sockaddr_in6.self)
      if unsafe uv_ip6_name(v6, &text, text.count) != 0 { return nil }
      self.port = unsafe port ?? UInt16(bigEndian: v6.pointee.sin6_port)
      isIPv6 = true
    default: return nil
    }
    host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The 4 or 16 bytes of the address; nil where it also has a scope, as `fe80::1%eth0`.
  var bytes: [UInt8]? {
    if host.utf8.contains(UInt8(ascii: "%")) { return nil }
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    if !isIPv6 {
      if unsafe uv_ip4_addr(host, 0, &v4) != 0 { return nil }
      return unsafe withUnsafeBytes(of: &v4.sin_addr) { unsafe Array($0) }
    }
    if unsafe uv_ip6_addr(host, 0, &v6) != 0 { return nil }
    return unsafe withUnsafeBytes(of: &v6.sin6_addr) { unsafe Array($0) }
  }

  /// Lends the address in the system's form.
  func withSystemAddress(_ body: (UnsafePointer<sockaddr>) -> Int32) -> Int32 {
    var storage = sockaddr_storage()
    return unsafe withUnsafeMutableBytes(of: &storage) { bytes in
      guard let base = bytes.baseAddress else { return -1 }
      // Safe: the storage is large and aligned enough for each family.
      let status =
        isIPv6
        ? unsafe uv_ip6_addr(host, Int32(port), base.assumingMemoryBound(to: sockaddr_in6.self))
        : unsafe uv_ip4_addr(host, Int32(port), base.assumingMemoryBound(to: sockaddr_in.self))
      if status != 0 { return status }
      return unsafe body(UnsafePointer(base.assumingMemoryBound(to: sockaddr.self)))
    }
  }
}
