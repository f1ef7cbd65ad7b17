import DequeModule

/// The client's transitions on what the server said, and on time. The rules of `ClientState.swift` hold here too.
extension ClientState {
  /// Reads one event and acts on it. Inlined where it is called, so that the event is not copied once more.
  @_lifetime(&input)
  @inline(__always)
  mutating func step(_ input: inout ReceiveBuffer, now: MonotonicInstant, _ lists: inout ListPool) -> Step {
    // Behind a SELECT that is over; see there.
    if inFlight.isEmpty, !queue.isEmpty {
      pump(now: now)
      // A command that may not be sent any more has failed.
      if !pending.isEmpty { return .again }
    }
    // Counted before the event borrows the buffer: what lies behind a STARTTLS answer decides.
    let received = parser.position + input.unread
    let isPatient = self.isPatient
    if received > self.received, isPatient { lastProgress = now }
    self.received = received
    let peek = isObserved ? peek(input) : nil
    do throws(ParseError) {
      let event = try parser.next(&input)
      if let peek { show(event, peek) }
      if case .needMoreInput = event { return .event(.needMoreInput) }
      // What waited to be read is no silence of the server.
      if isPatient { lastProgress = now }
      switch event {
      case .endOfInput:
        inputEnded()
        return .again
      case .tagged(let tag, let status):
        return tagged(tag, status, bytesBehind: received - parser.position, now: now, &lists)
      case .continuation(let text): return continuation(text, now: now)
      case .untagged(let view): return untagged(view, now: now, &lists)
      default:
        if session == .greeting { return violation(.greeting) }
        if session == .notAuthenticated, isWithoutTLS || event.isOfFetch { return .again }
        if selected != nil || selecting != nil { note(event) }
        return .event(.response(event))
      }
    } catch {
      if let peek { show(unreadable: peek) }
      end(.error(ConnectionError(error)))
      return .again
    }
  }

  @_lifetime(copy view)
  private mutating func untagged(_ view: UntaggedView, now: MonotonicInstant, _ lists: inout ListPool) -> Step {
    if session == .greeting {
      guard case .status(let status) = view else { return violation(.greeting) }
      return greeting(status, now: now, &lists)
    }
    switch view {
    case .status(let status):
      if status.condition == .bye, byeText == nil { bye(status, now: now) }
      note(status, &lists)
    case .capability(let list): announce(lists.announcement(list))
    case .enabled(let list): enable(list.copy())
    default: break
    }
    if isUntrusted(view) { return .again }
    // While SELECT waits for `[CLOSED]` both: it may never come.
    selecting?.apply(view, &lists)
    selected?.apply(view, &lists)
    return .event(.response(.untagged(view)))
  }

  /// RFC 9051, section 11.3 and the attacks on STARTTLS: before the server knows who asks, mailbox data cannot be meant
  /// for anybody, and before TLS that must come, no text may be shown as the server's.
  private func isUntrusted(_ view: borrowing UntaggedView) -> Bool {
    guard session == .notAuthenticated else { return false }
    switch copy view {
    case .status(let status): return isWithoutTLS && status.condition != .bye
    case .capability, .id: return false
    default: return true
    }
  }

  /// RFC 9051, sections 7.1.1, 7.1.4 and 7.1.5: the first line is an untagged OK, PREAUTH or BYE.
  @_lifetime(copy status)
  private mutating func greeting(_ status: StatusView, now: MonotonicInstant, _ lists: inout ListPool) -> Step {
    switch status.condition {
    case .ok: session = .notAuthenticated
    case .preauth:
      if isWithoutTLS { return violation(.preauthWithoutTLS) }
      session = .authenticated
    case .bye:
      let text = status.text.lossyString()
      end(.refused(text))
      return .again
    case .no, .bad: return violation(.greeting, status.text.lossyString())
    }
    noteCapabilities(status, &lists)
    lastProgress = now
    pump(now: now)
    return .event(.greeting(status))
  }

