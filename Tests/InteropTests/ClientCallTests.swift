import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Calls that few servers answer, one by one: what goes over the wire, and what comes back.
@Suite(.timeLimit(.minutes(2))) struct ClientCallTests {
  // MARK: The session

  @Test func startingTLSLater() async throws {
    let server = try await IMAPTestServer.start()
    let configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: server.plainPort, security: .plain, trust: .pem(server.certificatePEM))
    try await IMAPClient.withClient(configuration) { client in
      #expect(await !client.isSecure)
      try await client.startTLS()
      #expect(await client.isSecure)
      #expect(await client.knownCapabilities == nil)
      try await client.signIn(user: "user", password: Secret("password"))
      #expect(try await client.select(.inbox).exists == 0)
      await #expect(throws: IMAPError.self) { try await client.startTLS() }
    }
    // The certificate counts as ever.
    var strict = configuration
    strict.trust = .system
    try await IMAPClient.withClient(strict) { client in
      do throws(IMAPError) {
        try await client.startTLS()
        Issue.record("nobody has signed the certificate")
      } catch {
        if case .certificate = error.reason {} else { Issue.record("\(error)") }
      }
      await client.waitUntilClosed()
      #expect(await client.phase == .closed)
    }
    await server.shutdown()
  }

  @Test func startingTLSIsRefused() async throws {
    try await withScript("STARTTLS", isLoggedIn: false, [("STARTTLS", ["NO [UNAVAILABLE] no key"])]) { client, server in
      let error = await #expect(throws: IMAPError.self) { try await client.startTLS() }
      #expect(error?.reason == .unavailable)
      try await client.noop()
      #expect(server.commands == ["STARTTLS", "NOOP"])
    }
  }

  @Test func languages() async throws {
    let answers = [("LANGUAGE \"de\"", ["* LANGUAGE (DE)"]), ("LANGUAGE", ["* LANGUAGE (EN DE \"i-default\")"])]
    try await withScript("LANGUAGE", answers) { client, server in
      let all = try await client.language()
      #expect(all == ["EN", "DE", "i-default"])
      let chosen = try await client.language(["de", "fr"])
      #expect(chosen == ["DE"])
      #expect(server.commands == ["LANGUAGE", #"LANGUAGE "de" "fr""#])
    }
  }

  @Test func comparators() async throws {
    let answers = [("COMPARATOR", [#"* COMPARATOR i;basic ("i;basic" "i;octet")"#])]
    try await withScript("I18NLEVEL=2", answers) { client, server in
      let expected = Comparator(active: "i;basic", matching: ["i;basic", "i;octet"])
      let found = try await client.comparator(["i;*"])
      #expect(found == expected)
      #expect(server.commands == [#"COMPARATOR "i;*""#])
    }
  }

  @Test func anotherUserOnTheSameConnection() async throws {
    let answers = [
      ("UNAUTHENTICATE", []), ("CAPABILITY", ["* CAPABILITY IMAP4rev1 UNAUTHENTICATE"]), ("LOGIN", []),
    ]
    try await withScript("UNAUTHENTICATE", answers) { client, server in
      try await client.select(.inbox)
      try await client.unauthenticate()
      #expect(await client.phase == .notAuthenticated)
      #expect(await client.selected == nil)
      try await client.login(user: "ann", password: Secret("secret"))
      #expect(await client.phase == .authenticated)
      #expect(server.commands.prefix(2) == [#"SELECT "INBOX""#, "UNAUTHENTICATE"])
      #expect(server.commands.last == #"LOGIN "ann" "secret""#)
    }
  }

  @Test func whereToFindJMAP() async throws {
    let answers = [("GETJMAPACCESS", [#"* JMAPACCESS "https://example.org/jmap""#])]
    try await withScript("JMAPACCESS", answers) { client, server in
      let url = try await client.jmapAccess()
      #expect(url == "https://example.org/jmap")
      #expect(server.commands == ["GETJMAPACCESS"])
    }
  }

  @Test func pushMessages() async throws {
    try await withScript("XAPPLEPUSHSERVICE", [("XAPPLEPUSHSERVICE", [])]) { client, server in
      try await client.requestPush(
        ApplePushRequest(
          accountID: "0715", deviceToken: "9142", subtopic: "com.example.mail", mailboxes: [.inbox, "Notes"]))
      #expect(
        server.commands == [
          #"XAPPLEPUSHSERVICE aps-version 2 aps-account-id "0715" aps-device-token "9142" "#
            + #"aps-subtopic "com.example.mail" mailboxes ("INBOX" "Notes")"#
        ])
    }
  }

  @Test func notifications() async throws {
    let answers = [("NOTIFY SET", [#"* STATUS "Lists" (MESSAGES 3 UIDNEXT 4)"#]), ("NOTIFY NONE", [])]
    try await withScript("NOTIFY", answers) { client, server in
      let events = await client.events()
      let group = NotifyGroup(.inboxes, [.messageNew(), .messageExpunge])
      let answer = try await client.notify(.set(status: true, [group]))
      #expect(answer.statuses.map(\.mailbox) == ["Lists"])
      #expect(answer.statuses.first?.messages == 3)
      #expect(answer.listings.isEmpty)
      try await client.notify(.none)
      #expect(server.commands == ["NOTIFY SET STATUS (inboxes (MessageNew MessageExpunge))", "NOTIFY NONE"])
      // The first answer was the command's, and no event.
      await client.close()
      for await event in events { Issue.record("\(event)") }
    }
  }

  // MARK: Mailboxes

  @Test func mailboxesByXList() async throws {
    let answers = [("XLIST", [#"* XLIST (\HasNoChildren \Inbox) "/" "INBOX""#, #"* XLIST (\Sent) "/" "Gesendet""#])]
    try await withScript("XLIST", answers) { client, server in
      let listings = try await client.listX(pattern: "%")
      #expect(listings.map(\.name) == [.inbox, "Gesendet"])
      #expect(listings.last?.attributes == ["\\Sent"])
      #expect(listings.last?.delimiter == "/")
      #expect(server.commands == [#"XLIST "" "%""#])
    }
  }

  @Test func newQuotas() async throws {
    let answers = [("SETQUOTA", [#"* QUOTA "user.joe" (STORAGE 10 512 MESSAGE 3 100)"#])]
    try await withScript("QUOTA", answers) { client, server in
      let quota = try await client.setQuota(
        root: "user.joe", [QuotaLimit("STORAGE", 512), QuotaLimit("message", 100)])
      #expect(
        quota
          == Quota(
            root: Array("user.joe".utf8),
            resources: [.init("STORAGE", usage: 10, limit: 512), .init("MESSAGE", usage: 3, limit: 100)]))
      #expect(server.commands == [#"SETQUOTA "user.joe" (STORAGE 512 MESSAGE 100)"#])
    }
  }

  // MARK: URLs

  @Test func addressesOfMessages() async throws {
    let url = "imap://joe@example.org/INBOX/;uid=20;urlauth=anonymous"
    let answers = [
      ("GENURLAUTH", [#"* GENURLAUTH "\#(url):internal:9148""#]),
      ("URLFETCH \"imap", [#"* URLFETCH "imap://a" "text" "imap://b" NIL"#]),
      ("URLFETCH (", [#"* URLFETCH "imap://c" (BODY "text") (BINARY NIL)"#]), ("RESETKEY", []),
    ]
    try await withScript("URLAUTH URLAUTH=BINARY", answers) { client, server in
      #expect(try await client.authorizedURLs([URLAuthRequest(url)]) == ["\(url):internal:9148"])
      let simple = try await client.fetchURLs([URLFetchRequest("imap://a"), URLFetchRequest("imap://b")])
      #expect(
        simple == [
          FetchedURL(Array("imap://a".utf8), .data(Array("text".utf8))),
          FetchedURL(Array("imap://b".utf8), .data(nil)),
        ])
      let extended = try await client.fetchURLs([URLFetchRequest("imap://c", [.body, .binary])])
      #expect(
        extended == [FetchedURL(Array("imap://c".utf8), .parts([.body(Array("text".utf8)), .binary(nil)]))])
      try await client.resetKey(.inbox, mechanisms: ["INTERNAL"])
      try await client.resetKey(nil)
      #expect(
        server.commands == [
          #"GENURLAUTH "\#(url)" INTERNAL"#, #"URLFETCH "imap://a" "imap://b""#,
          #"URLFETCH ("imap://c" BODY BINARY)"#, #"RESETKEY "INBOX" INTERNAL"#, "RESETKEY",
        ])
    }
  }

  // MARK: Searches

  @Test func searchesThroughManyMailboxes() async throws {
    try await withScript("MULTISEARCH", [("ESEARCH", ["HOLD"])]) { client, server in
      async let found = client.search(MultiSearch(in: [.mailboxes(["Lists"]), .subtree(["Work"])], .unseen))
      await server.received("ESEARCH")
      let tag = try #require(server.tags.last)
      server.release([
        #"* ESEARCH (TAG "\#(tag)" MAILBOX "Lists" UIDVALIDITY 1) UID ALL 4001,4003"#,
        #"* ESEARCH (TAG "\#(tag)" MAILBOX "Work/a" UIDVALIDITY 8) UID ALL 7"#,
      ])
      let results = try await found
      #expect(results.map(\.mailbox) == ["Lists", "Work/a"])
      #expect(results.map(\.uidValidity) == [1, 8])
      #expect(results.map(\.all) == [.uids([4001, 4003]), .uids([7])])
      #expect(server.commands == [#"ESEARCH IN (mailboxes "Lists" subtree "Work") UNSEEN"#])
    }
  }

  @Test func batchesOfUIDs() async throws {
    let answers = [("UIDBATCHES", [#"* UIDBATCHES (TAG "x") 215295:99695,99696:20000"#])]
    try await withScript("UIDBATCHES", answers) { client, server in
      try await client.select(.inbox)
      let found = try await client.uidBatches(size: 2000, batches: 1...2)
      #expect(found?.batches.description == "215295:99695,99696:20000")
      #expect(server.commands.last == "UIDBATCHES 2000 1:2")
    }
  }

  @Test func searchesAreNoLongerKeptUpToDate() async throws {
    try await withScript("CONTEXT=SEARCH", [("CANCELUPDATE", [])]) { client, server in
      try await client.select(.inbox)
      try await client.cancelUpdate(tags: ["a1", "a7"])
      #expect(server.commands.last == #"CANCELUPDATE "a1" "a7""#)
    }
  }

  // MARK: New messages

  /// The request, the capability that it needs, and how its line starts.
  private static let requests: [(AppendRequest, String, String)] = [
    (
      AppendRequest(mailbox: "Drafts", messages: [AppendMessage(flags: [.draft], byteCount: 4)], replacing: .uid(7)),
      "REPLACE", #"UID REPLACE 7 "Drafts" (\Draft) {4}"#
    ),
    (
      AppendRequest(
        mailbox: "Drafts", messages: [AppendMessage(.catenate([.url("/INBOX;UID=1"), .text(byteCount: 4)]))]),
      "CATENATE", #"APPEND "Drafts" CATENATE (URL "/INBOX;UID=1" TEXT {4}"#
    ),
    (
      AppendRequest(mailbox: "Drafts", messages: [AppendMessage(.binary(byteCount: 4))]), "BINARY",
      #"APPEND "Drafts" ~{4}"#
    ),
  ]

  @Test(arguments: requests)
  func messagesInAllForms(_ request: AppendRequest, _ capability: String, _ line: String) async throws {
    let answers = [
      ("UID REPLACE", ["+ go", "HOLD"]), ("APPEND", ["+ go", "HOLD"]), ("text", ["OK [APPENDUID 5 8] done"]),
    ]
    try await withScript("UIDPLUS \(capability)", answers) { client, server in
      try await client.select(.inbox)
      let result = try await client.append(request, Array("text".utf8))
      #expect(result?.destination == [8])
      #expect(result?.uidValidity == 5)
      #expect(server.commands.dropFirst().first == line)
    }
  }

  /// All of them at once, in one literal after the other.
  @Test func severalMessages() async throws {
    let server = try FunctionServer(
      greeting: "* PREAUTH [CAPABILITY IMAP4rev1 MULTIAPPEND LITERAL+] ready\r\n"
    ) { heard in
      let tag = heard.prefix { $0 != " " }
      if heard.hasSuffix("LOGOUT\r\n") { return "* BYE\r\n\(tag) OK bye\r\n" }
      let isWhole = heard.hasSuffix(#" APPEND "INBOX" {3+}"# + "\r\none (\\Seen) {3+}\r\ntwo\r\n")
      return isWhole ? "\(tag) OK [APPENDUID 5 8:9] done\r\n" : nil
    }
    defer { server.end() }
    let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    try await IMAPClient.withClient(configuration) { client in
      let messages = [AppendMessage(byteCount: 3), AppendMessage(flags: [.seen], byteCount: 3)]
      let request = AppendRequest(mailbox: .inbox, messages: messages)
      let result = try await client.append(request, Array("onetwo".utf8))
      #expect(result?.destination == UIDSet(8...9))
      // What does not fit is not begun.
      for text in ["onetw", "onetwos"] {
        await #expect { try await client.append(request, Array(text.utf8)) } throws: {
          ($0 as? IMAPError)?.reason == .sourceFailed
        }
      }
    }
  }
}
