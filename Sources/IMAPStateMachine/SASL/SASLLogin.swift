/// LOGIN (draft-murchison-sasl-login): the server asks for the user name, then for the password; neither is encrypted. For
/// servers that have nothing better, on connections that TLS protects.
public struct SASLLogin: SASLMechanism {
  /// `LOGIN`.
  public var name: String { "LOGIN" }
  /// It does.
  public var revealsSecret: Bool { true }
  private let user: String
  private var password: Secret?
  private var isUserSent = false

  /// Throws `.credential` where something is empty or holds NUL.
  public init(user: String, password: Secret) throws(SASLError) {
    try CredentialRules.check(user, password)
    self.user = user
    self.password = password
  }

  /// Nothing: the server asks first.
  public mutating func start() throws(SASLError) -> Secret? { nil }

  /// The user name, then the password. What the server asks with differs between servers; the order never does.
  public mutating func step(_ challenge: Span<UInt8>) throws(SASLError) -> Secret? {
    if !isUserSent {
      isUserSent = true
      return Secret(user)
    }
    guard let password else { throw .unexpectedChallenge }
    self.password = nil
    return password
  }
}
