import IMAPStateMachine

/// Undoes transfer encodings and charsets, for SEARCH: FETCH sends bytes as they are.
enum TransferDecoding {
  /// Quoted-printable (RFC 2045, section 6.7). What is no valid escape stays. With `isWord` the Q encoding of RFC 2047, in
  /// which `_` is a space.
  static func quotedPrintable(_ bytes: Span<UInt8>, isWord: Bool = false) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "_"), isWord {
        output.append(0x20)
      } else if byte != UInt8(ascii: "=") {
        output.append(byte)
      } else if index + 1 < bytes.count, let high = hexadecimal(bytes[index]), let low = hexadecimal(bytes[index + 1]) {
        output.append(high << 4 | low)
        index += 2
      } else {
        // A soft line break, with blanks before it or not.
        var end = index
        while end < bytes.count, bytes[end].isBlank || bytes[end] == 0x0d { end += 1 }
        if end < bytes.count, bytes[end] == 0x0a { index = end + 1 } else { output.append(byte) }
      }
    }
    return output
  }

  /// Base64 (RFC 2045, section 6.8). Other characters are passed over; the first padding ends it.
  static func base64(_ bytes: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count / 4 * 3)
    var word: UInt32 = 0
    var bits: UInt32 = 0
    for index in bytes.indices {
      let byte = bytes[index]
      if byte == UInt8(ascii: "=") { break }
      guard let value = sextet(byte) else { continue }
      word = word << 6 | UInt32(value)
      bits += 6
      if bits >= 8 {
        bits -= 8
        output.append(UInt8(truncatingIfNeeded: word >> bits))
      }
    }
    return output
  }

  /// `bytes` of a charset as UTF-8. A charset that is not known counts as one that ASCII is a part of.
  static func utf8(_ bytes: [UInt8], charset: Span<UInt8>) -> [UInt8] {
    let isLatin =
      charset.matches("ISO-8859-1") || charset.matches("ISO-8859-15") || charset.matches("WINDOWS-1252")
      || charset.matches("LATIN1")
    if !isLatin || bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      if byte < 0x80 {
        output.append(byte)
      } else {
        output.append(0xc0 | byte >> 6)
        output.append(0x80 | byte & 0x3f)
      }
    }
    return output
  }

  /// An unfolded field with its encoded words decoded (RFC 2047). Blanks between two of them are dropped.
  static func encodedWords(_ field: [UInt8]) -> [UInt8] {
    if !field.contains(UInt8(ascii: "?")) { return field }
    let span = field.span
    var output: [UInt8] = []
    output.reserveCapacity(field.count)
    var index = 0
    var pendingBlanks = 0..<0
    var isBehindWord = false
    while index < span.count {
      if let (end, decoded) = encodedWord(span, at: index) {
        if !isBehindWord { output += field[pendingBlanks] }
        output += decoded
        isBehindWord = true
        index = end
        pendingBlanks = end..<end
      } else if span[index].isBlank {
        pendingBlanks = (pendingBlanks.isEmpty ? index : pendingBlanks.lowerBound)..<(index + 1)
        index += 1
      } else {
        output += field[pendingBlanks]
        output.append(span[index])
        isBehindWord = false
        index += 1
        pendingBlanks = index..<index
      }
    }
    output += field[pendingBlanks]
    return output
  }

  /// The encoded word that starts at `start`: where it ends, and what it stands for. RFC 2047, section 2 bounds it to 75
  /// bytes; real ones are longer.
  private static func encodedWord(_ bytes: Span<UInt8>, at start: Int) -> (end: Int, [UInt8])? {
    let question = UInt8(ascii: "?")
    guard start + 1 < bytes.count, bytes[start] == UInt8(ascii: "="), bytes[start + 1] == question else { return nil }
    let limit = min(bytes.count, start + 1024)
    func mark(from index: Int) -> Int? {
      var index = index
      while index < limit, bytes[index] != question {
        if bytes[index].isBlank { return nil }
        index += 1
      }
      return index < limit ? index : nil
    }
    guard let charsetEnd = mark(from: start + 2), let encodingEnd = mark(from: charsetEnd + 1),
      encodingEnd == charsetEnd + 2
    else { return nil }
    // Q text may hold no question mark, so the next one ends the word.
    guard let textEnd = mark(from: encodingEnd + 1), textEnd + 1 < bytes.count,
      bytes[textEnd + 1] == UInt8(ascii: "=")
    else { return nil }
    let text = bytes.extracting((encodingEnd + 1)..<textEnd)
    let decoded: [UInt8]
    switch bytes[charsetEnd + 1].uppercasedASCII {
    case UInt8(ascii: "Q"): decoded = quotedPrintable(text, isWord: true)
    case UInt8(ascii: "B"): decoded = base64(text)
    default: return nil
    }
    // RFC 2231, section 5: a language may follow the charset.
    var nameEnd = start + 2
    while nameEnd < charsetEnd, bytes[nameEnd] != UInt8(ascii: "*") { nameEnd += 1 }
    return (textEnd + 2, utf8(decoded, charset: bytes.extracting((start + 2)..<nameEnd)))
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  private static func sextet(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
