import Testing

@testable import IMAPStateMachine

/// Which way to log in is taken, how a mechanism runs on the machine, and that nothing shows a password.
@Suite struct SASLSignInTests {
  // MARK: The choice

  /// A choice, or the error; `announced` are words of CAPABILITY.
  private func choice(
    _ announced: String, _ credentials: SignInCredentials = .password(user: "u", password: Secret("p")),
    isSecure: Bool = true, canBind: Bool = true, _ change: (inout SignInPolicy) -> Void = { _ in }
  ) -> String {
    var policy = SignInPolicy()
    change(&policy)
    let capabilities = announced.split(separator: " ").map { Capability(String($0)) }
    do throws(SASLError) {
      return try SignInMethod.choose(
        for: credentials, capabilities: capabilities, isSecure: isSecure, canBind: canBind, policy: policy
      ).rawValue
    } catch {
      return "\(error)"
    }
  }

  private static let all =
    "AUTH=LOGIN AUTH=PLAIN AUTH=CRAM-MD5 AUTH=SCRAM-SHA-1 AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-1-PLUS AUTH=SCRAM-SHA-256-PLUS"

  @Test func theStrongestComesFirst() {
    func names(isSecure: Bool) -> [String] {
      var (words, names) = (Self.all.split(separator: " ").map(String.init), [String]())
      while true {
        let name = choice(words.joined(separator: " "), isSecure: isSecure) { $0.allowsPlaintext = true }
        names.append(name)
        guard let index = words.firstIndex(of: "AUTH=\(name)") else { return names }
        words.remove(at: index)
      }
    }
    let scram = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"]
    #expect(names(isSecure: true) == scram + ["PLAIN", "LOGIN", "CRAM-MD5", "LOGIN command"])
    #expect(names(isSecure: false) == scram + ["CRAM-MD5", "PLAIN", "LOGIN", "LOGIN command"])
  }

  @Test func nothingIsRevealedWithoutTLSUnlessAllowed() {
    for word in ["AUTH=PLAIN", "AUTH=LOGIN", "IMAP4rev1", "AUTH=X", ""] {
      #expect(choice(word, isSecure: false) == "\(SASLError.plaintextRefused)", "\(word)")
      #expect(choice(word, isSecure: false) { $0.allowsPlaintext = true } != "\(SASLError.plaintextRefused)", "\(word)")
    }
    let token = SignInCredentials.token(user: "u", token: Secret("t"))
    for word in ["AUTH=OAUTHBEARER", "AUTH=XOAUTH2"] {
      #expect(choice(word, token, isSecure: false) == "\(SASLError.plaintextRefused)")
      #expect("AUTH=\(choice(word, token, isSecure: false) { $0.allowsPlaintext = true })" == word)
    }
    #expect(choice("AUTH=PLAIN AUTH=CRAM-MD5", isSecure: false) == "CRAM-MD5")
    #expect(choice("AUTH=EXTERNAL", .external(), isSecure: false) == "EXTERNAL")
    #expect(choice("AUTH=ANONYMOUS", .anonymous(), isSecure: false) == "ANONYMOUS")
  }

  @Test func othersThanPasswords() {
    let token = SignInCredentials.token(user: "u", token: Secret("t"))
    #expect(choice("AUTH=XOAUTH2 AUTH=OAUTHBEARER", token) == "OAUTHBEARER")
    #expect(choice("AUTH=XOAUTH2", token) == "XOAUTH2")
    #expect(choice(Self.all, token) == "\(SASLError.noMechanism(loginDisabled: false))")
    #expect(choice("AUTH=PLAIN LOGINDISABLED", .external()) == "\(SASLError.noMechanism(loginDisabled: true))")
    #expect(choice("LOGINDISABLED") == "\(SASLError.noMechanism(loginDisabled: true))")
    #expect(choice("LOGINDISABLED AUTH=PLAIN") == "PLAIN")
    // The command knows of no authorisation identity.
    let other = SignInCredentials.password(user: "u", password: Secret("p"), authorizationID: "z")
    #expect(choice("", other) == "\(SASLError.noMechanism(loginDisabled: false))")
    #expect(choice("AUTH=PLAIN", other) == "PLAIN")
  }

