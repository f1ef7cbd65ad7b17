/// Why a server refused a token (RFC 7628, section 3.2.2; XOAUTH2 has the same with numbers for a status).
public struct SASLTokenRefusal: Hashable, Sendable, CustomStringConvertible {
  /// `invalid_token`, `insufficient_scope` and the like, or an HTTP status like `401`; nil where the server did not say.
  public var status: String?
  /// The scope that a token must have.
  public var scope: String?
  /// The authentication schemes that the server takes, for example `Bearer`.
  public var schemes: String?
  /// Where the provider says how to get a token: `openid-configuration`.
  public var configuration: String?
  /// All that the server said: JSON, as a rule. At most 4,096 bytes of it.
  public var text: String

  /// Reads what the server said. Fields that are not there, or not where JSON has them, are nil.
  public init(_ challenge: Span<UInt8>) {
    let bytes = challenge.extracting(first: Self.maximumText)
    text = bytes.lossyString()
    var reader = FlatJSON(bytes.copy())
    while let (key, value) = reader.next() {
      switch key {
      case "status": status = status ?? value
      case "scope": scope = scope ?? value
      case "schemes": schemes = schemes ?? value
      case "openid-configuration": configuration = configuration ?? value
      default: break
      }
    }
  }

  /// One line with the status; not the text, which may be anything.
  public var description: String {
    let status = (self.status ?? "").unicodeScalars.filter { $0.properties.isPrintable }.prefix(64)
    return status.isEmpty ? "the server refused the token" : "the server refused the token: \(String(status))"
  }

  private static let maximumText = 4096
}

extension Unicode.Scalar.Properties {
  fileprivate var isPrintable: Bool {
    switch generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
    default: true
    }
  }
}

/// The members of one JSON object whose values are strings, numbers or words. Others are passed over.
private struct FlatJSON {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    position = take("{") ? position : bytes.count
  }

  /// The next member; nil at the end, and where the text is no JSON any more.
  mutating func next() -> (key: String, value: String)? {
    while true {
      skipBlanks()
      guard let key = string(), take(":") else { return nil }
      skipBlanks()
      let value: String?
      switch peek {
      case UInt8(ascii: "\""):
        guard let text = string() else { return nil }
        value = text
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard skipNested() else { return nil }
        value = nil
      default:
        let text = word()
        if text.isEmpty { return nil }
        value = text
      }
      // Behind the last member there is none.
      if !take(",") { position = bytes.count }
      if let value { return (key, value) }
    }
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipBlanks()
    if peek != UInt8(ascii: character) { return false }
    position += 1
    return true
  }

  private mutating func skipBlanks() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
  }

  private mutating func word() -> String {
    let start = position
    while let byte = peek, byte > 0x20, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}") { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// Passes over an object or an array. No recursion: depth is only counted.
  private mutating func skipNested() -> Bool {
    var depth = 0
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        guard string() != nil else { return false }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
      position += 1
      if depth == 0 { return true }
    }
    return false
  }

  private mutating func string() -> String? {
    guard take("\"") else { return nil }
    var output: [UInt8] = []
    while let byte = peek {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: output, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let scalar = escape() else { return nil }
        output += Array(String(scalar).utf8)
      default: output.append(byte)
      }
    }
    return nil
  }

  /// What follows a backslash (RFC 8259).
  private mutating func escape() -> Unicode.Scalar? {
    guard let byte = peek else { return nil }
    position += 1
    switch byte {
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      guard let unit = hexadecimal() else { return nil }
      if unit & 0xfc00 != 0xd800 { return Unicode.Scalar(unit) ?? "\u{fffd}" }
      guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
      else { return "\u{fffd}" }
      position += 2
      guard let low = hexadecimal() else { return nil }
      if low & 0xfc00 != 0xdc00 { return "\u{fffd}" }
      return Unicode.Scalar(0x10000 + (unit & 0x3ff) << 10 + low & 0x3ff) ?? "\u{fffd}"
    default: return Unicode.Scalar(byte)
    }
  }

  private mutating func hexadecimal() -> UInt32? {
    if bytes.count - position < 4 { return nil }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else { return nil }
      value = value << 4 | UInt32(truncatingIfNeeded: digit)
      position += 1
    }
    return value
  }
}
