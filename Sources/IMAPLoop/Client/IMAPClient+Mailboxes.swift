import IMAPStateMachine

/// Mailboxes: listing, opening and changing them.
extension IMAPClient {
  /// ENABLE (RFC 5161). Returns what the server switched on.
  @discardableResult
  public func enable(_ capabilities: [Capability]) async throws(IMAPError) -> [Capability] {
    try await gather("ENABLE", .enable(capabilities), into: []) { view, enabled in
      guard case .enabled(let list) = copy view else { return false }
      enabled += list.copy()
      return true
    }.value
  }

  /// What ENABLE has switched on in this session.
  public var enabled: [Capability] { channel.enabled }

  /// NAMESPACE (RFC 2342).
  public func namespace() async throws(IMAPError) -> Namespaces {
    try await gather("NAMESPACE", .namespace, into: Namespaces()) { view, namespaces in
      guard case .namespace(let spaces) = copy view else { return false }
      namespaces = spaces.copy()
      return true
    }.value
  }

  // MARK: Listing

  /// LIST (RFC 9051, section 6.3.9): the mailboxes whose names match `pattern`, in which `*` stands for anything and `%`
  /// for anything within one level.
  public func list(
    reference: MailboxName = MailboxName(""), pattern: MailboxName = MailboxName("*")
  ) async throws(IMAPError) -> [MailboxListing] {
    try await list(ListRequest(reference: reference, patterns: [pattern])).listings
  }

  /// LIST in any of its forms (RFC 5258), with what the server says of each mailbox in other responses: STATUS where
  /// LIST-STATUS was asked for (RFC 5819), MYRIGHTS (RFC 8440), METADATA (RFC 9590).
  public func list(_ request: ListRequest) async throws(IMAPError) -> ListAnswer {
    try await gather("LIST", .list(request), into: ListAnswer()) { view, answer in
      switch copy view {
      case .list(let listing): answer.listings.append(listing.copy())
      case .mailboxStatus(let status): answer.statuses.append(status.copy())
      case .myRights(let rights): answer.rights.append(rights.copy())
      case .metadata(let metadata): answer.metadata.append(metadata.copy())
      default: return false
      }
      return true
    }.value
  }

  /// LSUB (RFC 3501, section 6.3.9): the names that are subscribed.
  public func listSubscribed(
    reference: MailboxName = MailboxName(""), pattern: MailboxName = MailboxName("*")
  ) async throws(IMAPError) -> [MailboxListing] {
    try await gather("LSUB", .lsub(reference: reference, pattern: pattern), into: []) { view, listings in
      guard case .lsub(let listing) = copy view else { return false }
      listings.append(listing.copy())
      return true
    }.value
  }

  /// XLIST, Gmail's LIST from before SPECIAL-USE.
  public func listX(
    reference: MailboxName = MailboxName(""), pattern: MailboxName = MailboxName("*")
  ) async throws(IMAPError) -> [MailboxListing] {
    try await gather("XLIST", .xlist(reference: reference, pattern: pattern), into: []) { view, listings in
      guard case .list(let listing) = copy view else { return false }
      listings.append(listing.copy())
      return true
    }.value
  }

  /// Whether there is a mailbox of this name. One that only has others below it, and can't be selected, is there, too.
  public func mailboxExists(_ mailbox: MailboxName) async throws(IMAPError) -> Bool {
    // A name may hold the wildcards of LIST.
    try await list(pattern: mailbox).contains { $0.name == mailbox && !$0.attributes.contains("\\NonExistent") }
  }

  /// STATUS (RFC 9051, section 6.3.11). Nil where the server completed the command without an answer that has this name, in
  /// whatever case.
  public func status(_ mailbox: MailboxName, _ items: [StatusItem]) async throws(IMAPError) -> MailboxStatus? {
    let name = AnswerTurn.folded(mailbox)
    return try await gather("STATUS", .status(mailbox, items), into: nil) { view, answer in
      // Several may be in flight, and others come by NOTIFY.
      guard answer == nil, case .mailboxStatus(let view) = copy view else { return false }
      let status = view.copy()
      if AnswerTurn.folded(status.mailbox) != name { return false }
      answer = status
      return true
    }.value
  }

  // MARK: Changing

