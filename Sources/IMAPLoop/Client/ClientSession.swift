internal import DequeModule
import IMAPStateMachine

/// How FETCH responses reach the caller: event by event, borrowed, on the loop's thread.
typealias FetchHandler = (borrowing ResponseEvent) -> Void

/// Is offered untagged data while its command is in flight, borrowed, on the loop's thread. Returns whether it was what the
/// command asks for: then nobody else is offered it.
typealias DataHandler = (borrowing UntaggedView) -> Bool

/// How a command ended.
enum Outcome: Sendable {
  case completed(Status)
  case failed(ConnectionError)
  /// Its caller's task was cancelled. A command that the server has goes on without him.
  case cancelled(wasSent: Bool)
}

/// A command that somebody waits for, and what was gathered for it. Used on the loop's thread only.
final class CommandWaiter {
  let id: CommandID
  /// Takes the data that the command asks for.
  var dataHandler: DataHandler?
  /// What answers it, where that could be taken for the answer to another command.
  var turn: AnswerTurn?
  /// Gets the FETCH responses as they come.
  var fetchHandler: FetchHandler?
  /// Gets each FETCH response whole; instead of ``fetchHandler``.
  var collect: ((FetchResponse) -> Void)?
  /// Gets the untagged responses that nobody knows.
  var unknownHandler: (([UInt8]) -> Void)?
  /// The bytes of an APPEND that were not written yet.
  var literal: ArraySlice<UInt8> = []
  /// Brings more of them.
  var feed: LiteralFeed?
  /// Where the responses of a FETCH wait to be taken.
  var queue: FetchQueue?
  /// What of its answers is news for whoever follows the mailbox.
  var news = AnswerNews.none
  /// Whether a response that it collects is no answer, though it may be a part of one; nil where each is an answer.
  var isNews: ((FetchResponse) -> Bool)?
  /// The messages that a FETCH has named, where a response can be about others.
  var named: NamedMessages?
  /// Called when the command is over.
  var onFinish: ((Outcome) -> Void)?
  /// The code of the parts that are over, of a command that was sent as several; of a login the page that the server wants
  /// to be opened.
  var partsCode: ResponseCode?
  /// Whether this is an IDLE.
  var isIdle: Bool { onIdle != nil }
  /// An IDLE behind a FETCH whose messages nobody takes: whoever should may wait for it.
  var isOverdue = false
  /// An IDLE that somebody ended before the server had accepted it.
  var mustEnd = false
  /// Whether another mailbox may be selected behind it, or none.
  let leavesMailbox: Bool
  /// Whether it was sent as several, of which one is over.
  var hasParts = false
  /// The SASL exchange of an AUTHENTICATE.
  var conversation: Conversation?
  /// Called with each challenge of it, decoded; nil is one that was not base64.
  var onChallenge: (([UInt8]?) -> Void)?
  /// Why the exchange failed, or why the server's OK does not count.
  private(set) var failure: SASLError?
  /// Called when the server accepts an IDLE.
  var onIdle: (() -> Void)?
  /// Whether nobody waits for it any longer.
  private(set) var isAbandoned = false
  private var continuation: CheckedContinuation<Outcome, Never>?
  private var outcome: Outcome?

  /// A SASL exchange.
  enum Conversation {
    case idle(SASLConversation)
    /// The answer to a challenge is being computed on another thread.
    case computing
  }

  init(_ id: CommandID, leavesMailbox: Bool) {
    self.id = id
    self.leavesMailbox = leavesMailbox
  }

  /// Whether the command has named the message; nil where nobody knows, as `*` may be any.
  func hasNamed(_ response: FetchResponse) -> Bool? {
    guard let named else { return true }
    return named.contains(response)
  }

  /// Resumes `continuation` with the outcome: at once where that has come already.
  func wait(_ continuation: CheckedContinuation<Outcome, Never>) {
    if let outcome { continuation.resume(returning: outcome) } else { self.continuation = continuation }
  }

