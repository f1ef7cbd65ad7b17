/// ANONYMOUS (RFC 4505): no credentials, and something for the server's log.
public struct SASLAnonymous: OneMessageMechanism {
  /// `ANONYMOUS`.
  public var name: String { "ANONYMOUS" }
  /// It does not.
  public var revealsSecret: Bool { false }
  var message: Secret?

  /// `trace` is for the server's log: an e-mail address, or a text that says nothing to others. Throws `.credential` where it
  /// holds control characters or has more than 255 characters (RFC 4505, section 2).
  public init(trace: String = "") throws(SASLError) {
    let bytes = Array(trace.utf8)
    try CredentialRules.checkPrepared(bytes.span, .trace)
    if trace.unicodeScalars.count > 255 { throw .credential(.trace, .tooLong) }
    message = Secret(bytes)
  }
}
