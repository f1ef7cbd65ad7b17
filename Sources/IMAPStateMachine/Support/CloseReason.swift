/// Why a connection ended.
public enum CloseReason: Sendable, Hashable {
  /// LOGOUT was answered.
  case logout
  /// The server said BYE, with this text.
  case bye(String)
  /// The peer ended its stream where it may.
  case endOfInput
  /// This side closed the connection.
  case local
  /// Something went wrong.
  case error(ConnectionError)
}

/// A layer that comes under the protocol in the middle of a connection.
public enum Upgrade: Sendable, Hashable {
  /// TLS, asked for by STARTTLS (RFC 9051, section 6.2.1).
  case tls
}
