internal import CUV
import IMAPStateMachine

/// Who uses a ``TCPStream``. Nothing is called after ``streamClosed(_:)``, and only that one after a ``Handle/close()``.
protocol StreamOwner: AnyObject {
  /// The connection is there, or it failed.
  func streamConnected(_ stream: TCPStream, error: LoopError?)
  /// Memory for the next read. It must stay valid until ``stream(_:received:)`` follows, which happens at once.
  @unsafe func streamBuffer(_ stream: TCPStream) -> UnsafeMutableRawBufferPointer
  /// `count` bytes were written to the start of that memory. 0 means that there was nothing after all.
  func stream(_ stream: TCPStream, received count: Int)
  /// The peer sends no more.
  func streamEnded(_ stream: TCPStream)
  /// Reading or writing failed: nothing but closing is left.
  func streamFailed(_ stream: TCPStream, _ operation: ConnectionError.TransportFailure.Operation, _ error: LoopError)
  /// Everything that was queued is written.
  func streamDrained(_ stream: TCPStream)
  /// The handle is closed and freed.
  func streamClosed(_ stream: TCPStream)
}

/// One TCP connection. It owns nothing but what the kernel did not take yet.
@safe
final class TCPStream: Handle {
  /// Who is called. Set it before the first event can come: in the same callback that made the stream.
  var owner: (any StreamOwner)?
  /// Bytes that the kernel did not take yet.
  private(set) var queued = 0

  private let tcp: UnsafeMutablePointer<uv_tcp_t>
  private var wantsRead = false
  private var isThrottled = false
  private var fullReads: UInt8 = 0
  private var lastIteration: UInt32 = 0

  init(loop: EventLoop) throws(LoopError) {
    unsafe tcp = .allocate(capacity: 1)
    super.init(on: loop)
    let status = unsafe loop.isShuttingDown ? UV_ECANCELED.rawValue : uv_tcp_init(loop.uv, tcp)
    if status != 0 {
      unsafe tcp.deallocate()
      throw LoopError(status, "open socket")
    }
    opened()
  }

  override var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_handle_t.self)
  }

  override func deallocate() { unsafe tcp.deallocate() }

  override func handleClosed() {
    let owner = self.owner
    self.owner = nil
    owner?.streamClosed(self)
  }

  /// Starts to connect; ``StreamOwner/streamConnected(_:error:)`` follows unless this throws.
  func connect(to address: SocketAddress) throws(LoopError) {
    if isClosing { throw LoopError(UV_ECANCELED.rawValue, "connect") }
    let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    let status = unsafe address.withSystemAddress { address in
      unsafe uv_tcp_connect(request, tcp, address) { request, status in
        guard let request = unsafe request else { return }
        let stream = unsafe TCPStream.of(request.pointee.handle)
        unsafe request.deallocate()
        stream?.countRequestDone()
        stream?.connected(status)
      }
    }
    if status != 0 {
      unsafe request.deallocate()
      throw LoopError(status, "connect to \(address)")
    }
    loop.counters.open(.request)
  }

  /// Takes the connection that `listener` has announced.
  func accept(from listener: UnsafeMutablePointer<uv_stream_t>) throws(LoopError) {
    try unsafe check(uv_accept(listener, stream), "accept")
    setUp()
  }

  /// Reads whenever there is something, until ``pauseReading()``.
  func startReading() throws(LoopError) {
    if wantsRead || isClosing { return }
    wantsRead = true
    if !isThrottled { try readStart() }
  }

  /// Leaves everything in the kernel from now on, so that the peer slows down.
  func pauseReading() {
    if !wantsRead { return }
    wantsRead = false
    if !isClosing { unsafe uv_read_stop(stream) }
  }

  /// Writes what the kernel takes at once and queues up to `limit` bytes of the rest. Returns how many bytes were taken in
  /// all. Order is kept across calls. Nothing is called back before this returns.
  func write(_ bytes: Span<UInt8>, queueing limit: Int = .max) throws(LoopError) -> Int {
    if isClosing { throw LoopError(UV_ECANCELED.rawValue, "write") }
    if bytes.isEmpty { return 0 }
    var written = 0
    if queued == 0 {
      written = try tryWrite(bytes)
      if written == bytes.count { return written }
    }
    let rest = min(bytes.count - written, max(0, limit - queued))
    if rest > 0 { try enqueue(bytes.extracting(written..<written + rest)) }
    return written + rest
  }

  /// Tells the peer that nothing more comes, once everything queued is written.
  func shutdownWriting() {
    if isClosing { return }
    let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
    let status = unsafe uv_shutdown(request, stream) { request, _ in
      guard let request = unsafe request else { return }
      let stream = unsafe TCPStream.of(request.pointee.handle)
      unsafe request.deallocate()
      stream?.countRequestDone()
    }
    if status == 0 { loop.counters.open(.request) } else { unsafe request.deallocate() }
  }

  /// The other end, while the socket is open.
  var remoteAddress: SocketAddress? { unsafe address { unsafe uv_tcp_getpeername($0, $1, $2) } }

  /// This end, while the socket is open.
  var localAddress: SocketAddress? { unsafe address { unsafe uv_tcp_getsockname($0, $1, $2) } }

  /// The next iteration has begun: reads again if somebody still wants that.
  func resumeAfterThrottle() {
    isThrottled = false
    if !wantsRead || isClosing { return }
    do throws(LoopError) { try readStart() } catch { owner?.streamFailed(self, .read, error) }
  }

  /// Full buffers that one stream may read in one iteration before the others have their turn.
  private static var fullReadsPerTick: UInt8 { 4 }

  private var stream: UnsafeMutablePointer<uv_stream_t> {
    unsafe UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
  }

  private static func of(_ stream: UnsafeMutablePointer<uv_stream_t>?) -> TCPStream? {
    unsafe Handle.of(stream?.pointee.data) as? TCPStream
  }

  private func countRequestDone() {
    loop.counters.close(.request)
    loop.counters.free(.request)
  }

  private func setUp() {
    // Small commands must not wait for the acknowledgement of the one before. Failing to set it harms nobody.
    unsafe _ = uv_tcp_nodelay(tcp, 1)
  }

  private func connected(_ status: Int32) {
    if isClosing { return }
    if status == 0 { setUp() }
    owner?.streamConnected(self, error: status == 0 ? nil : LoopError(status, "connect"))
  }

  private func address(
    _ query: (UnsafePointer<uv_tcp_t>, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32
  ) -> SocketAddress? {
    if isClosing { return nil }
    return unsafe systemAddress { unsafe query(tcp, $0, $1) }
  }
}

