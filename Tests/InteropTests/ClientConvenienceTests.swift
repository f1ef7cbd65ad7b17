import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// What the client does in one call that takes several commands.
@Suite(.timeLimit(.minutes(5))) struct ClientConvenienceTests {
  // MARK: Scoped use

  /// A connection that nobody can use any more is none; a stream of its events is a use.
  @Test(.timeLimit(.minutes(1))) func aClientThatNobodyHasIsClosed() async throws {
    let server = try await IMAPTestServer.start()
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    configuration.signIn.allowsPlaintext = true
    func connect() async throws -> IMAPClient {
      let client = try await IMAPClient.connect(configuration, on: server.loop)
      try await client.signIn(user: "user", password: Secret("password"))
      return client
    }
    _ = try await connect()
    while await server.connectionCount > 0 { await Task.yield() }
    func watched() async throws -> AsyncStream<MailboxEvent> { await (try await connect()).events() }
    var events: AsyncStream<MailboxEvent>? = try await watched()
    #expect(events != nil)
    // The loop would close that of the stream first, if it did.
    _ = try await connect()
    while await server.connectionCount > 1 { await Task.yield() }
    #expect(await server.connectionCount == 1)
    events = nil
    while await server.connectionCount > 0 { await Task.yield() }
    await server.shutdown()
  }

  @Test func theClientLogsOutAlsoWhereTheBodyThrows() async throws {
    struct Stop: Error {}
    let server = try ScriptedServer(capabilities: "", [])
    defer { server.stop() }
    let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    let answer = try await IMAPClient.withClient(configuration) { client in
      try await client.noop()
      return 42
    }
    #expect(answer == 42)
    #expect(server.commands == ["NOOP", "LOGOUT"])
    let loop = try EventLoop.start()
    await #expect(throws: Stop.self) {
      try await IMAPClient.withClient(configuration, on: loop) { _ in throw Stop() }
    }
    #expect(server.commands == ["NOOP", "LOGOUT", "LOGOUT"])
    // The body may have ended it itself.
    try await IMAPClient.withClient(configuration, on: loop) { await $0.close() }
    #expect(await loop.shutdown().isClean)
  }

  @Test func noConnectionIsAnError() async throws {
    let (port, _) = try FreePort.pair()
    await #expect {
      try await IMAPClient.withClient(.init(host: "127.0.0.1", port: port, security: .plain)) { _ in }
    } throws: {
      ($0 as? IMAPError)?.reason == .transport(.connect)
    }
  }

  @Test func cancellingEndsTheBodyAndLogsOut() async throws {
    let server = try await IMAPTestServer.start()
    let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      try await IMAPClient.withClient(.init(host: "127.0.0.1", port: server.plainPort, security: .plain)) { client in
        try await client.login(user: "user", password: Secret("password"))
        try await client.select(.inbox)
        try await client.idle { accepted.finish() }
        try Task.checkCancellation()
      }
    }
    for await _ in idling {}
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    await server.shutdown()
  }

  // MARK: Names

  /// As text for people, and as they are on the wire for the server.
  @Test func namesBothWays() async throws {
    let lines = [
      #"* LIST () "/" "Entw&APw-rfe""#, #"* LIST () "/" "&Jjo-!""#, #"* LIST () "/" "a&-b""#, #"* LIST () "/" "x&bad""#,
    ]
    let selected = [#"SELECT "Entw&APw-rfe""#, #"SELECT "&Jjo-!""#, #"SELECT "a&-b""#, #"SELECT "x&bad""#]
    try await withScript("", [("LIST", lines), ("SELECT", ["* 0 EXISTS"])]) { client, server in
      let names = try await client.list(pattern: "*").map(\.name)
      #expect(names.map(\.description) == ["Entwürfe", "☺!", "a&b", "x&bad"])
      #expect(names.prefix(3) == [MailboxName("Entwürfe"), "☺!", "a&b"])
      // The last one does not decode, and is sent back as it came.
      #expect(names.last == MailboxName(wire: Array("x&bad".utf8)))
      for name in names { try await client.select(name) }
      #expect(server.commands.suffix(4) == selected[...])
    }
  }

  // MARK: Special folders

  @Test func specialFoldersThatTheServerNames() async throws {
    try await withScript(
      "SPECIAL-USE LIST-EXTENDED",
      [
        ("LIST (", []),
        ("LIST \"\" \"*\" RETURN (SPECIAL-USE)", [#"* LIST (\Sent) "/" Odd"#, #"* LIST () "/" Trash"#]),
      ]
    ) { client, _ in
      let sent = try await client.findSpecialFolder(.sent)
      #expect(sent?.name == "Odd")
      #expect(sent?.source == .specialUse)
      let trash = try await client.findSpecialFolder(.trash)
      #expect(trash?.name == "Trash")
      #expect(trash?.source == .name)
      #expect(try await client.findSpecialFolder(.junk) == nil)
    }
  }

  @Test func specialFoldersByXListAndByNamespace() async throws {
    try await withScript(
      "XLIST NAMESPACE",
      [
        ("LIST", [#"* LIST () "." Mail.Papierkorb"#, #"* LIST () "." Sent"#]),
        ("XLIST", [#"* XLIST (\Sent) "." Elsewhere"#]),
        ("NAMESPACE", [#"* NAMESPACE (("Mail." ".")) NIL NIL"#]),
      ]
    ) { client, _ in
      let sent = try await client.findSpecialFolder(.sent)
      #expect(sent?.name == "Elsewhere")
      #expect(sent?.source == .xlist)
      #expect(try await client.findSpecialFolder(.trash)?.name == "Mail.Papierkorb")
      #expect(try await client.findSpecialFolder(.drafts) == nil)
    }
  }

  // MARK: Gmail

  @Test func labels() async throws {
    try await withScript(
      "X-GM-EXT-1",
      [
        (
          "UID FETCH 1:2 (UID X-GM-LABELS)",
          [#"* 1 FETCH (UID 1 X-GM-LABELS (\Inbox Work))"#, "* 2 FETCH (UID 2 X-GM-LABELS ())"]
        ),
        ("UID STORE 1 +X-GM-LABELS (\"Gr&APwA3w-e\")", [#"* 1 FETCH (UID 1 X-GM-LABELS (\Inbox "Gr&APwA3w-e"))"#]),
        ("UID STORE 1 -X-GM-LABELS", ["* 1 FETCH (UID 1 X-GM-LABELS ())"]),
        ("UID STORE 1 X-GM-LABELS", [#"* 1 FETCH (UID 1 X-GM-LABELS (\Starred))"#]),
        ("UID SEARCH X-GM-RAW \"has:attachment in:inbox\"", ["* SEARCH 2"]),
      ]
    ) { client, server in
      try await client.select(.inbox)
      #expect(try await client.labels(of: [1, 2]) == [1: ["\\Inbox", "Work"], 2: []])
      let labels = try await client.addLabels(["Grüße"], to: [1])
      #expect(labels[1]?.last?.description == "Grüße", "\(server.commands)")
      #expect(try await client.removeLabels(["Work"], from: [1]) == [1: []])
      #expect(try await client.setLabels(["\\Starred"], of: [1]) == [1: ["\\Starred"]])
      #expect(try await client.gmailSearch("has:attachment in:inbox") == [2])
    }
  }

  @Test func labelsNeedGmail() async throws {
    try await withScript("IDLE", []) { client, server in
      try await client.select(.inbox)
      let missing = { (command: String) in IMAPError.capabilityMissing("X-GM-EXT-1", command: command) }
      await #expect(throws: missing("STORE")) { try await client.addLabels(["a"], to: [1]) }
      await #expect(throws: missing("FETCH")) { try await client.labels(of: [1]) }
      await #expect(throws: missing("SEARCH")) { try await client.gmailSearch("a") }
      #expect(server.commands == ["SELECT \"INBOX\""])
    }
  }

  // MARK: One message

  @Test func oneMessage() async throws {
    try await withScript(
      "",
      [
        ("UID FETCH 7 (UID FLAGS)", ["* 2 FETCH (UID 9 FLAGS ())", "* 1 FETCH (UID 7 FLAGS (Work))"]),
        ("UID FETCH 8", []), ("FETCH 1 (FLAGS)", ["* 2 FETCH (FLAGS ())", "* 1 FETCH (FLAGS (\\Seen))"]),
      ]
    ) { client, _ in
      try await client.select(.inbox)
      #expect(try await client.fetchOne(UID(7), [.flags])?.flags == ["Work"])
      #expect(try await client.fetchOne(UID(8), [.flags]) == nil)
      #expect(try await client.fetchOne(SequenceNumber(1), [.flags])?.flags == [.seen])
    }
  }

  // MARK: What became of messages

  @Test func copiesPairByPair() async throws {
    try await withScript(
      "UIDPLUS",
      [
        ("UID COPY 1:3", ["OK [COPYUID 7 1:2,9 5,8:9] done"]), ("UID COPY 4", ["OK [COPYUID 7 4 1:4294967295] done"]),
        ("UID COPY 5", ["OK [COPYUID 7 1:4294967295 4294967295:1] done"]),
      ]
    ) { client, _ in
      try await client.select(.inbox)
      let map = try #require(try await client.copy(.uids([1, 2, 3]), to: "x")?.map)
      #expect(map.map { [$0.source, $0.destination] } == [[1, 5], [2, 8], [9, 9]])
      #expect(map.count == 3)
      #expect(map[2] == 8)
      #expect(map[3] == nil)
      #expect(try await client.copy(.uids([4]), to: "x").map { $0.map == nil } == true)
      // Four billion of them take no more room than three.
      let all = try #require(try await client.copy(.uids([5]), to: "x")?.map)
      #expect(all.count == 4_294_967_295)
      #expect(all[4_294_967_295] == 4_294_967_295)
      #expect(all.prefix(2).map(\.destination) == [1, 2])
    }
  }

  @Test func pairsOfSets() {
    func pairs(_ source: UIDSet, _ destination: UIDSet) -> [[UID]]? {
      UIDPairs(source, destination)?.map { [$0.source, $0.destination] }
    }
    func set(_ ranges: (UInt32, UInt32)...) -> UIDSet { UIDSet(ranges: ranges.map { .init($0.0, $0.1) }) }
    #expect(pairs(set((3, 1)), set((9, 9), (4, 5))) == [[1, 9], [2, 4], [3, 5]])
    #expect(pairs(set((1, 1), (5, 6), (2, 2)), set((10, 13))) == [[1, 10], [5, 11], [6, 12], [2, 13]])
    #expect(pairs(set((.max, .max)), set((.max, .max))) == [[4_294_967_295, 4_294_967_295]])
    #expect(pairs(set((1, 2)), set((1, 1))) == nil)
    #expect(pairs(set((1, 1)), set((1, 2))) == nil)
    #expect(pairs(set(), set()) == nil)
    #expect(pairs(.all, .all) == nil)
    #expect(pairs(.savedResult, .savedResult) == nil)
    // Whatever the sets are, each pair of the one is a message of the other, in order.
    let seed = UInt64.random(in: .min ... .max)
    var state = seed | 1
    func random(_ limit: UInt32) -> UInt32 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt32(truncatingIfNeeded: state >> 33) % limit + 1
    }
    for _ in 0..<500 {
      let from = UIDSet(ranges: (0..<random(5)).map { _ in .init(random(20), random(20)) })
      let numbers = from.numbers(limit: 1000)
      let to = UIDSet(
        ranges: numbers.map { _ in
          let uid = random(1000); return .init(uid, uid)
        })
      let found = pairs(from, to)
      #expect(found == zip(numbers, to.numbers(limit: 1000)).map { [$0, $1] }, "seed \(seed)")
    }
  }
}
