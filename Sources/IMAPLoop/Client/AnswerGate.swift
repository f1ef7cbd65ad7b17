import IMAPStateMachine

/// Which commands may be in flight together, by what answers them.
///
/// Most untagged responses do not say whose they are, and servers may answer several commands before they complete the first:
/// Dovecot does so with searches. So of those that the same kind of response answers one goes at a time, in the order of asking.
/// STATUS names its mailbox: only those about one mailbox wait for each other. For FETCH responses see ``FetchGate``.
struct AnswerGate {
  /// Those that are in flight and those that wait, in the order of asking. One reference: most connections have none.
  private var turns: [AnswerTurn] = []

  /// Lets `turn` in, if it may go now.
  mutating func enter(_ turn: AnswerTurn) -> Bool {
    turn.isAdmitted = !turns.contains { $0.excludes(turn) }
    if turn.isAdmitted { turns.append(turn) }
    return turn.isAdmitted
  }

  /// `continuation` is resumed when it is the turn of `turn`.
  mutating func wait(_ turn: AnswerTurn, _ continuation: CheckedContinuation<Void, Never>) {
    turn.continuation = continuation
    turns.append(turn)
    // Between the two somebody may have left.
    advance()
  }

  /// The one that waits gives up. Complexity: O(commands).
  mutating func cancel(_ turn: AnswerTurn) {
    guard let index = turns.firstIndex(where: { $0 === turn && !$0.isAdmitted }) else { return }
    turns.remove(at: index).resume()
    advance()
  }

  /// The command of `turn` is over, or was not sent.
  mutating func leave(_ turn: AnswerTurn) {
    guard let index = turns.firstIndex(where: { $0 === turn }) else { return }
    turns.remove(at: index).isAdmitted = false
    advance()
  }

  /// Nobody passes one who has asked before and waits for the same.
  private mutating func advance() {
    var taken = AnswerKinds()
    for index in turns.indices {
      let turn = turns[index]
      if !turn.isAdmitted,
        taken.isDisjoint(with: turn.kinds) || !turns[..<index].contains(where: { $0.excludes(turn) })
      {
        turn.isAdmitted = true
        turn.resume()
      }
      taken.formUnion(turn.kinds)
    }
  }
}

/// A command that untagged responses answer, from before it is sent until it is over.
///
/// Sendable: only used on the loop's thread.
final class AnswerTurn: @unchecked Sendable {
  let kinds: AnswerKinds
  /// The mailbox that a STATUS is about.
  private let mailbox: String?
  /// Whether it may be sent.
  fileprivate(set) var isAdmitted = false
  fileprivate var continuation: CheckedContinuation<Void, Never>?

  /// Nil for a command whose answer cannot be taken for that of another.
  init?(_ command: borrowing Command) {
    kinds = AnswerKinds(command)
    if kinds.isEmpty { return nil }
    if case .status(let name, _) = copy command { mailbox = Self.folded(name) } else { mailbox = nil }
  }

  /// Whether the other must not be in flight together with it.
  fileprivate func excludes(_ other: AnswerTurn) -> Bool {
    let common = kinds.intersection(other.kinds)
    if common == .status, let mailbox, let name = other.mailbox { return mailbox == name }
    return !common.isEmpty
  }

  /// Whether `view` may be what answers it.
  func expects(_ view: borrowing UntaggedView) -> Bool {
    if kinds.isDisjoint(with: AnswerKinds(view)) { return false }
    guard let mailbox, case .mailboxStatus(let status) = copy view else { return true }
    return mailbox == Self.folded(status.copy().mailbox)
  }

  fileprivate func resume() {
    continuation?.resume()
    continuation = nil
  }

  /// Servers may write a name in another case, or encoding, than it was asked for: the text without case tells them apart, and
  /// what it does not tell apart goes one by one.
  static func folded(_ name: MailboxName) -> String { name.description.lowercased() }
}

/// Kinds of untagged responses that answer commands and do not name them.
struct AnswerKinds: OptionSet, Sendable {
  let rawValue: UInt32

  private init(bit: UInt32) { rawValue = 1 << bit }
  init(rawValue: UInt32) { self.rawValue = rawValue }

