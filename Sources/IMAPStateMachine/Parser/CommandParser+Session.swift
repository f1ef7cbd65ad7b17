/// Commands about the connection, and those without a grammar of their own.
extension CommandReader {
  /// The command, if it is one of these.
  @_lifetime(self: copy self)
  mutating func sessionCommand(_ head: CommandHead) throws(ParseError) -> Command? {
    switch head.name {
    case .capability: return .capability
    case .noop: return .noop
    case .logout: return .logout
    case .id: return try identification()
    case .language: return .language(try words())
    case .startTLS: return .startTLS
    case .login: return try login()
    case .authenticate: return try authenticate()
    case .unauthenticate: return .unauthenticate
    case .proxyAuth:
      try space()
      return .proxyAuth(user: try text())
    case .compress:
      try space()
      let algorithm = try atom()
      if !matches(algorithm, "DEFLATE") { throw ParseError(.invalidValue, offset: algorithm.lowerBound) }
      return .compress
    case .enable: return try enable()
    case .comparator: return .comparator(try words())
    case .namespace: return .namespace
    case .getJMAPAccess: return .getJMAPAccess
    case .idle: return .idle
    case .notify: return .notify(try notify())
    case .applePushService: return .applePushService(try applePush())
    case .other:
      let word = cursor.bytes.extracting(head.uidWord ?? head.nameRange).lossyString()
      var arguments: [CommandArgument] = []
      while try nextArgument() { arguments.append(try argument()) }
      return .other(GenericCommand(head.uidWord == nil ? word : "UID \(word)", arguments))
    default: return nil
    }
  }

  /// ` NIL`, or ` (` name value … `)` (RFC 2971, section 3.1).
  @_lifetime(self: copy self)
  private mutating func identification() throws(ParseError) -> Command {
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
  private mutating func login() throws(ParseError) -> Command {
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
  private mutating func authenticate() throws(ParseError) -> Command {
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
  private mutating func enable() throws(ParseError) -> Command {
    var capabilities: [Capability] = []
    try space()
    repeat { capabilities.append(Capability(try word())) } while try nextArgument()
    return .enable(capabilities)
  }

  /// Astrings to the line's end, possibly none.
  @_lifetime(self: copy self)
  private mutating func words() throws(ParseError) -> [String] {
    var words: [String] = []
    while try nextArgument() { words.append(try text()) }
    return words
  }

  /// Pairs of a name and a value in any order, each once.
  @_lifetime(self: copy self)
  private mutating func applePush() throws(ParseError) -> ApplePushRequest {
    var request = ApplePushRequest(version: 0, accountID: "", deviceToken: "", subtopic: "", mailboxes: [])
    var found = 0
    while try nextArgument() {
      let name = try atom()
      try space()
      if matches(name, "aps-version") {
        // Devices send it as a string, too.
        let start = cursor.index
        guard let version = UInt32(try text()), version > 0 else { throw ParseError(.invalidValue, offset: start) }
        request.version = version
      } else if matches(name, "aps-account-id") {
        request.accountID = try text()
      } else if matches(name, "aps-device-token") {
        request.deviceToken = try text()
      } else if matches(name, "aps-subtopic") {
        request.subtopic = try text()
      } else if matches(name, "mailboxes") {
        request.mailboxes = try mailboxes()
      } else {
        throw ParseError(.invalidValue, offset: name.lowerBound)
      }
      found += 1
    }
    if found != 5 || request.version == 0 || request.mailboxes.isEmpty { throw cursor.unexpected }
    return request
  }

  // MARK: NOTIFY

  @_lifetime(self: copy self)
  private mutating func notify() throws(ParseError) -> NotifyRequest {
    try space()
    let kind = try atom()
    if matches(kind, "NONE") { return .none }
    if !matches(kind, "SET") { throw ParseError(.invalidValue, offset: kind.lowerBound) }
    try space()
    let asksForStatus = takeWord("STATUS")
    if asksForStatus { try space() }
    var groups: [NotifyGroup] = []
    repeat {
      try openList()
      let filter = try filter()
      try space()
      groups.append(NotifyGroup(filter, try events()))
      cursor.skipSpaces()
      try cursor.expect(0x29)
    } while try nextArgument()
    return .set(status: asksForStatus, groups)
  }

  @_lifetime(self: copy self)
  private mutating func events() throws(ParseError) -> [NotifyEvent] {
    if takeWord("NONE") { return [] }
    try openList()
    var events: [NotifyEvent] = []
    repeat {
      events.append(try event())
      try separator()
    } while !cursor.eat(0x29)
    return events
  }

  @_lifetime(self: copy self)
  private mutating func event() throws(ParseError) -> NotifyEvent {
    let word = try atom()
    if matches(word, "MessageNew") {
      let end = cursor.index
      cursor.skipSpaces()
      if cursor.peek == 0x28 { return .messageNew(try fetchList()) }
      cursor.index = end
      return .messageNew()
    }
    if matches(word, "MessageExpunge") { return .messageExpunge }
    if matches(word, "FlagChange") { return .flagChange }
    if matches(word, "AnnotationChange") { return .annotationChange }
    if matches(word, "MailboxName") { return .mailboxName }
    if matches(word, "SubscriptionChange") { return .subscriptionChange }
    if matches(word, "MailboxMetadataChange") { return .mailboxMetadataChange }
    if matches(word, "ServerMetadataChange") { return .serverMetadataChange }
    return .other(cursor.bytes.extracting(word).lossyString())
  }

  /// Which mailboxes NOTIFY and ESEARCH are about.
  @_lifetime(self: copy self)
  mutating func filter() throws(ParseError) -> MailboxFilter {
    let word = try atom()
    if matches(word, "selected") { return .selected }
    if matches(word, "selected-delayed") { return .selectedDelayed }
    if matches(word, "inboxes") { return .inboxes }
    if matches(word, "personal") { return .personal }
    if matches(word, "subscribed") { return .subscribed }
    if matches(word, "subtree") { return .subtree(try filterNames()) }
    if matches(word, "subtree-one") { return .subtreeOne(try filterNames()) }
    if matches(word, "mailboxes") { return .mailboxes(try filterNames()) }
    throw ParseError(.invalidValue, offset: word.lowerBound)
  }

  @_lifetime(self: copy self)
  private mutating func filterNames() throws(ParseError) -> [MailboxName] {
    try space()
    return cursor.peek == 0x28 ? try mailboxes() : [try mailbox()]
  }
}
