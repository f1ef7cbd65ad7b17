import Testing

@testable import IMAPStateMachine

/// Mechanisms as machines. Their hash function is made up here; the RFCs' examples are tested where there is a real one.
@Suite struct SASLTests {
  private static let nonce = Array("0123456789".utf8)
  private static let nonceText = "MDEyMzQ1Njc4OQ=="

  private static func scram(
    user: String = "user", password: String = "pencil", authorizationID: String = "",
    binding: SASLSCRAM.Binding = .unsupported, iterations: ClosedRange<UInt32> = SASLSCRAM.defaultIterations,
    hashes: MixingHashes = MixingHashes()
  ) throws -> SASLSCRAM {
    try SASLSCRAM(
      .sha256, authorizationID: authorizationID, user: user, password: Secret(password), nonce: nonce, binding: binding,
      iterations: iterations, hashes: hashes)
  }

  private func text(_ secret: Secret?) -> String? {
    secret.map { String(decoding: $0.withBytes { $0.copy() }, as: UTF8.self) }
  }

  // MARK: SCRAM

  @Test(arguments: [
    (SASLSCRAM.Binding.unsupported, "", "n,,"), (.notOffered, "", "y,,"), (.unsupported, "a,b=c", "n,a=a=2Cb=3Dc,"),
    (.bound(ChannelBinding(.tlsExporter, data: Secret("data"))), "", "p=tls-exporter,,"),
    (.bound(ChannelBinding(.tlsServerEndPoint, data: Secret([0xff, 0]))), "z", "p=tls-server-end-point,a=z,"),
  ])
  func scramProvesBothSides(_ binding: SASLSCRAM.Binding, _ identity: String, _ header: String) throws {
    var client = try Self.scram(user: "j,o=e", authorizationID: identity, binding: binding)
    let isBound = if case .bound = binding { true } else { false }
    #expect(client.name == (isBound ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256"))
    let first = try #require(text(try client.start()))
    #expect(first == "\(header)n=j=2Co=3De,r=\(Self.nonceText)")
    var server = SCRAMTestServer(password: "pencil", header: header, binding: binding)
    let proof = try #require(text(try client.step(server.first(first))))
    let final = try #require(server.final(proof))
    #expect(try client.step(final) == Secret([]))
    try client.finish()
    #expect(throws: SASLError.unexpectedChallenge) { try client.step(final) }
    // The other password gives another proof.
    var stranger = try Self.scram(user: "j,o=e", password: "pen", authorizationID: identity, binding: binding)
    _ = try stranger.start()
    let wrong = try #require(text(try stranger.step(server.first(first))))
    #expect(server.final(wrong) == nil)
  }

