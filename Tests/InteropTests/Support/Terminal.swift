import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = { unsafe read($0, $1, $2) }

/// A program on a terminal of its own: what is sent are keys, and what is read is what a user would see.
final class Terminal: @unchecked Sendable {
  struct TimedOut: Error, CustomStringConvertible {
    var description: String
  }

  private let master: Int32
  private let process: pid_t
  // Used by one test, one call at a time.
  private var unread = ""
  private var pending: [UInt8] = []
  private var isSilent = false

  /// Starts the tool with `environment` and what every program has, on a terminal of 24 lines.
  init(_ arguments: [String], environment: [String: String], columns: UInt16 = 100) throws {
    let name: String
    (master, name) = try Self.open()
    var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = unsafe ioctl(master, UInt(TIOCSWINSZ), &size)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    // A session of its own: the terminal that it opens first is the one whose Ctrl-C it hears.
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Self.newSession)
    #if canImport(Glibc)
      var actions = unsafe posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, 0, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, 0, 2)
    for descriptor in Int32(3)..<1024 { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
    var variables = ProcessInfo.processInfo.environment.filter {
      !$0.key.hasPrefix("IMAP_") && !$0.key.hasPrefix("imapclient_")
    }
    variables.merge(["TERM": "xterm", "LC_ALL": "C.UTF-8", "IMAP_CONFIG": ""]) { $1 }
    variables.merge(environment) { $1 }
    var words = unsafe ([Tool.executable.path] + arguments).map { unsafe strdup($0) } + [nil]
    var settings = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
      for index in unsafe words.indices { unsafe free(words[index]) }
      for index in unsafe settings.indices { unsafe free(settings[index]) }
    }
    var identifier: pid_t = 0
    let status = unsafe posix_spawn(&identifier, Tool.executable.path, &actions, &attributes, &words, &settings)
    guard status == 0 else { throw FreePort.SystemError(code: status) }
    process = identifier
  }

  deinit { close(master) }

  // glibc's header keeps the functions for this, and the flag, to programs that ask for them by a macro.
  #if canImport(Glibc)
    private static let newSession: Int16 = 0x80

    private static func open() throws -> (Int32, String) {
      let master = unsafe Glibc.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
      var (isLocked, number): (Int32, UInt32) = (0, 0)
      guard master >= 0, unsafe ioctl(master, 0x4004_5431, &isLocked) == 0,
        unsafe ioctl(master, 0x8004_5430, &number) == 0
      else { throw FreePort.SystemError() }
      return (master, "/dev/pts/\(number)")
    }
  #else
    private static let newSession = Int16(POSIX_SPAWN_SETSID)

    private static func open() throws -> (Int32, String) {
      let master = posix_openpt(O_RDWR | O_NOCTTY)
      guard master >= 0, grantpt(master) == 0, unlockpt(master) == 0, let name = unsafe ptsname(master) else {
        throw FreePort.SystemError()
      }
      _ = fcntl(master, F_SETFD, FD_CLOEXEC)
      return (master, unsafe String(cString: name))
    }
  #endif

  /// Presses keys.
  func send(_ keys: String) {
    var bytes = Array(keys.utf8)[...]
    while !bytes.isEmpty {
      let count = unsafe bytes.withUnsafeBytes { unsafe write(master, $0.baseAddress, $0.count) }
      if count <= 0 { return }
      bytes = bytes.dropFirst(count)
    }
  }

  /// Sends a signal to the program.
  func signal(_ number: Int32) { kill(process, number) }

  /// Whether the terminal shows what is typed, and hands it over by lines, as it does at the start.
  var showsKeys: Bool {
    var settings = termios()
    guard unsafe tcgetattr(master, &settings) == 0 else { return false }
    let wanted = tcflag_t(ECHO | ICANON | ISIG)
    return settings.c_lflag & wanted == wanted
  }

  /// Waits until `text` has appeared, and returns all up to its end that was not returned yet.
  @discardableResult
  func wait(for text: String) async throws -> String {
    while true {
      // By its scalars: CR LF is one character, and what is looked for may begin with the LF.
      if let range = unread.unicodeScalars.firstRange(of: text.unicodeScalars) {
        defer { unread = String(unread[range.upperBound...]) }
        return String(unread[..<range.upperBound])
      }
      guard let more = await read() else { throw TimedOut(description: "no \(text) in \(unread.debugDescription)") }
      unread += more
    }
  }

  /// Waits for the end of the program. Returns all that it still printed, and its exit status. One that has nothing more to say
  /// and does not end is killed.
  func end() async -> (output: String, status: Int32) {
    while let more = await read() { unread += more }
    if isSilent { kill(process, SIGKILL) }
    let process = process
    let status = await blocking {
      var status: Int32 = 0
      unsafe waitpid(process, &status, 0)
      return status
    }
    return (unread, status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f)
  }

  /// What comes next; nil at the end, and where nothing comes for long.
  private func read() async -> String? {
    let master = master
    let bytes = await blocking { () -> [UInt8]? in
      var waiting = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
      // Not a time that anything is measured by: it turns a hang into a failure that shows what there is.
      guard unsafe poll(&waiting, 1, 30_000) > 0 else { return nil }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = unsafe systemRead(master, &bytes, bytes.count)
      return Array(bytes.prefix(max(0, count)))
    }
    guard let bytes else {
      isSilent = true
      return nil
    }
    if bytes.isEmpty { return nil }
    pending += bytes
    // The end of a character may still be on its way.
    var whole = pending.count
    while whole > 0, pending.count - whole < 4, String(validating: pending[..<whole], as: UTF8.self) == nil {
      whole -= 1
    }
    if whole == 0 { whole = pending.count }
    defer { pending = Array(pending[whole...]) }
    return String(decoding: pending[..<whole], as: UTF8.self)
  }
}
