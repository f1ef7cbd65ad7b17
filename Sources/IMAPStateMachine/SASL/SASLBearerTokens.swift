/// OAUTHBEARER (RFC 7628): an OAuth 2.0 access token. For connections that TLS protects.
public struct SASLOAuthBearer: BearerMechanism {
  /// `OAUTHBEARER`.
  public var name: String { "OAUTHBEARER" }
  /// It does.
  public var revealsSecret: Bool { true }
  /// Why the server refused the token; nil where it did not say.
  public var refusal: SASLError? { refused.map { .tokenRefused($0) } }
  var message: Secret?
  var refused: SASLTokenRefusal?
  // RFC 7628, section 3.2.3: "a single %x01 (control A) character".
  var answerToRefusal: [UInt8] { [1] }

  /// `user` is whom to act as, which most servers want to be told; empty leaves it to the token. `host` and `port` are those
  /// that the client connected to. Throws `.credential` where something holds control characters, or the token is empty.
  public init(user: String, token: Secret, host: String, port: UInt16) throws(SASLError) {
    let identity = Array(user.utf8)
    try CredentialRules.checkPrepared(identity.span, .user)
    let hostBytes = Array(host.utf8)
    try CredentialRules.checkPrepared(hostBytes.span, .host)
    try Self.check(token)
    let escaped = CredentialRules.saslName(user)
    message = Secret.building(escaped.count + hostBytes.count + token.count + 64) { bytes in
      // The GS2 header of RFC 5801, section 4: no channel binding, and whom to act as.
      bytes += Array("n,".utf8)
      if !escaped.isEmpty { bytes += Array("a=".utf8) + escaped }
      bytes += Array(",\u{1}host=".utf8) + hostBytes
      bytes += Array("\u{1}port=\(port)\u{1}auth=Bearer ".utf8)
      bytes.append(token)
      bytes += [1, 1]
    }
  }
}

/// XOAUTH2: what Google and Microsoft had before OAUTHBEARER was there, and still have. For connections that TLS protects.
public struct SASLXOAuth2: BearerMechanism {
  /// `XOAUTH2`.
  public var name: String { "XOAUTH2" }
  /// It does.
  public var revealsSecret: Bool { true }
  /// Why the server refused the token; nil where it did not say.
  public var refusal: SASLError? { refused.map { .tokenRefused($0) } }
  var message: Secret?
  var refused: SASLTokenRefusal?
  // "The client sends an empty response to the challenge containing the error message."
  var answerToRefusal: [UInt8] { [] }

  /// `vendor` is a field of Yahoo's, for programs that it knows by name: it follows the token as `vendor=`. Throws `.credential`
  /// where something is empty or holds control characters.
  public init(user: String, token: Secret, vendor: String? = nil) throws(SASLError) {
    let identity = Array(user.utf8)
    if identity.isEmpty { throw .credential(.user, .empty) }
    try CredentialRules.checkPrepared(identity.span, .user)
    try Self.check(token)
    let vendor = vendor.map { Array($0.utf8) }
    if let vendor {
      if vendor.isEmpty { throw .credential(.vendor, .empty) }
      try CredentialRules.checkPrepared(vendor.span, .vendor)
    }
    message = Secret.building(identity.count + token.count + (vendor?.count ?? 0) + 40) { bytes in
      bytes += Array("user=".utf8) + identity
      bytes += Array("\u{1}auth=Bearer ".utf8)
      bytes.append(token)
      bytes.append(1)
      if let vendor {
        bytes += Array("vendor=".utf8) + vendor
        bytes.append(1)
      }
      bytes.append(1)
    }
  }
}

/// All is said at the start. A challenge is a refusal with its reason, and the server waits for an answer before it ends
/// the exchange.
protocol BearerMechanism: OneMessageMechanism {
  var refused: SASLTokenRefusal? { get set }
  var answerToRefusal: [UInt8] { get }
}

extension BearerMechanism {
  /// Takes the server's reason, and lets it go on.
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? {
    if refused != nil { throw .unexpectedChallenge }
    refused = SASLTokenRefusal(challenge)
    return Secret(answerToRefusal)
  }

  /// A server that has refused the token cannot say OK.
  public mutating func finish() throws(SASLError) {
    if let refused { throw .tokenRefused(refused) }
  }

  /// RFC 6750: a token is ASCII without blanks. Some providers' tokens have other visible characters.
  static func check(_ token: Secret) throws(SASLError) {
    if token.count == 0 { throw .credential(.token, .empty) }
    try token.withBytes { bytes throws(SASLError) in
      for index in bytes.indices {
        if bytes[index] >= 0x80 { throw .credential(.token, .notASCII) }
        if bytes[index] <= 0x20 || bytes[index] == 0x7f { throw .credential(.token, .control) }
      }
    }
  }
}
