/// A position in the bytes of one framed line, literals included. Every read is checked; at the end ``peek`` is NUL, which
/// no grammar rule accepts.
struct Cursor: ~Escapable {
  let bytes: Span<UInt8>
  var index: Int

  @_lifetime(copy bytes)
  @inline(__always)
  init(_ bytes: Span<UInt8>, at index: Int = 0) {
    self.bytes = bytes
    self.index = index
  }

  var isAtEnd: Bool { index >= bytes.count }

  /// Whether nothing but the line's end is left.
  var isAtLineEnd: Bool {
    switch peek {
    case 0x0d, 0x0a: true
    default: isAtEnd
    }
  }

  @inline(__always)
  var peek: UInt8 { index < bytes.count ? bytes[index] : 0 }

  /// The byte `distance` behind the current one; NUL past the end.
  func peek(ahead distance: Int) -> UInt8 {
    let target = index &+ distance
    return target >= 0 && target < bytes.count ? bytes[target] : 0
  }

  /// Steps over `byte` if it is next.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func eat(_ byte: UInt8) -> Bool {
    if peek != byte { return false }
    index &+= 1
    return true
  }

  /// Steps over `byte`, which must be next.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func expect(_ byte: UInt8) throws(ParseError) {
    if !eat(byte) { throw unexpected }
  }

  /// Steps over any run of spaces: servers put several, or none, where the grammar has one.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipSpaces() {
    while peek == 0x20 { index &+= 1 }
  }

  /// The error for the byte at this position.
  var unexpected: ParseError {
    ParseError(isAtLineEnd ? .unexpectedEnd : .unexpectedByte(peek), offset: index)
  }

  /// A decimal number that fits 64 bits.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func number() throws(ParseError) -> UInt64 {
    let (short, count) = leadingDigits(bytes.paddedWord(at: index))
    if count > 0, count < 8 {
      index &+= count
      return UInt64(short)
    }
    return try longNumber()
  }

  /// As ``number()``, digit by digit.
  @inline(never)
  @_lifetime(self: copy self)
  private mutating func longNumber() throws(ParseError) -> UInt64 {
    let start = index
    var value: UInt64 = 0
    while true {
      let digit = peek &- 0x30
      if digit > 9 { break }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(UInt64(digit))
      if overflow || overflow2 { throw ParseError(.numberTooLarge, offset: start) }
      value = sum
      index &+= 1
    }
    if index == start { throw unexpected }
    return value
  }

  /// A decimal number that fits 32 bits.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func number32() throws(ParseError) -> UInt32 {
    let start = index
    guard let value = UInt32(exactly: try number()) else { throw ParseError(.numberTooLarge, offset: start) }
    return value
  }

  /// A run of bytes of `accepted`, at least one.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func run(of accepted: ByteClass) throws(ParseError) -> Range<Int> {
    let start = index
    index = bytes.firstNot(accepted, from: start)
    if index == start { throw unexpected }
    return start..<index
  }

  /// A string in any of its forms.
  @_lifetime(self: copy self)
  mutating func string() throws(ParseError) -> StringToken {
    switch peek {
    case 0x22: try quoted()
    case 0x7b, 0x7e: try literal()
    default: throw unexpected
    }
  }

  /// A string, or NIL as nil.
  @_lifetime(self: copy self)
  mutating func nstring() throws(ParseError) -> StringToken? {
    eatNIL() ? nil : try string()
  }

  /// A string, or a bare token of what servers put into one.
  @_lifetime(self: copy self)
  mutating func astring() throws(ParseError) -> StringToken {
    if peek == 0x22 || isAtWholeLiteral { return try string() }
    return StringToken(range: try run(of: .token), hasEscapes: false)
  }

  /// Steps over NIL if it is next and stands alone.
  @_lifetime(self: copy self)
  mutating func eatNIL() -> Bool {
    guard index &+ 3 <= bytes.count, bytes.foldedWord(index..<index &+ 3) == keyword("NIL"),
      !ByteClass(of: peek(ahead: 3)).contains(.token)
    else { return false }
    index &+= 3
    return true
  }

  /// A quoted string. The closing quote is the first that is not escaped and stands before a space, `)`, `]` or the end of
  /// the line: servers leave quotes inside strings bare.
  @_lifetime(self: copy self)
  mutating func quoted() throws(ParseError) -> StringToken {
    try expect(0x22)
    let start = index
    var hasEscapes = false
    while true {
      index = bytes.firstQuotedSpecial(from: index)
      switch peek {
      case 0x5c where index &+ 1 < bytes.count && !isLineEnd(at: index &+ 1):
        hasEscapes = true
        index &+= 2
      case 0x22:
        let next = index &+ 1
        if next == bytes.count || ByteClass(of: bytes[next]).contains(.afterQuote) {
          let range = start..<index
          index = next
          return StringToken(range: range, hasEscapes: hasEscapes)
        }
        index = next
      default:
        throw ParseError(.unterminatedString, offset: start)
      }
    }
  }

  private func isLineEnd(at index: Int) -> Bool {
    bytes[index] == 0x0a || (bytes[index] == 0x0d && (index &+ 1 == bytes.count || bytes[index &+ 1] == 0x0a))
  }

  /// Whether a literal's announcement begins here: `{` and a digit, or `~{`. For places that have nothing else with a brace.
  var isAtLiteral: Bool {
    let start = peek == 0x7e ? 1 : 0
    return peek(ahead: start) == 0x7b && peek(ahead: start + 1) &- 0x30 <= 9
  }

  /// Whether a literal's announcement is next, whole: up to the end of its line. A brace before anything else is a part of
  /// a word, as it is behind one.
  @inline(__always)
  var isAtHeader: Bool { (peek == 0x7b || peek == 0x7e) && announced != nil }

  /// Whether a literal is next that is here with all its bytes. On a line that was framed: framing took it for one.
  @inline(__always)
  var isAtWholeLiteral: Bool { (peek == 0x7b || peek == 0x7e) && announced == true }

  /// Whether the bytes are here of the literal whose header is next; nil where there is none.
  private var announced: Bool? {
    @inline(never) get {
      var probe = self
      guard isAtLiteral, let header = try? probe.literalHeader() else { return nil }
      return header.byteCount <= UInt64(max(bytes.count &- probe.index, 0))
    }
  }

  /// A literal whose bytes are all here, as framing ensures.
  @_lifetime(self: copy self)
  mutating func literal() throws(ParseError) -> StringToken {
    let header = try literalHeader()
    guard let count = Int(exactly: header.byteCount), count <= bytes.count &- index else {
      throw ParseError(.unexpectedEnd, offset: index)
    }
    let range = index..<index &+ count
    index = range.upperBound
    return StringToken(range: range, hasEscapes: false)
  }

  /// `{n}` or `{n+}`, an optional `~` before it, and the end of its line. Servers put further words behind the number or
  /// the brace. Braces among them would make it ambiguous; with quotes or parentheses they are words of the response, unless
  /// `behindSection` says that nothing but a literal can stand here. A number that does not fit is the largest.
  @_lifetime(self: copy self)
  mutating func literalHeader(behindSection: Bool = false) throws(ParseError) -> LiteralHeader {
    let isBinary = eat(0x7e)
    try expect(0x7b)
    if peek &- 0x30 > 9 { throw unexpected }
    var count: UInt64 = 0
    while peek &- 0x30 <= 9 {
      count = count.saturatingTimes10(plus: UInt64(peek &- 0x30))
      index &+= 1
    }
    let isSynchronizing = !(eat(0x2b) || eat(0x2d))
    try skipWords(ofAnyKind: behindSection)
    try expect(0x7d)
    try skipWords(ofAnyKind: behindSection)
    _ = eat(0x0d)
    try expect(0x0a)
    return LiteralHeader(byteCount: count, isBinary: isBinary, isSynchronizing: isSynchronizing)
  }

  /// A space and what follows it, up to a brace or the line's end.
  @_lifetime(self: copy self)
  private mutating func skipWords(ofAnyKind: Bool) throws(ParseError) {
    guard peek == 0x20 else { return }
    while !isAtLineEnd, peek != 0x7b, peek != 0x7d {
      if !ofAnyKind, LiteralHeader.isOfResponse(peek) { throw unexpected }
      index &+= 1
    }
    if peek == 0x7b { throw unexpected }
  }
}

