import IMAPStateMachine

/// Numbers as ranges in ascending order that neither overlap nor touch: a set that came from a client, made fit to be
/// searched. Memory depends on how many ranges there are, never on how wide they are.
struct NumberRanges: Equatable, Sendable {
  private(set) var ranges: [ClosedRange<UInt32>] = []

  init() {}

  /// The numbers of `set`, `largest` standing for `*`. Complexity: O(n log n).
  init<Number: MessageNumber>(_ set: MessageSet<Number>, largest: UInt32) {
    let resolved = set.ranges.map { $0.bounds(largest: largest) }
    for range in resolved.sorted(by: { $0.lowerBound < $1.lowerBound }) { append(range) }
  }

  var isEmpty: Bool { ranges.isEmpty }

  var first: UInt32? { ranges.first?.lowerBound }

  var last: UInt32? { ranges.last?.upperBound }

  /// Adds a range that starts at or behind the start of the last one.
  mutating func append(_ range: ClosedRange<UInt32>) {
    if let last = ranges.last, UInt64(range.lowerBound) <= UInt64(last.upperBound) + 1 {
      ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
    } else {
      ranges.append(range)
    }
  }

  /// Whether `number` is in one of the ranges. Complexity: O(log n).
  func contains(_ number: UInt32) -> Bool {
    let index = firstRange(endingAtOrAfter: number)
    return index < ranges.count && ranges[index].lowerBound <= number
  }

  /// The numbers that are also in `bounds`.
  func clamped(to bounds: ClosedRange<UInt32>) -> NumberRanges {
    var result = NumberRanges()
    for range in ranges where range.overlaps(bounds) { result.ranges.append(range.clamped(to: bounds)) }
    return result
  }

  /// The index of the first range that does not end before `number`; how many there are where none is. Complexity:
  /// O(log n).
  func firstRange(endingAtOrAfter number: UInt32) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
