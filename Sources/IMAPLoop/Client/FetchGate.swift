internal import DequeModule
import IMAPStateMachine

/// Which commands that FETCH responses answer may be in flight together.
///
/// A FETCH response does not say whose it is, and servers are known to answer several commands before they complete the first.
/// But those to a UID command have the UID (RFC 9051, section 6.4.9): such commands may share the connection where no message is
/// named by two of them, and where their responses are gathered whole, as the UID may stand behind a body. All others have it
/// for themselves, in the order of asking.
struct FetchGate {
  private struct Range {
    let bounds: ClosedRange<UInt32>
    let owner: FetchTurn
  }

  /// What those who share have named: apart, in ascending order.
  private var ranges: [Range] = []
  private var sharers = 0
  private var sole: FetchTurn?
  private var waiting = Deque<FetchTurn>()

  /// Whether somebody waits for his turn.
  var hasWaiting: Bool { !waiting.isEmpty }

  /// Lets `turn` in, if it may go now.
  mutating func enter(_ turn: FetchTurn) -> Bool {
    if !waiting.isEmpty || !fits(turn) { return false }
    admit(turn)
    return true
  }

  /// `continuation` is resumed when it is the turn of `turn`.
  mutating func wait(_ turn: FetchTurn, _ continuation: CheckedContinuation<Void, Never>) {
    turn.continuation = continuation
    waiting.append(turn)
    // Between the two somebody may have left.
    advance()
  }

  /// The one that waits gives up. Complexity: O(waiting).
  mutating func cancel(_ turn: FetchTurn) {
    guard let index = waiting.firstIndex(where: { $0 === turn }) else { return }
    waiting.remove(at: index).resume()
    advance()
  }

  /// The command of `turn` is over, or was not sent.
  mutating func leave(_ turn: FetchTurn) {
    if sole === turn {
      sole = nil
    } else if turn.isAdmitted, turn.shared != nil {
      sharers -= 1
      ranges.removeAll { $0.owner === turn }
    }
    turn.isAdmitted = false
    advance()
  }

  /// Who has named this message; whoever has the connection for himself may have named any.
  func owner(of uid: UID) -> FetchTurn? {
    if let sole { return sole }
    let index = place(of: uid.rawValue)
    return index < ranges.count && ranges[index].bounds.contains(uid.rawValue) ? ranges[index].owner : nil
  }

  private mutating func advance() {
    while let next = waiting.first, fits(next) {
      waiting.removeFirst()
      admit(next)
      next.resume()
    }
  }

  private mutating func admit(_ turn: FetchTurn) {
    turn.isAdmitted = true
    guard let shared = turn.shared else {
      sole = turn
      return
    }
    sharers += 1
    for bounds in shared { ranges.insert(Range(bounds: bounds, owner: turn), at: place(of: bounds.lowerBound)) }
  }

  private func fits(_ turn: FetchTurn) -> Bool {
    if sole != nil { return false }
    guard let shared = turn.shared else { return sharers == 0 }
    return shared.allSatisfy { bounds in
      let index = place(of: bounds.lowerBound)
      return index == ranges.count || ranges[index].bounds.lowerBound > bounds.upperBound
    }
  }

  /// The first range that does not end below `number`.
  private func place(of number: UInt32) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].bounds.upperBound < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// A command that FETCH responses answer, from before it is sent until it is over.
///
/// Sendable: only used on the loop's thread.
final class FetchTurn: @unchecked Sendable {
  /// The messages that it names, if it can share the connection: apart, in ascending order.
  let shared: [ClosedRange<UInt32>]?
  /// Whether it may be sent.
  fileprivate(set) var isAdmitted = false
  /// Who waits for the command.
  weak var waiter: CommandWaiter?
  fileprivate var continuation: CheckedContinuation<Void, Never>?

  /// `isGathered` says that the responses are taken whole.
  init(_ command: borrowing Command, isGathered: Bool) {
    shared = isGathered ? Self.messages(of: command) : nil
  }

  fileprivate func resume() {
    continuation?.resume()
    continuation = nil
  }

  /// Nil where they are not named by UIDs alone, where `*` may be any of them, and where there is much to compare.
  private static func messages(of command: borrowing Command) -> [ClosedRange<UInt32>]? {
    let uids: UIDSet
    switch copy command {
    case .fetch(.uids(let set), _, _), .store(.uids(let set), _, _), .storeLabels(.uids(let set), _, _),
      .storeAnnotations(.uids(let set), _, _):
      uids = set
    default: return nil
    }
    if uids.isEmpty || uids.isSavedResult || uids.ranges.count > mostRanges { return nil }
    var ranges: [ClosedRange<UInt32>] = []
    for range in uids.ranges {
      if range.first.number == nil || range.last.number == nil { return nil }
      ranges.append(range.bounds(largest: .max))
    }
    ranges.sort { $0.lowerBound < $1.lowerBound }
    var joined: [ClosedRange<UInt32>] = []
    for range in ranges {
      if let last = joined.last, range.lowerBound <= last.upperBound {
        joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        joined.append(range)
      }
    }
    return joined
  }

  private static let mostRanges = 64
}
