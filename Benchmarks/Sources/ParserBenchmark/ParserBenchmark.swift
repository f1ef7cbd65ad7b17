import CPeers
import Glibc
import IMAPStateMachine

/// Measures the response parser and the peers that are libraries, in one process on one thread. Prints one line for each
/// run, its fields separated by tabs; Tools/bench.py makes the report of them.
///
///     parser-benchmark time FOLDER RUNS
///     parser-benchmark count FOLDER WORKLOAD MODE PASSES
///
/// `time` measures every workload. `count` parses one fixture PASSES times and measures nothing: the instructions that valgrind
/// counts for two passes less those for one are those of a pass.
@main
enum ParserBenchmark {
  /// A run goes on over its fixture until this many nanoseconds have passed.
  private static let runTime: UInt64 = 100_000_000

  static func main() {
    do throws(BenchmarkError) {
      let arguments = CommandLine.arguments.dropFirst()
      switch (arguments.first, arguments.count) {
      case ("time", 3): try time(arguments[2], runs: Int(arguments[3]) ?? 5)
      case ("count", 5): try count(arguments[2], arguments[3], arguments[4], passes: Int(arguments[5]) ?? 1)
      case ("workloads", 1): for workload in Workload.all { list(workload) }
      default: throw BenchmarkError("usage: parser-benchmark time FOLDER RUNS | count FOLDER WORKLOAD MODE PASSES")
      }
    } catch {
      let message = "parser-benchmark: \(error)\n"
      _ = unsafe write(STDERR_FILENO, message, message.utf8.count)
      exit(1)
    }
  }

  private static func list(_ workload: Workload) {
    for mode in workload.modes {
      let copies = structuresAreCopied && workload.fixture == "envelope" && workload.reading.structures
      print(workload.name, mode.rawValue, workload.fixture, copies && mode == .views ? "copies" : "", separator: "\t")
    }
  }

  /// Runs take turns, so that a busy moment of the machine hits all alike.
  private static func time(_ folder: String, runs: Int) throws(BenchmarkError) {
    for workload in Workload.all {
      let fixture = try Fixture(workload.fixture, in: folder)
      for _ in 0..<runs {
        if workload.hasPeers {
          var state: UInt8 = 0
          try report(workload, "C table loop", fixture) { () throws(BenchmarkError) in
            state = unsafe fixture.bytes.withUnsafeBufferPointer {
              unsafe peer_table_loop($0.baseAddress, $0.count, state)
            }
            return Outcome(sum: UInt64(state))
          }
          try report(workload, "libetpan", fixture) { () throws(BenchmarkError) in
            let result = unsafe fixture.bytes.withUnsafeBufferPointer {
              unsafe peer_libetpan($0.baseAddress, $0.count, Connection.readSize)
            }
            return Outcome(responses: result.responses, untyped: result.refused)
          }
        }
        for mode in workload.modes {
          var connection = Connection()
          try report(workload, mode.rawValue, fixture) { () throws(BenchmarkError) in
            try parse(fixture, workload, mode, &connection)
          }
        }
      }
    }
  }

  private static func count(
    _ folder: String, _ name: String, _ modeName: String, passes: Int
  ) throws(BenchmarkError) {
    guard let workload = Workload.all.first(where: { $0.name == name }), let mode = Mode(rawValue: modeName) else {
      throw BenchmarkError("no workload \(name) in mode \(modeName)")
    }
    let fixture = try Fixture(workload.fixture, in: folder)
    var connection = Connection()
    for _ in 0..<passes { _ = try parse(fixture, workload, mode, &connection) }
    let sink = connection.sink
    print(name, modeName, sink.responses, sink.numbers, sink.sum, separator: "\t")
  }

  private static func parse(
    _ fixture: Fixture, _ workload: Workload, _ mode: Mode, _ connection: inout Connection
  ) throws(BenchmarkError) -> Outcome {
    do throws(ParseError) {
      try connection.parse(fixture, mode, workload.reading, readSize: workload.readSize)
    } catch {
      throw BenchmarkError("\(workload.name): \(error)")
    }
    try connection.verify(workload)
    let sink = connection.sink
    return Outcome(responses: UInt64(sink.responses), untyped: UInt64(sink.untyped), sum: sink.sum)
  }

  /// What one run did. Counts of the parser itself go on over the passes of a run, as its connection does.
  private struct Outcome {
    var responses: UInt64 = 0
    var untyped: UInt64 = 0
    var sum: UInt64 = 0
  }

  private static func report(
    _ workload: Workload, _ parser: String, _ fixture: Fixture,
    _ pass: () throws(BenchmarkError) -> Outcome
  ) throws(BenchmarkError) {
    let start = cpuTime()
    var passes = 0
    var first = Outcome()
    var last = Outcome()
    var elapsed: UInt64 = 0
    repeat {
      last = try pass()
      if passes == 0 { first = last }
      passes += 1
      elapsed = cpuTime() - start
    } while elapsed < runTime
    print(
      workload.name, parser, fixture.bytes.count, first.responses, first.untyped, passes, elapsed,
      last.sum, separator: "\t")
  }

  /// Nanoseconds that this thread has computed. Unlike the time on the wall it stands still while others have the core.
  private static func cpuTime() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
