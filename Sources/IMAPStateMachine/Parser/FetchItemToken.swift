/// The name of a FETCH item and where its value lies.
struct FetchItemToken {
  /// The items that have a type of their own.
  enum Kind {
    case uid, flags, internalDate, rfc822Size, modSeq, envelope, bodyStructure, body, binary, binarySize
    case preview, saveDate, emailID, threadID, gmailMessageID, gmailThreadID, gmailLabels, annotations
    case section(SectionView.Kind)
    case unknown
  }

  /// The name, with section and origin.
  @Packed var name: Range<Int>
  /// Between the brackets of a section.
  @Packed var specification = 0..<0
  @Packed var value = 0..<0
  /// The length of a literal among the header field names that is not here: what follows the cursor.
  var awaited: UInt64? {
    get { storedAwaited == .max ? nil : UInt64(storedAwaited) }
    // Every bound is far below what it is cut to.
    set { storedAwaited = newValue.map { UInt32(clamping: min($0, UInt64(UInt32.max - 1))) } ?? .max }
  }
  private var storedAwaited = UInt32.max
  /// The number between `<` and `>`.
  var origin: UInt32?
  /// Whether what is behind the brackets is no origin.
  var hasBrokenOrigin = false
  var kind: Kind

  /// Whether the item has a type of its own.
  var isKnown: Bool { if case .unknown = kind { false } else { true } }

  /// Whether the value is a message's bytes, which are streamed.
  var isSection: Bool { if case .section = kind { true } else { false } }

  /// Reads a name such as `UID`, `BODY[1.MIME]<0>` or `X-GM-LABELS`. What is between its brackets was read up to `resume`.
  init(_ cursor: inout Cursor, resumingAt resume: Int = 0) throws(ParseError) {
    let start = cursor.index
    while ByteClass(of: cursor.peek).contains(.token), cursor.peek != UInt8(ascii: "[") { cursor.index += 1 }
    if cursor.index == start { throw cursor.unexpected }
    name = start..<cursor.index
    kind = Self.kind(cursor.bytes, start..<cursor.index)
    if cursor.peek == UInt8(ascii: "[") {
      switch kind {
      case .body: kind = .section(.body)
      case .binary: kind = .section(.binary)
      case .binarySize: break
      default: kind = .unknown
      }
      specification = try brackets(&cursor, resume)
      if awaited != nil {
        name = start..<cursor.index
        return
      }
      if cursor.peek == UInt8(ascii: "<") { readOrigin(&cursor) }
    }
    name = start..<cursor.index
  }

  /// `<n>`. What is something else is stepped over: it must not cost the other items.
  private mutating func readOrigin(_ cursor: inout Cursor) {
    let start = cursor.index
    cursor.index += 1
    do throws(ParseError) {
      origin = try cursor.number32()
      // One server repeats the length that was asked for.
      if cursor.eat(UInt8(ascii: ".")) { _ = try cursor.number32() }
      try cursor.expect(UInt8(ascii: ">"))
    } catch {
      hasBrokenOrigin = true
      origin = nil
      cursor.index = start
      while ByteClass(of: cursor.peek).contains(.token), !cursor.isAtLiteral, !cursor.eat(UInt8(ascii: ">")) {
        cursor.index += 1
      }
    }
  }

  /// Steps over `[...]`, in which strings may hold brackets. Stops behind the header of a literal that is not here.
  private mutating func brackets(_ cursor: inout Cursor, _ resume: Int) throws(ParseError) -> Range<Int> {
    try cursor.expect(UInt8(ascii: "["))
    let start = cursor.index
    cursor.index = max(start, resume)
    // Only field names may be literals. Without their parenthesis the brace belongs to a body behind a broken name.
    var isInList = resume > start
    while true {
      switch cursor.peek {
      case UInt8(ascii: "("):
        isInList = true
        cursor.index += 1
      case UInt8(ascii: "]"):
        cursor.index += 1
        return start..<cursor.index - 1
      case UInt8(ascii: "\""): _ = try cursor.quoted()
      case UInt8(ascii: "{") where isSection && isInList && cursor.isAtHeader:
        let header = try cursor.literalHeader()
        // A line goes on behind each of its literals.
        guard header.byteCount < UInt64(cursor.bytes.count - cursor.index) else {
          awaited = header.byteCount
          return start..<start
        }
        cursor.index += Int(header.byteCount)
      default:
        if cursor.isAtLineEnd { throw cursor.unexpected }
        cursor.index += 1
      }
    }
  }

  private static func kind(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Kind {
    switch bytes.foldedWord(range) {
    case keyword("UID"): return .uid
    case keyword("FLAGS"): return .flags
    case keyword("MODSEQ"): return .modSeq
    case keyword("BODY"): return .body
    case keyword("ENVELOPE"): return .envelope
    case keyword("RFC822"): return .section(.rfc822)
    case keyword("BINARY"): return .binary
    case keyword("PREVIEW"): return .preview
    case keyword("SAVEDATE"): return .saveDate
    case keyword("EMAILID"): return .emailID
    case keyword("THREADID"): return .threadID
    case 0: break
    default: return .unknown
    }
    let name = bytes.extracting(range)
    if name.equalsIgnoringCase("INTERNALDATE") { return .internalDate }
    if name.equalsIgnoringCase("RFC822.SIZE") { return .rfc822Size }
    if name.equalsIgnoringCase("BODYSTRUCTURE") { return .bodyStructure }
    if name.equalsIgnoringCase("RFC822.HEADER") { return .section(.rfc822Header) }
    if name.equalsIgnoringCase("RFC822.TEXT") { return .section(.rfc822Text) }
    if name.equalsIgnoringCase("BINARY.SIZE") { return .binarySize }
    if name.equalsIgnoringCase("X-GM-MSGID") { return .gmailMessageID }
    if name.equalsIgnoringCase("X-GM-THRID") { return .gmailThreadID }
    if name.equalsIgnoringCase("X-GM-LABELS") { return .gmailLabels }
    if name.equalsIgnoringCase("ANNOTATION") { return .annotations }
    return .unknown
  }
}
