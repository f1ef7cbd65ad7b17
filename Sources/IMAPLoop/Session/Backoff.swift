import IMAPStateMachine

/// How long to wait before the next attempt to connect: twice as long each time, with chance in it so that clients which lost
/// their server together do not come back together. Time and chance are arguments.
public struct Backoff: Hashable, Sendable {
  /// The wait after the first failure, at least; with chance it is up to twice as long.
  public var initial: Duration
  /// The longest wait, unless the server names a longer one.
  public var maximum: Duration
  /// The longest wait that a server is granted which names one.
  public var longestAsked: Duration
  /// How long a connection must have lived for the next failure to count as the first.
  public var stability: Duration
  private var failures = 0
  private var connected: MonotonicInstant?

  /// Waits from one second to two minutes, and up to an hour where the server asks for that; five minutes of connection make them
  /// short again.
  public init(
    initial: Duration = .seconds(1), maximum: Duration = .seconds(120), stability: Duration = .seconds(300),
    longestAsked: Duration = .seconds(3600)
  ) {
    self.initial = initial
    self.maximum = maximum
    self.stability = stability
    self.longestAsked = longestAsked
  }

  /// Takes note of a connection that is ready for use.
  public mutating func succeeded(at now: MonotonicInstant) { connected = now }

  /// The wait after a failure at `now`: at least what the server asked for, `retryAfter`, but for what is above ``longestAsked``: a
  /// number in a line must not keep a client away for ever. `chance` is any number: the wait is between half and all of what
  /// the number of failures gives, which is twice ``initial`` behind the first.
  public mutating func failed(at now: MonotonicInstant, retryAfter: Duration? = nil, chance: UInt64) -> Duration {
    if let connected, connected.duration(to: now) >= stability { failures = 0 }
    connected = nil
    // Behind so many doublings every wait is the longest.
    let doublings = min(failures + 1, 30)
    failures = min(failures + 1, 1000)
    let longest = min(initial * (1 << doublings), max(initial, maximum))
    let wait = longest / 2 + longest / 2 * (Double(chance >> 11) / Double(1 << 53))
    return max(wait, initial, min(retryAfter ?? .zero, longestAsked))
  }
}
