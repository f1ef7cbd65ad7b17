/// Commands about the messages of the selected mailbox (RFC 9051, section 6.4).
extension CommandReader {
  @_lifetime(self: copy self)
  mutating func messageCommand(_ name: CommandName) throws(ParseError) -> Command {
    switch name {
    case .close: return .close
    case .unselect: return .unselect
    case .check: return .check
    case .expunge: return .expunge
    case .uidExpunge:
      try space()
      return .uidExpunge(try messageSet())
    case .search, .uidSearch: return try search(uid: name == .uidSearch)
    case .sort, .uidSort: return try sort(uid: name == .uidSort)
    case .thread, .uidThread: return try thread(uid: name == .uidThread)
    case .multiSearch: return try multiSearch()
    case .cancelUpdate: return try cancelUpdate()
    case .uidBatches: return try uidBatches()
    case .fetch, .uidFetch: return try fetch(uid: name == .uidFetch)
    case .store, .uidStore: return try store(uid: name == .uidStore)
    case .partial: return try partialCommand()
    case .convert, .uidConvert: return try convert(uid: name == .uidConvert)
    case .conversions: return try conversions()
    case .copy, .uidCopy:
      let messages = try messageReference(uid: name == .uidCopy)
      try space()
      return .copy(messages, try mailbox())
    case .move, .uidMove:
      let messages = try messageReference(uid: name == .uidMove)
      try space()
      return .move(messages, try mailbox())
    default:
      // Every command is read by one of the families.
      throw ParseError(.unknownCommand, offset: cursor.index)
    }
  }

  @_lifetime(self: copy self)
  private mutating func uidBatches() throws(ParseError) -> Command {
    try space()
    let size = try nonZero()
    if try !nextArgument() { return .uidBatches(size: size) }
    let start = cursor.index
    let first = try nonZero()
    try cursor.expect(0x3a)
    let last = try nonZero()
    if first > last { throw ParseError(.invalidValue, offset: start) }
    return .uidBatches(size: size, batches: first...last)
  }

  // MARK: FETCH

  @_lifetime(self: copy self)
  private mutating func fetch(uid: Bool) throws(ParseError) -> Command {
    let messages = try messageReference(uid: uid)
    try space()
    let items: [FetchItem]
    if cursor.peek == 0x28 {
      items = try fetchList()
    } else if let macro = fetchMacro() {
      items = macro
    } else {
      items = [try fetchItem()]
    }
    return .fetch(messages, items, try fetchModifiers(uid: uid))
  }

  /// Items in parentheses.
  @_lifetime(self: copy self)
  mutating func fetchList() throws(ParseError) -> [FetchItem] {
    try openList()
    var items: [FetchItem] = []
    repeat {
      if items.count >= limits.fetchItems {
        throw ParseError(passed: .fetchItems, UInt64(max(limits.fetchItems, 0)), at: cursor.index)
      }
      items.append(try fetchItem())
      try separator()
    } while !cursor.eat(0x29)
    return items
  }

  @_lifetime(self: copy self)
  private mutating func fetchModifiers(uid: Bool) throws(ParseError) -> FetchModifiers {
    var modifiers = FetchModifiers()
    cursor.skipSpaces()
    if cursor.isAtLineEnd { return modifiers }
    let start = cursor.index
    try openList()
    repeat {
      let word = try atom()
      if matches(word, "CHANGEDSINCE") {
        try space()
        modifiers.changedSince = try modSeq()
      } else if matches(word, "VANISHED"), uid {
        modifiers.vanished = true
      } else if matches(word, "PARTIAL"), uid {
        try space()
        modifiers.partial = try window()
      } else {
        throw ParseError(.invalidValue, offset: word.lowerBound)
      }
      try separator()
    } while !cursor.eat(0x29)
    // RFC 7162, section 3.2.6: "the server MUST respond with a tagged BAD" to VANISHED without CHANGEDSINCE.
    if modifiers.vanished, modifiers.changedSince == nil { throw ParseError(.invalidValue, offset: start) }
    return modifiers
  }

  /// A word that stands for several items. Only a whole list is one, so it never is inside parentheses.
  @_lifetime(self: copy self)
  private mutating func fetchMacro() -> [FetchItem]? {
    let start = cursor.index
    let end = cursor.bytes.firstNot(.atom, from: start)
    let fast: [FetchItem] = [.flags, .internalDate, .rfc822Size]
    let items: [FetchItem]
    switch cursor.bytes.foldedWord(start..<max(start, end)) {
    case keyword("ALL"): items = fast + [.envelope]
    case keyword("FAST"): items = fast
    case keyword("FULL"): items = fast + [.envelope, .body]
    default: return nil
    }
    cursor.index = end
    return items
  }

