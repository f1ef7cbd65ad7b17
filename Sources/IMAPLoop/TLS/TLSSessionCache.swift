internal import CSSL
import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// One reference to a session of OpenSSL.
@safe
final class TLSSession: @unchecked Sendable {
  // Sendable: OpenSSL counts references with atomics and changes no session that was handed out.
  let pointer: OpaquePointer

  /// Takes over one reference.
  init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

  deinit { unsafe SSL_SESSION_free(pointer) }

  /// RFC 8446, appendix C.4: a ticket of TLS 1.3 is used once. Older sessions may be used until they expire.
  var isSingleUse: Bool { unsafe SSL_SESSION_get_protocol_version(pointer) >= TLS1_3_VERSION }

  /// Seconds since 1970: when the server forgets it.
  var expiry: Int { unsafe Int(SSL_SESSION_get_time(pointer)) &+ Int(SSL_SESSION_get_timeout(pointer)) }
}

/// The sessions with one host, under the one name that was checked. Its connections hold it.
final class TLSSessionRing: @unchecked Sendable {
  // Sendable: only touched under the lock of its cache.

  fileprivate struct Entry {
    let session: TLSSession
    let expiry: Int
  }

  /// Oldest first.
  fileprivate var entries: [Entry] = []
}

/// Sessions that connections to the same host may resume. One for all connections of a context, on all its loops.
final class TLSSessionCache: Sendable {
  /// Sessions for one host. In a storm of connects each that is used brings two new ones.
  let perHost: Int
  /// Sessions in all; each costs one to two kilobytes.
  let total: Int
  /// Seconds that a session is kept at most: a certificate is not looked at again while its sessions are resumed.
  let lifetime: Int

  private struct Key: Hashable {
    let host: String
    let name: String?
    let port: UInt16
  }

  private struct State {
    var rings: [Key: TLSSessionRing] = [:]
    var count = 0
    /// Rings at which those that nobody uses are looked for.
    var sweepAt = 64
  }

  private let state = Mutex(State())

  init(perHost: Int = 16, total: Int = 512, lifetime: Int = 86_400) {
    self.perHost = perHost
    self.total = total
    self.lifetime = lifetime
  }

  /// How many sessions there are.
  var count: Int { state.withLock { $0.count } }

  /// How many hosts are known.
  var ringCount: Int { state.withLock { $0.rings.count } }

  /// Where the sessions with `host` are kept, which was checked under `name` if there is one.
  func ring(host: String, name: String?, port: UInt16) -> TLSSessionRing {
    let key = Key(host: host.lowercased(), name: name, port: port)
    return state.withLock { state in
      if let ring = state.rings[key] { return ring }
      if state.rings.count >= state.sweepAt { Self.sweep(&state) }
      let ring = TLSSessionRing()
      state.rings[key] = ring
      return ring
    }
  }

  /// The newest session that is still good, which is taken out if it may be used once only.
  func take(from ring: TLSSessionRing, now: Int = TLSSessionCache.now) -> TLSSession? {
    state.withLock { state in
      while let entry = ring.entries.last {
        if entry.expiry > now, !entry.session.isSingleUse { return entry.session }
        ring.entries.removeLast()
        state.count -= 1
        if entry.expiry > now { return entry.session }
      }
      return nil
    }
  }

  /// Keeps a session; the oldest goes where there are too many.
  func add(_ session: TLSSession, to ring: TLSSessionRing, now: Int = TLSSessionCache.now) {
    if perHost < 1 || total < 1 { return }
    let entry = TLSSessionRing.Entry(session: session, expiry: min(session.expiry, now + lifetime))
    state.withLock { state in
      let before = ring.entries.count
      ring.entries.removeAll { $0.expiry <= now }
      if ring.entries.count >= perHost { ring.entries.removeFirst(ring.entries.count - perHost + 1) }
      ring.entries.append(entry)
      state.count += ring.entries.count - before
      if state.count > total { Self.dropOldest(&state) }
    }
  }

  /// Seconds since 1970.
  static var now: Int { Int(time(nil)) }

  /// There are as many rings with sessions as there are sessions at most, so this looks at few.
  private static func dropOldest(_ state: inout State) {
    let ring = state.rings.values.filter { !$0.entries.isEmpty }
      .min { ($0.entries.first?.expiry ?? .max) < ($1.entries.first?.expiry ?? .max) }
    guard let ring else { return }
    ring.entries.removeFirst()
    state.count -= 1
  }

  /// Forgets the rings that are empty and that no connection holds.
  private static func sweep(_ state: inout State) {
    for key in Array(state.rings.keys) {
      guard var ring = state.rings.removeValue(forKey: key) else { continue }
      if ring.entries.isEmpty, isKnownUniquelyReferenced(&ring) { continue }
      state.rings[key] = ring
    }
    state.sweepAt = max(64, state.rings.count * 2)
  }
}
