import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// The server over real sockets.
@Suite struct ServerTests {
  private let message = IMAPTestServer.Configuration.Message(
    "From: ada@example.org\nSubject: Hello\n\nworld\n", flags: [.flagged])

  private func client(
    _ server: IMAPTestServer, _ security: IMAPClient.Configuration.Security
  ) async throws -> IMAPClient {
    let port = security == .implicitTLS ? server.tlsPort : server.plainPort
    let client = try await IMAPClient.connect(
      .init(host: "127.0.0.1", port: port, security: security, trust: .pem(server.certificatePEM)), on: server.loop)
    try await client.login(user: "user", password: Secret("password"))
    return client
  }

  @Test func rawBytes() async throws {
    try await withTestServer { server in
      let socket = try RawSocket(port: #require(server.plainPort))
      #expect(try socket.line()?.hasPrefix("* OK [CAPABILITY IMAP4REV1 ") == true)
      // Everything at once: the server answers in order.
      try socket.send(
        "a LOGIN user password\r\nb APPEND INBOX {12+}\r\nSubject: x\r\n\r\nc SELECT INBOX\r\n"
          + "d FETCH 1 (UID ENVELOPE)\r\ne LOGOUT\r\n")
      #expect(try socket.lines(upTo: "a ").last?.hasPrefix("a OK ") == true)
      #expect(try socket.lines(upTo: "b ") == ["b OK [APPENDUID 1 1] APPEND completed"])
      #expect(try socket.lines(upTo: "c ").contains("* 1 EXISTS"))
      #expect(
        try socket.lines(upTo: "d ")
          == ["* 1 FETCH (UID 1 ENVELOPE (NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL))", "d OK FETCH completed"])
      #expect(try socket.lines(upTo: "e ") == ["* BYE Logging out", "e OK Logout completed"])
      #expect(try socket.isClosedByPeer())
    }
  }

  @Test(arguments: [IMAPClient.Configuration.Security.plain, .startTLS, .implicitTLS])
  func clientOverEachTransport(security: IMAPClient.Configuration.Security) async throws {
    try await withTestServer { server in
      try await server.append(user: "user", message: message)
      let client = try await client(server, security)
      #expect(try await client.select(.inbox).exists == 1)
      let uids = try await client.search(.subject("hello"))
      #expect(uids == [1])
      let fetched = try await client.fetch(.uids(UIDSet(uids)), [.flags, .section(.text)])
      #expect(fetched.count == 1)
      await client.logout()
    }
  }

