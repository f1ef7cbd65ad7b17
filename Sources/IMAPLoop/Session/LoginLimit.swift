import IMAPStateMachine

/// How often one may log in to one host, over all sessions and pools that share this. Who comes too often waits; servers that
/// are asked too often lock the account.
public actor LoginLimit {
  private let most: Int
  private let period: Duration
  private var hosts: [String: LoginSchedule] = [:]
  private let start = ContinuousClock.now

  /// At most `most` logins to each host in any `period`.
  public init(perHost most: Int, in period: Duration) {
    self.most = most
    self.period = period
  }

  /// Returns true when one may log in to `host`, in the order of asking; at once false where that is not within `time`. Throws where
  /// the task is cancelled.
  @discardableResult
  func wait(for host: String, within time: Duration? = nil) async throws(IMAPError) -> Bool {
    let now = MonotonicInstant(nanoseconds: 0).advanced(by: ContinuousClock.now - start)
    var schedule = hosts[host] ?? LoginSchedule(most: most, in: period)
    let at = schedule.reserve(at: now)
    // Whoever does not come takes no turn.
    if let time, now.duration(to: at) > max(time, .zero) { return false }
    hosts[host] = schedule
    if at <= now { return true }
    do { try await Task.sleep(for: now.duration(to: at)) } catch { throw .cancelled(command: "LOGIN") }
    return true
  }
}

/// When the next one may be, of those that may be at most so often in a time. Time is an argument.
struct LoginSchedule {
  private let most: Int
  private let period: Duration
  /// When the last of them are, oldest first; at most `most`.
  private var times: [MonotonicInstant] = []

  init(most: Int, in period: Duration) {
    self.most = max(most, 1)
    self.period = period
  }

  /// The moment of the next one, which then counts.
  mutating func reserve(at now: MonotonicInstant) -> MonotonicInstant {
    var time = now
    if times.count >= most { time = max(now, times.removeFirst().advanced(by: period)) }
    times.append(time)
    return time
  }
}
