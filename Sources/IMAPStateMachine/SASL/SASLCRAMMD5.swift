/// CRAM-MD5 (RFC 2195): HMAC-MD5 of the server's challenge with the password as the key. The password is not sent, but who
/// reads the connection can try passwords fast, and the server is not proved to know it: SCRAM is better.
public struct SASLCRAMMD5: SASLMechanism {
  /// `CRAM-MD5`.
  public var name: String { "CRAM-MD5" }
  /// It does not.
  public var revealsSecret: Bool { false }
  private let user: String
  private var password: Secret?
  private let hashes: any SASLHashes

  /// Throws `.credential` where something is empty or holds NUL.
  public init(user: String, password: Secret, hashes: some SASLHashes) throws(SASLError) {
    try CredentialRules.check(user, password)
    self.user = user
    self.password = password
    self.hashes = hashes
  }

  /// Nothing: the server speaks first.
  public mutating func start() throws(SASLError) -> Secret? { nil }

  /// `user`, a space, and the digest in lower case (RFC 2195, section 2).
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? {
    guard let password else { throw .unexpectedChallenge }
    self.password = nil
    if challenge.isEmpty { throw .malformedChallenge("CRAM-MD5 without a challenge") }
    guard let digest = password.withBytes({ hashes.hmac(.md5, key: $0, challenge) }) else {
      throw .hashUnavailable(.md5)
    }
    return Secret.building(user.utf8.count + 1 + 2 * digest.count) { bytes in
      bytes += user.utf8
      bytes.append(0x20)
      bytes.appendHex(digest)
    }
  }
}
