/// What ``ResponseParser/next(_:)`` found. It borrows the receive buffer until the next call that mutates it.
///
/// A FETCH response is delivered item by item, so that a body of any size passes through: ``fetchBegin(_:)``, then any
/// number of ``fetchAttribute(_:)`` and of ``literalBegin(_:_:)`` ... ``literalEnd``, then ``fetchEnd``.
public enum ResponseEvent: ~Escapable {
  /// Nothing more can be said before more bytes arrive. What is unread must stay in the buffer.
  case needMoreInput
  /// The completion of a command.
  case tagged(tag: ByteView, StatusView)
  /// An untagged response other than FETCH.
  case untagged(UntaggedView)
  /// `+` with the text behind it.
  case continuation(ByteView)
  /// A FETCH response for this message starts.
  case fetchBegin(SequenceNumber)
  /// A UIDFETCH response, which names the message by its UID, starts (RFC 9586, section 3.3). It goes on as FETCH does.
  case uidFetchBegin(UID)
  /// One data item of the FETCH response.
  case fetchAttribute(FetchAttributeView)
  /// The bytes of a section start. Exactly as many as the header says follow in chunks.
  case literalBegin(SectionView, LiteralHeader)
  /// Bytes of the section, and how many are still to come.
  case literalChunk(Span<UInt8>, remaining: UInt64)
  /// The section is complete.
  case literalEnd
  /// The FETCH response is complete.
  case fetchEnd
  /// A well-framed line that the parser does not know, whole, with its literals and its line end.
  case unknown(ByteView)
  /// A line, or the rest of a FETCH response, that starts like a known response and does not parse. The next line is
  /// parsed as if nothing had been.
  case malformed(ByteView, ParseError)
  /// The buffer was closed and everything was read; `clean` is false where the last response lacks its end.
  case endOfInput(clean: Bool)
}

/// An untagged response, borrowed.
public enum UntaggedView: ~Escapable {
  /// OK, NO, BAD, BYE or PREAUTH.
  case status(StatusView)
  /// CAPABILITY (RFC 9051, section 7.2.2).
  case capability(CapabilityListView)
  /// ENABLED (RFC 5161).
  case enabled(CapabilityListView)
  /// ID (RFC 2971).
  case id(IDView)
  /// NAMESPACE (RFC 2342).
  case namespace(NamespaceView)
  /// LIST (RFC 9051, section 7.3.1), or XLIST of Gmail.
  case list(MailboxListingView)
  /// LSUB (RFC 3501, section 7.2.3).
  case lsub(MailboxListingView)
  /// STATUS (RFC 9051, section 7.3.2).
  case mailboxStatus(MailboxStatusView)
  /// FLAGS (RFC 9051, section 7.3.5).
  case flags(FlagListView)
  /// SEARCH (RFC 3501, section 7.2.5).
  case search(SearchView)
  /// EXISTS (RFC 9051, section 7.4.1).
  case exists(UInt32)
  /// RECENT (RFC 3501, section 7.3.2).
  case recent(UInt32)
  /// EXPUNGE (RFC 9051, section 7.5.1).
  case expunge(SequenceNumber)
  /// VANISHED (RFC 7162, section 3.2.10).
  case vanished(VanishedView)
  /// SORT (RFC 5256, section 4).
  case sort(SearchView)
  /// THREAD (RFC 5256, section 4).
  case thread(ThreadView)
  /// ESEARCH (RFC 9051, section 7.3.4).
  case extendedSearch(ExtendedSearchView)
  /// ACL (RFC 4314, section 3.6).
  case acl(AccessControlListView)
  /// LISTRIGHTS (RFC 4314, section 3.7).
  case listRights(ListRightsView)
  /// MYRIGHTS (RFC 4314, section 3.8).
  case myRights(MyRightsView)
  /// QUOTA (RFC 9208, section 5.1).
  case quota(QuotaView)
  /// QUOTAROOT (RFC 9208, section 5.2).
  case quotaRoots(QuotaRootsView)
  /// METADATA (RFC 5464, section 4.4).
  case metadata(MetadataView)
  /// LANGUAGE (RFC 5255, section 3.3).
  case language(FlagListView)
  /// COMPARATOR (RFC 5255, section 4.8).
  case comparator(ComparatorView)
  /// GENURLAUTH (RFC 4467, section 7).
  case authorizedURLs(StringListView)
  /// URLFETCH (RFC 4467, section 7; RFC 5524).
  case fetchedURLs(FetchedURLListView)
  /// JMAPACCESS (RFC 9698): the URL.
  case jmapAccess(StringView)
  /// UIDBATCHES (draft UIDBATCHES).
  case uidBatches(UIDBatchesView)
  /// ANNOTATION of the ANNOTATEMORE drafts.
  case annotation(MailboxAnnotationView)
}

/// One data item of a FETCH response, borrowed.
public enum FetchAttributeView: ~Escapable {
  /// The unique identifier.
  case uid(UID)
  /// The flags.
  case flags(FlagListView)
  /// When the server received the message.
  case internalDate(InternalDate)
  /// The size of the message in bytes.
  case rfc822Size(UInt64)
  /// The modification sequence (RFC 7162).
  case modSeq(ModSeq)
  /// The parsed header.
  case envelope(EnvelopeView)
  /// BODYSTRUCTURE.
  case bodyStructure(BodyStructureView)
  /// BODY without a section.
  case body(BodyStructureView)
  /// How many bytes a part has without its transfer encoding (RFC 3516).
  case binarySize(SectionView, UInt64)
  /// The first words of the text; nil where the server has none (RFC 8970).
  case preview(StringView?)
  /// When the message came into this mailbox; nil where the mailbox does not keep it (RFC 8514).
  case saveDate(InternalDate?)
  /// What the message is called in every mailbox; nil for NIL (RFC 8474).
  case emailID(StringView?)
  /// What its thread is called; nil where it has none (RFC 8474).
  case threadID(StringView?)
  /// X-GM-MSGID of Gmail.
  case gmailMessageID(UInt64)
  /// X-GM-THRID of Gmail.
  case gmailThreadID(UInt64)
  /// X-GM-LABELS of Gmail, names in modified UTF-7.
  case gmailLabels(StringListView)
  /// Annotations of the message (RFC 5257).
  case annotations(AnnotationListView)
  /// A section that came as a quoted string, or NIL as nil. Sections that come as literals are streamed instead.
  case section(SectionView, StringView?)
  /// An item that the parser does not know, with its value as on the wire.
  case unknown(name: ByteView, value: ByteView)
  /// An item that it knows and cannot interpret. The other items of the response stand.
  case invalid(name: ByteView, value: ByteView, ParseError)
}
