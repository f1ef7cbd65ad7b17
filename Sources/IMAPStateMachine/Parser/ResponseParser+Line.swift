extension ResponseParser {
  /// The event for one whole response that is no FETCH. `offset` is its place in the stream.
  @_lifetime(copy line)
  static func response(
    _ line: Span<UInt8>, _ encoding: MailboxName.Encoding, offset: Int
  ) -> ResponseEvent {
    do throws(ParseError) {
      switch line[0] {
      case UInt8(ascii: "*"): return try untagged(line, encoding)
      case UInt8(ascii: "+"): return .continuation(ByteView(trimmed(line, from: 1)))
      default: return try tagged(line)
      }
    } catch {
      return .malformed(ByteView(line), error.shifted(by: offset))
    }
  }

  /// `tag condition text`.
  @_lifetime(copy line)
  private static func tagged(_ line: Span<UInt8>) throws(ParseError) -> ResponseEvent {
    var cursor = Cursor(line)
    let tag = try cursor.run(of: .token)
    try cursor.expect(UInt8(ascii: " "))
    cursor.skipSpaces()
    let start = cursor.index
    let word = try cursor.run(of: .token)
    guard let condition = Status.Condition(line, word) else {
      throw ParseError(.unexpectedByte(line[start]), offset: start)
    }
    return .tagged(
      tag: ByteView(line.extracting(tag)), StatusView(condition, trimmed(line, from: cursor.index)))
  }

  @_lifetime(copy line)
  private static func untagged(
    _ line: Span<UInt8>, _ encoding: MailboxName.Encoding
  ) throws(ParseError) -> ResponseEvent {
    var cursor = Cursor(line, at: 1)
    cursor.skipSpaces()
    if cursor.peek &- 0x30 <= 9 { return try numbered(line, &cursor) }
    guard let name = try? cursor.run(of: .token) else { return .unknown(ByteView(line)) }
    let rest = line.extracting(cursor.index..<line.count)
    if let condition = Status.Condition(line, name) {
      return .untagged(.status(StatusView(condition, trimmed(line, from: cursor.index))))
    }
    switch line.foldedWord(name) {
    case keyword("LIST"): return .untagged(.list(try MailboxListingView(rest, encoding)))
    case keyword("LSUB"): return .untagged(.lsub(try MailboxListingView(rest, encoding)))
    case keyword("STATUS"): return .untagged(.mailboxStatus(try MailboxStatusView(rest, encoding)))
    case keyword("FLAGS"): return .untagged(.flags(FlagListView(rest)))
    case keyword("SEARCH"): return .untagged(.search(SearchView(rest)))
    case keyword("ENABLED"): return .untagged(.enabled(CapabilityListView(rest)))
    case keyword("ID"): return .untagged(.id(try IDView(rest)))
    default: break
    }
    let word = line.extracting(name)
    if word.equalsIgnoringCase("CAPABILITY") { return .untagged(.capability(CapabilityListView(rest))) }
    if word.equalsIgnoringCase("NAMESPACE") { return .untagged(.namespace(try NamespaceView(rest, encoding))) }
    return .unknown(ByteView(line))
  }

  /// `* number name`.
  @_lifetime(copy line)
  private static func numbered(_ line: Span<UInt8>, _ cursor: inout Cursor) throws(ParseError) -> ResponseEvent {
    let start = cursor.index
    let number = try cursor.number()
    try cursor.expect(UInt8(ascii: " "))
    cursor.skipSpaces()
    let name = try cursor.run(of: .token)
    guard let number = UInt32(exactly: number) else { throw ParseError(.numberTooLarge, offset: start) }
    switch line.foldedWord(name) {
    case keyword("EXISTS"): return .untagged(.exists(number))
    case keyword("RECENT"): return .untagged(.recent(number))
    case keyword("EXPUNGE"):
      // RFC 9051, section 9: nz-number.
      if number == 0 { throw ParseError(.invalidValue, offset: start) }
      return .untagged(.expunge(SequenceNumber(rawValue: number)))
    case keyword("FETCH"):
      // A whole FETCH has a parenthesis and is never framed here.
      throw cursor.unexpected
    default: return .unknown(ByteView(line))
    }
  }

  /// `line` from `start` without its line end and the spaces around.
  @_lifetime(copy line)
  private static func trimmed(_ line: Span<UInt8>, from start: Int) -> Span<UInt8> {
    var start = start
    var end = line.count
    while end > start, line[end - 1] == 0x0a || line[end - 1] == 0x0d || line[end - 1] == 0x20 { end -= 1 }
    while start < end, line[start] == 0x20 { start += 1 }
    return line.extracting(start..<end)
  }
}
