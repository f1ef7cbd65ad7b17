import IMAPStateMachine

/// What becomes of a command whose caller's task is cancelled. The caller goes on at once, and the connection stays in step:
///
/// - a command that was not sent is taken back;
/// - IDLE is ended by DONE, and AUTHENTICATE by `*` where the server has asked for something;
/// - what the server has otherwise runs to its end, and its answer is read and dropped;
/// - an APPEND whose bytes are all here is sent to its end, as IMAP has no way to break off a literal. Where they come from a
///   source the connection is closed: then the message was not stored.
extension IMAPClient {
  func cancel(_ id: CommandID) {
    guard let waiter = session.waiter(of: id), !waiter.isAbandoned else { return }
    if channel.withdraw(id) { return session.finish(id, .cancelled(wasSent: false), channel) }
    var mayBeDone = true
    if waiter.isIdle { endIdle(id) }
    // Refused while the server has the next word: its next challenge is answered so.
    if waiter.conversation != nil { try? channel.cancelAuthentication(id) }
    if let feed = waiter.feed, feed.left > 0 || !waiter.literal.isEmpty {
      mayBeDone = false
      channel.close()
    }
    waiter.abandon(wasSent: mayBeDone)
    session.updateReading(channel)
  }

  /// LOGOUT also where the task is cancelled: servers go on counting connections that were only closed. It is sent behind what is
  /// in flight, and nobody waits for long for what nobody wants any more.
  func leave() async {
    let timer = Task.isCancelled ? closeLater() : nil
    await shielded { await self.logout() }
    timer?.cancel()
  }

  /// Runs `body` also where the task is cancelled: what it does must be done for what was done before.
  func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    await Task { await body() }.value
  }
}
