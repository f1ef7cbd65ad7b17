#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A lock with a condition to wait for, until a time that does not depend on the time of day: Foundation's waits for a `Date`, and
/// so for an hour more where somebody sets the clock back by one.
@safe
final class MonotonicCondition: @unchecked Sendable {
  // Sendable: the system's objects are made to be used by several threads, and their addresses do not change.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe condition.initialize(to: pthread_cond_t())
    unsafe pthread_mutex_init(mutex, nil)
    #if canImport(Glibc)
      var attributes = pthread_condattr_t()
      unsafe pthread_condattr_init(&attributes)
      unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      unsafe pthread_cond_init(condition, &attributes)
      unsafe pthread_condattr_destroy(&attributes)
    #else
      unsafe pthread_cond_init(condition, nil)
    #endif
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Runs `body` with the lock.
  func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe _ = pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// Wakes all that wait.
  func broadcast() { unsafe _ = pthread_cond_broadcast(condition) }

  /// Gives the lock back until somebody wakes this thread, or for no reason. Only inside ``withLock(_:)``.
  func wait() { unsafe _ = pthread_cond_wait(condition, mutex) }

  /// As ``wait()``, until `deadline` at the latest; false when that has come.
  func wait(until deadline: ContinuousClock.Instant) -> Bool {
    let left = deadline - .now
    if left <= .zero { return false }
    // The caller asks again: what cannot be told to the system in one piece it is told in several.
    let (seconds, attoseconds) = min(left, .seconds(86_400)).components
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    #if canImport(Glibc)
      var now = timespec()
      unsafe clock_gettime(CLOCK_MONOTONIC, &now)
      time.tv_sec += now.tv_sec
      time.tv_nsec += now.tv_nsec
      if time.tv_nsec >= 1_000_000_000 {
        time.tv_sec += 1
        time.tv_nsec -= 1_000_000_000
      }
      unsafe _ = pthread_cond_timedwait(condition, mutex, &time)
    #else
      unsafe _ = pthread_cond_timedwait_relative_np(condition, mutex, &time)
    #endif
    return deadline > .now
  }
}
