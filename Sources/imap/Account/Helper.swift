import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }

/// A command of the user's that prints a secret.
enum Helper {
  /// The first line that `command`, which `key` names, prints within `timeout` seconds. Where it may ask on the terminal it may
  /// take longer: a person types. Ctrl-C and SIGTERM end it with all that it has started.
  static func secret(_ command: String, _ key: AccountKey, timeout: Double) throws(Failure) -> [UInt8] {
    let mayAsk = isatty(STDIN_FILENO) == 1
    let ownsGroup = !mayAsk && !isInForeground
    // From before it starts, so that no signal comes in between.
    let target = Target()
    let interruption = Interruption(whenItComes: { target.terminate() })
    defer { interruption.finish() }
    let (process, output) = try start(command, key, mayAsk: mayAsk, ownsGroup: ownsGroup)
    target.set(ownsGroup ? -process : process)
    if interruption.hasCome { target.terminate() }
    let bytes = read(output, until: mayAsk ? nil : ContinuousClock.now + .seconds(timeout), interruption)
    if bytes == nil { end(target, output) }
    close(output)
    // Its end is waited for before its number is given back.
    var information = unsafe siginfo_t()
    while unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
    target.set(nil)
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
    if interruption.hasCome { throw Failure(.interrupted, "interrupted") }
    guard let bytes else {
      throw Failure(
        .timeout, "the \(key.rawValue) took too long; run it in a shell to see why, or raise --timeout")
    }
    if status != 0 {
      let code = status & 0x7f == 0 ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
      throw Failure(.credentials, "the \(key.rawValue) ended with \(code); run it in a shell to see why")
    }
    let line = firstLine(bytes)
    if line.isEmpty {
      throw Failure(.credentials, "the \(key.rawValue) printed nothing; its first line has to be the secret")
    }
    return line
  }

  /// The first of the lines in `bytes`, without its end.
  static func firstLine(_ bytes: [UInt8]) -> [UInt8] {
    var line = Array(bytes.prefix { $0 != 0x0a })
    if line.last == 0x0d { line.removeLast() }
    return line
  }

  /// Whether a terminal sends its Ctrl-C to the process group of this program, and lets it ask.
  private static var isInForeground: Bool {
    let terminal = unsafe open("/dev/tty", O_RDWR | O_CLOEXEC)
    if terminal < 0 { return false }
    defer { close(terminal) }
    return tcgetpgrp(terminal) == getpgrp()
  }

  /// Whom to end: a process, or a process group where the number is negative. Nil once the number may be that of another one:
  /// it is its own until it has been waited for.
  private final class Target: Sendable {
    private let number = Mutex<pid_t?>(nil)

    func set(_ number: pid_t?) { self.number.withLock { $0 = number } }

    func terminate() { send(SIGTERM) }

    func send(_ signal: Int32) { number.withLock { number in if let number { kill(number, signal) } } }
  }

  /// Ends `target`. Whoever holds the other end of `output` has a second to put away what he has in hand.
  private static func end(_ target: Target, _ output: Int32) {
    target.terminate()
    _ = read(output, until: .now + .seconds(1))
    target.send(SIGKILL)
  }

  /// Starts a shell with `command`. A terminal's foreground is this program's process group: there it stays in it, so that it may
  /// ask, and hears of Ctrl-C. Elsewhere it has one of its own, which ends with all that it starts.
  private static func start(
    _ command: String, _ key: AccountKey, mayAsk: Bool, ownsGroup: Bool
  ) throws(Failure) -> (process: pid_t, output: Int32) {
    guard let ends = PrivatePipe.open() else {
      throw Failure(.system, "cannot run the \(key.rawValue): \(reason(errno))")
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // It would inherit that this program ignores SIGPIPE. The others may have been ignored before, as in the background of a
    // shell; they end this program all the same, and have to end its helper, too.
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    for number in [SIGPIPE, SIGINT, SIGTERM] { unsafe sigaddset(&signals, number) }
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    var flags = POSIX_SPAWN_SETSIGDEF
    if ownsGroup {
      unsafe posix_spawnattr_setpgroup(&attributes, 0)
      flags |= POSIX_SPAWN_SETPGROUP
    }
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    #if canImport(Glibc)
      var actions = unsafe posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    // What comes on standard input is not for it.
    if !mayAsk { unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) }
    unsafe posix_spawn_file_actions_adddup2(&actions, ends.write, STDOUT_FILENO)
    let arguments = ["sh", "-c", command]
    var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var process: pid_t = 0
    let code = unsafe posix_spawn(&process, "/bin/sh", &actions, &attributes, &words, environ)
    close(ends.write)
    if code != 0 {
      close(ends.read)
      throw Failure(.system, "cannot run the \(key.rawValue): \(reason(code))")
    }
    return (process, ends.read)
  }

  /// What comes until the end, as far as it may be a secret; nil where it does not end in time, or before a signal has come.
  private static func read(
    _ descriptor: Int32, until end: ContinuousClock.Instant?, _ interruption: Interruption? = nil
  ) -> [UInt8]? {
    var output: [UInt8] = []
    while true {
      // In steps: poll does not wake by a signal that another thread has taken.
      var patience: Int32 = 100
      if interruption?.hasCome == true { return nil }
      if let end {
        let left = (end - .now).components
        patience = Int32(
          clamping: min(Int64(patience), max(0, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000)))
        // Also where it never stops to print.
        if end <= .now { return nil }
      }
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = unsafe poll(&waiting, 1, patience)
      if ready <= 0 { continue }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = unsafe systemRead(descriptor, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return output }
      if output.count <= mostBytes { output += bytes.prefix(count) }
    }
  }

  private static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  private static let mostBytes = 64 * 1024
}
