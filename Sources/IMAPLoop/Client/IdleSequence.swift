import IMAPStateMachine

/// What happens in the selected mailbox, for as long as somebody takes it, by IDLE (RFC 2177).
///
/// IDLE is renewed by itself, gives way to other commands and comes back behind them. The sequence ends where this side ends the
/// connection, and throws where that is lost. Leaving the loop, or cancelling the task, ends the IDLE: the connection can be
/// used at once. Up to 10,000 events, or 4 MiB of what the server has said, wait; then the oldest go.
///
/// A server that completes each IDLE at once is polled by it, with growing waits: see ``IMAPClient/idle(whenIdling:)``.
public struct IdleSequence: AsyncSequence, Sendable {
  /// Something that happened.
  public typealias Element = MailboxEvent
  /// Why there is no more.
  public typealias Failure = IMAPError

  let client: IMAPClient

  /// The events from now on. Several may watch at once.
  public func makeAsyncIterator() -> Iterator { Iterator(client) }

  /// Takes the events.
  public struct Iterator: AsyncIteratorProtocol {
    private var lease: IdleLease?

    init(_ client: IMAPClient) { lease = IdleLease(client) }

    /// The next event; nil where this side has ended the connection, or the task is cancelled. Throws what IDLE throws:
    /// `.capabilityMissing` without it, `.connection` where the connection is lost.
    public mutating func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(IMAPError) -> MailboxEvent? {
      guard let lease else { return nil }
      do throws(IMAPError) {
        if let event = try await lease.queue.next() { return event }
      } catch {
        self.lease = nil
        throw error
      }
      self.lease = nil
      return nil
    }
  }
}

/// Ends the IDLE when its iterator goes away.
private final class IdleLease: Sendable {
  let queue = EventQueue<MailboxEvent>(
    dropping: .oldest, count: IMAPClient.mostEvents, bytes: IMAPClient.mostEventBytes)
  private let watching: Task<Void, Never>

  init(_ client: IMAPClient) { watching = Task { [queue] in await client.watch(queue) } }

  deinit { watching.cancel() }
}

extension IMAPClient {
  /// What happens in the selected mailbox, by IDLE.
  ///
  /// ```swift
  /// for try await event in client.watch() { print(event) }
  /// ```
  public nonisolated func watch() -> IdleSequence { IdleSequence(client: self) }

  /// Whether this side has ended the connection, or is about to.
  var isEndedHere: Bool { session.closeReason?.commandError == .closedLocally || channel.state == .loggingOut }

  fileprivate func watch(_ watcher: EventQueue<MailboxEvent>) async {
    let id = session.newCloseWait()
    session.watchers[id] = watcher
    defer {
      session.watchers[id] = nil
      if session.idlingWatcher == id {
        // One of the others goes on.
        session.idlingWatcher = nil
        for other in session.watchers.keys { session.stopAwaitingClose(other) }
      }
    }
    do throws(IMAPError) {
      try await require(.idle, for: "IDLE")
      while !Task.isCancelled, channel.state != .loggingOut, session.closeReason == nil {
        // One IDLE is for all: several would end each other, again and again.
        if session.idlingWatcher == nil { session.idlingWatcher = id }
        if session.idlingWatcher == id { try await idle() } else { await waitUntilClosed(id) }
      }
      if let reason = session.closeReason { throw .connection(reason.commandError) }
      watcher.finish()
    } catch {
      // It may be over before it is told why.
      if channel.state == .closed { await waitUntilClosed() }
      switch error {
      case .outcomeUnknown(_, .closedLocally), .connection(.closedLocally), .cancelled: watcher.finish()
      // An IDLE that came behind LOGOUT.
      case _ where isEndedHere: watcher.finish()
      // Whether an IDLE was done does not matter.
      case .outcomeUnknown(_, let cause): watcher.finish(throwing: .connection(cause))
      default: watcher.finish(throwing: error)
      }
    }
  }
}
