import IMAPStateMachine

/// Who may open another mailbox. Used on the loop's thread only.
final class MailboxLock {
  /// The connections whose mailboxes the task has for itself.
  @TaskLocal static var held: Set<ObjectIdentifier> = []

  private var isTaken = false
  private var waiting = WaitList()

  func makeID() -> WaitList.ID { waiting.makeID() }

  /// Whether it was free. It is taken then.
  func tryTake() -> Bool {
    if isTaken { return false }
    isTaken = true
    return true
  }

  func wait(_ id: WaitList.ID, _ continuation: CheckedContinuation<Bool, Never>) {
    if Task.isCancelled { return continuation.resume(returning: false) }
    if tryTake() { return continuation.resume(returning: true) }
    waiting.add(id, continuation)
  }

  func cancel(_ id: WaitList.ID) { waiting.cancel(id) }

  /// Hands it to whoever has waited longest.
  func give() {
    if !waiting.resumeFirst() { isTaken = false }
  }
}

extension IMAPClient {
  /// Runs `body` with `mailbox` open, and keeps others from opening another one meanwhile: their calls of this function, and of
  /// `select`, `examine`, `unselect` and `closeMailbox`, wait until it is over, in their order. What is open already, and open
  /// for writing where that is wanted, is not opened again. What `body` calls, and the tasks that it starts, do not wait.
  ///
  /// Throws what `body` and SELECT throw; `.connection(.timedOut(.turn))` where it is not its turn within `timeout`; and `.misuse`
  /// inside of another call of it for another mailbox, which would wait for itself.
  public func withMailbox<Value: Sendable>(
    _ mailbox: MailboxName, readOnly: Bool = false, timeout: Duration? = nil,
    isolation: isolated (any Actor)? = #isolation, _ body: (SelectedMailbox) async throws -> Value
  ) async throws -> Value {
    if MailboxLock.held.contains(ObjectIdentifier(self)) {
      guard let open = await opened(mailbox, readOnly: readOnly) else {
        throw IMAPError.connection(.misuse(.init(.wrongState, state: "another mailbox is held open")))
      }
      return try await body(open)
    }
    try await takeMailbox(timeout)
    do {
      let value = try await MailboxLock.$held.withValue(MailboxLock.held.union([ObjectIdentifier(self)])) {
        try await body(try await open(mailbox, readOnly: readOnly))
      }
      await giveMailbox()
      return value
    } catch {
      await giveMailbox()
      throw error
    }
  }

  /// For a command that leaves the mailbox: waits until nobody has it for himself. ``leaveMailbox(_:)`` gets what this returns.
  func enterMailbox() async throws(IMAPError) -> Bool {
    if session.lock == nil || MailboxLock.held.contains(ObjectIdentifier(self)) { return false }
    try await takeMailbox(nil)
    return true
  }

  func leaveMailbox(_ isTaken: Bool) { if isTaken { giveMailbox() } }

  /// The mailbox, where it is the one that is open, in this way or a better one.
  private func opened(_ mailbox: MailboxName, readOnly: Bool) -> SelectedMailbox? {
    let selected = channel.selected
    return selected?.name == mailbox && (readOnly || selected?.isReadOnly == false) ? selected : nil
  }

  private func open(_ mailbox: MailboxName, readOnly: Bool) async throws(IMAPError) -> SelectedMailbox {
    if let open = opened(mailbox, readOnly: readOnly) { return open }
    return readOnly ? try await examine(mailbox) : try await select(mailbox)
  }

  private func takeMailbox(_ timeout: Duration?) async throws(IMAPError) {
    let lock = session.lock ?? MailboxLock()
    session.lock = lock
    if lock.tryTake() { return }
    let id = lock.makeID()
    let timer = timeout.map { loop.schedule(after: $0) { lock.cancel(id) } }
    defer { timer?.cancel() }
    let isTaken = await withTaskCancellationHandler {
      await wait(for: lock, id)
    } onCancel: {
      Task { await self.giveUpMailbox(id) }
    }
    if isTaken { return }
    throw Task.isCancelled ? .cancelled(command: "SELECT") : .connection(.timedOut(.turn))
  }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for lock: MailboxLock, _ id: WaitList.ID) async -> Bool {
    await withCheckedContinuation { lock.wait(id, $0) }
  }

  private func giveUpMailbox(_ id: WaitList.ID) { session.lock?.cancel(id) }

  private func giveMailbox() { session.lock?.give() }
}
