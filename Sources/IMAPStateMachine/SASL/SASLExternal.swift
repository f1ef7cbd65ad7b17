/// EXTERNAL (RFC 4422): who the client is was established outside, by a TLS client certificate for example.
public struct SASLExternal: OneMessageMechanism {
  /// `EXTERNAL`.
  public var name: String { "EXTERNAL" }
  /// It does not.
  public var revealsSecret: Bool { false }
  var message: Secret?

  /// `authorizationID` is whom to act as; empty leaves it to the server. Throws `.credential` where it holds NUL.
  public init(authorizationID: String = "") throws(SASLError) {
    try CredentialRules.refuseNUL(authorizationID, .authorizationID)
    message = Secret(authorizationID)
  }
}
