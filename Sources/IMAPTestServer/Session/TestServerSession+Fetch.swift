import IMAPStateMachine

/// FETCH and UID FETCH (RFC 9051, section 6.4.5).
extension TestServerSession {
  func fetch(
    _ id: ServerCommandID, _ view: SelectedView, _ reference: MessageReference, _ items: [FetchItem],
    _ modifiers: FetchModifiers
  ) {
    var items = items
    let changedSince = modifiers.changedSince
    if modifiers.vanished { return refuse(id, "QRESYNC") }
    if modifiers.partial != nil { return refuse(id, "PARTIAL") }
    if !items.allSatisfy(\.isOffered) { return refuse(id, "One of the items") }
    if changedSince != nil || items.contains(.modSeq) {
      if !core.offers(.condStore) { return refuse(id, "CONDSTORE") }
      usesCondStore = true
    }
    // RFC 7162, section 3.1.4.1: CHANGEDSINCE "implicitly adds the MODSEQ FETCH message data item".
    if changedSince != nil, !items.contains(.modSeq) { items.append(.modSeq) }
    // RFC 9051, section 6.4.9: a UID command tells the UID whether it was asked for or not.
    if reference.isUID, !items.contains(.uid) { items.insert(.uid, at: 0) }
    let setsSeen = !view.isReadOnly && items.contains(where: \.setsSeen)
    let selection: SelectedView.Selection
    do throws(StoreError) { selection = try view.select(reference) } catch {
      return finish(id, error, expunges: reference.isUID)
    }
    let isIncomplete = selection.hasGhosts && !reference.isUID
    let status = isIncomplete ? expunged : Status(.ok, "FETCH completed")
    var walk = SelectionWalk(selection)
    // A message whose answer is being written in parts, and the item that comes next.
    var rest: (uid: UInt32, item: Int)?
    let step: (inout ServerConnection) throws(ConnectionError) -> Bool = { [self] machine throws(ConnectionError) in
      let index: Int
      if let begun = rest {
        // It may have gone away between two parts, and the numbers of the others have changed then.
        guard let found = view.mailbox.index(of: begun.uid), view.number(of: begun.uid) != nil else {
          rest = nil
          return true
        }
        index = found
      } else {
        guard let found = walk.next(in: view) else { return false }
        if let changedSince, view.mailbox.messages[found].modSeq <= changedSince.rawValue { return true }
        index = found
      }
      let isNewlySeen = rest == nil && setsSeen && markSeen(index, view)
      let message = view.mailbox.messages[index]
      var next = rest?.item ?? 0
      machine.writeFetch(view.number(at: index)) { writer in
        if rest != nil, reference.isUID { writer.uid(UID(rawValue: message.uid)) }
        var count = 0
        while next < items.count, count < Self.bytesPerResponse {
          count += write(items[next], of: message, view, to: &writer)
          next += 1
        }
        if isNewlySeen {
          // "if this causes the flags to change, they SHOULD be included as part of the FETCH responses".
          if !items.contains(.flags) { writer.flags(view.flags(message)) }
          if usesCondStore, !items.contains(.modSeq) { writer.modSeq(ModSeq(rawValue: message.modSeq)) }
        }
      }
      rest = next < items.count ? (message.uid, next) : nil
      return true
    }
    start(
      Job(
        step: step, finish: { [weak self] in self?.finish(id, status, expunges: reference.isUID) }))
  }

  /// Sets `\Seen`. Returns whether it was not set.
  private func markSeen(_ index: Int, _ view: SelectedView) -> Bool {
    let message = view.mailbox.messages[index]
    if message.flags.contains(.seen) { return false }
    var only = NumberRanges()
    only.append(message.uid...message.uid)
    // A system flag needs no room in the table, so this does not throw.
    _ = try? view.mailbox.store(StoreOperation(.add, [.seen]), in: only, by: view)
    return true
  }

  /// Bytes of sections behind which the rest of the items follow in another FETCH response: only so much waits at a time
  /// for a client that asks for a large message many times over and reads nothing.
  private static let bytesPerResponse = 1 << 20

  /// What a body structure counts for: more than nearly all have.
  private static let bytesPerStructure = 32 * 1024

  /// Writes an item. Returns about how many bytes it has.
  private func write(
    _ item: FetchItem, of message: MailboxMessage, _ view: SelectedView, to writer: inout FetchWriter
  ) -> Int {
    let content = message.content
    switch item {
    case .uid: writer.uid(UID(rawValue: message.uid))
    case .flags: writer.flags(view.flags(message))
    case .internalDate: writer.internalDate(content.internalDate)
    case .rfc822Size: writer.size(UInt64(content.size))
    case .modSeq: writer.modSeq(ModSeq(rawValue: message.modSeq))
    case .envelope:
      writer.envelope(content.envelope)
      return content.section(.header)?.count ?? 0
    case .bodyStructure:
      writer.bodyStructure(content.bodyStructure(extended: true))
      return Self.bytesPerStructure
    case .body:
      writer.body(content.bodyStructure(extended: false))
      return Self.bytesPerStructure
    case .section(let section, _, let partial):
      return Self.write(
        .body(section), content.section(section, partial: partial), partial?.offset, of: content, to: &writer)
    case .rfc822: return Self.write(.rfc822, content.section(.full), nil, of: content, to: &writer)
    case .rfc822Header: return Self.write(.rfc822Header, content.section(.header), nil, of: content, to: &writer)
    case .rfc822Text: return Self.write(.rfc822Text, content.section(.text), nil, of: content, to: &writer)
    // Refused before.
    case .binary, .binarySize, .preview, .saveDate, .emailID, .threadID, .gmailMessageID, .gmailThreadID, .gmailLabels,
      .annotations, .other:
      break
    }
    return 0
  }

  private static func write(
    _ name: SectionName, _ section: SectionBytes?, _ origin: UInt32?, of content: StoredMessage,
    to writer: inout FetchWriter
  ) -> Int {
    switch section {
    case nil: writer.section(name, origin: origin, bytes: nil)
    case .collected(let bytes): writer.section(name, origin: origin, bytes: bytes.span)
    case .range(let range):
      let bytes = content.bytes
      writer.section(name, origin: origin, bytes: bytes.span.extracting(range))
    }
    return section?.count ?? 0
  }
}

extension FetchItem {
  /// Whether the server has the item.
  var isOffered: Bool {
    switch self {
    case .uid, .flags, .internalDate, .rfc822Size, .modSeq, .envelope, .bodyStructure, .body, .section, .rfc822,
      .rfc822Header, .rfc822Text:
      true
    case .binary, .binarySize, .preview, .saveDate, .emailID, .threadID, .gmailMessageID, .gmailThreadID, .gmailLabels,
      .annotations, .other:
      false
    }
  }

  /// Whether fetching the item sets `\Seen`.
  var setsSeen: Bool {
    switch self {
    case .section(_, let peek, _): !peek
    case .rfc822, .rfc822Text: true
    default: false
    }
  }
}
