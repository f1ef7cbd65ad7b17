import Dispatch

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A server that runs as a child process until ``end(_:)``, with all that it starts in a process group of its own.
///
/// Not Foundation's `Process`: that one hands the signal mask of the calling thread on, and threads of the concurrency pool
/// block every signal, so a server would never hear SIGTERM.
struct ServerProcess {
  private let identifier: pid_t

  /// Starts a program. `folder` is where it works, with `environment` added to that of the test; `log` is the file that takes
  /// what it writes.
  init(
    _ arguments: [String], environment: [String: String] = [:], folder: String? = nil, log: String? = nil
  ) throws {
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETPGROUP))
    // A server that keeps the pipes of other children open would keep those from ever seeing their end.
    #if canImport(Glibc)
      var actions = unsafe posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    if let log {
      unsafe posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
      unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    }
    for descriptor in Int32(3)..<4096 { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
    var command = arguments
    if let folder {
      // What the shell starts takes its place.
      let variables = environment.map { "\($0.key)=\($0.value)" }
      command = ["/bin/sh", "-c", "cd \"$0\" && exec /usr/bin/env \"$@\"", folder] + variables + arguments
    }
    var pointers = unsafe command.map { unsafe strdup($0) } + [nil]
    defer { for index in command.indices { unsafe free(pointers[index]) } }
    var identifier: pid_t = 0
    let status = unsafe posix_spawn(&identifier, command[0], &actions, &attributes, &pointers, environ)
    guard status == 0 else { throw FreePort.SystemError(code: status) }
    self.identifier = identifier
  }

  /// Whether the process has not ended by itself.
  var isRunning: Bool { waitpid(identifier, nil, WNOHANG) == 0 }

  /// Sends `signal`, which must be one that ends them, to the process and to all that it has started, and waits until the
  /// process has ended. One that does not hear it is killed: Cyrus's master hears no signal while a connection waits for a worker
  /// that the same signal has ended.
  func end(_ signal: Int32 = SIGTERM) {
    kill(-identifier, signal)
    let last = DispatchWorkItem { [identifier] in _ = kill(-identifier, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 5, execute: last)
    waitpid(identifier, nil, 0)
    last.cancel()
  }

  /// Waits until the process has ended by itself; returns whether it says that it did well.
  func hasSucceeded() -> Bool {
    var status: Int32 = 0
    return unsafe waitpid(identifier, &status, 0) == identifier && status == 0
  }
}
