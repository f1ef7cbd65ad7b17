/// Commands about the connection, and those without a case of their own.
extension CommandEncoder {
  /// Writes `command` if it is one of these.
  mutating func encodeSession(_ command: Command) throws(EncodingError) -> Bool {
    switch command {
    case .capability: output.append("CAPABILITY")
    case .noop: output.append("NOOP")
    case .logout: output.append("LOGOUT")
    case .id(let fields): try encodeID(fields)
    case .language(let ranges): try words("LANGUAGE", ranges)
    case .startTLS: output.append("STARTTLS")
    case .login(let user, let password): try encodeLogin(user, password)
    case .authenticate(let exchange): try encodeAuthenticate(exchange)
    case .unauthenticate: output.append("UNAUTHENTICATE")
    case .proxyAuth(let user):
      output.append("PROXYAUTH ")
      place = .user
      try string(user)
    case .compress: output.append("COMPRESS DEFLATE")
    case .enable(let capabilities):
      output.append("ENABLE ")
      place = .capability
      try list(capabilities) { encoder, capability throws(EncodingError) in try encoder.atom(capability.rawValue) }
    case .comparator(let order): try words("COMPARATOR", order)
    case .namespace: output.append("NAMESPACE")
    case .getJMAPAccess: output.append("GETJMAPACCESS")
    case .idle: output.append("IDLE")
    case .notify(let request): try encodeNotify(request)
    case .applePushService(let request): try encodeApplePush(request)
    case .other(let command): try encodeGeneric(command)
    default: return false
    }
    return true
  }

  /// An argument of a command without a case of its own, or of an extension.
  mutating func argument(_ argument: CommandArgument, depth: Int = 0) throws(EncodingError) {
    place = .argument
    if depth > Self.maximumSearchNesting { throw EncodingError(rule: .nesting) }
    switch argument {
    case .atom(let text):
      let bare = text.utf8.first == UInt8(ascii: "\\") ? text.dropFirst() : text[...]
      if bare.isEmpty { throw EncodingError(rule: .empty) }
      for byte in bare.utf8 where !ByteClass(of: byte).contains(.astring) { throw EncodingError(rule: .character) }
      output.append(text)
    case .number(let number): output.append(decimal: number)
    case .set(let numbers): try set(numbers)
    case .string(let bytes): try string(bytes.span)
    case .binary(let bytes): literal8(bytes.span)
    case .list(let values):
      if values.isEmpty { return output.append("()") }
      try parentheses(values) { encoder, value throws(EncodingError) in try encoder.argument(value, depth: depth + 1) }
    case .raw(let bytes): try raw(bytes)
    }
  }

  /// A space and an argument, if there is one.
  mutating func optionalArgument(_ value: CommandArgument?) throws(EncodingError) {
    guard let value else { return }
    output.append(UInt8(ascii: " "))
    try argument(value)
  }

  /// Text as it is. What ends in a literal's header would make the server take the next line for its bytes.
  mutating func raw(_ bytes: [UInt8]) throws(EncodingError) {
    if bytes.isEmpty { throw EncodingError(rule: .empty) }
    if bytes.contains(where: { $0 == 0 || $0 == 0x0d || $0 == 0x0a }) { throw EncodingError(rule: .character) }
    if let open = bytes.lastIndex(of: UInt8(ascii: "{")), bytes.last(where: { $0 != 0x20 }) == UInt8(ascii: "}"),
      open + 1 < bytes.count, bytes[open + 1] &- 0x30 <= 9
    {
      throw EncodingError()
    }
    output.append(bytes)
  }

  // MARK: Commands

  private mutating func words(_ name: StaticString, _ words: [String]) throws(EncodingError) {
    output.append(name)
    place = .language
    for word in words {
      output.append(UInt8(ascii: " "))
      try string(word)
    }
  }

  private mutating func encodeID(_ fields: [IDField]?) throws(EncodingError) {
    output.append("ID ")
    place = .idField
    guard let fields else { return output.append("NIL") }
    if fields.isEmpty { return output.append("()") }
    try parentheses(fields) { encoder, field throws(EncodingError) in
      try encoder.string(field.name)
      encoder.output.append(UInt8(ascii: " "))
      try encoder.nstring(field.value)
    }
  }

