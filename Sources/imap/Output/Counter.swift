import Synchronization

/// A number that only grows.
final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  /// Raises the number; false where it was that high already.
  func raise(to new: Int) -> Bool { value.max(new, ordering: .relaxed).oldValue < new }
}
