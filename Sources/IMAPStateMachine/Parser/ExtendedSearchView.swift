/// An ESEARCH response (RFC 9051, section 7.3.4), borrowed. Iterate a copy for the items.
public struct ExtendedSearchView: ElementView, ~Escapable {
  /// Whether the numbers are UIDs.
  public let isUID: Bool
  /// The UID validity value of the mailbox that was searched (RFC 7377).
  public let uidValidity: UInt64?
  private let tagToken: StringToken?
  private let mailboxToken: StringToken?
  private let encoding: MailboxName.Encoding
  private var items: Cursor

  /// Reads `[(TAG tag [MAILBOX name UIDVALIDITY n])] [UID]`; what follows is read item by item.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    var correlator = SearchCorrelator()
    cursor.skipSpaces()
    if cursor.eat(UInt8(ascii: "(")) { try correlator.read(&cursor) }
    cursor.skipSpaces()
    let start = cursor.index
    let end = bytes.firstNot(.token, from: start)
    isUID = bytes.foldedWord(start..<end) == keyword("UID")
    if isUID { cursor.index = end }
    cursor.skipSpaces()
    // An example of RFC 5465, section 7 has the items in parentheses.
    _ = cursor.eat(UInt8(ascii: "("))
    tagToken = correlator.tag
    mailboxToken = correlator.mailbox
    uidValidity = correlator.uidValidity
    self.encoding = encoding
    items = cursor
  }

  /// The tag of the command that is answered; nil where the server did not say.
  public var tag: StringView? { @_lifetime(copy self) get { view(tagToken) } }

  /// The mailbox that was searched (RFC 7377).
  public var mailbox: StringView? { @_lifetime(copy self) get { view(mailboxToken) } }

  /// What is answered, as on the wire with its parentheses: tag, mailbox, and what else the server says there. Nil where it did
  /// not say.
  public var correlator: ByteView? {
    @_lifetime(copy self) get {
      var cursor = Cursor(items.bytes)
      cursor.skipSpaces()
      guard cursor.peek == UInt8(ascii: "("), let range = try? cursor.value() else { return nil }
      return ByteView(items.bytes.extracting(range))
    }
  }

  /// The next item, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> ExtendedSearchItemView? {
    items.skipSpaces()
    guard let name = try? items.run(of: .token) else {
      guard let rest = items.leftover() else { return nil }
      let error = ParseError(.unexpectedByte(items.bytes[rest.lowerBound]), offset: 0)
      return .invalid(
        name: ByteView(items.bytes.extracting(0..<0)), value: ByteView(items.bytes.extracting(rest)), error)
    }
    let behind = items.index
    if let value = try? items.value() { return ExtendedSearchItemView(items.bytes, name, value) }
    items.index = behind
    return ExtendedSearchItemView(items.bytes, name, behind..<behind)
  }

  /// Steps as ``next()`` does, without reading the value, which may be a long set.
  mutating func skip() -> Bool {
    items.skipSpaces()
    guard (try? items.run(of: .token)) != nil else { return items.leftover() != nil }
    let behind = items.index
    if (try? items.value()) == nil { items.index = behind }
    return true
  }

  /// An owned copy.
  public func copy() -> ExtendedSearchResult {
    var result = ExtendedSearchResult(uidValidity: uidValidity, isUID: isUID)
    if let tagToken { result.tag = StringView(items.bytes, tagToken).lossyString() }
    if let mailboxToken {
      result.mailbox = MailboxName(wire: StringView(items.bytes, mailboxToken).copy(), encoding: encoding)
    }
    var iterator = self
    while let item = iterator.next() { result.items.append(item.copy(isUID: isUID), room: iterator.remaining) }
    return result
  }

  @_lifetime(copy self)
  private func view(_ token: StringToken?) -> StringView? {
    guard let token else { return nil }
    return StringView(items.bytes, token)
  }
}

