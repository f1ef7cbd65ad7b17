import CHeap
import Glibc
import IMAPLoop
import IMAPStateMachine

/// Measures many connections on loopback, with the far end in another process. Tools/loop.py starts both and makes the report.
///
///     loop-benchmark serve KIND BASE CERTIFICATE
///     loop-benchmark client KIND BASE CERTIFICATE PORT HOST,...
///     loop-benchmark requests KIND BASE CERTIFICATE PORT CONNECTIONS DEPTH SECONDS THREADS
///
/// KIND is plain, tls, or tls-full for TLS that never resumes a session.
/// The first two read commands from standard input, a line each, and answer each by a line whose fields are separated by tabs.
/// BASE is the moment that the stamps of both count from, in nanoseconds of the monotonic clock. The server writes its
/// certificate to the file CERTIFICATE, which the client trusts.
@main
enum LoopBenchmark {
  /// Not async: valgrind does not survive how the runtime parks the first thread of an async program.
  static func main() {
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
      switch (arguments[0], arguments.count) {
      case ("serve", 4): try await serve(isTLS: arguments[1] != "plain", stamp, certificate: arguments[3])
      case ("client", 6):
        let port = try number(arguments[4], UInt16.self)
        try await client(
          security(arguments[1], certificate: arguments[3]), stamp, port,
          arguments[5].split(separator: ",").map(String.init))
      case ("requests", 9):
        let security = try security(arguments[1], certificate: arguments[3])
        try await Requests.run(
          security, port: number(arguments[4]), connections: number(arguments[5]), depth: number(arguments[6]),
          seconds: number(arguments[7]), threads: number(arguments[8]))
      default: throw BenchmarkError("see the sources for usage")
      }
    } catch {
      let message = "loop-benchmark: \(error)\n"
      _ = unsafe Glibc.write(STDERR_FILENO, message, message.utf8.count)
      exit(1)
    }
  }

  private static func number<Number: FixedWidthInteger>(_ text: String, _ type: Number.Type = Number.self) throws
    -> Number
  {
    guard let number = Number(text) else { throw BenchmarkError("\(text) is no number") }
    return number
  }

  private static func security(_ name: String, certificate: String) throws -> TransportSecurity {
    if name == "plain" { return .plain }
    var options = TLSContext.ClientOptions(trust: .file(certificate))
    options.resumesSessions = name == "tls"
    return .tls(try TLSContext.client(options))
  }

  // MARK: The far end

  private static func serve(isTLS: Bool, _ stamp: Stamp, certificate path: String) async throws {
    raiseFileLimit()
    let loop = try EventLoop.start(name: "far-end")
    let far = FarEnd(loop: loop, stamp: stamp)
    var security = TransportSecurity.plain
    if isTLS {
      let certificate = try SelfSignedCertificate.generate(
        hosts: (1...4).map { "127.0.0.\($0)" })
      try write(certificate.certificatePEM, to: path)
      security = .tls(try TLSContext.server(identity: certificate.identity))
    }
    report("listening", try await far.start(security))
    while let line = readLine() {
      let words = line.split(separator: " ").map(String.init)
      switch (words.first, words.count) {
      case ("idling", 1): report("idling", await far.idling)
      case ("paced", 3):
        let count = try number(words[1], Int.self)
        let interval = try number(words[2], UInt64.self) * 1000
        var next = Clock.now
        for _ in 0..<count {
          next += interval
          let now = Clock.now
          if next > now {
            var rest = timespec(tv_sec: Int((next - now) / 1_000_000_000), tv_nsec: Int((next - now) % 1_000_000_000))
            unsafe nanosleep(&rest, nil)
          }
          await far.tellOne()
        }
        report("paced", count)
      case ("burst", 1): report("burst", await far.tellAll())
      case ("flood", 1):
        await far.flood()
        report("flooding")
      case ("dry", 1): report("dry", await far.stopFlood())
      case ("cpu", 1): report("cpu", Clock.processCPU)
      default: throw BenchmarkError("unknown command: \(line)")
      }
    }
    exit(0)
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = unsafe fopen(path, "w") else { throw BenchmarkError("cannot write \(path)") }
    unsafe _ = fputs(text, file)
    unsafe _ = fclose(file)
  }

  // MARK: The client

  private static func client(_ security: TransportSecurity, _ stamp: Stamp, _ port: UInt16, _ hosts: [String])
    async throws
  {
    raiseFileLimit()
    let loop = try EventLoop.start(name: "client")
    var settings = FleetSettings(hosts: hosts, port: port, security: security, inFlight: 64, goal: .idle, stamp: stamp)
    var fleet = Fleet(loop: loop, settings: settings)
    // Connections of the same loop to other far ends.
    var others: [Fleet] = []
    report("ready")
    while let line = readLine() {
      let words = line.split(separator: " ").map(String.init)
      switch (words.first, words.count) {
      case ("fleet", 3):
        settings.goal = FleetSettings.Goal(rawValue: words[1]) ?? .idle
        settings.inFlight = try number(words[2])
        fleet = Fleet(loop: loop, settings: settings)
        report("fleet")
      case ("open", 2):
        let cpu = Clock.processCPU
        let start = Clock.now
        let failed = await fleet.open(try number(words[1]))
        report("open", failed, Clock.now - start, Clock.processCPU - cpu, await fleet.reasons().joined(separator: "; "))
      case ("also", 2):
        var other = settings
        other.port = try number(words[1])
        others.append(Fleet(loop: loop, settings: other))
        report("also", await others[others.count - 1].open(1))
      case ("memory", 1): report("memory", Memory.resident, heap_bytes())
      case ("trim", 1): report("trim", heap_trim())
      case ("forget", 1):
        await fleet.forget()
        report("forgotten")
      case ("await", 2):
        await fleet.awaitEvents(try number(words[1]))
        let result = await fleet.result()
        let sorted = result.latencies.sorted()
        let p50 = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        let p99 = sorted.isEmpty ? 0 : sorted[sorted.count * 99 / 100]
        report("events", result.events, p50, p99, result.cpu, result.wall, result.allocations)
      case ("hold", 3):
        await fleet.hold(try number(words[1]), words[2] == "1")
        report("held")
      case ("cpu", 1): report("cpu", Clock.processCPU)
      case ("close", 1):
        await fleet.close()
        report("closed")
      default: throw BenchmarkError("unknown command: \(line)")
      }
    }
    exit(0)
  }

  private static func raiseFileLimit() {
    var limit = rlimit()
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    guard unsafe getrlimit(resource, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    unsafe _ = setrlimit(resource, &limit)
  }
}
