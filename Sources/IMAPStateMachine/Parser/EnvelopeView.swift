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
      _ = try cursor.value()
    }
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: ")"))
    // Of nine fields the last is In-Reply-To or Message-ID. What looks like an identifier is the message's own: every
    // message should have one (RFC 5322, section 3.6.4).
    if starts[9] < 0, starts[8] >= 0 {
      var last = Cursor(bytes, at: Int(starts[8]))
      if let token = try? last.nastring(), !token.range.isEmpty, bytes[token.range.lowerBound] == UInt8(ascii: "<") {
        starts[9] = starts[8]
        starts[8] = -1
      }
    }
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
    // A list in a string's place is no string.
    guard starts[field] >= 0, let token = try? cursor.nastring() else { return nil }
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

  /// Starts at the list's parenthesis. Anything else is no list.
  @_lifetime(copy cursor)
  init(_ cursor: Cursor) {
    self.cursor = cursor
    if !self.cursor.eat(UInt8(ascii: "(")) { self.cursor.index = cursor.bytes.count }
  }

  /// The next address, or nil behind the last. What is no address, such as a NIL between two, is stepped over.
  /// Complexity: O(length of the address).
  @_lifetime(copy self)
  public mutating func next() -> AddressView? {
    while true {
      cursor.skipSpaces()
      if cursor.isAtListEnd { return nil }
      let start = cursor.index
      if cursor.peek == UInt8(ascii: "("), let address = try? AddressView(&cursor) { return address }
      cursor.index = start
      guard (try? cursor.value()) != nil else { return nil }
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

  /// Reads `(name route mailbox host)`.
  @_lifetime(copy cursor)
  init(_ cursor: inout Cursor) throws(ParseError) {
    let fields = try AddressFields(&cursor)
    bytes = cursor.bytes
    nameToken = fields.name
    routeToken = fields.route
    mailboxToken = fields.mailbox
    hostToken = fields.host
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

/// Where the four strings of an address lie.
private struct AddressFields {
  var name: StringToken?
  var route: StringToken?
  var mailbox: StringToken?
  var host: StringToken?

  /// Reads the list. A server that counts a literal in characters lets it end early, and the rest of it comes as further
  /// strings: the last three are route, mailbox and host, what is before them is the name.
  init(_ cursor: inout Cursor) throws(ParseError) {
    try cursor.expect(UInt8(ascii: "("))
    var count = 0
    var nameStart = 0
    // Behind route, mailbox and host.
    var ends = (0, 0, 0)
    while true {
      cursor.skipSpaces()
      if cursor.eat(UInt8(ascii: ")")) { break }
      let start = cursor.index
      let token: StringToken? = try cursor.nastring()
      switch count {
      case 0: (name, nameStart) = (token, token?.range.lowerBound ?? start)
      case 1: (route, ends.0) = (token, cursor.index)
      case 2: (mailbox, ends.1) = (token, cursor.index)
      case 3: (host, ends.2) = (token, cursor.index)
      default:
        name = StringToken(range: nameStart..<ends.0, hasEscapes: false)
        (route, mailbox, host) = (mailbox, host, token)
        ends = (ends.1, ends.2, cursor.index)
      }
      count += 1
    }
    if count == 0 { throw cursor.unexpected }
    stripBrackets(cursor.bytes)
  }

  /// `<mailbox` and `host>`: the brackets belong to neither.
  private mutating func stripBrackets(_ bytes: Span<UInt8>) {
    guard let left = mailbox?.range, let right = host?.range, !left.isEmpty, !right.isEmpty,
      bytes[left.lowerBound] == UInt8(ascii: "<"), bytes[right.upperBound - 1] == UInt8(ascii: ">")
    else { return }
    mailbox?.range = left.lowerBound + 1..<left.upperBound
    host?.range = right.lowerBound..<right.upperBound - 1
  }
}
