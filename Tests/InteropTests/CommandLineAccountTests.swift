import Foundation
import IMAPTestServer
import Testing

@testable import imap

/// Where `imap` has its account from: the command line, the environment, the configuration file.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CommandLineAccountTests {
  private func withServer(_ body: (_ port: UInt16, _ folder: TemporaryFolder, _ authority: String) async throws -> Void)
    async throws
  {
    let server = try await IMAPTestServer.start()
    let folder = try TemporaryFolder()
    let result: Result<Void, any Error>
    do {
      let authority = try folder.write("ca.pem", server.certificatePEM)
      result = .success(try await body(try #require(server.tlsPort), folder, authority))
    } catch {
      result = .failure(error)
    }
    await server.shutdown()
    try result.get()
  }

  /// Each account is another way to say the same.
  @Test func everyWayToNameAnAccount() async throws {
    try await withServer { port, folder, authority in
      try folder.write("secret", "password\n")
      let config = try folder.write(
        "config",
        """
        # Accounts
        [DEFAULT]
        host: localhost
        port = \(port)
        ssl_ca_file = \(authority)

        [plain]
        username = user
        password = password
        ; Python's way to go on
        [command]
        username = user
        password_command = cat
            '\(folder.path)/secret'
        [booleans]
        username = user
        password = password
        ssl = ON
        starttls = 0
        ssl_check_hostname = Yes
        ssl_verify_cert = true
        timeout = 7.5
        compress = yes
        oauth2 = no
        expect_failure = ignored
        [insecure]
        username = user
        password = password
        ssl_ca_file = /no/such/file
        ssl_verify_cert = off
        [nobody]
        username = user
        """)
      func status(_ arguments: [String], _ environment: [String: String] = [:]) async throws -> Int32 {
        let result = try await Tool.run(
          ["status", "--config", config] + arguments, environment: environment)
        if result.status == 0 { #expect(result.output.hasPrefix("INBOX\t"), "\(result.output)") }
        #expect(!(result.error + result.output).contains("password ="), "\(result.error)")
        return result.status
      }
      #expect(try await status(["--account", "plain"]) == 0)
      #expect(try await status(["-a", "command"]) == 0)
      #expect(try await status(["-a", "booleans"]) == 0)
      #expect(try await status(["-a", "insecure"]) == 0)
      #expect(try await status([], ["IMAP_ACCOUNT": "plain"]) == 0)
      // Nobody has said a password: there is no terminal to ask on.
      #expect(try await status(["-a", "nobody"]) == 64)
      #expect(try await status(["-a", "nobody"], ["IMAP_PASSWORD": "password"]) == 0)
      #expect(try await status(["-a", "nobody"], ["imapclient_password": "password"]) == 0)
      #expect(try await status(["-a", "nobody"], ["IMAP_PASSWORD_COMMAND": "echo password"]) == 0)
      // The command line wins over the environment, and that over the file.
      #expect(try await status(["-a", "plain"], ["IMAP_PASSWORD": "wrong"]) == 77)
      #expect(
        try await status(["-a", "plain", "--password-file", folder.path + "/secret"], ["IMAP_PASSWORD": "wrong"]) == 0)
      #expect(try await status(["-a", "plain"], ["IMAP_PORT": "1"]) == 69)
      #expect(try await status(["-a", "plain", "--port", "\(port)"], ["IMAP_PORT": "1"]) == 0)
      #expect(try await status(["-a", "plain"], ["imapclient_port": "1", "IMAP_PORT": "\(port)"]) == 0)
      #expect(try await status(["-a", "insecure", "--ca-file", authority]) == 0)
      // No file at all.
      let environment = [
        "IMAP_HOST": "localhost", "IMAP_PORT": "\(port)", "IMAP_USERNAME": "user", "IMAP_PASSWORD": "password",
        "IMAP_SSL_CA_FILE": authority,
      ]
      let result = try await Tool.run(["status", "--json"], environment: environment)
      #expect(result.status == 0, "\(result.error)")
      #expect(result.objects.first?["mailbox"] as? String == "INBOX")
    }
  }

  /// An address that is not this machine's cannot be connected from: so it is known that the one that is named is used.
  @Test func connectsFromTheAddressThatIsNamed() async throws {
    try await withServer { port, folder, authority in
      let account = """
        [DEFAULT]
        host = localhost
        port = \(port)
        ssl_ca_file = \(authority)
        username = user
        password = password
        local_address =
        """
      let config = try folder.write("config", account + " 127.0.0.9, ::1\n")
      func run(_ arguments: [String] = [], _ environment: [String: String] = [:]) async throws -> (Int32, String) {
        let result = try await Tool.run(["status", "--config", config] + arguments, environment: environment)
        return (result.status, result.error)
      }
      #expect(try await run().0 == 0)
      for (arguments, environment) in [
        (["--local-address", "192.0.2.1"], [:]), ([], ["IMAP_LOCAL_ADDRESS": "192.0.2.1"]),
      ] as [([String], [String: String])] {
        let (status, error) = try await run(arguments, environment)
        #expect(status == 69)
        #expect(error.contains("this machine has no address 192.0.2.1"), "\(error)")
      }
      #expect(try await run(["--local-address", "eth0"]).0 == 64)
      #expect(try await run([], ["IMAP_LOCAL_ADDRESS": "eth0"]).0 == 78)
      try folder.write("config", account + " 192.0.2.1\n")
      #expect(try await run().0 == 69)
      try folder.write("config", account + " eth0\n")
      let (status, error) = try await run()
      #expect(status == 78)
      #expect(error.contains(":7: local_address: write addresses of this machine in numbers"), "\(error)")
    }
  }

  /// What is said closer to the command wins, be it a password or a token.
  @Test func whichCredentials() throws {
    let base: [AccountKey: String] = [.host: "h", .username: "u"]
    func kind(_ layers: [AccountKey: String]..., host: String? = nil) throws -> String {
      let options = host.map { [Account.Layer(values: [.host: $0])] } ?? []
      let file = (layers + [base]).map { Account.Layer(values: $0) }
      let account = try Account(options + file, file: file.count, hint: "the file")
      return switch account.credentials {
      case .password: "password"
      case .passwordCommand(let command): command
      case .tokenCommand(let command): "token \(command)"
      case .refreshToken(let refresh): refresh.url
      case .prompt: account.tls.trust == .insecure ? "prompt, insecure" : "prompt"
      case .passwordFile, .standardInput: "other"
      }
    }
    #expect(try kind([:]) == "prompt")
    #expect(try kind([.password: "x"], [.passwordCommand: "c"]) == "password")
    #expect(try kind([.passwordCommand: "c"], [.password: "x"]) == "c")
    #expect(try kind([.oauth2: "no", .password: "x"], [.passwordCommand: "c", .oauth2: "yes"]) == "password")
    #expect(try kind([.oauth2: "off"], [.oauth2Command: "t"], [.passwordCommand: "c"]) == "c")
    #expect(try kind([.oauth2: "on"], [.password: "x"], [.oauth2Command: "t"]) == "token t")
    #expect(try kind([.oauth2Command: "t"], [.password: "x"]) == "token t")
    #expect(try kind([.password: "x"], [.oauth2: "on", .oauth2Command: "t"]) == "password")
    let refresh: [AccountKey: String] = [
      .oauth2: "1", .oauth2ClientID: "i", .oauth2ClientSecret: "s", .oauth2TokenURL: "https://x/",
    ]
    #expect(try kind(refresh, [.oauth2RefreshToken: "r"]) == "https://x/")
    #expect(throws: Failure.self) { try kind(refresh) }
    #expect(try kind([.password: "x", .sslVerifyCert: "no"], host: "other") == "prompt")
    #expect(try kind([.sslVerifyCert: "no"], host: "H") == "prompt, insecure")
  }

  @Test func whetherToCompress() throws {
    func compresses(_ values: [AccountKey: String]...) throws -> Bool {
      let base: [AccountKey: String] = [.host: "h", .username: "u", .password: "x"]
      return try Account((values + [base]).map { Account.Layer(values: $0) }, file: 1, hint: "the file").compresses
    }
    #expect(try !compresses([:]))
    #expect(try compresses([.compress: "yes"]))
    #expect(try compresses([.compress: "on"], [.compress: "no"]))
    #expect(try !compresses([.compress: "0"], [.compress: "1"]))
    #expect(AccountKey.compress.complaint("perhaps")?.hasPrefix("compress = perhaps: write 1") == true)
    #expect(AccountKey.compress.variables == ["IMAP_COMPRESS", "imapclient_compress"])
  }

  @Test func fileAtItsUsualPlace() async throws {
    try await withServer { port, folder, authority in
      let text = """
        [DEFAULT]
        host = localhost
        port = \(port)
        username = user
        password_command = echo password
        ssl_ca_file = \(authority)
        """
      for (name, variable, place) in [
        ("xdg", "XDG_CONFIG_HOME", "xdg/imap"), ("home", "HOME", "home/.config/imap"),
      ] {
        try FileManager.default.createDirectory(
          atPath: "\(folder.path)/\(place)", withIntermediateDirectories: true)
        try folder.write("\(place)/config", text)
        let shell = [
          "-c",
          "unset IMAP_CONFIG XDG_CONFIG_HOME; \(variable)='\(folder.path)/\(name)'; export \(variable); exec \"$0\" status",
          Tool.executable.path,
        ]
        let running = try Tool.Running(shell, program: URL(fileURLWithPath: "/bin/sh"))
        running.closeInput()
        let result = await running.result()
        #expect(result.status == 0, "\(name): \(result.error)")
      }
    }
  }

  /// Everything that is wrong with a file is told at once, by line, and no secret with it.
  @Test func wrongFiles() async throws {
    let folder = try TemporaryFolder()
    let config = try folder.write(
      "config",
      """
      host = too.early
      [DEFAULT]
      port = 99999
      ssl = maybe
      hosts = x
      hunter2
      [work
      username = lost
      [a]
      timeout = -1
      password = hunter3
      password_command = echo
      username =
      ssl_check_hostname = maybe
      [a]
      [b]
      ssl = yes
      starttls = yes
      port = 1
      port = 2
      """)
    let result = try await Tool.run(["status", "--config", config, "-a", "a"])
    #expect(result.status == 78)
    let lines = result.error.split(separator: "\n").map { String($0) }
    let expected = [
      "1: host stands before the first section", "3: port: write", "4: ssl: write", "5: unknown key hosts",
      "6: this is neither", "7: [work: a section", "10: timeout: write",
      "12: [a] has both password and password_command",
      "13: username has no value", "14: ssl_check_hostname: write", "15: [a] comes twice",
      "18: [b] has ssl and starttls",
      "20: port stands in line 19",
    ]
    for text in expected {
      #expect(lines.contains { $0.hasPrefix("imap: \(config):\(text)") }, "\(text): \(result.error)")
    }
    #expect(lines.count == expected.count, "\(result.error)")
    #expect(!result.error.contains("hunter"))
    #expect(result.output.isEmpty)
  }

  /// Line ends of other systems, a byte order mark, and keys that are indented: all of them are files as Python reads them.
  @Test(arguments: ["\n", "\r\n", "\r"], ["", "\u{feff}"])
  func filesOfOtherSystems(_ end: String, _ mark: String) throws {
    let lines = [
      "; first", "[DEFAULT]", "  timeout = 5", "", "  [work]", "  host = a", "  password = hunter2", "",
      "  mailbox = b", "    # a comment", "    c", "", "   d", "[home]", "host = e", " ", "username = joe", "\tsmith",
    ]
    let folder = try TemporaryFolder()
    let path = try folder.write("config", mark + lines.joined(separator: end) + end)
    let (file, complaints) = try ConfigurationFile.load(path)
    #expect(complaints.all.isEmpty, "\(complaints)")
    #expect(file.defaults == [.timeout: "5"])
    #expect(file.names == ["work", "home"])
    #expect(file.lines == ["work": 5, "home": 14])
    #expect(file.accounts["work"] == [.host: "a", .password: "hunter2", .mailbox: "b c d"])
    #expect(file.accounts["home"] == [.host: "e", .username: "joe smith"])
  }

  /// Whatever is wrong with a file, what may be a password is not shown.
  @Test(arguments: [
    "[work]\r\nhost = a b\r\nport = hunter2\r\npassword = hunter2\r\n", "[work] password = hunter2\n",
    "[work password=hunter2\n", "[work]\nhost = a\n  password = hunter2\n", "[work]\nport = 993\n  hunter2\n",
    "[work]\npassword = a\nhunter2=\n", "[work]\npassword = a\nhunter2\n", "[work]\nssl_pin = hunter2\n",
    "[work]\nhunter2 : x\n", "password = hunter2\n", "[work]x]hunter2]\n", "[work]\nlocal_address = hunter2\n",
    "[work]\nproxy = hunter2\n", "[work]\noauth2_token_url = hunter2\n",
  ])
  func wrongFilesShowNoValue(_ text: String) async throws {
    let folder = try TemporaryFolder()
    let config = try folder.write("config", text)
    for arguments in [["status", "--config", config, "-a", "work"], ["watch", "--accounts", config]] {
      let result = try await Tool.run(arguments)
      #expect(result.status == 78, "\(result.error)")
      #expect(result.error.contains("\(config):"), "\(result.error)")
      #expect(!result.error.contains("hunter2"), "\(result.error)")
      #expect(result.output.isEmpty)
    }
  }

  @Test func whatCannotBeFound() async throws {
    let folder = try TemporaryFolder()
    let config = try folder.write("config", "[work]\nhost = localhost\n[home]\nhost = localhost\n")
    let cases: [(arguments: [String], environment: [String: String], status: Int32, says: String)] = [
      (["--config", "/no/such/file"], [:], 74, "/no/such/file"),
      (["--config", config, "-a", "wrok"], [:], 78, "there are work, home"),
      (["-a", "work"], [:], 78, "--config"),
      (["--config", config], [:], 64, "work, home for --account"),
      (["--config", config, "-a", "work"], [:], 64, "--user"),
      ([], [:], 64, "--host"),
      (["--host", "localhost"], [:], 64, "--user"),
      (["--stream", "yes", "--user", "joe"], [:], 64, "yes alone only says whether host is one"),
      (["--user", "joe"], ["IMAP_STREAM": "no"], 64, "stream is a command"),
      (["--host", "localhost", "--user", "joe"], [:], 64, "--password-file"),
      (["--host", "localhost"], ["IMAP_PORT": "many", "IMAP_SSL": "2"], 78, "IMAP_PORT: port = many"),
      (
        ["--host", "localhost", "--user", "joe"], ["IMAP_PASSWORD_COMMAND": "exit 3"], 77,
        "password_command ended with exit status 3"
      ),
      (["--host", "localhost", "--user", "joe"], ["IMAP_PASSWORD_COMMAND": "true"], 77, "printed nothing"),
      (["--host", "localhost", "--user", "joe"], ["IMAP_OAUTH2": "1"], 78, "oauth2_refresh_token"),
    ]
    for entry in cases {
      let result = try await Tool.run(["status"] + entry.arguments, environment: entry.environment)
      #expect(result.status == entry.status, "\(entry.arguments): \(result.error)")
      #expect(result.error.contains(entry.says), "\(entry.arguments): \(result.error)")
      #expect(result.output.isEmpty)
    }
  }

  @Test func filesThatOthersCanRead() async throws {
    let folder = try TemporaryFolder()
    let text = "[DEFAULT]\nhost = 127.0.0.1\nport = 1\nusername = joe\n"
    for (mode, line, isWarned) in [
      (0o644, "password = x", true), (0o640, "password = x", true), (0o600, "password = x", false),
      (0o644, "password_command = echo x", false),
    ] {
      let config = try folder.write("config", text + line, mode: mode)
      let result = try await Tool.run(["status", "--config", config])
      #expect(result.status == 69)
      #expect(result.error.contains("warning: \(config)") == isWarned, "\(String(mode, radix: 8)): \(result.error)")
    }
  }

  /// The password in the file is for the host and the user in the file.
  @Test func passwordsGoNowhereElse() async throws {
    try await withServer { port, folder, authority in
      let config = try folder.write(
        "config",
        """
        [work]
        host = localhost
        port = \(port)
        username = user
        password = password
        ssl_ca_file = \(authority)
        """)
      let account = ["status", "--config", config, "-a", "work"]
      #expect(try await Tool.run(account + ["--host", "LocalHost", "--user", "user"]).status == 0)
      for change in [["--host", "127.0.0.1"], ["--user", "other"]] {
        let result = try await Tool.run(account + change)
        #expect(result.status == 64, "\(result.error)")
        #expect(result.error.contains("no password for"), "\(result.error)")
      }
      #expect(
        try await Tool.run(account + ["--host", "127.0.0.1", "--password-stdin"], input: "password\n").status == 0)
    }
  }

  /// The refresh token goes to the token's server, and what comes back is used: here by a server that takes no tokens.
  @Test func accessTokens() async throws {
    try await withServer { port, folder, authority in
      let web = try FunctionServer { request in
        guard let end = request.range(of: "\r\n\r\n") else { return nil }
        let length = request.lowercased().split(separator: "content-length: ").last?.prefix { $0.isNumber } ?? "0"
        if request[end.upperBound...].utf8.count < Int(length) ?? 0 { return nil }
        let isRight =
          request[end.upperBound...]
          == "grant_type=refresh_token&client_id=id%201&client_secret=s%26t&refresh_token=r"
        let answer = isRight ? #"{"access_token":"tok"}"# : #"{"error":"invalid_grant"}"#
        return "HTTP/1.1 200 OK\r\nContent-Length: \(answer.utf8.count)\r\nConnection: close\r\n\r\n\(answer)"
      }
      let environment = [
        "IMAP_HOST": "localhost", "IMAP_PORT": "\(port)", "IMAP_SSL_CA_FILE": authority, "IMAP_USERNAME": "user",
        "IMAP_OAUTH2": "yes", "IMAP_OAUTH2_CLIENT_ID": "id 1", "IMAP_OAUTH2_CLIENT_SECRET": "s&t",
        "IMAP_OAUTH2_TOKEN_URL": "http://127.0.0.1:\(web.port)/token",
      ]
      // It has no OAUTHBEARER: so far it got.
      let right = try await Tool.run(
        ["status"], environment: environment.merging(["IMAP_OAUTH2_REFRESH_TOKEN": "r"]) { $1 })
      #expect(right.status == 77)
      #expect(right.error.contains("no way to log in with what it is given"), "\(right.error)")
      let wrong = try await Tool.run(
        ["status"], environment: environment.merging(["IMAP_OAUTH2_REFRESH_TOKEN": "q"]) { $1 })
      #expect(wrong.status == 77)
      #expect(wrong.error.contains("invalid_grant"), "\(wrong.error)")
      web.end()
    }
  }
}