/// Where a string's content lies in its line.
struct StringToken {
  /// The content, without quotes or literal header.
  var range: Range<Int>
  /// Whether a backslash stands for the byte behind it.
  var hasEscapes: Bool
}

/// The announcement of a literal (RFC 9051, section 4.3).
public struct LiteralHeader: Sendable, Hashable {
  /// How many bytes follow.
  public var byteCount: UInt64
  /// Whether the bytes may hold NUL (`~{n}`, RFC 3516).
  public var isBinary: Bool
  /// Whether the sender waits for a continuation request before the bytes; false for `{n+}` (RFC 7888).
  public var isSynchronizing: Bool

  /// A header.
  public init(byteCount: UInt64, isBinary: Bool = false, isSynchronizing: Bool = true) {
    self.byteCount = byteCount
    self.isBinary = isBinary
    self.isSynchronizing = isSynchronizing
  }

  /// The header that ends the line `bytes[start..<end]`, `end` being behind its LF; nil where it ends in none. Looks at
  /// the last bytes only. Complexity: O(1).
  static func atEnd(of bytes: Span<UInt8>, from start: Int, to end: Int) -> LiteralHeader? {
    var index = end &- 1
    guard index > start, bytes[index] == 0x0a else { return nil }
    index &-= 1
    if index > start, bytes[index] == 0x0d { index &-= 1 }
    while index > start, bytes[index] == 0x20 { index &-= 1 }
    guard index > start, bytes[index] == 0x7d else { return nil }
    let lowest = max(start, index &- longestHeader)
    repeat { index &-= 1 } while index > lowest && bytes[index] != 0x7b && bytes[index] != 0x7d
    guard index >= lowest, bytes[index] == 0x7b else { return nil }
    let isBinary = index > start && bytes[index &- 1] == 0x7e
    return LiteralHeader(bytes, countAt: index &+ 1, isBinary: isBinary)
  }

