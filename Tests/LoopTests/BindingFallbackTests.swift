import IMAPLoop
import IMAPStateMachine
import Testing

/// Servers that announce channel binding and do not know the kinds that the client has.
@Suite(.timeLimit(.minutes(2))) struct BindingFallbackTests {
  /// What a server does with an exchange that is bound in a way that it does not know.
  enum Manner: Sendable {
    /// It refuses at once.
    case refuses(Status)
    /// It says so in the place of a challenge (RFC 5802, section 7).
    case explains(String)
    /// It asks for the proof, and refuses then.
    case asks
    /// It asks for the proof, and says then that it was the binding, as Cyrus does.
    case cancels
  }

  private final class Server: ServerChannelDelegate {
    let manner: Manner
    let attempts: Confined<[String]>
    private var isBound = false

    init(_ manner: Manner, _ attempts: Confined<[String]>) {
      self.manner = manner
      self.attempts = attempts
    }

    func channelConnected(_ channel: ServerChannel) {
      let capabilities: [Capability] = [
        .imap4rev1, .saslIR, .auth("SCRAM-SHA-256-PLUS"), .auth("SCRAM-SHA-1"), .auth("PLAIN"),
      ]
      channel.withConnection { $0.greet(Status(.ok, code: .capability(capabilities), "")) }
    }

    func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
      switch copy event {
      case .command(let id, let view):
        guard case .authenticate(let exchange) = view.copy() else {
          channel.withConnection { try? $0.complete(id, Status(.ok, "")) }
          return
        }
        let message = exchange.initialResponse?.withBytes { $0.lossyText } ?? ""
        let flag = String(message.prefix { $0 != "," })
        attempts.value.append("\(exchange.mechanism) \(exchange.mechanism == "PLAIN" ? "" : flag)")
        isBound = flag.hasPrefix("p=")
        channel.withConnection { machine in
          if exchange.mechanism == "PLAIN" {
            try? machine.complete(id, Status(.ok, ""))
            return
          }
          switch manner {
          case .refuses(let status): try? machine.complete(id, status)
          case .explains(let value): try? machine.challenge(id, Array("e=\(value)".utf8).span)
          case .asks, .cancels:
            let nonce = message.split(separator: ",").first { $0.hasPrefix("r=") } ?? ""
            try? machine.challenge(id, Array("\(nonce)x,s=AAAA,i=1".utf8).span)
          }
        }
      case .saslResponse(let id, _):
        attempts.value.append("proof")
        let text = if case .cancels = manner, isBound { "bad protocol / cancel" } else { "" }
        channel.withConnection { try? $0.complete(id, Status(.no, text)) }
      case .saslCancelled(let id):
        channel.withConnection { try? $0.complete(id, Status(.bad, "")) }
      default: break
      }
    }

    func channelClosed(_ channel: ServerChannel, reason: CloseReason) {}
  }

  /// Logs in, and returns how, or why not, and what the server heard.
  private func signIn(
    _ manner: Manner, isVerified: Bool = true, newest: TLSContext.Version = .tls13,
    _ policy: SignInPolicy = SignInPolicy()
  ) async throws -> (method: SignInMethod?, error: IMAPError?, attempts: [String]) {
    var result: (SignInMethod?, IMAPError?, [String]) = (nil, nil, [])
    let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
    let context = try TLSContext.server(identity: certificate.identity)
    try await withLoop { loop in
      let attempts = Confined<[String]>([])
      let server = try await IMAPServer.start(on: loop, endpoints: [.init(security: .tls(context))]) { _ in
        Server(manner, attempts)
      }
      var options = TLSContext.ClientOptions(trust: isVerified ? .pem(certificate.certificatePEM) : .insecure)
      options.maximumVersion = newest
      var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.addresses[0].port)
      configuration.tls = try .client(options)
      let client = try await IMAPClient.connect(configuration, on: loop)
      do throws(IMAPError) {
        result.0 = try await client.signIn(.password(user: "joe", password: Secret("pw")), policy: policy)
      } catch {
        result.1 = error
      }
      await client.close()
      await server.shutdown()
      result.2 = await loop.run { attempts.value }
    }
    return result
  }

  private static let bound = ["SCRAM-SHA-256-PLUS p=tls-exporter", "SCRAM-SHA-256-PLUS p=tls-server-end-point"]

  /// Each kind is tried, then what has none: the strongest of that, which says that the client cannot, as the server offered it.
  @Test(arguments: [
    Manner.refuses(Status(.no, "bad protocol / cancel")), .refuses(Status(.bad, "")),
    .explains("unsupported-channel-binding-type"),
  ])
  func withoutAKnownKind(_ manner: Manner) async throws {
    var policy = SignInPolicy()
    policy.excluded = [.scramSHA1]
    let plain = try await signIn(manner, policy)
    #expect(plain.method == .plain)
    #expect(plain.attempts == Self.bound + ["PLAIN "])
    #expect(try await signIn(manner).attempts == Self.bound + ["SCRAM-SHA-1 n"])
  }

  /// Nobody knows whom the password would go to, or the policy says no.
  @Test func notWithoutVerificationOrLeave() async throws {
    let status = Status(.no, "bad protocol / cancel")
    let (method, error, attempts) = try await signIn(.refuses(status), isVerified: false)
    #expect(method == nil)
    #expect(error == .refused(command: "AUTHENTICATE", status))
    #expect(attempts == Self.bound)
    var policy = SignInPolicy()
    policy.requiresChannelBinding = true
    let required = try await signIn(.refuses(status), policy)
    #expect(required.error == .refused(command: "AUTHENTICATE", status))
    #expect(required.attempts == Self.bound)
  }

  /// Whoever has seen a proof and says no means the password. So does a reason that no mechanism changes.
  @Test func notBehindAProof() async throws {
    let (_, error, attempts) = try await signIn(.asks)
    #expect(error == .refused(command: "AUTHENTICATE", Status(.no, "")))
    #expect(attempts == [Self.bound[0], "proof"])
    let status = Status(.no, code: .atom("UNAVAILABLE"), "")
    let down = try await signIn(.refuses(status))
    #expect(down.error == .refused(command: "AUTHENTICATE", status))
    #expect(down.attempts == [Self.bound[0]])
    // A binding that differs is somebody between the two.
    #expect(try await signIn(.explains("channel-bindings-dont-match")).attempts == [Self.bound[0]])
  }

  /// Below TLS 1.3 the kind that servers must know is the first, then the others.
  @Test func tlsUniqueFirst() async throws {
    let (_, _, attempts) = try await signIn(.refuses(Status(.no, "")), newest: .tls12)
    #expect(attempts == ["SCRAM-SHA-256-PLUS p=tls-unique"] + Self.bound + ["SCRAM-SHA-1 n"])
  }

  /// Behind a proof only where the server says that it was the binding. Then SCRAM without one is the only other attempt: the
  /// flag is "n", as the server has offered bindings, and nothing that reveals the password comes behind it.
  @Test func behindAProofThatWasNotLookedAt() async throws {
    let cancelled = IMAPError.refused(command: "AUTHENTICATE", Status(.no, "bad protocol / cancel"))
    let (_, error, attempts) = try await signIn(.cancels)
    #expect(error == .refused(command: "AUTHENTICATE", Status(.no, "")))
    #expect(attempts == [Self.bound[0], "proof", "SCRAM-SHA-1 n", "proof"])
    var policy = SignInPolicy()
    policy.excluded = [.scramSHA1]
    let withoutSCRAM = try await signIn(.cancels, policy)
    #expect(withoutSCRAM.error == cancelled)
    #expect(withoutSCRAM.attempts == [Self.bound[0], "proof"])
    let unverified = try await signIn(.cancels, isVerified: false)
    #expect(unverified.error == cancelled)
    #expect(unverified.attempts == [Self.bound[0], "proof"])
    policy = SignInPolicy()
    policy.requiresChannelBinding = true
    let required = try await signIn(.cancels, policy)
    #expect(required.error == cancelled)
    #expect(required.attempts == [Self.bound[0], "proof"])
  }

  /// Every server knows `tls-unique`: one that takes it for wrong talks to somebody else.
  @Test func notWhereTheBindingIsKnown() async throws {
    let (_, error, attempts) = try await signIn(.cancels, newest: .tls12)
    #expect(error == .refused(command: "AUTHENTICATE", Status(.no, "bad protocol / cancel")))
    #expect(attempts == ["SCRAM-SHA-256-PLUS p=tls-unique", "proof"])
  }
}

extension Span<UInt8> {
  fileprivate var lossyText: String { String(decoding: indices.map { self[$0] }, as: UTF8.self) }
}