  static let capability = AnswerKinds(bit: 0)
  static let id = AnswerKinds(bit: 1)
  static let enabled = AnswerKinds(bit: 2)
  static let namespace = AnswerKinds(bit: 3)
  static let list = AnswerKinds(bit: 4)
  static let lsub = AnswerKinds(bit: 5)
  static let status = AnswerKinds(bit: 6)
  static let search = AnswerKinds(bit: 7)
  static let sort = AnswerKinds(bit: 8)
  static let thread = AnswerKinds(bit: 9)
  static let acl = AnswerKinds(bit: 10)
  static let listRights = AnswerKinds(bit: 11)
  static let myRights = AnswerKinds(bit: 12)
  static let quota = AnswerKinds(bit: 13)
  static let metadata = AnswerKinds(bit: 14)
  static let annotation = AnswerKinds(bit: 15)
  static let language = AnswerKinds(bit: 16)
  static let comparator = AnswerKinds(bit: 17)
  static let authorizedURLs = AnswerKinds(bit: 18)
  static let fetchedURLs = AnswerKinds(bit: 19)
  static let jmapAccess = AnswerKinds(bit: 20)
  static let uidBatches = AnswerKinds(bit: 21)
  /// COPYUID in an untagged OK (RFC 6851, section 4.3), where some servers write that of COPY, too.
  static let copyUID = AnswerKinds(bit: 22)

  /// What answers `command`.
  init(_ command: borrowing Command) {
    switch copy command {
    case .capability: self = .capability
    case .id: self = .id
    case .enable: self = .enabled
    case .namespace: self = .namespace
    case .list(let request): self = Self.kinds(of: request)
    case .xlist, .rlist: self = .list
    case .lsub, .rlsub: self = .lsub
    case .status, .notify(.set(status: true, _)): self = .status
    case .getACL: self = .acl
    case .listRights: self = .listRights
    case .myRights: self = .myRights
    case .getQuota, .getQuotaRoot, .setQuota: self = .quota
    case .getMetadata: self = .metadata
    case .getAnnotation: self = .annotation
    case .language: self = .language
    case .comparator: self = .comparator
    case .generateURLAuth: self = .authorizedURLs
    case .fetchURLs: self = .fetchedURLs
    case .getJMAPAccess: self = .jmapAccess
    // With RETURN the answer is an ESEARCH, which has the tag (RFC 4466, section 2.6.2).
    case .search(_, _, _, returning: nil): self = .search
    case .sort(_, _, _, _, returning: nil): self = .sort
    case .thread: self = .thread
    case .uidBatches: self = .uidBatches
    case .copy, .move: self = .copyUID
    default: self = []
    }
  }

  /// What `view` is; nothing where it answers no command, or says whose it is.
  init(_ view: borrowing UntaggedView) {
    switch copy view {
    case .capability: self = .capability
    case .id: self = .id
    case .enabled: self = .enabled
    case .namespace: self = .namespace
    case .list: self = .list
    case .lsub: self = .lsub
    case .mailboxStatus: self = .status
    case .search: self = .search
    case .sort: self = .sort
    case .thread: self = .thread
    case .acl: self = .acl
    case .listRights: self = .listRights
    case .myRights: self = .myRights
    case .quota, .quotaRoots: self = .quota
    case .metadata: self = .metadata
    case .annotation: self = .annotation
    case .language: self = .language
    case .comparator: self = .comparator
    case .authorizedURLs: self = .authorizedURLs
    case .fetchedURLs: self = .fetchedURLs
    case .jmapAccess: self = .jmapAccess
    case .uidBatches: self = .uidBatches
    case .status, .flags, .exists, .recent, .expunge, .vanished, .extendedSearch: self = []
    }
  }

  /// LIST brings what was asked for in its return options, too (RFC 5819, RFC 8440, RFC 9590).
  private static func kinds(of request: ListRequest) -> AnswerKinds {
    var kinds = list
    for option in request.returning {
      switch option {
      case .status: kinds.insert(.status)
      case .myRights: kinds.insert(.myRights)
      case .metadata: kinds.insert(.metadata)
      case .subscribed, .children, .specialUse, .other: break
      }
    }
    return kinds
  }
}

extension IMAPClient {
  /// Waits until `command` may be sent. Nil where it need not wait for any other; else the turn ends by
  /// ``AnswerGate/leave(_:)``.
  func awaitAnswerTurn(_ name: String, _ command: Command) async throws(IMAPError) -> AnswerTurn? {
    guard let turn = AnswerTurn(command) else { return nil }
    if session.answers.enter(turn) { return turn }
    await withTaskCancellationHandler {
      await wait(for: turn)
    } onCancel: {
      Task { await giveUp(turn) }
    }
    if !turn.isAdmitted { throw .cancelled(command: name) }
    return turn
  }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for turn: AnswerTurn) async {
    await withCheckedContinuation { continuation in
      if Task.isCancelled { return continuation.resume() }
      session.answers.wait(turn, continuation)
    }
  }

  private func giveUp(_ turn: AnswerTurn) { session.answers.cancel(turn) }
}
