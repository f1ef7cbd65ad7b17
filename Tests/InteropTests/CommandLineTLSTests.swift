import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

@testable import imap

/// What the tool can be told about TLS, by options and by the configuration file.
@Suite(.timeLimit(.minutes(2))) struct CommandLineTLSTests {
  /// A server that only takes clients with `client`'s certificate, and is not called `localhost`.
  private func withServer(
    _ body: (_ server: [String], _ folder: TemporaryFolder) async throws -> Void
  ) async throws {
    let folder = try TemporaryFolder()
    let client = try SelfSignedCertificate.generate(hosts: ["user"])
    try folder.write("client.pem", client.certificatePEM)
    try folder.write("client.key", client.privateKeyPEM)
    try folder.write("both.pem", client.certificatePEM + client.privateKeyPEM)
    var configuration = IMAPTestServer.Configuration()
    let own = try SelfSignedCertificate.generate(hosts: ["mail.example.org"])
    try folder.write("ca.pem", own.certificatePEM)
    configuration.certificate = own
    configuration.clientCertificates = .required(.pem(client.certificatePEM))
    let server = try await IMAPTestServer.start(configuration)
    let port = try #require(server.tlsPort)
    let result: Result<Void, any Error>
    do {
      result = .success(
        try await body(["--host", "localhost", "--port", "\(port)", "--user", "user", "--password-stdin"], folder))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  @Test func everyOption() async throws {
    try await withServer { server, folder in
      func file(_ name: String) -> String { "\(folder.path)/\(name)" }
      func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Tool.Result {
        try await Tool.run(["status"] + server + arguments, input: "password\n", environment: environment)
      }
      let fingerprint = try await TestAuthority.openssl(
        ["x509", "-in", file("ca.pem"), "-noout", "-fingerprint", "-sha256"])
      let pin = try #require(fingerprint.split(separator: "=").last).trimmingCharacters(in: .whitespacesAndNewlines)
      let trusted = ["--ca-file", file("ca.pem")]
      let shown = ["--client-cert", file("client.pem"), "--client-key", file("client.key")]
      let unnamed = ["--no-check-hostname"]
      let wrong = "sha256/" + String(repeating: "A", count: 43)

      let accepted = [
        trusted + shown + unnamed, trusted + ["--client-cert", file("both.pem")] + unnamed,
        ["--insecure"] + shown, ["--insecure", "--pin", pin] + shown,
        trusted + shown + unnamed + ["--pin", wrong, "--pin", pin, "--tls-min", "1.3", "--key-log", file("keys")],
      ]
      for arguments in accepted {
        let result = try await run(arguments)
        #expect(result.status == 0, "\(arguments): \(result.error)")
        #expect(result.output.hasPrefix("INBOX\t"), "\(result.output)")
      }
      let keys = String(decoding: try #require(folder.bytes("keys")), as: UTF8.self)
      #expect(keys.contains("CLIENT_TRAFFIC_SECRET_0 "))

      let refused: [(arguments: [String], status: Int32, says: String)] = [
        (trusted + shown, 76, "--no-check-hostname"), (shown + unnamed, 76, "--ca-file"),
        (trusted + unnamed, 76, "--client-cert"), (trusted + shown + unnamed + ["--pin", wrong], 76, "--pin"),
        (["--insecure", "--pin", wrong] + shown, 76, "--pin"),
        (trusted + shown + unnamed + ["--crl", file("none")], 74, "--crl"),
        (trusted + shown + unnamed + ["--crl", file("ca.pem")], 74, "no revocation list"),
        (trusted + ["--client-cert", file("none")], 74, "--client-cert"),
        (trusted + ["--client-cert", file("client.pem")], 74, "private key"),
        (["--ca-path", file("none")] + shown, 74, "--ca-path"),
      ]
      for entry in refused {
        let result = try await run(entry.arguments)
        #expect(result.status == entry.status, "\(entry.arguments): \(result.error)")
        #expect(result.error.contains(entry.says), "\(entry.arguments): \(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      }
      for arguments in [["--pin", "sha1/x"], ["--tls-min", "1.1"], ["--client-key", file("client.key")]] {
        #expect(try await run(arguments).status == 64)
      }

      let config = try folder.write(
        "config",
        """
        [a]
        ssl_ca_file = \(file("ca.pem"))
        ssl_check_hostname = no
        ssl_client_cert = \(file("client.pem"))
        ssl_client_key = \(file("client.key"))
        ssl_pin = \(wrong), \(pin)
        ssl_min_version = 1.3
        """)
      #expect(try await run(["--config", config, "-a", "a"]).status == 0)
      #expect(try await run(["--config", config, "-a", "a"], environment: ["IMAP_SSL_PIN": wrong]).status == 76)
      #expect(try await run(["--config", config, "-a", "a", "--pin", wrong]).status == 76)
    }
  }

  /// Whoever asks for a protection counts on it.
  @Test func noProtectionIsIgnored() async throws {
    let folder = try TemporaryFolder()
    let pin = "sha256/" + String(repeating: "A", count: 43)
    let plain = try folder.write("config", "[a]\nhost = 127.0.0.1\nport = 1\nusername = joe\nssl = no\n")
    let server = ["--host", "127.0.0.1", "--port", "1", "--user", "joe"]
    let cases: [(arguments: [String], says: String)] = [
      (server + ["--tls", "none", "--pin", pin], "--pin protects nothing without TLS"),
      (server + ["--tls", "none", "--ca-file", "x"], "--ca-file protects nothing without TLS"),
      (server + ["--tls", "none", "--ca-path", "x"], "--ca-path protects nothing without TLS"),
      (server + ["--tls", "none", "--crl", "x"], "--crl protects nothing without TLS"),
      (server + ["--tls", "none", "--tls-min", "1.3"], "--tls-min protects nothing without TLS"),
      (server + ["--tls", "none", "--client-cert", "x"], "--client-cert protects nothing without TLS"),
      (["--config", plain, "-a", "a", "--pin", pin], "--pin protects nothing without TLS"),
      (["--stream", "cat", "--pin", pin], "--pin protects nothing without TLS"),
      (server + ["--insecure", "--ca-file", "x"], "--ca-file counts for nothing"),
      (server + ["--insecure", "--ca-path", "x"], "--ca-path counts for nothing"),
      (server + ["--insecure", "--pin", pin, "--crl", "x"], "--crl counts for nothing"),
    ]
    for entry in cases {
      let result = try await Tool.run(["list"] + entry.arguments, environment: ["IMAP_PASSWORD": "secret"])
      #expect(result.status == 64, "\(entry.arguments): \(result.error)")
      #expect(result.error.hasPrefix("imap: \(entry.says)"), "\(entry.arguments): \(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    }
    // What protects nothing is left out by a file that says so, and what a file says by an option.
    let both = try folder.write("both", "[a]\nhost = 127.0.0.1\nport = 1\nusername = joe\nssl_pin = \(pin)\n")
    for option in [["--tls", "none"], ["--insecure"], ["--tls", "none", "--insecure"]] {
      let result = try await Tool.run(
        ["list", "--config", both, "-a", "a"] + option, environment: ["IMAP_PASSWORD": "secret"])
      #expect(result.status == 69, "\(result.error)")
    }
  }

  /// What the file says of its own host is not for others.
  @Test func thoseOfTheFileAreForItsHost() throws {
    let pin = String(repeating: "ab", count: 32)
    let file: [AccountKey: String] = [
      .host: "h", .username: "u", .sslCheckHostname: "no", .sslPin: pin, .sslClientCert: "c", .sslMinVersion: "1.3",
    ]
    func options(_ option: [AccountKey: String]) throws -> TLSContext.ClientOptions {
      try Account([Account.Layer(values: option), Account.Layer(values: file)], file: 1, hint: "the file").tls
    }
    let known = try #require(TLSPin(pin))
    let own = try options([:])
    #expect(!own.checksHost && own.pins == [known] && own.identity != nil)
    let other = try options([.host: "other"])
    #expect(other.checksHost && other.pins.isEmpty && other.identity == nil && other.minimumVersion == .tls13)
    let user = try options([.username: "other"])
    #expect(!user.checksHost && user.identity == nil)
    #expect(try options([.sslVerifyCert: "no"]).trust == .pinsOnly)
    #expect(try options([.sslVerifyCert: "no", .host: "other"]).trust == .insecure)
    for (key, value) in [(AccountKey.sslPin, "x"), (.sslMinVersion, "1.1"), (.sslCheckHostname, "maybe")] {
      #expect(key.complaint(value)?.contains(key.rawValue) == true)
    }
  }
}
