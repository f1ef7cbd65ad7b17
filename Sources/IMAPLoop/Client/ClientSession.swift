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
}

/// A command that somebody waits for, and what was gathered for it. Used on the loop's thread only.
final class CommandWaiter {
  let id: CommandID
  /// Takes the data that the command asks for.
  var dataHandler: DataHandler?
  /// Gets the FETCH responses as they come.
  var fetchHandler: FetchHandler?
  /// The bytes of an APPEND that were not written yet.
  var literal: ArraySlice<UInt8> = []
  /// Brings more of them.
  var feed: LiteralFeed?
  /// Where the responses of a FETCH wait to be taken.
  var queue: FetchQueue?
  /// Called when the command is over.
  var onFinish: ((Outcome) -> Void)?
  /// The code of the parts that are over, of a command that was sent as several.
  var partsCode: ResponseCode?
  /// Whether this is an IDLE.
  var isIdle: Bool { onIdle != nil }
  /// An IDLE that somebody ended before the server had accepted it.
  var mustEnd = false
  /// The SASL exchange of an AUTHENTICATE.
  var conversation: Conversation?
  /// Called with each challenge of it, decoded; nil is one that was not base64.
  var onChallenge: (([UInt8]?) -> Void)?
  /// Why the exchange failed, or why the server's OK does not count.
  private(set) var failure: SASLError?
  /// Called when the server accepts an IDLE.
  var onIdle: (() -> Void)?
  private var continuation: CheckedContinuation<Outcome, Never>?
  private var outcome: Outcome?

  /// A SASL exchange.
  enum Conversation {
    case idle(SASLConversation)
    /// The answer to a challenge is being computed on another thread.
    case computing
  }

  init(_ id: CommandID) { self.id = id }

