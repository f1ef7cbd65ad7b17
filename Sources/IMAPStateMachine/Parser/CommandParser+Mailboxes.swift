/// Commands about mailboxes, and APPEND.
extension CommandReader {
  /// The command, if it is one of these.
  @_lifetime(self: copy self)
  mutating func mailboxCommand(_ name: CommandName) throws(ParseError) -> Command? {
    switch name {
    case .list: return .list(try listRequest())
    case .lsub, .xlist, .rlist, .rlsub:
      try space()
      let reference = try mailbox()
      try space()
      let pattern = try listPattern()
      switch name {
      case .lsub: return .lsub(reference: reference, pattern: pattern)
      case .xlist: return .xlist(reference: reference, pattern: pattern)
      case .rlist: return .rlist(reference: reference, pattern: pattern)
      default: return .rlsub(reference: reference, pattern: pattern)
      }
    case .status:
      try space()
      let name = try mailbox()
      try space()
      return .status(name, try statusItems())
    case .create:
      try space()
      let name = try mailbox()
      return .create(name, specialUse: try specialUse())
    case .delete:
      try space()
      return .delete(try mailbox())
    case .rename:
      try space()
      let name = try mailbox()
      try space()
      return .rename(name, to: try mailbox())
    case .subscribe:
      try space()
      return .subscribe(try mailbox())
    case .unsubscribe:
      try space()
      return .unsubscribe(try mailbox())
    case .select, .examine:
      try space()
      let mailbox = try mailbox()
      let parameters = try selectParameters()
      return name == .select ? .select(mailbox, parameters) : .examine(mailbox, parameters)
    default: return nil
    }
  }

  /// The bytes of a string, or of a bare word that may hold `%` and `*`.
  @_lifetime(self: copy self)
  mutating func pattern() throws(ParseError) -> [UInt8] {
    if cursor.peek == 0x22 || cursor.isAtLiteral { return try bytes() }
    let start = cursor.index
    while true {
      cursor.index = cursor.bytes.firstNot(.astring, from: cursor.index)
      if !cursor.eat(0x25), !cursor.eat(0x2a) { break }
    }
    if cursor.index == start { throw cursor.unexpected }
    return cursor.bytes.extracting(start..<cursor.index).copy()
  }

  /// A pattern: as a mailbox, with `%` and `*` in the bare form too.
  @_lifetime(self: copy self)
  private mutating func listPattern() throws(ParseError) -> MailboxName {
    MailboxName(wire: try pattern(), encoding: mailboxEncoding)
  }

  @_lifetime(self: copy self)
  private mutating func statusItems() throws(ParseError) -> [StatusItem] {
    try openList()
    var items: [StatusItem] = []
    repeat {
      let word = try atom()
      let text = asciiUppercased(cursor.bytes.extracting(word).lossyString())
      guard let item = StatusItem(rawValue: text) else { throw ParseError(.invalidValue, offset: word.lowerBound) }
      // A client may repeat itself; the answer does not.
      if !items.contains(item) { items.append(item) }
      try separator()
    } while !cursor.eat(0x29)
    return items
  }

  /// ` (USE (\Drafts))` (RFC 6154, section 3).
  @_lifetime(self: copy self)
  private mutating func specialUse() throws(ParseError) -> [Flag] {
    if try !nextArgument() { return [] }
    try openList()
    let word = try atom()
    if !matches(word, "USE") { throw ParseError(.invalidValue, offset: word.lowerBound) }
    try space()
    let uses = try flagList()
    cursor.skipSpaces()
    try cursor.expect(0x29)
    return uses
  }

  // MARK: LIST

  @_lifetime(self: copy self)
  private mutating func listRequest() throws(ParseError) -> ListRequest {
    try space()
    var selection: [ListSelectionOption] = []
    var isExtended = false
    if cursor.peek == 0x28 {
      isExtended = true
      selection = try listSelection()
      // Clients leave the space out, as an example of RFC 5819 does.
      cursor.skipSpaces()
    }
    let reference = try mailbox()
    try space()
    var patterns: [MailboxName] = []
    if cursor.peek == 0x28 {
      isExtended = true
      try openList()
      repeat {
        patterns.append(try listPattern())
        try separator()
      } while !cursor.eat(0x29)
    } else {
      patterns.append(try listPattern())
    }
    var returning: [ListReturnOption] = []
    if try nextArgument() {
      isExtended = true
      let word = try atom()
      if !matches(word, "RETURN") { throw ParseError(.invalidValue, offset: word.lowerBound) }
      cursor.skipSpaces()
      try openList()
      while !cursor.eat(0x29) {
        returning.append(try listReturn())
        try separator()
      }
    }
    return ListRequest(
      reference: reference, patterns: patterns, selection: selection, returning: returning, extended: isExtended)
  }

