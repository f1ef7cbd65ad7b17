/// What the items of a FETCH response are.
extension ResponseParser {
  /// The item of `token`; invalid where its value is none that the item has. `offset` is the place of `bytes` in the
  /// stream.
  @_lifetime(copy bytes)
  static func attribute(
    _ bytes: Span<UInt8>, _ token: FetchItemToken, _ limits: ParserLimits, offset: Int
  ) -> FetchAttributeView {
    do throws(ParseError) {
      if token.value.isEmpty { throw ParseError(.unexpectedEnd, offset: 0) }
      if token.hasBrokenOrigin {
        // It is the end of the name.
        throw ParseError(.invalidValue, offset: token.specification.upperBound + 1 - token.value.lowerBound)
      }
      return try typed(bytes, token, limits)
    } catch {
      return .invalid(
        name: ByteView(bytes.extracting(token.name)), value: ByteView(bytes.extracting(token.value)),
        error.shifted(by: offset + token.value.lowerBound))
    }
  }

  /// Offsets of errors count from the value's first byte.
  @_lifetime(copy bytes)
  static func typed(
    _ bytes: Span<UInt8>, _ token: FetchItemToken, _ limits: ParserLimits
  ) throws(ParseError) -> FetchAttributeView {
    let value = bytes.extracting(token.value)
    var cursor = Cursor(value)
    switch token.kind {
    case .uid:
      let uid = try cursor.number32()
      if uid == 0 { throw ParseError(.invalidValue, offset: 0) }
      try wholly(cursor)
      return .uid(UID(rawValue: uid))
    case .flags:
      return .flags(FlagListView(value))
    case .internalDate:
      let string = try cursor.quoted()
      guard let date = InternalDate(value.extracting(string.range)) else {
        throw ParseError(.invalidValue, offset: 0)
      }
      return .internalDate(date)
    case .rfc822Size:
      let size = try cursor.quantity()
      try wholly(cursor)
      return .rfc822Size(size)
    case .modSeq:
      let isList = cursor.eat(UInt8(ascii: "("))
      cursor.skipSpaces()
      let number = try cursor.number()
      cursor.skipSpaces()
      if isList { try cursor.expect(UInt8(ascii: ")")) }
      try wholly(cursor)
      return .modSeq(ModSeq(rawValue: number))
    case .envelope, .bodyStructure, .body:
      // These are read by `structureEvent`.
      throw cursor.unexpected
    case .section:
      guard let string = try cursor.nstring() else { return .section(section(bytes, token), nil) }
      return .section(section(bytes, token), StringView(value, string))
    case .unknown, .binary:
      return .unknown(name: ByteView(bytes.extracting(token.name)), value: ByteView(value))
    case .binarySize, .preview, .saveDate, .emailID, .threadID, .gmailMessageID, .gmailThreadID, .gmailLabels,
      .annotations:
      return try extended(bytes, token, &cursor)
    }
  }

  /// The items of extensions.
  @_lifetime(copy bytes, copy cursor)
  private static func extended(
    _ bytes: Span<UInt8>, _ token: FetchItemToken, _ cursor: inout Cursor
  ) throws(ParseError) -> FetchAttributeView {
    let value = cursor.bytes
    switch token.kind {
    case .binarySize:
      let size = try cursor.quantity()
      try wholly(cursor)
      return .binarySize(section(bytes, token), size)
    case .preview:
      guard let string = try cursor.nstring() else { return .preview(nil) }
      return .preview(StringView(value, string))
    case .saveDate:
      if cursor.eatNIL() { return .saveDate(nil) }
      let string = try cursor.quoted()
      guard let date = InternalDate(value.extracting(string.range)) else {
        throw ParseError(.invalidValue, offset: 0)
      }
      return .saveDate(date)
    case .emailID: return .emailID(try objectID(&cursor))
    case .threadID: return .threadID(try objectID(&cursor))
    case .gmailMessageID, .gmailThreadID:
      let number = try cursor.number()
      try wholly(cursor)
      if case .gmailMessageID = token.kind { return .gmailMessageID(number) }
      return .gmailThreadID(number)
    case .gmailLabels:
      let isNil = cursor.eatNIL() && cursor.isAtEnd
      let labels = StringListView(isNil ? value.extracting(0..<0) : value)
      try labels.expectEnd()
      return .gmailLabels(labels)
    case .annotations: return .annotations(try AnnotationListView(value))
    default: throw ParseError(.invalidValue, offset: 0)
    }
  }

  /// `(id)`, a bare id, or NIL.
  @_lifetime(copy cursor)
  private static func objectID(_ cursor: inout Cursor) throws(ParseError) -> StringView? {
    if cursor.eatNIL() { return nil }
    return try StatusItemView.objectID(cursor.bytes)
  }

  /// A number that something is glued to is none.
  private static func wholly(_ cursor: borrowing Cursor) throws(ParseError) {
    if !cursor.isAtEnd { throw cursor.unexpected }
  }

  @_lifetime(copy bytes)
  static func section(_ bytes: Span<UInt8>, _ token: FetchItemToken) -> SectionView {
    var kind = SectionView.Kind.body
    if case .section(let named) = token.kind { kind = named }
    if case .binarySize = token.kind { kind = .binary }
    if token.hasBrokenOrigin { kind = .other }
    let start = token.name.lowerBound
    let specification =
      token.specification.isEmpty
      ? 0..<0 : token.specification.lowerBound - start..<token.specification.upperBound - start
    return SectionView(
      bytes.extracting(token.name), kind, specification: specification, origin: token.origin)
  }
}
