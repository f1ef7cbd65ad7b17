/// A point on the caller's monotonic clock. The machines never read a clock: every call that depends on time takes one.
public struct MonotonicInstant: Comparable, Hashable, Sendable {
  /// Nanoseconds since a start that the caller chose; only differences matter.
  public var nanoseconds: Int64

  /// The instant `nanoseconds` after the caller's start.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Earlier before later.
  public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

  /// The instant `duration` later. Saturates instead of overflowing.
  public func advanced(by duration: Duration) -> MonotonicInstant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
    if !overflow { return MonotonicInstant(nanoseconds: sum) }
    return MonotonicInstant(nanoseconds: duration < .zero ? .min : .max)
  }

  /// The time from this instant to `other`; negative if `other` is earlier.
  public func duration(to other: MonotonicInstant) -> Duration {
    .nanoseconds(other.nanoseconds.subtractingReportingOverflow(nanoseconds).partialValue)
  }
}

extension Duration {
  /// The duration in nanoseconds, cut to what an `Int64` holds (292 years).
  var wholeNanoseconds: Int64 {
    Int64(clamping: attoseconds / 1_000_000_000)
  }
}
