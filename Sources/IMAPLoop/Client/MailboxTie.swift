import IMAPStateMachine

/// What ties the commands of an operation to the mailbox that was selected at its beginning.
///
/// Each SELECT, EXAMINE, CLOSE, UNSELECT and UNAUTHENTICATE that is given to the connection counts one up
/// (``ClientSession/selection``). Commands are sent in the order in which they are given, so one that is given while the number
/// is still that of the beginning is about the same mailbox, whatever is on its way by then.
struct MailboxTie: Sendable {
  /// That of the operation that the task is in.
  @TaskLocal static var current: MailboxTie?

  fileprivate let client: ObjectIdentifier
  fileprivate let selection: UInt64
  /// Whether the operation has the marks for itself; see ``IMAPClient/marking(_:_:)``.
  fileprivate let hasMarks: Bool

  /// Runs `body`, whose commands to `client` are about the messages of the mailbox that was selected when the number was `selection`:
  /// where another one is opened they throw ``IMAPError/mailboxWasLeft`` and are not sent.
  static func run<Value>(
    _ client: IMAPClient, at selection: UInt64, hasMarks: Bool = false, isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws(IMAPError) -> Value
  ) async throws(IMAPError) -> Value {
    let tie = MailboxTie(
      client: ObjectIdentifier(client), selection: selection, hasMarks: hasMarks || Self.hasMarks(client))
    let result = await $current.withValue(tie) { () async -> Result<Value, IMAPError> in
      _ = isolation
      do throws(IMAPError) { return .success(try await body()) } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// Whether the task has the marks of `client` for itself.
  fileprivate static func hasMarks(_ client: IMAPClient) -> Bool {
    current.map { $0.hasMarks && $0.client == ObjectIdentifier(client) } ?? false
  }
}

extension IMAPError {
  /// A command that was given for one mailbox would have gone to another one. It was not sent.
  static let mailboxWasLeft = IMAPError.connection(
    .misuse(.init(.wrongState, state: "another mailbox was opened meanwhile")))
}

extension IMAPClient {
  /// How often another mailbox was opened, or none, counted when the command is given.
  var selection: UInt64 { session.selection }

  /// The number that ``selection`` must have when a command is sent that is given now.
  var expectedSelection: UInt64 {
    if let tie = MailboxTie.current, tie.client == ObjectIdentifier(self) { return tie.selection }
    return session.selection
  }

  /// The mailbox that is open; nil where none is, and where a command was given that may open another one and is not over: until
  /// then the one from before may still be in ``selected``.
  var settledMailbox: SelectedMailbox? { session.isMailboxSettled ? channel.selected : nil }

  /// In what state whoever has the connection next finds it.
  var standing: (phase: ClientConnection.Phase, mailbox: MailboxName?) { (phase, settledMailbox?.name) }

  /// The mailbox that was selected when the number was `selection`, as it is now; nil where it was left.
  func selected(at selection: UInt64) -> SelectedMailbox? { session.selection == selection ? channel.selected : nil }

  /// See ``MailboxTie/run(_:at:isolation:_:)``.
  func tied<Value>(
    to selection: UInt64, _ body: () async throws(IMAPError) -> Value
  ) async throws(IMAPError) -> Value {
    try await MailboxTie.run(self, at: selection, body)
  }

  /// As ``tied(to:_:)``, for the mailbox that is selected now, or will be when what was given is done. Calls that open another one
  /// wait until `body` is over, those excepted that are made by whoever has the mailbox for himself: see ``withMailbox(_:readOnly:timeout:isolation:_:)``.
  /// It waits for nobody itself. `body` may call nothing that opens a mailbox, which would wait for it.
  func staying<Value>(_ body: () async throws(IMAPError) -> Value) async throws(IMAPError) -> Value {
    let selection = expectedSelection
    keepMailbox()
    defer { unkeepMailbox() }
    return try await tied(to: selection, body)
  }

  /// Runs `body`, which marks messages as deleted, or removes marks or what is marked, while no other task of this client does, on
  /// a server that has EXPUNGE alone. That takes whatever is marked (RFC 3501, section 6.4.3): what others mark in the middle of an
  /// operation would go with what it has marked. `command` is for errors.
  func marking<Value>(
    _ command: String, _ body: () async throws(IMAPError) -> Value
  ) async throws(IMAPError) -> Value {
    let known = channel.capabilities ?? []
    if known.contains(.uidPlus) || known.contains(.imap4rev2) || MailboxTie.hasMarks(self) { return try await body() }
    let selection = expectedSelection
    try await take(.marks, for: command)
    defer { give(.marks) }
    return try await MailboxTie.run(self, at: selection, hasMarks: true, body)
  }
}

extension Command {
  /// Whether another mailbox may be selected behind it, or none.
  var leavesMailbox: Bool {
    switch self {
    case .select, .examine, .close, .unselect, .unauthenticate: true
    default: false
    }
  }

  /// Whether it belongs before the login.
  var isSignIn: Bool {
    switch self {
    case .login, .authenticate, .startTLS: true
    default: false
    }
  }

  /// Whether it changes flags of the selected mailbox, or which messages are in it, and does nothing else. A command that nobody knows
  /// is not taken to.
  var changesSelected: Bool {
    switch self {
    case .store, .storeLabels, .expunge, .uidExpunge, .move: true
    default: false
    }
  }

  /// Whether it may change which messages are marked deleted, or expunge those that are.
  var touchesMarks: Bool {
    switch self {
    case .store(_, let operation, _): operation.action == .replace || operation.flags.contains(.deleted)
    case .expunge, .uidExpunge, .other: true
    default: false
    }
  }

  /// Whether it is about messages of the selected mailbox. Of a command that nobody knows it is taken to be.
  var concernsSelected: Bool {
    switch self {
    case .fetch, .close, .unselect, .check, .expunge, .uidExpunge, .search, .sort, .thread, .uidBatches, .store,
      .storeLabels, .storeAnnotations, .partial, .convert, .copy, .move, .other:
      true
    case .append(let request): request.replacing != nil
    default: false
    }
  }
}
