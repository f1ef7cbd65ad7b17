/// Reads the tokens of a structured header field that was unfolded before (RFC 5322, section 3.2; RFC 2045, section 5.1).
/// Every call consumes what it returns, and nothing here recurses.
struct StructuredField {
  let bytes: [UInt8]
  private(set) var position = 0
  /// The text of the last comment that was skipped; old mailers put the sender's name there.
  private(set) var lastComment: [UInt8]?

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The byte at the position; nil at the end.
  var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// Consumes one byte.
  mutating func advance() { position = min(position + 1, bytes.count) }

  /// Consumes `byte` if it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    if peek != byte { return false }
    position += 1
    return true
  }

  /// Skips blanks and comments. Returns whether there were any.
  @discardableResult
  mutating func skipBlanksAndComments() -> Bool {
    let start = position
    while let byte = peek {
      if byte.isWhitespace {
        position += 1
      } else if byte == UInt8(ascii: "(") {
        comment()
      } else {
        break
      }
    }
    return position > start
  }

  /// Forgets the last comment.
  mutating func forgetComment() { lastComment = nil }

  /// The text of the quoted string whose opening quote comes next, quoting removed. A missing end is the field's end.
  mutating func quotedString() -> [UInt8] {
    var output: [UInt8] = []
    position += 1
    while let byte = peek {
      position += 1
      if byte == UInt8(ascii: "\"") { break }
      if byte == UInt8(ascii: "\\"), let escaped = peek {
        position += 1
        output.append(escaped)
      } else {
        output.append(byte)
      }
    }
    return output
  }

  /// The bytes up to the first that `isEnd` names.
  mutating func run(until isEnd: (UInt8) -> Bool) -> [UInt8] {
    let start = position
    while let byte = peek, !isEnd(byte) { position += 1 }
    return Array(bytes[start..<position])
  }

  /// A token of MIME: no blanks, no control characters, no tspecials (RFC 2045, section 5.1).
  mutating func token() -> [UInt8] { run(until: Self.isMIMESpecial) }

  /// The parameters `; name=value` from here to the end. What is no parameter is skipped up to the next semicolon.
  mutating func parameters() -> [(name: [UInt8], value: [UInt8])] {
    var result: [(name: [UInt8], value: [UInt8])] = []
    while peek != nil, result.count < MessageLimits.parameters {
      skipBlanksAndComments()
      if !take(UInt8(ascii: ";")) {
        skipToSemicolon()
        continue
      }
      skipBlanksAndComments()
      let name = token()
      skipBlanksAndComments()
      if name.isEmpty || !take(UInt8(ascii: "=")) { continue }
      skipBlanksAndComments()
      // Mailers leave values with tspecials unquoted, for example `boundary=a=b`: take all up to a blank or semicolon.
      let isQuoted = peek == UInt8(ascii: "\"")
      let value = isQuoted ? quotedString() : run { $0 == UInt8(ascii: ";") || $0.isWhitespace }
      result.append((name, value))
    }
    return result
  }

  private mutating func skipToSemicolon() {
    while let byte = peek, byte != UInt8(ascii: ";") {
      if byte == UInt8(ascii: "\"") { _ = quotedString() } else { position += 1 }
    }
  }

  /// Skips a comment with those inside it (RFC 5322, section 3.2.2) and keeps its text.
  private mutating func comment() {
    var depth = 0
    var text: [UInt8] = []
    while let byte = peek {
      position += 1
      switch byte {
      case UInt8(ascii: "("):
        if depth > 0 { text.append(byte) }
        depth += 1
      case UInt8(ascii: ")"):
        depth -= 1
        if depth > 0 { text.append(byte) }
      case UInt8(ascii: "\\"):
        if let escaped = peek {
          position += 1
          text.append(escaped)
        }
      default: text.append(byte)
      }
      if depth == 0 { break }
    }
    let range = text.span.trimmed(0..<text.count)
    lastComment = range.isEmpty ? nil : Array(text[range])
  }

  private static func isMIMESpecial(_ byte: UInt8) -> Bool {
    if byte <= 0x20 || byte == 0x7f { return true }
    switch byte {
    case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"),
      UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "\\"), UInt8(ascii: "\""),
      UInt8(ascii: "/"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "?"), UInt8(ascii: "="):
      return true
    default: return false
    }
  }
}