  @Test(arguments: [
    ("", "malformed"), (",", "malformed"), ("r=", "malformed"), ("x=1,r=N+,s=AAAA,i=1", "malformed"),
    ("r=N+,s=AAAA", "malformed"), ("r=N+,s=AAAA,", "malformed"), ("r=N+,i=1,s=AAAA", "malformed"),
    ("r=N+,s=AAA,i=1", "malformed"), ("r=N+,s=AAB=,i=1", "malformed"), ("r=N+,s=A===,i=1", "malformed"),
    ("r=N+,s=,i=1", "malformed"), ("r=N+,s=AA=A,i=1", "malformed"), ("r=N+,s=AAAA,i=", "malformed"),
    ("r=N+,s=AAAA,i=0", "malformed"), ("r=N+,s=AAAA,i=01", "malformed"), ("r=N+,s=AAAA,i=-1", "malformed"),
    ("r=N+,s=AAAA,i=1x", "malformed"), ("r=N+,s=AAAA,i=1,", "malformed"), ("r=N+,s=AAAA,i=1,x", "malformed"),
    ("r=N+,s=AAAA,i=1,1=x", "malformed"), ("r=N \u{7f},s=AAAA,i=1", "malformed"), ("R=N+,s=AAAA,i=1", "malformed"),
    ("r=N,s=AAAA,i=1", "nonce"), ("r=M+,s=AAAA,i=1", "nonce"), ("r=x,s=AAAA,i=1", "nonce"),
    ("m=x,r=N+,s=AAAA,i=1", "extension"), ("r=N+,s=AAAA,i=1,m=x", "extension"),
    ("r=N+,s=AAAA,i=1000001", "iterations 1000001"), ("r=N+,s=AAAA,i=4294967296", "iterations 4294967295"),
    ("r=N+,s=AAAA,i=99999999999999999999999999", "iterations 4294967295"), ("e=unknown-user", "server unknown-user"),
    ("r=N+,s=AAAA,i=1,x=y,z=1=2", "none"), ("r=N+,s=AAAA,i=1000000", "none"),
  ])
  func firstMessages(_ message: String, _ expected: String) throws {
    var client = try Self.scram()
    _ = try client.start()
    let bytes = Array(message.replacing("N", with: Self.nonceText).utf8)
    let error = Self.error { () throws(SASLError) in _ = try client.step(bytes) }
    #expect(Self.kind(error) == expected)
    // It is over.
    #expect(throws: SASLError.serverNotVerified) { try client.finish() }
    if error != nil { #expect(throws: SASLError.unexpectedChallenge) { try client.step(bytes) } }
  }

  @Test(arguments: [
    ("", "malformed"), ("v=", "malformed"), ("v=AAA", "malformed"), ("x=AAAA", "malformed"), ("v=AAAA,", "malformed"),
    ("v=AAAA", "signature"), ("e=invalid-proof", "server invalid-proof"), ("e=a\u{1}b,x=y", "server a?b"),
    ("m=x", "extension"), ("v=AAAA,m=x", "extension"),
  ])
  func lastMessages(_ message: String, _ expected: String) throws {
    var client = try Self.scram()
    _ = try client.start()
    let first = Array("r=\(Self.nonceText)x,s=AAAA,i=1".utf8)
    _ = try client.step(first)
    let last = Array(message.utf8)
    let error = Self.error { () throws(SASLError) in _ = try client.step(last) }
    #expect(Self.kind(error) == expected)
    #expect(throws: SASLError.serverNotVerified) { try client.finish() }
  }

  @Test func iterationsAreAcceptedAsTheCallerSays() throws {
    for (count, isAccepted) in [(4095, false), (4096, true), (5000, true), (5001, false)] {
      var client = try Self.scram(iterations: 4096...5000)
      _ = try client.start()
      let first = Array("r=\(Self.nonceText)x,s=AAAA,i=\(count)".utf8)
      let error = Self.error { () throws(SASLError) in _ = try client.step(first) }
      #expect((error == nil) == isAccepted, "\(count)")
    }
  }

  @Test func aMissingHashIsAnError() throws {
    var client = try Self.scram(hashes: MixingHashes(isAvailable: false))
    _ = try client.start()
    let first = Array("r=\(Self.nonceText)x,s=AAAA,i=1".utf8)
    #expect(throws: SASLError.hashUnavailable(.sha256)) { try client.step(first) }
    var cram = try SASLCRAMMD5(user: "u", password: Secret("p"), hashes: MixingHashes(isAvailable: false))
    #expect(throws: SASLError.hashUnavailable(.md5)) { try cram.step(first) }
    #expect(throws: SASLError.hashUnavailable(.md5)) {
      try SASLSCRAM(.md5, user: "u", password: Secret("p"), nonce: Self.nonce, hashes: MixingHashes())
    }
  }

  /// Whatever a server says, and in whatever order the calls come.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func anythingMayCome(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let pieces = ["r=", Self.nonceText, "x", ",", "s=", "AAAA", "i=", "1", "v=", "e=", "m=", "=", "\u{0}", "\u{e9}"]
    var accepted = 0
    for _ in 0..<5000 {
      var client = try Self.scram()
      if !Bool.random(using: &generator) || accepted < 10 { _ = try client.start() }
      for _ in 0..<3 {
        let count = Int.random(in: 0...8, using: &generator)
        let message =
          Int.random(in: 0..<4, using: &generator) == 0
          ? "r=\(Self.nonceText)x,s=AAAA,i=1"
          : (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
        let bytes = Array(message.utf8)
        if (try? client.step(bytes)) != nil { accepted += 1 }
      }
      // Nobody here can know the password.
      #expect(throws: SASLError.serverNotVerified, "seed \(seed)") { try client.finish() }
    }
    #expect(accepted > 100, "seed \(seed)")
  }

  // MARK: The others

