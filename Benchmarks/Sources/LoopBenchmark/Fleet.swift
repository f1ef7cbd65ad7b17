import AllocationCounter
import IMAPLoop
import IMAPStateMachine

/// How a fleet connects.
struct FleetSettings: Sendable {
  var hosts: [String]
  var port: UInt16
  var security: TransportSecurity
  /// Connections being set up at the same time.
  var inFlight: Int
  /// Up to where each goes.
  var goal: Goal
  var stamp: Stamp

  enum Goal: String, Sendable {
    /// Logged in, then left alone.
    case login
    /// Logged in, a mailbox selected, idling.
    case idle
  }
}

/// Many connections on one loop, used by channel and borrowed events.
actor Fleet {
  private let loop: EventLoop
  private let state: FleetState

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  init(loop: EventLoop, settings: FleetSettings) {
    self.loop = loop
    state = FleetState(settings)
  }

  /// Opens so many more connections and returns when each is where it goes, or has failed. Returns how many failed.
  func open(_ count: Int) async -> Int {
    state.prepare(count)
    await withCheckedContinuation { continuation in
      state.settled = continuation
      state.openMore(loop)
    }
    return state.failures
  }

  /// Returns when so many more events have come than ``forget()`` was followed by.
  func awaitEvents(_ count: Int) async {
    await withCheckedContinuation { state.wait(for: count, $0) }
  }

  /// Counts events from zero.
  func forget() { state.forget() }

  /// What came since ``forget()``.
  func result() -> FleetState.Result { state.result }

  /// The reasons for failures, some of them.
  func reasons() -> [String] { state.reasons }

  /// Stops reading on so many connections, or goes on.
  func hold(_ count: Int, _ isHeld: Bool) { state.hold(count, isHeld) }

  func close() async {
    await withCheckedContinuation { state.close($0) }
  }
}

/// The fleet's bookkeeping. Used on the loop's thread only.
final class FleetState {
  let settings: FleetSettings
  var settled: CheckedContinuation<Void, Never>?
  private(set) var failures = 0
  private(set) var reasons: [String] = []
  private(set) var result = Result()
  private var watchers: [Watcher] = []
  private var wanted = 0
  private var opening = 0
  private var awaited = 0
  private var waiting: CheckedContinuation<Void, Never>?
  private var closed: CheckedContinuation<Void, Never>?
  private var openCount = 0

  struct Result: Sendable {
    var events = 0
    /// Nanoseconds from the stamp to the handler.
    var latencies: [UInt64] = []
    /// Of the loop's thread: from the first event to the last.
    var cpu: UInt64 = 0
    var wall: UInt64 = 0
    var allocations: UInt64 = 0
    fileprivate var start: (cpu: UInt64, wall: UInt64, allocations: UInt64)?
  }

  init(_ settings: FleetSettings) { self.settings = settings }

  func prepare(_ count: Int) {
    wanted += count
    watchers.reserveCapacity(wanted)
  }

  func openMore(_ loop: EventLoop) {
    while watchers.count < wanted, opening < settings.inFlight {
      opening += 1
      openCount += 1
      watchers.append(Watcher(self, watchers.count, on: loop))
    }
    if opening == 0, watchers.count == wanted {
      settled?.resume()
      settled = nil
    }
  }

  func isSettled(_ loop: EventLoop) {
    opening -= 1
    openMore(loop)
  }

  func failed(_ reason: String) {
    failures += 1
    if reasons.count < 5 { reasons.append(reason) }
  }

  func forget() {
    result.events = 0
    // The room stays.
    result.latencies.removeAll(keepingCapacity: true)
    result.start = nil
    awaited = 0
  }

  func wait(for count: Int, _ continuation: CheckedContinuation<Void, Never>) {
    result.latencies.reserveCapacity(count)
    awaited = count
    if result.events >= count { continuation.resume() } else { waiting = continuation }
  }

  func received(_ count: UInt32) {
    if result.start == nil { result.start = (Clock.threadCPU, Clock.now, allocation_counter_begin()) }
    result.events += 1
    result.latencies.append(settings.stamp.age(of: count))
    if result.events == awaited, let start = result.start {
      result.allocations = allocation_counter_end() - start.allocations
      result.cpu = Clock.threadCPU - start.cpu
      result.wall = Clock.now - start.wall
      waiting?.resume()
      waiting = nil
    }
  }

  func hold(_ count: Int, _ isHeld: Bool) {
    for watcher in watchers.prefix(count) { watcher.hold(isHeld) }
  }

  func close(_ continuation: CheckedContinuation<Void, Never>) {
    if openCount == 0 { return continuation.resume() }
    closed = continuation
    for watcher in watchers { watcher.close() }
    watchers = []
  }

  func ended() {
    openCount -= 1
    if openCount == 0 {
      closed?.resume()
      closed = nil
    }
  }
}

/// One connection.
final class Watcher: ClientChannelDelegate {
  private unowned let state: FleetState
  private var channel: ClientChannel?
  private var step = Step.connecting

  private enum Step: UInt8 {
    case connecting, loggingIn, selecting, startingIdle, settled
  }

  init(_ state: FleetState, _ index: Int, on loop: EventLoop) {
    self.state = state
    let settings = state.settings
    channel = ClientChannel(
      loop: loop, host: settings.hosts[index % settings.hosts.count], port: settings.port, security: settings.security,
      configuration: Self.configuration, delegate: self)
  }

  func hold(_ isHeld: Bool) {
    if isHeld { channel?.pauseReading() } else { channel?.resumeReading() }
  }

  func close() { channel?.close() }

  func channelConnected(_ channel: ClientChannel) {}

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    switch copy event {
    case .response(.untagged(.exists(let count))): if step == .settled { state.received(count) }
    case .greeting: go(.loggingIn, .login(user: "joe", password: Self.password))
    case .completed(_, let status):
      if status.condition != .ok { return fail("refused") }
      if step == .loggingIn {
        if state.settings.goal == .login { settle() } else { go(.selecting, .select(.inbox)) }
      } else if step == .selecting {
        go(.startingIdle, .idle)
      }
    case .idling: settle()
    case .failed(_, let error): state.failed(error.description)
    default: break
    }
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    self.channel = nil
    if step != .settled {
      state.failed("\(reason)")
      settle(channel.loop)
    }
    state.ended()
  }

  private func settle() { if let channel { settle(channel.loop) } }

  private func settle(_ loop: EventLoop) {
    step = .settled
    state.isSettled(loop)
  }

  private func go(_ next: Step, _ command: Command) {
    step = next
    if (try? channel?.send(command)) == nil { fail("not sent") }
  }

  private func fail(_ reason: String) {
    state.failed(reason)
    channel?.close()
  }

  private static let password = Secret("secret")
  private static let configuration = ClientConnection.Configuration()
}
