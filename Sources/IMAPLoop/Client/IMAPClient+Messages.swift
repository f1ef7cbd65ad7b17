import IMAPStateMachine

/// Messages of the selected mailbox. Where a function is given an empty set, as of a search that found nothing, it does nothing: the
/// wire has no way to name no message.
extension IMAPClient {
  /// FETCH (RFC 9051, section 6.4.5), all of it in memory, one response for each message, however many the server makes of it. For
  /// large bodies use ``fetch(_:_:changedSince:events:)``. Where the server refuses it because some of the messages are gone, and has
  /// told of others, these are returned.
  public func fetch(
    _ messages: MessageReference, _ items: [FetchItem], changedSince: ModSeq? = nil
  ) async throws(IMAPError) -> [FetchResponse] {
    if messages.isEmpty { return [] }
    return try await fetch(.fetch(messages, items, changedSince: changedSince), items).responses
  }

  /// FETCH of what has changed since `modSeq`, and which of the messages have gone since (RFC 7162, section 3.2.6: CHANGEDSINCE with
  /// VANISHED). The server must have QRESYNC, switched on by ``enable(_:)``. Of those that are gone it may name more than there have
  /// been. `*` is the last message that there is: of those behind it that are gone a set with it may say nothing.
  public func fetchChanges(
    _ uids: UIDSet, _ items: [FetchItem], since modSeq: ModSeq
  ) async throws(IMAPError) -> (changed: [FetchResponse], vanished: UIDSet) {
    if uids.isEmpty { return ([], uids) }
    let modifiers = FetchModifiers(changedSince: modSeq, vanished: true)
    let (changed, vanished) = try await fetch(.fetch(.uids(uids), items, modifiers), items)
    return (changed, vanished)
  }

  private func fetch(
    _ command: Command, _ items: [FetchItem]
  ) async throws(IMAPError) -> (responses: [FetchResponse], vanished: UIDSet) {
    // A change of flags that came in between is news. It is not the answer, but may be a part of it.
    let asksForMore = items.contains { !Self.isNews($0) }
    let isNews = { (response: FetchResponse) in asksForMore && !response.attributes.isEmpty && response.isNews }
    let keepsNews = asksForMore && items.contains { $0 != .uid && Self.isNews($0) }
    return try await gatherMessages(command, isNews: isNews, keepsNews: keepsNews)
  }

  /// Whether a server sends the item without being asked.
  private static func isNews(_ item: FetchItem) -> Bool { [.uid, .flags, .modSeq].contains(item) }

  /// FETCH, each event handed to `events` as it comes, on the loop's thread, borrowed and without a copy: bodies of any
  /// size pass through in constant memory. `events` must not block.
  public func fetch(
    _ messages: MessageReference, _ items: [FetchItem], changedSince: ModSeq? = nil,
    events: @escaping @Sendable (borrowing ResponseEvent) -> Void
  ) async throws(IMAPError) {
    if messages.isEmpty { return }
    _ = try await runFetch("FETCH", .fetch(messages, items, changedSince: changedSince)) { waiter in
      waiter.fetchHandler = events
    }
  }

  /// STORE (RFC 9051, section 6.4.6). Returns what the server says of the messages; nothing for a silent operation. What it has said of
  /// them before it refused the rest is news, as ``events()`` and ``watch()`` tell it.
  ///
  /// A set that ends in `*`, as `UIDSet(50...)`, holds the last message whatever its UID is; see ``delete(_:)-(UIDSet)``.
  @discardableResult
  public func store(
    _ messages: MessageReference, _ operation: StoreOperation
  ) async throws(IMAPError) -> [FetchResponse] {
    try await store(.store(messages, operation)).responses
  }

  /// STORE of messages that have not changed since `unchangedSince` (RFC 7162, section 3.1.3). Returns what the server says of
  /// those that were changed, and which were not because others have changed them.
  @discardableResult
  public func store(
    _ messages: MessageReference, _ operation: StoreOperation, unchangedSince: ModSeq
  ) async throws(IMAPError) -> (responses: [FetchResponse], modified: MessageSet<MessageID>?) {
    try await store(.store(messages, operation, unchangedSince: unchangedSince))
  }

  /// STORE of Gmail's labels. Returns what the server says of the messages; nothing for a silent operation.
  @discardableResult
  public func store(
    _ messages: MessageReference, _ operation: LabelOperation
  ) async throws(IMAPError) -> [FetchResponse] {
    try await store(.storeLabels(messages, operation)).responses
  }

  /// STORE of Gmail's labels of messages that have not changed since `unchangedSince`; see
  /// ``store(_:_:unchangedSince:)-(_,StoreOperation,_)``.
  @discardableResult
  public func store(
    _ messages: MessageReference, _ operation: LabelOperation, unchangedSince: ModSeq
  ) async throws(IMAPError) -> (responses: [FetchResponse], modified: MessageSet<MessageID>?) {
    try await store(.storeLabels(messages, operation, unchangedSince: unchangedSince))
  }