  @_lifetime(copy tag, copy status)
  private mutating func tagged(
    _ tag: ByteView, _ status: StatusView, bytesBehind: Int, now: MonotonicInstant, _ lists: inout ListPool
  ) -> Step {
    guard session != .greeting else { return violation(.greeting) }
    guard let number = CommandTag.number(tag.bytes), number < nextTag else {
      return violation(.unknownTag, tag.lossyString())
    }
    guard let command = inFlight.remove(tag: number) else {
      // A command that is over already: the server repeats itself, nothing is at stake.
      return .event(.response(.tagged(tag: tag, status)))
    }
    let wasCancelled = if case .login = command.kind { isCancelled } else { false }
    let isRenewed = leaveFlow(of: command, status, now: now)
    if isRenewed {
      selected?.commandEnded(status, isSelect: false, &lists)
      return .again
    }
    if case .search(let search) = command.sequel, retry(search, command.id, command.tag, status) {
      selected?.commandEnded(status, isSelect: false, &lists)
      pump(now: now)
      // The command goes on. What the server said to the first attempt is not lost.
      return .event(.response(.tagged(tag: tag, status)))
    }
    let isOK = status.condition == .ok
    switch command.kind {
    case .plain, .secret, .idle: break
    case .login where isOK:
      if wasCancelled {
        // RFC 9051, section 6.2.2: BAD answers `*`. Whoever gave the exchange up may have found that it is not his server.
        // The command is not over before it got its last event.
        inFlight.append(command)
        return violation(.authentication, status.text.lossyString())
      }
      session = .authenticated
      // RFC 9051, section 7.2.2: what was announced before may not hold any more.
      announce(nil)
    case .startTLS where isOK:
      if let byeText { return endInstead(of: command, .bye(byeText)) }
      if bytesBehind > 0 {
        inFlight.append(command)
        return violation(.plaintextAfterStartTLS)
      }
      announce(nil)
      flow = .upgrading(.tls)
      return .event(.upgrade(.tls, command.id))
    case .select:
      // RFC 9051, section 6.3.2: if it fails, no mailbox is selected.
      let mailbox = selecting
      deselect()
      if isOK {
        selected = mailbox
        session = .selected
      }
    case .deselect where isOK: deselect()
    case .notify(let expungesAnytime) where isOK: mayExpungeAnytime = expungesAnytime
    case .compress where isOK:
      if let byeText { return endInstead(of: command, .bye(byeText)) }
      // Bytes behind the answer are compressed already. They stay in the buffer for whoever starts the layer.
      isCompressed = true
      flow = .upgrading(.deflate)
      return .event(.upgrade(.deflate, command.id))
    case .unauthenticate where isOK:
      // RFC 8437, section 3: everything but TLS is as it was before the login.
      deselect()
      session = .notAuthenticated
      announce(nil)
      enabled = []
      hasSelected = false
      hasTurnedCondStoreOn = false
      mayExpungeAnytime = false
      parser.mailboxEncoding = .modifiedUTF7
    case .logout:
      noteCapabilities(status, &lists)
      end(.logout)
      // `end` queued the last events; this one comes before them.
      return .event(.completed(command.id, status))
    case .login, .startTLS, .compress, .unauthenticate, .deselect, .notify: break
    }
    if case .select = command.kind {
      selected?.commandEnded(status, isSelect: true, &lists)
      selected?.selectEnded()
    } else {
      selected?.commandEnded(status, isSelect: false, &lists)
    }
    if isOK, command.traits.contains(.enablesCondStore) { hasTurnedCondStoreOn = true }
    noteCapabilities(status, &lists)
    guard case .parts(let parts) = command.sequel else {
      // Whoever hears of a SELECT finds its mailbox: the next one, which may wait, closes it. It is sent in the next step.
      if case .select = command.kind, inFlight.isEmpty {} else { pump(now: now) }
      return .event(.completed(command.id, status))
    }
    let step = partEnded(parts, of: command.id, tag, status)
    pump(now: now)
    return step
  }

