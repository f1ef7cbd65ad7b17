/// SCRAM (RFC 5802, RFC 7677): a proof of the password that neither side could use elsewhere, a proof of the server, and
/// with channel binding a proof of the TLS connection between them.
///
/// SASLprep (RFC 4013) needs tables of Unicode that are not here: names and passwords are used as they are, which is right for
/// ASCII and for text that is composed already, as keyboards make it. Control characters are refused.
///
/// The server's OK only counts once its signature was right: ``finish()`` throws otherwise.
public struct SASLSCRAM: SASLMechanism {
  /// What is proved of the TLS connection (RFC 5802, section 6).
  public enum Binding: Hashable, Sendable {
    /// Nothing: the client cannot.
    case unsupported
    /// Nothing, because the server did not offer it: the client could. If the server did and somebody has taken that out of
    /// its answer, it notices and refuses.
    case notOffered
    /// This. It is the variant whose name ends in `-PLUS`.
    case bound(ChannelBinding)
  }

  /// Iterations that are accepted where the caller does not say: any up to a million, about half a second of computing. A
  /// server that wants more would keep the client busy for minutes. RFC 7677 asks servers for 4,096 at least; to accept no
  /// less is wise where a connection is not protected, since few iterations make a stolen proof cheap to try passwords on.
  public static let defaultIterations: ClosedRange<UInt32> = 1...1_000_000

  /// `SCRAM-SHA-256` and the like.
  public let name: String
  /// It does not.
  public var revealsSecret: Bool { false }

  private enum State {
    case start
    /// The first message, without the GS2 header, is sent.
    case first(bare: [UInt8])
    /// The proof is sent; the server must send this.
    case proof(signature: Secret)
    case verified
    case failed
  }

  private let hash: SASLHash
  private let hashes: any SASLHashes
  private let iterations: ClosedRange<UInt32>
  private let user: String
  private let header: [UInt8]
  private let bindingData: Secret?
  private let nonce: [UInt8]
  private var password: Secret
  private var state = State.start

  /// A run of SCRAM with `hash`, which is SHA-1 or SHA-256. `nonce` is random bytes, new for every run, 8 at least and 18 to
  /// be safe. `authorizationID` is whom to act as; empty is `user`. Throws `.credential` where a value cannot be sent, and
  /// `.hashUnavailable` for MD5, which SCRAM does not have.
  public init(
    _ hash: SASLHash, authorizationID: String = "", user: String, password: Secret, nonce: [UInt8],
    binding: Binding = .unsupported, iterations: ClosedRange<UInt32> = Self.defaultIterations, hashes: some SASLHashes
  ) throws(SASLError) {
    if hash == .md5 { throw .hashUnavailable(.md5) }
    try CredentialRules.check(user, password)
    let (userBytes, identity) = (Array(user.utf8), Array(authorizationID.utf8))
    try CredentialRules.checkPrepared(userBytes.span, .user)
    try CredentialRules.checkPrepared(identity.span, .authorizationID)
    try password.withBytes { bytes throws(SASLError) in try CredentialRules.checkPrepared(bytes, .password) }
    if nonce.count < 8 { throw .credential(.nonce, .tooShort) }
    var flag = "n"
    var data: Secret?
    switch binding {
    case .unsupported: break
    case .notOffered: flag = "y"
    case .bound(let binding):
      if binding.data.count == 0 { throw .channelBindingUnavailable }
      flag = "p=\(binding.kind.rawValue)"
      data = binding.data
    }
    self.hash = hash
    self.hashes = hashes
    self.iterations = iterations
    self.user = user
    self.password = password
    name = "SCRAM-\(hash.rawValue)\(data == nil ? "" : "-PLUS")"
    bindingData = data
    var header = Array("\(flag),".utf8)
    if !identity.isEmpty { header += Array("a=".utf8) + CredentialRules.saslName(authorizationID) }
    header.append(UInt8(ascii: ","))
    self.header = header
    // Base64 is printable and has no comma.
    var text: [UInt8] = []
    Base64.encode(nonce.span, into: &text)
    self.nonce = text
  }

  /// The GS2 header, the user name and the nonce.
  public mutating func start() throws(SASLError) -> Secret? {
    guard case .start = state else { throw .unexpectedChallenge }
    let bare = Array("n=".utf8) + CredentialRules.saslName(user) + Array(",r=".utf8) + nonce
    state = .first(bare: bare)
    return Secret(header + bare)
  }

  /// Answers the server's first message by the proof, and its last one by nothing.
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? {
    let state = self.state
    // Whatever goes wrong below, it is over.
    self.state = .failed
    switch state {
    case .first(let bare):
      defer { password = Secret([]) }
      let message = try SCRAMServerFirst(challenge, nonce: nonce)
      if !iterations.contains(message.iterations) { throw .iterationCount(message.iterations) }
      return try prove(bare: bare, message, challenge)
    case .proof(let signature):
      try SCRAMServerFinal.verify(challenge, signature)
      self.state = .verified
      return Secret([])
    case .start, .verified, .failed: throw .unexpectedChallenge
    }
  }

  /// Throws `.serverNotVerified` unless the server's signature has come and was right.
  public mutating func finish() throws(SASLError) {
    guard case .verified = state else { throw .serverNotVerified }
  }

  /// RFC 5802, section 3.
  private mutating func prove(
    bare: [UInt8], _ message: SCRAMServerFirst, _ challenge: Span<UInt8>
  ) throws(SASLError) -> Secret {
    var final = Array("c=".utf8)
    let binding = Secret.building(header.count + (bindingData?.count ?? 0)) { bytes in
      bytes += header
      if let bindingData { bytes.append(bindingData) }
    }
    binding.withBytes { Base64.encode($0, into: &final) }
    final += Array(",r=".utf8) + message.nonce
    var all = bare + [0x2c]
    all.append(challenge)
    all += [0x2c] + final
    // They hold what names the TLS connection.
    defer {
      wipe(&final, final.indices)
      wipe(&all, all.indices)
    }

    let salted = try password.withBytes { password throws(SASLError) in
      try known(
        hashes.pbkdf2(hash, password: password, salt: message.salt.span, iterations: message.iterations))
    }
    let clientKey = try hmac(salted, Array("Client Key".utf8))
    let storedKey = try clientKey.withBytes { key throws(SASLError) in try known(hashes.digest(hash, key)) }
    let clientSignature = try hmac(storedKey, all)
    let serverKey = try hmac(salted, Array("Server Key".utf8))
    state = .proof(signature: try hmac(serverKey, all))
    let proof = Secret.building(clientKey.count) { bytes in
      clientKey.withBytes { key in
        clientSignature.withBytes { signature in
          for index in 0..<min(key.count, signature.count) { bytes.append(key[index] ^ signature[index]) }
        }
      }
    }
    return Secret.building(final.count + 3 + (proof.count + 2) / 3 * 4) { bytes in
      bytes += final
      bytes += Array(",p=".utf8)
      proof.withBytes { Base64.encode($0, into: &bytes) }
    }
  }

  private func hmac(_ key: Secret, _ message: [UInt8]) throws(SASLError) -> Secret {
    try key.withBytes { key throws(SASLError) in try known(hashes.hmac(hash, key: key, message.span)) }
  }

  /// A digest of the right length.
  private func known(_ digest: Secret?) throws(SASLError) -> Secret {
    guard let digest, digest.count == hash.byteCount else { throw .hashUnavailable(hash) }
    return digest
  }
}
