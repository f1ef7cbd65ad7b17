/// The name of a section in a FETCH response, borrowed: `BODY[HEADER.FIELDS (DATE)]<0>`, `RFC822.TEXT`.
public struct SectionView: ~Escapable {
  /// The item's name as on the wire.
  public let raw: ByteView
  /// Where a partial fetch starts; nil for a whole section.
  public let origin: UInt32?
  private let kind: Kind
  /// Between the brackets.
  private let specification: Range<Int>

  /// Which item the section belongs to.
  enum Kind {
    case body, rfc822, rfc822Header, rfc822Text, binary
    /// None that can be told: what is behind the brackets is no origin. It must not pass for the whole section.
    case other
  }

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ kind: Kind, specification: Range<Int>, origin: UInt32?) {
    raw = ByteView(bytes)
    self.kind = kind
    self.specification = specification
    self.origin = origin
  }

  /// Whether this is `BODY[]` or `RFC822`: the whole message.
  public var isWholeMessage: Bool { kind == .rfc822 || (kind == .body && specification.isEmpty) }

  /// The typed name; ``SectionName/other(_:)`` where the text between the brackets is no section.
  public func copy() -> SectionName {
    switch kind {
    case .other: return .other(raw.copy())
    case .rfc822: return .rfc822
    case .rfc822Header: return .rfc822Header
    case .rfc822Text: return .rfc822Text
    case .binary:
      var cursor = Cursor(raw.bytes.extracting(specification))
      guard let section = try? cursor.section(), cursor.isAtEnd, section.kind == .full else { return other }
      return .binary(section.part)
    case .body:
      var cursor = Cursor(raw.bytes.extracting(specification))
      guard let section = try? cursor.section(), cursor.isAtEnd else { return other }
      return .body(section)
    }
  }

  /// The name without its offset. Behind the specification is the closing bracket.
  private var other: SectionName {
    .other(raw.bytes.extracting(first: min(specification.upperBound &+ 1, raw.bytes.count)).copy())
  }
}

extension Cursor {
  /// A section-spec without its brackets (RFC 9051, section 9).
  @_lifetime(self: copy self)
  mutating func section() throws(ParseError) -> Section {
    var section = Section()
    while peek &- 0x30 <= 9 {
      let number = try number32()
      section.part.append(number, room: partsBehind)
      if !eat(UInt8(ascii: ".")) { return section }
    }
    if isAtEnd || peek == UInt8(ascii: "]") { return section }
    let start = index
    while ByteClass(of: peek).contains(.atom), peek != UInt8(ascii: "]") { index += 1 }
    let word = bytes.extracting(start..<index)
    if word.equalsIgnoringCase("HEADER") {
      section.kind = .header
    } else if word.equalsIgnoringCase("TEXT") {
      section.kind = .text
    } else if word.equalsIgnoringCase("MIME") {
      section.kind = .mime
    } else if word.equalsIgnoringCase("HEADER.FIELDS") {
      section.kind = .headerFields(try fieldNames())
    } else if word.equalsIgnoringCase("HEADER.FIELDS.NOT") {
      section.kind = .headerFieldsNot(try fieldNames())
    } else {
      throw ParseError(.invalidValue, offset: start)
    }
    return section
  }

  /// At most so many numbers of a part are still to come.
  private var partsBehind: Int {
    var probe = self
    var count = 0
    while probe.peek == UInt8(ascii: ".") || probe.peek &- 0x30 <= 9 {
      if probe.peek == UInt8(ascii: ".") { count += 1 }
      probe.index += 1
    }
    return count
  }

  @_lifetime(self: copy self)
  private mutating func fieldNames() throws(ParseError) -> [String] {
    skipSpaces()
    try expect(UInt8(ascii: "("))
    var names: [String] = []
    while true {
      skipSpaces()
      if eat(UInt8(ascii: ")")) { return names }
      let token = try astring()
      let name = view(token).lossyString()
      names.append(name, room: StringListView(rest).count)
    }
  }
}
