import IMAPLoop
import IMAPStateMachine
import Testing

/// Arguments that cannot be sent: the error says which, why, and what to do, and the connection goes on.
@Suite(.timeLimit(.minutes(2))) struct InvalidArgumentTests {
  private typealias Call = @Sendable (IMAPClient) async throws -> Void

  private static let calls: [(InvalidArgument.Argument, InvalidArgument.Rule, command: String, Call)] = [
    (.mailbox, .nul, "CREATE", { try await $0.create(MailboxName(wire: [0x61, 0])) }),
    (.mailbox, .nul, "STATUS", { _ = try await $0.status(MailboxName(wire: [0]), [.messages]) }),
    (.statusItem, .empty, "STATUS", { _ = try await $0.status(.inbox, []) }),
    (.messages, .empty, "UID FETCH", { _ = try await $0.run(.fetch(.uids(UIDSet()), [.flags])) }),
    (.messages, .empty, "COPY", { _ = try await $0.run(.copy(.sequence(SequenceSet()), .inbox)) }),
    (.messages, .zero, "FETCH", { _ = try await $0.fetch(.uids(UIDSet(UID(rawValue: 0))), [.flags]) }),
    (.fetchItem, .empty, "FETCH", { _ = try await $0.fetch(.uids(.all), []) }),
    (.fetchItem, .form, "FETCH", { _ = try await $0.fetch(.uids(.all), [.other("FLAGS)")]) }),
    (.headerField, .character, "FETCH", { _ = try await $0.fetch(.uids(.all), [fields(["a b"])]) }),
    (.headerField, .empty, "FETCH", { _ = try await $0.fetch(.uids(.all), [fields([])]) }),
    (.section, .zero, "FETCH", { _ = try await $0.fetch(.uids(.all), [.section(Section(part: [0]))]) }),
    (.flag, .character, "STORE", { try await $0.addFlags(["a b"], to: [1]) }),
    (.flag, .character, "APPEND", { try await $0.append([0x61], to: .inbox, flags: ["a)"]) }),
    (.searchText, .nul, "SEARCH", { _ = try await $0.search(.subject("a\0")) }),
    (.searchText, .charset, "SEARCH", { _ = try await $0.search(.subject("é"), charset: "US-ASCII") }),
    (.charset, .character, "SEARCH", { _ = try await $0.search(.subject("a"), charset: "a b") }),
    (.searchKey, .tooLarge, "SEARCH", { _ = try await $0.search(.larger(.max)) }),
    (.headerField, .nul, "SEARCH", { _ = try await $0.search(.header("a\0", "b")) }),
    (.date, .noSuchDay, "SEARCH", { _ = try await $0.search(.since(2024, 2, 31)) }),
    (.searchKey, .character, "SEARCH", { _ = try await $0.search(.other("X GUID", [.atom("a")])) }),
    (.argument, .character, "SEARCH", { _ = try await $0.search(.other("X-GUID", [.raw("a\r\nX LOGOUT")])) }),
    (.entry, .empty, "GETMETADATA", { _ = try await $0.metadata([]) }),
    (.entry, .nul, "GETMETADATA", { _ = try await $0.metadata(["/private/\0"]) }),
    (.identifier, .nul, "DELETEACL", { try await $0.removeAccess(.inbox, for: "a\0") }),
    (.command, .tooLong, "CREATE", { try await $0.create("a", specialUse: (0..<9000).map { Flag("f\($0)") }) }),
  ]

  private static func fields(_ names: [String]) -> FetchItem { .section(Section(.headerFields(names))) }

  @Test(arguments: calls.indices) func saysWhichAndWhy(_ index: Int) async throws {
    let (argument, rule, command, call) = Self.calls[index]
    try await withScript("CREATE-SPECIAL-USE METADATA ACL", [("CAPABILITY", [])]) { client, server in
      try await client.select(.inbox)
      let error = IMAPError.invalidArgument(InvalidArgument(argument, rule), command: command)
      await #expect(throws: error) { try await call(client) }
      #expect(error.reason == .invalidArgument)
      #expect(error.description.hasPrefix("\(command) cannot be sent: the \(argument.rawValue) "))
      try await client.noop()
      #expect(server.commands.allSatisfy { ["SELECT", "NOOP", "CAPABILITY"].contains($0.prefix { $0 != " " }) })
    }
  }

  /// Before anything is opened. Whoever has no proxy there at all would be connected to.
  @Test(
    arguments: [
      ("", .empty), ("a\0b", .nul), ("imaps://mail.example.org", .url), ("127.0.0.1:993", .port),
      ("mail.example.org:993", .port), ("[::1]:993", .port), ("mail example", .hostName),
      ("mail.example.org/", .hostName),
      ("joe@mail.example.org", .hostName), ("2001:db8::zz", .hostName), ("[mail]", .hostName),
      ("[127.0.0.1]", .hostName),
      ("[::1", .hostName),
    ] as [(String, InvalidArgument.Rule)])
  func hosts(_ host: String, _ rule: InvalidArgument.Rule) async throws {
    let loop = try EventLoop.start()
    var configuration = IMAPClient.Configuration(host: host, port: 1, security: .plain)
    let error = IMAPError.invalidArgument(InvalidArgument(.host, rule), command: "connect")
    await #expect(throws: error) { try await IMAPClient.connect(configuration, on: loop) }
    #expect(error.description == "cannot connect: the host \(rule.rawValue)" && error.reason == .invalidArgument)
    configuration.host = "127.0.0.1"
    configuration.proxy = .socks5(host: host)
    await #expect(throws: IMAPError.invalidArgument(InvalidArgument(.proxyHost, rule), command: "connect")) {
      try await IMAPClient.connect(configuration, on: loop)
    }
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
  }

  /// Nobody listens; but that is what they say.
  @Test(arguments: ["::1", "[::1]", "0:0:0:0:0:0:0:1", "::1%lo", "[::ffff:127.0.0.1]", "127.0.0.1"])
  func addresses(_ host: String) async throws {
    let loop = try EventLoop.start()
    let configuration = IMAPClient.Configuration(host: host, port: try FreePort.pair().0, security: .plain)
    do throws(IMAPError) {
      _ = try await IMAPClient.connect(configuration, on: loop)
      Issue.record("connected")
    } catch {
      #expect(error.reason == .transport(.connect), "\(error)")
    }
    _ = await loop.shutdown()
  }

  /// A program may have many hosts.
  @Test func unknownHostsAreNamed() async throws {
    let loop = try EventLoop.start()
    do throws(IMAPError) {
      _ = try await IMAPClient.connect(.init(host: "no-such-host.invalid"), on: loop)
      Issue.record("connected")
    } catch {
      #expect(error.reason == .transport(.resolve))
      #expect(error.description.hasPrefix("resolve: no-such-host.invalid: "), "\(error)")
    }
    _ = await loop.shutdown()
  }

  /// One line, whatever a caller or a server puts into it.
  @Test func descriptionsAreOneLine() async throws {
    try await withScript("", [("CAPABILITY", []), ("XBAD", ["BAD \u{1b}[31mno\u{7}"])]) { client, _ in
      do throws(IMAPError) {
        _ = try await client.run(GenericCommand("X FOO\r\n"))
        Issue.record("was sent")
      } catch {
        #expect(error.description.hasPrefix("X FOO\\x0d\\x0a cannot be sent: the command "), "\(error)")
      }
      do throws(IMAPError) {
        _ = try await client.run(GenericCommand("XBAD"))
        Issue.record("was done")
      } catch {
        #expect(error.description == "XBAD not understood by the server: BAD \\x1b[31mno\\x07", "\(error)")
        #expect(error.status?.description == "BAD \\x1b[31mno\\x07")
        #expect(error.status?.text == "\u{1b}[31mno\u{7}")
      }
    }
    #expect(ConnectionError.closedByPeer(bye: "a\r\nb").description == "server closed the connection: a\\x0d\\x0ab")
    #expect(SASLError.server("a\nb").description == "the server refused: a\\x0ab")
    #expect(SASLError.malformedChallenge("a\u{9b}").description == "malformed challenge: a\\x9b")
  }

  /// Before the login; nothing of the secret is told.
  @Test func credentials() async throws {
    try await withScript("AUTH=PLAIN", isLoggedIn: false, [("CAPABILITY", [])]) { client, _ in
      for (user, password, argument, rule) in [
        ("joe", "hunter2\0", InvalidArgument.Argument.password, InvalidArgument.Rule.nul),
        ("jo\0e", "hunter2", .user, .nul),
      ] {
        let expected = InvalidArgument(argument, rule)
        await #expect(throws: IMAPError.invalidArgument(expected, command: "LOGIN")) {
          try await client.login(user: user, password: Secret(password))
        }
        await #expect(throws: IMAPError.invalidArgument(expected, command: "AUTHENTICATE")) {
          try await client.authenticatePlain(user: user, password: Secret(password))
        }
        #expect(!expected.description.contains("hunter"))
      }
      await #expect(throws: IMAPError.invalidArgument(InvalidArgument(.password, .empty), command: "AUTHENTICATE")) {
        try await client.authenticatePlain(user: "joe", password: Secret(""))
      }
    }
  }

  /// One line, and the status of a wrong command line.
  @Test func onTheCommandLine() async throws {
    let server = try ScriptedServer(
      capabilities: "", [("EXAMINE", ["* 1 EXISTS"]), ("CAPABILITY", ["* CAPABILITY IMAP4rev1"])])
    defer { server.stop() }
    let result = try await Tool.run(
      [
        "fetch", "--json", "--item", "FLAGS)", "--host", "127.0.0.1", "--port", "\(server.port)", "--tls", "none",
        "--user", "joe", "--password-stdin",
      ], input: "secret\n")
    #expect(result.status == 64)
    #expect(result.error.hasPrefix("imap: FETCH cannot be sent: the FETCH item "), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
}
