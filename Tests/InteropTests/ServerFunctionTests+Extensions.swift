import Foundation
import IMAPLoop
import IMAPStateMachine
import Testing

/// Connections, and what few servers have.
extension ServerFunctionTests {
  private static let message = Array("From: a@example.org\r\nSubject: one\r\n\r\ntext\r\n".utf8)

  @Test(arguments: ServerKind.all) func connections(_ kind: ServerKind) async throws {
    let server = try kind.start()
    let loop = try EventLoop.start()
    let password = server.password

    let client = try await IMAPClient.connect(server.configuration(.plain), on: loop)
    #expect(await !client.isSecure)
    try await client.startTLS()
    #expect(await client.isSecure)
    try await client.login(user: "joe", password: Secret(password))
    try await client.append(Self.message, to: .inbox)
    if kind.has(.id) {
      #expect(try await client.id([IDField("name", "test")])?.contains { $0.name == "name" } == true)
    } else {
      await #expect(throws: IMAPError.capabilityMissing(.id, command: "ID")) { try await client.id(nil) }
    }
    let ending = Task { await client.waitUntilClosed() }
    await client.close()
    await ending.value
    #expect(await client.phase == .closed)

    let count = try await IMAPClient.withClient(server.configuration(), on: loop) { client in
      try await client.authenticatePlain(user: "joe", password: Secret(password))
      return try await client.select(.inbox).exists
    }
    #expect(count == 1)

    let pool = IMAPPool(
      IMAPPool.Configuration(client: server.configuration()) { .password(user: "joe", password: Secret(password)) },
      on: loop)
    try await withThrowingTaskGroup(of: [UID].self) { group in
      for _ in 0..<8 {
        group.addTask { try await pool.withClient(in: .inbox) { try await $0.search(.all) } }
      }
      for try await found in group { #expect(found == [1]) }
    }
    #expect(await (1...4).contains(pool.connectionCount))
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }

  /// URLs that others may read a message by (RFC 4467, RFC 5524).
  @Test(arguments: ServerKind.all) func authorizedURLs(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      try await client.append(Self.message, to: .inbox)
      // Dovecot 2.3.19's own service for the URLs of others crashes.
      let reader = kind == .dovecot ? "joe" : "ann"
      let request = URLAuthRequest("imap://joe@localhost/INBOX/;uid=1;urlauth=user+\(reader)")
      guard kind.has("URLAUTH") else {
        let missing = { IMAPError.capabilityMissing("URLAUTH", command: $0) }
        await #expect(throws: missing("GENURLAUTH")) { try await client.authorizedURLs([request]) }
        await #expect(throws: missing("URLFETCH")) { try await client.fetchURLs([URLFetchRequest("imap://x/y")]) }
        await #expect(throws: missing("RESETKEY")) { try await client.resetKey(.inbox) }
        return
      }
      let url = try #require(try await client.authorizedURLs([request]).first)
      #expect(url.hasPrefix("imap://joe@localhost/INBOX/;uid=1;urlauth=user+\(reader):internal:"), "\(url)")
      let other = try await server.client(reader, on: loop)
      #expect(try await other.fetchURLs([URLFetchRequest(url)]) == [FetchedURL(Array(url.utf8), .data(Self.message))])
      let extended = try await other.fetchURLs([URLFetchRequest(url, [.body, .structure])])
      var parts: [FetchedURL.Part] = []
      if case .parts(let list)? = extended.first?.content { parts = list }
      #expect(parts.contains(.body(Self.message)), "\(parts)")
      #expect(parts.count == 2 && parts.contains { if case .structure = $0 { true } else { false } }, "\(parts)")
      try await client.resetKey(.inbox)
      #expect(try await other.fetchURLs([URLFetchRequest(url)]) == [FetchedURL(Array(url.utf8), .data(nil))])
      await other.logout()
    }
  }

