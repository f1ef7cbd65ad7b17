internal import CUV
internal import DequeModule
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Turns names into addresses. The system's resolver blocks a thread of libuv's small pool, which a process shares, so few
/// look-ups run at once and the others wait here. Those for the same name are one, and what they bring is kept for a while.
///
/// The system answers for both families at once (`getaddrinfo`). So there are no two queries of which one may be late, and RFC
/// 8305, section 3 with its Resolution Delay has nothing to decide here.
///
/// A look-up that hangs cannot be interrupted. Where nobody waits for it any more it makes room for the next one: the system
/// goes on with up to ``mostRunning`` of a loop, and what they bring at last is kept. libuv by itself runs two at once in a
/// process with its pool of four threads; `UV_THREADPOOL_SIZE` in the environment makes that more, half of it for look-ups.
final class Resolver {
  typealias Outcome = NameCache.Outcome

  /// One caller's look-up.
  final class Query {
    let host: String
    let port: UInt16
    fileprivate var completion: ((Outcome) -> Void)?
    fileprivate weak var lookup: Lookup?

    fileprivate init(host: String, port: UInt16, completion: @escaping (Outcome) -> Void) {
      self.host = host
      self.port = port
      self.completion = completion
    }

    /// Forgets the look-up: its completion is not called any more. The system may go on with it for a while.
    func cancel() {
      if completion == nil { return }
      completion = nil
      lookup?.queryCancelled()
    }

    fileprivate func complete(_ outcome: Outcome) {
      let completion = self.completion
      self.completion = nil
      completion?(outcome.map { addresses in addresses.map { $0.with(port: port) } })
    }
  }

  /// What all queries for one name wait for.
  @safe
  fileprivate final class Lookup {
    let host: String
    private(set) var queries: [Query] = []
    /// How many of them were not cancelled.
    private(set) var wanted = 0
    /// Whether the system was kept from beginning: it brings nothing.
    private(set) var isCancelled = false
    var request: UnsafeMutablePointer<uv_getaddrinfo_t>?
    unowned let resolver: Resolver

    init(_ resolver: Resolver, host: String) {
      self.resolver = resolver
      self.host = host
      unsafe request = nil
    }

    func add(_ query: Query) {
      queries.append(query)
      wanted += 1
      query.lookup = self
    }

    func queryCancelled() {
      wanted -= 1
      if wanted > 0 { return }
      queries = []
      if let request = unsafe request {
        // Works only while no thread has begun with it.
        let status = unsafe uv_cancel(UnsafeMutableRawPointer(request).assumingMemoryBound(to: uv_req_t.self))
        isCancelled = status == 0
      }
      resolver.startWaiting()
    }
  }

  /// What is known already.
  var cache = NameCache()
  /// Stands in for the system's resolver in tests. It must call back later.
  var substitute: ((_ host: String, @escaping (Outcome) -> Void) -> Void)?

  private unowned let loop: EventLoop
  private var waiting = Deque<Lookup>()
  private var running: [Lookup] = []
  /// The newest of each name, waiting or running.
  private var lookups: [String: Lookup] = [:]

  init(loop: EventLoop) { self.loop = loop }

  /// Looks `host` up. `completion` is called later and once, with at least one address or an error, never from inside this
  /// call. Numeric addresses need no look-up: see ``SocketAddress/init(numeric:port:)``.
  func resolve(host: String, port: UInt16, completion: @escaping (Outcome) -> Void) -> Query {
    let query = Query(host: host, port: port, completion: completion)
    if let known = cache.find(host, loop.now), !loop.isShuttingDown {
      completeLater([query], known)
      return query
    }
    let key = host.lowercased()
    let lookup: Lookup
    // Also one that nobody waits for any more: its answer is as good.
    if let found = lookups[key], !found.isCancelled {
      lookup = found
    } else {
      lookup = Lookup(self, host: key)
      lookups[key] = lookup
      waiting.append(lookup)
    }
    lookup.add(query)
    startWaiting()
    return query
  }

  /// No address of `host` was any good: the next look-up asks anew.
  func forget(_ host: String) { cache.forget(host) }

  /// Cancels everything: the loop shuts down.
  func cancelAll() {
    let lookups = running + waiting
    waiting.removeAll()
    self.lookups = [:]
    for query in lookups.flatMap(\.queries) {
      let completion = query.completion
      query.cancel()
      completion?(.failure(.closedLocally))
    }
  }

  /// Look-ups at once that somebody waits for: half of libuv's four threads, so that slow name servers leave some for others.
  static var concurrent: Int { 2 }
  /// Look-ups at once with those that nobody waits for any more.
  static var mostRunning: Int { 8 }

