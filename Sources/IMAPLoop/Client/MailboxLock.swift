import IMAPStateMachine
import Synchronization

/// Who may open another mailbox: one at a time, and nobody while an operation wants it to stay as it is; and the same for what
/// ``IMAPClient/marking(_:_:)`` sees to. Used on the loop's thread only.
final class MailboxLock {
  /// What there is one for.
  enum Kind {
    /// Which mailbox is open.
    case mailbox
    /// Which of its messages are marked deleted, on a server where EXPUNGE takes all of them.
    case marks
  }

  private var isTaken = false
  /// How many operations want the mailbox to stay. They keep whoever waits from coming, and not each other, nor one that is there.
  private var keepers = 0
  private var waiting = WaitList()

  /// How many are about to wait, or do.
  private var comers = 0

  /// Whether nobody needs it.
  var isIdle: Bool { !isTaken && keepers == 0 && comers == 0 }

  func come() { comers += 1 }

  func leave() { comers -= 1 }

  /// Whether it was free. It is taken then.
  func tryTake() -> Bool {
    if isTaken || keepers > 0 { return false }
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
    isTaken = false
    advance()
  }

  func keep() { keepers += 1 }

  func unkeep() {
    keepers -= 1
    advance()
  }

  private func advance() {
    if isTaken || keepers > 0 { return }
    isTaken = waiting.resumeFirst()
  }
}

/// That a task has the mailbox of a connection for itself, and the tasks that it starts, until it is over.
final class MailboxHold: Sendable {
  /// Those of the task.
  @TaskLocal static var held: [MailboxHold] = []

  private let client: ObjectIdentifier
  private let hasEnded = Atomic(false)

  init(_ client: IMAPClient) { self.client = ObjectIdentifier(client) }

  /// A task may outlive it.
  func end() { hasEnded.store(true, ordering: .releasing) }

  /// Whether the task has the mailbox of `client` for itself.
  static func has(_ client: IMAPClient) -> Bool {
    held.contains { $0.client == ObjectIdentifier(client) && !$0.hasEnded.load(ordering: .acquiring) }
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
    if MailboxHold.has(self) {
      guard let open = await opened(mailbox, readOnly: readOnly) else {
        throw IMAPError.connection(.misuse(.init(.wrongState, state: "another mailbox is held open")))
      }
      return try await body(open)
    }
    try await take(.mailbox, for: "SELECT", timeout)
    let hold = MailboxHold(self)
    do {
      let value = try await MailboxHold.$held.withValue(MailboxHold.held + [hold]) {
        try await body(try await open(mailbox, readOnly: readOnly))
      }
      await giveMailbox(hold)
      return value
    } catch {
      await giveMailbox(hold)
      throw error
    }
  }

  /// For a command that leaves the mailbox: waits until nobody has it for himself, or wants it to stay. ``leaveMailbox(_:)`` gets
  /// what this returns. Until the command is given nothing else may be waited for.
  func enterMailbox() async throws(IMAPError) -> Bool {
    if session[.mailbox] == nil || MailboxHold.has(self) { return false }
    try await take(.mailbox, for: "SELECT")
    return true
  }

  func leaveMailbox(_ isTaken: Bool) { if isTaken { give(.mailbox) } }

  /// Keeps others from opening another mailbox, until ``unkeepMailbox()``.
  func keepMailbox() { lock(.mailbox).keep() }

  func unkeepMailbox() {
    session[.mailbox]?.unkeep()
    dropLock(.mailbox)
  }

  /// Waits until nobody else has it. `command` is for the error where the task is cancelled meanwhile.
  func take(_ kind: MailboxLock.Kind, for command: String, _ timeout: Duration? = nil) async throws(IMAPError) {
    let lock = lock(kind)
    if lock.tryTake() { return }
    lock.come()
    // Of the session, as there may be another lock when a cancellation is heard of.
    let id = session.newCloseWait()
    let timer = timeout.map { loop.schedule(after: $0) { lock.cancel(id) } }
    defer {
      timer?.cancel()
      lock.leave()
    }
    let isTaken = await withTaskCancellationHandler {
      await wait(for: lock, id)
    } onCancel: {
      Task { await self.giveUp(kind, id) }
    }
    if isTaken { return }
    throw Task.isCancelled ? .cancelled(command: command) : .connection(.timedOut(.turn))
  }

  func give(_ kind: MailboxLock.Kind) {
    session[kind]?.give()
    dropLock(kind)
  }

  /// The mailbox, where it is the one that is open, in this way or a better one.
  private func opened(_ mailbox: MailboxName, readOnly: Bool) -> SelectedMailbox? {
    let selected = settledMailbox
    return selected?.name == mailbox && (readOnly || selected?.isReadOnly == false) ? selected : nil
  }

  private func open(_ mailbox: MailboxName, readOnly: Bool) async throws(IMAPError) -> SelectedMailbox {
    if let open = opened(mailbox, readOnly: readOnly) { return open }
    return readOnly ? try await examine(mailbox) : try await select(mailbox)
  }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for lock: MailboxLock, _ id: WaitList.ID) async -> Bool {
    await withCheckedContinuation { lock.wait(id, $0) }
  }

  private func giveUp(_ kind: MailboxLock.Kind, _ id: WaitList.ID) { session[kind]?.cancel(id) }

  private func giveMailbox(_ hold: MailboxHold) {
    hold.end()
    give(.mailbox)
  }

  private func lock(_ kind: MailboxLock.Kind) -> MailboxLock {
    let lock = session[kind] ?? MailboxLock()
    session[kind] = lock
    return lock
  }

  /// Where nobody needs it, commands that open a mailbox are given without waiting, in the order of the calls.
  private func dropLock(_ kind: MailboxLock.Kind) { if session[kind]?.isIdle == true { session[kind] = nil } }
}
