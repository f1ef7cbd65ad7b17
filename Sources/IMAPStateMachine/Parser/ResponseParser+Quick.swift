/// The forms that nearly every response has, read without looking at anything twice. Whatever is of another form is left
/// to the careful functions, which read the same bytes from the same place, so nothing depends on which of the two it was.
extension ResponseParser {
  /// What the quick look found, as positions and numbers. Positions count from the first unread byte.
  struct QuickItem {
    enum Kind: UInt8 {
      /// Not of a form that is read here.
      case other
      case fetchBegin, exists, recent, expunge
      /// LIST or LSUB: a line. Whether it is whole shows when it is read.
      case list
      case fetchEnd
      case uid, flags, size, modSeq, date, section
      /// Only where the value starts is known.
      case envelope, bodyStructure, body
    }

    var kind = Kind.other
    /// How many bytes the event covers.
    var length = 0
    /// Where the value starts; it ends where the item does.
    var start = 0
    /// The number of the response or item. Of a section the length of its literal, above where its bracket is.
    var number: UInt64 = 0
  }

  /// A line that starts with `* number`, or a LIST or LSUB; anything else is other.
  @inline(__always)
  mutating func quickLine(_ bytes: Span<UInt8>) -> QuickItem {
    var item = QuickItem()
    if scanned != 0 || bytes.count < 12 { return item }
    let first = bytes.paddedWord(at: 0)
    guard first & 0xffff == 0x202a else { return item }
    if first == keyword("* LIST (") || first == keyword("* LSUB (") { return quickListing(bytes) }
    var index = 2
    var (number, count) = leadingDigits(bytes.paddedWord(at: index))
    if count == 8 { (number, count) = bytes.longNumber(at: index) }
    if count == 0 { return item }
    index &+= count
    let word = bytes.paddedWord(at: index)
    if word == keyword(" FETCH (") {
      let end = bytes.firstLF(from: index)
      // The careful look starts where this one ended.
      scanned = end
      if end >= bytes.count || end >= longestQuickLine { return item }
      responsePosition = offset
      progress.items = 0
      progress.isUID = false
      item.kind = .fetchBegin
      item.length = index &+ 8
      progress.lineEnd = end &+ 1 &- item.length
      scanned = 0
      phase = .item
    } else if word == keyword(" EXISTS\r"), index &+ 8 < bytes.count, bytes[index &+ 8] == 0x0a {
      item.kind = .exists
      item.length = index &+ 9
    } else if word == keyword(" EXPUNGE"), bytes.paddedWord(at: index &+ 8) & 0xffff == 0x0a0d, number != 0 {
      item.kind = .expunge
      item.length = index &+ 10
    } else if word == keyword(" RECENT\r"), index &+ 8 < bytes.count, bytes[index &+ 8] == 0x0a {
      item.kind = .recent
      item.length = index &+ 9
    } else {
      return item
    }
    if item.length > limits.line { return QuickItem() }
    responsePosition = offset
    item.number = UInt64(number)
    return item
  }

  private mutating func quickListing(_ bytes: Span<UInt8>) -> QuickItem {
    var item = QuickItem()
    let end = bytes.firstLF(from: 8)
    scanned = end
    guard end < bytes.count, end < longestQuickLine, bytes[end &- 1] == 0x0d else { return item }
    scanned = 0
    responsePosition = offset
    item.kind = .list
    item.length = end &+ 1
    return item
  }

  /// The next item of a FETCH response, or its end, on a line that is all here.
  @inline(__always)
  mutating func quickItem(_ bytes: Span<UInt8>) -> QuickItem {
    var item = QuickItem()
    let start = bytes.byte(at: 0) == 0x20 ? 1 : 0
    let word = bytes.paddedWord(at: start)
    if word & 0xffff_ffff == keyword("UID ") {
      var (number, count) = leadingDigits(bytes.paddedWord(at: start &+ 4))
      if count == 8 { (number, count) = bytes.longNumber(at: start &+ 4) }
      if count == 0 || number == 0 { return item }
      item.number = UInt64(number)
      item.length = start &+ 4 &+ count
      item.kind = .uid
    } else if word & 0xff_ffff_ffff_ffff == keyword("FLAGS (") {
      item.start = start &+ 6
      let end = bytes.firstNotFlag(from: start &+ 7)
      if bytes.byte(at: end) != UInt8(ascii: ")") { return item }
      item.length = end &+ 1
      item.kind = .flags
    } else if word & 0xff_ffff == keyword(")\r\n") {
      item.length = start &+ 3
      if item.length == progress.lineEnd { item.kind = .fetchEnd }
      return item
    } else {
      return quickLongItem(bytes, start, word)
    }
    return finished(item, bytes, lineEnd: progress.lineEnd)
  }

