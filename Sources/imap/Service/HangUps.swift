import Dispatch

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
  // Touched by `init` and `deinit` only.
  nonisolated(unsafe) private let source: any DispatchSourceSignal

  init() {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.signals = signals
    self.continuation = continuation
    signal(SIGHUP, SIG_IGN)
    unsafe source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
    unsafe source.setEventHandler { continuation.yield() }
    unsafe source.resume()
  }

  deinit { unsafe source.cancel() }

  /// Ends ``signals``.
  func end() { continuation.finish() }
}
