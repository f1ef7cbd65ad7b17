/// Flags, keywords or mailbox attributes, borrowed. Iterate a copy: `var flags = view; while let flag = flags.next() {}`.
public struct FlagListView: ~Escapable {
  private let bytes: Span<UInt8>
  private var index = 0

  /// Reads `(flag flag ...)`; parentheses, quotes around a flag and runs of spaces are stepped over.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  /// The next flag as on the wire, or nil behind the last. Complexity: O(length of the flag).
  @_lifetime(copy self)
  public mutating func next() -> ByteView? {
    while index < bytes.count, !ByteClass(of: bytes[index]).contains(.token) { index &+= 1 }
    if index == bytes.count { return nil }
    let start = index
    index = bytes.firstNot(.token, from: start)
    return ByteView(bytes.extracting(start..<index))
  }

  /// Owned flags, in order.
  public func copy() -> [Flag] {
    var flags: [Flag] = []
    var iterator = self
    while let flag = iterator.next() { flags.append(Flag(flag.lossyString())) }
    return flags
  }
}

/// Capabilities, borrowed. Iterate a copy.
public struct CapabilityListView: ~Escapable {
  private var tokens: FlagListView

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { tokens = FlagListView(bytes) }

  /// The next capability as on the wire, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> ByteView? { tokens.next() }

  /// Owned capabilities, in order.
  public func copy() -> [Capability] {
    var list: [Capability] = []
    var iterator = self
    while let name = iterator.next() { list.append(Capability(name.lossyString())) }
    return list
  }
}

/// A LIST or LSUB line, borrowed.
public struct MailboxListingView: ~Escapable {
  /// The attributes.
  public let attributes: FlagListView
  /// What separates the levels of the hierarchy; nil in a flat one.
  public let delimiter: UInt8?
  /// The name as on the wire.
  public let name: StringView
  private let encoding: MailboxName.Encoding

  /// Reads `(attributes) delimiter name`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    let start = cursor.index
    try cursor.skipValue(nesting: 1)
    let attributes = start..<cursor.index
    cursor.skipSpaces()
    let delimiter: StringToken? = try cursor.nstring()
    cursor.skipSpaces()
    let name: StringToken
    if cursor.peek == UInt8(ascii: "\"") || cursor.isAtLiteral {
      name = try cursor.string()
    } else {
      // Exchange sends names with tabs and spaces unquoted: the name is the rest of the line.
      let start = cursor.index
      var end = bytes.firstLF(from: start)
      while end > start, bytes[end - 1] == 0x0d || bytes[end - 1] == 0x20 { end -= 1 }
      if end == start { throw cursor.unexpected }
      name = StringToken(range: start..<end, hasEscapes: false)
    }
    self.attributes = FlagListView(bytes.extracting(attributes))
    // An escaped delimiter is `"\\"`: its last byte is the character.
    self.delimiter = delimiter.flatMap { $0.range.isEmpty ? nil : bytes[$0.range.upperBound - 1] }
    self.name = StringView(bytes, name)
    self.encoding = encoding
  }

  /// An owned copy.
  public func copy() -> MailboxListing {
    MailboxListing(
      attributes: attributes.copy(), delimiter: delimiter.map { Character(Unicode.Scalar($0)) },
      name: MailboxName(wire: name.copy(), encoding: encoding))
  }
}

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

  /// The next item's name and value, or nil behind the last. A value that is no number is stepped over.
  @_lifetime(copy self)
  public mutating func next() -> StatusItemView? {
    while true {
      items.skipSpaces()
      guard let name = try? items.run(of: .token) else { return nil }
      items.skipSpaces()
      let start = items.index
      if let value = try? items.number(), !ByteClass(of: items.peek).contains(.token) {
        return StatusItemView(name: ByteView(items.bytes.extracting(name)), value: value)
      }
      items.index = start
      guard (try? items.skipValue(nesting: 4)) != nil else { return nil }
    }
  }

  /// An owned copy. Items that ``StatusItem`` does not name are left out.
  public func copy() -> MailboxStatus {
    var status = MailboxStatus(mailbox: MailboxName(wire: name.copy(), encoding: encoding))
    var iterator = self
    while let item = iterator.next() {
      if let known = StatusItem(rawValue: asciiUppercased(item.name.lossyString())) { status[known] = item.value }
    }
    return status
  }
}

/// One item of a STATUS line, borrowed.
public struct StatusItemView: ~Escapable {
  /// The item's name as on the wire.
  public let name: ByteView
  /// Its value.
  public let value: UInt64

  @_lifetime(copy name)
  init(name: ByteView, value: UInt64) {
    self.name = name
    self.value = value
  }
}

/// The numbers of a SEARCH line, borrowed. Iterate a copy.
public struct SearchView: ~Escapable {
  private var cursor: Cursor

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { cursor = Cursor(bytes) }

