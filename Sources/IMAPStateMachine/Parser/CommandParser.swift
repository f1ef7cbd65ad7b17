/// Reads one framed command: its line with the literals that belong to it, from the tag to the line's end.
///
/// It takes any letter case and any run of spaces where the grammar has one, and nothing else that the grammar does not
/// have: a client that is misunderstood loses data, one that is refused can be fixed. ``ServerConnection`` frames and
/// uses it; alone it serves tests and tools. Complexity of every parse: O(n).
public struct CommandParser: Sendable, Hashable {
  /// The bounds that apply inside a line: nesting, and the numbers of FETCH items, of parts in an APPEND, and of elements
  /// in a list.
  public var limits: ParserLimits
  /// How mailbox names hold characters outside ASCII: UTF-8 once the client enabled it (RFC 6855, RFC 9051).
  public var mailboxEncoding: MailboxName.Encoding
  /// Whether commands that the parser does not know are taken as ``Command/other(_:)`` and not refused.
  public var takesUnknownCommands: Bool

  /// A parser.
  public init(
    limits: ParserLimits = .server, mailboxEncoding: MailboxName.Encoding = .modifiedUTF7,
    takesUnknownCommands: Bool = false
  ) {
    self.limits = limits
    self.mailboxEncoding = mailboxEncoding
    self.takesUnknownCommands = takesUnknownCommands
  }

  /// The tag and the command that `line` holds. Of an APPEND the line ends behind the header of the first message's
  /// literal; its bytes and what stands behind them are not part of `line`. One that has no bytes of its own, but URLs
  /// only (RFC 4469), is a line like any other.
  ///
  /// Throws ``ParseError`` with an offset from the start of `line`.
  public func parse(_ line: Span<UInt8>) throws(ParseError) -> (tag: String, command: Command) {
    var reader = CommandReader(line, self)
    let head = try reader.head()
    let command = try reader.arguments(of: head)
    return (line.extracting(head.tag).lossyString(), command)
  }
}

/// The parts of a command before its arguments.
struct CommandHead {
  /// Where the tag lies.
  var tag: Range<Int>
  /// Where the name lies, `UID` and the word behind it included.
  var nameRange: Range<Int>
  var name: CommandName
  /// The word behind `UID`, where that is what the name starts with.
  var uidWord: Range<Int>?
}

/// Walks over one command.
struct CommandReader: ~Escapable {
  var cursor: Cursor
  let limits: ParserLimits
  let mailboxEncoding: MailboxName.Encoding
  let takesUnknownCommands: Bool
  /// What the command says that the texts of its search are written in; nil where it does not, and for what is not known.
  var texts: SearchCharset?

  @_lifetime(copy line)
  init(_ line: Span<UInt8>, _ parser: CommandParser) {
    cursor = Cursor(line)
    takesUnknownCommands = parser.takesUnknownCommands
    limits = parser.limits
    mailboxEncoding = parser.mailboxEncoding
  }

  /// Where the tag lies, if the line starts with one (RFC 9051, section 9: ASTRING-CHARs except `+`).
  static func tag(in line: Span<UInt8>) -> Range<Int>? {
    let end = line.firstNot(.astring, from: 0)
    guard end > 0, end < line.count, end <= maximumTag, line[end] == 0x20 || line[end] == 0x0d || line[end] == 0x0a
    else { return nil }
    for index in 0..<end where line[index] == 0x2b { return nil }
    return 0..<end
  }

  /// Longer words at the start of a line are not echoed back as tags. Clients use about five bytes.
  private static let maximumTag = 256

  /// Tag and name.
  @_lifetime(self: copy self)
  mutating func head() throws(ParseError) -> CommandHead {
    guard let tag = Self.tag(in: cursor.bytes) else {
      cursor.index = cursor.bytes.firstNot(.astring, from: 0)
      for index in 0..<cursor.index where cursor.bytes[index] == 0x2b {
        cursor.index = index
        break
      }
      throw cursor.unexpected
    }
    cursor.index = tag.upperBound
    try space()
    let start = cursor.index
    let word = try cursor.run(of: .atom)
    var end = word.upperBound
    var found = CommandName(cursor.bytes.extracting(word))
    var uidWord: Range<Int>?
    if found == nil, cursor.bytes.extracting(word).equalsIgnoringCase("UID") {
      try space()
      let second = try cursor.run(of: .atom)
      end = second.upperBound
      uidWord = second
      found = CommandName(uid: cursor.bytes.extracting(second))
    }
    if found == nil, takesUnknownCommands { found = .other }
    guard let found else { throw ParseError(.unknownCommand, offset: start) }
    return CommandHead(tag: tag, nameRange: start..<end, name: found, uidWord: uidWord)
  }

