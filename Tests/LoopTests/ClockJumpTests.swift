import Foundation
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A process that was stopped for hours, and goes on. The client's clock jumps, the server's does not.
@Suite(.timeLimit(.minutes(1))) struct ClockJumpTests {
  /// Writes down what it is told, and answers all but CHECK, which is answered when the test says so. Used on its loop's thread.
  private final class Server: ServerChannelDelegate, @unchecked Sendable {
    private(set) var lines: [String] = []
    private var held: (channel: ServerChannel, id: ServerCommandID)?

    func channelConnected(_ channel: ServerChannel) {
      channel.withConnection { $0.greet(Status(.ok, "ready")) }
    }

    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      switch copy event {
      case .command(let id, let view):
        let command = view.copy()
        lines.append(Self.name(command))
        switch command {
        case .idle: try? channel.withConnection { c throws(ConnectionError) in try c.startIdle(id) }
        case .check: held = (channel, id)
        default: complete(id, channel)
        }
      case .idleDone(let id):
        lines.append("DONE")
        complete(id, channel)
      default: lines.append("other event")
      }
    }

    func channelClosed(_ channel: ServerChannel, reason: CloseReason) { held = nil }

    /// Answers CHECK.
    func answer() {
      if let held { complete(held.id, held.channel) }
      held = nil
    }

    private func complete(_ id: ServerCommandID, _ channel: ServerChannel) {
      try? channel.withConnection { c throws(ConnectionError) in try c.complete(id, Status(.ok, "done")) }
    }

    private static func name(_ command: Command) -> String {
      switch command {
      case .login: "LOGIN"
      case .idle: "IDLE"
      case .noop: "NOOP"
      case .check: "CHECK"
      case .select: "SELECT"
      default: "other"
      }
    }
  }

  /// A client that has logged in, on a loop of its own.
  private struct Setting: Sendable {
    let loop: EventLoop
    let far: EventLoop
    let server: Confined<Server>
    let log: Confined<ClientLog>
    let channel: Confined<ClientChannel?>

    func lines() async -> [String] { await far.run { server.value.lines } }
    func jump(_ duration: Duration) async { await loop.run { loop.skip(duration) } }
    func send(_ command: Command) async throws -> CommandID {
      try #require(await loop.run { try? channel.value?.send(command) })
    }
  }

  private func withClient(_ body: (Setting) async throws -> Void) async throws {
    try await withLoop { far in
      let server = Confined(Server())
      let listening = try await IMAPServer.start(on: far, endpoints: [.init(security: .plain)]) { _ in server.value }
      let port = try #require(listening.addresses.first?.port)
      try await withLoop { loop in
        let setting = Setting(loop: loop, far: far, server: server, log: Confined(ClientLog()), channel: Confined(nil))
        await loop.run {
          setting.log.value.onLine = { channel, line in
            if line == "greeting ok" { _ = try? channel.send(.login(user: "u", password: Secret("p"))) }
          }
          setting.channel.value = ClientChannel(
            loop: loop, host: "127.0.0.1", port: port, security: .plain, delegate: setting.log.value)
        }
        await until(loop) { setting.log.value.lines.contains("A1 ok") }
        try await body(setting)
        await loop.run {
          setting.channel.value?.close()
          setting.channel.value = nil
        }
        await until(loop) { setting.log.value.closeCount == 1 }
      }
      await listening.shutdown()
    }
  }

  /// One DONE and one IDLE for each jump, however many renewals would have been due, and the connection goes on.
  @Test func anIdleIsRenewedOnce() async throws {
    try await withClient { setting in
      _ = try await setting.send(.select("INBOX"))
      _ = try await setting.send(.idle)
      var expected = ["LOGIN", "SELECT", "IDLE"]
      for _ in 0..<3 {
        // Only when it has answered is the client in IDLE again.
        await until(setting.loop) { setting.channel.value?.isIdling == true }
        await setting.jump(.seconds(36_000))
        expected += ["DONE", "IDLE"]
        let count = expected.count
        await until(setting.far) { setting.server.value.lines.count >= count }
      }
      let id = try await setting.send(.noop)
      await until(setting.loop) { setting.log.value.lines.contains("\(id) ok") }
      // What was sent before the NOOP came before it.
      #expect(await setting.lines() == expected + ["DONE", "NOOP"])
      #expect(await setting.loop.run { setting.log.value.lines.filter { $0.contains("failed") } } == [])
      #expect(await setting.loop.run { setting.log.value.closeCount } == 0)
    }
  }

  /// The server said nothing for all that the client knows: that is the command's time-out, told once.
  @Test func aCommandTimesOut() async throws {
    try await withClient { setting in
      _ = try await setting.send(.select("INBOX"))
      let id = try await setting.send(.check)
      await until(setting.far) { setting.server.value.lines.last == "CHECK" }
      await setting.jump(.seconds(36_000))
      await until(setting.loop) { setting.log.value.closeCount == 1 }
      let lines = await setting.loop.run { setting.log.value.lines }
      #expect(lines.filter { $0.contains("failed") } == ["\(id) failed: timed out: command"], "\(lines)")
      #expect(lines.last == "closed: error timed out: command", "\(lines)")
    }
  }

  /// An answer that came while the process was stopped is read before anything is called late.
  @Test func anAnswerThatIsThereCounts() async throws {
    try await withClient { setting in
      _ = try await setting.send(.select("INBOX"))
      let id = try await setting.send(.check)
      await until(setting.far) { setting.server.value.lines.last == "CHECK" }
      let far = setting.far
      await setting.loop.run {
        let sent = DispatchSemaphore(value: 0)
        far.submit {
          setting.server.value.answer()
          // By then it was written.
          far.schedule(after: .milliseconds(1)) { sent.signal() }
        }
        sent.wait()
        setting.loop.skip(.seconds(36_000))
      }
      await until(setting.loop) { setting.log.value.lines.contains { $0.hasPrefix("\(id) ") } }
      #expect(await setting.loop.run { setting.log.value.lines.last } == "\(id) ok")
      #expect(await setting.loop.run { setting.log.value.closeCount } == 0)
    }
  }
}
