import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Other ways to a server than TCP, and the tool on them.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TransportInteropTests {
  /// What `IMAP4_stream` is for: a server that knows from its environment who asks.
  @Test func dovecotOnItsStandardInput() async throws {
    let server = try DovecotServer()
    let loop = try EventLoop.start()
    let client = try await IMAPClient.connect(.init(transport: .command(server.preauthenticated("joe"))), on: loop)
    #expect(await client.greeting?.condition == .preauth)
    #expect(await client.phase == .authenticated)
    let text = Array("Subject: by a pipe\r\n\r\n".utf8) + [UInt8](repeating: 0x61, count: 200_000)
    _ = try await client.append(text, to: .inbox)
    let inbox = try await client.select(.inbox)
    #expect(inbox.exists == 1)
    let messages = try await client.fetch(.sequence(.all), [.uid, .rfc822Size])
    #expect(messages.count == 1)
    await client.logout()
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
  }

  /// The tool's own command, and the key of the configuration file, as text and as IMAPClient has it.
  @Test func theToolRunsACommand() async throws {
    let server = try DovecotServer()
    let line = server.preauthenticated("joe").line
    let direct = try await Tool.run(["list", "--json", "--stream", line])
    #expect(direct.status == 0, "\(direct.error)")
    #expect(direct.output.contains("INBOX"), "\(direct.output)")
    let folder = try TemporaryFolder()
    let config = try folder.write(
      "config",
      """
      [text]
      stream = \(line)
      [switch]
      host = \(line)
      stream = yes
      [off]
      host = 127.0.0.1
      port = 1
      username = joe
      password = x
      stream = false
      """)
    for account in ["text", "switch"] {
      let result = try await Tool.run(["list", "--json", "--config", config, "--account", account])
      #expect(result.status == 0, "\(result.error)")
      #expect(result.output == direct.output)
    }
    let off = try await Tool.run(["list", "--config", config, "--account", "off"])
    #expect(off.error.contains("cannot connect to 127.0.0.1"), "\(off.error)")
  }

  @Test func theToolSaysWhatIsWrong() async throws {
    let ended = try await Tool.run(["list", "--stream", "exit 7"])
    #expect(ended.error.contains("exit ended with exit status 7 before it said anything"), "\(ended.error)")
    // Neither the option nor the environment is told: both may hold a password.
    for line in ["false --password=s3cret", "PASSWORD=s3cret false"] {
      for arguments in [["--stream", line], []] {
        let failed = try await Tool.run(
          ["list", "--verbose", "--user", "joe"] + arguments,
          environment: arguments.isEmpty ? ["IMAP_STREAM": line] : [:])
        #expect(failed.error.contains("false ended with exit status 1"), "\(failed.error)")
        #expect(!failed.error.contains("s3cret"), "\(failed.error)")
      }
    }
    let silent = try await Tool.run(["list", "--stream", "PASSWORD=s3cret printf '* BYE no\\r\\n' s3cret"])
    #expect(silent.error.contains("printf") && !silent.error.contains("s3cret"), "\(silent.error)")
    let missing = try await Tool.run(["list", "--socket", "/no/such/socket"])
    #expect(missing.error.contains("/no/such/socket"), "\(missing.error)")
    let nobody = try await Tool.run([
      "list", "--stream", "printf '* OK [CAPABILITY IMAP4rev1] hm\\r\\n'; cat > /dev/null",
    ])
    #expect(nobody.error.contains("give --user"), "\(nobody.error)")
    let both = try await Tool.run(["list", "--stream", "a", "--socket", "b"])
    #expect(both.error.contains("--stream or by --socket"), "\(both.error)")
    let url = try await Tool.run(["list", "--host", "h", "--proxy", "ftp://user:hidden@h"])
    #expect(url.error.contains("socks5://host:1080") && !url.error.contains("hidden@"), "\(url.error)")
  }

  @Test func theToolGoesThroughAProxy() async throws {
    let server = try await IMAPTestServer.start()
    let port = try #require(server.tlsPort)
    // What a SOCKS5 proxy answers to each message.
    let proxy = try CuttingProxy(target: port, answers: [[5, 0], [5, 0, 0, 1, 127, 0, 0, 1, 0, 0]])
    proxy.cut(after: .max)
    let imap = try ToolAccount(server)
    // Only the proxy knows the port, so this cannot have gone past it.
    let result = try await imap("list", "--proxy", "socks5://127.0.0.1:\(proxy.port)", "--port", "1")
    #expect(result.status == 0, "\(result.error)")
    #expect(result.output.contains("INBOX"))
    proxy.stop()
    let refused = try await imap("list", "--proxy", "http://127.0.0.1:1")
    #expect(refused.error.contains("proxy http://127.0.0.1:1: "), "\(refused.error)")
    await server.shutdown()
  }
}

extension TransportInteropTests {
  /// A proxy with TLS that the system does not trust: here a server of IMAP, which is reached when its certificate is taken, and
  /// speaks no HTTP.
  @Test func theToolTrustsAProxyByItsFile() async throws {
    let server = try await IMAPTestServer.start()
    let imap = try ToolAccount(server)
    let authority = try imap.folder.write("proxy.pem", server.certificatePEM)
    let proxy = ["--proxy", "https://localhost:\(try #require(server.tlsPort))"]
    func list(_ arguments: [String], _ variables: [String: String] = [:]) async throws -> Tool.Result {
      try await Tool.run(["list"] + arguments, environment: imap.environment.merging(variables) { $1 })
    }
    let unknown = try await list(proxy)
    #expect(unknown.status == 69)
    #expect(unknown.error.contains("give its authority with --proxy-ca-file"), "\(unknown.error)")
    let known = [
      try await list(proxy + ["--proxy-ca-file", authority]), try await list(proxy, ["IMAP_PROXY_CA_FILE": authority]),
    ]
    for result in known {
      #expect(result.status == 69)
      #expect(result.error.contains("check --proxy"), "\(result.error)")
      #expect(!result.error.contains("--proxy-ca-file"), "\(result.error)")
    }
    let missing = try await list(proxy + ["--proxy-ca-file", "/no/such"])
    #expect(missing.status == 74)
    #expect(missing.error.contains("cannot read /no/such, which --proxy-ca-file"), "\(missing.error)")
    // It would not be looked at.
    for other in [[], ["--proxy", "http://localhost:1"], ["--proxy", "socks5://localhost:1"]] {
      let result = try await list(other + ["--proxy-ca-file", authority])
      #expect(result.status == 64)
      #expect(result.error.contains("--proxy-ca-file is for a proxy whose URL starts with https://"), "\(result.error)")
    }
    await server.shutdown()
  }
}

extension Transport.Command {
  /// As a line for a shell. The words have nothing that one would take for something else.
  fileprivate var line: String { ([executable] + arguments).joined(separator: " ") }
}