  /// A part of a command is over. At the first refusal the parts that were not sent are dropped, unless it says only that messages are
  /// gone; those in flight run to their end, and then the command ends with that refusal, or the first one that says more.
  @_lifetime(copy tag, copy status)
  @inline(never)
  private mutating func partEnded(_ parts: Parts, of id: CommandID, _ tag: ByteView, _ status: StatusView) -> Step {
    parts.left -= 1
    let isOK = status.condition == .ok
    let isMinor = !isOK && parts.goOn(behind: status)
    if !isOK, !isMinor { parts.left -= dropParts(of: id) }
    let isLast = parts.left == 0
    if !isOK, !isMinor, parts.isEndingMinor {
      parts.isEndingMinor = false
      parts.ending = .refused(Refusal(condition: status.condition, line: status.line))
      if isLast { tellEnding(of: parts, id) }
      return .again
    }
    if parts.ending == nil {
      if isLast { return .event(.completed(id, status)) }
      if isOK { return .event(.partCompleted(id, status)) }
      parts.isEndingMinor = isMinor
      parts.ending = .refused(Refusal(condition: status.condition, line: status.line))
      return .again
    }
    if isLast { tellEnding(of: parts, id) }
    // A second refusal is no news of the command, and is not lost.
    return .event(isOK ? .partCompleted(id, status) : .response(.tagged(tag: tag, status)))
  }

  /// Queues a search once more whose charset the server does not know. False where that is not what it said, or nothing can be
  /// done about it.
  @inline(never)
  private mutating func retry(
    _ search: Box<Command>, _ id: CommandID, _ tag: UInt32, _ status: borrowing StatusView
  ) -> Bool {
    if status.condition != .no || byeText != nil { return false }
    switch status.code {
    case .some(let code) where code.name.equalsIgnoringCase("BADCHARSET"):
      guard let other = search.value.inAnotherCharset(code, wasLast: tag &+ 1 == nextTag) else { return false }
      // Before everything that came behind it: the queue is in the order of enqueueing.
      let index = queue.firstIndex { $0.id > id } ?? queue.endIndex
      queue.insert(Queued(id: id, command: other, isRetried: true), at: index)
      return true
    default: return false
    }
  }

  /// Behind a BYE nothing is sent, no handshake either, and what comes without a layer that is agreed on cannot be read.
  @_lifetime(immortal)
  private mutating func endInstead(of command: InFlight, _ reason: CloseReason) -> Step {
    inFlight.append(command)
    end(reason)
    return .again
  }

  /// Gives the sending direction back when its owner is completed. True where the command goes on: a renewed IDLE.
  private mutating func leaveFlow(
    of command: InFlight, _ status: borrowing StatusView, now: MonotonicInstant
  ) -> Bool {
    // The owner was sent last. Before it other parts of the same command may have been.
    if command.tag &+ 1 != nextTag { return false }
    switch flow {
    case .literal(command.id):
      // RFC 9051, section 7.6: NO or BAD instead of `+` refuses the literal, and with it the command.
      dropHeld()
      flow = .open
    case .append(command.id, let remaining, let isReady, _):
      dropHeld()
      if isReady { pad(remaining) } else { flow = .open }
    case .authenticating(command.id, _): flow = .open
    case .idle(command.id, .ending(renew: true)) where status.condition == .ok && byeText == nil:
      let traits = command.traits
      outbound.append(CommandTag.prefix)
      outbound.append(decimal: nextTag)
      outbound.append(" IDLE\r\n")
      if isObserved { showLine("\(CommandTag.text(nextTag)) IDLE") }
      inFlight.append(InFlight(id: command.id, tag: nextTag, traits: traits, kind: .idle, limit: command.limit))
      nextTag &+= 1
      flow = .idle(command.id, .starting(endWhenAsked: false, isRenewal: true))
      lastProgress = now
      return true
    case .idle(command.id, _): flow = .open
    default: break
    }
    return false
  }

  /// `+`: its meaning depends on who owns the sending direction (RFC 9051, section 7.6).
  @_lifetime(copy text)
  private mutating func continuation(_ text: ByteView, now: MonotonicInstant) -> Step {
    switch flow {
    case .literal(let id) where byeText == nil:
      resume(id, now: now)
      return .again
    case .append(let id, let remaining, isReady: false, _):
      if remaining == 0 {
        resume(id, now: now)
      } else {
        flow = .append(id, remaining: remaining, isReady: true, wantsMore: false)
        pending.append(.readyForLiteral(id, remaining))
      }
      return .again
    case .authenticating(let id, let authentication) where !authentication.isCancelled:
      return challenge(id, authentication, text)
    case .idle(let id, .starting(let endWhenAsked, let isRenewal)):
      if endWhenAsked {
        sendDone()
        flow = .idle(id, .ending(renew: false))
        lastProgress = now
      } else {
        flow = .idle(id, .active(renewAt: renewal(ofIdleFrom: now)))
        giveBackStorage()
      }
      return isRenewal ? .again : .event(.idling(id))
    default:
      if session == .greeting { return violation(.greeting) }
      if session == .notAuthenticated, isWithoutTLS { return .again }
      // Exchange sends extra ones. Nothing waits for it, so nothing is at stake.
      return .event(.response(.continuation(text)))
    }
  }