  /// STORE of annotations (RFC 5257, section 4.4); a nil value removes one.
  @discardableResult
  public func store(
    _ messages: MessageReference, _ annotations: [MessageAnnotation]
  ) async throws(IMAPError) -> [FetchResponse] {
    try await store(.storeAnnotations(messages, annotations)).responses
  }

  /// STORE of annotations of messages that have not changed since `unchangedSince`; see
  /// ``store(_:_:unchangedSince:)-(_,StoreOperation,_)``.
  @discardableResult
  public func store(
    _ messages: MessageReference, _ annotations: [MessageAnnotation], unchangedSince: ModSeq
  ) async throws(IMAPError) -> (responses: [FetchResponse], modified: MessageSet<MessageID>?) {
    try await store(.storeAnnotations(messages, annotations, unchangedSince: unchangedSince))
  }

  /// COPY (RFC 9051, section 6.4.7). Returns where the messages went, where the server has UIDPLUS.
  ///
  /// The server copies all of them or none. UIDs that are too many for a line are copied in parts; where the first of these are
  /// made and another one is not the error is `.copiedOnly`.
  @discardableResult
  public func copy(_ messages: MessageReference, to mailbox: MailboxName) async throws(IMAPError) -> CopyResult? {
    if messages.isEmpty { return nil }
    // Another mailbox may be selected before it is known that the set is too long.
    let selection = expectedSelection
    do throws(IMAPError) { return try await copy("COPY", .copy(messages, mailbox)) } catch {
      guard let (first, second) = error.halves(of: messages) else { throw error }
      return try await tied(to: selection) { () async throws(IMAPError) -> CopyResult? in
        let copies = try await copy(.uids(first), to: mailbox)
        do throws(IMAPError) {
          return CopyResult(copies, try await copy(.uids(second), to: mailbox))
        } catch {
          guard case .copiedOnly(let more, let reason) = error else { throw .copiedOnly(copies, error) }
          throw .copiedOnly(CopyResult(copies, more), reason)
        }
      }
    }
  }

  /// MOVE (RFC 6851). Returns where the messages went, where the server has UIDPLUS.
  ///
  /// A server without MOVE is asked to copy the messages, and then these and no others are expunged, as by ``expunge(_:)``; where
  /// that fails the error is `.copiedOnly`. Sequence numbers and the saved result can't be moved in this way:
  /// `.capabilityMissing`.
  ///
  /// A set that ends in `*`, as `UIDSet(50...)`, holds the last message whatever its UID is; see ``delete(_:)-(UIDSet)``.
  @discardableResult
  public func move(_ messages: MessageReference, to mailbox: MailboxName) async throws(IMAPError) -> CopyResult? {
    if messages.isEmpty { return nil }
    let selection = expectedSelection
    let hasMove = try await has(.move)
    return try await tied(to: selection) { () async throws(IMAPError) -> CopyResult? in
      hasMove ? try await copy("MOVE", .move(messages, mailbox)) : try await moveByCopy(messages, to: mailbox)
    }
  }

  private func moveByCopy(
    _ messages: MessageReference, to mailbox: MailboxName
  ) async throws(IMAPError) -> CopyResult? {
    guard case .uids(let uids) = messages, uids != .savedResult else {
      throw .capabilityMissing(.move, command: "MOVE")
    }
    return try await staying { () async throws(IMAPError) -> CopyResult? in
      // Before there are copies.
      if let mailbox = settledMailbox, mailbox.isReadOnly { throw .readOnly(mailbox.name, command: "MOVE") }
      // A set may reach beyond the last message: what comes in between must not be expunged without having been copied.
      let present = UIDSet(try await search(.uid(uids)))
      if present.isEmpty { return nil }
      let result = try await copy(.uids(present), to: mailbox)
      do throws(IMAPError) { try await delete(present) } catch { throw .copiedOnly(result, error) }
      return result
    }
  }

  /// EXPUNGE (RFC 9051, section 6.4.3): removes every message that is marked deleted.
  public func expunge() async throws(IMAPError) {
    _ = try await marking("EXPUNGE") { () async throws(IMAPError) in try await run("EXPUNGE", .expunge) }
  }

  /// UID EXPUNGE (RFC 4315): removes those of `uids` that are marked deleted.
  ///
  /// On a server without UIDPLUS the mark is taken off all others, `uids` are expunged, and the others are marked again. Whoever
  /// marks or expunges messages by this client waits meanwhile. What another connection marks in the same moment goes, too: there
  /// is no way to prevent it.
  ///
  /// A set that ends in `*`, as `UIDSet(50...)`, holds the last message whatever its UID is; see ``delete(_:)-(UIDSet)``.
  public func expunge(_ uids: UIDSet) async throws(IMAPError) {
    if uids.isEmpty { return }
    try await staying { () async throws(IMAPError) in
      if try await has(.uidPlus) {
        try await run("UID EXPUNGE", .uidExpunge(uids))
      } else {
        try await marking("UID EXPUNGE") { () async throws(IMAPError) in try await expungeByMarks(uids) }
      }
    }
  }

