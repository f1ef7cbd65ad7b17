/// A STATUS line, borrowed. Iterate a copy for the items.
public struct MailboxStatusView: ElementView, ~Escapable {
  /// The mailbox's name as on the wire.
  public let name: StringView
  private let encoding: MailboxName.Encoding
  private var items: Cursor

  /// Reads `name (item value ...)`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    let name = try cursor.statusName()
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: "("))
    self.name = StringView(bytes, name)
    self.encoding = encoding
    items = cursor
  }

  /// The next item's name and value, or nil behind the last. What has no value has an empty one, and what is no item has
  /// an empty name.
  @_lifetime(copy self)
  public mutating func next() -> StatusItemView? {
    items.skipSpaces()
    guard let name = try? items.run(of: .token) else {
      guard let rest = items.leftover() else { return nil }
      return StatusItemView(items.bytes, rest.lowerBound..<rest.lowerBound, rest)
    }
    let behind = items.index
    if let value = try? items.value() { return StatusItemView(items.bytes, name, value) }
    items.index = behind
    return StatusItemView(items.bytes, name, behind..<behind)
  }

  mutating func skip() -> Bool { next() != nil }

  /// An owned copy.
  public func copy() -> MailboxStatus {
    var status = MailboxStatus(mailbox: MailboxName(wire: name.copy(), encoding: encoding))
    var iterator = self
    while let item = iterator.next() {
      do throws(ParseError) {
        if item.name.isEmpty || item.raw.isEmpty {
          throw ParseError(item.raw.isEmpty ? .unexpectedEnd : .invalidValue, offset: 0)
        }
        // What comes a second time is kept as it is.
        if let known = item.known, !status.has(known) {
          try item.fill(known, &status)
        } else {
          status.others.append(
            RawItem(name: item.name.uppercasedString(), value: item.raw.copy()), room: iterator.remaining)
        }
      } catch {
        status.invalid.append(
          InvalidItem(name: item.name.copy(), value: item.raw.copy(), reason: error), room: iterator.remaining)
      }
    }
    return status
  }
}

extension MailboxStatus {
  fileprivate func has(_ item: StatusItem) -> Bool {
    switch item {
    case .mailboxID: mailboxID != nil
    case .appendLimit: appendLimit != nil
    default: self[item] != nil
    }
  }
}

/// One item of a STATUS line, borrowed.
public struct StatusItemView: ~Escapable {
  /// The item's name as on the wire.
  public let name: ByteView
  /// Its value as on the wire.
  public let raw: ByteView
  /// The value where it is a number.
  public let value: UInt64?

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ name: Range<Int>, _ value: Range<Int>) {
    self.name = ByteView(bytes.extracting(name))
    raw = ByteView(bytes.extracting(value))
    var cursor = Cursor(raw.bytes)
    let number = try? cursor.quantity()
    self.value = cursor.isAtEnd ? number : nil
  }

  /// The value of ``StatusItem/mailboxID``: servers send it with and without its parentheses.
  public var objectID: StringView? { @_lifetime(copy self) get { try? Self.objectID(raw.bytes) } }

  /// `(id)`, or a bare id.
  @_lifetime(copy bytes)
  static func objectID(_ bytes: Span<UInt8>) throws(ParseError) -> StringView {
    var cursor = Cursor(bytes)
    let isList = cursor.eat(UInt8(ascii: "("))
    cursor.skipSpaces()
    let id = try cursor.astring()
    cursor.skipSpaces()
    if isList { try cursor.expect(UInt8(ascii: ")")) }
    if !cursor.isAtEnd { throw cursor.unexpected }
    return cursor.view(id)
  }

  /// The item of this name. Not by its raw value: to look for one allocates.
  fileprivate var known: StatusItem? {
    switch name.bytes.foldedWord(0..<name.count) {
    case keyword("MESSAGES"): return .messages
    case keyword("RECENT"): return .recent
    case keyword("UIDNEXT"): return .uidNext
    case keyword("UNSEEN"): return .unseen
    case keyword("DELETED"): return .deleted
    case keyword("SIZE"): return .size
    default: break
    }
    if name.equalsIgnoringCase("UIDVALIDITY") { return .uidValidity }
    if name.equalsIgnoringCase("HIGHESTMODSEQ") { return .highestModSeq }
    if name.equalsIgnoringCase("DELETED-STORAGE") { return .deletedStorage }
    if name.equalsIgnoringCase("APPENDLIMIT") { return .appendLimit }
    return name.equalsIgnoringCase("MAILBOXID") ? .mailboxID : nil
  }

  /// Sets `item` of `status`. Throws where the value is none that the item has.
  fileprivate func fill(_ item: StatusItem, _ status: inout MailboxStatus) throws(ParseError) {
    if item == .mailboxID {
      status.mailboxID = try Self.objectID(raw.bytes).lossyString()
    } else if item == .appendLimit, raw.equalsIgnoringCase("NIL") {
      status.appendLimit = AppendLimit.none
    } else {
      var cursor = Cursor(raw.bytes)
      let number = try cursor.quantity()
      if !cursor.isAtEnd { throw cursor.unexpected }
      status[item] = number
    }
  }
}

extension Cursor {
  /// A mailbox name before a parenthesis. Servers send names with spaces unquoted: such a name goes up to the last
  /// parenthesis that opens.
  @_lifetime(self: copy self)
  fileprivate mutating func statusName() throws(ParseError) -> StringToken {
    if peek == UInt8(ascii: "\"") || isAtWholeLiteral { return try string() }
    let word = try run(of: .token)
    var probe = self
    probe.skipSpaces()
    if probe.peek == UInt8(ascii: "(") { return StringToken(range: word, hasEscapes: false) }
    var end = bytes.count
    while end > word.upperBound, bytes[end - 1] != UInt8(ascii: "(") { end -= 1 }
    if end == word.upperBound { throw probe.unexpected }
    index = end - 1
    end -= 1
    while bytes[end - 1] == 0x20 { end -= 1 }
    return StringToken(range: word.lowerBound..<end, hasEscapes: false)
  }
}
