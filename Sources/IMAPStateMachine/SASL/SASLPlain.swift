/// PLAIN (RFC 4616): authorisation identity, user name and password in one message, not encrypted. For connections that TLS
/// protects.
///
/// The names and the password are sent as they are: a server prepares them itself (RFC 4616, section 2).
public struct SASLPlain: OneMessageMechanism {
  /// `PLAIN`.
  public var name: String { "PLAIN" }
  /// It does.
  public var revealsSecret: Bool { true }
  var message: Secret?

  /// `authorizationID` is whom to act as; empty is `user`. Throws `.credential` where something holds NUL, or `user` or
  /// `password` is empty.
  public init(authorizationID: String = "", user: String, password: Secret) throws(SASLError) {
    try CredentialRules.refuseNUL(authorizationID, .authorizationID)
    try CredentialRules.check(user, password)
    let capacity = authorizationID.utf8.count + user.utf8.count + password.count + 2
    message = Secret.building(capacity) { bytes in
      bytes += authorizationID.utf8
      bytes.append(0)
      bytes += user.utf8
      bytes.append(0)
      bytes.append(password)
    }
  }
}
