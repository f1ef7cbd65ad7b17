import IMAPStateMachine

/// Reads an address list (RFC 5322, section 3.4, with the obsolete forms of section 4.4) into what ENVELOPE shows
/// (RFC 9051, section 7.5.2). It accepts everything: what is no address becomes the nearest thing to one.
struct AddressParser {
  private var field: StructuredField
  private var result: [Address] = []
  private var isInGroup = false

  /// The addresses in `value`, an unfolded field; at most `limit` of them.
  static func addresses(_ value: [UInt8], limit: Int = MessageLimits.addresses) -> [Address] {
    var parser = AddressParser(field: StructuredField(value))
    while parser.result.count < limit, parser.element() {}
    if parser.isInGroup { parser.result.append(Address()) }
    return parser.result
  }

  private init(field: StructuredField) { self.field = field }

  /// Reads one address, group start or separator. False at the end.
  private mutating func element() -> Bool {
    field.forgetComment()
    let words = words()
    guard let byte = field.peek else {
      append(bare: words)
      return false
    }
    switch byte {
    case UInt8(ascii: ","):
      append(bare: words)
      field.advance()
    case UInt8(ascii: ";"):
      append(bare: words)
      field.advance()
      if isInGroup { result.append(Address()) }
      isInGroup = false
    case UInt8(ascii: ":"):
      field.advance()
      if isInGroup { result.append(Address()) }
      isInGroup = true
      result.append(Address(mailbox: words.phrase))
    case UInt8(ascii: "<"):
      field.advance()
      angle(name: words.isEmpty ? nil : words.phrase)
    case UInt8(ascii: "@"):
      field.advance()
      let host = domain()
      field.skipBlanksAndComments()
      result.append(Address(name: field.lastComment, mailbox: words.localPart, host: host))
      skipToSeparator()
    default:
      // A byte that starts nothing, for example a lone `>`.
      append(bare: words)
      field.advance()
    }
    return true
  }

  /// What follows `<`: an optional source route, the address and `>`.
  private mutating func angle(name: [UInt8]?) {
    field.skipBlanksAndComments()
    var route: [UInt8]?
    if field.peek == UInt8(ascii: "@") || field.peek == UInt8(ascii: ",") {
      let text = field.run { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ">") }
      if field.take(UInt8(ascii: ":")) { route = text.filter { !$0.isWhitespace } }
    }
    let local = words()
    let host = field.take(UInt8(ascii: "@")) ? domain() : []
    field.skipBlanksAndComments()
    _ = field.run { $0 == UInt8(ascii: ">") || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ";") }
    _ = field.take(UInt8(ascii: ">"))
    field.skipBlanksAndComments()
    result.append(Address(name: name ?? field.lastComment, route: route, mailbox: local.localPart, host: host))
    skipToSeparator()
  }

  /// An address without a domain. NIL as its host would make it a group, so that is empty instead.
  private mutating func append(bare words: Words) {
    if words.isEmpty { return }
    result.append(Address(name: field.lastComment, mailbox: words.localPart, host: []))
  }

  /// Skips what stands between an address and the comma behind it.
  private mutating func skipToSeparator() {
    while let byte = field.peek, byte != UInt8(ascii: ","), byte != UInt8(ascii: ";") {
      if byte == UInt8(ascii: "\"") {
        _ = field.quotedString()
      } else if !field.skipBlanksAndComments() {
        field.advance()
      }
    }
    _ = field.take(UInt8(ascii: ","))
  }

  private mutating func domain() -> [UInt8] {
    field.skipBlanksAndComments()
    if field.peek == UInt8(ascii: "[") {
      var literal = field.run { $0 == UInt8(ascii: "]") }
      if field.take(UInt8(ascii: "]")) { literal.append(UInt8(ascii: "]")) }
      return literal
    }
    // A display name behind the domain (`a@b (Name)`) is a comment; blanks inside are obsolete syntax around dots.
    var host: [UInt8] = []
    while true {
      let part = field.run { Self.isSpecial($0) || $0.isWhitespace }
      host += part
      let hadBlanks = field.skipBlanksAndComments()
      guard let byte = field.peek, !Self.isSpecial(byte) else { return host }
      if !hadBlanks || (byte != UInt8(ascii: ".") && host.last != UInt8(ascii: ".")) { return host }
    }
  }

  /// Words up to a special character.
  private mutating func words() -> Words {
    var words = Words()
    var hadBlanks = field.skipBlanksAndComments()
    while let byte = field.peek {
      if byte == UInt8(ascii: "\"") {
        words.append(field.quotedString(), afterBlanks: hadBlanks)
      } else if Self.isSpecial(byte) {
        break
      } else {
        words.append(field.run { Self.isSpecial($0) || $0.isWhitespace }, afterBlanks: hadBlanks)
      }
      hadBlanks = field.skipBlanksAndComments()
    }
    return words
  }

  private static func isSpecial(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "("), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"), UInt8(ascii: ","),
      UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "\""):
      true
    default: false
    }
  }

  /// A phrase or local part while it is being read.
  private struct Words {
    /// Joined with one space where blanks were.
    var phrase: [UInt8] = []
    /// The same, no space next to a dot: `john . doe` is the obsolete form of `john.doe`.
    var localPart: [UInt8] = []
    var isEmpty = true

    mutating func append(_ word: [UInt8], afterBlanks: Bool) {
      let dot = UInt8(ascii: ".")
      if afterBlanks, !isEmpty {
        phrase.append(0x20)
        if localPart.last != dot, word.first != dot { localPart.append(0x20) }
      }
      phrase += word
      localPart += word
      isEmpty = false
    }
  }
}
