/// What a server announces in CAPABILITY (RFC 9051, section 7.2.2). ASCII letters compare without case.
public struct Capability: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  /// The word in upper case.
  public let rawValue: String

  /// The capability `text`.
  public init(_ text: String) { rawValue = asciiUppercased(text) }

  /// The capability of a literal.
  public init(stringLiteral text: String) { self.init(text) }

  /// IMAP4rev1 (RFC 3501).
  public static let imap4rev1 = Capability("IMAP4REV1")
  /// IMAP4rev2 (RFC 9051).
  public static let imap4rev2 = Capability("IMAP4REV2")
  /// STARTTLS (RFC 9051, section 6.2.1).
  public static let startTLS = Capability("STARTTLS")
  /// LOGIN is refused (RFC 9051, section 6.2.3).
  public static let loginDisabled = Capability("LOGINDISABLED")
  /// Initial SASL response on the AUTHENTICATE line (RFC 4959).
  public static let saslIR = Capability("SASL-IR")
  /// Non-synchronising literals of any size (RFC 7888).
  public static let literalPlus = Capability("LITERAL+")
  /// Non-synchronising literals up to 4,096 bytes (RFC 7888).
  public static let literalMinus = Capability("LITERAL-")
  /// IDLE (RFC 2177).
  public static let idle = Capability("IDLE")
  /// NAMESPACE (RFC 2342).
  public static let namespace = Capability("NAMESPACE")
  /// ID (RFC 2971).
  public static let id = Capability("ID")
  /// COMPRESS with DEFLATE (RFC 4978).
  public static let compressDeflate = Capability("COMPRESS=DEFLATE")
  /// ENABLE (RFC 5161).
  public static let enable = Capability("ENABLE")
  /// UNSELECT (RFC 3691).
  public static let unselect = Capability("UNSELECT")
  /// UID EXPUNGE, APPENDUID, COPYUID (RFC 4315).
  public static let uidPlus = Capability("UIDPLUS")
  /// MOVE (RFC 6851).
  public static let move = Capability("MOVE")
  /// CONDSTORE (RFC 7162).
  public static let condStore = Capability("CONDSTORE")
  /// QRESYNC (RFC 7162).
  public static let qResync = Capability("QRESYNC")
  /// Sequence numbers are done without (RFC 9586).
  public static let uidOnly = Capability("UIDONLY")
  /// SPECIAL-USE (RFC 6154).
  public static let specialUse = Capability("SPECIAL-USE")
  /// UTF8=ACCEPT (RFC 6855, RFC 9755).
  public static let utf8Accept = Capability("UTF8=ACCEPT")

  /// `AUTH=` with the name of a SASL mechanism.
  public static func auth(_ mechanism: String) -> Capability { Capability("AUTH=\(mechanism)") }

  /// The SASL mechanism that an `AUTH=` capability names.
  public var mechanism: Substring? { rawValue.hasPrefix("AUTH=") ? rawValue.dropFirst(5) : nil }

  /// The word.
  public var description: String { rawValue }

  /// The capability that `text` names, which is in upper case.
  init(uppercased text: String) { rawValue = text }
}

/// `text` with a to z made A to Z, no locale involved.
func asciiUppercased(_ text: String) -> String {
  if text.utf8.allSatisfy({ $0 &- 0x61 >= 26 }) { return text }
  return unsafe String(unsafeUninitializedCapacity: text.utf8.count) { target in
    // Safe: `target` has room for as many bytes as `text` has.
    unsafe target.initialize(fromContentsOf: text.utf8.lazy.map { asciiUppercased($0) })
  }
}
