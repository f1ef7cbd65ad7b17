internal import CUV

/// A listening socket.
@safe
final class Listener: Handle {
  /// The address that it is bound to, with the port that the system chose if 0 was asked for.
  private(set) var address: SocketAddress

  private let tcp: UnsafeMutablePointer<uv_tcp_t>
  private var onAccept: ((TCPStream) -> Void)?
  private var onClosed: (() -> Void)?

  /// Listens on `address`. `onAccept` gets each connection in the callback that accepted it and must give it an owner.
  init(
    loop: EventLoop, address: SocketAddress, backlog: Int32 = 1024, onAccept: @escaping (TCPStream) -> Void
  ) throws(LoopError) {
    unsafe tcp = .allocate(capacity: 1)
    self.address = address
    self.onAccept = onAccept
    super.init(on: loop)
    let status = unsafe loop.isShuttingDown ? UV_ECANCELED.rawValue : uv_tcp_init(loop.uv, tcp)
    if status != 0 {
      unsafe tcp.deallocate()
      throw LoopError(status, "open socket")
    }
    opened()
    do throws(LoopError) {
      try unsafe check(address.withSystemAddress { unsafe uv_tcp_bind(tcp, $0, 0) }, "bind")
      try unsafe check(
        uv_listen(stream, backlog) { listener, status in
          unsafe (Handle.of(listener?.pointee.data) as? Listener)?.connectionArrived(status)
        }, "listen")
    } catch {
      close()
      throw LoopError(error.code, "\(error.operation) \(address)")
    }
    self.address = unsafe systemAddress { [tcp] in unsafe uv_tcp_getsockname(tcp, $0, $1) } ?? address
  }

  override var kind: HandleCounters.Kind { .listener }

  override var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_handle_t.self)
  }

  override func deallocate() { unsafe tcp.deallocate() }

  override func handleClosed() {
    onAccept = nil
    let body = onClosed
    onClosed = nil
    body?()
  }

  /// Stops listening and calls `body` when the socket is closed.
  func close(then body: @escaping () -> Void) {
    if isClosing { return body() }
    onClosed = body
    close()
  }

  private var stream: UnsafeMutablePointer<uv_stream_t> {
    unsafe UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
  }

  private func connectionArrived(_ status: Int32) {
    // A failed accept, for example for want of file descriptors, concerns one peer only: libuv has dropped it already.
    if status != 0 || isClosing { return }
    guard let accepted = try? TCPStream(loop: loop) else { return }
    do throws(LoopError) {
      try unsafe accepted.accept(from: stream)
    } catch {
      return accepted.close()
    }
    onAccept?(accepted)
    if accepted.owner == nil { accepted.close() }
  }
}
