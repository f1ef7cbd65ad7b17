import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// SIGHUP, turned into something to wait for. Those that come while one is served count as one.
final class HangUps: Sendable {
  /// A value for each.
  let signals: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation
  private let listener: SignalListener
  private static let hasBegun = Atomic(false)

  /// Whether SIGHUP is something to wait for, and not the end.
  static var areHeard: Bool { hasBegun.load(ordering: .relaxed) }

  init() {
    Self.hasBegun.store(true, ordering: .relaxed)
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.signals = signals
    self.continuation = continuation
    listener = SignalListener(SIGHUP) { continuation.yield() }
  }

  /// Ends ``signals``.
  func end() { continuation.finish() }
}
