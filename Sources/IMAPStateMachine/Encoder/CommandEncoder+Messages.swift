/// Commands about the messages of the selected mailbox. Those that search are in a file of their own.
extension CommandEncoder {
  mutating func encodeMessages(_ command: Command) throws(EncodingError) {
    switch command {
    case .close: output.append("CLOSE")
    case .unselect: output.append("UNSELECT")
    case .check: output.append("CHECK")
    case .expunge: output.append("EXPUNGE")
    case .uidExpunge(let uids):
      output.append("UID EXPUNGE ")
      try set(uids)
    case .fetch(let messages, let items, let modifiers): try encodeFetch(messages, items, modifiers)
    case .store(let messages, let operation, let since):
      try encodeStore(messages, "FLAGS", operation.action, operation.isSilent, since)
      try flags(operation.flags)
    case .storeLabels(let messages, let operation, let since):
      try encodeStore(messages, "X-GM-LABELS", operation.action, operation.isSilent, since)
      if operation.labels.isEmpty { return output.append("()") }
      try parentheses(operation.labels) { encoder, label throws(EncodingError) in try encoder.label(label) }
    case .storeAnnotations(let messages, let values, let since):
      try encodeStore(messages, "ANNOTATION", .replace, false, since)
      try annotations(values)
    case .partial(let message, let item, let first, let count): try encodePartial(message, item, first, count)
    case .convert(let messages, let request): try encodeConvert(messages, request)
    case .conversions(let from, let to): try encodeConversions(from, to)
    case .copy(let messages, let name): try transfer(messages, "COPY", name)
    case .move(let messages, let name): try transfer(messages, "MOVE", name)
    case .uidBatches(let size, let batches):
      if size == 0 || batches?.lowerBound == 0 { throw EncodingError(rule: .zero) }
      output.append("UIDBATCHES ")
      output.append(decimal: size)
      guard let batches else { return }
      output.append(UInt8(ascii: " "))
      output.append(decimal: batches.lowerBound)
      output.append(UInt8(ascii: ":"))
      output.append(decimal: batches.upperBound)
    default: try encodeSearches(command)
    }
  }

  /// Items in parentheses.
  mutating func fetchItems(_ items: [FetchItem]) throws(EncodingError) {
    place = .fetchItem
    try parentheses(items) { encoder, item throws(EncodingError) in try encoder.fetchItem(item) }
  }

  /// A label: `\Inbox` is bare, all others are strings.
  mutating func label(_ label: GmailLabel) throws(EncodingError) {
    guard label.bytes.first == UInt8(ascii: "\\"), label.bytes.count > 1,
      label.bytes.dropFirst().allSatisfy({ ByteClass(of: $0).contains(.atom) })
    else {
      place = .label
      return try string(label.bytes.span)
    }
    output.append(label.bytes)
  }

  private mutating func transfer(
    _ messages: MessageReference, _ name: StaticString, _ mailbox: MailboxName
  ) throws(EncodingError) {
    try reference(messages, name)
    output.append(UInt8(ascii: " "))
    try self.mailbox(mailbox)
  }

  // MARK: FETCH

  private mutating func encodeFetch(
    _ messages: MessageReference, _ items: [FetchItem], _ modifiers: FetchModifiers
  ) throws(EncodingError) {
    try reference(messages, "FETCH")
    output.append(UInt8(ascii: " "))
    try fetchItems(items)
    if modifiers.isEmpty { return }
    place = .option
    if case .sequence = messages, modifiers.vanished || modifiers.partial != nil {
      // RFC 7162, section 3.2.6 and RFC 9394, section 3.2: only with UID FETCH.
      throw EncodingError()
    }
    // RFC 7162, section 3.2.6: VANISHED without CHANGEDSINCE is an error.
    if modifiers.vanished, modifiers.changedSince == nil { throw EncodingError() }
    output.append(" (")
    let start = output.count
    if let since = modifiers.changedSince {
      output.append("CHANGEDSINCE ")
      try modSeq(since)
    }
    if modifiers.vanished { output.append(" VANISHED") }
    if let window = modifiers.partial {
      output.append(output.count > start ? " PARTIAL " : "PARTIAL ")
      try self.window(window)
    }
    output.append(UInt8(ascii: ")"))
  }

