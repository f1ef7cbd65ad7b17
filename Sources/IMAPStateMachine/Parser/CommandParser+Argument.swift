/// Arguments of commands and extensions that have no grammar of their own.
extension CommandReader {
  /// One argument, whatever it is.
  @_lifetime(self: copy self)
  mutating func argument(depth: Int = 0) throws(ParseError) -> CommandArgument {
    switch cursor.peek {
    case 0x22:
      let token = try quoted()
      return .string(cursor.view(token).copy())
    case 0x28:
      try checkDepth(depth)
      try openList()
      var values: [CommandArgument] = []
      while !cursor.eat(0x29) {
        values.append(try argument(depth: depth + 1))
        try separator()
      }
      return .list(values)
    default: break
    }
    if cursor.isAtLiteral {
      let isBinary = cursor.peek == 0x7e
      let token = try cursor.literal()
      let bytes = cursor.view(token).copy()
      return isBinary ? .binary(bytes) : .string(bytes)
    }
    return try bareArgument()
  }

  /// A space and an argument, if there is one that is neither a bare word nor the end of the list: the value of an
  /// extension's option.
  @_lifetime(self: copy self)
  mutating func optionalArgument() throws(ParseError) -> CommandArgument? {
    let start = cursor.index
    cursor.skipSpaces()
    if cursor.index > start,
      cursor.peek == 0x28 || cursor.peek == 0x22 || cursor.isAtLiteral || cursor.peek &- 0x30 <= 9
    {
      return try argument()
    }
    cursor.index = start
    return nil
  }

  /// A word that is no string: a number, a set or an atom where it is written as those are, else as it is.
  @_lifetime(self: copy self)
  private mutating func bareArgument() throws(ParseError) -> CommandArgument {
    let range = try bareWord()
    let bytes = cursor.bytes.extracting(range)
    let start = bytes[0] == 0x5c && bytes.count > 1 ? 1 : 0
    if bytes.firstNot(.digit, from: 0) == bytes.count, bytes[0] != 0x30 || bytes.count == 1 {
      if let number = UInt64(bytes.lossyString()) { return .number(number) }
    }
    if let set = Self.canonicalSet(bytes) { return .set(set) }
    if bytes.firstNot(.astring, from: start) == bytes.count { return .atom(bytes.lossyString()) }
    return .raw(bytes.copy())
  }

  /// Up to a space, a closing parenthesis or the line's end; brackets hold either.
  @_lifetime(self: copy self)
  private mutating func bareWord() throws(ParseError) -> Range<Int> {
    let start = cursor.index
    var isInBrackets = false
    while !cursor.isAtLineEnd {
      let byte = cursor.peek
      // Quotes and parentheses belong to a bare word only between brackets, as in BODY[HEADER.FIELDS (A "B")].
      if !isInBrackets, byte == 0x20 || byte == 0x28 || byte == 0x29 || byte == 0x22 { break }
      // A literal inside of a word, and NUL, have no meaning.
      if byte == 0 || byte == 0x7b { throw cursor.unexpected }
      if byte == 0x5b { isInBrackets = true }
      if byte == 0x5d { isInBrackets = false }
      cursor.index += 1
    }
    if cursor.index == start || isInBrackets { throw cursor.unexpected }
    return start..<cursor.index
  }

  /// The set that is written exactly like this.
  private static func canonicalSet(_ bytes: Span<UInt8>) -> SequenceSet? {
    var reader = CommandReader(bytes, CommandParser())
    guard let set: SequenceSet = try? reader.messageSet(), reader.cursor.isAtEnd else { return nil }
    let text = Array(set.description.utf8)
    return bytes.equals(text) ? set : nil
  }

  /// A FETCH item that is not known: a word, a section in brackets and a partial range, a list in parentheses.
  @_lifetime(self: copy self)
  mutating func unknownItem() throws(ParseError) -> Range<Int> {
    let start = cursor.index
    if !ByteClass(of: cursor.peek).contains(.atom) || cursor.peek == 0x5b { throw cursor.unexpected }
    let word = try bareWord()
    // One of the bytes of an atom, or between brackets.
    var isInBrackets = false
    for index in word {
      let byte = cursor.bytes[index]
      if byte == 0x5b { isInBrackets = true }
      if byte == 0x5d { isInBrackets = false }
      let isRange = byte == 0x3c || byte == 0x3e
      if !isInBrackets, byte != 0x5d, !isRange, !ByteClass(of: byte).contains(.atom) {
        throw ParseError(.unexpectedByte(byte), offset: index)
      }
    }
    let end = cursor.index
    cursor.skipSpaces()
    if cursor.index > end, cursor.peek == 0x28 {
      _ = try argument()
    } else {
      cursor.index = end
    }
    return start..<cursor.index
  }
}
