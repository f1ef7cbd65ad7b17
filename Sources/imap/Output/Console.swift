#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemWrite: @Sendable (Int32, UnsafeRawPointer?, Int) -> Int = { unsafe write($0, $1, $2) }

/// Standard output and error as this tool uses them.
enum Console {
  /// Whether standard error is a terminal, so that progress can be drawn.
  static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }

  /// One line on standard output, at once: what reads it may be waiting.
  static func line(_ text: String) { write(STDOUT_FILENO, text + "\n") }

  /// Bytes on standard output as they are.
  static func bytes(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe writeAll(STDOUT_FILENO, $0) }
  }

  /// One line on standard error.
  static func error(_ text: String) { write(STDERR_FILENO, text + "\n") }

  /// A line on standard error that the next one replaces.
  static func progress(_ text: String) { write(STDERR_FILENO, "\r\u{1b}[K" + text) }

  private static func write(_ descriptor: Int32, _ text: String) {
    var text = text
    text.withUTF8 { unsafe writeAll(descriptor, UnsafeRawBufferPointer($0)) }
  }

  private static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) {
    var written = 0
    while written < bytes.count {
      let count = unsafe systemWrite(descriptor, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
      if count < 0, errno == EINTR { continue }
      // A reader that went away is no error of ours; there is nobody left to tell.
      if count <= 0 { return }
      written += count
    }
  }
}
