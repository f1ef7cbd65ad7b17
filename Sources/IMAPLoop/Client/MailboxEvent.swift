import IMAPStateMachine

/// Something that happened to the selected mailbox or the session without this client having asked.
public enum MailboxEvent: Hashable, Sendable {
  /// The mailbox has this many messages now.
  case exists(UInt32)
  /// This many of them are recent.
  case recent(UInt32)
  /// The message is gone; those behind it moved up.
  case expunged(SequenceNumber)
  /// A message changed, in the items that the server sends with it.
  case changed(FetchResponse)
  /// The flags that the mailbox knows.
  case flags([Flag])
  /// The server has something to say: alerts, warnings, BYE.
  case notice(Status)
  /// A line that the parser does not know, whole.
  case unknown([UInt8])
}
