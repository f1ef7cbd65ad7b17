/// A BODYSTRUCTURE or BODY, borrowed: its structure is decoded when asked for, one level at a time.
public struct BodyStructureView: ~Escapable {
  /// The whole value as on the wire, parentheses included.
  public let raw: ByteView
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) {
    raw = ByteView(bytes)
    self.nesting = nesting
  }

  /// The fields of the outermost level. Throws where they make no sense. Complexity: O(n), no allocation.
  @_lifetime(copy self)
  public func fields() throws(ParseError) -> BodyFieldsView {
    BodyFieldsView(raw.bytes, try BodyLayout(raw.bytes), nesting: nesting)
  }

  /// The whole structure as an owned value. Throws where it does not parse. Complexity: O(n) for each level.
  public func copy() throws(ParseError) -> BodyStructure {
    // Framing has enforced the depth before; this bounds the recursion for every other caller.
    if nesting <= 0 { throw ParseError(.invalidValue, offset: 0) }
    return try fields().copy()
  }
}

/// One level of a body structure, borrowed: where its fields lie.
public struct BodyFieldsView: ~Escapable {
  private let bytes: Span<UInt8>
  private let layout: BodyLayout
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ layout: BodyLayout, nesting: Int) {
    self.bytes = bytes
    self.layout = layout
    self.nesting = nesting
  }

  /// Whether this is a multipart: then it has children, a subtype, parameters and extension data only.
  public var isMultipart: Bool { layout.kind == .multipart }
  /// The media type; nil for a multipart, and where the server gave none.
  public var type: StringView? { @_lifetime(copy self) get { view(layout.type) } }
  /// The media subtype; nil where the server gave none.
  public var subtype: StringView? { @_lifetime(copy self) get { view(layout.subtype) } }
  /// Content-Type parameters.
  public var parameters: BodyParameterListView {
    @_lifetime(copy self) get { BodyParameterListView(bytes.extracting(layout.parameters)) }
  }
  /// Content-ID.
  public var id: StringView? { @_lifetime(copy self) get { view(layout.id) } }
  /// Content-Description.
  public var description: StringView? { @_lifetime(copy self) get { view(layout.description) } }
  /// Content-Transfer-Encoding; nil where the server gave none, which is `7BIT`.
  public var encoding: StringView? { @_lifetime(copy self) get { view(layout.encoding) } }
  /// Size in transfer encoding. Servers are known to be wrong: never use it as an exact length.
  public var octets: UInt64 { layout.octets }
  /// The number of lines of a text or of a message inside the message; nil for anything else.
  public var lines: UInt64? { layout.kind == .text || layout.kind == .message ? layout.lines : nil }
  /// The header of a message inside the message; nil where there is none, or it does not parse.
  public var envelope: EnvelopeView? {
    @_lifetime(copy self) get {
      layout.kind == .message ? try? EnvelopeView(bytes.extracting(layout.envelope), nesting: nesting) : nil
    }
  }
  /// The children of a multipart, or the one body of a message inside the message.
  public var children: BodyListView {
    @_lifetime(copy self) get { BodyListView(bytes.extracting(layout.children), nesting: nesting &- 1) }
  }
  /// Content-MD5.
  public var md5: StringView? { @_lifetime(copy self) get { view(layout.md5) } }
  /// Whether there is extension data, not counting parameters and MD5. BODY has none.
  public var hasExtension: Bool { layout.hasExtension }
  /// Whether there is a Content-Disposition.
  public var hasDisposition: Bool { layout.hasDisposition }
  /// Its word; nil where the server gave an empty one, which is `attachment`.
  public var disposition: StringView? { @_lifetime(copy self) get { view(layout.dispositionType) } }
  /// Its parameters.
  public var dispositionParameters: BodyParameterListView {
    @_lifetime(copy self) get { BodyParameterListView(bytes.extracting(layout.dispositionParameters)) }
  }
  /// Content-Language.
  public var languages: StringListView {
    @_lifetime(copy self) get {
      let value = bytes.extracting(layout.languages)
      return StringListView(value.equalsIgnoringCase("NIL") ? bytes.extracting(0..<0) : value)
    }
  }
  /// Content-Location.
  public var location: StringView? { @_lifetime(copy self) get { view(layout.location) } }

  /// An owned copy, with defaults where the server left out what every part has (RFC 2045, section 5.2).
  public func copy() throws(ParseError) -> BodyStructure {
    if isMultipart {
      return .multipart(
        BodyStructure.Multipart(
          parts: try owned(children), subtype: owned(layout.subtype) ?? [], parameters: parameters.copy(),
          ext: layout.hasExtension ? ext : nil))
    }
    let type = owned(layout.type) ?? Array("APPLICATION".utf8)
    let subtype = owned(layout.subtype) ?? Self.defaultSubtype(type)
    return .single(
      BodyStructure.Part(
        type: type, subtype: subtype, parameters: parameters.copy(), id: owned(layout.id),
        description: owned(layout.description), encoding: owned(layout.encoding) ?? Array("7BIT".utf8),
        octets: octets, content: try content(), md5: owned(layout.md5),
        ext: layout.hasExtension ? ext : nil))
  }

  private var ext: BodyStructure.Extension {
    var disposition: BodyStructure.Disposition?
    if layout.hasDisposition {
      disposition = BodyStructure.Disposition(
        type: owned(layout.dispositionType) ?? Array("attachment".utf8), parameters: dispositionParameters.copy())
    }
    return BodyStructure.Extension(
      disposition: disposition, languages: languages.copy(), location: owned(layout.location))
  }

  private func content() throws(ParseError) -> BodyStructure.Part.Content {
    switch layout.kind {
    case .multipart, .basic: return .basic
    case .text: return .text(lines: layout.lines)
    case .message:
      let envelope: Envelope
      switch self.envelope {
      case .some(let view): envelope = view.copy()
      case .none: envelope = Envelope()
      }
      guard let body = try owned(children).first else { return .basic }
      return .message(envelope, body, lines: layout.lines)
    }
  }

  private func owned(_ list: borrowing BodyListView) throws(ParseError) -> [BodyStructure] {
    var parts: [BodyStructure] = []
    var iterator = copy list
    while let part = iterator.next() { parts.append(try part.copy()) }
    return parts
  }

  /// What RFC 2046 and usage make of a type alone.
  private static func defaultSubtype(_ type: [UInt8]) -> [UInt8] {
    if type.span.equalsIgnoringCase("TEXT") { return Array("PLAIN".utf8) }
    if type.span.equalsIgnoringCase("MESSAGE") { return Array("RFC822".utf8) }
    if type.span.equalsIgnoringCase("AUDIO") { return Array("BASIC".utf8) }
    return Array("OCTET-STREAM".utf8)
  }

  private func owned(_ token: StringToken?) -> [UInt8]? { token.map { StringView(bytes, $0).copy() } }

  @_lifetime(copy self)
  private func view(_ token: StringToken?) -> StringView? {
    guard let token else { return nil }
    return StringView(bytes, token)
  }
}

