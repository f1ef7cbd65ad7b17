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
  /// LIST, or XLIST of Gmail.
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
  /// UIDFETCH: a FETCH that names the message by its UID (RFC 9586, section 3.3).
  case uidFetch(UID, [FetchAttribute])
  /// VANISHED: messages went away; `earlier` where they did before the mailbox was opened (RFC 7162, section 3.2.10).
  case vanished(UIDSet, earlier: Bool)
  /// SORT (RFC 5256): as SEARCH, in the order that was asked for.
  case sort(SearchResult)
  /// THREAD (RFC 5256).
  case thread([MessageThread])
  /// ESEARCH (RFC 9051, RFC 4731).
  case extendedSearch(ExtendedSearchResult)
  /// ACL (RFC 4314).
  case acl(AccessControlList)
  /// LISTRIGHTS (RFC 4314).
  case listRights(ListRights)
  /// MYRIGHTS (RFC 4314).
  case myRights(MyRights)
  /// QUOTA (RFC 9208).
  case quota(Quota)
  /// QUOTAROOT (RFC 9208).
  case quotaRoots(QuotaRoots)
  /// METADATA (RFC 5464).
  case metadata(Metadata)
  /// LANGUAGE (RFC 5255): the language in use, or those that the server has.
  case language([String])
  /// COMPARATOR (RFC 5255).
  case comparator(Comparator)
  /// GENURLAUTH: authorised URLs (RFC 4467).
  case authorizedURLs([[UInt8]])
  /// URLFETCH (RFC 4467, RFC 5524).
  case fetchedURLs([FetchedURL])
  /// JMAPACCESS: the URL of the JMAP session (RFC 9698).
  case jmapAccess([UInt8])
  /// UIDBATCHES: the UIDs of each batch from the highest to the lowest (draft UIDBATCHES).
  case uidBatches(UIDBatches)
  /// ANNOTATION of the ANNOTATEMORE drafts, which came before METADATA.
  case annotation(mailbox: MailboxName, MessageAnnotation)
  /// A well-framed line that the parser does not know, with its literals.
  case unknown([UInt8])
  /// A line that starts like a known response and does not parse.
  case malformed([UInt8], ParseError)
}
