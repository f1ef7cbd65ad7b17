/// One step of a walk over a body structure, borrowed.
public enum BodyStepView: ~Escapable {
  /// A part that holds no other.
  case part(BodyFieldsView)
  /// A message inside the message: what is before its body, whose steps follow, then ``messageEnd(_:)``. Lines, MD5 and
  /// extension data stand behind the body: here they are missing.
  case messageBegin(BodyFieldsView)
  /// The end of a message inside the message: all of its fields, with lines, MD5 and extension data.
  case messageEnd(BodyFieldsView)
  /// A multipart: the steps of its children follow, then ``multipartEnd(_:)``.
  case multipartBegin(childCount: Int)
  /// The end of a multipart: its subtype, parameters and extension data, which are behind the children on the wire.
  case multipartEnd(BodyFieldsView)
}

/// A walk over all levels of a body structure, borrowed. Iterate a copy.
public struct BodyWalkView: ~Escapable {
  @usableFromInline let tape: TapeView
  @usableFromInline var index: Int
  @usableFromInline let end: Int

  /// Reads the records of `tape` from `index` to `end`.
  @_lifetime(copy tape)
  @inlinable
  @inline(__always)
  init(_ tape: TapeView, from index: Int, to end: Int) {
    self.tape = tape
    self.index = index
    self.end = end
  }

  /// The next step, or nil behind the last. Complexity: O(1).
  @_lifetime(copy self)
  @inlinable
  @inline(__always)
  public mutating func next() -> BodyStepView? {
    if index >= end { return nil }
    let record = BodyRecord(header: tape.entry(index))
    let fields = BodyFieldsView(tape, at: index)
    // Records lie in order, so that the walk ends.
    index = max(record.next, index &+ 1)
    switch record.step {
    case .none: return nil
    case .part: return .part(fields)
    case .messageBegin: return .messageBegin(fields)
    case .messageEnd: return .messageEnd(fields)
    case .multipartBegin: return .multipartBegin(childCount: fields.childCount)
    case .multipartEnd: return .multipartEnd(fields)
    }
  }
}
