/// Writes commands as RFC 9051, section 9 has them, choosing for each string the simplest form that can hold it.
///
/// It appends to a send buffer and notes where sending must stop until the server asks for a literal. A value that the
/// protocol cannot carry throws ``EncodingError``; the caller then drops what was appended.
struct CommandEncoder: ~Copyable {
  /// A value that cannot be sent: a NUL, a line break where no literal may stand, an empty set.
  struct EncodingError: Error {}

  /// What is being written.
  var output = SendBuffer()
  /// Lengths of `output` at which a continuation request must come before the rest is sent.
  var stops: [Int] = []
  let literals: LiteralPolicy
  let mailboxEncoding: MailboxName.Encoding
  let hasSASLIR: Bool

  init(literals: LiteralPolicy, mailboxEncoding: MailboxName.Encoding, hasSASLIR: Bool) {
    self.literals = literals
    self.mailboxEncoding = mailboxEncoding
    self.hasSASLIR = hasSASLIR
  }

  /// Search keys inside one another at the most. Servers refuse far fewer.
  static let maximumSearchNesting = 64

  /// Appends the command with its tag, without the bytes of an APPEND literal, and with the line's end unless the command
  /// ends in such a literal.
  mutating func encode(_ command: borrowing Command, tag: UInt32) throws(EncodingError) {
    output.append(CommandTag.prefix)
    output.append(decimal: tag)
    output.append(UInt8(ascii: " "))
    switch copy command {
    case .capability: output.append("CAPABILITY")
    case .noop: output.append("NOOP")
    case .logout: output.append("LOGOUT")
    case .id(let fields): try encodeID(fields)
    case .startTLS: output.append("STARTTLS")
    case .login(let user, let password): try encodeLogin(user, password)
    case .authenticate(let exchange): try encodeAuthenticate(exchange)
    case .enable(let capabilities):
      output.append("ENABLE")
      if capabilities.isEmpty { throw EncodingError() }
      for capability in capabilities {
        output.append(UInt8(ascii: " "))
        try atom(capability.rawValue)
      }
    case .namespace: output.append("NAMESPACE")
    case .list(let reference, let pattern):
      output.append("LIST ")
      try mailbox(reference)
      output.append(UInt8(ascii: " "))
      try mailbox(pattern)
    case .status(let name, let items):
      output.append("STATUS ")
      try mailbox(name)
      output.append(" (")
      if items.isEmpty { throw EncodingError() }
      for (index, item) in items.enumerated() {
        if index > 0 { output.append(UInt8(ascii: " ")) }
        output.append(item.rawValue)
      }
      output.append(UInt8(ascii: ")"))
    case .create(let name):
      output.append("CREATE ")
      try mailbox(name)
    case .delete(let name):
      output.append("DELETE ")
      try mailbox(name)
    case .select(let name):
      output.append("SELECT ")
      try mailbox(name)
    case .examine(let name):
      output.append("EXAMINE ")
      try mailbox(name)
    case .append(let request):
      try encodeAppend(request)
      return
    case .idle: output.append("IDLE")
    case .close: output.append("CLOSE")
    case .unselect: output.append("UNSELECT")
    case .expunge: output.append("EXPUNGE")
    case .uidExpunge(let uids):
      output.append("UID EXPUNGE ")
      try set(uids)
    case .search(let key, let uid, let charset): try encodeSearch(key, uid: uid, charset: charset)
    case .fetch(let messages, let items, let since): try encodeFetch(messages, items, since)
    case .store(let messages, let operation, let since): try encodeStore(messages, operation, since)
    case .copy(let messages, let name):
      try reference(messages, "COPY")
      output.append(UInt8(ascii: " "))
      try mailbox(name)
    case .move(let messages, let name):
      try reference(messages, "MOVE")
      output.append(UInt8(ascii: " "))
      try mailbox(name)
    }
    output.append("\r\n")
  }

  // MARK: Parts

  /// A mailbox name in the encoding that was agreed on. Always quoted or a literal: some servers refuse bare names.
  mutating func mailbox(_ name: MailboxName) throws(EncodingError) {
    try string(name.bytes(in: mailboxEncoding).span)
  }

  /// A quoted string where one can hold `bytes`, else a literal.
  mutating func string(_ bytes: Span<UInt8>) throws(EncodingError) {
    var isQuotable = bytes.count <= Self.longestQuoted
    for index in bytes.indices {
      let byte = bytes[index]
      // RFC 3501, section 9: no string but literal8 holds NUL.
      if byte == 0 { throw EncodingError() }
      if byte == 0x0d || byte == 0x0a || byte >= 0x80 { isQuotable = false }
    }
    if !isQuotable { return literal(bytes) }
    output.append(UInt8(ascii: "\""))
    for index in bytes.indices {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { output.append(UInt8(ascii: "\\")) }
      output.append(byte)
    }
    output.append(UInt8(ascii: "\""))
  }