  /// Whether words behind a literal's number or brace that have `byte` in them belong to the response.
  static func isOfResponse(_ byte: UInt8) -> Bool { byte == 0x22 || byte == 0x28 || byte == 0x29 }

  /// Whether the line `bytes[start..<end]`, `end` being behind its LF, may end in a header with or without words behind it.
  /// Looks at the last bytes only, at one or two of most lines. Complexity: O(1).
  @inline(__always)
  static func mayEnd(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Bool {
    let lowest = max(start, end &- longestHeader)
    var index = end &- 1
    while index > lowest {
      index &-= 1
      let byte = bytes[index]
      if byte == 0x7d { return true }
      if isOfResponse(byte) { return false }
    }
    return false
  }

  /// Where the brace is of the header that ends before `end`.
  static func brace(_ bytes: Span<UInt8>, before end: Int) -> Int {
    var index = end &- 1
    while index > 0, bytes[index] != 0x7b { index &-= 1 }
    return index
  }

  /// Reads the number behind the brace. One that does not fit is above every limit whatever it is.
  private init?(_ bytes: Span<UInt8>, countAt start: Int, isBinary: Bool) {
    var count: UInt64 = 0
    var index = start
    while bytes[index] &- 0x30 <= 9 {
      count = count.saturatingTimes10(plus: UInt64(bytes[index] &- 0x30))
      index &+= 1
    }
    if index == start { return nil }
    let isNonSynchronizing = bytes[index] == 0x2b || bytes[index] == 0x2d
    if isNonSynchronizing { index &+= 1 }
    guard bytes[index] == 0x7d || bytes[index] == 0x20 else { return nil }
    self.init(byteCount: count, isBinary: isBinary, isSynchronizing: !isNonSynchronizing)
  }

  /// How far behind its closing brace a header may start.
  private static let longestHeader = 256
}
