/// Commands about access, quota, metadata and URLs.
extension CommandReader {
  /// The command, if it is one of these.
  @_lifetime(self: copy self)
  mutating func accessCommand(_ name: CommandName) throws(ParseError) -> Command? {
    switch name {
    case .setACL:
      let (mailbox, identifier) = try mailboxAndIdentifier()
      try space()
      return .setACL(mailbox, identifier: identifier, try rightsChange())
    case .deleteACL:
      let (mailbox, identifier) = try mailboxAndIdentifier()
      return .deleteACL(mailbox, identifier: identifier)
    case .getACL:
      try space()
      return .getACL(try mailbox())
    case .listRights:
      let (mailbox, identifier) = try mailboxAndIdentifier()
      return .listRights(mailbox, identifier: identifier)
    case .myRights:
      try space()
      return .myRights(try mailbox())
    case .getQuota:
      try space()
      return .getQuota(root: try bytes())
    case .getQuotaRoot:
      try space()
      return .getQuotaRoot(try mailbox())
    case .setQuota: return try setQuota()
    case .getMetadata: return try getMetadata()
    case .setMetadata: return try setMetadata()
    case .getAnnotation:
      try space()
      let mailbox = MailboxName(wire: try pattern(), encoding: mailboxEncoding)
      try space()
      let entries = try oneOrMore()
      try space()
      return .getAnnotation(mailbox: mailbox, entries: entries, attributes: try oneOrMore())
    case .setAnnotation:
      try space()
      let mailbox = MailboxName(wire: try pattern(), encoding: mailboxEncoding)
      try space()
      let entries = cursor.peek == 0x28 ? try annotations() : [try annotation()]
      return .setAnnotation(mailbox: mailbox, entries)
    case .generateURLAuth: return try generateURLAuth()
    case .fetchURLs: return try fetchURLs()
    case .resetKey:
      if try !nextArgument() { return .resetKey(nil) }
      let mailbox = try mailbox()
      var mechanisms: [String] = []
      while try nextArgument() { mechanisms.append(try word()) }
      return .resetKey(mailbox, mechanisms: mechanisms)
    default: return nil
    }
  }

  /// Annotations in parentheses (RFC 5257, section 5).
  @_lifetime(self: copy self)
  mutating func annotations() throws(ParseError) -> [MessageAnnotation] {
    try openList()
    var values: [MessageAnnotation] = []
    repeat {
      values.append(try annotation())
      try separator()
    } while !cursor.eat(0x29)
    return values
  }

  @_lifetime(self: copy self)
  private mutating func annotation() throws(ParseError) -> MessageAnnotation {
    var annotation = MessageAnnotation(entry: try pattern())
    cursor.skipSpaces()
    try openList()
    repeat {
      let name = try bytes()
      try space()
      annotation.attributes.append(MessageAnnotation.Attribute(name: name, value: try value()))
      try separator()
    } while !cursor.eat(0x29)
    return annotation
  }

  @_lifetime(self: copy self)
  private mutating func mailboxAndIdentifier() throws(ParseError) -> (MailboxName, [UInt8]) {
    try space()
    let mailbox = try mailbox()
    try space()
    return (mailbox, try bytes())
  }

  @_lifetime(self: copy self)
  private mutating func rightsChange() throws(ParseError) -> AccessRightsChange {
    let text = try text()
    if text.hasPrefix("+") { return .add(AccessRights(String(text.dropFirst()))) }
    if text.hasPrefix("-") { return .remove(AccessRights(String(text.dropFirst()))) }
    return .replace(AccessRights(text))
  }

  @_lifetime(self: copy self)
  private mutating func setQuota() throws(ParseError) -> Command {
    try space()
    let root = try bytes()
    try space()
    try openList()
    var limits: [QuotaLimit] = []
    while !cursor.eat(0x29) {
      let name = try word()
      try space()
      limits.append(QuotaLimit(name, try number63()))
      try separator()
    }
    return .setQuota(root: root, limits)
  }

  /// The options stand before the mailbox in the grammar of RFC 5464 and behind it in its examples.
  @_lifetime(self: copy self)
  private mutating func getMetadata() throws(ParseError) -> Command {
    try space()
    var options = MetadataOptions()
    let isFirst = cursor.peek == 0x28
    if isFirst {
      options = try metadataOptions()
      try space()
    }
    let mailbox = try mailbox()
    try space()
    if !isFirst, cursor.peek == 0x28 {
      let start = cursor.index
      // Entries start with a slash.
      try openList()
      let isOptions = ByteClass(of: cursor.peek).contains(.atom) && cursor.peek != 0x2f
      cursor.index = start
      if isOptions {
        options = try metadataOptions()
        try space()
      }
    }
    var entries = try oneOrMore()
    // The examples leave the parentheses out.
    while try nextArgument() { entries.append(try bytes()) }
    return .getMetadata(mailbox, entries: entries, options)
  }

  @_lifetime(self: copy self)
  private mutating func metadataOptions() throws(ParseError) -> MetadataOptions {
    try openList()
    var options = MetadataOptions()
    repeat {
      let word = try atom()
      try space()
      if matches(word, "MAXSIZE") {
        options.maximumSize = try cursor.number32()
      } else if matches(word, "DEPTH") {
        let value = try atom()
        switch asciiUppercased(cursor.bytes.extracting(value).lossyString()) {
        case "0": options.depth = .zero
        case "1": options.depth = .one
        case "INFINITY": options.depth = .infinity
        default: throw ParseError(.invalidValue, offset: value.lowerBound)
        }
      } else {
        throw ParseError(.invalidValue, offset: word.lowerBound)
      }
      try separator()
    } while !cursor.eat(0x29)
    return options
  }

  @_lifetime(self: copy self)
  private mutating func setMetadata() throws(ParseError) -> Command {
    try space()
    let mailbox = try mailbox()
    try space()
    try openList()
    var entries: [Metadata.Entry] = []
    repeat {
      let name = try bytes()
      try space()
      entries.append(Metadata.Entry(name: name, value: try value()))
      try separator()
    } while !cursor.eat(0x29)
    return .setMetadata(mailbox, entries)
  }

  @_lifetime(self: copy self)
  private mutating func generateURLAuth() throws(ParseError) -> Command {
    var requests: [URLAuthRequest] = []
    try space()
    repeat {
      var request = URLAuthRequest("")
      request.url = try bytes()
      try space()
      request.mechanism = asciiUppercased(try word())
      requests.append(request)
    } while try nextArgument()
    return .generateURLAuth(requests)
  }

  @_lifetime(self: copy self)
  private mutating func fetchURLs() throws(ParseError) -> Command {
    var requests: [URLFetchRequest] = []
    try space()
    repeat {
      var request = URLFetchRequest("")
      if cursor.peek == 0x28 {
        try openList()
        request.url = try bytes()
        var items: [URLFetchRequest.Item] = []
        try separator()
        while !cursor.eat(0x29) {
          let word = try atom()
          let text = asciiUppercased(cursor.bytes.extracting(word).lossyString())
          guard let item = URLFetchRequest.Item(rawValue: text) else {
            throw ParseError(.invalidValue, offset: word.lowerBound)
          }
          items.append(item)
          try separator()
        }
        request.items = items
      } else {
        request.url = try bytes()
      }
      requests.append(request)
    } while try nextArgument()
    return .fetchURLs(requests)
  }
}