  /// The items whose names are longer.
  private mutating func quickLongItem(_ bytes: Span<UInt8>, _ start: Int, _ word: UInt64) -> QuickItem {
    var item = QuickItem()
    var scanner = Scanner(bytes, at: start, lineEnd: progress.lineEnd, longestLine: longestQuickLine, limits)
    switch word {
    case keyword("RFC822.S"):
      guard scanner.bytes.paddedWord(at: start &+ 4) == keyword("22.SIZE ") else { return item }
      scanner.index = start &+ 12
      guard let number = scanner.number() else { return item }
      item.number = UInt64(number)
      item.kind = .size
    case keyword("INTERNAL"):
      guard scanner.bytes.paddedWord(at: start &+ 6) == keyword("ALDATE \"") else { return item }
      item.start = start &+ 13
      scanner.index = item.start
      // An earlier quote ends what is no date.
      let date = scanner.quoted()
      guard !date.isFailed, date.range.count == 26 else { return item }
      item.kind = .date
    case keyword("ENVELOPE"):
      scanner.index = start &+ 8
      guard scanner.eat(0x20) else { return item }
      item.start = scanner.index
      item.kind = .envelope
      return item
    case keyword("BODYSTRU"):
      guard scanner.bytes.paddedWord(at: start &+ 6) == keyword("RUCTURE ") else { return item }
      scanner.index = start &+ 14
      item.start = scanner.index
      item.kind = .bodyStructure
      return item
    case keyword("MODSEQ ("):
      scanner.index = start &+ 8
      let (value, count) = leadingDigits(scanner.bytes.paddedWord(at: scanner.index))
      scanner.index &+= count
      guard count > 0, count < 8, scanner.eat(UInt8(ascii: ")")) else { return item }
      item.number = UInt64(value)
      item.kind = .modSeq
    default:
      if word & 0xff_ffff_ffff == keyword("BODY[") { return quickSection(&scanner) }
      if word & 0xffff_ffff_ffff == keyword("BODY (") {
        item.start = start &+ 5
        item.kind = .body
      }
      return item
    }
    return finished(item, scanner)
  }

  /// `BODY[...] {n}` at the end of its line.
  private mutating func quickSection(_ scanner: inout Scanner) -> QuickItem {
    var item = QuickItem()
    item.start = scanner.index &+ 5
    scanner.index = scanner.bytes.firstSectionSpecial(from: item.start)
    let close = scanner.index
    guard scanner.eat(UInt8(ascii: "]")), scanner.eat(0x20), scanner.eat(UInt8(ascii: "{")),
      let count = scanner.number(), scanner.eat(UInt8(ascii: "}")), scanner.eat(0x0d), scanner.eat(0x0a),
      scanner.index == progress.lineEnd, scanner.index <= longestQuickLine, UInt64(count) <= limits.literal,
      progress.items < limits.fetchItems
    else { return item }
    item.kind = .section
    item.length = scanner.index
    item.number = UInt64(count) << 32 | UInt64(close)
    progress.items &+= 1
    progress.lineEnd = 0
    progress.scanned = 0
    return item
  }

  /// Takes note of an item that ended where it should; other where something is glued to it, or a bound was passed.
  @inline(__always)
  private mutating func finished(_ item: QuickItem, _ bytes: Span<UInt8>, lineEnd: Int) -> QuickItem {
    let next = bytes.byte(at: item.length)
    guard next == 0x20 || next == UInt8(ascii: ")"), lineEnd <= longestQuickLine, progress.items < limits.fetchItems
    else {
      return QuickItem()
    }
    progress.items &+= 1
    progress.lineEnd = lineEnd &- item.length
    return item
  }

  mutating func finished(_ item: QuickItem, _ scanner: borrowing Scanner) -> QuickItem {
    var item = item
    item.length = scanner.index
    return finished(item, scanner.bytes, lineEnd: scanner.end)
  }

  /// The event for what the quick look found.
  @_lifetime(&input)
  mutating func quickEvent(_ input: inout ReceiveBuffer, _ item: QuickItem) throws(ParseError) -> ResponseEvent {
    report(&input, item.length)
    switch item.kind {
    case .exists: return .untagged(.exists(UInt32(truncatingIfNeeded: item.number)))
    case .recent: return .untagged(.recent(UInt32(truncatingIfNeeded: item.number)))
    case .expunge:
      return .untagged(.expunge(SequenceNumber(rawValue: UInt32(truncatingIfNeeded: item.number))))
    case .modSeq: return .fetchAttribute(.modSeq(ModSeq(rawValue: item.number)))
    case .list:
      if let event = Self.quickListing(input.reportedBytes, mailboxEncoding) { return event }
      report(&input, 0)
      return try nextOfAnyForm(&input)
    case .date, .section: return quickRareEvent(&input, item)
    case .body:
      return .fetchAttribute(.body(BodyStructureView(TapeView(input.reportedBytes, input.reportedTape), at: 0)))
    // These are made by `next`.
    case .other, .fetchBegin, .fetchEnd, .uid, .flags, .size, .envelope, .bodyStructure: return .needMoreInput
    }
  }

  @_lifetime(copy line)
  private static func quickListing(_ line: Span<UInt8>, _ encoding: MailboxName.Encoding) -> ResponseEvent? {
    guard let listing = MailboxListingView(quick: line, encoding) else { return nil }
    return .untagged(line[3] == UInt8(ascii: "I") ? .list(listing) : .lsub(listing))
  }

  @_lifetime(&input)
  private mutating func quickRareEvent(_ input: inout ReceiveBuffer, _ item: QuickItem) -> ResponseEvent {
    let bytes = input.reportedBytes
    if item.kind == .date {
      let value = bytes.extracting(item.start &+ 1..<item.length &- 1)
      if let date = InternalDate(value) {
        return .fetchAttribute(.internalDate(date))
      }
      let name = item.start &- 13
      return .fetchAttribute(
        .invalid(
          name: ByteView(bytes.extracting(name..<name &+ 12)),
          value: ByteView(bytes.extracting(item.start..<item.length)),
          ParseError(.invalidValue, offset: offset &+ item.start)))
    }
    phase = .literal
    remaining = item.number >> 32
    let name = item.start &- 5
    let close = Int(item.number & 0xffff_ffff)
    let specification = close == item.start ? 0..<0 : 5..<close &- name
    let section = SectionView(
      bytes.extracting(name..<close &+ 1), .body, specification: specification, origin: nil)
    return .literalBegin(section, LiteralHeader(byteCount: remaining))
  }
}
