import AllocationCounter
import Glibc
import IMAPStateMachine

/// Measures what a command costs on a client's connection: enqueued, encoded, and matched with its completion. Prints lines
/// whose fields are separated by tabs; Tools/bench.py makes the report of them.
///
///     machine-benchmark workloads
///     machine-benchmark time RUNS
///     machine-benchmark count WORKLOAD PASSES
///
/// `count` runs PASSES times the same number of commands and measures nothing, for valgrind.
@main
enum MachineBenchmark {
  private static let workloads: [(name: String, command: Command)] = [
    ("noop", .noop),
    // As they are read: UID FETCH 1:* (UID FLAGS) and UID STORE 1:* +FLAGS.SILENT (\Seen).
    ("uid-fetch", .fetch(.uids(.all), [.uid, .flags])),
    ("uid-store", .store(.uids(.all), StoreOperation(.add, [.seen], silent: true))),
  ]

  /// Commands of one run or pass.
  private static let commands = 20_000

  static func main() {
    do {
      let arguments = CommandLine.arguments.dropFirst()
      switch (arguments.first, arguments.count) {
      case ("workloads", 1): for workload in workloads { print(workload.name) }
      case ("time", 2): try time(runs: Int(arguments[2]) ?? 5)
      case ("count", 3): try count(arguments[2], passes: Int(arguments[3]) ?? 1)
      default: throw BenchmarkError("usage: machine-benchmark workloads | time RUNS | count WORKLOAD PASSES")
      }
    } catch {
      let message = "machine-benchmark: \(error)\n"
      _ = unsafe write(STDERR_FILENO, message, message.utf8.count)
      exit(1)
    }
  }

  private static func time(runs: Int) throws {
    for workload in workloads {
      var connection = try SelectedConnection()
      // The buffers grow here, with tags as long as they will be.
      for _ in 0..<commands { try connection.run(workload.command) }
      for _ in 0..<runs {
        let before = allocation_counter_begin()
        let start = cpuTime()
        for _ in 0..<commands { try connection.run(workload.command) }
        let elapsed = cpuTime() - start
        let allocated = allocation_counter_end() - before
        print("time", workload.name, commands, elapsed, allocated, separator: "\t")
      }
    }
    print("inline", MemoryLayout<ClientConnection>.size, separator: "\t")
    print("heap", "authenticated", try IdleConnections.heapBytes(isSelected: false), separator: "\t")
    print("heap", "selected", try IdleConnections.heapBytes(isSelected: true), separator: "\t")
  }

  private static func count(_ name: String, passes: Int) throws {
    guard let workload = workloads.first(where: { $0.name == name }) else {
      throw BenchmarkError("no workload \(name)")
    }
    var connection = try SelectedConnection()
    for _ in 0..<commands { try connection.run(workload.command) }
    for _ in 0..<passes * commands { try connection.run(workload.command) }
    print(name, passes * commands, connection.completed, separator: "\t")
  }

  /// Nanoseconds that this thread has computed. Unlike the time on the wall it stands still while others have the core.
  private static func cpuTime() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// Why a benchmark cannot be run, or its figures cannot be trusted.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