/// The children of a multipart, borrowed. Iterate a copy.
public struct BodyListView: ~Escapable {
  private var cursor: Cursor
  private let nesting: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, nesting: Int) {
    cursor = Cursor(bytes)
    self.nesting = nesting
  }

  /// The next child, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> BodyStructureView? {
    cursor.skipSpaces()
    guard cursor.peek == UInt8(ascii: "("), let range = try? cursor.value() else { return nil }
    return BodyStructureView(cursor.bytes.extracting(range), nesting: nesting)
  }
}

/// Parameters of a Content-Type or Content-Disposition, borrowed. Iterate a copy.
public struct BodyParameterListView: ~Escapable {
  private var cursor: Cursor

  /// Reads `(name value ...)`; anything else is no parameters.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    cursor = Cursor(bytes)
    if !cursor.eat(UInt8(ascii: "(")) { cursor.index = bytes.count }
  }

  /// The next parameter, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> AttributeView? {
    guard let name = try? cursor.anyString() else { return nil }
    let value: StringToken?
    do throws(ParseError) { value = try cursor.anyString() } catch { return nil }
    return AttributeView(cursor.bytes, name, value)
  }

  /// Owned parameters, in order. A value that is NIL is empty.
  public func copy() -> [BodyStructure.Parameter] {
    var list: [BodyStructure.Parameter] = []
    var iterator = self
    while let parameter = iterator.next() {
      list.append(BodyStructure.Parameter(name: parameter.name.copy(), value: parameter.copyValue() ?? []))
    }
    return list
  }
}
