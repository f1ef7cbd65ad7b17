import CSSL
import Foundation
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPLoop

extension ConnectionError {
  var tlsFailure: TLSFailure? {
    if case .transport(let failure) = self { return failure.tls }
    return nil
  }
}

/// What options of a context do, without sockets. Refusals of OpenSSL's own servers are in TLSRefusalTests.
@Suite struct TLSOptionsTests {
  private static let certificate = Result { try SelfSignedCertificate.generate(hosts: ["localhost", "127.0.0.1"]) }
  private let certificate: SelfSignedCertificate

  init() throws { certificate = try Self.certificate.get() }

  private func pair(
    host: String = "localhost", trust: TLSContext.Trust? = nil,
    server: (inout TLSContext.ServerOptions) -> Void = { _ in },
    client: (inout TLSContext.ClientOptions) -> Void = { _ in }
  ) throws -> TLSPair {
    var clientOptions = TLSContext.ClientOptions(trust: trust ?? .pem(certificate.certificatePEM))
    client(&clientOptions)
    var serverOptions = TLSContext.ServerOptions(identity: certificate.identity)
    server(&serverOptions)
    let pair = try TLSPair(client: .client(clientOptions), server: .server(serverOptions), host: host)
    pair.exchange()
    return pair
  }

  private func isJoined(_ pair: TLSPair) -> Bool {
    pair.clientError == nil && pair.serverError == nil && pair.client.isEstablished && pair.server.isEstablished
  }

