/// One response of a server as an owned value: what ``ResponseParser/nextOwned(_:)`` returns and what
/// ``ServerConnection/respond(_:)`` sends.
public enum Response: Hashable, Sendable {
  /// The completion of the command that was sent with this tag.
  case tagged(tag: String, Status)
  /// An untagged OK, NO, BAD, BYE or PREAUTH.
  case status(Status)
  /// `+` with its text.
  case continuation(text: [UInt8])
  /// CAPABILITY.
  case capability([Capability])
  /// ENABLED (RFC 5161).
  case enabled([Capability])
  /// ID (RFC 2971); nil where the server answers NIL.
  case id([IDField]?)
  /// NAMESPACE (RFC 2342).
  case namespace(Namespaces)
  /// LIST.
  case list(MailboxListing)
  /// LSUB.
  case lsub(MailboxListing)
  /// STATUS.
  case mailboxStatus(MailboxStatus)
  /// FLAGS.
  case flags([Flag])
  /// SEARCH.
  case search(SearchResult)
  /// How many messages the mailbox has.
  case exists(UInt32)
  /// How many of them are recent.
  case recent(UInt32)
  /// A message went away; those behind it move up.
  case expunge(SequenceNumber)
  /// FETCH.
  case fetch(FetchResponse)
  /// A well-framed line that the parser does not know, with its literals.
  case unknown([UInt8])
  /// A line that starts like a known response and does not parse.
  case malformed([UInt8], ParseError)
}
