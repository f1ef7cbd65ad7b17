import Foundation
import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// Logging in on connections: by each mechanism, rightly and wrongly, and to servers that cheat.
@Suite(.timeLimit(.minutes(2))) struct SignInTests {
  private static let plus = [
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN",
  ]

  private func withServer(
    _ mechanisms: [String], _ configure: (inout IMAPTestServer.Configuration) -> Void = { _ in },
    _ body: (IMAPTestServer, EventLoop) async throws -> Void
  ) async throws {
    var configuration = IMAPTestServer.Configuration(users: [.init("j,o=é", password: "pä sword")])
    configuration.mechanisms = mechanisms
    configure(&configuration)
    let server = try await IMAPTestServer.start(configuration)
    try await withLoop { try await body(server, $0) }
    await server.shutdown()
  }

  private func client(
    _ server: IMAPTestServer, _ loop: EventLoop, _ security: IMAPClient.Configuration.Security = .implicitTLS,
    allowsPlaintext: Bool = false, newest: TLSContext.Version? = nil
  ) async throws -> IMAPClient {
    var configuration = IMAPClient.Configuration(
      host: "127.0.0.1", port: security == .implicitTLS ? server.tlsPort : server.plainPort, security: security,
      trust: .pem(server.certificatePEM))
    configuration.signIn.allowsPlaintext = allowsPlaintext
    if let newest {
      var options = TLSContext.ClientOptions(trust: .pem(server.certificatePEM))
      options.maximumVersion = newest
      configuration.tls = try .client(options)
    }
    return try await IMAPClient.connect(configuration, on: loop)
  }

  private func password(_ text: String = "pä sword") -> SignInCredentials {
    .password(user: "j,o=é", password: Secret(text))
  }

  /// The error of `body`.
  private func failure(_ body: () async throws(IMAPError) -> Void) async -> IMAPError? {
    do throws(IMAPError) {
      try await body()
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN",
  ])
  func byPassword(_ mechanism: String) async throws {
    for withheld in [[], [Capability.saslIR]] as [Set<Capability>] {
      try await withServer([mechanism], { $0.withheldCapabilities = withheld }) { server, loop in
        let client = try await client(server, loop)
        let error = await failure { () async throws(IMAPError) in try await client.signIn(password("wrong")) }
        #expect(error?.status != nil, "\(String(describing: error))")
        if mechanism.hasPrefix("SCRAM") {
          guard case .authentication(.server("invalid-proof"), _)? = error else {
            Issue.record("\(String(describing: error))")
            return
          }
        }
        #expect(await client.phase == .notAuthenticated)
        // The connection is as good as before.
        #expect(try await client.signIn(password()).rawValue == mechanism)
        #expect(await client.phase == .authenticated)
        _ = try await client.select(.inbox)
        await client.logout()
      }
    }
  }

  @Test func theStrongestIsChosen() async throws {
    for count in Self.plus.indices {
      try await withServer(Array(Self.plus.dropFirst(count).reversed())) { server, loop in
        let client = try await client(server, loop)
        // Below TLS, PLAIN is better than CRAM-MD5.
        let expected = Self.plus[count] == "CRAM-MD5" ? "PLAIN" : Self.plus[count]
        #expect(try await client.signIn(password()).rawValue == expected)
        await client.logout()
      }
    }
  }

  @Test func withoutTLSNothingIsRevealed() async throws {
    try await withServer(["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]) { server, loop in
      let client = try await client(server, loop, .plain)
      for credentials in [password(), .token(user: "j,o=é", token: Secret("t"))] {
        let error = await failure { () async throws(IMAPError) in try await client.signIn(credentials) }
        #expect(error == .authentication(.plaintextRefused, nil))
      }
      let error = await failure { () async throws(IMAPError) in
        try await client.authenticate(SASLCustom("PLAIN", revealsSecret: true) { _ in Secret("x") })
      }
      #expect(error == .authentication(.plaintextRefused, nil))
      await client.logout()
      let careless = try await self.client(server, loop, .plain, allowsPlaintext: true)
      #expect(try await careless.signIn(password()) == .plain)
      await careless.logout()
    }
    // What reveals nothing needs no leave.
    for mechanism in ["SCRAM-SHA-256", "CRAM-MD5"] {
      try await withServer(["SCRAM-SHA-256-PLUS", "PLAIN", mechanism]) { server, loop in
        let client = try await client(server, loop, .plain)
        #expect(try await client.signIn(password()).rawValue == mechanism)
        await client.logout()
      }
    }
  }

  @Test func theCommandLoginIsLast() async throws {
    try await withServer([]) { server, loop in
      let client = try await client(server, loop, .startTLS)
      let error = await failure { () async throws(IMAPError) in try await client.signIn(password("wrong")) }
      guard case .refused("LOGIN", _)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      // LOGIN takes ASCII only in some servers; this one takes what comes.
      #expect(try await client.signIn(password()) == .loginCommand)
      await client.logout()
    }
    try await withServer([], { $0.requiresTLS = true }) { server, loop in
      let client = try await client(server, loop, .plain, allowsPlaintext: true)
      let error = await failure { () async throws(IMAPError) in try await client.signIn(password()) }
      #expect(error == .authentication(.noMechanism(loginDisabled: true), nil))
      await client.logout()
    }
  }

  @Test(arguments: ["OAUTHBEARER", "XOAUTH2"])
  func byToken(_ mechanism: String) async throws {
    try await withServer(["PLAIN", mechanism], { $0.users = [.init("joe", password: "ya29.token")] }) { server, loop in
      let client = try await client(server, loop)
      let error = await failure { () async throws(IMAPError) in
        try await client.signIn(.token(user: "joe", token: Secret("expired")))
      }
      guard case .authentication(.tokenRefused(let refusal), let status?)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(refusal.status == (mechanism == "XOAUTH2" ? "400" : "invalid_token"))
      #expect(refusal.scope == "mail")
      #expect(status.condition == .no)
      #expect(try await client.signIn(.token(user: "joe", token: Secret("ya29.token"))).rawValue == mechanism)
      await client.logout()
    }
  }

  @Test(arguments: ChannelBinding.Kind.allCases, [IMAPClient.Configuration.Security.implicitTLS, .startTLS])
  func bindings(_ kind: ChannelBinding.Kind, _ security: IMAPClient.Configuration.Security) async throws {
    try await withServer(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]) { server, loop in
      let client = try await client(server, loop, security, newest: kind == .tlsUnique ? .tls12 : nil)
      var policy = SignInPolicy()
      policy.requiresChannelBinding = true
      policy.channelBindings = [kind]
      // Somebody between two TLS connections has other data.
      for (binding, reason) in [
        (SASLSCRAM.Binding.bound(ChannelBinding(kind, data: Secret("other"))), "invalid-proof"),
        // And he may take the offer out of the server's answer.
        (.notOffered, "server-does-support-channel-binding"),
      ] {
        let scram = try SASLSCRAM(
          .sha256, user: "j,o=é", password: Secret("pä sword"), nonce: Array(0..<18), binding: binding,
          hashes: OpenSSLHashes())
        let error = await failure { () async throws(IMAPError) in try await client.authenticate(scram) }
        guard case .authentication(.server(reason), _)? = error else {
          Issue.record("\(reason): \(String(describing: error))")
          continue
        }
      }
      #expect(try await client.signIn(password(), policy: policy) == .scramSHA256Plus)
      await client.logout()
    }
  }

  @Test func aMechanismOfOnesOwn() async throws {
    try await withServer(["LOGIN", "CRAM-MD5"]) { server, loop in
      let client = try await client(server, loop)
      let asked = Promise<[UInt8]>()
      let giveUp = SASLCustom("CRAM-MD5", revealsSecret: false) { challenge in
        var bytes: [UInt8] = []
        for index in challenge.indices { bytes.append(challenge[index]) }
        asked.fulfil(bytes)
        return nil
      }
      let error = await failure { () async throws(IMAPError) in try await client.authenticate(giveUp) }
      guard case .authentication(.cancelled, let status?)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(status.condition == .bad)
      #expect(await asked.value.first == UInt8(ascii: "<"))
      let words = Confined(["j,o=é", "pä sword"])
      try await client.authenticate(
        SASLCustom("login", revealsSecret: true) { _ in
          words.value.isEmpty ? nil : Secret(words.value.removeFirst())
        })
      #expect(await client.phase == .authenticated)
      await client.logout()
    }
  }
}

