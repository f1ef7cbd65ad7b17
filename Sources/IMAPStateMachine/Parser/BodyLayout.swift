/// Where the fields of one level of a BODYSTRUCTURE lie: positions only, so that reading one allocates nothing.
///
/// Servers leave fields out, swap them and send values of other kinds. What can be told apart is put in its place; the
/// rest is missing. Children are stepped over, not read.
struct BodyLayout: BitwiseCopyable {
  /// What the value is.
  enum Kind: UInt8 { case multipart, basic, text, message }

  var kind = Kind.basic
  /// The media type; nil where the server gave none, for a multipart too.
  var type = PackedToken.missing
  var subtype = PackedToken.missing
  var parameters = PackedToken(0..<0)
  var id = PackedToken.missing
  var description = PackedToken.missing
  var encoding = PackedToken.missing
  var octets: UInt64 = 0
  var lines: UInt64 = 0
  var envelope = PackedToken(0..<0)
  var md5 = PackedToken.missing
  /// Whether there is extension data, not counting parameters and MD5.
  var hasExtension = false
  var dispositionType = PackedToken.missing
  /// Whether there is a disposition. Its type may be missing where this is true: it stands for `attachment` then.
  var hasDisposition = false
  var dispositionParameters = PackedToken(0..<0)
  var languages = PackedToken(0..<0)
  var location = PackedToken.missing

  init() {}

  /// Whether the list around `cursor`, which is behind its parenthesis, is a multipart. Gmail and others send some without
  /// children.
  static func isMultipart(_ cursor: Cursor) throws(ParseError) -> Bool {
    var cursor = cursor
    cursor.skipSpaces()
    if cursor.peek == UInt8(ascii: "(") || cursor.peek == UInt8(ascii: ")") { return true }
    return try Shape(cursor).isMultipart
  }

  /// What is behind the children of a multipart.
  mutating func multipartTail(_ cursor: inout Cursor) throws(ParseError) {
    kind = .multipart
    cursor.skipSpaces()
    if cursor.isAtListEnd { return }
    if cursor.isAtNumber { throw cursor.unexpected }
    subtype = PackedToken(try cursor.nastring())
    cursor.skipSpaces()
    if cursor.isAtListEnd { return }
    parameters = PackedToken(try cursor.value())
    try fillExtension(&cursor)
  }

  /// `type subtype parameters id description encoding octets [...]`, up to the body of a message, or to the MD5.
  mutating func part(_ cursor: inout Cursor) throws(ParseError) {
    cursor.skipSpaces()
    let shape = try Shape(cursor)
    var type = try cursor.nastring()
    cursor.skipSpaces()
    if shape.lacksSubtype {
      // Of one word alone an unknown one is a subtype of APPLICATION.
      if let word = type, !Self.isKnownType(cursor.bytes.extracting(word.range)) {
        subtype = PackedToken(word)
        type = nil
      }
    } else {
      subtype = PackedToken(try cursor.nastring())
    }
    self.type = PackedToken(type)
    parameters = PackedToken(try cursor.value())
    id = PackedToken(try cursor.anyString())
    description = PackedToken(try cursor.anyString())
    cursor.skipSpaces()
    if !cursor.isAtNumber { encoding = PackedToken(trimmed(try cursor.anyString(), cursor.bytes)) }
    octets = try cursor.anyNumber() ?? 0
    cursor.skipSpaces()
    if let type {
      let word = cursor.bytes.extracting(type.range)
      if word.equalsIgnoringCase("TEXT") { try text(&cursor) }
      if word.equalsIgnoringCase("MESSAGE") { try message(&cursor) }
    }
  }

  /// MD5 and the extension data of what is no multipart.
  mutating func partTail(_ cursor: inout Cursor) throws(ParseError) {
    cursor.skipSpaces()
    if cursor.isAtListEnd { return }
    // A list here is the disposition of a server that leaves the MD5 out.
    if cursor.peek != UInt8(ascii: "(") { md5 = PackedToken(try cursor.anyString()) }
    try fillExtension(&cursor)
  }

  /// The lines of a message, behind its body.
  mutating func messageLines(_ cursor: inout Cursor) throws(ParseError) {
    cursor.skipSpaces()
    if cursor.isAtNumber || cursor.isAtNIL { lines = try cursor.anyNumber() ?? 0 }
  }

  /// The number of lines, which some servers leave out.
  private mutating func text(_ cursor: inout Cursor) throws(ParseError) {
    guard cursor.isAtNumber else { return }
    kind = .text
    lines = try cursor.anyNumber() ?? 0
  }

  /// The envelope before the body of a message, which some servers leave out, and others send with any kind of message.
  private mutating func message(_ cursor: inout Cursor) throws(ParseError) {
    guard cursor.peek == UInt8(ascii: "(") else { return }
    let start = cursor.index
    let envelope = try cursor.value()
    cursor.skipSpaces()
    guard cursor.peek == UInt8(ascii: "(") else {
      // One list alone is a disposition.
      cursor.index = start
      return
    }
    kind = .message
    self.envelope = PackedToken(envelope)
  }

  /// Disposition, language, location, then whatever later standards add, which is stepped over. Each may be missing.
  private mutating func fillExtension(_ cursor: inout Cursor) throws(ParseError) {
    cursor.skipSpaces()
    if cursor.isAtListEnd { return }
    hasExtension = true
    try disposition(&cursor)
    cursor.skipSpaces()
    if cursor.isAtListEnd { return }
    languages = PackedToken(try cursor.value())
    if cursor.bytes.extracting(languages.range).equalsIgnoringCase("NIL") { languages = PackedToken(0..<0) }
    cursor.skipSpaces()
    if cursor.isAtListEnd { return }
    location = PackedToken(try cursor.anyString())
  }

