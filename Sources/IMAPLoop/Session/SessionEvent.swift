import IMAPStateMachine

/// What happens in an ``IMAPSession``. Whoever takes all events in their order knows the mailbox as the server does.
public enum SessionEvent: Hashable, Sendable {
  /// There is a connection, and the mailbox is open. What is known of it from before holds as far as the second value says.
  case connected(SelectedMailbox, Resumption)
  /// Something happened in the mailbox.
  case mailbox(MailboxEvent)
  /// The connection is gone, for this reason; the next attempt comes after the wait.
  case disconnected(IMAPError, retryIn: Duration)
  /// The session is over: stopped, or given up for this reason. The last event.
  case stopped(IMAPError?)
}

/// What became of a mailbox while there was no connection.
public enum Resumption: Hashable, Sendable {
  /// These are the messages that there are, in order. All that was known before is void: it is the first connection, the
  /// mailbox has another UID validity value, or more events waited than are kept.
  case fresh([MessageState])
  /// These are the messages that there are, in order. UIDs from before are still good; messages that are not among these are
  /// gone.
  case current([MessageState])
  /// These went, and these are new or have changed; all others are as they were (QRESYNC, RFC 7162).
  case changes(vanished: UIDSet, changed: [MessageState])
}

/// A message, as far as a session keeps track of it.
public struct MessageState: Hashable, Sendable {
  /// Its UID.
  public var uid: UID
  /// Its flags.
  public var flags: [Flag]
  /// When it changed last, where the server counts that.
  public var modSeq: ModSeq?

  /// A message's state.
  public init(uid: UID, flags: [Flag], modSeq: ModSeq? = nil) {
    self.uid = uid
    self.flags = flags
    self.modSeq = modSeq
  }

  /// Nil where the response names no UID or no flags.
  init?(_ response: FetchResponse) {
    guard let uid = response.uid, let flags = response.flags else { return nil }
    modSeq = response.modSeq
    self.uid = uid
    self.flags = flags
  }
}
