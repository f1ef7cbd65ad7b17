internal import DequeModule
import Synchronization

/// Events on their way from the loop to whoever takes them. So many may wait, in so many bytes, at most; but for one, however
/// large that is, which other bounds hold.
final class EventQueue<Element: Sendable>: Sendable {
  /// What goes where too much waits.
  enum Excess {
    case oldest, newest
  }

  private struct State {
    var events = Deque<(event: Element, bytes: Int)>()
    var bytes = 0
    /// Nil while there may be more.
    var ending: Result<Void, IMAPError>?
    var takers = Deque<CheckedContinuation<Result<Element?, IMAPError>, Never>>()

    mutating func popFirst() -> Element? {
      guard let first = events.popFirst() else { return nil }
      bytes -= first.bytes
      return first.event
    }
  }

  private let state = Mutex(State())
  private let excess: Excess
  private let mostEvents: Int
  private let mostBytes: Int

  /// An empty queue, which drops the `excess` behind `count` events or `bytes` bytes.
  init(dropping excess: Excess, count: Int, bytes: Int) {
    self.excess = excess
    mostEvents = max(count, 1)
    mostBytes = bytes
  }

  deinit { finish() }

  /// Adds an event of so many bytes, and returns false where it was dropped. At the end nothing is added any more. Complexity: O(1),
  /// amortised.
  @discardableResult
  func add(_ event: Element, bytes: Int) -> Bool {
    let (taker, isTaken) = state.withLock { state -> (CheckedContinuation<Result<Element?, IMAPError>, Never>?, Bool) in
      if state.ending != nil { return (nil, true) }
      if let taker = state.takers.popFirst() { return (taker, true) }
      func isFull() -> Bool {
        !state.events.isEmpty && (state.events.count >= mostEvents || state.bytes + bytes > mostBytes)
      }
      if excess == .newest, isFull() { return (nil, false) }
      while isFull() { _ = state.popFirst() }
      state.events.append((event, bytes))
      state.bytes += bytes
      return (nil, true)
    }
    taker?.resume(returning: .success(event))
    return isTaken
  }

  /// There will be no more, for this reason where there is one. Those that wait can be taken.
  func finish(throwing error: IMAPError? = nil) {
    let ending: Result<Void, IMAPError> = if let error { .failure(error) } else { .success(()) }
    let takers = state.withLock { state in
      if state.ending == nil { state.ending = ending }
      defer { state.takers = [] }
      return state.takers
    }
    guard let first = takers.first else { return }
    // An error is thrown once, then the end is the end.
    first.resume(returning: take() ?? .success(nil))
    for taker in takers.dropFirst() { taker.resume(returning: .success(nil)) }
  }

  /// The next event; nil behind the last, and where the task is cancelled, which ends the queue. Throws what it ended with.
  func next() async throws(IMAPError) -> Element? {
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state -> Result<Element?, IMAPError>? in
          if let known = Self.take(from: &state) { return known }
          state.takers.append(continuation)
          return nil
        }
        if let known { continuation.resume(returning: known) }
      }
    } onCancel: {
      finish()
    }
    return try result.get()
  }

  /// Those that wait, in their order. Complexity: O(such events).
  func takeWaiting(atMost count: Int) -> [Element] {
    state.withLock { state in
      var events: [Element] = []
      while events.count < count, let event = state.popFirst() { events.append(event) }
      return events
    }
  }

  private func take() -> Result<Element?, IMAPError>? { state.withLock { Self.take(from: &$0) } }

  /// Nil where nothing has come yet.
  private static func take(from state: inout State) -> Result<Element?, IMAPError>? {
    if let event = state.popFirst() { return .success(event) }
    guard let ending = state.ending else { return nil }
    state.ending = .success(())
    return ending.map { nil }
  }
}