  /// NIL or `(type parameters)`; `(type)`, `type (parameters)` and a bare `type` of some servers.
  private mutating func disposition(_ cursor: inout Cursor) throws(ParseError) {
    if cursor.eatNIL() { return }
    if cursor.eat(UInt8(ascii: "(")) {
      cursor.skipSpaces()
      if !cursor.isAtListEnd {
        hasDisposition = !cursor.isAtNIL
        dispositionType = PackedToken(try cursor.anyString())
        cursor.skipSpaces()
      }
      if !cursor.isAtListEnd { dispositionParameters = PackedToken(try cursor.value()) }
      try cursor.skipList()
    } else {
      let token = try cursor.astring()
      // A description in its place is none.
      guard Self.isToken(cursor.bytes.extracting(token.range)) else { return }
      hasDisposition = true
      dispositionType = PackedToken(token)
      cursor.skipSpaces()
      if cursor.isAtParameters { dispositionParameters = PackedToken(try cursor.value()) }
    }
    if !dispositionType.isMissing, dispositionType.isEmpty { dispositionType = .missing }
  }

  private func trimmed(_ token: StringToken?, _ bytes: Span<UInt8>) -> StringToken? {
    guard var token else { return nil }
    var end = token.range.upperBound
    while end > token.range.lowerBound, bytes[end - 1] == 0x20 { end -= 1 }
    token.range = token.range.lowerBound..<end
    return token.range.isEmpty ? nil : token
  }

  /// Whether `word` has letters, digits and hyphens only. The empty one counts.
  private static func isToken(_ word: Span<UInt8>) -> Bool {
    for index in word.indices {
      let byte = word[index]
      if (byte | 0x20) &- 0x61 >= 26, byte &- 0x30 > 9, byte != UInt8(ascii: "-") { return false }
    }
    return true
  }

  /// The top-level media types.
  private static func isKnownType(_ word: Span<UInt8>) -> Bool {
    word.equalsIgnoringCase("TEXT") || word.equalsIgnoringCase("APPLICATION") || word.equalsIgnoringCase("MESSAGE")
      || word.equalsIgnoringCase("IMAGE") || word.equalsIgnoringCase("AUDIO") || word.equalsIgnoringCase("VIDEO")
      || word.equalsIgnoringCase("MODEL") || word.equalsIgnoringCase("FONT") || word.equalsIgnoringCase("MULTIPART")
      || word.equalsIgnoringCase("EXAMPLE")
  }
}

/// What the number of values before the first number says of a list that starts with a string: the octets are the
/// seventh value of a part, or the sixth where its subtype is missing, which then is a list or NIL.
private struct Shape {
  /// A multipart without children.
  var isMultipart = false
  var lacksSubtype = false

  init(_ start: Cursor) throws(ParseError) {
    var cursor = start
    var count = 0
    var isSecondString = false
    while count < 7 {
      cursor.skipSpaces()
      if count == 1 { isSecondString = cursor.peek != UInt8(ascii: "(") && !cursor.isAtNIL }
      if cursor.isAtListEnd {
        isMultipart = true
        return
      }
      if count >= 5, cursor.isAtNumber {
        lacksSubtype = count == 5 && !isSecondString
        return
      }
      _ = try cursor.value()
      count += 1
    }
  }
}

extension Cursor {
  /// Whether the list is over: at its parenthesis, or where the server forgot it. A line's end in the middle is that of a
  /// literal's header that is not one.
  var isAtListEnd: Bool { peek == UInt8(ascii: ")") || isAtEnd }

  /// Whether a number stands alone here, signed or not.
  var isAtNumber: Bool {
    var probe = self
    return (try? probe.quantity()) != nil && !ByteClass(of: probe.peek).contains(.token)
  }

  var isAtNIL: Bool {
    var probe = self
    return probe.eatNIL()
  }

  /// Whether a list of names with values is here: an even number of strings. A list of languages rarely is.
  fileprivate var isAtParameters: Bool {
    var probe = self
    guard probe.eat(UInt8(ascii: "(")) else { return false }
    var count = 0
    while true {
      probe.skipSpaces()
      if probe.isAtListEnd { return count > 0 && count % 2 == 0 }
      guard (try? probe.nastring()) != nil else { return false }
      count += 1
    }
  }

  /// A string or a bare token; nil for NIL, and for a list in its place, which is stepped over.
  @_lifetime(self: copy self)
  mutating func anyString() throws(ParseError) -> StringToken? {
    skipSpaces()
    if isAtListEnd || eatNIL() { return nil }
    if peek == UInt8(ascii: "(") {
      _ = try value()
      return nil
    }
    return try astring()
  }

  /// A number; nil for anything else, which is stepped over.
  @_lifetime(self: copy self)
  mutating func anyNumber() throws(ParseError) -> UInt64? {
    skipSpaces()
    if isAtListEnd { return nil }
    if isAtNumber { return try quantity() }
    _ = try value()
    return nil
  }

  /// Steps over what is left of the list around, and its parenthesis.
  @_lifetime(self: copy self)
  mutating func skipList() throws(ParseError) {
    while true {
      skipSpaces()
      if eat(UInt8(ascii: ")")) || isAtEnd { return }
      _ = try value()
    }
  }
}
