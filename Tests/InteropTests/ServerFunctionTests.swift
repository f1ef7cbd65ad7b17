import IMAPLoop
import IMAPStateMachine
import Testing

/// The functions of the client, one by one, against each real server.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ServerFunctionTests {
  private static func message(_ subject: String, _ more: String = "", _ text: String = "text") -> [UInt8] {
    Array("From: a@example.org\r\nSubject: \(subject)\r\n\(more)\r\n\(text) of \(subject)\r\n".utf8)
  }

  /// Without what the server sets by itself.
  private static func named(_ flags: [Flag]?) -> Set<Flag> { Set(flags ?? []).subtracting([.recent]) }

  @Test(arguments: ServerKind.all) func mailboxes(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      let (swift, libuv) = (kind.mailbox("Lists", "Swift"), kind.mailbox("Lists", "libuv"))
      let pattern = kind.mailbox("Lists", "*")
      try await client.create(swift)
      try await client.create(libuv)
      try await client.subscribe(swift)
      #expect(try await client.listSubscribed(pattern: pattern).map(\.name) == [swift])
      #expect(try await client.mailboxExists(libuv))
      #expect(try await client.mailboxExists(kind.mailbox("Lists", "lib")) == false)
      let uv = kind.mailbox("Lists", "uv")
      try await client.rename(libuv, to: uv)
      #expect(try await client.mailboxExists(libuv) == false)
      try await client.unsubscribe(swift)
      #expect(try await client.listSubscribed(pattern: pattern).isEmpty)

      try await client.append(Self.message("one"), to: uv)
      let request = ListRequest(
        reference: "", patterns: ["%", "Lists/%"], selection: [], returning: [.status([.messages]), .specialUse])
      if kind.has("LIST-EXTENDED") {
        let answer = try await client.list(request)
        #expect(answer.listings.contains { $0.name == "Sent" && $0.attributes.contains("\\Sent") })
        #expect(answer.statuses.first { $0.mailbox == uv }?.messages == 1)
      } else {
        await #expect(throws: IMAPError.self) { try await client.list(request) }
      }
      // Two at once: each gets its own.
      async let one = client.status(uv, [.messages])
      async let other = client.status(swift, [.messages])
      #expect(try await one?.messages == 1)
      #expect(try await other?.messages == 0)

      try await client.select(uv)
      try await client.check()
      try await client.unselect()
      #expect(await client.selected == nil)
      try await client.delete(uv)
      #expect(try await client.mailboxExists(uv) == false)
      #expect(try await client.namespace().personal.first?.delimiter == (kind == .courier ? "." : "/"))
    }
  }

  @Test(arguments: ServerKind.all) func searchSortAndThread(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      try await client.append(Self.message("b", "Message-ID: <1@x>\r\n"), to: .inbox)
      try await client.append(Self.message("Re: b", "Message-ID: <2@x>\r\nReferences: <1@x>\r\n"), to: .inbox)
      try await client.append(
        Self.message("a", "Message-ID: <3@x>\r\nContent-Type: text/plain; charset=utf-8\r\n", "a \u{e4}"), to: .inbox,
        flags: [.flagged])
      try await client.select(.inbox)
      #expect(try await client.search(.all) == [1, 2, 3])
      #expect(try await client.searchSequence(.flag(.flagged)) == [3])
      #expect(try await client.search(.text("a \u{e4}"), charset: "UTF-8") == [3])
      let sorted = try await client.sort([SortCriterion(.subject)])
      // Courier does not keep messages of one subject in their order (RFC 5256, section 3).
      #expect(kind == .courier ? sorted.first == 3 && Set(sorted) == [1, 2, 3] : sorted == [3, 1, 2], "\(sorted)")
      #expect(try await client.sort([SortCriterion(.size, reversed: true)], .not(.flag(.flagged))) == [2, 1])
      let threads = try await client.thread(.references)
      #expect(threads.count == 2)
      #expect(threads.contains { $0.messages == [1, 2] })
      // Without ESEARCH it is made of SEARCH.
      let extended = try await client.search(.all, returning: [.min, .max, .count, .all])
      #expect(extended.count == 3)
      #expect(extended.all == .uids(UIDSet(1...3)))
      await #expect(throws: IMAPError.capabilityMissing(Capability("THREAD=NONE"), command: "THREAD")) {
        try await client.thread(ThreadAlgorithm("NONE"))
      }
    }
  }

  @Test(arguments: ServerKind.all) func rightsQuotasAndMetadata(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      let shared = kind.mailbox("shared")
      let ann = "ann"
      try await client.create(shared)
      try await client.setAccess(shared, for: ann, .replace("lr"))
      let list = try await client.accessControlList(of: shared)
      #expect(list.entries.contains { $0.identifier == Array(ann.utf8) && $0.rights.contains("lr") })
      try await client.removeAccess(shared, for: ann)
      #expect(
        try await client.accessControlList(of: shared).entries.allSatisfy { $0.identifier != Array(ann.utf8) })
      #expect(try await client.myRights(shared).contains("lrswi"))
      #expect(try await client.grantableRights(shared, for: ann)?.mailbox == shared)

      let (roots, quotas) = try await client.quotas(of: .inbox)
      switch kind {
      case .dovecot: #expect(roots.roots == [Array("User quota".utf8)])
      case .cyrus: #expect(roots.roots == [Array("INBOX".utf8)])
      case .courier: #expect(roots.roots == [Array("ROOT".utf8)])
      }
      let root = String(decoding: roots.roots.first ?? [], as: UTF8.self)
      // One literal: for a product of two the compiler compares `AnyHashable`, and reads a byte behind the number.
      if kind != .courier { #expect(quotas.first?.resources.first?.limit == 102_400) }
      switch kind {
      case .dovecot: #expect(try await client.quota(root: root)?.resources.first?.name == "STORAGE")
      // Only administrators may ask by the root.
      case .cyrus: await #expect(throws: IMAPError.self) { try await client.quota(root: root) }
      case .courier: #expect(try await client.quota(root: root)?.resources.isEmpty != false)
      }

      let comment = Metadata.Entry(name: Array("/private/comment".utf8), value: Array("mine".utf8))
      if kind.has("METADATA") {
        try await client.setMetadata(of: shared, [comment])
        #expect(try await client.metadata(of: shared, ["/private/comment"]).first?.value == comment.value)
      } else {
        await #expect(throws: IMAPError.self) { try await client.setMetadata(of: shared, [comment]) }
      }
    }
  }

  @Test(arguments: ServerKind.all) func flagsCopyMoveAndDelete(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      for number in 1...6 { try await client.append(Self.message("\(number)"), to: .inbox) }
      let archive = kind.mailbox("Archive")
      try await client.create(archive)
      try await client.select(.inbox)
      #expect(Self.named(try await client.addFlags([.seen, "custom"], to: [1, 2])[2]) == [.seen, "custom"])
      #expect(Self.named(try await client.removeFlags([.seen], from: [2])[2]) == ["custom"])
      #expect(Self.named(try await client.setFlags([.answered], of: [1])[1]) == [.answered])
      #expect(try await client.flags(of: [1, 3]).mapValues(Self.named) == [1: [.answered], 3: []])
      let copied = try await client.copy(.uids([1, 3]), to: archive)
      #expect(copied?.source == [1, 3])
      #expect(copied?.destination == UIDSet(1...2))
      #expect(try await client.move(.uids([4]), to: archive)?.destination == [3])
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

  @Test(arguments: ServerKind.all) func whyItFailed(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      await #expect { try await client.select(kind.mailbox("nowhere")) } throws: {
        ($0 as? IMAPError)?.reason == .noSuchMailbox
      }
      let twice = kind.mailbox("twice")
      try await client.create(twice)
      // Not all of them have codes (RFC 5530).
      await #expect { try await client.create(twice) } throws: {
        ($0 as? IMAPError)?.reason == (kind == .dovecot ? .alreadyExists : .unspecified)
      }
      try await client.examine(.inbox)
      await #expect { try await client.run(GenericCommand("NOSUCH")) } throws: {
        // Courier answers NO to what it does not understand.
        (($0 as? IMAPError)?.status?.condition == .bad) == (kind != .courier)
      }
    }
  }

  /// Messages one by one, with other commands in between; a loop that is left early; a source in pieces.
  @Test(arguments: ServerKind.all) func streams(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      let sent = kind.mailbox("Sent")
      if kind == .courier { try await client.create(sent) }
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
      #expect(try await client.status(sent, [.messages])?.messages == 0)

      let (pieces, writer) = AsyncStream.makeStream(of: [UInt8].self)
      for start in stride(from: 0, to: message.count, by: 999) {
        writer.yield(Array(message[start..<min(start + 999, message.count)]))
      }
      writer.finish()
      try await client.append(pieces, byteCount: UInt64(message.count), to: sent, flags: [.seen])
      try await client.select(sent)
      let stored = try await client.fetch(.uids(.all), [.section(.full)])
      // Courier ends the last line where it is not.
      let expected = kind == .courier ? message + [0x0d, 0x0a] : message
      #expect(stored.first?.attributes.contains(.section(.body(.full), origin: nil, data: expected)) == true)
    }
  }

  /// A session that lost its connection is told what happened meanwhile, and nothing else.
  @Test(arguments: ServerKind.all) func sessionGoesOnFromWhereItWas(_ kind: ServerKind) async throws {
    let server = try kind.start()
    let loop = try EventLoop.start()
    let password = server.password
    let other = try await server.client(on: loop)
    for number in 1...3 { try await other.append(Self.message("\(number)"), to: .inbox) }
    try await other.select(.inbox)
    let logins = Counter()
    var options = IMAPSession.Configuration(client: server.configuration()) {
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
    Self.checkIsToldAll(resumptions.last, kind)
    await other.logout()
    #expect(await loop.shutdown().isClean)
  }

  /// So is one of another process, to which the first has left how far it had come.
  @Test(arguments: ServerKind.all, [true, false])
  func sessionBeginsWhereAnotherEnded(_ kind: ServerKind, _ namesUIDs: Bool) async throws {
    let server = try kind.start()
    let loop = try EventLoop.start()
    let password = server.password
    let other = try await server.client(on: loop)
    for number in 1...3 { try await other.append(Self.message("\(number)"), to: .inbox) }
    var options = IMAPSession.Configuration(client: server.configuration()) {
      .password(user: "joe", password: Secret(password))
    }
    func resumption() async -> (Resumption?, ResumePoint?) {
      let session = IMAPSession(options, on: loop)
      var events = await session.start().makeAsyncIterator()
      guard case .connected(_, let resumption)? = await events.next() else { return (nil, nil) }
      // What was taken is known when the next one is asked for, which `stop` brings.
      let point = await session.resumePoint
      await session.stop()
      return (resumption, point)
    }
    var (first, point) = await resumption()
    if case .fresh(let messages)? = first {
      #expect(messages.map(\.uid) == [1, 2, 3])
    } else {
      Issue.record("\(String(describing: first))")
    }
    if namesUIDs { point?.knownUIDs = [1, 2, 3] }
    options.resumePoint = point
    #expect(point != nil)
    try await other.select(.inbox)
    try await other.delete([2])
    try await other.addFlags([.flagged], to: [1])
    try await other.append(Self.message("4"), to: .inbox)
    Self.checkIsToldAll(await resumption().0, kind)
    await other.logout()
    #expect(await loop.shutdown().isClean)
  }

  /// The second of three messages has gone, the first has changed, and there is a fourth.
  private static func checkIsToldAll(_ resumption: Resumption?, _ kind: ServerKind) {
    switch resumption {
    case .changes(let vanished, let changed)? where kind.has(.qResync):
      #expect(vanished == [2])
      #expect(changed.map(\.uid) == [1, 4])
      #expect(changed.first?.flags.contains(.flagged) == true)
    case .current(let messages)? where !kind.has(.qResync):
      #expect(messages.map(\.uid) == [1, 3, 4])
      #expect(messages.first?.flags.contains(.flagged) == true)
    default:
      Issue.record("\(String(describing: resumption))")
    }
  }
}