  @_lifetime(self: copy self)
  private mutating func listSelection() throws(ParseError) -> [ListSelectionOption] {
    let start = cursor.index
    try openList()
    var options: [ListSelectionOption] = []
    while !cursor.eat(0x29) {
      let word = try atom()
      if matches(word, "SUBSCRIBED") {
        options.append(.subscribed)
      } else if matches(word, "REMOTE") {
        options.append(.remote)
      } else if matches(word, "RECURSIVEMATCH") {
        options.append(.recursiveMatch)
      } else if matches(word, "SPECIAL-USE") {
        options.append(.specialUse)
      } else {
        let name = cursor.bytes.extracting(word).lossyString()
        options.append(.other(name: name, value: try optionalArgument()))
      }
      try separator()
    }
    // RFC 5258, section 3.1: "the server MUST respond with a BAD" to RECURSIVEMATCH alone or with REMOTE.
    if options.contains(.recursiveMatch), options.allSatisfy({ $0 == .recursiveMatch || $0 == .remote }) {
      throw ParseError(.invalidValue, offset: start)
    }
    return options
  }

  @_lifetime(self: copy self)
  private mutating func listReturn() throws(ParseError) -> ListReturnOption {
    let word = try atom()
    if matches(word, "SUBSCRIBED") { return .subscribed }
    if matches(word, "CHILDREN") { return .children }
    if matches(word, "SPECIAL-USE") { return .specialUse }
    if matches(word, "MYRIGHTS") { return .myRights }
    if matches(word, "STATUS") {
      cursor.skipSpaces()
      return .status(try statusItems())
    }
    if matches(word, "METADATA") {
      cursor.skipSpaces()
      try openList()
      var entries: [[UInt8]] = []
      repeat {
        entries.append(try bytes())
        try separator()
      } while !cursor.eat(0x29)
      return .metadata(entries)
    }
    let name = cursor.bytes.extracting(word).lossyString()
    return .other(name: name, value: try optionalArgument())
  }

  // MARK: SELECT

  @_lifetime(self: copy self)
  private mutating func selectParameters() throws(ParseError) -> SelectParameters {
    var parameters = SelectParameters()
    cursor.skipSpaces()
    if cursor.isAtLineEnd { return parameters }
    try openList()
    repeat {
      let word = try atom()
      if matches(word, "CONDSTORE") {
        parameters.condStore = true
      } else if matches(word, "QRESYNC") {
        try space()
        parameters.qResync = try qResync()
      } else if matches(word, "ANNOTATE") {
        parameters.annotate = true
      } else {
        throw ParseError(.invalidValue, offset: word.lowerBound)
      }
      try separator()
    } while !cursor.eat(0x29)
    return parameters
  }

  /// `(uidvalidity modseq [known-uids] [(sequence uids)])` (RFC 7162, section 7).
  @_lifetime(self: copy self)
  private mutating func qResync() throws(ParseError) -> QResyncParameters {
    try openList()
    var start = cursor.index
    // 32 bits by the RFC; more are what some servers count to.
    let validity = try cursor.number()
    if validity == 0 { throw ParseError(.invalidValue, offset: start) }
    try space()
    start = cursor.index
    let highest = try modSeq()
    if highest.rawValue == 0 { throw ParseError(.invalidValue, offset: start) }
    var known = QResyncParameters(uidValidity: validity, modSeq: highest)
    try separator()
    if cursor.peek &- 0x30 <= 9 {
      known.knownUIDs = try finiteSet()
      try separator()
    }
    if cursor.peek == 0x28 {
      try openList()
      let sequence: SequenceSet = try finiteSet()
      try space()
      let uids: UIDSet = try finiteSet()
      cursor.skipSpaces()
      try cursor.expect(0x29)
      known.sequenceMatch = QResyncParameters.SequenceMatch(sequence: sequence, uids: uids)
      cursor.skipSpaces()
    }
    try cursor.expect(0x29)
    return known
  }

  /// A set without `*` and `$`.
  @_lifetime(self: copy self)
  private mutating func finiteSet<Number: MessageNumber>() throws(ParseError) -> MessageSet<Number> {
    let start = cursor.index
    let set: MessageSet<Number> = try messageSet()
    if set.isSavedResult || set.ranges.contains(where: { $0.first == .star || $0.last == .star }) {
      throw ParseError(.invalidValue, offset: start)
    }
    return set
  }

  // MARK: APPEND

  /// What stands before the first message: the mailbox, and of REPLACE which message goes.
  @_lifetime(self: copy self)
  mutating func appendStart(_ name: CommandName) throws(ParseError) -> AppendRequest {
    try space()
    var replacing: ReplacedMessage?
    if name != .append {
      let number = try messageNumber().number
      replacing =
        name == .uidReplace
        ? .uid(number.map { UID(rawValue: $0) }) : .sequence(number.map { SequenceNumber(rawValue: $0) })
      try space()
    }
    let mailbox = try mailbox()
    try space()
    return AppendRequest(mailbox: mailbox, messages: [], replacing: replacing)
  }

