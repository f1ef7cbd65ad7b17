internal import CUV
import IMAPStateMachine

/// TLS as a stream on top of another one: what is said to a proxy that wants it so. A ``Channel`` does its own TLS with less
/// memory; this has a port and buffers to itself, because the channel's session works while this one does.
@safe
final class TLSStream: RelayedStream, StreamOwner {
  private let inner: ByteStream
  private let engine: TLSEngine
  private let port = TLSPort(readSize: TLSStream.readSize)
  private var plain = ReceiveBuffer()

  /// A session on `inner`, which is closed together with this. A client names the `host` whose certificate is expected, a server
  /// passes nil. ``start()`` begins. Where this throws `inner` is the caller's still.
  init(
    _ context: TLSContext, host: String?, peerPort: UInt16 = 0, over inner: ByteStream
  ) throws(ConnectionError) {
    self.inner = inner
    engine = try TLSEngine(context, host: host, peerPort: peerPort, port: port)
    super.init(on: inner.loop)
    do throws(LoopError) { try open("open TLS") } catch { throw error.connectionError(.tls) }
    loop.counters.open(.tls)
    inner.owner = self
  }

  override func handleClosed() {
    inner.owner = nil
    inner.close()
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

  override func receive() throws(LoopError) { try inner.startReading() }

  override func pauseReading() {
    super.pauseReading()
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
      if case .transport(let failure) = error, failure.operation == .write, let code = Int32(exactly: failure.code) {
        throw LoopError(code, "write")
      }
      throw LoopError(UV_EPROTO.rawValue, "write through TLS")
    }
    return sent
  }

  override func takeProgress() -> Bool { inner.takeProgress() }

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
    var ending: Ending?
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
    if let ending { end(ending) } else { handOver() }
  }

  func streamEnded(_ stream: ByteStream) {
    if ending != nil { return }
    do throws(ConnectionError) {
      try engine.endOfInput()
      end(.closed)
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
    end(.failed(error))
  }
}
