import DequeModule

/// Everything a client connection knows, and every transition that it makes. Rules of this file: all changes of `flow`,
/// `session` and `end` are here; nothing here does I/O or reads a clock; a call that is refused has changed nothing.
struct ClientState: ~Copyable {
  let configuration: ClientConnection.Configuration
  var parser: ResponseParser
  var outbound = SendBuffer()
  var session = Session.greeting
  var flow = Flow.open
  /// The rest of the command that owns the sending direction.
  var held: HeldBytes?
  var queue = Deque<Queued>()
  var inFlight = Deque<InFlight>()
  var pending = Deque<PendingEvent>()
  var capabilities: [Capability]?
  var enabled: [Capability] = []
  var selected: SelectedMailbox?
  /// The mailbox of a SELECT in flight: its data comes before the completion.
  var selecting: SelectedMailbox?
  var isSecure: Bool
  var isCompressed = false
  var isLoggingOut = false
  /// The text of a BYE. Nothing is sent after it.
  var byeText: String?
  var reason: CloseReason?
  var nextID: UInt32 = 1
  var nextTag: UInt32 = 1
  /// When the server was last heard, or last given something to do.
  var lastProgress: MonotonicInstant
  /// Whether bytes were sent since then.
  var hasSent = false
  /// How many bytes had come then.
  var received = 0

  init(_ configuration: ClientConnection.Configuration, now: MonotonicInstant) {
    self.configuration = configuration
    parser = ResponseParser(limits: configuration.limits)
    isSecure = configuration.isSecure
    lastProgress = now
  }

  var phase: ClientConnection.Phase {
    if reason != nil { return .closed }
    if isLoggingOut || byeText != nil { return .loggingOut }
    switch session {
    case .greeting: return .greeting
    case .notAuthenticated: return .notAuthenticated
    case .authenticated: return .authenticated
    case .selected: return .selected(readOnly: selected?.isReadOnly ?? false)
    }
  }

  var readiness: Readiness {
    if case .error(let error) = reason { return .failed(error) }
    if reason != nil { return .paused }
    if case .upgrading = flow { return .paused }
    return .reading
  }

  mutating func takePending() -> PendingEvent? {
    while let event = pending.popFirst() {
      guard case .readyForLiteral(let id, _) = event else { return event }
      // Since it was queued, the caller may have written more, and the command may have ended.
      if case .append(id, let remaining, isReady: true, _) = flow { return .readyForLiteral(id, remaining) }
    }
    return nil
  }

  // MARK: What the user wants

  mutating func enqueue(_ command: consuming Command, now: MonotonicInstant) throws(ConnectionError) -> CommandID {
    if let closing { throw closing }
    if queue.count >= configuration.maximumQueued {
      throw .limit(
        LimitExceeded(limit: .queuedCommands, value: UInt64(max(0, configuration.maximumQueued)), offset: parser.offset)
      )
    }
    let id = CommandID(rawValue: nextID)
    nextID &+= 1
    if queue.isEmpty, inFlight.isEmpty { lastProgress = now }
    queue.append(Queued(id: id, command: command))
    pump(now: now)
    return id
  }

  /// Why no command is taken any more. Whoever did not end the connection himself learns what did.
  private var closing: ConnectionError? {
    switch reason {
    case .logout, .local: return misuse(.closed)
    case .bye, .endOfInput, .error: return reason?.commandError
    case nil: break
    }
    if isLoggingOut { return misuse(.closed) }
    return byeText.map { .closedByPeer(bye: $0) }
  }

  mutating func answer(_ id: CommandID, _ response: Span<UInt8>) throws(ConnectionError) {
    guard case .authenticating(id, .asked) = flow else { throw misuse(.unknownCommand) }
    // RFC 9051, section 6.2.2: an empty answer is an empty line.
    outbound.appendBase64(Secret(response.copy()), emptyAs: "")
    outbound.append("\r\n")
    outbound.markSecret()
    flow = .authenticating(id, .manual)
  }

  mutating func cancelAuthentication(_ id: CommandID) throws(ConnectionError) {
    guard case .authenticating(id, .asked) = flow else { throw misuse(.unknownCommand) }
    outbound.append("*\r\n")
    flow = .authenticating(id, .manual)
  }

