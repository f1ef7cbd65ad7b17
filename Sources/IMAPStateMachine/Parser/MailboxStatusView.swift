/// A STATUS line, borrowed. Iterate a copy for the items.
public struct MailboxStatusView: ~Escapable {
  /// The mailbox's name as on the wire.
  public let name: StringView
  private let encoding: MailboxName.Encoding
  private var items: Cursor

  /// Reads `name (item value ...)`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    let name = try cursor.astring()
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: "("))
    self.name = StringView(bytes, name)
    self.encoding = encoding
    items = cursor
  }

  /// The next item's name and value, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> StatusItemView? {
    items.skipSpaces()
    guard let name = try? items.run(of: .token), let value = try? items.value() else { return nil }
    return StatusItemView(items.bytes, name, value)
  }

  /// An owned copy.
  public func copy() -> MailboxStatus {
    var status = MailboxStatus(mailbox: MailboxName(wire: name.copy(), encoding: encoding))
    var iterator = self
    while let item = iterator.next() {
      let name = asciiUppercased(item.name.lossyString())
      if let known = StatusItem(rawValue: name), item.fill(known, &status) { continue }
      status.others.append(RawItem(name: name, value: item.raw.copy()))
    }
    return status
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
  public var objectID: StringView? { @_lifetime(copy self) get { Self.objectID(raw.bytes) } }

  @_lifetime(copy bytes)
  static func objectID(_ bytes: Span<UInt8>) -> StringView? {
    var list = StringListView(bytes)
    return list.next()
  }

  /// Sets `item` of `status`. False where the value is none that the item has.
  fileprivate func fill(_ item: StatusItem, _ status: inout MailboxStatus) -> Bool {
    if item == .mailboxID {
      guard let id = objectID else { return false }
      status.mailboxID = id.lossyString()
    } else if let value {
      status[item] = value
    } else if item == .appendLimit, raw.equalsIgnoringCase("NIL") {
      status.appendLimit = AppendLimit.none
    } else {
      return false
    }
    return true
  }
}
