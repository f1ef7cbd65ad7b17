import IMAPLoop
import IMAPStateMachine

/// One connection of the demo: logs in, selects, idles, and fetches what arrives.
final class DemoWatcher: ClientChannelDelegate {
  let mailbox: Int
  private(set) var isOpen = true
  private unowned let state: DemoState
  private var channel: ClientChannel?
  private var step = Step.connecting
  /// The command that ``step`` waits for. The end of an IDLE, which the next command brings about, is not it.
  private var current: CommandID?
  /// Messages that were asked for already.
  private var fetched: UInt32 = 0
  private var exists: UInt32 = 0
  /// When each message that was not fetched yet was announced, oldest first.
  private var announced: [ContinuousClock.Instant] = []
  /// The messages that came, by their number in the demo.
  private var seen: Set<Int> = []

  private enum Step {
    case connecting, loggingIn, selecting, startingIdle(isFirst: Bool), idling
    case fetching(count: Int)
    case asking
    case leaving
  }

  init(_ state: DemoState, _ mailbox: Int, on loop: EventLoop) {
    self.state = state
    self.mailbox = mailbox
    channel = ClientChannel(
      loop: loop, host: state.settings.host, port: state.settings.port, security: state.settings.security,
      delegate: self)
  }

  func logOut() {
    guard let channel, isOpen else { return }
    switch step {
    case .idling: state.stoppedIdling()
    case .asking: state.answered()
    default: break
    }
    step = .leaving
    if (try? channel.send(.logout)) == nil { channel.close() }
  }

  /// Asks by NOOP for what is new. False where the watcher does not idle.
  func ask() -> Bool {
    guard let channel, isOpen, case .idling = step, let id = try? channel.send(.noop) else { return false }
    current = id
    state.stoppedIdling()
    step = .asking
    return true
  }

  func channelConnected(_ channel: ClientChannel) {}

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    do throws(ConnectionError) {
      switch copy event {
      case .greeting: try logIn(channel)
      case .idling:
        if case .startingIdle(let isFirst) = step {
          step = .idling
          state.isIdling(self, isFirst: isFirst, on: channel.loop)
          try fetchNew(channel)
        }
      case .completed(let id, let status):
        try completed(channel, isCurrent: id == current, isOK: status.condition == .ok, status)
      case .response(.untagged(.exists(let count))): try announce(channel, count)
      case .response(.fetchAttribute(.envelope(let envelope))): note(envelope)
      case .failed(_, let error): fail(error.description)
      default: break
      }
    } catch {
      fail(error.description)
    }
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    isOpen = false
    var wasSettled = true
    switch step {
    case .leaving: break
    case .connecting, .loggingIn, .selecting, .startingIdle(isFirst: true):
      wasSettled = false
      fail("\(reason)")
    case .idling:
      state.stoppedIdling()
      fail("\(reason)")
    case .asking:
      state.answered()
      fail("\(reason)")
    case .startingIdle, .fetching: fail("\(reason)")
    }
    state.ended(self, wasSettled: wasSettled, on: channel.loop)
    self.channel = nil
  }

  private func logIn(_ channel: ClientChannel) throws(ConnectionError) {
    step = .loggingIn
    current = try channel.send(.login(user: state.settings.user, password: state.settings.password))
  }

  private func completed(
    _ channel: ClientChannel, isCurrent: Bool, isOK: Bool, _ status: borrowing StatusView
  ) throws(ConnectionError) {
    if !isOK, !isLeaving {
      fail(status.text.lossyString())
      return channel.close()
    }
    if !isCurrent { return }
    switch step {
    case .loggingIn:
      step = .selecting
      current = try channel.send(.examine(DemoSettings.mailbox(mailbox)))
    case .selecting:
      fetched = exists
      announced = []
      try idle(channel, isFirst: true)
    case .fetching(let count):
      announced.removeFirst(min(count, announced.count))
      if exists > fetched { try fetchNew(channel) } else { try idle(channel, isFirst: false) }
    case .asking:
      state.answered()
      if exists > fetched { try fetchNew(channel) } else { try idle(channel, isFirst: false) }
    case .connecting, .startingIdle, .idling, .leaving: break
    }
  }

  private var isLeaving: Bool { if case .leaving = step { true } else { false } }

  private func idle(_ channel: ClientChannel, isFirst: Bool) throws(ConnectionError) {
    step = .startingIdle(isFirst: isFirst)
    current = try channel.send(.idle)
  }

  private func announce(_ channel: ClientChannel, _ count: UInt32) throws(ConnectionError) {
    let now = ContinuousClock.now
    while exists < count {
      exists += 1
      announced.append(now)
    }
    if case .idling = step { try fetchNew(channel) }
  }

  /// Asks for the messages that were not asked for; the machine ends the IDLE by itself.
  private func fetchNew(_ channel: ClientChannel) throws(ConnectionError) {
    guard exists > fetched else { return }
    let range = SequenceNumber(rawValue: fetched + 1)...SequenceNumber(rawValue: exists)
    if case .idling = step { state.stoppedIdling() }
    step = .fetching(count: Int(exists - fetched))
    fetched = exists
    current = try channel.send(.fetch(.sequence(SequenceSet(range)), [.envelope]))
    order = 0
  }

  /// How many answers of the FETCH in flight have come.
  private var order = 0

  private func note(_ envelope: borrowing EnvelopeView) {
    let arrival = announced.indices.contains(order) ? announced[order] : .now
    order += 1
    guard let index = Self.index(envelope), let sent = state.sentTime(index) else { return }
    if seen.insert(index).inserted {
      state.delivered(latency: arrival - sent)
    } else {
      state.duplicated()
    }
  }

  private static func index(_ envelope: borrowing EnvelopeView) -> Int? {
    switch envelope.subject {
    case .some(let subject): DemoSettings.index(ofSubject: subject.raw.bytes)
    case .none: nil
    }
  }

  private func fail(_ reason: String) {
    if !isLeaving { state.failed(reason) }
  }
}