  @_lifetime(self: copy self)
  mutating func fetchItem() throws(ParseError) -> FetchItem {
    let start = cursor.index
    // `[` is an atom character: the item's name ends before it.
    while ByteClass(of: cursor.peek).contains(.atom), cursor.peek != 0x5b { cursor.index += 1 }
    let word = start..<cursor.index
    if word.isEmpty { throw cursor.unexpected }
    if cursor.peek == 0x5b { return try sectionItem(word) }
    switch cursor.bytes.foldedWord(word) {
    case keyword("UID"): return .uid
    case keyword("FLAGS"): return .flags
    case keyword("MODSEQ"): return .modSeq
    case keyword("ENVELOPE"): return .envelope
    case keyword("BODY"): return .body
    case keyword("RFC822"): return .rfc822
    case keyword("SAVEDATE"): return .saveDate
    case keyword("EMAILID"): return .emailID
    case keyword("THREADID"): return .threadID
    case keyword("PREVIEW"): return .preview(lazy: try lazyModifier())
    // Macros, which stand for a whole list and are none of its items.
    case keyword("ALL"), keyword("FAST"), keyword("FULL"): throw ParseError(.invalidValue, offset: start)
    default: break
    }
    if matches(word, "INTERNALDATE") { return .internalDate }
    if matches(word, "RFC822.SIZE") { return .rfc822Size }
    if matches(word, "BODYSTRUCTURE") { return .bodyStructure }
    if matches(word, "RFC822.HEADER") { return .rfc822Header }
    if matches(word, "RFC822.TEXT") { return .rfc822Text }
    if matches(word, "X-GM-MSGID") { return .gmailMessageID }
    if matches(word, "X-GM-THRID") { return .gmailThreadID }
    if matches(word, "X-GM-LABELS") { return .gmailLabels }
    if matches(word, "ANNOTATION") { return try annotationItem() }
    return try otherItem(from: start)
  }

  /// An item that is not known. A server that does not take such items is to answer BAD to it.
  @_lifetime(self: copy self)
  private mutating func otherItem(from start: Int) throws(ParseError) -> FetchItem {
    if !takesUnknownCommands { throw ParseError(.invalidValue, offset: start) }
    cursor.index = start
    let range = try unknownItem()
    guard let text = cursor.bytes.extracting(range).utf8String() else {
      throw ParseError(.invalidValue, offset: start)
    }
    return .other(text)
  }

  /// An item whose name ends before a bracket.
  @_lifetime(self: copy self)
  private mutating func sectionItem(_ word: Range<Int>) throws(ParseError) -> FetchItem {
    if matches(word, "BODY") { return try bodySection(peek: false) }
    if matches(word, "BODY.PEEK") { return try bodySection(peek: true) }
    let isSize = matches(word, "BINARY.SIZE")
    let isPeek = matches(word, "BINARY.PEEK")
    guard isSize || isPeek || matches(word, "BINARY") else { return try otherItem(from: word.lowerBound) }
    try cursor.expect(0x5b)
    let part = try partNumbers()
    try cursor.expect(0x5d)
    return isSize ? .binarySize(part) : .binary(part, peek: isPeek, partial: try partial())
  }

  /// ` (LAZY)`, if it is there (RFC 8970, section 4.1).
  @_lifetime(self: copy self)
  private mutating func lazyModifier() throws(ParseError) -> Bool {
    let end = cursor.index
    cursor.skipSpaces()
    if cursor.index == end || cursor.peek != 0x28 {
      cursor.index = end
      return false
    }
    let start = cursor.index
    try openList()
    // Behind a single PREVIEW stand the modifiers of FETCH.
    if !takeWord("LAZY") {
      cursor.index = start - 1
      return false
    }
    cursor.skipSpaces()
    try cursor.expect(0x29)
    return true
  }

  /// ` (entries attributes)` (RFC 5257, section 5).
  @_lifetime(self: copy self)
  private mutating func annotationItem() throws(ParseError) -> FetchItem {
    try space()
    try openList()
    let entries = try oneOrMore()
    try space()
    let attributes = try oneOrMore()
    cursor.skipSpaces()
    try cursor.expect(0x29)
    return .annotations(entries: entries, attributes: attributes)
  }

  /// `[section]` and an optional `<offset.count>`.
  @_lifetime(self: copy self)
  mutating func bodySection(peek: Bool) throws(ParseError) -> FetchItem {
    try cursor.expect(0x5b)
    var section = Section(part: try partNumbers())
    if cursor.peek != 0x5d {
      if !section.part.isEmpty, !cursor.eat(0x2e) { throw cursor.unexpected }
      section.kind = try sectionKind(inPart: !section.part.isEmpty)
    }
    try cursor.expect(0x5d)
    return .section(section, peek: peek, partial: try partial())
  }