  /// Its caller goes on. What comes for it is taken, so that nobody else gets it, and dropped.
  func abandon(wasSent: Bool) {
    if outcome != nil { return }
    isAbandoned = true
    if fetchHandler != nil { fetchHandler = { _ in } }
    if collect != nil { collect = { _ in } }
    if onIdle != nil { onIdle = {} }
    let outcome = Outcome.cancelled(wasSent: wasSent)
    self.outcome = outcome
    feed?.wake()
    continuation?.resume(returning: outcome)
    continuation = nil
  }

  /// The server has completed a SASL exchange. Returns whether its word counts.
  func conclude(isOK: Bool) -> Bool {
    switch conversation {
    case .idle(var conversation): failure = conversation.complete(isOK: isOK)
    case .computing where isOK: failure = .completedEarly
    case .computing, nil: break
    }
    conversation = nil
    return !isOK || failure == nil
  }

  func finish(_ outcome: Outcome) {
    if !isAbandoned { self.outcome = outcome }
    onFinish?(outcome)
    onFinish = nil
    feed?.wake()
    continuation?.resume(returning: outcome)
    continuation = nil
  }
}

/// The channel's delegate behind ``IMAPClient``: brings each response to the command that asked for it, and the others to
/// the event stream. Lives on the loop's thread.
final class ClientSession: ClientChannelDelegate {
  /// What the server said first.
  private(set) var greeting: Status?
  private(set) var closeReason: CloseReason?
  /// Nil unless the client logs, counts or keeps lines.
  let observer: ClientObserver?
  private(set) var waiters = Deque<CommandWaiter>()
  /// The STARTTLS whose handshake is running, or the COMPRESS that was agreed to.
  private var upgrading: CommandID?
  private let deflateLimits: DeflateLimits
  private var greetingWaiters: [CheckedContinuation<Outcome, Never>] = []
  private var closeWaiters = WaitList()
  /// Whoever takes the events has it.
  private weak var events: EventQueue<MailboxEvent>?
  private(set) var eventHandler: ((MailboxEvent, _ bytes: Int) -> Void)?
  private var openedHandler: (() -> Void)?
  /// Those that watch by IDLE.
  var watchers: [WaitList.ID: EventQueue<MailboxEvent>] = [:]
  /// The one of them that gives IDLE.
  var idlingWatcher: WaitList.ID?
  /// How many bytes were sent.
  private(set) var sentCount: UInt64 = 0
  /// Who has the selected mailbox, or its marks, for himself; nil where nobody has, or wants to.
  private var mailboxLock: MailboxLock?
  private var markLock: MailboxLock?
  /// How many commands were given that leave the mailbox which was selected before. See ``MailboxTie``.
  private(set) var selection: UInt64 = 0
  /// The FETCH response that is being read.
  var fetching = Fetching.none
  /// What of it others are told, where its owner sees it as it comes.
  var answer: FetchResponse?
  /// Whether the server is held up.
  private var isHolding = false

  /// Which commands may be answered by FETCH responses now.
  var gate = FetchGate()

  /// Which commands may be answered by other untagged responses now.
  var answers = AnswerGate()

  /// The FETCHes whose messages are taken one by one.
  var fetches: [CommandID: FetchQueue] = [:]
  /// What a SELECT has opened whose caller has not gone on yet.
  var opened: [CommandID: SelectedMailbox] = [:]
  /// When the next IDLE may be given, where the server has ended one by itself.
  var idlePace: IdlePace?
  /// Why the bytes of a message could not be had.
  var sourceFailures: [CommandID: IMAPError] = [:]

  init(_ observer: ClientObserver?, deflateLimits: DeflateLimits) {
    self.observer = observer
    self.deflateLimits = deflateLimits
  }

  subscript(kind: MailboxLock.Kind) -> MailboxLock? {
    get { kind == .mailbox ? mailboxLock : markLock }
    set { if kind == .mailbox { mailboxLock = newValue } else { markLock = newValue } }
  }

  func add(_ waiter: CommandWaiter, _ channel: ClientChannel) {
    waiters.append(waiter)
    if waiter.leavesMailbox { selection += 1 }
    updateReading(channel)
  }

