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
  /// Throws ``ConnectionError/misuse(_:)`` where it cannot be written: ``Response/malformed(_:_:)``, atoms with bytes that
  /// no atom has, and raw values and lines that are not one value or one line.
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
      output.append(listing.isXList ? "* XLIST " : "* LIST ")
      try self.listing(listing, into: &output)
    case .lsub(let listing):
      output.append("* LSUB ")
      try self.listing(listing, into: &output)
    case .mailboxStatus(let status):
      output.append("* STATUS ")
      try mailboxStatus(status, into: &output)
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
      try fetch(response.sequence.rawValue, " FETCH (", response.attributes, into: &output)
    case .uidFetch(let uid, let attributes):
      try fetch(uid.rawValue, " UIDFETCH (", attributes, into: &output)
    case .vanished, .sort, .thread, .extendedSearch, .acl, .listRights, .myRights, .quota, .quotaRoots, .metadata,
      .language, .comparator, .authorizedURLs, .fetchedURLs, .jmapAccess, .uidBatches, .annotation:
      try extensionLine(response, into: &output)
    case .unknown(let bytes): return try rawLine(bytes, into: &output)
    case .malformed:
      throw unencodable
    }
    output.append("\r\n")
  }

  private func extensionLine(_ response: Response, into output: inout SendBuffer) throws(ConnectionError) {
    switch response {
    case .vanished(let uids, let earlier): vanished(uids, earlier: earlier, into: &output)
    case .sort(let result):
      output.append("* SORT")
      search(result, into: &output)
    case .thread(let threads): self.threads(threads, into: &output)
    case .extendedSearch(let result): try extendedSearch(result, into: &output)
    case .acl(let list): accessControl(list, into: &output)
    case .listRights(let list): listRights(list, into: &output)
    case .myRights(let rights): myRights(rights, into: &output)
    case .quota(let quota): self.quota(quota, into: &output)
    case .quotaRoots(let roots): quotaRoots(roots, into: &output)
    case .metadata(let metadata): self.metadata(metadata, into: &output)
    case .language(let tags): try language(tags, into: &output)
    case .comparator(let comparator): self.comparator(comparator, into: &output)
    case .authorizedURLs(let urls): authorizedURLs(urls, into: &output)
    case .fetchedURLs(let urls): try fetchedURLs(urls, into: &output)
    case .jmapAccess(let url):
      output.append("* JMAPACCESS ")
      string(url, into: &output)
    case .uidBatches(let batches): uidBatches(batches, into: &output)
    case .annotation(let mailbox, let annotation): self.annotation(mailbox, annotation, into: &output)
    default: throw unencodable
    }
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
      namespaceExtensions(namespace.extensions, into: &output)
      output.append(0x29)
    }
    output.append(0x29)
  }

  private func listing(_ listing: MailboxListing, into output: inout SendBuffer) throws(ConnectionError) {
    try flags(listing.attributes, into: &output)
    output.append(0x20)
    delimiter(listing.delimiter, into: &output)
    output.append(0x20)
    // RFC 4466, section 6: values are lists and numbers. Behind a bare name readers take others for a part of it.
    if listing.extended.allSatisfy({ $0.value.first.map { $0 == 0x28 || $0 &- 0x30 <= 9 } ?? true }) {
      mailbox(listing.name, into: &output)
    } else {
      string(listing.name.bytes(in: mailboxEncoding), into: &output)
    }
    try listExtensions(listing, into: &output)
  }

  /// A quoted character, or NIL: for none, and for one that the grammar has no form for.
  private func delimiter(_ character: Character?, into output: inout SendBuffer) {
    guard let byte = character?.asciiValue, byte >= 0x20, byte < 0x7f else { return output.append("NIL") }
    string([byte], into: &output)
  }

  private func mailboxStatus(_ status: MailboxStatus, into output: inout SendBuffer) throws(ConnectionError) {
    mailbox(status.mailbox, into: &output)
    output.append(" (")
    var isFirst = true
    func name(_ name: String, _ output: inout SendBuffer) throws(ConnectionError) {
      if !isFirst { output.append(0x20) }
      isFirst = false
      try atom(name, into: &output)
      output.append(0x20)
    }
    for item in StatusItem.allCases {
      if let value = status[item] {
        try name(item.rawValue, &output)
        output.append(decimal: value)
      } else if item == .appendLimit, status.appendLimit != nil {
        try name(item.rawValue, &output)
        output.append("NIL")
      } else if item == .mailboxID, let id = status.mailboxID {
        try name(item.rawValue, &output)
        output.append(0x28)
        try atom(id, into: &output)
        output.append(0x29)
      }
    }
    for item in status.others {
      try name(item.name, &output)
      try raw(item.value, into: &output)
    }
    output.append(0x29)
  }
}
