// Whether ThreadSanitizer still takes for a race what is none: a continuation that is resumed before its task has come to wait. Then
// the task goes on at once, and the runtime, which is built without ThreadSanitizer, does not say that it has seen what the other
// thread wrote (swift_continuation_await loads the state with acquire ordering). Scripts/sanitize runs this: where nothing is
// found any more, what is in Tests/tsan.supp for it can go.
import Foundation

final class Box: Sendable {
  let value: [Int]

  init(_ value: [Int]) { self.value = value }
}

let box = await withCheckedContinuation { (continuation: CheckedContinuation<Box, Never>) in
  let thread = Thread { continuation.resume(returning: Box([1])) }
  thread.start()
  while !thread.isFinished { sched_yield() }
}
print(box.value)
