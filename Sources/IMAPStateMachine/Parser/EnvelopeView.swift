/// An ENVELOPE, borrowed: where its ten fields lie. Strings and addresses are decoded when asked for.
public struct EnvelopeView: ~Escapable {
  /// The whole value as on the wire, parentheses included.
  public let raw: ByteView
  private let layout: EnvelopeLayout

  /// Finds the fields of the parenthesised list `bytes`. Fields that a server leaves out at the end are NIL.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) throws(ParseError) {
    raw = ByteView(bytes)
    layout = try EnvelopeLayout(bytes)
  }

  @_lifetime(copy bytes)
  @inline(__always)
  init(_ bytes: Span<UInt8>, _ layout: EnvelopeLayout) {
    raw = ByteView(bytes)
    self.layout = layout
  }

  /// The Date field.
  public var date: StringView? { @_lifetime(copy self) get { .optional(raw.bytes, layout.date) } }
  /// The Subject field, not decoded.
  public var subject: StringView? { @_lifetime(copy self) get { .optional(raw.bytes, layout.subject) } }
  /// The From field.
  public var from: AddressListView { @_lifetime(copy self) get { addresses(0) } }
  /// The Sender field.
  public var sender: AddressListView { @_lifetime(copy self) get { addresses(1) } }
  /// The Reply-To field.
  public var replyTo: AddressListView { @_lifetime(copy self) get { addresses(2) } }
  /// The To field.
  public var to: AddressListView { @_lifetime(copy self) get { addresses(3) } }
  /// The Cc field.
  public var cc: AddressListView { @_lifetime(copy self) get { addresses(4) } }
  /// The Bcc field.
  public var bcc: AddressListView { @_lifetime(copy self) get { addresses(5) } }
  /// The In-Reply-To field.
  public var inReplyTo: StringView? { @_lifetime(copy self) get { .optional(raw.bytes, layout.inReplyTo) } }
  /// The Message-ID field.
  public var messageID: StringView? { @_lifetime(copy self) get { .optional(raw.bytes, layout.messageID) } }

  /// An owned copy. Complexity: O(n); one allocation for each string and list.
  public func copy() -> Envelope {
    Envelope(
      date: layout.date.copy(raw.bytes), subject: layout.subject.copy(raw.bytes), from: from.copy(),
      sender: sender.copy(), replyTo: replyTo.copy(), to: to.copy(), cc: cc.copy(), bcc: bcc.copy(),
      inReplyTo: layout.inReplyTo.copy(raw.bytes), messageID: layout.messageID.copy(raw.bytes))
  }

  @_lifetime(copy self)
  @inline(__always)
  private func addresses(_ list: Int) -> AddressListView {
    AddressListView(raw.bytes, at: Int(layout.lists[list]))
  }
}

/// Where the fields of an ENVELOPE lie, from the value's first byte.
struct EnvelopeLayout: BitwiseCopyable {
  fileprivate var date = PackedToken.missing
  fileprivate var subject = PackedToken.missing
  fileprivate var inReplyTo = PackedToken.missing
  fileprivate var messageID = PackedToken.missing
  /// Behind the parentheses of the lists of addresses, From to Bcc; 0 where there is none.
  fileprivate var lists = InlineArray<6, UInt32>(repeating: 0)

  /// Reads the forms that servers nearly always send; nil for any other. The scanner ends behind the value.
  @inline(__always)
  init?(_ scanner: inout Scanner, nesting: Int) {
    let start = scanner.index
    guard scanner.eat(UInt8(ascii: "(")) else { return nil }
    date = scanner.nstring()
    guard !date.isFailed, scanner.eat(0x20) else { return nil }
    subject = scanner.nstring()
    guard !subject.isFailed, scanner.eat(0x20) else { return nil }
    for list in 0..<6 {
      if scanner.peek == UInt8(ascii: "(") {
        lists[list] = UInt32(truncatingIfNeeded: scanner.index &+ 1 &- start)
        guard scanner.skipList(nesting: nesting &- 1) else { return nil }
      } else if !scanner.eatNIL() {
        return nil
      }
      guard scanner.eat(0x20) else { return nil }
    }
    inReplyTo = scanner.nstring()
    guard !inReplyTo.isFailed, scanner.eat(0x20) else { return nil }
    messageID = scanner.nstring()
    guard !messageID.isFailed, scanner.eat(UInt8(ascii: ")")) else { return nil }
    date = date.moved(by: start)
    subject = subject.moved(by: start)
    inReplyTo = inReplyTo.moved(by: start)
    messageID = messageID.moved(by: start)
  }

