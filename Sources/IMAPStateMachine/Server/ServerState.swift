/// Where a server's connection stands. All transitions are in this file; ``ServerConnection``'s verbs and its reader only
/// ask for them.
enum ServerState {
  /// The server did not greet yet.
  case greeting
  /// The next command is awaited or half read.
  case reading
  /// A command is the handler's: nothing is read until it answers.
  case running(ActiveCommand)
  /// An APPEND waits for the handler's decision.
  case offered(ActiveCommand, LiteralHeader)
  /// So many bytes of an accepted literal are to come.
  case literal(ActiveCommand, remaining: UInt64)
  /// The line end behind an accepted literal is to come.
  case literalTail(ActiveCommand)
  /// The answer to a challenge is to come.
  case challenged(ActiveCommand)
  /// IDLE is running: DONE is to come.
  case idling(ActiveCommand)
  /// So many bytes of a refused literal that the client sends anyway are to come.
  case swallowing(UInt64)
  /// The rest of a refused command is to come.
  case swallowingLine
  /// STARTTLS is completed and the upgrade not yet reported.
  case upgradeReady(ServerCommandID)
  /// The layer below is being made.
  case upgrading
  /// The reason is not yet reported.
  case closing(CloseReason)
  /// Reported.
  case closed

  /// The state's name in errors.
  var description: String {
    switch self {
    case .greeting: "before the greeting"
    case .reading: "between commands"
    case .running: "command running"
    case .offered: "literal offered"
    case .literal, .literalTail: "literal arriving"
    case .challenged: "challenge sent"
    case .idling: "idling"
    case .swallowing, .swallowingLine: "skipping a refused command"
    case .upgradeReady, .upgrading: "upgrading"
    case .closing: "closing"
    case .closed: "closed"
    }
  }

  var isOver: Bool {
    switch self {
    case .closing, .closed: true
    default: false
    }
  }
}

/// A command that the handler has.
struct ActiveCommand {
  let id: ServerCommandID
  let name: CommandName
  /// Whether IDLE or AUTHENTICATE may still go on: it was neither ended nor cancelled.
  var mayContinue = true
  /// Bytes that the client sends behind the command and that are to be skipped when it is completed.
  var swallow: UInt64?
}

/// What the client has earned.
enum ServerAccess {
  case notAuthenticated, authenticated, selected
}

extension CommandName {
  /// RFC 9051, section 6: which commands are valid in which state.
  func isAllowed(in access: ServerAccess, encrypted: Bool) -> Bool {
    switch self {
    case .capability, .noop, .logout, .id: true
    case .startTLS: access == .notAuthenticated && !encrypted
    case .login, .authenticate: access == .notAuthenticated
    // RFC 5161, section 3.1: a server need not check that no mailbox was selected before ENABLE.
    case .enable, .namespace, .list, .status, .create, .delete, .select, .examine, .append, .idle:
      access != .notAuthenticated
    case .close, .unselect, .expunge, .search, .fetch, .store, .copy, .move, .uidExpunge, .uidSearch, .uidFetch,
      .uidStore, .uidCopy, .uidMove:
      access == .selected
    }
  }

  /// What the client may do behind a completion of the command.
  func access(after condition: Status.Condition, from access: ServerAccess) -> ServerAccess {
    switch (self, condition) {
    case (.login, .ok), (.authenticate, .ok): .authenticated
    case (.select, .ok), (.examine, .ok): .selected
    // RFC 9051, section 6.3.2: with a failed SELECT no mailbox is selected. A command that was not understood (BAD)
    // did not get that far.
    case (.select, .no), (.examine, .no): .authenticated
    case (.close, .ok), (.unselect, .ok): .authenticated
    default: access
    }
  }
}

extension ServerState {
  /// The command `id` in a state that `complete` allows.
  func running(_ id: ServerCommandID) -> ActiveCommand? {
    if case .running(let active) = self, active.id == id { active } else { nil }
  }

  /// The command that the handler has, in any state.
  var activeID: ServerCommandID? {
    switch self {
    case .running(let active), .offered(let active, _), .literal(let active, _), .literalTail(let active),
      .challenged(let active), .idling(let active):
      active.id
    default: nil
    }
  }

  /// The server greeted with `status`.
  static func greeted(_ status: borrowing Status) -> ServerState {
    switch status.condition {
    case .ok, .preauth: .reading
    case .bye, .no, .bad: .closing(.bye(status.text))
    }
  }

  /// `active` was completed with `condition`.
  static func completed(_ active: ActiveCommand, _ condition: Status.Condition) -> ServerState {
    if let count = active.swallow { return .swallowing(count) }
    switch (active.name, condition) {
    case (.startTLS, .ok): return .upgradeReady(active.id)
    case (.logout, .ok): return .closing(.logout)
    default: return .reading
    }
  }

  /// A command whose last line announced a literal was answered before the literal: one that does not wait for
  /// permission arrives anyway.
  static func refused(_ header: LiteralHeader) -> ServerState {
    header.isSynchronizing ? .reading : .swallowing(header.byteCount)
  }

  /// The message of an accepted APPEND has arrived with its line's end; `swallow` bytes of another literal follow where
  /// the line was not at its end.
  static func appended(_ active: ActiveCommand, swallow: UInt64?) -> ServerState {
    var active = active
    active.swallow = swallow
    return .running(active)
  }

  /// The client ended or cancelled what `active` had going on.
  static func ended(_ active: ActiveCommand) -> ServerState {
    var active = active
    active.mayContinue = false
    return .running(active)
  }
}
