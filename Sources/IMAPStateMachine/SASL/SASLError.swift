/// Why an authentication cannot go on, or did not count although the server said OK. No case holds a credential.
public enum SASLError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Something that the caller gave cannot be sent by this mechanism.
  case credential(Credential, Flaw)
  /// The server said something that is not what the mechanism has at that place.
  case malformedChallenge(String)
  /// The server asked again although the mechanism has nothing more to say.
  case unexpectedChallenge
  /// SCRAM: the server's nonce does not start with the client's, or adds nothing to it (RFC 5802, section 5.1): the
  /// message belongs to another exchange.
  case nonceNotExtended
  /// SCRAM: the server uses an extension that must be understood, and is not (RFC 5802, section 5.1, `m`).
  case mandatoryExtension
  /// SCRAM: the server wants so many iterations, which is not among those that the caller accepts.
  case iterationCount(UInt32)
  /// SCRAM, DIGEST-MD5: the server does not know the password (RFC 5802, section 5): it is not the server it pretends to be.
  case serverSignature
  /// SCRAM, DIGEST-MD5: the server said OK without having proved that it knows the password.
  case serverNotVerified
  /// The server said OK without waiting for the answer to what it had asked.
  case completedEarly
  /// SCRAM: the server's reason for refusing (RFC 5802, section 7, `server-error-value`).
  case server(String)
  /// The server refused the token, and says why.
  case tokenRefused(SASLTokenRefusal)
  /// The hash that the mechanism needs is not available: some installations of OpenSSL have no MD5.
  case hashUnavailable(SASLHash)
  /// A user-made mechanism gave up.
  case cancelled
  /// The server offers no mechanism that these credentials could be used with. `loginDisabled` says that it also takes no
  /// LOGIN, which most servers do before TLS only.
  case noMechanism(loginDisabled: Bool)
  /// The server takes the credentials in the clear only, nothing protects the connection, and the caller did not allow
  /// that: ``SignInPolicy/allowsPlaintext``.
  case plaintextRefused
  /// The mechanism binds to the TLS connection, which has no such data: without TLS, or with a TLS 1.2 peer that lacks the
  /// extended master secret.
  case channelBindingUnavailable

  /// What the caller gives.
  public enum Credential: String, Hashable, Sendable {
    /// Who logs in.
    case user = "user name"
    /// The password.
    case password
    /// The access token.
    case token
    /// Whom the user acts for.
    case authorizationID = "authorisation identity"
    /// What an anonymous user leaves (RFC 4505).
    case trace = "trace information"
    /// What a provider wants to be told of the program: XOAUTH2's `vendor`.
    case vendor
    /// The server that the token is for.
    case host = "host name"
    /// The realm of DIGEST-MD5 that the user belongs to.
    case realm
    /// The random text of SCRAM and DIGEST-MD5.
    case nonce
  }

  /// What is wrong with it.
  public enum Flaw: String, Hashable, Sendable {
    /// There is nothing where something must be.
    case empty = "is empty"
    /// NUL, which separates fields.
    case nul = "holds NUL"
    /// A control character, which would separate fields.
    case control = "holds a control character"
    /// Bytes that are no text.
    case notUTF8 = "is not UTF-8"
    /// Other characters than the mechanism can carry.
    case notASCII = "is not ASCII"
    /// More than the mechanism allows.
    case tooLong = "is too long"
    /// Less than is safe.
    case tooShort = "is too short"
  }

  /// One line for a person or a log. It never holds a secret.
  public var description: String {
    switch self {
    case .credential(let what, let flaw): "the \(what.rawValue) \(flaw.rawValue)"
    case .malformedChallenge(let what): "malformed challenge: \(WireLine.escaped(what))"
    case .unexpectedChallenge: "the server asks more than the mechanism can answer"
    case .nonceNotExtended: "the server's nonce does not extend the client's"
    case .mandatoryExtension: "the server requires an extension of SCRAM that is not known"
    case .iterationCount(let count): "the server wants \(count) iterations, which is not accepted"
    case .serverSignature: "the server does not know the password: its signature is wrong"
    case .serverNotVerified: "the server said OK without proving that it knows the password"
    case .completedEarly: "the server said OK without waiting for the answer to its challenge"
    case .server(let reason): "the server refused: \(WireLine.escaped(reason))"
    case .tokenRefused(let refusal): refusal.description
    case .hashUnavailable(let hash): "no \(hash.rawValue) here"
    case .cancelled: "authentication cancelled"
    case .noMechanism(loginDisabled: true): "the server takes no login on this connection by any mechanism known here"
    case .noMechanism(loginDisabled: false): "the server offers no mechanism for these credentials"
    case .plaintextRefused: "the server takes credentials in the clear only, and nothing protects the connection"
    case .channelBindingUnavailable: "nothing to bind the authentication to: the TLS connection has no such data"
    }
  }
}
