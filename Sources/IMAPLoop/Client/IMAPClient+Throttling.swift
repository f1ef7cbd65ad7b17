import IMAPStateMachine
import Synchronization

extension IMAPError {
  /// How long the server asked to wait before the next try; nil where it named no time.
  public var retryAfter: Duration? {
    switch reason {
    case .throttled(let wait): return wait
    default: break
    }
    switch self {
    case .connection(.closedByPeer(let bye?)), .outcomeUnknown(_, .closedByPeer(let bye?)):
      return Status.suggestedBackoff(in: bye)
    default: return nil
    }
  }
}

/// Servers that have had enough.
extension IMAPClient {
  /// Runs `body`, and again where the server has refused its command because it is asked too much: after the time that the
  /// server names, else after one second, and twice as long each time. Returns what `body` returns.
  ///
  /// Only what the server has refused is done again. Where `body` has changed something by then that must not be done twice, where
  /// the outcome of a command is not known, for any other error, behind the last of `attempts`, and where the server wants a longer
  /// wait than `longestWait`, it throws what `body` threw: ``IMAPError/retryAfter`` says how long the wait would be. Throws
  /// `.cancelled` where the task is cancelled while it waits.
  ///
  /// ```swift
  /// let found = try await client.retryingThrottled { try await client.search(.unseen) }
  /// ```
  public func retryingThrottled<Value>(
    attempts: Int = 4, longestWait: Duration = .seconds(600), isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws -> Value
  ) async throws -> Value {
    var retry = ThrottledRetry(attempts: attempts, longestWait: longestWait)
    while true {
      let attempt = ThrottledAttempt()
      do {
        return try await ThrottledAttempt.$current.withValue(attempt) { try await body() }
      } catch let error as IMAPError {
        guard attempt.maySendAgain(error), let wait = retry.wait(after: error, chance: .random(in: 0 ... .max)) else {
          throw error
        }
        try await pause(wait)
      }
    }
  }

  /// Returns after `duration`, or when the connection ends.
  func pause(_ duration: Duration) async throws(IMAPError) {
    let id = session.newCloseWait()
    let timer = loop.schedule(after: duration) { [session] in session.stopAwaitingClose(id) }
    await withTaskCancellationHandler {
      await awaitClose(id)
    } onCancel: {
      Task { await self.stopAwaitingClose(id) }
    }
    timer.cancel()
    if Task.isCancelled { throw .cancelled(command: "wait") }
  }
}

/// How often to try again, and when. Time and chance are arguments.
struct ThrottledRetry {
  private var left: Int
  private let longestWait: Duration
  private var backoff = Backoff()

  init(attempts: Int, longestWait: Duration) {
    left = attempts
    self.longestWait = longestWait
  }

  /// How long to wait before the next attempt; nil where there is none.
  mutating func wait(after error: IMAPError, chance: UInt64) -> Duration? {
    guard case .throttled(let asked) = error.reason, left > 1 else { return nil }
    left -= 1
    // No connection is made here, so that it does not matter when this is.
    let usual = backoff.failed(at: MonotonicInstant(nanoseconds: 0), chance: chance)
    let wait = asked ?? usual
    return wait <= longestWait ? wait : nil
  }
}

/// What was sent in an attempt that may be made again.
final class ThrottledAttempt: Sendable {
  @TaskLocal static var current: ThrottledAttempt?

  /// Commands that do something else when they are sent twice.
  private let changes = Mutex<[String]>([])

  /// Takes note of `command`, which `name` stands for in errors.
  func note(_ name: String, _ command: borrowing Command) {
    if command.isRepeatable { return }
    changes.withLock { $0.append(name) }
  }

  /// A part of the command was done, of which another part was refused.
  func noteParts(_ name: String) {
    changes.withLock { if $0.contains(name) { $0.append(name) } }
  }

  /// Whether nothing has been done but what the server has refused with `error`.
  func maySendAgain(_ error: IMAPError) -> Bool {
    guard case .throttled = error.reason, !error.isOutcomeUnknown else { return false }
    let changes = changes.withLock { $0 }
    switch error {
    case .refused(let command, _), .rejected(let command, _), .noSuchMailbox(_, let command, _):
      return changes.isEmpty || changes == [command]
    default: return changes.isEmpty
    }
  }
}

extension Command {
  /// Whether doing it twice is the same as doing it once.
  fileprivate var isRepeatable: Bool {
    switch self {
    case .append, .copy, .move, .create, .delete, .rename, .other: false
    // The second one would find what the first has changed, or what was marked meanwhile.
    case .store(_, _, .some), .storeLabels(_, _, .some), .storeAnnotations(_, _, .some), .expunge: false
    default: true
    }
  }
}
