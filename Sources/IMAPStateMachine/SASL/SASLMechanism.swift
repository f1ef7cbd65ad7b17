/// One run of a SASL mechanism, as the client has it (RFC 4422): what the server says goes in, what to say comes out. It
/// does no I/O. Use a value for one authentication only.
///
/// ``SASLConversation`` runs one on a ``ClientConnection``. Conform to it for a mechanism of your own.
public protocol SASLMechanism: Sendable {
  /// The name as the server announces it, in upper case.
  var name: String { get }

  /// Whether who reads the connection learns something that lets him log in later: a password or a token.
  var revealsSecret: Bool { get }

  /// What the client says before the server has said anything; nil where the server speaks first. Called once, before
  /// anything else.
  mutating func start() throws(SASLError) -> Secret?

  /// Answers the server's `challenge`, base64 decoded. Nil gives up, and so does throwing. Borrows the bytes.
  mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret?

  /// The server said OK. Throws where that must not count: the server has not proved who it is.
  mutating func finish() throws(SASLError)

  /// What the server said of why it will refuse; nil where it did not.
  var refusal: SASLError? { get }
}

extension SASLMechanism {
  /// The server's OK counts.
  public mutating func finish() throws(SASLError) {}

  /// Nothing.
  public var refusal: SASLError? { nil }
}

/// A mechanism of one message: all is said at the start.
protocol OneMessageMechanism: SASLMechanism {
  /// The message, until it was taken.
  var message: Secret? { get set }
}

extension OneMessageMechanism {
  /// The message.
  public mutating func start() throws(SASLError) -> Secret? {
    defer { message = nil }
    return message
  }

  /// There is nothing more to say.
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? { throw .unexpectedChallenge }
}

extension Secret {
  /// Builds a secret of at most `capacity` bytes: within it, nothing is left behind in freed memory.
  static func building(_ capacity: Int, _ body: (inout [UInt8]) -> Void) -> Secret {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(capacity)
    body(&bytes)
    // The only reference from here on: the secret zeroes it.
    return Secret(bytes)
  }
}

extension [UInt8] {
  mutating func append(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }

  mutating func append(_ secret: Secret) { secret.withBytes { append($0) } }

  /// In lower case.
  mutating func appendHex(_ secret: Secret) {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
    secret.withBytes { bytes in
      for index in bytes.indices {
        append(digit(bytes[index] >> 4))
        append(digit(bytes[index] & 15))
      }
    }
  }
}

/// What credentials may hold.
enum CredentialRules {
  static func refuseNUL(_ text: String, _ credential: SASLError.Credential) throws(SASLError) {
    if text.utf8.contains(0) { throw .credential(credential, .nul) }
  }

  /// At least one byte, and no NUL.
  static func check(_ user: String, _ password: Secret) throws(SASLError) {
    if user.isEmpty { throw .credential(.user, .empty) }
    try refuseNUL(user, .user)
    if password.count == 0 { throw .credential(.password, .empty) }
    let holdsNUL = password.withBytes { bytes in
      for index in bytes.indices where bytes[index] == 0 { return true }
      return false
    }
    if holdsNUL { throw .credential(.password, .nul) }
  }

  /// UTF-8 without control characters, C0 or C1 (RFC 4013, section 2.3). The rest of SASLprep needs tables of Unicode,
  /// which are not here.
  static func checkPrepared(_ text: Span<UInt8>, _ credential: SASLError.Credential) throws(SASLError) {
    if (try? UTF8Span(validating: text)) == nil { throw .credential(credential, .notUTF8) }
    for index in text.indices {
      let byte = text[index]
      if byte == 0 { throw .credential(credential, .nul) }
      if byte < 0x20 || byte == 0x7f { throw .credential(credential, .control) }
      // Valid UTF-8: two bytes follow each other.
      if byte == 0xc2, index + 1 < text.count, text[index + 1] < 0xa0 { throw .credential(credential, .control) }
    }
  }

  /// `text` as `saslname` of RFC 5802, section 7: `,` is `=2C` and `=` is `=3D`.
  static func saslName(_ text: String) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: ","): output += [0x3d, 0x32, 0x43]
      case UInt8(ascii: "="): output += [0x3d, 0x33, 0x44]
      default: output.append(byte)
      }
    }
    return output
  }
}
