import IMAPLoop
import IMAPStateMachine
import Testing

/// Servers that say more than anybody takes, that end IDLE by themselves, and clients that open two mailboxes at once.
@Suite(.timeLimit(.minutes(3))) struct EventBoundTests {
  /// Ten megabytes of alerts, which are numbered.
  private static let alerts = (0..<100).map { "* OK [ALERT] \($0) " + String(repeating: "x", count: 100_000) }

  private static func number(_ event: MailboxEvent?) -> Int? {
    guard case .notice(let status)? = event else { return nil }
    return status.text.split(separator: " ").first.flatMap { Int($0) }
  }

  // MARK: Bytes

  @Test func eventsThatNobodyTakesAreBoundedByBytes() async throws {
    try await withScript("", [("CHECK", Self.alerts)]) { client, _ in
      try await client.select(.inbox)
      let events = await client.events()
      try await client.check()
      await client.logout()
      var numbers: [Int] = []
      for await event in events { if let number = Self.number(event) { numbers.append(number) } }
      #expect(numbers == Array(59..<100), "\(numbers)")
    }
  }

  @Test func soAreThoseOfIdle() async throws {
    let lines = ["+ idling"] + Self.alerts + ["HOLD"]
    try await withScript("IDLE", [("IDLE", lines)]) { client, _ in
      try await client.select(.inbox)
      var events = client.watch().makeAsyncIterator()
      _ = try await events.next()
      let size = Self.alerts.reduce(0) { $0 + UInt64($1.utf8.count) + 2 }
      while await client.traffic.received < size { await Task.yield() }
      let number = try await events.next().flatMap { Self.number($0) }
      // The first may have been taken before the others were there, or behind them.
      #expect(number == 59 || number == 60, "\(String(describing: number))")
    }
  }

  /// Where more comes than is kept a session connects anew, and says what there is then.
  @Test func aSessionConnectsAnewWhereTooMuchWaits() async throws {
    let line = "* OK [ALERT] " + String(repeating: "x", count: 1_000_000)
    let messages = (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }
    let server = try ScriptedServer(capabilities: "IDLE") { connection, command in
      switch command.prefix(while: { $0 != " " }) {
      case "IDLE": ["+ idling"] + (connection == 1 ? Array(repeating: line, count: 40) : []) + ["HOLD"]
      case "FETCH": messages
      case "SELECT": ["* 3 EXISTS"]
      case "LOGOUT": ["* BYE"]
      case "DONE": ["OK done"]
      default: []
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    var options = IMAPSession.Configuration(
      client: .init(host: "127.0.0.1", port: server.port, security: .plain)
    ) { .anonymous() }
    options.backoff = Backoff(initial: .milliseconds(2), maximum: .milliseconds(4))
    let session = IMAPSession(options, on: loop)
    let events = await session.start()
    await server.received("IDLE", count: 2)
    var connections = 0
    var notices = 0
    for await event in events {
      switch event {
      case .connected(_, .fresh(let all)):
        #expect(all.map(\.uid) == [1, 2, 3])
        connections += 1
        if connections == 2 { await session.stop() }
      case .connected(_, let other): Issue.record("\(other)")
      case .mailbox(.notice) where connections == 1: notices += 1
      default: break
      }
    }
    #expect(connections == 2)
    #expect((30...33).contains(notices), "\(notices)")
    #expect(await loop.shutdown().isClean)
  }

  // MARK: IDLE that the server ends

  /// Servers that complete IDLE at once, with or without having accepted it.
  private static let idles = [["* 4 EXISTS"], ["+ idling", "* 4 EXISTS", "OK that's all"]]

  /// Another connection does so much meanwhile that without a wait there would be hundreds.
  private func passTheTime() async throws {
    try await withScript("", []) { client, _ in for _ in 0..<500 { try await client.noop() } }
  }

  @Test(arguments: idles) func aServerThatEndsIdleIsPolled(_ lines: [String]) async throws {
    try await withScript("IDLE", [("IDLE", lines)]) { client, server in
      try await client.select(.inbox)
      let watching = Task {
        var count = 0
        for try await event in client.watch() where event == .exists(4) {
          count += 1
          if count == 3 { break }
        }
        return count
      }
      await server.received("IDLE")
      try await passTheTime()
      #expect(server.commands.count { $0 == "IDLE" } < 10)
      // It goes on, at its own pace.
      #expect(try await watching.value == 3)
    }
  }

  @Test(arguments: idles) func soDoesASession(_ lines: [String]) async throws {
    let messages = (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }
    let server = try ScriptedServer(capabilities: "IDLE", [("IDLE", lines), ("FETCH", messages)])
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(
      .init(client: .init(host: "127.0.0.1", port: server.port, security: .plain)) { .anonymous() }, on: loop)
    let events = await session.start()
    await server.received("IDLE")
    try await passTheTime()
    #expect(server.commands.count { $0 == "IDLE" } < 10)
    await session.stop()
    var last: SessionEvent?
    for await event in events { last = event }
    #expect(last == .stopped(nil))
    #expect(await loop.shutdown().isClean)
  }

  /// Several that watch have one IDLE, which another one takes over, and all hear of the connection's end.
  @Test func severalWatchersShareOneIdle() async throws {
    try await withScript("IDLE", [("IDLE", ["+ idling", "HOLD"])]) { client, server in
      try await client.select(.inbox)
      let watching = (1...3).map { _ in
        Task { () -> Bool in
          for try await event in client.watch() where event == .exists(4) { return true }
          return false
        }
      }
      await server.received("IDLE")
      try await passTheTime()
      #expect(server.commands.count { $0 == "IDLE" } == 1)
      // Until the last of them has begun.
      let talking = Task {
        while !Task.isCancelled {
          server.say("* 4 EXISTS")
          await Task.yield()
        }
      }
      for task in watching { #expect(try await task.value) }
      talking.cancel()
      await talking.value
    }
    try await withScript("IDLE", [("IDLE", ["+ idling", "HOLD"])]) { client, server in
      try await client.select(.inbox)
      let leading = Task { for try await _ in client.watch() { break } }
      await server.received("IDLE")
      let following = Task { () -> MailboxEvent? in
        for try await event in client.watch() { return event }
        return nil
      }
      leading.cancel()
      try await leading.value
      await server.received("IDLE", count: 2)
      server.say("* 4 EXISTS")
      #expect(try await following.value == .exists(4))
    }
  }

  /// What ends an IDLE ends the wait for it, and nothing is sent.
  @Test func theWaitEndsAsAnIdleDoes() async throws {
    try await withScript("IDLE", [("IDLE", [])]) { client, server in
      try await client.select(.inbox)
      try await client.idle()
      let waiting = Task { try await client.idle() }
      waiting.cancel()
      try await waiting.value
      #expect(server.commands.count { $0 == "IDLE" } == 1)
      let watching = Task { for try await _ in client.watch() {} }
      await client.logout()
      try await watching.value
      #expect(server.commands.last == "LOGOUT")
    }
  }

  // MARK: Two mailboxes

  /// Each call returns what its own command has opened, whatever waits behind it.
  @Test func whatEachCallHasOpened() async throws {
    try await withScript("", [("EXAMINE", ["* 5 EXISTS"])]) { client, _ in
      for _ in 0..<50 {
        let first = Task { try await client.select("A") }
        let second = Task { try await client.examine("B") }
        let (a, b) = (try await first.value, try await second.value)
        #expect(a.name == "A" && a.exists == 3 && !a.isReadOnly, "\(a)")
        #expect(b.name == "B" && b.exists == 5 && b.isReadOnly, "\(b)")
      }
    }
  }
}
