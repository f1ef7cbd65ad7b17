import IMAPStateMachine

/// What happens in an ``IMAPSession``. Whoever takes all events in their order knows the mailbox as the server does: what callers of
/// ``IMAPSession/withClient(_:)`` change in it is told as well, as far as the server answers them. It does not say what a silent STORE
/// has set, so that only its caller knows that; and flags of messages that a caller has asked for are told to him alone.
public enum SessionEvent: Hashable, Sendable {
  /// There is a connection, and the mailbox is open. What is known of it from before holds as far as the second value says. It comes
  /// without a `.disconnected` before it where a caller of ``IMAPSession/withClient(_:)`` had opened another mailbox.
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
  /// These are the messages that there are, in order. All that was known before is void: it is the first connection, and there is no
  /// ``IMAPSession/Configuration/resumePoint``, the mailbox has another UID validity value, or more events waited than are kept.
  case fresh([MessageState])
  /// These are the messages that there are, in order. UIDs from before are still good; messages that are not among these are
  /// gone.
  case current([MessageState])
  /// These went, and these are new or have changed; all others are as they were (RFC 7162). A server with QRESYNC says what
  /// went; of one that has only CONDSTORE these are all UIDs that have no message now, also those that never had one.
  case changes(vanished: UIDSet, changed: [MessageState])
  /// The messages were not asked for, as ``IMAPSession/CatchUp/none`` says. UIDs from before are still good where the mailbox has the
  /// same UID validity value. What happened before, since the last connection as well, is not told.
  case notAsked
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

extension UIDSet {
  /// The numbers below `end` that are not in the set. Complexity: O(n log n) for n ranges.
  func gaps(below end: UInt32) -> UIDSet {
    var gaps: [Range] = []
    var next: UInt32 = 1
    let bounds = ranges.map { $0.bounds(largest: .max) }.sorted { $0.lowerBound < $1.lowerBound }
    for bounds in bounds where bounds.upperBound >= next {
      if bounds.lowerBound >= end || bounds.upperBound == .max {
        if next < min(bounds.lowerBound, end) { gaps.append(Range(next, min(bounds.lowerBound, end) - 1)) }
        return UIDSet(ranges: gaps)
      }
      if bounds.lowerBound > next { gaps.append(Range(next, bounds.lowerBound - 1)) }
      next = bounds.upperBound + 1
    }
    if next < end { gaps.append(Range(next, end - 1)) }
    return UIDSet(ranges: gaps)
  }
}
