import IMAPStateMachine

/// Names one timer of a ``TimerWheel``. Using it after the timer fired or was cancelled does nothing.
struct TimerToken: Hashable, Sendable {
  fileprivate var index: UInt32
  fileprivate var generation: UInt32

  /// Names no timer.
  static let none = TimerToken(index: 0, generation: 0)
}

/// A hierarchical timing wheel: any number of deadlines at O(1) each, on whatever clock the caller has. It knows when it
/// wants to be woken (``nextWake``), so one operating system timer serves all of them.
///
/// Five levels of 64 slots; a tick is 2^22 ns (4.2 ms). A timer never fires early and at most one tick late. Deadlines more
/// than 2^30 ticks (52 days) away are cut to that. Twenty-four bytes a timer, and nothing per operating system timer.
struct TimerWheel<Payload> {
  /// Timers that are waiting or expired but not popped.
  private(set) var count = 0

  // The first `headCount` nodes are list heads, so that unlinking needs to know no list.
  private var nodes: [Node]
  private var occupied: [UInt64]
  private var current: UInt64
  private var free: UInt32 = 0

  /// An empty wheel whose clock stands at `now`.
  init(now: MonotonicInstant) {
    current = Self.elapsedTicks(now)
    occupied = [UInt64](repeating: 0, count: Self.levels)
    nodes = (0..<UInt32(Self.headCount)).map { Node(next: $0, previous: $0) }
  }

  /// When ``advance(to:)`` should be called next, or nil if no timer waits. It may be before the first deadline: timers
  /// that are far away move to a finer level on the way.
  var nextWake: MonotonicInstant? {
    if hasExpired { return Self.instant(current) }
    return nextWakeTick.map(Self.instant)
  }

  /// Whether ``popExpired()`` would return something.
  var hasExpired: Bool { nodes[Self.expiredHead].next != UInt32(Self.expiredHead) }

  /// Adds a timer. Complexity: O(1), amortised.
  mutating func insert(_ payload: Payload, at deadline: MonotonicInstant, now: MonotonicInstant) -> TimerToken {
    if count == 0 { current = Swift.max(current, Self.elapsedTicks(now)) }
    let index: UInt32
    if free != 0 {
      index = free
      free = nodes[Int(index)].next
    } else {
      index = UInt32(truncatingIfNeeded: nodes.count)
      nodes.append(Node(next: index, previous: index))
    }
    nodes[Int(index)].payload = payload
    count += 1
    place(index, at: Self.dueTick(deadline))
    return TimerToken(index: index, generation: nodes[Int(index)].generation)
  }

  /// Changes a timer's deadline. Returns false if the token names no timer any more. Complexity: O(1).
  mutating func move(_ token: TimerToken, to deadline: MonotonicInstant) -> Bool {
    if !contains(token) { return false }
    let tick = Self.dueTick(deadline)
    if nodes[Int(token.index)].deadline == UInt32(truncatingIfNeeded: tick), tick > current,
      tick - current <= Self.longest
    {
      return true
    }
    unlink(token.index)
    place(token.index, at: tick)
    return true
  }

  /// Removes a timer and returns what it carried. Complexity: O(1).
  @discardableResult
  mutating func cancel(_ token: TimerToken) -> Payload? {
    if !contains(token) { return nil }
    unlink(token.index)
    return release(token.index)
  }

  /// Whether the token names a timer that was neither popped nor cancelled.
  func contains(_ token: TimerToken) -> Bool {
    let index = Int(token.index)
    return index >= Self.headCount && index < nodes.count && nodes[index].generation == token.generation
      && nodes[index].payload != nil
  }

  /// Moves the clock to `now`. What is due can be taken with ``popExpired()``. Complexity: O(due + slots on the way).
  mutating func advance(to now: MonotonicInstant) {
    let target = Self.elapsedTicks(now)
    while let wake = nextWakeTick, wake <= target {
      current = wake
      for level in stride(from: Self.levels - 1, through: 1, by: -1)
      where wake & ((1 << UInt64(level * Self.slotBits)) - 1) == 0 {
        empty(level: level)
      }
      empty(level: 0)
    }
    current = Swift.max(current, target)
  }

