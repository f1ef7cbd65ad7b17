/// How far a FETCH response was read. Positions count from the first unread byte.
struct FetchProgress {
  /// Behind the LF of the line that is being read; 0 while that line is not all here.
  var lineEnd = 0
  /// Up to here no LF is left to find while `lineEnd` is 0.
  var scanned = 0
  /// The message; its UID where ``isUID``.
  var sequence: SequenceNumber = 0
  /// Items so far.
  var items = 0
  /// The bytes before the first item: `* n FETCH (`.
  @PackedPosition var prefix = 0
  /// The item whose value goes on behind a literal; nil at an item's start.
  var begun: FetchItemToken?
  /// Where the walk over that value stopped, and how deep it was.
  @PackedPosition var walkIndex = 0
  @PackedPosition var walkDepth = 0
  /// The literal at which the walk stopped is the whole value.
  var endsWithLiteral = false
  /// Whether the response names its message by UID.
  var isUID = false
  /// Where the name starts that goes on behind a literal, and up to where it was read.
  var unfinishedName: (start: UInt32, index: UInt32)?
  /// Whether a streamed literal was the last thing read.
  var isBehindLiteral = false
  /// Behind an empty line that follows a literal; 0 where there is none.
  @PackedPosition var emptyLineEnd = 0

  /// Starts at a line, which ends in LF. False where it does not begin with `* n FETCH (`. Servers send numbers below 0:
  /// like 0 they name no message.
  mutating func begin(_ line: Span<UInt8>) -> Bool {
    var cursor = Cursor(line)
    guard cursor.eat(UInt8(ascii: "*")) else { return false }
    cursor.skipSpaces()
    let isNegative = cursor.eat(UInt8(ascii: "-"))
    guard cursor.peek &- 0x30 <= 9, let number = try? cursor.number32() else { return false }
    cursor.skipSpaces()
    guard let name = try? cursor.run(of: .token) else { return false }
    let word = line.foldedWord(name)
    let isUID = word == keyword("UIDFETCH")
    guard isUID || word == keyword("FETCH") else { return false }
    cursor.skipSpaces()
    guard cursor.eat(UInt8(ascii: "(")) else { return false }
    self = FetchProgress()
    self.isUID = isUID
    sequence = SequenceNumber(rawValue: isNegative ? 0 : number)
    prefix = cursor.index
    lineEnd = line.count
    return true
  }

