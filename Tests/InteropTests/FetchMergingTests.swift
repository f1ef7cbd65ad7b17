import IMAPLoop
import IMAPStateMachine
import Testing

/// Servers that make several FETCH responses of what they say of one message.
@Suite(.serialized, .timeLimit(.minutes(2))) struct FetchMergingTests {
  private func fetch(
    _ items: [FetchItem], _ lines: [String], uids: UIDSet = [5, 6, 7]
  ) async throws -> [FetchResponse] {
    var responses: [FetchResponse] = []
    try await withScript("", [("UID FETCH", lines)]) { client, _ in
      try await client.select(.inbox)
      responses = try await client.fetch(.uids(uids), items)
    }
    return responses
  }

  @Test func partsOfAnAnswerAreJoined() async throws {
    let responses = try await fetch(
      [.uid, .flags, .rfc822Size, .section(.text)],
      [
        "* 1 FETCH (UID 5 RFC822.SIZE 10)", "* 2 FETCH (FLAGS () UID 6)", "* 1 FETCH (UID 5 FLAGS ())",
        #"* 2 FETCH (BODY[TEXT] "b" RFC822.SIZE 20 UID 6)"#, #"* 1 FETCH (UID 5 BODY[TEXT] "a")"#,
        #"* 1 FETCH (FLAGS (\Seen))"#, #"* 3 FETCH (UID 7 FLAGS (\Answered))"#,
      ])
    // Of the last one nothing but news has come.
    #expect(responses.map(\.uid) == [5, 6])
    #expect(responses.map(\.size) == [10, 20])
    #expect(responses.map { $0.bytes(of: .text) } == [Array("a".utf8), Array("b".utf8)])
    #expect(responses.map(\.flags) == [[.seen], []])
  }

  @Test func oneByOneTheyAreJoinedWhereTheyFollowEachOther() async throws {
    let lines = [
      #"* 1 FETCH (UID 5 FLAGS (\Seen))"#, "* 1 FETCH (UID 5 RFC822.SIZE 10)", #"* 1 FETCH (BODY[TEXT] "a")"#,
      "* 2 FETCH (UID 6 RFC822.SIZE 20)", #"* 3 FETCH (UID 7 RFC822.SIZE 30 BODY[TEXT] "c")"#, "* 3 FETCH (FLAGS ())",
    ]
    try await withScript("", [("UID FETCH", lines)]) { client, _ in
      try await client.select(.inbox)
      var responses: [FetchResponse] = []
      for try await message in client.messages(.uids(.all), [.uid, .flags, .rfc822Size, .section(.text)]) {
        responses.append(message)
      }
      #expect(responses.map(\.uid) == [5, 6, 7])
      #expect(responses.map(\.size) == [10, 20, 30])
      #expect(responses.map(\.flags) == [[.seen], nil, []])
      #expect(responses.map { $0.bytes(of: .text) } == [Array("a".utf8), nil, Array("c".utf8)])
    }
  }

  @Test func flagsThatChangeMeanwhile() async throws {
    let responses = try await fetch(
      [.uid, .flags], ["* 1 FETCH (UID 5 FLAGS ())", "* 2 FETCH (UID 6 FLAGS ())", #"* 1 FETCH (UID 5 FLAGS (\Seen))"#])
    #expect(responses.map(\.uid) == [5, 6])
    #expect(responses.map(\.flags) == [[.seen], []])
  }

  /// Behind an EXPUNGE a number stands for another message.
  @Test func numbersThatHaveMoved() async throws {
    let responses = try await fetch(
      [.uid, .flags, .rfc822Size],
      [
        "* 1 FETCH (UID 5 FLAGS () RFC822.SIZE 1)", "* 2 FETCH (UID 6 FLAGS () RFC822.SIZE 2)", "* 1 EXPUNGE",
        #"* 1 FETCH (FLAGS (\Seen))"#, "* 2 FETCH (UID 7 FLAGS () RFC822.SIZE 3)",
      ])
    #expect(responses.map(\.uid) == [5, 6, 7])
    // Nobody knows from these whose they are.
    #expect(responses.map(\.flags) == [[], [], []])
    #expect(responses.map(\.size) == [1, 2, 3])
  }

  @Test func oneMessage() async throws {
    let answers = [
      ("UID FETCH", [#"* 2 FETCH (UID 6 FLAGS (\Seen))"#, #"* 2 FETCH (UID 6 BODY[TEXT] "x")"#]),
      ("FETCH", [#"* 2 FETCH (BODY[TEXT] "x")"#, "* 2 FETCH (RFC822.SIZE 9)"]),
    ]
    try await withScript("", answers) { client, _ in
      try await client.select(.inbox)
      let byUID = try await client.fetchOne(6 as UID, [.flags, .section(.text)])
      #expect(byUID?.flags == [.seen])
      #expect(byUID?.bytes(of: .text) == Array("x".utf8))
      let byNumber = try await client.fetchOne(2 as SequenceNumber, [.rfc822Size, .section(.text)])
      #expect(byNumber?.size == 9)
      #expect(byNumber?.bytes(of: .text) == Array("x".utf8))
    }
  }

  /// NO, because some are gone: what was told of the others counts.
  @Test(arguments: ["NO Some of the requested messages no longer exist.", "NO [EXPUNGEISSUED] some are gone"])
  func someAreGone(_ completion: String) async throws {
    let lines = ["* 1 FETCH (UID 5 RFC822.SIZE 1)", "* 2 FETCH (UID 6 RFC822.SIZE 2)", completion]
    #expect(try await fetch([.uid, .rfc822Size], lines).map(\.uid) == [5, 6])
    // Where nothing was told, and where there is another reason, it is an error.
    for lines in [[completion], ["* 1 FETCH (UID 5 RFC822.SIZE 1)", "NO too much"]] {
      await #expect { try await fetch([.uid, .rfc822Size], lines) } throws: {
        if case .refused = $0 as? IMAPError { true } else { false }
      }
    }
  }

  /// A change of a message that was not asked for is told, also where flags were asked for.
  @Test(arguments: [false, true])
  func newsOfOtherMessages(_ isStreamed: Bool) async throws {
    let lines = [#"* 1 FETCH (UID 5 FLAGS (\Seen))"#, "* 3 FETCH (UID 7 FLAGS ())", "* 4 FETCH (UID 8 FLAGS ())"]
    try await withScript("", [("UID FETCH", lines)]) { client, _ in
      try await client.select(.inbox)
      let events = await client.events()
      // From 7 on; the last message is in that whatever it is.
      var found: [UID?] = []
      if isStreamed {
        for try await message in client.messages(.uids(UIDSet(7...)), [.uid, .flags]) { found.append(message.uid) }
      } else {
        found = try await client.fetch(.uids(UIDSet(7...)), [.uid, .flags]).map(\.uid)
      }
      #expect(found == [5, 7, 8])
      await client.logout()
      var changes: [MailboxEvent] = []
      for await event in events { if case .changed = event { changes.append(event) } }
      #expect(changes == [.changed(FetchResponse(sequence: 1, attributes: [.uid(5), .flags([.seen])]))])
    }
  }

  @Test func newsOfOtherMessagesAreNoAnswer() async throws {
    let lines = [#"* 1 FETCH (UID 5 FLAGS (\Seen))"#, "* 3 FETCH (UID 7 FLAGS ())"]
    try await withScript("", [("UID FETCH", lines), ("FETCH", lines)]) { client, _ in
      try await client.select(.inbox)
      var events = await client.events().makeAsyncIterator()
      let seen = MailboxEvent.changed(FetchResponse(sequence: 1, attributes: [.uid(5), .flags([.seen])]))
      #expect(try await client.fetch(.uids([7]), [.uid, .flags]).map(\.uid) == [7])
      #expect(await events.next() == seen)
      #expect(try await client.fetch(.sequence([3]), [.uid, .flags]).map(\.uid) == [7])
      #expect(await events.next() == seen)
    }
  }

  /// News are told when they come: numbers that are expunged behind them stand for others then. So are those of a FETCH that fails.
  @Test(arguments: ["OK done", "NO too much"])
  func newsAreToldInOrder(_ completion: String) async throws {
    let lines = [#"* 3 FETCH (FLAGS (\Seen))"#, "* 1 EXPUNGE", "* 2 FETCH (UID 7 RFC822.SIZE 3)", completion]
    try await withScript("", [("FETCH", lines)]) { client, _ in
      try await client.select(.inbox)
      var events = await client.events().makeAsyncIterator()
      let sizes = try? await client.fetch(.sequence(.all), [.uid, .rfc822Size]).map(\.size)
      #expect(sizes == (completion == "OK done" ? [3] : nil))
      #expect(await events.next() == .changed(FetchResponse(sequence: 3, attributes: [.flags([.seen])])))
      #expect(await events.next() == .expunged(1))
    }
  }

  /// A STORE that is refused halfway has changed some: that is news.
  @Test func whatIsStoredBeforeItIsRefused() async throws {
    let lines = [
      #"* 1 FETCH (UID 5 FLAGS (\Seen))"#, #"* 2 FETCH (UID 6 FLAGS (\Seen))"#,
      "NO Some of the messages no longer exist.",
    ]
    try await withScript("", [("UID STORE", lines)]) { client, _ in
      try await client.select(.inbox)
      let events = await client.events()
      await #expect { try await client.store(.uids([5, 6, 7]), StoreOperation(.add, [.seen])) } throws: {
        if case .refused = $0 as? IMAPError { true } else { false }
      }
      await client.logout()
      var changed: [UID?] = []
      for await case .changed(let response) in events {
        #expect(response.flags == [.seen])
        changed.append(response.uid)
      }
      #expect(changed == [5, 6])
    }
  }

  /// What went before the FETCH is an answer, what goes meanwhile is news.
  @Test func whatHasGone() async throws {
    let lines = ["* VANISHED (EARLIER) 1:2,9", #"* 3 FETCH (UID 5 FLAGS (\Seen) MODSEQ (7))"#, "* VANISHED 6"]
    let answers = [("ENABLE", ["* ENABLED QRESYNC"]), ("UID FETCH", lines)]
    try await withScript("ENABLE CONDSTORE QRESYNC", answers) { client, server in
      try await client.enable([.qResync])
      try await client.select(.inbox)
      let events = await client.events()
      let (changed, vanished) = try await client.fetchChanges(.all, [.uid, .flags], since: 5)
      #expect(server.commands.last == "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 5 VANISHED)")
      #expect(vanished == [1, 2, 9] && changed.map(\.uid) == [5])
      let modifiers = FetchModifiers(changedSince: 5, vanished: true)
      let raw = try await client.run(.fetch(.uids(.all), [.uid, .flags], modifiers)).responses
      #expect(raw.count == 2)
      await client.logout()
      var gone: [UIDSet] = []
      for await case .vanished(let uids) in events { gone.append(uids) }
      #expect(gone == [[6], [6]])
    }
  }

  /// Commands inside the loop come between the batches.
  @Test func batchByBatch() async throws {
    let server = try ScriptedServer(capabilities: "") { _, command in
      if command == "LOGOUT" { return ["* BYE"] }
      if command.hasPrefix("UID SEARCH") { return ["* SEARCH 9 5 6 7 8"] }
      if command.hasPrefix("UID STORE") { return [] }
      guard command.hasPrefix("UID FETCH"), let set = command.split(separator: " ").dropFirst(2).first else {
        return ["* 5 EXISTS"]
      }
      let bounds = set.split(separator: ":").compactMap { UInt32($0) }
      return (bounds[0]...bounds[bounds.count - 1]).map { "* \($0 - 4) FETCH (UID \($0) RFC822.SIZE 1)" }
    }
    defer { server.stop() }
    let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    try await IMAPClient.withClient(configuration) { client in
      try await client.select(.inbox)
      var uids: [UID?] = []
      for try await message in client.messages(.uids(.all), [.uid, .rfc822Size], batch: 2) {
        uids.append(message.uid)
        guard let uid = message.uid, uid.rawValue.isMultiple(of: 2) else { continue }
        try await client.store(.uids(UIDSet(uid)), StoreOperation(.add, [.seen], silent: true))
      }
      #expect(uids == [5, 6, 7, 8, 9])
      let commands = server.commands.dropFirst().map { String($0.prefix(13)) }
      #expect(
        commands == [
          "UID SEARCH UI", "UID FETCH 5:6", "UID STORE 6 +", "UID FETCH 7:8", "UID STORE 8 +", "UID FETCH 9 (",
        ])
      // The next batch is of the mailbox that was open at the beginning.
      await #expect {
        for try await _ in client.messages(.uids(.all), [.uid], batch: 2) { try await client.select("Other") }
      } throws: {
        ($0 as? IMAPError)?.reason == .wrongState
      }
    }
  }
}
