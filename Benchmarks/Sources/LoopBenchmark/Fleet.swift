import IMAPLoop
import IMAPStateMachine

/// How a fleet connects.
struct FleetSettings: Sendable {
  var hosts: [String]
  var port: UInt16
  var security: TransportSecurity
  /// Connections being set up at the same time.
  var inFlight = 64
  /// Up to where each goes.
  var goal = Goal.idle
  /// How long the transport of each may take.
  var timeout = Duration.seconds(30)
  var socket = SocketOptions()
  var stamp: Stamp

  enum Goal: String, Sendable {
    /// Logged in, then left alone.
    case login
    /// Logged in, a mailbox selected, idling.
    case idle
  }

  /// The server of a connection.
  func host(of index: Int) -> String { hosts[index % hosts.count] }
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

  /// The reasons for failures, some of them.
  func reasons() -> [String] { state.reasons }

  func expect(_ count: Int, forEach: Bool) { state.tally.expect(count, forEach: forEach) }

  /// Returns when all events that are expected have come, or none has for so many seconds.
  func awaitEvents(_ seconds: Int) async -> EventTally.Result {
    await withCheckedContinuation { state.tally.wait(seconds, on: loop, $0) }
    return state.tally.result
  }

  /// The numbers of those whom the last burst has not told.
  func missing() -> [Int] { state.missing }

  /// Lets so many connections stop reading, each in the middle of the next line of a flood.
  func hold(_ count: Int) { state.hold(count) }

  /// Lets them go on.
  func release() { state.release() }

  /// How many have stopped, and how many lines of floods all have read since ``hold(_:)``.
  func flooded() -> (paused: Int, lines: Int) { (state.paused, state.lines) }
}

/// The fleet's bookkeeping. Used on the loop's thread only.
final class FleetState {
  let settings: FleetSettings
  let tally: EventTally
  var settled: CheckedContinuation<Void, Never>?
  private(set) var failures = 0
  private(set) var reasons: [String] = []
  /// Lines of floods.
  var lines = 0
  var paused = 0
  private var held = 0
  private var watchers: [Watcher] = []
  private var wanted = 0
  private var opening = 0

  init(_ settings: FleetSettings) {
    self.settings = settings
    tally = EventTally(settings.stamp)
  }

  func prepare(_ count: Int) {
    wanted += count
    watchers.reserveCapacity(wanted)
  }

  func openMore(_ loop: EventLoop) {
    while watchers.count < wanted, opening < settings.inFlight {
      opening += 1
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

  var missing: [Int] { watchers.indices.filter { watchers[$0].told != tally.generation } }

  func hold(_ count: Int) {
    (lines, paused, held) = (0, 0, count)
    for watcher in watchers.prefix(count) { watcher.isHolding = true }
  }

  func release() {
    for watcher in watchers.prefix(held) { watcher.release() }
    held = 0
  }
}

/// One connection.
final class Watcher: ClientChannelDelegate {
  private unowned let state: FleetState
  private var channel: ClientChannel?
  private let number: UInt32
  private var step = Step.connecting
  /// The last generation in which an event came.
  @safe @exclusivity(unchecked) private(set) var told: UInt8 = 0
  /// Whether it stops reading.
  var isHolding = false

  private enum Step: UInt8 {
    case connecting, loggingIn, selecting, startingIdle, settled
  }

  init(_ state: FleetState, _ index: Int, on loop: EventLoop) {
    self.state = state
    number = UInt32(clamping: index)
    let settings = state.settings
    channel = ClientChannel(
      loop: loop, host: settings.host(of: index), port: settings.port, socket: settings.socket,
      security: settings.security, configuration: Self.configuration, timeout: settings.timeout, delegate: self)
  }

  func release() {
    isHolding = false
    channel?.resumeReading()
  }

  func channelConnected(_ channel: ClientChannel) {}

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    switch copy event {
    case .response(.untagged(.exists(let count))):
      if step == .settled { state.tally.received(count, told: &told) }
    case .response(.untagged(.recent)), .response(.untagged(.status)): if step == .settled { flooded(channel) }
    case .greeting: go(.loggingIn, .login(user: String(number), password: Self.password))
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
  }

  private func flooded(_ channel: ClientChannel) {
    state.lines += 1
    if !isHolding { return }
    state.paused += 1
    channel.pauseReading()
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
