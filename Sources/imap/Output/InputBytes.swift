#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }

/// A file, or standard input, read as its bytes come: what writes into a pipe need not close it to be heard.
struct InputBytes: ~Copyable {
  private let descriptor: Int32
  private let name: String
  private let mustClose: Bool

  /// Opens `path`; nil is standard input.
  init(_ path: String?) throws(Failure) {
    guard let path else {
      descriptor = STDIN_FILENO
      name = "the input"
      mustClose = false
      return
    }
    name = path.isEmpty ? "a file without a name" : path
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    mustClose = true
    if descriptor < 0 { throw Failure(.file, "cannot read \(name): \(Self.reason(errno))") }
  }

  /// All of the file at `path`. A failure says what the file is for.
  static func all(_ path: String, _ what: String) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    do {
      let input = try InputBytes(path)
      while true {
        let piece = try input.next(64 * 1024)
        if piece.isEmpty { return bytes }
        bytes += piece
      }
    } catch {
      throw Failure(
        .file, error.message.replacing("cannot read ", with: "cannot read \(what) ") + "; check its name and its rights"
      )
    }
  }

  deinit { if mustClose, descriptor >= 0 { close(descriptor) } }

  /// What is there, at most `count` bytes; empty at the end.
  func next(_ count: Int) throws(Failure) -> [UInt8] {
    while true {
      var failure: Int32 = 0
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        let result = unsafe systemRead(descriptor, UnsafeMutableRawPointer(buffer.baseAddress), count)
        initialized = max(0, result)
        if result < 0 { failure = errno }
      }
      switch failure {
      case 0: return bytes
      case EINTR: continue
      case EAGAIN:
        // Somebody who shares the terminal or pipe has made it non-blocking.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&waiting, 1, -1)
      default: throw Failure(.file, "cannot read \(name): \(Self.reason(failure))")
      }
    }
  }

  /// The bytes before the next line end; nil where there are none. Nothing is taken of what comes behind it, and nothing is kept.
  func line() throws(Failure) -> [UInt8]? {
    var line: [UInt8] = []
    // One that grows leaves copies of itself behind.
    line.reserveCapacity(Self.usualLine)
    while true {
      guard let byte = try next(1).first else { return line.isEmpty ? nil : line }
      if byte == 0x0a { break }
      line.append(byte)
      if line.count > Self.mostLine {
        throw Failure(.file, "the first line of \(name) is too long; is that the right one?")
      }
    }
    if line.last == 0x0d { line.removeLast() }
    return line
  }

  private static let usualLine = 256
  private static let mostLine = 64 * 1024

  private static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
