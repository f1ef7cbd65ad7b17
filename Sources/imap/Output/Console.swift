#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemWrite: @Sendable (Int32, UnsafeRawPointer?, Int) -> Int = { unsafe write($0, $1, $2) }

/// Why standard output takes nothing more.
enum OutputError: Error, Hashable {
  /// Whoever read it has gone, as `head` does. Nobody is left to tell, and nothing is wrong.
  case readerGone
  /// The system refused, with this `errno`.
  case failed(Int32)
}

/// Standard output and error as this tool uses them.
enum Console {
  /// Whether standard error is a terminal, so that progress can be drawn.
  static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }

  /// Whether standard output is a terminal, so that somebody reads what is printed there.
  static var hasReader: Bool { isatty(STDOUT_FILENO) == 1 }

  /// Columns of the terminal, 80 where it does not tell; nil where standard output is none.
  static var width: Int? { hasReader ? columns(STDOUT_FILENO) : nil }

  /// Columns of the terminal that standard error is.
  static var errorWidth: Int { columns(STDERR_FILENO) }

  /// One line for people on standard output, at once: what reads it may be waiting. No control character gets through:
  /// servers and senders choose what is printed, and a terminal obeys escape sequences.
  static func line(_ text: String) throws(OutputError) { try write(STDOUT_FILENO, printable(text) + "\n") }

  /// One line of fields with tabs between them, and nowhere else.
  static func line(_ fields: [String]) throws(OutputError) {
    try write(STDOUT_FILENO, fields.map(printable).joined(separator: "\t") + "\n")
  }

  /// One line for programs on standard output, at once.
  static func line(_ value: JSON) throws(OutputError) { try write(STDOUT_FILENO, value.text + "\n") }

  /// Bytes on standard output, or into another descriptor, as they are.
  static func bytes(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) throws(OutputError) {
    let failure = unsafe bytes.withUnsafeBytes { unsafe writeAll(descriptor, $0) }
    if let failure { throw failure }
  }

  /// One line for people on standard error. Where that cannot be written there is no other place to say so.
  static func error(_ text: String) { try? write(STDERR_FILENO, printable(text) + "\n") }

  /// As ``error(_:)``, from a program that must end: nobody is waited for where standard error takes nothing at the moment.
  static func lastWords(_ text: String) {
    var waiting = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    if unsafe poll(&waiting, 1, 0) > 0 { error(text) }
  }

  /// A line on standard error that the next one replaces.
  static func progress(_ text: String) { try? write(STDERR_FILENO, "\r\u{1b}[K" + printable(text)) }

  /// Ends a line that ``progress(_:)`` began.
  static func endLine() { try? write(STDERR_FILENO, "\n") }

  /// `text` with a space for each tab, which would part two columns, and a question mark for every other control character (C0,
  /// DEL, C1).
  static func printable(_ text: String) -> String {
    if !text.unicodeScalars.contains(where: isControl) { return text }
    var output = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { output.append(scalar == "\t" ? " " : isControl(scalar) ? "?" : scalar) }
    return String(output)
  }

  private static func columns(_ terminal: Int32) -> Int {
    var size = winsize()
    let isKnown = unsafe ioctl(terminal, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? Int(size.ws_col) : 80
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
  }

  private static func write(_ descriptor: Int32, _ text: String) throws(OutputError) {
    var text = text
    let failure = text.withUTF8 { unsafe writeAll(descriptor, UnsafeRawBufferPointer($0)) }
    if let failure { throw failure }
  }

  private static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> OutputError? {
    var written = 0
    while written < bytes.count {
      let count = unsafe systemWrite(descriptor, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        if code == EAGAIN {
          // Somebody who shares the terminal or pipe has made it non-blocking.
          var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          _ = unsafe poll(&waiting, 1, -1)
          continue
        }
        return code == EPIPE ? .readerGone : .failed(code)
      }
      written += count
    }
    return nil
  }
}