  /// CREATE (RFC 9051, section 6.3.4). `specialUse` needs CREATE-SPECIAL-USE (RFC 6154, section 3).
  public func create(_ mailbox: MailboxName, specialUse: [Flag] = []) async throws(IMAPError) {
    try await run("CREATE", .create(mailbox, specialUse: specialUse))
  }

  /// DELETE (RFC 9051, section 6.3.5).
  public func delete(_ mailbox: MailboxName) async throws(IMAPError) { try await run("DELETE", .delete(mailbox)) }

  /// RENAME (RFC 9051, section 6.3.6). Of INBOX the messages move, and it stays.
  public func rename(_ mailbox: MailboxName, to name: MailboxName) async throws(IMAPError) {
    try await run("RENAME", .rename(mailbox, to: name))
  }

  /// SUBSCRIBE (RFC 9051, section 6.3.7).
  public func subscribe(_ mailbox: MailboxName) async throws(IMAPError) {
    try await run("SUBSCRIBE", .subscribe(mailbox))
  }

  /// UNSUBSCRIBE (RFC 9051, section 6.3.8).
  public func unsubscribe(_ mailbox: MailboxName) async throws(IMAPError) {
    try await run("UNSUBSCRIBE", .unsubscribe(mailbox))
  }

  // MARK: Opening

  /// SELECT (RFC 9051, section 6.3.2). Where it fails, no mailbox is selected. `parameters` need what they are named for:
  /// CONDSTORE and QRESYNC (RFC 7162). Returns the mailbox as it was when this command was completed, whatever other tasks
  /// open meanwhile.
  @discardableResult
  public func select(
    _ mailbox: MailboxName, _ parameters: SelectParameters = SelectParameters()
  ) async throws(IMAPError) -> SelectedMailbox {
    try await open("SELECT", mailbox, .select(mailbox, parameters))
  }

  /// EXAMINE (RFC 9051, section 6.3.3): as ``select(_:_:)``, for reading only.
  @discardableResult
  public func examine(
    _ mailbox: MailboxName, _ parameters: SelectParameters = SelectParameters()
  ) async throws(IMAPError) -> SelectedMailbox {
    try await open("EXAMINE", mailbox, .examine(mailbox, parameters))
  }

  /// SELECT or EXAMINE, with what the server tells of the time since `parameters` (RFC 7162, section 3.2.5): messages that went,
  /// and messages that are new or have changed.
  public func resynchronize(
    _ mailbox: MailboxName, isReadOnly: Bool = false, _ parameters: SelectParameters
  ) async throws(IMAPError) -> (mailbox: SelectedMailbox, vanished: UIDSet, changed: [FetchResponse]) {
    var vanished: [UIDSet.Range] = []
    var changed: [FetchResponse] = []
    var collector = FetchCollector()
    let command: Command = isReadOnly ? .examine(mailbox, parameters) : .select(mailbox, parameters)
    let selected = try await open(isReadOnly ? "EXAMINE" : "SELECT", mailbox, command) { waiter in
      waiter.dataHandler = { view in
        guard case .vanished(let view) = copy view, view.isEarlier else { return false }
        vanished += view.uids.copy().ranges
        return true
      }
      waiter.fetchHandler = { event in
        if let response = collector.add(event) { changed.append(response) }
      }
    }
    return (selected, UIDSet(ranges: vanished), changed)
  }

  /// UNSELECT (RFC 3691): leaves the mailbox without expunging. On a server that lacks it the mailbox is opened for reading
  /// only and closed, which expunges nothing (RFC 3501, section 6.4.2).
  public func unselect() async throws(IMAPError) {
    if try await has(.unselect) {
      let isTaken = try await enterMailbox()
      defer { leaveMailbox(isTaken) }
      try await run("UNSELECT", .unselect)
      return
    }
    // For real, as there is something to be waited for.
    let isTaken = !MailboxHold.has(self)
    if isTaken { try await take(.mailbox, for: "UNSELECT") }
    defer { leaveMailbox(isTaken) }
    // Which one it is, is known once nothing is on its way that opens another one.
    while !session.isMailboxSettled { try await noop() }
    if Task.isCancelled { throw .cancelled(command: "UNSELECT") }
    guard let name = channel.selected?.name else {
      throw .connection(.misuse(.init(.wrongState, state: "\(channel.state); select a mailbox before UNSELECT")))
    }
    // Both at once, so that no other call comes between; and they are not taken apart: CLOSE alone expunges.
    let examine = try send("EXAMINE", .examine(name), in: selection)
    let close = try send("CLOSE", .close, in: selection)
    let waiters = [examine.id, close.id]
    let (examined, closed) = await withTaskCancellationHandler {
      (await awaitOutcome(of: examine), await awaitOutcome(of: close))
    } onCancel: {
      // Nobody waits for them any more. Both go on.
      Task { await abandon(waiters) }
    }
    _ = try result("EXAMINE", examined, of: examine).get()
    _ = try result("CLOSE", closed, of: close).get()
  }

