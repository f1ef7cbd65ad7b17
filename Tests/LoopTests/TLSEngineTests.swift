import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A client and a server session joined in memory.
final class TLSPair {
  let client: TLSEngine
  let server: TLSEngine
  let clientPort = TLSPort()
  let serverPort = TLSPort()
  var clientText = ReceiveBuffer()
  var serverText = ReceiveBuffer()
  var clientClosed = false
  var serverClosed = false
  var clientError: ConnectionError?
  var serverError: ConnectionError?
  /// Bytes in one piece.
  var chunk = Int.max

  init(client context: TLSContext, server: TLSContext, host: String, peerPort: UInt16 = 0) throws {
    client = try TLSEngine(context, host: host, peerPort: peerPort, port: clientPort)
    self.server = try TLSEngine(server, host: nil, port: serverPort)
  }

  /// Carries everything over until nobody has anything to say.
  func exchange() {
    step(toServer: [])
    step(toClient: [])
    for _ in 0..<1000 {
      let fromClient = clientPort.takeOutput()
      let fromServer = serverPort.takeOutput()
      if fromClient.isEmpty && fromServer.isEmpty { return }
      for piece in pieces(of: fromClient) { step(toServer: piece) }
      for piece in pieces(of: fromServer) { step(toClient: piece) }
    }
    Issue.record("the two never come to rest")
  }

  func step(toClient bytes: [UInt8]) {
    do throws(ConnectionError) {
      try clientPort.withInput(bytes.span) { () throws(ConnectionError) in
        if try client.handshake() { clientClosed = try client.read(into: &clientText) == .closed }
      }
    } catch {
      clientError = clientError ?? error
    }
  }

  func step(toServer bytes: [UInt8]) {
    do throws(ConnectionError) {
      try serverPort.withInput(bytes.span) { () throws(ConnectionError) in
        if try server.handshake() { serverClosed = try server.read(into: &serverText) == .closed }
      }
    } catch {
      serverError = serverError ?? error
    }
  }

  func receivedByClient() -> [UInt8] { clientText.takeUnread() }
  func receivedByServer() -> [UInt8] { serverText.takeUnread() }

  func send(fromClient text: [UInt8]) throws {
    var rest = text[...]
    while !rest.isEmpty { rest = rest.dropFirst(try client.write(Array(rest).span)) }
  }

  func send(fromServer text: [UInt8]) throws {
    var rest = text[...]
    while !rest.isEmpty { rest = rest.dropFirst(try server.write(Array(rest).span)) }
  }

  private func pieces(of bytes: [UInt8]) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: min(chunk, max(1, bytes.count))).map {
      Array(bytes[$0..<min(bytes.count, $0 + min(chunk, bytes.count))])
    }
  }
}

@Suite struct TLSEngineTests {
  private static let certificate = Result {
    try SelfSignedCertificate.generate(hosts: ["localhost", "127.0.0.1", "::1"])
  }

  private func pair(
    host: String = "localhost", certificate: SelfSignedCertificate? = nil, trust: TLSContext.Trust? = nil
  ) throws -> TLSPair {
    let own = try Self.certificate.get()
    let certificate = certificate ?? own
    return try TLSPair(
      client: .client(trust: trust ?? .pem(certificate.certificatePEM)),
      server: .server(identity: certificate.identity), host: host)
  }