/// What an ESEARCH response answers.
private struct SearchCorrelator {
  var tag: StringToken?
  var mailbox: StringToken?
  var uidValidity: UInt64?

  /// Reads up to the closing parenthesis. Items that are not known are stepped over.
  mutating func read(_ cursor: inout Cursor) throws(ParseError) {
    while true {
      cursor.skipSpaces()
      if cursor.eat(UInt8(ascii: ")")) { return }
      let name = try cursor.run(of: .token)
      let word = cursor.bytes.extracting(name)
      cursor.skipSpaces()
      if word.equalsIgnoringCase("TAG") {
        tag = try cursor.astring()
      } else if word.equalsIgnoringCase("MAILBOX") {
        mailbox = try cursor.astring()
      } else if word.equalsIgnoringCase("UIDVALIDITY") {
        uidValidity = try cursor.number()
      } else {
        _ = try cursor.value()
      }
    }
  }
}

/// One item of an ESEARCH response, borrowed.
public enum ExtendedSearchItemView: ~Escapable {
  /// The lowest number found.
  case min(UInt32)
  /// The highest number found.
  case max(UInt32)
  /// How many messages were found.
  case count(UInt64)
  /// Everything that was found.
  case all(MessageSetView)
  /// The highest modification sequence of what was found.
  case modSeq(ModSeq)
  /// A part of the result; nil where the window is empty.
  case partial(SearchWindow, MessageSetView?)
  /// Messages that came to the result.
  case addTo(SearchUpdateListView)
  /// Messages that left it.
  case removeFrom(SearchUpdateListView)
  /// A score for each message of `ALL`.
  case relevancy(SearchView)
  /// An item that the parser does not know.
  case unknown(name: ByteView, value: ByteView)
  /// An item that it knows and cannot interpret, or bytes that are no item: their name is empty. The offset of the error
  /// counts from the value's first byte.
  case invalid(name: ByteView, value: ByteView, ParseError)

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ name: Range<Int>, _ value: Range<Int>) {
    let word = ByteView(bytes.extracting(name))
    let raw = ByteView(bytes.extracting(value))
    do throws(ParseError) {
      if raw.isEmpty { throw ParseError(.unexpectedEnd, offset: 0) }
      if let known = try Self.number(word, raw.bytes) {
        self = known
      } else if let known = try Self.list(word, raw.bytes) {
        self = known
      } else {
        self = .unknown(name: word, value: raw)
      }
    } catch {
      self = .invalid(name: word, value: raw, error)
    }
  }

  /// Items of one number or set.
  @_lifetime(copy value)
  private static func number(
    _ name: borrowing ByteView, _ value: Span<UInt8>
  ) throws(ParseError) -> ExtendedSearchItemView? {
    var cursor = Cursor(value)
    let item: ExtendedSearchItemView
    switch name.bytes.foldedWord(0..<name.count) {
    case keyword("MIN"): item = .min(try cursor.number32())
    case keyword("MAX"): item = .max(try cursor.number32())
    case keyword("COUNT"): item = .count(try cursor.quantity())
    case keyword("ALL"): return .all(try MessageSetView(value))
    case keyword("MODSEQ"):
      let isList = cursor.eat(UInt8(ascii: "("))
      cursor.skipSpaces()
      item = .modSeq(ModSeq(rawValue: try cursor.quantity()))
      cursor.skipSpaces()
      if isList { try cursor.expect(UInt8(ascii: ")")) }
    default: return nil
    }
    if !cursor.isAtEnd { throw cursor.unexpected }
    return item
  }

  /// Items of several.
  @_lifetime(copy value)
  private static func list(
    _ name: borrowing ByteView, _ value: Span<UInt8>
  ) throws(ParseError) -> ExtendedSearchItemView? {
    var cursor = Cursor(value)
    if name.equalsIgnoringCase("PARTIAL") { return try partial(&cursor) }
    if name.equalsIgnoringCase("ADDTO") { return .addTo(try SearchUpdateListView(value)) }
    if name.equalsIgnoringCase("REMOVEFROM") { return .removeFrom(try SearchUpdateListView(value)) }
    guard name.equalsIgnoringCase("RELEVANCY") else { return nil }
    try cursor.expect(UInt8(ascii: "("))
    let scores = SearchView(cursor.rest)
    try scores.expectNumbers()
    return .relevancy(scores)
  }

  /// `(window set)`.
  @_lifetime(copy cursor)
  private static func partial(_ cursor: inout Cursor) throws(ParseError) -> ExtendedSearchItemView {
    try cursor.expect(UInt8(ascii: "("))
    cursor.skipSpaces()
    let isFromEnd = cursor.eat(UInt8(ascii: "-"))
    let first = try cursor.number32()
    try cursor.expect(UInt8(ascii: ":"))
    if isFromEnd { try cursor.expect(UInt8(ascii: "-")) }
    let window = SearchWindow(first, try cursor.number32(), fromEnd: isFromEnd)
    cursor.skipSpaces()
    if cursor.eatNIL() {
      try cursor.expectListEnd()
      return .partial(window, nil)
    }
    let range = try cursor.run(of: .token)
    try cursor.expectListEnd()
    do throws(ParseError) {
      return .partial(window, try MessageSetView(cursor.bytes.extracting(range)))
    } catch {
      throw error.shifted(by: range.lowerBound)
    }
  }

  func copy(isUID: Bool) -> ExtendedSearchResult.Item {
    switch self {
    case .min(let number): return .min(number)
    case .max(let number): return .max(number)
    case .count(let count): return .count(count)
    case .all(let set): return .all(set.reference(isUID: isUID))
    case .modSeq(let value): return .modSeq(value)
    case .partial(let window, let set):
      switch set {
      case .some(let set): return .partial(window, set.reference(isUID: isUID))
      case .none: return .partial(window, nil)
      }
    case .addTo(let list): return .addTo(list.copy(isUID: isUID))
    case .removeFrom(let list): return .removeFrom(list.copy(isUID: isUID))
    case .relevancy(let scores): return .relevancy(scores.copy().numbers)
    case .unknown(let name, let value):
      return .unknown(name: name.uppercasedString(), value: value.copy())
    case .invalid(let name, let value, let error):
      return .invalid(InvalidItem(name: name.copy(), value: value.copy(), reason: error))
    }
  }
}

