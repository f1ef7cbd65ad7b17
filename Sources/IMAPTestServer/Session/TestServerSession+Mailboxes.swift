import IMAPStateMachine

/// Commands about mailboxes.
extension TestServerSession {
  /// Handles a command of a user.
  func run(_ id: ServerCommandID, _ command: Command, _ account: MailAccount) {
    switch command {
    case .namespace: namespace(id)
    case .list(let request):
      guard !request.isExtended, let pattern = request.patterns.first else { return refuse(id, "LIST-EXTENDED") }
      list(id, "LIST", account.list(reference: request.reference, pattern: pattern)) { .list($0) }
    case .lsub(let reference, let pattern):
      list(id, "LSUB", account.subscribed(reference: reference, pattern: pattern)) { .lsub($0) }
    case .status(let name, let items): status(id, account, name, items)
    case .create(let name, let uses):
      if !uses.isEmpty { return refuse(id, "CREATE-SPECIAL-USE") }
      attempt(id, "CREATE completed") { () throws(StoreError) in try account.create(name) }
    case .delete(let name):
      attempt(id, "DELETE completed") { () throws(StoreError) in try account.delete(name) }
    case .rename(let name, let newName):
      attempt(id, "RENAME completed") { () throws(StoreError) in try account.rename(name, to: newName) }
    case .subscribe(let name):
      attempt(id, "SUBSCRIBE completed") { () throws(StoreError) in try account.subscribe(name) }
    case .unsubscribe(let name):
      account.unsubscribe(name)
      finish(id, Status(.ok, "UNSUBSCRIBE completed"))
    case .select(let name, let parameters): select(id, account, name, readOnly: false, parameters)
    case .examine(let name, let parameters): select(id, account, name, readOnly: true, parameters)
    case .idle: if core.offers(.idle) { idle(id) } else { refuse(id, "IDLE") }
    case .close, .unselect, .check, .expunge, .uidExpunge, .search, .fetch, .store, .copy, .move:
      guard let view else { return finish(id, Status(.bad, "Select a mailbox first")) }
      run(id, command, account, view)
    default: refuse(id, "The command")
    }
  }

  // MARK: APPEND

  /// A message is about to come.
  func offered(_ id: ServerCommandID, _ request: AppendRequest, _ header: LiteralHeader) {
    func reject(_ status: Status) {
      perform { machine throws(ConnectionError) in try machine.reject(id, with: status) }
    }
    if header.isBinary { return reject(Status(.bad, "BINARY is not offered")) }
    if request.replacing != nil { return reject(Status(.bad, "REPLACE is not offered")) }
    if request.messages.contains(where: { !$0.annotations.isEmpty }) {
      return reject(Status(.bad, "ANNOTATE is not offered"))
    }
    guard let mailbox = account?.mailbox(request.mailbox) else {
      return reject(Status(.no, code: .tryCreate, StoreError.nonexistent.text))
    }
    let size = Int(clamping: request.byteCount)
    do throws(StoreError) { try account?.quota.reserve(size, messages: 1) } catch {
      return reject(Status(.no, code: error.code, error.text))
    }
    activity = .appending(Intake(mailbox: mailbox, request: request, reserved: size))
    perform { machine throws(ConnectionError) in try machine.accept(id) }
  }

  /// Bytes of the message.
  func arrived(_ bytes: Span<UInt8>) {
    guard case .appending(var intake) = activity else { return }
    // Let go of the other reference, so that the bytes are not copied each time.
    activity = .none
    // Safe: the array takes a copy before the borrow ends.
    unsafe bytes.withUnsafeBufferPointer { unsafe intake.bytes.append(contentsOf: $0) }
    activity = .appending(intake)
  }

  /// The message is complete.
  func appended(_ id: ServerCommandID) {
    guard case .appending(let intake) = activity else { return finish(id, Status(.bad, "No message")) }
    dropIntake()
    // The mailbox may have been deleted since it was looked up.
    guard account?.mailbox(intake.request.mailbox) === intake.mailbox else {
      return finish(id, Status(.no, code: .tryCreate, StoreError.nonexistent.text))
    }
    // RFC 9051, section 9: no byte of a literal is NUL, so the message could never be fetched.
    if intake.bytes.contains(0) { return finish(id, Status(.no, code: .cannot, "Message holds NUL")) }
    let date = intake.request.date ?? InternalDate(unixSeconds: core.clock())
    do throws(StoreError) {
      let uid = try intake.mailbox.append(StoredMessage(intake.bytes, internalDate: date), flags: intake.request.flags)
      let code = ResponseCode.appendUID(validity: UInt64(intake.mailbox.uidValidity), uids: UIDSet(UID(rawValue: uid)))
      finish(id, Status(.ok, code: core.offers(.uidPlus) ? code : nil, "APPEND completed"))
    } catch {
      finish(id, error)
    }
  }

