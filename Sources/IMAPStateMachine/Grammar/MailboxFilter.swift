/// Which mailboxes NOTIFY watches and ESEARCH searches (RFC 5465, section 6; RFC 7377, section 2.2).
public enum MailboxFilter: Hashable, Sendable {
  /// The selected one.
  case selected
  /// The selected one, its removals told only when the client asks (NOTIFY only).
  case selectedDelayed
  /// Those that new mail may be delivered to.
  case inboxes
  /// Those of the user's own namespace.
  case personal
  /// Subscribed ones.
  case subscribed
  /// The named ones and all below them.
  case subtree([MailboxName])
  /// The named ones and those one level below them (ESEARCH only).
  case subtreeOne([MailboxName])
  /// The named ones.
  case mailboxes([MailboxName])
}

/// What NOTIFY sets up (RFC 5465, section 3).
public enum NotifyRequest: Hashable, Sendable {
  /// Nothing is told.
  case none
  /// These events are told. `status` asks for a STATUS response of each watched mailbox at once.
  case set(status: Bool = false, [NotifyGroup])
}

/// Some mailboxes and what is told of them.
public struct NotifyGroup: Hashable, Sendable {
  /// Which mailboxes.
  public var filter: MailboxFilter
  /// Which events; none is NONE.
  public var events: [NotifyEvent]

  /// A group.
  public init(_ filter: MailboxFilter, _ events: [NotifyEvent]) {
    self.filter = filter
    self.events = events
  }
}

/// An event (RFC 5465, section 5).
public enum NotifyEvent: Hashable, Sendable {
  /// A message came. The items are told of it, in the selected mailbox only.
  case messageNew([FetchItem] = [])
  /// A message was removed.
  case messageExpunge
  /// Flags changed.
  case flagChange
  /// Annotations of a message changed (RFC 5257).
  case annotationChange
  /// A mailbox was created, deleted or renamed.
  case mailboxName
  /// A mailbox was subscribed or unsubscribed.
  case subscriptionChange
  /// Annotations of a mailbox changed (RFC 5464).
  case mailboxMetadataChange
  /// Annotations of the server changed (RFC 5464).
  case serverMetadataChange
  /// An event without a case of its own.
  case other(String)
}

/// ESEARCH: a search through several mailboxes (RFC 7377).
public struct MultiSearch: Hashable, Sendable {
  /// Which mailboxes; none leaves out IN, and the selected one is searched.
  public var source: [MailboxFilter]
  /// What is looked for.
  public var key: SearchKey
  /// How the text in it is encoded; not sent once UTF8=ACCEPT is enabled.
  public var charset: String?
  /// What is told of the result; nil leaves out RETURN.
  public var returning: [SearchReturnOption]?

  /// A search.
  public init(
    in source: [MailboxFilter], _ key: SearchKey, charset: String? = nil, returning: [SearchReturnOption]? = nil
  ) {
    self.source = source
    self.key = key
    self.charset = charset
    self.returning = returning
  }
}
