import IMAPLoop
import IMAPStateMachine
import Testing

/// What a server has not announced it is not sent: the error names what is missing.
@Suite(.timeLimit(.minutes(2))) struct CapabilityTests {
  struct Call: Sendable {
    let capability: Capability
    let command: String
    let run: @Sendable (IMAPClient) async throws -> Void

    init(_ capability: Capability, _ command: String, _ run: @escaping @Sendable (IMAPClient) async throws -> Void) {
      self.capability = capability
      self.command = command
      self.run = run
    }
  }

  private static let session = [
    Call(.id, "ID") { _ = try await $0.id(nil) },
    Call("LANGUAGE", "LANGUAGE") { _ = try await $0.language(["de"]) },
    Call("I18NLEVEL=2", "COMPARATOR") { _ = try await $0.comparator() },
    Call("UNAUTHENTICATE", "UNAUTHENTICATE") { try await $0.unauthenticate() },
    Call("JMAPACCESS", "GETJMAPACCESS") { _ = try await $0.jmapAccess() },
    Call("XAPPLEPUSHSERVICE", "XAPPLEPUSHSERVICE") {
      try await $0.requestPush(.init(accountID: "a", deviceToken: "b", subtopic: "c", mailboxes: [.inbox]))
    },
    Call("NOTIFY", "NOTIFY") { _ = try await $0.notify(.none) },
    Call(.compressDeflate, "COMPRESS") { try await $0.compress() },
  ]

  private static let revision2 = [
    Call(.enable, "ENABLE") { _ = try await $0.enable([.condStore]) },
    Call(.namespace, "NAMESPACE") { _ = try await $0.namespace() },
    Call(.idle, "IDLE") { try await $0.idle() },
    Call("LIST-EXTENDED", "LIST") { _ = try await $0.list(ListRequest(patterns: ["a", "b"])) },
    Call("STATUS=SIZE", "STATUS") { _ = try await $0.status(.inbox, [.messages, .size]) },
    Call("BINARY", "FETCH") { _ = try await $0.fetch(.uids([1]), [.binary([1])]) },
    Call("BINARY", "FETCH") { for try await _ in $0.messages(.uids([1]), [.binarySize([1])]) {} },
  ]

  private static let access = [
    Call("ACL", "GETACL") { _ = try await $0.accessControlList(of: .inbox) },
    Call("ACL", "SETACL") { try await $0.setAccess(.inbox, for: "ann", .add("l")) },
    Call("ACL", "DELETEACL") { try await $0.removeAccess(.inbox, for: "ann") },
    Call("ACL", "LISTRIGHTS") { _ = try await $0.grantableRights(.inbox, for: "ann") },
    Call("ACL", "MYRIGHTS") { _ = try await $0.myRights(.inbox) },
    Call("QUOTA", "GETQUOTA") { _ = try await $0.quota(root: "") },
    Call("QUOTA", "GETQUOTAROOT") { _ = try await $0.quotas(of: .inbox) },
    Call("QUOTA", "SETQUOTA") { try await $0.setQuota(root: "", []) },
    Call("METADATA", "GETMETADATA") { _ = try await $0.metadata(["/shared/admin"]) },
    Call("METADATA", "SETMETADATA") { try await $0.setMetadata(of: .inbox, [.init(name: [0x2f, 0x61], value: nil)]) },
    Call("ANNOTATEMORE", "GETANNOTATION") {
      _ = try await $0.annotations(of: .inbox, entries: ["/a"], attributes: ["b"])
    },
    Call("URLAUTH", "GENURLAUTH") { _ = try await $0.authorizedURLs([URLAuthRequest("imap://x")]) },
    Call("URLAUTH", "URLFETCH") { _ = try await $0.fetchURLs([URLFetchRequest("imap://x")]) },
    Call("URLAUTH", "RESETKEY") { try await $0.resetKey(nil) },
    Call("CREATE-SPECIAL-USE", "CREATE") { try await $0.create("Old", specialUse: ["\\Archive"]) },
    Call("XLIST", "XLIST") { _ = try await $0.listX() },
  ]

  private static func append(_ messages: [AppendMessage], replacing: ReplacedMessage? = nil) -> AppendRequest {
    AppendRequest(mailbox: "Drafts", messages: messages, replacing: replacing)
  }

  private static let messages = [
    Call("REPLACE", "APPEND") { try await $0.append(append([.init(byteCount: 1)], replacing: .uid(1)), [0x61]) },
    Call("MULTIAPPEND", "APPEND") {
      try await $0.append(append([.init(byteCount: 1), .init(byteCount: 1)]), [0x61, 0x62])
    },
    Call("CATENATE", "APPEND") { try await $0.append(append([.init(.catenate([.url("imap://x")]))]), []) },
    Call("BINARY", "APPEND") { try await $0.append(append([.init(.binary(byteCount: 1))]), [0]) },
    Call(.condStore, "SELECT") { try await $0.select(.inbox, SelectParameters(condStore: true)) },
    Call(.qResync, "EXAMINE") {
      try await $0.examine(.inbox, SelectParameters(qResync: QResyncParameters(uidValidity: 1, modSeq: 1)))
    },
    Call(.condStore, "FETCH") { _ = try await $0.fetch(.uids([1]), [.flags], changedSince: 1) },
    Call(.condStore, "STORE") { try await $0.store(.uids([1]), StoreOperation(.add, [.seen]), unchangedSince: 1) },
    Call("MULTISEARCH", "ESEARCH") { _ = try await $0.search(MultiSearch(in: [.personal], .all)) },
    Call("UIDBATCHES", "UIDBATCHES") { _ = try await $0.uidBatches(size: 1000) },
    Call("CONTEXT=SEARCH", "CANCELUPDATE") { try await $0.cancelUpdate(tags: ["a1"]) },
    Call("SORT", "SORT") { _ = try await $0.sort([SortCriterion(.date)]) },
    Call("OBJECTID", "FETCH") { _ = try await $0.fetch(.uids([1]), [.emailID]) },
  ]

  private static func search(_ capability: Capability, _ key: SearchKey) -> Call {
    Call(capability, "SEARCH") { _ = try await $0.search(key) }
  }

  private static func searches() throws -> [Call] {
    let day = try #require(SearchDate(year: 2026, month: 11, day: 22))
    return [
      search(.condStore, .modSeq(1)),
      search("WITHIN", .and([.all, .older(60)])),
      search("WITHIN", .not(.younger(60))),
      search("SAVEDATE", .or(.savedBefore(day), .savedOn(day))),
      search("SAVEDATE", .or(.flag(.seen), .savedSince(day))),
      search("SAVEDATE", .saveDateSupported),
      search("OBJECTID", .emailID("M1")),
      search("OBJECTID", .threadID("T1")),
      search("SEARCH=FUZZY", .fuzzy(.subject("a"))),
      search("FILTERS", .filter("on-the-road")),
      search("ANNOTATE-EXPERIMENT-1", .annotation(entry: [0x2f, 0x61], attribute: Array("value".utf8), value: nil)),
      search("MESSAGELIMIT", .uidAfter(1)),
      search("MESSAGELIMIT", .uidBefore(9)),
      search("X-GM-EXT-1", .gmailRaw("has:attachment")),
      search("X-GM-EXT-1", .gmailMessageID(1)),
      search("X-GM-EXT-1", .gmailThreadID(1)),
      search("X-GM-EXT-1", .gmailLabel("Work")),
      search("SEARCHRES", .uid(.savedResult)),
      Call("SEARCHRES", "SEARCH") { _ = try await $0.searchSequence(.sequence(.savedResult)) },
      Call("ESEARCH", "SEARCH") { _ = try await $0.search(.all, returning: [.save]) },
      Call("ESEARCH", "UID SEARCH") { _ = try await $0.run(.search(.all, returning: [.count])) },
      Call("WITHIN", "SEARCH") { _ = try await $0.search(.younger(60), returning: [.count]) },
      Call("THREAD=REFERENCES", "THREAD") { _ = try await $0.thread() },
    ]
  }

  @Test func whatIsMissingIsNamedAndNothingIsSent() async throws {
    try await withScript("X-NOTHING", []) { client, server in
      for call in try Self.session + Self.revision2 + Self.access + Self.messages + Self.searches() {
        let missing = IMAPError.capabilityMissing(call.capability, command: call.command)
        await #expect(throws: missing) { try await call.run(client) }
        #expect(missing.reason == .capabilityMissing(call.capability))
      }
      #expect(server.commands.isEmpty)
    }
  }

  /// RFC 9051, appendix E: what it includes need not be announced.
  @Test func revision2IncludesSome() async throws {
    let answers = [
      ("NAMESPACE", [#"* NAMESPACE (("" "/")) NIL NIL"#]), ("ENABLE", ["* ENABLED CONDSTORE"]), ("LIST", []),
      ("STATUS", [#"* STATUS "INBOX" (MESSAGES 1 SIZE 7)"#]), ("IDLE", ["NO not now"]),
      ("UID FETCH", ["NO not now"]),
    ]
    try await withScript("IMAP4rev2", answers) { client, server in
      // Not once a mailbox is selected.
      try await client.enable([.condStore])
      try await client.select(.inbox)
      for call in Self.revision2.dropFirst() {
        do {
          try await call.run(client)
        } catch {
          #expect((error as? IMAPError)?.status?.text == "not now", "\(error)")
        }
      }
      let sent = server.commands.map { $0.prefix { $0 != " " } }
      #expect(sent == ["ENABLE", "SELECT", "NAMESPACE", "IDLE", "LIST", "STATUS", "UID", "UID"])
      for call in Self.session + Self.access {
        await #expect(throws: IMAPError.capabilityMissing(call.capability, command: call.command)) {
          try await call.run(client)
        }
      }
      #expect(server.commands.count == sent.count)
    }
  }

  /// ESEARCH and SORT alone do not have every option, order and key.
  @Test func optionsOfSearchesAreExtensionsOfTheirOwn() async throws {
    let window = SearchWindow(1, 10)
    let missing = [
      Call("SEARCHRES", "SEARCH") { _ = try await $0.search(.all, returning: [.save]) },
      Call("PARTIAL", "SEARCH") { _ = try await $0.search(.all, returning: [.partial(window)]) },
      Call("CONTEXT=SEARCH", "SEARCH") { _ = try await $0.search(.all, returning: [.update()]) },
      Call("CONTEXT=SEARCH", "SEARCH") { _ = try await $0.search(.all, returning: [.context]) },
      Call("SEARCH=FUZZY", "SEARCH") { _ = try await $0.search(.all, returning: [.relevancy]) },
      Call("SORT=DISPLAY", "SORT") { _ = try await $0.sort([SortCriterion(.date), SortCriterion(.displayFrom)]) },
      Call("SORT=DISPLAY", "SORT") { _ = try await $0.sort([SortCriterion(.displayTo)]) },
      Call("SEARCH=FUZZY", "SORT") { _ = try await $0.sort([SortCriterion(.relevancy)]) },
      Call("WITHIN", "SORT") { _ = try await $0.sort([SortCriterion(.date)], .older(1)) },
      Call("ESORT", "UID SORT") { _ = try await $0.run(.sort([SortCriterion(.date)], .all, returning: [.count])) },
      Call("WITHIN", "THREAD") { _ = try await $0.thread(.references, .older(1)) },
      Call("WITHIN", "ESEARCH") { _ = try await $0.search(MultiSearch(in: [.personal], .older(1))) },
    ]
    try await withScript("ESEARCH SORT THREAD=REFERENCES MULTISEARCH", []) { client, server in
      for call in missing {
        await #expect(throws: IMAPError.capabilityMissing(call.capability, command: call.command)) {
          try await call.run(client)
        }
      }
      #expect(server.commands.isEmpty)
    }
  }

  /// One resource is enough (RFC 9208, section 3), and what a server has of its own only for itself.
  @Test func otherNamesCount() async throws {
    let answers = [
      ("GETQUOTAROOT", ["* QUOTAROOT INBOX r"]), ("GETMETADATA", [#"* METADATA "" (/shared/admin "joe")"#]),
      ("SELECT", ["* 0 EXISTS"]), ("CANCELUPDATE", []),
    ]
    let capabilities = "QUOTA=RES-STORAGE METADATA-SERVER QRESYNC CONTEXT=SORT"
    try await withScript(capabilities, answers) { client, _ in
      #expect(try await client.quotas(of: .inbox).roots.roots == [Array("r".utf8)])
      #expect(try await client.metadata(["/shared/admin"]).first?.value == Array("joe".utf8))
      await #expect(throws: IMAPError.capabilityMissing("METADATA", command: "GETMETADATA")) {
        try await client.metadata(of: .inbox, ["/shared/admin"])
      }
      // QRESYNC includes CONDSTORE.
      try await client.select(.inbox, SelectParameters(condStore: true))
      try await client.cancelUpdate(tags: ["a1"])
    }
  }

  /// The login makes void what was announced before: the server is asked, once.
  @Test func whatIsNotKnownIsAskedFor() async throws {
    let answers = [
      ("LOGIN", []), ("CAPABILITY", ["* CAPABILITY IMAP4rev1 ACL"]), ("MYRIGHTS", ["* MYRIGHTS INBOX lrs"]),
      ("ID", ["* ID NIL"]),
    ]
    try await withScript("ID", isLoggedIn: false, answers) { client, server in
      // For any state.
      #expect(try await client.id(nil) == nil)
      // What is for later is the machine's to refuse: before the login servers tell little.
      do throws(IMAPError) {
        _ = try await client.myRights(.inbox)
        Issue.record("nobody has logged in")
      } catch {
        #expect(error.reason == .wrongState)
      }
      try await client.login(user: "joe", password: Secret("secret"))
      #expect(try await client.myRights(.inbox).contains("lrs"))
      await #expect(throws: IMAPError.capabilityMissing(.namespace, command: "NAMESPACE")) {
        try await client.namespace()
      }
      #expect(server.commands.map { $0.prefix { $0 != " " } } == ["ID", "LOGIN", "CAPABILITY", "MYRIGHTS"])
    }
  }
}
