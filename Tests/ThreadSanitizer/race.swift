// Whether ThreadSanitizer sees what a Mutex does, and still sees what goes on without it: Scripts/sanitize runs this before the
// tests. `race locked` must be found free of races, `race unlocked` must not.
import Foundation
import Synchronization

/// Sendable: that it is none is what is tried.
final class Counted: @unchecked Sendable {
  private let isLocked = CommandLine.arguments.last == "locked"
  private let inside = Mutex(0)
  private var outside = 0

  var count: Int { inside.withLock { $0 } }

  /// Often enough that the threads meet, and one of them has to wait.
  func run() {
    for _ in 0..<100_000 {
      if !isLocked { outside += 1 }
      inside.withLock { $0 += 1 }
    }
  }
}

let counted = Counted()
for _ in 0..<3 { Thread.detachNewThread { [counted] in counted.run() } }
while counted.count < 300_000 { sched_yield() }
