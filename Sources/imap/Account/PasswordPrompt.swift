#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }

/// Asks on the terminal.
enum PasswordPrompt {
  /// A line that is not shown while it is typed; nil where there is no terminal to ask on. Ctrl-C ends the program, with the
  /// terminal as it was.
  static func read(_ prompt: String) throws(Failure) -> [UInt8]? {
    guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return nil }
    var settings = termios()
    guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
    var hidden = settings
    // Without signals: one would end the program with the terminal still hiding what is typed.
    hidden.c_lflag &= ~tcflag_t(ECHO | ISIG | ICANON)
    guard unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 else { return nil }
    Console.progress(prompt)
    var line: [UInt8] = []
    var end = readKey()
    while let key = end, ![0x03, 0x04, 0x0a, 0x0d].contains(key) {
      switch key {
      case 0x7f, 0x08: eraseLast(&line)
      // Ctrl-U.
      case 0x15: line = []
      default: line.append(key)
      }
      end = readKey()
    }
    _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
    Console.endLine()
    if end == 0x03 || (end == 0x04 && line.isEmpty) { exit(128 + SIGINT) }
    return line
  }

  /// A character may be several bytes.
  private static func eraseLast(_ line: inout [UInt8]) {
    while let byte = line.popLast(), byte & 0xc0 == 0x80 {}
  }

  private static func readKey() -> UInt8? {
    var byte: UInt8 = 0
    while true {
      let count = unsafe systemRead(STDIN_FILENO, &byte, 1)
      if count == 1 { return byte }
      if count == 0 || errno != EINTR { return nil }
    }
  }
}
