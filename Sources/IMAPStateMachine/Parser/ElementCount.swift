/// Bounds how many elements a list has (``ParserLimits/listElements``), and outside FETCH how deep lists are.
///
/// A walk of its own, over lines that have more bytes than the bound has elements: an element has at least one byte, so
/// no other line can pass it, and reading those costs one comparison.
struct ElementCount {
  /// The bound.
  let limit: Int
  /// How deep lists may be (``ParserLimits/nesting``).
  var nesting = Int.max

  /// How deep lists are told apart. No parser reads one that is deeper (``ParserLimits/countable``).
  private static let maximumDepth = 256

  /// Whether ``checkResponse(_:)`` could find anything. Costs a comparison for short lines, and a look for parentheses for
  /// others: few have as many as may be inside one another. THREAD, which has, counts its own.
  func isNeeded(_ line: Span<UInt8>) -> Bool {
    if line.count > limit { return true }
    if line.count <= nesting { return false }
    var index = -1
    for _ in 0...nesting {
      index = line.firstParenthesis(from: index &+ 1)
      if index == line.count { return false }
    }
    return !line.startsIgnoringCase("* THREAD ")
  }

  /// Throws where `range` of `bytes` holds a list with too many elements. The offset is that of the first one too many.
  func check(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(ParseError) {
    if range.count <= limit { return }
    try walk(Cursor(bytes.extracting(first: range.upperBound), at: range.lowerBound), endsAtBracket: false)
  }

  /// As ``check(_:_:)``, for a whole response that is no FETCH: what stands behind its name. Text for people is no list,
  /// so of a status response only the response code is looked at.
  func checkResponse(_ line: Span<UInt8>) throws(ParseError) {
    var cursor = Cursor(line)
    if cursor.peek == UInt8(ascii: "+") { return }
    if cursor.eat(UInt8(ascii: "*")) {
      cursor.skipSpaces()
      if cursor.signedDigit, (try? cursor.quantity()) != nil { cursor.skipSpaces() }
    } else if cursor.peek != UInt8(ascii: "["), (try? cursor.run(of: .token)) != nil {
      cursor.skipSpaces()
    }
    if cursor.peek != UInt8(ascii: "[") {
      if cursor.eatCondition() == nil {
        if (try? cursor.run(of: .token)) == nil { return }
        return try walk(cursor, endsAtBracket: false)
      }
      cursor.skipSpaces()
    }
    // The name of a response code is not one of its arguments.
    guard cursor.eat(UInt8(ascii: "[")) else { return }
    while !cursor.isAtLineEnd, cursor.peek != 0x20 {
      if cursor.eat(UInt8(ascii: "]")) { return }
      cursor.index += 1
    }
    try walk(cursor, endsAtBracket: true)
  }

  /// Counts what is between two parentheses, and on the level where the walk begins, each by itself. By iteration, so that
  /// no input can exhaust the stack.
  private func walk(_ start: consuming Cursor, endsAtBracket: Bool) throws(ParseError) {
    var cursor = start
    var counts = InlineArray<256, Int>(repeating: 0)
    var depth = 0
    var unclosedUntil = 0
    while !cursor.isAtEnd {
      switch cursor.peek {
      case 0x20, 0x0d, 0x0a:
        cursor.index += 1
        continue
      case UInt8(ascii: ")"):
        depth = max(0, depth - 1)
        cursor.index += 1
        continue
      case UInt8(ascii: "]") where endsAtBracket && depth == 0: return
      default: break
      }
      if depth < Self.maximumDepth {
        counts[depth] += 1
        if counts[depth] > limit { throw passed(cursor.index) }
      }
      if cursor.eat(UInt8(ascii: "(")) {
        depth += 1
        if depth > nesting { throw ParseError(passed: .nesting, UInt64(nesting), at: cursor.index - 1) }
        if depth < Self.maximumDepth { counts[depth] = 0 }
      } else if try step(&cursor, &unclosedUntil) == UInt8(ascii: "]"), endsAtBracket, depth == 0 {
        return
      }
    }
  }

  /// Steps over a string, a token, or a set of numbers, whose ranges are counted. Returns the last byte. Of the quotes
  /// before `unclosedUntil` none begins a string: each would only find that anew.
  @_lifetime(cursor: copy cursor)
  private func step(_ cursor: inout Cursor, _ unclosedUntil: inout Int) throws(ParseError) -> UInt8 {
    let start = cursor.index
    let isQuote = cursor.peek == 0x22 && start >= unclosedUntil
    if isQuote || cursor.isAtWholeLiteral {
      if (try? cursor.string()) != nil { return 0x22 }
      if isQuote { unclosedUntil = cursor.index }
      // No string after all. The parser that reads the line says what it makes of that.
      cursor.index = start + 1
    } else if cursor.peek == 0x22 {
      cursor.index += 1
    }
    let isSet = cursor.peek &- 0x30 <= 9 || cursor.peek == UInt8(ascii: "*")
    var ranges = 1
    while !cursor.isAtLineEnd, cursor.peek != 0x20, cursor.peek != UInt8(ascii: "("), cursor.peek != UInt8(ascii: ")") {
      if cursor.eat(UInt8(ascii: ",")) {
        ranges += 1
        if isSet, ranges > limit { throw passed(cursor.index) }
      } else {
        cursor.index += 1
      }
    }
    return cursor.bytes[cursor.index - 1]
  }

  private func passed(_ index: Int) -> ParseError {
    ParseError(passed: .listElements, UInt64(limit), at: index)
  }
}
