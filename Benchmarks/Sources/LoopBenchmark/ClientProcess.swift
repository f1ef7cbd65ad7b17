import CHeap
import Glibc
import IMAPLoop
import IMAPStateMachine

/// The commands of a process with very many clients.
struct ClientProcess {
  private let loop: EventLoop
  private var settings: FleetSettings
  private var fleet: Fleet
  private var clients: Clients
  /// Connections of the same loop to another far end.
  private var other: Fleet

  static func run(_ settings: FleetSettings) async throws {
    let loop = try EventLoop.start(name: "client")
    let fleet = Fleet(loop: loop, settings: settings)
    var process = ClientProcess(
      loop: loop, settings: settings, fleet: fleet, clients: Clients(loop: loop, settings: settings), other: fleet)
    report("ready")
    while let line = readLine() { try await process.obey(line) }
  }

  private mutating func obey(_ line: String) async throws {
    let words = line.split(separator: " ").map(String.init)
    switch (words.first, words.count) {
    // Up to where, how many at once, in how many seconds, and the addresses that they come from if need be.
    case ("fleet", 5):
      settings.goal = FleetSettings.Goal(rawValue: words[1]) ?? .idle
      settings.inFlight = try LoopBenchmark.number(words[2])
      settings.timeout = .seconds(try LoopBenchmark.number(words[3], Int64.self))
      if words[4] != "-" {
        settings.socket.localAddresses = words[4].split(separator: ",")
          .compactMap { SocketAddress(numeric: String($0), port: 0) }
      }
      fleet = Fleet(loop: loop, settings: settings)
      report("fleet")
    case ("open", 2):
      let cpu = Clock.processCPU
      let start = Clock.now
      let failed = await fleet.open(try LoopBenchmark.number(words[1]))
      report("open", failed, Clock.now - start, Clock.processCPU - cpu, await fleet.reasons().joined(separator: "; "))
    case ("clients", 2):
      let cpu = Clock.processCPU
      let start = Clock.now
      let (failed, reasons) = await clients.open(try LoopBenchmark.number(words[1]))
      report("open", failed, Clock.now - start, Clock.processCPU - cpu, reasons.joined(separator: "; "))
    case ("also", 2):
      var settings = settings
      settings.port = try LoopBenchmark.number(words[1])
      other = Fleet(loop: loop, settings: settings)
      report("also", await other.open(1))
    case ("memory", 1): report("memory", Memory.resident, heap_bytes())
    // Whom it is for, one or each of them, how many.
    case ("expect", 4):
      let (count, forEach) = (try LoopBenchmark.number(words[3], Int.self), words[2] == "each")
      if words[1] == "clients" {
        await clients.expect(count, forEach: forEach)
      } else {
        await fleet.expect(count, forEach: forEach)
      }
      report("expecting")
    case ("await", 3):
      let seconds: Int = try LoopBenchmark.number(words[2])
      if words[1] == "clients" {
        await tell(clients.awaitEvents(seconds), missing: clients.missing())
      } else {
        await tell(fleet.awaitEvents(seconds), missing: fleet.missing())
      }
    case ("hold", 2):
      await fleet.hold(try LoopBenchmark.number(words[1]))
      report("held")
    case ("release", 1):
      await fleet.release()
      report("released")
    case ("flooded", 1):
      let (paused, lines) = await fleet.flooded()
      report("flooded", paused, lines, await other.flooded().lines)
    case ("cpu", 1): report("cpu", Clock.processCPU)
    default: throw BenchmarkError("unknown command: \(line)")
    }
  }

  private func tell(_ result: EventTally.Result, missing: [Int]) {
    let sorted = result.latencies.sorted()
    let p50 = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    let p99 = sorted.isEmpty ? 0 : sorted[sorted.count * 99 / 100]
    let names = missing.prefix(10).map(String.init).joined(separator: " ")
    report(
      "events", result.events, p50, p99, result.cpu, result.wall, result.allocations, result.doubled, missing.count,
      result.times.user, result.times.system, names)
  }
}
