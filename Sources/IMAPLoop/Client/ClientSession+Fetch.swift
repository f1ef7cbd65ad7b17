import IMAPStateMachine

/// FETCH responses: each goes to the command that asked for it, or is news.
extension ClientSession {
  /// The FETCH response that is being read.
  enum Fetching {
    case none
    /// Its owner is known at its beginning, and sees it as it comes.
    case streaming(CommandWaiter)
    /// Whose it is its UID will say. It is gathered until then.
    case gathering(FetchCollector)
    /// Nobody asked for it.
    case unsolicited(FetchResponse)

    var isInside: Bool { if case .none = self { false } else { true } }
  }

  func receiveFetch(_ event: borrowing ResponseEvent, _ channel: ClientChannel) {
    switch copy event {
    case .fetchBegin(let sequence): beginFetch(FetchResponse(sequence: sequence, attributes: []), channel)
    case .uidFetchBegin(let uid): beginFetch(FetchResponse(uid: uid), channel)
    default: break
    }
    switch fetching {
    case .none: return
    case .streaming(let owner):
      owner.fetchHandler?(event)
      noteAnswer(event, owner)
    case .gathering(var collector):
      // One reference, so that nothing is copied.
      fetching = .none
      let response = collector.add(event)
      fetching = .gathering(collector)
      if let response { deliver(response, channel) }
    case .unsolicited(let response): gather(event, response, channel)
    }
    if case .fetchEnd = copy event {
      fetching = .none
      updateReading(channel)
    }
  }

  private func beginFetch(_ response: FetchResponse, _ channel: ClientChannel) {
    guard let first = waiters.first(where: { isFetch($0, channel) }) else {
      fetching = .unsolicited(response)
      return
    }
    fetching = first.fetchHandler == nil ? .gathering(FetchCollector()) : .streaming(first)
  }

  /// Whether it is in flight and wants FETCH responses.
  private func isFetch(_ waiter: CommandWaiter, _ channel: ClientChannel) -> Bool {
    (waiter.fetchHandler != nil || waiter.collect != nil) && channel.isInFlight(waiter.id)
  }

  /// Keeps of an answer that its owner sees as it comes what others are told of, too.
  private func noteAnswer(_ event: borrowing ResponseEvent, _ owner: CommandWaiter) {
    if owner.news == .none || eventHandler == nil, owner.named == nil || !hasFollowers { return }
    switch copy event {
    case .fetchBegin(let sequence): answer = FetchResponse(sequence: sequence, attributes: [])
    case .uidFetchBegin(let uid): answer = FetchResponse(uid: uid)
    case .fetchAttribute(let attribute):
      switch copy attribute {
      case .uid, .flags, .modSeq, .gmailLabels: answer?.attributes.append(attribute.copy())
      default: break
      }
    case .fetchEnd:
      if let answer { noted(answer, owner) }
      answer = nil
    default: break
    }
  }

  /// The owner has seen it, whether it has asked for it or not.
  private func noted(_ answer: FetchResponse, _ owner: CommandWaiter) {
    if owner.hasNamed(answer) == true {
      tell(answer, owner)
    } else if let change = AnswerNews.changes.part(of: answer) {
      // It may have come with a body.
      yield(.changed(change), bytes: change.changeSize)
    }
  }

  /// Tells whoever follows the mailbox what a command has changed.
  private func tell(_ answer: FetchResponse, _ owner: CommandWaiter) {
    if let eventHandler, let news = owner.news.part(of: answer) { eventHandler(.changed(news), news.changeSize) }
  }

  /// Brings a response to whoever named the message. What is of another one is news.
  private func deliver(_ response: FetchResponse, _ channel: ClientChannel) {
    var owner: CommandWaiter?
    if let uid = response.uid {
      owner = gate.owner(of: uid)?.waiter
    } else {
      // Some servers leave the UID out. News of flags may be anybody's, a body is taken in the order of the commands.
      let asking = waiters.filter { $0.collect != nil && channel.isInFlight($0.id) }
      if asking.count == 1 || !response.isNews { owner = asking.first }
    }
    if let owner, let collect = owner.collect, channel.isInFlight(owner.id) {
      // A server may tell of changes whenever it answers (RFC 9051, section 7.5.2).
      let hasNamed = response.isNews && response.flags != nil ? owner.hasNamed(response) : true
      if hasNamed != true || owner.isNews?(response) == true {
        yield(.changed(response), channel)
      } else {
        tell(response, owner)
      }
      if hasNamed != false { collect(response) }
    } else if !response.attributes.isEmpty {
      yield(.changed(response), channel)
    }
  }

