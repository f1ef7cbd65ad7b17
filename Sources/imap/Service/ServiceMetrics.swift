import Foundation
import IMAPLoop
import Metrics
import Synchronization

/// What a service counts: docs/service.md.
final class ServiceMetrics: Sendable {
  /// What an account is doing.
  enum State: String, CaseIterable {
    case starting, connecting, opening, watching, waiting, stopped
    case loggingIn = "logging_in"
  }

  /// For the clients.
  let connections: IMAPMetrics
  private let registry = MetricsRegistry()
  private let output: EventOutput
  private let loops: [EventLoop]
  private let events = Mutex<[String: Metrics.Counter]>([:])
  private let reconnectWaits: Metrics.Timer
  private let reloads: Metrics.Counter
  private let badReloads: Metrics.Counter
  private let accounts = Mutex<[WatchedAccount]>([])
  /// The states at the last time that the loops have told them.
  private let census = Mutex<[State: Int]>([:])
  private let start = Date.now

  init(output: EventOutput, loops: [EventLoop]) {
    self.output = output
    self.loops = loops
    connections = IMAPMetrics(factory: registry)
    reconnectWaits = Metrics.Timer(label: "imap_watch_reconnect_wait", dimensions: [], factory: registry)
    reloads = Metrics.Counter(
      label: "imap_watch_reloads", dimensions: [("result", "taken")], factory: registry)
    badReloads = Metrics.Counter(
      label: "imap_watch_reloads", dimensions: [("result", "refused")], factory: registry)
  }

  /// These are all accounts now.
  func watch(_ accounts: [WatchedAccount]) { self.accounts.withLock { $0 = accounts } }

  /// An event of this kind, one of those that lines have.
  func event(_ kind: String) {
    let counter = events.withLock { events in
      if let known = events[kind] { return known }
      let made = Metrics.Counter(label: "imap_watch_events", dimensions: [("event", kind)], factory: registry)
      events[kind] = made
      return made
    }
    counter.increment()
  }

  /// An account waits for its next attempt to connect.
  func waits(_ duration: Duration) { reconnectWaits.record(duration: duration) }

  func reloaded(isGood: Bool) { (isGood ? reloads : badReloads).increment() }

  /// Everything, in Prometheus's text format.
  var text: String {
    let states = count()
    var text = registry.text
    func add(_ name: String, _ kind: String, _ samples: [(labels: String, value: String)]) {
      text += "# TYPE \(name) \(kind)\n"
      for sample in samples { text += "\(name)\(sample.labels) \(sample.value)\n" }
    }
    add(
      "imap_watch_accounts", "gauge",
      State.allCases.map { (MetricsRegistry.labels([("state", $0.rawValue)]), String(states[$0] ?? 0)) })
    add("imap_watch_output_bytes_total", "counter", [("", String(output.writtenCount))])
    add("imap_watch_threads_held", "gauge", [("", String(output.held))])
    add("imap_watch_crowded_connections_total", "counter", [("", String(SocketOptions.crowdedConnections))])
    if let bytes = ResidentMemory.bytes { add("process_resident_memory_bytes", "gauge", [("", String(bytes))]) }
    add("process_start_time_seconds", "gauge", [("", String(start.timeIntervalSince1970))])
    return text
  }

  /// Asks the loops what their accounts are doing. A loop that is held by the output cannot say: then it is what it was.
  private func count() -> [State: Int] {
    let accounts = accounts.withLock { $0 }
    let tally = Tally(loops.count)
    for loop in loops {
      loop.submit {
        var states: [State: Int] = [:]
        for account in accounts where account.loop === loop {
          states[account.assumeIsolated { $0.state }, default: 0] += 1
        }
        tally.add(states)
      }
    }
    if let states = tally.wait(until: .now + .seconds(1)) { census.withLock { $0 = states } }
    return census.withLock { $0 }
  }
}

/// The sum of what several loops say.
private final class Tally: @unchecked Sendable {
  // Guards what follows.
  private let condition = MonotonicCondition()
  private var missing: Int
  private var states: [ServiceMetrics.State: Int] = [:]

  init(_ count: Int) { missing = count }

  func add(_ more: [ServiceMetrics.State: Int]) {
    condition.withLock {
      states.merge(more) { $0 + $1 }
      missing -= 1
      condition.broadcast()
    }
  }

  /// Nil where not all have said it at `deadline`.
  func wait(until deadline: ContinuousClock.Instant) -> [ServiceMetrics.State: Int]? {
    condition.withLock {
      while missing > 0 {
        if !condition.wait(until: deadline) { return missing > 0 ? nil : states }
      }
      return states
    }
  }
}