  @Test(arguments: [Int.max, 1, 7, 1000], ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "::1"])
  func joins(chunk: Int, host: String) throws {
    let pair = try pair(host: host)
    pair.chunk = chunk
    pair.exchange()
    #expect(pair.clientError == nil)
    #expect(pair.serverError == nil)
    #expect(pair.client.isEstablished && pair.server.isEstablished)
    #expect(pair.client.version == "TLSv1.3")
    try pair.send(fromClient: Array("a1 NOOP\r\n".utf8))
    try pair.send(fromServer: Array("* OK hello\r\n".utf8))
    pair.exchange()
    #expect(pair.receivedByServer() == Array("a1 NOOP\r\n".utf8))
    #expect(pair.receivedByClient() == Array("* OK hello\r\n".utf8))
  }

  /// RFC 6066, section 3: literal addresses are not permitted as a server name. Certificates are checked all the same.
  @Test func addressesAreNoServerNames() throws {
    for (host, expected) in [
      ("127.0.0.1", nil), ("::1", nil), ("localhost", "localhost"), ("localhost.", "localhost"),
    ] as [(String, String?)] {
      let pair = try pair(host: host)
      pair.exchange()
      #expect(pair.server.isEstablished)
      #expect(pair.server.serverName == expected, "\(host)")
      #expect(pair.client.serverName == expected, "\(host)")
    }
  }

  @Test(arguments: [Int.max, 4093])
  func carriesMuch(chunk: Int) throws {
    let pair = try pair()
    pair.chunk = chunk
    pair.exchange()
    var random = SeededRandom(seed: 4)
    let text = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    try pair.send(fromClient: text)
    try pair.send(fromServer: text.reversed())
    pair.exchange()
    #expect(pair.receivedByServer() == text)
    #expect(pair.receivedByClient() == text.reversed())
    #expect(pair.clientPort.unreadInput == 0)
  }

  @Test func refusesAnotherHost() throws {
    let pair = try pair(host: "mail.example.org")
    pair.exchange()
    #expect(pair.clientError?.transportOperation == .certificate)
    #expect(pair.clientError?.transportMessage.contains("mismatch") == true, "\(String(describing: pair.clientError))")
    #expect(pair.clientError?.transportMessage.contains("mail.example.org") == true)
    #expect(!pair.client.isEstablished)
    // The alert has told the server.
    #expect(pair.serverError?.transportOperation == .tls)
  }

  @Test func refusesAnotherAddress() throws {
    let pair = try pair(host: "127.0.0.2")
    pair.exchange()
    #expect(pair.clientError?.transportOperation == .certificate)
    #expect(pair.clientError?.transportMessage.contains("IP address mismatch") == true)
  }

  @Test func refusesTheUntrusted() throws {
    let other = try SelfSignedCertificate.generate(hosts: ["localhost"])
    let pair = try pair(trust: .pem(other.certificatePEM))
    pair.exchange()
    #expect(pair.clientError?.transportOperation == .certificate)
    #expect(pair.clientError?.transportMessage.contains("self") == true, "\(String(describing: pair.clientError))")
  }

  @Test func refusesTheUntrustedBySystemRoots() throws {
    let pair = try pair(trust: .system)
    pair.exchange()
    #expect(pair.clientError?.transportOperation == .certificate)
  }

  @Test func refusesTheExpired() throws {
    let pair = try pair(certificate: .generate(hosts: ["localhost"], validFrom: -7200, validFor: 3600))
    pair.exchange()
    #expect(pair.clientError?.transportOperation == .certificate)
    #expect(pair.clientError?.transportMessage.contains("expired") == true)
  }

  @Test func takesAnythingWhenToldSo() throws {
    let pair = try pair(host: "whatever.example", trust: .insecure)
    pair.exchange()
    #expect(pair.clientError == nil)
    #expect(pair.client.isEstablished)
  }

  @Test func clientNeedsAHost() throws {
    let context = try TLSContext.client(trust: .pem(Self.certificate.get().certificatePEM))
    for host in ["", "a\u{0}b", "."] {
      #expect(throws: ConnectionError.self) { try TLSEngine(context, host: host, port: TLSPort()) }
    }
  }

  @Test func closingIsNotCutting() throws {
    let pair = try pair()
    pair.exchange()
    try pair.send(fromServer: Array("* BYE\r\n".utf8))
    pair.server.close()
    pair.server.close()
    pair.exchange()
    #expect(pair.receivedByClient() == Array("* BYE\r\n".utf8))
    #expect(pair.clientClosed)
    #expect(throws: Never.self) { try pair.client.endOfInput() }
    // The other direction was not closed.
    #expect(throws: ConnectionError.self) { try pair.server.endOfInput() }
  }

  @Test func cutHandshakeIsAnError() throws {
    let pair = try pair()
    pair.step(toServer: [])
    pair.step(toClient: [])
    let hello = pair.clientPort.takeOutput()
    #expect(hello.count > 100)
    for end in stride(from: 0, to: hello.count, by: 13) {
      let cut = try self.pair()
      cut.step(toServer: Array(hello[..<end]))
      #expect(cut.serverError == nil)
      let error = #expect(throws: ConnectionError.self) { try cut.server.endOfInput() }
      #expect(error?.transportMessage.contains("handshake") == true)
      #expect(throws: ConnectionError.self) { try cut.server.handshake() }
    }
  }

  @Test func plainTextIsAnError() throws {
    let pair = try pair()
    pair.step(toClient: [])
    pair.step(toClient: Array("* OK IMAP4rev1 ready\r\n".utf8))
    #expect(pair.clientError?.transportOperation == .tls)
    #expect(throws: ConnectionError.self) { try pair.client.write([1].span) }
  }

  @Test func changedRecordIsAnError() throws {
    let pair = try pair()
    pair.exchange()
    try pair.send(fromServer: Array("* OK\r\n".utf8))
    var bytes = pair.serverPort.takeOutput()
    bytes[bytes.count - 1] ^= 1
    pair.step(toClient: bytes)
    #expect(pair.clientError?.transportOperation == .tls)
    #expect(pair.clientText.unread == 0)
  }

  @Test func nothingIsWrittenBeforeTheHandshake() throws {
    let pair = try pair()
    #expect(try pair.client.write(Array("a1 LOGIN".utf8).span) == 0)
    #expect(pair.clientPort.takeOutput() == [])
  }

  @Test func identityMustFit() throws {
    let one = try SelfSignedCertificate.generate(hosts: ["localhost"])
    let two = try SelfSignedCertificate.generate(hosts: ["localhost"])
    for identity: TLSContext.Identity in [
      .pem(certificate: one.certificatePEM, key: two.privateKeyPEM), .pem(certificate: "", key: one.privateKeyPEM),
      .pem(certificate: one.certificatePEM, key: "no key"), .files(certificate: "/nowhere.pem", key: "/nowhere.pem"),
    ] {
      let error = #expect(throws: ConnectionError.self) { try TLSContext.server(identity: identity) }
      #expect(error?.transportOperation == .certificate)
    }
    #expect(throws: ConnectionError.self) { try TLSContext.client(trust: .pem("no certificate")) }
    #expect(throws: ConnectionError.self) { try TLSContext.client(trust: .file("/nowhere.pem")) }
  }

  @Test func certificateIsOnlyForHosts() throws {
    for host in ["", "a b", "x,DNS:evil.example", "a\u{0}b"] {
      #expect(throws: ConnectionError.self) { try SelfSignedCertificate.generate(hosts: [host]) }
    }
    let certificate = try Self.certificate.get()
    #expect(certificate.certificatePEM.hasPrefix("-----BEGIN CERTIFICATE-----\n"))
    #expect(certificate.privateKeyPEM.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
    #expect(!"\(certificate)".contains("PRIVATE"))
  }
}
