internal import CUV
import IMAPStateMachine

/// Opens the streams that are no TCP connections to a host.
final class LocalOpener: StreamOpener, StreamOwner {
  private var stream: ByteStream?
  private let name: String

  /// Starts at once, and gives up at the `deadline`.
  init(
    loop: EventLoop, _ transport: Transport, proxy: Proxy?, deadline: MonotonicInstant,
    completion: @escaping Completion
  ) {
    name = transport.name
    super.init(loop: loop, completion: completion)
    loop.arm(self, at: deadline)
    do throws(ConnectionError) {
      if proxy != nil {
        throw .transport(.init(.proxy, message: "\(name): a proxy needs TCP; leave out one of the two"))
      }
      try start(transport)
    } catch {
      finish(.failure(error))
    }
  }

  private func start(_ transport: Transport) throws(ConnectionError) {
    switch transport.kind {
    case .tcp: throw .transport(.init(.connect, message: "no host to connect to"))
    case .unixSocket(let path):
      try attempt(.connect) { [self] () throws(LoopError) in
        let pipe = try PipeStream(loop: loop)
        pipe.owner = self
        stream = pipe
        try pipe.connect(toPath: path)
      }
    case .command(let command):
      let child = try attempt(.command) { [self] () throws(LoopError) in try ProcessStream(loop: loop, command) }
      ready(child)
    case .descriptor(let single):
      guard let descriptor = single.take() else { throw usedUp() }
      ready(try attempt(.connect) { [self] () throws(LoopError) in try open(descriptor) })
    case .pipe(let single):
      guard let pipe = single.take() else { throw usedUp() }
      try take(pipe)
    case .pipes(let open):
      try attempt(.connect) { [self] () throws(LoopError) in
        let pipe = try TaskStream(loop: loop)
        pipe.owner = self
        stream = pipe
        pipe.connect(open)
      }
    }
  }

  override func stop() {
    loop.disarm(self)
    let stream = self.stream
    self.stream = nil
    stream?.close()
  }

  override func timerFired() { finish(.failure(.timedOut(.connect))) }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    if stream !== self.stream { return }
    if let error { return finish(.failure(named(error))) }
    self.stream = nil
    finish(.success(stream))
  }

  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {}
  func streamClosed(_ stream: ByteStream) { lost(stream) }

  // A stream that is only connecting does not read or write.
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer {
    unsafe .init(start: nil, count: 0)
  }
  func stream(_ stream: ByteStream, received count: Int) {}
  func streamEnded(_ stream: ByteStream) {}
  func streamDrained(_ stream: ByteStream) {}

  private func ready(_ stream: ByteStream) {
    stream.owner = self
    finish(.success(stream))
  }

  private func take(_ pipe: any BytePipe) throws(ConnectionError) {
    ready(try attempt(.connect) { [self] () throws(LoopError) in try TaskStream(loop: loop, pipe) })
  }

  private func open(_ descriptor: Int32) throws(LoopError) -> ByteStream {
    switch uv_guess_handle(descriptor) {
    case UV_TCP:
      let stream = try TCPStream(loop: loop)
      do throws(LoopError) {
        try stream.open(descriptor)
        return stream
      } catch {
        stream.close()
        throw error
      }
    case UV_NAMED_PIPE:
      let stream = try PipeStream(loop: loop)
      do throws(LoopError) {
        try stream.open(descriptor)
        return stream
      } catch {
        stream.close()
        throw error
      }
    default: throw LoopError(UV_ENOTSOCK.rawValue, "open")
    }
  }

  private func attempt<Value>(
    _ operation: ConnectionError.TransportFailure.Operation, _ body: () throws(LoopError) -> Value
  ) throws(ConnectionError) -> Value {
    do throws(LoopError) { return try body() } catch { throw named(error.connectionError(operation)) }
  }

  private func named(_ error: ConnectionError) -> ConnectionError {
    guard case .transport(var failure) = error else { return error }
    failure.message = "\(name): \(failure.message)"
    return .transport(failure)
  }

  private func usedUp() -> ConnectionError {
    .transport(.init(.connect, message: "\(name) was used for a connection already, and cannot be opened anew"))
  }
}

extension Transport {
  /// For errors.
  fileprivate var name: String {
    switch kind {
    case .tcp: "TCP"
    case .unixSocket(let path): "socket \(path)"
    case .command(let command): command.description
    case .descriptor: "the descriptor"
    case .pipe, .pipes: "the pipe"
    }
  }
}