  /// Resumes `continuation` with the outcome: at once where that has come already.
  func wait(_ continuation: CheckedContinuation<Outcome, Never>) {
    if let outcome { continuation.resume(returning: outcome) } else { self.continuation = continuation }
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
    self.outcome = outcome
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
  private var waiters = Deque<CommandWaiter>()
  /// The STARTTLS whose handshake is running.
  private var startTLS: CommandID?
  private var greetingWaiters: [CheckedContinuation<Outcome, Never>] = []
  private var closeWaiters: [CheckedContinuation<Void, Never>] = []
  private var events: AsyncStream<MailboxEvent>.Continuation?
  private var eventHandler: ((MailboxEvent) -> Void)?
  /// A FETCH response that nobody asked for and that is being gathered.
  private var unsolicited: FetchResponse?
  /// Whom the FETCH response that is being read belongs to.
  private var fetchOwner: CommandWaiter?
  /// Whether the server is held up.
  private var isHolding = false
  /// Whether a FETCH or STORE is in flight, or was let go.
  private var isFetching = false
  private var fetchTurns = Deque<CheckedContinuation<Void, Never>>()

  /// The FETCHes whose messages are taken one by one.
  var fetches: [CommandID: FetchQueue] = [:]
  /// Why the bytes of a message could not be had.
  var sourceFailures: [CommandID: IMAPError] = [:]

  init(_ observer: ClientObserver?) { self.observer = observer }

  func add(_ waiter: CommandWaiter, _ channel: ClientChannel) {
    waiters.append(waiter)
    updateReading(channel)
  }

  /// Holds the server up while nobody takes what has come. Not while somebody waits for what is behind that.
  func updateReading(_ channel: ClientChannel) {
    if fetches.isEmpty, !isHolding { return }
    let isWanted =
      !fetchTurns.isEmpty || waiters.contains { $0.queue.map { $0.isAwaited } ?? !$0.isIdle }
    if isHolding {
      if !isWanted, fetches.values.contains(where: { !$0.isLow }) { return }
      isHolding = false
      channel.resumeReading()
    } else if !isWanted, fetches.values.contains(where: { $0.isFull }) {
      isHolding = true
      channel.pauseReading()
    }
  }

  /// FETCH responses do not say whose they are, and servers are known to answer several commands before they complete the
  /// first. So the FETCHes and STOREs of different callers go one after the other. Resumes `turn` when it is its turn; each
  /// ends by ``endFetch()``.
  func awaitFetch(_ turn: CheckedContinuation<Void, Never>, _ channel: ClientChannel) {
    if isFetching {
      fetchTurns.append(turn)
      updateReading(channel)
    } else {
      isFetching = true
      turn.resume()
    }
  }

  func endFetch() {
    if let turn = fetchTurns.popFirst() { turn.resume() } else { isFetching = false }
  }

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

  func awaitClose(_ continuation: CheckedContinuation<Void, Never>) {
    if closeReason != nil { continuation.resume() } else { closeWaiters.append(continuation) }
  }

  /// Unsolicited events go to `handler` from now on, too, on the loop's thread, none of them lost.
  func setHandler(_ handler: @escaping (MailboxEvent) -> Void) { eventHandler = handler }

  private func yield(_ event: MailboxEvent) {
    eventHandler?(event)
    events?.yield(event)
  }

  /// Unsolicited events go to `continuation` from now on; the stream before it ends.
  func setEvents(_ continuation: AsyncStream<MailboxEvent>.Continuation) {
    events?.finish()
    events = continuation
    if closeReason != nil { continuation.finish() }
  }

  // MARK: ClientChannelDelegate

  func channelConnected(_ channel: ClientChannel) { observer?.connected() }

  func channelSecuring(_ channel: ClientChannel) { observer?.securing() }

  func channel(_ channel: ClientChannel, sent byteCount: Int) { observer?.sent(byteCount) }

  func channelSecured(_ channel: ClientChannel) {
    observer?.secured(channel)
    guard let id = startTLS else { return }
    startTLS = nil
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
      guard let code = status.copy().code, let waiter = waiter(of: id) else { break }
      waiter.partsCode = waiter.partsCode?.joined(with: code) ?? code
    case .completed(let id, let status):
      var status = status.copy()
      if let code = waiter(of: id)?.partsCode { status.code = code.joined(with: status.code) }
      let isTrusted = waiter(of: id)?.conclude(isOK: status.condition == .ok) ?? true
      finish(id, .completed(status), channel)
      // Before anything that waits behind the login is sent: who is there is not the server.
      if !isTrusted { channel.close() }
    case .failed(let id, let error): finish(id, .failed(error), channel)
    // STARTTLS is complete for its caller once TLS is up.
    case .upgrade(_, let id): startTLS = id
    case .readyForLiteral(let id, _):
      guard let waiter = waiter(of: id) else { break }
      write(waiter, channel)
      if waiter.literal.isEmpty { waiter.feed?.wake() }
    case .idling(let id):
      observer?.idles(id)
      guard let waiter = waiter(of: id) else { break }
      waiter.onIdle?()
      if waiter.mustEnd { try? channel.endIdle(id) }
    case .challenge(let id, let challenge):
      if let waiter = waiter(of: id), let onChallenge = waiter.onChallenge {
        onChallenge(challenge.decode())
      } else {
        // Whoever runs it has said all there is.
        try? channel.cancelAuthentication(id)
      }
    }
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    closeReason = reason
    observer?.closed(reason, channel)
    let error = reason.commandError
    let waitingForGreeting = greetingWaiters
    let waitingForClose = closeWaiters
    let waitingForAnswers = waiters
    greetingWaiters = []
    closeWaiters = []
    waiters = []
    for continuation in waitingForGreeting { continuation.resume(returning: .failed(error)) }
    for waiter in waitingForAnswers { waiter.finish(.failed(error)) }
    for continuation in waitingForClose { continuation.resume() }
    events?.finish()
    events = nil
    eventHandler = nil
  }

  private func finish(_ id: CommandID, _ outcome: Outcome, _ channel: ClientChannel) {
    observer?.ended(id, outcome, channel)
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
    waiters.remove(at: index).finish(outcome)
    updateReading(channel)
  }

