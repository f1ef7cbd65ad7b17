/// A command of a client, as a value: what ``ClientConnection`` sends and ``ServerConnection`` receives.
///
/// Any value can be made. One that has no form on the wire (a line break in an atom, an empty set, a NUL in a string) is
/// refused when it is sent.
public enum Command: Hashable, Sendable {
  // MARK: Any state
  /// CAPABILITY (RFC 9051, section 6.1.1).
  case capability
  /// NOOP (RFC 9051, section 6.1.2).
  case noop
  /// LOGOUT (RFC 9051, section 6.1.3).
  case logout
  /// ID with the client's fields; nil sends NIL (RFC 2971).
  case id([IDField]?)
  /// LANGUAGE: the languages for the server's texts, best first; none asks which there are (RFC 5255, section 3.2).
  case language([String])

  // MARK: Not authenticated
  /// STARTTLS (RFC 9051, section 6.2.1).
  case startTLS
  /// LOGIN (RFC 9051, section 6.2.3).
  case login(user: String, password: Secret)
  /// AUTHENTICATE (RFC 9051, section 6.2.2).
  case authenticate(SASLExchange)

  // MARK: The session
  /// UNAUTHENTICATE: back to the state before the login (RFC 8437).
  case unauthenticate
  /// PROXYAUTH: an administrator goes on as another user (Netscape and Sun servers).
  case proxyAuth(user: String)
  /// COMPRESS DEFLATE (RFC 4978).
  case compress
  /// ENABLE (RFC 5161).
  case enable([Capability])
  /// COMPARATOR: how text is to be compared, best first; none asks what is in use (RFC 5255, section 4.7).
  case comparator([String])
  /// NAMESPACE (RFC 2342).
  case namespace
  /// GETJMAPACCESS: where the same mail is to be had by JMAP (RFC 9698).
  case getJMAPAccess
  /// IDLE (RFC 2177).
  case idle
  /// NOTIFY: which events the server tells by itself (RFC 5465).
  case notify(NotifyRequest)
  /// XAPPLEPUSHSERVICE: registers a device for push messages (Apple's servers and Fastmail).
  case applePushService(ApplePushRequest)

  // MARK: Mailboxes
  /// LIST (RFC 9051, section 6.3.9), with all of its extensions.
  case list(ListRequest)
  /// LSUB: subscribed mailboxes (RFC 3501, section 6.3.9).
  case lsub(reference: MailboxName, pattern: MailboxName)
  /// XLIST: what Gmail had before SPECIAL-USE.
  case xlist(reference: MailboxName, pattern: MailboxName)
  /// RLIST: as LIST, with mailboxes on other servers, whose names are URLs (RFC 2193).
  case rlist(reference: MailboxName, pattern: MailboxName)
  /// RLSUB: as LSUB, with mailboxes on other servers (RFC 2193).
  case rlsub(reference: MailboxName, pattern: MailboxName)
  /// STATUS (RFC 9051, section 6.3.11).
  case status(MailboxName, [StatusItem])
  /// CREATE (RFC 9051, section 6.3.4), with special uses where the server has CREATE-SPECIAL-USE (RFC 6154, section 3).
  case create(MailboxName, specialUse: [Flag] = [])
  /// DELETE (RFC 9051, section 6.3.5).
  case delete(MailboxName)
  /// RENAME (RFC 9051, section 6.3.6).
  case rename(MailboxName, to: MailboxName)
  /// SUBSCRIBE (RFC 9051, section 6.3.7).
  case subscribe(MailboxName)
  /// UNSUBSCRIBE (RFC 9051, section 6.3.8).
  case unsubscribe(MailboxName)
  /// SELECT (RFC 9051, section 6.3.2).
  case select(MailboxName, SelectParameters = SelectParameters())
  /// EXAMINE (RFC 9051, section 6.3.3).
  case examine(MailboxName, SelectParameters = SelectParameters())
  /// APPEND of messages whose bytes are streamed (RFC 9051, section 6.3.12), or REPLACE of one (RFC 8508).
  case append(AppendRequest)

