/// FETCH and STORE (RFC 9051, sections 6.4.5 and 6.4.6; RFC 7162, section 3.1).
extension CommandReader {
  @_lifetime(self: copy self)
  mutating func fetch(uid: Bool) throws(ParseError) -> Command {
    let messages = try messageReference(uid: uid)
    try space()
    var items: [FetchItem] = []
    if cursor.eat(0x28) {
      cursor.skipSpaces()
      repeat {
        if items.count >= limits.fetchItems {
          let limit = LimitExceeded(
            limit: .fetchItems, value: UInt64(max(limits.fetchItems, 0)), offset: cursor.index)
          throw ParseError(.limit(limit), offset: cursor.index)
        }
        items.append(try fetchItem())
        if cursor.peek != 0x29 { try space() }
      } while !cursor.eat(0x29)
    } else if let macro = fetchMacro() {
      items = macro
    } else {
      items = [try fetchItem()]
    }
    var changedSince: ModSeq?
    cursor.skipSpaces()
    if cursor.eat(0x28) {
      let word = try atom()
      if !matches(word, "CHANGEDSINCE") { throw ParseError(.invalidValue, offset: word.lowerBound) }
      try space()
      changedSince = try modSeq()
      try cursor.expect(0x29)
    }
    return .fetch(messages, items, changedSince: changedSince)
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
  private mutating func fetchItem() throws(ParseError) -> FetchItem {
    let start = cursor.index
    // `[` is an atom character: the item's name ends before it.
    while ByteClass(of: cursor.peek).contains(.atom), cursor.peek != 0x5b { cursor.index += 1 }
    let word = start..<cursor.index
    if word.isEmpty { throw cursor.unexpected }
    if cursor.peek == 0x5b {
      let peek = matches(word, "BODY.PEEK")
      guard peek || matches(word, "BODY") else { throw ParseError(.invalidValue, offset: start) }
      return try bodySection(peek: peek)
    }
    switch cursor.bytes.foldedWord(word) {
    case keyword("UID"): return .uid
    case keyword("FLAGS"): return .flags
    case keyword("MODSEQ"): return .modSeq
    case keyword("ENVELOPE"): return .envelope
    case keyword("BODY"): return .body
    case keyword("RFC822"): return .rfc822
    default: break
    }
    if matches(word, "INTERNALDATE") { return .internalDate }
    if matches(word, "RFC822.SIZE") { return .rfc822Size }
    if matches(word, "BODYSTRUCTURE") { return .bodyStructure }
    if matches(word, "RFC822.HEADER") { return .rfc822Header }
    if matches(word, "RFC822.TEXT") { return .rfc822Text }
    throw ParseError(.invalidValue, offset: start)
  }

  /// `[section]` and an optional `<offset.count>`.
  @_lifetime(self: copy self)
  private mutating func bodySection(peek: Bool) throws(ParseError) -> FetchItem {
    try cursor.expect(0x5b)
    var section = Section()
    while cursor.peek &- 0x30 <= 9 {
      let start = cursor.index
      let number = try cursor.number32()
      if number == 0 { throw ParseError(.invalidValue, offset: start) }
      section.part.append(number)
      // Parts nest in the message as deep as they do in BODYSTRUCTURE.
      if section.part.count > limits.nesting {
        let limit = LimitExceeded(limit: .nesting, value: UInt64(max(limits.nesting, 0)), offset: start)
        throw ParseError(.limit(limit), offset: start)
      }
      if !cursor.eat(0x2e) {
        if cursor.peek != 0x5d { throw cursor.unexpected }
        break
      }
      if cursor.peek == 0x5d { throw cursor.unexpected }
    }
    if cursor.peek != 0x5d { section.kind = try sectionKind(inPart: !section.part.isEmpty) }
    try cursor.expect(0x5d)
    var partial: PartialRange?
    if cursor.eat(0x3c) {
      let offset = try cursor.number32()
      try cursor.expect(0x2e)
      let start = cursor.index
      let count = try cursor.number32()
      if count == 0 { throw ParseError(.invalidValue, offset: start) }
      try cursor.expect(0x3e)
      partial = PartialRange(offset: offset, count: count)
    }
    return .section(section, peek: peek, partial: partial)
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

  @_lifetime(self: copy self)
  mutating func store(uid: Bool) throws(ParseError) -> Command {
    let messages = try messageReference(uid: uid)
    try space()
    var unchangedSince: ModSeq?
    if cursor.eat(0x28) {
      let word = try atom()
      if !matches(word, "UNCHANGEDSINCE") { throw ParseError(.invalidValue, offset: word.lowerBound) }
      try space()
      unchangedSince = try modSeq()
      try cursor.expect(0x29)
      try space()
    }
    let action: StoreOperation.Action = cursor.eat(0x2b) ? .add : cursor.eat(0x2d) ? .remove : .replace
    let word = try atom()
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
}
