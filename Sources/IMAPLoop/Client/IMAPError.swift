import IMAPStateMachine

/// Why a call of ``IMAPClient`` failed. The case says who said no; ``reason`` says why, where that is known.
public enum IMAPError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The connection is gone, or never came to be, or the machine did not take the command. The server never saw that.
  case connection(ConnectionError)
  /// The connection ended while the server had the command: whether it was done is not known.
  case outcomeUnknown(command: String, ConnectionError)
  /// The server answered the command with NO: what it was asked for cannot be done.
  case refused(command: String, Status)
  /// The server answered the command with BAD: it did not understand it, or does not allow it now.
  case rejected(command: String, Status)
  /// The authentication was given up on this side, or did not count, or the server said why it failed; and the status of
  /// the command, if there is one.
  case authentication(SASLError, Status?)
  /// The task was cancelled before all of the answer was taken.
  case cancelled(command: String)
  /// There is no mailbox of this name: the server's code says so, or it has none by the name in LIST.
  case noSuchMailbox(MailboxName, command: String, Status)
  /// The bytes of a message could not be had, for this reason. What the server makes of it is not known.
  case source(command: String, String)
  /// The server has not announced what the call needs, and it can't be done in another way. Nothing was sent.
  case capabilityMissing(Capability, command: String)

  /// The status that the server answered with.
  public var status: Status? {
    switch self {
    case .connection, .outcomeUnknown, .capabilityMissing, .source, .cancelled: nil
    case .refused(_, let status), .rejected(_, let status), .noSuchMailbox(_, _, let status): status
    case .authentication(_, let status): status
    }
  }

  /// The response code of ``status``.
  public var code: ResponseCode? { status?.code }

  /// One line for a person or a log. It never holds a secret.
  public var description: String {
    switch self {
    case .connection(let error): error.description
    case .outcomeUnknown(let command, let error): "\(command) may or may not have been done: \(error)"
    case .refused(let command, let status): "\(command) refused by the server: \(status)"
    case .rejected(let command, let status): "\(command) not understood by the server: \(status)"
    case .authentication(let error, nil): "cannot log in: \(error)"
    case .authentication(let error, let status?): "cannot log in: \(error) (\(status))"
    case .noSuchMailbox(let name, let command, let status): "\(command): there is no mailbox \(name) (\(status))"
    case .cancelled(let command): "\(command) was cancelled"
    case .source(let command, let reason): "no more bytes for \(command): \(reason)"
    case .capabilityMissing(let capability, let command): "\(command) needs \(capability), which the server lacks"
    }
  }
}

extension IMAPError {
  /// Why a call failed, in the terms of who called. Made of the response code (RFC 5530 and others), never of the text.
  public enum Reason: Hashable, Sendable {
    /// Nobody has logged in yet, or the command is not allowed in this state of the connection.
    case wrongState
    /// The credentials are wrong, or the user may not log in.
    case notAuthenticated
    /// The password must be changed.
    case expired
    /// This needs TLS.
    case privacyRequired
    /// The user may not do this.
    case noPermission
    /// There is no such mailbox.
    case noSuchMailbox
    /// There is one already.
    case alreadyExists
    /// The mailbox has others below it.
    case hasChildren
    /// No room is left.
    case overQuota
    /// A limit of the server was reached: of sizes, numbers, or what it does at once.
    case limit
    /// The server is asked too much. It names a time to wait, or none.
    case throttled(retryAfter: Duration?)
    /// Somebody else has locked it.
    case inUse
    /// The mailbox was opened for reading only.
    case readOnly
    /// A subsystem that is needed is down for now.
    case unavailable
    /// Messages went away that the client has not heard of. NOOP brings the news.
    case expungeIssued
    /// The server does not know the charset of the search; it knows these.
    case badCharset([String])
    /// It can never be done in this way.
    case cannot
    /// The user should talk to the administrator: the account or the mailbox is damaged.
    case contactAdministrator
    /// The server says that it has a bug, or that the client has one.
    case bug
    /// The server lacks it.
    case capabilityMissing(Capability)
    /// The connection is gone. Where the server had the command by then its outcome is not known.
    case connectionLost(outcomeUnknown: Bool)
    /// The server did not do in time what it had to. Where it had the command its outcome is not known.
    case timedOut(TimeoutKind, outcomeUnknown: Bool)
    /// The network, or DEFLATE.
    case transport(ConnectionError.TransportFailure.Operation)
    /// The server's certificate was not accepted.
    case certificate(ConnectionError.CertificateRefusal)
    /// TLS, for another reason than the server's certificate.
    case tls(ConnectionError.TLSFailure)
    /// The peer broke the protocol or passed a limit of this client.
    case protocolViolation
    /// The caller's task was cancelled.
    case cancelled
    /// An argument that can't be sent.
    case invalidArgument
    /// The server gave no reason that a program could use.
    case unspecified
  }

