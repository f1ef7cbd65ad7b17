/// A system flag, keyword or mailbox attribute. ASCII letters compare without case (RFC 9051, section 2.3.2).
public struct Flag: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  /// The flag as it is written, a system flag with its backslash.
  public let rawValue: String

  /// The flag `text`. Bytes that a flag cannot hold are refused when it is sent, not here.
  public init(_ text: String) { rawValue = text }

  /// The flag of a literal.
  public init(stringLiteral text: String) { rawValue = text }

  /// The message was read.
  public static let seen = Flag("\\Seen")
  /// The message was answered.
  public static let answered = Flag("\\Answered")
  /// The message is urgent or wants attention.
  public static let flagged = Flag("\\Flagged")
  /// The message goes away with the next EXPUNGE.
  public static let deleted = Flag("\\Deleted")
  /// The message is unfinished.
  public static let draft = Flag("\\Draft")
  /// The message arrived since the last session that selected the mailbox (RFC 3501; gone in RFC 9051).
  public static let recent = Flag("\\Recent")
  /// The message was forwarded (RFC 9051, section 2.3.2).
  public static let forwarded = Flag("$Forwarded")
  /// A disposition notification was sent (RFC 3503).
  public static let mdnSent = Flag("$MDNSent")
  /// The message is unwanted (RFC 9051, section 2.3.2).
  public static let junk = Flag("$Junk")
  /// The message is wanted (RFC 9051, section 2.3.2).
  public static let notJunk = Flag("$NotJunk")
  /// The message wants to deceive (RFC 9051, section 2.3.2).
  public static let phishing = Flag("$Phishing")
  /// The message is important (RFC 8457).
  public static let important = Flag("$Important")
  /// In PERMANENTFLAGS: new keywords may be made.
  public static let anyKeyword = Flag("\\*")

  /// Whether this is a system flag or attribute: it starts with a backslash.
  public var isSystem: Bool { rawValue.utf8.first == UInt8(ascii: "\\") }

  /// The flag as written.
  public var description: String { rawValue }

  /// ASCII letters without case.
  public static func == (left: Flag, right: Flag) -> Bool {
    let (a, b) = (left.rawValue.utf8, right.rawValue.utf8)
    return a.count == b.count && zip(a, b).allSatisfy { asciiUppercased($0) == asciiUppercased($1) }
  }

  /// Agrees with `==`.
  public func hash(into hasher: inout Hasher) {
    for byte in rawValue.utf8 { hasher.combine(asciiUppercased(byte)) }
  }
}

/// What STORE does with the flags it names (RFC 9051, section 6.4.6).
public struct StoreOperation: Hashable, Sendable {
  /// How the named flags combine with those the message has.
  public enum Action: Hashable, Sendable {
    /// They become the message's only flags.
    case replace
    /// They are added.
    case add
    /// They are removed.
    case remove
  }

  /// How the named flags combine with those the message has.
  public var action: Action
  /// The named flags.
  public var flags: [Flag]
  /// Whether the server is asked not to answer with the new flags (`.SILENT`).
  public var isSilent: Bool

  /// An operation on `flags`.
  public init(_ action: Action, _ flags: [Flag], silent: Bool = false) {
    self.action = action
    self.flags = flags
    self.isSilent = silent
  }
}
