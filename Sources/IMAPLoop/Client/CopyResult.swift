import IMAPStateMachine

/// What APPEND, COPY and MOVE tell of the messages that they made, where the server has UIDPLUS (RFC 4315).
public struct CopyResult: Hashable, Sendable {
  /// The UID validity value of the target mailbox.
  public var uidValidity: UInt64
  /// The messages that were copied; empty for APPEND.
  public var source: UIDSet
  /// The new messages, in the order of ``source``.
  public var destination: UIDSet

  init?(_ code: ResponseCode?) {
    switch code {
    case .appendUID(let validity, let uids):
      uidValidity = validity
      source = UIDSet(ranges: [])
      destination = uids
    case .copyUID(let validity, let from, let to):
      uidValidity = validity
      source = from
      destination = to
    default: return nil
    }
  }

  /// Both together; nil where the server did not say what became of one of them, or of what.
  init?(_ first: CopyResult?, _ second: CopyResult?) {
    guard let first, let second, first.uidValidity == second.uidValidity else { return nil }
    self = first
    source.ranges += second.source.ranges
    destination.ranges += second.destination.ranges
  }
}

extension CopyResult {
  /// Which new message each copied one became, in the order of the server. Nil where that can't be known: for APPEND, and
  /// where the server names more of the one than of the other.
  public var map: UIDPairs? { UIDPairs(source, destination) }
}

/// Messages and what they became, pair by pair. The sets of the server are kept as they are, and nothing is written out: one
/// that claims four billion messages costs what it sent.
public struct UIDPairs: Sequence, Hashable, Sendable {
  /// A message and what it became.
  public struct Pair: Hashable, Sendable {
    /// The message that was copied.
    public var source: UID
    /// The new message.
    public var destination: UID
  }

  /// Runs of messages that became runs of the same length.
  private let runs: [Run]
  /// How many pairs there are.
  public let count: UInt64

  fileprivate struct Run: Hashable {
    var source: UInt32
    var destination: UInt32
    var count: UInt64
  }

  /// Pairs of two sets, each in its own order. Nil where they do not hold as many messages, hold none, or hold `*`.
  /// Complexity: O(ranges).
  public init?(_ source: UIDSet, _ destination: UIDSet) {
    guard let from = Self.bounds(source), let to = Self.bounds(destination) else { return nil }
    var runs: [Run] = []
    var (i, j) = (0, 0)
    // How much of the range at i, and of that at j, has gone.
    var (used, taken): (UInt64, UInt64) = (0, 0)
    var total: UInt64 = 0
    while i < from.count, j < to.count {
      let length = Swift.min(from[i].count - used, to[j].count - taken)
      let run = Run(
        source: from[i].first + UInt32(used), destination: to[j].first + UInt32(taken), count: length)
      runs.append(run)
      total += length
      used += length
      taken += length
      if used == from[i].count { (i, used) = (i + 1, 0) }
      if taken == to[j].count { (j, taken) = (j + 1, 0) }
    }
    guard i == from.count, j == to.count, total > 0 else { return nil }
    self.runs = runs
    count = total
  }

  /// What became of the message `uid`; nil where it was not copied. Complexity: O(ranges).
  public subscript(uid: UID) -> UID? {
    for run in runs where uid.rawValue >= run.source && UInt64(uid.rawValue - run.source) < run.count {
      return UID(rawValue: run.destination + (uid.rawValue - run.source))
    }
    return nil
  }

  /// The pairs. No more than a few are made at a time.
  public func makeIterator() -> Iterator { Iterator(runs: runs[...]) }

  /// Goes through the pairs.
  public struct Iterator: IteratorProtocol {
    fileprivate var runs: ArraySlice<Run>
    private var offset: UInt64 = 0

    fileprivate init(runs: ArraySlice<Run>) { self.runs = runs }

    /// The next pair.
    public mutating func next() -> Pair? {
      guard let run = runs.first else { return nil }
      let step = UInt32(truncatingIfNeeded: offset)
      offset += 1
      if offset == run.count {
        runs.removeFirst()
        offset = 0
      }
      return Pair(source: UID(rawValue: run.source + step), destination: UID(rawValue: run.destination + step))
    }
  }

  /// The ranges of `set`, ascending; nil where one has no end.
  private static func bounds(_ set: UIDSet) -> [(first: UInt32, count: UInt64)]? {
    if set.isSavedResult { return nil }
    var bounds: [(first: UInt32, count: UInt64)] = []
    for range in set.ranges {
      guard let first = range.first.number, let last = range.last.number else { return nil }
      bounds.append((Swift.min(first, last), UInt64(Swift.max(first, last) - Swift.min(first, last)) + 1))
    }
    return bounds
  }
}