  /// Annotations of messages (RFC 5257) and of mailboxes (the drafts before METADATA).
  @Test(arguments: ServerKind.all) func annotations(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      try await client.append(Self.message, to: .inbox)
      try await client.select(.inbox)
      let mine = MessageAnnotation(
        entry: Array("/comment".utf8), attributes: [.init(name: Array("value.priv".utf8), value: Array("mine".utf8))])
      guard kind.has("ANNOTATEMORE") else {
        let missing = { IMAPError.capabilityMissing("ANNOTATEMORE", command: $0) }
        await #expect(throws: missing("SETANNOTATION")) { try await client.setAnnotations(of: .inbox, [mine]) }
        await #expect(throws: missing("GETANNOTATION")) {
          try await client.annotations(of: .inbox, entries: ["/comment"], attributes: ["value.priv"])
        }
        await #expect(throws: IMAPError.capabilityMissing("ANNOTATE-EXPERIMENT-1", command: "STORE")) {
          try await client.store(.uids([1]), [mine])
        }
        return
      }
      try await client.setAnnotations(of: .inbox, [mine])
      let found = try await client.annotations(of: .inbox, entries: ["/comment"], attributes: ["value.priv"])
      #expect(found == [mine])
      try await client.store(.uids([1]), [mine])
      let item = FetchItem.annotations(entries: [mine.entry], attributes: [mine.attributes[0].name])
      let fetched = try await client.fetchOne(1 as UID, [item])
      #expect(fetched?.attributes.contains(.annotations([mine])) == true, "\(String(describing: fetched))")
    }
  }

  /// What an administrator may: limits, and being somebody else.
  @Test(arguments: ServerKind.all) func administration(_ kind: ServerKind) async throws {
    try await withServer(kind) { server, client, loop in
      let limits = [QuotaLimit("STORAGE", 1000)]
      let root = String(decoding: try await client.quotas(of: .inbox).roots.roots.first ?? [], as: UTF8.self)
      await #expect { try await client.setQuota(root: root, limits) } throws: {
        if case .refused? = $0 as? IMAPError { true } else { false }
      }
      guard kind == .cyrus else {
        await #expect(throws: IMAPError.capabilityMissing("UNAUTHENTICATE", command: "UNAUTHENTICATE")) {
          try await client.unauthenticate()
        }
        return
      }
      let admin = try await server.client("admin", on: loop)
      try await admin.setQuota(root: "user/joe", limits)
      let quota = try await admin.quota(root: "user/joe")
      #expect(quota?.resources.first?.limit == 1000)
      #expect(try await client.quotas(of: .inbox).quotas.first?.resources.first?.limit == 1000)
      // One connection for several users.
      try await admin.unauthenticate()
      #expect(await admin.phase == .notAuthenticated)
      try await admin.signIn(user: "ann", password: Secret(server.password))
      #expect(try await admin.quotas(of: .inbox).quotas.first?.resources.first?.limit == 100 * 1024)
      await admin.logout()
      // And who is somebody else from the beginning.
      let joe = try await IMAPClient.connect(server.configuration(), on: loop)
      try await joe.authenticatePlain(authorizationID: "joe", user: "admin", password: Secret(server.password))
      #expect(try await joe.quotas(of: .inbox).quotas.first?.resources.first?.limit == 1000)
      await joe.logout()
    }
  }

  /// Each method of the client is called on the servers, also where all that they do is to lack it.
  @Test func noMethodIsLeftOut() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let sources = tests.appendingPathComponent("../../Sources/IMAPLoop/Client").standardized
    var methods: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil) {
      let text = try String(contentsOf: file, encoding: .utf8)
      guard text.contains("extension IMAPClient") || text.contains("actor IMAPClient") else { continue }
      let names = text.matches(of: /\n  public (?:nonisolated |static )*func ([A-Za-z]+)/)
      methods.formUnion(names.map { String($0.1) })
    }
    // Of the sequences that two of them return.
    methods.remove("makeAsyncIterator")
    #expect(methods.count > 80)
    var calls = ""
    for file in try FileManager.default.contentsOfDirectory(at: tests, includingPropertiesForKeys: nil) {
      let name = file.lastPathComponent
      if name.hasPrefix("ServerFunctionTests") || name.hasPrefix("ServerTests") || name == "ServerSignInTests.swift" {
        calls += try String(contentsOf: file, encoding: .utf8)
      }
    }
    #expect(methods.filter { !calls.contains(".\($0)(") && !calls.contains(".\($0) {") } == [])
  }

  /// What none of the three has is said before a byte is sent, and costs nothing.
  @Test(arguments: ServerKind.all) func whatIsMissing(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      try await client.append(Self.message, to: .inbox)
      try await client.select(.inbox)
      // Asked for once, where the server has not said what it can when it let the user in.
      _ = try await client.supports(.idle)
      let before = await client.traffic.sent
      typealias Missing = (capability: Capability, command: String, call: @Sendable () async throws -> Void)
      let calls: [Missing] = [
        ("LANGUAGE", "LANGUAGE", { _ = try await client.language(["de"]) }),
        ("I18NLEVEL=2", "COMPARATOR", { _ = try await client.comparator() }),
        ("JMAPACCESS", "GETJMAPACCESS", { _ = try await client.jmapAccess() }),
        ("UIDBATCHES", "UIDBATCHES", { _ = try await client.uidBatches(size: 100) }),
        ("MULTISEARCH", "ESEARCH", { _ = try await client.search(MultiSearch(in: [.personal], .all)) }),
        ("X-GM-EXT-1", "SEARCH", { _ = try await client.gmailSearch("in:unread") }),
        ("X-GM-EXT-1", "FETCH", { _ = try await client.labels(of: [1]) }),
        ("X-GM-EXT-1", "STORE", { try await client.addLabels(["a"], to: [1]) }),
        ("X-GM-EXT-1", "STORE", { try await client.removeLabels(["a"], from: [1]) }),
        ("X-GM-EXT-1", "STORE", { try await client.setLabels(["a"], of: [1]) }),
        ("X-GM-EXT-1", "STORE", { try await client.store(.uids([1]), LabelOperation(.add, ["a"])) }),
      ]
      for (capability, command, call) in calls {
        await #expect(throws: IMAPError.capabilityMissing(capability, command: command)) { try await call() }
      }
      #expect(await client.traffic.sent == before)
      // No capability stands for this one.
      await #expect { try await client.proxyAuthenticate(as: "ann") } throws: {
        ($0 as? IMAPError)?.status?.condition == (kind == .courier ? .no : .bad)
      }
      let push = ApplePushRequest(
        accountID: "0715A26B", deviceToken: "00ff", subtopic: "com.apple.mobilemail", mailboxes: [.inbox])
      if kind.has("XAPPLEPUSHSERVICE") {
        try await client.requestPush(push)
      } else {
        await #expect(throws: IMAPError.capabilityMissing("XAPPLEPUSHSERVICE", command: "XAPPLEPUSHSERVICE")) {
          try await client.requestPush(push)
        }
      }
      #expect(try await client.search(.all) == [1])
    }
  }
}
