import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Synchronization
import Testing

/// What a session says at each connect, and what it makes of what the server says then.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SessionScriptTests {
  /// The events of two connections: the first ends at the first question for news.
  private func twice(
    _ capabilities: String, script: @escaping @Sendable (_ connection: Int, _ command: String) -> [String]?,
    change: (inout IMAPSession.Configuration) -> Void = { _ in }
  ) async throws -> (first: Resumption, second: Resumption, mailbox: SelectedMailbox, commands: [[String]]) {
    let server = try ScriptedServer(capabilities: capabilities) { connection, command in
      switch command {
      case "LOGOUT": ["* BYE"]
      case "NOOP": connection == 1 ? ["DROP"] : []
      default: script(connection, command)
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    change(&configuration)
    let session = IMAPSession(configuration, on: loop)
    var found: [(SelectedMailbox, Resumption)] = []
    var disconnections = 0
    for await event in await session.start() {
      switch event {
      case .connected(let mailbox, let resumption): found.append((mailbox, resumption))
      case .disconnected: disconnections += 1
      case .stopped(let error): #expect(error == nil)
      case .mailbox: break
      }
      if found.count == 2 { Task { await session.stop() } }
    }
    #expect(disconnections == 1)
    #expect(await loop.shutdown().isClean)
    try #require(found.count == 2)
    let commands = server.commands.split(separator: "NOOP", maxSplits: 1).map { Array($0) }
    let second = commands.last.map { $0.filter { $0 != "NOOP" && $0 != "LOGOUT" } } ?? []
    return (found[0].1, found[1].1, found[1].0, [commands.first ?? [], second])
  }

  /// Others are had at once for a login that was refused, and not again and again for what comes behind it.
  @Test func othersAreAskedForOnce() async throws {
    let server = try ScriptedServer(capabilities: "", isLoggedIn: false) { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "LOGIN": []
      case "SELECT": ["NO [EXPIRED] set a new password"]
      case "LOGOUT": ["* BYE"]
      default: []
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    let asked = Mutex(0)
    configuration.credentialsRefused = {
      asked.withLock { $0 += 1 }
      return true
    }
    let session = IMAPSession(configuration, on: loop)
    var waits: [Duration] = []
    var reason: IMAPError?
    for await event in await session.start() {
      switch event {
      case .disconnected(_, let wait): waits.append(wait)
      case .stopped(let error): reason = error
      default: Issue.record("\(event)")
      }
    }
    #expect(reason?.reason == .expired)
    #expect(asked.withLock { $0 } == 1)
    #expect(waits.count == 1 && waits[0] > .zero, "\(waits)")
    #expect(server.connectionCount == 2)
    #expect(await loop.shutdown().isClean)
  }

  /// What can never be sent is not tried again.
  @Test func whatIsImpossibleEndsIt() async throws {
    let server = try ScriptedServer(capabilities: "", [])
    defer { server.stop() }
    let loop = try EventLoop.start()
    var withoutHost = IMAPSession.Configuration.scripted(server)
    withoutHost.client.host = "no host"
    var withoutMailbox = IMAPSession.Configuration.scripted(server)
    withoutMailbox.mailbox = MailboxName(wire: Array("a\0b".utf8))
    for configuration in [withoutHost, withoutMailbox] {
      var seen: [SessionEvent] = []
      for await event in await IMAPSession(configuration, on: loop).start() { seen.append(event) }
      guard seen.count == 1, case .stopped(.invalidArgument?) = seen[0] else {
        Issue.record("\(seen)")
        continue
      }
    }
    #expect(await loop.shutdown().isClean)
  }

  @Test func eachConnectSaysWhoItIsAndEnables() async throws {
    let result = try await twice("ID ENABLE UTF8=ACCEPT X-KNOWN") { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "ID": ["* ID NIL"]
      case "ENABLE": ["* ENABLED UTF8=ACCEPT X-KNOWN"]
      case "SELECT": ["* 0 EXISTS", "* OK [UIDVALIDITY 1] x"]
      default: nil
      }
    } change: { configuration in
      configuration.identification = [IDField("name", "test")]
      configuration.enabling = [.utf8Accept, "X-KNOWN", "X-MISSING"]
    }
    let expected = [#"ID ("name" "test")"#, "ENABLE UTF8=ACCEPT X-KNOWN", #"SELECT "INBOX""#]
    #expect(result.commands == [expected, expected])
    #expect(result.first == .fresh([]))
    #expect(result.second == .current([]))
  }

  /// UIDs from before are void: all messages are told anew, as the first time.
  @Test(arguments: ["", "CONDSTORE", "ENABLE QRESYNC CONDSTORE"])
  func anotherUIDValidityStartsAnew(_ capabilities: String) async throws {
    let result = try await twice(capabilities) { connection, command in
      let count = connection == 1 ? 3 : 2
      switch command.prefix(while: { $0 != " " }) {
      case "ENABLE": return ["* ENABLED QRESYNC"]
      case "SELECT":
        return ["* \(count) EXISTS", "* OK [UIDVALIDITY \(connection)] x", "* OK [HIGHESTMODSEQ 9] x"]
      case "FETCH": return (1...count).map { "* \($0) FETCH (UID \($0 * connection) FLAGS ())" }
      default: return nil
      }
    }
    #expect(result.first == .fresh([1, 2, 3].map { MessageState(uid: $0, flags: []) }))
    #expect(result.second == .fresh([2, 4].map { MessageState(uid: $0, flags: []) }))
    #expect(result.mailbox.uidValidity == 2)
    let select = result.commands[1].first { $0.hasPrefix("SELECT") }
    if capabilities.contains("QRESYNC") { #expect(select == #"SELECT "INBOX" (QRESYNC (1 9))"#) }
  }

  // MARK: CONDSTORE without QRESYNC

  private func afterAway(
    _ capabilities: String, modSeq: UInt64, search: [String], fetch: [String]
  ) async throws -> (first: Resumption, second: Resumption, mailbox: SelectedMailbox, commands: [[String]]) {
    try await twice(capabilities) { connection, command in
      switch (connection, command.prefix(while: { $0 != " " })) {
      case (1, "SELECT"): ["* 4 EXISTS", "* OK [UIDVALIDITY 5] x", "* OK [UIDNEXT 9] x", "* OK [HIGHESTMODSEQ 10] x"]
      case (1, "FETCH"):
        [1, 3, 5, 8].enumerated().map { "* \($0 + 1) FETCH (UID \($1) FLAGS () MODSEQ (\($1 + 1)))" }
      case (_, "SELECT"):
        ["* 4 EXISTS", "* OK [UIDVALIDITY 5] x", "* OK [UIDNEXT 10] x", "* OK [HIGHESTMODSEQ \(modSeq)] x"]
      case (_, "UID"): search
      case (_, "FETCH"): fetch
      default: nil
      }
    }
  }

  /// Only what has changed is asked for, and which messages there are.
  @Test(arguments: [
    ("CONDSTORE", "UID SEARCH ALL", "* SEARCH 1 5 8 9"),
    ("CONDSTORE ESEARCH", "UID SEARCH RETURN (ALL) ALL", "* ESEARCH UID ALL 1,5,8:9"),
  ])
  func flagsOfUnchangedMessagesAreNotFetchedAgain(
    _ capabilities: String, _ search: String, _ found: String
  ) async throws {
    let result = try await afterAway(
      capabilities, modSeq: 20, search: [found],
      fetch: [#"* 2 FETCH (UID 5 FLAGS (\Flagged) MODSEQ (15))"#, "* 4 FETCH (UID 9 FLAGS () MODSEQ (20))"])
    #expect(
      result.commands == [
        [#"SELECT "INBOX" (CONDSTORE)"#, "FETCH 1:* (UID FLAGS MODSEQ)"],
        [#"SELECT "INBOX" (CONDSTORE)"#, search, "FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 10)"],
      ])
    guard case .fresh(var view) = result.first, case .changes(let vanished, let changed) = result.second else {
      Issue.record("\(result)")
      return
    }
    #expect(view.map(\.uid) == [1, 3, 5, 8])
    // As whoever takes the events does.
    view.removeAll { vanished.contains($0.uid, largest: UID(rawValue: .max)) }
    for state in changed {
      if let index = view.firstIndex(where: { $0.uid == state.uid }) { view[index] = state } else { view.append(state) }
    }
    #expect(view.map(\.uid) == [1, 5, 8, 9])
    #expect(view.map(\.flags) == [[], [.flagged], [], []])
    #expect(vanished.description == "2:4,6:7")
  }

  /// Where the highest value is the same nothing has changed but what was expunged.
  @Test func nothingIsFetchedWhereNothingChanged() async throws {
    let result = try await afterAway("CONDSTORE", modSeq: 10, search: ["* SEARCH 1 3 5 8"], fetch: ["BAD why"])
    #expect(result.second == .changes(vanished: UIDSet([2, 4, 6, 7, 9]), changed: []))
    #expect(result.commands[1] == [#"SELECT "INBOX" (CONDSTORE)"#, "UID SEARCH ALL"])
  }

  /// What does not fit together is not believed: everything is asked for.
  @Test(arguments: [
    // Expunged in between, so that sequence numbers do not count from the search.
    ["* SEARCH 1 3 5 8", "* 2 EXPUNGE"],
    // Fewer than there are.
    ["* SEARCH 1 3"],
  ])
  func everythingIsFetchedWhereInDoubt(_ search: [String]) async throws {
    let fetch = [1, 5, 8].enumerated().map { "* \($0 + 1) FETCH (UID \($1) FLAGS () MODSEQ (9))" }
    let result = try await afterAway("CONDSTORE", modSeq: 10, search: search, fetch: fetch)
    #expect(result.second == .current([1, 5, 8].map { MessageState(uid: $0, flags: [], modSeq: 9) }))
    #expect(result.commands[1].last == "FETCH 1:* (UID FLAGS MODSEQ)")
  }

  /// A counter that went back was restored from somewhere.
  @Test func everythingIsFetchedWhereTheCounterWentBack() async throws {
    let fetch = ["* 1 FETCH (UID 1 FLAGS () MODSEQ (2))"]
    let result = try await afterAway("CONDSTORE", modSeq: 7, search: ["BAD why"], fetch: fetch)
    #expect(result.second == .current([MessageState(uid: 1, flags: [], modSeq: 2)]))
  }

  // MARK: Limits

  /// Of the one login in an hour the session has had it: the pool waits.
  @Test func aSessionAndAPoolShareTheirLogins() async throws {
    let server = try await IMAPTestServer.start()
    let limit = LoginLimit(perHost: 1, in: .seconds(3600))
    let (session, pool) = Self.sharing(limit, server)
    var events = await session.start().makeAsyncIterator()
    await events.skip { if case .connected = $0 { true } else { false } }
    let waiting = Task { try await pool.withClient { _ in } }
    while await pool.connectionCount == 0 { await Task.yield() }
    waiting.cancel()
    await #expect(throws: IMAPError.cancelled(command: "LOGIN")) { try await waiting.value }
    #expect(await server.connectionCount == 1)
    await session.stop()
    await pool.close()
    await server.shutdown()
  }

  /// And the other way round.
  @Test func aSessionWaitsForItsLogin() async throws {
    let server = try await IMAPTestServer.start()
    let limit = LoginLimit(perHost: 1, in: .seconds(3600))
    let (session, pool) = Self.sharing(limit, server)
    try await pool.withClient { try await $0.noop() }
    let events = await session.start()
    while await session.state != .connecting { await Task.yield() }
    // What connects without waiting is served before those that come later.
    for _ in 0..<20 { try await pool.withClient { try await $0.noop() } }
    for _ in 0..<3 {
      let plain = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
      let count = try await IMAPClient.withClient(plain) { other in
        try await other.noop()
        return await server.connectionCount
      }
      #expect(count == 2)
      while await server.connectionCount > 1 { await Task.yield() }
    }
    await session.stop()
    var seen: [SessionEvent] = []
    for await event in events { seen.append(event) }
    #expect(seen == [.stopped(nil)])
    await pool.close()
    await server.shutdown()
  }

  private static func sharing(_ limit: LoginLimit, _ server: IMAPTestServer) -> (IMAPSession, IMAPPool) {
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    client.signIn.allowsPlaintext = true
    let credentials: @Sendable () async throws -> SignInCredentials = {
      .password(user: "user", password: Secret("password"))
    }
    var session = IMAPSession.Configuration(client: client, credentials: credentials)
    session.loginLimit = limit
    var pool = IMAPPool.Configuration(client: client, credentials: credentials)
    pool.loginLimit = limit
    return (IMAPSession(session, on: server.loop), IMAPPool(pool, on: server.loop))
  }

  /// The server is known by its greeting only: the lines are as short as it wants them from then on.
  @Test func theGreetingSaysHowLongALineMayBe() async throws {
    let server = try ScriptedServer(capabilities: "", [("UID FETCH", [])])
    defer { server.stop() }
    let loop = try EventLoop.start()
    let client = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    var configuration = IMAPPool.Configuration(client: client) { .password(user: "user", password: Secret("password")) }
    configuration.profiles = [HostProfile("x", hosts: [], greeting: "scripted", lineLength: 60)]
    let pool = IMAPPool(configuration, on: loop)
    let uids = (1...50).map { UID(rawValue: $0 * 2) }
    try await pool.withClient(in: .inbox) { _ = try await $0.fetch(.uids(UIDSet(uids)), [.flags]) }
    let lines = zip(server.tags, server.commands).map { "\($0) \($1)" }.filter { $0.contains("UID FETCH") }
    #expect(lines.count > 2)
    #expect(lines.allSatisfy { $0.utf8.count <= 60 }, "\(lines)")
    let asked = lines.flatMap { $0.split(separator: " ")[3].split(separator: ",").map { String($0) } }
    #expect(asked == uids.map { "\($0)" })
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }
}
