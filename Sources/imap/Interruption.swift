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
  /// Whether those that came later see to the signal first.
  private let isOutermost: Bool
  /// How many there are that are not the outermost.
  private static let inner = Mutex(0)

  private struct State {
    var hasCome = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  init(isOutermost: Bool = false) {
    self.isOutermost = isOutermost
    if !isOutermost { Self.inner.withLock { $0 += 1 } }
    Self.hub.add(self)
  }

  deinit {
    Self.hub.forget()
    if !isOutermost { Self.inner.withLock { $0 -= 1 } }
  }

  /// Who hears a signal first is decided here.
  private final class Hub: Sendable {
    private struct Listener {
      weak var interruption: Interruption?
    }

    private let listeners = Mutex<[Listener]>([])
    private let signals = Mutex<[SignalListener]>([])

    init() {
      for number in [SIGINT, SIGTERM] {
        let listener = SignalListener(number) { [weak self] in
          for interruption in self?.listeners.withLock({ $0.compactMap(\.interruption) }) ?? [] {
            if interruption.hasCome { _exit(128 + number) }
            interruption.come()
          }
        }
        signals.withLock { $0.append(listener) }
      }
    }

    func add(_ interruption: Interruption) { listeners.withLock { $0.append(Listener(interruption: interruption)) } }

    /// Drops those that are gone.
    func forget() { listeners.withLock { $0.removeAll { $0.interruption == nil } } }
  }

  private static let hub = Hub()

  /// Whether a command waits for the signal by itself.
  static var isSeenTo: Bool { inner.withLock { $0 > 0 } }

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
  /// Runs `body` with the client that `connect` makes. Ctrl-C ends the connection, from its first step on, so that `body` fails; one
  /// that waits for something else then, such as a full pipe, ends with the program. What sees to the signal by itself, as
  /// `watch` does, is left alone.
  static func endsConnection(
    _ connect: @escaping @Sendable () async throws -> IMAPClient, _ body: (IMAPClient) async throws -> Void
  ) async throws {
    let interruption = Interruption(isOutermost: true)
    let connecting = Task { try await connect() }
    let watch = Task {
      await interruption.wait()
      if Task.isCancelled { return }
      connecting.cancel()
      if isSeenTo { return }
      Task { try await connecting.value.close() }
      try await Task.sleep(for: patience)
      Console.error("imap: interrupted")
      _exit(ExitStatus.interrupted.rawValue)
    }
    defer {
      watch.cancel()
      // Nobody waits for ever.
      interruption.come()
    }
    do {
      let client = try await connecting.value
      do {
        try await body(client)
      } catch {
        await client.logout()
        throw error
      }
      await client.logout()
    } catch let failure as Failure where failure.status == .interrupted {
      throw failure
    } catch {
      throw interruption.hasCome ? Failure(.interrupted, "interrupted") : error
    }
  }

  /// How long a command may take to end once its connection has.
  private static let patience = Duration.seconds(2)

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
