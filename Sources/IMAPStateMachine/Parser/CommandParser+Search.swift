/// SEARCH and its keys (RFC 9051, section 6.4.4).
extension CommandReader {
  @_lifetime(self: copy self)
  mutating func search(uid: Bool) throws(ParseError) -> Command {
    try space()
    var charset: String?
    if takeWord("CHARSET") {
      try space()
      charset = try text()
      try space()
    }
    var keys = [try searchKey(depth: 0)]
    cursor.skipSpaces()
    while !cursor.isAtLineEnd {
      // Between two keys there was at least one space: `skipSpaces` may have taken it.
      if cursor.peek(ahead: -1) != 0x20 { throw cursor.unexpected }
      keys.append(try searchKey(depth: 0))
      cursor.skipSpaces()
    }
    return .search(Self.joined(keys), uid: uid, charset: charset)
  }

  /// Steps over the word `text` if it is next and stands alone.
  @_lifetime(self: copy self)
  private mutating func takeWord(_ text: StaticString) -> Bool {
    let end = cursor.bytes.firstNot(.atom, from: cursor.index)
    guard cursor.bytes.extracting(cursor.index..<max(end, cursor.index)).equalsIgnoringCase(text) else { return false }
    cursor.index = end
    return true
  }

  private static func joined(_ keys: [SearchKey]) -> SearchKey {
    if keys.count == 1, let only = keys.first { only } else { .and(keys) }
  }

  /// One key. `depth` counts parentheses, NOT and OR around it: all of them nest, so all of them are bounded, and the
  /// value that comes out is never deeper than the limit.
  @_lifetime(self: copy self)
  private mutating func searchKey(depth: Int) throws(ParseError) -> SearchKey {
    if depth >= limits.nesting {
      let limit = LimitExceeded(limit: .nesting, value: UInt64(max(limits.nesting, 0)), offset: cursor.index)
      throw ParseError(.limit(limit), offset: cursor.index)
    }
    switch cursor.peek {
    case 0x28: return try searchList(depth: depth)
    case 0x30...0x39, 0x2a: return .sequence(try messageSet())
    default: break
    }
    let word = try cursor.run(of: .atom)
    switch cursor.bytes.foldedWord(word) {
    case keyword("NOT"):
      try space()
      return .not(try searchKey(depth: depth + 1))
    case keyword("OR"):
      try space()
      let first = try searchKey(depth: depth + 1)
      try space()
      return .or(first, try searchKey(depth: depth + 1))
    default: break
    }
    if let key = Self.simpleKey(cursor.bytes, word) { return key }
    return try searchKey(named: word)
  }

  /// Keys in parentheses: all of them must match.
  @_lifetime(self: copy self)
  private mutating func searchList(depth: Int) throws(ParseError) -> SearchKey {
    try cursor.expect(0x28)
    cursor.skipSpaces()
    var keys: [SearchKey] = []
    repeat {
      keys.append(try searchKey(depth: depth + 1))
      if cursor.peek != 0x29 {
        try space()
      }
    } while !cursor.eat(0x29)
    return Self.joined(keys)
  }

  /// A key that is one word.
  private static func simpleKey(_ bytes: Span<UInt8>, _ word: Range<Int>) -> SearchKey? {
    switch bytes.foldedWord(word) {
    case keyword("ALL"): .all
    case keyword("ANSWERED"): .flag(.answered)
    case keyword("DELETED"): .flag(.deleted)
    case keyword("DRAFT"): .flag(.draft)
    case keyword("FLAGGED"): .flag(.flagged)
    case keyword("RECENT"): .flag(.recent)
    case keyword("SEEN"): .flag(.seen)
    case keyword("UNDRAFT"): .noFlag(.draft)
    case keyword("UNSEEN"): .noFlag(.seen)
    case keyword("NEW"): .new
    case keyword("OLD"): .old
    default:
      // Longer than the eight bytes that a folded word holds.
      if bytes.extracting(word).equalsIgnoringCase("UNANSWERED") {
        .noFlag(.answered)
      } else if bytes.extracting(word).equalsIgnoringCase("UNDELETED") {
        .noFlag(.deleted)
      } else if bytes.extracting(word).equalsIgnoringCase("UNFLAGGED") {
        .noFlag(.flagged)
      } else {
        nil
      }
    }
  }

  /// A key with an argument.
  @_lifetime(self: copy self)
  private mutating func searchKey(named word: Range<Int>) throws(ParseError) -> SearchKey {
    switch cursor.bytes.foldedWord(word) {
    case keyword("BCC"): return .bcc(try textArgument())
    case keyword("CC"): return .cc(try textArgument())
    case keyword("FROM"): return .from(try textArgument())
    case keyword("TO"): return .to(try textArgument())
    case keyword("SUBJECT"): return .subject(try textArgument())
    case keyword("BODY"): return .body(try textArgument())
    case keyword("TEXT"): return .text(try textArgument())
    case keyword("HEADER"):
      let name = try textArgument()
      return .header(name, try textArgument())
    case keyword("BEFORE"): return .before(try dayArgument())
    case keyword("ON"): return .on(try dayArgument())
    case keyword("SINCE"): return .since(try dayArgument())
    case keyword("SENTON"): return .sentOn(try dayArgument())
    case keyword("KEYWORD"): return .flag(try keywordArgument())
    case keyword("LARGER"):
      try space()
      return .larger(try cursor.number32())
    case keyword("SMALLER"):
      try space()
      return .smaller(try cursor.number32())
    case keyword("UID"):
      try space()
      return .uid(try messageSet())
    case keyword("MODSEQ"): return .modSeq(try modSeqArgument())
    default: break
    }
    // Longer than the eight bytes that a folded word holds.
    if matches(word, "SENTSINCE") { return .sentSince(try dayArgument()) }
    if matches(word, "SENTBEFORE") { return .sentBefore(try dayArgument()) }
    if matches(word, "UNKEYWORD") { return .noFlag(try keywordArgument()) }
    throw ParseError(.invalidValue, offset: word.lowerBound)
  }

  @_lifetime(self: copy self)
  private mutating func textArgument() throws(ParseError) -> String {
    try space()
    return try text()
  }

  @_lifetime(self: copy self)
  private mutating func keywordArgument() throws(ParseError) -> Flag {
    try space()
    return try flag()
  }

  /// `d-Mon-yyyy`, bare or in quotes.
  @_lifetime(self: copy self)
  private mutating func dayArgument() throws(ParseError) -> SearchDate {
    try space()
    let start = cursor.index
    let isQuoted = cursor.eat(0x22)
    let date = try day()
    if isQuoted { try cursor.expect(0x22) }
    guard let value = SearchDate(year: date.year, month: date.month, day: date.day) else {
      throw ParseError(.invalidValue, offset: start)
    }
    return value
  }

  /// The number, and before it optionally which entry is meant (RFC 7162, section 3.1.5). This server keeps one
  /// modification sequence a message, for which that section lets it ignore the entry.
  @_lifetime(self: copy self)
  private mutating func modSeqArgument() throws(ParseError) -> ModSeq {
    try space()
    if cursor.peek == 0x22 {
      _ = try quoted()
      try space()
      let kind = try atom()
      guard matches(kind, "ALL") || matches(kind, "PRIV") || matches(kind, "SHARED") else {
        throw ParseError(.invalidValue, offset: kind.lowerBound)
      }
      try space()
    }
    return try modSeq()
  }
}
