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

  mutating func add(_ id: ID, _ continuation: CheckedContinuation<Bool, Never>) { waiting.append((id, continuation)) }

  /// Whoever has waited longest gets true. False where nobody waits.
  @discardableResult
  mutating func resumeFirst() -> Bool {
    guard let first = waiting.popFirst() else { return false }
    first.continuation.resume(returning: true)
    return true
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
