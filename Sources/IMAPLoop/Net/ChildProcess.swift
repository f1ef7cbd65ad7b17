internal import CUV
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A child process. It is reaped by libuv, which waits for this one only.
@safe
final class ChildProcess: Handle {
  /// How a process ended.
  enum Exit: Hashable, CustomStringConvertible {
    case status(Int)
    case signal(Int)

    var description: String {
      switch self {
      case .status(let status): "exit status \(status)"
      case .signal(let signal): "signal \(signal)"
      }
    }
  }

  /// Set once it is known.
  private(set) var exit: Exit?
  /// Called when it is.
  var onExit: (() -> Void)?

  private let process: UnsafeMutablePointer<uv_process_t>
  private let graceTime: Duration
  private var isEnding = false
  private var timer: LoopTimer?

  /// Starts `command` with two descriptors as its standard input and output. They stay the caller's.
  init(loop: EventLoop, _ command: Transport.Command, input: Int32, output: Int32) throws(LoopError) {
    unsafe process = .allocate(capacity: 1)
    unsafe process.initialize(to: uv_process_t())
    graceTime = command.graceTime
    super.init(on: loop)
    let words = [command.executable] + command.arguments
    var status = UV_ECANCELED.rawValue
    // C strings end at the first zero byte.
    if command.executable.isEmpty || words.contains(where: { $0.utf8.contains(0) }) { status = UV_EINVAL.rawValue }
    if loop.isShuttingDown || status == UV_EINVAL.rawValue {
      unsafe process.deallocate()
      throw LoopError(status, "run \(command.executable)")
    }
    Self.unblockChildSignal()
    unsafe status = Self.spawn(
      loop.uv, process, words, [input, output], keepsErrorOutput: command.keepsErrorOutput)
    // libuv knows the handle also where it could not start the program.
    opened()
    if status != 0 {
      close()
      throw LoopError(status, "run \(command.executable)")
    }
  }

  override var kind: HandleCounters.Kind { .process }

  override var raw: UnsafeMutablePointer<uv_handle_t> {
    unsafe UnsafeMutableRawPointer(process).assumingMemoryBound(to: uv_handle_t.self)
  }

  override func deallocate() { unsafe process.deallocate() }

  override func loopShutsDown() { end() }

  /// The connection is closed, so that the process reads the end of its input. It is told by SIGTERM, and then by SIGKILL,
  /// where it does not end by itself.
  func end() {
    if isEnding || isClosing { return }
    isEnding = true
    signalLater(SIGTERM)
  }

  private func signalLater(_ signal: Int32) {
    timer = loop.schedule(after: graceTime) { [self] in
      if isClosing { return }
      unsafe _ = uv_process_kill(process, signal)
      if signal != SIGKILL { signalLater(SIGKILL) }
    }
  }

  private func exited(_ status: Int64, _ signal: Int32) {
    exit = signal != 0 ? .signal(Int(signal)) : .status(Int(status))
    timer?.cancel()
    timer = nil
    close()
    let body = onExit
    onExit = nil
    body?()
  }

  private static func spawn(
    _ loop: UnsafeMutablePointer<uv_loop_t>, _ process: UnsafeMutablePointer<uv_process_t>, _ words: [String],
    _ descriptors: [Int32], keepsErrorOutput: Bool
  ) -> Int32 {
    var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { for index in words.indices { unsafe free(arguments[index]) } }
    var ends = unsafe [uv_stdio_container_t](repeating: uv_stdio_container_t(), count: 3)
    for (index, descriptor) in descriptors.enumerated() {
      unsafe ends[index].flags = UV_INHERIT_FD
      unsafe ends[index].data.fd = descriptor
    }
    if keepsErrorOutput {
      unsafe ends[2].flags = UV_INHERIT_FD
      unsafe ends[2].data.fd = STDERR_FILENO
    } else {
      unsafe ends[2].flags = UV_IGNORE
    }
    var options = unsafe uv_process_options_t()
    unsafe options.exit_cb = { process, status, signal in
      unsafe (Handle.of(process?.pointee.data) as? ChildProcess)?.exited(status, signal)
    }
    // Safe: libuv only reads what it is lent here, and is done with it when the call returns.
    return unsafe arguments.withUnsafeMutableBufferPointer { arguments in
      unsafe ends.withUnsafeMutableBufferPointer { ends in
        unsafe options.file = UnsafePointer(arguments[0])
        unsafe options.args = arguments.baseAddress
        unsafe options.stdio = ends.baseAddress
        unsafe options.stdio_count = 3
        return unsafe uv_spawn(loop, process, &options)
      }
    }
  }

  /// A loop that was started on a thread of the concurrency pool has inherited that every signal is blocked, and might be the
  /// only thread that could hear of the child.
  private static func unblockChildSignal() {
    unsafe withUnsafeTemporaryAllocation(of: sigset_t.self, capacity: 1) { set in
      guard let set = set.baseAddress else { return }
      unsafe sigemptyset(set)
      unsafe sigaddset(set, SIGCHLD)
      unsafe pthread_sigmask(SIG_UNBLOCK, set, nil)
    }
  }
}
