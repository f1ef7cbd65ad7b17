import IMAPLoop
import IMAPStateMachine
import Testing

/// Logging in to each real server, by each way that it has.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ServerSignInTests {
  typealias Security = IMAPClient.Configuration.Security

  /// The mechanisms that a server has. Dovecot 2.3 has no channel binding. Cyrus 3.6 announces it over TLS, and knows only
  /// `tls-unique`, which TLS 1.3 does not define (RFC 9266, section 1).
  private static func methods(_ kind: ServerKind, _ security: Security) -> [SignInMethod] {
    let bound: [SignInMethod] = kind == .cyrus && security != .plain ? [.scramSHA256Plus, .scramSHA1Plus] : []
    switch kind {
    case .dovecot: return [.scramSHA256, .scramSHA1, .cramMD5, .plain, .login, .loginCommand]
    case .cyrus: return bound + [.scramSHA256, .scramSHA1, .cramMD5, .plain, .login, .loginCommand, .anonymous]
    case .courier: return [.cramMD5, .plain, .login, .loginCommand]
    }
  }

  @Test(arguments: ServerKind.all) func byEachMechanism(_ kind: ServerKind) async throws {
    // Cyrus 3.6.1 ends by an assertion of its own where it is to make mailboxes for anybody.
    let server = kind == .cyrus ? try CyrusServer(makesMailboxes: false) : try kind.start()
    let loop = try EventLoop.start()
    // All at once: Courier takes five seconds to say that a password is wrong.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for security in [Security.implicitTLS, .startTLS, .plain] {
        let configuration = server.configuration(security)
        let older = try Self.olderTLS(server, security)
        let password = server.password
        let methods = Self.methods(kind, security)
        for method in methods {
          group.addTask {
            try await Self.signIn(method.bindsChannel ? older : configuration, method, password, on: loop)
          }
        }
        group.addTask {
          let client = try await IMAPClient.connect(configuration, on: loop)
          let announced = try await client.capability().filter { $0.description.hasPrefix("AUTH=") }
          let ours = Set(SignInMethod.allCases.map { Capability("AUTH=\($0.rawValue)") })
          let expected = Set(methods.filter { $0 != .loginCommand }.map { Capability("AUTH=\($0.rawValue)") })
          #expect(ours.intersection(announced) == expected, "\(kind) \(security)")
          // No policy chooses it.
          #expect(announced.contains("AUTH=DIGEST-MD5") == (kind == .cyrus), "\(kind) \(security)")
          if kind == .cyrus { try await Self.digest(client, password) }
          await client.logout()
        }
      }
      try await group.waitForAll()
    }
    #expect(await loop.shutdown().isClean)
  }

  /// By the certificate that TLS has shown, which is that of joe: no password at all.
  @Test(arguments: ServerKind.all) func byCertificate(_ kind: ServerKind) async throws {
    let server = try kind.start(takesCertificates: true)
    let file = try #require(server.clientCertificateFile)
    let loop = try EventLoop.start()
    for security in [Security.implicitTLS, .startTLS] {
      for version in [TLSContext.Version.tls12, .tls13] {
        var options = TLSContext.ClientOptions(trust: .file(server.certificateFile))
        options.maximumVersion = version
        var configuration = server.configuration(security)
        // Without one nobody is let in.
        configuration.tls = try .client(options)
        let other = try await IMAPClient.connect(configuration, on: loop)
        await #expect(throws: IMAPError.self) { try await other.signIn(.external()) }
        #expect(await other.phase == .notAuthenticated)
        await other.logout()

        options.identity = .files(certificate: file, key: file)
        configuration.tls = try .client(options)
        let client = try await IMAPClient.connect(configuration, on: loop)
        #expect(try await client.supports("AUTH=EXTERNAL"), "\(kind) \(security)")
        #expect(try await client.signIn(.external()) == .external)
        #expect(await client.phase == .authenticated)
        #expect(try await client.select(.inbox).exists == 0)
        await client.logout()
      }
    }
    #expect(await loop.shutdown().isClean)
  }

  /// Nobody says which: each server has a way, with TLS 1.3 and with 1.2, on a new session and on a resumed one.
  @Test(arguments: ServerKind.all) func byTheStrongest(_ kind: ServerKind) async throws {
    let server = try kind.start()
    let loop = try EventLoop.start()
    for security in [Security.implicitTLS, .startTLS] {
      for configuration in [server.configuration(security), try Self.olderTLS(server, security)] {
        for _ in 0..<2 {
          let client = try await IMAPClient.connect(configuration, on: loop)
          let expected: SignInMethod =
            switch kind {
            case .dovecot: .scramSHA256
            case .cyrus: await client.tlsVersion == "TLSv1.2" ? .scramSHA256Plus : .scramSHA256
            case .courier: .plain
            }
          #expect(try await client.signIn(user: "joe", password: Secret(server.password)) == expected)
          #expect(await client.phase == .authenticated)
          await client.logout()
        }
      }
    }
    #expect(await loop.shutdown().isClean)
  }

  #if os(Linux)
    /// Cyrus 3.6 announces channel binding and knows none that TLS 1.3 has. It says so behind the proof only, by the words that
    /// it has for data that differ, too.
    @Test(arguments: [ChannelBinding.Kind.tlsExporter, .tlsServerEndPoint])
    func cyrusKnowsNoBindingOfTLS13(_ kind: ChannelBinding.Kind) async throws {
      let server = try ServerKind.cyrus.start()
      let loop = try EventLoop.start()
      var configuration = server.configuration()
      configuration.signIn.requiresChannelBinding = true
      configuration.signIn.channelBindings = [kind]
      configuration.recentLines = 20
      let client = try await IMAPClient.connect(configuration, on: loop)
      do throws(IMAPError) {
        try await client.signIn(user: "joe", password: Secret(server.password))
        Issue.record("it knows one: let the client use it")
      } catch {
        #expect(error.status?.text == "bad protocol / cancel", "\(error)")
      }
      #expect(await client.phase == .notAuthenticated)
      let commands = await client.recentLines.filter { $0.line.text.contains("AUTHENTICATE") }
      #expect(commands.count == 1, "\(commands)")
      // Where none is required SCRAM goes on without, and a wrong password is one.
      let weaker = SignInPolicy()
      do throws(IMAPError) {
        try await client.signIn(.password(user: "joe", password: Secret("wrong")), policy: weaker)
        Issue.record("a wrong password was accepted")
      } catch {
        #expect(error.status?.text == "authentication failure", "\(error)")
      }
      let right = SignInCredentials.password(user: "joe", password: Secret(server.password))
      #expect(try await client.signIn(right, policy: weaker) == .scramSHA256)
      await client.logout()
      #expect(await loop.shutdown().isClean)
    }

    /// It notices where the data are not those of the connection, and says no more than of a kind that it does not know.
    @Test func cyrusNoticesAnotherBinding() async throws {
      let server = try ServerKind.cyrus.start()
      let loop = try EventLoop.start()
      let client = try await IMAPClient.connect(try Self.olderTLS(server, .implicitTLS), on: loop)
      let scram = try SASLSCRAM(
        .sha256, user: "joe", password: Secret(server.password), nonce: Array(0..<18),
        binding: .bound(ChannelBinding(.tlsUnique, data: Secret("twelve bytes"))), hashes: OpenSSLHashes())
      do throws(IMAPError) {
        try await client.authenticate(scram)
        Issue.record("any binding will do")
      } catch {
        #expect(error.status?.text == "bad protocol / cancel", "\(error)")
      }
      await client.logout()
      #expect(await loop.shutdown().isClean)
    }
  #endif

  /// TLS 1.2 is the newest for which `tls-unique` is defined.
  private static func olderTLS(_ server: RealServer, _ security: Security) throws -> IMAPClient.Configuration {
    var configuration = server.configuration(security)
    var options = TLSContext.ClientOptions(trust: .file(server.certificateFile))
    options.maximumVersion = .tls12
    configuration.tls = try .client(options)
    return configuration
  }

  /// DIGEST-MD5, first with a wrong password.
  private static func digest(_ client: IMAPClient, _ password: String) async throws {
    for given in ["wrong", password] {
      let nonce = (0..<24).map { _ in UInt8.random(in: 0 ... .max) }
      let mechanism = try SASLDigestMD5(
        user: "joe", password: Secret(given), host: "localhost", nonce: nonce, hashes: OpenSSLHashes())
      do throws(IMAPError) {
        try await client.authenticate(mechanism)
        #expect(given == password)
      } catch {
        #expect(given != password, "\(error)")
        #expect(error.reason == .notAuthenticated, "\(error)")
      }
    }
    #expect(await client.phase == .authenticated)
  }

  /// First with a wrong password, then with the right one on the same connection.
  private static func signIn(
    _ configuration: IMAPClient.Configuration, _ method: SignInMethod, _ password: String, on loop: EventLoop
  ) async throws {
    let client = try await IMAPClient.connect(configuration, on: loop)
    var policy = SignInPolicy()
    policy.allowsPlaintext = configuration.security == .plain
    policy.excluded = Set(SignInMethod.allCases).subtracting([method])
    if method == .anonymous {
      #expect(try await client.signIn(.anonymous(trace: "tests@example.org"), policy: policy) == .anonymous)
      #expect(await client.phase == .authenticated)
      try await client.noop()
      return await client.logout()
    }
    do throws(IMAPError) {
      try await client.signIn(.password(user: "joe", password: Secret("wrong")), policy: policy)
      Issue.record("\(method) accepted a wrong password")
    } catch {
      #expect(error.reason == .notAuthenticated, "\(method): \(error)")
      #expect(error.status.map { $0.condition != .ok } == true, "\(method): \(error)")
    }
    #expect(await client.phase == .notAuthenticated)
    let used = try await client.signIn(.password(user: "joe", password: Secret(password)), policy: policy)
    #expect(used == method)
    #expect(await client.phase == .authenticated)
    await client.logout()
  }
}
