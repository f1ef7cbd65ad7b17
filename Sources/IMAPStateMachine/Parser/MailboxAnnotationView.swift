/// An ANNOTATION response of the ANNOTATEMORE drafts, borrowed.
public struct MailboxAnnotationView: ~Escapable {
  /// The mailbox's name as on the wire; empty for the server.
  public let mailbox: StringView
  /// The entry with its attributes.
  public let annotation: AnnotationView
  private let encoding: MailboxName.Encoding

  /// Reads `mailbox entry (attribute value ...)`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    mailbox = StringView(bytes, try cursor.astring())
    cursor.skipSpaces()
    let entry = try cursor.astring()
    let attributes = try cursor.value()
    if bytes[attributes.lowerBound] != UInt8(ascii: "(") {
      throw ParseError(.unexpectedByte(bytes[attributes.lowerBound]), offset: attributes.lowerBound)
    }
    try cursor.expectListEnd()
    annotation = AnnotationView(bytes, entry, attributes)
    self.encoding = encoding
    do throws(ParseError) { try annotation.expectEnd() } catch { throw error.shifted(by: attributes.lowerBound) }
  }

  /// An owned copy.
  public func copy() -> Response {
    .annotation(mailbox: MailboxName(wire: mailbox.copy(), encoding: encoding), annotation.copy())
  }
}

/// A UIDBATCHES response (draft UIDBATCHES), borrowed.
public struct UIDBatchesView: ~Escapable {
  /// The tag of the command that is answered; nil where the server did not say.
  public let tag: StringView?
  /// One range for each batch.
  public let batches: MessageSetView

  /// Reads `[(TAG tag)] [range,range...]`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    var tag: StringToken?
    if cursor.eat(UInt8(ascii: "(")) {
      cursor.skipSpaces()
      let word = try cursor.run(of: .token)
      if bytes.foldedWord(word) != keyword("TAG") { throw ParseError(.invalidValue, offset: word.lowerBound) }
      cursor.skipSpaces()
      tag = try cursor.astring()
      cursor.skipSpaces()
      try cursor.expect(UInt8(ascii: ")"))
      cursor.skipSpaces()
    }
    if let tag { self.tag = StringView(bytes, tag) } else { self.tag = nil }
    let start = cursor.index
    cursor.index = bytes.firstNot(.token, from: start)
    do throws(ParseError) {
      batches = try MessageSetView(bytes.extracting(start..<cursor.index))
    } catch {
      throw error.shifted(by: start)
    }
    if !cursor.skipToLineEnd() { throw cursor.unexpected }
  }

  /// An owned copy.
  public func copy() -> UIDBatches {
    switch tag {
    case .some(let tag): UIDBatches(tag: tag.lossyString(), batches: batches.copy())
    case .none: UIDBatches(batches: batches.copy())
    }
  }
}
