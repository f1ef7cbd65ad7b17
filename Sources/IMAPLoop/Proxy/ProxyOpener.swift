import IMAPStateMachine

/// Opens a connection through a proxy: connects to that, and asks it to connect on.
@safe
final class ProxyOpener: StreamOpener, StreamOwner {
  private let proxy: Proxy
  private var connector: Connector?
  private var stream: ByteStream?
  private var handshake: (any ProxyHandshake)?
  private var input: [UInt8] = []
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)

  /// Starts at once, and gives up at the `deadline`.
  init(
    loop: EventLoop, host: String, port: UInt16, proxy: Proxy, options: SocketOptions, deadline: MonotonicInstant,
    completion: @escaping Completion
  ) {
    self.proxy = proxy
    super.init(loop: loop, completion: completion)
    do throws(ConnectionError) {
      handshake = try proxy.handshake(host: host, port: port)
    } catch {
      finish(.failure(error))
      return
    }
    loop.arm(self, at: deadline)
    connector = Connector(loop: loop, host: proxy.host, port: proxy.port, options: options, deadline: deadline) {
      [self] result in
      connector = nil
      switch result {
      case .success(let stream): proxy.kind == .httpsConnect ? secure(stream) : begin(stream)
      case .failure(.transport(let failure)): finish(.failure(proxy.error(failure)))
      case .failure(let error): finish(.failure(error))
      }
    }
  }

  deinit { unsafe memory.deallocate() }

  override func stop() {
    loop.disarm(self)
    connector?.cancel()
    connector = nil
    handshake = nil
    let stream = self.stream
    self.stream = nil
    stream?.close()
  }

  override func timerFired() { finish(.failure(.timedOut(.connect))) }

  /// The proxy's TLS is there, or it failed.
  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    if stream !== self.stream { return }
    if let error { streamFailed(stream, error) } else { begin(stream) }
  }

  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }

  func stream(_ stream: ByteStream, received count: Int) {
    if stream !== self.stream || count == 0 { return }
    unsafe input += memory[..<count]
    step()
  }

  func streamEnded(_ stream: ByteStream) {
    if stream === self.stream { finish(.failure(proxy.error("closed the connection"))) }
  }

  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) {
    if stream !== self.stream { return }
    if case .transport(let failure) = error { return finish(.failure(proxy.error(failure))) }
    finish(.failure(error))
  }

  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) { lost(stream) }

  /// Puts TLS on top of `stream`.
  private func secure(_ stream: ByteStream) {
    if isOver { return stream.close() }
    do throws(ConnectionError) {
      let context = try proxy.contexts.context(proxy.trust)
      let secured = try TLSStream(context, host: proxy.host, peerPort: proxy.port, over: stream)
      secured.owner = self
      self.stream = secured
      secured.start()
    } catch {
      stream.close()
      if case .transport(let failure) = error { return finish(.failure(proxy.error(failure))) }
      finish(.failure(error))
    }
  }

  private func begin(_ stream: ByteStream) {
    stream.owner = self
    if isOver { return stream.close() }
    self.stream = stream
    step()
    if isOver { return }
    do throws(LoopError) {
      try stream.startReading()
    } catch {
      finish(.failure(proxy.error(error.description)))
    }
  }

  private func step() {
    guard let stream, var handshake else { return }
    self.handshake = nil
    do throws(ConnectionError) {
      let isDone = try handshake.read(&input)
      let bytes = handshake.outbound
      handshake.outbound = []
      do throws(LoopError) { _ = try stream.write(bytes.span) } catch { throw proxy.error(error.description) }
      if !isDone {
        self.handshake = handshake
        return
      }
      // The next owner starts anew.
      stream.pauseReading()
      unread = input
      self.stream = nil
      finish(.success(stream))
    } catch {
      finish(.failure(error))
    }
  }
}
