/// Commands about the connection and about mailboxes.
extension CommandReader {
  /// ` NIL`, or ` (` name value … `)` (RFC 2971, section 3.1).
  @_lifetime(self: copy self)
  mutating func identification() throws(ParseError) -> Command {
    try space()
    if cursor.eatNIL() { return .id(nil) }
    try cursor.expect(0x28)
    var fields: [IDField] = []
    cursor.skipSpaces()
    while !cursor.eat(0x29) {
      let nameToken = try string()
      let name = cursor.view(nameToken).lossyString()
      try space()
      var value: String?
      if !cursor.eatNIL() {
        let token = try string()
        value = cursor.view(token).lossyString()
      }
      fields.append(IDField(name, value))
      if cursor.peek != 0x29 { try space() }
    }
    return .id(fields)
  }

  /// The password goes from the line to its ``Secret``; the one array between them is overwritten.
  @_lifetime(self: copy self)
  mutating func login() throws(ParseError) -> Command {
    try space()
    let user = try text()
    try space()
    let token = try astring()
    var bytes = cursor.view(token).copy()
    defer { wipe(&bytes, bytes.indices) }
    return .login(user: user, password: Secret(bytes))
  }

  /// The mechanism and, where the client sent one, the initial response: `=` is an empty one (RFC 4959, section 3).
  @_lifetime(self: copy self)
  mutating func authenticate() throws(ParseError) -> Command {
    try space()
    let mechanism = try atom()
    var exchange = SASLExchange(mechanism: cursor.bytes.extracting(mechanism).lossyString())
    cursor.skipSpaces()
    if cursor.isAtLineEnd { return .authenticate(exchange) }
    let start = cursor.index
    while cursor.peek != 0x20, !cursor.isAtLineEnd { cursor.index += 1 }
    let encoded = cursor.bytes.extracting(start..<cursor.index)
    if encoded.count == 1, encoded[0] == 0x3d {
      exchange.initialResponse = Secret([])
    } else if var bytes = Base64.decode(encoded) {
      exchange.initialResponse = Secret(bytes)
      wipe(&bytes, bytes.indices)
    } else {
      throw ParseError(.invalidValue, offset: start)
    }
    return .authenticate(exchange)
  }

  @_lifetime(self: copy self)
  mutating func enable() throws(ParseError) -> Command {
    var capabilities: [Capability] = []
    repeat {
      try space()
      let word = try atom()
      capabilities.append(Capability(cursor.bytes.extracting(word).lossyString()))
      // Spaces before the line's end are no argument.
      var rest = cursor.index
      while rest < cursor.bytes.count, cursor.bytes[rest] == 0x20 { rest += 1 }
      if rest == cursor.bytes.count || cursor.bytes[rest] == 0x0d || cursor.bytes[rest] == 0x0a { break }
    } while true
    return .enable(capabilities)
  }

  /// A pattern: as a mailbox, with `%` and `*` in the bare form too.
  @_lifetime(self: copy self)
  mutating func listPattern() throws(ParseError) -> MailboxName {
    if cursor.peek == 0x22 || cursor.isAtLiteral { return try mailbox() }
    let start = cursor.index
    while true {
      cursor.index = cursor.bytes.firstNot(.astring, from: cursor.index)
      if !cursor.eat(0x25), !cursor.eat(0x2a) { break }
    }
    if cursor.index == start { throw cursor.unexpected }
    return MailboxName(wire: cursor.bytes.extracting(start..<cursor.index).copy(), encoding: mailboxEncoding)
  }

  @_lifetime(self: copy self)
  mutating func status() throws(ParseError) -> Command {
    try space()
    let name = try mailbox()
    try space()
    try cursor.expect(0x28)
    var items: [StatusItem] = []
    cursor.skipSpaces()
    repeat {
      let word = try atom()
      let text = asciiUppercased(cursor.bytes.extracting(word).lossyString())
      guard let item = StatusItem(rawValue: text) else { throw ParseError(.invalidValue, offset: word.lowerBound) }
      // A client may repeat itself; the answer does not.
      if !items.contains(item) { items.append(item) }
      if cursor.peek != 0x29 { try space() }
    } while !cursor.eat(0x29)
    return .status(name, items)
  }

  /// The mailbox of SELECT or EXAMINE. Of the parameters only `(CONDSTORE)` is known (RFC 7162, section 3.1.8).
  @_lifetime(self: copy self)
  mutating func selectArguments() throws(ParseError) -> (MailboxName, condStore: Bool) {
    try space()
    let name = try mailbox()
    cursor.skipSpaces()
    if !cursor.eat(0x28) { return (name, condStore: false) }
    let word = try atom()
    if !matches(word, "CONDSTORE") { throw ParseError(.invalidValue, offset: word.lowerBound) }
    try cursor.expect(0x29)
    return (name, condStore: true)
  }

  /// The arguments of APPEND up to and including the header of the message's literal (RFC 9051, section 6.3.12).
  @_lifetime(self: copy self)
  mutating func append() throws(ParseError) -> (request: AppendRequest, header: LiteralHeader) {
    try space()
    let name = try mailbox()
    try space()
    var request = AppendRequest(mailbox: name, byteCount: 0)
    if cursor.peek == 0x28 {
      request.flags = try flagList()
      try space()
    }
    if cursor.peek == 0x22 {
      let token = try quoted()
      request.date = try dateTime(token)
      try space()
    }
    if !cursor.isAtLiteral { throw cursor.unexpected }
    let header = try cursor.literalHeader()
    request.byteCount = header.byteCount
    return (request, header)
  }

  /// Whether the literal whose header ends at the line's end is the mailbox name of an APPEND, not its message.
  static func isMailboxOfAppend(_ line: Span<UInt8>, _ parser: CommandParser) -> Bool {
    var reader = CommandReader(line, parser)
    guard let head = try? reader.head(), head.name == .append else { return false }
    reader.cursor.skipSpaces()
    guard reader.cursor.isAtLiteral, (try? reader.cursor.literalHeader()) != nil else { return false }
    return reader.cursor.isAtEnd
  }
}