  private func expungeByMarks(_ uids: UIDSet) async throws(IMAPError) {
    let kept = try await marked(butNot: uids)
    if kept.isEmpty { return try await expunge() }
    let mark = StoreOperation(.add, [.deleted], silent: true)
    do throws(IMAPError) {
      try await store(.uids(kept), StoreOperation(.remove, [.deleted], silent: true))
      if try await !marked(butNot: uids).isEmpty { throw .capabilityMissing(.uidPlus, command: "UID EXPUNGE") }
      try await expunge()
    } catch {
      // The marks of the others come back whatever went wrong.
      await shielded { _ = try? await self.store(.uids(kept), mark) }
      throw error
    }
    // Also where the task was cancelled meanwhile.
    try await shielded { () async -> Result<Void, IMAPError> in
      do throws(IMAPError) {
        try await self.store(.uids(kept), mark)
        return .success(())
      } catch {
        return .failure(error)
      }
    }.get()
  }

  /// The messages that are marked deleted, without `uids`.
  private func marked(butNot uids: UIDSet) async throws(IMAPError) -> UIDSet {
    // Which message `*` is only the server knows. The others are taken out here: they may be too many for a line.
    if uids.isSavedResult || uids.ranges.contains(where: { $0.first.number == nil || $0.last.number == nil }) {
      return UIDSet(try await search(.and([.flag(.deleted), .not(.uid(uids))])))
    }
    return UIDSet(try await search(.flag(.deleted)).filter { !uids.contains($0, largest: $0) })
  }

  /// Marks messages deleted and expunges them, and no others; see ``expunge(_:)-(UIDSet)``.
  ///
  /// Beware of sets that end in `*`: `UIDSet(50...)` holds the last message of the mailbox even where its UID is below 50
  /// (RFC 9051, section 9: seq-range), and it is deleted then. Search first, and give what of that is not below 50.
  public func delete(_ uids: UIDSet) async throws(IMAPError) {
    if uids.isEmpty { return }
    try await staying { () async throws(IMAPError) in
      try await marking("STORE") { () async throws(IMAPError) in
        try await store(.uids(uids), StoreOperation(.add, [.deleted], silent: true))
        try await expunge(uids)
      }
    }
  }

  // MARK: Flags and labels by name

  /// The flags of messages, by UID.
  public func flags(of uids: UIDSet) async throws(IMAPError) -> [UID: [Flag]] {
    Self.flags(try await fetch(.uids(uids), [.uid, .flags]))
  }

  /// Adds flags, and returns all flags that the messages have then, by UID.
  @discardableResult
  public func addFlags(_ flags: [Flag], to uids: UIDSet) async throws(IMAPError) -> [UID: [Flag]] {
    Self.flags(try await store(.uids(uids), StoreOperation(.add, flags)))
  }

  /// Removes flags, and returns all flags that the messages have then, by UID.
  @discardableResult
  public func removeFlags(_ flags: [Flag], from uids: UIDSet) async throws(IMAPError) -> [UID: [Flag]] {
    Self.flags(try await store(.uids(uids), StoreOperation(.remove, flags)))
  }

  /// Makes `flags` the only flags of the messages, and returns those that they have then, by UID.
  @discardableResult
  public func setFlags(_ flags: [Flag], of uids: UIDSet) async throws(IMAPError) -> [UID: [Flag]] {
    Self.flags(try await store(.uids(uids), StoreOperation(.replace, flags)))
  }

  private static func flags(_ responses: [FetchResponse]) -> [UID: [Flag]] {
    var result: [UID: [Flag]] = [:]
    for response in responses {
      if let uid = response.uid, let flags = response.flags { result[uid] = flags }
    }
    return result
  }

  private func store(
    _ command: Command
  ) async throws(IMAPError) -> (responses: [FetchResponse], modified: MessageSet<MessageID>?) {
    switch command {
    case .store(let messages, _, _), .storeLabels(let messages, _, _), .storeAnnotations(let messages, _, _):
      if messages.isEmpty { return ([], nil) }
    default: break
    }
    let (responses, status) =
      command.touchesMarks
      ? try await marking("STORE") { () async throws(IMAPError) in try await gatherFetch("STORE", command) }
      : try await gatherFetch("STORE", command)
    guard case .modified(let set) = status.code else { return (responses, nil) }
    return (responses, set)
  }

  /// Runs a COPY or MOVE. RFC 6851, section 4.3: COPYUID of a MOVE comes in an untagged OK; some servers write that of COPY
  /// there, too.
  private func copy(_ name: String, _ command: Command) async throws(IMAPError) -> CopyResult? {
    let (early, status) = try await gather(name, command, into: ResponseCode?.none) { view, code in
      if case .status(let view) = copy view, let found = view.copy().code, case .copyUID = found {
        code = code?.joined(with: found) ?? found
      }
      // It is an event as well.
      return false
    }
    return CopyResult(status.code) ?? CopyResult(early)
  }
}
