import IMAPLoop
import IMAPStateMachine
import Testing

/// Dovecot answers FETCHes that come together before it completes the first of them.
@Suite(.timeLimit(.minutes(5))) struct DovecotFetchTests {
  @Test func overlappingFetchesAreToldApart() async throws {
    let server = try DovecotServer()
    var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
    configuration.signIn.allowsPlaintext = true
    try await IMAPClient.withClient(configuration) { client in
      try await client.signIn(user: "overlap", password: Secret(server.password))
      try await client.append(Array("Subject: a\r\n\r\ntext\r\n".utf8), to: .inbox)
      try await client.select(.inbox)
      async let header = client.fetchOne(UID(1), [.section(.header)])
      async let text = client.fetchOne(UID(1), [.section(.text)])
      async let flags = client.flags(of: [1])
      let found = try await (header?.bytes(of: .header), text?.bytes(of: .text), flags[1])
      #expect(found.0 != nil)
      #expect(found.1 == Array("text\r\n".utf8))
      #expect(found.2 != nil)
    }
  }
}
