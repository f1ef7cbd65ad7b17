/// Why a connection is over.
public enum CloseReason: Sendable, Hashable {
  /// The client logged out and the server agreed.
  case logout
  /// The server refused the connection: it greeted with BYE and this text (RFC 9051, section 7.1.5).
  case refused(String)
  /// The server said BYE, with this text. It shuts down, or was left idle for too long: only the text tells which.
  case bye(String)
  /// The peer ended the connection without a word.
  case endOfInput
  /// This side closed the connection.
  case local
  /// An error made going on impossible.
  case error(ConnectionError)

  /// What a command fails with that was in flight then.
  public var commandError: ConnectionError {
    switch self {
    case .logout, .local: .closedLocally
    case .refused(let text), .bye(let text): .closedByPeer(bye: text)
    case .endOfInput: .closedByPeer(bye: nil)
    case .error(let error): error
    }
  }
}

/// A layer that starts in the middle of a connection.
public enum Upgrade: Sendable, Hashable {
  /// TLS, after STARTTLS (RFC 9051, section 6.2.1). What the buffer gets before TLS is up is for TLS: take it out by
  /// ``ReceiveBuffer/takeUnread()``, so that no byte that TLS did not protect is left there.
  case tls
  /// DEFLATE, after COMPRESS (RFC 4978). What the buffer holds unread then is compressed already: take it out by
  /// ``ReceiveBuffer/takeUnread()`` and put it back inflated.
  case deflate
}
