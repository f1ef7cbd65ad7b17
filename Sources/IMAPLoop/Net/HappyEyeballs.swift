import IMAPStateMachine

/// Which address to try when: the decisions of Happy Eyeballs (RFC 8305, sections 4 and 5) without any I/O. Each call returns
/// what is to be done, in order. Calls that make no sense do nothing.
///
/// Section 3 (a query for each family, and a Resolution Delay for the late one) has no place here: the system's resolver gives the
/// addresses of both families at once.
struct HappyEyeballs {
  enum Action: Hashable {
    /// Start to connect to the address with this index.
    case connect(Int)
    /// Give that attempt up.
    case close(Int)
    /// Every attempt has failed; ``HappyEyeballs/error`` says why.
    case fail
  }

  private enum Attempt {
    case waiting
    case running
    case failed(ConnectionError)
  }

  /// The addresses in the order in which they are tried.
  let addresses: [SocketAddress]
  /// When ``timer(_:)`` is due; nil where the race is over.
  private(set) var wakeAt: MonotonicInstant?

  private var attempts: [Attempt]
  private var next = 0
  private var running = 0
  private var isOver = false
  private let deadline: MonotonicInstant
  private let delay: Duration

  /// A race between `addresses`, which the system has sorted, until `deadline`. RFC 8305, section 5: a Connection Attempt
  /// Delay of 250 ms is recommended.
  init(_ addresses: [SocketAddress], deadline: MonotonicInstant, delay: Duration = .milliseconds(250)) {
    self.addresses = Self.interleave(addresses)
    attempts = Array(repeating: .waiting, count: addresses.count)
    self.deadline = deadline
    self.delay = delay
  }

  /// The first attempt.
  mutating func start(_ now: MonotonicInstant) -> [Action] {
    if next > 0 || isOver { return [] }
    return startNext(now)
  }

  /// The attempt has a connection: the others are given up.
  mutating func connected(_ index: Int) -> [Action] {
    guard isRunning(index) else { return [] }
    let losers = attempts.indices.filter { $0 != index && isRunning($0) }
    end()
    return losers.map { .close($0) }
  }

  /// The attempt has failed: the next one starts at once.
  mutating func failed(_ index: Int, _ error: ConnectionError, _ now: MonotonicInstant) -> [Action] {
    guard isRunning(index) else { return [] }
    attempts[index] = .failed(error)
    running -= 1
    // Want of descriptors or memory is this side's: more attempts would only say the same.
    if error.isOwnFault { next = attempts.count }
    return startNext(now)
  }

  /// The time ``wakeAt`` has come.
  mutating func timer(_ now: MonotonicInstant) -> [Action] {
    guard !isOver, let wakeAt, now >= wakeAt else { return [] }
    if now < deadline { return startNext(now) }
    var actions: [Action] = []
    for index in attempts.indices {
      if isRunning(index) { actions.append(.close(index)) }
      if case .failed = attempts[index] { continue }
      attempts[index] = .failed(.timedOut(.connect))
    }
    end()
    return actions + [.fail]
  }

  /// Why no address was any good, with what each had to say.
  var error: ConnectionError {
    var lines: [String] = []
    var code = 0
    var hasTimedOut = true
    for (address, attempt) in zip(addresses, attempts) {
      guard case .failed(let error) = attempt else { continue }
      var text = error.description
      if case .transport(let failure) = error {
        text = failure.message
        code = failure.code
      }
      if error != .timedOut(.connect) { hasTimedOut = false }
      lines.append("\(address): \(text)")
    }
    if hasTimedOut, lines.count < 2 { return .timedOut(.connect) }
    return .transport(.init(.connect, code: code, message: lines.joined(separator: "; ")))
  }

  /// RFC 8305, section 4: the families take turns, the one of the first address first, each in the order of the list.
  static func interleave(_ addresses: [SocketAddress]) -> [SocketAddress] {
    guard addresses.count > 1, let first = addresses.first else { return addresses }
    var ours = addresses.filter { $0.isIPv6 == first.isIPv6 }[...]
    var others = addresses.filter { $0.isIPv6 != first.isIPv6 }[...]
    var result: [SocketAddress] = []
    while result.count < addresses.count {
      if let address = ours.popFirst() { result.append(address) }
      if let address = others.popFirst() { result.append(address) }
    }
    return result
  }

  private func isRunning(_ index: Int) -> Bool {
    guard !isOver, attempts.indices.contains(index), case .running = attempts[index] else { return false }
    return true
  }

  private mutating func startNext(_ now: MonotonicInstant) -> [Action] {
    if next < attempts.count {
      let index = next
      next += 1
      running += 1
      attempts[index] = .running
      wakeAt = next < attempts.count ? min(deadline, now.advanced(by: delay)) : deadline
      return [.connect(index)]
    }
    if running > 0 {
      wakeAt = deadline
      return []
    }
    end()
    return [.fail]
  }

  private mutating func end() {
    isOver = true
    wakeAt = nil
  }
}
