import IMAPStateMachine

/// Mailboxes that are not open, on servers without NOTIFY.
extension IMAPClient {
  /// What STATUS says of `mailboxes`, asked every `interval`: of each what there is at first, and then whatever has changed. The
  /// selected mailbox needs none of this: ``watch()`` tells of it.
  ///
  /// Ends when this side has ended the connection, or its task is cancelled, and at once where there are no mailboxes; throws what ``status(_:_:)`` throws, for example where
  /// a mailbox is gone. Up to 10,000 answers wait; then the oldest go.
  public nonisolated func statusChanges(
    of mailboxes: [MailboxName], _ items: [StatusItem] = [.messages, .uidNext, .unseen],
    every interval: Duration = .seconds(60)
  ) -> AsyncThrowingStream<MailboxStatus, any Error> {
    let (stream, continuation) = AsyncThrowingStream.makeStream(
      of: MailboxStatus.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(10_000))
    if mailboxes.isEmpty { continuation.finish() }
    let polling = Task { await poll(mailboxes, items, interval, continuation) }
    continuation.onTermination = { _ in polling.cancel() }
    return stream
  }

  private func poll(
    _ mailboxes: [MailboxName], _ items: [StatusItem], _ interval: Duration,
    _ continuation: AsyncThrowingStream<MailboxStatus, any Error>.Continuation
  ) async {
    var known: [MailboxName: MailboxStatus] = [:]
    do throws(IMAPError) {
      while !mailboxes.isEmpty {
        for mailbox in mailboxes {
          guard let status = try await status(mailbox, items), known[mailbox] != status else { continue }
          known[mailbox] = status
          continuation.yield(status)
        }
        try await pause(interval)
      }
    } catch {
      // It may be over before it is told why.
      if channel.state == .closed { await waitUntilClosed() }
      continuation.finish(throwing: Task.isCancelled || isEndedHere ? nil : error)
    }
  }
}
