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

  /// All levels, one after the other, in the order of the wire. Complexity: O(n) for the whole walk, no allocation.
  public var walk: BodyWalkView {
    @_lifetime(copy self) get { BodyWalkView(raw.bytes, nesting: nesting) }
  }

  /// The fields of the outermost level. Throws where they make no sense. Complexity: O(n), no allocation.
  @_lifetime(copy self)
  public func fields() throws(ParseError) -> BodyFieldsView {
    BodyFieldsView(raw.bytes, try BodyLayout(raw.bytes), nesting: nesting)
  }

  /// The whole structure as an owned value. Throws where it does not parse. Complexity: O(n).
  public func copy() throws(ParseError) -> BodyStructure {
    var open: [OpenBody] = []
    var walk = walk
    while let step = try walk.next() {
      let element: BodyStructure
      switch step {
      case .part(let fields): element = .single(fields.copyPart())
      case .multipartBegin:
        open.append(OpenBody())
        continue
      case .messageBegin(let fields):
        open.append(OpenBody(part: fields.copyPart(), envelope: fields.copyEnvelope()))
        continue
      case .messageEnd(let fields): element = open.popLast()?.message(fields) ?? .single(fields.copyPart())
      case .multipartEnd(let fields): element = fields.copyMultipart(open.popLast()?.parts ?? [])
      }
      guard let innermost = open.indices.last else { return element }
      open[innermost].parts.append(element)
    }
    throw ParseError(.unexpectedEnd, offset: raw.count)
  }
}

/// A multipart or message whose end was not read yet.
private struct OpenBody {
  var parts: [BodyStructure] = []
  var part: BodyStructure.Part?
  var envelope = Envelope()

  /// The message, whose end is `fields`.
  func message(_ fields: borrowing BodyFieldsView) -> BodyStructure? {
    guard var part else { return nil }
    part.md5 = fields.copyMD5()
    part.ext = fields.copyExtension()
    if let body = parts.first { part.content = .message(envelope, body, lines: fields.lines ?? 0) }
    return .single(part)
  }
}

/// One level of a body structure, borrowed: where its fields lie.
public struct BodyFieldsView: ~Escapable {
  private let bytes: Span<UInt8>
  private let layout: BodyLayout
  private let nesting: Int

  @_lifetime(copy bytes)
  @inline(__always)
  init(_ bytes: Span<UInt8>, _ layout: BodyLayout, nesting: Int) {
    self.bytes = bytes
    self.layout = layout
    self.nesting = nesting
  }

