import IMAPLoop
import IMAPStateMachine

/// The messages that somebody has named by UID.
///
/// On the wire `90:*` holds the largest UID even where that is below 90 (RFC 9051, section 9: seq-range), and a UID that is
/// not there is nobody's concern. Here a range names what lies in it and nothing else, and who is missing is told.
struct NamedMessages {
  /// What was named, one by one.
  let ranges: [UIDSet.Range]
  /// As a command takes it. With `90:*` in it the answer may hold a message that was not named.
  let set: UIDSet
  /// Whether nothing was named, as by a search that finds nothing. A command cannot say that.
  var isEmpty: Bool { ranges.isEmpty }
  /// The least number that a range up to `*` starts with.
  private let leastBeforeStar: UInt32?
  /// The mailbox that they were found in. Nil where nobody knows which they are of.
  private var origin: (mailbox: MailboxName, uidValidity: UInt64?)?

  /// What `ranges` name.
  init(_ ranges: [UIDSet.Range]) {
    self.ranges = ranges
    let isPlain = ranges.allSatisfy { $0.first == $0.last && $0.first.number != nil }
    // Neighbours are joined where the order does not matter: the command gets short.
    set =
      isPlain ? UIDSet(ranges.compactMap { $0.first.number.map { UID(rawValue: $0) } }) : UIDSet(ranges: ranges)
    // `*` by itself is the largest one, whichever that is.
    let namesLargest = ranges.contains { $0.first.number == nil && $0.last.number == nil }
    leastBeforeStar = namesLargest ? nil : ranges.compactMap(Self.start).min()
  }

  /// These.
  init(_ uids: [UID]) { self.init(uids.map { UIDSet.Range($0.rawValue, $0.rawValue) }) }

  /// These, which were found in `mailbox` when its UIDs were valid by `uidValidity`.
  init(_ uids: [UID], of mailbox: MailboxName, uidValidity: UInt64?) {
    self.init(uids)
    origin = (mailbox, uidValidity)
  }

  /// Whether `uid`, which the server has found for ``set``, was named. Nobody knows of nil.
  func names(_ uid: UID?) -> Bool {
    guard let uid, let leastBeforeStar, uid.rawValue < leastBeforeStar else { return true }
    return ranges.contains { range in
      guard let first = range.first.number, let last = range.last.number else { return false }
      return (min(first, last)...max(first, last)).contains(uid.rawValue)
    }
  }

  /// Those of them that are there and that `key` matches, too.
  func find(_ client: IMAPClient, _ key: SearchKey? = nil) async throws -> [UID] {
    if isEmpty { return [] }
    return try await client.search(key.map { .and([.uid(set), $0]) } ?? .uid(set)).filter { names($0) }
  }

  /// As ``set``, but it holds none that is not in `found`, what ``find(_:_:)`` has returned, and came before it.
  func set(of found: [UID]) -> UIDSet {
    guard let largest = found.max()?.rawValue else { return [] }
    return UIDSet(
      ranges: set.ranges.compactMap { range in
        guard range.first.number == nil || range.last.number == nil else { return range }
        guard let start = Self.start(range) else { return UIDSet.Range(largest, largest) }
        return start <= largest ? UIDSet.Range(start, largest) : nil
      })
  }

  /// Throws where they were found in another mailbox, or in what `mailbox` was before: their UIDs are those of other messages.
  func failIfElsewhere(_ mailbox: SelectedMailbox) throws(Failure) {
    guard let origin else { return }
    if origin.mailbox != mailbox.name {
      throw Failure(
        .usage,
        "- stands for what was found in \(origin.mailbox), and this is \(mailbox.name); add --mailbox \(origin.mailbox), or "
          + "search again")
    }
    if origin.uidValidity != mailbox.uidValidity {
      throw Failure(
        .missing, "\(mailbox.name) is not what it was when - was found: its messages have other UIDs; search again")
    }
  }

  /// Throws which of them are not in `found`. Ranges up to `*` may be empty, and others where a part of them is there.
  func failIfMissing(_ found: [UID], in mailbox: SelectedMailbox) throws(Failure) {
    let there = found.map(\.rawValue).sorted()
    let missing = ranges.filter { range in
      guard let first = range.first.number, let last = range.last.number else { return false }
      return !Self.contains(there, min(first, last)...max(first, last))
    }
    if missing.isEmpty { return }
    let shown = NamedMessages(missing).shown
    let done = found.isEmpty ? "" : "the others are done; "
    throw Failure(
      .missing, "\(mailbox.name) has no message with UID \(shown); \(done)`imap search` shows those there are")
  }

  /// For messages.
  var shown: String {
    let text = set.description
    if text.count <= Self.mostShown { return text }
    // Cut behind a comma: a part of a number would be another one.
    return text[..<(text.prefix(Self.mostShown).lastIndex(of: ",") ?? text.startIndex)] + ",…"
  }

  /// What comes before the `*` of a range; nil where that is all of it, or there is none.
  private static func start(_ range: UIDSet.Range) -> UInt32? {
    switch (range.first.number, range.last.number) {
    case (let number?, nil), (nil, let number?): number
    default: nil
    }
  }

  /// Whether one of `numbers`, which are in order, lies in `range`.
  private static func contains(_ numbers: [UInt32], _ range: ClosedRange<UInt32>) -> Bool {
    var (low, high) = (0, numbers.count)
    while low < high {
      let middle = (low + high) / 2
      if numbers[middle] < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    return low < numbers.count && numbers[low] <= range.upperBound
  }

  private static let mostShown = 200
}
