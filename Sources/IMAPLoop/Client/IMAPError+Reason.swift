import IMAPStateMachine

extension IMAPError {
  /// Why a call failed, in the terms of who called. Made of the response code (RFC 5530 and others). Only where a login fails, and
  /// the code says no more than that, the texts count with which some providers say why.
  public enum Reason: Hashable, Sendable {
    /// Nobody has logged in yet, or the command is not allowed in this state of the connection.
    case wrongState
    /// The credentials are wrong, or the user may not log in.
    case notAuthenticated
    /// The password must be changed.
    case expired
    /// IMAP is switched off for the account: its user or administrator has to switch it on.
    case accessDisabled
    /// The account wants a password that was made for this program, or a token.
    case applicationPasswordRequired
    /// The user has to log in on the provider's web page first. Where the server names the page, `code` of the error is
    /// `.webAlert` with its URL.
    case webLoginRequired
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
    /// The network, a proxy, a command that should speak IMAP, or DEFLATE.
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
    /// What the caller was to provide, the bytes of a message or credentials, was wrong or could not be had.
    case sourceFailed
    /// The server gave no reason that a program could use.
    case unspecified
  }

  /// Why the call failed.
  public var reason: Reason {
    switch self {
    case .connection(let error): Self.reason(error, outcomeUnknown: false)
    case .outcomeUnknown(_, let error): Self.reason(error, outcomeUnknown: true)
    case .capabilityMissing(let capability, _): .capabilityMissing(capability)
    case .invalidArgument: .invalidArgument
    case .copiedOnly(_, let error): error.reason
    case .readOnly: .readOnly
    case .source: .sourceFailed
    case .cancelled: .cancelled
    case .noSuchMailbox: .noSuchMailbox
    case .authentication(_, let status?): Self.loginReason(status)
    case .authentication(let error, nil): Self.reason(error)
    case .refused("LOGIN", let status), .refused("AUTHENTICATE", let status): Self.loginReason(status)
    case .rejected("LOGIN", let status), .rejected("AUTHENTICATE", let status):
      Self.reason(status) ?? Self.loginReason(in: status.text) ?? .unspecified
    case .refused(_, let status): Self.reason(status) ?? .unspecified
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

  private static func reason(_ error: SASLError) -> Reason {
    switch error {
    case .plaintextRefused, .noMechanism(loginDisabled: true): .privacyRequired
    case .malformedChallenge, .unexpectedChallenge, .nonceNotExtended, .completedEarly: .protocolViolation
    case .cancelled: .cancelled
    case .credential, .noMechanism(loginDisabled: false), .mandatoryExtension, .iterationCount, .serverSignature,
      .serverNotVerified, .server, .tokenRefused, .hashUnavailable, .channelBindingUnavailable:
      .notAuthenticated
    }
  }

  private static func loginReason(_ status: Status) -> Reason {
    // A code that says more than that it failed is better than any text.
    if let reason = reason(status), reason != .notAuthenticated { return reason }
    return loginReason(in: status.text) ?? .notAuthenticated
  }

  /// What providers write where they have no code for it.
  private static func loginReason(in text: String) -> Reason? {
    let text = text.lowercased()
    return loginTexts.first { text.contains($0.words) }?.reason
  }

  private static let loginTexts: [(words: String, reason: Reason)] = [
    ("not enabled for imap", .accessDisabled), ("imap access is disabled", .accessDisabled),
    ("imap is disabled", .accessDisabled),
    ("application-specific password", .applicationPasswordRequired), ("ocf12", .applicationPasswordRequired),
    ("log in via your web browser", .webLoginRequired), ("web login required", .webLoginRequired),
    ("login to your account via a web browser", .webLoginRequired),
    ("bandwidth limits", .throttled(retryAfter: nil)),
    ("too many simultaneous connections", .limit), ("maximum number of connections", .limit),
    // Exchange: the password is right, and the mailbox is not to be had.
    ("authenticated but not connected", .unavailable), ("temporarily unavailable", .unavailable),
  ]

  private static func reason(_ status: Status) -> Reason? {
    if status.isThrottled { return .throttled(retryAfter: status.suggestedBackoff) }
    return switch status.code {
    case .atom(let name): reasons[name]
    case .webAlert: .webLoginRequired
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
