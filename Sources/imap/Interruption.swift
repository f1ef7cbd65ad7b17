import Dispatch
import IMAPLoop
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Ctrl-C and SIGTERM, turned into something to wait for. A second signal ends the program at once.
final class Interruption: Sendable {
  private let state = Mutex(State())
  // Touched by `init` and `deinit` only.
  nonisolated(unsafe) private var sources: [any DispatchSourceSignal] = []

  private struct State {
    var hasCome = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [weak self] in
        guard let self else { return }
        if hasCome { _exit(128 + number) }
        come()
      }
      source.resume()
      unsafe sources.append(source)
    }
  }

  deinit { for source in unsafe sources { source.cancel() } }

  /// Whether a signal has come.
  var hasCome: Bool { state.withLock(\.hasCome) }

  /// Acts as if a signal had come.
  func come() {
    let waiting = state.withLock { state in
      state.hasCome = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Returns when a signal has come.
  func wait() async {
    await withCheckedContinuation { continuation in
      let hasCome = state.withLock { state in
        if !state.hasCome { state.waiting.append(continuation) }
        return state.hasCome
      }
      if hasCome { continuation.resume() }
    }
  }

  /// Returns when a signal has come, or after `duration`.
  func wait(upTo duration: Duration) async {
    let end = ContinuousClock.now + duration
    // In short steps: a sleep cannot be woken by a signal, and half a second of patience is not noticed.
    while !hasCome, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(200)) }
  }
}

extension Interruption {
  /// Runs `work`. Ctrl-C ends the connection, so that `work` fails, and the failure says what became of it.
  static func ends(_ client: IMAPClient, _ consequence: String, _ work: () async throws -> Void) async throws {
    let interruption = Interruption()
    let watch = Task {
      await interruption.wait()
      if !Task.isCancelled { await client.close() }
    }
    defer {
      watch.cancel()
      // Nobody waits for ever.
      interruption.come()
    }
    do {
      try await work()
    } catch {
      if interruption.hasCome { throw Failure(.interrupted, "interrupted; \(consequence)") }
      throw error
    }
  }
}
