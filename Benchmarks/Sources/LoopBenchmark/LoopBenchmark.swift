import Glibc
import IMAPLoop
import IMAPStateMachine

/// Measures many connections on loopback, with the far end in another process. Tools/loop.py starts both and makes the report.
///
///     loop-benchmark serve KIND BASE CERTIFICATE
///     loop-benchmark client KIND BASE CERTIFICATE PORT HOST,...
///     loop-benchmark requests KIND BASE CERTIFICATE PORT CONNECTIONS DEPTH SECONDS THREADS
///     loop-benchmark client-requests KIND BASE CERTIFICATE PORT CONNECTIONS DEPTH SECONDS THREADS
///
/// KIND is plain, tls, or tls-full for TLS that never resumes a session.
/// The first two read commands from standard input, a line each, and answer each by a line whose fields are separated by tabs.
/// BASE is the moment that the stamps of both count from, in nanoseconds of the monotonic clock. The server writes its
/// certificate to the file CERTIFICATE, which the client trusts.
@main
enum LoopBenchmark {
  /// Not async: valgrind does not survive how the runtime parks the first thread of an async program.
  static func main() {
    TLSMemory.keepBlocks()
    Task.detached { await run() }
    while true { sleep(1000) }
  }

  private static func run() async {
    do {
      let arguments = Array(CommandLine.arguments.dropFirst())
      guard arguments.count >= 4, let base = UInt64(arguments[2]) else {
        throw BenchmarkError("see the sources for usage")
      }
      let stamp = Stamp(base: base)
      raiseFileLimit()
      if arguments[0] == "serve", arguments.count == 4 {
        try await ServerProcess.run(isTLS: arguments[1] != "plain", stamp, certificate: arguments[3])
        exit(0)
      }
      guard arguments.count >= 6 else { throw BenchmarkError("see the sources for usage") }
      var settings = FleetSettings(
        hosts: ["127.0.0.1"], port: try number(arguments[4]),
        security: try security(arguments[1], certificate: arguments[3]), stamp: stamp)
      switch (arguments[0], arguments.count) {
      case ("client", 6):
        settings.hosts = arguments[5].split(separator: ",").map(String.init)
        try await ClientProcess.run(settings)
      case ("requests", 9):
        try await Requests.run(
          settings, connections: number(arguments[5]), depth: number(arguments[6]), seconds: number(arguments[7]),
          threads: number(arguments[8]))
      case ("client-requests", 9):
        try await Requests.runClients(
          settings, connections: number(arguments[5]), depth: number(arguments[6]), seconds: number(arguments[7]),
          threads: number(arguments[8]))
      default: throw BenchmarkError("see the sources for usage")
      }
      exit(0)
    } catch {
      let message = "loop-benchmark: \(error)\n"
      _ = unsafe write(STDERR_FILENO, message, message.utf8.count)
      exit(1)
    }
  }

  static func number<Number: FixedWidthInteger>(_ text: String, _ type: Number.Type = Number.self) throws -> Number {
    guard let number = Number(text) else { throw BenchmarkError("\(text) is no number") }
    return number
  }

  private static func security(_ name: String, certificate: String) throws -> TransportSecurity {
    if name == "plain" { return .plain }
    var options = TLSContext.ClientOptions(trust: .file(certificate))
    options.resumesSessions = name == "tls"
    return .tls(try TLSContext.client(options))
  }

  private static func raiseFileLimit() {
    var limit = rlimit()
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    guard unsafe getrlimit(resource, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    unsafe _ = setrlimit(resource, &limit)
  }
}
