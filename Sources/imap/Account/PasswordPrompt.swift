import IMAPStateMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }

/// Asks on the terminal.
enum PasswordPrompt {
  /// A line that is not shown while it is typed; nil where there is no terminal to ask on. Fails by Ctrl-C, SIGTERM and SIGHUP,
  /// with the terminal as it was.
  static func read(_ prompt: String) throws(Failure) -> [UInt8]? {
    guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1, let terminal = HidingTerminal() else { return nil }
    // At once, and not when this goes on: a second signal ends the program.
    let interruption = Interruption(whenItComes: { terminal.restore() })
    defer { interruption.finish() }
    guard terminal.hide() else { return nil }
    Console.progress(prompt)
    var line: [UInt8] = []
    // One that grows leaves copies of itself behind.
    line.reserveCapacity(256)
    var end = key(interruption)
    while let key = end, ![0x03, 0x04, 0x0a, 0x0d].contains(key) {
      switch key {
      case 0x7f, 0x08: eraseLast(&line)
      // Ctrl-U.
      case 0x15: line.removeAll(keepingCapacity: true)
      default: line.append(key)
      }
      end = self.key(interruption)
    }
    terminal.restore()
    Console.endLine()
    // Also where the terminal has gone: what was typed until then is not all of it.
    if end == nil || end == 0x03 || (end == 0x04 && line.isEmpty) { throw Failure(.interrupted, "interrupted") }
    return line
  }

  /// As ``read(_:)``, for OpenSSL, which could not tell an interruption from a wrong passphrase: that ends the program here.
  static func passphrase(of file: String) -> Secret? {
    do throws(Failure) { return try read("Passphrase of \(file): ").map { Secret($0) } } catch {
      Interruption.endProgram()
    }
  }

  /// A character may be several bytes.
  private static func eraseLast(_ line: inout [UInt8]) {
    while let byte = line.popLast(), byte & 0xc0 == 0x80 {}
  }

  /// Nil where a signal has come, or the terminal has gone.
  private static func key(_ interruption: Interruption) -> UInt8? {
    var byte: UInt8 = 0
    while !interruption.hasCome {
      // In steps: poll does not wake by a signal that another thread has taken.
      var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      if unsafe poll(&waiting, 1, 100) <= 0 { continue }
      let count = unsafe systemRead(STDIN_FILENO, &byte, 1)
      if count == 1 { return byte }
      if count == 0 || (errno != EINTR && errno != EAGAIN) { return nil }
    }
    return nil
  }
}

/// The terminal on standard input, which does not show what is typed for a while.
private final class HidingTerminal: Sendable {
  private enum Phase {
    case shown, hidden, over
  }

  private let settings: termios
  private let phase = Mutex(Phase.shown)

  /// Nil where it is none.
  init?() {
    var settings = termios()
    guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
    self.settings = settings
  }

  /// Without signals by keys: Ctrl-Z would stop the program with the terminal still hiding what is typed.
  func hide() -> Bool {
    phase.withLock { phase in
      guard phase == .shown else { return true }
      var hidden = settings
      hidden.c_lflag &= ~tcflag_t(ECHO | ISIG | ICANON)
      guard unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 else { return false }
      phase = .hidden
      return true
    }
  }

  /// As it was, for good.
  func restore() {
    phase.withLock { phase in
      if phase == .hidden {
        var settings = settings
        // What was typed meanwhile is for nobody else. Output is not waited for, as by TCSAFLUSH: it may be held by Ctrl-S.
        tcflush(STDIN_FILENO, TCIFLUSH)
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
      }
      phase = .over
    }
  }
}
