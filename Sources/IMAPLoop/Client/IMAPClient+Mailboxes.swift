import IMAPStateMachine

extension IMAPClient {
  /// ENABLE (RFC 5161). Returns what the server switched on.
  public func enable(_ capabilities: [Capability]) async throws(IMAPError) -> [Capability] {
    try await run("ENABLE", .enable(capabilities), .capabilities).waiter.capabilities
  }

  /// NAMESPACE (RFC 2342).
  public func namespace() async throws(IMAPError) -> Namespaces {
    try await run("NAMESPACE", .namespace, .namespaces).waiter.namespaces ?? Namespaces()
  }

  /// LIST (RFC 9051, section 6.3.9): the mailboxes whose names match `pattern`, in which `*` stands for anything and `%`
  /// for anything within one level.
  public func list(
    reference: MailboxName = MailboxName(""), pattern: MailboxName = MailboxName("*")
  ) async throws(IMAPError) -> [MailboxListing] {
    try await run("LIST", .list(reference: reference, pattern: pattern), .listings).waiter.listings
  }

  /// STATUS (RFC 9051, section 6.3.11). Nil where the server completed the command without an answer.
  public func status(_ mailbox: MailboxName, _ items: [StatusItem]) async throws(IMAPError) -> MailboxStatus? {
    try await run("STATUS", .status(mailbox, items), .mailboxStatus).waiter.mailboxStatus
  }

  /// CREATE (RFC 9051, section 6.3.4).
  public func create(_ mailbox: MailboxName) async throws(IMAPError) { try await run("CREATE", .create(mailbox)) }

  /// DELETE (RFC 9051, section 6.3.5).
  public func delete(_ mailbox: MailboxName) async throws(IMAPError) { try await run("DELETE", .delete(mailbox)) }

  /// SELECT (RFC 9051, section 6.3.2). Where it fails, no mailbox is selected.
  public func select(_ mailbox: MailboxName) async throws(IMAPError) -> SelectedMailbox {
    try await open("SELECT", .select(mailbox))
  }

  /// EXAMINE (RFC 9051, section 6.3.3): as ``select(_:)``, for reading only.
  public func examine(_ mailbox: MailboxName) async throws(IMAPError) -> SelectedMailbox {
    try await open("EXAMINE", .examine(mailbox))
  }

  /// UNSELECT (RFC 3691): leaves the mailbox without expunging.
  public func unselect() async throws(IMAPError) { try await run("UNSELECT", .unselect) }

  /// CLOSE (RFC 9051, section 6.4.1): expunges every message that is marked deleted, without a word, and leaves the
  /// mailbox.
  public func closeMailbox() async throws(IMAPError) { try await run("CLOSE", .close) }

  /// IDLE (RFC 2177) until ``endIdle()``, or until another command is sent. Returns when the server has completed it.
  /// `whenIdling` is called on the loop's thread once the server has accepted. Renewed by itself. Cancelling the
  /// task ends the IDLE, too.
  public func idle(whenIdling: @escaping @Sendable () -> Void = {}) async throws(IMAPError) {
    var id: CommandID?
    // A later IDLE may be running by then.
    defer { if idleID == id { idleID = nil } }
    try await run("IDLE", .idle) { waiter in
      id = waiter.id
      idleID = waiter.id
      waiter.onIdle = whenIdling
    }
  }

  /// Ends an ``idle(whenIdling:)`` that is running; otherwise does nothing.
  public func endIdle() {
    if let idleID { endIdle(idleID) }
  }

  private func open(_ name: String, _ command: Command) async throws(IMAPError) -> SelectedMailbox {
    try await run(name, command)
    guard let selected = channel.selected else { throw .connection(.closedLocally) }
    return selected
  }
}
