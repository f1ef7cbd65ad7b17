/// What is known of the mailbox that is selected, kept up to date by every response (RFC 9051, section 2.2).
public struct SelectedMailbox: Hashable, Sendable {
  /// The mailbox.
  public var name: MailboxName
  /// Whether nothing in it can be changed: it was opened by EXAMINE, or the server said `[READ-ONLY]`, then or later.
  public var isReadOnly = false
  /// How many messages there are.
  public var exists: UInt32 = 0
  /// How many of them are recent (RFC 3501).
  public var recent: UInt32 = 0
  /// The flags that messages have or can have.
  public var flags: [Flag] = []
  /// The flags that can be changed for good; nil where the server did not say, which means all.
  public var permanentFlags: [Flag]?
  /// The UID validity value; nil where the server did not say. One that changes makes all UIDs void that were known.
  public var uidValidity: UInt64?
  /// The next UID as the server said last; nil where it did not. Messages that came since may have UIDs from this on.
  public var uidNext: UInt32?
  /// Whether messages keep their UIDs from one session to the next (RFC 4315, section 3: UIDNOTSTICKY).
  public var keepsUIDs = true
  /// Up to which modification sequence everything is known to the one that has read all responses so far; nil where the
  /// server did not say, or ``keepsModSeqs`` is false. A value in a FETCH response counts once its command is completed, and
  /// only where the server did not say `[HIGHESTMODSEQ]` (RFC 7162, section 6): removals of messages may still be to come.
  public var highestModSeq: ModSeq?
  /// False where the server said that the mailbox has no modification sequences (RFC 7162, section 3.1.2.2: NOMODSEQ).
  public var keepsModSeqs = true
  /// The mailbox's unique name (RFC 8474).
  public var mailboxID: String?
  /// What came of ``SelectParameters/qResync``; nil where nothing was asked.
  public var resynchronization: Resynchronization?

  /// What a server made of what a client knew of the mailbox (RFC 7162, section 3.2.5).
  public enum Resynchronization: Hashable, Sendable {
    /// All that changed since was told before the completion: what went by `VANISHED (EARLIER)`, what changed by FETCH.
    case resynchronized
    /// The mailbox has another UID validity value than this one, which the client knew. It has to forget all of its UIDs.
    case uidValidityChanged(from: UInt64)
    /// The server named no modification sequence, so it told no changes.
    case unavailable
  }

  init(_ name: MailboxName) { self.name = name }

  /// Takes over what a response code says of the mailbox.
  mutating func apply(_ code: borrowing ResponseCode) {
    switch copy code {
    case .permanentFlags(let flags): permanentFlags = flags
    case .uidValidity(let value):
      // RFC 9051, section 2.3.1.1: whatever was built on the old UIDs is void.
      if uidValidity != nil, uidValidity != value { (uidNext, highestModSeq) = (nil, nil) }
      uidValidity = value
    case .uidNext(let uid): uidNext = uid
    case .uidNotSticky: keepsUIDs = false
    case .highestModSeq(let value):
      // RFC 7162, section 7: 63 bits. Where 0 is the value of what has none, it says so (section 3.1.7).
      if value.rawValue > UInt64(Int64.max) { return }
      keepsModSeqs = value.rawValue != 0
      highestModSeq = keepsModSeqs ? value : nil
    case .noModSeq:
      keepsModSeqs = false
      highestModSeq = nil
    case .mailboxID(let id): mailboxID = id
    case .readOnly: isReadOnly = true
    case .readWrite: isReadOnly = false
    default: break
    }
  }
}
