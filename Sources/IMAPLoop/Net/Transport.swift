import Synchronization

/// What carries the bytes of a connection.
public struct Transport: Sendable {
  enum Kind: Sendable {
    case tcp
    case unixSocket(String)
    case command(Command)
    case descriptor(SingleUse<Int32>)
    case pipe(SingleUse<any BytePipe>)
    case pipes(@Sendable () async throws -> any BytePipe)
  }

  let kind: Kind

  /// TCP to the host and port of the configuration.
  public static let tcp = Transport(kind: .tcp)

  /// The UNIX socket at `path`, of at most 107 bytes on Linux.
  public static func unixSocket(path: String) -> Transport { Transport(kind: .unixSocket(path)) }

  /// The standard input and output of a program that speaks IMAP, as `IMAP4_stream` of Python's imaplib does.
  public static func command(_ command: Command) -> Transport { Transport(kind: .command(command)) }

  /// As ``command(_:)``, with the name or path of the program and its arguments.
  public static func command(_ executable: String, _ arguments: [String] = []) -> Transport {
    .command(Command(executable, arguments))
  }

  /// As ``command(_:)``, with a line that `/bin/sh` runs.
  public static func shell(_ line: String) -> Transport { .command(.shell(line)) }

  /// A connected socket that is open already: TCP or UNIX. The connection takes it over, and closes it. It can be used for one
  /// connection only.
  public static func descriptor(_ descriptor: Int32) -> Transport {
    Transport(kind: .descriptor(SingleUse(descriptor)))
  }

  /// A connection of the user's own, which can be used once.
  public static func pipe(_ pipe: any BytePipe) -> Transport { Transport(kind: .pipe(SingleUse(pipe))) }

  /// Connections of the user's own: `open` makes one for each attempt to connect. What it throws is the reason why that failed.
  public static func pipes(_ open: @escaping @Sendable () async throws -> any BytePipe) -> Transport {
    Transport(kind: .pipes(open))
  }

  /// A program to run.
  public struct Command: Sendable, Hashable, CustomStringConvertible {
    /// Its path, or a name that is looked for in PATH.
    public var executable: String
    /// What it is told.
    public var arguments: [String]
    /// Whether what it writes to its standard error appears on this process's own; otherwise it is thrown away.
    public var keepsErrorOutput = true
    /// When the connection closes the program reads the end of its input. It is sent SIGTERM where it has not ended after so
    /// long, and SIGKILL after as long again.
    public var graceTime = Duration.seconds(2)
    private var line: String?

    /// A program with arguments that no shell looks at.
    public init(_ executable: String, _ arguments: [String] = []) {
      self.executable = executable
      self.arguments = arguments
    }

    /// A line that `/bin/sh` runs.
    public static func shell(_ line: String) -> Command {
      var command = Command("/bin/sh", ["-c", line])
      command.line = line
      return command
    }

    /// The line, or the program, without its arguments: those may hold secrets.
    public var description: String { line ?? executable }
  }

  /// Whether a second connection can be made.
  var canReopen: Bool {
    switch kind {
    case .tcp, .unixSocket, .command, .pipes: true
    case .descriptor, .pipe: false
    }
  }

  /// Whether the bytes go to this machine's kernel and nowhere else, as far as this process can know.
  var isLocal: Bool {
    switch kind {
    case .unixSocket, .command: true
    case .tcp, .descriptor, .pipe, .pipes: false
    }
  }

  var isTCP: Bool {
    if case .tcp = kind { true } else { false }
  }
}

/// What only the first who asks for it gets.
final class SingleUse<Value: Sendable>: Sendable {
  private let value: Mutex<Value?>

  init(_ value: Value) { self.value = Mutex(value) }

  func take() -> Value? {
    value.withLock { value in
      defer { value = nil }
      return value
    }
  }
}
