/// DIGEST-MD5 (RFC 2831), for servers that have nothing better; RFC 6331 has retired it, and signing in never chooses it by itself.
/// The password is not sent, and the server proves that it knows it, but who reads the connection can try passwords fast.
///
/// It only authenticates: protection of what follows is what TLS is for. The server's OK only counts once its proof was right.
public struct SASLDigestMD5: SASLMechanism {
  /// `DIGEST-MD5`.
  public var name: String { "DIGEST-MD5" }
  /// It does not.
  public var revealsSecret: Bool { false }

  private enum State {
    case start
    /// The answer is sent; the server must send this.
    case answered(proof: Secret)
    case verified
    case failed
  }

  private let authorizationID: String
  private let user: String
  private let realm: String?
  private let service: [UInt8]
  private let nonce: [UInt8]
  private let hashes: any SASLHashes
  private var password: Secret?
  private var state = State.start

  /// A run of it with the server `host`, which is its name as the client knows it. `nonce` is random bytes, new for every run, 8 at
  /// least and 18 to be safe. `realm` is where the user is known; nil is the first one that the server names. `authorizationID` is
  /// whom to act as; empty is `user`. Throws `.credential` where a value cannot be sent.
  public init(
    authorizationID: String = "", user: String, password: Secret, realm: String? = nil, host: String, nonce: [UInt8],
    hashes: some SASLHashes
  ) throws(SASLError) {
    if nonce.count < 8 { throw .credential(.nonce, .tooShort) }
    // Base64 is printable and has nothing that a quoted string must escape.
    var text: [UInt8] = []
    Base64.encode(nonce.span, into: &text)
    try self.init(
      authorizationID: authorizationID, user: user, password: password, realm: realm, host: host, nonceText: text,
      hashes: hashes)
  }

