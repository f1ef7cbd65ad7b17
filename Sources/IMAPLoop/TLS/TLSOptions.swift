import IMAPStateMachine

extension TLSContext {
  /// Whom a side trusts.
  public enum Trust: Sendable, Hashable {
    /// The roots that the system's OpenSSL is configured with.
    case system
    /// The certificates in a PEM file, and nobody else.
    case file(String)
    /// The certificates in a folder, each in a file that is named by its hash as `openssl rehash` does it, and nobody else.
    case folder(String)
    /// The certificates in this PEM text, and nobody else.
    case pem(String)
    /// Nobody for the authority behind him: the certificate itself must match a pin, and neither its dates nor its names are
    /// looked at.
    case pinsOnly
    /// Everybody: no certificate and no host name is checked. For tests only; anybody on the way can read and change
    /// everything.
    case insecure
  }

  /// A version of TLS.
  public enum Version: Int, Sendable, Hashable, Comparable, CaseIterable {
    /// TLS 1.0, which RFC 8996 forbids. OpenSSL has it only with ciphers at security level 0: `DEFAULT@SECLEVEL=0`.
    case tls10 = 0x0301
    /// TLS 1.1, as TLS 1.0.
    case tls11 = 0x0302
    /// TLS 1.2 (RFC 5246).
    case tls12 = 0x0303
    /// TLS 1.3 (RFC 8446).
    case tls13 = 0x0304

    /// By age.
    public static func < (left: Version, right: Version) -> Bool { left.rawValue < right.rawValue }
  }

  /// What opens a private key that is encrypted.
  public enum Passphrase: Sendable {
    /// This one.
    case secret(Secret)
    /// What the function returns, which is called at most once for a context that is made; nil gives up.
    case callback(@Sendable () -> Secret?)
  }

  /// A certificate chain with its key.
  public enum Identity: Sendable {
    /// PEM files: the certificate followed by its intermediates, and the private key.
    case files(certificate: String, key: String, passphrase: Passphrase? = nil)
    /// The same as text.
    case pem(certificate: String, key: String, passphrase: Passphrase? = nil)
  }

  /// What a verification function is shown.
  public struct CertificateCheck: Sendable {
    /// The name or address that the certificate has to be for; empty at a server.
    public var host: String
    /// The peer's certificate as DER.
    public var leaf: [UInt8]
    /// What the peer has sent, as DER: its certificate first, in most cases. Nobody has checked that they belong together
    /// unless ``refusal`` is nil.
    public var chain: [[UInt8]]
    /// Why the certificate would not be accepted; nil where it would.
    public var refusal: ConnectionError.CertificateRefusal?
    /// ``refusal`` in OpenSSL's words; empty where there is none.
    public var explanation: String
  }

  /// What a verification function decides.
  public enum Verdict: Sendable, Hashable {
    /// The certificate counts, whatever was wrong with it.
    case accept
    /// It does not, for this reason, which will be the error's message.
    case refuse(String)
  }

  /// How a client connects. The defaults are right for servers on the internet.
  public struct ClientOptions: Sendable {
    /// Whom to trust.
    public var trust: Trust
    /// Whether the certificate has to be for the host that is connected to. Without this any certificate that the trusted have
    /// signed will do, whoever it is for.
    public var checksHost = true
    /// The name or address that the certificate must be for, and that the server is asked for, in place of the host that is
    /// connected to.
    public var serverName: String?
    /// Where there are any, one must match: a certificate of the chain that was verified, and where nothing was verified
    /// (``Trust/pinsOnly``, ``Trust/insecure``) the server's own.
    public var pins: [TLSPin] = []
    /// A PEM file with certificate revocation lists. There must be a valid one of the authority that signed the server's
    /// certificate.
    public var revocationListFile: String?
    /// What the client shows to servers that ask for a certificate.
    public var identity: Identity?
    /// The oldest version that is spoken. RFC 8314 asks for 1.2 at least.
    public var minimumVersion = Version.tls12
    /// The newest version that is spoken; nil is the newest there is.
    public var maximumVersion: Version?
    /// OpenSSL's list of ciphers for TLS 1.2 and older; nil is its default.
    public var ciphers: String?
    /// OpenSSL's list of cipher suites for TLS 1.3; nil is its default.
    public var cipherSuites: String?
    /// OpenSSL's list of groups for the key exchange; nil is its default, which has X25519 first.
    public var groups: String?
    /// Protocols to offer (RFC 7301), best first. That of IMAP is `imap`; few servers know it, so none is offered by default.
    public var applicationProtocols: [String] = []
    /// Has the last word on every certificate. It is called on the loop's thread, which waits for it. A session that is resumed
    /// has no certificate to check: it was this function that accepted the first.
    public var verify: (@Sendable (CertificateCheck) -> Verdict)?
    /// A file that all keys are appended to, for Wireshark. Whoever reads it can read all connections. The environment has no
    /// say in this.
    public var keyLogFile: String?
    /// Whether connections resume the sessions of earlier ones to the same host, which saves most of the work.
    public var resumesSessions = true

