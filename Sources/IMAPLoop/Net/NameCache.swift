import IMAPStateMachine

/// How much of what look-ups have brought a loop keeps, and for how long. The system's resolver does not tell how long an
/// answer holds.
///
/// A loop has two look-ups running that somebody waits for. One that outlives the time that its connection had goes on, as the
/// system's resolver cannot be stopped, and what it brings is kept for the next attempt; the next name begins meanwhile, up to
/// eight in all. libuv runs two at once in a process whatever the number of loops, unless the environment has a larger
/// `UV_THREADPOOL_SIZE` than 4 when the first one begins: half of that.
public struct NameCacheLimits: Sendable, Hashable {
  /// How long addresses are used; zero keeps none.
  public var lifetime = Duration.seconds(60)
  /// How long a name that could not be looked up is not asked for again; zero asks each time.
  public var failureLifetime = Duration.seconds(5)
  /// Names that are kept. When there are more the one that expires first goes.
  public var names = 256

  /// The defaults.
  public init() {}
}

extension EventLoop {
  /// What is kept of look-ups. Setting it forgets what there is. Use it on the loop's thread.
  public var nameCacheLimits: NameCacheLimits {
    get { resolver.cache.limits }
    set { resolver.cache.limits = newValue }
  }

  /// Forgets what look-ups have brought: the network has changed, say. Call it on the loop's thread.
  public func clearNameCache() { resolver.cache.clear() }
}

/// What look-ups have brought, for a while. It knows no clock: time is an argument.
struct NameCache {
  typealias Outcome = Result<[SocketAddress], ConnectionError>

  private struct Entry {
    let outcome: Outcome
    let expiry: MonotonicInstant
  }

  var limits = NameCacheLimits() {
    didSet { entries = [:] }
  }
  private var entries: [String: Entry] = [:]

  /// How many names are kept.
  var count: Int { entries.count }

  /// What is known of `host`; nil for nothing.
  mutating func find(_ host: String, _ now: MonotonicInstant) -> Outcome? {
    let key = host.lowercased()
    guard let entry = entries[key] else { return nil }
    if now < entry.expiry { return entry.outcome }
    entries[key] = nil
    return nil
  }

  /// Keeps `outcome`.
  mutating func keep(_ host: String, _ outcome: Outcome, _ now: MonotonicInstant) {
    var lifetime = limits.lifetime
    if case .failure(let error) = outcome {
      lifetime = limits.failureLifetime
      // What went wrong here says nothing of the name.
      if error == .closedLocally || error.isOwnFault { return }
    }
    if lifetime <= .zero || limits.names <= 0 { return }
    let key = host.lowercased()
    if entries[key] == nil, entries.count >= limits.names { makeRoom(now) }
    entries[key] = Entry(outcome: outcome, expiry: now.advanced(by: lifetime))
  }

  mutating func forget(_ host: String) { entries[host.lowercased()] = nil }

  mutating func clear() { entries = [:] }

  /// O(n), for a bound of some hundreds.
  private mutating func makeRoom(_ now: MonotonicInstant) {
    entries = entries.filter { now < $0.value.expiry }
    while entries.count >= limits.names {
      guard let first = entries.min(by: { $0.value.expiry < $1.value.expiry }) else { return }
      entries[first.key] = nil
    }
  }
}
