/// How many connections there may be to one host, over all pools that share this. Servers refuse more than some, and some
/// lock the account for it.
public actor ConnectionLimit {
  private let most: Int
  private var hosts: [String: Host] = [:]

  private struct Host {
    var open = 0
    var waiting = WaitList()
    /// Ask pools to close a connection that nobody uses.
    var reclaims: [ObjectIdentifier: @Sendable () async -> Void] = [:]
  }

  /// At most `most` connections to each host, at least one.
  public init(perHost most: Int) { self.most = max(most, 1) }

  /// Whether another connection to `host` may be opened now, which then counts.
  func tryTake(_ host: String) -> Bool {
    if hosts[host, default: Host()].open >= most { return false }
    hosts[host, default: Host()].open += 1
    return true
  }

  /// Returns true once another connection to `host` may be opened, in the order of asking, and false where the task is
  /// cancelled before. Pools that keep one which nobody uses are asked to close it, but for `pool`, which asks.
  func take(_ host: String, for pool: ObjectIdentifier? = nil) async -> Bool {
    if tryTake(host) { return true }
    let reclaims = hosts[host]?.reclaims.filter { $0.key != pool }.map(\.value) ?? []
    // Until there are enough for all that wait.
    Task { for reclaim in reclaims where isWanted(host) { await reclaim() } }
    let id = hosts[host, default: Host()].waiting.makeID()
    return await withTaskCancellationHandler {
      await wait(host, id)
    } onCancel: {
      Task { await self.giveUp(host, id) }
    }
  }

  /// Whoever gives one back leaves it to the first that waits.
  private func wait(_ host: String, _ id: WaitList.ID) async -> Bool {
    await withCheckedContinuation { continuation in
      if Task.isCancelled { return continuation.resume(returning: false) }
      // One may have come back since.
      if tryTake(host) { return continuation.resume(returning: true) }
      hosts[host, default: Host()].waiting.add(id, continuation)
    }
  }

  private func giveUp(_ host: String, _ id: WaitList.ID) { hosts[host]?.waiting.cancel(id) }

  /// Whether somebody waits for a connection to `host`.
  func isWanted(_ host: String) -> Bool { hosts[host]?.waiting.isEmpty == false }

  /// A connection to `host` is closed.
  func give(_ host: String) {
    if hosts[host]?.waiting.resumeFirst() == true { return }
    if let open = hosts[host]?.open, open > 0 {
      hosts[host]?.open -= 1
    }
  }

  /// `reclaim` closes a connection to `host` that nobody uses, if there is one.
  func join(_ host: String, _ pool: ObjectIdentifier, reclaim: @escaping @Sendable () async -> Void) {
    hosts[host, default: Host()].reclaims[pool] = reclaim
  }

  func leave(_ host: String, _ pool: ObjectIdentifier) { hosts[host]?.reclaims[pool] = nil }
}