  private func renewal(ofIdleFrom now: MonotonicInstant) -> MonotonicInstant {
    let (time, jitter) = (configuration.idleRenewal, configuration.idleJitter)
    if jitter <= .zero { return now.advanced(by: time) }
    // The last digits of the time are chance enough.
    let chance = Double((UInt64(bitPattern: now.nanoseconds) &* 0x9e37_79b9_7f4a_7c15) >> 11) / Double(UInt64(1) << 53)
    return now.advanced(by: time - min(jitter, time) * chance)
  }

  /// Thousands of connections do nothing but IDLE: what they keep for commands is given back meanwhile.
  mutating func giveBackStorage() {
    outbound.giveBackStorage()
    inFlight.shrink()
    if queue.isEmpty { queue = Deque() }
    if pending.isEmpty { pending = Deque() }
  }

  @_lifetime(copy text)
  private mutating func challenge(_ id: CommandID, _ authentication: Authentication, _ text: ByteView) -> Step {
    let challenge = ChallengeView(text)
    switch authentication {
    case .initial(let response):
      send(response, of: id)
      return .again
    case .initialSent(let response) where challenge.base64.isEmpty:
      send(response, of: id)
      return .again
    case .initialSent, .manual, .asked, .cancelled:
      flow = .authenticating(id, .asked)
      return .event(.challenge(id, challenge))
    }
  }

  private mutating func send(_ response: Secret, of id: CommandID) {
    outbound.appendBase64(response, emptyAs: "")
    outbound.append("\r\n")
    if isObserved { showLine(WireLine.redacted) }
    flow = .authenticating(id, .manual)
  }

  /// No mailbox is selected any longer.
  mutating func deselect() {
    selected = nil
    selecting = nil
    if session == .selected { session = .authenticated }
  }

  /// RFC 9051, section 7.1.5: the server is about to close. Nothing is sent any more, what was begun included.
  private mutating func bye(_ status: borrowing StatusView, now: MonotonicInstant) {
    byeText = status.text.lossyString()
    // A LOGOUT that crossed it as well.
    outbound.consume(outbound.count)
    if isLoggingOut { return }
    lastProgress = now
    dropHeld()
    flow = .open
  }

  /// What an untagged status response changes besides the mailbox.
  private mutating func note(_ status: borrowing StatusView, _ lists: inout ListPool) {
    noteCapabilities(status, &lists)
    guard status.condition == .ok else { return }
    switch status.code {
    case .some(let code):
      if code.name.equalsIgnoringCase("CLOSED") { closed() }
      // RFC 5465, section 5.8: the server goes on as after NOTIFY NONE.
      if code.name.equalsIgnoringCase("NOTIFICATIONOVERFLOW") { mayExpungeAnytime = false }
    case .none: break
    }
  }

  /// RFC 7162, section 3.2.11: the mailbox that was selected is closed, and what follows is of the one that is being
  /// selected. RFC 9051, section 3.4 has it without SELECT as well.
  private mutating func closed() {
    let next = selecting
    if next == nil, session != .selected { return }
    deselect()
    next?.begin(uids: newUIDMap)
    selecting = next
  }

  /// What FETCH says that is of the mailbox. Mutating as it is called for every event, and lending `self` copies it.
  private mutating func note(_ event: borrowing ResponseEvent) {
    switch copy event {
    case .fetchAttribute(.modSeq(let value)):
      selecting?.noteFetched(value)
      selected?.noteFetched(value)
    case .fetchAttribute(.uid(let uid)) where configuration.mapsUIDs:
      selecting?.noteFetched(uid)
      selected?.noteFetched(uid)
    case .fetchBegin(let number) where configuration.mapsUIDs:
      selecting?.fetchBegins(number)
      selected?.fetchBegins(number)
    case .fetchEnd where configuration.mapsUIDs:
      selecting?.fetchEnds()
      selected?.fetchEnds()
    default: break
    }
  }