  mutating func write(
    _ id: CommandID, _ bytes: Span<UInt8>, now: MonotonicInstant
  ) throws(ConnectionError) -> Int {
    guard case .append(id, let remaining, isReady: true, _) = flow else { throw misuse(.unknownCommand) }
    if UInt64(bytes.count) > remaining { throw misuse(.literalOverrun) }
    if bytes.isEmpty { return 0 }
    let count = min(bytes.count, max(0, Self.outboundHighWatermark - outbound.count))
    outbound.append(bytes.extracting(first: count))
    lastProgress = now
    let left = remaining - UInt64(count)
    if left > 0 {
      flow = .append(id, remaining: left, isReady: true, wantsMore: count < bytes.count)
    } else {
      resume(id, now: now)
    }
    return count
  }

  mutating func endIdle(_ id: CommandID, now: MonotonicInstant) throws(ConnectionError) {
    guard case .idle(id, let idle) = flow else { throw misuse(.unknownCommand) }
    endIdle(id, idle, now: now)
  }

  mutating func consumeOutbound(_ count: Int) {
    let waiting = outbound.count
    outbound.consume(count)
    // A command line that goes at once says nothing of the server. A message's bytes that go piece by piece do.
    switch flow {
    case .append, .padding: hasSent = hasSent || outbound.count < waiting
    default: hasSent = hasSent || (outbound.count < waiting && !outbound.isEmpty)
    }
    if outbound.count > Self.outboundLowWatermark { return }
    switch flow {
    case .append(let id, let remaining, isReady: true, wantsMore: true):
      flow = .append(id, remaining: remaining, isReady: true, wantsMore: false)
      pending.append(.readyForLiteral(id, remaining))
    case .padding(let remaining): pad(remaining)
    default: break
    }
  }

  /// APPEND stops taking bytes when this many wait, and goes on when they are down to the low mark.
  private static let outboundHighWatermark = 256 << 10
  private static let outboundLowWatermark = 64 << 10

  func misuse(_ rule: ConnectionError.Misuse.Rule) -> ConnectionError {
    .misuse(ConnectionError.Misuse(rule, state: phase.description))
  }

  // MARK: Sending

  /// Sends what may be sent now.
  mutating func pump(now: MonotonicInstant) {
    while reason == nil, byeText == nil, session != .greeting, let next = queue.first {
      if case .idle(let id, let idle) = flow {
        // A command during IDLE ends the IDLE by itself.
        endIdle(id, idle, now: now)
        return
      }
      guard case .open = flow, inFlight.count < max(1, configuration.maximumInFlight) else { return }
      let traits = CommandTraits(next.command)
      guard inFlight.allSatisfy({ traits.mayFollow($0.traits) }) else { return }
      queue.removeFirst()
      send(next, traits, now: now)
    }
  }

  private mutating func send(_ next: Queued, _ traits: CommandTraits, now: MonotonicInstant) {
    if let error = refusal(of: next.command) {
      pending.append(.failed(next.id, error))
      return
    }
    let start = outbound.count
    let tag = nextTag
    var encoder = CommandEncoder(
      literals: LiteralPolicy(capabilities ?? []), mailboxEncoding: parser.mailboxEncoding,
      hasSASLIR: capabilities?.contains(.saslIR) ?? false)
    // The encoder writes straight behind what waits already.
    swap(&encoder.output, &outbound)
    var isEncoded = true
    do throws(CommandEncoder.EncodingError) {
      try encoder.encode(next.command, tag: tag)
    } catch {
      isEncoded = false
    }
    swap(&encoder.output, &outbound)
    if !isEncoded {
      _ = outbound.takeTail(behind: start)
      pending.append(.failed(next.id, misuse(.unencodable)))
      return
    }
    nextTag &+= 1
    inFlight.append(InFlight(id: next.id, tag: tag, traits: traits, kind: kind(of: next.command)))
    begin(next, encoder.stops, encoder.holes, now: now)
  }

  /// Takes over the sending direction where the command needs it.
  private mutating func begin(_ next: Queued, _ stops: [Int], _ holes: [CommandEncoder.Hole], now: MonotonicInstant) {
    switch next.command {
    case .authenticate(let exchange):
      if let response = exchange.initialResponse {
        let isSent = capabilities?.contains(.saslIR) ?? false
        flow = .authenticating(next.id, isSent ? .initialSent(response) : .initial(response))
      } else {
        flow = .authenticating(next.id, .manual)
      }
      return
    case .idle:
      flow = .idle(next.id, .starting(endWhenAsked: false, isRenewal: false))
      return
    case .select(let name, _), .examine(let name, _): selecting = SelectedMailbox(name)
    case .logout:
      isLoggingOut = true
      lastProgress = now
    default: break
    }
    hold(next.id, stops, holes, now: now)
  }

