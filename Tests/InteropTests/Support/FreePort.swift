#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Ports of the loopback interface.
enum FreePort {
  struct SystemError: Error { var code = errno }

  /// Two ports that nobody listens on. They are found by binding, so another program can take one before it is used;
  /// it would have to ask for exactly that port.
  static func pair() throws -> (UInt16, UInt16) {
    let first = try listener()
    let second = try listener()
    defer {
      close(first.descriptor)
      close(second.descriptor)
    }
    return (first.port, second.port)
  }

  /// A listening socket on a free port.
  static func listener() throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw SystemError() }
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(descriptor, address, length) == 0 && listen(descriptor, 128) == 0
          && getsockname(descriptor, address, &length) == 0
      }
    }
    guard isBound else { throw SystemError() }
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
