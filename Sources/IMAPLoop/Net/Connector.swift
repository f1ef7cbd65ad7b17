import IMAPStateMachine

/// Opens one TCP connection: looks the name up, then races the addresses (RFC 8305), all before one deadline.
final class Connector: StreamOpener, StreamOwner {
  private let host: String
  private let port: UInt16
  private let deadline: MonotonicInstant
  private let options: SocketOptions
  private var query: Resolver.Query?
  // Unchecked for exclusive access, which every connection would pay for a dozen times: neither calls anybody.
  @safe @exclusivity(unchecked) private var race: HappyEyeballs?
  /// The attempts that are under way, by the numbers of their addresses. Few, and as a rule one.
  @safe @exclusivity(unchecked) private var attempts: [(index: Int, stream: TCPStream)] = []

  /// Starts at once. `completion` is called later and once, unless ``cancel()`` comes first; it must give the stream, which reads
  /// already, a new owner or close it.
  init(
    loop: EventLoop, host: String, port: UInt16, options: SocketOptions = .init(), deadline: MonotonicInstant,
    completion: @escaping Completion
  ) {
    self.host = host
    self.port = port
    self.deadline = deadline
    self.options = options
    super.init(loop: loop, completion: completion)
    if let address = SocketAddress(numeric: host, port: port) {
      begin([address])
    } else {
      loop.arm(self, at: deadline)
      query = loop.resolver.resolve(host: host, port: port) { [self] result in
        query = nil
        switch result {
        case .success(let found): begin(found)
        case .failure(let error): finish(.failure(error))
        }
      }
    }
  }

  override func stop() {
    loop.disarm(self)
    query?.cancel()
    query = nil
    race = nil
    let attempts = self.attempts
    self.attempts = []
    for attempt in attempts { attempt.stream.close() }
  }

  override func timerFired() {
    if query != nil { return finish(.failure(.timedOut(.resolve))) }
    perform(race?.timer(loop.now) ?? [])
  }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    guard let index = index(of: stream) else { return }
    if let error {
      failed(index, error)
    } else {
      perform(race?.connected(index) ?? [])
      _ = take(index)
      finishAtOnce(.success(stream))
    }
  }

  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {}

  // Only where the loop shut down under an attempt: this class lets go of a stream before it closes it.
  func streamClosed(_ stream: ByteStream) {
    if let index = index(of: stream) { _ = take(index) }
    lost(stream)
  }

  // Nothing comes before it is connected, and then it has its next owner.
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer {
    unsafe .init(start: nil, count: 0)
  }
  func stream(_ stream: ByteStream, received count: Int) {}
  func streamEnded(_ stream: ByteStream) {}
  func streamDrained(_ stream: ByteStream) {}

  private func index(of stream: ByteStream) -> Int? { attempts.first { $0.stream === stream }?.index }

  /// The stream of an attempt, which is under way no more.
  private func take(_ index: Int) -> TCPStream? {
    guard let place = attempts.firstIndex(where: { $0.index == index }) else { return nil }
    return attempts.remove(at: place).stream
  }

  private func giveUp(_ index: Int) {
    let stream = take(index)
    stream?.owner = nil
    stream?.close()
  }

  private func begin(_ addresses: [SocketAddress]) {
    race = HappyEyeballs(addresses, deadline: deadline)
    perform(race?.start(loop.now) ?? [])
  }

  private func failed(_ index: Int, _ error: ConnectionError) {
    giveUp(index)
    perform(race?.failed(index, error, loop.now) ?? [])
  }

  private func perform(_ actions: [HappyEyeballs.Action]) {
    var actions = actions[...]
    while let action = actions.popFirst(), !isOver {
      switch action {
      case .connect(let index):
        guard let address = race?.addresses[index] else { continue }
        do throws(LoopError) {
          attempts.append((index, try TCPStream.connecting(to: address, options, on: loop, owner: self)))
        } catch {
          actions += race?.failed(index, error.connectionError(.connect), loop.now) ?? []
        }
      case .close(let index): giveUp(index)
      case .fail:
        // The name may have moved.
        loop.resolver.forget(host)
        finish(.failure(race?.error ?? .timedOut(.connect)))
      }
    }
    if let wakeAt = race?.wakeAt { loop.arm(self, at: wakeAt) }
  }
}
