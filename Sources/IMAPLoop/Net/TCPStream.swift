internal import CUV
import IMAPStateMachine

/// One TCP connection.
@safe
final class TCPStream: UVStream {
  /// With a `family`, as `AF_INET`, the socket exists at once, and can be given options.
  init(loop: EventLoop, family: Int32? = nil) throws(LoopError) {
    try unsafe super.init(loop: loop, size: MemoryLayout<uv_tcp_t>.size) { loop, memory in
      let tcp = unsafe memory.assumingMemoryBound(to: uv_tcp_t.self)
      return if let family { unsafe uv_tcp_init_ex(loop, tcp, UInt32(clamping: family)) } else {
        unsafe uv_tcp_init(loop, tcp)
      }
    }
  }

  /// Starts to connect; ``StreamOwner/streamConnected(_:error:)`` follows unless this throws.
  func connect(to address: SocketAddress) throws(LoopError) {
    let tcp = unsafe self.tcp
    do throws(LoopError) {
      try unsafe connect(to: address.description) { request, callback in
        unsafe address.withSystemAddress { unsafe uv_tcp_connect(request, tcp, $0, callback) }
      }
      // Otherwise libuv forgets the descriptor when it is connected, and adds it anew, which fails first. Where it refuses, whoever
      // reads next starts, and is told why.
      try? startReading()
    } catch {
      if error.code != UV_EADDRNOTAVAIL.rawValue { throw error }
      throw LoopError(error.code, error.operation, Self.adviceForPorts)
    }
  }

  /// What connect(2) means by EADDRNOTAVAIL.
  static var adviceForPorts: String {
    "all ports of the source address are in use to that server, or this machine has no address of its family; give more "
      + "source addresses"
  }

  /// Takes over a connected socket.
  func open(_ descriptor: Int32) throws(LoopError) {
    try unsafe check(uv_tcp_open(tcp, descriptor), "open")
    setUp()
  }

  override func setUp() {
    // Small commands must not wait for the acknowledgement of the one before. Failing to set it harms nobody.
    unsafe _ = uv_tcp_nodelay(tcp, 1)
  }

  override var remoteAddress: SocketAddress? { unsafe address { unsafe uv_tcp_getpeername($0, $1, $2) } }

  override var localAddress: SocketAddress? { unsafe address { unsafe uv_tcp_getsockname($0, $1, $2) } }

  override func handleClosed() {
    if place != 0 { loop.spread.close(place) }
    place = 0
    super.handleClosed()
  }

  var tcp: UnsafeMutablePointer<uv_tcp_t> {
    unsafe UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_tcp_t.self)
  }

  private func address(
    _ query: (UnsafePointer<uv_tcp_t>, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32
  ) -> SocketAddress? {
    if isClosing { return nil }
    return unsafe systemAddress { unsafe query(tcp, $0, $1) }
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