  /// Forgets a message that did not arrive as a whole, or was taken.
  func dropIntake() {
    guard case .appending(let intake) = activity else { return }
    activity = .none
    account?.quota.release(intake.reserved, messages: 1)
  }

  // MARK: Others

  private func attempt<Result>(_ id: ServerCommandID, _ text: String, _ body: () throws(StoreError) -> Result) {
    do throws(StoreError) {
      _ = try body()
      finish(id, Status(.ok, text))
    } catch {
      finish(id, error)
    }
  }

  private func namespace(_ id: ServerCommandID) {
    if !core.offers(.namespace) { return refuse(id, "NAMESPACE") }
    let delimiter = Character(Unicode.Scalar(MailAccount.delimiter))
    let own = Namespaces.Namespace(prefix: MailboxName(wire: []), delimiter: delimiter)
    finish(id, Status(.ok, "NAMESPACE completed"), sending: [.namespace(Namespaces(personal: [own]))])
  }

  private func list(
    _ id: ServerCommandID, _ name: String, _ listings: [MailboxListing], _ make: @escaping (MailboxListing) -> Response
  ) {
    var next = 0
    start(
      Job(
        step: { machine throws(ConnectionError) in
          if next >= listings.count { return false }
          try machine.respond(make(listings[next]))
          next += 1
          return true
        },
        finish: { [weak self] in self?.finish(id, Status(.ok, "\(name) completed")) }))
  }

  private func status(_ id: ServerCommandID, _ account: MailAccount, _ name: MailboxName, _ items: [StatusItem]) {
    if items.contains(.highestModSeq), !core.offers(.condStore) { return refuse(id, "CONDSTORE") }
    for item in [StatusItem.deletedStorage, .appendLimit, .mailboxID] where items.contains(item) {
      return refuse(id, item.rawValue)
    }
    if items.contains(.size), !core.offers(Capability("STATUS=SIZE")) { return refuse(id, "STATUS=SIZE") }
    guard let mailbox = account.mailbox(name) else { return finish(id, StoreError.nonexistent) }
    // RFC 7162, section 3.1: STATUS with HIGHESTMODSEQ is one of the commands that turn the extension on.
    if items.contains(.highestModSeq) { usesCondStore = true }
    var status = MailboxStatus(mailbox: name)
    for item in items { status[item] = mailbox.status(item) }
    finish(id, Status(.ok, "STATUS completed"), sending: [.mailboxStatus(status)])
  }

  private func select(
    _ id: ServerCommandID, _ account: MailAccount, _ name: MailboxName, readOnly: Bool, _ parameters: SelectParameters
  ) {
    if parameters.qResync != nil { return refuse(id, "QRESYNC") }
    if parameters.annotate { return refuse(id, "ANNOTATE") }
    if parameters.condStore {
      if !core.offers(.condStore) { return refuse(id, "CONDSTORE") }
      usesCondStore = true
    }
    let hadView = view != nil
    // RFC 9051, section 6.3.2: the command closes the open mailbox even where it fails.
    closeView()
    let mailbox = account.mailbox(name)
    let opened = mailbox.map { open($0, readOnly: readOnly) }
    perform { machine throws(ConnectionError) in
      // RFC 7162, section 3.2.11: what follows is about the new mailbox.
      if hadView { try machine.respond(.status(Status(.ok, code: .closed, "Previous mailbox is closed"))) }
      guard let mailbox, let opened else {
        return try machine.complete(id, Status(.no, code: .nonexistent, StoreError.nonexistent.text))
      }
      try machine.respond(.exists(UInt32(clamping: opened.count)))
      try machine.respond(.recent(UInt32(clamping: opened.recentCount)))
      try machine.respond(.flags(mailbox.flagTable.flags))
      try machine.respond(.status(permanentFlags(opened)))
      if let unseen = opened.firstUnseen {
        try machine.respond(.status(Status(.ok, code: .unseen(unseen.rawValue), "First unseen message")))
      }
      try machine.respond(.status(Status(.ok, code: .uidValidity(UInt64(mailbox.uidValidity)), "UIDs are valid")))
      try machine.respond(.status(Status(.ok, code: .uidNext(mailbox.nextUID), "Next UID")))
      if core.offers(.condStore) {
        let highest = ModSeq(rawValue: mailbox.highestModSeq)
        try machine.respond(.status(Status(.ok, code: .highestModSeq(highest), "Latest change")))
      }
      let done = readOnly ? "EXAMINE completed" : "SELECT completed"
      try machine.complete(id, Status(.ok, code: readOnly ? .readOnly : .readWrite, done))
    }
  }
}