/// Servers that say something else than the mechanism has.
@Suite(.timeLimit(.minutes(2))) struct CheatingServerTests {
  /// What a server says: challenges, one after each answer, then a completion.
  private final class Cheat: ServerChannelDelegate {
    let challenges: [[UInt8]]
    let status: Status
    /// Whether the completion does not wait for the answer to the last challenge.
    let isHasty: Bool
    let heard: Confined<[String]>
    private var said = 0

    init(_ challenges: [[UInt8]], _ status: Status, isHasty: Bool, _ heard: Confined<[String]>) {
      self.challenges = challenges
      self.status = status
      self.isHasty = isHasty
      self.heard = heard
    }

    func channelConnected(_ channel: ServerChannel) {
      let capabilities: [Capability] = [.imap4rev1, .saslIR, .auth("SCRAM-SHA-256")]
      channel.withConnection { $0.greet(Status(.ok, code: .capability(capabilities), "")) }
    }

    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      switch copy event {
      case .command(let id, let view):
        if case .authenticate = view.copy() { return goOn(channel, id) }
        heard.value.append("command")
        channel.withConnection { try? $0.complete(id, Status(.ok, "")) }
      case .saslResponse(let id, let bytes):
        heard.value.append("answer \(bytes.count > 0)")
        goOn(channel, id)
      case .saslCancelled(let id):
        heard.value.append("cancelled")
        channel.withConnection { try? $0.complete(id, Status(.bad, "")) }
      default: break
      }
    }

    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}

    private func goOn(_ channel: ServerChannel, _ id: ServerCommandID) {
      channel.withConnection { machine in
        try? machine.respond(.capability([.imap4rev1]))
        if said < challenges.count {
          let challenge = challenges[said]
          try? machine.challenge(id, challenge.span)
          said += 1
          if said < challenges.count || !isHasty { return }
        }
        try? machine.complete(id, status)
      }
    }
  }

  private static let nonce = "AAECAwQFBgcICQoLDA0ODxAR"

  /// Logs in to a server that says this, with a command waiting behind; returns how that ended and what the server heard.
  private func signIn(
    _ challenges: [String], _ status: Status = Status(.ok, ""), isHasty: Bool = false
  ) async throws -> (error: IMAPError?, heard: [String], isAuthenticated: Bool) {
    var result: (IMAPError?, [String], Bool) = (nil, [], false)
    try await withLoop { loop in
      let heard = Confined<[String]>([])
      let bytes = challenges.map { Array($0.utf8) }
      let server = try await IMAPServer.start(on: loop) { _ in Cheat(bytes, status, isHasty: isHasty, heard) }
      let client = try await IMAPClient.connect(
        .init(host: "127.0.0.1", port: server.addresses[0].port, security: .plain), on: loop)
      let scram = try SASLSCRAM(
        .sha256, user: "joe", password: Secret("pw"), nonce: Array(0..<18), hashes: OpenSSLHashes())
      let (login, behind) = await start(client, scram)
      result.0 = await login.value
      let isAuthenticated = await client.phase == .authenticated
      // It ends, whatever became of the connection.
      await behind.value
      await client.close()
      await server.shutdown()
      result = (result.0, await loop.run { heard.value }, isAuthenticated)
    }
    return result
  }

  /// Logs in, and enqueues a command before the server has answered.
  private func start(
    _ client: isolated IMAPClient, _ mechanism: SASLSCRAM
  ) -> (login: Task<IMAPError?, Never>, behind: Task<Void, Never>) {
    let login = Task { () async -> IMAPError? in
      do throws(IMAPError) { try await client.authenticate(mechanism) } catch { return error }
      return nil
    }
    return (login, Task { _ = try? await client.noop() })
  }

  @Test func anOKWithoutTheSignatureIsNone() async throws {
    for challenges in [[], ["r=\(Self.nonce)x,s=AAAA,i=1"]] {
      let (error, heard, isAuthenticated) = try await signIn(challenges)
      #expect(error == .authentication(.serverNotVerified, Status(.ok, "")))
      // What waited behind the login is not said to a stranger.
      #expect(!heard.contains("command"))
      #expect(!isAuthenticated)
    }
    let (error, heard, isAuthenticated) = try await signIn(["r=\(Self.nonce)x,s=AAAA,i=100000"], isHasty: true)
    #expect(!heard.contains("command"))
    // Whether the answer was computed by then or not.
    let accepted: [IMAPError] = [
      .authentication(.serverNotVerified, Status(.ok, "")), .authentication(.completedEarly, Status(.ok, "")),
    ]
    #expect(error.map { accepted.contains($0) } == true, "\(String(describing: error))")
    #expect(!isAuthenticated)
  }

  @Test(arguments: [
    (["r=\(Self.nonce)x,s=AAAA,i=1", "v=AAAA"], SASLError.serverSignature, ["answer true", "cancelled"]),
    (["r=\(Self.nonce)x,s=AAAA,i=1", "e=other-error"], .server("other-error"), ["answer true", "cancelled"]),
    (["r=other,s=AAAA,i=1"], .nonceNotExtended, ["cancelled"]),
    (["r=\(Self.nonce)x,s=AAAA,i=4000000000"], .iterationCount(4_000_000_000), ["cancelled"]),
    (["r=\(Self.nonce)x,s=AAAA,i=1,m=1"], .mandatoryExtension, ["cancelled"]),
  ])
  func whatIsWrongIsCancelled(_ challenges: [String], _ reason: SASLError, _ expected: [String]) async throws {
    let (error, heard, isAuthenticated) = try await signIn(challenges)
    #expect(error == .authentication(reason, Status(.bad, "")))
    #expect(heard == expected + ["command"])
    #expect(!isAuthenticated)
  }

  @Test func aPlainRefusalIsOne() async throws {
    let (error, _, _) = try await signIn(["r=\(Self.nonce)x,s=AAAA,i=1"], Status(.no, "go away"))
    #expect(error == .refused(command: "AUTHENTICATE", Status(.no, "go away")))
  }
}
