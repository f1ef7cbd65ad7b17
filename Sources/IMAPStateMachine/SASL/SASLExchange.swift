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
  /// connections that TLS protects. None of the three may hold NUL; `user` holding one gives nil.
  public static func plain(authorizationID: String = "", user: String, password: Secret) -> SASLExchange? {
    if authorizationID.utf8.contains(0) || user.utf8.contains(0) { return nil }
    var message = Array(authorizationID.utf8) + [0] + Array(user.utf8) + [0]
    let holdsNUL = password.withBytes { bytes in
      for index in bytes.indices {
        if bytes[index] == 0 { return true }
        message.append(bytes[index])
      }
      return false
    }
    defer { wipe(&message, message.indices) }
    return holdsNUL ? nil : SASLExchange(mechanism: "PLAIN", initialResponse: Secret(message))
  }
}
