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
          throw ParseError(passed: .nesting, UInt64(nesting), at: check.index - 1)
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

  /// The threads as trees, without recursion, so that depth costs no stack of the machine.
  public func copy() -> [MessageThread] {
    // Those that are open are the last of the list, as many as `depth` says.
    var threads: [MessageThread] = []
    threads.reserveCapacity(room)
    var depth = 0
    var iterator = self
    while let token = iterator.next() {
      let last = threads.count - 1
      switch token {
      case .open:
        threads.append(MessageThread())
        depth += 1
      // A number without parentheses is a thread of its own, one behind a branch another branch.
      case .message(let number) where depth <= 0: threads.append(MessageThread([number]))
      case .message(let number) where threads[last].branches.isEmpty:
        threads[last].messages.append(number, room: iterator.messagesInRow)
      case .message(let number): threads[last].branches.append(MessageThread([number]))
      case .close:
        depth -= 1
        guard depth > 0, let branch = threads.popLast() else { continue }
        threads[last - 1].branches.append(branch, room: iterator.branchesBehind)
      }
    }
    return threads
  }

  /// How long the list of threads gets while it is made.
  private var room: Int {
    var (room, count, depth) = (0, 0, 0)
    var iterator = self
    while let token = iterator.next() {
      switch token {
      case .open: depth += 1
      case .message: if depth == 0 { count += 1 }
      case .close:
        depth -= 1
        if depth == 0 { count += 1 }
      }
      room = max(room, count + depth)
    }
    return room
  }

  /// How many messages are before the next parenthesis.
  private var messagesInRow: Int {
    var count = 0
    var iterator = self
    while case .message = iterator.next() { count += 1 }
    return count
  }

  /// How many branches are before the parenthesis that closes the thread. Each level looks ahead once, so that all
  /// together cost the bytes times the depth, which is bounded.
  private var branchesBehind: Int {
    var (count, depth) = (0, 0)
    var iterator = self
    while depth >= 0, let token = iterator.next() {
      if depth == 0, token != .close { count += 1 }
      if token == .open { depth += 1 }
      if token == .close { depth -= 1 }
    }
    return count
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
