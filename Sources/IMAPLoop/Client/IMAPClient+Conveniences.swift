import IMAPStateMachine

/// What is said often, in short.
extension IMAPClient {
  // MARK: Scoped use

  /// Connects, hands the client to `body`, and logs out when that is over, also where it throws. Nothing is logged in yet.
  ///
  /// ```swift
  /// let unseen = try await IMAPClient.withClient(.init(host: "imap.example.org")) { client in
  ///   try await client.signIn(user: "joe", password: Secret("secret"))
  ///   try await client.select(.inbox)
  ///   return try await client.search(.unseen).count
  /// }
  /// ```
  ///
  /// Without `loop` there is one for this client alone, which ends with it. Throws ``IMAPError`` where there is no connection, and what
  /// `body` throws.
  public static func withClient<Value: Sendable>(
    _ configuration: Configuration, on loop: EventLoop? = nil,
    isolation: isolated (any Actor)? = #isolation, _ body: (IMAPClient) async throws -> Value
  ) async throws -> Value {
    guard let loop else {
      let own: EventLoop
      do throws(LoopError) { own = try EventLoop.start(name: "imap-client") } catch {
        throw IMAPError.connection(
          .transport(.init(.connect, code: Int(error.code), message: error.description)))
      }
      do {
        let value = try await withClient(configuration, on: own, body)
        await own.shutdown()
        return value
      } catch {
        await own.shutdown()
        throw error
      }
    }
    let client = try await connect(configuration, on: loop)
    do {
      let value = try await body(client)
      await client.leave()
      return value
    } catch {
      await client.leave()
      throw error
    }
  }

  // MARK: Mailboxes

  /// The mailbox that is for `use`, and how that is known: the server says so (RFC 6154), or says so by XLIST, or it has a name that
  /// programs give to such mailboxes, in one of many languages. Nil where there is none.
  public func findSpecialFolder(_ use: SpecialUse) async throws(IMAPError) -> SpecialFolder? {
    let listings: [MailboxListing]
    if try await supports("LIST-EXTENDED"), try await supports(.specialUse) {
      // RFC 6154, section 2: without having been asked a server need not say.
      listings = try await list(ListRequest(patterns: ["*"], returning: [.specialUse])).listings
    } else {
      listings = try await list()
    }
    let found = use.find(in: listings)
    if found?.source == .specialUse { return found }
    if try await supports("XLIST"), let found = use.find(in: try await listX()), found.source == .xlist {
      return found
    }
    if found != nil { return found }
    guard try await supports(.namespace) else { return nil }
    return use.find(in: listings, prefixes: try await namespace().personal.map(\.prefix))
  }

  // MARK: Messages

  /// FETCH of one message; nil where there is none with this UID.
  public func fetchOne(_ uid: UID, _ items: [FetchItem]) async throws(IMAPError) -> FetchResponse? {
    try await fetch(.uids(UIDSet(uid)), items.contains(.uid) ? items : [.uid] + items).first { $0.uid == uid }
  }

  /// FETCH of one message by its position; nil where there is none. By UID the answer is certain to be what was meant.
  public func fetchOne(_ number: SequenceNumber, _ items: [FetchItem]) async throws(IMAPError) -> FetchResponse? {
    try await fetch(.sequence(SequenceSet(number)), items).first { $0.sequence == number }
  }

  // MARK: Gmail

  /// The labels of messages, by UID. Throws `.capabilityMissing` where the server is not Gmail's (X-GM-EXT-1), as the other functions for
  /// labels do.
  public func labels(of uids: UIDSet) async throws(IMAPError) -> [UID: [GmailLabel]] {
    try await require(Self.gmail, for: "FETCH")
    return Self.labels(try await fetch(.uids(uids), [.uid, .gmailLabels]))
  }

  /// Adds labels, and returns those that the server says the messages have then, by UID.
  @discardableResult
  public func addLabels(_ labels: [GmailLabel], to uids: UIDSet) async throws(IMAPError) -> [UID: [GmailLabel]] {
    try await storeLabels(.add, labels, uids)
  }

  /// Removes labels, and returns those that the server says the messages have then, by UID.
  @discardableResult
  public func removeLabels(_ labels: [GmailLabel], from uids: UIDSet) async throws(IMAPError) -> [UID: [GmailLabel]] {
    try await storeLabels(.remove, labels, uids)
  }

  /// Makes `labels` the only ones of the messages, and returns those that the server says they have then, by UID.
  @discardableResult
  public func setLabels(_ labels: [GmailLabel], of uids: UIDSet) async throws(IMAPError) -> [UID: [GmailLabel]] {
    try await storeLabels(.replace, labels, uids)
  }

  /// SEARCH by a query in the language of Gmail's web pages (X-GM-RAW). Throws `.capabilityMissing` where the server is not
  /// Gmail's.
  public func gmailSearch(_ query: String) async throws(IMAPError) -> [UID] {
    try await require(Self.gmail, for: "SEARCH")
    return try await search(.gmailRaw(query))
  }

  private static let gmail = Capability("X-GM-EXT-1")

  private func storeLabels(
    _ action: StoreOperation.Action, _ labels: [GmailLabel], _ uids: UIDSet
  ) async throws(IMAPError) -> [UID: [GmailLabel]] {
    try await require(Self.gmail, for: "STORE")
    return Self.labels(try await store(.uids(uids), LabelOperation(action, labels)))
  }

  private static func labels(_ responses: [FetchResponse]) -> [UID: [GmailLabel]] {
    var result: [UID: [GmailLabel]] = [:]
    for response in responses {
      if let uid = response.uid, let labels = response.gmailLabels { result[uid] = labels }
    }
    return result
  }
}
