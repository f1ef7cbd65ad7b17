/// What is known of the mailbox that is selected, kept up to date by every response (RFC 9051, section 2.2).
public struct SelectedMailbox: Hashable, Sendable {
  /// The mailbox.
  public var name: MailboxName
  /// Whether it was opened for reading only.
  public var isReadOnly = false
  /// How many messages there are.
  public var exists: UInt32 = 0
  /// How many of them are recent (RFC 3501).
  public var recent: UInt32 = 0
  /// The flags that messages have or can have.
  public var flags: [Flag] = []
  /// The flags that can be changed for good; nil where the server did not say, which means all.
  public var permanentFlags: [Flag]?
  /// The UID validity value; nil where the server did not say.
  public var uidValidity: UInt32?
  /// The next UID; nil where the server did not say.
  public var uidNext: UInt32?
  /// The highest modification sequence (RFC 7162).
  public var highestModSeq: ModSeq?

  init(_ name: MailboxName) { self.name = name }

  mutating func apply(_ view: borrowing UntaggedView) {
    switch copy view {
    case .exists(let count): exists = count
    case .recent(let count): recent = count
    // RFC 9051, section 7.5.1: an EXPUNGE decrements the number of messages.
    case .expunge: if exists > 0 { exists -= 1 }
    // RFC 7162, section 3.2.10: so does VANISHED, by as many messages as it names.
    case .vanished(let view) where !view.isEarlier:
      var ranges = view.uids
      while let range = ranges.next() {
        guard let first = range.first.number, let last = range.last.number else { continue }
        let count = max(first, last) - min(first, last)
        exists = exists > count ? exists - count - 1 : 0
      }
    case .flags(let list): flags = list.copy()
    case .status(let status): apply(status)
    default: break
    }
  }

  /// Takes over what a response code says of the mailbox.
  mutating func apply(_ status: borrowing StatusView) {
    guard status.condition == .ok, let code = status.copy().code else { return }
    switch code {
    case .permanentFlags(let flags): permanentFlags = flags
    case .uidValidity(let value): uidValidity = value
    case .uidNext(let uid): uidNext = uid
    case .highestModSeq(let value): highestModSeq = value
    case .noModSeq: highestModSeq = nil
    case .readOnly: isReadOnly = true
    case .readWrite: isReadOnly = false
    default: break
    }
  }
}