  init(
    authorizationID: String, user: String, password: Secret, realm: String?, host: String, nonceText: [UInt8],
    hashes: some SASLHashes
  ) throws(SASLError) {
    try CredentialRules.check(user, password)
    let (userBytes, identity, place) = (Array(user.utf8), Array(authorizationID.utf8), Array((realm ?? "").utf8))
    try CredentialRules.checkPrepared(userBytes.span, .user)
    try CredentialRules.checkPrepared(identity.span, .authorizationID)
    try CredentialRules.checkPrepared(place.span, .realm)
    try password.withBytes { bytes throws(SASLError) in try CredentialRules.checkPrepared(bytes, .password) }
    if host.isEmpty { throw .credential(.host, .empty) }
    if !host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
      throw .credential(.host, .notASCII)
    }
    self.authorizationID = authorizationID
    self.user = user
    self.password = password
    self.realm = realm
    service = Array("imap/\(host)".utf8)
    nonce = nonceText
    self.hashes = hashes
  }

  /// Nothing: the server speaks first.
  public mutating func start() throws(SASLError) -> Secret? { nil }

  /// Answers the digest challenge (RFC 2831, section 2.1.1), and then the server's proof (section 2.1.3) by nothing.
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? {
    let before = state
    state = .failed
    let fields = try DigestFields(challenge)
    switch before {
    case .start:
      guard let password else { throw .unexpectedChallenge }
      self.password = nil
      let (answer, proof) = try answer(DigestChallenge(fields, realm: realm), password)
      state = .answered(proof: proof)
      return answer
    case .answered(let proof):
      guard let claimed = fields.first("rspauth") else { throw .malformedChallenge("DIGEST-MD5 without rspauth") }
      if Secret(claimed) != proof { throw .serverSignature }
      state = .verified
      return Secret([])
    case .verified, .failed: throw .unexpectedChallenge
    }
  }

  /// Throws where the server has not proved that it knows the password.
  public mutating func finish() throws(SASLError) {
    if case .verified = state { return }
    throw .serverNotVerified
  }

  private func answer(
    _ challenge: DigestChallenge, _ password: Secret
  ) throws(SASLError) -> (answer: Secret, proof: Secret) {
    let user = Array(self.user.utf8)
    let key = try key(challenge, user.span, password)
    let digest = try response(key, challenge, "AUTHENTICATE:")
    var text: [UInt8] = []
    if challenge.isUTF8 { text += Array("charset=utf-8,".utf8) }
    text += Array("username=".utf8) + Self.quoted(try challenge.sent(user.span, .user))
    if let realm = challenge.realm { text += Array(",realm=".utf8) + Self.quoted(realm) }
    text += Array(",nonce=".utf8) + Self.quoted(challenge.nonce)
    text += Array(",nc=00000001,cnonce=".utf8) + Self.quoted(nonce)
    text += Array(",digest-uri=".utf8) + Self.quoted(service) + Array(",response=".utf8)
    digest.withBytes { text.append($0) }
    text += Array(",qop=auth".utf8)
    if !authorizationID.isEmpty { text += Array(",authzid=".utf8) + Self.quoted(Array(authorizationID.utf8)) }
    // Section 2.1.3: that of the server is made without the word.
    return (Secret(text), try response(key, challenge, ":"))
  }

  /// `HEX(H(A1))` (RFC 2831, section 2.1.2.1).
  private func key(
    _ challenge: DigestChallenge, _ user: Span<UInt8>, _ password: Secret
  ) throws(SASLError) -> Secret {
    let name = try challenge.hashed(user, .user) + [0x3a] + challenge.hashedRealm + [0x3a]
    let secret = try password.withBytes { bytes throws(SASLError) in
      try Secret(challenge.hashed(bytes, .password))
    }
    let known = try hash(
      Secret.building(name.count + secret.count) { bytes in
        bytes += name
        bytes.append(secret)
      })
    let identity = authorizationID.isEmpty ? [] : [0x3a] + Array(authorizationID.utf8)
    let rest = [0x3a] + challenge.nonce + [0x3a] + nonce + identity
    return hex(
      try hash(
        Secret.building(known.count + rest.count) { bytes in
          bytes.append(known)
          bytes += rest
        }))
  }

  /// `response-value` (RFC 2831, section 2.1.2.1), of which `verb` begins A2.
  private func response(
    _ key: Secret, _ challenge: DigestChallenge, _ verb: String
  ) throws(SASLError) -> Secret {
    let target = hex(try hash(Secret(Array(verb.utf8) + service)))
    let middle = [0x3a] + challenge.nonce + Array(":00000001:".utf8) + nonce + Array(":auth:".utf8)
    return hex(
      try hash(
        Secret.building(key.count + middle.count + target.count) { bytes in
          bytes.append(key)
          bytes += middle
          bytes.append(target)
        }))
  }

  private func hash(_ text: Secret) throws(SASLError) -> Secret {
    guard let digest = text.withBytes({ hashes.digest(.md5, $0) }) else { throw .hashUnavailable(.md5) }
    return digest
  }

  private func hex(_ digest: Secret) -> Secret {
    Secret.building(2 * digest.count) { $0.appendHex(digest) }
  }

  private static func quoted(_ text: [UInt8]) -> [UInt8] {
    var quoted: [UInt8] = [UInt8(ascii: "\"")]
    for byte in text {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { quoted.append(UInt8(ascii: "\\")) }
      quoted.append(byte)
    }
    return quoted + [UInt8(ascii: "\"")]
  }
}

/// What counts of a digest challenge (RFC 2831, section 2.1.1).
private struct DigestChallenge {
  let nonce: [UInt8]
  /// As it is sent.
  private(set) var realm: [UInt8]?
  private(set) var hashedRealm: [UInt8] = []
  let isUTF8: Bool

  init(_ fields: DigestFields, realm wanted: String?) throws(SASLError) {
    guard fields.count("nonce") == 1, let nonce = fields.first("nonce"), !nonce.isEmpty else {
      throw .malformedChallenge("DIGEST-MD5 without one nonce")
    }
    guard fields.count("algorithm") == 1, fields.first("algorithm").map({ Self.lowercased($0) }) == "md5-sess" else {
      throw .malformedChallenge("DIGEST-MD5 without md5-sess")
    }
    if let protections = fields.first("qop") {
      let names = Self.lowercased(protections).split { $0 == "," || $0 == " " || $0 == "\t" }
      if !names.contains("auth") { throw .malformedChallenge("DIGEST-MD5 with protection only, which TLS is for") }
    }
    self.nonce = nonce
    isUTF8 = fields.first("charset").map { Self.lowercased($0) } == "utf-8"
    // One that the server does not name can be right: it need not name all that it knows.
    if let wanted = wanted.map({ Array($0.utf8) }) {
      realm = try sent(wanted.span, .realm)
      hashedRealm = try hashed(wanted.span, .realm)
    } else if let named = fields.first("realm") {
      realm = named
      // Without UTF-8 it is ISO 8859-1 as it is.
      hashedRealm = isUTF8 ? try hashed(named.span, .realm) : named
    }
  }

