import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

/// A session whose callers open other mailboxes, and whose server does not do what it announces.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SessionStayTests {
  /// INBOX has three messages at first, and four from then on.
  private func server(_ capabilities: String) throws -> ScriptedServer {
    let openings = Openings()
    return try ScriptedServer(capabilities: capabilities) { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "LOGOUT": return ["* BYE"]
      case "IDLE": return ["+ idling", "HOLD"]
      case "UNSELECT", "CLOSE": return []
      case "NOOP": return openings.isElsewhere ? ["* 8 EXISTS", "* 2 EXPUNGE", "* 1 FETCH (UID 70 FLAGS ())"] : []
      case "SELECT", "EXAMINE":
        openings.opened(command)
        return openings.isElsewhere ? ["* 7 EXISTS", "* OK [UIDVALIDITY 9] x"] : Self.inbox(openings.count)
      case "FETCH": return (1...min(openings.count + 2, 4)).map { "* \($0) FETCH (UID \($0) FLAGS ())" }
      default: return nil
      }
    }
  }

  /// What was opened, and how often INBOX was.
  private final class Openings: Sendable {
    private let state = Mutex((isElsewhere: false, count: 0))

    var isElsewhere: Bool { state.withLock { $0.isElsewhere } }
    var count: Int { state.withLock { $0.count } }

    func opened(_ command: String) {
      state.withLock { state in
        state.isElsewhere = !command.contains("INBOX")
        if !state.isElsewhere { state.count += 1 }
      }
    }
  }

  private static func inbox(_ openings: Int) -> [String] {
    ["* \(min(openings + 2, 4)) EXISTS", "* OK [UIDVALIDITY 1] x"]
  }

  private static func states(_ count: UInt32) -> [MessageState] {
    (1...count).map { MessageState(uid: UID(rawValue: $0), flags: []) }
  }

  /// Whoever hears of a connection finds it.
  @Test func theConnectionIsThereWhenItIsTold() async throws {
    let server = try server("IDLE UNSELECT")
    defer { server.stop() }
    let loop = try EventLoop.start()
    for _ in 0..<20 {
      let session = IMAPSession(.scripted(server), on: loop)
      for await event in await session.start() {
        guard case .connected = event else { continue }
        #expect(await session.client != nil)
        #expect(await session.state == .watching)
        await session.stop()
      }
    }
    #expect(server.commands.count { $0 == "LOGOUT" } == 20)
    #expect(await loop.shutdown().isClean)
  }

  /// What happens in another mailbox is no news of the one that is watched, and that is open again when its user is done.
  @Test(arguments: ["IDLE UNSELECT", "IDLE", ""], [true, false])
  func anotherMailboxIsNotTheWatchedOne(_ capabilities: String, _ isSelected: Bool) async throws {
    let server = try server(capabilities)
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    // Nobody waits for that.
    configuration.pollInterval = .seconds(3600)
    let session = IMAPSession(configuration, on: loop)
    var events = await session.start().makeAsyncIterator()
    guard case .connected(_, .fresh(let states))? = await events.next() else {
      Issue.record("not connected")
      return
    }
    #expect(states == Self.states(3))
    try await session.withClient { client in
      if isSelected {
        try await client.select("B")
        try await client.noop()
      } else {
        try await client.unselect()
      }
    }
    // Nothing of B, and no other connection.
    let next = await events.next()
    guard case .connected(let mailbox, .current(let states))? = next else {
      Issue.record("\(String(describing: next))")
      return
    }
    #expect(mailbox.name == .inbox && mailbox.exists == 4)
    #expect(states == Self.states(4))
    try await session.withClient { client in
      #expect(await client.selected?.name == .inbox)
      try await client.noop()
    }
    if capabilities.hasPrefix("IDLE") {
      while server.commands.last != "IDLE" { await Task.yield() }
      server.say("* 5 EXISTS")
      #expect(await events.next() == .mailbox(.exists(5)))
    }
    await session.stop()
    #expect(server.connectionCount == 1)
    #expect(await loop.shutdown().isClean)
  }

  /// Whoever is at work with a connection that is lost keeps nobody from opening the mailbox again on the next one.
  @Test func aCallerOfALostConnectionIsNotWaitedFor() async throws {
    let server = try server("IDLE UNSELECT")
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(.scripted(server), on: loop)
    var events = await session.start().makeAsyncIterator()
    await events.skip { if case .connected = $0 { true } else { false } }
    await server.received("IDLE")
    let (begun, begin) = AsyncStream.makeStream(of: Void.self)
    let (over, end) = AsyncStream.makeStream(of: Void.self)
    let slow = Task {
      try await session.withClient { _ in
        begin.finish()
        for await _ in over {}
      }
    }
    for await _ in begun {}
    server.drop()
    await events.skip { if case .connected = $0 { true } else { false } }
    try await session.withClient { _ = try await $0.select("B") }
    let next = await events.next()
    if case .connected(let mailbox, _)? = next {
      #expect(mailbox.name == .inbox)
    } else {
      Issue.record("\(String(describing: next))")
    }
    end.finish()
    try await slow.value
    await session.stop()
    #expect(server.connectionCount == 2)
    #expect(await loop.shutdown().isClean)
  }

  /// Somebody opens another mailbox while the session opens its own again. What was said of others meanwhile is told.
  @Test func newsOfOthersAreToldWhereSomebodyWasFaster() async throws {
    let openings = Openings()
    let server = try ScriptedServer(capabilities: "IDLE UNSELECT") { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "LOGOUT": return ["* BYE"]
      case "IDLE": return ["+ idling", "HOLD"]
      case "UNSELECT": return []
      case "SELECT":
        openings.opened(command)
        if openings.isElsewhere { return ["* 7 EXISTS"] }
        let inbox = ["* 3 EXISTS", "* OK [UIDVALIDITY 1] x"]
        return openings.count == 2 ? inbox + [#"* STATUS "C" (MESSAGES 5)"#, "HOLD"] : inbox
      case "FETCH": return (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }
      default: return nil
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(.scripted(server), on: loop)
    var events = await session.start().makeAsyncIterator()
    await events.skip { if case .connected = $0 { true } else { false } }
    let client = try await session.withClient { client in
      try await client.select("B")
      return client
    }
    await server.received(#"SELECT "INBOX""#, count: 2)
    let (begun, begin) = AsyncStream.makeStream(of: Void.self)
    let faster = Task { try await self.select("B", client, begin) }
    for await _ in begun {}
    // Behind the turn in which it was asked for.
    _ = await client.phase
    server.release()
    _ = try await faster.value
    let news = await events.next()
    if case .mailbox(.mailboxStatus(let status))? = news {
      #expect(status.mailbox == "C")
    } else {
      Issue.record("\(String(describing: news))")
    }
    let next = await events.next()
    guard case .connected(_, .current(let states))? = next else {
      Issue.record("\(String(describing: next))")
      return
    }
    #expect(states == Self.states(3))
    await session.stop()
    #expect(await loop.shutdown().isClean)
  }

  private func select(
    _ name: MailboxName, _ client: isolated IMAPClient, _ begin: AsyncStream<Void>.Continuation
  ) async throws -> SelectedMailbox {
    begin.finish()
    return try await client.select(name)
  }

  /// A server that announces IDLE and refuses it, in either way, is asked for news instead.
  @Test(arguments: ["NO not here", "BAD what is that"])
  func idleThatIsRefused(_ answer: String) async throws {
    let server = try ScriptedServer(
      capabilities: "IDLE", [("IDLE", [answer]), ("FETCH", (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" })])
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(.scripted(server), on: loop)
    _ = await session.start()
    await server.received("NOOP", count: 3)
    await session.stop()
    #expect(server.connectionCount == 1)
    #expect(server.commands.count { $0 == "IDLE" } == 1)
    #expect(await loop.shutdown().isClean)
  }

  // MARK: A network that is gone

  private static let deaf: [(command: String, lines: [String])] = [
    ("IDLE", ["+ idling", "HOLD"]), ("DONE", ["HOLD"]),
    ("FETCH", (1...3).map { "* \($0) FETCH (UID \($0) FLAGS ())" }),
  ]

  private func impatient(_ configuration: inout IMAPClient.Configuration) {
    configuration.connection.commandTimeout = .seconds(3600)
    configuration.connection.logoutTimeout = .milliseconds(20)
  }

  /// DONE is not answered: nobody waits for that as long as for a command.
  @Test func aLogoutDoesNotWaitForIdle() async throws {
    let server = try ScriptedServer(capabilities: "IDLE", Self.deaf)
    defer { server.stop() }
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    impatient(&configuration)
    let watching = try await IMAPClient.withClient(configuration) { client in
      try await client.select(.inbox)
      let watching = Task { for try await _ in client.watch() {} }
      await server.received("IDLE")
      return watching
    }
    _ = await watching.result
    #expect(server.commands.last == "DONE")
  }

  @Test func aSessionThatIsStoppedDoesNotWaitForIdle() async throws {
    let server = try ScriptedServer(capabilities: "IDLE", Self.deaf)
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    impatient(&configuration.client)
    configuration.client.recentLines = 100
    let session = IMAPSession(configuration, on: loop)
    _ = await session.start()
    await server.received("IDLE")
    await session.stop()
    // They can be read when it is over.
    #expect(await session.recentLines.last?.line.text == "DONE")
    #expect(await loop.shutdown().isClean)
  }

  /// Nor for what it has asked for itself.
  @Test func aSessionThatIsStoppedDoesNotWaitForNews() async throws {
    let server = try ScriptedServer(capabilities: "") { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "SELECT": ["* 0 EXISTS"]
      case "NOOP": ["HOLD"]
      default: nil
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    impatient(&configuration.client)
    let session = IMAPSession(configuration, on: loop)
    _ = await session.start()
    await server.received("NOOP")
    await session.stop()
    #expect(await loop.shutdown().isClean)
  }

  /// A provider of credentials that fails has sent nothing.
  @Test func noCredentialsAreNoQuestion() async throws {
    struct Failure: Error {}
    let server = try ScriptedServer(capabilities: "", isLoggedIn: false, [])
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    configuration.credentials = { throw Failure() }
    let session = IMAPSession(configuration, on: loop)
    var events = await session.start().makeAsyncIterator()
    guard case .disconnected(let error, _)? = await events.next() else {
      Issue.record("it has connected")
      return
    }
    #expect(error.reason == .sourceFailed)
    #expect(!error.isOutcomeUnknown)
    await session.stop()
    #expect(await loop.shutdown().isClean)
  }
}
