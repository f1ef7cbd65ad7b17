import Foundation

/// Runs `work`, which blocks, on a thread of its own: tasks have few threads, and where those wait no test goes on.
func blocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread { continuation.resume(returning: work()) }
  }
}
