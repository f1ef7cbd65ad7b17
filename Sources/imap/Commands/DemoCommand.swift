import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Watch many mailboxes at once, on one thread, and measure it.",
    discussion: """
      Starts `imap serve` as a child process with TLS, opens many connections to it on one loop thread, logs in, selects and
      idles on each, appends messages at random mailboxes, and lets every watcher that hears of a new message fetch its
      ENVELOPE. Fails if a message is lost or delivered twice.

      EXAMPLE
        imap demo --connections 5000 --messages 500
      """)

  @Option(help: "Connections that watch.")
  var connections = 1000

  @Option(help: "Messages to append. (default: as many as connections)")
  var messages: Int?

  @Option(help: "Connections that share a mailbox.")
  var watchersPerMailbox = 4

  @Option(help: "Seed of the choice of mailboxes.")
  var seed: UInt64 = 1

  @Flag(help: "Print the results as one JSON object.")
  var json = false

  func validate() throws {
    if connections < 1 || connections > 100_000 { throw ValidationError("--connections must be from 1 to 100000.") }
    if watchersPerMailbox < 1 { throw ValidationError("--watchers-per-mailbox must be at least 1.") }
    if let messages, messages < 0 { throw ValidationError("--messages must not be negative.") }
    if let limit = DescriptorLimit.raise(), limit < connections + 64 {
      throw ValidationError(
        "\(connections) connections need \(connections + 64) open files, and the limit is \(limit): raise it with "
          + "`ulimit -n`, or ask for fewer connections.")
    }
  }

  func run() async throws {
    try await reporting {
      let mailboxes = (connections + watchersPerMailbox - 1) / watchersPerMailbox
      let server = try ChildServer.start(user: "demo", password: "demo", mailboxes: mailboxes)
      defer { server.stop() }
      let loop = try EventLoop.start()
      do {
        try await run(server, mailboxes, loop)
      } catch let error as IMAPError {
        await loop.shutdown()
        throw Failure(error, host: "127.0.0.1")
      } catch {
        await loop.shutdown()
        throw error
      }
      let report = await loop.shutdown()
      if !report.isClean { throw Failure(.failure, "handles were left open: \(report)") }
    }
  }

  private func run(_ server: ChildServer, _ mailboxes: Int, _ loop: EventLoop) async throws {
    let trust = TLSContext.Trust.file(server.certificateFile)
    let security: TransportSecurity
    do throws(ConnectionError) {
      security = .tls(try TLSContext.client(trust: trust))
    } catch {
      throw Failure(.connection(error), host: "127.0.0.1")
    }
    let settings = DemoSettings(
      host: "127.0.0.1", port: server.tlsPort, security: security, user: "demo", password: Secret("demo"),
      connections: connections, mailboxes: mailboxes)
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.tlsPort, trust: trust)
    configuration.connectTimeout = .seconds(30)
    // Everything that is needed once is in memory before the first measurement.
    let appender = try await IMAPClient.connect(configuration, on: loop)
    try await appender.login(user: settings.user, password: settings.password)

    let fleet = DemoFleet(loop: loop, settings: settings)
    let memoryBefore = ResidentMemory.bytes ?? 0
    let started = ContinuousClock.now
    let opening = Progress("watchers idle", total: connections)
    let watching = Task { await opening.follow { await fleet.idling } }
    let failures = await fleet.open()
    watching.cancel()
    await watching.value
    opening.finish(await fleet.idling)
    let openTime = ContinuousClock.now - started
    let memoryAfter = ResidentMemory.bytes ?? 0
    if let first = failures.first {
      throw Failure(.failure, "\(failures.count) of \(connections) connections failed: \(first)")
    }

    let count = messages ?? connections
    var generator = DemoGenerator(seed: seed)
    let delivering = Progress("messages appended", total: count)
    for index in 0..<count {
      let mailbox = Int.random(in: 0..<mailboxes, using: &generator)
      await fleet.willAppend(index, to: mailbox)
      _ = try await appender.append(Self.message(index), to: DemoSettings.mailbox(mailbox))
      delivering.update(index + 1)
    }
    await fleet.awaitDelivery(patience: .seconds(10))
    delivering.finish(count)
    await fleet.settle(patience: .seconds(10))
    // Whatever is still on its way reaches a watcher before the answer to its LOGOUT does.
    await fleet.close()
    let report = await fleet.report()
    await appender.logout()
    try show(report, openTime: openTime, memory: memoryAfter - memoryBefore, messages: count)
    if report.delivered != report.expected || report.duplicates > 0 || !report.failures.isEmpty {
      throw Failure(
        .failure,
        "\(report.expected - report.delivered) deliveries lost, \(report.duplicates) doubled"
          + (report.failures.first.map { ", \(report.failures.count) connections failed: \($0)" } ?? ""))
    }
  }

  private func show(_ report: DemoFleet.Report, openTime: Duration, memory: Int, messages: Int) throws {
    let seconds = Double(openTime.components.seconds) + Double(openTime.components.attoseconds) / 1e18
    let rate = Int(Double(connections) / seconds)
    let sorted = report.latencies.sorted()
    let p50 = Self.microseconds(sorted, 0.50)
    let p99 = Self.microseconds(sorted, 0.99)
    if json {
      try Console.line(
        JSON.object([
          ("connections", .number(Int64(connections))), ("connectionsPerSecond", .number(Int64(rate))),
          ("bytesPerIdleConnection", .number(Int64(memory / connections))), ("messages", .number(Int64(messages))),
          ("delivered", .number(Int64(report.delivered))), ("expected", .number(Int64(report.expected))),
          ("duplicates", .number(Int64(report.duplicates))), ("wakeP50Microseconds", .number(Int64(p50))),
          ("wakeP99Microseconds", .number(Int64(p99))),
        ]))
      return
    }
    try Console.line("connections            \(connections), TLS, one thread, logged in, selected and idling")
    try Console.line("opened                 \(rate) per second")
    try Console.line("memory                 \(memory / connections) bytes per idle connection (difference of RSS)")
    try Console.line(
      "messages               \(messages) appended at random mailboxes, \(watchersPerMailbox) watchers each")
    try Console.line("delivered              \(report.delivered) of \(report.expected), \(report.duplicates) doubled")
    try Console.line("append to event        p50 \(p50) us, p99 \(p99) us")
  }

  private static func microseconds(_ sorted: [Duration], _ quantile: Double) -> Int {
    guard !sorted.isEmpty else { return 0 }
    let duration = sorted[min(sorted.count - 1, Int(Double(sorted.count) * quantile))]
    return Int(duration.components.seconds) * 1_000_000 + Int(duration.components.attoseconds / 1_000_000_000_000)
  }

  private static func message(_ index: Int) -> [UInt8] {
    Array(
      """
      From: Demo <demo@example.org>\r
      To: Watcher <watcher@example.org>\r
      Subject: \(DemoSettings.subject(index))\r
      Date: Sat, 21 Nov 2026 12:00:00 +0000\r
      Message-ID: <demo.\(index)@example.org>\r
      \r
      Message \(index) of the demo.\r

      """.utf8)
  }
}

/// A small generator with a seed, so that a run can be repeated (xorshift64*).
struct DemoGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 2 &+ 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
