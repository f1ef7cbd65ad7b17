/// Writes commands as RFC 9051, section 9 has them, choosing for each string the simplest form that can hold it.
///
/// It appends to a send buffer and notes where sending must stop until the server asks for a literal. A value that the
/// protocol cannot carry throws ``EncodingError``; the caller then drops what was appended.
struct CommandEncoder: ~Copyable {
  /// A value that cannot be sent: a NUL, a line break where no literal may stand, an empty set. Which argument it belongs to
  /// ``place`` says.
  struct EncodingError: Error {
    var rule = InvalidArgument.Rule.form
  }

  /// A place for bytes that are streamed.
  struct Hole: Hashable, Sendable {
    /// How many bytes of `output` come before it.
    var position: Int
    /// How many bytes belong there.
    var byteCount: UInt64
  }

  /// What is being written.
  var output = SendBuffer()
  /// Lengths of `output` at which a continuation request must come before the rest is sent.
  var stops: [Int] = []
  /// Where the bytes of appended messages belong, in ascending order.
  var holes: [Hole] = []
  /// Whether the command names a charset.
  var namesCharset = false
  /// What the texts of a search are written in.
  var texts = SearchCharset.utf8
  /// The argument that is being written.
  var place = InvalidArgument.Argument.command
  /// How many bytes of `output` are those of literals.
  var literalBytes = 0
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

  /// Appends the command with its tag, without the bytes of appended messages, for which ``holes`` stand.
  mutating func encode(_ command: Command, tag: UInt32) throws(EncodingError) {
    output.append(CommandTag.prefix)
    output.append(decimal: tag)
    output.append(UInt8(ascii: " "))
    var isDone = try encodeSession(command)
    if !isDone { isDone = try encodeMailboxes(command) }
    if !isDone { isDone = try encodeAccess(command) }
    if !isDone { try encodeMessages(command) }
    output.append("\r\n")
  }

  // MARK: Parts

  /// A mailbox name in the encoding that was agreed on. Always quoted or a literal: some servers refuse bare names.
  mutating func mailbox(_ name: MailboxName) throws(EncodingError) {
    place = .mailbox
    try string(name.bytes(in: mailboxEncoding).span)
  }

  /// A quoted string where one can hold `bytes`, else a literal.
  mutating func string(_ bytes: Span<UInt8>) throws(EncodingError) {
    var isQuotable = bytes.count <= Self.longestQuoted
    for index in bytes.indices {
      let byte = bytes[index]
      // RFC 3501, section 9: no string but literal8 holds NUL.
      if byte == 0 { throw EncodingError(rule: .nul) }
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
    if text.isEmpty { throw EncodingError(rule: .empty) }
    for byte in text.utf8 {
      if !ByteClass(of: byte).contains(.atom) { throw EncodingError(rule: .character) }
      output.append(byte)
    }
  }

  mutating func set<Number>(_ set: MessageSet<Number>) throws(EncodingError) {
    if set.isSavedResult { return output.append(UInt8(ascii: "$")) }
    place = .messages
    if set.isEmpty { throw EncodingError(rule: .empty) }
    for index in set.ranges.indices {
      let range = set.ranges[index]
      if index > 0 { output.append(UInt8(ascii: ",")) }
      try number(range.first)
      if range.last != range.first {
        output.append(UInt8(ascii: ":"))
        try number(range.last)
      }
    }
  }

  /// The longest quoted string: servers cap tokens far above it, and literals have no cap.
  static let longestQuoted = 1024

  /// A number of its own kind: a message's, a part's.
  private mutating func number(_ bound: MessageBound) throws(EncodingError) {
    switch bound.number {
    case nil: output.append(UInt8(ascii: "*"))
    // RFC 9051, section 9: nz-number.
    case 0: throw EncodingError(rule: .zero)
    case let number?: output.append(decimal: number)
    }
  }

  private mutating func literal(_ bytes: Span<UInt8>) {
    literalHeader(UInt64(bytes.count))
    literalBytes += bytes.count
    output.append(bytes)
  }

  /// A literal that may hold NUL (RFC 3516).
  mutating func literal8(_ bytes: Span<UInt8>) {
    output.append(UInt8(ascii: "~"))
    literal(bytes)
  }

  /// `{n}` or `{n+}` and the line's end. Where the server must answer first, sending stops here.
  mutating func literalHeader(_ count: UInt64) {
    let mustWait = literals.mustWait(count)
    output.append(UInt8(ascii: "{"))
    output.append(decimal: count)
    output.append(mustWait ? "}\r\n" : "+}\r\n")
    if mustWait { stops.append(output.count) }
  }

  /// A string in the simplest form that can hold it; NUL needs a literal8 (RFC 5464, section 5: value).
  mutating func value(_ bytes: [UInt8]?) throws(EncodingError) {
    guard let bytes else { return output.append("NIL") }
    if bytes.contains(0) { literal8(bytes.span) } else { try string(bytes.span) }
  }

  /// `write` for each of `values`, spaces between them. Throws where there are none.
  mutating func list<Value>(
    _ values: [Value], _ write: (inout CommandEncoder, Value) throws(EncodingError) -> Void
  ) throws(EncodingError) {
    if values.isEmpty { throw EncodingError(rule: .empty) }
    for index in values.indices {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      try write(&self, values[index])
    }
  }

  /// The same in parentheses.
  mutating func parentheses<Value>(
    _ values: [Value], _ write: (inout CommandEncoder, Value) throws(EncodingError) -> Void
  ) throws(EncodingError) {
    output.append(UInt8(ascii: "("))
    try list(values, write)
    output.append(UInt8(ascii: ")"))
  }

  /// Mailbox names in parentheses.
  mutating func mailboxes(_ names: [MailboxName]) throws(EncodingError) {
    try parentheses(names) { encoder, name throws(EncodingError) in try encoder.mailbox(name) }
  }

  /// Strings in parentheses.
  mutating func strings(_ values: [[UInt8]]) throws(EncodingError) {
    try parentheses(values) { encoder, value throws(EncodingError) in try encoder.string(value.span) }
  }

  mutating func modSeq(_ value: ModSeq) throws(EncodingError) {
    // RFC 7162, section 7: 63 bits.
    if value.rawValue > UInt64(Int64.max) {
      place = .modSeq
      throw EncodingError(rule: .tooLarge)
    }
    output.append(decimal: value.rawValue)
  }

  /// Flags in parentheses, possibly none.
  mutating func flags(_ flags: [Flag]) throws(EncodingError) {
    place = .flag
    output.append(UInt8(ascii: "("))
    for index in flags.indices {
      let flag = flags[index]
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
  mutating func reference(_ messages: MessageReference, _ name: StaticString) throws(EncodingError) {
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
}

/// The tags of a client: `A` and the command's number.
enum CommandTag {
  static let prefix = UInt8(ascii: "A")

  static func text(_ number: UInt32) -> String { "A\(number)" }

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
