import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What is asked on the terminal: the terminal is afterwards what it was before, also where a signal comes.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandLinePromptTests {
  private static let account = ["list", "--host", "127.0.0.1", "--port", "1", "--user", "joe"]

  /// What ends a question.
  enum End: CaseIterable, Sendable {
    case interrupt, terminate, hangUp, twoSignals, key, endOfInput

    func come(_ terminal: Terminal) {
      switch self {
      case .interrupt: terminal.signal(SIGINT)
      case .terminate: terminal.signal(SIGTERM)
      case .hangUp: terminal.signal(SIGHUP)
      case .twoSignals: for _ in 0..<2 { terminal.signal(SIGTERM) }
      case .key: terminal.send("sec\u{3}")
      case .endOfInput: terminal.send("\u{4}")
      }
    }
  }

  private static func expectInterrupted(_ terminal: Terminal, by end: End) async {
    let (output, status) = await terminal.end()
    #expect(status == 130, "\(output)")
    let lines = output.split(separator: "\r\n").filter { $0.hasSuffix("imap: interrupted") }
    // The second signal may come when that has been said.
    #expect(end == .twoSignals ? !lines.isEmpty : lines.count == 1, "\(output)")
    #expect(terminal.showsKeys)
  }

  @Test(arguments: End.allCases) func theTerminalIsAsItWas(_ end: End) async throws {
    let terminal = try Terminal(Self.account + ["--tls", "none"], environment: [:])
    try await terminal.wait(for: "Password of joe at 127.0.0.1: ")
    #expect(!terminal.showsKeys)
    end.come(terminal)
    await Self.expectInterrupted(terminal, by: end)
  }

  @Test(arguments: End.allCases) func soItIsBehindAPassphrase(_ end: End) async throws {
    let folder = try TemporaryFolder()
    let (key, certificate) = (folder.path + "/key.pem", folder.path + "/certificate.pem")
    _ = try await TestAuthority.openssl([
      "req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=joe",
      "-passout", "pass:secret",
    ])
    let terminal = try Terminal(
      Self.account + ["--client-cert", certificate, "--client-key", key], environment: ["IMAP_PASSWORD": "secret"])
    try await terminal.wait(for: "Passphrase of \(key): ")
    #expect(!terminal.showsKeys)
    end.come(terminal)
    await Self.expectInterrupted(terminal, by: end)
  }

  /// What is typed is what is sent, behind what was corrected.
  @Test func whatIsTyped() async throws {
    let (logins, login) = AsyncStream.makeStream(of: String.self)
    let server = try FunctionServer(greeting: "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n") { line in
      guard line.hasSuffix("\r\n"), let tag = line.split(separator: " ").first else { return nil }
      if line.contains("AUTHENTICATE") { login.yield(String(line.dropLast().split(separator: " ").last ?? "")) }
      if line.contains("LOGOUT") { return "* BYE\r\n\(tag) OK\r\n" }
      return "\(tag) OK\r\n"
    }
    defer { server.end() }
    let terminal = try Terminal(
      ["list", "--host", "127.0.0.1", "--port", "\(server.port)", "--user", "joe", "--tls", "none"], environment: [:])
    try await terminal.wait(for: "Password of joe at 127.0.0.1: ")
    terminal.send("wrong\u{15}seé\u{7f}cret\r")
    var sent = ""
    for await text in logins {
      sent = text
      break
    }
    let (output, status) = await terminal.end()
    #expect(status == 0 && !output.contains("cret"), "\(output)")
    #expect(sent == Data("\0joe\0secret".utf8).base64EncodedString())
    #expect(terminal.showsKeys)
  }
}
