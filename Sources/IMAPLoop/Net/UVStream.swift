internal import CUV
import IMAPStateMachine

/// A stream of libuv. It owns nothing but what the kernel did not take yet.
@safe
class UVStream: ByteStream {
  final let stream: UnsafeMutablePointer<uv_stream_t>

  /// Whether a byte has come.
  private(set) final var hasRead = false
  private final var isThrottled = false
  private final var fullReads: UInt8 = 0
  private final var lastIteration: UInt32 = 0

  /// A handle of `size` bytes, which `initialize` is to set up.
  init(
    loop: EventLoop, size: Int, _ initialize: (UnsafeMutablePointer<uv_loop_t>, UnsafeMutableRawPointer) -> Int32
  ) throws(LoopError) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    unsafe stream = memory.assumingMemoryBound(to: uv_stream_t.self)
    super.init(on: loop)
    let status = unsafe loop.isShuttingDown ? UV_ECANCELED.rawValue : initialize(loop.uv, memory)
    if status != 0 {
      unsafe memory.deallocate()
      throw LoopError(status, "open socket")
    }
    opened()
  }

  override final var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_handle_t.self)
  }

  override final func deallocate() { unsafe UnsafeMutableRawPointer(stream).deallocate() }

  // MARK: What a subclass may know better

  /// The connection is there.
  func setUp() {}

  /// The peer sends no more.
  func sawEnd() { owner?.streamEnded(self) }

  /// Nothing more goes in or out.
  func sawFailure(_ operation: ConnectionError.TransportFailure.Operation, _ error: LoopError) {
    owner?.streamFailed(self, error.connectionError(operation))
  }

  // MARK: As a stream

  override func startReading() throws(LoopError) {
    if wantsRead || isClosing { return }
    if !isThrottled { try readStart() }
    wantsRead = true
  }

  override final func pauseReading() {
    if !wantsRead { return }
    wantsRead = false
    if !isClosing { unsafe uv_read_stop(stream) }
  }

  override func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int {
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

  override final var unsent: Int { unsafe isClosing ? 0 : uv_stream_get_write_queue_size(stream) }

  override func shutdownWriting() {
    if isClosing { return }
    let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
    let status = unsafe uv_shutdown(request, stream) { request, _ in
      guard let request = unsafe request else { return }
      let stream = unsafe UVStream.of(request.pointee.handle)
      unsafe request.deallocate()
      stream?.countRequestDone()
    }
    if status == 0 { loop.counters.open(.request) } else { unsafe request.deallocate() }
  }

  override final func resumeAfterThrottle() {
    isThrottled = false
    if !wantsRead || isClosing { return }
    do throws(LoopError) { try readStart() } catch { sawFailure(.read, error) }
  }

  // MARK: Connecting

  /// Lets `start` begin to connect with a request; ``StreamOwner/streamConnected(_:error:)`` follows unless this throws.
  final func connect(
    to target: @autoclosure () -> String,
    _ start: (UnsafeMutablePointer<uv_connect_t>, @escaping uv_connect_cb) -> Int32
  ) throws(LoopError) {
    if isClosing { throw LoopError(UV_ECANCELED.rawValue, "connect") }
    let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    let status = unsafe start(request) { request, status in
      guard let request = unsafe request else { return }
      let stream = unsafe UVStream.of(request.pointee.handle)
      unsafe request.deallocate()
      stream?.countRequestDone()
      stream?.connected(status)
    }
    if status != 0 {
      unsafe request.deallocate()
      throw LoopError(status, "connect to \(target())")
    }
    loop.counters.open(.request)
  }

  private func connected(_ status: Int32) {
    if isClosing { return }
    if status == 0 { setUp() }
    owner?.streamConnected(self, error: status == 0 ? nil : LoopError(status, "connect").connectionError(.connect))
  }

  /// Full buffers that one stream may read in one iteration before the others have their turn.
  private static var fullReadsPerTick: UInt8 { 4 }

  private static func of(_ stream: UnsafeMutablePointer<uv_stream_t>?) -> UVStream? {
    // Safe: as in `Handle.of(_:)`, and only handles of this class are given the callbacks that come here.
    unsafe (stream?.pointee.data).map { unsafe Unmanaged<UVStream>.fromOpaque($0).takeUnretainedValue() }
  }

  private func countRequestDone() {
    loop.counters.close(.request)
    loop.counters.free(.request)
  }
}

// MARK: - Reading

extension UVStream {
  private func readStart() throws(LoopError) {
    try unsafe check(
      uv_read_start(
        stream,
        { handle, _, buffer in
          let handle = unsafe handle.map {
            unsafe UnsafeMutableRawPointer($0).assumingMemoryBound(to: uv_stream_t.self)
          }
          guard let buffer = unsafe buffer, let stream = unsafe UVStream.of(handle) else { return }
          // No memory means UV_ENOBUFS in the read callback.
          guard let owner = stream.owner else { return unsafe buffer.pointee = uv_buf_init(nil, 0) }
          let memory = unsafe owner.streamBuffer(stream)
          let count = UInt32(clamping: memory.count)
          unsafe buffer.pointee = uv_buf_init(memory.baseAddress?.assumingMemoryBound(to: CChar.self), count)
        },
        { handle, count, buffer in
          let size = unsafe buffer?.pointee.len ?? 0
          unsafe UVStream.of(handle)?.read(count, of: Int(size))
        }), "read")
  }

  private func read(_ count: Int, of size: Int) {
    if isClosing { return }
    if count > 0 {
      hasRead = true
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
        sawEnd()
      } else {
        sawFailure(.read, LoopError(Int32(clamping: count), "read"))
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

extension UVStream {
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
      let stream = unsafe UVStream.of(request.pointee.handle)
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
    noteQueued(count)
  }

  private func wrote(_ count: Int, _ status: Int32) {
    countRequestDone()
    queued -= count
    if isClosing { return }
    if status != 0 {
      sawFailure(.write, LoopError(status, "write"))
    } else if queued == 0 {
      owner?.streamDrained(self)
    }
  }
}
