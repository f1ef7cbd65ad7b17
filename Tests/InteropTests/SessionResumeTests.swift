import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Sessions of programs that have stored what they knew of the mailbox.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionResumeTests {
  private static let inbox = [
    "* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [UIDNEXT 9] x", "* OK [HIGHESTMODSEQ 20] x",
  ]

  private static func server(_ capabilities: String, _ select: [String]) throws -> ScriptedServer {
    try ScriptedServer(capabilities: capabilities) { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "ENABLE": ["* ENABLED QRESYNC"]
      case "SELECT": inbox + select
      case "UID": ["* SEARCH 1 5 8"]
      case "FETCH" where command.contains("CHANGEDSINCE"): [#"* 2 FETCH (UID 5 FLAGS (\Seen) MODSEQ (15))"#]
      case "FETCH": [1, 5, 8].enumerated().map { "* \($0 + 1) FETCH (UID \($1) FLAGS ())" }
      case "NOOP": ["HOLD"]
      case "LOGOUT": ["* BYE"]
      default: nil
      }
    }
  }

  /// What the first connection tells, and what was asked for.
  private func first(
    _ capabilities: String, select: [String] = [], _ change: (inout IMAPSession.Configuration) -> Void
  ) async throws -> (resumption: Resumption, commands: [String]) {
    let server = try Self.server(capabilities, select)
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = IMAPSession.Configuration.scripted(server)
    change(&configuration)
    let session = IMAPSession(configuration, on: loop)
    var events = await session.start().makeAsyncIterator()
    let event = await events.next()
    guard case .connected(_, let resumption)? = event else {
      Issue.record("\(String(describing: event))")
      throw CancellationError()
    }
    await server.received("NOOP")
    server.release()
    await session.stop()
    #expect(await loop.shutdown().isClean)
    return (resumption, Array(server.commands.prefix { $0 != "NOOP" }))
  }

  private static let all = Resumption.current([1, 5, 8].map { MessageState(uid: $0, flags: []) })

  @Test func changesAreToldBySelect() async throws {
    let select = ["* VANISHED (EARLIER) 2:3", #"* 2 FETCH (UID 5 FLAGS (\Seen) MODSEQ (15))"#]
    let point = ResumePoint(uidValidity: 7, modSeq: 10, knownUIDs: [1, 2, 3, 5])
    let result = try await first("ENABLE QRESYNC CONDSTORE", select: select) { $0.resumePoint = point }
    #expect(
      result.resumption
        == .changes(vanished: UIDSet([2, 3]), changed: [MessageState(uid: 5, flags: [.seen], modSeq: 15)]))
    #expect(result.commands == ["ENABLE QRESYNC", #"SELECT "INBOX" (QRESYNC (7 10 1:3,5,6:4294967295))"#])
  }

  /// UIDs that the line has no room for, or that the server could not know, are not named.
  @Test(arguments: [
    UIDSet((1...5000).map { UID(rawValue: $0 * 2) }), UIDSet(ranges: [.init(MessageBound(1), .star)]), [],
  ])
  func knownUIDsThatCannotBeNamed(_ uids: UIDSet) async throws {
    let result = try await first("ENABLE QRESYNC CONDSTORE") { configuration in
      configuration.resumePoint = ResumePoint(uidValidity: 7, modSeq: 10, knownUIDs: uids)
    }
    #expect(result.resumption == .changes(vanished: [], changed: []))
    #expect(result.commands.last == #"SELECT "INBOX" (QRESYNC (7 10))"#)
  }

  /// A counter that went back was restored from somewhere: what SELECT tells is not all.
  @Test func everythingIsAskedForWhereTheCounterWentBack() async throws {
    let point = ResumePoint(uidValidity: 7, modSeq: 30)
    let result = try await first("ENABLE QRESYNC CONDSTORE") { $0.resumePoint = point }
    #expect(result.resumption == Self.all)
    #expect(result.commands.suffix(2) == [#"SELECT "INBOX" (QRESYNC (7 30))"#, "FETCH 1:* (UID FLAGS MODSEQ)"])
  }

  @Test func changesAreAskedForByCONDSTORE() async throws {
    let result = try await first("CONDSTORE") { $0.resumePoint = ResumePoint(uidValidity: 7, modSeq: 10) }
    #expect(
      result.resumption
        == .changes(
          vanished: UIDSet(ranges: [.init(2, 4), .init(6, 7)]),
          changed: [MessageState(uid: 5, flags: [.seen], modSeq: 15)]))
    #expect(
      result.commands == [
        #"SELECT "INBOX" (CONDSTORE)"#, "UID SEARCH ALL", "FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 10)",
      ])
  }

  @Test func withoutCountingUIDsAreKept() async throws {
    let result = try await first("") { $0.resumePoint = ResumePoint(uidValidity: 7) }
    #expect(result.resumption == Self.all)
  }

  @Test(arguments: ["", "CONDSTORE", "ENABLE QRESYNC CONDSTORE"])
  func anotherUIDValidityIsAnotherMailbox(_ capabilities: String) async throws {
    let result = try await first(capabilities) { $0.resumePoint = ResumePoint(uidValidity: 6, modSeq: 10) }
    guard case .fresh(let states) = result.resumption else {
      Issue.record("\(result.resumption)")
      return
    }
    #expect(states.map(\.uid) == [1, 5, 8])
  }

  /// Who wants to hear the news alone is told nothing else, and the server is asked for nothing else.
  @Test(arguments: ["", "CONDSTORE", "ENABLE QRESYNC CONDSTORE"])
  func nothingIsAskedFor(_ capabilities: String) async throws {
    let result = try await first(capabilities) { $0.catchUp = .none }
    #expect(result.resumption == .notAsked)
    #expect(result.commands.last?.hasPrefix("SELECT") == true, "\(result.commands)")
    let known = try await first(capabilities) { configuration in
      configuration.catchUp = .none
      configuration.resumePoint = ResumePoint(uidValidity: 7, modSeq: 10)
    }
    #expect(known.resumption == (capabilities.contains("QRESYNC") ? .changes(vanished: [], changed: []) : .notAsked))
    #expect(known.commands.last?.hasPrefix("SELECT") == true, "\(known.commands)")
  }

  /// Only what was taken can have been stored.
  @Test func thePointIsThatOfTheEventsThatWereTaken() async throws {
    let server = try ScriptedServer(capabilities: "CONDSTORE") { _, command in
      switch command.prefix(while: { $0 != " " }) {
      case "SELECT": ["* 1 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [HIGHESTMODSEQ 20] x"]
      case "FETCH": ["* 1 FETCH (UID 1 FLAGS () MODSEQ (5))"]
      case "NOOP": [#"* 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (21))"#, "OK [HIGHESTMODSEQ 21] x"]
      case "LOGOUT": ["* BYE"]
      default: nil
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(.scripted(server), on: loop)
    var events = await session.start().makeAsyncIterator()
    #expect(await session.resumePoint == nil)
    await server.received("NOOP", count: 2)
    // Nothing was taken yet.
    #expect(await session.resumePoint == nil)
    guard case .connected? = await events.next() else {
      Issue.record("not connected")
      return
    }
    #expect(await session.resumePoint == ResumePoint(uidValidity: 7, modSeq: 20))
    guard case .mailbox(.changed)? = await events.next() else {
      Issue.record("no news")
      return
    }
    #expect(await session.resumePoint == ResumePoint(uidValidity: 7, modSeq: 21))
    await session.stop()
    #expect(await loop.shutdown().isClean)
  }

  /// Two processes, one after the other.
  @Test func theNextProcessHearsWhatHasChanged() async throws {
    let server = try await IMAPTestServer.start()
    for number in 1...3 { try await server.append(user: "user", message: .init("Subject: \(number)\n\nText\n")) }
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    client.signIn.allowsPlaintext = true
    var configuration = IMAPSession.Configuration(client: client) {
      .password(user: "user", password: Secret("password"))
    }
    let before = IMAPSession(configuration, on: server.loop)
    var events = await before.start().makeAsyncIterator()
    await events.skip { if case .connected(_, .fresh(let states)) = $0 { states.count == 3 } else { false } }
    configuration.resumePoint = await before.resumePoint
    #expect(configuration.resumePoint?.modSeq != nil)
    await before.stop()

    try await IMAPClient.withClient(client) { other in
      try await other.login(user: "user", password: Secret("password"))
      try await other.select(.inbox)
      try await other.addFlags([.flagged], to: [3])
      try await other.delete([2])
    }
    let after = IMAPSession(configuration, on: server.loop)
    events = await after.start().makeAsyncIterator()
    let event = await events.next()
    if case .connected(_, .changes(let vanished, let changed))? = event {
      #expect(vanished.contains(2, largest: 3) && !vanished.contains(3, largest: 3))
      #expect(changed.map(\.uid) == [3] && changed.first?.flags == [.flagged])
    } else {
      Issue.record("\(String(describing: event))")
    }
    await after.stop()
    await server.shutdown()
  }
}
