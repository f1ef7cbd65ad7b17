import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Parts of messages, decoded, and mailboxes that are not open.
@Suite(.timeLimit(.minutes(2))) struct ClientPartTests {
  private func withClient(
    _ messages: [IMAPTestServer.Configuration.Message], _ body: (IMAPTestServer, IMAPClient) async throws -> Void
  ) async throws {
    let server = try await IMAPTestServer.start()
    for message in messages { try await server.append(user: "user", message: message) }
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    client.signIn.allowsPlaintext = true
    let result: Result<Void, any Error>
    do {
      try await IMAPClient.withClient(client) { client in
        try await client.signIn(user: "user", password: Secret("password"))
        try await client.select(.inbox)
        try await body(server, client)
      }
      result = .success(())
    } catch { result = .failure(error) }
    await server.shutdown()
    try result.get()
  }

  private actor Collected {
    var bytes: [UInt8] = []
    func add(_ more: [UInt8]) { bytes += more }
  }

  /// Through the transfer encoding and the charset, whatever the pieces are.
  @Test func flowedText() async throws {
    let message = """
      Content-Type: text/plain; charset=iso-8859-1; format=flowed; delsp=yes\r
      Content-Transfer-Encoding: quoted-printable\r
      \r
      Gr=FC=DFe aus=20=20\r
      K=F6=20\r
      ln=20\r
      >Zitat=\r
       =20\r
      > geht weiter\r
      --=20\r
      Joe\r

      """
    try await withClient([.init(message)]) { _, client in
      let structure = try await client.fetchOne(1 as UID, [.bodyStructure])?.bodyStructure
      let part = try #require(structure?.textPart)
      let flowed = "Gr\u{fc}\u{df}e aus K\u{f6}ln\r\n> Zitat geht weiter\r\n-- \r\nJoe\r\n"
      for size in [1, 2, 3, 5, 1000] as [UInt32] {
        let got = Collected()
        try await client.downloadDecoded(1, part, reflow: true, chunkSize: size) { await got.add($0) }
        #expect(await String(decoding: got.bytes, as: UTF8.self) == flowed, "pieces of \(size)")
      }
      let asItIs = Collected()
      try await client.downloadDecoded(1, part) { await asItIs.add($0) }
      let lines = "Gr\u{fc}\u{df}e aus  \r\nK\u{f6} \r\nln \r\n>Zitat  \r\n> geht weiter\r\n-- \r\nJoe\r\n"
      #expect(await String(decoding: asItIs.bytes, as: UTF8.self) == lines)
    }
  }

  @Test func severalPartsAtOnce() async throws {
    let message = """
      Content-Type: multipart/mixed; boundary=b\r
      \r
      --b\r
      Content-Type: text/plain; charset=iso-8859-1; format=flowed\r
      Content-Transfer-Encoding: quoted-printable\r
      \r
      Gr=FC=DFe=20\r
      an alle\r
      --b\r
      Content-Type: image/png; name=x.png\r
      Content-Transfer-Encoding: base64\r
      \r
      AAEC/w==\r
      --b--\r

      """
    try await withClient([.init(message)]) { _, client in
      let structure = try await client.fetchOne(1 as UID, [.bodyStructure])?.bodyStructure
      var parts = try #require(structure?.parts)
      #expect(parts.map(\.number) == ["1", "2"])
      let found = try await client.downloadDecoded(1, parts, reflow: true)
      #expect(found == [Array("Gr\u{fc}\u{df}e an alle".utf8), [0, 1, 2, 255]])
      // One that is not there, and a message that is not there.
      parts[0].path = [9]
      #expect(try await client.downloadDecoded(1, parts) == [nil, [0, 1, 2, 255]])
      #expect(try await client.downloadDecoded(99, parts) == [nil, nil])
      #expect(try await client.downloadDecoded(1, []).isEmpty)
    }
  }

  /// What other mailboxes have is asked for again and again, and told where it changed.
  @Test func mailboxesThatAreNotOpen() async throws {
    try await withClient([]) { server, client in
      for name in ["A", "B"] as [MailboxName] { try await server.create(user: "user", mailbox: name) }
      var seen: [String] = []
      for try await status in client.statusChanges(of: ["A", "B"], [.messages], every: .milliseconds(1)) {
        seen.append("\(status.mailbox) \(status.messages ?? 99)")
        switch seen.count {
        case 2: try await server.append(user: "user", mailbox: "B", message: .init("\nhi"))
        case 3: try await server.append(user: "user", mailbox: "A", message: .init("\nhi"))
        default: break
        }
        if seen.count == 4 { break }
      }
      #expect(seen == ["A 0", "B 0", "B 1", "A 1"])
      // The connection is as it was.
      try await client.noop()
      #expect(await client.selected?.exists == 0)
    }
  }

  /// It ends with the connection, and by what goes wrong.
  @Test func pollingEnds() async throws {
    try await withClient([]) { server, client in
      await #expect {
        for try await _ in client.statusChanges(of: ["nowhere"], every: .milliseconds(1)) {}
      } throws: { error in
        (error as? IMAPError)?.reason == .noSuchMailbox
      }
      for try await status in client.statusChanges(of: []) { Issue.record("\(status)") }
      try await server.create(user: "user", mailbox: "A")
      var count = 0
      for try await _ in client.statusChanges(of: ["A"], every: .seconds(600)) {
        count += 1
        await client.close()
      }
      #expect(count == 1)
    }
  }
}
