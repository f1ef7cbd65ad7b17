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
  /// The task was cancelled before all of the answer was taken. Where the outcome is unknown the server had the command, which
  /// may have been done, or may still be; else it was not.
  case cancelled(command: String, outcomeUnknown: Bool = false)
  /// There is no mailbox of this name: the server's code says so, or it has none by the name in LIST.
  case noSuchMailbox(MailboxName, command: String, Status)
  /// What the caller was to provide could not be had, for this reason: the bytes of a message, or credentials. Where the outcome is
  /// unknown the server had all that was announced, and may have stored it; else it was not done.
  case source(command: String, String, outcomeUnknown: Bool = false)
  /// An argument cannot be sent, or the host that was to be connected to is none: which, and why. Nothing was sent.
  case invalidArgument(InvalidArgument, command: String)
  /// The server has not announced what the call needs, and it can't be done in another way. Nothing was sent.
  case capabilityMissing(Capability, command: String)
  /// The mailbox is open for reading only, and the command would change it. Nothing was sent.
  case readOnly(MailboxName, command: String)
  /// What takes several commands stopped halfway, for this reason: these copies are made, where the server tells it there, and no
  /// more. A move on a server that has no MOVE has left the messages, or some of them, where they were.
  indirect case copiedOnly(CopyResult?, IMAPError)

  /// The status that the server answered with.
  public var status: Status? {
    switch self {
    case .connection, .outcomeUnknown, .capabilityMissing, .readOnly, .source, .cancelled, .invalidArgument: nil
    case .refused(_, let status), .rejected(_, let status), .noSuchMailbox(_, _, let status): status
    case .authentication(_, let status): status
    case .copiedOnly(_, let error): error.status
    }
  }

  /// The response code of ``status``.
  public var code: ResponseCode? { status?.code }

  /// Whether the server had the command and did not say how it went, or a move was done in part: only the caller knows whether it
  /// may be done again.
  public var isOutcomeUnknown: Bool {
    switch self {
    case .outcomeUnknown, .copiedOnly: true
    case .cancelled(_, let isUnknown), .source(_, _, let isUnknown): isUnknown
    default: false
    }
  }

  /// One line for a person or a log, control characters escaped. It never holds a secret.
  public var description: String { WireLine.escaped(text) }

  private var text: String {
    switch self {
    case .connection(let error): error.description
    case .outcomeUnknown(let command, let error): "\(command) may or may not have been done: \(error)"
    case .refused(let command, let status): "\(command) refused by the server: \(status)"
    case .rejected(let command, let status):
      "\(command) not understood by the server: \(Self.shown(status, ["LOGIN", "AUTHENTICATE"].contains(command)))"
    case .authentication(let error, nil): "cannot log in: \(error)"
    case .authentication(let error, let status?): "cannot log in: \(error) (\(Self.shown(status, true)))"
    case .noSuchMailbox(let name, let command, let status): "\(command): there is no mailbox \(name) (\(status))"
    case .cancelled(let command, outcomeUnknown: false): "\(command) was cancelled"
    case .cancelled(let command, outcomeUnknown: true): "\(command) was cancelled, and may or may not have been done"
    case .invalidArgument(let argument, "connect"): "cannot connect: \(argument)"
    case .invalidArgument(let argument, let command): "\(command) cannot be sent: \(argument)"
    case .source(let command, let reason, outcomeUnknown: false): "nothing to go on with for \(command): \(reason)"
    case .source(let command, let reason, outcomeUnknown: true):
      "nothing to go on with for \(command), which may or may not have been done: \(reason)"
    case .capabilityMissing(let capability, let command): "\(command) needs \(capability), which the server lacks"
    case .readOnly(let name, let command):
      "\(command) would change \(name), which is open for reading only: select it for writing"
    case .copiedOnly(_, let error): "some of the messages are copied, and the rest is not done: \(error)"
    }
  }

  /// What a log may hold: the text of BAD may repeat the line that was not understood.
  private static func shown(_ status: Status, _ isOfSecret: Bool) -> Status {
    isOfSecret && status.condition == .bad ? Status(.bad, code: status.code, "") : status
  }
}

extension IMAPError {
  /// What `error` means for a command that the server has not seen.
  init(_ error: ConnectionError, command: String) {
    switch error {
    case .misuse(let misuse):
      self = misuse.argument.map { .invalidArgument($0, command: command) } ?? .connection(error)
    case .limit(let limit) where limit.limit == .commandLine:
      self = .invalidArgument(InvalidArgument(.command, .tooLong), command: command)
    default: self = .connection(error)
    }
  }

  /// The messages in two parts, where this says that they are too many for a line, and there is more than one range of them.
  func halves(of messages: MessageReference) -> (UIDSet, UIDSet)? {
    guard case .invalidArgument(let argument, _) = self, argument == InvalidArgument(.command, .tooLong),
      case .uids(let uids) = messages, uids.ranges.count > 1
    else { return nil }
    let middle = uids.ranges.count / 2
    return (UIDSet(ranges: Array(uids.ranges[..<middle])), UIDSet(ranges: Array(uids.ranges[middle...])))
  }
}
