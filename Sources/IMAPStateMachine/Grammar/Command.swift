/// A command of a client, as a value: what ``ClientConnection`` sends and ``ServerConnection`` receives.
public enum Command: Hashable, Sendable {
  // Any state.
  /// CAPABILITY (RFC 9051, section 6.1.1).
  case capability
  /// NOOP (RFC 9051, section 6.1.2).
  case noop
  /// LOGOUT (RFC 9051, section 6.1.3).
  case logout
  /// ID with the client's fields; nil sends NIL (RFC 2971).
  case id([IDField]?)

  // Not authenticated.
  /// STARTTLS (RFC 9051, section 6.2.1).
  case startTLS
  /// LOGIN (RFC 9051, section 6.2.3).
  case login(user: String, password: Secret)
  /// AUTHENTICATE (RFC 9051, section 6.2.2).
  case authenticate(SASLExchange)

  // Authenticated.
  /// ENABLE (RFC 5161).
  case enable([Capability])
  /// NAMESPACE (RFC 2342).
  case namespace
  /// LIST (RFC 9051, section 6.3.9). `pattern` is as on the wire, wildcards included.
  case list(reference: MailboxName, pattern: MailboxName)
  /// STATUS (RFC 9051, section 6.3.11).
  case status(MailboxName, [StatusItem])
  /// CREATE (RFC 9051, section 6.3.4).
  case create(MailboxName)
  /// DELETE (RFC 9051, section 6.3.5).
  case delete(MailboxName)
  /// SELECT (RFC 9051, section 6.3.2). `condStore` turns CONDSTORE on, which the server must have (RFC 7162, section
  /// 3.1.8).
  case select(MailboxName, condStore: Bool = false)
  /// EXAMINE (RFC 9051, section 6.3.3), `condStore` as for SELECT.
  case examine(MailboxName, condStore: Bool = false)
  /// APPEND of a message whose bytes are streamed (RFC 9051, section 6.3.12).
  case append(AppendRequest)
  /// IDLE (RFC 2177).
  case idle

  // Selected.
  /// CLOSE (RFC 9051, section 6.4.1).
  case close
  /// UNSELECT (RFC 9051, section 6.4.2).
  case unselect
  /// EXPUNGE (RFC 9051, section 6.4.3).
  case expunge
  /// UID EXPUNGE (RFC 4315).
  case uidExpunge(UIDSet)
  /// SEARCH, or UID SEARCH with `uid` (RFC 9051, section 6.4.4).
  case search(SearchKey, uid: Bool = true, charset: String? = nil)
  /// FETCH or UID FETCH (RFC 9051, section 6.4.5). `changedSince` needs CONDSTORE (RFC 7162, section 3.1.4.1).
  case fetch(MessageReference, [FetchItem], changedSince: ModSeq? = nil)
  /// STORE or UID STORE (RFC 9051, section 6.4.6). `unchangedSince` needs CONDSTORE (RFC 7162, section 3.1.3).
  case store(MessageReference, StoreOperation, unchangedSince: ModSeq? = nil)
  /// COPY or UID COPY (RFC 9051, section 6.4.7).
  case copy(MessageReference, MailboxName)
  /// MOVE or UID MOVE (RFC 6851).
  case move(MessageReference, MailboxName)
}

/// One field of ID (RFC 2971).
public struct IDField: Hashable, Sendable {
  /// The field's name, for example `name` or `version`.
  public var name: String
  /// Its value.
  public var value: String?

  /// A field.
  public init(_ name: String, _ value: String?) {
    self.name = name
    self.value = value
  }
}

/// What APPEND says before the message's bytes.
public struct AppendRequest: Hashable, Sendable {
  /// Where the message goes.
  public var mailbox: MailboxName
  /// The flags that it gets.
  public var flags: [Flag]
  /// Its internal date; nil lets the server take the current time.
  public var date: InternalDate?
  /// How many bytes follow.
  public var byteCount: UInt64

  /// A request.
  public init(mailbox: MailboxName, flags: [Flag] = [], date: InternalDate? = nil, byteCount: UInt64) {
    self.mailbox = mailbox
    self.flags = flags
    self.date = date
    self.byteCount = byteCount
  }
}