  /// The next number, or nil behind the last. Anything else on the line is stepped over.
  @_lifetime(self: copy self)
  public mutating func next() -> UInt32? {
    while true {
      cursor.skipSpaces()
      let start = cursor.index
      if let number = try? cursor.number32() { return number }
      cursor.index = start
      // `(MODSEQ n)` ends the numbers (RFC 7162, section 3.1.5).
      if cursor.peek == UInt8(ascii: "(") || (try? cursor.run(of: .token)) == nil { return nil }
    }
  }

  /// An owned copy.
  public func copy() -> SearchResult {
    var result = SearchResult()
    var iterator = self
    while let number = iterator.next() { result.numbers.append(number) }
    result.modSeq = iterator.trailingModSeq()
    return result
  }

  @_lifetime(self: copy self)
  private mutating func trailingModSeq() -> ModSeq? {
    guard cursor.eat(UInt8(ascii: "(")), let name = try? cursor.run(of: .token),
      cursor.bytes.extracting(name).equalsIgnoringCase("MODSEQ")
    else { return nil }
    cursor.skipSpaces()
    return (try? cursor.number()).map { ModSeq(rawValue: $0) }
  }
}

/// An ID response, borrowed.
public struct IDView: ~Escapable {
  private let bytes: Span<UInt8>

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    self.bytes = bytes
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    try cursor.skipValue(nesting: 1)
  }

  /// The fields; nil where the server answers NIL.
  public func copy() -> [IDField]? {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    guard cursor.eat(UInt8(ascii: "(")) else { return nil }
    var fields: [IDField] = []
    while true {
      cursor.skipSpaces()
      // One server separates the fields by commas.
      _ = cursor.eat(UInt8(ascii: ","))
      cursor.skipSpaces()
      guard let name = try? cursor.astring() else { return fields }
      cursor.skipSpaces()
      if cursor.eatNIL() {
        fields.append(IDField(cursor.view(name).lossyString(), nil))
      } else if let value = try? cursor.astring() {
        fields.append(IDField(cursor.view(name).lossyString(), cursor.view(value).lossyString()))
      } else {
        return fields
      }
    }
  }
}

/// A NAMESPACE response, borrowed.
public struct NamespaceView: ~Escapable {
  private let bytes: Span<UInt8>
  private let encoding: MailboxName.Encoding

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    self.bytes = bytes
    self.encoding = encoding
    var cursor = Cursor(bytes)
    for _ in 0..<3 {
      cursor.skipSpaces()
      try cursor.skipValue(nesting: 4)
    }
  }

  /// An owned copy. A namespace that does not parse is left out.
  public func copy() -> Namespaces {
    var cursor = Cursor(bytes)
    let personal = list(&cursor)
    let others = list(&cursor)
    return Namespaces(personal: personal, otherUsers: others, shared: list(&cursor))
  }

  private func list(_ cursor: inout Cursor) -> [Namespaces.Namespace] {
    var list: [Namespaces.Namespace] = []
    cursor.skipSpaces()
    if !cursor.eat(UInt8(ascii: "(")) {
      _ = cursor.eatNIL()
      return list
    }
    while true {
      cursor.skipSpaces()
      if cursor.eat(UInt8(ascii: ")")) || cursor.isAtLineEnd { return list }
      let start = cursor.index
      if let namespace = try? namespace(&cursor) { list.append(namespace) }
      cursor.index = start
      guard (try? cursor.skipValue(nesting: 4)) != nil else { return list }
    }
  }

  private func namespace(_ cursor: inout Cursor) throws(ParseError) -> Namespaces.Namespace {
    try cursor.expect(UInt8(ascii: "("))
    let prefix = try cursor.string()
    cursor.skipSpaces()
    let delimiter: StringToken? = try cursor.nstring()
    let character = delimiter.flatMap { $0.range.isEmpty ? nil : cursor.bytes[$0.range.upperBound - 1] }
    return Namespaces.Namespace(
      prefix: MailboxName(wire: cursor.view(prefix).copy(), encoding: encoding),
      delimiter: character.map { Character(Unicode.Scalar($0)) })
  }
}

extension Cursor {
  /// Steps over one value: a string, a token, or a parenthesised list of values to any depth up to `nesting`.
  /// By iteration, so that no input can exhaust the stack.
  @_lifetime(self: copy self)
  mutating func skipValue(nesting limit: Int) throws(ParseError) {
    var depth = 0
    repeat {
      skipSpaces()
      switch peek {
      case UInt8(ascii: "("):
        depth += 1
        if depth > limit {
          throw ParseError(
            .limit(LimitExceeded(limit: .nesting, value: UInt64(limit), offset: index)), offset: index)
        }
        index += 1
      case UInt8(ascii: ")") where depth > 0:
        depth -= 1
        index += 1
      case UInt8(ascii: "\""): _ = try quoted()
      case UInt8(ascii: "{") where isAtLiteral, UInt8(ascii: "~") where isAtLiteral: _ = try literal()
      default: _ = try run(of: .token)
      }
    } while depth > 0
  }
}
