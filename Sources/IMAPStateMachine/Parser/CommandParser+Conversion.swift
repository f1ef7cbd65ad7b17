/// CONVERT (RFC 5259), and what came before FETCH could tell parts.
extension CommandReader {
  @_lifetime(self: copy self)
  mutating func conversions() throws(ParseError) -> Command {
    try space()
    let from = try text()
    try space()
    return .conversions(from: from, to: try text())
  }

  @_lifetime(self: copy self)
  mutating func convert(uid: Bool) throws(ParseError) -> Command {
    let messages = try messageReference(uid: uid)
    try space()
    try openList()
    var request = ConversionRequest(to: nil, [])
    if !cursor.eatNIL() {
      let token = try quoted()
      request.type = cursor.view(token).lossyString()
    }
    try separator()
    if cursor.peek == 0x28 {
      try openList()
      repeat {
        let name = try text()
        try space()
        request.parameters.append(.init(name, try text()))
        try separator()
      } while !cursor.eat(0x29)
      cursor.skipSpaces()
    }
    try cursor.expect(0x29)
    try space()
    if cursor.peek != 0x28 {
      request.items = [try conversionItem()]
      return .convert(messages, request)
    }
    try openList()
    repeat {
      if request.items.count >= limits.fetchItems {
        throw ParseError(passed: .fetchItems, UInt64(max(limits.fetchItems, 0)), at: cursor.index)
      }
      request.items.append(try conversionItem())
      try separator()
    } while !cursor.eat(0x29)
    return .convert(messages, request)
  }

  @_lifetime(self: copy self)
  private mutating func conversionItem() throws(ParseError) -> ConversionRequest.Item {
    let start = cursor.index
    // `[` is an atom character: the item's name ends before it.
    while ByteClass(of: cursor.peek).contains(.atom), cursor.peek != 0x5b { cursor.index += 1 }
    let word = start..<cursor.index
    if matches(word, "UID") { return .uid }
    if matches(word, "BODY") {
      guard case .section(let section, _, partial: nil) = try bodySection(peek: false) else { throw cursor.unexpected }
      switch section.kind {
      case .header: return .header(section.part)
      case .mime: return .mime(section.part)
      default: throw ParseError(.invalidValue, offset: start)
      }
    }
    try cursor.expect(0x5b)
    let part = try partNumbers()
    try cursor.expect(0x5d)
    if matches(word, "BINARY") { return .binary(part, partial: try partial()) }
    if matches(word, "BINARY.SIZE") { return .binarySize(part) }
    if matches(word, "BODYPARTSTRUCTURE") { return .structure(part) }
    if matches(word, "AVAILABLECONVERSIONS") { return .available(part) }
    throw ParseError(.invalidValue, offset: start)
  }

  @_lifetime(self: copy self)
  mutating func partialCommand() throws(ParseError) -> Command {
    try space()
    let message = SequenceNumber(rawValue: try nonZero())
    try space()
    let start = cursor.index
    let item = try fetchItem()
    switch item {
    case .section(_, _, partial: nil), .rfc822, .rfc822Header, .rfc822Text, .other: break
    default: throw ParseError(.invalidValue, offset: start)
    }
    try space()
    let first = try nonZero()
    try space()
    return .partial(message, item, first: first, count: try nonZero())
  }
}