/// What came to a search result, or left it (RFC 5267, section 4.3), borrowed. Iterate a copy.
public struct SearchUpdateListView: ElementView, ~Escapable {
  private var cursor: Cursor

  /// Reads `(position set ...)`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    cursor = Cursor(bytes)
    try cursor.expect(UInt8(ascii: "("))
    var check = self
    while check.next() != nil {}
    try check.cursor.expectListEnd()
  }

  /// The next update, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> SearchUpdateView? {
    cursor.skipSpaces()
    let start = cursor.index
    if let position = try? cursor.number32() {
      cursor.skipSpaces()
      if let range = try? cursor.run(of: .token), let set = try? MessageSetView(cursor.bytes.extracting(range)) {
        return SearchUpdateView(position: position, messages: set)
      }
    }
    cursor.index = start
    return nil
  }

  mutating func skip() -> Bool { next() != nil }

  func copy(isUID: Bool) -> [ExtendedSearchResult.Update] {
    var list: [ExtendedSearchResult.Update] = []
    var iterator = self
    while let update = iterator.next() {
      list.append(
        ExtendedSearchResult.Update(
          position: update.position, messages: update.messages.reference(isUID: isUID)),
        room: iterator.remaining)
    }
    return list
  }
}

/// One update of a search result, borrowed.
public struct SearchUpdateView: ~Escapable {
  /// Where, counted from 1; 0 where the result has no order.
  public let position: UInt32
  /// Which messages.
  public let messages: MessageSetView

  @_lifetime(copy messages)
  init(position: UInt32, messages: MessageSetView) {
    self.position = position
    self.messages = messages
  }
}
