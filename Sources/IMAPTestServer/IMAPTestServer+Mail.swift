import IMAPLoop
import IMAPStateMachine

/// What a test does behind the backs of the clients. Those that have the mailbox open are told as IMAP provides.
extension IMAPTestServer {
  /// A message as the server has it.
  public struct StoredMail: Sendable, Hashable {
    /// Its UID.
    public var uid: UID
    /// Its flags without `\Recent`.
    public var flags: [Flag]
    /// When it was delivered.
    public var date: InternalDate
    /// Its modification sequence.
    public var modSeq: ModSeq
    /// Header and body.
    public var bytes: [UInt8]
  }

  /// Delivers a message and returns its UID. Throws where there is no such user or mailbox, and where the user has no room.
  @discardableResult
  public func append(
    user: String, mailbox: MailboxName = .inbox, message: Configuration.Message
  ) async throws(TestServerError) -> UID {
    try await withMailbox(user, mailbox) { mailbox throws(StoreError) in
      let date = message.date ?? InternalDate(unixSeconds: Self.now)
      return UID(rawValue: try mailbox.append(StoredMessage(message.bytes, internalDate: date), flags: message.flags))
    }
  }

  /// Delivers a message of exactly `message` with `flags` and returns its UID. Throws where there is no such user or
  /// mailbox, and where the user has no room.
  @discardableResult
  public func append(
    user: String, mailbox: MailboxName = .inbox, message: [UInt8], flags: [Flag] = []
  ) async throws(TestServerError) -> UID {
    try await append(user: user, mailbox: mailbox, message: Configuration.Message(message, flags: flags))
  }

  /// Changes flags as another client would. UIDs that no message has are passed over. Throws where there is no such user or
  /// mailbox.
  public func store(
    user: String, mailbox: MailboxName = .inbox, uids: UIDSet, _ operation: StoreOperation
  ) async throws(TestServerError) {
    try await withMailbox(user, mailbox) { mailbox throws(StoreError) in
      _ = try mailbox.store(operation, in: Self.ranges(uids, mailbox))
    }
  }

  /// Removes messages, whatever their flags. UIDs that no message has are passed over. Throws where there is no such user
  /// or mailbox.
  public func remove(user: String, mailbox: MailboxName = .inbox, uids: UIDSet) async throws(TestServerError) {
    try await withMailbox(user, mailbox) { mailbox throws(StoreError) in
      mailbox.remove(Self.ranges(uids, mailbox))
    }
  }

  /// Makes a mailbox. Throws where there is no such user, or the mailbox exists or cannot.
  public func create(user: String, mailbox: MailboxName) async throws(TestServerError) {
    try await withAccount(user, mailbox) { account throws(StoreError) in _ = try account.create(mailbox) }
  }

  /// Removes a mailbox with its messages. Clients that have it open see them go. Throws where there is no such user or
  /// mailbox, and for INBOX.
  public func delete(user: String, mailbox: MailboxName) async throws(TestServerError) {
    try await withAccount(user, mailbox) { account throws(StoreError) in try account.delete(mailbox) }
  }

  /// The messages of a mailbox as they are now, oldest first. Throws where there is no such user or mailbox.
  public func messages(user: String, mailbox: MailboxName = .inbox) async throws(TestServerError) -> [StoredMail] {
    try await withMailbox(user, mailbox) { mailbox throws(StoreError) in
      mailbox.messages.map { message in
        StoredMail(
          uid: UID(rawValue: message.uid), flags: mailbox.flags(message.flags), date: message.content.internalDate,
          modSeq: ModSeq(rawValue: message.modSeq), bytes: message.content.bytes)
      }
    }
  }

  /// How many clients are connected.
  public var connectionCount: Int { get async { await withCore { $0.sessions.count } } }

  /// How many clients idle in a mailbox (RFC 2177).
  public var idleCount: Int { get async { await withCore { core in core.sessions.values.count(where: \.isIdle) } } }

  /// Closes every connection with a BYE, as a server does that restarts. New ones are accepted.
  public func disconnectClients() async {
    await withCore { core in for session in core.sessions.values { session.peer?.close() } }
  }

  private static func ranges(_ uids: UIDSet, _ mailbox: Mailbox) -> NumberRanges {
    NumberRanges(uids, largest: mailbox.messages.last?.uid ?? 0)
  }

  private func withAccount<Result: Sendable>(
    _ user: String, _ mailbox: MailboxName,
    _ body: @escaping @Sendable (MailAccount) throws(StoreError) -> Result
  ) async throws(TestServerError) -> Result {
    try await withStore { store throws(TestServerError) in
      guard let account = store.account(user) else { throw .unknownUser(user) }
      do throws(StoreError) { return try body(account) } catch { throw TestServerError(error, mailbox) }
    }
  }

  private func withMailbox<Result: Sendable>(
    _ user: String, _ mailbox: MailboxName,
    _ body: @escaping @Sendable (Mailbox) throws(StoreError) -> Result
  ) async throws(TestServerError) -> Result {
    try await withAccount(user, mailbox) { account throws(StoreError) in try body(try account.existing(mailbox)) }
  }
}
