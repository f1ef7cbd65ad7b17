/// An ID response (RFC 2971), borrowed. Iterate a copy for the fields.
public struct IDView: ElementView, ~Escapable {
  /// Whether the server answers NIL.
  public let isNil: Bool
  private var cursor: Cursor

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    cursor = Cursor(bytes)
    cursor.skipSpaces()
    isNil = cursor.eatNIL()
    if !isNil { try cursor.expect(UInt8(ascii: "(")) }
    var check = self
    while check.next() != nil {}
    try check.cursor.expectListEnd()
  }

  /// The next field, or nil behind the last. One server separates names and values by commas. A last name without its
  /// value has none.
  @_lifetime(copy self)
  public mutating func next() -> AttributeView? {
    cursor.skipSeparators()
    if isNil { return nil }
    let start = cursor.index
    do throws(ParseError) {
      let name = try cursor.listedString()
      cursor.skipSeparators()
      if cursor.peek == UInt8(ascii: ")") || cursor.eatNIL() { return AttributeView(cursor.bytes, name, nil) }
      return AttributeView(cursor.bytes, name, try cursor.listedString())
    } catch {
      cursor.index = start
      return nil
    }
  }

  mutating func skip() -> Bool { next() != nil }

  /// The fields; nil where the server answers NIL.
  public func copy() -> [IDField]? {
    if isNil { return nil }
    var fields: [IDField] = []
    var iterator = self
    while let field = iterator.next() {
      fields.append(IDField(field.name.lossyString(), field.valueString()), room: iterator.remaining)
    }
    return fields
  }
}

extension Cursor {
  @_lifetime(self: copy self)
  fileprivate mutating func skipSeparators() {
    while peek == 0x20 || peek == UInt8(ascii: ",") { index &+= 1 }
  }

  /// A string whose closing quote may also stand before a comma.
  @_lifetime(self: copy self)
  mutating func listedString() throws(ParseError) -> StringToken {
    if !eat(0x22) { return try astring() }
    let start = index
    var hasEscapes = false
    while !isAtLineEnd {
      if peek == 0x22, peek(ahead: 1) == UInt8(ascii: ",") || ByteClass(of: peek(ahead: 1)).contains(.afterQuote) {
        index &+= 1
        return StringToken(range: start..<index &- 1, hasEscapes: hasEscapes)
      }
      if peek == 0x5c {
        hasEscapes = true
        index &+= 1
        if isAtLineEnd { break }
      }
      index &+= 1
    }
    throw ParseError(.unterminatedString, offset: start)
  }
}

/// A NAMESPACE response (RFC 2342), borrowed.
public struct NamespaceView: ~Escapable {
  /// The user's own mailboxes.
  public let personal: NamespaceListView
  /// Other users' mailboxes.
  public let otherUsers: NamespaceListView
  /// Mailboxes that are shared.
  public let shared: NamespaceListView
  private let encoding: MailboxName.Encoding

  /// Reads three lists or NILs. Those that a server leaves out at the end are NIL.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    self.encoding = encoding
    var cursor = Cursor(bytes)
    let personal = try cursor.value()
    let others = cursor.skipToLineEnd() ? 0..<0 : try cursor.value()
    let shared = cursor.skipToLineEnd() ? 0..<0 : try cursor.value()
    if !cursor.skipToLineEnd() { throw cursor.unexpected }
    self.personal = NamespaceListView(bytes.extracting(personal))
    otherUsers = NamespaceListView(bytes.extracting(others))
    self.shared = NamespaceListView(bytes.extracting(shared))
    try Self.expectList(bytes, personal)
    try Self.expectList(bytes, others)
    try Self.expectList(bytes, shared)
  }

  private static func expectList(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(ParseError) {
    do throws(ParseError) {
      try NamespaceListView(bytes.extracting(range)).expectList()
    } catch {
      throw error.shifted(by: range.lowerBound)
    }
  }

  /// An owned copy. A namespace that does not parse is in ``Namespaces/invalid``.
  public func copy() -> Namespaces {
    var namespaces = Namespaces()
    let count = personal.remaining + otherUsers.remaining + shared.remaining
    namespaces.personal = personal.copy(encoding, "PERSONAL", &namespaces.invalid, room: count)
    namespaces.otherUsers = otherUsers.copy(encoding, "OTHER", &namespaces.invalid, room: count)
    namespaces.shared = shared.copy(encoding, "SHARED", &namespaces.invalid, room: count)
    return namespaces
  }
}

