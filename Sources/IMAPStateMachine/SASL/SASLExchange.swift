/// A SASL authentication as the client runs it: the mechanism and where its messages come from (RFC 4422).
public struct SASLExchange: Hashable, Sendable {
  /// The mechanism's name, for example `PLAIN`.
  public var mechanism: String
  /// What the client says first, where the mechanism lets it. It rides on the AUTHENTICATE line if the server announces
  /// SASL-IR (RFC 4959), else it answers the server's first, empty challenge. With nil the caller answers every challenge.
  public var initialResponse: Secret?

  /// An exchange. Challenges beyond the initial response become ``ClientEvent/challenge(_:_:)``.
  public init(mechanism: String, initialResponse: Secret? = nil) {
    self.mechanism = asciiUppercased(mechanism)
    self.initialResponse = initialResponse
  }

  /// PLAIN (RFC 4616): authorisation identity, user name and password in one message, not encrypted. Only for
  /// connections that TLS protects. Nil where one of the three holds NUL, or `user` or `password` is empty.
  public static func plain(authorizationID: String = "", user: String, password: Secret) -> SASLExchange? {
    guard var plain = try? SASLPlain(authorizationID: authorizationID, user: user, password: password),
      let message = try? plain.start()
    else { return nil }
    return SASLExchange(mechanism: plain.name, initialResponse: message)
  }
}
