#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A blocking socket that knows no IMAP. It gives up after 20 seconds without a byte.
final class RawSocket {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  private let descriptor: Int32
  private var unread: [UInt8] = []
  /// Unread bytes that hold no line end.
  private var scanned = 0

  init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var timeout = timeval(tv_sec: 120, tv_usec: 0)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let isConnected = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if !isConnected { throw Failure(description: "cannot connect: \(errno)") }
  }

  deinit { close(descriptor) }

  /// Tells the server that nothing more comes.
  func hangUp() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Sends all of `text`.
  func send(_ text: String) throws {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes { bytes in
        unsafe Self.sendBytes(descriptor, bytes.baseAddress, bytes.count)
      }
      if count <= 0 { throw Failure(description: "cannot send: \(errno)") }
      sent += count
    }
  }

  /// The next line without its end; nil at the end of the connection.
  func line() throws -> String? {
    while true {
      if let end = unread[scanned...].firstIndex(of: 0x0a) {
        let line = unread[..<end]
        unread.removeFirst(end + 1)
        scanned = 0
        return String(decoding: line.last == 0x0d ? line.dropLast() : line, as: UTF8.self)
      }
      scanned = unread.count
      if try !receive() { return nil }
    }
  }

  /// The lines up to the one that starts with `prefix`, which is the last.
  func lines(upTo prefix: String) throws -> [String] {
    var lines: [String] = []
    while let line = try line() {
      lines.append(line)
      if line.hasPrefix(prefix) { return lines }
    }
    throw Failure(description: "connection closed before \(prefix): \(lines)")
  }

  /// Whether the server closes the connection, whatever it says before.
  func isClosedByPeer() throws -> Bool {
    while try receive() {}
    return true
  }

  private func receive() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
    if count < 0 { throw Failure(description: "cannot receive: \(errno); unread: \(unread.count) bytes") }
    unread += buffer[..<count]
    return count > 0
  }

  private static func sendBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.send(descriptor, bytes, count, Int32(MSG_NOSIGNAL))
    #else
      unsafe Darwin.send(descriptor, bytes, count, 0)
    #endif
  }
}
