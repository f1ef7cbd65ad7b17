/// A window into a search result (RFC 9394, section 3.1): positions from 1, or from the result's end.
public struct SearchWindow: Hashable, Sendable, CustomStringConvertible {
  /// The bound that was written first.
  public var first: UInt32
  /// The bound that was written last.
  public var last: UInt32
  /// Whether positions count from the end: `-1` is the last message found.
  public var isFromEnd: Bool

  /// The positions from `first` to `last`, both included.
  public init(_ first: UInt32, _ last: UInt32, fromEnd: Bool = false) {
    self.first = first
    self.last = last
    isFromEnd = fromEnd
  }

  /// As on the wire: `1:500` or `-1:-100`.
  public var description: String {
    let sign = isFromEnd ? "-" : ""
    return "\(sign)\(first):\(sign)\(last)"
  }
}

/// What an ESEARCH response holds (RFC 9051, section 7.3.4; RFC 4731).
public struct ExtendedSearchResult: Hashable, Sendable {
  /// One returned item.
  public enum Item: Hashable, Sendable {
    /// The lowest number found.
    case min(UInt32)
    /// The highest number found.
    case max(UInt32)
    /// How many messages were found.
    case count(UInt64)
    /// Everything that was found. Ordered where a sort was asked for (RFC 5267, section 3).
    case all(MessageReference)
    /// The highest modification sequence of what was found (RFC 7162, section 3.1.10).
    case modSeq(ModSeq)
    /// A part of the result; nil where the window is empty (RFC 9394, section 3.1).
    case partial(SearchWindow, MessageReference?)
    /// Messages that came to the result of a search that is kept up to date (RFC 5267, section 4.3).
    case addTo([Update])
    /// Messages that left it.
    case removeFrom([Update])
    /// A score from 1 to 100 for each message of `ALL`, in its order (RFC 6203, section 4).
    case relevancy([UInt32])
    /// An item that the parser does not know, as on the wire.
    case unknown(name: String, value: [UInt8])
    /// An item that it knows and cannot interpret. The other items stand. It is not sent.
    case invalid(InvalidItem)
  }

  /// Messages that came or left.
  public struct Update: Hashable, Sendable {
    /// Where, counted from 1; 0 where the result has no order.
    public var position: UInt32
    /// Which.
    public var messages: MessageReference

    /// An update.
    public init(position: UInt32, messages: MessageReference) {
      self.position = position
      self.messages = messages
    }
  }

  /// The tag of the command that is answered; nil where the server did not say.
  public var tag: String?
  /// The mailbox that was searched, in an answer to ESEARCH (RFC 7377).
  public var mailbox: MailboxName?
  /// That mailbox's UID validity value (RFC 7377).
  public var uidValidity: UInt64?
  /// Whether the numbers are UIDs.
  public var isUID: Bool
  /// What was returned, in the server's order. Without items nothing was found.
  public var items: [Item]

  /// A result.
  public init(
    tag: String? = nil, mailbox: MailboxName? = nil, uidValidity: UInt64? = nil, isUID: Bool = false,
    items: [Item] = []
  ) {
    self.tag = tag
    self.mailbox = mailbox
    self.uidValidity = uidValidity
    self.isUID = isUID
    self.items = items
  }

  /// Everything that was found; nil where it was not asked for, or nothing was found.
  public var all: MessageReference? {
    for case .all(let set) in items { return set }
    return nil
  }

  /// How many messages were found; nil where it was not asked for.
  public var count: UInt64? {
    for case .count(let count) in items { return count }
    return nil
  }
}

/// A thread of a THREAD response (RFC 5256, section 4): a run of messages, each the parent of the next, and where the run
/// splits the branches below its last message.
///
/// Held as on the wire, so that a conversation of any length is no deeper than its branches are.
public struct MessageThread: Hashable, Sendable {
  /// Each the child of the one before. Empty where the parent of the branches is missing.
  public var messages: [UInt32]
  /// The children of the last message where there are several.
  public var branches: [MessageThread]

  /// A thread.
  public init(_ messages: [UInt32] = [], branches: [MessageThread] = []) {
    self.messages = messages
    self.branches = branches
  }
}
