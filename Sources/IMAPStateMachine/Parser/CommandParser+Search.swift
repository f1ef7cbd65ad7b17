/// SEARCH, SORT, THREAD, ESEARCH and their keys (RFC 9051, section 6.4.4; RFC 5256; RFC 7377).
extension CommandReader {
  @_lifetime(self: copy self)
  mutating func search(uid: Bool) throws(ParseError) -> Command {
    try space()
    let returning = try returnOptions()
    let charset = try charset()
    return .search(try searchProgram(), uid: uid, charset: charset, returning: returning)
  }

  @_lifetime(self: copy self)
  mutating func multiSearch() throws(ParseError) -> Command {
    try space()
    var source: [MailboxFilter] = []
    if takeWord("IN") {
      cursor.skipSpaces()
      try openList()
      repeat {
        let start = cursor.index
        source.append(try filter())
        // RFC 7377, section 4: "We forbid the use of selected-delayed".
        if source.last == .selectedDelayed { throw ParseError(.invalidValue, offset: start) }
        try separator()
      } while !cursor.eat(0x29)
      try space()
    }
    let returning = try returnOptions()
    let charset = try charset()
    return .multiSearch(MultiSearch(in: source, try searchProgram(), charset: charset, returning: returning))
  }

  @_lifetime(self: copy self)
  mutating func sort(uid: Bool) throws(ParseError) -> Command {
    try space()
    let returning = try returnOptions()
    try openList()
    var criteria: [SortCriterion] = []
    repeat {
      let isReversed = takeWord("REVERSE")
      if isReversed { try space() }
      criteria.append(SortCriterion(try sortKey(), reversed: isReversed))
      try separator()
    } while !cursor.eat(0x29)
    try space()
    let charset = try charsetName()
    return .sort(criteria, try searchProgram(), uid: uid, charset: charset, returning: returning)
  }

  @_lifetime(self: copy self)
  mutating func thread(uid: Bool) throws(ParseError) -> Command {
    try space()
    let algorithm = ThreadAlgorithm(try word())
    try space()
    let charset = try charsetName()
    return .thread(algorithm, try searchProgram(), uid: uid, charset: charset)
  }

  /// Tags as strings (RFC 5267, section 4.4).
  @_lifetime(self: copy self)
  mutating func cancelUpdate() throws(ParseError) -> Command {
    try space()
    var tags: [String] = []
    repeat { tags.append(try text()) } while try nextArgument()
    return .cancelUpdate(tags: tags)
  }

  /// `1:500` or `-1:-100` (RFC 9394, section 4).
  @_lifetime(self: copy self)
  mutating func window() throws(ParseError) -> SearchWindow {
    let isFromEnd = cursor.eat(0x2d)
    let first = try nonZero()
    try cursor.expect(0x3a)
    if isFromEnd { try cursor.expect(0x2d) }
    return SearchWindow(first, try nonZero(), fromEnd: isFromEnd)
  }

  /// `RETURN (...)` and a space, if it is there. `search-return-opts` has no space before RETURN in SORT either.
  @_lifetime(self: copy self)
  private mutating func returnOptions() throws(ParseError) -> [SearchReturnOption]? {
    if !takeWord("RETURN") { return nil }
    cursor.skipSpaces()
    try openList()
    var options: [SearchReturnOption] = []
    while !cursor.eat(0x29) {
      options.append(try returnOption())
      try separator()
    }
    try space()
    return options
  }

  @_lifetime(self: copy self)
  private mutating func returnOption() throws(ParseError) -> SearchReturnOption {
    let word = try atom()
    switch cursor.bytes.foldedWord(word) {
    case keyword("MIN"): return .min
    case keyword("MAX"): return .max
    case keyword("ALL"): return .all
    case keyword("COUNT"): return .count
    case keyword("SAVE"): return .save
    case keyword("CONTEXT"): return .context
    case keyword("PARTIAL"):
      try space()
      return .partial(try window())
    case keyword("UPDATE"):
      let end = cursor.index
      cursor.skipSpaces()
      if cursor.peek == 0x28 { return .update(try fetchList()) }
      cursor.index = end
      return .update()
    default: break
    }
    if matches(word, "RELEVANCY") { return .relevancy }
    let name = cursor.bytes.extracting(word).lossyString()
    return .other(name: name, value: try optionalArgument())
  }

  @_lifetime(self: copy self)
  private mutating func sortKey() throws(ParseError) -> SortCriterion.Key {
    let word = try atom()
    switch cursor.bytes.foldedWord(word) {
    case keyword("ARRIVAL"): return .arrival
    case keyword("CC"): return .cc
    case keyword("DATE"): return .date
    case keyword("FROM"): return .from
    case keyword("SIZE"): return .size
    case keyword("SUBJECT"): return .subject
    case keyword("TO"): return .to
    default: break
    }
    if matches(word, "DISPLAYFROM") { return .displayFrom }
    if matches(word, "DISPLAYTO") { return .displayTo }
    if matches(word, "RELEVANCY") { return .relevancy }
    if matches(word, "ANNOTATION") {
      try space()
      let entry = try bytes()
      try space()
      return .annotation(entry: entry, attribute: try bytes())
    }
    throw ParseError(.invalidValue, offset: word.lowerBound)
  }

