/// Where a string's content lies, in eight bytes. Positions are below 2^31: ``ParserLimits/countable`` bounds every value.
@usableFromInline
struct PackedToken: BitwiseCopyable {
  /// The start in the lower half; the end in the upper one, whose highest bit says whether there may be escapes.
  @usableFromInline let bits: UInt64

  /// NIL, or a field that is not there. No string starts at 0: a quote, a literal's header or a parenthesis is before it.
  static var missing: PackedToken { PackedToken(bits: 0) }
  /// What ``Scanner`` returns where it gives up.
  static var failed: PackedToken { PackedToken(bits: 1) }

  @inlinable
  @inline(__always)
  init(bits: UInt64) { self.bits = bits }

  @inline(__always)
  init(_ start: Int, _ end: Int, mayHaveEscapes: Bool) {
    bits =
      UInt64(UInt32(truncatingIfNeeded: start)) | UInt64(UInt32(truncatingIfNeeded: end)) &<< 32
      | (mayHaveEscapes ? 1 << 63 : 0)
  }

  init(_ range: Range<Int>) { self.init(range.lowerBound, range.upperBound, mayHaveEscapes: false) }

  init(_ token: StringToken?) {
    if let token {
      self.init(token.range.lowerBound, token.range.upperBound, mayHaveEscapes: token.hasEscapes)
    } else {
      self = .missing
    }
  }

  @inlinable var isMissing: Bool { bits == 0 }
  var isFailed: Bool { bits == 1 }
  @inlinable var mayHaveEscapes: Bool { bits &>> 63 != 0 }
  @inlinable var lowerBound: Int { Int(UInt32(truncatingIfNeeded: bits)) }
  @inlinable var upperBound: Int { Int(bits &>> 32 & 0x7fff_ffff) }
  var range: Range<Int> { lowerBound..<max(lowerBound, upperBound) }
  var isEmpty: Bool { lowerBound == upperBound }

  /// An owned copy of the content; nil where it is missing.
  func copy(_ bytes: Span<UInt8>) -> [UInt8]? {
    if isMissing { return nil }
    if mayHaveEscapes, bytes.hasBackslash(from: lowerBound, to: upperBound) { return StringView(bytes, self).copy() }
    return bytes.slice(from: lowerBound, to: upperBound).copy()
  }
}

extension StringView {
  /// The content of `token`; nil where it is missing.
  @_lifetime(copy bytes)
  @inlinable
  @inline(__always)
  static func optional(_ bytes: Span<UInt8>, _ token: PackedToken) -> StringView? {
    if token.isMissing { return nil }
    return StringView(bytes, token)
  }
}

/// Reads the forms that servers nearly always send: single spaces, quoted strings, literals in their plain form, NIL in
/// upper case. It gives up on anything else, without an error, and the caller reads the same bytes again by ``Cursor``,
/// which takes all that servers are known to send.
struct Scanner: ~Escapable {
  let bytes: Span<UInt8>
  var index: Int
  /// Behind the last byte that may be read: the line's end. It moves to that of the next line behind a literal.
  private(set) var end: Int

  /// The longest literal that is read; below 0 for none.
  private let longestLiteral: Int
  /// The longest line with its literals. Positions on the tape are of 31 bits.
  private let longestLine: Int

  /// Reads a line of `bytes`, which are what has arrived.
  @_lifetime(copy bytes)
  @inline(__always)
  init(_ bytes: Span<UInt8>, at index: Int, lineEnd: Int, longestLine: Int, _ limits: borrowing ParserLimits) {
    longestLiteral = limits.bufferedLiteral
    self.longestLine = longestLine
    self.bytes = bytes
    self.index = index
    end = lineEnd
  }

  /// Reads a line that is all here and has no literals.
  @_lifetime(copy line)
  @inline(__always)
  init(_ line: Span<UInt8>, at index: Int) {
    longestLiteral = -1
    longestLine = 0
    bytes = line
    self.index = index
    end = line.count
  }

  @inline(__always)
  var peek: UInt8 { bytes.byte(at: index) }

