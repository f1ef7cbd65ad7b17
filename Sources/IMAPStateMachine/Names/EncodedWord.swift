/// Header fields as a person reads them: encoded words (RFC 2047, RFC 2231) decoded, UTF-8 as it is (RFC 6532).
///
/// Takes what senders write, and not only what they should: words of any length, words inside of quotes and without space
/// around them, characters that were cut in two between words, base64 without its end. What can't be decoded stays as it was
/// written. Complexity: O(n).
public enum EncodedWord {
  /// The text of a header field. Line breaks of folding are gone; other control characters become spaces, so that nobody
  /// writes lines of his own into a log or a terminal.
  public static func decode(_ field: [UInt8], charsets: CharsetDecoder = .builtIn) -> String {
    var decoding = Decoding(charsets)
    var index = 0
    // Where what is no word starts.
    var start = 0
    while index < field.count {
      guard field[index] == UInt8(ascii: "="), let word = Word(field, at: index) else {
        index += 1
        continue
      }
      // RFC 2047, section 6.2: white space between words is not shown.
      let between = field[start..<index]
      if start == 0 || !between.allSatisfy(isSpace) { decoding.add(plain: between) }
      decoding.add(word, field[index..<word.end])
      index = word.end
      start = index
    }
    decoding.add(plain: field[start...])
    return decoding.finish()
  }

  /// `text` with spaces for control characters and line separators.
  static func withoutControls(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return text }
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029: scalars.append(" ")
      default: scalars.append(scalar)
      }
    }
    return String(scalars)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }

  /// One word: `=?charset?encoding?text?=`.
  private struct Word {
    var charset: String
    var bytes: [UInt8]
    var end: Int

    /// The word that starts at `start`; nil where there is none. Reads no further than the fourth question mark, so that
    /// each byte is read a few times at the most.
    init?(_ field: [UInt8], at start: Int) {
      guard start + 2 < field.count, field[start + 1] == UInt8(ascii: "?") else { return nil }
      var index = start + 2
      var nameEnd: Int?
      while index < field.count, field[index] != UInt8(ascii: "?") {
        let byte = field[index]
        guard byte > 0x20, byte < 0x7f, index - start < Self.longestCharset else { return nil }
        // RFC 2231, section 5: a language may stand behind the charset.
        if byte == UInt8(ascii: "*"), nameEnd == nil { nameEnd = index }
        index += 1
      }
      let name = field[(start + 2)..<(nameEnd ?? index)]
      guard !name.isEmpty, index + 2 < field.count, field[index + 2] == UInt8(ascii: "?") else { return nil }
      let encoding = asciiUppercased(field[index + 1])
      let textStart = index + 3
      index = textStart
      while index < field.count, field[index] != UInt8(ascii: "?") { index += 1 }
      guard index + 1 < field.count, field[index + 1] == UInt8(ascii: "=") else { return nil }
      let text = field[textStart..<index]
      switch encoding {
      case UInt8(ascii: "Q"): bytes = Self.decodeQ(text)
      case UInt8(ascii: "B"):
        guard let decoded = Self.decodeB(text) else { return nil }
        bytes = decoded
      default: return nil
      }
      charset = asciiUppercased(String(decoding: name, as: UTF8.self))
      end = index + 2
    }

    /// The Q encoding (RFC 2047, section 4.2). An `=` that no two digits follow stands for itself.
    private static func decodeQ(_ text: ArraySlice<UInt8>) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(text.count)
      var index = text.startIndex
      while index < text.endIndex {
        let byte = text[index]
        index += 1
        if byte == UInt8(ascii: "_") {
          bytes.append(0x20)
        } else if byte == UInt8(ascii: "="), index + 1 < text.endIndex, let high = hexValue(text[index]),
          let low = hexValue(text[index + 1])
        {
          bytes.append(high << 4 | low)
          index += 2
        } else {
          bytes.append(byte)
        }
      }
      return bytes
    }

    /// The B encoding. Folding inside is passed over, and a character that is too many.
    private static func decodeB(_ text: ArraySlice<UInt8>) -> [UInt8]? {
      var symbols = text.filter { !isSpace($0) }
      while symbols.last == UInt8(ascii: "=") { symbols.removeLast() }
      if symbols.count % 4 == 1, let last = symbols.popLast(), Base64.decode([last, last].span) == nil { return nil }
      return Base64.decode(symbols.span)
    }

    /// The name of a charset with its language; IANA has none above 45.
    private static let longestCharset = 96
  }

  /// The text so far, and the bytes of words of one charset that are not text yet.
  private struct Decoding {
    private let charsets: CharsetDecoder
    private var text = ""
    private var charset = ""
    private var pending: [UInt8] = []
    /// The words that ``pending`` is of, as they were written.
    private var source: [UInt8] = []
    private var conversions = 0

    init(_ charsets: CharsetDecoder) { self.charsets = charsets }

    /// Words of the same charset are one text: senders cut characters in two.
    mutating func add(_ word: Word, _ written: ArraySlice<UInt8>) {
      if word.charset != charset { flush() }
      charset = word.charset
      if !source.isEmpty { source.append(0x20) }
      source += written
      pending += word.bytes
    }

    mutating func add(plain bytes: ArraySlice<UInt8>) {
      if bytes.isEmpty { return }
      flush()
      append(CharsetDecoder.unlabelled(unfolded(bytes)))
    }

    mutating func finish() -> String {
      flush()
      return text
    }

    private mutating func flush() {
      defer {
        pending = []
        source = []
      }
      if source.isEmpty { return }
      conversions += 1
      if conversions <= CharsetDecoder.mostConversions, let decoded = charsets.decode(pending, charset: charset) {
        append(decoded)
      } else {
        append(CharsetDecoder.unlabelled(source))
      }
    }

    /// Without the line breaks of folding (RFC 5322, section 2.2.3), and those at the end.
    private func unfolded(_ bytes: ArraySlice<UInt8>) -> [UInt8] { bytes.filter { $0 != 0x0d && $0 != 0x0a } }

    private mutating func append(_ more: String) { text += withoutControls(more) }
  }
}

/// The value of a hexadecimal digit.
func hexValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  default: nil
  }
}
