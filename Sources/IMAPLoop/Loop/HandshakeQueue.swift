internal import DequeModule

/// Which TLS handshakes of a loop's clients may run. Each needs forty kilobytes while it does, most of which the allocator keeps
/// for good, and a few dozen keep a processor busy: more at once only make each of them slower.
///
/// A turn is short. A peer that accepts connections and says nothing, or little at a time, would keep all others out until each of
/// its handshakes has timed out; so a handshake that takes longer than its turn goes on and no longer counts. One that waits for
/// its peer's first byte needs little memory, and the others are as many as begin in a second. Peers have their turns one after the
/// other, however many connections wait for each.
///
/// Those of servers do not wait: a few clients that stop in the middle would keep all others out.
struct HandshakeQueue {
  /// Where a connection is in the queue.
  enum Turn: UInt8 { case none, waiting, granted }

  /// Handshakes at once.
  var limit = 64 {
    didSet { grant() }
  }
  /// How long a turn is: some round trips, and 64 handshakes take a tenth of that.
  var turnLength = Duration.seconds(1)
  /// Handshakes that run, and whose turn is not over.
  private(set) var running = 0
  /// The most that ever ran.
  private(set) var peak = 0
  /// Connections that wait.
  private(set) var waiting = 0
  /// Handshakes that began since none ran.
  private var begun = 0

  /// Whether the last of very many handshakes in a row is over. Asked for again it is not.
  mutating func takeEndOfStorm() -> Bool {
    if running > 0 || waiting > 0 { return false }
    defer { begun = 0 }
    return begun >= Self.storm
  }

  /// So many leave enough behind in the allocator to be worth a look at all of its pages.
  private static var storm: Int { 1000 }

  private struct Entry {
    let channel: Channel
    let setup: Channel.Setup
  }

  private struct Peer: Hashable {
    let host: String?
    let port: UInt16
  }

  /// Those that wait, in order. Those that gave up are taken out when it would have been their turn.
  private var queues: [Peer: Deque<Entry>] = [:]
  /// The peers of these: the first has the next turn.
  private var peers: Deque<Peer> = []

  /// Returns whether the handshake may begin. Otherwise the channel is marked dirty once its turn was granted.
  mutating func enter(_ channel: Channel, _ setup: Channel.Setup) -> Bool {
    if waiting == 0, running < max(1, limit) {
      start(setup)
      return true
    }
    setup.turn = .waiting
    waiting += 1
    let peer = Peer(host: setup.host, port: setup.port)
    if queues[peer] == nil { peers.append(peer) }
    queues[peer, default: []].append(Entry(channel: channel, setup: setup))
    return false
  }

  /// The handshake is over, or its turn is, or nobody wants it any more.
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
    while running < max(1, limit) || waiting == 0, let next = popNext() {
      waiting -= 1
      start(next.setup)
      next.channel.loop.markDirty(next.channel)
    }
  }

  /// The first that waits for the peer whose turn it is.
  private mutating func popNext() -> Entry? {
    while let peer = peers.popFirst() {
      guard var queue = queues.removeValue(forKey: peer) else { continue }
      while let next = queue.popFirst() {
        if next.setup.turn != .waiting { continue }
        if !queue.isEmpty {
          queues[peer] = queue
          peers.append(peer)
        }
        return next
      }
    }
    return nil
  }
}

extension EventLoop {
  /// How many TLS handshakes of clients run at once on this loop; others wait for their turn, in order, one host after the other.
  /// One at least. A handshake that takes longer than a second goes on, and no longer counts. Use it on the loop's thread.
  public var handshakeLimit: Int {
    get { handshakes.limit }
    set { handshakes.limit = newValue }
  }

  /// How many TLS handshakes of clients run now and have their turn. Read it on the loop's thread.
  public var handshakesRunning: Int { handshakes.running }

  /// How many connections of clients wait for their turn. Read it on the loop's thread.
  public var handshakesWaiting: Int { handshakes.waiting }
}