  mutating func string(_ text: String) throws(EncodingError) {
    let bytes = Array(text.utf8)
    try string(bytes.span)
  }

  mutating func nstring(_ text: String?) throws(EncodingError) {
    if let text { try string(text) } else { output.append("NIL") }
  }

  /// An atom: nothing but ATOM-CHARs.
  mutating func atom(_ text: some StringProtocol) throws(EncodingError) {
    if text.isEmpty { throw EncodingError() }
    for byte in text.utf8 {
      if !ByteClass(of: byte).contains(.atom) { throw EncodingError() }
      output.append(byte)
    }
  }

  mutating func set<Number>(_ set: MessageSet<Number>) throws(EncodingError) {
    if set.isEmpty { throw EncodingError() }
    for (index, range) in set.ranges.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      try number(range.first)
      if range.last != range.first {
        output.append(UInt8(ascii: ":"))
        try number(range.last)
      }
    }
  }

  /// The longest quoted string: servers cap tokens far above it, and literals have no cap.
  private static let longestQuoted = 1024

  private mutating func number(_ bound: MessageBound) throws(EncodingError) {
    switch bound.number {
    case nil: output.append(UInt8(ascii: "*"))
    // RFC 9051, section 9: nz-number.
    case 0: throw EncodingError()
    case let number?: output.append(decimal: number)
    }
  }

  private mutating func literal(_ bytes: Span<UInt8>) {
    literalHeader(UInt64(bytes.count))
    output.append(bytes)
  }

  /// `{n}` or `{n+}` and the line's end. Where the server must answer first, sending stops here.
  private mutating func literalHeader(_ count: UInt64) {
    let mustWait = literals.mustWait(count)
    output.append(UInt8(ascii: "{"))
    output.append(decimal: count)
    output.append(mustWait ? "}\r\n" : "+}\r\n")
    if mustWait { stops.append(output.count) }
  }

  private mutating func flags(_ flags: [Flag]) throws(EncodingError) {
    output.append(UInt8(ascii: "("))
    for (index, flag) in flags.enumerated() {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      if flag.isSystem {
        output.append(UInt8(ascii: "\\"))
        try atom(flag.rawValue.dropFirst())
      } else {
        try atom(flag.rawValue)
      }
    }
    output.append(UInt8(ascii: ")"))
  }

  /// `FETCH 1:3` or `UID FETCH 7`.
  private mutating func reference(_ messages: MessageReference, _ name: StaticString) throws(EncodingError) {
    switch messages {
    case .uids(let uids):
      output.append("UID ")
      output.append(name)
      output.append(UInt8(ascii: " "))
      try set(uids)
    case .sequence(let numbers):
      output.append(name)
      output.append(UInt8(ascii: " "))
      try set(numbers)
    }
  }

  // MARK: Commands

  private mutating func encodeID(_ fields: [IDField]?) throws(EncodingError) {
    output.append("ID ")
    guard let fields else { return output.append("NIL") }
    output.append(UInt8(ascii: "("))
    for (index, field) in fields.enumerated() {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      try string(field.name)
      output.append(UInt8(ascii: " "))
      try nstring(field.value)
    }
    output.append(UInt8(ascii: ")"))
  }

  private mutating func encodeLogin(_ user: String, _ password: Secret) throws(EncodingError) {
    output.append("LOGIN ")
    try string(user)
    output.append(UInt8(ascii: " "))
    // Before the password, so that no copy of it is left behind if the buffer grows.
    output.markSecret()
    try password.withBytes { bytes throws(EncodingError) in try string(bytes) }
    output.markSecret()
  }

  private mutating func encodeAuthenticate(_ exchange: SASLExchange) throws(EncodingError) {
    output.append("AUTHENTICATE ")
    try atom(exchange.mechanism)
    guard hasSASLIR, let response = exchange.initialResponse else { return }
    output.append(UInt8(ascii: " "))
    output.appendBase64(response, emptyAs: "=")
  }

  private mutating func encodeAppend(_ request: AppendRequest) throws(EncodingError) {
    output.append("APPEND ")
    try mailbox(request.mailbox)
    output.append(UInt8(ascii: " "))
    if !request.flags.isEmpty {
      try flags(request.flags)
      output.append(UInt8(ascii: " "))
    }
    if let date = request.date {
      output.append(UInt8(ascii: "\""))
      output.append(date.description)
      output.append("\" ")
    }
    literalHeader(request.byteCount)
  }

  private mutating func encodeFetch(
    _ messages: MessageReference, _ items: [FetchItem], _ changedSince: ModSeq?
  ) throws(EncodingError) {
    if items.isEmpty { throw EncodingError() }
    try reference(messages, "FETCH")
    output.append(" (")
    for (index, item) in items.enumerated() {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      try fetchItem(item)
    }
    output.append(UInt8(ascii: ")"))
    if let changedSince {
      output.append(" (CHANGEDSINCE ")
      output.append(decimal: changedSince.rawValue)
      output.append(UInt8(ascii: ")"))
    }
  }

  private mutating func fetchItem(_ item: FetchItem) throws(EncodingError) {
    switch item {
    case .uid: output.append("UID")
    case .flags: output.append("FLAGS")
    case .internalDate: output.append("INTERNALDATE")
    case .rfc822Size: output.append("RFC822.SIZE")
    case .modSeq: output.append("MODSEQ")
    case .envelope: output.append("ENVELOPE")
    case .bodyStructure: output.append("BODYSTRUCTURE")
    case .body: output.append("BODY")
    case .rfc822: output.append("RFC822")
    case .rfc822Header: output.append("RFC822.HEADER")
    case .rfc822Text: output.append("RFC822.TEXT")
    case .section(let section, let peek, let partial):
      output.append(peek ? "BODY.PEEK[" : "BODY[")
      try self.section(section)
      output.append(UInt8(ascii: "]"))
      if let partial {
        if partial.count == 0 { throw EncodingError() }
        output.append(UInt8(ascii: "<"))
        output.append(decimal: partial.offset)
        output.append(UInt8(ascii: "."))
        output.append(decimal: partial.count)
        output.append(UInt8(ascii: ">"))
      }
    }
  }

  private mutating func section(_ section: Section) throws(EncodingError) {
    for (index, number) in section.part.enumerated() {
      if number == 0 { throw EncodingError() }
      if index > 0 { output.append(UInt8(ascii: ".")) }
      output.append(decimal: number)
    }
    if !section.part.isEmpty, section.kind != .full { output.append(UInt8(ascii: ".")) }
    switch section.kind {
    case .full: break
    case .header: output.append("HEADER")
    case .text: output.append("TEXT")
    case .mime:
      // RFC 9051, section 6.4.5.1: MIME must be prefixed by a part number.
      if section.part.isEmpty { throw EncodingError() }
      output.append("MIME")
    case .headerFields(let names): try fieldNames("HEADER.FIELDS (", names)
    case .headerFieldsNot(let names): try fieldNames("HEADER.FIELDS.NOT (", names)
    }
  }

  private mutating func fieldNames(_ word: StaticString, _ names: [String]) throws(EncodingError) {
    if names.isEmpty { throw EncodingError() }
    output.append(word)
    for (index, name) in names.enumerated() {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      try atom(name)
    }
    output.append(UInt8(ascii: ")"))
  }

  private mutating func encodeStore(
    _ messages: MessageReference, _ operation: StoreOperation, _ unchangedSince: ModSeq?
  ) throws(EncodingError) {
    try reference(messages, "STORE")
    if let unchangedSince {
      output.append(" (UNCHANGEDSINCE ")
      output.append(decimal: unchangedSince.rawValue)
      output.append(UInt8(ascii: ")"))
    }
    switch operation.action {
    case .replace: output.append(" FLAGS")
    case .add: output.append(" +FLAGS")
    case .remove: output.append(" -FLAGS")
    }
    output.append(operation.isSilent ? ".SILENT " : " ")
    try flags(operation.flags)
  }
}

/// The tags of a client: `A` and the command's number.
enum CommandTag {
  static let prefix = UInt8(ascii: "A")

  /// The number in a tag; nil for a tag that this side never makes.
  static func number(_ tag: Span<UInt8>) -> UInt32? {
    var cursor = Cursor(tag)
    guard cursor.eat(prefix) || cursor.eat(prefix | 0x20), cursor.peek != UInt8(ascii: "0"),
      let number = try? cursor.number32(), cursor.isAtEnd
    else { return nil }
    return number
  }
}

extension SendBuffer {
  /// Appends `secret` in base64, marked to be zeroed once sent; an empty one as `emptyAs`.
  mutating func appendBase64(_ secret: Secret, emptyAs: StaticString) {
    if secret.count == 0 { return append(emptyAs) }
    var text: [UInt8] = []
    secret.withBytes { bytes in
      // Reserved in advance: growing would leave copies behind.
      text.reserveCapacity(bytes.count / 3 * 4 + 4)
      Base64.encode(bytes, into: &text)
    }
    append(text)
    wipe(&text, text.indices)
    markSecret()
  }
}
