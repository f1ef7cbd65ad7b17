import IMAPLoop
import IMAPStateMachine

/// Many connections of one user on one loop. Each selects a mailbox, idles, and fetches the ENVELOPE of whatever arrives.
///
/// The watchers use the channel directly and read borrowed events: an actor and a task for each would be in the way.
actor DemoFleet {
  /// What the demo measures.
  struct Report: Sendable {
    var delivered = 0
    var expected = 0
    var duplicates = 0
    var failures: [String] = []
    /// From the start of an APPEND to the event at each watcher.
    var latencies: [Duration] = []
  }

  private let loop: EventLoop
  private let state: DemoState

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  init(loop: EventLoop, settings: DemoSettings) {
    self.loop = loop
    state = DemoState(settings)
  }

  /// Opens all connections, a limited number at a time, and returns when every watcher idles or has failed.
  func open() async -> [String] {
    state.openMore(loop)
    await withCheckedContinuation { state.whenSettled($0) }
    return state.report.failures
  }

  /// How many watchers idle now.
  var idling: Int { state.idling }

  /// Message `index` is about to be appended to this mailbox.
  func willAppend(_ index: Int, to mailbox: Int) { state.willAppend(index, to: mailbox) }

  /// Returns when every message has reached every watcher of its mailbox, or nothing was delivered for `patience`.
  func awaitDelivery(patience: Duration) async { await wait(for: .delivery, patience) }

  /// Returns when all watchers idle again and have answered a NOOP after that, or nothing happened for `patience`: then a
  /// message that the server tells twice has been told twice.
  func settle(patience: Duration) async {
    await wait(for: .idling, patience)
    state.askAll()
    await wait(for: .answers, patience)
    await wait(for: .idling, patience)
  }

  private func wait(for goal: DemoState.Goal, _ patience: Duration) async {
    while !state.hasReached(goal) {
      let before = state.progress
      let timer = state.nextRound()
      await withCheckedContinuation { continuation in
        state.wait(for: goal, continuation)
        loop.schedule(after: patience) { [state] in state.giveUpWaiting(round: timer) }
      }
      if state.progress == before { return }
    }
  }

  var delivered: Int { state.report.delivered }

  func report() -> Report { state.report }

  /// Logs every watcher out and returns when all connections are closed.
  func close() async {
    await withCheckedContinuation { continuation in
      state.whenClosed(continuation)
      state.logOut()
    }
  }
}

/// Where the fleet connects and how large it is.
struct DemoSettings: Sendable {
  var host: String
  var port: UInt16
  var security: TransportSecurity
  var user: String
  var password: Secret
  var connections: Int
  var mailboxes: Int
  /// Connections being set up at the same time: more only wait for the processor, and hold memory meanwhile.
  var maximumOpening = 64

  static let mailboxPrefix = "box"
  static func mailbox(_ index: Int) -> MailboxName { MailboxName("\(mailboxPrefix)\(index)") }
  static func subject(_ index: Int) -> String { "demo message \(index)" }

  /// The number in a subject that ``subject(_:)`` made.
  static func index(ofSubject bytes: Span<UInt8>) -> Int? {
    var number = 0
    var digits = 0
    for position in bytes.indices {
      let byte = bytes[position]
      if byte &- 0x30 <= 9 {
        digits += 1
        if digits > 9 { return nil }
        number = number * 10 + Int(byte &- 0x30)
      } else if digits > 0 {
        return nil
      }
    }
    return digits > 0 ? number : nil
  }
}

/// The fleet's bookkeeping. Used on the loop's thread only.
final class DemoState {
  let settings: DemoSettings
  var report = DemoFleet.Report()
  private(set) var idling = 0
  private var watchers: [DemoWatcher] = []
  private var opening = 0
  private var open = 0
  private var isClosing = false
  private var settled: CheckedContinuation<Void, Never>?
  private var waiting: (goal: Goal, continuation: CheckedContinuation<Void, Never>)?
  /// Which wait is running, so that the timer of an earlier one does not end it.
  private var round = 0
  /// Watchers whose answer to ``askAll()`` has not come.
  private var asked = 0
  private var closed: CheckedContinuation<Void, Never>?
  private var sent: [ContinuousClock.Instant] = []

  init(_ settings: DemoSettings) { self.settings = settings }

  /// What can be waited for.
  enum Goal {
    /// Every message has reached every watcher of its mailbox.
    case delivery
    /// Every watcher that is open idles.
    case idling
    /// Every watcher has answered what ``askAll()`` asked.
    case answers
  }

  func hasReached(_ goal: Goal) -> Bool {
    switch goal {
    case .delivery: report.delivered >= report.expected
    case .idling: idling >= open
    case .answers: asked == 0
    }
  }

  /// Grows with everything that happens.
  private(set) var progress = 0

  func openMore(_ loop: EventLoop) {
    while watchers.count < settings.connections, opening < settings.maximumOpening {
      opening += 1
      open += 1
      watchers.append(DemoWatcher(self, watchers.count % settings.mailboxes, on: loop))
    }
  }

  func whenSettled(_ continuation: CheckedContinuation<Void, Never>) {
    settled = continuation
    settleIfDone()
  }

  func nextRound() -> Int {
    round += 1
    return round
  }

  func wait(for goal: Goal, _ continuation: CheckedContinuation<Void, Never>) {
    if hasReached(goal) { continuation.resume() } else { waiting = (goal, continuation) }
  }

  func giveUpWaiting(round: Int) {
    if round == self.round { endWait() }
  }

  /// Every watcher asks by NOOP what else there is.
  func askAll() {
    for watcher in watchers where watcher.ask() { asked += 1 }
  }

  private func endWait() {
    waiting?.continuation.resume()
    waiting = nil
  }

  /// Something happened.
  private func advance() {
    progress += 1
    if let waiting, hasReached(waiting.goal) { endWait() }
  }

  func whenClosed(_ continuation: CheckedContinuation<Void, Never>) {
    if open == 0 { continuation.resume() } else { closed = continuation }
  }

  func logOut() {
    isClosing = true
    for watcher in watchers { watcher.logOut() }
  }

  func willAppend(_ index: Int, to mailbox: Int) {
    while sent.count <= index { sent.append(.now) }
    sent[index] = .now
    for index in stride(from: mailbox, to: watchers.count, by: settings.mailboxes) where watchers[index].isOpen {
      report.expected += 1
    }
  }

  func sentTime(_ index: Int) -> ContinuousClock.Instant? { sent.indices.contains(index) ? sent[index] : nil }

  // MARK: What watchers tell

  func isIdling(_ watcher: DemoWatcher, isFirst: Bool, on loop: EventLoop) {
    idling += 1
    if isFirst { settle(loop) }
    advance()
  }

  func stoppedIdling() { idling -= 1 }

  func delivered(latency: Duration) {
    report.delivered += 1
    report.latencies.append(latency)
    advance()
  }

  func answered() {
    asked -= 1
    advance()
  }

  func duplicated() { report.duplicates += 1 }

  func failed(_ reason: String) { report.failures.append(reason) }

  func ended(_ watcher: DemoWatcher, wasSettled: Bool, on loop: EventLoop) {
    open -= 1
    if !wasSettled { settle(loop) }
    if open == 0 {
      closed?.resume()
      closed = nil
    }
    advance()
  }

  private func settle(_ loop: EventLoop) {
    opening -= 1
    if !isClosing { openMore(loop) }
    settleIfDone()
  }

  private func settleIfDone() {
    guard opening == 0, watchers.count == settings.connections else { return }
    settled?.resume()
    settled = nil
  }
}