  /// Takes one timer that is due, in no particular order within one tick.
  mutating func popExpired() -> Payload? {
    let index = nodes[Self.expiredHead].next
    if index == UInt32(Self.expiredHead) { return nil }
    unlink(index)
    return release(index)
  }

  private struct Node {
    var next: UInt32
    var previous: UInt32
    // The low bits of a tick. Distances stay below 2^30, so they compare well although the bits wrap.
    var deadline: UInt32 = 0
    var generation: UInt32 = 0
    var payload: Payload?
  }

  private static var levels: Int { 5 }
  private static var slotBits: Int { 6 }
  private static var slots: Int { 1 << slotBits }
  private static var expiredHead: Int { levels * slots }
  private static var headCount: Int { expiredHead + 1 }
  private static var longest: UInt64 { 1 << UInt64(levels * slotBits) - 1 }
  private static var tickShift: UInt64 { 22 }

  private static func elapsedTicks(_ instant: MonotonicInstant) -> UInt64 {
    UInt64(Swift.max(instant.nanoseconds, 0)) >> tickShift
  }

  /// Rounded up, so that no timer fires early.
  private static func dueTick(_ instant: MonotonicInstant) -> UInt64 {
    (UInt64(Swift.max(instant.nanoseconds, 0)) + (1 << tickShift - 1)) >> tickShift
  }

  private static func instant(_ tick: UInt64) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: Int64(clamping: tick << tickShift))
  }

  private var nextWakeTick: UInt64? {
    var earliest: UInt64?
    for level in 0..<Self.levels where occupied[level] != 0 {
      let shift = UInt64(level * Self.slotBits)
      let position = current >> shift
      // Bit 0 of `ahead` is the slot after the current one; the current one itself comes round last.
      let turn = (position + 1) & 63
      let ahead = occupied[level] >> turn | occupied[level] << ((64 - turn) & 63)
      let tick = (position + 1 + UInt64(ahead.trailingZeroBitCount)) << shift
      earliest = Swift.min(earliest ?? tick, tick)
    }
    return earliest
  }

  private mutating func place(_ index: UInt32, at tick: UInt64) {
    if tick <= current {
      nodes[Int(index)].deadline = UInt32(truncatingIfNeeded: current)
      link(index, behind: Self.expiredHead)
      return
    }
    let distance = Swift.min(tick - current, Self.longest)
    let due = current + distance
    let level = (63 - distance.leadingZeroBitCount) / Self.slotBits
    let slot = Int(truncatingIfNeeded: due >> UInt64(level * Self.slotBits)) & (Self.slots - 1)
    nodes[Int(index)].deadline = UInt32(truncatingIfNeeded: due)
    occupied[level] |= 1 << UInt64(slot)
    link(index, behind: level * Self.slots + slot)
  }

  /// Takes every timer out of the slot that the clock stands on and places it again: nearer, or due.
  private mutating func empty(level: Int) {
    let slot = Int(truncatingIfNeeded: current >> UInt64(level * Self.slotBits)) & (Self.slots - 1)
    let head = level * Self.slots + slot
    occupied[level] &= ~(1 << UInt64(slot))
    while nodes[head].next != UInt32(head) {
      let index = nodes[head].next
      unlink(index)
      let distance = nodes[Int(index)].deadline &- UInt32(truncatingIfNeeded: current)
      place(index, at: current + UInt64(distance))
    }
  }

  private mutating func link(_ index: UInt32, behind head: Int) {
    let last = nodes[head].previous
    nodes[Int(index)].previous = last
    nodes[Int(index)].next = UInt32(head)
    nodes[Int(last)].next = index
    nodes[head].previous = index
  }

  private mutating func unlink(_ index: UInt32) {
    let next = nodes[Int(index)].next
    let previous = nodes[Int(index)].previous
    nodes[Int(previous)].next = next
    nodes[Int(next)].previous = previous
    // Both neighbours are the same node only where a list head is left alone: its slot is empty now.
    if next == previous, Int(next) < Self.expiredHead {
      occupied[Int(next) / Self.slots] &= ~(1 << UInt64(Int(next) % Self.slots))
    }
  }

  private mutating func release(_ index: UInt32) -> Payload? {
    let payload = nodes[Int(index)].payload
    nodes[Int(index)].payload = nil
    nodes[Int(index)].generation &+= 1
    nodes[Int(index)].next = free
    free = index
    count -= 1
    return payload
  }
}
