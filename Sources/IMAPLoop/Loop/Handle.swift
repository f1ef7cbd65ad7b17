internal import CUV

/// A libuv handle that belongs to a loop. libuv's `data` holds one reference to the object from the moment the handle is
/// initialised until its close callback, which is the only place where its memory may be given back.
@safe
class Handle {
  final let loop: EventLoop
  /// Whether ``close()`` was called. The memory of the handle may be gone then.
  final private(set) var isClosing = false

  init(on loop: EventLoop) { self.loop = loop }

  /// What is counted for this handle.
  var kind: HandleCounters.Kind { .stream }

  /// The handle's memory. Only used while it was not freed.
  var raw: UnsafeMutablePointer<uv_handle_t> { unsafe UnsafeMutablePointer(bitPattern: 8).unsafelyUnwrapped }

  /// Gives the handle's memory back.
  func deallocate() {}

  /// The handle is closed and its memory gone: the last call that the object gets.
  func handleClosed() {}

  /// The loop shuts down: close as soon as possible.
  func loopShutsDown() { close() }

  /// Counts the handle and ties it to this object. Call it right after `uv_…_init` succeeded.
  final func opened() {
    loop.counters.open(kind)
    unsafe raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
  }

  /// Closes the handle. Calling it again does nothing. ``handleClosed()`` follows in a later phase of the loop.
  final func close() {
    if isClosing { return }
    isClosing = true
    loop.counters.close(kind)
    unsafe uv_close(raw) { handle in
      guard let data = unsafe handle?.pointee.data else { return }
      // Safe: balances `passRetained` in `opened()`; libuv calls this once for each handle.
      let object = unsafe Unmanaged<Handle>.fromOpaque(data).takeRetainedValue()
      object.deallocate()
      object.loop.counters.free(object.kind)
      object.handleClosed()
    }
  }

  /// The object that a libuv handle is tied to.
  static func of(_ data: UnsafeMutableRawPointer?) -> Handle? {
    // Safe: `data` was set by `opened()` and its reference is held until the close callback, after which libuv calls nothing.
    unsafe data.map { unsafe Unmanaged<Handle>.fromOpaque($0).takeUnretainedValue() }
  }
}
