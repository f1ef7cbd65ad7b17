/// A LIST, LSUB or XLIST line, borrowed.
public struct MailboxListingView: ~Escapable {
  /// The attributes.
  public let attributes: FlagListView
  /// What separates the levels of the hierarchy; nil in a flat one.
  public let delimiter: UInt8?
  /// The name as on the wire.
  public let name: StringView
  /// Extended data (RFC 5258, section 6; RFC 9051, section 7.3.1).
  public let extended: ListExtensionView
  /// Whether the line was XLIST.
  public let isXList: Bool
  private let encoding: MailboxName.Encoding

  /// Reads `(attributes) delimiter name [(extended data)]`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding, isXList: Bool = false) throws(ParseError) {
    var cursor = Cursor(bytes)
    let attributes = try cursor.value()
    cursor.skipSpaces()
    let delimiter: StringToken? = try cursor.nastring()
    cursor.skipSpaces()
    let name = try cursor.listedName()
    self.attributes = FlagListView(bytes.extracting(attributes))
    self.delimiter = delimiter.flatMap { Cursor.delimiter(bytes, $0) }
    self.name = StringView(bytes, name)
    extended = ListExtensionView(cursor)
    self.encoding = encoding
    self.isXList = isXList
  }

  /// Reads `* LIST (attributes) "delimiter" name` and its line end as servers nearly always send it; nil for any other form.
  @_lifetime(copy line)
  init?(quick line: Span<UInt8>, _ encoding: MailboxName.Encoding) {
    let close = line.firstNotFlag(from: 8)
    // ` "/" `
    let word = line.paddedWord(at: close &+ 1)
    let character = UInt8(truncatingIfNeeded: word &>> 16)
    guard close < line.count, line[close] == UInt8(ascii: ")"), word & 0xff_ff00_ffff == 0x20_2200_2220,
      character != 0x22, character != 0x5c
    else { return nil }
    let start = close &+ 6
    var scanner = Scanner(line, at: start)
    if scanner.peek == 0x22 {
      let token = scanner.quoted()
      if token.isFailed { return nil }
      name = StringView(line, token)
    } else {
      scanner.index = line.firstNotToken(from: start)
      if scanner.index == start || line[start] == UInt8(ascii: "{") || line[start] == UInt8(ascii: "~") { return nil }
      name = StringView(line, PackedToken(start..<scanner.index))
    }
    guard scanner.eat(0x0d), scanner.eat(0x0a), scanner.index == line.count else { return nil }
    attributes = FlagListView(line.extracting(0...close), plainAt: 7)
    delimiter = character
    extended = ListExtensionView(Cursor(line, at: line.count))
    self.encoding = encoding
    isXList = false
  }

  /// What stands for the delimiter and is more than one character.
  public var invalidDelimiter: ByteView? {
    @_lifetime(copy self) get {
      if delimiter != nil { return nil }
      var cursor = Cursor(extended.bytes)
      guard (try? cursor.value()) != nil else { return nil }
      cursor.skipSpaces()
      guard let token = try? cursor.nastring(), !token.range.isEmpty else { return nil }
      return ByteView(extended.bytes.extracting(token.range))
    }
  }

  /// An owned copy.
  public func copy() -> MailboxListing {
    var listing = MailboxListing(
      attributes: attributes.copy(), delimiter: delimiter.map { Character(Unicode.Scalar($0)) },
      name: MailboxName(wire: name.copy(), encoding: encoding))
    listing.isXList = isXList
    if let raw = invalidDelimiter {
      listing.invalid.append(
        InvalidItem(name: Array("DELIMITER".utf8), value: raw.copy(), reason: ParseError(.invalidValue, offset: 0)),
        room: extended.remaining)
    }
    var iterator = extended
    while let item = iterator.next() {
      switch item {
      case .childInfo(let words) where listing.childInfo.isEmpty: listing.childInfo = words.strings()
      case .childInfo(let words): listing.childInfo += words.strings()
      case .oldName(let name) where listing.oldName == nil:
        listing.oldName = MailboxName(wire: name.copy(), encoding: encoding)
      case .oldName(let name):
        listing.invalid.append(
          InvalidItem(name: Array("OLDNAME".utf8), value: name.copy(), reason: ParseError(.invalidValue, offset: 0)),
          room: iterator.remaining)
      case .unknown(let name, let value):
        listing.extended.append(
          RawItem(name: name.lossyString(), value: value.copy()), room: iterator.remaining)
      case .invalid(let name, let value, let error):
        listing.invalid.append(
          InvalidItem(name: name.copy(), value: value.copy(), reason: error), room: iterator.remaining)
      }
    }
    return listing
  }
}