  /// Keeps back what lies behind the first place where sending must rest.
  private mutating func hold(
    _ id: CommandID, _ stops: [Int], _ holes: [CommandEncoder.Hole], now: MonotonicInstant
  ) {
    guard let first = [stops.first, holes.first?.position].compactMap({ $0 }).min() else { return }
    held = HeldBytes(
      bytes: outbound.takeTail(behind: first), stops: stops.map { $0 - first }[...],
      holes: holes.map { CommandEncoder.Hole(position: $0.position - first, byteCount: $0.byteCount) }[...])
    rest(id, now: now)
  }

  /// Rests at the place that the held bytes have come to, if it is one, else sends on.
  private mutating func rest(_ id: CommandID, now: MonotonicInstant) {
    while var held {
      self.held = nil
      let mustWait = held.stops.first == held.sent
      if mustWait { held.stops.removeFirst() }
      if let hole = held.holes.first, hole.position == held.sent {
        held.holes.removeFirst()
        if mustWait || hole.byteCount > 0 {
          self.held = held
          flow = .append(id, remaining: hole.byteCount, isReady: !mustWait, wantsMore: false)
          if !mustWait { pending.append(.readyForLiteral(id, hole.byteCount)) }
          return
        }
      } else if mustWait {
        self.held = held
        flow = .literal(id)
        return
      }
      if held.sent == held.bytes.count { break }
      send(&held)
      self.held = held
    }
    flow = .open
  }

  /// Sends the held bytes up to the next place where sending must rest.
  private mutating func send(_ held: inout HeldBytes) {
    let end = [held.stops.first, held.holes.first?.position, held.bytes.count].compactMap { $0 }.min() ?? held.sent
    outbound.markSecret()
    outbound.append(held.bytes.span.extracting(held.sent..<max(held.sent, end)))
    outbound.markSecret()
    wipe(&held.bytes, held.sent..<max(held.sent, end))
    held.sent = max(held.sent, end)
  }

  /// The command goes on behind what it rested for.
  private mutating func resume(_ id: CommandID, now: MonotonicInstant) {
    // Taken out first: what is referred to once is zeroed in place.
    if var held {
      self.held = nil
      send(&held)
      self.held = held
      rest(id, now: now)
    } else {
      flow = .open
    }
    if case .open = flow { pump(now: now) }
  }

  /// Forgets what was not sent. Only now are the bytes referred to once, so that they are zeroed and not a copy of them.
  private mutating func dropHeld() {
    guard var held else { return }
    self.held = nil
    wipe(&held.bytes, held.bytes.indices)
  }

  private mutating func pad(_ remaining: UInt64) {
    let count = min(remaining, UInt64(Self.outboundLowWatermark))
    outbound.append([UInt8](repeating: UInt8(ascii: " "), count: Int(count)))
    flow = .padding(remaining: remaining - count)
    if remaining > count { return }
    outbound.append("\r\n")
    flow = .open
    pump(now: lastProgress)
  }

  /// `now` is when DONE is sent; RFC 2177, section 3 allows it only once the server has answered IDLE.
  private mutating func endIdle(_ id: CommandID, _ idle: Idle, now: MonotonicInstant) {
    switch idle {
    case .starting(_, let isRenewal): flow = .idle(id, .starting(endWhenAsked: true, isRenewal: isRenewal))
    case .active:
      outbound.append("DONE\r\n")
      flow = .idle(id, .ending(renew: false))
      lastProgress = now
    case .ending: flow = .idle(id, .ending(renew: false))
    }
  }

  // MARK: What the server said