    /// Options that trust `trust`.
    public init(trust: Trust = .system) { self.trust = trust }
  }

  /// Whether a server asks clients for a certificate.
  public enum ClientCertificates: Sendable, Hashable {
    /// It does not ask.
    case none
    /// It asks, and takes those who have none. A certificate that is shown must be valid.
    case optional(Trust)
    /// Nobody gets in without.
    case required(Trust)
  }

  /// How a server takes connections.
  public struct ServerOptions: Sendable {
    /// Who the server is.
    public var identity: Identity
    /// Whether clients show who they are; ``Channel/peerCertificate`` has what they showed.
    public var clientCertificates = ClientCertificates.none
    /// The oldest version that is spoken.
    public var minimumVersion = Version.tls12
    /// The newest version that is spoken; nil is the newest there is.
    public var maximumVersion: Version?
    /// OpenSSL's list of ciphers for TLS 1.2 and older; nil is its default.
    public var ciphers: String?
    /// OpenSSL's list of cipher suites for TLS 1.3; nil is its default.
    public var cipherSuites: String?
    /// OpenSSL's list of groups for the key exchange; nil is its default.
    public var groups: String?
    /// Protocols of which one is chosen, best first. A client that offers none of them is turned away (RFC 7301, section 3.2);
    /// one that offers nothing is not. Where this is empty whatever clients offer is ignored.
    public var applicationProtocols: [String] = []
    /// A file that all keys are appended to, for Wireshark.
    public var keyLogFile: String?
    /// Whether clients get tickets to resume their sessions with.
    public var resumesSessions = true

    /// Options of the server that `identity` says.
    public init(identity: Identity) { self.identity = identity }
  }
}

/// What a certificate must match: the SHA-256 of its public key, or of all of it.
public struct TLSPin: Sendable, Hashable, CustomStringConvertible {
  /// What the digest is of.
  public enum Kind: Sendable, Hashable {
    /// The public key with its algorithm (SubjectPublicKeyInfo), as in RFC 7469: outlives a renewal that keeps the key.
    case publicKey
    /// The certificate as DER.
    case certificate
  }

  /// What the digest is of.
  public let kind: Kind
  /// 32 bytes.
  public let digest: [UInt8]

  /// A pin; nil unless `digest` has 32 bytes.
  public init?(_ kind: Kind, digest: [UInt8]) {
    if digest.count != 32 { return nil }
    self.kind = kind
    self.digest = digest
  }

  /// The pin that `text` says: `sha256/BASE64` (curl's `sha256//` too) is of the public key; 64 hexadecimal digits, with colons
  /// or without, are of the certificate, as `openssl x509 -fingerprint -sha256` prints them. `key:` or `cert:` before either
  /// says it otherwise. Nil where it is none of these.
  public init?(_ text: String) {
    var text = text[...]
    var kind: Kind?
    if text.hasPrefix("key:") { kind = .publicKey }
    if text.hasPrefix("cert:") { kind = .certificate }
    if kind != nil { text = text[text.index(after: text.firstIndex(of: ":") ?? text.startIndex)...] }
    if text.hasPrefix("sha256/") {
      text = text.dropFirst(text.hasPrefix("sha256//") ? 8 : 7)
      guard let digest = Self.base64(text.utf8) else { return nil }
      self.init(kind ?? .publicKey, digest: digest)
    } else {
      guard let digest = Self.hexadecimal(text.utf8) else { return nil }
      self.init(kind ?? .certificate, digest: digest)
    }
  }

  /// As ``init(_:)`` reads it.
  public var description: String {
    let digits = Array("0123456789abcdef")
    return (kind == .publicKey ? "key:" : "cert:")
      + String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  private static func hexadecimal(_ text: Substring.UTF8View) -> [UInt8]? {
    var output: [UInt8] = []
    var high: UInt8?
    for byte in text {
      if byte == 0x3A, high == nil, !output.isEmpty { continue }
      guard byte < 0x80, let value = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      let digit = UInt8(value)
      if let first = high {
        output.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return high == nil ? output : nil
  }

  /// Base64 of 32 bytes has one `=`, which may be missing.
  private static func base64(_ text: Substring.UTF8View) -> [UInt8]? {
    var output: [UInt8] = []
    var bits: UInt32 = 0
    var count: UInt32 = 0
    for byte in text.last == 0x3D ? text.dropLast() : text {
      let value: UInt8
      switch byte {
      case 0x41...0x5A: value = byte - 0x41
      case 0x61...0x7A: value = byte - 0x61 + 26
      case 0x30...0x39: value = byte - 0x30 + 52
      case 0x2B: value = 62
      case 0x2F: value = 63
      default: return nil
      }
      bits = (bits << 6 | UInt32(value)) & 0xFFFF
      count += 6
      if count >= 8 {
        count -= 8
        output.append(UInt8(truncatingIfNeeded: bits >> count))
      }
    }
    return count < 6 && bits & ((1 << count) - 1) == 0 ? output : nil
  }
}
