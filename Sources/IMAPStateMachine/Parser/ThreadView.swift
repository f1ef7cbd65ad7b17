/// A piece of a THREAD response.
public enum ThreadToken: Hashable, Sendable {
  /// `(`: a thread, or a branch of the one around it, starts.
  case open
  /// A message: the child of the one before it in the same parentheses.
  case message(UInt32)
  /// `)`.
  case close
}

/// A THREAD response (RFC 5256, section 4), borrowed, as a flat row of tokens: no tree is built. Iterate a copy.
public struct ThreadView: ~Escapable {
  private var cursor: Cursor

  /// Checks that parentheses match, are at most `nesting` deep, and hold numbers. Complexity: O(n), no recursion.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) throws(ParseError) {
    cursor = Cursor(bytes)
    var check = Cursor(bytes)
    var depth = 0
    while let token = try check.threadToken() {
      switch token {
      case .open:
        depth += 1
        if depth > nesting {
          let limit = LimitExceeded(limit: .nesting, value: UInt64(nesting), offset: check.index - 1)
          throw ParseError(.limit(limit), offset: check.index - 1)
        }
      case .close:
        if depth == 0 { throw check.unexpected }
        depth -= 1
      case .message: break
      }
    }
    if depth > 0 { throw ParseError(.unexpectedEnd, offset: check.index) }
  }

  /// The next token, or nil behind the last.
  @_lifetime(self: copy self)
  public mutating func next() -> ThreadToken? {
    // `init` read the same bytes before, so nothing fails.
    (try? cursor.threadToken()) ?? nil
  }

  /// The threads as trees. By an explicit stack, so that depth costs no stack of the machine.
  public func copy() -> [MessageThread] {
    var threads: [MessageThread] = []
    var open: [MessageThread] = []
    var iterator = self
    while let token = iterator.next() {
      switch token {
      case .open: open.append(MessageThread())
      case .message(let number): Self.add(number, &open, &threads)
      case .close:
        guard let thread = open.popLast() else { return threads }
        if open.isEmpty { threads.append(thread) } else { open[open.count - 1].branches.append(thread) }
      }
    }
    return threads
  }

  private static func add(_ number: UInt32, _ open: inout [MessageThread], _ threads: inout [MessageThread]) {
    // A number without parentheses is a thread of its own, one behind a branch another branch.
    if open.isEmpty {
      threads.append(MessageThread([number]))
    } else if open[open.count - 1].branches.isEmpty {
      open[open.count - 1].messages.append(number)
    } else {
      open[open.count - 1].branches.append(MessageThread([number]))
    }
  }
}

extension Cursor {
  /// A parenthesis or a number; nil at the line's end. A trailing `(MODSEQ n)` is none of the grammar's.
  @_lifetime(self: copy self)
  fileprivate mutating func threadToken() throws(ParseError) -> ThreadToken? {
    skipSpaces()
    if eat(UInt8(ascii: "(")) { return .open }
    if eat(UInt8(ascii: ")")) { return .close }
    return isAtLineEnd ? nil : .message(try number32())
  }
}
