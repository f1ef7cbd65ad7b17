/// How far a FETCH response was read. Positions count from the first unread byte.
struct FetchProgress {
  /// Behind the LF of the line that is being read; 0 while that line is not all here.
  var lineEnd = 0
  /// Up to here no LF is left to find while `lineEnd` is 0.
  var scanned = 0
  /// The message; its UID where ``isUID``.
  var sequence: SequenceNumber = 0
  /// Items so far.
  var items = 0
  /// The bytes before the first item: `* n FETCH (`.
  var prefix = 0
  /// The item whose value goes on behind a literal; nil at an item's start.
  var begun: FetchItemToken?
  /// Where the walk over that value stopped, and how deep it was.
  var walkIndex = 0
  var walkDepth = 0
  /// The literal at which the walk stopped is the whole value.
  var endsWithLiteral = false
  /// Whether the response names its message by UID.
  var isUID = false
  /// Where the name starts that goes on behind a literal, and up to where it was read.
  var unfinishedName: (start: Int, index: Int)?
  /// Whether a streamed literal was the last thing read.
  var isBehindLiteral = false
  /// Behind an empty line that follows a literal; 0 where there is none.
  var emptyLineEnd = 0

  /// Starts at a line, which ends in LF. False where it does not begin with `* n FETCH (`. Servers send numbers below 0:
  /// like 0 they name no message.
  mutating func begin(_ line: Span<UInt8>) -> Bool {
    var cursor = Cursor(line)
    guard cursor.eat(UInt8(ascii: "*")) else { return false }
    cursor.skipSpaces()
    let isNegative = cursor.eat(UInt8(ascii: "-"))
    guard cursor.peek &- 0x30 <= 9, let number = try? cursor.number32() else { return false }
    cursor.skipSpaces()
    guard let name = try? cursor.run(of: .token) else { return false }
    let word = line.foldedWord(name)
    let isUID = word == keyword("UIDFETCH")
    guard isUID || word == keyword("FETCH") else { return false }
    cursor.skipSpaces()
    guard cursor.eat(UInt8(ascii: "(")) else { return false }
    self = FetchProgress()
    self.isUID = isUID
    sequence = SequenceNumber(rawValue: isNegative ? 0 : number)
    prefix = cursor.index
    lineEnd = line.count
    return true
  }

