import AllocationCounter
import IMAPLoop

/// The events that a measurement waits for. Used on the loop's thread only.
final class EventTally {
  /// What came.
  struct Result: Sendable {
    var events = 0
    /// Events for those who had been told before, where each is told once.
    var doubled = 0
    /// Nanoseconds from the stamp to the handler.
    var latencies: [UInt64] = []
    /// Of the loop's thread: from the first event to the last. 0 where not all came.
    var cpu: UInt64 = 0
    var wall: UInt64 = 0
    var allocations: UInt64 = 0
    /// Of `cpu`, about.
    var times: (user: UInt64, system: UInt64) = (0, 0)
    fileprivate var start: Start?
  }

  fileprivate struct Start {
    var times = Clock.threadTimes
    var cpu = Clock.threadCPU
    var wall = Clock.now
    var allocations = allocation_counter_begin()
  }

  // Unchecked for exclusive access, which would be a part of what is measured.
  @safe @exclusivity(unchecked) private(set) var result = Result()
  /// Whoever has this number was told.
  @safe @exclusivity(unchecked) private(set) var generation: UInt8 = 0
  private let stamp: Stamp
  private var isForEach = false
  private var awaited = 0
  private var waiting: CheckedContinuation<Void, Never>?
  private var timer: LoopTimer?

  init(_ stamp: Stamp) { self.stamp = stamp }

  /// Counts from zero, up to so many events; where they are `forEach`, each must be for somebody else.
  func expect(_ count: Int, forEach: Bool) {
    result.events = 0
    result.doubled = 0
    // The room stays.
    result.latencies.removeAll(keepingCapacity: true)
    result.latencies.reserveCapacity(count)
    (result.cpu, result.wall, result.allocations, result.times, result.start) = (0, 0, 0, (0, 0), nil)
    isForEach = forEach
    if forEach { generation &+= 1 }
    awaited = count
  }

  /// Resumes `continuation` when all have come, or when nothing has come for so many seconds.
  func wait(_ seconds: Int, on loop: EventLoop, _ continuation: CheckedContinuation<Void, Never>) {
    waiting = continuation
    if result.events >= awaited { finish() } else { watch(seconds, loop) }
  }

  /// One event came, for somebody who was `told` in that generation before.
  func received(_ count: UInt32, told: inout UInt8) {
    if result.start == nil { result.start = Start() }
    if isForEach {
      if told == generation {
        result.doubled += 1
        return
      }
      told = generation
    }
    result.events += 1
    result.latencies.append(stamp.age(of: count))
    if result.events == awaited, let start = result.start {
      result.allocations = allocation_counter_end() - start.allocations
      result.cpu = Clock.threadCPU - start.cpu
      result.wall = Clock.now - start.wall
      let times = Clock.threadTimes
      result.times = (times.user - start.times.user, times.system - start.times.system)
      finish()
    }
  }

  private func watch(_ seconds: Int, _ loop: EventLoop) {
    let before = result.events + result.doubled
    timer = loop.schedule(after: .seconds(seconds)) { [self] in
      if result.events + result.doubled == before { finish() } else { watch(seconds, loop) }
    }
  }

  private func finish() {
    // Nobody may wait yet.
    guard let continuation = waiting else { return }
    waiting = nil
    timer?.cancel()
    timer = nil
    continuation.resume()
  }
}