  /// Steps over `byte` if it is next.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func eat(_ byte: UInt8) -> Bool {
    if peek != byte { return false }
    index &+= 1
    return true
  }

  /// A number below 10^8; nil for more digits and for none.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func number() -> UInt32? {
    let (value, count) = leadingDigits(bytes.paddedWord(at: index))
    if count == 0 || count == 8 { return nil }
    index &+= count
    return value
  }

  /// A string or NIL.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func nstring() -> PackedToken {
    switch peek {
    case 0x22: return quoted()
    case UInt8(ascii: "N"): return eatNIL() ? .missing : .failed
    case UInt8(ascii: "{"): return literal()
    default: return .failed
    }
  }

  /// Whether NIL was next. What is behind it is not looked at.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func eatNIL() -> Bool {
    // Behind NIL there always is another byte.
    if bytes.quad(at: index) & 0xff_ffff != UInt32(truncatingIfNeeded: keyword("NIL")) { return false }
    index &+= 3
    return true
  }

  /// A quoted string, whose opening quote is next. As ``Cursor/quoted()``.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func quoted() -> PackedToken {
    let start = index &+ 1
    if let string = Self.plainString(bytes, from: start, to: end),
      string.isFollowed(by: 0x20) || string.isFollowed(by: 0x29)
    {
      index = string.close &+ 1
      return string.token
    }
    return rareQuoted(start)
  }

  /// A string whose first quote is its last, unless what follows says that it is left bare.
  struct PlainString {
    let start: Int
    let close: Int
    /// Two bytes: what is behind the quote, the first one lowest.
    let next: UInt32

    var token: PackedToken {
      @inline(__always) get { PackedToken(start, close, mayHaveEscapes: true) }
    }

    @inline(__always)
    func isFollowed(by byte: UInt8) -> Bool { next & 0xff == byte }
  }

  /// The string that starts at `start`, up to the first quote; nil where there is none before `end`, and where it may be a
  /// part of the string: behind a backslash. Other backslashes are left to whoever reads the string.
  @inline(__always)
  static func plainString(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> PlainString? {
    // Behind the quote are a line's end or two other bytes.
    guard let (close, around) = bytes.firstQuoteAndAround(from: start, to: end &- 2), around & 0xff != 0x5c else {
      return nil
    }
    return PlainString(start: start, close: close, next: around &>> 16)
  }

  /// A string with a quote inside it.
  @inline(never)
  @_lifetime(self: copy self)
  private mutating func rareQuoted(_ start: Int) -> PackedToken {
    var hasEscapes = false
    let close = closingQuote(from: bytes.firstQuoteOrBackslash(from: start, to: end), &hasEscapes)
    if close >= end { return .failed }
    index = close &+ 1
    return PackedToken(start, close, mayHaveEscapes: hasEscapes)
  }

  /// The closing quote of a string, from its first quote or backslash on; `end` where there is none.
  private func closingQuote(from first: Int, _ hasEscapes: inout Bool) -> Int {
    var index = first
    while index < end {
      if bytes[index] == 0x5c {
        hasEscapes = true
        // No line's end can be escaped.
        if index &+ 1 >= end || bytes[index &+ 1] == 0x0d || bytes[index &+ 1] == 0x0a { return end }
        index &+= 2
      } else {
        let next = index &+ 1
        if next >= end || ByteClass(of: bytes[next]).contains(.afterQuote) { return index }
        index = next
      }
      index = bytes.firstQuoteOrBackslash(from: min(index, end), to: end)
    }
    return end
  }

  /// A literal, whose brace is next and whose bytes are all here.
  @inline(never)
  @_lifetime(self: copy self)
  mutating func literal() -> PackedToken {
    index &+= 1
    guard let count = number(), eat(UInt8(ascii: "}")), eat(0x0d), eat(0x0a), Int(count) <= bytes.count &- index,
      Int(count) <= longestLiteral, index == end
    else { return .failed }
    let lineFeed = bytes.firstLF(from: index &+ Int(count))
    if lineFeed >= bytes.count || lineFeed >= longestLine { return .failed }
    end = lineFeed &+ 1
    let start = index
    index &+= Int(count)
    return PackedToken(start, index, mayHaveEscapes: false)
  }

  /// As ``nstring()``, where NIL is the commonest.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func rarelyString() -> PackedToken { eatNIL() ? .missing : nstring() }

  /// Writes `count` strings or NILs, 1 to 64, a single space between two. False for any other form.
  @_lifetime(self: copy self)
  mutating func nstrings(_ count: Int, _ tape: inout Tape) -> Bool {
    let bytes = bytes
    let end = end
    var index = index
    let left = tape.append(atMost: count) { left in
      let word = bytes.quad(at: index)
      if word & 0xff == 0x22 {
        let start = index &+ 1
        guard let string = Self.plainString(bytes, from: start, to: end),
          string.isFollowed(by: 0x20) || (left == 1 && string.isFollowed(by: 0x29))
        else { return nil }
        index = string.close &+ 2
        return string.token.bits
      }
      if word != UInt32(truncatingIfNeeded: keyword("NIL ")) { return nil }
      index &+= 4
      return PackedToken.missing.bits
    }
    self.index = left == 0 ? index &- 1 : index
    return left == 0 || rareStrings(left, &tape)
  }

  /// As ``nstrings(_:_:)``, for strings with escapes and for literals too.
  @inline(never)
  @_lifetime(self: copy self)
  private mutating func rareStrings(_ count: Int, _ tape: inout Tape) -> Bool {
    var left = count
    while true {
      let token = nstring()
      if token.isFailed { return false }
      tape.append(token.bits)
      left &-= 1
      if left <= 0 { return true }
      guard eat(0x20) else { return false }
    }
  }
}
