/// Lets accounts start one after the other, so many a second.
actor StartPacer {
  private let step: Duration
  private var next = ContinuousClock.now

  /// `rate` accounts a second.
  init(rate: Int) { step = .seconds(1) / max(1, rate) }

  /// Returns when it is the caller's turn. Throws where its task is cancelled.
  func turn() async throws {
    let now = ContinuousClock.now
    let at = max(now, next)
    next = at + step
    if at > now { try await Task.sleep(until: at, clock: .continuous) }
  }
}
