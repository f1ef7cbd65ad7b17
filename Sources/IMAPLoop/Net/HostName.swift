import IMAPStateMachine

/// What callers give as the host of a server or of a proxy.
enum HostName {
  /// `host` as names are looked up and certificates checked: an IPv6 address without the brackets that URLs have around it. Throws
  /// what is wrong with it.
  static func checked(_ host: String) throws(InvalidArgument) -> String {
    if let rule = flaw(of: host) { throw InvalidArgument(.host, rule) }
    return unbracketed(host)
  }

  /// Throws what is wrong with the host of `proxy`.
  static func check(_ proxy: Proxy) throws(InvalidArgument) {
    if let rule = flaw(of: proxy.host) ?? (proxy.host.hasPrefix("[") ? .hostName : nil) {
      throw InvalidArgument(.proxyHost, rule)
    }
  }

  private static func flaw(of host: String) -> InvalidArgument.Rule? {
    if host.isEmpty { return .empty }
    if host.utf8.contains(0) { return .nul }
    if host.contains("://") { return .url }
    // Also with a zone: `fe80::1%eth0`.
    if SocketAddress(numeric: unbracketed(host), port: 0) != nil { return nil }
    if let colon = host.utf8.lastIndex(of: UInt8(ascii: ":")) {
      let digits = host.utf8[colon...].dropFirst()
      let isPort = !digits.isEmpty && digits.allSatisfy { 0x30...0x39 ~= $0 }
      let name = String(host[..<colon])
      if isPort, !name.contains(":") || SocketAddress(numeric: unbracketed(name), port: 0) != nil { return .port }
    }
    // Whether there is a host of another name is the resolver's to say.
    let isOdd = host.utf8.contains { $0 <= 0x20 || $0 == 0x7f || "/\\:[]@?#".utf8.contains($0) }
    return isOdd ? .hostName : nil
  }

  private static func unbracketed(_ host: String) -> String {
    guard host.hasPrefix("["), host.hasSuffix("]") else { return host }
    let inner = String(host.dropFirst().dropLast())
    return SocketAddress(numeric: inner, port: 0)?.isIPv6 == true ? inner : host
  }
}
