import IMAPStateMachine

/// A Content-Type (RFC 2045, section 5). Names are in upper case, values as written.
struct MediaType: Equatable {
  var type: [UInt8]
  var subtype: [UInt8]
  var parameters: [BodyStructure.Parameter]

  /// RFC 2045, section 5.2: what a part without a Content-Type, or with one that cannot be read, is.
  static let plainText = MediaType(
    type: Array("TEXT".utf8), subtype: Array("PLAIN".utf8),
    parameters: [BodyStructure.Parameter(name: Array("CHARSET".utf8), value: Array("US-ASCII".utf8))])

  /// RFC 2046, section 5.1.5: what a part of a multipart/digest is by default.
  static let message = MediaType(type: Array("MESSAGE".utf8), subtype: Array("RFC822".utf8), parameters: [])

  /// Any bytes: what a part is shown as that is nested too deeply to look into.
  static let opaque = MediaType(type: Array("APPLICATION".utf8), subtype: Array("OCTET-STREAM".utf8), parameters: [])

  init(type: [UInt8], subtype: [UInt8], parameters: [BodyStructure.Parameter]) {
    self.type = type
    self.subtype = subtype
    self.parameters = parameters
  }

  /// The value of a Content-Type field, unfolded; nil where it has no type and subtype.
  init?(_ value: [UInt8]) {
    var field = StructuredField(value)
    field.skipBlanksAndComments()
    type = field.token().uppercasedASCII()
    field.skipBlanksAndComments()
    guard !type.isEmpty, field.take(UInt8(ascii: "/")) else { return nil }
    field.skipBlanksAndComments()
    subtype = field.token().uppercasedASCII()
    if subtype.isEmpty { return nil }
    parameters = BodyStructure.Parameter.list(field.parameters())
    // RFC 2046, section 4.1.2: text/plain without a charset is US-ASCII. RFC 6657 leaves other types to themselves.
    if isText, subtype.span.matches("PLAIN"), parameter("CHARSET") == nil {
      parameters += Self.plainText.parameters
    }
  }

  var isText: Bool { type.span.matches("TEXT") }

  var isMultipart: Bool { type.span.matches("MULTIPART") }

  /// A part whose body is a message with a header of its own.
  var isMessage: Bool {
    type.span.matches("MESSAGE") && (subtype.span.matches("RFC822") || subtype.span.matches("GLOBAL"))
  }

  var isDigest: Bool { isMultipart && subtype.span.matches("DIGEST") }

  /// The value of the parameter `name`.
  func parameter(_ name: StaticString) -> [UInt8]? { parameters.first { $0.name.span.matches(name) }?.value }

  /// What separates the parts of a multipart; nil where it is missing or cannot be one.
  var boundary: [UInt8]? {
    guard isMultipart, var boundary = parameter("BOUNDARY") else { return nil }
    while boundary.last?.isBlank == true { boundary.removeLast() }
    return boundary.isEmpty || boundary.count > MessageLimits.boundaryBytes ? nil : boundary
  }
}

extension BodyStructure.Parameter {
  /// Parameters as ``StructuredField/parameters()`` read them. Those of RFC 2231 stay as they are written.
  static func list(_ parameters: [(name: [UInt8], value: [UInt8])]) -> [BodyStructure.Parameter] {
    parameters.map { BodyStructure.Parameter(name: $0.name.uppercasedASCII(), value: $0.value) }
  }
}

/// The MIME fields of one header (RFC 2045, section 3; RFC 2183, RFC 3282, RFC 2557, RFC 1864). Of a repeated field the
/// first counts.
struct MIMEFields {
  var encoding: [UInt8] = Array("7BIT".utf8)
  var id: [UInt8]?
  var description: [UInt8]?
  var md5: [UInt8]?
  var disposition: BodyStructure.Disposition?
  var languages: [[UInt8]] = []
  var location: [UInt8]?

  /// The fields in `range` of `bytes`.
  init(_ bytes: [UInt8], in range: Range<Int>) {
    let span = bytes.span
    var hasEncoding = false
    for field in HeaderFields(bytes, in: range) {
      let name = span.extracting(field.name)
      if name.count < 10 || !name.extracting(first: 8).matches("Content-") { continue }
      let rest = name.extracting(droppingFirst: 8)
      if rest.matches("Transfer-Encoding") {
        if hasEncoding { continue }
        hasEncoding = true
        var value = StructuredField(HeaderFields.unfolded(span, field.value))
        value.skipBlanksAndComments()
        let token = value.token().uppercasedASCII()
        if !token.isEmpty { encoding = token }
      } else if rest.matches("ID") {
        if id == nil { id = HeaderFields.unfolded(span, field.value) }
      } else if rest.matches("Description") {
        if description == nil { description = HeaderFields.unfolded(span, field.value) }
      } else if rest.matches("MD5") {
        if md5 == nil { md5 = HeaderFields.unfolded(span, field.value) }
      } else if rest.matches("Location") {
        if location == nil { location = HeaderFields.unfolded(span, field.value) }
      } else if rest.matches("Disposition") {
        if disposition == nil { disposition = Self.disposition(HeaderFields.unfolded(span, field.value)) }
      } else if rest.matches("Language") {
        if languages.isEmpty { languages = Self.languages(HeaderFields.unfolded(span, field.value)) }
      }
    }
  }

  private static func disposition(_ value: [UInt8]) -> BodyStructure.Disposition? {
    var field = StructuredField(value)
    field.skipBlanksAndComments()
    let type = field.token()
    if type.isEmpty { return nil }
    return BodyStructure.Disposition(
      type: type.uppercasedASCII(), parameters: BodyStructure.Parameter.list(field.parameters()))
  }

  private static func languages(_ value: [UInt8]) -> [[UInt8]] {
    var field = StructuredField(value)
    var result: [[UInt8]] = []
    while field.peek != nil, result.count < MessageLimits.parameters {
      field.skipBlanksAndComments()
      let tag = field.token()
      if !tag.isEmpty { result.append(tag) } else { field.advance() }
    }
    return result
  }
}
