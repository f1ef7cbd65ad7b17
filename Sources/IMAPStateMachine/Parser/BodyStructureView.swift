/// A BODYSTRUCTURE or BODY, borrowed: its structure is decoded when asked for.
public struct BodyStructureView: ~Escapable {
  /// The whole value as on the wire, parentheses included.
  public let raw: ByteView
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) {
    raw = ByteView(bytes)
    self.nesting = nesting
  }

  /// The whole structure as an owned value. Throws where it does not parse. Complexity: O(n).
  public func copy() throws(ParseError) -> BodyStructure {
    var cursor = Cursor(raw.bytes)
    return try cursor.bodyStructure(nesting: nesting)
  }
}

extension Cursor {
  /// A body of RFC 9051, section 9. Recursion is bounded by `nesting`, which framing has enforced before.
  @_lifetime(self: copy self)
  mutating func bodyStructure(nesting: Int) throws(ParseError) -> BodyStructure {
    if nesting <= 0 { throw unexpected }
    try expect(UInt8(ascii: "("))
    skipSpaces()
    return peek == UInt8(ascii: "(") ? try multipart(nesting: nesting) : try part(nesting: nesting)
  }

  @_lifetime(self: copy self)
  private mutating func multipart(nesting: Int) throws(ParseError) -> BodyStructure {
    var multipart = BodyStructure.Multipart(parts: [], subtype: [])
    while peek == UInt8(ascii: "(") {
      multipart.parts.append(try bodyStructure(nesting: nesting - 1))
      skipSpaces()
    }
    multipart.subtype = try stringBytes()
    skipSpaces()
    if peek != UInt8(ascii: ")") {
      multipart.parameters = try bodyParameters()
      multipart.ext = try bodyExtension(nesting: nesting)
    }
    try expect(UInt8(ascii: ")"))
    return .multipart(multipart)
  }

  @_lifetime(self: copy self)
  private mutating func part(nesting: Int) throws(ParseError) -> BodyStructure {
    var part = BodyStructure.Part(type: try stringBytes(), subtype: [], octets: 0)
    skipSpaces()
    part.subtype = try stringBytes()
    part.parameters = try bodyParameters()
    skipSpaces()
    part.id = try nstringBytes()
    skipSpaces()
    part.description = try nstringBytes()
    skipSpaces()
    part.encoding = try stringBytes()
    skipSpaces()
    part.octets = try number()
    skipSpaces()
    let isText = part.type.span.equalsIgnoringCase("TEXT")
    let isMessage =
      part.type.span.equalsIgnoringCase("MESSAGE")
      && (part.subtype.span.equalsIgnoringCase("RFC822") || part.subtype.span.equalsIgnoringCase("GLOBAL"))
    if isText, peek &- 0x30 <= 9 {
      part.content = .text(lines: try number())
    } else if isMessage, peek == UInt8(ascii: "(") {
      let start = index
      try skipValue(nesting: 4)
      let envelope = try EnvelopeView(bytes.extracting(start..<index), nesting: nesting).copy()
      skipSpaces()
      let body = try bodyStructure(nesting: nesting - 1)
      skipSpaces()
      part.content = .message(envelope, body, lines: try number())
    }
    skipSpaces()
    if peek != UInt8(ascii: ")") {
      part.md5 = try nstringBytes()
      part.ext = try bodyExtension(nesting: nesting)
    }
    try expect(UInt8(ascii: ")"))
    return .single(part)
  }

  /// `NIL` or `(name value ...)`.
  @_lifetime(self: copy self)
  private mutating func bodyParameters() throws(ParseError) -> [BodyStructure.Parameter] {
    skipSpaces()
    if eatNIL() { return [] }
    try expect(UInt8(ascii: "("))
    var list: [BodyStructure.Parameter] = []
    while true {
      skipSpaces()
      if eat(UInt8(ascii: ")")) { return list }
      let name = try stringBytes()
      skipSpaces()
      list.append(BodyStructure.Parameter(name: name, value: try nstringBytes() ?? []))
    }
  }

  /// Disposition, language, location, then whatever later standards add, which is stepped over. Each may be missing.
  @_lifetime(self: copy self)
  private mutating func bodyExtension(nesting: Int) throws(ParseError) -> BodyStructure.Extension? {
    skipSpaces()
    if peek == UInt8(ascii: ")") { return nil }
    var ext = BodyStructure.Extension()
    if !eatNIL() {
      try expect(UInt8(ascii: "("))
      skipSpaces()
      ext.disposition = BodyStructure.Disposition(type: try stringBytes(), parameters: try bodyParameters())
      skipSpaces()
      try expect(UInt8(ascii: ")"))
    }
    skipSpaces()
    if peek == UInt8(ascii: ")") { return ext }
    if eat(UInt8(ascii: "(")) {
      skipSpaces()
      while !eat(UInt8(ascii: ")")) {
        ext.languages.append(try stringBytes())
        skipSpaces()
      }
    } else if let language = try nstringBytes() {
      ext.languages = [language]
    }
    skipSpaces()
    if peek == UInt8(ascii: ")") { return ext }
    ext.location = try nstringBytes()
    skipSpaces()
    while peek != UInt8(ascii: ")") {
      try skipValue(nesting: nesting)
      skipSpaces()
    }
    return ext
  }

  @_lifetime(self: copy self)
  private mutating func stringBytes() throws(ParseError) -> [UInt8] {
    let token = try string()
    return view(token).copy()
  }

  @_lifetime(self: copy self)
  private mutating func nstringBytes() throws(ParseError) -> [UInt8]? {
    guard let token = try nstring() else { return nil }
    return view(token).copy()
  }
}
