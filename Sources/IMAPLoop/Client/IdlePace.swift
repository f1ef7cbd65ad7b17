import IMAPStateMachine

/// When the next IDLE may be given to a server that has ended one by itself. Used on the loop's thread only.
final class IdlePace {
  /// The next IDLE may be given from then on.
  private(set) var next: MonotonicInstant
  private var backoff = Backoff(initial: .seconds(1), maximum: .seconds(120), stability: IdlePace.stability)
  /// Those that wait for it.
  private var waiting: Set<WaitList.ID> = []

  /// An IDLE that lived so long was one.
  static var stability: Duration { .seconds(10) }

  init(now: MonotonicInstant) { next = now }

  /// The server has ended an IDLE that began at `start`. `chance` is any number.
  func serverEnded(_ start: MonotonicInstant, now: MonotonicInstant, chance: UInt64) {
    backoff.succeeded(at: start)
    next = now.advanced(by: backoff.failed(at: now, chance: chance))
  }

  /// Whether somebody waits.
  var isWaiting: Bool { !waiting.isEmpty }

  func begin(_ id: WaitList.ID) { waiting.insert(id) }

  /// Returns whether nobody has ended the wait.
  func end(_ id: WaitList.ID) -> Bool { waiting.remove(id) != nil }

  /// Those that wait go on, without an IDLE.
  func endWaiting(_ session: ClientSession) {
    let ids = waiting
    waiting = []
    for id in ids { session.stopAwaitingClose(id) }
  }
}

extension ClientSession {
  /// Looks whether messages are taken that hold up the IDLE `waiter` as long as nobody takes them. Whoever takes none may wait for the
  /// IDLE himself, for which nobody can wait who holds the server up.
  fileprivate func watchTakers(for waiter: CommandWaiter, _ channel: ClientChannel, _ loop: EventLoop) {
    let taken = fetches.values.reduce(0) { $0 &+ $1.taken }
    loop.schedule(after: Self.takersPatience) { [weak self, weak waiter, weak loop] in
      guard let self, let waiter, let loop, self.waiter(of: waiter.id) != nil, !channel.isIdling else { return }
      if fetches.values.reduce(0, { $0 &+ $1.taken }) == taken {
        waiter.isOverdue = true
        updateReading(channel)
      } else {
        watchTakers(for: waiter, channel, loop)
      }
    }
  }

  private static var takersPatience: Duration { .seconds(1) }

  fileprivate func idleEnded(isByServer: Bool, began start: MonotonicInstant, now: MonotonicInstant) {
    if isByServer {
      let pace = idlePace ?? IdlePace(now: now)
      idlePace = pace
      pace.serverEnded(start, now: now, chance: .random(in: 0 ... .max))
    } else if start.duration(to: now) >= IdlePace.stability, idlePace?.isWaiting != true {
      idlePace = nil
    }
  }
}

extension IMAPClient {
  /// IDLE (RFC 2177) until ``endIdle()``, or until another command is sent. Returns when the server has completed it.
  /// `whenIdling` is called on the loop's thread once the server has accepted. Renewed by itself. Cancelling the
  /// task ends the IDLE, too: then it returns at once, without an error.
  ///
  /// Some servers complete IDLE at once, and tell their news with that. Where the server has ended one by itself the next is sent
  /// after a wait, of up to a second, and twice as long each time up to two minutes, so that calling this again and again polls such a
  /// server and does not keep it busy. What ends an IDLE ends the wait, too. An IDLE that has lived for ten seconds counts as
  /// the first.
  public func idle(whenIdling: @escaping @Sendable () -> Void = {}) async throws(IMAPError) {
    if await !mayIdle() { return }
    var id: CommandID?
    // A later IDLE may be running by then.
    defer { if idleID == id { idleID = nil } }
    let start = loop.now
    // How much was sent when the server had accepted it. DONE is all that can come behind.
    var sent: UInt64?
    do throws(IMAPError) {
      try await run("IDLE", .idle) { waiter in
        id = waiter.id
        idleID = waiter.id
        if !session.fetches.isEmpty { session.watchTakers(for: waiter, channel, loop) }
        waiter.onIdle = { [session] in
          sent = session.sentCount
          whenIdling()
        }
        waiter.onFinish = { [session, loop, unowned waiter] outcome in
          guard case .completed = outcome else { return }
          let isByServer = !waiter.mustEnd && (sent == nil || sent == session.sentCount)
          session.idleEnded(isByServer: isByServer, began: start, now: loop.now)
        }
      }
    } catch {
      if case .cancelled = error { return }
      throw error
    }
  }

  /// As ``idle(whenIdling:)``, for no longer than `time`, which counts from the call; then it is ended, and this returns. Returns
  /// earlier where ``endIdle()`` or another command ends it, or the server does.
  public func idle(for time: Duration, whenIdling: @escaping @Sendable () -> Void = {}) async throws(IMAPError) {
    let result = await untilOver(time) { () async -> Result<Void, IMAPError> in
      do throws(IMAPError) {
        return .success(try await self.idle(whenIdling: whenIdling))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Runs `body` in a task of its own that is cancelled after `time`, and where the caller's is.
  func untilOver<Value: Sendable>(_ time: Duration, _ body: @escaping @Sendable () async -> Value) async -> Value {
    let task = Task { await body() }
    let timer = loop.schedule(after: time) { task.cancel() }
    defer { timer.cancel() }
    return await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// Ends an ``idle(whenIdling:)`` that is running; otherwise does nothing.
  public func endIdle() {
    session.idlePace?.endWaiting(session)
    if let idleID { endIdle(idleID) }
  }

  /// Waits until the server may be given an IDLE. False where something has ended that first.
  private func mayIdle() async -> Bool {
    guard let pace = session.idlePace, pace.next > loop.now, session.closeReason == nil else { return true }
    let id = session.newCloseWait()
    pace.begin(id)
    var isDue = false
    let timer = loop.schedule(after: loop.now.duration(to: pace.next)) { [session] in
      isDue = true
      session.stopAwaitingClose(id)
    }
    defer { timer.cancel() }
    await waitUntilClosed(id)
    let isWanted = pace.end(id)
    // What IDLE throws on a connection that is closed says why.
    return isWanted && (isDue || session.closeReason != nil) && !Task.isCancelled
  }
}
