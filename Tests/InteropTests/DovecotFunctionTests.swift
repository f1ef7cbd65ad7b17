import IMAPLoop
import IMAPStateMachine
import Testing

/// The functions of the client, one by one, against a real server.
@Suite(.serialized) struct DovecotFunctionTests {
  /// Runs `body` with a client that is logged in, and proves that nothing leaks.
  private func withClient(_ body: (IMAPClient) async throws -> Void) async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(
      .init(host: "localhost", port: server.tlsPort, trust: .file(server.certificateFile)), on: loop)
    let result: Result<Void, any Error>
    do {
      try await client.signIn(user: "joe", password: Secret(server.password))
      try await body(client)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await client.logout()
    #expect(await loop.shutdown().isClean)
    try result.get()
  }

  private static func message(_ subject: String, _ more: String = "") -> [UInt8] {
    Array("From: a@example.org\r\nSubject: \(subject)\r\n\(more)\r\ntext of \(subject)\r\n".utf8)
  }

  /// Without what the server sets by itself.
  private static func named(_ flags: [Flag]?) -> Set<Flag> { Set(flags ?? []).subtracting([.recent]) }

  @Test func mailboxes() async throws {
    try await withClient { client in
      try await client.create("Lists/Swift")
      try await client.create("Lists/libuv")
      try await client.subscribe("Lists/Swift")
      #expect(try await client.listSubscribed(pattern: "Lists/*").map(\.name) == ["Lists/Swift"])
      #expect(try await client.mailboxExists("Lists/libuv"))
      #expect(try await client.mailboxExists("Lists/lib") == false)
      try await client.rename("Lists/libuv", to: "Lists/uv")
      #expect(try await client.mailboxExists("Lists/libuv") == false)
      try await client.unsubscribe("Lists/Swift")
      #expect(try await client.listSubscribed(pattern: "Lists/*").isEmpty)

      try await client.append(Self.message("one"), to: "Lists/uv")
      let request = ListRequest(
        reference: "", patterns: ["%", "Lists/%"], selection: [], returning: [.status([.messages]), .specialUse])
      let answer = try await client.list(request)
      #expect(answer.listings.contains { $0.name == "Sent" && $0.attributes.contains("\\Sent") })
      #expect(answer.statuses.first { $0.mailbox == "Lists/uv" }?.messages == 1)
      // Two at once: each gets its own.
      async let uv = client.status("Lists/uv", [.messages])
      async let swift = client.status("Lists/Swift", [.messages])
      #expect(try await uv?.messages == 1)
      #expect(try await swift?.messages == 0)

      try await client.select("Lists/uv")
      try await client.check()
      try await client.unselect()
      #expect(await client.selected == nil)
      try await client.delete("Lists/uv")
    }
  }

