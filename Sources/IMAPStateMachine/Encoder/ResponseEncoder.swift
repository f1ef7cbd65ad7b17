/// Writes the responses of a server as bytes.
///
/// What a value holds never breaks a line: text for people gets its line breaks replaced, strings become literals where
/// they must, and a value that has no valid form (an atom with a space in it) is refused.
public struct ResponseEncoder: Sendable, Hashable {
  /// How mailbox names are written: UTF-8 once the client enabled it (RFC 6855, RFC 9051).
  public var mailboxEncoding: MailboxName.Encoding

  /// An encoder.
  public init(mailboxEncoding: MailboxName.Encoding = .modifiedUTF7) { self.mailboxEncoding = mailboxEncoding }

  /// The bytes of `response` with their line end.
  ///
  /// Throws ``ConnectionError/misuse(_:)`` where it cannot be written: ``Response/malformed(_:_:)``, and atoms with bytes
  /// that no atom has.
  public func encode(_ response: borrowing Response) throws(ConnectionError) -> [UInt8] {
    var output = SendBuffer()
    try encode(response, into: &output)
    return output.takeTail(behind: 0)
  }

  /// Appends `response`. Where it throws, what it wrote before is taken back.
  func encode(_ response: borrowing Response, into output: inout SendBuffer) throws(ConnectionError) {
    let start = output.count
    do throws(ConnectionError) {
      try line(copy response, into: &output)
    } catch {
      _ = output.takeTail(behind: start)
      throw error
    }
  }

  /// Appends `tag`, `status` and the line's end.
  func encode(tag: Span<UInt8>, _ status: borrowing Status, into output: inout SendBuffer) {
    output.append(tag)
    output.append(0x20)
    self.status(status, into: &output)
    output.append("\r\n")
  }

  private func line(_ response: Response, into output: inout SendBuffer) throws(ConnectionError) {
    switch response {
    case .tagged(let tag, let status):
      try atom(tag, into: &output)
      output.append(0x20)
      self.status(status, into: &output)
    case .status(let status):
      output.append("* ")
      self.status(status, into: &output)
    case .continuation(let text):
      output.append("+ ")
      for byte in text { output.append(isLineBreaking(byte) ? 0x20 : byte) }
    case .capability(let list):
      output.append("* CAPABILITY")
      try words(list, into: &output)
    case .enabled(let list):
      output.append("* ENABLED")
      try words(list, into: &output)
    case .id(let fields):
      output.append("* ID ")
      identification(fields, into: &output)
    case .namespace(let namespaces):
      output.append("* NAMESPACE")
      for kind in [namespaces.personal, namespaces.otherUsers, namespaces.shared] { namespace(kind, into: &output) }
    case .list(let listing):
      output.append("* LIST ")
      try self.listing(listing, into: &output)
    case .lsub(let listing):
      output.append("* LSUB ")
      try self.listing(listing, into: &output)
    case .mailboxStatus(let status):
      output.append("* STATUS ")
      mailboxStatus(status, into: &output)
    case .flags(let flags):
      output.append("* FLAGS ")
      try self.flags(flags, into: &output)
    case .search(let result):
      output.append("* SEARCH")
      search(result, into: &output)
    case .exists(let count): numbered(count, " EXISTS", into: &output)
    case .recent(let count): numbered(count, " RECENT", into: &output)
    case .expunge(let number): numbered(number.rawValue, " EXPUNGE", into: &output)
    case .fetch(let response):
      try fetch(response, into: &output)
    case .unknown(let bytes):
      output.append(bytes)
      if bytes.last == 0x0a { return }
    case .malformed:
      throw unencodable
    }
    output.append("\r\n")
  }

  // MARK: Lines

  private func numbered(_ number: UInt32, _ text: StaticString, into output: inout SendBuffer) {
    output.append("* ")
    output.append(decimal: number)
    output.append(text)
  }

  private func words(_ list: [Capability], into output: inout SendBuffer) throws(ConnectionError) {
    for capability in list {
      output.append(0x20)
      try atom(capability.rawValue, into: &output)
    }
  }

  private func identification(_ fields: [IDField]?, into output: inout SendBuffer) {
    guard let fields else { return output.append("NIL") }
    output.append(0x28)
    var isFirst = true
    for field in fields {
      if !isFirst { output.append(0x20) }
      isFirst = false
      string(Array(field.name.utf8), into: &output)
      output.append(0x20)
      nstring(field.value.map { Array($0.utf8) }, into: &output)
    }
    output.append(0x29)
  }

  private func namespace(_ list: [Namespaces.Namespace], into output: inout SendBuffer) {
    if list.isEmpty { return output.append(" NIL") }
    output.append(" (")
    for namespace in list {
      output.append(0x28)
      string(namespace.prefix.bytes(in: mailboxEncoding), into: &output)
      output.append(0x20)
      delimiter(namespace.delimiter, into: &output)
      output.append(0x29)
    }
    output.append(0x29)
  }

  private func listing(_ listing: MailboxListing, into output: inout SendBuffer) throws(ConnectionError) {
    try flags(listing.attributes, into: &output)
    output.append(0x20)
    delimiter(listing.delimiter, into: &output)
    output.append(0x20)
    mailbox(listing.name, into: &output)
  }

  /// A quoted character, or NIL: for none, and for one that the grammar has no form for.
  private func delimiter(_ character: Character?, into output: inout SendBuffer) {
    guard let byte = character?.asciiValue, byte >= 0x20, byte < 0x7f else { return output.append("NIL") }
    string([byte], into: &output)
  }

  private func mailboxStatus(_ status: MailboxStatus, into output: inout SendBuffer) {
    mailbox(status.mailbox, into: &output)
    output.append(" (")
    var isFirst = true
    for item in StatusItem.allCases {
      guard let value = status[item] else { continue }
      if !isFirst { output.append(0x20) }
      isFirst = false
      output.append(item.rawValue)
      output.append(0x20)
      output.append(decimal: value)
    }
    output.append(0x29)
  }

  private func search(_ result: SearchResult, into output: inout SendBuffer) {
    for number in result.numbers {
      output.append(0x20)
      output.append(decimal: number)
    }
    if let modSeq = result.modSeq {
      output.append(" (MODSEQ ")
      output.append(decimal: modSeq.rawValue)
      output.append(0x29)
    }
  }
}
