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
  /// All of the disposition.
  private(set) var dispositionRange = PackedToken(0..<0)
  /// What could not be interpreted.
  var damage = BodyDamage()

  init() {}

  /// Whether the list around `cursor`, which is behind its parenthesis, is a multipart. Gmail and others send some without
  /// children. What starts as a part does is a part, whatever it lacks.
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
    let start = cursor.index
    var end = start
    while cursor.isAtNumber {
      end = try cursor.value().upperBound
      cursor.skipSpaces()
    }
    // A number is no subtype. Before one it stands where a part would.
    let lacksSubtype = end > start && (cursor.isAtListEnd || cursor.peek == UInt8(ascii: "(") || cursor.isAtNIL)
    if end > start { damage[lacksSubtype ? .subtype : .parts] = start..<end }
    if !lacksSubtype { subtype = PackedToken(try cursor.nastring()) }
    parameters = try list(.parameters, &cursor)
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
      subtype = try string(.subtype, &cursor)
    }
    self.type = PackedToken(type)
    parameters = try list(.parameters, &cursor)
    id = try string(.id, &cursor)
    description = try string(.description, &cursor)
    cursor.skipSpaces()
    if !cursor.isAtNumber { encoding = trimmed(try string(.encoding, &cursor), cursor.bytes) }
    try fillOctets(&cursor)
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
    if cursor.peek != UInt8(ascii: "(") { md5 = try string(.md5, &cursor) }
    try fillExtension(&cursor)
  }

  /// The lines of a message, behind its body.
  mutating func messageLines(_ cursor: inout Cursor) throws(ParseError) {
    cursor.skipSpaces()
    if !cursor.eatNIL() { _ = try fillLines(&cursor) }
  }

  /// The number of lines of a text.
  private mutating func text(_ cursor: inout Cursor) throws(ParseError) {
    if try fillLines(&cursor) { kind = .text }
  }

  /// Reads a number of lines; false where the server left it out. A bare word in its place is no MD5 either.
  private mutating func fillLines(_ cursor: inout Cursor) throws(ParseError) -> Bool {
    if let number = cursor.anyQuantity() {
      lines = number
      return true
    }
    if cursor.isAtListEnd || cursor.peek == UInt8(ascii: "(") || cursor.isAtString || cursor.isAtNIL { return false }
    damage[.lines] = try cursor.value()
    return true
  }

  /// The size, 0 where it is missing.
  private mutating func fillOctets(_ cursor: inout Cursor) throws(ParseError) {
    cursor.skipSpaces()
    if cursor.isAtListEnd || cursor.eatNIL() { return }
    if let number = cursor.anyQuantity() {
      octets = number
      return
    }
    let value = try cursor.value()
    if !cursor.isEmptyList(value) { damage[.octets] = value }
  }

  /// A string or a bare token; missing for NIL and `()`, and for any other list in its place, which is damage.
  private mutating func string(
    _ field: BodyStructure.Field, _ cursor: inout Cursor
  ) throws(ParseError) -> PackedToken {
    cursor.skipSpaces()
    guard cursor.peek == UInt8(ascii: "(") else { return PackedToken(try cursor.anyString()) }
    let value = try cursor.value()
    if !cursor.isEmptyList(value) { damage[field] = value }
    return .missing
  }

  /// Where a list lies; empty for NIL, and for anything else in its place, which is damage.
  private mutating func list(_ field: BodyStructure.Field, _ cursor: inout Cursor) throws(ParseError) -> PackedToken {
    let nothing = PackedToken(0..<0)
    cursor.skipSpaces()
    if cursor.isAtListEnd || cursor.eatNIL() { return nothing }
    let isList = cursor.peek == UInt8(ascii: "(")
    let value = try cursor.value()
    if isList { return PackedToken(value) }
    damage[field] = value
    return nothing
  }

  /// The envelope before the body of a message, which some servers leave out, and others send with any kind of message.
  private mutating func message(_ cursor: inout Cursor) throws(ParseError) {
    guard cursor.peek == UInt8(ascii: "(") else { return }
    let start = cursor.index
    let envelope = try cursor.value()
    cursor.skipSpaces()
    // One list alone is a disposition, unless it has more than one could have.
    guard cursor.peek == UInt8(ascii: "(") || Self.isLong(cursor.bytes, envelope) else {
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
    if !cursor.eatNIL() {
      let isNumber = cursor.isAtNumber
      let value = try cursor.value()
      if isNumber { damage[.language] = value } else { languages = PackedToken(value) }
    }
    location = try string(.location, &cursor)
  }

  /// NIL or `(type parameters)`; `(type)`, `type (parameters)` and a bare `type` of some servers.
  private mutating func disposition(_ cursor: inout Cursor) throws(ParseError) {
    if cursor.eatNIL() { return }
    let start = cursor.index
    var isDamaged = false
    if cursor.eat(UInt8(ascii: "(")) {
      cursor.skipSpaces()
      if !cursor.isAtListEnd, cursor.peek != UInt8(ascii: "(") {
        hasDisposition = !cursor.isAtNIL
        dispositionType = PackedToken(try cursor.nastring())
        dispositionParameters = try list(.disposition, &cursor)
        if !cursor.isEmptyList(dispositionParameters.range) { hasDisposition = true }
      }
      while true {
        cursor.skipSpaces()
        if cursor.eat(UInt8(ascii: ")")) || cursor.isAtEnd { break }
        if cursor.eatNIL() { continue }
        if !cursor.isEmptyList(try cursor.value()) { isDamaged = true }
      }
    } else if cursor.isAtNumber {
      _ = try cursor.value()
      isDamaged = true
    } else {
      let token = try cursor.astring()
      // A description in its place is none.
      guard Self.isToken(cursor.bytes.extracting(token.range)) else { return }
      hasDisposition = true
      dispositionType = PackedToken(token)
      let end = cursor.index
      cursor.skipSpaces()
      if cursor.isAtParameters {
        dispositionParameters = PackedToken(try cursor.value())
      } else {
        cursor.index = end
      }
    }
    dispositionRange = PackedToken(start..<cursor.index)
    if isDamaged || !damage[.disposition].isEmpty { damage[.disposition] = start..<cursor.index }
    if !dispositionType.isMissing, dispositionType.isEmpty { dispositionType = .missing }
  }

  /// Whether the list at `range` has more than three values: an envelope has ten, a disposition two.
  private static func isLong(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var cursor = Cursor(bytes, at: range.lowerBound + 1)
    for _ in 0..<4 {
      cursor.skipSpaces()
      if cursor.isAtListEnd || (try? cursor.value()) == nil { return false }
    }
    return true
  }

  private func trimmed(_ token: PackedToken, _ bytes: Span<UInt8>) -> PackedToken {
    if token.isMissing { return token }
    var end = token.upperBound
    while end > token.lowerBound, bytes[end - 1] == 0x20 { end -= 1 }
    if end == token.lowerBound { return .missing }
    return PackedToken(token.lowerBound, end, mayHaveEscapes: token.mayHaveEscapes)
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
  fileprivate static func isKnownType(_ word: Span<UInt8>) -> Bool {
    word.equalsIgnoringCase("TEXT") || word.equalsIgnoringCase("APPLICATION") || word.equalsIgnoringCase("MESSAGE")
      || word.equalsIgnoringCase("IMAGE") || word.equalsIgnoringCase("AUDIO") || word.equalsIgnoringCase("VIDEO")
      || word.equalsIgnoringCase("MODEL") || word.equalsIgnoringCase("FONT") || word.equalsIgnoringCase("MULTIPART")
      || word.equalsIgnoringCase("EXAMPLE")
  }
}

/// What of one level could not be interpreted: for each field all of its value.
struct BodyDamage: BitwiseCopyable {
  private var ranges = InlineArray<14, UInt64>(repeating: 0)
  private(set) var isEmpty = true

  /// Empty where the field is not damaged.
  subscript(field: BodyStructure.Field) -> Range<Int> {
    get { TapeRange(bits: ranges[Int(field.rawValue)]).range }
    set {
      // Safe: there are as many fields as ranges.
      ranges[Int(field.rawValue)] = TapeRange(newValue.lowerBound, newValue.upperBound).bits
      if !newValue.isEmpty { isEmpty = false }
    }
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
    var isPart = false
    var isSecondString = false
    var isSecondList = false
    while count < 7 {
      cursor.skipSpaces()
      if count == 0 { isPart = cursor.isAtKnownType }
      if count == 1 {
        isSecondList = cursor.peek == UInt8(ascii: "(")
        isSecondString = !isSecondList && !cursor.isAtNIL
        // Behind the subtype of a multipart is no string.
        if cursor.isAtString, !start.isAtNumber { isPart = true }
      }
      if cursor.isAtListEnd {
        isMultipart = !isPart
        break
      }
      if count >= 5, cursor.isAtQuantity {
        lacksSubtype = count == 5 && !isSecondString
        return
      }
      // The body of a message may be here, which is not to be read at each of its levels.
      if count == 6, cursor.peek == UInt8(ascii: "(") { break }
      _ = try cursor.value()
      count += 1
    }
    lacksSubtype = isSecondList
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

  /// Whether a string is here that is no bare token.
  fileprivate var isAtString: Bool { peek == 0x22 || isAtLiteral }

  /// Whether a top-level media type is here.
  fileprivate var isAtKnownType: Bool {
    var probe = self
    guard let word = try? probe.astring() else { return false }
    return BodyLayout.isKnownType(bytes.extracting(word.range))
  }

  /// Whether a number is here, in quotes or not.
  fileprivate var isAtQuantity: Bool {
    var probe = self
    return probe.anyQuantity() != nil
  }

  /// A number, in quotes or not; nil where none is here.
  @_lifetime(self: copy self)
  fileprivate mutating func anyQuantity() -> UInt64? {
    skipSpaces()
    if isAtNumber { return try? quantity() }
    let start = index
    if isAtString, let token = try? string() {
      var digits = Cursor(bytes.extracting(token.range))
      digits.skipSpaces()
      let number = try? digits.quantity()
      digits.skipSpaces()
      if let number, digits.isAtEnd { return number }
    }
    index = start
    return nil
  }

  /// A string or a bare token; nil for NIL and at the list's end.
  @_lifetime(self: copy self)
  fileprivate mutating func anyString() throws(ParseError) -> StringToken? {
    skipSpaces()
    return isAtListEnd ? nil : try nastring()
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
