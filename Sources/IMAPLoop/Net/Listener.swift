internal import CUV

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A listening socket.
///
/// libuv's own listener keeps a descriptor in reserve for the time when there are no others. Where another thread has taken that
/// one too it tries to accept for ever, and its loop does nothing else. So this one lets libuv wait only, accepts by itself, and
/// leaves peers to the kernel's queue while there is no descriptor for them.
@safe
final class Listener: Handle {
  /// The address that it is bound to, with the port that the system chose if 0 was asked for.
  let address: SocketAddress

  private let poll: UnsafeMutablePointer<uv_poll_t>
  private let descriptor: Int32
  private var onAccept: ((TCPStream) -> Void)?
  private var onClosed: (() -> Void)?
  private var retry: LoopTimer?

  /// Listens on `address`. `onAccept` gets each connection in the callback that accepted it and must give it an owner.
  init(
    loop: EventLoop, address: SocketAddress, backlog: Int32 = 1024, onAccept: @escaping (TCPStream) -> Void
  ) throws(LoopError) {
    let descriptor = try Self.listen(on: address, backlog)
    unsafe poll = .allocate(capacity: 1)
    self.descriptor = descriptor
    self.address =
      unsafe systemAddress { system, size in
        var length = unsafe socklen_t(size.pointee)
        defer { unsafe size.pointee = Int32(clamping: length) }
        return unsafe getsockname(descriptor, system, &length)
      } ?? address
    self.onAccept = onAccept
    super.init(on: loop)
    let status =
      unsafe loop.isShuttingDown ? UV_ECANCELED.rawValue : uv_poll_init_socket(loop.uv, poll, descriptor)
    if status != 0 {
      unsafe poll.deallocate()
      closeDescriptor(descriptor)
      throw LoopError(status, "listen on \(address)")
    }
    opened()
    do throws(LoopError) {
      try start()
    } catch {
      close()
      throw LoopError(error.code, "\(error.operation) on \(address)")
    }
  }

  override var kind: HandleCounters.Kind { .listener }

  override var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(poll).assumingMemoryBound(to: uv_handle_t.self)
  }

  override func deallocate() {
    // libuv does not look at it any more.
    closeDescriptor(descriptor)
    unsafe poll.deallocate()
  }

  override func handleClosed() {
    retry?.cancel()
    retry = nil
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

  /// Connections that are accepted before others have their turn.
  private static var acceptedPerTick: Int { 64 }
  /// How long peers wait where there is no descriptor or no memory for them.
  private static var retryDelay: Duration { .milliseconds(100) }

  private static func listen(on address: SocketAddress, _ backlog: Int32) throws(LoopError) -> Int32 {
    let descriptor = cuv_socket(address.isIPv6 ? AF_INET6 : AF_INET)
    if descriptor < 0 { throw LoopError(uv_translate_sys_error(errno), "open socket for \(address)") }
    // Connections of an earlier server that are not quite gone must not keep the port. "::" is for IPv4, too.
    var (one, zero): (Int32, Int32) = (1, 0)
    let size = socklen_t(MemoryLayout<Int32>.size)
    var status = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
    if status == 0, address.isIPv6 {
      status = unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &zero, size)
    }
    if status == 0 {
      status = unsafe address.withSystemAddress { system in
        let size = address.isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        return unsafe bind(descriptor, system, socklen_t(size))
      }
    }
    if status == 0 { status = startListening(descriptor, backlog) }
    if status == 0 { return descriptor }
    let error = LoopError(uv_translate_sys_error(errno), "listen on \(address)")
    closeDescriptor(descriptor)
    throw error
  }

  private func start() throws(LoopError) {
    try unsafe check(
      uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { handle, _, _ in
        unsafe (Handle.of(handle?.pointee.data) as? Listener)?.accept()
      }, "listen")
  }

  private func accept() {
    for _ in 0..<Self.acceptedPerTick where !isClosing {
      let accepted = cuv_accept(descriptor)
      if accepted >= 0 {
        take(accepted)
        continue
      }
      switch errno {
      case EAGAIN, EWOULDBLOCK: return
      case EMFILE, ENFILE, ENOBUFS, ENOMEM, EBADF, EINVAL, ENOTSOCK: return pause()
      // What happened to one connection in the queue concerns its peer only.
      default: continue
      }
    }
  }

  private func take(_ accepted: Int32) {
    guard let stream = try? TCPStream(loop: loop) else { return closeDescriptor(accepted) }
    do throws(LoopError) {
      try stream.open(accepted)
    } catch {
      closeDescriptor(accepted)
      return stream.close()
    }
    onAccept?(stream)
    if stream.owner == nil { stream.close() }
  }

  /// Whoever asks again at once is told the same.
  private func pause() {
    unsafe uv_poll_stop(poll)
    retry = loop.schedule(after: Self.retryDelay) { [unowned self] in
      retry = nil
      if isClosing { return }
      do throws(LoopError) { try start() } catch { pause() }
    }
  }
}

/// The methods of handles have the same names.
private func closeDescriptor(_ descriptor: Int32) { _ = close(descriptor) }
private func startListening(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }
