import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }

/// Another program that gets a secret, and prints it.
struct Helper {
  /// Its name, or path.
  var program: String
  /// Everybody can read them while it runs.
  var arguments: [String]
  /// What errors call it.
  var name: String
  /// Seconds. Where it may ask on the terminal it may take longer: a person types.
  var timeout: Double
  /// What it gets on standard input; nil where it may ask there.
  var input: [UInt8]? = []

  /// The first line that `command`, which `key` names, prints within `timeout` seconds.
  static func secret(_ command: String, _ key: AccountKey, timeout: Double) throws(Failure) -> [UInt8] {
    let helper = Helper(
      program: "sh", arguments: ["-c", command], name: key.rawValue, timeout: timeout,
      input: isatty(STDIN_FILENO) == 1 ? nil : [])
    let (output, status) = try helper.run()
    if status != 0 {
      let code = status & 0x7f == 0 ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
      throw Failure(.credentials, "the \(key.rawValue) ended with \(code); run it in a shell to see why")
    }
    let line = firstLine(output)
    if line.isEmpty {
      throw Failure(.credentials, "the \(key.rawValue) printed nothing; its first line has to be the secret")
    }
    return line
  }

  /// Runs it. Returns what it has printed, as far as it may be a secret, and how it ended, as `waitpid` says it. Ctrl-C and SIGTERM end
  /// it, with all that it has started where it has a group of its own.
  func run() throws(Failure) -> (output: [UInt8], status: Int32) {
    if let input, input.count > Self.mostInput {
      throw Failure(.configuration, "the \(name) is to get \(input.count) bytes; \(Self.mostInput) is the most")
    }
    let mayAsk = input == nil
    let ownsGroup = !mayAsk && !Self.isInForeground
    // From before it starts, so that no signal comes in between.
    let target = Target()
    let interruption = Interruption(whenItComes: { target.terminate() })
    defer { interruption.finish() }
    let (process, output) = try start(ownsGroup: ownsGroup)
    target.set(ownsGroup ? -process : process)
    if interruption.hasCome { target.terminate() }
    let deadline = mayAsk ? nil : ContinuousClock.now + .seconds(timeout)
    let bytes = Self.read(output, until: deadline, interruption)
    // It may go on when it has nothing more to say.
    let isOver = bytes != nil && Self.hasEnded(process, by: deadline, interruption)
    if !isOver { Self.end(target, process, output) }
    close(output)
    var status: Int32 = 0
    // Before its number is given back.
    target.set(nil)
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
    // A key on the terminal may have ended it before this program has heard of it.
    let isInterrupted = status & 0x7f == SIGINT || status == (128 + SIGINT) << 8
    if interruption.hasCome || isInterrupted { throw Failure(.interrupted, "interrupted") }
    guard let bytes, isOver else {
      throw Failure(.timeout, "the \(name) took too long; run it in a shell to see why, or raise --timeout")
    }
    return (bytes, status)
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

  /// Ends `target`, which `process` is a part of. Whoever holds the other end of `output` has a second to put away what he has in hand.
  private static func end(_ target: Target, _ process: pid_t, _ output: Int32) {
    target.terminate()
    let deadline = ContinuousClock.now + .seconds(1)
    _ = read(output, until: deadline)
    _ = hasEnded(process, by: deadline)
    target.send(SIGKILL)
    _ = hasEnded(process, by: nil)
  }

  /// Waits until `process` is over, whose number stays its own. False where it is not in time, or when a signal has come.
  private static func hasEnded(
    _ process: pid_t, by deadline: ContinuousClock.Instant?, _ interruption: Interruption? = nil
  ) -> Bool {
    var pause = Duration.milliseconds(1)
    while true {
      var information = unsafe siginfo_t()
      // In steps: there is no way to wait for an end and a time, or a signal that another thread has taken.
      let code = unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT | WNOHANG)
      if unsafe code == 0 ? information.si_signo != 0 : errno != EINTR { return true }
      if interruption?.hasCome == true { return false }
      if let deadline, deadline <= .now { return false }
      usleep(useconds_t(pause / .microseconds(1)))
      pause = min(pause * 2, .milliseconds(100))
    }
  }

  /// Starts it. A terminal's foreground is this program's process group: there it stays in it, so that it may
  /// ask, and hears of Ctrl-C. Elsewhere it has one of its own, which ends with all that it starts.
  private func start(ownsGroup: Bool) throws(Failure) -> (process: pid_t, output: Int32) {
    func failure(_ code: Int32) -> Failure { Failure(.system, "cannot run the \(name): \(Self.reason(code))") }
    guard let ends = PrivatePipe.open() else { throw failure(errno) }
    defer { close(ends.write) }
    var source: Int32 = -1
    defer { if source >= 0 { close(source) } }
    if let input, !input.isEmpty {
      guard let pipe = PrivatePipe.open() else {
        defer { close(ends.read) }
        throw failure(errno)
      }
      source = pipe.read
      // No more than a pipe holds, so this does not wait, and nobody has closed the other end.
      _ = unsafe write(pipe.write, input, input.count)
      close(pipe.write)
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
    if source >= 0 {
      unsafe posix_spawn_file_actions_adddup2(&actions, source, STDIN_FILENO)
    } else if input != nil {
      // What comes on this program's is not for it.
      unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, ends.write, STDOUT_FILENO)
    var words = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var process: pid_t = 0
    let code = unsafe posix_spawnp(&process, program, &actions, &attributes, &words, environ)
    if code != 0 {
      close(ends.read)
      throw failure(code)
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
  /// What a pipe is sure to hold where nobody reads it.
  private static let mostInput = 60 * 1024
}
