#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A server that runs as a child process until ``end()``.
///
/// Not Foundation's `Process`: that one hands the signal mask of the calling thread on, and threads of the concurrency pool
/// block every signal, so a server would never hear SIGTERM.
struct ServerProcess {
  private let identifier: pid_t

  init(_ arguments: [String]) throws {
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    // A server that keeps the pipes of other children open would keep those from ever seeing their end.
    #if canImport(Glibc)
      var actions = unsafe posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for descriptor in Int32(3)..<4096 { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
    var pointers = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { for index in arguments.indices { unsafe free(pointers[index]) } }
    var identifier: pid_t = 0
    let status = unsafe posix_spawn(&identifier, arguments[0], &actions, &attributes, &pointers, environ)
    guard status == 0 else { throw FreePort.SystemError(code: status) }
    self.identifier = identifier
  }

  /// Whether the process has not ended by itself.
  var isRunning: Bool { waitpid(identifier, nil, WNOHANG) == 0 }

  /// Asks the process to end and waits until it has.
  func end() {
    kill(identifier, SIGTERM)
    waitpid(identifier, nil, 0)
  }
}
