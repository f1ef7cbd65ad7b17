import IMAPTestServer
import Testing

/// Commands that look at many mailboxes, one after the other: what is said where one of them fails.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLineMailboxesTests {
  private static func account(_ server: ScriptedServer) -> [String] {
    ["--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none", "--user", "joe"]
  }

  private static let environment = ["IMAP_PASSWORD": "secret"]

  /// A server with the mailboxes a, b and c that answers STATUS of b by `answer`.
  private static func server(_ answer: [String]) throws -> ScriptedServer {
    try ScriptedServer(
      capabilities: "",
      [
        ("LIST", ["a", "b", "c"].map { "* LIST () \"/\" \($0)" }), ("STATUS \"b\"", answer),
        ("STATUS \"a\"", ["* STATUS a (MESSAGES 1 UNSEEN 0 UIDNEXT 2 UIDVALIDITY 7)"]),
        ("STATUS \"c\"", ["* STATUS c (MESSAGES 3 UNSEEN 0 UIDNEXT 4 UIDVALIDITY 7)"]),
      ])
  }

  // MARK: The numbers of `list` and `tree`

  @Test func aMailboxThatMayNotBeLookedAtHasNoNumbers() async throws {
    let server = try Self.server(["NO [NOPERM] not yours"])
    defer { server.stop() }
    let list = try await Tool.run(["list", "--status"] + Self.account(server), environment: Self.environment)
    #expect(list.status == 0 && list.error.isEmpty, "\(list.error)")
    #expect(list.output == "a\t\t1\t0\nb\t\t-\t-\nc\t\t3\t0\n")
    let tree = try await Tool.run(["tree", "--status"] + Self.account(server), environment: Self.environment)
    #expect(tree.status == 0 && tree.error.isEmpty, "\(tree.error)")
    #expect(tree.output == "a  1\nb\nc  3\n")
  }

  /// Nothing but a refusal is about one mailbox.
  @Test(
    arguments: ["list", "tree"],
    [
      (["DROP"], 69, "closed the connection"), (["* STATUS b (MESS", "DROP"], 69, "closed the connection"),
      (["BAD what"], 73, "refused STATUS of b: what"), (["HOLD"], 75, "took too long"),
    ] as [([String], Int32, String)])
  func whatEndsTheNumbersIsSaid(_ command: String, _ end: (answer: [String], status: Int32, says: String)) async throws
  {
    let server = try Self.server(end.answer)
    defer { server.stop() }
    let result = try await Tool.run(
      [command, "--status", "--timeout", "1"] + Self.account(server), environment: Self.environment)
    #expect(result.status == end.status, "\(result.error)")
    #expect(result.error.contains(end.says), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
  }

  @Test(arguments: ["list", "tree"]) func aSignalEndsTheNumbers(_ command: String) async throws {
    let server = try Self.server(["HOLD"])
    defer { server.stop() }
    let running = try Tool.Running([command, "--status"] + Self.account(server), environment: Self.environment)
    await server.received("STATUS \"b\"")
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    #expect(result.error == "imap: interrupted\n")
  }

  // MARK: One after the other

  @Test func theOthersAreDone() async throws {
    let server = try ScriptedServer(
      capabilities: "",
      [
        ("CREATE \"/bad\"", ["NO Not a name for a mailbox"]), ("CREATE", []), ("SUBSCRIBE \"b\"", ["NO"]),
        ("SUBSCRIBE", []), ("UNSUBSCRIBE", ["BAD what"]),
        ("DELETE \"a\"", ["NO [NONEXISTENT] gone"]), ("DELETE \"b\"", ["NO [NOPERM] not yours"]), ("DELETE", []),
        ("STATUS \"a\"", ["NO no such thing"]), ("STATUS \"b\"", ["* STATUS b (MESSAGES 1)"]), ("STATUS", []),
      ])
    defer { server.stop() }
    let cases: [(arguments: [String], status: Int32, done: [String], says: [String])] = [
      (
        ["create", "okbox", "/bad", "other"], 73, ["okbox", "other"],
        ["imap: 127.0.0.1 refused CREATE of /bad: Not a name for a mailbox"]
      ),
      (
        ["create", "--subscribe", "a", "b", "c"], 73, ["a", "c"], ["imap: 127.0.0.1 refused SUBSCRIBE of b: NO"]
      ),
      (["subscribe", "b", "a"], 73, ["a"], ["imap: 127.0.0.1 refused SUBSCRIBE of b: NO"]),
      (
        ["unsubscribe", "a", "b"], 73, [],
        ["imap: 127.0.0.1 refused UNSUBSCRIBE of a: what", "imap: 127.0.0.1 refused UNSUBSCRIBE of b: what"]
      ),
      (
        ["remove-mailbox", "a", "b", "c"], 66, ["c"],
        [
          "imap: no such mailbox: a (gone); `imap list` shows those there are",
          "imap: 127.0.0.1 refused DELETE of b: not yours; you lack the right to do so; `imap acl my MAILBOX` shows those "
            + "you have",
        ]
      ),
      (["remove-mailbox", "b", "a"], 73, [], ["refused DELETE of b: not yours", "no such mailbox: a (gone)"]),
      (
        ["status", "--item", "messages", "a", "b", "c"], 66, ["b"],
        ["imap: no such mailbox: a (no such thing);", "imap: the server gave no status of c"]
      ),
    ]
    for entry in cases {
      let result = try await Tool.run(
        entry.arguments + ["--json"] + Self.account(server), environment: Self.environment)
      #expect(result.status == entry.status, "\(entry.arguments): \(result.error)")
      #expect(result.objects.map { $0["mailbox"] as? String } == entry.done, "\(entry.arguments): \(result.output)")
      let lines = result.error.split(separator: "\n")
      #expect(lines.count == entry.says.count, "\(entry.arguments): \(result.error)")
      for (line, says) in zip(lines, entry.says) { #expect(line.contains(says)) }
    }
  }

  /// The status stays that of the first failure, and the rest is not tried.
  @Test func aLostConnectionEndsAll() async throws {
    let server = try ScriptedServer(
      capabilities: "", [("DELETE \"a\"", ["NO [NONEXISTENT] gone"]), ("DELETE \"b\"", ["DROP"]), ("DELETE", [])])
    defer { server.stop() }
    let result = try await Tool.run(
      ["remove-mailbox", "a", "b", "c"] + Self.account(server), environment: Self.environment)
    #expect(result.status == 66, "\(result.error)")
    let lines = result.error.split(separator: "\n")
    #expect(lines.count == 2, "\(result.error)")
    #expect(lines.first?.hasPrefix("imap: no such mailbox: a (gone);") == true, "\(result.error)")
    #expect(lines.last?.hasSuffix("; whether the server has done DELETE of b is not known") == true, "\(result.error)")
    #expect(!server.commands.contains("DELETE \"c\""))
  }

  @Test func aSignalEndsAll() async throws {
    let server = try ScriptedServer(
      capabilities: "", [("DELETE \"a\"", ["NO [NONEXISTENT] gone"]), ("DELETE \"b\"", ["HOLD"]), ("DELETE", [])])
    defer { server.stop() }
    let running = try Tool.Running(
      ["remove-mailbox", "a", "b", "c"] + Self.account(server), environment: Self.environment)
    await server.received("DELETE \"b\"")
    running.interrupt()
    let result = await running.result()
    #expect(result.status == 130, "\(result.error)")
    #expect(
      result.error == """
        imap: no such mailbox: a (gone); `imap list` shows those there are
        imap: interrupted; whether the server has done DELETE of b is not known

        """)
    #expect(!server.commands.contains("DELETE \"c\""))
  }

  /// So it is where there is one mailbox only, and in a shell.
  @Test func refusalsNameTheMailbox() async throws {
    let server = try ScriptedServer(
      capabilities: "ACL METADATA",
      [
        ("RENAME", ["NO [NOPERM] no"]), ("GETACL", ["NO [NOPERM] no"]), ("GETMETADATA", ["NO [NOPERM] no"]),
        ("EXAMINE", ["NO [NOPERM] no"]), ("DELETE", ["NO [NOPERM] no"]), ("LIST", ["* LIST () \"/\" Box"]),
      ])
    defer { server.stop() }
    let cases: [(arguments: [String], says: String)] = [
      (["rename", "Box", "Other"], "refused RENAME of Box: no"), (["acl", "get", "Box"], "refused GETACL of Box: no"),
      (["metadata", "get", "-m", "Box", "/private/comment"], "refused GETMETADATA of Box: no"),
      (["metadata", "get", "/private/comment"], "refused GETMETADATA: no"),
      (["select", "Box"], "refused EXAMINE of Box: no"), (["fetch", "-m", "Box"], "refused EXAMINE of Box: no"),
    ]
    for entry in cases {
      let result = try await Tool.run(entry.arguments + Self.account(server), environment: Self.environment)
      #expect(result.status == 73, "\(entry.arguments): \(result.error)")
      #expect(result.error.contains(entry.says), "\(entry.arguments): \(result.error)")
    }
    let shell = try await Tool.run(
      ["shell", "--keep-going"] + Self.account(server), input: "search -m Box\nremove-mailbox Box x\n",
      environment: Self.environment)
    #expect(shell.status == 73, "\(shell.error)")
    let lines = shell.error.split(separator: "\n")
    #expect(lines.count == 3, "\(shell.error)")
    for (line, says) in zip(lines, ["EXAMINE of Box: no", "DELETE of Box: no", "DELETE of x: no"]) {
      #expect(line.contains("refused \(says)"))
    }
  }

  /// Where a command names two, it is the target that is not there.
  @Test(arguments: [["copy", "1", "Nowhere"], ["move", "1", "Nowhere"], ["append", "-m", "Nowhere", "FILE"]])
  func targetsAreNamed(_ command: [String]) async throws {
    let server = try await IMAPTestServer.start()
    let result: Result<Void, any Error>
    do {
      _ = try await server.append(user: "user", message: .init("Subject: one\n\ntext\n"))
      let account = try ToolAccount(server)
      let file = try account.folder.write("m.eml", "Subject: x\n\nx\n")
      let outcome = try await Tool.run(
        command.map { $0 == "FILE" ? file : $0 }, environment: account.environment)
      #expect(outcome.status == 66, "\(outcome.error)")
      #expect(outcome.error.hasPrefix("imap: no such mailbox: Nowhere ("), "\(outcome.error)")
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }
}
