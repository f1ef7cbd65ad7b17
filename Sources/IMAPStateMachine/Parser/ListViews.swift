/// Flags, keywords or mailbox attributes, borrowed. Iterate a copy: `var flags = view; while let flag = flags.next() {}`.
public struct FlagListView: ~Escapable {
  private let bytes: Span<UInt8>
  private var index = 0
  /// Whether nothing but flags and spaces is between the parentheses.
  private let isPlain: Bool
  /// Of the quotes before this place none begins a string: each would only find that anew.
  private var unclosedUntil = 0

  /// Reads `(flag flag ...)`; parentheses, quotes around a flag and runs of spaces are stepped over. NIL is no flags.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    self.bytes = bytes
    isPlain = false
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    if cursor.eatNIL() { index = cursor.index }
  }

  /// Reads the list behind the parenthesis at `start`, at whose end `bytes` end: the first byte that
  /// ``Span/firstNotFlag(from:)`` finds.
  @_lifetime(copy bytes)
  @inline(__always)
  init(_ bytes: Span<UInt8>, plainAt start: Int) {
    self.bytes = bytes
    isPlain = true
    index = start &+ 1
  }

  /// What is not read yet: all that decides which flags follow.
  var wire: Span<UInt8> {
    @_lifetime(copy self) get { bytes.extracting(droppingFirst: min(index, bytes.count)) }
  }

  /// The next flag as on the wire, or nil behind the last. Complexity: O(length of the flag).
  @_lifetime(copy self)
  public mutating func next() -> ByteView? {
    if isPlain {
      while index &+ 1 < bytes.count {
        let start = index
        let end = bytes.firstSpaceOrParenthesis(from: start)
        index = end &+ 1
        if end > start { return ByteView(bytes.extracting(start..<end)) }
      }
      return nil
    }
    return nextOfAnyForm()
  }

  @_lifetime(copy self)
  private mutating func nextOfAnyForm() -> ByteView? {
    while index < bytes.count {
      if ByteClass(of: bytes[index]).contains(.token) {
        let start = index
        // FETCH is framed without regard to what its items are.
        var cursor = Cursor(bytes, at: start)
        if cursor.isAtWholeLiteral, let flag = try? cursor.literal(), !flag.range.isEmpty {
          index = cursor.index
          return ByteView(bytes.extracting(flag.range))
        }
        index = bytes.firstNotToken(from: start)
        return ByteView(bytes.extracting(start..<index))
      }
      let start = index
      index &+= 1
      if bytes[start] == 0x22, start >= unclosedUntil, let flag = quoted(at: start) {
        return ByteView(bytes.extracting(flag))
      }
    }
    return nil
  }

  /// How many there are. Complexity: O(n).
  public var count: Int {
    var count = 0
    var iterator = self
    while iterator.next() != nil { count &+= 1 }
    return count
  }

  /// How many spaces there are.
  var spaceCount: Int {
    var count = 0
    for index in bytes.indices where bytes[index] == 0x20 { count &+= 1 }
    return count
  }

  /// Owned flags, in order. One server writes the `\*` of PERMANENTFLAGS as `*`. Complexity: O(n); one allocation for the
  /// list and one for each flag of more than 15 bytes.
  public func copy() -> [Flag] {
    var flags: [Flag] = []
    flags.reserveCapacity(count)
    var iterator = self
    while let flag = iterator.next() {
      flags.append(flag.equalsIgnoringCase("*") ? .anyKeyword : Flag(flag.lossyString()))
    }
    return flags
  }

  /// The words as text.
  func strings() -> [String] {
    var list: [String] = []
    list.reserveCapacity(count)
    var iterator = self
    while let word = iterator.next() { list.append(word.lossyString()) }
    return list
  }

  /// A flag in quotes, which may hold spaces. Its backslash may be escaped or not.
  private mutating func quoted(at start: Int) -> Range<Int>? {
    var cursor = Cursor(bytes, at: start)
    guard let token = try? cursor.quoted() else {
      unclosedUntil = cursor.index
      return nil
    }
    index = cursor.index
    if token.range.isEmpty { return nil }
    let isEscaped =
      token.range.count > 1 && bytes[token.range.lowerBound] == 0x5c && bytes[token.range.lowerBound + 1] == 0x5c
    return isEscaped ? token.range.lowerBound + 1..<token.range.upperBound : token.range
  }
}

/// Capabilities, borrowed. Iterate a copy.
public struct CapabilityListView: ~Escapable {
  private var tokens: FlagListView

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { tokens = FlagListView(bytes) }

  /// What is not read yet.
  var wire: Span<UInt8> { @_lifetime(copy self) get { tokens.wire } }

  /// The next capability as on the wire, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> ByteView? { tokens.next() }

  /// Owned capabilities, in order. `LITERAL +`, as one server writes it, is `LITERAL+`.
  public func copy() -> [Capability] {
    var list: [Capability] = []
    // There are no more than that. To count them takes as long as to read them.
    list.reserveCapacity(tokens.spaceCount + 1)
    var iterator = self
    while let name = iterator.next() {
      if name.equalsIgnoringCase("+"), !list.isEmpty, list[list.count - 1] == Capability("LITERAL") {
        list[list.count - 1] = .literalPlus
      } else {
        list.append(Capability(uppercased: name.uppercasedString()))
      }
    }
    return list
  }
}

