internal import CUV
import IMAPStateMachine

/// TLS as a stream on top of another one: what is said to a proxy that wants it so. A ``Channel`` does its own TLS with less
/// memory; this has a port and buffers to itself, because the channel's session works while this one does.
///
/// The handle is one of libuv that never does anything, as that of ``TaskStream``.
@safe
final class TLSStream: ByteStream, StreamOwner {
  private enum Ending {
    case closed
    case failed(ConnectionError)
  }

  private let inner: ByteStream
  private let engine: TLSEngine
  private let port = TLSPort(readSize: TLSStream.readSize)
  private let handle: UnsafeMutablePointer<uv_idle_t>
  private var plain = ReceiveBuffer()
  /// Plain text that nobody has taken yet.
  private var incoming: ArraySlice<UInt8> = []
  private var ending: Ending?
  private var isHandingOver = false

  /// A session on `inner`, which is closed together with this. A client names the `host` whose certificate is expected, a server
  /// passes nil. ``start()`` begins. Where this throws `inner` is the caller's still.
  init(
    _ context: TLSContext, host: String?, peerPort: UInt16 = 0, over inner: ByteStream
  ) throws(ConnectionError) {
    self.inner = inner
    engine = try TLSEngine(context, host: host, peerPort: peerPort, port: port)
    unsafe handle = .allocate(capacity: 1)
    let loop = inner.loop
    super.init(on: loop)
    let status = unsafe loop.isShuttingDown ? UV_ECANCELED.rawValue : uv_idle_init(loop.uv, handle)
    if status != 0 {
      unsafe handle.deallocate()
      throw LoopError(status, "open TLS").connectionError(.tls)
    }
    opened()
    loop.counters.open(.tls)
    inner.owner = self
  }

  override var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
  }

  override func deallocate() { unsafe handle.deallocate() }

  override func handleClosed() {
    inner.owner = nil
    inner.close()
    incoming = []
    loop.counters.close(.tls)
    loop.counters.free(.tls)
    super.handleClosed()
  }

  /// Shakes hands; ``StreamOwner/streamConnected(_:error:)`` follows, also from inside this call.
  func start() {
    do throws(ConnectionError) {
      _ = try engine.handshake()
      try send()
      do throws(LoopError) { try inner.startReading() } catch { throw error.connectionError(.read) }
    } catch {
      fail(error)
    }
  }

  // MARK: As a stream

  override func startReading() throws(LoopError) {
    if wantsRead || isClosing { return }
    wantsRead = true
    if incoming.isEmpty, ending == nil { try inner.startReading() } else { handOverLater() }
  }

  override func pauseReading() {
    wantsRead = false
    // Its peer may want an answer until the handshake is complete.
    if engine.isEstablished { inner.pauseReading() }
  }

  override func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int {
    if isClosing { throw LoopError(UV_ECANCELED.rawValue, "write") }
    var sent = 0
    do throws(ConnectionError) {
      while sent < bytes.count, queued < limit {
        let count = try engine.write(bytes.extracting(sent...))
        if count == 0 { break }
        sent += count
        try send()
      }
    } catch {
      throw LoopError(UV_EPROTO.rawValue, "write through TLS")
    }
    return sent
  }

  override func shutdownWriting() {
    if isClosing { return }
    engine.close()
    do throws(ConnectionError) { try send() } catch { return fail(error) }
    inner.shutdownWriting()
  }

  override var remoteAddress: SocketAddress? { isClosing ? nil : inner.remoteAddress }
  override var localAddress: SocketAddress? { isClosing ? nil : inner.localAddress }

  // MARK: As the owner of the other one

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe port.readBuffer }

  func stream(_ stream: ByteStream, received count: Int) {
    if isClosing || count == 0 || ending != nil { return }
    let wasEstablished = engine.isEstablished
    do throws(ConnectionError) {
      let result = try port.withReadBuffer(count) { () throws(ConnectionError) -> TLSEngine.ReadResult in
        if try !engine.handshake() { return .needsInput }
        return try engine.read(into: &plain)
      }
      try send()
      if result == .closed { ending = .closed }
    } catch {
      ending = .failed(error)
    }
    Self.append(plain.readable, to: &incoming)
    plain.reset()
    if !wasEstablished {
      if case .failed(let error)? = ending { return fail(error) }
      if !engine.isEstablished { return }
      if !wantsRead { inner.pauseReading() }
      owner?.streamConnected(self, error: nil)
    }
    handOver()
  }

  func streamEnded(_ stream: ByteStream) {
    if ending != nil { return }
    do throws(ConnectionError) {
      try engine.endOfInput()
      ending = .closed
      handOver()
    } catch {
      fail(error)
    }
  }

  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { fail(error) }

  func streamDrained(_ stream: ByteStream) {
    queued = 0
    if engine.isEstablished { owner?.streamDrained(self) }
  }

  func streamClosed(_ stream: ByteStream) { close() }

  // MARK: -

  /// A record's largest plain text (RFC 8446), and what is around it.
  private static let readSize = 17 * 1024

  private static func append(_ bytes: Span<UInt8>, to slice: inout ArraySlice<UInt8>) {
    slice.reserveCapacity(slice.count + bytes.count)
    for index in bytes.indices { slice.append(bytes[index]) }
  }

  /// Passes on what OpenSSL has left for the peer.
  private func send() throws(ConnectionError) {
    let port = self.port
    if port.output.isEmpty { return }
    do throws(LoopError) { _ = try inner.write(port.output.span) } catch { throw error.connectionError(.write) }
    port.clearOutput()
    queued = inner.queued
  }

  private func fail(_ error: ConnectionError) {
    if isClosing { return }
    if !engine.isEstablished {
      // An alert tells the peer what was wrong.
      let port = self.port
      _ = try? inner.write(port.output.span)
      port.clearOutput()
      owner?.streamConnected(self, error: error)
      return
    }
    ending = .failed(error)
    handOver()
  }

  /// Not from inside a call of the owner's.
  private func handOverLater() {
    if isHandingOver { return }
    isHandingOver = true
    let me = OnLoop(stream: self)
    loop.submit {
      me.stream.isHandingOver = false
      me.stream.handOver()
    }
  }

  private func handOver() {
    while wantsRead, !isClosing, !incoming.isEmpty, let owner {
      let memory = unsafe owner.streamBuffer(self)
      let piece = incoming.prefix(memory.count)
      // No memory: nobody can take it.
      if piece.isEmpty { return }
      unsafe memory.copyBytes(from: piece)
      incoming = incoming.dropFirst(piece.count)
      owner.stream(self, received: piece.count)
    }
    if !wantsRead || isClosing || !incoming.isEmpty { return }
    incoming = []
    switch ending {
    case .closed:
      wantsRead = false
      owner?.streamEnded(self)
    case .failed(let error):
      wantsRead = false
      owner?.streamFailed(self, error)
    case nil:
      do throws(LoopError) { try inner.startReading() } catch { fail(error.connectionError(.read)) }
    }
  }

  /// Sendable: only used on the loop's thread.
  private struct OnLoop: @unchecked Sendable {
    let stream: TLSStream
  }
}
