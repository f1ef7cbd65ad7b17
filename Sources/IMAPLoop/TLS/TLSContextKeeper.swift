import IMAPStateMachine
import Synchronization

/// The TLS context of a client's configuration and of its copies, made when it is needed. Configurations that trust the same
/// share it while it is in use: roots take megabytes, and a session can only be resumed by the context that it came from.
final class TLSContextKeeper: Sendable {
  private struct Kept {
    let trust: TLSContext.Trust
    let context: TLSContext
  }

  private struct Shared {
    weak var context: TLSContext?
  }

  private let kept = Mutex<Kept?>(nil)
  private static let shared = Mutex<[TLSContext.Trust: Shared]>([:])

  /// The context that trusts `trust`. Throws as ``TLSContext/client(trust:identity:)``.
  func context(_ trust: TLSContext.Trust) throws(ConnectionError) -> TLSContext {
    if let known = kept.withLock({ $0?.trust == trust ? $0?.context : nil }) { return known }
    let context = try Self.find(trust)
    kept.withLock { $0 = Kept(trust: trust, context: context) }
    return context
  }

  private static func find(_ trust: TLSContext.Trust) throws(ConnectionError) -> TLSContext {
    switch trust {
    // Files may have changed for a configuration that has not read them yet.
    case .file, .folder, .pinsOnly: return try .client(trust: trust)
    case .system, .pem, .insecure: break
    }
    if let known = shared.withLock({ $0[trust]?.context }) { return known }
    let made = try TLSContext.client(trust: trust)
    return shared.withLock { shared in
      if let other = shared[trust]?.context { return other }
      shared = shared.filter { $0.value.context != nil }
      shared[trust] = Shared(context: made)
      return made
    }
  }
}
