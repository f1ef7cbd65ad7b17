import Glibc
import IMAPLoop
import IMAPStateMachine

/// Request and answer: connections that keep so many UID FETCHes of one message in flight.
enum Requests {
  /// By channel and borrowed events.
  static func run(_ settings: FleetSettings, connections: Int, depth: Int, seconds: Int, threads: Int) async throws {
    let group = try LoopGroup(threads: threads)
    let counters = (0..<threads).map { _ in RequestCounter() }
    for index in 0..<connections {
      let loop = group.loops[index % threads]
      let counter = counters[index % threads]
      loop.submit { _ = Requester(counter, depth, loop, settings) }
    }
    // All are logged in and at full depth before the count begins.
    for (loop, counter) in zip(group.loops, counters) {
      while await loop.run({ counter.started }) < connections / threads { try await Task.sleep(for: .milliseconds(20)) }
    }
    try await measure(seconds) {
      var sum = 0
      for (loop, counter) in zip(group.loops, counters) { sum += await loop.run { counter.completed } }
      return sum
    }
  }

  /// By ``IMAPClient``.
  static func runClients(
    _ settings: FleetSettings, connections: Int, depth: Int, seconds: Int, threads: Int
  ) async throws {
    let group = try LoopGroup(threads: threads)
    let actors = group.loops.map { ClientRequests(loop: $0) }
    for index in 0..<connections { try await actors[index % threads].start(settings, index, depth: depth) }
    try await measure(seconds) {
      var sum = 0
      for actor in actors {
        if let failure = await actor.failure { throw BenchmarkError(failure) }
        sum += await actor.completed
      }
      return sum
    }
  }

  private static func measure(_ seconds: Int, _ count: () async throws -> Int) async throws {
    let before = try await count()
    let cpu = Clock.processCPU
    let start = Clock.now
    try await Task.sleep(for: .seconds(seconds))
    let after = try await count()
    report("requests", after - before, Clock.now - start, Clock.processCPU - cpu)
    exit(0)
  }
}

/// What the connections of one loop have done. Used on the loop's thread only.
final class RequestCounter: @unchecked Sendable {
  var completed = 0
  var started = 0
}

/// One connection.
final class Requester: ClientChannelDelegate {
  private let counter: RequestCounter
  private let depth: Int
  private var channel: ClientChannel?
  private var isStarted = false
  private var steps = 0

  init(_ counter: RequestCounter, _ depth: Int, _ loop: EventLoop, _ settings: FleetSettings) {
    self.counter = counter
    self.depth = depth
    channel = ClientChannel(
      loop: loop, host: settings.host(of: 0), port: settings.port, security: settings.security, delegate: self)
  }

  func channelConnected(_ channel: ClientChannel) {}

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    switch copy event {
    case .greeting:
      send(channel, .login(user: "joe", password: Secret("secret")))
      send(channel, .select(.inbox))
    case .completed:
      if isStarted {
        counter.completed += 1
        send(channel, Self.request)
      } else {
        steps += 1
        if steps < 2 { break }
        isStarted = true
        counter.started += 1
        for _ in 0..<depth { send(channel, Self.request) }
      }
    default: break
    }
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    self.channel = nil
    let message = "a connection was lost: \(reason)\n"
    _ = unsafe write(STDERR_FILENO, message, message.utf8.count)
    exit(1)
  }

  private func send(_ channel: ClientChannel, _ command: Command) { _ = try? channel.send(command) }

  private static let request = Command.fetch(.uids(UIDSet(1)), [.flags])
}