  // MARK: Access, quota, metadata, URLs
  /// SETACL (RFC 4314, section 3.1).
  case setACL(MailboxName, identifier: [UInt8], AccessRightsChange)
  /// DELETEACL (RFC 4314, section 3.2).
  case deleteACL(MailboxName, identifier: [UInt8])
  /// GETACL (RFC 4314, section 3.3).
  case getACL(MailboxName)
  /// LISTRIGHTS (RFC 4314, section 3.4).
  case listRights(MailboxName, identifier: [UInt8])
  /// MYRIGHTS (RFC 4314, section 3.5).
  case myRights(MailboxName)
  /// GETQUOTA (RFC 9208, section 4.1.1).
  case getQuota(root: [UInt8])
  /// GETQUOTAROOT (RFC 9208, section 4.1.2).
  case getQuotaRoot(MailboxName)
  /// SETQUOTA (RFC 9208, section 4.1.3).
  case setQuota(root: [UInt8], [QuotaLimit])
  /// GETMETADATA; the empty mailbox name is the server (RFC 5464, section 4.2).
  case getMetadata(MailboxName, entries: [[UInt8]], MetadataOptions = MetadataOptions())
  /// SETMETADATA; a nil value removes the entry (RFC 5464, section 4.3).
  case setMetadata(MailboxName, [Metadata.Entry])
  /// GETANNOTATION of the ANNOTATEMORE drafts, which came before METADATA. `mailbox` may hold wildcards.
  case getAnnotation(mailbox: MailboxName, entries: [[UInt8]], attributes: [[UInt8]])
  /// SETANNOTATION of the ANNOTATEMORE drafts.
  case setAnnotation(mailbox: MailboxName, [MessageAnnotation])
  /// GENURLAUTH (RFC 4467, section 7).
  case generateURLAuth([URLAuthRequest])
  /// URLFETCH (RFC 4467, section 7; RFC 5524).
  case fetchURLs([URLFetchRequest])
  /// RESETKEY; without a mailbox all keys of the user (RFC 4467, section 7).
  case resetKey(MailboxName?, mechanisms: [String] = [])

  // MARK: Messages
  /// CLOSE (RFC 9051, section 6.4.1).
  case close
  /// UNSELECT (RFC 9051, section 6.4.2).
  case unselect
  /// CHECK (RFC 3501, section 6.4.1).
  case check
  /// EXPUNGE (RFC 9051, section 6.4.3).
  case expunge
  /// UID EXPUNGE (RFC 4315).
  case uidExpunge(UIDSet)
  /// SEARCH, or UID SEARCH with `uid` (RFC 9051, section 6.4.4). `returning` asks for an ESEARCH answer (RFC 4731); the
  /// empty list is RETURN (). Texts are written in `charset`, which is UTF-8, US-ASCII or ISO-8859-1 unless all are ASCII; nil
  /// takes UTF-8 where one is not. No charset is sent once UTF8=ACCEPT is enabled (RFC 6855, section 3). A charset that the
  /// server does not know is not the end: see ``ClientConnection/tag(of:)``.
  case search(SearchKey, uid: Bool = true, charset: String? = nil, returning: [SearchReturnOption]? = nil)
  /// SORT or UID SORT (RFC 5256; RFC 5267). The charset is as in ``search(_:uid:charset:returning:)``, and always sent.
  case sort(
    [SortCriterion], SearchKey, uid: Bool = true, charset: String = "UTF-8", returning: [SearchReturnOption]? = nil)
  /// THREAD or UID THREAD (RFC 5256). The charset is as in ``search(_:uid:charset:returning:)``, and always sent.
  case thread(ThreadAlgorithm, SearchKey, uid: Bool = true, charset: String = "UTF-8")
  /// ESEARCH: a search through several mailboxes (RFC 7377).
  case multiSearch(MultiSearch)
  /// CANCELUPDATE: searches with these tags are no longer kept up to date (RFC 5267, section 4.4).
  case cancelUpdate(tags: [String])
  /// UIDBATCHES: where in the UIDs each run of `size` messages lies, the newest first (draft UIDBATCHES).
  case uidBatches(size: UInt32, batches: ClosedRange<UInt32>? = nil)
  /// FETCH or UID FETCH (RFC 9051, section 6.4.5).
  case fetch(MessageReference, [FetchItem], FetchModifiers = FetchModifiers())
  /// STORE or UID STORE (RFC 9051, section 6.4.6). `unchangedSince` needs CONDSTORE (RFC 7162, section 3.1.3).
  case store(MessageReference, StoreOperation, unchangedSince: ModSeq? = nil)
  /// STORE or UID STORE of Gmail's labels.
  case storeLabels(MessageReference, LabelOperation, unchangedSince: ModSeq? = nil)
  /// STORE or UID STORE of annotations; a nil value removes one (RFC 5257, section 4.4).
  case storeAnnotations(MessageReference, [MessageAnnotation], unchangedSince: ModSeq? = nil)
  /// PARTIAL: `count` bytes from byte `first` on, which is 1 for the first byte, of `BODY[...]`, `RFC822`, `RFC822.HEADER`
  /// or `RFC822.TEXT` (RFC 1730, which RFC 3501 replaced: FETCH has partial sections since).
  case partial(SequenceNumber, FetchItem, first: UInt32, count: UInt32)
  /// CONVERT or UID CONVERT: parts of messages in another form (RFC 5259, section 6).
  case convert(MessageReference, ConversionRequest)
  /// CONVERSIONS: which media types can be converted to which. `*` and `image/*` stand for many (RFC 5259, section 5).
  case conversions(from: String, to: String)
  /// COPY or UID COPY (RFC 9051, section 6.4.7).
  case copy(MessageReference, MailboxName)
  /// MOVE or UID MOVE (RFC 6851).
  case move(MessageReference, MailboxName)

