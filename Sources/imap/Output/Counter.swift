import Synchronization

/// A number that only grows.
final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  /// The number.
  var count: Int { value.load(ordering: .relaxed) }

  /// Raises the number; false where it was that high already.
  func raise(to new: Int) -> Bool { value.max(new, ordering: .relaxed).oldValue < new }

  /// Raises the number by `count`.
  func add(_ count: Int) { value.wrappingAdd(count, ordering: .relaxed) }
}
