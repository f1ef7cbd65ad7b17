extension ResponseParser {
  /// The event for one whole response that is no FETCH. `offset` is its place in the stream. Throws only where a bound is
  /// passed.
  @_lifetime(copy line)
  static func response(
    _ line: Span<UInt8>, _ encoding: MailboxName.Encoding, nesting: Int, offset: Int
  ) throws(ParseError) -> ResponseEvent {
    do throws(ParseError) {
      switch line[0] {
      case UInt8(ascii: "*"): return try untagged(line, encoding, nesting)
      case UInt8(ascii: "+"):
        let start = line.count > 1 && line[1] == 0x20 ? 2 : 1
        return .continuation(ByteView(withoutLineEnd(line, from: start)))
      // Office 365 sends a response code without the `* OK` before it.
      case UInt8(ascii: "["): return .untagged(.status(StatusView(.ok, withoutLineEnd(line, from: 0))))
      default: return try TaggedLine(line).event(line)
      }
    } catch {
      if case .limit = error.reason { throw error.shifted(by: offset) }
      return .malformed(ByteView(line), error.shifted(by: offset))
    }
  }

  /// `tag condition text`, as positions: whether a line is one decides more than the event.
  struct TaggedLine {
    private let tag: Range<Int>
    private let condition: Condition
    private let text: Int

    /// Throws where `line` is no such line.
    init(_ line: Span<UInt8>) throws(ParseError) {
      var cursor = Cursor(line)
      tag = try cursor.run(of: .token)
      try cursor.expect(UInt8(ascii: " "))
      cursor.skipSpaces()
      guard let condition = cursor.eatCondition() else { throw cursor.unexpected }
      self.condition = condition
      text = cursor.index
    }

    /// `line` is the one that it was made of.
    @_lifetime(copy line)
    func event(_ line: Span<UInt8>) -> ResponseEvent {
      .tagged(
        tag: ByteView(line.extracting(tag)), StatusView(condition, ResponseParser.withoutLineEnd(line, from: text)))
    }
  }

  @_lifetime(copy line)
  private static func untagged(
    _ line: Span<UInt8>, _ encoding: MailboxName.Encoding, _ nesting: Int
  ) throws(ParseError) -> ResponseEvent {
    var cursor = Cursor(line, at: 1)
    cursor.skipSpaces()
    if cursor.signedDigit { return try numbered(line, &cursor) }
    if cursor.peek == UInt8(ascii: "[") {
      return .untagged(.status(StatusView(.ok, withoutLineEnd(line, from: cursor.index))))
    }
    guard let name = try? cursor.run(of: .token) else { return .unknown(ByteView(line)) }
    if let condition = Status.Condition(line, name) {
      return .untagged(.status(StatusView(condition, withoutLineEnd(line, from: cursor.index))))
    }
    do throws(ParseError) {
      return try named(line, name, cursor.rest, encoding, nesting)
    } catch {
      throw error.shifted(by: cursor.index)
    }
  }

  /// Offsets of errors count from the start of `rest`, which is what follows the name.
  @_lifetime(copy line, copy rest)
  private static func named(
    _ line: Span<UInt8>, _ name: Range<Int>, _ rest: Span<UInt8>, _ encoding: MailboxName.Encoding, _ nesting: Int
  ) throws(ParseError) -> ResponseEvent {
    switch line.foldedWord(name) {
    case keyword("LIST"): return .untagged(.list(try MailboxListingView(rest, encoding)))
    case keyword("LSUB"): return .untagged(.lsub(try MailboxListingView(rest, encoding)))
    case keyword("XLIST"): return .untagged(.list(try MailboxListingView(rest, encoding, isXList: true)))
    case keyword("STATUS"): return .untagged(.mailboxStatus(try MailboxStatusView(rest, encoding)))
    case keyword("FLAGS"): return .untagged(.flags(FlagListView(rest)))
    case keyword("SEARCH"): return .untagged(.search(SearchView(rest)))
    case keyword("ENABLED"): return .untagged(.enabled(CapabilityListView(rest)))
    case keyword("ID"): return .untagged(.id(try IDView(rest)))
    case keyword("ESEARCH"): return .untagged(.extendedSearch(try ExtendedSearchView(rest, encoding)))
    case keyword("VANISHED"): return .untagged(.vanished(try VanishedView(rest)))
    case keyword("SORT"): return .untagged(.sort(SearchView(rest)))
    case keyword("THREAD"): return .untagged(.thread(try ThreadView(rest, nesting: nesting)))
    case keyword("ACL"): return .untagged(.acl(try AccessControlListView(rest, encoding)))
    case keyword("MYRIGHTS"): return .untagged(.myRights(try MyRightsView(rest, encoding)))
    case keyword("QUOTA"): return .untagged(.quota(try QuotaView(rest)))
    case keyword("METADATA"): return .untagged(.metadata(try MetadataView(rest, encoding)))
    case keyword("LANGUAGE"): return .untagged(.language(FlagListView(rest)))
    case keyword("URLFETCH"): return .untagged(.fetchedURLs(try FetchedURLListView(rest, nesting: nesting)))
    default: return try longNamed(line, name, rest, encoding)
    }
  }

  /// Responses whose names do not fit one word.
  @_lifetime(copy line, copy rest)
  private static func longNamed(
    _ line: Span<UInt8>, _ name: Range<Int>, _ rest: Span<UInt8>, _ encoding: MailboxName.Encoding
  ) throws(ParseError) -> ResponseEvent {
    let word = line.extracting(name)
    if word.equalsIgnoringCase("CAPABILITY") { return .untagged(.capability(CapabilityListView(rest))) }
    if word.equalsIgnoringCase("NAMESPACE") { return .untagged(.namespace(try NamespaceView(rest, encoding))) }
    if word.equalsIgnoringCase("QUOTAROOT") { return .untagged(.quotaRoots(try QuotaRootsView(rest, encoding))) }
    if word.equalsIgnoringCase("LISTRIGHTS") { return .untagged(.listRights(try ListRightsView(rest, encoding))) }
    if word.equalsIgnoringCase("COMPARATOR") { return .untagged(.comparator(try ComparatorView(rest))) }
    if word.equalsIgnoringCase("GENURLAUTH") {
      let urls = StringListView(rest)
      try urls.expectEnd()
      return .untagged(.authorizedURLs(urls))
    }
    if word.equalsIgnoringCase("ANNOTATION") {
      return .untagged(.annotation(try MailboxAnnotationView(rest, encoding)))
    }
    if word.equalsIgnoringCase("UIDBATCHES") { return .untagged(.uidBatches(try UIDBatchesView(rest))) }
    if word.equalsIgnoringCase("JMAPACCESS") {
      var cursor = Cursor(rest)
      cursor.skipSpaces()
      let url = try cursor.astring()
      try cursor.expectListEnd()
      return .untagged(.jmapAccess(StringView(rest, url)))
    }
    // A response code may be glued to the word.
    var cursor = Cursor(line, at: name.lowerBound)
    guard let condition = cursor.eatCondition() else { return .unknown(ByteView(line)) }
    return .untagged(.status(StatusView(condition, withoutLineEnd(line, from: cursor.index))))
  }

  /// `* number name`. Offsets of errors count from the line's start.
  @_lifetime(copy line)
  private static func numbered(_ line: Span<UInt8>, _ cursor: inout Cursor) throws(ParseError) -> ResponseEvent {
    let start = cursor.index
    // Of messages it is a quantity, of one message what tells it from the others.
    let quantity = try cursor.quantity32()
    let end = cursor.index
    try cursor.expect(UInt8(ascii: " "))
    cursor.skipSpaces()
    let name = try cursor.run(of: .token)
    switch line.foldedWord(name) {
    case keyword("EXISTS"): return .untagged(.exists(quantity))
    case keyword("RECENT"): return .untagged(.recent(quantity))
    case keyword("EXPUNGE"):
      var exact = Cursor(line.extracting(first: end), at: start)
      let number = try exact.number32()
      if !exact.isAtEnd { throw ParseError(.unexpectedByte(exact.peek), offset: exact.index) }
      // RFC 9051, section 9: nz-number.
      if number == 0 { throw ParseError(.invalidValue, offset: start) }
      return .untagged(.expunge(SequenceNumber(rawValue: number)))
    case keyword("FETCH"), keyword("UIDFETCH"):
      // A whole FETCH has a parenthesis and is never framed here.
      throw cursor.unexpected
    default: return .unknown(ByteView(line))
    }
  }

  /// `line` from `start` without its line end.
  @_lifetime(copy line)
  fileprivate static func withoutLineEnd(_ line: Span<UInt8>, from start: Int) -> Span<UInt8> {
    var end = line.count
    while end > start, line[end - 1] == 0x0a || line[end - 1] == 0x0d { end -= 1 }
    return line.extracting(min(start, end)..<end)
  }
}