  private func abandon(_ ids: [CommandID]) {
    for id in ids { session.waiter(of: id)?.abandon(wasSent: true) }
  }

  /// CLOSE (RFC 9051, section 6.4.1): expunges every message that is marked deleted, without a word, and leaves the
  /// mailbox.
  public func closeMailbox() async throws(IMAPError) { try await runLeaving("CLOSE", .close) }

  /// CHECK (RFC 3501, section 6.4.1): lets the server tidy up the mailbox.
  public func check() async throws(IMAPError) { try await run("CHECK", .check) }

  // MARK: Waiting

  /// NOTIFY (RFC 5465): says what the server shall tell of by itself; it comes as ``events()``. The answer holds what it
  /// says at once, where the request asks for that.
  @discardableResult
  public func notify(_ request: NotifyRequest) async throws(IMAPError) -> ListAnswer {
    try await gather("NOTIFY", .notify(request), into: ListAnswer()) { view, answer in
      guard case .mailboxStatus(let status) = copy view else { return false }
      answer.statuses.append(status.copy())
      return true
    }.value
  }

  /// As ``run(_:_:in:prepare:)``, for a command that leaves the mailbox: in its turn.
  @discardableResult
  func runLeaving(
    _ name: String, _ command: Command, prepare: (CommandWaiter) -> Void = { _ in }
  ) async throws(IMAPError) -> Status {
    // Before its turn, so that nothing is waited for in it.
    try await requireWhatItNeeds(command, name: name)
    let selection = expectedSelection
    let isTaken = try await enterMailbox()
    defer { leaveMailbox(isTaken) }
    // What is expunged by CLOSE must be what the caller has seen.
    return try await run(name, command, in: selection, prepare: prepare)
  }

  private func open(
    _ name: String, _ mailbox: MailboxName, _ command: Command, prepare: (CommandWaiter) -> Void = { _ in }
  ) async throws(IMAPError) -> SelectedMailbox {
    var id: CommandID?
    defer { if let id { session.opened[id] = nil } }
    do throws(IMAPError) {
      try await runLeaving(name, command) { waiter in
        id = waiter.id
        prepare(waiter)
        // At once: before this goes on, another task's command may have left the mailbox.
        waiter.onFinish = { [session, channel, unowned waiter] _ in
          if !waiter.isAbandoned { session.opened[waiter.id] = channel.selected }
        }
      }
    } catch {
      guard case .refused(_, let status) = error else { throw error }
      if error.reason == .noSuchMailbox { throw .noSuchMailbox(mailbox, command: name, status) }
      // Many servers give no code. What LIST says is for programs, the text is not.
      guard status.code == nil, let isThere = try? await mailboxExists(mailbox), !isThere else { throw error }
      throw .noSuchMailbox(mailbox, command: name, status)
    }
    guard let id, let selected = session.opened[id] else { throw .connection(.closedLocally) }
    return selected
  }
}

/// What a LIST brought: the mailboxes, and what was asked for together with them.
public struct ListAnswer: Hashable, Sendable {
  /// The mailboxes.
  public var listings: [MailboxListing] = []
  /// STATUS of those that can be selected (RFC 5819).
  public var statuses: [MailboxStatus] = []
  /// What the user may do with them (RFC 8440).
  public var rights: [MyRights] = []
  /// Their metadata (RFC 9590).
  public var metadata: [Metadata] = []

  /// An empty answer.
  public init() {}
}