  @Test func loginAnswersInOrder() throws {
    var login = try SASLLogin(user: "joe", password: Secret("pw"))
    #expect(login.revealsSecret)
    #expect(try login.start() == nil)
    let prompts = [Array("Username:".utf8), Array("Password:".utf8), []]
    #expect(text(try login.step(prompts[0])) == "joe")
    #expect(text(try login.step(prompts[1])) == "pw")
    #expect(throws: SASLError.unexpectedChallenge) { try login.step(prompts[2]) }
  }

  @Test func oneMessageIsSaidOnce() throws {
    var external = try SASLExternal()
    #expect(try external.start() == Secret([]))
    #expect(try external.start() == nil)
    #expect(throws: SASLError.unexpectedChallenge) { try external.step(Self.nonce) }
    try external.finish()
    var plain = try SASLPlain(user: "u", password: Secret("p"))
    #expect(text(try plain.start()) == "\0u\0p")
    #expect(throws: SASLError.unexpectedChallenge) { try plain.step(Self.nonce) }
    var custom = SASLCustom("x-mine", initialResponse: Secret("hi"), revealsSecret: false) { challenge in
      challenge.isEmpty ? nil : Secret(challenge.copy() + challenge.copy())
    }
    #expect(custom.name == "X-MINE")
    #expect(text(try custom.start()) == "hi")
    #expect(try custom.step(Self.nonce) == Secret(Self.nonce + Self.nonce))
  }

  @Test func bearerTokens() throws {
    var token = try SASLXOAuth2(user: "someuser@example.com", token: Secret("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGE"))
    #expect(
      text(try token.start())
        == "user=someuser@example.com\u{1}auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGE\u{1}\u{1}")
    var yahoo = try SASLXOAuth2(user: "joe", token: Secret("t"), vendor: "Acme Mail")
    #expect(text(try yahoo.start()) == "user=joe\u{1}auth=Bearer t\u{1}vendor=Acme Mail\u{1}\u{1}")
    let refusal = Array(#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#.utf8)
    #expect(try token.step(refusal) == Secret([]))
    #expect(token.refusal == .tokenRefused(SASLTokenRefusal(refusal.span)))
    #expect(throws: SASLError.self) { try token.finish() }
    var bearer = try SASLOAuthBearer(user: "a,b=c", token: Secret("t"), host: "::1", port: 65535)
    #expect(text(try bearer.start()) == "n,a=a=2Cb=3Dc,\u{1}host=::1\u{1}port=65535\u{1}auth=Bearer t\u{1}\u{1}")
    bearer = try SASLOAuthBearer(user: "", token: Secret("t"), host: "h", port: 1)
    #expect(text(try bearer.start()) == "n,,\u{1}host=h\u{1}port=1\u{1}auth=Bearer t\u{1}\u{1}")
    try bearer.finish()
  }