  /// Holds the server up while nobody takes what has come. Not while somebody waits for what is behind that.
  func updateReading(_ channel: ClientChannel) {
    if fetches.isEmpty, !isHolding { return }
    let isWanted =
      gate.hasWaiting || waiters.contains { $0.queue.map { $0.isAwaited } ?? (!$0.isIdle || $0.isOverdue) }
    if isHolding {
      if !isWanted, fetches.values.contains(where: { !$0.isLow }) { return }
      isHolding = false
      channel.resumeReading()
    } else if !isWanted, fetches.values.contains(where: { $0.isFull }) {
      isHolding = true
      channel.pauseReading()
    }
  }

  /// See ``FetchGate``. The next ones may go, and wait no longer.
  func endFetch(_ turn: FetchTurn) { gate.leave(turn) }

  /// Whether there are commands in flight, and nobody waits for any of them any more, or only by IDLE, which brings nothing more.
  var isAbandoned: Bool { !waiters.isEmpty && waiters.allSatisfy { $0.isAbandoned || $0.isIdle } }

  /// Whether the mailbox that is selected stays so until a command is given that leaves it.
  var isMailboxSettled: Bool { !waiters.contains { $0.leavesMailbox } }

  func waiter(of id: CommandID) -> CommandWaiter? { waiters.first { $0.id == id } }

  func awaitGreeting(_ continuation: CheckedContinuation<Outcome, Never>) {
    if let greeting {
      continuation.resume(returning: .completed(greeting))
    } else if let closeReason {
      continuation.resume(returning: .failed(closeReason.commandError))
    } else {
      greetingWaiters.append(continuation)
    }
  }

  /// Resumes `continuation` once the connection is closed, or when ``stopAwaitingClose(_:)`` comes.
  func awaitClose(_ id: WaitList.ID, _ continuation: CheckedContinuation<Bool, Never>) {
    if closeReason != nil { continuation.resume(returning: true) } else { closeWaiters.add(id, continuation) }
  }

  func newCloseWait() -> WaitList.ID { closeWaiters.makeID() }

  func stopAwaitingClose(_ id: WaitList.ID) { closeWaiters.cancel(id) }

  /// Unsolicited events go to `handler` from now on, too, on the loop's thread, none of them lost, and what commands have changed
  /// (``AnswerNews``). `opened` is called at the end of
  /// each command that opens or leaves a mailbox.
  func setHandler(_ handler: @escaping (MailboxEvent, _ bytes: Int) -> Void, opened: @escaping () -> Void) {
    eventHandler = handler
    openedHandler = opened
  }

  /// Something happened, as the response says that is being read.
  func yield(_ event: MailboxEvent, _ channel: ClientChannel) { yield(event, bytes: channel.responseSize) }

  /// Something happened, which the server has said in so many bytes. Whoever follows the mailbox may have been told.
  func yield(_ event: MailboxEvent, bytes: Int, isTold: Bool = false) {
    if !isTold { eventHandler?(event, bytes) }
    events?.add(event, bytes: bytes)
    for watcher in watchers.values { watcher.add(event, bytes: bytes) }
  }

  /// Whether anybody is told of what happens.
  var hasFollowers: Bool { eventHandler != nil || events != nil || !watchers.isEmpty }

  /// Unsolicited events go to `queue` from now on; the one before it ends.
  func setEvents(_ queue: EventQueue<MailboxEvent>) {
    events?.finish()
    events = queue
    if closeReason != nil { queue.finish() }
  }

  // MARK: ClientChannelDelegate

  func channelConnected(_ channel: ClientChannel) { observer?.connected() }

  func channelSecuring(_ channel: ClientChannel) { observer?.securing() }

  func channel(_ channel: ClientChannel, sent byteCount: Int) {
    observer?.sent(byteCount)
    sentCount += UInt64(clamping: byteCount)
  }

  func channelSecured(_ channel: ClientChannel) {
    observer?.secured(channel)
    upgraded(channel)
  }

  func channelCompressed(_ channel: ClientChannel) {
    channel.deflateLimits = deflateLimits
    upgraded(channel)
  }

