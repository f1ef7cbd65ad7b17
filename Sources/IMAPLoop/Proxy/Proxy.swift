import IMAPStateMachine

/// A server that connects to others on behalf of its clients. It sees what TLS does not protect.
public struct Proxy: Sendable, Hashable, CustomStringConvertible {
  enum Kind: Sendable, Hashable { case socks4, socks5, httpConnect, httpsConnect }

  let kind: Kind
  /// Where the proxy is: a name or an address.
  public let host: String
  /// Its port.
  public let port: UInt16
  /// Whom to trust where the proxy itself is reached by TLS; its certificate has to be for ``host``. Others do not look at it.
  public var trust = TLSContext.Trust.system
  let user: String?
  let password: Secret?
  /// Of the TLS to the proxy, for all connections by this value and its copies.
  let contexts = TLSContextKeeper()

  /// A SOCKS4 proxy, with a user where it wants one. It looks host names up itself where it knows SOCKS4a; it has no IPv6, and
  /// checks no password.
  public static func socks4(host: String, port: UInt16 = 1080, user: String? = nil) -> Proxy {
    Proxy(kind: .socks4, host: host, port: port, user: user, password: nil)
  }

  /// A SOCKS5 proxy (RFC 1928), with a user and a password where it wants them (RFC 1929). It looks host names up itself.
  public static func socks5(
    host: String, port: UInt16 = 1080, user: String? = nil, password: Secret? = nil
  ) -> Proxy {
    Proxy(kind: .socks5, host: host, port: port, user: user, password: password)
  }

  /// An HTTP proxy that knows CONNECT (RFC 9110, section 9.3.6), with a user and a password where it wants them (Basic, RFC
  /// 7617). It looks host names up itself.
  public static func httpConnect(
    host: String, port: UInt16 = 80, user: String? = nil, password: Secret? = nil
  ) -> Proxy {
    Proxy(kind: .httpConnect, host: host, port: port, user: user, password: password)
  }

  /// As ``httpConnect(host:port:user:password:)``, but the proxy is spoken to by TLS, so that nobody on the way to it sees
  /// user, password and host. The TLS of the mail server goes through that.
  public static func httpsConnect(
    host: String, port: UInt16 = 443, user: String? = nil, password: Secret? = nil, trust: TLSContext.Trust = .system
  ) -> Proxy {
    var proxy = Proxy(kind: .httpsConnect, host: host, port: port, user: user, password: password)
    proxy.trust = trust
    return proxy
  }

  /// Reads `socks5://user:password@host:1080`, `socks4://user@host:1080`, `http://host:3128` or `https://host`; `socks5h` means
  /// the same as `socks5`, and `socks4a` as `socks4`. The parts of the user may be percent-encoded. Throws what is wrong with
  /// `url` where it is nothing of the kind: an error that holds nothing of it, and so no password.
  public init(url: String) throws(InvalidArgument) {
    if url.isEmpty { throw Self.flaw(.empty) }
    guard let separator = url.firstRange(of: "://") else { throw Self.flaw(.scheme) }
    let standard: UInt16
    switch url[..<separator.lowerBound].lowercased() {
    case "socks5", "socks5h": (kind, standard) = (.socks5, 1080)
    case "socks4", "socks4a": (kind, standard) = (.socks4, 1080)
    case "http": (kind, standard) = (.httpConnect, 80)
    case "https": (kind, standard) = (.httpsConnect, 443)
    default: throw Self.flaw(.scheme)
    }
    var rest = url[separator.upperBound...]
    if rest.hasSuffix("/") { rest.removeLast() }
    if let end = rest.lastIndex(of: "@") {
      let parts = rest[..<end].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      rest = rest[rest.index(after: end)...]
      guard let name = parts.first.flatMap(Self.decoded), let user = String(validating: name, as: UTF8.self) else {
        throw Self.flaw(.percentEncoding)
      }
      if user.isEmpty { throw Self.flaw(.noUser) }
      self.user = user
      if parts.count > 1 {
        // SOCKS4 has no place for it, and nobody should think that it is checked.
        if kind == .socks4 { throw Self.flaw(.passwordOfSOCKS4) }
        guard let bytes = Self.decoded(parts[1]) else { throw Self.flaw(.percentEncoding) }
        password = Secret(bytes)
      } else {
        password = nil
      }
    } else {
      user = nil
      password = nil
    }
    let (host, port) = try Self.address(rest)
    self.host = host
    self.port = port ?? standard
  }

  /// Whether both mean the same proxy, reached in the same way by the same user.
  public static func == (one: Proxy, other: Proxy) -> Bool {
    (one.kind, one.host, one.port, one.trust, one.user, one.password)
      == (other.kind, other.host, other.port, other.trust, other.user, other.password)
  }

  /// What ``==(_:_:)`` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(kind)
    hasher.combine(host)
    hasher.combine(port)
    hasher.combine(trust)
    hasher.combine(user)
    hasher.combine(password)
  }

  /// The URL without user and password.
  public var description: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return "\(scheme)://\(name):\(port)"
  }

  private var scheme: String {
    switch kind {
    case .socks4: "socks4"
    case .socks5: "socks5"
    case .httpConnect: "http"
    case .httpsConnect: "https"
    }
  }

  private init(kind: Kind, host: String, port: UInt16, user: String?, password: Secret?) {
    self.kind = kind
    self.host = host
    self.port = port
    self.user = user
    self.password = password
  }

  private static func flaw(_ rule: InvalidArgument.Rule) -> InvalidArgument { InvalidArgument(.proxyURL, rule) }

  /// `host`, `host:port` or `[address]:port`.
  private static func address(_ text: Substring) throws(InvalidArgument) -> (host: String, port: UInt16?) {
    // What else a URL may have is no part of a proxy.
    if text.utf8.contains(where: { "/?#".utf8.contains($0) }) { throw flaw(.path) }
    var host = text
    var digits: Substring?
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { throw flaw(.authority) }
      host = text[text.index(after: text.startIndex)..<end]
      let behind = text[text.index(after: end)...]
      if !behind.isEmpty {
        if !behind.hasPrefix(":") { throw flaw(.authority) }
        digits = behind.dropFirst()
      }
    } else if let colon = text.firstIndex(of: ":") {
      host = text[..<colon]
      digits = text[text.index(after: colon)...]
    }
    if host.isEmpty || host.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "@") }) {
      throw flaw(.authority)
    }
    guard let digits else { return (String(host), nil) }
    guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let port = UInt16(digits), port > 0 else {
      throw flaw(.portNumber)
    }
    return (String(host), port)
  }

  private static func decoded(_ text: Substring) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      if byte != UInt8(ascii: "%") {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst(), let low = rest.popFirst(),
        let first = Character(UnicodeScalar(high)).hexDigitValue,
        let second = Character(UnicodeScalar(low)).hexDigitValue
      else { return nil }
      bytes.append(UInt8(first * 16 + second))
    }
    return bytes
  }
}