  @Test func policies() {
    #expect(choice(Self.all, canBind: false) == "SCRAM-SHA-256")
    #expect(choice(Self.all) { $0.channelBindings = [] } == "SCRAM-SHA-256")
    #expect(choice(Self.all) { $0.excluded = [.scramSHA256Plus, .scramSHA256] } == "SCRAM-SHA-1-PLUS")
    let missing = "\(SASLError.channelBindingUnavailable)"
    #expect(choice(Self.all, canBind: false) { $0.requiresChannelBinding = true } == missing)
    #expect(choice("AUTH=SCRAM-SHA-256 AUTH=PLAIN") { $0.requiresChannelBinding = true } == missing)
    #expect(choice(Self.all) { $0.requiresChannelBinding = true } == "SCRAM-SHA-256-PLUS")
  }

  @Test func whatSCRAMSaysOfBinding() throws {
    let binding = ChannelBinding(.tlsExporter, data: Secret("x"))
    #expect(try SignInMethod.scramSHA256Plus.binding(binding, capabilities: []) == .bound(binding))
    #expect(throws: SASLError.channelBindingUnavailable) {
      try SignInMethod.scramSHA256Plus.binding(nil, capabilities: [])
    }
    let scram = SignInMethod.scramSHA256
    #expect(try scram.binding(nil, capabilities: ["AUTH=SCRAM-SHA-256"]) == .unsupported)
    #expect(try scram.binding(binding, capabilities: ["AUTH=SCRAM-SHA-256"]) == .notOffered)
    #expect(try scram.binding(binding, capabilities: ["AUTH=SCRAM-SHA-256-PLUS"]) == .unsupported)
    // A name that somebody made up on the way does not silence the client.
    #expect(try scram.binding(binding, capabilities: ["AUTH=SCRAM-SHA-512-PLUS"]) == .notOffered)
  }

  // MARK: On the machine

  /// A connection to a server that has `capabilities`, and what it sent.
  private final class Wire {
    private var core: WireCore
    var error: SASLError? { core.error }
    var failure: SASLError? { core.conversation.failure }
    var phase: ClientConnection.Phase { core.connection.phase }
    var responses: Int { core.responses }

    init(_ mechanism: some SASLMechanism, _ capabilities: String) throws {
      core = WireCore(try SASLConversation(mechanism))
      try core.hear("* OK [CAPABILITY IMAP4rev1 \(capabilities)] hi\r\n")
      try core.start()
    }

    func hear(_ text: String) throws { try core.hear(text) }
    func said() -> String { core.said() }
  }

  private struct WireCore: ~Copyable {
    var connection = ClientConnection(now: MonotonicInstant(nanoseconds: 0))
    var input = ReceiveBuffer()
    var conversation: SASLConversation
    var error: SASLError?
    var responses = 0

    init(_ conversation: SASLConversation) { self.conversation = conversation }

    mutating func start() throws {
      _ = try connection.enqueue(.authenticate(conversation.exchange), now: MonotonicInstant(nanoseconds: 0))
    }

    mutating func hear(_ text: String) throws {
      let bytes = Array(text.utf8)
      input.append(bytes.span)
      while try !step() {}
    }

    mutating func said() -> String {
      let text = String(decoding: connection.outbound.copy(), as: UTF8.self)
      connection.consumeOutbound(.max)
      return text
    }

    private mutating func step() throws -> Bool {
      try Self.step(&connection, &input, &conversation, &error, &responses)
    }

    /// An event borrows the input, so the rest must be named apart.
    private static func step(
      _ connection: inout ClientConnection, _ input: inout ReceiveBuffer, _ conversation: inout SASLConversation,
      _ error: inout SASLError?, _ responses: inout Int
    ) throws -> Bool {
      let now = MonotonicInstant(nanoseconds: 0)
      switch try connection.next(&input, now: now) {
      case .challenge(let id, let challenge):
        if let answer = conversation.answer(challenge) {
          try answer.withBytes { try connection.answer(id, challenge: $0, now: now) }
        } else {
          try connection.cancelAuthentication(id, now: now)
        }
      case .completed(_, let status): error = conversation.complete(isOK: status.condition == .ok)
      case .response: responses += 1
      case .needMoreInput, .paused: return true
      default: break
      }
      return false
    }
  }

  @Test func loginOnTheWire() throws {
    let wire = try Wire(SASLLogin(user: "joe", password: Secret("secret")), "SASL-IR")
    #expect(wire.said() == "A1 AUTHENTICATE LOGIN\r\n")
    try wire.hear("+ VXNlcm5hbWU6\r\n")
    #expect(wire.said() == "am9l\r\n")
    // Data may come at any time.
    try wire.hear("* OK patience\r\n* CAPABILITY IMAP4rev1\r\n+ UGFzc3dvcmQ6\r\n")
    #expect(wire.said() == "c2VjcmV0\r\n")
    try wire.hear("A1 OK done\r\n")
    #expect(wire.error == nil)
    #expect(wire.responses == 2)
    #expect(wire.phase == .authenticated)
  }

  @Test(arguments: ["", "SASL-IR"])
  func bearerOnTheWire(_ capability: String) throws {
    let wire = try Wire(SASLXOAuth2(user: "u", token: Secret("t")), capability)
    if capability.isEmpty {
      #expect(wire.said() == "A1 AUTHENTICATE XOAUTH2\r\n")
      try wire.hear("+ \r\n")
      #expect(wire.said() == "dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==\r\n")
    } else {
      #expect(wire.said() == "A1 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==\r\n")
    }
    try wire.hear("+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
    #expect(wire.said() == "\r\n")
    try wire.hear("A1 NO no\r\n")
    let text = Array(#"{"status":"400"}"#.utf8)
    #expect(wire.error == .tokenRefused(SASLTokenRefusal(text.span)))
  }

  @Test func externalOnTheWire() throws {
    let wire = try Wire(SASLExternal(), "SASL-IR")
    #expect(wire.said() == "A1 AUTHENTICATE EXTERNAL =\r\n")
    // A question that the mechanism does not have.
    try wire.hear("+ eA==\r\n")
    #expect(wire.said() == "*\r\n")
    try wire.hear("A1 BAD cancelled\r\n")
    #expect(wire.error == .unexpectedChallenge)
    #expect(wire.phase == .notAuthenticated)
  }

  @Test func brokenBase64IsCancelled() throws {
    let wire = try Wire(SASLLogin(user: "joe", password: Secret("secret")), "")
    _ = wire.said()
    try wire.hear("+ %%%\r\n")
    #expect(wire.said() == "*\r\n")
    try wire.hear("A1 BAD cancelled\r\n")
    #expect(wire.error == .malformedChallenge("not base64"))
  }

  @Test func anOKThatDoesNotCount() throws {
    let scram = try SASLSCRAM(
      .sha256, user: "u", password: Secret("p"), nonce: Array("0123456789".utf8), hashes: MixingHashes())
    let wire = try Wire(scram, "SASL-IR")
    #expect(wire.said() == "A1 AUTHENTICATE SCRAM-SHA-256 biwsbj11LHI9TURFeU16UTFOamM0T1E9PQ==\r\n")
    try wire.hear("A1 OK welcome\r\n")
    #expect(wire.error == .serverNotVerified)
    #expect(wire.failure == .serverNotVerified)
  }

  // MARK: Secrets

  private static let marker = "mArKeR-7391"

  /// All that shows a value.
  private func texts(_ value: Any) -> [String] {
    var dumped = ""
    dump(value, to: &dumped)
    return ["\(value)", String(describing: value), String(reflecting: value), dumped]
  }

  /// The marker, its base64 in each of the three alignments, and its bytes as numbers or in hexadecimal.
  private func isShown(in text: String) -> Bool {
    let bytes = Array(Self.marker.utf8)
    var forms = [Self.marker, bytes.map { "\($0)" }.joined(separator: ", "), "\(bytes[0])\n"]
    forms.append(bytes.map { String($0, radix: 16) }.joined())
    for shift in 0..<3 {
      var encoded: [UInt8] = []
      let shifted = [UInt8](repeating: 0, count: shift) + bytes
      Base64.encode(shifted.span, into: &encoded)
      // Without the ends, which depend on what is beside it.
      forms.append(String(decoding: encoded.dropFirst(4).dropLast(4), as: UTF8.self))
    }
    return forms.contains { text.contains($0) }
  }

  @Test func formsOfTheMarkerAreSeen() {
    let shown: [Any] = [Array("x\(Self.marker)".utf8), "a\(Self.marker)b", Array(Self.marker.utf8)[...]]
    for value in shown { #expect(texts(value).contains { isShown(in: $0) }) }
    for prefix in ["", "a", "ab"] {
      var encoded: [UInt8] = []
      let text = Array("\(prefix)\(Self.marker)z".utf8)
      Base64.encode(text.span, into: &encoded)
      #expect(isShown(in: String(decoding: encoded, as: UTF8.self)))
    }
  }

  /// Every mechanism, at each stage of runs that go well and of runs that fail: no description, dump or error tells what the
  /// password or the token is.
  @Test func nothingShowsAPassword() throws {
    let secret = Secret(Self.marker)
    let (hashes, nonce) = (MixingHashes(), Array("0123456789".utf8))
    let bound = SASLSCRAM.Binding.bound(ChannelBinding(.tlsExporter, data: secret))
    let mechanisms: [any SASLMechanism] = [
      try SASLPlain(user: "u", password: secret), try SASLLogin(user: "u", password: secret),
      try SASLCRAMMD5(user: "u", password: secret, hashes: hashes), try SASLXOAuth2(user: "u", token: secret),
      try SASLOAuthBearer(user: "u", token: secret, host: "h", port: 1),
      try SASLSCRAM(.sha256, user: "u", password: secret, nonce: nonce, hashes: hashes),
      try SASLSCRAM(.sha1, user: "u", password: secret, nonce: nonce, binding: bound, hashes: hashes),
      SASLCustom("X", initialResponse: secret, revealsSecret: true) { _ in secret },
    ]
    let scripts: [[String]] = [
      [], ["Username:", "Password:", "more"], ["<1@x>", "<2@x>"], [#"{"status":"401"}"#, "x"],
      ["r=MDEyMzQ1Njc4OQ==x,s=AAAA,i=1", "v=AAAA"], ["r=MDEyMzQ1Njc4OQ==x,s=AAAA,i=1", "e=x"], ["r=x,s=AAAA,i=1"],
      ["r=MDEyMzQ1Njc4OQ==x,s=AAAA,i=4000000000"], ["", ""],
    ]
    var seen = 0
    for mechanism in mechanisms {
      for script in scripts {
        for isOK in [true, false] {
          var conversation = try SASLConversation(mechanism)
          var values: [Any] = [
            mechanism, conversation, conversation.exchange, Command.authenticate(conversation.exchange),
          ]
          for challenge in script {
            values.append(conversation.answer(Array(challenge.utf8)) as Any)
            values.append(conversation)
          }
          values.append(conversation.complete(isOK: isOK) as Any)
          values.append(conversation.failure as Any)
          values.append(conversation)
          for value in values {
            for text in texts(value) {
              seen += 1
              #expect(!isShown(in: text), "\(mechanism.name) \(script): \(text)")
            }
          }
        }
      }
    }
    #expect(seen > 3000)
    let credentials: [Any] = [
      SignInCredentials.password(user: "u", password: secret), SignInCredentials.token(user: "u", token: secret),
    ]
    for value in credentials { for text in texts(value) { #expect(!isShown(in: text), "\(text)") } }
    // Nor does an error about the password itself.
    for flaw in [Self.marker + "\0", Self.marker + "\u{1}"] {
      do throws(SASLError) {
        _ = try SASLSCRAM(.sha1, user: "u", password: Secret(flaw), nonce: nonce, hashes: hashes)
        Issue.record("a control character was accepted")
      } catch {
        for text in texts(error) { #expect(!isShown(in: text), "\(text)") }
      }
    }
  }
}
