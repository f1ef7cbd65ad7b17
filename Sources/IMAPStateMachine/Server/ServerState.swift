/// Where a server's connection stands. All transitions are in this file: ``ServerConnection``'s verbs and its reader ask
/// for them by name.
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
  /// STARTTLS or COMPRESS is completed and the upgrade not yet reported.
  case upgradeReady(ServerCommandID, Upgrade)
  /// The layer below is being made.
  case upgrading(Upgrade)
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
    case .capability, .noop, .logout, .id, .language, .other: true
    case .startTLS: access == .notAuthenticated && !encrypted
    case .login, .authenticate: access == .notAuthenticated
    // RFC 5161, section 3.1: a server need not check that no mailbox was selected before ENABLE.
    case .unauthenticate, .proxyAuth, .compress, .enable, .comparator, .namespace, .getJMAPAccess, .idle, .notify,
      .applePushService, .list, .lsub, .xlist, .rlist, .rlsub, .conversions, .status, .create, .delete, .rename,
      .subscribe, .unsubscribe, .select,
      .examine, .append, .setACL, .deleteACL, .getACL, .listRights, .myRights, .getQuota, .getQuotaRoot, .setQuota,
      .getMetadata, .setMetadata, .getAnnotation, .setAnnotation, .generateURLAuth, .fetchURLs, .resetKey, .multiSearch:
      access != .notAuthenticated
    case .close, .unselect, .check, .expunge, .search, .sort, .thread, .cancelUpdate, .uidBatches, .fetch, .store,
      .copy, .move, .replace, .partial, .convert, .uidConvert, .uidExpunge, .uidSearch, .uidSort, .uidThread, .uidFetch,
      .uidStore, .uidCopy, .uidMove,
      .uidReplace:
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
    case (.unauthenticate, .ok): .notAuthenticated
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
}

/// The transitions. One that does not fit the state does nothing.
extension ServerState {
  /// The server greeted with `status`.
  mutating func greeted(_ status: borrowing Status) {
    guard case .greeting = self else { return }
    switch status.condition {
    case .ok, .preauth: self = .reading
    case .bye, .no, .bad: self = .closing(.bye(status.text))
    }
  }

  /// A whole command goes to the handler.
  mutating func handedOut(_ active: ActiveCommand) {
    if case .reading = self { self = .running(active) }
  }

  /// An APPEND goes to the handler before its message.
  mutating func offered(_ active: ActiveCommand, _ header: LiteralHeader) {
    if case .reading = self { self = .offered(active, header) }
  }

  /// A command was answered without the handler. A literal that its last line announced and that does not wait for
  /// permission arrives anyway.
  mutating func refused(_ header: LiteralHeader?) {
    if case .reading = self { self = Self.skipping(header) }
  }

  /// The handler takes the offered message.
  mutating func accepted() {
    if case .offered(let active, let header) = self { self = .literal(active, remaining: header.byteCount) }
  }

  /// The handler does not want the message, or no more of it.
  mutating func rejected() {
    switch self {
    case .offered(_, let header): self = Self.skipping(header)
    case .literal(_, let remaining): self = .swallowing(remaining)
    case .literalTail: self = .swallowingLine
    default: break
    }
  }

  /// `count` bytes of the message arrived.
  mutating func received(_ count: UInt64) {
    guard case .literal(let active, let remaining) = self else { return }
    self = .literal(active, remaining: remaining - min(count, remaining))
  }

  /// All bytes of the message arrived.
  mutating func receivedAll() {
    if case .literal(let active, remaining: 0) = self { self = .literalTail(active) }
  }

  /// Behind the message comes another, or another part of it.
  mutating func offeredMore(_ header: LiteralHeader) {
    if case .literalTail(let active) = self { self = .offered(active, header) }
  }

  /// The line's end behind the message arrived. `header` is that of a further literal where the line was not at its end.
  mutating func appended(_ header: LiteralHeader?) {
    guard case .literalTail(var active) = self else { return }
    if let header, !header.isSynchronizing { active.swallow = header.byteCount }
    self = .running(active)
  }

  /// A challenge was sent.
  mutating func challenged() {
    if case .running(let active) = self { self = .challenged(active) }
  }

  /// The challenge was answered.
  mutating func responded() {
    if case .challenged(let active) = self { self = .running(active) }
  }

  /// IDLE was confirmed.
  mutating func idled() {
    if case .running(let active) = self { self = .idling(active) }
  }

  /// The client ended IDLE or cancelled AUTHENTICATE.
  mutating func ended() {
    switch self {
    case .challenged(var active), .idling(var active):
      active.mayContinue = false
      self = .running(active)
    default: break
    }
  }

  /// The handler completed its command with `condition`.
  mutating func completed(_ condition: Status.Condition) {
    guard case .running(let active) = self else { return }
    if let count = active.swallow {
      self = .swallowing(count)
      return
    }
    switch (active.name, condition) {
    case (.startTLS, .ok): self = .upgradeReady(active.id, .tls)
    case (.compress, .ok): self = .upgradeReady(active.id, .deflate)
    case (.logout, .ok): self = .closing(.logout)
    default: self = .reading
    }
  }

  /// `count` bytes of a refused literal were skipped.
  mutating func swallowed(_ count: UInt64) {
    guard case .swallowing(let left) = self else { return }
    self = count < left ? .swallowing(left - count) : .swallowingLine
  }

  /// The rest of a refused command was skipped, up to its end or to the next literal.
  mutating func swallowedLine(_ header: LiteralHeader?) {
    if case .swallowingLine = self { self = Self.skipping(header) }
  }

  /// The upgrade was reported.
  mutating func upgradeReported() {
    if case .upgradeReady(_, let upgrade) = self { self = .upgrading(upgrade) }
  }

  /// The layer below is there.
  mutating func upgraded() {
    if case .upgrading = self { self = .reading }
  }

  /// The connection is to end; the first reason stands, except that a broken transport overrules it.
  mutating func close(_ reason: CloseReason) {
    if !isOver { self = .closing(reason) }
  }

  /// The transport is gone.
  mutating func transportFailed(_ error: ConnectionError) {
    if case .closed = self { return }
    self = .closing(.error(error))
  }

  /// The end was reported.
  mutating func closeReported() {
    if case .closing = self { self = .closed }
  }

  /// What follows a line that was refused and ended with `header`.
  private static func skipping(_ header: LiteralHeader?) -> ServerState {
    guard let header, !header.isSynchronizing else { return .reading }
    return .swallowing(header.byteCount)
  }
}
