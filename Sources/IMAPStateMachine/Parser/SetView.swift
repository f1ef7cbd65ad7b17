/// A sequence-set (RFC 9051, section 9), borrowed: ranges that are never expanded. Iterate a copy.
public struct MessageSetView: ~Escapable {
  /// The set as on the wire.
  public let raw: ByteView
  private var cursor: Cursor

  /// Reads the whole of `bytes`, which may be empty. Complexity: O(n).
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    raw = ByteView(bytes)
    cursor = Cursor(bytes)
    var check = Cursor(bytes)
    if check.isAtEnd { return }
    repeat { _ = try check.setRange() } while check.eat(UInt8(ascii: ","))
    if !check.isAtEnd { throw check.unexpected }
  }

  /// The next range as it is written, nil behind the last.
  @_lifetime(self: copy self)
  public mutating func next() -> (first: MessageBound, last: MessageBound)? {
    // `init` read the same bytes before, so nothing fails but the end.
    guard let range = try? cursor.setRange() else { return nil }
    _ = cursor.eat(UInt8(ascii: ","))
    return range
  }

  /// An owned copy: of UIDs or of sequence numbers, as the caller knows. Complexity: O(n), one allocation.
  public func copy<Number: MessageNumber>(of type: Number.Type = Number.self) -> MessageSet<Number> {
    var set = MessageSet<Number>(ranges: [])
    if !raw.isEmpty { set.ranges.reserveCapacity(raw.bytes.count(of: UInt8(ascii: ",")) + 1) }
    var iterator = self
    while let range = iterator.next() { set.ranges.append(MessageSet.Range(range.first, range.last)) }
    return set
  }

  /// An owned copy of the kind that `isUID` says.
  func reference(isUID: Bool) -> MessageReference {
    isUID ? .uids(copy(of: UID.self)) : .sequence(copy(of: SequenceNumber.self))
  }
}

/// A VANISHED response (RFC 7162, section 3.2.10), borrowed.
public struct VanishedView: ~Escapable {
  /// Whether the messages went away before the mailbox was opened.
  public let isEarlier: Bool
  /// Which went away.
  public let uids: MessageSetView

  /// Reads `[(EARLIER)] set`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    var isEarlier = false
    if cursor.eat(UInt8(ascii: "(")) {
      cursor.skipSpaces()
      let word = try cursor.run(of: .token)
      isEarlier = bytes.foldedWord(word) == keyword("EARLIER")
      cursor.skipSpaces()
      try cursor.expect(UInt8(ascii: ")"))
      cursor.skipSpaces()
    }
    let start = cursor.index
    cursor.index = bytes.firstNot(.token, from: start)
    self.isEarlier = isEarlier
    do throws(ParseError) {
      uids = try MessageSetView(bytes.extracting(start..<cursor.index))
    } catch {
      throw error.shifted(by: start)
    }
    if !cursor.skipToLineEnd() { throw cursor.unexpected }
  }
}

/// Strings in a row, borrowed: bare tokens, quoted strings and literals. Iterate a copy.
public struct StringListView: ~Escapable {
  private var cursor: Cursor

  /// Starts at the first string, or at a parenthesis before it.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    cursor = Cursor(bytes)
    cursor.skipSpaces()
    _ = cursor.eat(UInt8(ascii: "("))
  }

  /// The next string, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> StringView? {
    cursor.skipSpaces()
    let start = cursor.index
    guard let token = try? cursor.astring() else {
      cursor.index = start
      return nil
    }
    return StringView(cursor.bytes, token)
  }

  /// How many there are. Complexity: O(n).
  public var count: Int {
    var count = 0
    var iterator = self
    while iterator.next() != nil { count &+= 1 }
    return count
  }

  /// Throws where anything but strings is in the row.
  func expectEnd() throws(ParseError) {
    var iterator = self
    while iterator.next() != nil {}
    try iterator.cursor.expectListEnd()
  }

  /// Owned strings, in order. Complexity: O(n); one allocation for the list and one for each string.
  public func copy() -> [[UInt8]] {
    var list: [[UInt8]] = []
    list.reserveCapacity(count)
    var iterator = self
    while let string = iterator.next() { list.append(string.copy()) }
    return list
  }

  /// The strings as text.
  func strings() -> [String] {
    var list: [String] = []
    list.reserveCapacity(count)
    var iterator = self
    while let string = iterator.next() { list.append(string.lossyString()) }
    return list
  }
}

extension Cursor {
  /// `n`, `n:m`, with `*` for the largest number in use.
  @_lifetime(self: copy self)
  mutating func setRange() throws(ParseError) -> (first: MessageBound, last: MessageBound) {
    let first = try setNumber()
    return (first, eat(UInt8(ascii: ":")) ? try setNumber() : first)
  }

  /// A sequence-set (RFC 9051, section 9). Its size is bounded by its line.
  @_lifetime(self: copy self)
  mutating func messageSet<Number: MessageNumber>() throws(ParseError) -> MessageSet<Number> {
    try setView().copy()
  }

  /// A sequence-set, borrowed.
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  mutating func setView() throws(ParseError) -> MessageSetView {
    let start = index
    repeat { _ = try setRange() } while eat(UInt8(ascii: ","))
    return try MessageSetView(bytes.extracting(start..<index))
  }

  @_lifetime(self: copy self)
  private mutating func setNumber() throws(ParseError) -> MessageBound {
    eat(UInt8(ascii: "*")) ? .star : MessageBound(try number32())
  }
}
