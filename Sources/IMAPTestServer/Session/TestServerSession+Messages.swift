import IMAPStateMachine

/// Commands about the messages of the selected mailbox.
extension TestServerSession {
  /// Handles a command that needs a selected mailbox.
  func run(_ id: ServerCommandID, _ command: Command, _ account: MailAccount, _ view: SelectedView) {
    switch command {
    case .close:
      if !view.isReadOnly { view.mailbox.expunge() }
      closeView()
      finish(id, Status(.ok, "CLOSE completed"))
    case .unselect:
      if !core.offers(.unselect) { return refuse(id, "UNSELECT") }
      closeView()
      finish(id, Status(.ok, "UNSELECT completed"))
    case .expunge: expunge(id, view, nil)
    case .uidExpunge(let set):
      if !core.offers(.uidPlus) { return refuse(id, "UIDPLUS") }
      expunge(id, view, .uids(set))
    case .search(let key, let uid, let charset, nil): search(id, view, key, uid, charset)
    case .search: refuse(id, "ESEARCH")
    case .fetch(let reference, let items, let modifiers): fetch(id, view, reference, items, modifiers)
    case .store(let reference, let operation, let unchangedSince):
      store(id, view, reference, operation, unchangedSince)
    case .copy(let reference, let target): copy(id, account, view, reference, target)
    case .move(let reference, let target): move(id, account, view, reference, target)
    case .check: finish(id, Status(.ok, "CHECK completed"))
    default: refuse(id, "The command")
    }
  }

  // MARK: EXPUNGE, COPY, MOVE

  private func expunge(_ id: ServerCommandID, _ view: SelectedView, _ reference: MessageReference?) {
    if view.isReadOnly { return refuseReadOnly(id) }
    do throws(StoreError) {
      view.mailbox.expunge(in: try reference.map { reference throws(StoreError) in try view.select(reference).uids })
      finish(id, Status(.ok, "EXPUNGE completed"))
    } catch {
      finish(id, error)
    }
  }

  private func copy(
    _ id: ServerCommandID, _ account: MailAccount, _ view: SelectedView, _ reference: MessageReference,
    _ target: MailboxName
  ) {
    transfer(id, account, view, reference, target) { (uids, mailbox) throws(StoreError) in
      let result = try view.mailbox.copy(uids, to: mailbox)
      finish(id, Status(.ok, code: copyUID(result, mailbox), "COPY completed"))
    }
  }

  private func move(
    _ id: ServerCommandID, _ account: MailAccount, _ view: SelectedView, _ reference: MessageReference,
    _ target: MailboxName
  ) {
    if !core.offers(.move) { return refuse(id, "MOVE") }
    if view.isReadOnly { return refuseReadOnly(id) }
    transfer(id, account, view, reference, target) { (uids, mailbox) throws(StoreError) in
      let result = try view.mailbox.move(uids, to: mailbox)
      // RFC 6851, section 4.3: "Servers are also REQUIRED to send the COPYUID response code in an untagged OK before
      // sending EXPUNGE".
      let code = copyUID(result, mailbox)
      finish(id, Status(.ok, "MOVE completed"), sending: code.map { [.status(Status(.ok, code: $0, "Moved"))] } ?? [])
    }
  }

  private func transfer(
    _ id: ServerCommandID, _ account: MailAccount, _ view: SelectedView, _ reference: MessageReference,
    _ target: MailboxName, _ body: (NumberRanges, Mailbox) throws(StoreError) -> Void
  ) {
    do throws(StoreError) {
      let selection = try view.select(reference)
      // RFC 2180, section 4.4: all of the messages or none.
      if selection.hasGhosts, case .sequence = reference { return refuseExpunged(id) }
      guard let mailbox = account.mailbox(target) else {
        return finish(id, Status(.no, code: .tryCreate, StoreError.nonexistent.text))
      }
      try body(selection.uids, mailbox)
    } catch {
      finish(id, error)
    }
  }

  private func copyUID(_ result: Mailbox.CopyResult, _ target: Mailbox) -> ResponseCode? {
    if result.source.isEmpty || !core.offers(.uidPlus) { return nil }
    return .copyUID(
      validity: UInt64(target.uidValidity), source: UIDSet(result.source.map { UID(rawValue: $0) }),
      destination: UIDSet(result.destination.map { UID(rawValue: $0) }))
  }

  // MARK: SEARCH

