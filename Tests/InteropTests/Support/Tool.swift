import Foundation

/// The `imap` tool as this build made it.
enum Tool {
  struct Result: Sendable {
    var status: Int32
    var output: String
    var error: String

    /// Each line of the output as a JSON object.
    var objects: [[String: any Sendable]] {
      output.split(separator: "\n").compactMap { line in
        (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: any Sendable]
      }
    }
  }

  /// Beside the test program, wherever that was built.
  static let executable: URL = {
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: program).deletingLastPathComponent().appendingPathComponent("imap")
  }()

  /// Runs the tool to its end.
  static func run(
    _ arguments: [String], input: String = "", environment: [String: String] = [:]
  ) async throws -> Result {
    let running = try Running(arguments, environment: environment)
    running.write(input)
    running.closeInput()
    return await running.result()
  }

  /// Runs the tool to its end with its output going elsewhere: `/dev/full`, or nowhere where `path` is nil.
  static func run(_ arguments: [String], input: String, outputTo path: String?) async throws -> Result {
    let shell = ["-c", path.map { "exec \"$0\" \"$@\" > \($0)" } ?? "exec \"$0\" \"$@\" >&-", executable.path]
    let running = try Running(shell + arguments, program: URL(fileURLWithPath: "/bin/sh"))
    running.write(input)
    running.closeInput()
    return await running.result()
  }

  /// The tool while it runs.
  final class Running: @unchecked Sendable {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let error = Pipe()
    // Set once, before the process starts; the stream may be waited for by one task.
    private let ended: AsyncStream<Int32>

    /// Starts `program` with `environment` and what every program has, but with no account of whoever runs the tests.
    init(_ arguments: [String], program: URL = Tool.executable, environment: [String: String] = [:]) throws {
      let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
      ended = stream
      process.executableURL = program
      process.arguments = arguments
      var variables = ProcessInfo.processInfo.environment.filter {
        !$0.key.hasPrefix("IMAP_") && !$0.key.hasPrefix("imapclient_")
      }
      variables["IMAP_CONFIG"] = ""
      variables.merge(environment) { $1 }
      process.environment = variables
      // Another child that this process starts meanwhile must not keep them open: their ends would never be seen.
      for pipe in [input, output, error] {
        for end in [pipe.fileHandleForReading, pipe.fileHandleForWriting] {
          _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
      }
      process.standardInput = input
      process.standardOutput = output
      process.standardError = error
      process.terminationHandler = { process in
        // It has ended, so this returns at once. In Foundation a `Process` and its source in the run loop hold each other, with
        // the pipes, until somebody has waited.
        process.waitUntilExit()
        continuation.yield(process.terminationStatus)
        continuation.finish()
      }
      try process.run()
    }

    func write(_ text: String) { try? input.fileHandleForWriting.write(contentsOf: Data(text.utf8)) }

    func closeInput() { try? input.fileHandleForWriting.close() }

    func interrupt() { process.interrupt() }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Nobody reads the output any more.
    func closeOutput() { try? output.fileHandleForReading.close() }

    /// The next line of the output; nil at its end.
    func line() async -> String? { await Self.line(output) }

    /// The next line on standard error; nil at its end.
    func errorLine() async -> String? { await Self.line(error) }

    private static func line(_ pipe: Pipe) async -> String? {
      await blocking {
        var line = Data()
        while let byte = try? pipe.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
          if byte == Data([0x0a]) { return String(decoding: line, as: UTF8.self) }
          line += byte
        }
        return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
      }
    }

    /// Lets the output hold one page and no more, where the system can do that.
    func narrowOutput() {
      #if canImport(Glibc)
        _ = fcntl(output.fileHandleForReading.fileDescriptor, Self.setPipeSize, 4096)
      #endif
    }

    // glibc's header keeps their names, F_SETPIPE_SZ and F_GETPIPE_SZ, to programs that ask for them by a macro.
    private static let setPipeSize: Int32 = 1031
    private static let getPipeSize: Int32 = 1032

    /// Returns when a line of `length` bytes does not fit into the output any more.
    func outputIsFull(_ length: Int) async {
      var capacity = 65_536
      #if canImport(Glibc)
        capacity = Int(fcntl(output.fileHandleForReading.fileDescriptor, Self.getPipeSize))
      #endif
      var unread: Int32 = 0
      while Int(unread) <= capacity - length {
        _ = unsafe ioctl(output.fileHandleForReading.fileDescriptor, UInt(FIONREAD), &unread)
        await Task.yield()
      }
    }

    /// As ``result()``, of a program whose output nobody reads before it has ended.
    func resultUnread() async -> Result {
      var status: Int32 = -1
      for await end in ended { status = end }
      return await Result(status: status, output: Self.all(output), error: Self.all(error))
    }

    /// Waits for the end; what was read by ``line()`` is not in the output any more.
    func result() async -> Result {
      async let output = Self.all(output)
      async let error = Self.all(error)
      let texts = await (output, error)
      for await status in ended { return Result(status: status, output: texts.0, error: texts.1) }
      return Result(status: -1, output: texts.0, error: texts.1)
    }

    private static func all(_ pipe: Pipe) async -> String {
      await blocking {
        String(decoding: (try? pipe.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
      }
    }
  }
}