  /// Looks for the end of the line that is being read. False while it is not here.
  mutating func completeLine(
    _ bytes: Span<UInt8>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Bool {
    if lineEnd > 0 { return true }
    let end = bytes.firstLF(from: scanned)
    if end >= limits.line {
      throw ParseError(passed: .line, UInt64(limits.line), at: offset)
    }
    if end >= bytes.count {
      scanned = max(scanned, bytes.count)
      return false
    }
    lineEnd = end + 1
    return true
  }

  /// What the next bytes of a FETCH response are, as positions.
  enum Step {
    /// More lines are needed: an item's value goes on behind a literal.
    case more
    /// The closing parenthesis and the line's end.
    case end(length: Int)
    /// A whole item.
    case item(FetchItemToken, length: Int)
    /// A section's literal starts behind these bytes.
    case literal(FetchItemToken, LiteralHeader, length: Int)
    /// What is left of the line makes no sense.
    case damaged(ParseError, length: Int)

    /// How many bytes the event covers.
    var length: Int {
      switch self {
      case .more: 0
      case .end(let length), .item(_, let length), .literal(_, _, let length), .damaged(_, let length): length
      }
    }
  }

  /// Reads one item of the line. Throws only where a bound is passed.
  mutating func step(
    _ bytes: Span<UInt8>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Step {
    var cursor = Cursor(bytes.extracting(first: lineEnd))
    do throws(ParseError) {
      if begun == nil {
        guard try beginItem(&cursor, bytes, limits, offset: offset) else {
          return lineEnd == 0 ? .more : .end(length: emptyLineEnd > 0 ? emptyLineEnd : lineEnd)
        }
        var token = try FetchItemToken(&cursor, resumingAt: Int(unfinishedName?.index ?? 0))
        if let count = token.awaited {
          try awaitName(&cursor, count, limits, offset: offset)
          return .more
        }
        unfinishedName = nil
        cursor.skipSpaces()
        if token.isSection, cursor.isAtLiteral {
          let header = try cursor.literalHeader(behindSection: true)
          if header.byteCount > limits.literal {
            throw ParseError(
              passed: .literal, limits.literal, at: offset + LiteralHeader.brace(bytes, before: cursor.index))
          }
          try Self.checkElements(bytes, token.name, limits, offset: offset)
          return .literal(token, header, length: cursor.index)
        }
        token.value = cursor.index..<cursor.index
        walkIndex = cursor.index
        begun = token
        if cursor.peek == UInt8(ascii: ")") {
          // The item has no value.
          begun = nil
          return .item(token, length: cursor.index)
        }
      }
      cursor.index = walkIndex
      guard try walk(&cursor, limits, offset: offset), var whole = begun else { return .more }
      whole.value = whole.value.lowerBound..<cursor.index
      try Self.checkElements(bytes, whole.name, limits, offset: offset)
      try Self.checkElements(bytes, whole.value, limits, offset: offset)
      begun = nil
      walkDepth = 0
      return .item(whole, length: cursor.index)
    } catch {
      if case .limit = error.reason { throw error }
      return .damaged(error.shifted(by: offset), length: lineEnd)
    }
  }

  /// Steps to the next item. False where there is none, and where that cannot be told before another line is here:
  /// `lineEnd` is 0 then.
  private mutating func beginItem(
    _ cursor: inout Cursor, _ bytes: Span<UInt8>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Bool {
    if let unfinishedName {
      cursor.index = Int(unfinishedName.start)
      return true
    }
    if emptyLineEnd > 0 {
      // What goes on with the response cannot start another one.
      let next = bytes[emptyLineEnd]
      if next != UInt8(ascii: ")"), next != 0x20 { return false }
      cursor.index = emptyLineEnd
      emptyLineEnd = 0
    } else if isBehindLiteral, cursor.skipToLineEnd() {
      emptyLineEnd = lineEnd
      scanned = lineEnd
      lineEnd = 0
      return false
    }
    isBehindLiteral = false
    guard cursor.skipToItem() else {
      while cursor.peek == UInt8(ascii: ")") || cursor.peek == 0x20 { cursor.index += 1 }
      // Nothing may be behind the response's end.
      if !cursor.isAtLineEnd { throw cursor.unexpected }
      return false
    }
    items += 1
    if items > limits.fetchItems {
      throw ParseError(passed: .fetchItems, UInt64(limits.fetchItems), at: offset + cursor.index)
    }
    unfinishedName = (UInt32(truncatingIfNeeded: cursor.index), 0)
    return true
  }

  /// Takes note that the item's name goes on behind a literal of `count` bytes.
  private mutating func awaitName(
    _ cursor: inout Cursor, _ count: UInt64, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) {
    if count > UInt64(limits.bufferedLiteral) {
      let brace = LiteralHeader.brace(cursor.bytes, before: cursor.index)
      throw ParseError(passed: .bufferedLiteral, UInt64(limits.bufferedLiteral), at: offset + brace)
    }
    scanned = cursor.index + Int(count)
    unfinishedName?.index = UInt32(truncatingIfNeeded: scanned)
    lineEnd = 0
  }

  /// Steps over a value. False where it goes on behind a literal that is not all here: the walk resumes there. By
  /// iteration, so that no input can exhaust the stack.
  private mutating func walk(
    _ cursor: inout Cursor, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Bool {
    if endsWithLiteral {
      endsWithLiteral = false
      return true
    }
    repeat {
      cursor.skipSpaces()
      switch cursor.peek {
      case UInt8(ascii: "("):
        walkDepth += 1
        if walkDepth > limits.nesting {
          throw ParseError(passed: .nesting, UInt64(limits.nesting), at: offset + cursor.index)
        }
        cursor.index += 1
      case UInt8(ascii: ")"):
        if walkDepth == 0 { throw cursor.unexpected }
        walkDepth -= 1
        cursor.index += 1
      case UInt8(ascii: "\""):
        _ = try cursor.quoted()
      case UInt8(ascii: "{") where cursor.isAtHeader, UInt8(ascii: "~") where cursor.isAtHeader:
        let header = try cursor.literalHeader()
        if header.byteCount > UInt64(limits.bufferedLiteral) {
          let brace = LiteralHeader.brace(cursor.bytes, before: cursor.index)
          throw ParseError(passed: .bufferedLiteral, UInt64(limits.bufferedLiteral), at: offset + brace)
        }
        walkIndex = cursor.index + Int(header.byteCount)
        endsWithLiteral = walkDepth == 0
        scanned = walkIndex
        lineEnd = 0
        return false
      default:
        _ = try cursor.run(of: .token)
      }
    } while walkDepth > 0
    return true
  }

  private static func checkElements(
    _ bytes: Span<UInt8>, _ range: Range<Int>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) {
    if range.count <= limits.listElements { return }
    do throws(ParseError) {
      try ElementCount(limit: limits.listElements).check(bytes, range)
    } catch {
      throw error.shifted(by: offset)
    }
  }
}

extension Cursor {
  /// Steps to the name of the next item; false at the response's end. Domino puts items into parentheses of their own, and
  /// others close the list too early: what is known to be an item still is one behind that.
  @_lifetime(self: copy self)
  fileprivate mutating func skipToItem() -> Bool {
    while true {
      skipSpaces()
      switch peek {
      case UInt8(ascii: "("): index &+= 1
      case UInt8(ascii: ")"):
        let start = index
        while peek == UInt8(ascii: ")") || peek == UInt8(ascii: "(") || peek == 0x20 { index &+= 1 }
        let next = index
        guard let token = try? FetchItemToken(&self), peek == 0x20, token.isKnown else {
          index = start
          return false
        }
        index = next
        return true
      default: return !isAtLineEnd
      }
    }
  }
}
