/// An ENVELOPE, borrowed: where its ten fields lie. Strings and addresses are decoded when asked for.
public struct EnvelopeView: ~Escapable {
  /// The whole value as on the wire, parentheses included.
  public let raw: ByteView
  private let starts: InlineArray<10, Int32>

  /// Finds the fields of the parenthesised list `bytes`. Fields that a server leaves out at the end are NIL.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) throws(ParseError) {
    var starts = InlineArray<10, Int32>(repeating: -1)
    var cursor = Cursor(bytes)
    try cursor.expect(UInt8(ascii: "("))
    for field in 0..<10 {
      cursor.skipSpaces()
      if cursor.peek == UInt8(ascii: ")") { break }
      starts[field] = Int32(truncatingIfNeeded: cursor.index)
      switch field {
      case 0, 1, 8, 9: _ = try cursor.nstring()
      default: if !cursor.eatNIL() { try cursor.skipValue(nesting: 2) }
      }
    }
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: ")"))
    raw = ByteView(bytes)
    self.starts = starts
  }

  /// The Date field.
  public var date: StringView? { @_lifetime(copy self) get { string(0) } }
  /// The Subject field, not decoded.
  public var subject: StringView? { @_lifetime(copy self) get { string(1) } }
  /// The From field.
  public var from: AddressListView { @_lifetime(copy self) get { addresses(2) } }
  /// The Sender field.
  public var sender: AddressListView { @_lifetime(copy self) get { addresses(3) } }
  /// The Reply-To field.
  public var replyTo: AddressListView { @_lifetime(copy self) get { addresses(4) } }
  /// The To field.
  public var to: AddressListView { @_lifetime(copy self) get { addresses(5) } }
  /// The Cc field.
  public var cc: AddressListView { @_lifetime(copy self) get { addresses(6) } }
  /// The Bcc field.
  public var bcc: AddressListView { @_lifetime(copy self) get { addresses(7) } }
  /// The In-Reply-To field.
  public var inReplyTo: StringView? { @_lifetime(copy self) get { string(8) } }
  /// The Message-ID field.
  public var messageID: StringView? { @_lifetime(copy self) get { string(9) } }

  /// An owned copy. Complexity: O(n); one allocation for each string and list.
  public func copy() -> Envelope {
    Envelope(
      date: bytes(0), subject: bytes(1), from: from.copy(), sender: sender.copy(), replyTo: replyTo.copy(),
      to: to.copy(), cc: cc.copy(), bcc: bcc.copy(), inReplyTo: bytes(8), messageID: bytes(9))
  }

  private func bytes(_ field: Int) -> [UInt8]? {
    switch string(field) {
    case .some(let view): view.copy()
    case .none: nil
    }
  }

  @_lifetime(copy self)
  private func string(_ field: Int) -> StringView? {
    var cursor = Cursor(raw.bytes, at: Int(starts[field]))
    // `init` read the same string before, so it does not fail here.
    guard starts[field] >= 0, let token = try? cursor.nstring() else { return nil }
    return StringView(raw.bytes, token)
  }

  @_lifetime(copy self)
  private func addresses(_ field: Int) -> AddressListView {
    AddressListView(Cursor(raw.bytes, at: starts[field] < 0 ? raw.count : Int(starts[field])))
  }
}

/// The addresses of one ENVELOPE field, borrowed. Iterate a copy.
public struct AddressListView: ~Escapable {
  private var cursor: Cursor

  /// Starts at the list's parenthesis, or at NIL.
  @_lifetime(copy cursor)
  init(_ cursor: Cursor) {
    self.cursor = cursor
    _ = self.cursor.eat(UInt8(ascii: "("))
  }

  /// The next address, or nil behind the last. Complexity: O(length of the address).
  @_lifetime(copy self)
  public mutating func next() -> AddressView? {
    while true {
      cursor.skipSpaces()
      guard cursor.peek == UInt8(ascii: "(") else {
        // A NIL among the addresses says nothing.
        if cursor.eatNIL() { continue }
        return nil
      }
      let start = cursor.index
      if let address = try? AddressView(&cursor) { return address }
      cursor.index = start
      guard (try? cursor.skipValue(nesting: 1)) != nil else { return nil }
    }
  }

  /// Owned addresses, in order.
  public func copy() -> [Address] {
    var list: [Address] = []
    var iterator = self
    while let address = iterator.next() { list.append(address.copy()) }
    return list
  }
}

/// One address, borrowed.
public struct AddressView: ~Escapable {
  private let bytes: Span<UInt8>
  private let nameToken: StringToken?
  private let routeToken: StringToken?
  private let mailboxToken: StringToken?
  private let hostToken: StringToken?

  @_lifetime(copy cursor)
  init(_ cursor: inout Cursor) throws(ParseError) {
    bytes = cursor.bytes
    try cursor.expect(UInt8(ascii: "("))
    cursor.skipSpaces()
    nameToken = try cursor.nstring()
    cursor.skipSpaces()
    routeToken = try cursor.nstring()
    cursor.skipSpaces()
    mailboxToken = try cursor.nstring()
    cursor.skipSpaces()
    hostToken = try cursor.nstring()
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: ")"))
  }

  /// The display name, not decoded.
  public var name: StringView? { @_lifetime(copy self) get { view(nameToken) } }
  /// The source route.
  public var route: StringView? { @_lifetime(copy self) get { view(routeToken) } }
  /// The part before `@`.
  public var mailbox: StringView? { @_lifetime(copy self) get { view(mailboxToken) } }
  /// The part behind `@`.
  public var host: StringView? { @_lifetime(copy self) get { view(hostToken) } }

  /// An owned copy.
  public func copy() -> Address {
    Address(name: bytes(nameToken), route: bytes(routeToken), mailbox: bytes(mailboxToken), host: bytes(hostToken))
  }

  @_lifetime(copy self)
  private func view(_ token: StringToken?) -> StringView? {
    guard let token else { return nil }
    return StringView(bytes, token)
  }

  private func bytes(_ token: StringToken?) -> [UInt8]? {
    token.map { StringView(bytes, $0).copy() }
  }
}
