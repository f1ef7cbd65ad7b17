import IMAPStateMachine

/// Takes what a consumer reads, so that no read can be optimised away: its sum is printed. It allocates nothing.
///
/// Of a run of bytes it takes the length and both ends. Finding them is the parser's work; summing up every byte would
/// measure the consumer.
struct Sink {
  private(set) var sum: UInt64 = 0
  /// Responses that were read to their end.
  var responses = 0
  /// Numbers of SEARCH that were read.
  var numbers = 0
  /// Responses or items that the parser has no type for.
  var untyped = 0
  /// Responses or items that the parser refused. None of the fixtures has any: one makes the run fail.
  var refused = 0
  /// The last owned value, which keeps it alive until the next one is there.
  private var kept: Response?

  @inline(__always)
  mutating func add(_ number: UInt64) { sum &+= number }

  @inline(__always)
  mutating func add(_ bytes: Span<UInt8>) {
    sum &+= UInt64(truncatingIfNeeded: bytes.count)
    if !bytes.isEmpty { sum &+= UInt64(bytes[0]) &+ UInt64(bytes[bytes.count - 1]) }
  }

  @inline(__always)
  mutating func add(_ view: borrowing ByteView) { add(view.bytes) }

  @inline(__always)
  mutating func add(_ view: borrowing StringView) { add(view.raw.bytes) }

  @inline(__always)
  mutating func add(_ view: borrowing StringView?) {
    switch view {
    case .some(let view): add(view)
    case .none: add(1)
    }
  }

  @inline(__always)
  mutating func add(_ text: String) { sum &+= UInt64(truncatingIfNeeded: text.utf8.count) }

  mutating func keep(_ response: Response) { kept = response }
}
