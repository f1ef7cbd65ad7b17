import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// The calls of `docs/coming-from-python.md`, in its order: what it shows compiles and does what it says.
@Suite(.timeLimit(.minutes(5))) struct ComingFromPythonTests {
  private func withServer(_ body: (IMAPTestServer, IMAPClient) async throws -> Void) async throws {
    let server = try await IMAPTestServer.start()
    for (number, sender) in ["anna", "bob", "anna"].enumerated() {
      let text = "From: \(sender)@example.org\nSubject: =?utf-8?q?n=C2=BA?= \(number + 1)\n\ntext \(number + 1)\n"
      try await server.append(
        user: "user", message: .init(text, date: InternalDate(unixSeconds: 1_706_700_000 + Int64(number) * 86_400)))
    }
    let result: Result<Void, any Error>
    do {
      try await IMAPClient.withClient(.init(host: "127.0.0.1", port: server.plainPort, security: .plain)) { client in
        try await client.login(user: "user", password: Secret("password"))
        try await body(server, client)
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  // MARK: Connection

  @Test(arguments: [IMAPClient.Configuration.Security.implicitTLS, .startTLS, .plain])
  func connecting(_ security: IMAPClient.Configuration.Security) async throws {
    let server = try await IMAPTestServer.start()
    let loop = try EventLoop.start()
    var configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: security == .implicitTLS ? server.tlsPort : server.plainPort, security: security,
      trust: .pem(server.certificatePEM))
    configuration.connectTimeout = .seconds(30)
    configuration.connection.greetingTimeout = .seconds(30)
    configuration.connection.commandTimeout = .seconds(60)
    let client = try await IMAPClient.connect(configuration, on: loop)
    #expect(await client.greeting?.text == "Test server ready")
    guard case .capability(let announced)? = await client.greeting?.code else {
      Issue.record("the greeting has no code")
      return
    }
    #expect(announced.contains(.imap4rev1))
    #expect(await client.phase == .notAuthenticated)
    if security == .plain {
      // No password goes over it unless one says so, or gives the command itself, as below.
      await #expect(throws: IMAPError.authentication(.plaintextRefused, nil)) {
        try await client.signIn(user: "user", password: Secret("password"))
      }
      configuration.signIn.allowsPlaintext = true
      let careless = try await IMAPClient.connect(configuration, on: loop)
      try await careless.signIn(user: "user", password: Secret("password"))
      await careless.logout()
    }
    await client.close()
    let other = try await IMAPClient.connect(configuration, on: loop)
    try await other.authenticatePlain(user: "user", password: Secret("password"))
    #expect(await other.phase == .authenticated)
    await other.logout()
    #expect(await loop.shutdown().isClean)
    await server.shutdown()
  }

  @Test func closing() async throws {
    try await withScript("", [("UID SEARCH", ["HOLD"])]) { client, server in
      try await client.select(.inbox)
      let search = Task { try await client.search(.all) }
      await server.received("UID SEARCH")
      await client.close()
      #expect(await client.phase == .closed)
      await #expect { try await search.value } throws: {
        if case .connectionLost? = ($0 as? IMAPError)?.reason { true } else { false }
      }
    }
  }

  @Test func theSession() async throws {
    try await withServer { server, client in
      #expect(try await client.supports(.imap4rev1))
      #expect(try await client.supports(.idle))
      #expect(try await client.capability().contains(.uidPlus))
      #expect(await client.knownCapabilities?.contains(.move) == true)
      #expect(try await client.id([IDField("name", "test")]) != nil)
      #expect(try await client.namespace().personal.first?.delimiter == "/")
      #expect(try await client.enable([.condStore]) == [.condStore])
      #expect(await client.enabled == [.condStore])
      try await client.select(.inbox)
      #expect(await client.phase == .selected(readOnly: false))
      // Several commands are in flight at once.
      async let one = client.search(.from("anna"))
      async let other = client.search(.from("bob"))
      #expect(try await one == [1, 3])
      #expect(try await other == [2])
      // Sequence numbers are asked for by name.
      #expect(try await client.fetch(.sequence([2]), [.uid]).first?.uid == 2)
      #expect(try await client.searchSequence(.from("bob")) == [2])
      let part = FetchItem.section(.text, partial: PartialRange(offset: 0, count: 4))
      #expect(try await client.fetchOne(UID(1), [part])?.bytes(of: .text) == Array("text".utf8))
      // What comes by itself.
      let events = await client.events()
      try await server.append(user: "user", message: .init("Subject: new\n\nx\n"))
      try await client.noop()
      var iterator = events.makeAsyncIterator()
      #expect(await iterator.next() == .exists(4))
    }
  }

  @Test func commandsOfOnesOwn() async throws {
    try await withScript(
      "", [("XFOO 7 (a)", ["* XFOO bar"]), ("PROXYAUTH \"joe\"", []), ("UID XBAR", ["NO [OVERQUOTA] full"])]
    ) { client, _ in
      let answer = try await client.run(GenericCommand("XFOO", [.number(7), .list([.atom("a")])]))
      #expect(answer.status.condition == .ok)
      #expect(answer.responses == [.unknown(Array("* XFOO bar\r\n".utf8))])
      try await client.proxyAuthenticate(as: "joe")
      do throws(IMAPError) {
        _ = try await client.run(GenericCommand("UID XBAR"))
        Issue.record("NO is no success")
      } catch {
        #expect(error.reason == .overQuota)
        #expect(error.status?.text == "full")
      }
    }
  }

  @Test func idling() async throws {
    try await withServer { server, client in
      try await client.select(.inbox)
      let events = await client.events()
      let (accepted, isIdling) = AsyncStream.makeStream(of: Void.self)
      let idle = Task { try await client.idle { isIdling.finish() } }
      for await _ in accepted {}
      try await server.append(user: "user", message: .init("Subject: new\n\nx\n"))
      for await event in events where event == .exists(4) { break }
      await client.endIdle()
      try await idle.value
    }
  }

  // MARK: Mailboxes

  @Test func mailboxes() async throws {
    try await withServer { _, client in
      for name in ["Entwürfe", "Lists", "Lists/Swift"] as [MailboxName] { try await client.create(name) }
      #expect(try await client.list().map(\.name.description).contains("Entwürfe"))
      #expect(try await client.list(pattern: "Lists/%").map(\.name) == ["Lists/Swift"])
      #expect(try await client.list(reference: "Lists/", pattern: "*").map(\.name) == ["Lists/Swift"])
      let listing = try #require(try await client.list(pattern: "Lists").first)
      #expect(listing.delimiter == "/")
      #expect(listing.isSelectable)
      try await client.subscribe("Lists")
      #expect(try await client.listSubscribed().map(\.name).contains("Lists"))
      try await client.unsubscribe("Lists")
      #expect(try await client.findSpecialFolder(.drafts)?.name == "Entwürfe")
      #expect(try await client.mailboxExists("Lists/Swift"))
      try await client.rename("Lists/Swift", to: "Lists/Server")
      try await client.delete("Lists/Server")
      #expect(try await client.mailboxExists("Lists/Swift") == false)
      let status = try await client.status(.inbox, [.messages, .uidNext, .unseen])
      #expect(status?.messages == 3)
      #expect(status?.uidNext == 4)
      #expect(status?.unseen == 3)
    }
  }

  @Test func opening() async throws {
    try await withServer { server, client in
      let inbox = try await client.select(.inbox)
      #expect(inbox.exists == 3)
      #expect(inbox.uidNext == 4)
      #expect(inbox.uidValidity != nil)
      #expect(!inbox.isReadOnly)
      try await client.check()
      try await client.unselect()
      #expect(try await client.examine(.inbox).isReadOnly)
      await #expect { try await client.select("Does not exist") } throws: {
        ($0 as? IMAPError)?.reason == .noSuchMailbox
      }
      try await client.select(.inbox)
      try await client.addFlags([.deleted], to: [1])
      try await client.closeMailbox()
      #expect(try await server.messages(user: "user").map(\.uid) == [2, 3])
    }
  }

  @Test func annotationsOfTheDrafts() async throws {
    try await withScript(
      "ANNOTATEMORE",
      [
        (
          "GETANNOTATION \"INBOX\" \"/comment\" \"value.priv\"",
          [#"* ANNOTATION INBOX "/comment" ("value.priv" "mine")"#]
        ),
        ("SETANNOTATION \"INBOX\"", []),
      ]
    ) { client, server in
      let found = try await client.annotations(of: .inbox, entries: ["/comment"], attributes: ["value.priv"])
      #expect(found.first?.attributes.first?.value == Array("mine".utf8), "\(server.commands)")
      try await client.setAnnotations(of: .inbox, found)
    }
  }

  // MARK: Messages

  @Test func searching() async throws {
    try await withServer { _, client in
      try await client.select(.inbox)
      #expect(try await client.search(.all) == [1, 2, 3])
      #expect(try await client.search(.subject("nº 2")) == [2])
      #expect(try await client.search(.from("anna") && .since(2024, 2, 2) && !.seen) == [3])
      #expect(try await client.search([.unseen, .any(of: [.from("bob"), .uid([3])])]) == [2, 3])
      #expect(try await client.search(try SearchKey(parsing: "UNSEEN FROM \"bob\"")) == [2])
      #expect(throws: SearchTextError.self) { try SearchKey(parsing: "NONSENSE") }
      let result = try await client.search(.from("anna"), returning: [.min, .max, .count])
      #expect(result.items == [.min(1), .max(3), .count(2)])
      await #expect(throws: IMAPError.capabilityMissing("SORT", command: "SORT")) {
        try await client.sort([SortCriterion(.subject)])
      }
    }
  }

  @Test func fetching() async throws {
    try await withServer { _, client in
      try await client.select(.inbox)
      var subjects: [String?] = []
      for try await message in client.messages(.uids(.all), [.uid, .flags, .envelope, .internalDate]) {
        subjects.append(message.envelope?.decodedSubject)
      }
      #expect(subjects == ["nº 1", "nº 2", "nº 3"])
      let first = try #require(
        try await client.fetchOne(UID(1), [.envelope, .internalDate, .bodyStructure, .rfc822Size]))
      #expect(first.envelope?.from.first?.email == "anna@example.org")
      #expect(first.internalDate?.unixSeconds == 1_706_700_000)
      #expect(first.internalDate?.description == "31-Jan-2024 11:20:00 +0000")
      #expect(first.bodyStructure?.textPart?.number == "1")
      #expect(first.bodyStructure?.attachments.isEmpty == true)
      let whole = try await client.fetchOne(UID(1), [.section(.full)])
      #expect(whole?.bytes().map { $0.count } == first.size.map { Int($0) })
      // Peeking leaves the message unread; the other form does not.
      #expect(try await client.flags(of: [1])[1]?.contains(.seen) == false)
      _ = try await client.fetchOne(UID(1), [.rfc822])
      #expect(try await client.flags(of: [1])[1]?.contains(.seen) == true)
      let changed = try await client.fetch(.uids(.all), [.uid], changedSince: ModSeq(rawValue: 1 << 40))
      #expect(changed.isEmpty)
    }
  }

  @Test func changing() async throws {
    try await withServer { server, client in
      try await client.select(.inbox)
      #expect(try await client.addFlags([.flagged, "Work"], to: [1])[1]?.contains("work") == true)
      try await client.removeFlags([.flagged], from: [1])
      try await client.setFlags([.seen, .forwarded], of: [1])
      try await client.store(.uids([2]), StoreOperation(.add, [.seen], silent: true))
      try await client.create("Archive")
      let copied = try await client.copy(.uids([1, 2]), to: "Archive")
      #expect(copied?.map?[2] == 2)
      let moved = try await client.move(.uids([3]), to: "Archive")
      #expect(moved?.map?.map(\.source) == [3])
      try await client.delete([1])
      try await client.addFlags([.deleted], to: [2])
      try await client.expunge([2])
      try await client.expunge()
      #expect(try await server.messages(user: "user").isEmpty)
      let text = Array("Subject: draft\r\n\r\nx\r\n".utf8)
      let date = InternalDate(unixSeconds: 1_706_700_000, zone: 60)
      let appended = try await client.append(text, to: "Archive", flags: [.draft], date: date)
      #expect(appended?.destination == [4])
      let stored = try await server.messages(user: "user", mailbox: "Archive")
      #expect(stored.last?.date.description == "31-Jan-2024 12:20:00 +0100")
      // From a source that gives it in pieces; and what is above a limit is not sent.
      let source = AsyncStream { continuation in
        for piece in [text.prefix(3), text.dropFirst(3)] { continuation.yield(Array(piece)) }
        continuation.finish()
      }
      let streamed = try await client.append(source, byteCount: UInt64(text.count), to: "Archive")
      #expect(streamed?.destination == [5])
      #expect(try await server.messages(user: "user", mailbox: "Archive").last?.bytes == text)
      let sent = await client.traffic.sent
      await #expect { try await client.append(text, to: "Archive", limit: .bytes(10)) } throws: {
        ($0 as? IMAPError)?.reason == .limit
      }
      #expect(await client.traffic.sent == sent)
    }
  }

  // MARK: The table

  /// What the table says is shown by a test, is: each that it names is there.
  @Test func everyTestOfTheTableExists() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?.allObjects ?? []
    var sources: [String: String] = [:]
    for case let file as URL in files where file.pathExtension == "swift" && !file.path.contains("/Fuzz/") {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /(?:struct|extension) ([A-Za-z]+Tests)\b/) {
        sources[String(match.1), default: ""] += text
      }
    }
    let table = root.deletingLastPathComponent().appendingPathComponent("docs/coming-from-python.md")
    let text = try String(contentsOf: table, encoding: .utf8)
    let names = text.matches(of: /`([A-Za-z]+Tests)\.([A-Za-z0-9]+)`/)
    #expect(names.count > 80)
    for name in names {
      #expect(sources[String(name.1)]?.contains("func \(name.2)(") == true, "\(name.0)")
    }
    // Every row has its columns, so that nothing is lost behind a bar too many, and in the last of them a test.
    for table in text.split(separator: "\n\n") where table.hasPrefix("|") {
      let rows = table.split(separator: "\n")
      #expect(Set(rows.map { row in row.count { $0 == "|" } }).count == 1, "\(table.prefix(60))")
      #expect(rows.first?.hasSuffix("| test |") == true, "\(table.prefix(60))")
      for row in rows.dropFirst(2) {
        let column = row.split(separator: "|").last ?? ""
        // A script that is run as the tests are counts as well.
        let script = column.firstMatch(of: /`(Scripts\/[a-z]+)`/)
        if let script {
          let file = root.deletingLastPathComponent().appendingPathComponent(String(script.1))
          #expect(FileManager.default.isExecutableFile(atPath: file.path), "\(row)")
        }
        #expect(script != nil || column.contains(/`[A-Za-z]+Tests\.[A-Za-z0-9]+`/), "\(row)")
      }
    }
  }

  /// PyMOTW's programs are there, and short. What they print, and that they read `~/.pymotw`, is for `Scripts/examples`.
  @Test func thePrograms() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Examples/PyMOTW")
    let programs = [
      "append", "archive_read", "connect", "connect_fail", "delete_messages", "delete_messages_one", "fetch_raw",
      "fetch_rfc822", "fetch_separately", "list", "list_parse", "list_pattern", "list_subfolders", "search_all",
      "search_from", "search_subject", "select", "select_invalid", "status",
    ]
    for program in programs {
      let file = root.appendingPathComponent("\(program)/main.swift")
      let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines.count <= 60, "\(program)")
    }
  }
}