  @Test func largeMessagesBothWays() async throws {
    try await withTestServer { server in
      let body = [UInt8](repeating: UInt8(ascii: "x"), count: 3_000_000)
      let bytes = Array("Subject: large\r\n\r\n".utf8) + body
      try await server.append(user: "user", message: bytes)
      let socket = try RawSocket(port: #require(server.plainPort))
      try socket.send("a LOGIN user password\r\nb SELECT INBOX\r\n")
      _ = try socket.lines(upTo: "b OK")
      try socket.send("c APPEND INBOX {\(bytes.count)+}\r\n" + String(decoding: bytes, as: UTF8.self) + "\r\n")
      #expect(try socket.lines(upTo: "c OK").contains("* 2 EXISTS"))
      try socket.send("d FETCH 1:2 BODY.PEEK[]\r\n")
      let lines = try socket.lines(upTo: "d OK")
      #expect(lines.filter { $0.utf8.count == body.count + 1 && $0.hasSuffix("x)") }.count == 2)
      #expect(try await server.messages(user: "user").map(\.bytes) == [bytes, bytes])
    }
  }

  @Test func idleHearsOfDeliveries() async throws {
    try await withTestServer { server in
      let sockets = try (0..<20).map { _ in try RawSocket(port: #require(server.plainPort)) }
      for socket in sockets {
        try socket.send("a LOGIN user password\r\nb SELECT INBOX\r\nc IDLE\r\n")
        _ = try socket.lines(upTo: "+ ")
      }
      #expect(await server.idleCount == 20)
      let uid = try await server.append(user: "user", message: message)
      for socket in sockets { #expect(try socket.line() == "* 1 EXISTS") }
      try await server.store(user: "user", uids: [uid], StoreOperation(.add, [.seen]))
      for socket in sockets {
        #expect(try socket.line()?.hasSuffix(" RECENT") == true)
        #expect(try socket.line()?.hasPrefix("* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged") == true)
      }
      try await server.remove(user: "user", uids: .all)
      for socket in sockets {
        #expect(try socket.line() == "* 1 EXPUNGE")
        try socket.send("DONE\r\n")
        #expect(try socket.line() == "c OK Idle ended")
      }
      #expect(await server.idleCount == 0)
    }
  }

  @Test func clientsAreDisconnected() async throws {
    try await withTestServer { server in
      let socket = try RawSocket(port: #require(server.plainPort))
      _ = try socket.line()
      await server.disconnectClients()
      #expect(try socket.lines(upTo: "* BYE").count == 1)
      #expect(try socket.isClosedByPeer())
      let again = try RawSocket(port: #require(server.plainPort))
      #expect(try again.line()?.hasPrefix("* OK") == true)
    }
  }

  @Test func shutdownSaysBye() async throws {
    let server = try await IMAPTestServer.start()
    let socket = try RawSocket(port: #require(server.plainPort))
    _ = try socket.line()
    async let down: Void = server.shutdown()
    #expect(try socket.lines(upTo: "* BYE").count == 1)
    #expect(try socket.isClosedByPeer())
    socket.hangUp()
    await down
    #expect(throws: RawSocket.Failure.self) { try RawSocket(port: #require(server.plainPort)) }
  }

  @Test func configuration() async throws {
    typealias Configuration = IMAPTestServer.Configuration
    let date = InternalDate(year: 2024, month: 2, day: 29, hour: 1, minute: 2, second: 3, zone: 60)
    let users = [
      Configuration.User(
        "ada", password: "a",
        mailboxes: [
          .init("INBOX", messages: [message, .init(Array("raw\n".utf8), date: date)]),
          .init("Gesendet/Fünf", attributes: ["\\Sent"]),
        ]),
      Configuration.User("bob", password: "b"),
    ]
    var configuration = Configuration(users: users)
    configuration.tlsPort = nil
    configuration.uidValidity = 77
    try await withTestServer(configuration) { server in
      #expect(server.tlsPort == nil)
      let messages = try await server.messages(user: "ada")
      #expect(messages.map(\.uid) == [1, 2] && messages.map(\.flags) == [[.flagged], []])
      #expect(messages.last?.date == date && messages.last?.bytes == Array("raw\n".utf8))
      #expect(messages.first?.bytes == Array("From: ada@example.org\r\nSubject: Hello\r\n\r\nworld\r\n".utf8))
      #expect(try await server.messages(user: "bob").isEmpty)
      let socket = try RawSocket(port: #require(server.plainPort))
      try socket.send("a LOGIN ada a\r\nb LIST \"\" Gesendet/%\r\nc STATUS INBOX (UIDVALIDITY)\r\n")
      #expect(
        try socket.lines(upTo: "b OK").suffix(2).first == "* LIST (\\Sent \\HasNoChildren) \"/\" Gesendet/F&APw-nf")
      #expect(try socket.lines(upTo: "c OK").first == "* STATUS INBOX (UIDVALIDITY 77)")
    }
  }

  @Test func errors() async throws {
    try await withTestServer { server in
      await #expect(throws: TestServerError.unknownUser("nobody")) {
        try await server.append(user: "nobody", message: message)
      }
      await #expect(throws: TestServerError.unknownMailbox("none")) {
        try await server.append(user: "user", mailbox: "none", message: message)
      }
      await #expect(throws: TestServerError.refused("INBOX: INBOX cannot be deleted or renamed")) {
        try await server.delete(user: "user", mailbox: .inbox)
      }
      try await server.create(user: "user", mailbox: "box")
      await #expect(throws: TestServerError.refused("box: Mailbox exists already")) {
        try await server.create(user: "user", mailbox: "box")
      }
      try await server.delete(user: "user", mailbox: "box")
    }
    var taken = IMAPTestServer.Configuration()
    taken.host = "not an address"
    await #expect(throws: TestServerError.self) { try await IMAPTestServer.start(taken) }
    var invalid = IMAPTestServer.Configuration(users: [.init("x", password: "", mailboxes: [.init("a//b")])])
    await #expect(throws: TestServerError.refused("a//b: Not a name for a mailbox")) {
      try await IMAPTestServer.start(invalid)
    }
    invalid = .init(users: [.init("x", password: "", mailboxes: [.init("box", messages: [message])])])
    invalid.quota = 10
    await #expect(throws: TestServerError.refused("box: Account is full")) { try await IMAPTestServer.start(invalid) }
  }

  @Test func portInUse() async throws {
    try await withTestServer { server in
      var configuration = IMAPTestServer.Configuration()
      configuration.plainPort = server.plainPort
      do throws(TestServerError) {
        let second = try await IMAPTestServer.start(configuration)
        await second.shutdown()
        Issue.record("two servers on one port")
      } catch {
        guard case .connection(.transport(let failure)) = error else { throw error }
        #expect(failure.operation == .listen)
      }
    }
  }

  @Test func plainConnectionsMayBeRefusedToLogIn() async throws {
    var configuration = IMAPTestServer.Configuration()
    configuration.requiresTLS = true
    try await withTestServer(configuration) { server in
      let socket = try RawSocket(port: #require(server.plainPort))
      #expect(try socket.line()?.contains("STARTTLS LOGINDISABLED") == true)
      try socket.send("a LOGIN user password\r\n")
      #expect(try socket.line() == "a NO [PRIVACYREQUIRED] Start TLS first")
      let client = try await client(server, .startTLS)
      await client.logout()
    }
  }
}
