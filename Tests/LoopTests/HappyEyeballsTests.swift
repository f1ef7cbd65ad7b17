import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// RFC 8305 with a virtual clock.
@Suite struct HappyEyeballsTests {
  private enum Call {
    case start
    case failed(Int)
    case exhausted(Int)
    case connected(Int)
    case timer
  }

  /// A call at a time in milliseconds, what it leads to, and when the clock is to ring next.
  private struct Step {
    let time: Int64
    let call: Call
    let actions: [HappyEyeballs.Action]
    let wakeAt: Int64?

    init(_ time: Int64, _ call: Call, _ actions: [HappyEyeballs.Action], _ wakeAt: Int64?) {
      self.time = time
      self.call = call
      self.actions = actions
      self.wakeAt = wakeAt
    }
  }

  private static let table: [(name: String, addresses: Int, steps: [Step])] = [
    (
      "one address, at once", 1,
      [Step(0, .start, [.connect(0)], 1000), Step(20, .connected(0), [], nil), Step(1000, .timer, [], nil)]
    ),
    ("no address", 0, [Step(0, .start, [.fail], nil)]),
    (
      "a slow one is overtaken", 3,
      [
        Step(0, .start, [.connect(0)], 250), Step(249, .timer, [], 250), Step(250, .timer, [.connect(1)], 500),
        Step(300, .connected(1), [.close(0)], nil), Step(301, .connected(0), [], nil),
        Step(302, .failed(0), [], nil),
      ]
    ),
    (
      "the slow one wins after all", 2,
      [
        Step(0, .start, [.connect(0)], 250), Step(250, .timer, [.connect(1)], 1000),
        Step(400, .connected(0), [.close(1)], nil),
      ]
    ),
    (
      "a failure starts the next at once, and its delay", 3,
      [
        Step(0, .start, [.connect(0)], 250), Step(10, .failed(0), [.connect(1)], 260),
        Step(250, .timer, [], 260), Step(260, .timer, [.connect(2)], 1000), Step(300, .failed(2), [], 1000),
        Step(310, .failed(1), [.fail], nil),
      ]
    ),
    (
      "the deadline ends all", 3,
      [
        Step(0, .start, [.connect(0)], 250), Step(900, .timer, [.connect(1)], 1000),
        Step(1000, .timer, [.close(0), .close(1), .fail], nil), Step(1001, .connected(1), [], nil),
      ]
    ),
    (
      "nothing is left of this machine's own", 3,
      [Step(0, .start, [.connect(0)], 250), Step(1, .exhausted(0), [.fail], nil)]
    ),
    (
      "calls that make no sense", 2,
      [
        Step(0, .timer, [], nil), Step(0, .failed(0), [], nil), Step(0, .connected(1), [], nil),
        Step(0, .start, [.connect(0)], 250), Step(1, .start, [], 250), Step(2, .failed(1), [], 250),
        Step(3, .connected(7), [], 250), Step(4, .failed(-1), [], 250),
      ]
    ),
  ]

  private func error(_ code: Int) -> ConnectionError { .transport(.init(.connect, code: code, message: "refused")) }

  private func addresses(_ count: Int) -> [SocketAddress] {
    (0..<count).compactMap { SocketAddress(numeric: "192.0.2.\($0)", port: 993) }
  }

  @Test(arguments: table.indices) func decisions(index: Int) {
    let (name, count, steps) = Self.table[index]
    var race = HappyEyeballs(addresses(count), deadline: milliseconds(1000))
    for step in steps {
      let now = milliseconds(step.time)
      let actions =
        switch step.call {
        case .start: race.start(now)
        case .failed(let attempt): race.failed(attempt, error(-111), now)
        case .exhausted(let attempt): race.failed(attempt, error(-24), now)
        case .connected(let attempt): race.connected(attempt)
        case .timer: race.timer(now)
        }
      #expect(actions == step.actions, "\(name) at \(step.time)")
      #expect(race.wakeAt == step.wakeAt.map { milliseconds($0) }, "\(name) at \(step.time)")
    }
  }

  @Test func familiesTakeTurns() {
    func list(_ hosts: String...) -> [SocketAddress] { hosts.compactMap { SocketAddress(numeric: $0, port: 1) } }
    let mixed = list("::1", "::2", "::3", "192.0.2.1", "192.0.2.2")
    #expect(HappyEyeballs.interleave(mixed) == list("::1", "192.0.2.1", "::2", "192.0.2.2", "::3"))
    #expect(HappyEyeballs.interleave(list("192.0.2.1", "::1")) == list("192.0.2.1", "::1"))
    #expect(HappyEyeballs.interleave([]).isEmpty)
  }

  @Test func theErrorNamesEveryAddress() {
    var race = HappyEyeballs(addresses(3), deadline: milliseconds(1000))
    _ = race.start(milliseconds(0))
    _ = race.failed(0, error(-111), milliseconds(1))
    _ = race.timer(milliseconds(1000))
    let text = "\(race.error)"
    #expect(race.error.transportOperation == .connect)
    for part in ["192.0.2.0:993: refused", "192.0.2.1:993: timed out", "192.0.2.2:993"] {
      #expect(text.contains(part), "\(text)")
    }
    var single = HappyEyeballs(addresses(1), deadline: milliseconds(1000))
    _ = single.start(milliseconds(0))
    _ = single.timer(milliseconds(1000))
    #expect(single.error == .timedOut(.connect))
  }

  /// Whatever happens in whatever order: each address is tried at most once, and it ends once.
  @Test(arguments: 1...20 as ClosedRange<UInt64>) func endsAlways(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let count = Int.random(in: 0...6, using: &random)
    var race = HappyEyeballs(addresses(count), deadline: milliseconds(2000))
    var now: Int64 = 0
    var actions = race.start(milliseconds(0))
    var open: Set<Int> = []
    var tried: Set<Int> = []
    var endings = 0
    var rounds = 0
    while endings == 0, rounds < 1000 {
      rounds += 1
      for action in actions {
        switch action {
        case .connect(let index):
          #expect(tried.insert(index).inserted, "seed \(seed)")
          open.insert(index)
        case .close(let index): #expect(open.remove(index) != nil, "seed \(seed)")
        case .fail: endings += 1
        }
      }
      if endings > 0 { break }
      now += Int64.random(in: 1...200, using: &random)
      let index = Int.random(in: 0...6, using: &random)
      switch Int.random(in: 0...9, using: &random) {
      case 0 where open.contains(index):
        actions = race.connected(index)
        open.remove(index)
        endings += 1
        for case .close(let loser) in actions { open.remove(loser) }
      case 1...3:
        actions = race.failed(index, error(-111), milliseconds(now))
        open.remove(index)
      default: actions = race.timer(milliseconds(now))
      }
    }
    #expect(endings == 1, "seed \(seed)")
    #expect(open.isEmpty, "seed \(seed)")
    #expect(race.wakeAt == nil, "seed \(seed)")
  }
}
