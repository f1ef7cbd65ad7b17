// Positions in a response, in half the room. Its bounds keep them far below 2^31.

/// A range of positions.
@propertyWrapper
struct Packed {
  private var lower: UInt32
  private var upper: UInt32

  init(wrappedValue range: Range<Int>) {
    lower = UInt32(truncatingIfNeeded: range.lowerBound)
    upper = UInt32(truncatingIfNeeded: range.upperBound)
  }

  var wrappedValue: Range<Int> {
    get { Int(lower)..<max(Int(lower), Int(upper)) }
    set { self = Packed(wrappedValue: newValue) }
  }
}

/// A position, or a depth.
@propertyWrapper
struct PackedPosition {
  private var value: UInt32

  init(wrappedValue position: Int) { value = UInt32(truncatingIfNeeded: position) }

  var wrappedValue: Int {
    get { Int(value) }
    set { value = UInt32(truncatingIfNeeded: newValue) }
  }
}