  private func der(_ certificate: SelfSignedCertificate) throws -> [UInt8] {
    let lines = certificate.certificatePEM.split(separator: "\n").filter { !$0.hasPrefix("-") }
    return [UInt8](try #require(Data(base64Encoded: lines.joined())))
  }

  private func pin(_ certificate: SelfSignedCertificate) throws -> TLSPin {
    let bytes = try der(certificate)
    var digest = [UInt8](repeating: 0, count: 32)
    unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    return try #require(TLSPin(.certificate, digest: digest))
  }

  // MARK: Whom to trust

  @Test func nameAndOverride() throws {
    #expect(try isJoined(pair(host: "10.1.2.3", client: { $0.serverName = "localhost" })))
    #expect(try isJoined(pair(host: "mail.example.org", client: { $0.checksHost = false })))
    let other = try pair(client: { $0.serverName = "mail.example.org" })
    #expect(other.clientError?.tlsFailure == .certificate(.wrongHost))
    // Without a check of the name that of the authority stays.
    let stranger = try SelfSignedCertificate.generate(hosts: ["localhost"])
    let untrusted = try pair(trust: .pem(stranger.certificatePEM), client: { $0.checksHost = false })
    #expect(untrusted.clientError?.tlsFailure == .certificate(.selfSigned))
  }

  @Test func pins() throws {
    let right = try pin(certificate)
    let wrong = try pin(.generate(hosts: ["localhost"]))
    #expect(try isJoined(pair(client: { $0.pins = [wrong, right] })))
    #expect(try pair(client: { $0.pins = [wrong] }).clientError?.tlsFailure == .certificate(.wrongPin))
    // They come on top of the rest.
    let name = try pair(host: "mail.example.org", client: { $0.pins = [right] })
    #expect(name.clientError?.tlsFailure == .certificate(.wrongHost))
    // Or stand for all of it.
    #expect(try isJoined(pair(host: "mail.example.org", trust: .pinsOnly, client: { $0.pins = [right] })))
    for trust in [TLSContext.Trust.pinsOnly, .insecure] {
      let refused = try pair(trust: trust, client: { $0.pins = [wrong] })
      #expect(refused.clientError?.tlsFailure == .certificate(.wrongPin))
      #expect(refused.serverError != nil)
    }
    #expect(throws: ConnectionError.self) { try TLSContext.client(trust: .pinsOnly) }
  }

  @Test func pinsAreRead() throws {
    let digest = (0..<32).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
    let base64 = Data(digest).base64EncodedString()
    let hex = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    let key = try #require(TLSPin(.publicKey, digest: digest))
    let certificate = try #require(TLSPin(.certificate, digest: digest))
    for text in ["sha256/\(base64)", "sha256//\(base64)", "sha256/\(base64.dropLast())", "key:\(hex.joined())"] {
      #expect(TLSPin(text) == key, "\(text)")
    }
    for text in [hex.joined(), hex.joined(separator: ":").uppercased(), "cert:sha256/\(base64)"] {
      #expect(TLSPin(text) == certificate, "\(text)")
    }
    for pin in [key, certificate] { #expect(TLSPin(pin.description) == pin) }
    for text in [
      "", "sha256/", "sha256/\(base64)=", "sha256/\(base64.dropLast(3))", "sha1/\(base64)", hex.dropLast().joined(),
      hex.joined() + "0", "key:", "x\(hex.joined())", String(repeating: "é", count: 64),
      "sha256/" + String(repeating: "/", count: 43),
    ] {
      #expect(TLSPin(text) == nil, "\(text)")
    }
    #expect(TLSPin(.publicKey, digest: [1, 2, 3]) == nil)
  }

  @Test func functionHasTheLastWord() throws {
    let seen = Mutex<[TLSContext.CertificateCheck]>([])
    func verdict(_ verdict: TLSContext.Verdict) -> (inout TLSContext.ClientOptions) -> Void {
      { options in
        options.verify = { check in
          seen.withLock { $0.append(check) }
          return verdict
        }
      }
    }
    #expect(try isJoined(pair(client: verdict(.accept))))
    #expect(try isJoined(pair(host: "mail.example.org", client: verdict(.accept))))
    let refused = try pair(client: verdict(.refuse("not this one")))
    #expect(refused.clientError?.tlsFailure == .certificate(.refused))
    #expect(refused.clientError?.transportMessage == "not this one")
    #expect(try isJoined(pair(trust: .system, client: verdict(.accept))))
    let unchecked = try pair(trust: .insecure, client: verdict(.refuse("no")))
    #expect(unchecked.clientError?.tlsFailure == .certificate(.refused))
    let checks = seen.withLock { $0 }
    #expect(checks.map(\.refusal) == [nil, .wrongHost, nil, .selfSigned, nil])
    #expect(checks.map(\.host) == ["localhost", "mail.example.org", "localhost", "localhost", "localhost"])
    let leaf = try der(certificate)
    for check in checks {
      #expect(check.leaf == leaf)
      #expect(check.chain == [leaf])
      #expect(check.explanation.isEmpty == (check.refusal == nil))
    }
  }

  @Test func clientCertificates() throws {
    let own = try SelfSignedCertificate.generate(hosts: ["user"])
    let trusted = TLSContext.Trust.pem(own.certificatePEM)
    for demand in [TLSContext.ClientCertificates.optional(trusted), .required(trusted), .required(.insecure)] {
      let pair = try pair(server: { $0.clientCertificates = demand }, client: { $0.identity = own.identity })
      #expect(isJoined(pair))
      #expect(pair.server.peerCommonName == "user")
      let bytes = try der(own)
      #expect(pair.server.peerCertificate == bytes)
    }
    let stranger = try SelfSignedCertificate.generate(hosts: ["user"])
    for demand in [TLSContext.ClientCertificates.optional(trusted), .required(trusted)] {
      let pair = try pair(server: { $0.clientCertificates = demand }, client: { $0.identity = stranger.identity })
      #expect(pair.serverError?.tlsFailure == .certificate(.selfSigned))
      #expect(pair.clientError?.tlsFailure == .certificateRejected)
    }
    let none = try pair(server: { $0.clientCertificates = .optional(trusted) })
    #expect(isJoined(none))
    #expect(none.server.peerCertificate == nil)
    let missing = try pair(server: { $0.clientCertificates = .required(trusted) })
    #expect(missing.serverError?.tlsFailure == .certificateRequired)
    #expect(missing.clientError?.tlsFailure == .certificateRequired)
  }

  // MARK: What is spoken

  @Test func versions() throws {
    let old = try pair(client: { $0.maximumVersion = .tls12 })
    #expect(old.client.version == "TLSv1.2")
    let nothing = try pair(server: { $0.maximumVersion = .tls12 }, client: { $0.minimumVersion = .tls13 })
    #expect(nothing.clientError?.tlsFailure == .version)
    #expect(nothing.serverError?.tlsFailure == .version)
    var options = TLSContext.ClientOptions()
    options.minimumVersion = .tls13
    options.maximumVersion = .tls12
    #expect(throws: ConnectionError.self) { try TLSContext.client(options) }
  }

  @Test func ciphersAndGroups() throws {
    let nothing = try pair(
      server: { $0.cipherSuites = "TLS_AES_256_GCM_SHA384" }, client: { $0.cipherSuites = "TLS_AES_128_GCM_SHA256" })
    // TLS 1.2 would do, but only where the client speaks no 1.3.
    #expect(nothing.clientError?.tlsFailure == .parameters)
    let groups = try pair(server: { $0.groups = "P-521" }, client: { $0.groups = "X25519" })
    #expect(groups.clientError?.tlsFailure == .parameters)
    #expect(try isJoined(pair(server: { $0.groups = "P-384" }, client: { $0.groups = "X25519:P-384" })))
    let wrong: [(inout TLSContext.ClientOptions) -> Void] = [
      { $0.ciphers = "no-such-cipher" }, { $0.cipherSuites = "no-such-suite" }, { $0.groups = "no-such-group" },
      { $0.applicationProtocols = [""] }, { $0.applicationProtocols = [String(repeating: "x", count: 256)] },
      { $0.keyLogFile = "/nowhere/keys" }, { $0.revocationListFile = "/nowhere.pem" },
      { $0.trust = .folder("/nowhere") },
    ]
    for change in wrong {
      var options = TLSContext.ClientOptions()
      change(&options)
      let error = #expect(throws: ConnectionError.self) { try TLSContext.client(options) }
      #expect(error?.tlsFailure == .configuration, "\(String(describing: error))")
    }
  }

  @Test func whatCannotBeUsedIsFreed() throws {
    try #require(ContextCounter.isInstalled)
    let counter = ContextCounter()
    ContextCounter.$current.withValue(counter) {
      let wrong: [(inout TLSContext.ClientOptions) -> Void] = [
        { $0.applicationProtocols = [""] }, { $0.keyLogFile = "/nowhere/keys" }, { $0.ciphers = "no-such-cipher" },
      ]
      for change in wrong {
        var options = TLSContext.ClientOptions()
        change(&options)
        #expect(throws: ConnectionError.self) { try TLSContext.client(options) }
      }
      let wrongServer: [(inout TLSContext.ServerOptions) -> Void] = [
        { $0.applicationProtocols = [""] }, { $0.keyLogFile = "/nowhere/keys" }, { $0.ciphers = "no-such-cipher" },
      ]
      for change in wrongServer {
        var options = TLSContext.ServerOptions(identity: certificate.identity)
        change(&options)
        #expect(throws: ConnectionError.self) { try TLSContext.server(options) }
      }
    }
    let (made, left) = counter.counts
    #expect(made >= 2 && left == 0, "\(left) of \(made)")
  }

  @Test func applicationProtocols() throws {
    let imap = try pair(
      server: { $0.applicationProtocols = ["imap"] }, client: { $0.applicationProtocols = ["http/1.1", "imap"] })
    #expect(imap.client.applicationProtocol == "imap")
    #expect(imap.server.applicationProtocol == "imap")
    let ignored = try pair(client: { $0.applicationProtocols = ["imap"] })
    #expect(isJoined(ignored))
    #expect(ignored.client.applicationProtocol == nil)
    let silent = try pair(server: { $0.applicationProtocols = ["imap"] })
    #expect(isJoined(silent))
    #expect(silent.client.applicationProtocol == nil)
    let other = try pair(
      server: { $0.applicationProtocols = ["imap"] }, client: { $0.applicationProtocols = ["http/1.1"] })
    #expect(other.clientError?.tlsFailure == .applicationProtocol)
  }

  @Test func keyLog() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    for _ in 0..<2 { #expect(try isJoined(pair(client: { $0.keyLogFile = path }))) }
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("CLIENT_TRAFFIC_SECRET_0 ") } == 2)
    #expect(lines.allSatisfy { $0.split(separator: " ").count == 3 })
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func passphrases() throws {
    let encrypted = try encryptedKey(certificate)
    #expect(encrypted.contains("ENCRYPTED"))
    func load(_ passphrase: TLSContext.Passphrase?) throws {
      _ = try TLSContext.server(
        identity: .pem(certificate: certificate.certificatePEM, key: encrypted, passphrase: passphrase))
    }
    #expect(throws: Never.self) { try load(.secret(Secret("opens it"))) }
    #expect(throws: Never.self) { try load(.callback { Secret("opens it") }) }
    let wrong: [TLSContext.Passphrase?] = [
      nil, .callback { nil }, .secret(Secret("")), .secret(Secret("wrong")),
      .secret(Secret([UInt8](repeating: 7, count: 100_000))),
    ]
    for passphrase in wrong {
      let error = #expect(throws: ConnectionError.self) { try load(passphrase) }
      #expect(error?.transportMessage.contains("passphrase") == true, "\(String(describing: error))")
    }
  }

  private func encryptedKey(_ certificate: SelfSignedCertificate) throws -> String {
    let (input, output) = unsafe (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
    let pem = Array(certificate.privateKeyPEM.utf8)
    unsafe BIO_write(input, pem, Int32(pem.count))
    let key = unsafe PEM_read_bio_PrivateKey(input, nil, nil, nil)
    defer {
      unsafe BIO_free(input)
      unsafe BIO_free(output)
      unsafe EVP_PKEY_free(key)
    }
    let passphrase = Array("opens it".utf8).map { CChar($0) }
    let status = unsafe PEM_write_bio_PKCS8PrivateKey(
      output, key, EVP_aes_256_cbc(), passphrase, Int32(passphrase.count), nil, nil)
    try #require(status == 1)
    var text = [UInt8](repeating: 0, count: 16 * 1024)
    let count = unsafe BIO_read(output, &text, Int32(text.count))
    return String(decoding: text.prefix(Int(count)), as: UTF8.self)
  }
}

/// Counts the contexts of OpenSSL that are made and freed while it is ``current``.
private final class ContextCounter: Sendable {
  @TaskLocal static var current: ContextCounter?

  /// Whether OpenSSL tells of them.
  static let isInstalled =
    unsafe CRYPTO_get_ex_new_index(
      CRYPTO_EX_INDEX_SSL_CTX, 0, nil,
      { _, _, _, _, _, _ in
        current?.state.withLock {
          $0.made += 1
          $0.left += 1
        }
      }, nil, { _, _, _, _, _, _ in current?.state.withLock { $0.left -= 1 } }) > 0

  private let state = Mutex((made: 0, left: 0))

  var counts: (made: Int, left: Int) { state.withLock { $0 } }
}