// MARK: - Reading

extension TCPStream {
  private func readStart() throws(LoopError) {
    try unsafe check(
      uv_read_start(
        stream,
        { handle, _, buffer in
          guard let buffer = unsafe buffer, let stream = unsafe Handle.of(handle?.pointee.data) as? TCPStream else {
            return
          }
          // No memory means UV_ENOBUFS in the read callback.
          guard let owner = stream.owner else { return unsafe buffer.pointee = uv_buf_init(nil, 0) }
          let memory = unsafe owner.streamBuffer(stream)
          let count = UInt32(clamping: memory.count)
          unsafe buffer.pointee = uv_buf_init(memory.baseAddress?.assumingMemoryBound(to: CChar.self), count)
        },
        { handle, count, buffer in
          let size = unsafe buffer?.pointee.len ?? 0
          unsafe TCPStream.of(handle)?.read(count, of: Int(size))
        }), "read")
  }

  private func read(_ count: Int, of size: Int) {
    if isClosing { return }
    if count > 0 {
      if count == size { countFullRead() }
      owner?.stream(self, received: count)
    } else if count == 0 {
      owner?.stream(self, received: 0)
    } else {
      wantsRead = false
      unsafe uv_read_stop(stream)
      // Nothing was written to the memory that the owner has lent.
      owner?.stream(self, received: 0)
      if isClosing { return }
      if count == Int(UV_EOF.rawValue) {
        owner?.streamEnded(self)
      } else {
        owner?.streamFailed(self, .read, LoopError(Int32(clamping: count), "read"))
      }
    }
  }

  /// libuv reads on while the buffers come back full. After a few the stream lets the others go first.
  private func countFullRead() {
    if lastIteration != loop.iteration {
      lastIteration = loop.iteration
      fullReads = 0
    }
    fullReads += 1
    if fullReads < Self.fullReadsPerTick || isThrottled { return }
    isThrottled = true
    unsafe uv_read_stop(stream)
    loop.throttle(self)
  }
}

// MARK: - Writing

extension TCPStream {
  /// One allocation: libuv's request, then the bytes that it owns.
  private static var headerSize: Int { unsafe (MemoryLayout<uv_write_t>.size + 15) & ~15 }

  private func tryWrite(_ bytes: Span<UInt8>) throws(LoopError) -> Int {
    let status = unsafe bytes.withUnsafeBufferPointer { bytes -> Int32 in
      // Safe: libuv only reads from the buffer, and is done with it when the call returns.
      let base = unsafe UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
      var buffer = unsafe uv_buf_init(base, UInt32(clamping: bytes.count))
      return unsafe uv_try_write(stream, &buffer, 1)
    }
    if status == UV_EAGAIN.rawValue { return 0 }
    try check(status, "write")
    return Int(status)
  }

  private func enqueue(_ bytes: Span<UInt8>) throws(LoopError) {
    let count = bytes.count
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.headerSize + count, alignment: 16)
    let request = unsafe memory.bindMemory(to: uv_write_t.self, capacity: 1)
    let body = unsafe memory + Self.headerSize
    unsafe bytes.withUnsafeBytes { source in
      // Safe: `body` has room for `count` fresh bytes.
      unsafe UnsafeMutableRawBufferPointer(start: body, count: count).copyMemory(from: source)
    }
    var buffer = unsafe uv_buf_init(body.bindMemory(to: CChar.self, capacity: count), UInt32(clamping: count))
    let status = unsafe uv_write(request, stream, &buffer, 1) { request, status in
      guard let request = unsafe request else { return }
      let stream = unsafe TCPStream.of(request.pointee.handle)
      let count = unsafe Int(bitPattern: request.pointee.data)
      unsafe UnsafeMutableRawPointer(request).deallocate()
      stream?.wrote(count, status)
    }
    if status != 0 {
      unsafe memory.deallocate()
      throw LoopError(status, "write")
    }
    unsafe request.pointee.data = UnsafeMutableRawPointer(bitPattern: count)
    loop.counters.open(.request)
    queued += count
  }

  private func wrote(_ count: Int, _ status: Int32) {
    countRequestDone()
    queued -= count
    if isClosing { return }
    if status != 0 {
      owner?.streamFailed(self, .write, LoopError(status, "write"))
    } else if queued == 0 {
      owner?.streamDrained(self)
    }
  }
}

/// An address that the system writes into memory that it is lent.
func systemAddress(
  _ query: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32
) -> SocketAddress? {
  var storage = sockaddr_storage()
  var size = Int32(MemoryLayout<sockaddr_storage>.size)
  return unsafe withUnsafeMutableBytes(of: &storage) { bytes in
    guard let base = bytes.baseAddress else { return nil }
    let address = unsafe base.assumingMemoryBound(to: sockaddr.self)
    if unsafe query(address, &size) != 0 { return nil }
    return unsafe SocketAddress(UnsafePointer(address))
  }
}