  func write(_ waiter: CommandWaiter, _ channel: ClientChannel) {
    if waiter.literal.isEmpty { return }
    do throws(ConnectionError) {
      let bytes = waiter.literal
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
      if fetchOwner != nil || unsolicited != nil { receiveFetch(event, channel) }
    case .unknown(let line):
      observer?.unexpected(nil)
      yield(.unknown(line.copy()))
    case .needMoreInput, .tagged, .continuation, .endOfInput: break
    }
  }

  private func receive(_ view: borrowing UntaggedView, _ channel: ClientChannel) {
    if let observer, case .status(let status) = copy view { observer.noticed(status.copy()) }
    // A search says whose its answer is (RFC 4466, section 2.6.2).
    if case .extendedSearch(let result) = copy view, case .some(let tag) = result.tag {
      let tag = tag.lossyString()
      let waiter = waiters.first { $0.dataHandler != nil && channel.tag(of: $0.id) == tag }
      if waiter?.dataHandler?(view) != true { yield(.searchUpdate(result.copy())) }
      return
    }
    // Other responses do not, and servers answer in order. A command that waits to be sent cannot have been answered.
    for waiter in waiters {
      guard let handler = waiter.dataHandler, channel.isInFlight(waiter.id) else { continue }
      if handler(view) { return }
    }
    switch copy view {
    case .status(let status): yield(.notice(status.copy()))
    case .flags(let flags): yield(.flags(flags.copy()))
    case .exists(let count): yield(.exists(count))
    case .recent(let count): yield(.recent(count))
    case .expunge(let sequence): yield(.expunged(sequence))
    case .vanished(let vanished): yield(.vanished(vanished.uids.copy()))
    // NOTIFY brings these without a command (RFC 5465, section 5).
    case .list(let listing): yield(.listing(listing.copy()))
    case .mailboxStatus(let status): yield(.mailboxStatus(status.copy()))
    case .metadata(let metadata): yield(.metadata(metadata.copy()))
    // ESEARCH with ADDTO and REMOVEFROM (RFC 5267, section 4.3).
    case .extendedSearch(let result): yield(.searchUpdate(result.copy()))
    // Of these only the last answer to a command counts.
    case .capability, .enabled, .id, .namespace, .lsub, .search, .sort, .thread, .acl, .listRights, .myRights, .quota,
      .quotaRoots, .language, .comparator, .authorizedURLs, .fetchedURLs, .jmapAccess, .uidBatches, .annotation:
      break
    }
  }

  /// A FETCH response turned out to be no answer to the command that gathered it.
  func wasUnsolicited(_ response: FetchResponse) { yield(.changed(response)) }

  private func receiveFetch(_ event: borrowing ResponseEvent, _ channel: ClientChannel) {
    switch copy event {
    case .fetchBegin(let sequence): beginFetch(FetchResponse(sequence: sequence, attributes: []), channel)
    case .uidFetchBegin(let uid): beginFetch(FetchResponse(uid: uid), channel)
    default: break
    }
    if let fetchOwner {
      fetchOwner.fetchHandler?(event)
    } else {
      gather(event)
    }
    if case .fetchEnd = copy event {
      fetchOwner = nil
      updateReading(channel)
    }
  }

  private func beginFetch(_ response: FetchResponse, _ channel: ClientChannel) {
    fetchOwner = waiters.first { $0.fetchHandler != nil && channel.isInFlight($0.id) }
    if fetchOwner == nil { unsolicited = response }
  }

  private func gather(_ event: borrowing ResponseEvent) {
    switch copy event {
    case .fetchAttribute(let attribute): unsolicited?.attributes.append(attribute.copy())
    case .fetchEnd:
      if let response = unsolicited, !response.attributes.isEmpty { yield(.changed(response)) }
      unsolicited = nil
    // Nobody asked for a body, so nobody keeps its bytes.
    default: break
    }
  }
}
