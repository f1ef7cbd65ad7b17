/// Reads one framed command: its line with the literals that belong to it, from the tag to the line's end.
///
/// It takes any letter case and any run of spaces where the grammar has one, and nothing else that the grammar does not
/// have: a client that is misunderstood loses data, one that is refused can be fixed. ``ServerConnection`` frames and
/// uses it; alone it serves tests and tools. Complexity of every parse: O(n).
public struct CommandParser: Sendable, Hashable {
  /// The bounds that apply inside a line: nesting and the number of FETCH items.
  public var limits: ParserLimits
  /// How mailbox names hold characters outside ASCII: UTF-8 once the client enabled it (RFC 6855, RFC 9051).
  public var mailboxEncoding: MailboxName.Encoding

  /// A parser.
  public init(limits: ParserLimits = .server, mailboxEncoding: MailboxName.Encoding = .modifiedUTF7) {
    self.limits = limits
    self.mailboxEncoding = mailboxEncoding
  }

  /// The tag and the command that `line` holds. Of an APPEND the line ends behind the header of the message's literal;
  /// its bytes and the line end behind them are not part of `line`.
  ///
  /// Throws ``ParseError`` with an offset from the start of `line`.
  public func parse(_ line: Span<UInt8>) throws(ParseError) -> (tag: String, command: Command) {
    var reader = CommandReader(line, self)
    let head = try reader.head()
    let command = try reader.arguments(of: head.name)
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
}

/// Walks over one command.
struct CommandReader: ~Escapable {
  var cursor: Cursor
  let limits: ParserLimits
  let mailboxEncoding: MailboxName.Encoding

  @_lifetime(copy line)
  init(_ line: Span<UInt8>, _ parser: CommandParser) {
    cursor = Cursor(line)
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
    if found == nil, cursor.bytes.extracting(word).equalsIgnoringCase("UID") {
      try space()
      let second = try cursor.run(of: .atom)
      end = second.upperBound
      found = CommandName(uid: cursor.bytes.extracting(second))
    }
    guard let found else { throw ParseError(.unknownCommand, offset: start) }
    return CommandHead(tag: tag, nameRange: start..<end, name: found)
  }

  /// The rest of the command, to the end of the line.
  @_lifetime(self: copy self)
  mutating func arguments(of name: CommandName) throws(ParseError) -> Command {
    let command: Command
    switch name {
    case .capability: command = .capability
    case .noop: command = .noop
    case .logout: command = .logout
    case .startTLS: command = .startTLS
    case .namespace: command = .namespace
    case .idle: command = .idle
    case .close: command = .close
    case .unselect: command = .unselect
    case .expunge: command = .expunge
    case .id: command = try identification()
    case .login: command = try login()
    case .authenticate: command = try authenticate()
    case .enable: command = try enable()
    case .list:
      try space()
      let reference = try mailbox()
      try space()
      command = .list(reference: reference, pattern: try listPattern())
    case .status: command = try status()
    case .create:
      try space()
      command = .create(try mailbox())
    case .delete:
      try space()
      command = .delete(try mailbox())
    case .select:
      command = .select(try selectArguments())
    case .examine:
      command = .examine(try selectArguments())
    case .append:
      // The literal's header has the line's end in it.
      let request = try append().request
      if !cursor.isAtEnd { throw cursor.unexpected }
      return .append(request)
    case .uidExpunge:
      try space()
      command = .uidExpunge(try messageSet())
    case .search, .uidSearch: command = try search(uid: name == .uidSearch)
    case .fetch, .uidFetch: command = try fetch(uid: name == .uidFetch)
    case .store, .uidStore: command = try store(uid: name == .uidStore)
    case .copy, .uidCopy:
      let messages = try messageReference(uid: name == .uidCopy)
      try space()
      command = .copy(messages, try mailbox())
    case .move, .uidMove:
      let messages = try messageReference(uid: name == .uidMove)
      try space()
      command = .move(messages, try mailbox())
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
  private mutating func messageNumber() throws(ParseError) -> MessageBound {
    if cursor.eat(0x2a) { return .star }
    let start = cursor.index
    let number = try cursor.number32()
    if number == 0 { throw ParseError(.invalidValue, offset: start) }
    return MessageBound(number)
  }

  /// A sequence-set (RFC 9051, section 9). Each range costs its client two bytes of the line, which bounds their number.
  @_lifetime(self: copy self)
  mutating func messageSet<Number: MessageNumber>() throws(ParseError) -> MessageSet<Number> {
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

  /// A modification sequence: 63 bits (RFC 7162, section 9).
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
}
