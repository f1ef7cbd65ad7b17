import Foundation
import IMAPLoop
import IMAPStateMachine
import Testing

/// Logging in to Dovecot by what it does not have unless it is told to.
@Suite(.serialized, .timeLimit(.minutes(2))) struct DovecotSignInTests {
  private static let key = Array("a key that nobody else has: tests only".utf8)

  /// A JSON Web Token (RFC 7519) for `user`, signed by HS256, which is good for `seconds` from now on.
  private static func token(_ user: String, for seconds: Int, key: [UInt8] = key) throws -> Secret {
    let now = Int(Date().timeIntervalSince1970)
    // As it ends, so it began: a token that is over was given out before that.
    let claims = #"{"sub":"\#(user)","iat":\#(now + min(seconds, 0) - 10),"exp":\#(now + seconds)}"#
    let text = [#"{"alg":"HS256","typ":"JWT"}"#, claims].map { encoded(Array($0.utf8)) }.joined(separator: ".")
    let message = Array(text.utf8)
    let signed = OpenSSLHashes().hmac(.sha256, key: key.span, message.span)
    let signature = try #require(signed)
    let bytes = signature.withBytes { bytes in bytes.indices.map { bytes[$0] } }
    return Secret("\(text).\(encoded(bytes))")
  }

  /// Base64 as URLs have it (RFC 4648, section 5), without padding.
  private static func encoded(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
      .replacingOccurrences(of: "/", with: "_").filter { $0 != "=" }
  }

  private static func with(
    mechanisms: String, key: [UInt8]? = nil, _ body: (IMAPClient.Configuration, EventLoop) async throws -> Void
  ) async throws {
    let server = try DovecotServer(mechanisms: mechanisms, tokenKey: key)
    let loop = try EventLoop.start()
    let result: Result<Void, any Error>
    do { result = .success(try await body(server.configuration(), loop)) } catch { result = .failure(error) }
    #expect(await loop.shutdown().isClean)
    try result.get()
  }

  @Test func accessTokens() async throws {
    try await Self.with(mechanisms: "xoauth2 oauthbearer", key: Self.key) { configuration, loop in
      for method in [SignInMethod.oauthBearer, .xoauth2] {
        var policy = SignInPolicy()
        policy.excluded = Set([.oauthBearer, .xoauth2]).subtracting([method])
        let client = try await IMAPClient.connect(configuration, on: loop)
        // Over, signed by somebody else, and for somebody else.
        for wrong in [
          try Self.token("joe", for: -600), try Self.token("joe", for: 600, key: [1, 2, 3]),
          try Self.token("ann", for: 600), Secret("x"),
        ] {
          do throws(IMAPError) {
            try await client.signIn(.token(user: "joe", token: wrong), policy: policy)
            Issue.record("\(method) took a wrong token")
          } catch {
            #expect(error.reason == .notAuthenticated, "\(method): \(error)")
            guard case .authentication(.tokenRefused, let status?) = error else {
              Issue.record("\(method) does not say why: \(error)")
              continue
            }
            #expect(status.code == .authenticationFailed)
          }
          #expect(await client.phase == .notAuthenticated)
        }
        let used = try await client.signIn(.token(user: "joe", token: try Self.token("joe", for: 600)), policy: policy)
        #expect(used == method)
        #expect(await client.phase == .authenticated)
        let inbox = try await client.select(.inbox)
        #expect(inbox.exists == 0)
        await client.logout()
      }
    }
  }

  @Test func anybody() async throws {
    try await Self.with(mechanisms: "anonymous") { configuration, loop in
      let client = try await IMAPClient.connect(configuration, on: loop)
      let used = try await client.signIn(.anonymous(trace: "tests@example.org"))
      #expect(used == .anonymous)
      #expect(await client.phase == .authenticated)
      await client.logout()
    }
  }

  @Test func digest() async throws {
    try await Self.with(mechanisms: "digest-md5") { configuration, loop in
      let client = try await IMAPClient.connect(configuration, on: loop)
      for (password, isRight) in [("wrong", false), ("secret", true)] {
        let nonce = (0..<24).map { _ in UInt8.random(in: 0 ... .max) }
        let mechanism = try SASLDigestMD5(
          user: "joe", password: Secret(password), host: "localhost", nonce: nonce, hashes: OpenSSLHashes())
        do throws(IMAPError) {
          try await client.authenticate(mechanism)
          #expect(isRight)
        } catch {
          #expect(!isRight, "\(error)")
          #expect(error.reason == .notAuthenticated, "\(error)")
        }
      }
      #expect(await client.phase == .authenticated)
      await client.logout()
    }
  }
}
