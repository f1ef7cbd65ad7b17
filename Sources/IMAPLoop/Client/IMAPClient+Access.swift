import IMAPStateMachine

/// Access control (RFC 4314), quotas (RFC 9208), metadata (RFC 5464) and URLs (RFC 4467).
extension IMAPClient {
  // MARK: Access control

  /// GETACL: who may do what with the mailbox.
  public func accessControlList(of mailbox: MailboxName) async throws(IMAPError) -> AccessControlList {
    let none = AccessControlList(mailbox: mailbox, entries: [])
    return try await gather("GETACL", .getACL(mailbox), into: none) { view, list in
      guard case .acl(let answer) = copy view else { return false }
      list = answer.copy()
      return true
    }.value
  }

  /// SETACL: gives `identifier`, a user's name or a group's, rights, or takes them away.
  public func setAccess(
    _ mailbox: MailboxName, for identifier: String, _ change: AccessRightsChange
  ) async throws(IMAPError) {
    try await run("SETACL", .setACL(mailbox, identifier: Array(identifier.utf8), change))
  }

  /// DELETEACL: removes what the list says of `identifier`.
  public func removeAccess(_ mailbox: MailboxName, for identifier: String) async throws(IMAPError) {
    try await run("DELETEACL", .deleteACL(mailbox, identifier: Array(identifier.utf8)))
  }

  /// LISTRIGHTS: which rights `identifier` can be given; nil where the server completed the command without an answer.
  public func grantableRights(
    _ mailbox: MailboxName, for identifier: String
  ) async throws(IMAPError) -> ListRights? {
    let command = Command.listRights(mailbox, identifier: Array(identifier.utf8))
    return try await gather("LISTRIGHTS", command, into: nil) { view, rights in
      guard case .listRights(let answer) = copy view else { return false }
      rights = answer.copy()
      return true
    }.value
  }

  /// MYRIGHTS: what the user may do with the mailbox.
  public func myRights(_ mailbox: MailboxName) async throws(IMAPError) -> AccessRights {
    try await gather("MYRIGHTS", .myRights(mailbox), into: AccessRights("")) { view, rights in
      guard case .myRights(let answer) = copy view else { return false }
      rights = answer.copy().rights
      return true
    }.value
  }

  // MARK: Quotas

  /// GETQUOTA: what a quota root limits; nil where the server completed the command without an answer.
  public func quota(root: String) async throws(IMAPError) -> Quota? {
    try await gather("GETQUOTA", .getQuota(root: root), into: nil) { view, quota in
      guard case .quota(let answer) = copy view else { return false }
      quota = answer.copy()
      return true
    }.value
  }

  /// GETQUOTAROOT: the quota roots of a mailbox, and what each limits.
  public func quotas(of mailbox: MailboxName) async throws(IMAPError) -> (roots: QuotaRoots, quotas: [Quota]) {
    let none = (roots: QuotaRoots(mailbox: mailbox, roots: []), quotas: [Quota]())
    return try await gather("GETQUOTAROOT", .getQuotaRoot(mailbox), into: none) { view, answer in
      switch copy view {
      case .quotaRoots(let roots): answer.roots = roots.copy()
      case .quota(let quota): answer.quotas.append(quota.copy())
      default: return false
      }
      return true
    }.value
  }

  /// SETQUOTA: new limits of a quota root. Returns what holds then.
  @discardableResult
  public func setQuota(root: String, _ limits: [QuotaLimit]) async throws(IMAPError) -> Quota? {
    try await gather("SETQUOTA", .setQuota(root: Array(root.utf8), limits), into: nil) { view, quota in
      guard case .quota(let answer) = copy view else { return false }
      quota = answer.copy()
      return true
    }.value
  }

  // MARK: Metadata

  /// GETMETADATA: the values of `entries` of a mailbox; of the server with an empty name.
  public func metadata(
    of mailbox: MailboxName = MailboxName(""), _ entries: [String], _ options: MetadataOptions = MetadataOptions()
  ) async throws(IMAPError) -> [Metadata.Entry] {
    let command = Command.getMetadata(mailbox, entries: entries.map { Array($0.utf8) }, options)
    return try await gather("GETMETADATA", command, into: []) { view, entries in
      guard case .metadata(let answer) = copy view else { return false }
      // Names without values tell of a change that somebody made.
      guard case .values(let values) = answer.copy().content else { return false }
      entries += values
      return true
    }.value
  }

  /// SETMETADATA: a nil value removes an entry.
  public func setMetadata(
    of mailbox: MailboxName = MailboxName(""), _ entries: [Metadata.Entry]
  ) async throws(IMAPError) {
    try await run("SETMETADATA", .setMetadata(mailbox, entries))
  }

  /// GETANNOTATION of the ANNOTATEMORE drafts, which came before METADATA.
  public func annotations(
    of mailbox: MailboxName, entries: [String], attributes: [String]
  ) async throws(IMAPError) -> [MessageAnnotation] {
    let command = Command.getAnnotation(
      mailbox: mailbox, entries: entries.map { Array($0.utf8) }, attributes: attributes.map { Array($0.utf8) })
    return try await gather("GETANNOTATION", command, into: []) { view, annotations in
      guard case .annotation(let answer) = copy view else { return false }
      annotations.append(answer.annotation.copy())
      return true
    }.value
  }

  /// SETANNOTATION of the ANNOTATEMORE drafts.
  public func setAnnotations(
    of mailbox: MailboxName, _ annotations: [MessageAnnotation]
  ) async throws(IMAPError) {
    try await run("SETANNOTATION", .setAnnotation(mailbox: mailbox, annotations))
  }

  // MARK: URLs

  /// GENURLAUTH: URLs that let others read a message (RFC 4467, section 7).
  public func authorizedURLs(_ requests: [URLAuthRequest]) async throws(IMAPError) -> [String] {
    try await gather("GENURLAUTH", .generateURLAuth(requests), into: []) { view, urls in
      guard case .authorizedURLs(let list) = copy view else { return false }
      urls += list.copy().map { String(decoding: $0, as: UTF8.self) }
      return true
    }.value
  }

  /// URLFETCH: what URLs stand for (RFC 4467, section 7; RFC 5524).
  public func fetchURLs(_ requests: [URLFetchRequest]) async throws(IMAPError) -> [FetchedURL] {
    try await gather("URLFETCH", .fetchURLs(requests), into: []) { view, urls in
      guard case .fetchedURLs(let list) = copy view else { return false }
      urls += list.copy()
      return true
    }.value
  }

  /// RESETKEY: URLs that were authorised with the mailbox's key, or with any of the user's, are good no longer
  /// (RFC 4467, section 7).
  public func resetKey(_ mailbox: MailboxName?, mechanisms: [String] = []) async throws(IMAPError) {
    try await run("RESETKEY", .resetKey(mailbox, mechanisms: mechanisms))
  }
}
