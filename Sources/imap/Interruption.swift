import Foundation
import IMAPLoop
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Ctrl-C, SIGTERM, and the SIGHUP of a terminal that is closed, turned into something to wait for. A second signal ends the
/// program at once.
final class Interruption: Sendable {
  private let state = Mutex(State())
  /// Whether those that came later see to the signal first.
  private let isOutermost: Bool
  /// How long what waits for it may take to end.
  private let patience: Duration
  /// Called at once when a signal has come, on a thread of its own.
  private let whenItComes: (@Sendable () -> Void)?

  private struct State {
    var hasCome = false
    var isOver = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  init(
    patience: Duration = .seconds(2), isOutermost: Bool = false, whenItComes: (@Sendable () -> Void)? = nil
  ) {
    self.patience = patience
    self.isOutermost = isOutermost
    self.whenItComes = whenItComes
    Self.hub.add(self)
  }

  deinit { Self.hub.remove(ObjectIdentifier(self)) }

  /// Who hears a signal first is decided here.
  private final class Hub: Sendable {
    private struct Listener {
      // Known by more than the reference: whoever looks at that under the lock may be the last to hold it, and frees it there.
      let id: ObjectIdentifier
      weak var interruption: Interruption?
    }

    private let listeners = Mutex<[Listener]>([])
    private let signals = Mutex<[SignalListener]>([])

    init() {
      // Who ignores SIGHUP, as below nohup, wants the program to outlive its terminal.
      for number in [SIGINT, SIGTERM] + (SignalListener.isIgnored(SIGHUP) ? [] : [SIGHUP]) {
        let listener = SignalListener(number) { [weak self] in self?.heard(number) }
        signals.withLock { $0.append(listener) }
      }
    }

    /// Those that are not over.
    var interruptions: [Interruption] {
      listeners.withLock { $0.compactMap(\.interruption) }.filter { !$0.state.withLock(\.isOver) }
    }

    func add(_ interruption: Interruption) {
      listeners.withLock { $0.append(Listener(id: ObjectIdentifier(interruption), interruption: interruption)) }
    }

    func remove(_ id: ObjectIdentifier) { listeners.withLock { $0.removeAll { $0.id == id } } }

    private func heard(_ number: Int32) {
      // It means something else there.
      if number == SIGHUP, HangUps.areHeard { return }
      let interruptions = interruptions
      // The system sends it when a terminal is closed, and so does the shell there: the second is not another wish.
      if number == SIGHUP, interruptions.contains(where: \.hasCome) { return }
      // Nothing is left to be ended in an orderly way, or it takes too long. A shell sees to that by itself.
      if interruptions.isEmpty || interruptions.contains(where: \.hasCome) {
        if SignalListener.count(number) == 1 { Interruption.endProgram() }
        return
      }
      for interruption in interruptions { interruption.come() }
    }
  }

  private static let hub = Hub()

  /// Whether a command waits for the signal by itself.
  static var isSeenTo: Bool { hub.interruptions.contains { !$0.isOutermost } }

  /// Whether a signal has come.
  var hasCome: Bool { state.withLock(\.hasCome) }

  /// Acts as if a signal had come.
  func come() {
    let (isFirst, waiting) = state.withLock { state in
      defer { (state.hasCome, state.waiting) = (true, []) }
      return (!state.hasCome && !state.isOver, state.waiting)
    }
    if isFirst { whenItComes?() }
    if isFirst, isOutermost { endInTime() }
    for continuation in waiting { continuation.resume() }
  }

  /// What could be interrupted is over. Who still waits for the signal waits no more.
  func finish() {
    let waiting = state.withLock { state in
      defer { (state.isOver, state.waiting) = (true, []) }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Returns when a signal has come, or by ``finish()``.
  func wait() async {
    await withCheckedContinuation { continuation in
      let mustWait = state.withLock { state in
        let mustWait = !state.hasCome && !state.isOver
        if mustWait { state.waiting.append(continuation) }
        return mustWait
      }
      if !mustWait { continuation.resume() }
    }
  }

  /// Returns when a signal has come, or after `duration`.
  func wait(upTo duration: Duration) async {
    let end = ContinuousClock.now + duration
    // In short steps: a sleep cannot be woken by a signal, and half a second of patience is not noticed.
    while !hasCome, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(200)) }
  }