  /// Looks for the end of the line that is being read. False while it is not here.
  mutating func completeLine(
    _ bytes: Span<UInt8>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Bool {
    if lineEnd > 0 { return true }
    let end = bytes.firstLF(from: scanned)
    if end >= limits.line {
      throw ParseError(
        .limit(LimitExceeded(limit: .line, value: UInt64(limits.line), offset: offset)), offset: offset)
    }
    if end >= bytes.count {
      scanned = max(scanned, bytes.count)
      return false
    }
    lineEnd = end + 1
    return true
  }

  /// What the next bytes of a FETCH response are, as positions.
  enum Step {
    /// More lines are needed: an item's value goes on behind a literal.
    case more
    /// The closing parenthesis and the line's end.
    case end(length: Int)
    /// A whole item.
    case item(FetchItemToken, length: Int)
    /// A section's literal starts behind these bytes.
    case literal(FetchItemToken, LiteralHeader, length: Int)
    /// What is left of the line makes no sense.
    case damaged(ParseError, length: Int)

    /// How many bytes the event covers.
    var length: Int {
      switch self {
      case .more: 0
      case .end(let length), .item(_, let length), .literal(_, _, let length), .damaged(_, let length): length
      }
    }
  }

  /// Reads one item of the line. Throws only where a bound is passed.
  mutating func step(
    _ bytes: Span<UInt8>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Step {
    var cursor = Cursor(bytes.extracting(first: lineEnd))
    do throws(ParseError) {
      if begun == nil {
        guard try beginItem(&cursor, bytes, limits, offset: offset) else {
          return lineEnd == 0 ? .more : .end(length: emptyLineEnd > 0 ? emptyLineEnd : lineEnd)
        }
        var token = try FetchItemToken(&cursor, resumingAt: unfinishedName?.index ?? 0)
        if let count = token.awaited {
          try awaitName(&cursor, count, limits, offset: offset)
          return .more
        }
        unfinishedName = nil
        cursor.skipSpaces()
        if token.isSection, cursor.isAtLiteral {
          let start = cursor.index
          let header = try cursor.literalHeader()
          if header.byteCount > limits.literal {
            throw Self.exceeded(.literal, limits.literal, offset + start)
          }
          try Self.checkElements(bytes, token.name, limits, offset: offset)
          return .literal(token, header, length: cursor.index)
        }
        token.value = cursor.index..<cursor.index
        walkIndex = cursor.index
        begun = token
      }
      cursor.index = walkIndex
      guard try walk(&cursor, limits, offset: offset), var whole = begun else { return .more }
      whole.value = whole.value.lowerBound..<cursor.index
      try Self.checkElements(bytes, whole.name, limits, offset: offset)
      try Self.checkElements(bytes, whole.value, limits, offset: offset)
      begun = nil
      walkDepth = 0
      return .item(whole, length: cursor.index)
    } catch {
      if case .limit = error.reason { throw error }
      return .damaged(error.shifted(by: offset), length: lineEnd)
    }
  }

  /// Steps to the next item. False where there is none, and where that cannot be told before another line is here:
  /// `lineEnd` is 0 then.
  private mutating func beginItem(
    _ cursor: inout Cursor, _ bytes: Span<UInt8>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Bool {
    if let unfinishedName {
      cursor.index = unfinishedName.start
      return true
    }
    if emptyLineEnd > 0 {
      // What goes on with the response cannot start another one.
      let next = bytes[emptyLineEnd]
      if next != UInt8(ascii: ")"), next != 0x20 { return false }
      cursor.index = emptyLineEnd
      emptyLineEnd = 0
    } else if isBehindLiteral, cursor.skipToLineEnd() {
      emptyLineEnd = lineEnd
      scanned = lineEnd
      lineEnd = 0
      return false
    }
    isBehindLiteral = false
    guard cursor.skipToItem() else { return false }
    items += 1
    if items > limits.fetchItems {
      throw Self.exceeded(.fetchItems, UInt64(limits.fetchItems), offset + cursor.index)
    }
    unfinishedName = (cursor.index, 0)
    return true
  }

  /// Takes note that the item's name goes on behind a literal of `count` bytes.
  private mutating func awaitName(
    _ cursor: inout Cursor, _ count: UInt64, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) {
    if count > UInt64(limits.bufferedLiteral) {
      throw Self.exceeded(.bufferedLiteral, UInt64(limits.bufferedLiteral), offset + cursor.index)
    }
    scanned = cursor.index + Int(count)
    unfinishedName?.index = scanned
    lineEnd = 0
  }

  /// Steps over a value. False where it goes on behind a literal that is not all here: the walk resumes there. By
  /// iteration, so that no input can exhaust the stack.
  private mutating func walk(
    _ cursor: inout Cursor, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) -> Bool {
    if endsWithLiteral {
      endsWithLiteral = false
      return true
    }
    repeat {
      cursor.skipSpaces()
      switch cursor.peek {
      case UInt8(ascii: "("):
        walkDepth += 1
        if walkDepth > limits.nesting {
          throw Self.exceeded(.nesting, UInt64(limits.nesting), offset + cursor.index)
        }
        cursor.index += 1
      case UInt8(ascii: ")"):
        if walkDepth == 0 { throw cursor.unexpected }
        walkDepth -= 1
        cursor.index += 1
      case UInt8(ascii: "\""):
        _ = try cursor.quoted()
      case UInt8(ascii: "{") where cursor.isAtLiteral, UInt8(ascii: "~") where cursor.isAtLiteral:
        let start = cursor.index
        let header = try cursor.literalHeader()
        if header.byteCount > UInt64(limits.bufferedLiteral) {
          throw Self.exceeded(.bufferedLiteral, UInt64(limits.bufferedLiteral), offset + start)
        }
        walkIndex = cursor.index + Int(header.byteCount)
        endsWithLiteral = walkDepth == 0
        scanned = walkIndex
        lineEnd = 0
        return false
      default:
        _ = try cursor.run(of: .token)
      }
    } while walkDepth > 0
    return true
  }

  private static func checkElements(
    _ bytes: Span<UInt8>, _ range: Range<Int>, _ limits: ParserLimits, offset: Int
  ) throws(ParseError) {
    if range.count <= limits.listElements { return }
    do throws(ParseError) {
      try ElementCount(limit: limits.listElements).check(bytes, range)
    } catch {
      throw error.shifted(by: offset)
    }
  }

  private static func exceeded(_ limit: LimitExceeded.Limit, _ value: UInt64, _ offset: Int) -> ParseError {
    ParseError(.limit(LimitExceeded(limit: limit, value: value, offset: offset)), offset: offset)
  }
}

/// The name of a FETCH item and where its value lies.
struct FetchItemToken {
  /// The items that have a type of their own.
  enum Kind {
    case uid, flags, internalDate, rfc822Size, modSeq, envelope, bodyStructure, body, binary, binarySize
    case preview, saveDate, emailID, threadID, gmailMessageID, gmailThreadID, gmailLabels, annotations
    case section(SectionView.Kind)
    case unknown
  }

  var kind: Kind
  /// The name, with section and origin.
  var name: Range<Int>
  /// Between the brackets of a section.
  var specification = 0..<0
  /// The number between `<` and `>`.
  var origin: UInt32?
  var value = 0..<0
  /// The length of a literal among the header field names that is not here: what follows the cursor.
  var awaited: UInt64?

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
      if cursor.eat(UInt8(ascii: "<")) {
        origin = try cursor.number32()
        // One server repeats the length that was asked for.
        if cursor.eat(UInt8(ascii: ".")) { _ = try cursor.number32() }
        try cursor.expect(UInt8(ascii: ">"))
      }
    }
    name = start..<cursor.index
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
      case UInt8(ascii: "{") where isSection && isInList && cursor.isAtLiteral:
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

extension Cursor {
  /// Steps to the name of the next item; false at the response's end. Domino puts items into parentheses of their own, and
  /// others close the list too early: what is known to be an item still is one behind that.
  @_lifetime(self: copy self)
  fileprivate mutating func skipToItem() -> Bool {
    while true {
      skipSpaces()
      switch peek {
      case UInt8(ascii: "("): index &+= 1
      case UInt8(ascii: ")"):
        let start = index
        while peek == UInt8(ascii: ")") || peek == 0x20 { index &+= 1 }
        let next = index
        guard let token = try? FetchItemToken(&self), peek == 0x20, token.isKnown else {
          index = start
          return false
        }
        index = next
        return true
      default: return !isAtLineEnd
      }
    }
  }
}

extension ResponseParser {
  /// Reports `* n FETCH (`.
  @_lifetime(&input)
  mutating func fetchBegin(_ input: inout ReceiveBuffer) -> ResponseEvent {
    report(&input, progress.prefix)
    progress.lineEnd -= progress.prefix
    phase = .item
    scanned = 0
    return progress.isUID
      ? .uidFetchBegin(UID(rawValue: progress.sequence.rawValue)) : .fetchBegin(progress.sequence)
  }

  /// Turns positions into the event, whose bytes were reported.
  @_lifetime(&input)
  mutating func fetchEvent(
    _ input: inout ReceiveBuffer, _ step: FetchProgress.Step
  ) -> ResponseEvent {
    progress.lineEnd -= step.length
    progress.isBehindLiteral = false
    progress.emptyLineEnd = 0
    switch step {
    case .more:
      return .needMoreInput
    case .end:
      phase = .idle
      progress = FetchProgress()
      return .fetchEnd
    case .item(let token, _):
      phase = .item
      if token.isStructure { return structureEvent(&input, token) }
      return .fetchAttribute(Self.attribute(input.reportedBytes, token, limits, offset: offset))
    case .literal(let token, let header, _):
      progress.lineEnd = 0
      progress.scanned = 0
      phase = .literal
      remaining = header.byteCount
      return .literalBegin(Self.section(input.reportedBytes, token), header)
    case .damaged(let error, _):
      damage = error
      progress = FetchProgress()
      leaveDamagedLine(input.reportedBytes)
      return .malformed(ByteView(input.reportedBytes), error)
    }
  }

  /// Reports a piece of what belongs to a damaged FETCH response. False while nothing of it is here.
  mutating func passDamage(_ input: inout ReceiveBuffer) throws(ParseError) -> Bool {
    if remaining > limits.literal { throw limitPassed(.literal, limits.literal) }
    if remaining > 0 {
      let count = min(UInt64(input.unread), remaining)
      report(&input, Int(count))
      allowance &+= Int(count)
      remaining -= count
      return count > 0
    }
    let end = input.readable.firstLF(from: scanned)
    if end >= limits.line { throw limitPassed(.line, UInt64(limits.line)) }
    if end >= input.unread {
      scanned = end
      return false
    }
    scanned = 0
    report(&input, end + 1)
    leaveDamagedLine(input.reportedBytes)
    return true
  }

  /// Goes on behind a damaged line: with the literal in which it ends, if it does.
  private mutating func leaveDamagedLine(_ line: Span<UInt8>) {
    if let header = LiteralHeader.atEnd(of: line, from: 0, to: line.count) {
      phase = .damaged
      remaining = header.byteCount
    } else {
      phase = .fetchAborted
    }
  }

  /// Passes on what is here of a section's bytes.
  @_lifetime(&input)
  mutating func literalEvent(_ input: inout ReceiveBuffer) -> ResponseEvent {
    if remaining == 0 {
      progress.isBehindLiteral = true
      phase = .fetch
      return .literalEnd
    }
    let available = UInt64(input.unread)
    if available == 0 { return input.isClosed ? .endOfInput(clean: false) : .needMoreInput }
    let count = min(available, remaining)
    report(&input, Int(count))
    allowance &+= Int(count)
    remaining -= count
    return .literalChunk(input.reportedBytes, remaining: remaining)
  }

  @_lifetime(copy bytes)
  private static func attribute(
    _ bytes: Span<UInt8>, _ token: FetchItemToken, _ limits: ParserLimits, offset: Int
  ) -> FetchAttributeView {
    do throws(ParseError) {
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
      return .gmailLabels(StringListView(isNil ? value.extracting(0..<0) : value))
    case .annotations: return .annotations(try AnnotationListView(value))
    default: throw ParseError(.invalidValue, offset: 0)
    }
  }

  /// `(id)`, a bare id, or NIL.
  @_lifetime(copy cursor)
  private static func objectID(_ cursor: inout Cursor) throws(ParseError) -> StringView? {
    if cursor.eatNIL() { return nil }
    let id = StatusItemView.objectID(cursor.bytes)
    if id == nil { throw ParseError(.invalidValue, offset: 0) }
    return id
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
    let start = token.name.lowerBound
    let specification =
      token.specification.isEmpty
      ? 0..<0 : token.specification.lowerBound - start..<token.specification.upperBound - start
    return SectionView(
      bytes.extracting(token.name), kind, specification: specification, origin: token.origin)
  }
}

extension InternalDate {
  /// Reads `dd-Mon-yyyy hh:mm:ss +zzzz`, the day with one digit or two; nil where it is none.
  init?(_ bytes: Span<UInt8>) {
    if bytes.count == 26, let date = InternalDate(fixed: bytes) {
      self = date
      return
    }
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    guard let day = try? cursor.number32(), (try? cursor.expect(UInt8(ascii: "-"))) != nil else { return nil }
    let start = cursor.index
    while (cursor.peek | 0x20) &- 0x61 < 26 { cursor.index += 1 }
    guard let month = Self.month(bytes.foldedWord(start..<cursor.index)), cursor.eat(UInt8(ascii: "-")),
      let year = try? cursor.number32()
    else { return nil }
    cursor.skipSpaces()
    guard let hour = try? cursor.number32(), cursor.eat(UInt8(ascii: ":")), let minute = try? cursor.number32(),
      cursor.eat(UInt8(ascii: ":")), let second = try? cursor.number32()
    else { return nil }
    cursor.skipSpaces()
    let isWest = cursor.peek == UInt8(ascii: "-")
    guard isWest || cursor.peek == UInt8(ascii: "+") else { return nil }
    cursor.index += 1
    guard let zone = try? cursor.number32(), zone % 100 < 60, zone < 10_000, cursor.isAtEnd else { return nil }
    let minutes = Int(zone / 100 * 60 + zone % 100)
    self.init(
      year: Int(year), month: month, day: Int(day), hour: Int(hour), minute: Int(minute), second: Int(second),
      zone: isWest ? -minutes : minutes)
  }

  /// Reads exactly the form of RFC 9051, 26 bytes; nil for any other.
  private init?(fixed bytes: Span<UInt8>) {
    let date = bytes.paddedWord(at: 0)
    let time = bytes.paddedWord(at: 12)
    guard bytes[2] == 0x2d, bytes[6] == 0x2d, bytes[11] == 0x20, time & 0xff00_00ff_0000 == 0x3a00_003a_0000,
      bytes[20] == 0x20, bytes[21] == 0x2b || bytes[21] == 0x2d
    else { return nil }
    let (year, yearDigits) = leadingDigits(bytes.paddedWord(at: 7))
    let (zone, zoneDigits) = leadingDigits(bytes.paddedWord(at: 22))
    let (hour, minute, second) = (Self.two(time), Self.two(time &>> 24), Self.two(time &>> 48))
    let day = bytes[0] == 0x20 ? Self.two(date | 0x10) : Self.two(date)
    guard yearDigits == 4, zoneDigits == 4, zone % 100 < 60, hour >= 0, minute >= 0, second >= 0, day >= 0,
      let month = Self.month(uppercased(date &>> 24 & 0xff_ffff))
    else { return nil }
    let minutes = Int(zone / 100 * 60 + zone % 100)
    self.init(
      year: Int(year), month: month, day: day, hour: hour, minute: minute, second: second,
      zone: bytes[21] == 0x2d ? -minutes : minutes)
  }

  /// The number of the two digits that `word` starts with; below 0 where they are none.
  private static func two(_ word: UInt64) -> Int {
    let tens = (word & 0xff) &- 0x30
    let ones = (word &>> 8 & 0xff) &- 0x30
    return tens > 9 || ones > 9 ? -1 : Int(tens &* 10 &+ ones)
  }

  /// The number of the month whose name packs to `word`.
  static func month(_ word: UInt64) -> Int? {
    switch word {
    case keyword("JAN"): 1
    case keyword("FEB"): 2
    case keyword("MAR"): 3
    case keyword("APR"): 4
    case keyword("MAY"): 5
    case keyword("JUN"): 6
    case keyword("JUL"): 7
    case keyword("AUG"): 8
    case keyword("SEP"): 9
    case keyword("OCT"): 10
    case keyword("NOV"): 11
    case keyword("DEC"): 12
    default: nil
    }
  }
}
