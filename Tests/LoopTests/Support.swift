import Foundation
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPLoop

/// Runs `body` with a loop of its own and proves afterwards that nothing leaked.
func withLoop(_ body: (EventLoop) async throws -> Void) async throws {
  let loop = try EventLoop.start(name: "test")
  do {
    try await body(loop)
  } catch {
    await loop.shutdown()
    throw error
  }
  let report = await loop.shutdown()
  #expect(report.closeStatus == 0)
  #expect(report.counters.isBalanced, "\(report.counters)")
}

/// A value that one thread writes and others wait for.
final class Promise<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var waiting: [CheckedContinuation<Value, Never>] = []
  }
  private let state = Mutex(State())

  func fulfil(_ value: Value) {
    let waiting = state.withLock { state -> [CheckedContinuation<Value, Never>] in
      if state.value != nil { return [] }
      state.value = value
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume(returning: value) }
  }

  var value: Value {
    get async {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state -> Value? in
          if state.value == nil { state.waiting.append(continuation) }
          return state.value
        }
        if let known { continuation.resume(returning: known) }
      }
    }
  }
}

/// Holds what belongs to a loop's thread, so that a test can name it between two visits to that thread.
final class Confined<Value>: @unchecked Sendable {
  // Sendable: only used in closures that run on one loop's thread.
  var value: Value
  init(_ value: Value) { self.value = value }
}

/// The random numbers of a test: the seed is printed where a test fails.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

func milliseconds(_ count: Int64) -> MonotonicInstant { MonotonicInstant(nanoseconds: count * 1_000_000) }

extension Result where Failure == ConnectionError {
  var error: ConnectionError? {
    if case .failure(let error) = self { return error }
    return nil
  }
}

extension ConnectionError {
  var transportOperation: TransportFailure.Operation? {
    if case .transport(let failure) = self { return failure.operation }
    return nil
  }
  var transportMessage: String {
    if case .transport(let failure) = self { return failure.message }
    return ""
  }
}
