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

  /// Returns when one may log in to `host`, in the order of asking. Throws where the task is cancelled.
  func wait(for host: String) async throws(IMAPError) {
    let now = MonotonicInstant(nanoseconds: 0).advanced(by: ContinuousClock.now - start)
    let at = hosts[host, default: LoginSchedule(most: most, in: period)].reserve(at: now)
    if at <= now { return }
    do { try await Task.sleep(for: now.duration(to: at)) } catch { throw .cancelled(command: "LOGIN") }
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
