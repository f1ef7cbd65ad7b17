import Glibc
import IMAPLoop
import IMAPStateMachine

/// Request and answer: connections that keep so many UID FETCHes of one message in flight.
enum Requests {
  static func run(
    _ security: TransportSecurity, port: UInt16, connections: Int, depth: Int, seconds: Int, threads: Int
  ) async throws {
    let group = try LoopGroup(threads: threads)
    let counters = (0..<threads).map { _ in RequestCounter() }
    for index in 0..<connections {
      let loop = group.loops[index % threads]
      let counter = counters[index % threads]
      loop.submit {
        _ = Requester(counter, depth, loop, host: "127.0.0.1", port: port, security)
      }
    }
    // All are logged in and at full depth before the count begins.
    for (loop, counter) in zip(group.loops, counters) {
      while await loop.run({ counter.started }) < connections / threads { try await Task.sleep(for: .milliseconds(20)) }
    }
    var before = 0
    for (loop, counter) in zip(group.loops, counters) { before += await loop.run { counter.completed } }
    let cpu = Clock.processCPU
    let start = Clock.now
    try await Task.sleep(for: .seconds(seconds))
    var after = 0
    for (loop, counter) in zip(group.loops, counters) { after += await loop.run { counter.completed } }
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

  init(
    _ counter: RequestCounter, _ depth: Int, _ loop: EventLoop, host: String, port: UInt16,
    _ security: TransportSecurity
  ) {
    self.counter = counter
    self.depth = depth
    channel = ClientChannel(loop: loop, host: host, port: port, security: security, delegate: self)
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
