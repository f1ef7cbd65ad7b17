// Whether ThreadSanitizer sees what a Mutex does, and still sees what goes on without it: Scripts/sanitize runs this before the
// tests. `race locked` must be found free of races, `race unlocked` must not.
import Glibc
import Synchronization

final class Counted: @unchecked Sendable {
  // Sendable: this is what is tried.
  let inside = Mutex(0)
  var outside = 0
}

let counted = Counted()
let isLocked = CommandLine.arguments.dropFirst().first == "locked"

/// Often enough that the threads meet, and one of them has to wait.
func count() {
  for _ in 0..<100_000 {
    if !isLocked { counted.outside += 1 }
    counted.inside.withLock { $0 += 1 }
  }
}

let threads = (0..<3).map { _ in
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
for thread in threads { pthread_join(thread, nil) }
let sum = counted.inside.withLock { $0 }
if sum != 300_000 { fatalError("\(sum)") }
