import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// Channels that are not connected yet, or never were.
@Suite(.timeLimit(.minutes(1))) struct ConnectingTests {
  /// What a channel says of itself is no reason to give it a machine.
  private static func expectNothingKnown(of channel: ClientChannel) {
    let loop = channel.loop
    let spares = loop.spareConnections.count
    #expect(channel.state == .greeting && channel.capabilities == nil && channel.enabled == [])
    #expect(channel.selected == nil && !channel.isIdling && channel.receivedCount == 0)
    // A channel's own come with the first command.
    var other = ClientConnection(now: loop.now)
    guard let id = try? other.enqueue(.noop, now: loop.now) else {
      Issue.record("no command was taken")
      return
    }
    #expect(!channel.isInFlight(id) && channel.tag(of: id) == nil && !channel.mayHaveBeenDone(id))
    #expect(!channel.isResting && channel.isMachineAtRest && loop.spareConnections.count == spares)
    #expect(throws: ConnectionError.self) { try channel.send(.noop) }
  }

  @Test func nothingIsKnownBeforeItIsConnected() async throws {
    try await withLoop { loop in
      let made = await loop.run {
        loop.resolver.substitute = { _, _ in }
        let log = ClientLog()
        let channel = ClientChannel(loop: loop, host: "mail.example", port: 143, security: .plain, delegate: log)
        Self.expectNothingKnown(of: channel)
        channel.pauseReading()
        channel.resumeReading()
        return Confined((log, channel))
      }
      await loop.run {
        let (log, channel) = made.value
        Self.expectNothingKnown(of: channel)
        #expect(log.lines == [])
        channel.close()
        channel.close()
      }
      await until(loop) { made.value.0.closeCount > 0 }
      await loop.run {
        #expect(made.value.0.lines == ["closed: local"])
        Self.expectNothingKnown(of: made.value.1)
      }
    }
  }

  @Test func nothingIsKnownOfWhatNeverWas() async throws {
    try await withLoop { loop in
      // A port that was there a moment ago.
      let gone = try await IMAPServer.start(on: loop) { _ in AgreeingServer(ServerLog()) }
      let port = gone.addresses[0].port
      await gone.shutdown()
      let made = await loop.run {
        let log = ClientLog()
        return Confined(
          (log, ClientChannel(loop: loop, host: "127.0.0.1", port: port, security: .plain, delegate: log)))
      }
      await until(loop) { made.value.0.closeCount > 0 }
      await loop.run {
        let (log, channel) = made.value
        #expect(log.lines.count == 1 && log.lines[0].contains("connection refused"), "\(log.lines)")
        Self.expectNothingKnown(of: channel)
      }
    }
  }

  /// The channel is told in the callback in which it connects; it reads already then.
  @Test func itIsClosedWhenItIsConnected() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .plain)
      let lines = try await bench.client { log in log.onLine = { channel, _ in channel.close() } }
      #expect(lines == ["connected", "closed: local"])
      await bench.server.shutdown()
    }
  }

  @Test func itMayPauseWhenItIsConnected() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, .plain)
      let lines = try await bench.client { log in
        log.onLine = { channel, line in
          switch line {
          case "connected":
            channel.pauseReading()
            loop.schedule(after: .milliseconds(5)) {
              log.lines.append("resumed")
              channel.resumeReading()
            }
          default: channel.close()
          }
        }
      }
      #expect(lines == ["connected", "resumed", "greeting ok", "closed: local"])
      await bench.server.shutdown()
    }
  }
}