  private mutating func noteCapabilities(_ status: borrowing StatusView, _ lists: inout ListPool) {
    switch status.code {
    case .some(let code):
      guard code.name.equalsIgnoringCase("CAPABILITY"), !code.arguments.isEmpty else { return }
      announce(lists.announcement(CapabilityListView(code.arguments.bytes)))
    case .none: break
    }
  }

  /// RFC 5161, section 3.2: ENABLED answers ENABLE. What nobody asked for changes nothing, whoever sent it.
  private mutating func enable(_ list: [Capability]) {
    for capability in list where !enabled.contains(capability) {
      if inFlight.contains(where: { $0.traits.enables(capability) }) { enabled.append(capability) }
    }
    // RFC 6855, section 3 and RFC 9051, section 5.1: mailbox names are UTF-8 from here on.
    if enabled.contains(.utf8Accept) || enabled.contains(.imap4rev2) { parser.mailboxEncoding = .utf8 }
  }

  mutating func upgraded(_ upgrade: Upgrade, now: MonotonicInstant) {
    guard case .upgrading(upgrade) = flow else { return }
    if upgrade == .tls {
      isSecure = true
      // Whatever was learnt in the clear may have come from anybody.
      enabled = []
      parser.mailboxEncoding = .modifiedUTF7
    }
    flow = .open
    lastProgress = now
    pump(now: now)
  }

  mutating func transportFailed(_ error: ConnectionError) {
    // Servers that close with bytes unread reset the connection: the BYE is why.
    if byeText == nil { end(.error(error)) } else { inputEnded() }
  }

  private mutating func inputEnded() {
    if let byeText {
      end(isLoggingOut ? .logout : .bye(byeText))
    } else {
      end(.endOfInput)
    }
  }

  @_lifetime(immortal)
  private mutating func violation(_ rule: ConnectionError.PeerViolation.Rule, _ text: String = "") -> Step {
    // One short line: the text may come from anybody.
    let error = ConnectionError.peer(ConnectionError.PeerViolation(rule, text: String(text.prefix(200))))
    end(.error(error))
    return .again
  }

  /// The end of the connection: every command fails, nothing more is sent.
  mutating func end(_ reason: CloseReason) {
    if self.reason != nil { return }
    self.reason = reason
    let error = reason.commandError
    var unanswered = unanswered
    for index in 0..<inFlight.count {
      unanswered.append(inFlight[index].id)
      if case .parts(let parts) = inFlight[index].sequel, !parts.isFirstToEnd() { continue }
      pending.append(.failed(inFlight[index].id, error))
    }
    for command in queue {
      if command.parts?.wasSent == true { unanswered.append(command.id) }
      if command.parts?.isFirstToEnd() ?? true { pending.append(.failed(command.id, error)) }
    }
    pending.append(.closed(reason))
    self.unanswered = unanswered
    inFlight.removeAll()
    queue = []
    dropHeld()
    flow = .open
    outbound.consume(outbound.count)
  }

  // MARK: Time

  mutating func handleTimeout(now: MonotonicInstant) {
    guard let deadline = nextDeadline, deadline <= now else { return }
    if case .idle(let id, .active) = flow, !isLoggingOut, byeText == nil {
      sendDone()
      flow = .idle(id, .ending(renew: true))
      lastProgress = now
      return
    }
    // Whatever the server was to close by itself is closed here.
    if let byeText { return end(isLoggingOut ? .logout : .bye(byeText)) }
    if hasSent, isPatient {
      // Bytes that the server took are progress. When they went is not known, so it counts from now.
      lastProgress = now
      return
    }
    end(.error(.timedOut(overdue)))
  }
}

extension ResponseEvent {
  /// Whether it is a part of a FETCH response, which is mailbox data.
  fileprivate var isOfFetch: Bool {
    switch self {
    case .fetchBegin, .uidFetchBegin, .fetchAttribute, .literalBegin, .literalChunk, .literalEnd, .fetchEnd: true
    default: false
    }
  }
}
