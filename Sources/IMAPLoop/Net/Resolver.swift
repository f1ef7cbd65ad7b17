internal import CUV
internal import DequeModule
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Turns names into addresses. The system's resolver blocks a thread of libuv's small pool, which a process shares, so few
/// look-ups run at once and the others wait here.
final class Resolver {
  /// One look-up.
  @safe
  final class Query {
    let host: String
    let port: UInt16
    fileprivate var completion: ((Result<[SocketAddress], ConnectionError>) -> Void)?
    fileprivate var request: UnsafeMutablePointer<uv_getaddrinfo_t>?
    fileprivate unowned let resolver: Resolver

    fileprivate init(
      _ resolver: Resolver, host: String, port: UInt16,
      completion: @escaping (Result<[SocketAddress], ConnectionError>) -> Void
    ) {
      self.resolver = resolver
      self.host = host
      self.port = port
      self.completion = completion
      unsafe request = nil
    }

    /// Forgets the look-up: its completion is not called any more. The system may go on with it for a while.
    func cancel() {
      completion = nil
      if let request = unsafe request {
        // Works only while no thread has begun with it.
        unsafe uv_cancel(UnsafeMutableRawPointer(request).assumingMemoryBound(to: uv_req_t.self))
      }
    }
  }

  private unowned let loop: EventLoop
  private var waiting = Deque<Query>()
  private var running: [Query] = []

  init(loop: EventLoop) { self.loop = loop }

  /// Looks `host` up. `completion` is called later and once, with at least one address or an error, never from inside this
  /// call. Numeric addresses need no look-up: see ``SocketAddress/init(numeric:port:)``.
  func resolve(
    host: String, port: UInt16, completion: @escaping (Result<[SocketAddress], ConnectionError>) -> Void
  ) -> Query {
    let query = Query(self, host: host, port: port, completion: completion)
    waiting.append(query)
    startWaiting()
    return query
  }

  /// Cancels everything: the loop shuts down.
  func cancelAll() {
    let queries = running + waiting
    waiting.removeAll()
    for query in queries {
      let completion = query.completion
      query.cancel()
      completion?(.failure(.closedLocally))
    }
  }

  /// Half of libuv's four threads, so that slow name servers leave some for others.
  private static var concurrent: Int { 2 }

  private func startWaiting() {
    while running.count < Self.concurrent, let query = waiting.popFirst() {
      if query.completion == nil { continue }
      let status = start(query)
      if status == 0 { continue }
      // Reported from the end of the tick: a completion never runs inside `resolve`.
      let late = LateFailure(query, LoopError(status, "resolve \(query.host)"), loop)
      loop.markDirty(late)
    }
  }

  private func start(_ query: Query) -> Int32 {
    if loop.isShuttingDown { return UV_ECANCELED.rawValue }
    // C strings end at the first zero byte: "good.example\0.evil" must not become another name.
    if query.host.isEmpty || query.host.utf8.contains(0) { return UV_EINVAL.rawValue }
    let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    unsafe request.initialize(to: uv_getaddrinfo_t())
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe request.pointee.data = Unmanaged.passRetained(query).toOpaque()
    let status = unsafe uv_getaddrinfo(
      loop.uv, request,
      { request, status, addresses in
        guard let request = unsafe request, let data = unsafe request.pointee.data else { return }
        // Safe: balances `passRetained`; libuv calls this once for each request that it took.
        let query = unsafe Unmanaged<Query>.fromOpaque(data).takeRetainedValue()
        let found = unsafe Resolver.list(addresses, port: query.port)
        unsafe uv_freeaddrinfo(addresses)
        unsafe request.deallocate()
        unsafe query.request = nil
        query.resolver.finished(query, status, found)
      }, query.host, nil, &hints)
    if status != 0 {
      unsafe Unmanaged.passUnretained(query).release()
      unsafe request.deallocate()
      return status
    }
    unsafe query.request = request
    running.append(query)
    loop.counters.open(.lookup)
    return 0
  }

  private func finished(_ query: Query, _ status: Int32, _ addresses: [SocketAddress]) {
    loop.counters.close(.lookup)
    loop.counters.free(.lookup)
    running.removeAll { $0 === query }
    let completion = query.completion
    query.completion = nil
    if status != 0 {
      completion?(.failure(LoopError(status, "resolve").connectionError(.resolve)))
    } else if addresses.isEmpty {
      completion?(.failure(.transport(.init(.resolve, message: "no internet address for \(query.host)"))))
    } else {
      completion?(.success(addresses))
    }
    startWaiting()
  }

  /// In the order of the system, which follows RFC 6724, without duplicates.
  private static func list(_ first: UnsafeMutablePointer<addrinfo>?, port: UInt16) -> [SocketAddress] {
    var found: [SocketAddress] = []
    var next = unsafe first
    // No real name has more, and the caller tries them one after the other.
    while let entry = unsafe next, found.count < 32 {
      if let system = unsafe entry.pointee.ai_addr, let address = unsafe SocketAddress(system, port: port),
        !found.contains(address)
      {
        found.append(address)
      }
      unsafe next = entry.pointee.ai_next
    }
    return found
  }

  private final class LateFailure: LoopMember {
    private let query: Query
    private let error: LoopError

    init(_ query: Query, _ error: LoopError, _ loop: EventLoop) {
      self.query = query
      self.error = error
      super.init(loop: loop)
    }

    override func tick() {
      let completion = query.completion
      query.completion = nil
      completion?(.failure(error.connectionError(.resolve)))
    }
  }
}