  /// Goes on to the next literal that is to be streamed, and says what its header is; nil where the command has come to
  /// its last argument. `isInCatenate` says that the parts of the last message go on.
  @_lifetime(self: copy self)
  mutating func appendStep(
    _ request: inout AppendRequest, _ isInCatenate: inout Bool
  ) throws(ParseError) -> LiteralHeader? {
    while true {
      if isInCatenate {
        if let header = try catenatePart(&request, &isInCatenate) { return header }
        if isInCatenate { continue }
        if try !nextArgument() { return nil }
      }
      if let header = try appendedMessage(&request, &isInCatenate) { return header }
    }
  }

  /// Goes on behind a literal's bytes.
  @_lifetime(self: copy self)
  mutating func appendContinuation(
    _ request: inout AppendRequest, _ isInCatenate: inout Bool
  ) throws(ParseError) -> LiteralHeader? {
    if isInCatenate {
      try separator()
    } else {
      if case .utf8 = request.messages.last?.data { try cursor.expect(0x29) }
      // RFC 8508, section 3.4: REPLACE takes one message.
      if request.replacing != nil { return nil }
      if try !nextArgument() { return nil }
    }
    return try appendStep(&request, &isInCatenate)
  }

  /// Whether the parenthesis of a UTF8 message is to come (RFC 6855, section 4).
  func isAtUTF8End(of request: AppendRequest) -> Bool {
    if case .utf8 = request.messages.last?.data { true } else { false }
  }

  /// A message up to its literal; nil where its parts follow.
  @_lifetime(self: copy self)
  private mutating func appendedMessage(
    _ request: inout AppendRequest, _ isInCatenate: inout Bool
  ) throws(ParseError) -> LiteralHeader? {
    try checkParts(request.messages.count)
    var message = AppendMessage(byteCount: 0)
    if cursor.peek == 0x28 {
      message.flags = try flagList()
      try space()
    }
    if cursor.peek == 0x22 {
      let token = try quoted()
      message.date = try dateTime(token)
      try space()
    }
    if takeWord("ANNOTATION") {
      try space()
      message.annotations = try annotations()
      try space()
    }
    if takeWord("CATENATE") {
      cursor.skipSpaces()
      try openList()
      message.data = .catenate([])
      request.messages.append(message)
      isInCatenate = true
      return nil
    }
    if takeWord("UTF8") {
      cursor.skipSpaces()
      try openList()
      if cursor.peek != 0x7e || !cursor.isAtLiteral { throw cursor.unexpected }
      let header = try cursor.literalHeader()
      message.data = .utf8(byteCount: header.byteCount)
      request.messages.append(message)
      return header
    }
    if !cursor.isAtLiteral { throw cursor.unexpected }
    let header = try cursor.literalHeader()
    message.data =
      header.isBinary ? .binary(byteCount: header.byteCount) : .literal(byteCount: header.byteCount)
    request.messages.append(message)
    return header
  }

  /// One part of a CATENATE, or its end (RFC 4469, section 5).
  @_lifetime(self: copy self)
  private mutating func catenatePart(
    _ request: inout AppendRequest, _ isInCatenate: inout Bool
  ) throws(ParseError) -> LiteralHeader? {
    guard var message = request.messages.popLast(), case .catenate(var parts) = message.data else {
      throw cursor.unexpected
    }
    defer { request.messages.append(message) }
    if !parts.isEmpty, cursor.eat(0x29) {
      isInCatenate = false
      return nil
    }
    try checkParts(parts.count)
    // Let go of the other reference, so that the parts are not copied each time.
    message.data = .catenate([])
    defer { message.data = .catenate(parts) }
    let word = try atom()
    try space()
    if matches(word, "URL") {
      parts.append(.url(try text()))
      try separator()
      return nil
    }
    if !matches(word, "TEXT") { throw ParseError(.invalidValue, offset: word.lowerBound) }
    if !cursor.isAtLiteral { throw cursor.unexpected }
    let header = try cursor.literalHeader()
    parts.append(.text(byteCount: header.byteCount, binary: header.isBinary))
    return header
  }

  /// Messages and parts are kept until the command is over.
  @_lifetime(self: copy self)
  private mutating func checkParts(_ count: Int) throws(ParseError) {
    if count < limits.appendParts { return }
    throw ParseError(passed: .appendParts, UInt64(max(limits.appendParts, 0)), at: cursor.index)
  }

  /// Whether the literal whose header ends at the line's end is one of a message's, not a mailbox's name or a URL.
  static func endsInMessage(_ line: Span<UInt8>, _ parser: CommandParser) -> Bool {
    var reader = CommandReader(line, parser)
    var isInCatenate = false
    do throws(ParseError) {
      let head = try reader.head()
      var request = try reader.appendStart(head.name)
      return try reader.appendStep(&request, &isInCatenate) != nil
    } catch {
      // A literal whose bytes are not here yet is no message's. Anything else is refused when it is read.
      return !(reader.cursor.isAtEnd && error.reason == .unexpectedEnd)
    }
  }
}