  private func gather(_ event: borrowing ResponseEvent, _ response: FetchResponse, _ channel: ClientChannel) {
    var response = response
    fetching = .none
    switch copy event {
    case .fetchAttribute(let attribute): response.attributes.append(attribute.copy())
    case .fetchEnd:
      if !response.attributes.isEmpty { yield(.changed(response), channel) }
    // Nobody asked for a body, so nobody keeps its bytes.
    default: break
    }
    fetching = .unsolicited(response)
  }

  /// A FETCH response turned out to be no answer to the STORE that gathered it. Whoever follows the mailbox may have been told of it.
  func wasUnsolicited(_ response: FetchResponse, isTold: Bool) {
    yield(.changed(response), bytes: response.changeSize, isTold: isTold)
  }
}

/// What of the answers to a command whoever follows the mailbox is told, who has not given it.
enum AnswerNews {
  case none
  /// The flags of messages that were fetched without having been asked for: one that is read is marked so. Flags that were asked for
  /// are no news, as somebody asks for those of a whole mailbox.
  case flags
  /// Flags and labels of messages that were changed.
  case changes

  init(of command: borrowing Command) {
    switch copy command {
    case .store, .storeLabels, .other: self = .changes
    case .fetch(_, let items, _): self = items.contains { $0.asksForFlags } ? .none : .flags
    case .partial: self = .flags
    default: self = .none
    }
  }

  /// Nil where there is nothing to tell.
  func part(of response: FetchResponse) -> FetchResponse? {
    var part = response
    var isChange = false
    part.attributes.removeAll { attribute in
      switch attribute {
      case .uid, .modSeq: return false
      case .flags: isChange = true
      case .gmailLabels where self == .changes: isChange = true
      default: return true
      }
      return false
    }
    return self != .none && isChange ? part : nil
  }
}

extension FetchItem {
  fileprivate var asksForFlags: Bool {
    switch self {
    case .flags: true
    // FLAGS, and the macros that hold it.
    case .other(let word): ["FLAGS", "FAST", "ALL", "FULL"].contains(word.uppercased())
    default: false
    }
  }
}

extension FetchResponse {
  /// About how many bytes those of its items have that STORE changes.
  fileprivate var changeSize: Int { attributes.reduce(0) { $0 + $1.changeSize } }

  /// Whether it has nothing but what a server sends without being asked.
  var isNews: Bool {
    attributes.allSatisfy {
      switch $0 {
      case .uid, .flags, .modSeq: true
      default: false
      }
    }
  }
}

extension FetchAttribute {
  /// How many bytes it takes about, if it is one that STORE changes.
  fileprivate var changeSize: Int {
    switch self {
    case .flags(let flags): flags.reduce(0) { $0 + $1.rawValue.utf8.count + 1 }
    case .gmailLabels(let labels): labels.reduce(0) { $0 + $1.bytes.count + 1 }
    case .annotations(let annotations):
      annotations.reduce(0) { sum, annotation in
        annotation.attributes.reduce(sum + annotation.entry.count) { $0 + $1.name.count + ($1.value?.count ?? 0) }
      }
    default: 0
    }
  }
}

extension IMAPClient {
  /// As ``run(_:_:prepare:)``, for commands that FETCH responses answer. `prepare` says who takes them.
  func runFetch(
    _ name: String, _ command: Command, isGathered: Bool = false, prepare: (CommandWaiter) -> Void
  ) async throws(IMAPError) -> Status {
    let selection = expectedSelection
    let turn = try await awaitFetch(name, command, isGathered: isGathered)
    // From when it is sent on the end of the command is the end of the turn, also where nobody waits for it.
    var isSent = false
    defer { if !isSent { session.endFetch(turn) } }
    return try await run(name, command, in: selection) { waiter in
      isSent = true
      turn.waiter = waiter
      waiter.onFinish = { [session] _ in session.endFetch(turn) }
      prepare(waiter)
    }
  }

