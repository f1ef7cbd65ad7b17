// Whether ThreadSanitizer sees what a Mutex does, and still sees what goes on without it: Scripts/sanitize runs this before the
// tests. `race locked` must be found free of races, `race unlocked` must not.
import Glibc
import Synchronization

@main struct Race {
  /// Sendable: that it is none is what is tried.
  final class Counted: @unchecked Sendable {
    let inside = Mutex(0)
    var outside = 0
  }

  static let counted = Counted()
  static let isLocked = CommandLine.arguments.last == "locked"

  static func main() {
    let threads = (0..<3).map { _ in start() }
    for thread in threads { pthread_join(thread, nil) }
    let sum = counted.inside.withLock { $0 }
    if sum != 300_000 { fatalError("\(sum)") }
  }

  // Not inside main(), which belongs to the main actor, and its closures with it.
  static func start() -> pthread_t {
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { _ in
        count()
        return nil
      }, nil)
    if status != 0 { fatalError("\(status)") }
    return thread
  }

  /// Often enough that the threads meet, and one of them has to wait.
  static func count() {
    for _ in 0..<100_000 {
      if !isLocked { counted.outside += 1 }
      counted.inside.withLock { $0 += 1 }
    }
  }
}
