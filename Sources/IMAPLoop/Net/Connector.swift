import IMAPStateMachine

/// Opens one TCP connection: looks the name up, then tries the addresses in order, all before one deadline. An attempt gets
/// its share of the time that is left, so that one dead address does not use it up.
///
/// Racing the addresses (RFC 8305) belongs here: ``attempt()`` would start the next one after a delay.
final class Connector: LoopMember, StreamOwner {
  private let host: String
  private let port: UInt16
  private let deadline: MonotonicInstant
  private var completion: ((Result<TCPStream, ConnectionError>) -> Void)?
  private var query: Resolver.Query?
  private var addresses: ArraySlice<SocketAddress> = []
  private var stream: TCPStream?
  private var lastError: ConnectionError?
  private var result: Result<TCPStream, ConnectionError>?

  /// Starts at once. `completion` is called later and once, unless ``cancel()`` comes first; it must give the stream a new
  /// owner or close it.
  init(
    loop: EventLoop, host: String, port: UInt16, deadline: MonotonicInstant,
    completion: @escaping (Result<TCPStream, ConnectionError>) -> Void
  ) {
    self.host = host
    self.port = port
    self.deadline = deadline
    self.completion = completion
    super.init(loop: loop)
    if let address = SocketAddress(numeric: host, port: port) {
      addresses = [address]
      attempt()
    } else {
      loop.arm(self, at: deadline)
      query = loop.resolver.resolve(host: host, port: port) { [self] result in
        query = nil
        switch result {
        case .success(let found):
          addresses = found[...]
          attempt()
        case .failure(let error): finish(.failure(error))
        }
      }
    }
  }

  /// Gives up. The completion is not called any more.
  func cancel() {
    completion = nil
    stop()
    if case .success(let stream) = result { stream.close() }
    result = nil
  }

  override func tick() {
    guard let result, let completion else { return }
    self.completion = nil
    self.result = nil
    completion(result)
  }

  override func timerFired() {
    if query != nil { return finish(.failure(.timedOut(.resolve))) }
    lastError = .timedOut(.connect)
    stream?.close()
    stream = nil
    if loop.now >= deadline { addresses = [] }
    attempt()
  }

  func streamConnected(_ stream: TCPStream, error: LoopError?) {
    if stream !== self.stream { return }
    self.stream = nil
    guard let error else { return finish(.success(stream)) }
    stream.close()
    lastError = error.connectionError(.connect)
    attempt()
  }

  func streamFailed(_ stream: TCPStream, _ operation: ConnectionError.TransportFailure.Operation, _ error: LoopError) {}

  func streamClosed(_ stream: TCPStream) {
    // Only where the loop shut down under an attempt: this class lets go of a stream before it closes it.
    if case .success(let ready) = result, ready === stream { result = .failure(.closedLocally) }
    if stream !== self.stream { return }
    self.stream = nil
    finish(.failure(.closedLocally))
  }

  // A stream that is only connecting does not read or write.
  @unsafe func streamBuffer(_ stream: TCPStream) -> UnsafeMutableRawBufferPointer { unsafe .init(start: nil, count: 0) }
  func stream(_ stream: TCPStream, received count: Int) {}
  func streamEnded(_ stream: TCPStream) {}
  func streamDrained(_ stream: TCPStream) {}

  private func attempt() {
    while result == nil, let address = addresses.popFirst() {
      do throws(LoopError) {
        let stream = try TCPStream(loop: loop)
        stream.owner = self
        self.stream = stream
        try stream.connect(to: address)
        let left = max(0, deadline.nanoseconds - loop.now.nanoseconds)
        let share = left / Int64(addresses.count + 1)
        return loop.arm(self, at: MonotonicInstant(nanoseconds: loop.now.nanoseconds + share))
      } catch {
        let failed = stream
        stream = nil
        failed?.close()
        lastError = error.connectionError(.connect)
      }
    }
    finish(.failure(lastError ?? .timedOut(.connect)))
  }

  /// Keeps the result until the end of the tick, so that nobody is called from inside the initialiser.
  private func finish(_ result: Result<TCPStream, ConnectionError>) {
    if self.result != nil || completion == nil { return }
    self.result = result
    stop()
    loop.markDirty(self)
  }

  private func stop() {
    loop.disarm(self)
    query?.cancel()
    query = nil
    let stream = self.stream
    self.stream = nil
    stream?.close()
  }
}
