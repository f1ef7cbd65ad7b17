/// A view that is iterated by copies of itself, so that its elements can be counted before a list of them is made.
protocol ElementView: ~Escapable {
  /// Steps over the next element. False behind the last.
  mutating func skip() -> Bool
}

extension ElementView where Self: ~Escapable {
  /// How many elements are still to come. Complexity: O(n).
  var remaining: Int {
    var count = 0
    var iterator = self
    while iterator.skip() { count &+= 1 }
    return count
  }
}

extension Array {
  /// Appends `element`. The first one gets memory for as many behind it as `room` says, so that a list whose elements were
  /// counted is one allocation, and an empty one none.
  mutating func append(_ element: Element, room: @autoclosure () -> Int) {
    if isEmpty { reserveCapacity(1 + room()) }
    append(element)
  }
}