  /// Numbers with dots between them, possibly none. A dot behind the last one stays.
  @_lifetime(self: copy self)
  mutating func partNumbers() throws(ParseError) -> [UInt32] {
    var part: [UInt32] = []
    while cursor.peek &- 0x30 <= 9 {
      let start = cursor.index
      part.append(try nonZero())
      // Parts nest in the message as deep as they do in BODYSTRUCTURE.
      if part.count > limits.nesting {
        throw ParseError(passed: .nesting, UInt64(max(limits.nesting, 0)), at: start)
      }
      if cursor.peek != 0x2e || cursor.peek(ahead: 1) &- 0x30 > 9 { break }
      cursor.index += 1
    }
    return part
  }

  /// `<offset.count>`, if it is there.
  @_lifetime(self: copy self)
  mutating func partial() throws(ParseError) -> PartialRange? {
    if !cursor.eat(0x3c) { return nil }
    let offset = try cursor.number32()
    try cursor.expect(0x2e)
    let count = try nonZero()
    try cursor.expect(0x3e)
    return PartialRange(offset: offset, count: count)
  }

  @_lifetime(self: copy self)
  private mutating func sectionKind(inPart: Bool) throws(ParseError) -> Section.Kind {
    let start = cursor.index
    // `]` is no atom character, so the word ends before it.
    let word = try atom()
    if matches(word, "HEADER") { return .header }
    if matches(word, "TEXT") { return .text }
    if matches(word, "MIME") {
      // RFC 9051, section 6.4.5.1: MIME must have a part number before it.
      if !inPart { throw ParseError(.invalidValue, offset: start) }
      return .mime
    }
    let isNegated = matches(word, "HEADER.FIELDS.NOT")
    guard isNegated || matches(word, "HEADER.FIELDS") else { throw ParseError(.invalidValue, offset: start) }
    cursor.skipSpaces()
    try cursor.expect(0x28)
    cursor.skipSpaces()
    var names: [String] = []
    repeat {
      names.append(try text())
      if cursor.peek != 0x29 { try space() }
    } while !cursor.eat(0x29)
    return isNegated ? .headerFieldsNot(names) : .headerFields(names)
  }

  // MARK: STORE

  @_lifetime(self: copy self)
  private mutating func store(uid: Bool) throws(ParseError) -> Command {
    let messages = try messageReference(uid: uid)
    try space()
    var unchangedSince: ModSeq?
    if cursor.eat(0x28) {
      cursor.skipSpaces()
      let word = try atom()
      if !matches(word, "UNCHANGEDSINCE") { throw ParseError(.invalidValue, offset: word.lowerBound) }
      try space()
      unchangedSince = try modSeq()
      cursor.skipSpaces()
      try cursor.expect(0x29)
      try space()
    }
    let action: StoreOperation.Action = cursor.eat(0x2b) ? .add : cursor.eat(0x2d) ? .remove : .replace
    let word = try atom()
    if matches(word, "ANNOTATION"), action == .replace {
      try space()
      return .storeAnnotations(messages, try annotations(), unchangedSince: unchangedSince)
    }
    let isSilentLabels = matches(word, "X-GM-LABELS.SILENT")
    if isSilentLabels || matches(word, "X-GM-LABELS") {
      try space()
      let operation = LabelOperation(action, try labels(), silent: isSilentLabels)
      return .storeLabels(messages, operation, unchangedSince: unchangedSince)
    }
    let isSilent = matches(word, "FLAGS.SILENT")
    if !isSilent, !matches(word, "FLAGS") { throw ParseError(.invalidValue, offset: word.lowerBound) }
    try space()
    var flags: [Flag] = []
    if cursor.peek == 0x28 {
      flags = try flagList()
    } else {
      repeat {
        flags.append(try flag())
        cursor.skipSpaces()
      } while !cursor.isAtLineEnd
    }
    return .store(messages, StoreOperation(action, flags, silent: isSilent), unchangedSince: unchangedSince)
  }

  /// Labels in parentheses, or bare ones to the line's end.
  @_lifetime(self: copy self)
  private mutating func labels() throws(ParseError) -> [GmailLabel] {
    var labels: [GmailLabel] = []
    if cursor.peek == 0x28 {
      try openList()
      while !cursor.eat(0x29) {
        labels.append(try label())
        try separator()
      }
    } else {
      repeat { labels.append(try label()) } while try nextArgument()
    }
    return labels
  }

  /// A label: an astring, or a word with a backslash before it.
  @_lifetime(self: copy self)
  mutating func label() throws(ParseError) -> GmailLabel {
    if cursor.peek != 0x5c { return GmailLabel(wire: try bytes()) }
    let start = cursor.index
    cursor.index += 1
    let word = try atom()
    return GmailLabel(wire: cursor.bytes.extracting(start..<word.upperBound).copy())
  }
}
