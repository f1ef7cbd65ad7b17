import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Ports of the loopback interface.
enum FreePort {
  struct SystemError: Error { var code = errno }

  /// Two ports that nobody listens on. They are found by binding, so another program can take one before it is used;
  /// it would have to ask for exactly that port: none that the kernel gives to connections is among them.
  static func pair() throws -> (UInt16, UInt16) { (try unused(), try unused()) }

  private static func unused() throws -> UInt16 {
    // Below what Linux, macOS and the BSDs use for connections.
    let range = 22_000
    for _ in 0..<range {
      let port = UInt16(10_240 + next.add(1, ordering: .relaxed).oldValue % range)
      do {
        close(try listener(port).descriptor)
        return port
      } catch let error as SystemError {
        // Anything else does not get better with the next one.
        guard error.code == EADDRINUSE || error.code == EACCES else { throw error }
      }
    }
    throw SystemError(code: EADDRINUSE)
  }

  /// Tests of several processes begin at different ports.
  private static let next = Atomic(Int(getpid()) * 97)

  /// A listening socket on a free port, or on `port`.
  static func listener(_ port: UInt16 = 0) throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw SystemError() }
    var address = loopback(port)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(descriptor, address, length) == 0 && listen(descriptor, 128) == 0
          && getsockname(descriptor, address, &length) == 0
      }
    }
    guard isBound else {
      defer { close(descriptor) }
      throw SystemError()
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  /// A connection to `port`; nil where nobody listens.
  static func connection(to port: UInt16) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = loopback(port)
    let isConnected = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if isConnected { return descriptor }
    close(descriptor)
    return nil
  }

  /// Whether somebody listens on `port`.
  static func listens(_ port: UInt16) -> Bool {
    guard let descriptor = connection(to: port) else { return false }
    close(descriptor)
    return true
  }

  /// Whether whoever listens on `port` says something by himself.
  static func greets(_ port: UInt16) -> Bool {
    guard let descriptor = connection(to: port) else { return false }
    defer { close(descriptor) }
    var byte: UInt8 = 0
    return unsafe recv(descriptor, &byte, 1, 0) == 1
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }
}