  /// Whether this is a multipart: then it has children, a subtype, parameters and extension data only.
  public var isMultipart: Bool { layout.kind == .multipart }
  /// The media type; nil for a multipart, and where the server gave none.
  public var type: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.type) } }
  /// The media subtype; nil where the server gave none.
  public var subtype: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.subtype) } }
  /// Content-Type parameters.
  public var parameters: BodyParameterListView {
    @_lifetime(copy self) get { BodyParameterListView(bytes.extracting(layout.parameters.range)) }
  }
  /// Content-ID.
  public var id: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.id) } }
  /// Content-Description.
  public var description: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.description) } }
  /// Content-Transfer-Encoding; nil where the server gave none, which is `7BIT`.
  public var encoding: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.encoding) } }
  /// Size in transfer encoding. Servers are known to be wrong: never use it as an exact length.
  public var octets: UInt64 { layout.octets }
  /// The number of lines of a text or of a message inside the message; nil for anything else.
  public var lines: UInt64? { layout.kind == .text || layout.kind == .message ? layout.lines : nil }
  /// The header of a message inside the message; nil where there is none, or it does not parse.
  public var envelope: EnvelopeView? {
    @_lifetime(copy self) get {
      layout.kind == .message ? try? EnvelopeView(bytes.extracting(layout.envelope.range), nesting: nesting) : nil
    }
  }
  /// The children of a multipart, or the one body of a message inside the message.
  public var children: BodyListView {
    @_lifetime(copy self) get { BodyListView(bytes.extracting(layout.children.range), nesting: nesting &- 1) }
  }
  /// Content-MD5.
  public var md5: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.md5) } }
  /// Whether there is extension data, not counting parameters and MD5. BODY has none.
  public var hasExtension: Bool { layout.hasExtension }
  /// Whether there is a Content-Disposition.
  public var hasDisposition: Bool { layout.hasDisposition }
  /// Its word; nil where the server gave an empty one, which is `attachment`.
  public var disposition: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.dispositionType) } }
  /// Its parameters.
  public var dispositionParameters: BodyParameterListView {
    @_lifetime(copy self) get { BodyParameterListView(bytes.extracting(layout.dispositionParameters.range)) }
  }
  /// Content-Language.
  public var languages: StringListView {
    @_lifetime(copy self) get { StringListView(bytes.extracting(layout.languages.range)) }
  }
  /// Content-Location.
  public var location: StringView? { @_lifetime(copy self) get { .optional(bytes, layout.location) } }

  /// An owned part without what a message holds, with defaults where the server left out what every part has (RFC 2045,
  /// section 5.2).
  fileprivate func copyPart() -> BodyStructure.Part {
    let type = layout.type.copy(bytes) ?? Array("APPLICATION".utf8)
    return BodyStructure.Part(
      type: type, subtype: layout.subtype.copy(bytes) ?? Self.defaultSubtype(type), parameters: parameters.copy(),
      id: layout.id.copy(bytes), description: layout.description.copy(bytes),
      encoding: layout.encoding.copy(bytes) ?? Array("7BIT".utf8), octets: octets,
      content: layout.kind == .text ? .text(lines: layout.lines) : .basic, md5: copyMD5(), ext: copyExtension())
  }

  fileprivate func copyMultipart(_ parts: [BodyStructure]) -> BodyStructure {
    .multipart(
      BodyStructure.Multipart(
        parts: parts, subtype: layout.subtype.copy(bytes) ?? [], parameters: parameters.copy(), ext: copyExtension()))
  }

  fileprivate func copyEnvelope() -> Envelope {
    switch envelope {
    case .some(let view): view.copy()
    case .none: Envelope()
    }
  }

  fileprivate func copyMD5() -> [UInt8]? { layout.md5.copy(bytes) }

  fileprivate func copyExtension() -> BodyStructure.Extension? {
    guard layout.hasExtension else { return nil }
    var disposition: BodyStructure.Disposition?
    if layout.hasDisposition {
      disposition = BodyStructure.Disposition(
        type: layout.dispositionType.copy(bytes) ?? Array("attachment".utf8), parameters: dispositionParameters.copy())
    }
    return BodyStructure.Extension(
      disposition: disposition, languages: languages.copy(), location: layout.location.copy(bytes))
  }

  /// What RFC 2046 and usage make of a type alone.
  private static func defaultSubtype(_ type: [UInt8]) -> [UInt8] {
    if type.span.equalsIgnoringCase("TEXT") { return Array("PLAIN".utf8) }
    if type.span.equalsIgnoringCase("MESSAGE") { return Array("RFC822".utf8) }
    if type.span.equalsIgnoringCase("AUDIO") { return Array("BASIC".utf8) }
    return Array("OCTET-STREAM".utf8)
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
    if cursor.peek == UInt8(ascii: ")") || cursor.isAtEnd { return nil }
    var scanner = Scanner(cursor.bytes, at: cursor.index)
    _ = scanner.eat(0x20)
    if scanner.peek == 0x22 {
      let name = scanner.quoted()
      if !name.isFailed, scanner.eat(0x20) {
        let value = scanner.nstring()
        if !value.isFailed {
          cursor.index = scanner.index
          return AttributeView(cursor.bytes, name, value)
        }
      }
    }
    return nextOfAnyForm()
  }

  @_lifetime(copy self)
  private mutating func nextOfAnyForm() -> AttributeView? {
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