  private func upgraded(_ channel: ClientChannel) {
    guard let id = upgrading else { return }
    upgrading = nil
    finish(id, .completed(Status(.ok, "")), channel)
  }

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    observer?.noteTags(channel)
    switch copy event {
    case .needMoreInput, .paused, .closed: break
    case .greeting(let status):
      let status = status.copy()
      greeting = status
      observer?.greeted()
      let waiting = greetingWaiters
      greetingWaiters = []
      for continuation in waiting { continuation.resume(returning: .completed(status)) }
    case .response(let response): receive(response, channel)
    case .partCompleted(let id, let status):
      guard let waiter = waiter(of: id) else { break }
      waiter.hasParts = true
      guard let code = status.copy().code else { break }
      waiter.partsCode = waiter.partsCode?.joined(with: code) ?? code
    case .completed(let id, let status):
      var status = status.copy()
      if let code = waiter(of: id)?.partsCode { status.code = Self.code(of: status, behind: code) }
      let isTrusted = waiter(of: id)?.conclude(isOK: status.condition == .ok) ?? true
      finish(id, .completed(status), channel)
      // Before anything that waits behind the login is sent: who is there is not the server.
      if !isTrusted { channel.close() }
    case .failed(let id, let error): finish(id, .failed(error), channel)
    // Complete for its caller once the layer is up.
    case .upgrade(_, let id): upgrading = id
    case .readyForLiteral(let id, let count):
      guard let waiter = waiter(of: id) else { break }
      // The bytes behind these are of the next literal.
      write(waiter, channel, atMost: count)
      if waiter.literal.isEmpty { waiter.feed?.wake() }
    case .idling(let id):
      observer?.idles(id)
      guard let waiter = waiter(of: id) else { break }
      waiter.onIdle?()
      if waiter.mustEnd { try? channel.endIdle(id) }
    case .challenge(let id, let challenge):
      if let waiter = waiter(of: id), !waiter.isAbandoned, let onChallenge = waiter.onChallenge {
        onChallenge(challenge.decode())
      } else {
        // Whoever runs it has said all there is, or has gone.
        try? channel.cancelAuthentication(id)
      }
    }
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    closeReason = reason
    observer?.closed(reason, channel)
    let error = reason.commandError
    let waitingForGreeting = greetingWaiters
    let waitingForAnswers = waiters
    greetingWaiters = []
    waiters = []
    for continuation in waitingForGreeting { continuation.resume(returning: .failed(error)) }
    for waiter in waitingForAnswers { waiter.finish(.failed(error)) }
    closeWaiters.resumeAll()
    events?.finish()
    events = nil
    eventHandler = nil
    openedHandler = nil
  }

  func finish(_ id: CommandID, _ outcome: Outcome, _ channel: ClientChannel) {
    observer?.ended(id, outcome, channel)
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
    let waiter = waiters.remove(at: index)
    if waiter.leavesMailbox { openedHandler?() }
    waiter.finish(outcome)
    updateReading(channel)
  }

  func write(_ waiter: CommandWaiter, _ channel: ClientChannel, atMost limit: UInt64 = .max) {
    if waiter.literal.isEmpty { return }
    do throws(ConnectionError) {
      let bytes = waiter.literal.prefix(Int(clamping: limit))
      let count = try channel.write(waiter.id, literal: bytes.span)
      waiter.literal = waiter.literal.dropFirst(count)
    } catch {
      // The machine completes or fails the command itself.
    }
  }

  // MARK: Responses

  private func receive(_ event: borrowing ResponseEvent, _ channel: ClientChannel) {
    switch copy event {
    case .untagged(let view): receive(view, channel)
    case .fetchBegin, .uidFetchBegin, .fetchAttribute, .literalBegin, .literalChunk, .literalEnd, .fetchEnd:
      receiveFetch(event, channel)
    case .malformed(_, let problem):
      observer?.unexpected(problem)
      // Inside a FETCH response its owner must hear of it.
      if fetching.isInside { receiveFetch(event, channel) }
    case .unknown(let line):
      observer?.unexpected(nil)
      // A command that nobody knows is answered by what nobody knows.
      if let handler = waiters.first(where: { $0.unknownHandler != nil && channel.isInFlight($0.id) })?.unknownHandler {
        handler(line.copy())
      } else {
        yield(.unknown(line.copy()), channel)
      }
    case .needMoreInput, .tagged, .continuation, .endOfInput: break
    }
  }

  private func receive(_ view: borrowing UntaggedView, _ channel: ClientChannel) {
    if let observer, case .status(let status) = copy view { observer.noticed(status.copy()) }
    if channel.state == .notAuthenticated, case .status(let status) = copy view { noteWebAlert(status, channel) }
    // A search says whose its answer is (RFC 4466, section 2.6.2).
    if case .extendedSearch(let result) = copy view, case .some(let tag) = result.tag {
      let tag = tag.lossyString()
      let waiter = waiters.first { $0.dataHandler != nil && channel.tag(of: $0.id) == tag }
      if waiter?.dataHandler?(view) != true { yield(.searchUpdate(result.copy()), channel) }
      return
    }
    // Dovecot writes it every two minutes, so that nobody in between forgets the connection.
    if channel.isIdling, case .status(let status) = copy view, status.isProofOfLife { return }
    // Other responses do not: of the commands that one kind answers only one is in flight. What none has asked for is for any that
    // takes it.
    if offer(view, toAsking: true, channel) || offer(view, toAsking: false, channel) { return }
    switch copy view {
    case .status(let status): yield(.notice(status.copy()), channel)
    case .flags(let flags): yield(.flags(flags.copy()), channel)
    case .exists(let count): yield(.exists(count), channel)
    case .recent(let count): yield(.recent(count), channel)
    case .expunge(let sequence): yield(.expunged(sequence), channel)
    case .vanished(let vanished): yield(.vanished(vanished.uids.copy()), channel)
    // NOTIFY brings these without a command (RFC 5465, section 5).
    case .list(let listing): yield(.listing(listing.copy()), channel)
    case .mailboxStatus(let status): yield(.mailboxStatus(status.copy()), channel)
    case .metadata(let metadata): yield(.metadata(metadata.copy()), channel)
    // ESEARCH with ADDTO and REMOVEFROM (RFC 5267, section 4.3).
    case .extendedSearch(let result): yield(.searchUpdate(result.copy()), channel)
    // Of these only the last answer to a command counts.
    case .capability, .enabled, .id, .namespace, .lsub, .search, .sort, .thread, .acl, .listRights, .myRights, .quota,
      .quotaRoots, .language, .comparator, .authorizedURLs, .fetchedURLs, .jmapAccess, .uidBatches, .annotation:
      break
    }
  }

  /// Gmail names the page in a line of its own, and refuses the login in the next one.
  private func noteWebAlert(_ status: borrowing StatusView, _ channel: ClientChannel) {
    guard case .some(let code) = status.code, case .webAlert(let url) = code.copy() else { return }
    waiters.first { channel.isInFlight($0.id) }?.partsCode = .webAlert(url)
  }

  /// What the code of a completion is, with what was said before it.
  private static func code(of status: Status, behind code: ResponseCode) -> ResponseCode? {
    guard case .webAlert = code else { return code.joined(with: status.code) }
    if status.condition != .ok, status.code == nil || status.code == .alert { return code }
    return status.code
  }

  /// Whether a command has taken it. One that waits to be sent cannot have been answered.
  private func offer(_ view: borrowing UntaggedView, toAsking isAsking: Bool, _ channel: ClientChannel) -> Bool {
    for waiter in waiters {
      guard let handler = waiter.dataHandler, (waiter.turn?.expects(view) ?? false) == isAsking,
        channel.isInFlight(waiter.id)
      else { continue }
      if handler(view) { return true }
    }
    return false
  }
}

extension StatusView {
  /// Whether it is an `OK Still here`, which says nothing else.
  fileprivate var isProofOfLife: Bool {
    guard condition == .ok else { return false }
    switch code {
    case .some: return false
    case .none: return text.lossyString().lowercased().hasPrefix("still here")
    }
  }
}