  @Test(
    arguments: [
      (#"{"status":"400","schemes":"Bearer","scope":"s"}"#, "400", "s"), (#"{"status":401}"#, "401", nil),
      (
        #" { "x" : {"status":"no","a":[1,"}"]} , "status" : "a\"\\\/\n\u00e9\ud83d\ude00\ud83dx" }"#,
        "a\"\\/\né😀\u{fffd}x", nil
      ),
      (#"{"status":null,"scope":true}"#, "null", "true"), (#"{"status":"a","status":"b"}"#, "a", nil),
      ("", nil, nil), ("{", nil, nil), ("{}", nil, nil), ("[1]", nil, nil), (#"{"status""#, nil, nil),
      (#"{"status":"x"#, nil, nil), (#"{"status":"\u12"#, nil, nil), (#"{"status":"\"#, nil, nil), ("denied", nil, nil),
      (#"{"x":[[[{"status":"x"}"#, nil, nil), (#"{"status":"a" "scope":"b"}"#, "a", nil),
    ] as [(String, String?, String?)])
  func refusals(_ json: String, _ status: String?, _ scope: String?) {
    let bytes = Array(json.utf8)
    let refusal = SASLTokenRefusal(bytes.span)
    #expect(refusal.status == status)
    #expect(refusal.scope == scope)
    #expect(refusal.text == json)
    // Cut anywhere, nothing is made up.
    for end in bytes.indices {
      let cut = SASLTokenRefusal(bytes.span.extracting(0..<end))
      #expect(cut.status == nil || status?.hasPrefix(cut.status ?? "") == true, "\(end)")
    }
  }

  @Test func aLongRefusalIsCut() {
    let bytes = Array(#"{"status":"a\u0007b","x":"#.utf8) + [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    let refusal = SASLTokenRefusal(bytes.span)
    #expect(refusal.text.utf8.count == 4096)
    #expect(refusal.status == "a\u{7}b")
    #expect(refusal.description == "the server refused the token: ab")
  }

  @Test func credentialsThatCannotBeSent() throws {
    let long = String(repeating: "é", count: 256)
    let (hashes, nonce) = (MixingHashes(), Self.nonce)
    let attempts: [(SASLError, () throws(SASLError) -> Void)] = [
      (.credential(.user, .empty), { () throws(SASLError) in _ = try SASLPlain(user: "", password: Secret("p")) }),
      (.credential(.user, .nul), { () throws(SASLError) in _ = try SASLPlain(user: "a\0", password: Secret("p")) }),
      (.credential(.password, .empty), { () throws(SASLError) in _ = try SASLPlain(user: "a", password: Secret("")) }),
      (.credential(.password, .nul), { () throws(SASLError) in _ = try SASLLogin(user: "a", password: Secret("\0")) }),
      (
        .credential(.authorizationID, .nul),
        { () throws(SASLError) in _ = try SASLPlain(authorizationID: "\0", user: "a", password: Secret("p")) }
      ),
      (.credential(.authorizationID, .nul), { () throws(SASLError) in _ = try SASLExternal(authorizationID: "\0") }),
      (.credential(.trace, .control), { () throws(SASLError) in _ = try SASLAnonymous(trace: "a\n") }),
      (.credential(.trace, .tooLong), { () throws(SASLError) in _ = try SASLAnonymous(trace: long) }),
      (
        .credential(.user, .control),
        { () throws(SASLError) in _ = try SASLXOAuth2(user: "a\u{1}", token: Secret("t")) }
      ),
      (
        .credential(.token, .control),
        { () throws(SASLError) in _ = try SASLXOAuth2(user: "a", token: Secret("t\r\n")) }
      ),
      (
        .credential(.vendor, .control),
        { () throws(SASLError) in _ = try SASLXOAuth2(user: "a", token: Secret("t"), vendor: "a\u{1}b") }
      ),
      (
        .credential(.vendor, .empty),
        { () throws(SASLError) in _ = try SASLXOAuth2(user: "a", token: Secret("t"), vendor: "") }
      ),
      (.credential(.token, .notASCII), { () throws(SASLError) in _ = try SASLXOAuth2(user: "a", token: Secret("é")) }),
      (.credential(.token, .empty), { () throws(SASLError) in _ = try SASLXOAuth2(user: "a", token: Secret("")) }),
      (
        .credential(.host, .control),
        { () throws(SASLError) in _ = try SASLOAuthBearer(user: "a", token: Secret("t"), host: "h\u{1}", port: 1) }
      ),
      (
        .credential(.password, .notUTF8),
        { () throws(SASLError) in
          _ = try SASLSCRAM(.sha1, user: "a", password: Secret([0xff]), nonce: nonce, hashes: hashes)
        }
      ),
      (
        .credential(.password, .control),
        { () throws(SASLError) in
          _ = try SASLSCRAM(.sha1, user: "a", password: Secret("x\u{85}"), nonce: nonce, hashes: hashes)
        }
      ),
      (
        .credential(.user, .control),
        { () throws(SASLError) in
          _ = try SASLSCRAM(.sha1, user: "a\u{7f}", password: Secret("x"), nonce: nonce, hashes: hashes)
        }
      ),
      (
        .credential(.nonce, .tooShort),
        { () throws(SASLError) in _ = try SASLSCRAM(.sha1, user: "a", password: Secret("x"), nonce: [1], hashes: hashes)
        }
      ),
    ]
    for (expected, attempt) in attempts { #expect(Self.error(attempt) == expected) }
    _ = try SASLSCRAM(.sha1, user: "ü\u{a0}", password: Secret("日本 x"), nonce: nonce, hashes: hashes)
    _ = try SASLAnonymous(trace: String(repeating: "é", count: 255))
  }

  private static func error(_ body: () throws(SASLError) -> Void) -> SASLError? {
    do throws(SASLError) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  private static func kind(_ error: SASLError?) -> String {
    switch error {
    case nil: "none"
    case .malformedChallenge: "malformed"
    case .nonceNotExtended: "nonce"
    case .mandatoryExtension: "extension"
    case .iterationCount(let count): "iterations \(count)"
    case .server(let reason): "server \(reason)"
    case .serverSignature: "signature"
    case .some(let error): "other: \(error)"
    }
  }
}

/// A made-up hash function: every byte of the input changes the output, and it is fast. It is not one-way.
struct MixingHashes: SASLHashes {
  var isAvailable = true

  func digest(_ hash: SASLHash, _ message: Span<UInt8>) -> Secret? {
    if !isAvailable { return nil }
    var state: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in message.indices { state = (state ^ UInt64(message[index])) &* 0x100_0000_01b3 }
    return Secret(
      (0..<hash.byteCount).map { _ in
        state = state &* 0x5851_f42d_4c95_7f2d &+ 1
        return UInt8(truncatingIfNeeded: state >> 56)
      })
  }

  func hmac(_ hash: SASLHash, key: Span<UInt8>, _ message: Span<UInt8>) -> Secret? {
    let all = [UInt8(truncatingIfNeeded: key.count)] + key.copy() + message.copy()
    return digest(hash, all.span)
  }

  func pbkdf2(_ hash: SASLHash, password: Span<UInt8>, salt: Span<UInt8>, iterations: UInt32) -> Secret? {
    let all = password.copy() + salt.copy() + Array("\(iterations)".utf8)
    return digest(hash, all.span)
  }
}

/// The server's side of one exchange, written from RFC 5802, section 3, as the client's is not: from the stored key.
private struct SCRAMTestServer {
  let password: String
  let header: String
  let binding: SASLSCRAM.Binding
  private let hashes = MixingHashes()
  private let salt = Array("salt".utf8)
  private var messages = ""
  private var nonce = ""

  init(password: String, header: String, binding: SASLSCRAM.Binding) {
    self.password = password
    self.header = header
    self.binding = binding
  }

  mutating func first(_ clientFirst: String) -> [UInt8] {
    let bare = clientFirst.dropFirst(header.count)
    nonce = bare.split(separator: "r=", maxSplits: 1).last.map { $0 + "server" } ?? ""
    let first = "r=\(nonce),s=\(base64(salt)),i=4096"
    messages = "\(bare),\(first)"
    return Array(first.utf8)
  }

  /// Nil where the proof is wrong.
  func final(_ clientFinal: String) -> [UInt8]? {
    var bound = Array(header.utf8)
    if case .bound(let binding) = binding { bound += binding.data.withBytes { $0.copy() } }
    let withoutProof = "c=\(base64(bound)),r=\(nonce)"
    guard clientFinal.hasPrefix(withoutProof + ",p=") else { return nil }
    let encoded = Array(clientFinal.dropFirst(withoutProof.count + 3).utf8)
    guard let proof = Base64.decode(encoded.span) else { return nil }
    let all = Array("\(messages),\(withoutProof)".utf8)
    let salted = bytes(
      hashes.pbkdf2(.sha256, password: Array(password.utf8).span, salt: salt.span, iterations: 4096))
    let storedKey = bytes(hashes.digest(.sha256, hmac(salted, Array("Client Key".utf8)).span))
    let clientKey = zip(proof, hmac(storedKey, all)).map { $0 ^ $1 }
    guard bytes(hashes.digest(.sha256, clientKey.span)) == storedKey else { return nil }
    return Array("v=\(base64(hmac(hmac(salted, Array("Server Key".utf8)), all)))".utf8)
  }

  private func hmac(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    bytes(hashes.hmac(.sha256, key: key.span, message.span))
  }

  private func bytes(_ secret: Secret?) -> [UInt8] { secret?.withBytes { $0.copy() } ?? [] }

  private func base64(_ bytes: [UInt8]) -> String {
    var output: [UInt8] = []
    Base64.encode(bytes.span, into: &output)
    return String(decoding: output, as: UTF8.self)
  }
}

extension SASLMechanism {
  /// A span cannot go into the macros of a test.
  fileprivate mutating func step(_ challenge: [UInt8]) throws(SASLError) -> Secret? { try step(challenge.span) }
}