  @_lifetime(self: copy self)
  private mutating func charset() throws(ParseError) -> String? {
    if !takeWord("CHARSET") { return nil }
    try space()
    return try charsetName()
  }

  /// The charset and the space behind it.
  @_lifetime(self: copy self)
  private mutating func charsetName() throws(ParseError) -> String {
    let charset = try text()
    try space()
    texts = SearchCharset(named: charset)
    return charset
  }

  /// Keys to the line's end: all of them must match.
  @_lifetime(self: copy self)
  private mutating func searchProgram() throws(ParseError) -> SearchKey {
    var keys = [try searchKey(depth: 0)]
    cursor.skipSpaces()
    while !cursor.isAtLineEnd {
      // Between two keys there was at least one space: `skipSpaces` may have taken it.
      if cursor.peek(ahead: -1) != 0x20 { throw cursor.unexpected }
      keys.append(try searchKey(depth: 0))
      cursor.skipSpaces()
    }
    return Self.joined(keys)
  }

  /// Steps over the word `text` if it is next and stands alone.
  @_lifetime(self: copy self)
  mutating func takeWord(_ text: StaticString) -> Bool {
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
    try checkDepth(depth)
    switch cursor.peek {
    case 0x28: return try searchList(depth: depth)
    case 0x30...0x39, 0x2a, 0x24: return .sequence(try messageSet())
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
    case keyword("FUZZY"):
      try space()
      return .fuzzy(try searchKey(depth: depth + 1))
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
      return .larger(try number63())
    case keyword("SMALLER"):
      try space()
      return .smaller(try number63())
    case keyword("UID"):
      try space()
      return .uid(try messageSet())
    case keyword("MODSEQ"): return try modSeqKey()
    case keyword("OLDER"):
      try space()
      return .older(try nonZero())
    case keyword("YOUNGER"):
      try space()
      return .younger(try nonZero())
    case keyword("SAVEDON"): return .savedOn(try dayArgument())
    case keyword("EMAILID"):
      try space()
      return .emailID(try self.word())
    case keyword("THREADID"):
      try space()
      return .threadID(try self.word())
    case keyword("FILTER"):
      try space()
      return .filter(try self.word())
    case keyword("UIDAFTER"):
      try space()
      return .uidAfter(UID(rawValue: try nonZero()))
    case keyword("X-GM-RAW"): return .gmailRaw(try textArgument())
    default: break
    }
    // Longer than the eight bytes that a folded word holds.
    if matches(word, "SENTSINCE") { return .sentSince(try dayArgument()) }
    if matches(word, "SENTBEFORE") { return .sentBefore(try dayArgument()) }
    if matches(word, "UNKEYWORD") { return .noFlag(try keywordArgument()) }
    return try longKey(named: word)
  }

  /// A key of an extension whose name is longer than the eight bytes that a folded word holds.
  @_lifetime(self: copy self)
  private mutating func longKey(named word: Range<Int>) throws(ParseError) -> SearchKey {
    if matches(word, "SAVEDBEFORE") { return .savedBefore(try dayArgument()) }
    if matches(word, "SAVEDSINCE") { return .savedSince(try dayArgument()) }
    if matches(word, "SAVEDATESUPPORTED") { return .saveDateSupported }
    if matches(word, "UIDBEFORE") {
      try space()
      return .uidBefore(UID(rawValue: try nonZero()))
    }
    if matches(word, "X-GM-MSGID") {
      try space()
      return .gmailMessageID(try cursor.number())
    }
    if matches(word, "X-GM-THRID") {
      try space()
      return .gmailThreadID(try cursor.number())
    }
    if matches(word, "X-GM-LABELS") {
      try space()
      return .gmailLabel(try label())
    }
    if matches(word, "ANNOTATION") {
      try space()
      let entry = try pattern()
      try space()
      let attribute = try bytes()
      try space()
      return .annotation(entry: entry, attribute: attribute, value: try value())
    }
    throw ParseError(.unknownSearchKey, offset: word.lowerBound)
  }

  @_lifetime(self: copy self)
  private mutating func textArgument() throws(ParseError) -> String {
    try space()
    if texts != .latin1 { return try text() }
    var text = ""
    for byte in try bytes() { text.unicodeScalars.append(Unicode.Scalar(byte)) }
    return text
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

  /// The number, and before it optionally which entry is meant (RFC 7162, section 3.1.5).
  @_lifetime(self: copy self)
  private mutating func modSeqKey() throws(ParseError) -> SearchKey {
    try space()
    if cursor.peek != 0x22 { return .modSeq(try modSeq()) }
    let token = try quoted()
    let name = cursor.view(token).lossyString()
    // A flag's name is an atom, and an entry's goes between quotes only.
    if !ModSeqEntry.isQuotable(name) { throw ParseError(.invalidValue, offset: token.range.lowerBound) }
    try space()
    let word = try atom()
    let scope: ModSeqEntry.Scope
    if matches(word, "all") {
      scope = .all
    } else if matches(word, "priv") {
      scope = .private
    } else if matches(word, "shared") {
      scope = .shared
    } else {
      throw ParseError(.invalidValue, offset: word.lowerBound)
    }
    try space()
    return .modSeq(try modSeq(), entry: ModSeqEntry(name, scope))
  }
}