/// The numbers of a SEARCH line, borrowed. Iterate a copy.
public struct SearchView: ~Escapable {
  private var cursor: Cursor
  /// Whether anything was stepped over that is no number.
  private var hasInvalid = false
  private var foundModSeq: ModSeq?

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { cursor = Cursor(bytes) }

  /// The next number, or nil behind the last. Anything else on the line is stepped over.
  @_lifetime(self: copy self)
  public mutating func next() -> UInt32? {
    let index = cursor.index
    if cursor.peek == 0x20 {
      let (number, count) = leadingDigits(cursor.bytes.paddedWord(at: index &+ 1))
      let end = index &+ 1 &+ count
      if count > 0, count < 8, end < cursor.bytes.count, cursor.bytes[end] <= 0x20 {
        cursor.index = end
        return number
      }
    }
    return nextOfAnyForm()
  }

  @_lifetime(self: copy self)
  private mutating func nextOfAnyForm() -> UInt32? {
    while true {
      cursor.skipSpaces()
      if let number = cursor.wholeNumber() { return number }
      // It should be behind the last number (RFC 7162, section 3.1.5).
      if let value = cursor.modSeqInParentheses() {
        foundModSeq = value
        continue
      }
      let start = cursor.index
      if (try? cursor.value()) == nil {
        cursor.index = start
        return nil
      }
      hasInvalid = true
    }
  }

  /// An owned copy. Complexity: O(n), one allocation.
  public func copy() -> SearchResult {
    var result = SearchResult()
    // Numbers stand behind spaces.
    var first = self
    if first.next() != nil { result.numbers.reserveCapacity(1 + cursor.rest.count(of: 0x20)) }
    var iterator = self
    while let number = iterator.next() { result.numbers.append(number) }
    result.modSeq = iterator.foundModSeq
    if iterator.hasInvalid || !iterator.cursor.skipToLineEnd() { result.invalid = invalidItems() }
    return result
  }

  /// Throws where anything but numbers is before the parenthesis that closes their list.
  func expectNumbers() throws(ParseError) {
    var iterator = self
    while iterator.next() != nil {}
    if iterator.hasInvalid { throw ParseError(.invalidValue, offset: 0) }
    try iterator.cursor.expectListEnd()
  }

  /// What is neither a number nor `(MODSEQ n)`.
  private func invalidItems() -> [InvalidItem] {
    var list: [InvalidItem] = []
    var cursor = cursor
    while !cursor.skipToLineEnd() {
      if cursor.wholeNumber() != nil || cursor.modSeqInParentheses() != nil { continue }
      let start = cursor.index
      var probe = cursor
      var reason = ParseError(.unexpectedByte(cursor.peek), offset: 0)
      do throws(ParseError) {
        _ = try probe.number32()
      } catch {
        if error.reason == .numberTooLarge { reason = ParseError(.numberTooLarge, offset: 0) }
      }
      var end = (try? cursor.value())?.upperBound
      if end == nil {
        // Where no value ends, nothing behind it can be told apart.
        cursor.index = start
        end = cursor.leftover()?.upperBound
      }
      guard let end else { break }
      list.append(InvalidItem(value: cursor.bytes.extracting(start..<end).copy(), reason: reason))
    }
    return list
  }

  /// The highest modification sequence of what was found (RFC 7162, section 3.1.5), which stands behind the last number.
  @_lifetime(self: copy self)
  public mutating func modSeq() -> ModSeq? {
    while next() != nil {}
    return foundModSeq
  }
}

extension Cursor {
  /// A number that nothing is glued to. Where there is none nothing is stepped over.
  @_lifetime(self: copy self)
  fileprivate mutating func wholeNumber() -> UInt32? {
    let start = index
    if let number = try? number32(), !ByteClass(of: peek).contains(.token) { return number }
    index = start
    return nil
  }

  /// `(MODSEQ n)`. Where there is none nothing is stepped over.
  @_lifetime(self: copy self)
  fileprivate mutating func modSeqInParentheses() -> ModSeq? {
    let start = index
    if eat(UInt8(ascii: "(")) {
      skipSpaces()
      if let name = try? run(of: .token), bytes.extracting(name).equalsIgnoringCase("MODSEQ") {
        skipSpaces()
        if let value = try? quantity() {
          skipSpaces()
          if eat(UInt8(ascii: ")")) { return ModSeq(rawValue: value) }
        }
      }
    }
    index = start
    return nil
  }

  /// Steps over one value: a string, a token, or a parenthesised list of values to any depth up to `nesting`.
  /// By iteration, so that no input can exhaust the stack.
  @_lifetime(self: copy self)
  mutating func skipValue(nesting limit: Int) throws(ParseError) {
    var depth = 0
    repeat {
      skipSpaces()
      switch peek {
      case UInt8(ascii: "("):
        depth += 1
        if depth > limit {
          throw ParseError(passed: .nesting, UInt64(limit), at: index)
        }
        index += 1
      case UInt8(ascii: ")") where depth > 0:
        depth -= 1
        index += 1
      case UInt8(ascii: "\""): _ = try quoted()
      case UInt8(ascii: "{") where isAtWholeLiteral, UInt8(ascii: "~") where isAtWholeLiteral: _ = try literal()
      default:
        let start = index
        index = bytes.firstNotToken(from: start)
        if index == start { throw unexpected }
      }
    } while depth > 0
  }
}
