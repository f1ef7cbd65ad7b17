import Foundation
@testable import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Synchronization
import Testing

/// Each reason for which TLS does not come about is an error of its own, with servers of OpenSSL's own making.
@Suite(.timeLimit(.minutes(2))) struct TLSRefusalTests {
  private func refusal(
    _ options: TLSContext.ClientOptions, port: UInt16, host: String = "localhost"
  ) async throws -> IMAPError {
    var configuration = IMAPClient.Configuration(host: host, port: port)
    configuration.tls = try TLSContext.client(options)
    let loop = try EventLoop.start()
    let configured = configuration
    let error = await #expect(throws: IMAPError.self) {
      let client = try await IMAPClient.connect(configured, on: loop)
      await client.close()
    }
    #expect(await loop.shutdown().isClean)
    return try #require(error)
  }

  /// One connection to a server with the certificate `name`.
  private func refusal(
    _ authority: TestAuthority, _ name: String, server: [String] = [],
    _ change: (inout TLSContext.ClientOptions) -> Void = { _ in }
  ) async throws -> IMAPError {
    var options = TLSContext.ClientOptions(trust: .file(authority.path("ca.pem")))
    change(&options)
    let server = try await OneTLSServer.start(authority, name, server)
    let error = try await refusal(options, port: server.port)
    let said = await server.end()
    #expect(!"\(error)".isEmpty, "\(said)")
    return error
  }

  @Test func certificates() async throws {
    let authority = try await TestAuthority.make()
    let expired = try await refusal(authority, "expired")
    #expect(expired.reason == .certificate(.expired), "\(expired)")
    #expect("\(expired)".contains("expired"))
    let future = try await refusal(authority, "future")
    #expect(future.reason == .certificate(.notYetValid), "\(future)")
    let own = try await refusal(authority, "self")
    #expect(own.reason == .certificate(.selfSigned), "\(own)")
    let stranger = try await refusal(authority, "good") { $0.trust = .file(authority.path("other.pem")) }
    #expect(stranger.reason == .certificate(.unknownAuthority), "\(stranger)")
    let systems = try await refusal(authority, "good") { $0.trust = .system }
    #expect(systems.reason == .certificate(.unknownAuthority), "\(systems)")
    let name = try await refusal(authority, "good") { $0.serverName = "mail.example.org" }
    #expect(name.reason == .certificate(.wrongHost), "\(name)")
    #expect("\(name)".contains("mail.example.org"))
    let address = try await refusal(authority, "good") { $0.serverName = "127.0.0.2" }
    #expect(address.reason == .certificate(.wrongHost), "\(address)")
    #expect("\(address)".contains("127.0.0.2"))
  }

  @Test func revocation() async throws {
    let authority = try await TestAuthority.make()
    let revoked = try await refusal(authority, "revoked") { $0.revocationListFile = authority.path("crl.pem") }
    #expect(revoked.reason == .certificate(.revoked), "\(revoked)")
    let unknown = try await refusal(authority, "good") { $0.revocationListFile = authority.path("othercrl.pem") }
    #expect(unknown.reason == .certificate(.revocationUnknown), "\(unknown)")
  }

  @Test func pins() async throws {
    let authority = try await TestAuthority.make()
    let wrong = try #require(TLSPin("sha256/" + String(repeating: "A", count: 43) + "="))
    let inAddition = try await refusal(authority, "good") { $0.pins = [wrong] }
    #expect(inAddition.reason == .certificate(.wrongPin), "\(inAddition)")
    let instead = try await refusal(authority, "self") {
      $0.trust = .pinsOnly
      $0.pins = [wrong]
    }
    #expect(instead.reason == .certificate(.wrongPin), "\(instead)")
  }

  @Test func versionsAndCiphers() async throws {
    let authority = try await TestAuthority.make()
    let old = try await refusal(authority, "good", server: ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"])
    #expect(old.reason == .tls(.version), "\(old)")
    let new = try await refusal(authority, "good", server: ["-tls1_2"]) { $0.minimumVersion = .tls13 }
    #expect(new.reason == .tls(.version), "\(new)")
    let ciphers = try await refusal(
      authority, "good", server: ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]
    ) { $0.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" }
    #expect(ciphers.reason == .tls(.parameters), "\(ciphers)")
    let suites = try await refusal(
      authority, "good", server: ["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"]
    ) { $0.cipherSuites = "TLS_AES_128_GCM_SHA256" }
    #expect(suites.reason == .tls(.parameters), "\(suites)")
    let groups = try await refusal(authority, "good", server: ["-groups", "P-521"]) { $0.groups = "X25519" }
    #expect(groups.reason == .tls(.parameters), "\(groups)")
    // s_server goes on without a protocol, so the test server has to refuse this one.
    var configuration = IMAPTestServer.Configuration()
    configuration.applicationProtocols = ["imap"]
    let server = try await IMAPTestServer.start(configuration)
    var options = TLSContext.ClientOptions(trust: .pem(server.certificatePEM))
    options.applicationProtocols = ["http/1.1"]
    let other = try await refusal(options, port: try #require(server.tlsPort))
    #expect(other.reason == .tls(.applicationProtocol), "\(other)")
    await server.shutdown()
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func clientCertificates(version: String) async throws {
    let authority = try await TestAuthority.make()
    let demand = [version, "-Verify", "3", "-verify_return_error", "-CAfile", authority.path("ca.pem")]
    let none = try await refusal(authority, "good", server: demand)
    #expect(none.reason == .tls(.certificateRequired), "\(none)")
    let wrong = try await refusal(authority, "good", server: demand) {
      $0.identity = .files(certificate: authority.path("self.pem"), key: authority.path("self.key"))
    }
    #expect(wrong.reason == .tls(.certificateRejected), "\(wrong)")
  }

  @Test func whatIsNoTLS() async throws {
    let server = try ScriptedServer(capabilities: "", [])
    let error = try await refusal(TLSContext.ClientOptions(), port: server.port)
    #expect(error.reason == .tls(.notTLS), "\(error)")
    #expect("\(error)".contains("STARTTLS"))
    server.stop()
  }

  /// What is right for one server after all those that were wrong.
  @Test func accepted() async throws {
    let authority = try await TestAuthority.make()
    func file(_ name: String) -> String { authority.path(name) }
    let certificate = try String(contentsOfFile: file("good.pem"), encoding: .utf8)
    let key = try String(contentsOfFile: file("good.key"), encoding: .utf8)
    var configuration = IMAPTestServer.Configuration()
    configuration.certificate = SelfSignedCertificate(certificatePEM: certificate, privateKeyPEM: key)
    configuration.clientCertificates = .optional(.file(file("ca.pem")))
    configuration.mechanisms = ["PLAIN", "EXTERNAL"]
    configuration.applicationProtocols = ["imap"]
    let server = try await IMAPTestServer.start(configuration)
    let port = try #require(server.tlsPort)
    let fingerprint = try await TestAuthority.openssl(
      ["x509", "-in", file("good.pem"), "-noout", "-fingerprint", "-sha256"])
    let printed = try #require(fingerprint.split(separator: "=").last)
    let leaf = try #require(TLSPin(printed.trimmingCharacters(in: .whitespacesAndNewlines)))
    let publicKey = try await TestAuthority.openssl(["x509", "-in", file("ca.pem"), "-noout", "-pubkey"])
    try authority.folder.write("spki.pem", publicKey)
    _ = try await TestAuthority.openssl(
      ["pkey", "-pubin", "-in", file("spki.pem"), "-outform", "DER", "-out", file("spki.der")])
    let hash = try await TestAuthority.openssl(["dgst", "-sha256", "-r", file("spki.der")])
    let authorityKey = try #require(TLSPin("key:\(hash.prefix(64))"))

    let loop = try EventLoop.start()
    func connect(
      _ trust: TLSContext.Trust, host: String = "localhost", _ change: (inout TLSContext.ClientOptions) -> Void
    ) async throws -> IMAPClient {
      var options = TLSContext.ClientOptions(trust: trust)
      change(&options)
      var configuration = IMAPClient.Configuration(host: host, port: port)
      configuration.tls = try TLSContext.client(options)
      return try await IMAPClient.connect(configuration, on: loop)
    }
    let trusted = TLSContext.Trust.file(file("ca.pem"))
    try await connect(trusted) { $0.pins = [leaf] }.logout()
    try await connect(trusted, host: "127.0.0.1") { $0.pins = [authorityKey] }.logout()
    try await connect(.pinsOnly, host: "127.0.0.1") {
      $0.pins = [leaf]
      $0.serverName = "mail.example.org"
    }.logout()
    // The key of an authority says nothing where nobody has checked what it signed.
    await #expect(throws: IMAPError.self) { try await connect(.pinsOnly) { $0.pins = [authorityKey] } }
    try await connect(trusted) { $0.revocationListFile = file("crl.pem") }.logout()
    try await connect(trusted) {
      $0.checksHost = false
      $0.serverName = "mail.example.org"
    }.logout()
    try FileManager.default.createDirectory(atPath: file("roots"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: file("ca.pem"), toPath: file("roots/ca.pem"))
    _ = try await TestAuthority.openssl(["rehash", file("roots")])
    try await connect(.folder(file("roots"))) { _ in }.logout()
    for (version, name) in [(TLSContext.Version.tls12, "TLSv1.2"), (.tls13, "TLSv1.3")] {
      let client = try await connect(trusted) {
        $0.minimumVersion = version
        $0.maximumVersion = version
        $0.applicationProtocols = ["imap"]
      }
      #expect(await client.tlsVersion == name)
      #expect(await client.applicationProtocol == "imap")
      await client.logout()
    }

    // A key with a passphrase, and whom it makes the client.
    let asked = Mutex(0)
    let client = try await connect(trusted) {
      $0.identity = .files(
        certificate: file("client.pem"), key: file("client.encrypted.key"),
        passphrase: .callback {
          asked.withLock { $0 += 1 }
          return Secret("secret")
        })
    }
    #expect(asked.withLock { $0 } == 1)
    #expect(try await client.signIn(.external()) == .external)
    await client.logout()
    // Nobody without a certificate is offered to log in by one.
    let anonymous = try await connect(trusted) { _ in }
    #expect(try await !anonymous.supports(.auth("EXTERNAL")))
    await anonymous.logout()
    for passphrase: TLSContext.Passphrase? in [nil, .secret(Secret("wrong")), .callback { nil }] {
      let error = #expect(throws: ConnectionError.self) {
        var options = TLSContext.ClientOptions()
        options.identity = .files(
          certificate: file("client.pem"), key: file("client.encrypted.key"), passphrase: passphrase)
        _ = try TLSContext.client(options)
      }
      #expect(error.map { "\($0)".contains("passphrase") } == true, "\(String(describing: error))")
    }
    #expect(await loop.shutdown().isClean)
    await server.shutdown()
  }
}