  /// The rest of the command, to the end of the line.
  @_lifetime(self: copy self)
  mutating func arguments(of head: CommandHead) throws(ParseError) -> Command {
    try ElementCount(limit: max(0, limits.listElements)).check(cursor.bytes, cursor.index..<cursor.bytes.count)
    if head.name.isAppend {
      var request = try appendStart(head.name)
      var isInCatenate = false
      // The literal's header has the line's end in it.
      if try appendStep(&request, &isInCatenate) != nil {
        if !cursor.isAtEnd { throw cursor.unexpected }
      } else {
        try endOfLine()
      }
      return .append(request)
    }
    let command: Command
    if let found = try sessionCommand(head) {
      command = found
    } else if let found = try mailboxCommand(head.name) {
      command = found
    } else if let found = try accessCommand(head.name) {
      command = found
    } else {
      command = try messageCommand(head.name)
    }
    try endOfLine()
    return command
  }

  // MARK: Tokens

  /// At least one space; clients send more.
  @_lifetime(self: copy self)
  mutating func space() throws(ParseError) {
    try cursor.expect(0x20)
    cursor.skipSpaces()
  }

  /// Nothing but spaces and the line's end are left.
  @_lifetime(self: copy self)
  mutating func endOfLine() throws(ParseError) {
    cursor.skipSpaces()
    if cursor.isAtEnd { return }
    _ = cursor.eat(0x0d)
    if !cursor.eat(0x0a) || !cursor.isAtEnd { throw cursor.unexpected }
  }

  /// An atom, as a range.
  @_lifetime(self: copy self)
  mutating func atom() throws(ParseError) -> Range<Int> { try cursor.run(of: .atom) }

  /// A quoted string. Unlike a server's, a client's ends at the first quote that no backslash precedes.
  @_lifetime(self: copy self)
  mutating func quoted() throws(ParseError) -> StringToken {
    let opening = cursor.index
    try cursor.expect(0x22)
    let start = cursor.index
    var hasEscapes = false
    while true {
      cursor.index = cursor.bytes.firstQuotedSpecial(from: cursor.index)
      switch cursor.peek {
      case 0x5c where cursor.peek(ahead: 1) != 0x0d && cursor.peek(ahead: 1) != 0x0a:
        hasEscapes = true
        cursor.index = min(cursor.index + 2, cursor.bytes.count)
      case 0x22:
        let range = start..<cursor.index
        cursor.index += 1
        return StringToken(range: range, hasEscapes: hasEscapes)
      default:
        throw ParseError(.unterminatedString, offset: opening)
      }
    }
  }

  /// A quoted string or a literal.
  @_lifetime(self: copy self)
  mutating func string() throws(ParseError) -> StringToken {
    if cursor.peek == 0x22 { return try quoted() }
    if cursor.isAtLiteral { return try cursor.literal() }
    throw cursor.unexpected
  }

  /// A string, or a bare word.
  @_lifetime(self: copy self)
  mutating func astring() throws(ParseError) -> StringToken {
    if cursor.peek == 0x22 || cursor.isAtLiteral { return try string() }
    return StringToken(range: try cursor.run(of: .astring), hasEscapes: false)
  }

  /// The text of an astring: UTF-8 where valid, else every byte a character.
  @_lifetime(self: copy self)
  mutating func text() throws(ParseError) -> String {
    let token = try astring()
    return cursor.view(token).lossyString()
  }

