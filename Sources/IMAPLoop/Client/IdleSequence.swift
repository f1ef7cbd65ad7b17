import IMAPStateMachine

/// What happens in the selected mailbox, for as long as somebody takes it, by IDLE (RFC 2177).
///
/// IDLE is renewed by itself, gives way to other commands and comes back behind them. The sequence ends where this side ends the
/// connection, and throws where that is lost. Leaving the loop, or cancelling the task, ends the IDLE: the connection can be
/// used at once. Up to 10,000 events wait; then the oldest go.
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
    private var events: AsyncThrowingStream<MailboxEvent, any Error>.Iterator

    init(_ client: IMAPClient) {
      let (stream, continuation) = AsyncThrowingStream.makeStream(
        of: MailboxEvent.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(10_000))
      let watching = Task { await client.watch(continuation) }
      // Also when the iterator goes away.
      continuation.onTermination = { _ in watching.cancel() }
      events = stream.makeAsyncIterator()
    }

    /// The next event; nil where this side has ended the connection, or the task is cancelled. Throws what IDLE throws:
    /// `.capabilityMissing` without it, `.connection` where the connection is lost.
    public mutating func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(IMAPError) -> MailboxEvent? {
      do { return try await events.next(isolation: actor) } catch {
        throw error as? IMAPError ?? .connection(.closedLocally)
      }
    }
  }
}

extension IMAPClient {
  /// What happens in the selected mailbox, by IDLE.
  ///
  /// ```swift
  /// for try await event in client.watch() { print(event) }
  /// ```
  public nonisolated func watch() -> IdleSequence { IdleSequence(client: self) }

  fileprivate func watch(_ watcher: AsyncThrowingStream<MailboxEvent, any Error>.Continuation) async {
    let id = session.newCloseWait()
    session.watchers[id] = watcher
    defer { session.watchers[id] = nil }
    do throws(IMAPError) {
      try await require(.idle, for: "IDLE")
      while !Task.isCancelled, channel.state != .loggingOut, session.closeReason == nil { try await idle() }
      watcher.finish()
    } catch {
      switch error {
      case .outcomeUnknown(_, .closedLocally), .connection(.closedLocally), .cancelled: watcher.finish()
      // Whether an IDLE was done does not matter.
      case .outcomeUnknown(_, let cause): watcher.finish(throwing: IMAPError.connection(cause))
      default: watcher.finish(throwing: error)
      }
    }
  }
}
