/// The name of a mailbox. Its identity are the bytes on the wire: a server's name that does not decode can still be sent
/// back to it. `INBOX` is the same in any case (RFC 9051, section 5.1); all other names are compared byte by byte.
public struct MailboxName: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  /// How the bytes hold characters outside ASCII.
  public enum Encoding: Hashable, Sendable {
    /// Modified UTF-7 (RFC 3501, section 5.1.3): the rule unless something else was agreed on.
    case modifiedUTF7
    /// UTF-8 (RFC 6855, RFC 9051).
    case utf8
  }

  /// The name as on the wire.
  public let bytes: [UInt8]
  /// How ``bytes`` hold characters outside ASCII.
  public let encoding: Encoding

  /// A name as it came from the wire.
  public init(wire bytes: consuming [UInt8], encoding: Encoding = .modifiedUTF7) {
    // In place: mostly the bytes are a copy that was made for this.
    if bytes.span.equalsIgnoringCase("INBOX") {
      for index in bytes.indices where bytes[index] != asciiUppercased(bytes[index]) {
        bytes[index] = asciiUppercased(bytes[index])
      }
    }
    self.bytes = bytes
    self.encoding = encoding
  }

  /// The name that a person reads as `text`.
  public init(_ text: String) {
    self.init(wire: ModifiedUTF7.encode(text))
  }

  /// The name of a literal.
  public init(stringLiteral text: String) { self.init(text) }

  /// The mailbox that every user has.
  public static let inbox = MailboxName("INBOX")

  /// The name as a person reads it. What does not decode is shown as it is on the wire.
  public var description: String {
    switch encoding {
    case .utf8: bytes.span.lossyString()
    case .modifiedUTF7: ModifiedUTF7.decode(bytes.span) ?? bytes.span.lossyString()
    }
  }

  /// The name in `encoding`: what is written to a server that agreed on it.
  func bytes(in encoding: Encoding) -> [UInt8] {
    if encoding == self.encoding { return bytes }
    switch encoding {
    case .modifiedUTF7: return ModifiedUTF7.encode(bytes.span.lossyString())
    case .utf8: return ModifiedUTF7.decode(bytes.span).map { Array($0.utf8) } ?? bytes
    }
  }
}
