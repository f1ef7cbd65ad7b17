import IMAPStateMachine

/// What happens in the selected mailbox, for as long as somebody takes it, by IDLE (RFC 2177).
///
/// IDLE is renewed by itself, gives way to other commands and comes back behind them. The sequence ends where this side ends the
/// connection, or the time is over, and throws where that is lost. Leaving the loop, or cancelling the task, ends the IDLE: the
/// connection can be used at once. Up to 10,000 events, or 4 MiB of what the server has said, wait; then the oldest go.
///
/// A server that completes each IDLE at once is polled by it, with growing waits: see ``IMAPClient/idle(whenIdling:)``.
public struct IdleSequence: AsyncSequence, Sendable {
  /// Something that happened.
  public typealias Element = MailboxEvent
  /// Why there is no more.
  public typealias Failure = IMAPError

  let client: IMAPClient
  let time: Duration?

  /// The events from now on. Several may watch at once.
  public func makeAsyncIterator() -> Iterator { Iterator(client, time) }

  /// Takes the events.
  public struct Iterator: AsyncIteratorProtocol {
    private let client: IMAPClient
    private var lease: IdleLease?

    init(_ client: IMAPClient, _ time: Duration?) {
      self.client = client
      lease = IdleLease(client, time)
    }

    /// The next event; nil where this side has ended the connection, the time is over, or the task is cancelled. Throws what IDLE throws:
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

    /// The next event, and what comes behind it, until nothing has come for `interval`: a server tells much at once, and what follows
    /// from it need be done only once. Up to 10,000 events; none where ``next(isolation:)`` gives nil. Throws as that does.
    public mutating func burst(
      within interval: Duration = .milliseconds(100), isolation actor: isolated (any Actor)? = #isolation
    ) async throws(IMAPError) -> [MailboxEvent] {
      guard let first = try await next(isolation: actor) else { return [] }
      var events = [first]
      while let lease, events.count < IMAPClient.mostEvents {
        // What ends it early is told by the next call.
        try? await client.pause(interval)
        let more = lease.queue.takeWaiting(atMost: IMAPClient.mostEvents - events.count)
        if more.isEmpty { break }
        events += more
      }
      return events
    }
  }
}

/// Ends the IDLE when its iterator goes away.
private final class IdleLease: Sendable {
  let queue = EventQueue<MailboxEvent>(
    dropping: .oldest, count: IMAPClient.mostEvents, bytes: IMAPClient.mostEventBytes)
  private let watching: Task<Void, Never>

  init(_ client: IMAPClient, _ time: Duration?) {
    watching = Task { [queue] in
      if let time { await client.watch(queue, for: time) } else { await client.watch(queue) }
    }
  }

  deinit { watching.cancel() }
}

extension IMAPClient {
  /// What happens in the selected mailbox, by IDLE.
  ///
  /// ```swift
  /// for try await event in client.watch() { print(event) }
  /// ```
  public nonisolated func watch() -> IdleSequence { IdleSequence(client: self, time: nil) }

  /// As ``watch()``, for no longer than `time`: then the sequence ends, and the IDLE, as if the loop had been left. What has come by
  /// then can still be taken.
  ///
  /// ```swift
  /// for try await event in client.watch(for: .seconds(60)) { print(event) }
  /// ```
  public nonisolated func watch(for time: Duration) -> IdleSequence { IdleSequence(client: self, time: time) }

  /// Whether this side has ended the connection, or is about to.
  var isEndedHere: Bool { session.closeReason?.commandError == .closedLocally || channel.state == .loggingOut }

  fileprivate func watch(_ watcher: EventQueue<MailboxEvent>, for time: Duration) async {
    await untilOver(time) { await self.watch(watcher) }
  }

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