  /// FETCH, of each message one response, and the messages that went before. Responses that are `isNews` are told as they come, and are no
  /// answer alone. Where the server has refused it because some of the messages are gone, what it has told of the others.
  func gatherMessages(
    _ command: Command, isNews: @escaping (FetchResponse) -> Bool, keepsNews: Bool
  ) async throws(IMAPError) -> (responses: [FetchResponse], vanished: UIDSet) {
    // Written on this actor's thread only, before `runFetch` returns.
    var gathered: [FetchResponse?] = []
    var vanished: [UIDSet.Range] = []
    var refusal: IMAPError?
    do throws(IMAPError) {
      _ = try await runFetch("FETCH", command, isGathered: true) { waiter in
        waiter.collect = { gathered.append($0) }
        waiter.isNews = isNews
        waiter.dataHandler = { view in
          switch copy view {
          // RFC 7162, section 3.2.6: the answer to the VANISHED modifier, which changes no number.
          case .vanished(let view) where view.isEarlier:
            vanished += view.uids.copy().ranges
            return true
          // What expunges stands between them.
          case .expunge, .vanished: gathered.append(nil)
          default: break
          }
          return false
        }
      }
    } catch {
      guard case .refused(_, let status) = error, status.saysSomeAreGone else { throw error }
      refusal = error
    }
    var merger = FetchMerger()
    for response in gathered {
      guard let response else {
        merger.renumber()
        continue
      }
      if keepsNews || !isNews(response) { merger.add(response) }
    }
    // News of a message that was not told of is no answer.
    let answers = keepsNews ? merger.responses.filter { !isNews($0) } : merger.responses
    if answers.isEmpty, let refusal { throw refusal }
    return (answers, UIDSet(ranges: vanished))
  }

  /// As ``runFetch(_:_:isGathered:prepare:)``: each response is handed to `take` as it comes, and `end` is called when the command is
  /// over, before anything behind it is read, both on the loop's thread.
  func fetchEach(
    _ command: Command, _ take: @escaping @Sendable (FetchResponse) -> Void, end: @escaping @Sendable () -> Void
  ) async throws(IMAPError) {
    // Written on this actor's thread only, before `runFetch` returns.
    var isTold = false
    do throws(IMAPError) {
      _ = try await runFetch("FETCH", command, isGathered: true) { waiter in
        // All that is told by then is one picture of the mailbox.
        waiter.named = nil
        waiter.collect = { response in
          isTold = true
          take(response)
        }
        let finish = waiter.onFinish
        waiter.onFinish = { outcome in
          end()
          finish?(outcome)
        }
      }
    } catch {
      // As ``gatherMessages(_:isNews:keepsNews:)``.
      guard isTold, case .refused(_, let status) = error, status.saysSomeAreGone else { throw error }
    }
  }

  /// As ``runFetch(_:_:isGathered:prepare:)``, and returns the responses that came. Where it throws they are news.
  func gatherFetch(
    _ name: String, _ command: Command
  ) async throws(IMAPError) -> (responses: [FetchResponse], status: Status) {
    // Written on this actor's thread only, before `run` returns.
    var responses: [FetchResponse] = []
    do throws(IMAPError) {
      let status = try await runFetch(name, command, isGathered: true) { waiter in
        waiter.collect = { responses.append($0) }
      }
      return (responses, status)
    } catch {
      // RFC 2180, section 4.2.3: a STORE that is refused may have been done for some of the messages.
      let news = AnswerNews(of: command)
      for response in responses { session.wasUnsolicited(response, isTold: news.part(of: response) != nil) }
      throw error
    }
  }

  /// Waits until `command` may be sent. The turn that this returns ends by ``ClientSession/endFetch(_:)``.
  func awaitFetch(_ name: String, _ command: Command, isGathered: Bool) async throws(IMAPError) -> FetchTurn {
    let turn = FetchTurn(command, isGathered: isGathered)
    if session.gate.enter(turn) { return turn }
    await withTaskCancellationHandler {
      await wait(for: turn)
    } onCancel: {
      Task { await giveUp(turn) }
    }
    if !turn.isAdmitted { throw .cancelled(command: name) }
    return turn
  }

  /// A method, as ``awaitOutcome(of:)``.
  private func wait(for turn: FetchTurn) async {
    await withCheckedContinuation { continuation in
      if Task.isCancelled { return continuation.resume() }
      session.gate.wait(turn, continuation)
      session.updateReading(channel)
    }
  }

  private func giveUp(_ turn: FetchTurn) {
    session.gate.cancel(turn)
    session.updateReading(channel)
  }
}
