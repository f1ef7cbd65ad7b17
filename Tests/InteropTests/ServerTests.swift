import IMAPLoop
import IMAPStateMachine
import Testing

/// What the protocol is about beyond single commands, against each real server.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ServerTests {
  private static func message(_ subject: String) -> [UInt8] {
    Array("From: a@example.org\r\nSubject: \(subject)\r\n\r\ntext of \(subject)\r\n".utf8)
  }

  /// What tests leave out on a server is what it does not have.
  @Test(arguments: ServerKind.all) func announcesWhatIsExpected(_ kind: ServerKind) async throws {
    let probed: [Capability] = [
      .idle, .namespace, .uidPlus, .id, .enable, .unselect, .move, .condStore, .qResync, .specialUse,
      .literalPlus, "ESEARCH", "LIST-EXTENDED", "LIST-STATUS", "METADATA", "MULTIAPPEND", "COMPRESS=DEFLATE", "QUOTA",
      "ACL", "SORT", "THREAD=REFERENCES", "XLIST", "CREATE-SPECIAL-USE", "ANNOTATEMORE", "ANNOTATE-EXPERIMENT-1",
      "XAPPLEPUSHSERVICE", "NOTIFY", "CONTEXT=SEARCH", "URLAUTH", "URLAUTH=BINARY", "PREVIEW",
    ]
    try await withServer(kind) { _, client, _ in
      let announced = try await client.capability()
      #expect(Set(probed).subtracting(announced) == kind.lacks)
    }
  }

  /// New mail, a change of flags, and a message that goes, each seen by a client that idles.
  @Test(arguments: ServerKind.all) func idleSeesWhatAnotherConnectionDoes(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, other, loop in
      try await other.append(Self.message("1"), to: .inbox)
      let watcher = try await server.client(on: loop)
      try await watcher.select(.inbox)
      var events = await watcher.events().makeAsyncIterator()
      let (idling, accepted) = AsyncStream.makeStream(of: Void.self)
      let idle = Task { try await watcher.idle { accepted.finish() } }
      for await _ in idling {}

      try await other.append(Self.message("2"), to: .inbox)
      while let event = await events.next(), event != .exists(2) {}
      try await other.select(.inbox)
      try await other.addFlags([.flagged], to: [1])
      while let event = await events.next() {
        guard case .changed(let response) = event, response.flags?.contains(.flagged) == true else { continue }
        #expect(response.sequence == 1)
        break
      }
      try await other.delete([1])
      while let event = await events.next(), event != .expunged(1) {}
      #expect(await watcher.selected?.exists == 1)
      // The next command ends the IDLE by itself.
      #expect(try await watcher.search(.all) == [2])
      try await idle.value
      await watcher.logout()
    }
  }

  /// What another client did while the mailbox was closed (RFC 7162).
  @Test(arguments: ServerKind.all) func resynchronization(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      for number in 1...10 { try await client.append(Self.message("\(number)"), to: .inbox) }
      guard kind.has(.qResync) else {
        #expect(try await client.supports(.qResync) == false)
        #expect(try await client.select(.inbox).highestModSeq == nil)
        return
      }
      try await client.enable([.qResync])
      #expect(await client.enabled.contains(.qResync))
      let before = try await client.select(.inbox)
      let validity = try #require(before.uidValidity)
      let modSeq = try #require(before.highestModSeq)
      try await client.unselect()

      let other = try await server.client(on: loop)
      try await other.select(.inbox)
      try await other.addFlags([.flagged], to: [2, 9])
      try await other.removeFlags([.flagged], from: [9])
      try await other.delete([4, 5, 6, 10])
      try await other.append(Self.message("11"), to: .inbox, flags: [.seen])
      await other.logout()

      let parameters = SelectParameters(qResync: QResyncParameters(uidValidity: validity, modSeq: modSeq))
      let (mailbox, vanished, changed) = try await client.resynchronize(.inbox, parameters)
      #expect(mailbox.resynchronization == .resynchronized)
      #expect(mailbox.exists == 7)
      #expect(vanished == [4, 5, 6, 10])
      var flags: [UID: Set<Flag>] = [:]
      for response in changed {
        if let uid = response.uid { flags[uid] = Set(response.flags ?? []).subtracting([.recent]) }
      }
      #expect(flags == [2: [.flagged], 9: [], 11: [.seen]])
      #expect(changed.allSatisfy { $0.modSeq.map { $0 > modSeq } ?? false })
      // From there on a change is asked for by its modification sequence alone.
      let now = try #require(mailbox.highestModSeq)
      try await client.addFlags([.answered], to: [1])
      let since = try await client.fetch(.uids(.all), [.uid, .flags], changedSince: now)
      #expect(since.map(\.uid) == [1])
      // A value that the mailbox never had.
      let other2 = SelectParameters(qResync: QResyncParameters(uidValidity: validity + 1, modSeq: modSeq))
      #expect(
        try await client.resynchronize(.inbox, other2).mailbox.resynchronization
          == .uidValidityChanged(from: validity + 1))
    }
  }

  /// Names that need modified UTF-7, quotes or literals, or look like patterns; and those that a server refuses.
  private static let names: [[String]] = [
    ["Entwürfe"], ["日本語", "受信"], ["a&b"], ["&"], ["with space", "x y"], ["😀 mail"], ["a*b"], ["100%"],
    ["quote\"d"], ["back\\slash"], ["~tilde"], ["+#$[]{}(),;=?@!'`^|<>"], ["Ünder", "Straße & Söhne", "€"],
    ["é", "e\u{301}"], ["nil"], ["INBOX2"],
  ]

  /// The names that a server takes nobody by: it says NO.
  private static func refused(_ kind: ServerKind) -> [[String]] {
    switch kind {
    case .dovecot: [["~tilde"]]
    case .cyrus: [["100%"], ["quote\"d"], ["back\\slash"], ["+#$[]{}(),;=?@!'`^|<>"]]
    // It takes surrogates for a mistake, unless UTF-8 is enabled.
    case .courier: [["😀 mail"]]
    }
  }

  @Test(arguments: ServerKind.all) func namesOfMailboxes(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      var refused: [[String]] = []
      for parts in Self.names {
        let name = kind.mailbox(parts)
        do throws(IMAPError) { try await client.create(name) } catch {
          guard case .refused = error else { throw error }
          refused.append(parts)
          continue
        }
        #expect(try await client.list().contains { $0.name == name }, "\(parts)")
        try await client.subscribe(name)
        #expect(try await client.listSubscribed().contains { $0.name == name }, "\(parts)")
        try await client.append(Self.message("1"), to: name)
        #expect(try await client.select(name).exists == 1, "\(parts)")
        #expect(await client.selected?.name == name)
        try await client.unselect()
        #expect(try await client.status(name, [.messages])?.messages == 1, "\(parts)")
        try await client.unsubscribe(name)
        #expect(try await client.listSubscribed().contains { $0.name == name } == false, "\(parts)")
      }
      #expect(refused == Self.refused(kind))

      // Each by a client of its own: Courier takes two seconds for each RENAME and DELETE.
      let configuration = server.configuration()
      let password = server.password
      try await withThrowingTaskGroup(of: Void.self) { group in
        for parts in Self.names where !refused.contains(parts) {
          group.addTask {
            let client = try await IMAPClient.connect(configuration, on: loop)
            try await client.signIn(user: "joe", password: Secret(password))
            try await Self.renameAndDelete(parts, kind, client)
            await client.logout()
          }
        }
        try await group.waitForAll()
      }
    }
  }

  private static func renameAndDelete(_ parts: [String], _ kind: ServerKind, _ client: IMAPClient) async throws {
    let name = kind.mailbox(parts)
    let renamed = kind.mailbox(parts.dropLast() + ["\(parts.last ?? "") ü2"])
    try await client.rename(name, to: renamed)
    #expect(try await client.mailboxExists(renamed), "\(parts)")
    #expect(try await client.mailboxExists(name) == false, "\(parts)")
    try await client.delete(renamed)
    #expect(try await client.mailboxExists(renamed) == false, "\(parts)")
  }

  /// Ten thousand messages: what the client keeps of them, what it streams, and what a second client finds.
  @Test(arguments: ServerKind.all) func tenThousandMessages(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 1...625 { group.addTask { try await client.append(Self.message("\(number)"), to: .inbox) } }
        try await group.waitForAll()
      }
      try await client.select(.inbox)
      // Doubled four times: much faster than appending.
      for _ in 0..<4 {
        try await client.copy(.uids(.all), to: .inbox)
        // Courier tells of the copies only then.
        try await client.noop()
      }
      #expect(await client.selected?.exists == 10_000)
      let everything = (1...10_000).map { UID(rawValue: $0) }
      let all = try await client.fetch(.uids(.all), [.uid, .flags])
      #expect(all.map(\.uid) == everything)
      #expect(all.map(\.sequence.rawValue) == Array(1...10_000))
      #expect(try await client.search(.all) == everything)

      var uids: [UID] = []
      for try await response in client.messages(.uids(.all), [.uid, .envelope]) {
        guard let uid = response.uid else { continue }
        uids.append(uid)
        // Another command waits for nothing while the stream is not taken.
        if uids.count == 5000 { await Task.yield() }
        if !response.attributes.contains(where: { if case .envelope(let it) = $0 { it.subject != nil } else { false } })
        {
          Issue.record("\(response)")
          break
        }
      }
      #expect(uids == everything)

      let stored = try await client.store(.uids(.all), StoreOperation(.add, [.seen], silent: true))
      // Cyrus tells the flags all the same, where a message is recent.
      if kind != .cyrus { #expect(stored.isEmpty) }
      #expect(try await client.search(.flag(.seen)).count == 10_000)
      // Every second one: a set that does not shrink to ranges.
      let gone = UIDSet(everything.filter { $0.rawValue % 2 == 0 })
      try await client.addFlags([.deleted], to: gone)
      try await client.expunge()
      #expect(await client.selected?.exists == 5000)
      let left = everything.filter { $0.rawValue % 2 == 1 }
      #expect(try await client.search(.all) == left)

      let second = try await server.client(on: loop)
      #expect(try await second.select(.inbox).exists == 5000)
      #expect(try await second.search(.flag(.seen)) == left)
      let seen = try await second.fetch(.uids(.all), [.uid, .flags])
      #expect(seen.map(\.uid) == left)
      #expect(try await client.fetch(.uids(.all), [.uid]).map(\.uid) == left)
      await second.logout()
    }
  }
}
