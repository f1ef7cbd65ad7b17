import IMAPLoop
import IMAPStateMachine
import Testing

/// Logging in to each real server, by each way that it has.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ServerSignInTests {
  typealias Security = IMAPClient.Configuration.Security

  /// The mechanisms that a server has. Dovecot 2.3 has no channel binding. Cyrus 3.6 announces it over TLS, but knows only
  /// `tls-unique`, which TLS 1.3 does not define (RFC 9266, section 4.2).
  private static func methods(_ kind: ServerKind) -> [SignInMethod] {
    switch kind {
    case .dovecot, .cyrus: [.scramSHA256, .scramSHA1, .cramMD5, .plain, .login, .loginCommand]
    case .courier: [.cramMD5, .plain, .login, .loginCommand]
    }
  }

  @Test(arguments: ServerKind.all) func byEachMechanism(_ kind: ServerKind) async throws {
    let server = try kind.start()
    let loop = try EventLoop.start()
    // All at once: Courier takes five seconds to say that a password is wrong.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for security in [Security.implicitTLS, .startTLS, .plain] {
        let configuration = server.configuration(security)
        let password = server.password
        let methods = Self.methods(kind)
        for method in methods {
          group.addTask { try await Self.signIn(configuration, method, password, on: loop) }
        }
        group.addTask {
          let client = try await IMAPClient.connect(configuration, on: loop)
          let announced = try await client.capability().filter { $0.description.hasPrefix("AUTH=") }
          let ours = Set(SignInMethod.allCases.map { Capability("AUTH=\($0.rawValue)") })
          let expected = Set(methods.filter { $0 != .loginCommand }.map { Capability("AUTH=\($0.rawValue)") })
          let binding: Set<Capability> =
            kind == .cyrus && security != .plain ? ["AUTH=SCRAM-SHA-256-PLUS", "AUTH=SCRAM-SHA-1-PLUS"] : []
          #expect(ours.intersection(announced) == expected.union(binding), "\(kind) \(security)")
          await client.logout()
        }
      }
      try await group.waitForAll()
    }
    #expect(await loop.shutdown().isClean)
  }

  #if os(Linux)
    /// Cyrus 3.6 announces channel binding and refuses the kind that TLS 1.3 has. No weaker way is taken then by itself.
    @Test func cyrusKnowsNoBindingOfTLS13() async throws {
      let server = try ServerKind.cyrus.start()
      let loop = try EventLoop.start()
      var configuration = server.configuration()
      configuration.signIn.excluded = []
      let client = try await IMAPClient.connect(configuration, on: loop)
      do throws(IMAPError) {
        try await client.signIn(user: "joe", password: Secret(server.password))
        Issue.record("it knows one: let the client use it")
      } catch {
        #expect(error.status?.text == "bad protocol / cancel", "\(error)")
      }
      #expect(await client.phase == .notAuthenticated)
      await client.logout()
      #expect(await loop.shutdown().isClean)
    }
  #endif

  /// First with a wrong password, then with the right one on the same connection.
  private static func signIn(
    _ configuration: IMAPClient.Configuration, _ method: SignInMethod, _ password: String, on loop: EventLoop
  ) async throws {
    let client = try await IMAPClient.connect(configuration, on: loop)
    var policy = SignInPolicy()
    policy.allowsPlaintext = configuration.security == .plain
    policy.excluded = Set(SignInMethod.allCases).subtracting([method])
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