  /// Reads one event and acts on it.
  @_lifetime(&input)
  mutating func step(_ input: inout ReceiveBuffer, now: MonotonicInstant) -> Step {
    // Counted before the event borrows the buffer: what lies behind a STARTTLS answer decides.
    let received = parser.position + input.unread
    if received > self.received, session != .greeting, !isLoggingOut, byeText == nil { lastProgress = now }
    self.received = received
    do throws(ParseError) {
      let event = try parser.next(&input)
      if case .needMoreInput = event { return .event(.needMoreInput) }
      lastProgress = now
      switch event {
      case .endOfInput:
        inputEnded()
        return .again
      case .tagged(let tag, let status):
        return tagged(tag, status, bytesBehind: received - parser.position, now: now)
      case .continuation(let text): return continuation(text, now: now)
      case .untagged(let view): return untagged(view, now: now)
      default:
        if session == .greeting { return violation(.greeting) }
        return .event(.response(event))
      }
    } catch {
      end(.error(ConnectionError(error)))
      return .again
    }
  }

  @_lifetime(copy view)
  private mutating func untagged(_ view: UntaggedView, now: MonotonicInstant) -> Step {
    if session == .greeting {
      guard case .status(let status) = view else { return violation(.greeting) }
      return greeting(status, now: now)
    }
    switch view {
    case .status(let status):
      if status.condition == .bye, byeText == nil { byeText = status.text.lossyString() }
      noteCapabilities(status)
    case .capability(let list): capabilities = list.copy()
    case .enabled(let list): enable(list.copy())
    default: break
    }
    if isUntrusted(view) { return .again }
    if selecting != nil { selecting?.apply(view) } else { selected?.apply(view) }
    return .event(.response(.untagged(view)))
  }

  /// RFC 9051, section 11.3 and the attacks on STARTTLS: before the server knows who asks, mailbox data cannot be meant
  /// for anybody, and before TLS that must come, no text may be shown as the server's.
  private func isUntrusted(_ view: borrowing UntaggedView) -> Bool {
    guard session == .notAuthenticated else { return false }
    switch copy view {
    case .status(let status): return configuration.requiresTLS && !isSecure && status.condition != .bye
    case .capability, .id: return false
    default: return true
    }
  }

  /// RFC 9051, sections 7.1.1, 7.1.4 and 7.1.5: the first line is an untagged OK, PREAUTH or BYE.
  @_lifetime(copy status)
  private mutating func greeting(_ status: StatusView, now: MonotonicInstant) -> Step {
    switch status.condition {
    case .ok: session = .notAuthenticated
    case .preauth:
      if configuration.requiresTLS, !isSecure { return violation(.preauthWithoutTLS) }
      session = .authenticated
    case .bye:
      let text = status.text.lossyString()
      end(.bye(text))
      return .again
    case .no, .bad: return violation(.greeting, status.text.lossyString())
    }
    noteCapabilities(status)
    pump(now: now)
    return .event(.greeting(status))
  }

  @_lifetime(copy tag, copy status)
  private mutating func tagged(
    _ tag: ByteView, _ status: StatusView, bytesBehind: Int, now: MonotonicInstant
  ) -> Step {
    guard session != .greeting else { return violation(.greeting) }
    guard let number = CommandTag.number(tag.bytes), number < nextTag else {
      return violation(.unknownTag, tag.lossyString())
    }
    guard let index = inFlight.firstIndex(where: { $0.tag == number }) else {
      // A command that is over already: the server repeats itself, nothing is at stake.
      return .event(.response(.tagged(tag: tag, status)))
    }
    let command = inFlight.remove(at: index)
    let isRenewed = leaveFlow(of: command, status, now: now)
    if isRenewed { return .again }
    let isOK = status.condition == .ok
    switch command.kind {
    case .plain, .idle, .enable: break
    case .login where isOK:
      session = .authenticated
      // RFC 9051, section 6.2: what was announced before is void.
      capabilities = nil
    case .startTLS where isOK:
      if bytesBehind > 0 {
        // It is not over before it got its last event.
        inFlight.append(command)
        return violation(.plaintextAfterStartTLS)
      }
      capabilities = nil
      flow = .upgrading(.tls)
      return .event(.upgrade(.tls, command.id))
    case .select(let readOnly):
      // RFC 9051, section 6.3.2: if it fails, no mailbox is selected.
      selected = isOK ? selecting : nil
      selecting = nil
      session = isOK ? .selected : .authenticated
      if readOnly { selected?.isReadOnly = true }
      selected?.apply(status)
    case .deselect where isOK:
      session = .authenticated
      selected = nil
    case .compress where isOK:
      // Bytes behind the answer are compressed already. They stay in the buffer for whoever starts the layer.
      isCompressed = true
      flow = .upgrading(.deflate)
      return .event(.upgrade(.deflate, command.id))
    case .unauthenticate where isOK:
      // RFC 8437, section 3: everything but TLS is as it was before the login.
      session = .notAuthenticated
      selected = nil
      capabilities = nil
      enabled = []
      parser.mailboxEncoding = .modifiedUTF7
    case .logout:
      noteCapabilities(status)
      end(.logout)
      // `end` queued the last events; this one comes before them.
      return .event(.completed(command.id, status))
    case .login, .startTLS, .compress, .unauthenticate, .deselect: break
    }
    noteCapabilities(status)
    pump(now: now)
    return .event(.completed(command.id, status))
  }

