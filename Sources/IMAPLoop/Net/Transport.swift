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

    /// The program, or the first word of the line: arguments and the shell's assignments, as in `PASSWORD=x program`, may hold
    /// secrets. Where the line does not begin with the plain name of a program it is the shell.
    public var description: String { line.flatMap(Self.program) ?? executable }

    /// The first word of a line of the shell that is no assignment; nil where that takes more than a look.
    private static func program(of line: String) -> String? {
      var rest = Substring(line)
      while true {
        rest = rest.drop { $0.isWhitespace }
        let word = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "_./+-@:,~".contains($0)) }
        rest = rest.dropFirst(word.count)
        if !word.isEmpty, rest.first.map({ $0.isWhitespace || ";|&<>".contains($0) }) ?? true { return String(word) }
        let isName =
          word.first.map { !$0.isNumber } == true && word.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        guard isName, rest.first == "=", let end = endOfWord(rest) else { return nil }
        rest = rest[end...]
      }
    }

    /// Where the word ends that `text` begins with, behind its quotes; nil where they do not end, or the shell would have to
    /// expand something with words of its own.
    private static func endOfWord(_ text: Substring) -> Substring.Index? {
      var quote: Character?
      var isEscaped = false
      for index in text.indices {
        let character = text[index]
        // A quotation mark with an accent is one character, and to the shell a quotation mark.
        if !character.isASCII { return nil }
        if isEscaped {
          isEscaped = false
        } else if character == "\\", quote != "'" {
          isEscaped = true
        } else if character == quote {
          quote = nil
        } else if quote != "'", "$`(".contains(character) {
          return nil
        } else if quote == nil, character == "'" || character == "\"" {
          quote = character
        } else if quote == nil, character.isWhitespace {
          return index
        } else if quote == nil, ";|&<>".contains(character) {
          return nil
        }
      }
      return nil
    }
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
