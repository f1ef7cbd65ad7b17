import IMAPStateMachine

/// Why a call of ``IMAPClient`` failed.
public enum IMAPError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The connection is gone, or never came to be.
  case connection(ConnectionError)
  /// The server answered the command with NO: what it was asked for cannot be done.
  case refused(command: String, Status)
  /// The server answered the command with BAD: it did not understand it, or does not allow it now.
  case rejected(command: String, Status)
  /// The authentication was given up on this side, or did not count, or the server said why it failed; and the status of
  /// the command, if there is one.
  case authentication(SASLError, Status?)

  /// The status that the server answered with.
  public var status: Status? {
    switch self {
    case .connection: nil
    case .refused(_, let status), .rejected(_, let status): status
    case .authentication(_, let status): status
    }
  }

  /// One line for a person or a log. It never holds a secret.
  public var description: String {
    switch self {
    case .connection(let error): error.description
    case .refused(let command, let status): "\(command) refused by the server: \(status)"
    case .rejected(let command, let status): "\(command) not understood by the server: \(status)"
    case .authentication(let error, nil): "cannot log in: \(error)"
    case .authentication(let error, let status?): "cannot log in: \(error) (\(status))"
    }
  }
}