  private func search(
    _ id: ServerCommandID, _ view: SelectedView, _ key: SearchKey, _ uid: Bool, _ charset: String?
  ) {
    if let charset, charset.uppercased() != "UTF-8", charset.uppercased() != "US-ASCII" {
      let code = ResponseCode.badCharset(["US-ASCII", "UTF-8"])
      return finish(id, Status(.no, code: code, "Charset is not known"), expunges: uid)
    }
    do throws(StoreError) {
      var run = try SearchRun(key, in: view)
      if key.asksForModSeq {
        if !core.offers(.condStore) { return refuse(id, "CONDSTORE") }
        usesCondStore = true
      }
      start(
        Job(
          step: { machine throws(ConnectionError) in
            if run.advance(in: view) { return true }
            try machine.respond(.search(run.result(uid: uid, in: view)))
            return false
          },
          finish: { [weak self] in self?.finish(id, Status(.ok, "SEARCH completed"), expunges: uid) }))
    } catch {
      finish(id, error, expunges: uid)
    }
  }

  // MARK: STORE

  private func store(
    _ id: ServerCommandID, _ view: SelectedView, _ reference: MessageReference, _ operation: StoreOperation,
    _ unchangedSince: ModSeq?
  ) {
    let isUID = reference.isUID
    if view.isReadOnly { return refuseReadOnly(id, expunges: isUID) }
    if unchangedSince != nil {
      if !core.offers(.condStore) { return refuse(id, "CONDSTORE") }
      usesCondStore = true
    }
    do throws(StoreError) {
      let selection = try view.select(reference)
      let result = try view.mailbox.store(operation, in: selection.uids, unchangedSince: unchangedSince, by: view)
      let status = completion(result, view, isUID, selection.hasGhosts && !isUID)
      // RFC 7162, section 3.1.3: a conditional STORE tells the new MODSEQ "even if the .SILENT suffix is specified".
      var told = operation.isSilent ? (usesCondStore ? result.changed : []) : result.stored
      if operation.isSilent, unchangedSince != nil { told = result.stored }
      report(told, withFlags: !operation.isSilent, isUID: isUID, then: result.modified) { [weak self] in
        self?.finish(id, status, expunges: isUID)
      }
    } catch {
      finish(id, error, expunges: isUID)
    }
  }

  /// Writes a FETCH response for each of `uids`, then one with the flags for each of `modified`: RFC 7162, section 3.1.3
  /// recommends to tell the client why its conditional STORE left them alone.
  private func report(
    _ uids: [UInt32], withFlags: Bool, isUID: Bool, then modified: [UInt32], finish: @escaping () -> Void
  ) {
    var next = 0
    let step: (inout ServerConnection) throws(ConnectionError) -> Bool = { [self] machine throws(ConnectionError) in
      if next == 0 { try announceFlags(to: &machine) }
      guard let view, next < uids.count + modified.count else { return false }
      let isModified = next >= uids.count
      let uid = isModified ? modified[next - uids.count] : uids[next]
      next += 1
      guard let number = view.number(of: uid), let index = view.mailbox.index(of: uid) else { return true }
      let message = view.mailbox.messages[index]
      view.forgetFlagChange(uid)
      machine.writeFetch(number) { writer in
        if isUID || isModified { writer.uid(UID(rawValue: uid)) }
        if usesCondStore { writer.modSeq(ModSeq(rawValue: message.modSeq)) }
        if withFlags || isModified { writer.flags(view.flags(message)) }
      }
      return true
    }
    start(Job(step: step, finish: finish))
  }

  private func completion(
    _ result: Mailbox.StoreResult, _ view: SelectedView, _ isUID: Bool, _ hasGhosts: Bool
  ) -> Status {
    if !result.modified.isEmpty {
      // UIDs for UID STORE, sequence numbers for STORE.
      let numbers = isUID ? result.modified : result.modified.compactMap { view.number(of: $0)?.rawValue }
      let code = ResponseCode.modified(MessageSet(numbers.map { MessageID(rawValue: $0) }))
      return Status(hasGhosts ? .no : .ok, code: code, "Some messages have changed")
    }
    return hasGhosts ? expunged : Status(.ok, "STORE completed")
  }

  // MARK: Refusals

  /// Some messages of a command are gone, and the client does not know yet (RFC 2180, section 4.1.2; RFC 5530).
  var expunged: Status { Status(.no, code: .atom("EXPUNGEISSUED"), "Some of the messages no longer exist") }

  private func refuseExpunged(_ id: ServerCommandID) { finish(id, expunged) }

  private func refuseReadOnly(_ id: ServerCommandID, expunges: Bool = true) {
    finish(id, Status(.no, code: .cannot, "Mailbox is open for reading only"), expunges: expunges)
  }
}

extension MessageReference {
  /// Whether the command that has it is one of the UID forms.
  var isUID: Bool {
    switch self {
    case .uids: true
    case .sequence: false
    }
  }
}