  /// Section 2.1.2: UTF-8 where the server knows that, and else ISO 8859-1.
  func sent(_ text: Span<UInt8>, _ credential: SASLError.Credential) throws(SASLError) -> [UInt8] {
    isUTF8 ? text.copy() : try hashed(text, credential)
  }

  /// Section 2.1.2.1: what ISO 8859-1 can say is hashed so, whatever is sent.
  func hashed(_ text: Span<UInt8>, _ credential: SASLError.Credential) throws(SASLError) -> [UInt8] {
    var latin: [UInt8] = []
    latin.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte < 0x80 {
        latin.append(byte)
        index += 1
      } else if byte == 0xc2 || byte == 0xc3, index + 1 < text.count {
        latin.append((byte & 3) << 6 | (text[index + 1] & 0x3f))
        index += 2
      } else if isUTF8 {
        latin.removeAll(keepingCapacity: true)
        latin.append(text)
        return latin
      } else {
        throw .credential(credential, .notASCII)
      }
    }
    return latin
  }

  private static func lowercased(_ text: [UInt8]) -> String { String(decoding: text, as: UTF8.self).lowercased() }
}

/// `name=value` pairs between commas, with values that are tokens or quoted (RFC 2831, section 7.1).
private struct DigestFields {
  private var fields: [(name: String, value: [UInt8])] = []

  init(_ text: Span<UInt8>) throws(SASLError) {
    // Section 2.1.1.
    if text.count >= Self.mostBytes { throw .malformedChallenge("DIGEST-MD5 of \(text.count) bytes") }
    var index = 0
    while true {
      while index < text.count, Self.isSpace(text[index]) || text[index] == UInt8(ascii: ",") { index += 1 }
      if index == text.count { return }
      var name: [UInt8] = []
      while index < text.count, text[index] > 0x20, text[index] != UInt8(ascii: "="), text[index] != UInt8(ascii: ",") {
        name.append(text[index])
        index += 1
      }
      while index < text.count, Self.isSpace(text[index]) { index += 1 }
      if name.isEmpty || index == text.count || text[index] != UInt8(ascii: "=") { throw Self.malformed }
      index += 1
      while index < text.count, Self.isSpace(text[index]) { index += 1 }
      let value = try Self.value(text, &index)
      fields.append((String(decoding: name, as: UTF8.self).lowercased(), value))
      while index < text.count, Self.isSpace(text[index]) { index += 1 }
      if index < text.count, text[index] != UInt8(ascii: ",") { throw Self.malformed }
    }
  }

  func all(_ name: String) -> [[UInt8]] { fields.filter { $0.name == name }.map(\.value) }
  func first(_ name: String) -> [UInt8]? { fields.first { $0.name == name }?.value }
  func count(_ name: String) -> Int { all(name).count }

  private static func value(_ text: Span<UInt8>, _ index: inout Int) throws(SASLError) -> [UInt8] {
    var value: [UInt8] = []
    guard index < text.count, text[index] == UInt8(ascii: "\"") else {
      while index < text.count, text[index] > 0x20, text[index] != UInt8(ascii: ",") {
        value.append(text[index])
        index += 1
      }
      return value
    }
    index += 1
    while index < text.count, text[index] != UInt8(ascii: "\"") {
      if text[index] == UInt8(ascii: "\\") { index += 1 }
      if index == text.count { break }
      value.append(text[index])
      index += 1
    }
    if index == text.count { throw malformed }
    index += 1
    return value
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a }
  private static let malformed = SASLError.malformedChallenge("DIGEST-MD5 that is no list of fields")
  private static let mostBytes = 2048
}
