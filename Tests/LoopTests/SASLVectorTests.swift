import Foundation
import IMAPLoop
import Testing

@testable import IMAPStateMachine

/// The examples of the RFCs, with OpenSSL's hash functions.
@Suite struct SASLVectorTests {
  private let hashes = OpenSSLHashes()

  private func bytes(_ base64: String) throws -> [UInt8] { [UInt8](try #require(Data(base64Encoded: base64))) }

  private func text(_ secret: Secret?) -> String? {
    secret.map { secret in
      secret.withBytes { bytes in
        var text: [UInt8] = []
        for index in bytes.indices { text.append(bytes[index]) }
        return String(decoding: text, as: UTF8.self)
      }
    }
  }

  private func step(_ mechanism: inout some SASLMechanism, _ challenge: String) throws -> String? {
    text(try mechanism.step(Array(challenge.utf8)))
  }

  private func hex(_ secret: Secret?) -> String? {
    secret.map { $0.withBytes { bytes in bytes.indices.map { String(format: "%02x", bytes[$0]) }.joined() } }
  }

  /// RFC 1321, section A.5; FIPS 180-4's `abc`.
  @Test func digests() {
    let abc = Array("abc".utf8)
    #expect(hex(hashes.digest(.md5, abc.span)) == "900150983cd24fb0d6963f7d28e17f72")
    #expect(hex(hashes.digest(.sha1, abc.span)) == "a9993e364706816aba3e25717850c26c9cd0d89d")
    #expect(
      hex(hashes.digest(.sha256, abc.span)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let none: [UInt8] = []
    #expect(hex(hashes.digest(.md5, none.span)) == "d41d8cd98f00b204e9800998ecf8427e")
  }

  /// RFC 2202, section 3, case 2; RFC 4231, section 4.3; and a key without bytes, also behind another one.
  @Test func authenticationCodes() {
    let (key, message) = (Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
    #expect(hex(hashes.hmac(.md5, key: key.span, message.span)) == "750c783e6ab0b503eaa86e310a5db738")
    #expect(hex(hashes.hmac(.sha1, key: key.span, message.span)) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    #expect(
      hex(hashes.hmac(.sha256, key: key.span, message.span))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let none: [UInt8] = []
    #expect(hex(hashes.hmac(.md5, key: none.span, none.span)) == "74e6f7298a9c2d168935f58c001bad88")
  }

  /// RFC 6070, section 2.
  @Test(
    arguments: [
      (1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"), (2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
      (4096, "4b007901b765489abead49d926f721d065a429c1"),
    ] as [(UInt32, String)])
  func derivedKeys(_ iterations: UInt32, _ expected: String) {
    let (password, salt) = (Array("password".utf8), Array("salt".utf8))
    let key = hashes.pbkdf2(.sha1, password: password.span, salt: salt.span, iterations: iterations)
    #expect(hex(key) == expected)
    // It is what the definition says: the sum of a chain of HMACs.
    let first = salt + [0, 0, 0, 1]
    var link = hashes.hmac(.sha1, key: password.span, first.span)
    var sum = [UInt8](repeating: 0, count: 20)
    for _ in 0..<iterations {
      link?.withBytes { bytes in for index in bytes.indices { sum[index] ^= bytes[index] } }
      link = link?.withBytes { hashes.hmac(.sha1, key: password.span, $0) }
    }
    #expect(key == Secret(sum))
    #expect(hashes.pbkdf2(.sha1, password: password.span, salt: salt.span, iterations: 0) == nil)
    #expect(hashes.pbkdf2(.sha1, password: password.span, salt: salt.span, iterations: .max) == nil)
  }

  /// RFC 2195, section 2.
  @Test func cramMD5() throws {
    var cram = try SASLCRAMMD5(user: "tim", password: Secret("tanstaaftanstaaf"), hashes: hashes)
    #expect(try cram.start() == nil)
    #expect(
      try step(&cram, "<1896.697170952@postoffice.reston.mci.net>") == "tim b913a602c7eda7a495b4e6e7334d3890")
    #expect(throws: SASLError.unexpectedChallenge) { try step(&cram, "<1@x>") }
  }

  private func digest(
    _ user: String = "chris", _ password: String = "secret", realm: String? = nil, identity: String = ""
  ) throws -> SASLDigestMD5 {
    try SASLDigestMD5(
      authorizationID: identity, user: user, password: Secret(password), realm: realm, host: "elwood.innosoft.com",
      nonceText: Array("OA6MHXh6VqTrRk".utf8), hashes: hashes)
  }

  /// RFC 2831, section 4.
  @Test func digestMD5() throws {
    let challenge = #"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8"#
    var mechanism = try digest()
    #expect(try mechanism.start() == nil)
    #expect(
      try step(&mechanism, challenge)
        == #"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,"#
        + #"cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com","#
        + "response=d388dad90d4bbd760a152321f2143af7,qop=auth")
    #expect(throws: SASLError.serverNotVerified) { try mechanism.finish() }
    #expect(try step(&mechanism, "rspauth=ea40f60335c427b5527b84dbabcdfffd") == "")
    try mechanism.finish()
    #expect(throws: SASLError.unexpectedChallenge) { try step(&mechanism, "a=b") }
    // Who does not know the password is not the server.
    var other = try digest()
    _ = try step(&other, challenge)
    #expect(throws: SASLError.serverSignature) { try step(&other, "rspauth=ea40f60335c427b5527b84dbabcdfffe") }
    #expect(throws: SASLError.serverNotVerified) { try other.finish() }
  }

  /// What RFC 2831, section 2.1, leaves to choose: realms, quoting, charsets and whom to act as.
  @Test func digestMD5Forms() throws {
    let start = #" , realm="a\"b" , realm=two,nonce=n,algorithm=MD5-SESS,qop="auth-int, auth""#
    var first = try digest()
    #expect(try step(&first, start)?.hasPrefix(#"username="chris",realm="a\"b",nonce="n",nc=00000001,"#) == true)
    var second = try digest(realm: "two", identity: "boss")
    let text = try step(&second, start)
    #expect(text?.contains(#",realm="two","#) == true && text?.hasSuffix(#",qop=auth,authzid="boss""#) == true)
    // Latin-1 is hashed as such, so that both charsets have the same digest.
    var (plain, unicode) = (try digest("chris", "s\u{e9}cret"), try digest("chris", "s\u{e9}cret"))
    let response = { (text: String?) in text.flatMap { $0.split(separator: ",").first { $0.hasPrefix("response=") } } }
    #expect(
      response(try step(&plain, "nonce=n,algorithm=md5-sess"))
        == response(try step(&unicode, "nonce=n,algorithm=md5-sess,charset=utf-8")))
    // What is sent is in the charset that is hashed.
    var jürgen = try digest("j\u{fc}rgen", realm: "k\u{f6}ln")
    let latin = try #require(try jürgen.step(Array("nonce=n,algorithm=md5-sess".utf8)))
    let sent = Array("username=\"j".utf8) + [0xfc] + Array("rgen\",realm=\"k".utf8) + [0xf6] + Array("ln\"".utf8)
    #expect(latin.withBytes { Array($0.copy().prefix(sent.count)) } == sent)
    // The server's realm is in its charset, too.
    var third = try digest()
    let realm = Array("realm=\"k".utf8) + [0xf6] + Array("ln\",nonce=n,algorithm=md5-sess".utf8)
    var fourth = try digest(realm: "k\u{f6}ln")
    let answer = try third.step(realm)
    #expect(answer != nil)
    #expect(try fourth.step(realm) == answer)
    #expect(throws: SASLError.credential(.realm, .nul)) { _ = try digest(realm: "\0") }
    var wide = try digest("chris", "\u{20ac}")
    #expect(throws: SASLError.credential(.password, .notASCII)) { try step(&wide, "nonce=n,algorithm=md5-sess") }
  }

  @Test(arguments: [
    "", "nonce=n", "algorithm=md5-sess", "nonce=n,nonce=m,algorithm=md5-sess", "nonce=n,algorithm=md5", "nonce",
    "nonce=\"n,algorithm=md5-sess", "nonce=\"n\\", "=n", "nonce=\"n\"x", "nonce=n,algorithm=md5-sess,qop=\"auth-conf\"",
    "nonce=n,algorithm=md5-sess,x=" + String(repeating: "y", count: 2048),
  ])
  func digestMD5Malformed(challenge: String) throws {
    var mechanism = try digest()
    do throws(SASLError) {
      _ = try mechanism.step(Array(challenge.utf8))
      Issue.record("taken")
    } catch {
      if case .malformedChallenge = error { return }
      Issue.record("\(error)")
    }
  }

  /// RFC 5802, section 5.
  @Test func scramSHA1() throws {
    var scram = try SASLSCRAM(
      .sha1, user: "user", password: Secret("pencil"), nonce: bytes("fyko+d2lbbFgONRv9qkxdawL"), hashes: hashes)
    #expect(scram.name == "SCRAM-SHA-1")
    #expect(text(try scram.start()) == "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
    #expect(
      try step(&scram, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
        == "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
    #expect(throws: SASLError.serverNotVerified) { try scram.finish() }
    #expect(try step(&scram, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") == "")
    try scram.finish()
  }

  /// RFC 7677, section 3.
  @Test func scramSHA256() throws {
    var scram = try SASLSCRAM(
      .sha256, user: "user", password: Secret("pencil"), nonce: bytes("rOprNGfwEbeRWgbNEkqO"), hashes: hashes)
    #expect(scram.name == "SCRAM-SHA-256")
    #expect(text(try scram.start()) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    #expect(
      try step(&scram, "r=\(nonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        == "c=biws,r=\(nonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    #expect(try step(&scram, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == "")
    try scram.finish()
  }

  /// RFC 4616, section 4; RFC 4505, section 4; RFC 7628, section 4.1.
  @Test func oneMessage() throws {
    var plain = try SASLPlain(user: "tim", password: Secret("tanstaaftanstaaf"))
    #expect(text(try plain.start()) == "\0tim\0tanstaaftanstaaf")
    plain = try SASLPlain(authorizationID: "Ursel", user: "Kurt", password: Secret("xipj3plmq"))
    #expect(text(try plain.start()) == "Ursel\0Kurt\0xipj3plmq")
    var anonymous = try SASLAnonymous(trace: "sirhc")
    #expect(try anonymous.start() == Secret(try bytes("c2lyaGM=")))
    var bearer = try SASLOAuthBearer(
      user: "user@example.com", token: Secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="), host: "server.example.com",
      port: 143)
    let message =
      "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
      + "HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    #expect(try bearer.start() == Secret(try bytes(message)))
  }

  /// RFC 7628, section 4.3.
  @Test func refusedToken() throws {
    var bearer = try SASLOAuthBearer(user: "user@example.com", token: Secret("x"), host: "h", port: 993)
    _ = try bearer.start()
    let refusal = try bytes(
      "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4"
        + "YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0=")
    #expect(try bearer.step(refusal) == Secret([1]))
    guard case .tokenRefused(let reason)? = bearer.refusal else {
      Issue.record("no reason")
      return
    }
    #expect(reason.status == "invalid_token")
    #expect(reason.scope == "example_scope")
    #expect(reason.configuration == "https://example.com/.well-known/openid-configuration")
    #expect(reason.description == "the server refused the token: invalid_token")
    #expect(throws: SASLError.tokenRefused(reason)) { try bearer.finish() }
    #expect(throws: SASLError.unexpectedChallenge) { try bearer.step(refusal) }
  }
}

extension SASLMechanism {
  /// A span cannot go into the macros of a test.
  fileprivate mutating func step(_ challenge: [UInt8]) throws(SASLError) -> Secret? { try step(challenge.span) }
}
