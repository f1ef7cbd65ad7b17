internal import DequeModule

/// Which TLS handshakes of a loop's clients may run. Each needs forty kilobytes while it does, most of which the allocator keeps
/// for good, and a few dozen keep a processor busy: more at once only make each of them slower.
///
/// Those of servers do not wait: a few clients that stop in the middle would keep all others out.
struct HandshakeQueue {
  /// Where a connection is in the queue.
  enum Turn: UInt8 { case none, waiting, granted }

  /// Handshakes at once.
  var limit = 64 {
    didSet { grant() }
  }
  /// Handshakes that run.
  private(set) var running = 0
  /// The most that ever ran.
  private(set) var peak = 0
  /// Connections that wait, in order.
  private(set) var waiting = 0
  /// Handshakes that began since the last storm.
  private var begun = 0

  /// Whether the last of very many handshakes is over. Asked for again it is not.
  mutating func takeEndOfStorm() -> Bool {
    if running > 0 || waiting > 0 || begun < Self.storm { return false }
    begun = 0
    return true
  }

  /// So many leave enough behind in the allocator to be worth a look at all of its pages.
  private static var storm: Int { 1000 }

  private struct Entry {
    let channel: Channel
    let setup: Channel.Setup
  }

  /// Those that gave up are taken out when it would have been their turn.
  private var queue: Deque<Entry> = []

  /// Returns whether the handshake may begin. Otherwise the channel is marked dirty once its turn was granted.
  mutating func enter(_ channel: Channel, _ setup: Channel.Setup) -> Bool {
    if waiting == 0, running < max(1, limit) {
      start(setup)
      return true
    }
    setup.turn = .waiting
    waiting += 1
    queue.append(Entry(channel: channel, setup: setup))
    return false
  }

  /// The handshake is over, or nobody wants it any more.
  mutating func leave(_ setup: Channel.Setup) {
    switch setup.turn {
    case .none: return
    case .waiting: waiting -= 1
    case .granted: running -= 1
    }
    setup.turn = .none
    grant()
  }

  private mutating func start(_ setup: Channel.Setup) {
    setup.turn = .granted
    running += 1
    begun += 1
    peak = max(peak, running)
  }

  /// The handshakes themselves begin at the end of the tick: this may be called in the middle of another one.
  private mutating func grant() {
    while running < max(1, limit) || waiting == 0, let next = queue.popFirst() {
      if next.setup.turn != .waiting { continue }
      waiting -= 1
      start(next.setup)
      next.channel.loop.markDirty(next.channel)
    }
  }
}

extension EventLoop {
  /// How many TLS handshakes of clients run at once on this loop; others wait for their turn, in order. One at least. Use it
  /// on the loop's thread.
  public var handshakeLimit: Int {
    get { handshakes.limit }
    set { handshakes.limit = newValue }
  }

  /// How many TLS handshakes of clients run now. Read it on the loop's thread.
  public var handshakesRunning: Int { handshakes.running }

  /// How many connections of clients wait for their turn. Read it on the loop's thread.
  public var handshakesWaiting: Int { handshakes.waiting }
}
