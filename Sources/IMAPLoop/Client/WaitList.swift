internal import DequeModule

/// Tasks that wait for something, in the order of their coming, each of which may give up. Belongs to one actor.
///
/// Whoever waits checks for cancellation in the same turn in which it is added: what is cancelled later finds it here.
struct WaitList {
  /// Names a task that waits.
  typealias ID = UInt64

  private var nextID: ID = 0
  private var waiting = Deque<(id: ID, continuation: CheckedContinuation<Bool, Never>)>()

  var isEmpty: Bool { waiting.isEmpty }

  mutating func makeID() -> ID {
    nextID &+= 1
    return nextID
  }

  /// Whoever waits again under the same name has its place again. Complexity: O(1), and O(waiting) for those.
  mutating func add(_ id: ID, _ continuation: CheckedContinuation<Bool, Never>) {
    if let last = waiting.last, last.id > id {
      waiting.insert((id, continuation), at: waiting.firstIndex { $0.id > id } ?? waiting.endIndex)
    } else {
      waiting.append((id, continuation))
    }
  }

  /// Whoever has waited longest gets true. False where nobody waits.
  @discardableResult
  mutating func resumeFirst() -> Bool {
    guard let first = waiting.popFirst() else { return false }
    first.continuation.resume(returning: true)
    return true
  }

  /// Whoever has waited longest of those that `isMeant` names gets true. Complexity: O(waiting).
  mutating func resumeFirst(where isMeant: (ID) -> Bool) {
    guard let index = waiting.firstIndex(where: { isMeant($0.id) }) else { return }
    waiting.remove(at: index).continuation.resume(returning: true)
  }

  /// The one with this name gets true. False where it does not wait any more. Complexity: O(waiting).
  mutating func resume(_ id: ID) -> Bool {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return false }
    waiting.remove(at: index).continuation.resume(returning: true)
    return true
  }

  /// All get true.
  mutating func resumeAll() {
    let all = waiting
    waiting = []
    for waiter in all { waiter.continuation.resume(returning: true) }
  }

  /// The one with this name gets false, if it still waits. Complexity: O(waiting).
  mutating func cancel(_ id: ID) {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
    waiting.remove(at: index).continuation.resume(returning: false)
  }
}