/// The extended data of a LIST line, borrowed. Iterate a copy.
public struct ListExtensionView: ElementView, ~Escapable {
  private var cursor: Cursor

  /// Starts behind the mailbox's name.
  @_lifetime(copy cursor)
  init(_ cursor: Cursor) {
    self.cursor = cursor
    self.cursor.skipSpaces()
    _ = self.cursor.eat(UInt8(ascii: "("))
  }

  /// What the line is behind its name.
  var bytes: Span<UInt8> { @_lifetime(copy self) get { cursor.bytes } }

  /// The next item, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> ListExtensionItemView? {
    cursor.skipSpaces()
    let start = cursor.index
    guard let token = try? cursor.astring(), let range = try? cursor.value() else {
      cursor.index = start
      guard let rest = cursor.leftover() else { return nil }
      let error = ParseError(.unexpectedByte(cursor.bytes[rest.lowerBound]), offset: 0)
      return .invalid(
        name: ByteView(cursor.bytes.extracting(0..<0)), value: ByteView(cursor.bytes.extracting(rest)), error)
    }
    let name = StringView(cursor.bytes, token)
    let value = cursor.bytes.extracting(range)
    if name.equalsIgnoringCase("CHILDINFO") { return .childInfo(FlagListView(value)) }
    if name.equalsIgnoringCase("OLDNAME") {
      var names = StringListView(value)
      if let old = names.next(), names.next() == nil { return .oldName(old) }
      return .invalid(name: name.raw, value: ByteView(value), ParseError(.invalidValue, offset: 0))
    }
    return .unknown(name: name, value: ByteView(value))
  }

  mutating func skip() -> Bool { next() != nil }
}

/// One item of the extended data of a LIST line, borrowed.
public enum ListExtensionItemView: ~Escapable {
  /// Which selection options the mailbox's children match.
  case childInfo(FlagListView)
  /// What the mailbox was called before.
  case oldName(StringView)
  /// An item that the parser does not know.
  case unknown(name: StringView, value: ByteView)
  /// An item that cannot be interpreted, or bytes that are no item: their name is empty. The offset of the error counts
  /// from the value's first byte.
  case invalid(name: ByteView, value: ByteView, ParseError)
}

extension Cursor {
  /// The one character of a delimiter, which is escaped in `"\\"`; nil where it is none.
  static func delimiter(_ bytes: Span<UInt8>, _ token: StringToken) -> UInt8? {
    switch token.range.count {
    case 1: bytes[token.range.lowerBound]
    case 2 where token.hasEscapes: bytes[token.range.upperBound - 1]
    default: nil
    }
  }

  /// A mailbox name at the end of a line, or before extended data. Exchange sends names with tabs and spaces unquoted:
  /// such a name is the rest of the line.
  @_lifetime(self: copy self)
  fileprivate mutating func listedName() throws(ParseError) -> StringToken {
    if peek == UInt8(ascii: "\"") || isAtWholeLiteral { return try string() }
    let start = index
    let word = bytes.firstNot(.token, from: start)
    var end = word
    if !isExtendedData(at: word) {
      end = bytes.firstLF(from: start)
      while end > start, bytes[end - 1] == 0x0d || bytes[end - 1] == 0x20 { end -= 1 }
    }
    if end == start { throw unexpected }
    index = end
    return StringToken(range: start..<end, hasEscapes: false)
  }

  /// Whether ` (name value ...)` and the line's end are at `start`, each value a list or a number (RFC 4466, section 6:
  /// tagged-ext-val). Anything else belongs to a name with parentheses in it.
  private func isExtendedData(at start: Int) -> Bool {
    var probe = Cursor(bytes, at: start)
    guard probe.eat(0x20) else { return false }
    probe.skipSpaces()
    guard probe.eat(UInt8(ascii: "(")) else { return false }
    probe.skipSpaces()
    if probe.eat(UInt8(ascii: ")")) { return probe.skipToLineEnd() }
    while true {
      probe.skipSpaces()
      guard (try? probe.astring()) != nil else { return false }
      probe.skipSpaces()
      guard probe.peek == UInt8(ascii: "(") || probe.peek &- 0x30 <= 9, (try? probe.value()) != nil else {
        return false
      }
      probe.skipSpaces()
      if probe.eat(UInt8(ascii: ")")) { return probe.skipToLineEnd() }
    }
  }
}
