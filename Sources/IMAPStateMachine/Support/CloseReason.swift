/// Why a connection is over.
public enum CloseReason: Sendable, Hashable {
  /// The client logged out and the server agreed.
  case logout
  /// The server said BYE, with this text.
  case bye(String)
  /// The peer ended the connection without a word.
  case endOfInput
  /// This side closed the connection.
  case local
  /// An error made going on impossible.
  case error(ConnectionError)
}

/// A layer that starts in the middle of a connection.
public enum Upgrade: Sendable, Hashable {
  /// TLS, after STARTTLS (RFC 9051, section 6.2.1).
  case tls
}