  mutating func fetchItem(_ item: FetchItem) throws(EncodingError) {
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
    case .section(let section, let peek, let range):
      output.append(peek ? "BODY.PEEK[" : "BODY[")
      try self.section(section)
      output.append(UInt8(ascii: "]"))
      try partial(range)
    case .binary(let part, let peek, let range):
      output.append(peek ? "BINARY.PEEK[" : "BINARY[")
      try self.part(part)
      output.append(UInt8(ascii: "]"))
      try partial(range)
    case .binarySize(let part):
      output.append("BINARY.SIZE[")
      try self.part(part)
      output.append(UInt8(ascii: "]"))
    case .preview(let lazy): output.append(lazy ? "PREVIEW (LAZY)" : "PREVIEW")
    case .saveDate: output.append("SAVEDATE")
    case .emailID: output.append("EMAILID")
    case .threadID: output.append("THREADID")
    case .gmailMessageID: output.append("X-GM-MSGID")
    case .gmailThreadID: output.append("X-GM-THRID")
    case .gmailLabels: output.append("X-GM-LABELS")
    case .annotations(let entries, let attributes):
      output.append("ANNOTATION (")
      place = .annotation
      try oneOrMore(entries)
      output.append(UInt8(ascii: " "))
      try oneOrMore(attributes)
      output.append(UInt8(ascii: ")"))
    case .other(let text):
      place = .fetchItem
      guard Self.isItem(text) else { throw EncodingError() }
      try raw(Array(text.utf8))
    }
  }

  /// Whether `text` is one item as ``FetchItem/other(_:)`` describes it: it cannot end the list around it.
  private static func isItem(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var reader = CommandReader(bytes.span, CommandParser())
    guard let range = try? reader.unknownItem() else { return false }
    return range == 0..<bytes.count
  }

  mutating func partial(_ range: PartialRange?) throws(EncodingError) {
    guard let range else { return }
    if range.count == 0 {
      place = .section
      throw EncodingError(rule: .zero)
    }
    output.append(UInt8(ascii: "<"))
    output.append(decimal: range.offset)
    output.append(UInt8(ascii: "."))
    output.append(decimal: range.count)
    output.append(UInt8(ascii: ">"))
  }

  private mutating func part(_ numbers: [UInt32]) throws(EncodingError) {
    for (index, number) in numbers.enumerated() {
      if number == 0 {
        place = .section
        throw EncodingError(rule: .zero)
      }
      if index > 0 { output.append(UInt8(ascii: ".")) }
      output.append(decimal: number)
    }
  }

  mutating func section(_ section: Section) throws(EncodingError) {
    try part(section.part)
    if !section.part.isEmpty, section.kind != .full { output.append(UInt8(ascii: ".")) }
    switch section.kind {
    case .full: break
    case .header: output.append("HEADER")
    case .text: output.append("TEXT")
    case .mime:
      // RFC 9051, section 6.4.5.1: MIME must be prefixed by a part number.
      if section.part.isEmpty {
        place = .section
        throw EncodingError(rule: .empty)
      }
      output.append("MIME")
    case .headerFields(let names): try fieldNames("HEADER.FIELDS ", names)
    case .headerFieldsNot(let names): try fieldNames("HEADER.FIELDS.NOT ", names)
    }
  }

  private mutating func fieldNames(_ word: StaticString, _ names: [String]) throws(EncodingError) {
    output.append(word)
    place = .headerField
    try parentheses(names) { encoder, name throws(EncodingError) in try encoder.atom(name) }
  }

  // MARK: STORE

  /// A STORE up to the list of what is stored.
  private mutating func encodeStore(
    _ messages: MessageReference, _ item: StaticString, _ action: StoreOperation.Action, _ isSilent: Bool,
    _ unchangedSince: ModSeq?
  ) throws(EncodingError) {
    try reference(messages, "STORE")
    if let unchangedSince {
      output.append(" (UNCHANGEDSINCE ")
      try modSeq(unchangedSince)
      output.append(UInt8(ascii: ")"))
    }
    switch action {
    case .replace: output.append(" ")
    case .add: output.append(" +")
    case .remove: output.append(" -")
    }
    output.append(item)
    output.append(isSilent ? ".SILENT " : " ")
  }
}