  /// Reads any form. Throws where `bytes` are no list.
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    var starts = InlineArray<10, Int>(repeating: -1)
    var cursor = Cursor(bytes)
    try cursor.expect(UInt8(ascii: "("))
    for field in 0..<10 {
      cursor.skipSpaces()
      if cursor.peek == UInt8(ascii: ")") { break }
      starts[field] = cursor.index
      _ = try cursor.value()
    }
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: ")"))
    // Of nine fields the last is In-Reply-To or Message-ID. What looks like an identifier is the message's own: every
    // message should have one (RFC 5322, section 3.6.4).
    if starts[9] < 0, starts[8] >= 0 {
      var last = Cursor(bytes, at: starts[8])
      if let token = try? last.nastring(), !token.range.isEmpty, bytes[token.range.lowerBound] == UInt8(ascii: "<") {
        starts[9] = starts[8]
        starts[8] = -1
      }
    }
    date = Self.string(bytes, starts[0])
    subject = Self.string(bytes, starts[1])
    for list in 0..<6 where starts[list + 2] >= 0 && bytes[starts[list + 2]] == UInt8(ascii: "(") {
      lists[list] = UInt32(truncatingIfNeeded: starts[list + 2] + 1)
    }
    inReplyTo = Self.string(bytes, starts[8])
    messageID = Self.string(bytes, starts[9])
  }

  /// A list in a string's place is no string.
  private static func string(_ bytes: Span<UInt8>, _ start: Int) -> PackedToken {
    if start < 0 { return .missing }
    var cursor = Cursor(bytes, at: start)
    return PackedToken(try? cursor.nastring())
  }
}

/// The addresses of one ENVELOPE field, borrowed. Iterate a copy.
public struct AddressListView: ~Escapable {
  private var scanner: Scanner

  /// Starts behind the list's parenthesis; 0 is no list.
  @_lifetime(copy bytes)
  @inline(__always)
  init(_ bytes: Span<UInt8>, at index: Int) {
    scanner = Scanner(bytes, at: index == 0 ? bytes.count : index)
  }

  /// The next address, or nil behind the last. What is no address, such as a NIL between two, is stepped over.
  /// Complexity: O(length of the address).
  @_lifetime(copy self)
  public mutating func next() -> AddressView? {
    let start = scanner.index
    if scanner.eat(UInt8(ascii: "(")) {
      if let address = AddressView(&scanner) { return address }
      scanner.index = start
    }
    return nextOfAnyForm()
  }

  @_lifetime(copy self)
  private mutating func nextOfAnyForm() -> AddressView? {
    var cursor = Cursor(scanner.bytes, at: scanner.index)
    while true {
      cursor.skipSpaces()
      if cursor.isAtListEnd { return nil }
      let start = cursor.index
      if cursor.peek == UInt8(ascii: "("), let address = try? AddressView(&cursor) {
        scanner.index = cursor.index
        return address
      }
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
  private let nameToken: PackedToken
  private let routeToken: PackedToken
  private let mailboxToken: PackedToken
  private let hostToken: PackedToken

  /// Reads `name route mailbox host)` as servers nearly always send it; nil for any other form.
  @_lifetime(copy scanner)
  @inline(__always)
  init?(_ scanner: inout Scanner) {
    let name = scanner.nstring()
    guard !name.isFailed, scanner.eat(0x20) else { return nil }
    let route = scanner.nstring()
    guard !route.isFailed, scanner.eat(0x20) else { return nil }
    let mailbox = scanner.nstring()
    guard !mailbox.isFailed, scanner.eat(0x20) else { return nil }
    // One server leaves the brackets of the address in these two.
    if !mailbox.isMissing, scanner.bytes[mailbox.lowerBound] == UInt8(ascii: "<") { return nil }
    let host = scanner.nstring()
    guard !host.isFailed, scanner.eat(UInt8(ascii: ")")) else { return nil }
    bytes = scanner.bytes
    nameToken = name
    routeToken = route
    mailboxToken = mailbox
    hostToken = host
  }

  /// Reads `(name route mailbox host)` in any form.
  @_lifetime(copy cursor)
  init(_ cursor: inout Cursor) throws(ParseError) {
    let fields = try AddressFields(&cursor)
    bytes = cursor.bytes
    nameToken = PackedToken(fields.name)
    routeToken = PackedToken(fields.route)
    mailboxToken = PackedToken(fields.mailbox)
    hostToken = PackedToken(fields.host)
  }

  /// The display name, not decoded.
  public var name: StringView? { @_lifetime(copy self) get { .optional(bytes, nameToken) } }
  /// The source route.
  public var route: StringView? { @_lifetime(copy self) get { .optional(bytes, routeToken) } }
  /// The part before `@`.
  public var mailbox: StringView? { @_lifetime(copy self) get { .optional(bytes, mailboxToken) } }
  /// The part behind `@`.
  public var host: StringView? { @_lifetime(copy self) get { .optional(bytes, hostToken) } }

  /// An owned copy.
  public func copy() -> Address {
    Address(
      name: nameToken.copy(bytes), route: routeToken.copy(bytes), mailbox: mailboxToken.copy(bytes),
      host: hostToken.copy(bytes))
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
