import IMAPStateMachine

/// What APPEND, COPY and MOVE tell of the messages that they made, where the server has UIDPLUS (RFC 4315).
public struct CopyResult: Hashable, Sendable {
  /// The UID validity value of the target mailbox.
  public var uidValidity: UInt64
  /// The messages that were copied; empty for APPEND.
  public var source: UIDSet
  /// The new messages, in the order of ``source``.
  public var destination: UIDSet

  init?(_ code: ResponseCode?) {
    switch code {
    case .appendUID(let validity, let uids):
      uidValidity = validity
      source = UIDSet(ranges: [])
      destination = uids
    case .copyUID(let validity, let from, let to):
      uidValidity = validity
      source = from
      destination = to
    default: return nil
    }
  }
}

extension IMAPClient {
  /// SEARCH (RFC 9051, section 6.4.4): the UIDs of the messages that match.
  public func search(_ key: SearchKey) async throws(IMAPError) -> [UID] {
    try await run("SEARCH", .search(key, uid: true), .search).waiter.search.numbers.map { UID(rawValue: $0) }
  }

  /// SEARCH: the sequence numbers of the messages that match.
  public func searchSequence(_ key: SearchKey) async throws(IMAPError) -> [SequenceNumber] {
    try await run("SEARCH", .search(key, uid: false), .search).waiter.search.numbers.map {
      SequenceNumber(rawValue: $0)
    }
  }

  /// FETCH (RFC 9051, section 6.4.5), all of it in memory. For large bodies use ``fetch(_:_:changedSince:events:)``.
  public func fetch(
    _ messages: MessageReference, _ items: [FetchItem], changedSince: ModSeq? = nil
  ) async throws(IMAPError) -> [FetchResponse] {
    // Written on this actor's thread only, before `run` returns.
    var collector = FetchCollector()
    var responses: [FetchResponse] = []
    try await run("FETCH", .fetch(messages, items, changedSince: changedSince), .fetch) { waiter in
      waiter.fetchHandler = { event in
        if let response = collector.add(event) { responses.append(response) }
      }
    }
    // A change of flags that came in between is news, not the answer.
    let asksForMore = items.contains { !Self.isNews($0) }
    let news = responses.filter { asksForMore && !$0.attributes.isEmpty && $0.attributes.allSatisfy(Self.isNews) }
    if news.isEmpty { return responses }
    for response in news { session.wasUnsolicited(response) }
    return responses.filter { !news.contains($0) }
  }

  /// Whether a server sends the item without being asked.
  private static func isNews(_ item: FetchItem) -> Bool { [.uid, .flags, .modSeq].contains(item) }

  private static func isNews(_ attribute: FetchAttribute) -> Bool {
    switch attribute {
    case .uid, .flags, .modSeq: true
    default: false
    }
  }

  /// FETCH, each event handed to `events` as it comes, on the loop's thread, borrowed and without a copy: bodies of any
  /// size pass through in constant memory. `events` must not block.
  public func fetch(
    _ messages: MessageReference, _ items: [FetchItem], changedSince: ModSeq? = nil,
    events: @escaping @Sendable (borrowing ResponseEvent) -> Void
  ) async throws(IMAPError) {
    try await run("FETCH", .fetch(messages, items, changedSince: changedSince), .fetch) { waiter in
      waiter.fetchHandler = events
    }
  }

  /// STORE (RFC 9051, section 6.4.6). Returns what the server says of the messages; nothing for a silent operation.
  public func store(
    _ messages: MessageReference, _ operation: StoreOperation, unchangedSince: ModSeq? = nil
  ) async throws(IMAPError) -> [FetchResponse] {
    var collector = FetchCollector()
    var responses: [FetchResponse] = []
    try await run("STORE", .store(messages, operation, unchangedSince: unchangedSince), .fetch) { waiter in
      waiter.fetchHandler = { event in
        if let response = collector.add(event) { responses.append(response) }
      }
    }
    return responses
  }

  /// COPY (RFC 9051, section 6.4.7).
  public func copy(_ messages: MessageReference, to mailbox: MailboxName) async throws(IMAPError) -> CopyResult? {
    CopyResult(try await run("COPY", .copy(messages, mailbox)).status.code)
  }

  /// MOVE (RFC 6851).
  public func move(_ messages: MessageReference, to mailbox: MailboxName) async throws(IMAPError) -> CopyResult? {
    let (waiter, status) = try await run("MOVE", .move(messages, mailbox), .copy)
    // RFC 6851, section 4.3: COPYUID comes in an untagged OK.
    return CopyResult(status.code) ?? CopyResult(waiter.copyCode)
  }

  /// EXPUNGE (RFC 9051, section 6.4.3): removes every message that is marked deleted.
  public func expunge() async throws(IMAPError) { try await run("EXPUNGE", .expunge) }

  /// UID EXPUNGE (RFC 4315): removes those of `uids` that are marked deleted.
  public func expunge(_ uids: UIDSet) async throws(IMAPError) { try await run("UID EXPUNGE", .uidExpunge(uids)) }

  /// APPEND (RFC 9051, section 6.3.12). Returns where the message went, where the server has UIDPLUS. A message above `limit`,
  /// which STATUS tells of the mailbox (RFC 7889), or else above that of the server, is not sent: the error names the limit.
  public func append(
    _ message: [UInt8], to mailbox: MailboxName, flags: [Flag] = [], date: InternalDate? = nil,
    limit: AppendLimit? = nil
  ) async throws(IMAPError) -> CopyResult? {
    let request = AppendRequest(
      mailbox: mailbox, flags: flags, date: date, byteCount: UInt64(message.count), limit: limit)
    let (_, status) = try await run("APPEND", .append(request)) { $0.literal = message[...] }
    return CopyResult(status.code)
  }
}