  /// Why the call failed.
  public var reason: Reason {
    switch self {
    case .connection(let error): Self.reason(error, outcomeUnknown: false)
    case .outcomeUnknown(_, let error): Self.reason(error, outcomeUnknown: true)
    case .capabilityMissing(let capability, _): .capabilityMissing(capability)
    case .source: .invalidArgument
    case .cancelled: .cancelled
    case .noSuchMailbox: .noSuchMailbox
    case .authentication(_, let status?): Self.reason(status) ?? .notAuthenticated
    case .authentication(_, nil): .notAuthenticated
    case .refused(let command, let status):
      Self.reason(status) ?? (command == "LOGIN" || command == "AUTHENTICATE" ? .notAuthenticated : .unspecified)
    case .rejected(_, let status): Self.reason(status) ?? .unspecified
    }
  }

  private static func reason(_ error: ConnectionError, outcomeUnknown: Bool) -> Reason {
    switch error {
    case .limit(let limit) where limit.limit == .appendedMessage: .limit
    case .peer, .parse, .limit: .protocolViolation
    case .misuse(let misuse):
      switch misuse.rule {
      case .unencodable, .literalOverrun, .sequenceNumbers: .invalidArgument
      case .closed: .connectionLost(outcomeUnknown: false)
      case .tlsRequired: .privacyRequired
      case .wrongState, .unknownCommand, .loginDisabled, .enableAfterSelect, .notEnabled: .wrongState
      }
    case .timedOut(let kind): .timedOut(kind, outcomeUnknown: outcomeUnknown)
    case .transport(let failure):
      switch failure.operation {
      case .read, .write: .connectionLost(outcomeUnknown: outcomeUnknown)
      case .command where outcomeUnknown: .connectionLost(outcomeUnknown: true)
      case .resolve, .connect, .deflate, .listen, .command, .proxy: .transport(failure.operation)
      case .tls, .certificate:
        if case .certificate(let refusal)? = failure.tls { .certificate(refusal) } else { .tls(failure.tls ?? .other) }
      }
    case .closedByPeer, .closedLocally: .connectionLost(outcomeUnknown: outcomeUnknown)
    }
  }

  private static func reason(_ status: Status) -> Reason? {
    if status.isThrottled { return .throttled(retryAfter: status.suggestedBackoff) }
    return switch status.code {
    case .atom(let name): reasons[name]
    case .tryCreate: .noSuchMailbox
    case .readOnly: .readOnly
    case .badCharset(let names): .badCharset(names)
    case .messageLimit: .limit
    case .metadata(.maxSize), .metadata(.tooMany), .annotations(.tooBig), .annotations(.tooMany): .limit
    default: nil
    }
  }

  /// RFC 5530, section 3, and the codes that RFC 3516, 4469, 5182, 5259, 6154 and 9051 added.
  private static let reasons: [String: Reason] = [
    "AUTHENTICATIONFAILED": .notAuthenticated, "AUTHORIZATIONFAILED": .notAuthenticated, "EXPIRED": .expired,
    "PRIVACYREQUIRED": .privacyRequired, "NOPERM": .noPermission, "NONEXISTENT": .noSuchMailbox,
    "ALREADYEXISTS": .alreadyExists, "HASCHILDREN": .hasChildren, "OVERQUOTA": .overQuota, "LIMIT": .limit,
    "TOOBIG": .limit, "NOTSAVED": .limit, "INUSE": .inUse, "UNAVAILABLE": .unavailable, "TEMPFAIL": .unavailable,
    "EXPUNGEISSUED": .expungeIssued, "CANNOT": .cannot, "UNKNOWN-CTE": .cannot, "USEATTR": .cannot,
    "CONTACTADMIN": .contactAdministrator, "CORRUPTION": .contactAdministrator, "SERVERBUG": .bug, "CLIENTBUG": .bug,
  ]
}
