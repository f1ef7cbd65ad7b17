import Foundation
import IMAPTestServer
import Testing

/// The commands on mailboxes and messages, each with its JSON and its exit status.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineMailTests {
  private func withAccount(
    _ configuration: IMAPTestServer.Configuration = .init(), _ body: (ToolAccount, IMAPTestServer) async throws -> Void
  ) async throws {
    let server = try await IMAPTestServer.start(configuration)
    let result: Result<Void, any Error>
    do { result = .success(try await body(try ToolAccount(server), server)) } catch { result = .failure(error) }
    await server.shutdown()
    try result.get()
  }

  private static let message = "From: Anna <anna@example.org>\r\nSubject: See\r\n you\r\n\r\nBody\r\n"

  private static func uids(_ objects: [[String: any Sendable]]) -> [Int]? { objects.first?["uids"] as? [Int] }

  private static func names(_ objects: [[String: any Sendable]]) -> [String] {
    objects.compactMap { $0["mailbox"] as? String }
  }

  @Test func mailboxes() async throws {
    try await withAccount { imap, _ in
      let created = try await imap.json("create", "Lists/Süd", "Lists/uv", "--subscribe")
      #expect(created.map { $0["done"] as? String } == ["created", "created"])
      #expect(try await Self.names(imap.json("list", "Lists/%")) == ["Lists/Süd", "Lists/uv"])
      #expect(try await Self.names(imap.json("list", "--reference", "Lists/", "u*")) == ["Lists/uv"])
      #expect(try await Self.names(imap.json("list", "--subscribed")) == ["Lists/Süd", "Lists/uv"])
      #expect(try await imap.json("list", "--special-use").isEmpty)
      let counted = try await imap.json("list", "--status", "INBOX").first?["status"] as? [String: any Sendable]
      #expect(counted?["items"] as? [String: Int] == ["MESSAGES": 0, "UNSEEN": 0])

      let tree = try await imap.json("tree")
      #expect(tree.map { $0["name"] as? String } == ["INBOX", "Lists", "Süd", "uv"])
      #expect(tree.map { $0["depth"] as? Int } == [0, 0, 1, 1])
      let drawn = try await imap("tree")
      #expect(drawn.output == "INBOX\nLists\n├── Süd\n└── uv\n")

      #expect(try await imap.json("unsubscribe", "Lists/uv").first?["done"] as? String == "unsubscribed")
      #expect(try await Self.names(imap.json("list", "--subscribed")) == ["Lists/Süd"])
      #expect(try await imap.json("subscribe", "Lists/uv").first?["done"] as? String == "subscribed")
      #expect(try await imap.json("rename", "Lists/uv", "Archive").first?["name"] as? String == "Archive")
      #expect(try await Self.names(imap.json("list", "Archive")) == ["Archive"])
      #expect(try await imap.json("remove-mailbox", "Archive").first?["done"] as? String == "removed")

      let state = try #require(try await imap.json("select", "INBOX").first)
      #expect(state["readOnly"] as? Bool == true)
      #expect(state["exists"] as? Int == 0)
      #expect(state["uidNext"] as? Int == 1)
      #expect(try await imap.json("select", "--read-write").first?["readOnly"] as? Bool == false)

      let failures: [(arguments: [String], status: Int32, says: String)] = [
        (["remove-mailbox", "Archive"], 66, "`imap list`"), (["list", "Archive"], 66, "no such mailbox"),
        (["select", "Archive"], 66, "no such mailbox"), (["rename", "Archive", "B"], 66, "no such mailbox"),
        (["create", "Lists/Süd"], 73, "another name"),
        (["create", "--special-use", "sent", "S"], 73, "CREATE-SPECIAL-USE"),
        (["status", "--item", "nonsense"], 64, "nonsense"),
      ]
      for failure in failures {
        let result = try await Tool.run(failure.arguments, environment: imap.environment)
        #expect(result.status == failure.status, "\(failure.arguments): \(result.error)")
        #expect(result.error.contains(failure.says), "\(result.error)")
        #expect(result.output.isEmpty)
      }
    }
  }

  @Test func messages() async throws {
    try await withAccount { imap, _ in
      let file = try imap.folder.write("m.eml", Self.message.replacingOccurrences(of: "\r\n", with: "\n"))
      let date = "2026-01-31T12:00:00+01:00"
      let stored = try await imap.json(
        "append", file, file, "-", "--flag", "Seen,todo", "--date", date, input: "a: b\n\n")
      #expect(stored.map { $0["uids"] as? String } == ["1", "2", "3"])
      #expect(stored.map { $0["file"] as? String } == [file, file, "-"])
      let fetched = try await imap.json("fetch", "1,3")
      #expect(fetched.count == 2)
      let items = try #require(fetched.first?["items"] as? [String: any Sendable])
      #expect(items["UID"] as? Int == 1)
      #expect(items["INTERNALDATE"] as? String == date)
      #expect(items["RFC822.SIZE"] as? Int == Self.message.utf8.count)
      #expect(Set(items["FLAGS"] as? [String] ?? []).isSuperset(of: ["\\Seen", "todo"]))
      let sizes = try await imap.json("fetch", "1:2", "--item", "RFC822.SIZE")
      #expect(sizes.allSatisfy { ($0["items"] as? [String: Int])?.keys.sorted() == ["RFC822.SIZE", "UID"] })

      let headers = try await imap.json("headers", "1", "--field", "subject")
      #expect(
        headers.first?["headers"] as? [[String: String]] == [
          ["name": "Subject", "value": "See you", "decodedValue": "See you"]
        ])
      #expect(try await imap("headers", "1,2").output.components(separatedBy: "\n\n").count == 2)

      let flagged = try await imap.json("store", "1:2", "--add", "flagged", "--add", "x,y", "--remove", "todo")
      #expect(flagged.count == 2)
      let flags = (flagged.first?["items"] as? [String: any Sendable])?["FLAGS"] as? [String]
      #expect(Set(flags ?? []).subtracting(["\\Recent"]) == ["\\Seen", "\\Flagged", "x", "y"])
      let none = try await imap.json("store", "2", "--set", "").first?["items"] as? [String: any Sendable]
      let left = none?["FLAGS"] as? [String]
      #expect(Set(left ?? ["?"]).subtracting(["\\Recent"]) == [])

      // What one command prints another takes.
      let found = try await imap("search", "flagged", "or", "keyword:todo")
      #expect(found.output == "1\n3\n")
      let copied = try await imap.json("copy", "-", "Copies", "--create", input: found.output)
      #expect(copied.first?["source"] as? String == "1,3")
      #expect(copied.first?["destination"] as? String == "1:2")
      #expect(copied.first?["target"] as? String == "Copies")
      let moved = try await imap.json("move", "2", "Copies")
      #expect(moved.first?["destination"] as? String == "3")
      #expect(try await Self.uids(imap.json("search")) == [1, 3])

      // Others stay, even if they are marked.
      _ = try await imap.json("store", "-m", "Copies", "1", "--add", "deleted")
      #expect(try await Self.uids(imap.json("delete", "-m", "Copies", "2:3")) == [2, 3])
      #expect(try await Self.uids(imap.json("search", "-m", "Copies")) == [1])
      #expect(try await Self.uids(imap.json("expunge", "-m", "Copies", "5:9")) == [])
      #expect(try await Self.uids(imap.json("expunge", "-m", "Copies")) == [1])
      #expect(try await Self.uids(imap.json("search", "-m", "Copies")) == [])
    }
  }

  /// What senders have encoded is text to people. Programs get both.
  @Test func headersAreDecoded() async throws {
    try await withAccount { imap, server in
      let header =
        "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: plain@example.org\r\n"
        + "Subject: =?utf-8?q?H=C3=A4llo?=\r\n =?iso-8859-1?q?_W=F6lt=1B[1m?=\r\nX-Raw: a\tb\r\n\r\nBody\r\n"
      _ = try await server.append(user: "user", message: .init(header))
      let shown = try await imap("headers", "1")
      #expect(
        shown.output
          == "From: Jürgen <j@example.org>\nTo: plain@example.org\nSubject: Hällo Wölt [1m\nX-Raw: a b\n",
        "\(shown.output)")
      let headers = try await imap.json("headers", "1", "--field", "subject").first?["headers"] as? [[String: String]]
      #expect(
        headers == [
          [
            "name": "Subject", "value": "=?utf-8?q?H=C3=A4llo?= =?iso-8859-1?q?_W=F6lt=1B[1m?=",
            "decodedValue": "Hällo Wölt [1m",
          ]
        ])
      for command in [["fetch", "1"], ["fetch", "1", "--item", "ENVELOPE"]] {
        let result = try await Tool.run(command + ["--json"], environment: imap.environment)
        let items = result.objects.first?["items"] as? [String: any Sendable]
        let envelope = try #require(items?["ENVELOPE"] as? [String: any Sendable])
        #expect((envelope["subject"] as? String)?.hasPrefix("=?utf-8?q?H=C3=A4llo?=") == true)
        #expect(envelope["decodedSubject"] as? String == "Hällo Wölt [1m")
        let from = try #require((envelope["from"] as? [[String: any Sendable]])?.first)
        #expect(from["name"] as? String == "=?utf-8?q?J=C3=BCrgen?=")
        #expect(from["displayName"] as? String == "Jürgen")
        let to = try #require((envelope["to"] as? [[String: any Sendable]])?.first)
        #expect(to["displayName"] is NSNull)
      }
      // What `raw` and `decode` show is what was sent.
      let raw = try await imap.json("raw", "--mailbox", "INBOX", "FETCH", "1", "ENVELOPE")
      let items = raw.first?["items"] as? [String: any Sendable]
      #expect((items?["ENVELOPE"] as? [String: any Sendable])?["decodedSubject"] == nil)
    }
  }

  @Test func failures() async throws {
    try await withAccount { imap, server in
      _ = try await server.append(user: "user", message: .init(Self.message))
      let empty = try imap.folder.write("empty", "")
      let cases: [(arguments: [String], status: Int32, says: String)] = [
        (["store", "9", "--add", "seen"], 66, "no message with UID 9"), (["copy", "9", "INBOX"], 66, "UID 9"),
        (["move", "9", "INBOX"], 66, "UID 9"), (["delete", "9"], 66, "UID 9"), (["headers", "9"], 66, "UID 9"),
        (["get", "9"], 66, "UID 9"), (["copy", "1", "nowhere"], 66, "`imap list`"),
        (["copy", "one", "INBOX"], 64, "1:10,42"), (["store", "1", "--add", "a b"], 64, "a b is no flag"),
        (["store", "1"], 64, "--add"), (["store", "1", "--set", "a", "--add", "b"], 64, "--set"),
        (["append", "--date", "soon", "/dev/null"], 64, "soon is no time"), (["append", empty], 74, "is empty"),
        (["append", "/no/such/file"], 74, "/no/such/file"), (["delete"], 64, "uids"),
        (["search", "unsen"], 64, "text:unsen"),
        (["search", "--raw", "FROM"], 64, "none"), (["quota"], 73, "no QUOTA"), (["acl", "my"], 73, "no ACL"),
        (["sort"], 73, "no SORT"), (["thread"], 73, "no THREAD"),
        (["metadata", "get", "/shared/x"], 73, "no METADATA"),
        (["raw", "LOGIN", "a", "b"], 64, "LOGIN changes"), (["raw", "NOSUCH"], 73, "refused NOSUCH"),
        (["acl", "set", "INBOX", "ann", "+x"], 64, "lower-case letters"), (["id", "--field", "x"], 64, "name=imap"),
      ]
      for failure in cases {
        let result = try await Tool.run(failure.arguments, environment: imap.environment)
        #expect(result.status == failure.status, "\(failure.arguments): \(result.error)")
        #expect(result.error.contains(failure.says), "\(failure.arguments): \(result.error)")
        #expect(result.output.isEmpty, "\(failure.arguments): \(result.output)")
      }
      // `1:*` may well name nothing.
      _ = try await imap.json("delete", "1:*")
      #expect(try await imap.json("store", "1:*", "--add", "seen").isEmpty)
    }
  }

  @Test func server() async throws {
    try await withAccount { imap, _ in
      let capabilities = try await imap.json("capability").first?["capabilities"] as? [String]
      #expect(capabilities?.contains("IDLE") == true)
      #expect(try await imap("capability").output.split(separator: "\n").contains("IDLE"))
      let fields = try await imap.json("id", "--field", "name=test").first?["fields"] as? [String: any Sendable]
      #expect(fields?["name"] as? String == "swift-imap-engine test server")
      let spaces = try await imap.json("namespace").first?["personal"] as? [[String: any Sendable]]
      #expect(spaces?.first?["delimiter"] as? String == "/")
      let raw = try await imap.json("raw", "--mailbox", "INBOX", "UID", "SEARCH", "ALL")
      #expect(raw.map { $0["type"] as? String } == ["untagged", "tagged"])
      #expect(raw.last?["status"] as? String == "OK")
      #expect(
        try await imap("raw", "STATUS", "INBOX", "(MESSAGES)").output.hasPrefix("* STATUS INBOX (MESSAGES 0)\nOK"))
    }
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionScripts(_ shell: String) async throws {
    let result = try await Tool.run(["completion", shell])
    #expect(result.status == 0)
    for command in ["remove-mailbox", "metadata", "headers"] { #expect(result.output.contains(command)) }
  }

  @Test func bashTakesItsScript() async throws {
    let script = try await Tool.run(["completion", "bash"])
    let bash = try Tool.Running(["-n"], program: URL(fileURLWithPath: "/bin/bash"))
    bash.write(script.output)
    bash.closeInput()
    let result = await bash.result()
    #expect(result.status == 0 && result.error.isEmpty, "\(result.error)")
  }
}