  /// Whether another look-up may begin.
  private var hasRoom: Bool {
    running.count < Self.mostRunning && running.count(where: { $0.wanted > 0 }) < Self.concurrent
  }

  private func startWaiting() {
    while let lookup = waiting.first {
      if lookup.wanted == 0 {
        waiting.removeFirst()
        drop(lookup)
        continue
      }
      if !hasRoom { return }
      waiting.removeFirst()
      if let substitute {
        running.append(lookup)
        substitute(lookup.host) { [self] outcome in finished(lookup, outcome) }
        continue
      }
      let status = start(lookup)
      if status == 0 { continue }
      drop(lookup)
      completeLater(lookup.queries, .failure(failure(of: lookup, status)))
    }
  }

  private func drop(_ lookup: Lookup) {
    if lookups[lookup.host] === lookup { lookups[lookup.host] = nil }
  }

  /// From the end of the tick: a completion never runs inside `resolve`.
  private func completeLater(_ queries: [Query], _ outcome: Outcome) {
    loop.markDirty(Late(queries, outcome, loop))
  }

  private func start(_ lookup: Lookup) -> Int32 {
    if loop.isShuttingDown { return UV_ECANCELED.rawValue }
    // C strings end at the first zero byte: "good.example\0.evil" must not become another name.
    if lookup.host.isEmpty || lookup.host.utf8.contains(0) { return UV_EINVAL.rawValue }
    let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    unsafe request.initialize(to: uv_getaddrinfo_t())
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe request.pointee.data = Unmanaged.passRetained(lookup).toOpaque()
    let status = unsafe uv_getaddrinfo(
      loop.uv, request,
      { request, status, addresses in
        guard let request = unsafe request, let data = unsafe request.pointee.data else { return }
        // Safe: balances `passRetained`; libuv calls this once for each request that it took.
        let lookup = unsafe Unmanaged<Lookup>.fromOpaque(data).takeRetainedValue()
        let found = unsafe Resolver.list(addresses)
        unsafe uv_freeaddrinfo(addresses)
        unsafe request.deallocate()
        unsafe lookup.request = nil
        lookup.resolver.systemFinished(lookup, status, found)
      }, lookup.host, nil, &hints)
    if status != 0 {
      unsafe Unmanaged.passUnretained(lookup).release()
      unsafe request.deallocate()
      return status
    }
    unsafe lookup.request = request
    running.append(lookup)
    loop.counters.open(.lookup)
    return 0
  }

  private func systemFinished(_ lookup: Lookup, _ status: Int32, _ addresses: [SocketAddress]) {
    loop.counters.close(.lookup)
    loop.counters.free(.lookup)
    if status == UV_EAI_CANCELED.rawValue || status == UV_ECANCELED.rawValue {
      finished(lookup, .failure(.closedLocally))
    } else if status != 0 {
      finished(lookup, .failure(failure(of: lookup, status)))
    } else if addresses.isEmpty {
      finished(
        lookup, .failure(.transport(.init(.resolve, message: "\(lookup.host): no internet address"))))
    } else {
      finished(lookup, .success(addresses))
    }
  }

  /// libuv's `status` with the name that was looked up: a program may have many.
  private func failure(of lookup: Lookup, _ status: Int32) -> ConnectionError {
    let error = LoopError(status, "resolve").connectionError(.resolve)
    guard case .transport(var failure) = error else { return error }
    failure.message = "\(lookup.host): \(failure.message)"
    return .transport(failure)
  }

  private func finished(_ lookup: Lookup, _ outcome: Outcome) {
    running.removeAll { $0 === lookup }
    drop(lookup)
    cache.keep(lookup.host, outcome, loop.now)
    for query in lookup.queries { query.complete(outcome) }
    startWaiting()
  }

  /// In the order of the system, which follows RFC 6724, without duplicates.
  private static func list(_ first: UnsafeMutablePointer<addrinfo>?) -> [SocketAddress] {
    var found: [SocketAddress] = []
    var next = unsafe first
    // No real name has more, and the caller tries them all.
    while let entry = unsafe next, found.count < 32 {
      if let system = unsafe entry.pointee.ai_addr, let address = unsafe SocketAddress(system, port: 0),
        !found.contains(address)
      {
        found.append(address)
      }
      unsafe next = entry.pointee.ai_next
    }
    return found
  }

  private final class Late: LoopMember {
    private let queries: [Query]
    private let outcome: Outcome

    init(_ queries: [Query], _ outcome: Outcome, _ loop: EventLoop) {
      self.queries = queries
      self.outcome = outcome
      super.init(loop: loop)
    }

    override func tick() {
      for query in queries { query.complete(outcome) }
    }
  }
}
