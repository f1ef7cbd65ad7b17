/// Why ``SearchKey/init(parsing:)`` takes a text for no search, and where.
public struct SearchTextError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong.
  public enum Reason: Hashable, Sendable {
    /// No search key that is known here.
    case unknownKey
    /// Another charset than UTF-8, which the text is in.
    case charset
    /// `RETURN` and options: they are no part of a key.
    case returnOptions
    /// Something that the grammar does not have there.
    case syntax(ParseError.Reason)
  }

  /// What is wrong.
  public var reason: Reason
  /// Where: bytes of UTF-8 from the start of the text.
  public var offset: Int
  /// The word that begins there, at most 40 bytes of it; empty where the text ends, or something else than a word stands there.
  public var word: String

  init(_ error: ParseError, in text: String) {
    self.init(error.reason == .unknownSearchKey ? .unknownKey : .syntax(error.reason), max(0, error.offset), in: text)
  }

  init(_ reason: Reason, _ offset: Int, in text: String) {
    self.reason = reason
    self.offset = offset
    let rest = text.utf8.dropFirst(offset)
    let word = rest.prefix(40).prefix { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "(") && $0 != UInt8(ascii: ")") }
    self.word = String(decoding: word, as: UTF8.self)
  }

  /// One line with the word, the place, and what to do.
  public var description: String {
    let place = word.isEmpty ? "byte \(offset)" : "byte \(offset): \(WireLine.escaped(word))"
    return switch reason {
    case .unknownKey: "unknown search key at \(place); check the spelling, or say it by SearchKey.other"
    case .charset: "a charset other than UTF-8 at \(place); leave CHARSET out: texts are sent in one that holds them"
    case .returnOptions: "options of a search at \(place); leave RETURN out, and name them as `returning`"
    case .syntax(let reason):
      "\(ParseError(reason, offset: offset))" + (word.isEmpty ? "" : ": \(WireLine.escaped(word))")
    }
  }
}