  /// Whether the word at `range` is `text`, letter case ignored.
  func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
    cursor.bytes.extracting(range).equalsIgnoringCase(text)
  }

  /// A name in double quotes, a literal or bare.
  @_lifetime(self: copy self)
  mutating func mailbox() throws(ParseError) -> MailboxName {
    let token = try astring()
    return MailboxName(wire: cursor.view(token).copy(), encoding: mailboxEncoding)
  }

  /// A number above zero that fits 32 bits, or `*`.
  @_lifetime(self: copy self)
  mutating func messageNumber() throws(ParseError) -> MessageBound {
    if cursor.eat(0x2a) { return .star }
    let start = cursor.index
    let number = try cursor.number32()
    if number == 0 { throw ParseError(.invalidValue, offset: start) }
    return MessageBound(number)
  }

  /// A sequence-set (RFC 9051, section 9). Each range costs its client two bytes of the line, which bounds their number.
  @_lifetime(self: copy self)
  mutating func messageSet<Number: MessageNumber>() throws(ParseError) -> MessageSet<Number> {
    // RFC 9051, section 9: seq-last-command stands for a whole set.
    if cursor.eat(0x24) { return .savedResult }
    var ranges: [MessageSet<Number>.Range] = []
    repeat {
      let first = try messageNumber()
      let last = cursor.eat(0x3a) ? try messageNumber() : first
      ranges.append(MessageSet<Number>.Range(first, last))
    } while cursor.eat(0x2c)
    return MessageSet(ranges: ranges)
  }

  /// A space and the messages that a command is about.
  @_lifetime(self: copy self)
  mutating func messageReference(uid: Bool) throws(ParseError) -> MessageReference {
    try space()
    return uid ? .uids(try messageSet()) : .sequence(try messageSet())
  }

  /// A modification sequence: 63 bits (RFC 7162, section 7).
  @_lifetime(self: copy self)
  mutating func modSeq() throws(ParseError) -> ModSeq {
    let start = cursor.index
    let value = try cursor.number()
    if value > UInt64(Int64.max) { throw ParseError(.numberTooLarge, offset: start) }
    return ModSeq(rawValue: value)
  }

  /// A flag: a keyword, or a system flag with its backslash.
  @_lifetime(self: copy self)
  mutating func flag() throws(ParseError) -> Flag {
    let start = cursor.index
    _ = cursor.eat(0x5c)
    let word = try cursor.run(of: .atom)
    return Flag(cursor.bytes.extracting(start..<word.upperBound).lossyString())
  }

  /// Flags in parentheses, possibly none.
  @_lifetime(self: copy self)
  mutating func flagList() throws(ParseError) -> [Flag] {
    try cursor.expect(0x28)
    var flags: [Flag] = []
    cursor.skipSpaces()
    while !cursor.eat(0x29) {
      flags.append(try flag())
      if cursor.peek != 0x29 { try space() }
    }
    return flags
  }

  // MARK: Arguments

  /// Whether another argument follows; steps over the spaces before it, of which there must be one.
  @_lifetime(self: copy self)
  mutating func nextArgument() throws(ParseError) -> Bool {
    let start = cursor.index
    cursor.skipSpaces()
    if cursor.isAtLineEnd { return false }
    if cursor.index == start { throw cursor.unexpected }
    return true
  }

  /// Between two values of a list: at least one space, or nothing before the closing parenthesis.
  @_lifetime(self: copy self)
  mutating func separator() throws(ParseError) {
    if cursor.peek != 0x29 { try space() }
  }

  /// Opens a list.
  @_lifetime(self: copy self)
  mutating func openList() throws(ParseError) {
    try cursor.expect(0x28)
    cursor.skipSpaces()
  }

  /// An astring's bytes.
  @_lifetime(self: copy self)
  mutating func bytes() throws(ParseError) -> [UInt8] {
    let token = try astring()
    return cursor.view(token).copy()
  }

  /// The bytes of one astring, or of several in parentheses, as names of entries come: wildcards may be in bare ones.
  @_lifetime(self: copy self)
  mutating func oneOrMore() throws(ParseError) -> [[UInt8]] {
    if cursor.peek != 0x28 { return [try pattern()] }
    try openList()
    var values: [[UInt8]] = []
    repeat {
      values.append(try pattern())
      try separator()
    } while !cursor.eat(0x29)
    return values
  }

  /// NIL as nil, or a string of any kind (RFC 5464, section 5: value).
  @_lifetime(self: copy self)
  mutating func value() throws(ParseError) -> [UInt8]? {
    if cursor.eatNIL() { return nil }
    let token = try string()
    return cursor.view(token).copy()
  }

  /// An atom as text.
  @_lifetime(self: copy self)
  mutating func word() throws(ParseError) -> String {
    let range = try atom()
    return cursor.bytes.extracting(range).lossyString()
  }

  /// A number above zero that fits 32 bits.
  @_lifetime(self: copy self)
  mutating func nonZero() throws(ParseError) -> UInt32 {
    let start = cursor.index
    let number = try cursor.number32()
    if number == 0 { throw ParseError(.invalidValue, offset: start) }
    return number
  }

  /// A number of 63 bits.
  @_lifetime(self: copy self)
  mutating func number63() throws(ParseError) -> UInt64 { try modSeq().rawValue }

  /// Names in parentheses.
  @_lifetime(self: copy self)
  mutating func mailboxes() throws(ParseError) -> [MailboxName] {
    try openList()
    var names: [MailboxName] = []
    repeat {
      names.append(try mailbox())
      try separator()
    } while !cursor.eat(0x29)
    return names
  }

  /// The error for nesting that goes too deep.
  @_lifetime(self: copy self)
  mutating func checkDepth(_ depth: Int) throws(ParseError) {
    if depth < limits.nesting { return }
    throw ParseError(passed: .nesting, UInt64(max(limits.nesting, 0)), at: cursor.index)
  }
}