  /// Ends the program where this is not over once all have had the time that they want.
  private func endInTime() {
    let patience = Self.hub.interruptions.map(\.patience).max() ?? patience
    // A thread of its own: what is in the way may hold the loop's, and all that tasks have.
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: patience / .seconds(1))
      if self.state.withLock(\.isOver) { return }
      Self.endProgram()
    }
  }

  /// Whether the user has been told.
  static let isTold = Atomic(false)

  /// Ends the program as it is, with the same status whichever signal it was.
  static func endProgram() -> Never {
    if !isTold.load(ordering: .relaxed) { Console.lastWords("imap: interrupted") }
    _exit(ExitStatus.interrupted.rawValue)
  }
}

extension Interruption {
  /// Runs `body` with the client that `connect` makes. Ctrl-C ends the connection, from its first step on, so that `body`
  /// fails; one that waits for something else then, such as a full pipe, ends with the program. Where a command sees to the
  /// signal by itself, as `watch` does, the connection is left alone, but the program ends all the same.
  static func endsConnection(
    _ connect: @escaping @Sendable () async throws -> IMAPClient, _ body: (IMAPClient) async throws -> Void
  ) async throws {
    let interruption = Interruption(isOutermost: true)
    let connecting = Task { try await connect() }
    let watch = Task {
      await interruption.wait()
      if Task.isCancelled { return }
      connecting.cancel()
      if !isSeenTo { try? await connecting.value.close() }
    }
    defer {
      watch.cancel()
      interruption.finish()
    }
    let client: IMAPClient
    do { client = try await connecting.value } catch {
      throw interruption.hasCome ? Failure(.interrupted, "interrupted") : error
    }
    do { try await body(client) } catch {
      // Decided before LOGOUT: a signal that comes meanwhile is not why `body` has failed.
      let failure = interruption.hasCome ? Failure(interrupted: error) : error
      await client.logout()
      throw failure
    }
    await client.logout()
  }

  /// Runs `work`. Ctrl-C ends the connection, so that `work` fails, and the failure says what became of it.
  static func ends(_ client: IMAPClient, _ consequence: String, _ work: () async throws -> Void) async throws {
    let interruption = Interruption()
    let watch = Task {
      await interruption.wait()
      if !Task.isCancelled { await client.close() }
    }
    defer {
      watch.cancel()
      interruption.finish()
    }
    do {
      try await work()
    } catch {
      if interruption.hasCome { throw Failure(.interrupted, "interrupted; \(consequence)") }
      throw error
    }
  }

  /// Runs `work`, which is all that is left to do. Where a signal has come, or comes meanwhile, it has not much time.
  func bounds(_ work: () async throws -> Void) async throws {
    let last = Interruption(isOutermost: true)
    defer { last.finish() }
    finish()
    if hasCome { last.come() }
    try await work()
  }
}

extension Failure {
  /// What `error` is to the user where a signal has come before it.
  init(interrupted error: any Error) {
    // Not the end of the connection: what a command says of its work holds all the same.
    if let failure = error as? Failure {
      self = failure
      return
    }
    self.init(.interrupted, "interrupted")
    let named = error as? MailboxError
    switch named?.error ?? error as? IMAPError {
    case .outcomeUnknown(let command, _)?, .cancelled(let command, outcomeUnknown: true)?:
      if !Self.isReading(command) { message += "; \(Self.unknownOutcome(command, named?.mailbox))" }
    case .copiedOnly(let copies, let error)?:
      self = Failure(interrupted: error)
      message += "; \(Self.copied(copies))"
    default: break
    }
  }

  /// Whether doing `command` once more does no harm, so that nobody has to know whether it was done.
  static func isReading(_ command: String) -> Bool {
    reading.contains(command.hasPrefix("UID ") ? String(command.dropFirst(4)) : command)
  }

  private static let reading: Set<String> = [
    "CAPABILITY", "CHECK", "ENABLE", "ESEARCH", "EXAMINE", "FETCH", "GETACL", "GETMETADATA", "GETQUOTA", "GETQUOTAROOT",
    "ID", "IDLE", "LIST", "LISTRIGHTS", "LSUB", "MYRIGHTS", "NAMESPACE", "NOOP", "SEARCH", "SELECT", "SORT", "STATUS",
    "THREAD", "UNSELECT", "XLIST",
  ]
}
