import IMAPStateMachine

/// Something that happened to the selected mailbox or the session without this client having asked.
public enum MailboxEvent: Hashable, Sendable {
  /// The mailbox has this many messages now.
  case exists(UInt32)
  /// This many of them are recent.
  case recent(UInt32)
  /// The message is gone; those behind it moved up.
  case expunged(SequenceNumber)
  /// The messages are gone (RFC 7162, section 3.2.10).
  case vanished(UIDSet)
  /// A message changed, in the items that the server sends with it.
  case changed(FetchResponse)
  /// The flags that the mailbox knows.
  case flags([Flag])
  /// A mailbox came, went or changed (RFC 5465, section 5.4).
  case listing(MailboxListing)
  /// Something changed in a mailbox that is not selected (RFC 5465, section 5.1).
  case mailboxStatus(MailboxStatus)
  /// Metadata changed (RFC 5464, section 4.4.2).
  case metadata(Metadata)
  /// The result of a search that is kept up to date changed (RFC 5267, section 4.3).
  case searchUpdate(ExtendedSearchResult)
  /// The server has something to say: alerts, warnings, BYE.
  case notice(Status)
  /// A line that the parser does not know, whole.
  case unknown([UInt8])
}
