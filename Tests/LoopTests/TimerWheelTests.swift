import IMAPStateMachine
import Testing

@testable import IMAPLoop

@Suite struct TimerWheelTests {
  private static let tick: Int64 = 1 << 22

  private func drain(_ wheel: inout TimerWheel<Int>, at now: MonotonicInstant) -> [Int] {
    wheel.advance(to: now)
    var fired: [Int] = []
    while let payload = wheel.popExpired() { fired.append(payload) }
    return fired
  }

  @Test func emptyWheelWantsNothing() {
    var wheel = TimerWheel<Int>(now: milliseconds(5))
    #expect(wheel.nextWake == nil)
    #expect(drain(&wheel, at: milliseconds(1_000_000)) == [])
    #expect(wheel.count == 0)
  }

  @Test(arguments: [0, 1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 300_000_000] as [Int64])
  func firesInTimeAtEveryDistance(ticks: Int64) {
    let start = MonotonicInstant(nanoseconds: 7 * Self.tick + 3)
    var wheel = TimerWheel<Int>(now: start)
    let due = MonotonicInstant(nanoseconds: start.nanoseconds + ticks * Self.tick)
    _ = wheel.insert(1, at: due, now: start)
    var now = start
    var wakes = 0
    while wheel.count > 0, wakes < 100 {
      guard let wake = wheel.nextWake else { break }
      now = max(now, wake)
      wakes += 1
      let fired = drain(&wheel, at: now)
      #expect(fired == [] || now >= due)
    }
    #expect(wheel.count == 0)
    #expect(now.nanoseconds - due.nanoseconds < Self.tick)
    // Five levels: at most one wake-up to come nearer on each.
    #expect(wakes <= 6)
  }

  @Test func deadlineInThePastIsDueAtOnce() {
    var wheel = TimerWheel<Int>(now: milliseconds(1000))
    _ = wheel.insert(1, at: milliseconds(-5), now: milliseconds(1000))
    #expect(wheel.hasExpired)
    #expect(drain(&wheel, at: milliseconds(1000)) == [1])
  }

  @Test func farDeadlineIsCutAndNeverLost() {
    var wheel = TimerWheel<Int>(now: milliseconds(0))
    _ = wheel.insert(1, at: MonotonicInstant(nanoseconds: .max), now: milliseconds(0))
    let wake = wheel.nextWake
    #expect(wake != nil)
    #expect(drain(&wheel, at: MonotonicInstant(nanoseconds: .max)) == [1])
  }

  /// A machine that slept: everything that was due meanwhile fires at once and once, nothing else does, and time goes on.
  @Test(arguments: [1, 3, 40, 400] as [Int64])
  func jumpsOfDays(days: Int64) {
    let day: Int64 = 86_400_000
    let start = milliseconds(12_345)
    var wheel = TimerWheel<Int>(now: start)
    // From 5 ms to longer than the jump; what is too far away is cut to 52 days.
    let delays = (0..<4000).map { index in Int64(index) * Int64(index) * 500 + 5 }
    for (index, delay) in delays.enumerated() {
      _ = wheel.insert(index, at: milliseconds(12_345 + delay), now: start)
    }
    let later = milliseconds(12_345 + days * day)
    let fired = drain(&wheel, at: later)
    #expect(Set(fired).count == fired.count)
    #expect(Set(fired) == Set(delays.indices.filter { delays[$0] + 5 <= days * day }))
    // A deadline behind the jump is measured from there.
    _ = wheel.insert(-1, at: milliseconds(12_345 + days * day + 100), now: later)
    let before = drain(&wheel, at: milliseconds(12_345 + days * day + 99))
    #expect(!before.contains(-1))
    let behind = drain(&wheel, at: milliseconds(12_345 + days * day + 105))
    #expect(behind.contains(-1))
    let rest = drain(&wheel, at: milliseconds(12_345 + days * day + 60 * day))
    #expect(wheel.count == 0)
    #expect((fired + before + behind + rest).sorted() == [-1] + delays.indices)
  }

  @Test func staleTokensDoNothing() {
    var wheel = TimerWheel<Int>(now: milliseconds(0))
    let token = wheel.insert(1, at: milliseconds(10), now: milliseconds(0))
    #expect(wheel.cancel(token) == 1)
    #expect(wheel.cancel(token) == nil)
    let second = wheel.insert(2, at: milliseconds(10), now: milliseconds(0))
    #expect(second != token)
    let stale = wheel.move(token, to: milliseconds(20))
    #expect(!stale)
    #expect(wheel.cancel(.none) == nil)
    #expect(drain(&wheel, at: milliseconds(50)) == [2])
    #expect(!wheel.contains(second))
  }

  @Test func movesBothWays() {
    var wheel = TimerWheel<Int>(now: milliseconds(0))
    let token = wheel.insert(1, at: milliseconds(1000), now: milliseconds(0))
    let later = wheel.move(token, to: milliseconds(50_000))
    #expect(later)
    #expect(drain(&wheel, at: milliseconds(2000)) == [])
    let sooner = wheel.move(token, to: milliseconds(3000))
    #expect(sooner)
    #expect(drain(&wheel, at: milliseconds(2999)) == [])
    #expect(drain(&wheel, at: milliseconds(3005)) == [1])
  }

  /// Random operations against a list that is searched: same timers, never early, at most one tick late.
  @Test(arguments: 0..<20 as Range<UInt64>)
  func agreesWithAList(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var now = MonotonicInstant(nanoseconds: Int64.random(in: 0...(1 << 50), using: &random))
    var wheel = TimerWheel<Int>(now: now)
    var list: [Int: (token: TimerToken, due: MonotonicInstant)] = [:]
    func someDeadline() -> MonotonicInstant {
      let magnitude = Int64.random(in: 0...45, using: &random)
      return MonotonicInstant(nanoseconds: now.nanoseconds + Int64.random(in: 0...(1 << magnitude), using: &random))
    }
    for step in 0..<2000 {
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        let due = someDeadline()
        list[step] = (wheel.insert(step, at: due, now: now), due)
      case 5:
        guard let id = list.keys.sorted().randomElement(using: &random) else { break }
        #expect(wheel.cancel(list[id]?.token ?? .none) == id, "seed \(seed)")
        list[id] = nil
      case 6:
        guard let id = list.keys.sorted().randomElement(using: &random) else { break }
        let due = someDeadline()
        let moved = wheel.move(list[id]?.token ?? .none, to: due)
        #expect(moved, "seed \(seed)")
        list[id]?.due = due
      default:
        // Sometimes as the loop does it, sometimes anywhere.
        if Bool.random(using: &random), let wake = wheel.nextWake { now = max(now, wake) } else { now = someDeadline() }
        for id in drain(&wheel, at: now) {
          let due = list.removeValue(forKey: id)?.due
          #expect(due.map { $0 <= now } == true, "seed \(seed), step \(step): fired early or twice")
        }
        for (id, timer) in list where timer.due.nanoseconds + Self.tick <= now.nanoseconds {
          Issue.record("seed \(seed), step \(step): timer \(id) is late")
        }
      }
      #expect(wheel.count == list.count, "seed \(seed), step \(step)")
      if let first = list.values.map(\.due).min(), let wake = wheel.nextWake {
        #expect(wake.nanoseconds <= first.nanoseconds + Self.tick, "seed \(seed), step \(step): would wake too late")
      }
    }
  }
}
