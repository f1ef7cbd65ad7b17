/// Makes text of bytes that are in some charset, named as mail names it.
///
/// ``builtIn`` knows what needs no tables. `IMAPLoop` adds one that asks the C library for the rest; any other function can be
/// handed in.
public struct CharsetDecoder: Sendable {
  /// How often a decoder is asked for one header field. Charsets that change with every word make converters go to and fro.
  public static let mostConversions = 256

  private let function: @Sendable (_ bytes: [UInt8], _ charset: String) -> String?

  /// A decoder that asks `function` for what ``builtIn`` does not know. It gets the charset's name in upper case, and returns
  /// nil where it does not know it. Bytes that are wrong in the charset are for it to mark, with U+FFFD.
  public init(_ function: @escaping @Sendable (_ bytes: [UInt8], _ charset: String) -> String?) {
    self.function = function
  }

  /// UTF-8, US-ASCII, ISO-8859-1 and Windows-1252.
  public static let builtIn = CharsetDecoder { _, _ in nil }

  /// The text that `bytes` are in `charset`; nil where the charset is not known. What is wrong in it becomes U+FFFD.
  /// Complexity: O(n) for the charsets of ``builtIn``.
  public func decode(_ bytes: [UInt8], charset: String) -> String? {
    let name = asciiUppercased(charset)
    switch name {
    case "UTF-8", "UTF8": return String(decoding: bytes, as: UTF8.self)
    // Programs that know no better call anything ASCII.
    case "US-ASCII", "ASCII", "ANSI_X3.4-1968": return Self.unlabelled(bytes)
    case "ISO-8859-1", "ISO_8859-1", "ISO8859-1", "LATIN1", "L1":
      return Self.text(bytes) { Unicode.Scalar($0) }
    case "WINDOWS-1252", "CP1252", "CP-1252": return Self.windows1252(bytes)
    default: return function(bytes, name)
    }
  }

  /// The text of bytes of which nothing is said: UTF-8 (RFC 6532) where they are that, otherwise Windows-1252, what most of the
  /// programs wrote that did not say.
  static func unlabelled(_ bytes: [UInt8]) -> String {
    String(validating: bytes, as: UTF8.self) ?? windows1252(bytes)
  }

  private static func windows1252(_ bytes: [UInt8]) -> String {
    text(bytes) { byte in
      guard byte >= 0x80, byte < 0xa0 else { return Unicode.Scalar(byte) }
      return upper[Int(byte - 0x80)]
    }
  }

  private static func text(_ bytes: [UInt8], _ scalar: (UInt8) -> Unicode.Scalar) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(scalar(byte)) }
    return String(text)
  }

  /// Windows-1252 from 0x80 to 0x9f. Five of them stand for nothing.
  private static let upper: [Unicode.Scalar] = [
    "\u{20ac}", "\u{fffd}", "\u{201a}", "\u{0192}", "\u{201e}", "\u{2026}", "\u{2020}", "\u{2021}",
    "\u{02c6}", "\u{2030}", "\u{0160}", "\u{2039}", "\u{0152}", "\u{fffd}", "\u{017d}", "\u{fffd}",
    "\u{fffd}", "\u{2018}", "\u{2019}", "\u{201c}", "\u{201d}", "\u{2022}", "\u{2013}", "\u{2014}",
    "\u{02dc}", "\u{2122}", "\u{0161}", "\u{203a}", "\u{0153}", "\u{fffd}", "\u{017e}", "\u{0178}",
  ]
}
