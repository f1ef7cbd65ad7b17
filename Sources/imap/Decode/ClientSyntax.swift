/// The syntax of a command, whatever it means: words, strings, literals and lists. What is a valid command is for
/// `CommandParser` to say; this only shows the arguments that it has accepted.
struct ClientSyntax {
  /// The first word.
  private(set) var tag = ""
  /// The second word in upper case, and the third where that is what UID stands before.
  private(set) var name = ""
  private let bytes: ArraySlice<UInt8>
  /// Where the bytes of the literals lie that are still to come.
  private var literals: ArraySlice<Range<Int>>
  private var index: Int

  /// Parentheses inside one another: the limit that parsers have by default.
  private static let deepest = 64
  /// Longer than `~{18446744073709551615+}` with its line end.
  private static let longestHeader = 64

  init(_ bytes: ArraySlice<UInt8>, _ literals: [Range<Int>]) {
    self.bytes = bytes
    self.literals = literals[...]
    index = bytes.startIndex
    tag = word()
    name = JSON.upper(word())
    if name == "UID" { name += " " + JSON.upper(word()) }
  }

  /// Whether one of the first words says that a password may follow, as it does in a LOGIN without its tag.
  var mayHoldSecret: Bool {
    let words = [JSON.upper(tag), name]
    return words.contains("LOGIN") || words.contains("AUTHENTICATE")
  }

  /// What follows the name; nil where it is no list of values.
  mutating func arguments() -> [JSON]? { values(depth: 0) }

  /// How many bytes the literal has that the line announces with its last characters.
  static func literal(atEndOf line: ArraySlice<UInt8>) -> UInt64? {
    var rest = line.dropLast()
    if rest.last == 0x0d { rest = rest.dropLast() }
    while rest.last == 0x20 { rest = rest.dropLast() }
    guard rest.last == UInt8(ascii: "}") else { return nil }
    rest = rest.dropLast()
    if rest.last == UInt8(ascii: "+") || rest.last == UInt8(ascii: "-") { rest = rest.dropLast() }
    let digits = rest.suffix { (0x30...0x39).contains($0) }
    guard !digits.isEmpty, digits.startIndex > line.startIndex, bytes(line, before: digits) == UInt8(ascii: "{") else {
      return nil
    }
    // A number that does not fit is above every limit whatever it is.
    return UInt64(String(decoding: digits, as: UTF8.self)) ?? .max
  }

  private static func bytes(_ line: ArraySlice<UInt8>, before part: ArraySlice<UInt8>) -> UInt8 {
    line[part.startIndex - 1]
  }

  // MARK: Values

  private var peek: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

  private mutating func word() -> String {
    skipSpaces()
    let start = index
    while let byte = peek, byte > 0x20 { index += 1 }
    return JSON.key(Array(bytes[start..<index]))
  }

  private mutating func skipSpaces() { while peek == 0x20 { index += 1 } }

  /// Values up to the parenthesis that closes them, or to the line's end at depth 0.
  private mutating func values(depth: Int) -> [JSON]? {
    if depth > Self.deepest { return nil }
    var list: [JSON] = []
    while true {
      skipSpaces()
      switch peek {
      case nil, 0x0d, 0x0a: return depth == 0 ? list : nil
      case UInt8(ascii: ")"):
        if depth == 0 { return nil }
        index += 1
        return list
      case UInt8(ascii: "("):
        index += 1
        guard let inner = values(depth: depth + 1) else { return nil }
        list.append(.array(inner))
      case UInt8(ascii: "\""):
        guard let text = quoted() else { return nil }
        list.append(.bytes(text))
      case UInt8(ascii: "{"), UInt8(ascii: "~"):
        guard let literal = literal() else { fallthrough }
        list.append(.bytes(Array(bytes[literal])))
      default:
        guard let atom = atom() else { return nil }
        list.append(atom.count == 3 && JSON.upper(JSON.key(atom)) == "NIL" ? .null : .bytes(atom))
      }
    }
  }

  private mutating func quoted() -> [UInt8]? {
    index += 1
    var text: [UInt8] = []
    while let byte = peek {
      index += 1
      if byte == UInt8(ascii: "\"") { return text }
      guard byte == UInt8(ascii: "\\") else {
        text.append(byte)
        continue
      }
      guard let escaped = peek else { return nil }
      text.append(escaped)
      index += 1
    }
    return nil
  }

  /// The bytes of the literal whose header starts here.
  private mutating func literal() -> Range<Int>? {
    while let first = literals.first, first.lowerBound <= index { literals.removeFirst() }
    guard let range = literals.first, range.lowerBound - index <= Self.longestHeader,
      !bytes[index + 1..<range.lowerBound].dropFirst(peek == UInt8(ascii: "~") ? 1 : 0).contains(UInt8(ascii: "{"))
    else { return nil }
    index = range.upperBound
    return range
  }

  /// A run of anything else; what stands between brackets belongs to it (`BODY[HEADER.FIELDS (DATE)]<0.100>`).
  private mutating func atom() -> [UInt8]? {
    let start = index
    var isBracketed = false
    while let byte = peek {
      switch byte {
      case 0x0d, 0x0a: return Array(bytes[start..<index])
      case 0x20 where !isBracketed, UInt8(ascii: "(") where !isBracketed, UInt8(ascii: ")") where !isBracketed:
        return Array(bytes[start..<index])
      case UInt8(ascii: "\"") where isBracketed:
        if quoted() == nil { return nil }
        continue
      case UInt8(ascii: "{") where isBracketed:
        if literal() != nil { continue }
      case UInt8(ascii: "["): isBracketed = true
      case UInt8(ascii: "]"): isBracketed = false
      default: break
      }
      index += 1
    }
    return Array(bytes[start..<index])
  }
}

extension ArraySlice where Element == UInt8 {
  /// The longest end of the slice whose bytes all satisfy `predicate`.
  fileprivate func suffix(while predicate: (UInt8) -> Bool) -> ArraySlice {
    var start = endIndex
    while start > startIndex, predicate(self[start - 1]) { start -= 1 }
    return self[start...]
  }
}
