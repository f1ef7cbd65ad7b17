import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// What sessions and pools make of what is known of a provider.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SessionProfileTests {
  /// A mailbox of five messages, on a server of which one knows by its name or by its greeting.
  private static func server(_ capabilities: String = "IDLE ID") throws -> ScriptedServer {
    try ScriptedServer(capabilities: capabilities) { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "LOGOUT": return ["* BYE"]
      case "ID": return ["* ID NIL"]
      case "SELECT": return ["* 5 EXISTS", "* OK [UIDVALIDITY 1] x", "* OK [UIDNEXT 6] x"]
      case "IDLE": return ["+ idling", "HOLD"]
      case "NOOP": return []
      case "FETCH":
        let set = command.split(separator: " ")[1].split(separator: ":").map { Int($0) ?? 5 }
        return (set[0]...(set.last ?? 5)).map { "* \($0) FETCH (UID \($0) FLAGS ())" }
      default: return nil
      }
    }
  }

  /// By name, and by greeting only.
  private static let known: [HostProfile] = [
    HostProfile(
      "named", hosts: ["127.0.0.1"], idleLifetime: .milliseconds(1), connections: 1, fetchBatch: 2, needsID: true),
    HostProfile(
      "greeting", hosts: [], greeting: "Scripted", idleLifetime: .milliseconds(1), connections: 1, fetchBatch: 2,
      needsID: true),
  ]

  /// The session says who it is before it opens the mailbox, asks for no more messages at once than may be, and renews IDLE in time.
  @Test(arguments: known) func aSessionFollowsTheProfile(_ profile: HostProfile) async throws {
    let server = try Self.server()
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    configuration.profiles = [profile]
    let session = IMAPSession(configuration, on: loop)
    var events = await session.start().makeAsyncIterator()
    let event = await events.skip { if case .connected = $0 { true } else { false } }
    guard case .connected(_, .fresh(let messages))? = event else {
      Issue.record("\(String(describing: event))")
      return
    }
    #expect(messages.map(\.uid) == [1, 2, 3, 4, 5])
    // Without the profile an IDLE lasts for half an hour.
    await server.received("DONE", count: 2)
    await server.received("IDLE", count: 3)
    #expect(
      server.commands.prefix(6) == [
        #"ID ("name" "swift-imap-engine" "version" "1")"#, #"SELECT "INBOX""#, "FETCH 1:2 (UID FLAGS)",
        "FETCH 3:4 (UID FLAGS)", "FETCH 5:* (UID FLAGS)", "IDLE",
      ])
    await session.stop()
    #expect(await loop.shutdown().isClean)
  }

  /// Of a provider that nobody knows nothing is assumed, and what the user has said of himself stands.
  @Test func nothingIsAssumedOfOthers() async throws {
    for capabilities in ["IDLE ID", "IDLE"] {
      let server = try Self.server(capabilities)
      defer { server.stop() }
      let loop = try EventLoop.start()
      var configuration = IMAPSession.Configuration.scripted(server)
      let other = HostProfile("other", hosts: ["example.org"], fetchBatch: 1, needsID: true)
      configuration.profiles = capabilities == "IDLE" ? Self.known : [other]
      let session = IMAPSession(configuration, on: loop)
      var events = await session.start().makeAsyncIterator()
      await events.skip { if case .connected = $0 { true } else { false } }
      await server.received("IDLE")
      // Without ID there is nothing to say it by.
      #expect(server.commands.first == #"SELECT "INBOX""#, "\(server.commands)")
      #expect(server.commands.contains("FETCH 1:* (UID FLAGS)") == (capabilities != "IDLE"))
      await session.stop()
      #expect(await loop.shutdown().isClean)
    }
  }

  private static func pool(_ server: ScriptedServer, _ profile: HostProfile, _ loop: EventLoop) -> IMAPPool {
    let client = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    var configuration = IMAPPool.Configuration(client: client) { .password(user: "user", password: Secret("password")) }
    configuration.profiles = [profile]
    return IMAPPool(configuration, on: loop)
  }

  @Test(arguments: known) func aPoolFollowsTheProfile(_ profile: HostProfile) async throws {
    let server = try Self.server()
    defer { server.stop() }
    let loop = try EventLoop.start()
    let pool = Self.pool(server, profile, loop)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 { group.addTask { try await pool.withClient(in: .inbox) { try await $0.noop() } } }
      try await group.waitForAll()
    }
    #expect(server.connectionCount == 1)
    #expect(server.commands.prefix(2) == [#"ID ("name" "swift-imap-engine" "version" "1")"#, #"SELECT "INBOX""#])
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }

  /// A FETCH of a caller names no more messages than the provider bears, where it can be told how many it names.
  @Test(arguments: known) func aCallersFetchFollowsTheProfile(_ profile: HostProfile) async throws {
    let server = try ScriptedServer(
      capabilities: "ID",
      [
        ("ID", ["* ID NIL"]), ("UID FETCH 1:", ["* 1 FETCH (UID 1 FLAGS ())"]),
        ("UID FETCH 3", ["* 2 FETCH (UID 3 FLAGS ())"]), ("UID FETCH 9", ["* 3 FETCH (UID 9 FLAGS ())"]),
        ("UID FETCH", []), ("FETCH", []), ("UID STORE", []),
      ])
    defer { server.stop() }
    let loop = try EventLoop.start()
    let pool = Self.pool(server, profile, loop)
    try await pool.withClient(in: .inbox) { client in
      let found = try await client.fetch(.uids([1, 2, 3, 5, 9]), [.flags])
      #expect(found.map(\.uid) == [1, 3, 9])
      _ = try await client.fetch(.uids([20, 21]), [.flags])
      _ = try await client.fetch(.uids(.all), [.flags])
      _ = try await client.fetch(.sequence([1, 2, 3]), [.flags])
      try await client.store(.uids([30, 31, 32]), StoreOperation(.add, [.seen], silent: true))
    }
    #expect(
      server.commands.suffix(7) == [
        "UID FETCH 1:2 (FLAGS)", "UID FETCH 3,5 (FLAGS)", "UID FETCH 9 (FLAGS)", "UID FETCH 20:21 (FLAGS)",
        "UID FETCH 1:* (FLAGS)", "FETCH 1:3 (FLAGS)", #"UID STORE 30:32 +FLAGS.SILENT (\Seen)"#,
      ])
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }

  /// A session that finds no room waits until another one has gone.
  @Test func sessionsShareTheConnectionsOfAHost() async throws {
    let server = try await IMAPTestServer.start()
    let limit = ConnectionLimit(perHost: 1)
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    client.signIn.allowsPlaintext = true
    var configuration = IMAPSession.Configuration(client: client) {
      .password(user: "user", password: Secret("password"))
    }
    configuration.connectionLimit = limit
    let (one, other) = (IMAPSession(configuration, on: server.loop), IMAPSession(configuration, on: server.loop))
    var events = await one.start().makeAsyncIterator()
    await events.skip { if case .connected = $0 { true } else { false } }
    var others = await other.start().makeAsyncIterator()
    while await other.state != .connecting { await Task.yield() }
    // The first works while the second waits.
    try await one.withClient { try await $0.noop() }
    #expect(await other.state == .connecting)
    #expect(await server.connectionCount == 1)
    await one.stop()
    await others.skip { if case .connected = $0 { true } else { false } }
    #expect(await server.connectionCount == 1)
    await other.stop()
    await server.shutdown()
  }
}
