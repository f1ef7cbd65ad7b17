import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A client's machine is packed while there is nothing for it to do. Whatever happens next finds it as it was.
@Suite(.timeLimit(.minutes(1))) struct RestingChannelTests {
  /// Sendable: only used on the loop's thread, or when that has ended.
  private final class Kept: @unchecked Sendable {
    let channel: ClientChannel
    let log: ClientLog

    init(_ channel: ClientChannel, _ log: ClientLog) {
      self.channel = channel
      self.log = log
    }
  }

  /// A channel that is logged in, and idles where that is wanted, and rests.
  private func resting(
    _ bench: TestBench, idles: Bool = false, configuration: ClientConnection.Configuration = .init()
  ) async throws -> Kept {
    let security = try bench.clientSecurity()
    let startsTLS = bench.protection == .startTLS
    let loop = bench.loop
    let kept = await loop.run {
      let log = ClientLog()
      log.onLine = { channel, line in
        switch line {
        case "greeting ok" where startsTLS: _ = try? channel.send(.startTLS)
        case "greeting ok",
          "secured" where startsTLS:
          _ = try? channel.send(.login(user: "u", password: Secret("p")))
        case "A1 ok" where idles, "A2 ok" where idles && startsTLS: _ = try? channel.send(.idle)
        default: break
        }
      }
      let channel = ClientChannel(
        loop: loop, host: "127.0.0.1", port: bench.port, security: security, configuration: configuration, delegate: log
      )
      return Kept(channel, log)
    }
    await until(loop) {
      kept.channel.isResting && kept.channel.isIdling == idles
        && kept.log.lines.contains { idles ? $0.hasSuffix("idling") : $0.hasSuffix(" ok") && $0.hasPrefix("A") }
    }
    return kept
  }

  private func end(
    _ kept: Kept, _ bench: TestBench
  ) async -> [String] {
    await until(bench.loop) { kept.log.closeCount > 0 }
    await bench.server.shutdown()
    return await bench.loop.run {
      #expect(kept.log.closeCount == 1)
      return kept.log.lines.filter { $0 != "response" }
    }
  }

  @Test(arguments: Protection.allCases, [false, true])
  func wakesForBytesAndRestsAgain(protection: Protection, idles: Bool) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let kept = try await resting(bench, idles: idles)
      for _ in 0..<3 {
        let count = await loop.run { () -> Int in
          for server in bench.log.channels { try? server.withConnection { try $0.respond(.exists(7)) } }
          return kept.log.lines.filter { $0 == "7 exists" }.count
        }
        await until(loop) {
          kept.log.lines.filter { $0 == "7 exists" }.count == count + 1 && kept.channel.isResting
        }
      }
      let isIdling = await loop.run { kept.channel.isIdling }
      #expect(isIdling == idles)
      await loop.run { kept.channel.close() }
      #expect(await end(kept, bench).last == "closed: local")
    }
  }

  @Test(arguments: Protection.allCases)
  func wakesForACommand(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let kept = try await resting(bench)
      let id = await loop.run { try? kept.channel.send(.noop) }
      let line = "\(try #require(id)) ok"
      await until(loop) { kept.log.lines.last == line && kept.channel.isResting }
      await loop.run { _ = try? kept.channel.send(.logout) }
      #expect(await end(kept, bench).last == "closed: logout")
    }
  }

  /// Looking at it wakes it, and it rests again.
  @Test func wakesForAQuestion() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let kept = try await resting(bench)
      let (state, wasAwake) = await loop.run { (kept.channel.state, !kept.channel.isResting) }
      #expect(state == .authenticated && wasAwake)
      await until(loop) { kept.channel.isResting }
      await loop.run { kept.channel.close() }
      #expect(await end(kept, bench).last == "closed: local")
    }
  }

  @Test(arguments: Protection.allCases, [false, true])
  func wakesToBeClosed(protection: Protection, idles: Bool) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let kept = try await resting(bench, idles: idles)
      await loop.run {
        kept.channel.close()
        kept.channel.close()
      }
      let lines = await end(kept, bench)
      #expect(lines.last == "closed: local")
      #expect(lines.filter { $0.hasSuffix("failed: connection closed") }.count == (idles ? 1 : 0), "\(lines)")
    }
  }

  @Test(arguments: Protection.allCases, [false, true])
  func wakesForTheEndOfInput(protection: Protection, idles: Bool) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let kept = try await resting(bench, idles: idles)
      // Without BYE, and without a goodbye of TLS.
      await loop.run { for server in bench.log.channels { server.stream?.close() } }
      let lines = await end(kept, bench)
      let last = try #require(lines.last)
      #expect(last == "closed: end of input" || last.hasPrefix("closed: error TLS"), "\(lines)")
      #expect(lines.filter { $0.contains("failed") }.count == (idles ? 1 : 0), "\(lines)")
    }
  }

  @Test(arguments: Protection.allCases, [false, true])
  func wakesForAReset(protection: Protection, idles: Bool) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let kept = try await resting(bench, idles: idles)
      await loop.run { for server in bench.log.channels { (server.stream as? TCPStream)?.reset() } }
      let lines = await end(kept, bench)
      #expect(lines.last?.contains("ECONNRESET") == true, "\(lines)")
      #expect(lines.filter { $0.contains("failed") }.count == (idles ? 1 : 0), "\(lines)")
    }
  }

  @Test(arguments: Protection.allCases, [false, true])
  func wakesForAShutdown(protection: Protection, idles: Bool) async throws {
    let loop = try EventLoop.start(name: "test")
    let bench = try await TestBench(loop, protection)
    let kept = try await resting(bench, idles: idles)
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(kept.log.closeCount == 1)
    #expect(kept.log.lines.last == "closed: local")
    #expect(kept.log.lines.filter { $0.hasSuffix("failed: connection closed") }.count == (idles ? 1 : 0))
  }

  /// An IDLE is renewed while everything else sleeps.
  @Test(arguments: Protection.allCases)
  func wakesForItsTimer(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      var configuration = ClientConnection.Configuration()
      configuration.idleRenewal = .milliseconds(20)
      let kept = try await resting(bench, idles: true, configuration: configuration)
      let before = await loop.run { kept.channel.receivedCount }
      // Each renewal brings the end of one IDLE and the start of the next.
      for round in 1...3 {
        await until(loop) { kept.channel.receivedCount >= before + round * 20 && kept.channel.isResting }
      }
      #expect(await loop.run { kept.log.lines.filter { $0.hasSuffix("idling") }.count } == 1)
      await loop.run { kept.channel.close() }
      #expect(await end(kept, bench).last == "closed: local")
    }
  }
}
