/// A METADATA response (RFC 5464, section 4.4), borrowed. Iterate a copy for the entries.
public struct MetadataView: ElementView, ~Escapable {
  /// The mailbox's name as on the wire; empty for the server.
  public let mailbox: StringView
  /// Whether the entries come with their values. Else they only changed.
  public let hasValues: Bool
  private let encoding: MailboxName.Encoding
  private var entries: Cursor

  /// Reads `mailbox (entry value ...)` or `mailbox entry ...`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    mailbox = StringView(bytes, try cursor.astring())
    cursor.skipSpaces()
    hasValues = cursor.eat(UInt8(ascii: "("))
    self.encoding = encoding
    entries = cursor
    var check = self
    while check.next() != nil {}
    try check.entries.expectListEnd()
  }

  /// The next entry, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> AttributeView? {
    hasValues ? entries.attribute() : entries.bareAttribute()
  }

  mutating func skip() -> Bool { next() != nil }

  /// An owned copy.
  public func copy() -> Metadata {
    let mailbox = MailboxName(wire: mailbox.copy(), encoding: encoding)
    var iterator = self
    if hasValues {
      var list: [Metadata.Entry] = []
      while let entry = iterator.next() {
        list.append(
          Metadata.Entry(name: entry.name.copy(), value: entry.copyValue()), room: iterator.remaining)
      }
      return Metadata(mailbox: mailbox, .values(list))
    }
    var names: [[UInt8]] = []
    while let entry = iterator.next() { names.append(entry.name.copy(), room: iterator.remaining) }
    return Metadata(mailbox: mailbox, .changed(names))
  }
}

/// A name with a value, borrowed.
public struct AttributeView: ~Escapable {
  /// The name.
  public let name: StringView
  /// The value; nil for NIL.
  public let value: StringView?

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ name: StringToken, _ value: StringToken?) {
    self.name = StringView(bytes, name)
    if let value { self.value = StringView(bytes, value) } else { self.value = nil }
  }

  @_lifetime(copy bytes)
  @inlinable
  @inline(__always)
  init(_ bytes: Span<UInt8>, _ name: PackedToken, _ value: PackedToken) {
    self.name = StringView(bytes, name)
    self.value = .optional(bytes, value)
  }

  /// An owned copy of the value.
  public func copyValue() -> [UInt8]? {
    switch value {
    case .some(let view): view.copy()
    case .none: nil
    }
  }

  /// The value as text.
  func valueString() -> String? {
    switch value {
    case .some(let view): view.lossyString()
    case .none: nil
    }
  }
}

/// The annotations of a message (RFC 5257, section 4.3), borrowed. Iterate a copy.
public struct AnnotationListView: ElementView, ~Escapable {
  private var cursor: Cursor

  /// Reads `(entry (attribute value ...) ...)`, or `(entry ...)`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    cursor = Cursor(bytes)
    try cursor.expect(UInt8(ascii: "("))
    var check = self
    while let annotation = check.next() {
      do throws(ParseError) {
        try annotation.expectEnd()
      } catch {
        throw ParseError(.invalidValue, offset: 0)
      }
    }
    try check.cursor.expectListEnd()
  }

  /// The next annotation, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> AnnotationView? {
    cursor.skipSpaces()
    let start = cursor.index
    guard let entry = try? cursor.astring() else {
      cursor.index = start
      return nil
    }
    cursor.skipSpaces()
    var attributes = cursor.index..<cursor.index
    if cursor.peek == UInt8(ascii: "("), let value = try? cursor.value() { attributes = value }
    return AnnotationView(cursor.bytes, entry, attributes)
  }

  mutating func skip() -> Bool { next() != nil }

  /// Owned annotations, in order.
  public func copy() -> [MessageAnnotation] {
    var list: [MessageAnnotation] = []
    var iterator = self
    while let annotation = iterator.next() { list.append(annotation.copy(), room: iterator.remaining) }
    return list
  }
}

/// One annotation of a message, borrowed. Iterate a copy for its attributes.
public struct AnnotationView: ElementView, ~Escapable {
  /// The entry's name.
  public let entry: StringView
  private var attributes: Cursor

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ entry: StringToken, _ attributes: Range<Int>) {
    self.entry = StringView(bytes, entry)
    self.attributes = Cursor(bytes.extracting(attributes))
    _ = self.attributes.eat(UInt8(ascii: "("))
  }

  /// The next attribute, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> AttributeView? { attributes.attribute() }

  mutating func skip() -> Bool { next() != nil }

  /// Throws where anything but attributes is among the attributes.
  func expectEnd() throws(ParseError) {
    var iterator = self
    while iterator.next() != nil {}
    try iterator.attributes.expectListEnd()
  }

  /// An owned copy.
  public func copy() -> MessageAnnotation {
    var annotation = MessageAnnotation(entry: entry.copy())
    var iterator = self
    while let attribute = iterator.next() {
      annotation.attributes.append(
        MessageAnnotation.Attribute(name: attribute.name.copy(), value: attribute.copyValue()),
        room: iterator.remaining)
    }
    return annotation
  }
}

extension Cursor {
  /// `name value`, or nil where there is none.
  @_lifetime(copy self)
  fileprivate mutating func attribute() -> AttributeView? {
    skipSpaces()
    let start = index
    do throws(ParseError) {
      let name = try astring()
      skipSpaces()
      return AttributeView(bytes, name, try nastring())
    } catch {
      index = start
      return nil
    }
  }

  /// A name that has no value behind it.
  @_lifetime(copy self)
  fileprivate mutating func bareAttribute() -> AttributeView? {
    skipSpaces()
    let start = index
    guard let name = try? astring() else {
      index = start
      return nil
    }
    return AttributeView(bytes, name, nil)
  }
}