  @Test func searchSortAndThread() async throws {
    try await withClient { client in
      try await client.append(Self.message("b", "Message-ID: <1@x>\r\n"), to: .inbox)
      try await client.append(Self.message("Re: b", "Message-ID: <2@x>\r\nReferences: <1@x>\r\n"), to: .inbox)
      try await client.append(Self.message("a \u{e4}", "Message-ID: <3@x>\r\n"), to: .inbox, flags: [.flagged])
      try await client.select(.inbox)
      #expect(try await client.search(.all) == [1, 2, 3])
      #expect(try await client.searchSequence(.flag(.flagged)) == [3])
      #expect(try await client.search(.text("a \u{e4}"), charset: "UTF-8") == [3])
      #expect(try await client.sort([SortCriterion(.subject)]) == [3, 1, 2])
      #expect(try await client.sort([SortCriterion(.size, reversed: true)], .not(.flag(.flagged))) == [2, 1])
      let threads = try await client.thread(.references)
      #expect(threads.count == 2)
      #expect(threads.first?.messages == [1, 2])
      let extended = try await client.search(.all, returning: [.min, .max, .count, .all])
      #expect(extended.count == 3)
      #expect(extended.all == .uids(UIDSet(1...3)))
      await #expect(throws: IMAPError.capabilityMissing(Capability("THREAD=NONE"), command: "THREAD")) {
        try await client.thread(ThreadAlgorithm("NONE"))
      }
    }
  }

  @Test func rightsQuotasAndMetadata() async throws {
    try await withClient { client in
      try await client.create("shared")
      try await client.setAccess("shared", for: "ann", .replace("lr"))
      let list = try await client.accessControlList(of: "shared")
      #expect(list.entries.contains { $0.identifier == Array("ann".utf8) && $0.rights.contains("lr") })
      try await client.removeAccess("shared", for: "ann")
      #expect(
        try await client.accessControlList(of: "shared").entries.allSatisfy { $0.identifier != Array("ann".utf8) })
      #expect(try await client.myRights("shared").contains("lrswi"))
      #expect(try await client.grantableRights("shared", for: "ann")?.mailbox == "shared")

      let (roots, quotas) = try await client.quotas(of: .inbox)
      #expect(roots.roots == [Array("User quota".utf8)])
      #expect(quotas.first?.resources.first?.limit == 100 * 1024)
      #expect(try await client.quota(root: "User quota")?.resources.first?.name == "STORAGE")

      try await client.setMetadata(
        of: "shared", [Metadata.Entry(name: Array("/private/comment".utf8), value: Array("mine".utf8))])
      #expect(try await client.metadata(of: "shared", ["/private/comment"]).first?.value == Array("mine".utf8))
    }
  }

  @Test func flagsCopyMoveAndDelete() async throws {
    try await withClient { client in
      for number in 1...6 { try await client.append(Self.message("\(number)"), to: .inbox) }
      try await client.create("Archive")
      try await client.select(.inbox)
      #expect(Self.named(try await client.addFlags([.seen, "custom"], to: [1, 2])[2]) == [.seen, "custom"])
      #expect(Self.named(try await client.removeFlags([.seen], from: [2])[2]) == ["custom"])
      #expect(Self.named(try await client.setFlags([.answered], of: [1])[1]) == [.answered])
      #expect(try await client.flags(of: [1, 3]).mapValues(Self.named) == [1: [.answered], 3: []])
      let copied = try await client.copy(.uids([1, 3]), to: "Archive")
      #expect(copied?.source == [1, 3])
      #expect(copied?.destination == UIDSet(1...2))
      #expect(try await client.move(.uids([4]), to: "Archive")?.destination == [3])
      try await client.addFlags([.deleted], to: [5])
      try await client.delete([6])
      #expect(try await client.search(.all) == [1, 2, 3, 5])
      try await client.expunge()
      #expect(try await client.search(.all) == [1, 2, 3])
      let raw = try await client.run(GenericCommand("UID SEARCH", [.atom("ANSWERED")]))
      #expect(raw.responses == [.search(SearchResult(numbers: [1]))])
      let fetched = try await client.run(.fetch(.uids([2]), [.uid]))
      #expect(fetched.responses == [.fetch(FetchResponse(sequence: 2, attributes: [.uid(2)]))])
      await #expect(throws: IMAPError.self) { try await client.run(Command.idle) }
    }
  }

  @Test func whyItFailed() async throws {
    try await withClient { client in
      await #expect { try await client.select("nowhere") } throws: { ($0 as? IMAPError)?.reason == .noSuchMailbox }
      try await client.create("twice")
      await #expect { try await client.create("twice") } throws: { ($0 as? IMAPError)?.reason == .alreadyExists }
      try await client.examine(.inbox)
      await #expect { try await client.run(GenericCommand("NOSUCH")) } throws: {
        guard case .rejected("NOSUCH", let status)? = $0 as? IMAPError else { return false }
        return status.condition == .bad
      }
    }
  }

  /// Messages one by one, with other commands in between; a loop that is left early; a source in pieces.
  @Test func streams() async throws {
    try await withClient { client in
      let body = [UInt8](repeating: UInt8(ascii: "x"), count: 70_000)
      let message = Self.message("large") + body
      for _ in 0..<20 { try await client.append(message, to: .inbox) }
      try await client.select(.inbox)
      var count = 0
      for try await response in client.messages(.uids(.all), [.uid, .section(.full)]) {
        guard case .uid(let uid)? = response.attributes.first else { continue }
        try await client.store(.uids(UIDSet(uid)), StoreOperation(.add, [.seen], silent: true))
        count += 1
      }
      #expect(count == 20)
      #expect(try await client.search(.flag(.seen)).count == 20)
      for try await _ in client.messages(.uids(.all), [.uid, .section(.full)]) { break }
      #expect(try await client.status("Sent", [.messages])?.messages == 0)

      let (pieces, writer) = AsyncStream.makeStream(of: [UInt8].self)
      for start in stride(from: 0, to: message.count, by: 999) {
        writer.yield(Array(message[start..<min(start + 999, message.count)]))
      }
      writer.finish()
      try await client.append(pieces, byteCount: UInt64(message.count), to: "Sent", flags: [.seen])
      try await client.select("Sent")
      let stored = try await client.fetch(.uids(.all), [.section(.full)])
      #expect(stored.first?.attributes.contains(.section(.body(.full), origin: nil, data: message)) == true)
    }
  }

  /// A session that lost its connection is told what happened meanwhile, and nothing else.
  @Test func sessionGoesOnFromWhereItWas() async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let configuration = IMAPClient.Configuration(
      host: "localhost", port: server.tlsPort, trust: .file(server.certificateFile))
    let password = server.password
    let other = try await IMAPClient.connect(configuration, on: loop)
    try await other.signIn(user: "joe", password: Secret(password))
    for number in 1...3 { try await other.append(Self.message("\(number)"), to: .inbox) }
    try await other.select(.inbox)
    let logins = Counter()
    var options = IMAPSession.Configuration(client: configuration) {
      if await logins.next() == 2 {
        // The session is away, and this happens before it is back.
        try await other.delete([2])
        try await other.addFlags([.flagged], to: [1])
        try await other.append(Self.message("4"), to: .inbox)
      }
      return .password(user: "joe", password: Secret(password))
    }
    options.backoff = Backoff(initial: .milliseconds(1))
    let session = IMAPSession(options, on: loop)
    var resumptions: [Resumption] = []
    for await event in await session.start() {
      guard case .connected(_, let resumption) = event else { continue }
      resumptions.append(resumption)
      if resumptions.count == 1 {
        // As a network that fails.
        Task { try await session.withClient { await $0.close() } }
      } else {
        Task { await session.stop() }
      }
    }
    #expect(resumptions.count == 2)
    if case .fresh(let messages)? = resumptions.first {
      #expect(messages.map(\.uid) == [1, 2, 3])
    } else {
      Issue.record("\(resumptions)")
    }
    if case .changes(let vanished, let changed)? = resumptions.last {
      #expect(vanished == [2])
      #expect(changed.map(\.uid) == [1, 4])
      #expect(changed.first?.flags.contains(.flagged) == true)
    } else {
      Issue.record("\(resumptions)")
    }
    await other.logout()
    #expect(await loop.shutdown().isClean)
  }
}

/// Counts from 1.
private actor Counter {
  private var count = 0

  func next() -> Int {
    count += 1
    return count
  }
}
