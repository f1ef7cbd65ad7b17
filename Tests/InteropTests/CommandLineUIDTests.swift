import IMAPTestServer
import Testing

/// Which messages the UIDs of a command line name: no others, and who is missing is told.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineUIDTests {
  /// A mailbox with three messages, an empty one called Other.
  private func withAccount(_ body: (ToolAccount, IMAPTestServer) async throws -> Void) async throws {
    var configuration = IMAPTestServer.Configuration()
    configuration.users = [.init("user", password: "password", mailboxes: [.init("INBOX"), .init("Other")])]
    let server = try await IMAPTestServer.start(configuration)
    let result: Result<Void, any Error>
    do {
      for subject in ["one", "two", "three"] {
        _ = try await server.append(user: "user", message: .init("Subject: \(subject)\n\ntext\n"))
      }
      result = .success(try await body(try ToolAccount(server), server))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  private static func uids(_ server: IMAPTestServer, _ mailbox: String = "INBOX") async throws -> [UInt32] {
    try await server.messages(user: "user", mailbox: .init(mailbox)).map(\.uid.rawValue)
  }

  private static func items(_ objects: [[String: any Sendable]]) -> [Int?] {
    objects.map { ($0["items"] as? [String: any Sendable])?["UID"] as? Int }
  }

  /// `50:*` holds the largest UID even where that is below 50 (RFC 9051, section 9: seq-range). Nobody means that.
  @Test(arguments: ["50:*", "*:50", "50:*,60:*"]) func nothingBelowARangeThatEndsInStar(_ uids: String) async throws {
    try await withAccount { imap, server in
      let commands = [
        ["delete", uids], ["move", uids, "Other"], ["copy", uids, "Other"], ["store", uids, "--add", "deleted"],
        ["store", "2:3", "--add", "deleted"], ["expunge", uids], ["store", "2:3", "--remove", "deleted"],
        ["fetch", uids], ["fetch", "--raw", uids], ["headers", uids], ["get", uids],
      ]
      for command in commands {
        let result = try await Tool.run(command, environment: imap.environment)
        #expect(result.status == 0 && result.error.isEmpty, "\(command): \(result.error)")
        if command.contains(uids) { #expect(result.output.isEmpty, "\(command): \(result.output)") }
      }
      #expect(try await Self.uids(server) == [1, 2, 3])
      #expect(try await Self.uids(server, "Other").isEmpty)
      let flags = try await server.messages(user: "user").flatMap(\.flags).map(\.rawValue)
      #expect(!flags.contains("\\Deleted"), "\(flags)")
      let search = try await imap("search", "uid:50:*")
      #expect(search.status == 0 && search.output.isEmpty, "\(search.output)")
      #expect(try await imap("search", "not", "uid:50:*").output == "1\n2\n3\n")
    }
  }

  /// What is on the wire is what was typed; what keeps the last message out stands behind it.
  @Test(
    arguments: [
      (["uid:90:*"], "UID 90:* NOT UID 1:89"), (["uid:*:90"], "UID 90:* NOT UID 1:89"), (["uid:1:*"], "UID 1:*"),
      (["uid:*"], "UID *"), (["uid:3,90:*"], "OR UID 3 (UID 90:* NOT UID 1:89)"),
      (["not", "uid:2:*"], "NOT (UID 2:* NOT UID 1)"), (["unseen", "uid:2:*"], "UNSEEN (UID 2:* NOT UID 1)"),
    ])
  func wireOfASearch(_ words: [String], _ criteria: String) async throws {
    try await withAccount { imap, _ in
      let result = try await Tool.run(["search", "--wire"] + words, environment: imap.environment)
      #expect(result.status == 0)
      let line = result.error.split(separator: "\n").first { $0.contains(" UID SEARCH ") }
      let command = line?.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(command?.hasSuffix(" \(criteria)") == true, "\(result.error)")
    }
  }

  @Test func rangesThatEndInStar() async throws {
    try await withAccount { imap, server in
      #expect(try await Self.items(imap.json("fetch", "2:*")) == [2, 3])
      #expect(try await Self.items(imap.json("fetch", "*")) == [3])
      #expect(try await Self.items(imap.json("fetch", "1,50:*")) == [1])
      #expect(try await imap("headers", "--field", "subject", "2:*").output == "Subject: two\n\nSubject: three\n")
      #expect(try await Self.items(imap.json("store", "3:*", "--add", "flagged")) == [3])
      #expect(try await imap.json("get", "*:2", "--directory", imap.folder.path).count == 2)
      _ = try await imap.json("move", "*", "Other")
      #expect(try await Self.uids(server) == [1, 2])
      _ = try await imap.json("store", "2", "--add", "deleted")
      _ = try await imap.json("expunge", "2:*")
      #expect(try await Self.uids(server) == [1])
      _ = try await imap.json("delete", "1:*")
      #expect(try await Self.uids(server).isEmpty)
    }
  }

  /// What somebody else removes between the search and the answer is missing, too.
  @Test(arguments: [["fetch", "--raw"], ["store", "--add", "seen"]])
  func whatGoesMeanwhileIsTold(_ command: [String]) async throws {
    let server = try ScriptedServer(
      capabilities: "",
      [
        ("EXAMINE", ["* 2 EXISTS"]), ("UID SEARCH", ["* SEARCH 1 2"]), ("UID STORE", []),
        ("UID FETCH", ["* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {2}", "hi)"]),
      ])
    defer { server.stop() }
    let result = try await Tool.run(
      command + ["1:2,2", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"]
        + ["--password-stdin"], input: "secret\n")
    #expect(result.status == 66, "\(result.error)")
    #expect(result.error.contains("has no message with UID 2; the others are done"), "\(result.error)")
    #expect(result.output.contains(command[0] == "fetch" ? "hi" : "1\t\\Seen"), "\(result.output)")
  }

  /// A search that finds nothing, and what takes what it finds: nothing is done, and nothing is wrong.
  @Test(arguments: [
    ["move", "-", "Other"], ["copy", "-", "Other"], ["copy", "-", "Nowhere", "--create"], ["delete", "-"],
    ["expunge", "-"], ["store", "-", "--add", "seen"], ["fetch", "-"], ["fetch", "-", "--raw"], ["headers", "-"],
    ["get", "-"],
  ])
  func nothingFoundIsNothingToDo(_ command: [String]) async throws {
    try await withAccount { imap, server in
      try await server.store(user: "user", uids: .all, .init(.add, [.deleted]))
      func expectNothing(_ result: Tool.Result, _ output: String = "") {
        #expect(result.status == 0 && result.error.isEmpty, "\(command): \(result.error)")
        #expect(result.output == output, "\(command): \(result.output)")
      }
      for input in ["", "\n \n"] {
        expectNothing(try await Tool.run(command, input: input, environment: imap.environment))
      }
      if !command.contains("--raw"), command[0] != "get" {
        // As where nothing is there of what was named.
        let named = command.map { $0 == "-" ? "50:*" : $0 }
        let none = try await Tool.run(named + ["--json"], environment: imap.environment)
        expectNothing(
          try await Tool.run(command + ["--json"], environment: imap.environment), none.output)
      }
      let script = "search subject:none\n" + command.joined(separator: " ") + "\n"
      expectNothing(try await imap("shell", "INBOX", input: script).withoutState)
      #expect(try await Self.uids(server) == [1, 2, 3])
      #expect(try await Self.uids(server, "Other").isEmpty)
      #expect(try await imap("list").output.split(separator: "\n").count == 2)
    }
  }

  /// Whether the mailbox is there is looked at all the same.
  @Test func nothingFoundInNoMailbox() async throws {
    try await withAccount { imap, _ in
      let result = try await imap("delete", "-m", "Nowhere", "-")
      #expect(result.status == 66 && result.error.contains("no such mailbox"), "\(result.error)")
    }
  }

  /// However many are missing, no number is cut.
  @Test func manyMissingUIDsAreNotCut() async throws {
    try await withAccount { imap, _ in
      let named = stride(from: 1001, to: 1999, by: 2).map { "\($0)" }
      let result = try await imap("fetch", named.joined(separator: ","))
      #expect(result.status == 66)
      let list = try #require(result.error.firstMatch(of: /with UID ([0-9,]*)…/))
      #expect(list.1.hasSuffix(","))
      #expect(Set(list.1.split(separator: ",").map(String.init)).isSubset(of: named), "\(result.error)")
    }
  }

  /// What is there is done; what is not is told.
  @Test func missingUIDsAreNamed() async throws {
    try await withAccount { imap, server in
      let commands: [(arguments: [String], input: String, missing: String)] = [
        (["fetch", "1,99"], "", "99"), (["fetch", "--raw", "1,99"], "", "99"),
        (["fetch", "--json", "1,7:9"], "", "7:9"),
        (["headers", "98,1,99"], "", "98:99"), (["get", "1,99"], "", "99"),
        (["store", "1,99", "--add", "x"], "", "99"),
        (["copy", "1,50:*,99", "Other"], "", "99"), (["delete", "3,99"], "", "99"), (["delete", "-"], "2\n98\n", "98"),
        (["move", "-", "Other"], "1\n2\n3\n", "2:3"),
      ]
      for command in commands {
        let result = try await Tool.run(command.arguments, input: command.input, environment: imap.environment)
        #expect(result.status == 66, "\(command): \(result.error)")
        #expect(result.error.contains("no message with UID \(command.missing);"), "\(command): \(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
        #expect(!result.output.isEmpty, "\(command)")
      }
      #expect(try await Self.uids(server).isEmpty)
      #expect(try await Self.uids(server, "Other") == [1, 2])
      // A range names what is there of it.
      #expect(try await imap("fetch", "-m", "Other", "1:50").status == 0)
      let shell = try await imap("shell", "Other", input: "search\ndelete 1,7\n")
      #expect(shell.status == 66 && shell.error.contains("UID 7;"), "\(shell.error)")
    }
  }
}

extension Tool.Result {
  /// Without what `select` prints.
  fileprivate var withoutState: Tool.Result {
    var result = self
    let names = ["mailbox", "readOnly", "exists", "recent", "uidValidity", "uidNext", "flags", "permanentFlags"]
    let others = ["highestModSeq", "mailboxID"]
    result.output = output.split(separator: "\n").filter { line in
      !(names + others).contains { line.hasPrefix($0 + "\t") }
    }.map { $0 + "\n" }.joined()
    return result
  }
}
