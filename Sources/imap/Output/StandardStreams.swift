#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a program inherits and must not trust.
enum StandardStreams {
  /// What is wrong with the arguments before anybody has read them: nil where nothing is.
  static func complaint() -> String? {
    // Foundation would put something else in the place of such bytes, and a mailbox would be called that.
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let word = unsafe CommandLine.unsafeArgv[index] else { break }
      if unsafe String(validatingCString: word) == nil {
        return "argument \(index) is not UTF-8: \(unsafe String(cString: word)); write it in that encoding"
      }
    }
    return nil
  }

  /// Makes writing to a pipe that nobody reads an error instead of the end, lets Ctrl-C, SIGTERM and SIGHUP through even where
  /// the parent blocked them, and fills standard descriptors that were closed: the next socket would get their number, and
  /// output would go there.
  static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGINT)
    unsafe sigaddset(&signals, SIGTERM)
    unsafe sigaddset(&signals, SIGHUP)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // Opened in the direction in which it is not used, so that using it stays an error. The lowest free number is given
      // out first, which is this one.
      _ = unsafe open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