/// The namespaces of one kind, borrowed. Iterate a copy.
public struct NamespaceListView: ElementView, ~Escapable {
  private var cursor: Cursor

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    cursor = Cursor(bytes)
    if !cursor.eatNIL() { _ = cursor.eat(UInt8(ascii: "(")) }
  }

  /// The next namespace, or nil behind the last. One that does not parse is stepped over.
  @_lifetime(copy self)
  public mutating func next() -> NamespaceItemView? {
    while let range = nextRange() {
      if let item = try? NamespaceItemView(cursor.bytes.extracting(range)) { return item }
    }
    return nil
  }

  mutating func skip() -> Bool { nextRange() != nil }

  private mutating func nextRange() -> Range<Int>? {
    cursor.skipSpaces()
    guard cursor.peek == UInt8(ascii: "(") else { return nil }
    return try? cursor.value()
  }

  /// Throws where anything but lists is in the list.
  fileprivate func expectList() throws(ParseError) {
    var list = self
    while list.nextRange() != nil {}
    try list.cursor.expectListEnd()
  }

  fileprivate func copy(
    _ encoding: MailboxName.Encoding, _ kind: String, _ invalid: inout [InvalidItem], room: Int
  ) -> [Namespaces.Namespace] {
    var list: [Namespaces.Namespace] = []
    var iterator = self
    while let range = iterator.nextRange() {
      let bytes = cursor.bytes.extracting(range)
      do throws(ParseError) {
        let item = try NamespaceItemView(bytes)
        list.append(item.copy(encoding), room: iterator.remaining)
        guard let rest = item.leftover(), !rest.isEmpty else { continue }
        let error = ParseError(.unexpectedByte(rest.bytes[0]), offset: 0)
        invalid.append(InvalidItem(name: Array(kind.utf8), value: rest.copy(), reason: error), room: room)
      } catch {
        invalid.append(InvalidItem(name: Array(kind.utf8), value: bytes.copy(), reason: error), room: room)
      }
    }
    return list
  }
}

/// One namespace, borrowed. Iterate a copy for its extensions.
public struct NamespaceItemView: ElementView, ~Escapable {
  /// What its mailbox names start with.
  public let prefix: StringView
  /// What separates the levels of its hierarchy; nil in a flat one.
  public let delimiter: UInt8?
  private var extensions: Cursor

  /// Reads `(prefix delimiter [extension (value ...) ...])`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    var cursor = Cursor(bytes)
    try cursor.expect(UInt8(ascii: "("))
    cursor.skipSpaces()
    let prefix = try cursor.astring()
    cursor.skipSpaces()
    let delimiter: StringToken? = try cursor.nastring()
    self.prefix = StringView(bytes, prefix)
    self.delimiter = delimiter.flatMap { Cursor.delimiter(bytes, $0) }
    extensions = cursor
    if let delimiter, !delimiter.range.isEmpty, self.delimiter == nil {
      throw ParseError(.invalidValue, offset: delimiter.range.lowerBound)
    }
  }

  /// What is behind the last extension and should not be.
  @_lifetime(copy self)
  fileprivate func leftover() -> ByteView? {
    var iterator = self
    while iterator.next() != nil {}
    // The last byte is the parenthesis that closes the namespace.
    guard let rest = iterator.extensions.leftover() else { return nil }
    return ByteView(extensions.bytes.extracting(rest.lowerBound..<rest.upperBound - 1))
  }

  /// The next extension, or nil behind the last (RFC 2342, section 6).
  @_lifetime(copy self)
  public mutating func next() -> NamespaceExtensionView? {
    extensions.skipSpaces()
    let start = extensions.index
    guard let name = try? extensions.astring(), let values = try? extensions.value() else {
      extensions.index = start
      return nil
    }
    return NamespaceExtensionView(extensions.bytes, name, values)
  }

  mutating func skip() -> Bool { next() != nil }

  fileprivate func copy(_ encoding: MailboxName.Encoding) -> Namespaces.Namespace {
    var namespace = Namespaces.Namespace(
      prefix: MailboxName(wire: prefix.copy(), encoding: encoding),
      delimiter: delimiter.map { Character(Unicode.Scalar($0)) })
    var iterator = self
    while let item = iterator.next() {
      namespace.extensions.append(
        Namespaces.Extension(name: item.name.copy(), values: item.values.copy()), room: iterator.remaining)
    }
    return namespace
  }
}

/// What an extension says of a namespace, borrowed.
public struct NamespaceExtensionView: ~Escapable {
  /// The extension's name.
  public let name: StringView
  /// Its values.
  public let values: StringListView

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ name: StringToken, _ values: Range<Int>) {
    self.name = StringView(bytes, name)
    self.values = StringListView(bytes.extracting(values))
  }
}