  // MARK: Others
  /// A command without a case of its own. A client sends it alone, since what it does is not known. A server gets it
  /// where ``ServerConnection/Configuration/passesUnknownCommands`` says so.
  case other(GenericCommand)
}

/// Short forms of commands whose cases take more than most callers need.
extension Command {
  /// LIST in its basic form. `pattern` is as on the wire, wildcards included.
  public static func list(reference: MailboxName, pattern: MailboxName) -> Command {
    .list(ListRequest(reference: reference, patterns: [pattern]))
  }

  /// SELECT that turns CONDSTORE on, which the server must have (RFC 7162, section 3.1.8).
  public static func select(_ mailbox: MailboxName, condStore: Bool) -> Command {
    .select(mailbox, SelectParameters(condStore: condStore))
  }

  /// EXAMINE, as ``select(_:condStore:)``.
  public static func examine(_ mailbox: MailboxName, condStore: Bool) -> Command {
    .examine(mailbox, SelectParameters(condStore: condStore))
  }

  /// FETCH of what changed since a modification sequence; it needs CONDSTORE (RFC 7162, section 3.1.4.1).
  public static func fetch(_ messages: MessageReference, _ items: [FetchItem], changedSince: ModSeq?) -> Command {
    .fetch(messages, items, FetchModifiers(changedSince: changedSince))
  }

  /// REPLACE or UID REPLACE: `request` in place of `message` (RFC 8508).
  public static func replace(_ message: ReplacedMessage, with request: AppendRequest) -> Command {
    var request = request
    request.replacing = message
    return .append(request)
  }

  /// GETQUOTA of the root `name`.
  public static func getQuota(root name: String) -> Command { .getQuota(root: Array(name.utf8)) }

  /// SETACL for the user or group `name`.
  public static func setACL(_ mailbox: MailboxName, identifier name: String, _ change: AccessRightsChange) -> Command {
    .setACL(mailbox, identifier: Array(name.utf8), change)
  }

  /// GETMETADATA of the entries `names`, for example `/shared/comment`.
  public static func getMetadata(
    _ mailbox: MailboxName, entries names: [String], _ options: MetadataOptions = MetadataOptions()
  ) -> Command {
    .getMetadata(mailbox, entries: names.map { Array($0.utf8) }, options)
  }
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

/// What XAPPLEPUSHSERVICE registers.
public struct ApplePushRequest: Hashable, Sendable {
  /// `aps-version`: 1 or 2.
  public var version: UInt32
  /// `aps-account-id`: what the device calls the account.
  public var accountID: String
  /// `aps-device-token`, in hexadecimal.
  public var deviceToken: String
  /// `aps-subtopic`, for example `com.apple.mobilemail`.
  public var subtopic: String
  /// Which mailboxes are watched.
  public var mailboxes: [MailboxName]

  /// A registration.
  public init(
    version: UInt32 = 2, accountID: String, deviceToken: String, subtopic: String, mailboxes: [MailboxName]
  ) {
    self.version = version
    self.accountID = accountID
    self.deviceToken = deviceToken
    self.subtopic = subtopic
    self.mailboxes = mailboxes
  }
}