  /// Gives the sending direction back when its owner is completed. True where the command goes on: a renewed IDLE.
  private mutating func leaveFlow(
    of command: InFlight, _ status: borrowing StatusView, now: MonotonicInstant
  ) -> Bool {
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
      inFlight.append(InFlight(id: command.id, tag: nextTag, traits: traits, kind: .idle))
      nextTag &+= 1
      flow = .idle(command.id, .starting(endWhenAsked: false, isRenewal: true))
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
    case .authenticating(let id, let authentication): return challenge(id, authentication, text)
    case .idle(let id, .starting(let endWhenAsked, let isRenewal)):
      if endWhenAsked {
        outbound.append("DONE\r\n")
        flow = .idle(id, .ending(renew: false))
      } else {
        flow = .idle(id, .active(renewAt: now.advanced(by: configuration.idleRenewal)))
      }
      return isRenewal ? .again : .event(.idling(id))
    default:
      if session == .greeting { return violation(.greeting) }
      // Exchange sends extra ones. Nothing waits for it, so nothing is at stake.
      return .event(.response(.continuation(text)))
    }
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
    case .initialSent, .manual, .asked:
      flow = .authenticating(id, .asked)
      return .event(.challenge(id, challenge))
    }
  }

  private mutating func send(_ response: Secret, of id: CommandID) {
    outbound.appendBase64(response, emptyAs: "")
    outbound.append("\r\n")
    flow = .authenticating(id, .manual)
  }

  private mutating func noteCapabilities(_ status: borrowing StatusView) {
    switch status.code {
    case .some(let code):
      guard code.name.equalsIgnoringCase("CAPABILITY"), case .capability(let list) = code.copy() else { return }
      capabilities = list
    case .none: break
    }
  }

  /// RFC 5161, section 3.2: ENABLED answers ENABLE. One that comes by itself changes nothing, whoever sent it.
  private mutating func enable(_ list: [Capability]) {
    guard inFlight.contains(where: { if case .enable = $0.kind { true } else { false } }) else { return }
    for capability in list where !enabled.contains(capability) {
      // A server may go on for ever.
      if enabled.count >= Self.maximumEnabled { break }
      enabled.append(capability)
    }
    // RFC 6855, section 3 and RFC 9051, section 5.1: mailbox names are UTF-8 from here on.
    if enabled.contains(.utf8Accept) || enabled.contains(.imap4rev2) { parser.mailboxEncoding = .utf8 }
  }

  /// There are fewer than twenty extensions that ENABLE knows.
  private static let maximumEnabled = 64

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
    for command in inFlight { pending.append(.failed(command.id, error)) }
    for command in queue { pending.append(.failed(command.id, error)) }
    pending.append(.closed(reason))
    inFlight = []
    queue = []
    dropHeld()
    flow = .open
    outbound.consume(outbound.count)
  }

  // MARK: Time

  mutating func handleTimeout(now: MonotonicInstant) {
    guard let deadline = nextDeadline, deadline <= now else { return }
    if case .idle(let id, .active) = flow, !isLoggingOut, byeText == nil {
      outbound.append("DONE\r\n")
      flow = .idle(id, .ending(renew: true))
      lastProgress = now
      return
    }
    if let byeText { return end(.bye(byeText)) }
    if hasSent, session != .greeting, !isLoggingOut {
      // Bytes that the server took are progress. When they went is not known, so it counts from now.
      hasSent = false
      lastProgress = now
      return
    }
    let kind: TimeoutKind = session == .greeting ? .greeting : isLoggingOut ? .logout : .command
    end(.error(.timedOut(kind)))
  }
}