  private mutating func encodeLogin(_ user: String, _ password: Secret) throws(EncodingError) {
    output.append("LOGIN ")
    place = .user
    try string(user)
    place = .password
    output.append(UInt8(ascii: " "))
    // Before the password, so that no copy of it is left behind if the buffer grows.
    output.markSecret()
    try password.withBytes { bytes throws(EncodingError) in try string(bytes) }
    output.markSecret()
  }

  private mutating func encodeAuthenticate(_ exchange: SASLExchange) throws(EncodingError) {
    output.append("AUTHENTICATE ")
    place = .mechanism
    try atom(exchange.mechanism)
    guard hasSASLIR, let response = exchange.initialResponse else { return }
    output.append(UInt8(ascii: " "))
    output.appendBase64(response, emptyAs: "=")
  }

  private mutating func encodeApplePush(_ request: ApplePushRequest) throws(EncodingError) {
    output.append("XAPPLEPUSHSERVICE aps-version ")
    output.append(decimal: request.version)
    output.append(" aps-account-id ")
    try string(request.accountID)
    output.append(" aps-device-token ")
    try string(request.deviceToken)
    output.append(" aps-subtopic ")
    try string(request.subtopic)
    output.append(" mailboxes ")
    try mailboxes(request.mailboxes)
  }

  private mutating func encodeGeneric(_ command: GenericCommand) throws(EncodingError) {
    // The machine must know what these do.
    if CommandName(text: command.name)?.hasFlowOfItsOwn ?? false { throw EncodingError() }
    let words = command.name.split(separator: " ", omittingEmptySubsequences: false)
    if words.count > 2 || (words.count == 2 && words[0] != "UID") { throw EncodingError() }
    try list(words) { encoder, word throws(EncodingError) in try encoder.atom(word) }
    for value in command.arguments {
      output.append(UInt8(ascii: " "))
      try argument(value)
    }
  }

  // MARK: NOTIFY

  private mutating func encodeNotify(_ request: NotifyRequest) throws(EncodingError) {
    output.append("NOTIFY ")
    switch request {
    case .none: output.append("NONE")
    case .set(let status, let groups):
      output.append(status ? "SET STATUS " : "SET ")
      try list(groups) { encoder, group throws(EncodingError) in
        encoder.output.append(UInt8(ascii: "("))
        try encoder.filter(group.filter)
        encoder.output.append(UInt8(ascii: " "))
        if group.events.isEmpty {
          encoder.output.append("NONE")
        } else {
          try encoder.parentheses(group.events) { encoder, event throws(EncodingError) in try encoder.event(event) }
        }
        encoder.output.append(UInt8(ascii: ")"))
      }
    }
  }

  private mutating func event(_ event: NotifyEvent) throws(EncodingError) {
    switch event {
    case .messageNew(let items):
      output.append("MessageNew")
      if items.isEmpty { return }
      output.append(UInt8(ascii: " "))
      try fetchItems(items)
    case .messageExpunge: output.append("MessageExpunge")
    case .flagChange: output.append("FlagChange")
    case .annotationChange: output.append("AnnotationChange")
    case .mailboxName: output.append("MailboxName")
    case .subscriptionChange: output.append("SubscriptionChange")
    case .mailboxMetadataChange: output.append("MailboxMetadataChange")
    case .serverMetadataChange: output.append("ServerMetadataChange")
    case .other(let name): try atom(name)
    }
  }

  /// Which mailboxes NOTIFY and ESEARCH are about.
  mutating func filter(_ filter: MailboxFilter) throws(EncodingError) {
    switch filter {
    case .selected: output.append("selected")
    case .selectedDelayed: output.append("selected-delayed")
    case .inboxes: output.append("inboxes")
    case .personal: output.append("personal")
    case .subscribed: output.append("subscribed")
    case .subtree(let names): try named("subtree ", names)
    case .subtreeOne(let names): try named("subtree-one ", names)
    case .mailboxes(let names): try named("mailboxes ", names)
    }
  }

  private mutating func named(_ word: StaticString, _ names: [MailboxName]) throws(EncodingError) {
    output.append(word)
    if names.count == 1, let name = names.first { try mailbox(name) } else { try mailboxes(names) }
  }
}
