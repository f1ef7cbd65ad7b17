/// What `BODY[...]` names (RFC 9051, section 6.4.5.1).
public struct Section: Hashable, Sendable, CustomStringConvertible {
  /// The part of the message, from the outside in, each number from 1; empty is the message itself.
  public var part: [UInt32]
  /// What of that part.
  public var kind: Kind

  /// What of a part.
  public enum Kind: Hashable, Sendable {
    /// All of it.
    case full
    /// The header of the message, or of a `message/rfc822` part.
    case header
    /// Only the named header fields.
    case headerFields([String])
    /// All but the named header fields.
    case headerFieldsNot([String])
    /// The body without the header.
    case text
    /// The MIME header of the part. Needs a part number.
    case mime
  }

  /// A section.
  public init(part: [UInt32] = [], _ kind: Kind = .full) {
    self.part = part
    self.kind = kind
  }

  /// `BODY[]`: header and body.
  public static let full = Section()
  /// `BODY[HEADER]`.
  public static let header = Section(.header)
  /// `BODY[TEXT]`.
  public static let text = Section(.text)

  /// Whether both name the same bytes: header fields are a set, and have no case (RFC 5322, section 1.2.2).
  func isSame(as other: Section) -> Bool {
    if part != other.part { return false }
    return switch (kind, other.kind) {
    case (.headerFields(let names), .headerFields(let others)),
      (.headerFieldsNot(let names), .headerFieldsNot(let others)):
      Set(names.map { $0.lowercased() }) == Set(others.map { $0.lowercased() })
    default: kind == other.kind
    }
  }

  /// As between the brackets on the wire.
  public var description: String {
    let number = part.map { String($0) }.joined(separator: ".")
    let word: String =
      switch kind {
      case .full: ""
      case .header: "HEADER"
      case .headerFields(let names): "HEADER.FIELDS (\(names.joined(separator: " ")))"
      case .headerFieldsNot(let names): "HEADER.FIELDS.NOT (\(names.joined(separator: " ")))"
      case .text: "TEXT"
      case .mime: "MIME"
      }
    return number.isEmpty || word.isEmpty ? number + word : "\(number).\(word)"
  }
}

/// A part of a section: `<offset.count>` (RFC 9051, section 6.4.5).
public struct PartialRange: Hashable, Sendable {
  /// The first byte, from 0.
  public var offset: UInt32
  /// How many bytes at the most; above 0.
  public var count: UInt32

  /// `count` bytes from `offset`.
  public init(offset: UInt32, count: UInt32) {
    self.offset = offset
    self.count = count
  }
}
