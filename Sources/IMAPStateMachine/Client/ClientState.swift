import DequeModule

/// Everything a client connection knows, and every transition that the user makes; those that the server makes are in
/// `ClientState+Reading.swift`. Rules of both files: all changes of `flow`, `session` and `reason` are there; nothing there
/// does I/O or reads a clock; a call that is refused has changed nothing.
struct ClientState: ~Copyable {
  var parser: ResponseParser
  var outbound = SendBuffer()
  // What takes a byte stands together, and numbers where words would leave room, so that nothing is lost between.
  var configuration: ClientConnection.Configuration
  var session = Session.greeting
  var isCompressed = false
  var isLoggingOut = false
  /// Whether a mailbox was selected, or tried to be, since the login.
  var hasSelected = false
  /// Whether a command went well that turns CONDSTORE on.
  var hasTurnedCondStoreOn = false
  /// Whether NOTIFY asked for EXPUNGE at any time.
  var mayExpungeAnytime = false
  /// Whether bytes were sent since ``lastProgress``, nobody knows when.
  var hasSent = false
  /// What the capabilities say of how commands are written.
  var literals = LiteralPolicy.synchronizing
  var hasSASLIR = false
  /// Whether ``ClientConnection/Configuration/wireObserver`` is set: asked for every event.
  var isObserved: Bool
  var nextTag: UInt32 = 1
  var flow = Flow.open
  var nextID: UInt32 = 1
  /// The rest of the command that owns the sending direction.
  var held: HeldBytes?
  var queue = Deque<Queued>()
  var inFlight = InFlightList()
  var pending = Deque<PendingEvent>()
  /// What the server has announced. It changes by ``announce(_:)``.
  var capabilities: [Capability]?
  var enabled: [Capability] = []
  var selected: TrackedMailbox?
  /// The mailbox of a SELECT in flight: its data comes before the completion.
  var selecting: TrackedMailbox?
  private var ending: Box<Ending>?
  /// When the server was last heard, or last given something to do: the beginning of every deadline but IDLE's.
  var lastProgress: MonotonicInstant { didSet { hasSent = false } }
  /// How many bytes had come then.
  var received = 0

  init(_ configuration: ClientConnection.Configuration, now: MonotonicInstant) {
    self.configuration = configuration
    isObserved = configuration.wireObserver != nil
    parser = ResponseParser(limits: configuration.limits)
    lastProgress = now
  }

  /// The server has announced this, or what it had announced does not hold any more.
  mutating func announce(_ announcement: Announcement?) {
    capabilities = announcement?.list
    literals = announcement?.literals ?? .synchronizing
    hasSASLIR = announcement?.hasSASLIR ?? false
  }

  /// Whether TLS is below.
  var isSecure: Bool {
    get { configuration.isSecure }
    set { configuration.isSecure = newValue }
  }

  /// The text of a BYE. Nothing is sent after it.
  var byeText: String? {
    get { ending?.value.byeText }
    set { changeEnding { $0.byeText = newValue } }
  }

  /// Why the connection is over; nil while it is not.
  var reason: CloseReason? {
    get { ending?.value.reason }
    set { changeEnding { $0.reason = newValue } }
  }

  /// The commands that the server had, in whole or in part, and that failed all the same.
  var unanswered: [CommandID] {
    get { ending?.value.unanswered ?? [] }
    set { changeEnding { $0.unanswered = newValue } }
  }

  private mutating func changeEnding(_ change: (inout Ending) -> Void) {
    let ending = ending ?? Box(Ending())
    change(&ending.value)
    self.ending = ending
  }

  var phase: ClientConnection.Phase {
    if reason != nil { return .closed }
    if isLoggingOut || byeText != nil { return .loggingOut }
    switch session {
    case .greeting: return .greeting
    case .notAuthenticated: return .notAuthenticated
    case .authenticated: return .authenticated
    case .selected: return .selected(readOnly: selected?.mailbox.isReadOnly ?? false)
    }
  }

  var readiness: Readiness {
    if case .error(let error) = reason { return .failed(error) }
    if reason != nil { return .paused }
    if case .upgrading = flow { return .paused }
    return .reading
  }

  /// Whether the end of the connection has begun, or something is known of it.
  var isEnding: Bool { ending != nil }

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
    if isEnding || isLoggingOut, let closing { throw closing }
    if queue.count >= configuration.maximumQueued {
      throw .limit(
        LimitExceeded(limit: .queuedCommands, value: UInt64(max(0, configuration.maximumQueued)), offset: parser.offset)
      )
    }
    let id = CommandID(rawValue: nextID)
    nextID &+= 1
    if queue.isEmpty, let traits = traits(ifReady: command, now: now) {
      send(Queued(id: id, command: command), traits, now: now)
      // What was too long for one line waits as its parts.
      if !queue.isEmpty { pump(now: now) }
    } else {
      queue.append(Queued(id: id, command: command))
      pump(now: now)
    }
    return id
  }

  /// Why no command is taken any more. Whoever did not end the connection himself learns what did.
  private var closing: ConnectionError? {
    switch reason {
    case .logout, .local: return misuse(.closed)
    case .refused, .bye, .endOfInput, .error: return reason?.commandError
    case nil: break
    }
    if isLoggingOut { return misuse(.closed) }
    return byeText.map { .closedByPeer(bye: $0) }
  }

  /// What a verb gets to hear that comes too early or too late. After a BYE it is that.
  private var notInFlight: ConnectionError {
    if reason == nil, !isLoggingOut, let byeText { return .closedByPeer(bye: byeText) }
    return misuse(.unknownCommand)
  }

  mutating func answer(
    _ id: CommandID, _ response: Span<UInt8>, now: MonotonicInstant
  ) throws(ConnectionError) {
    guard case .authenticating(id, .asked) = flow else { throw notInFlight }
    // RFC 9051, section 6.2.2: an empty answer is an empty line.
    outbound.appendBase64(Secret(response.copy()), emptyAs: "")
    outbound.append("\r\n")
    outbound.markSecret()
    if isObserved { showLine(WireLine.redacted) }
    flow = .authenticating(id, .manual)
    lastProgress = now
  }

  mutating func cancelAuthentication(_ id: CommandID, now: MonotonicInstant) throws(ConnectionError) {
    guard case .authenticating(id, .asked) = flow else { throw notInFlight }
    outbound.append("*\r\n")
    if isObserved { showLine("*") }
    flow = .authenticating(id, .cancelled)
    lastProgress = now
  }

  mutating func write(
    _ id: CommandID, _ bytes: Span<UInt8>, now: MonotonicInstant
  ) throws(ConnectionError) -> Int {
    guard case .append(id, let remaining, isReady: true, _) = flow else { throw notInFlight }
    if UInt64(bytes.count) > remaining { throw misuse(.literalOverrun) }
    if bytes.isEmpty { return 0 }
    let count = min(bytes.count, max(0, Self.outboundHighWatermark - outbound.count))
    // Behind bytes that the server does not take, more are nothing new to it.
    if outbound.isEmpty { lastProgress = now }
    outbound.append(bytes.extracting(first: count))
    let left = remaining - UInt64(count)
    if left > 0 {
      flow = .append(id, remaining: left, isReady: true, wantsMore: count < bytes.count)
    } else {
      resume(id, now: now)
    }
    return count
  }

  mutating func endIdle(_ id: CommandID, now: MonotonicInstant) throws(ConnectionError) {
    // Behind a BYE it ends by itself.
    if byeText != nil, inFlight.contains(where: { $0.id == id && $0.kind == .idle }) { return }
    guard case .idle(id, let idle) = flow else { throw notInFlight }
    endIdle(id, idle, now: now)
  }

  mutating func withdraw(_ id: CommandID, now: MonotonicInstant) -> Bool {
    guard let index = queue.firstIndex(where: { $0.id == id }) else { return false }
    let parts = queue[index].parts
    if let parts, parts.wasSent {
      // The last part that is in flight ends the command.
      if isInFlight(id) { parts.left -= dropParts(of: id) }
    } else {
      _ = dropParts(of: id)
    }
    // What it held up may go.
    pump(now: now)
    return parts?.wasSent != true
  }

  /// Returns whether there is an event because of it, or more to send.
  mutating func consumeOutbound(_ count: Int) -> Bool {
    let waiting = outbound.count
    outbound.consume(count)
    // A command line that goes at once says nothing of the server. A message's bytes that go piece by piece do.
    switch flow {
    case .append, .padding: hasSent = hasSent || outbound.count < waiting
    default: hasSent = hasSent || (outbound.count < waiting && !outbound.isEmpty)
    }
    if outbound.count > Self.outboundLowWatermark { return false }
    switch flow {
    case .append(let id, let remaining, isReady: true, wantsMore: true):
      flow = .append(id, remaining: remaining, isReady: true, wantsMore: false)
      pending.append(.readyForLiteral(id, remaining))
      return true
    case .padding(let remaining):
      pad(remaining)
      return true
    default: return false
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
    while let next = queue.first,
      let traits = traits(ifReady: next.command, partOf: next.parts == nil ? nil : next.id, now: now)
    {
      send(queue.removeFirst(), traits, now: now)
    }
  }

  /// Whether the command, or a part of it, was sent and is not completed.
  func isInFlight(_ id: CommandID) -> Bool { inFlight.contains { $0.id == id } }

  func tag(of id: CommandID) -> String? {
    for index in 0..<inFlight.count where inFlight[index].id == id { return CommandTag.text(inFlight[index].tag) }
    return nil
  }

  private func namesTooMany(_ next: borrowing Queued) -> Bool {
    guard let most = configuration.maximumFetchBatch, next.parts == nil else { return false }
    return next.command.batches(of: most) != nil
  }

  /// Parts of a command that all keep to `maximum` bytes a line, and name no more messages than they may.
  func parts(of command: Command, lineOf length: Int, to maximum: Int) -> [Command]? {
    guard let most = configuration.maximumFetchBatch, let batches = command.batches(of: most) else {
      return command.split(lineOf: length, to: maximum)
    }
    var parts: [Command] = []
    for batch in batches {
      // A range that is cut in two has more digits.
      let size = length - command.setWidth + batch.setWidth
      if size <= maximum {
        parts.append(batch)
      } else {
        guard let lines = batch.split(lineOf: size, to: maximum) else { return nil }
        parts += lines
      }
    }
    return parts
  }

  /// Queues the parts of a command whose line of `length` bytes is too long, or that names too many messages, before all others.
  private mutating func split(_ next: Queued, lineOf length: Int, now: MonotonicInstant) {
    let maximum = configuration.maximumLineLength
    var parts = next.parts == nil ? self.parts(of: next.command, lineOf: length, to: maximum) : nil
    // The tags of later parts may have more digits than the one that was counted; a search that goes again may take one.
    var room = 0
    while let count = parts?.count {
      let last = nextTag &+ UInt32(clamping: count + inFlight.count)
      let needed = String(last).utf8.count - String(nextTag).utf8.count
      if needed <= room { break }
      room = needed
      parts = self.parts(of: next.command, lineOf: length + room, to: maximum)
    }
    guard let parts, parts.count > 1 else {
      let limit = LimitExceeded(limit: .commandLine, value: UInt64(max(0, maximum)), offset: parser.offset)
      return fail(next, .limit(limit))
    }
    let shared = Parts(parts.count, of: next.command)
    for part in parts.reversed() { queue.prepend(Queued(id: next.id, command: part, parts: shared)) }
  }

  /// The command, or what is left of it, will not be sent.
  private mutating func fail(_ command: Queued, _ error: ConnectionError) {
    guard let parts = command.parts else { return pending.append(.failed(command.id, error)) }
    parts.left -= 1 + dropParts(of: command.id)
    if parts.ending == nil || parts.isEndingMinor { parts.ending = .failed(error) }
    if parts.left == 0 { tellEnding(of: parts, command.id) }
  }

  /// No part of the command is left, and how it ends is known.
  mutating func tellEnding(of parts: Parts, _ id: CommandID) {
    switch parts.ending {
    case .refused(let refusal): pending.append(.refused(id, refusal))
    case .failed(let error):
      if parts.wasSent { note(unanswered: id) }
      pending.append(.failed(id, error))
    case nil: break
    }
  }

  /// A connection may live for long, and who asks asks soon: the last ones are enough.
  private mutating func note(unanswered id: CommandID) {
    if unanswered.count >= Self.mostUnanswered { unanswered.removeFirst() }
    unanswered.append(id)
  }

  private static let mostUnanswered = 256

  /// Forgets the parts of a command that were not sent, and says how many.
  mutating func dropParts(of id: CommandID) -> Int {
    let count = queue.count
    queue.removeAll { $0.id == id }
    return count - queue.count
  }

  /// What `command` does, if it may be sent now. `whole` is the command that it is a part of.
  private mutating func traits(
    ifReady command: borrowing Command, partOf whole: CommandID? = nil, now: MonotonicInstant
  ) -> CommandTraits? {
    if let ending, ending.value.isEnding { return nil }
    if session == .greeting { return nil }
    if case .idle(let id, let idle) = flow {
      // A command during IDLE ends the IDLE by itself.
      endIdle(id, idle, now: now)
      return nil
    }
    guard case .open = flow, inFlight.count < max(1, configuration.maximumInFlight) else { return nil }
    let traits = CommandTraits.of(command)
    if inFlight.areOnlyReading, traits.isOnlyReading { return traits }
    let mailbox = selected?.mailbox.name
    for index in 0..<inFlight.count {
      if let whole, inFlight[index].id == whole {
        // FETCH and STORE do the same to each message, so that the order of parts cannot be told, whatever they name. MOVE
        // and UID EXPUNGE go one after the other: once a part is refused nothing more must go away, and messages are to
        // come to the other mailbox in their order, as COPYUID tells it.
        if traits.contains(.removesMessages) { return nil }
      } else if !traits.mayFollow(inFlight[index].traits, selected: mailbox) {
        return nil
      }
    }
    return traits
  }

  private mutating func send(_ next: Queued, _ traits: consuming CommandTraits, now: MonotonicInstant) {
    if let error = refusal(of: next.command) ?? refusal(of: next.command, traits) {
      return fail(next, error)
    }
    let start = outbound.count
    let tag = nextTag
    var encoder = CommandEncoder(
      literals: literals, mailboxEncoding: parser.mailboxEncoding, hasSASLIR: hasSASLIR)
    // The encoder writes straight behind what waits already.
    swap(&encoder.output, &outbound)
    var invalid: InvalidArgument?
    do throws(CommandEncoder.EncodingError) {
      try encoder.encode(next.command, tag: tag)
    } catch {
      invalid = InvalidArgument(encoder.place, error.rule)
    }
    swap(&encoder.output, &outbound)
    if let invalid {
      _ = outbound.takeTail(behind: start)
      return fail(next, .misuse(ConnectionError.Misuse(invalid, state: phase.description)))
    }
    let length = outbound.count - start - encoder.literalBytes
    if length > configuration.maximumLineLength || namesTooMany(next) {
      _ = outbound.takeTail(behind: start)
      return split(next, lineOf: length, now: now)
    }
    if isObserved { show(next.command, tag: tag, from: start, encoder.holes) }
    nextTag &+= 1
    if inFlight.isEmpty { lastProgress = now }
    inFlight.append(
      InFlight(
        id: next.id, tag: tag, traits: consume traits, kind: Self.kind(of: next.command),
        limit: configuration.timeouts.number(of: next.command),
        sequel: encoder.namesCharset || next.parts != nil ? sequel(of: next) : .none))
    begin(next, encoder.stops, encoder.holes, now: now)
  }

  /// What may come behind a part, or a search that names a charset.
  @inline(never)
  private func sequel(of next: borrowing Queued) -> InFlight.Sequel {
    if let parts = next.parts {
      parts.wasSent = true
      return .parts(parts)
    }
    return next.isRetried ? .none : .search(Box(next.command))
  }

  /// Takes over the sending direction where the command needs it.
  private mutating func begin(_ next: Queued, _ stops: [Int], _ holes: [CommandEncoder.Hole], now: MonotonicInstant) {
    switch next.command {
    case .authenticate(let exchange):
      if let response = exchange.initialResponse {
        flow = .authenticating(next.id, hasSASLIR ? .initialSent(response) : .initial(response))
      } else {
        flow = .authenticating(next.id, .manual)
      }
      return
    case .idle:
      flow = .idle(next.id, .starting(endWhenAsked: false, isRenewal: false))
      return
    case .select(let name, let parameters): select(name, isExamined: false, parameters)
    case .examine(let name, let parameters): select(name, isExamined: true, parameters)
    case .logout: isLoggingOut = true
    default: break
    }
    hold(next.id, stops, holes, now: now)
  }

  /// A SELECT or EXAMINE was begun. It closes the mailbox that was selected before (RFC 9051, section 6.3.2): where the server
  /// will say when, by `[CLOSED]`, data is still of that one until then, and else at once of the new one.
  private mutating func select(_ name: MailboxName, isExamined: Bool, _ parameters: SelectParameters) {
    if !saysClosed { deselect() }
    selecting = TrackedMailbox(name, isExamined: isExamined, asked: parameters.qResync, uids: newUIDMap)
    hasSelected = true
  }

  /// Keeps back what lies behind the first place where sending must rest.
  private mutating func hold(
    _ id: CommandID, _ stops: [Int], _ holes: [CommandEncoder.Hole], now: MonotonicInstant
  ) {
    if stops.isEmpty, holes.isEmpty { return }
    let first = min(stops.first ?? .max, holes.first?.position ?? .max)
    held = HeldBytes(
      bytes: outbound.takeTail(behind: first), stops: stops.map { $0 - first }[...],
      holes: holes.map { CommandEncoder.Hole(position: $0.position - first, byteCount: $0.byteCount) }[...])
    rest(id, now: now)
  }

  /// Rests at the place that the held bytes have come to, if it is one, else sends on.
  private mutating func rest(_ id: CommandID, now: MonotonicInstant) {
    while let held {
      let mustWait = held.stops.first == held.sent
      if mustWait { held.stops.removeFirst() }
      if let hole = held.holes.first, hole.position == held.sent {
        held.holes.removeFirst()
        if mustWait || hole.byteCount > 0 {
          flow = .append(id, remaining: hole.byteCount, isReady: !mustWait, wantsMore: false)
          if !mustWait { pending.append(.readyForLiteral(id, hole.byteCount)) }
          return
        }
      } else if mustWait {
        flow = .literal(id)
        return
      }
      if held.sent == held.bytes.count { break }
      send(held)
    }
    held = nil
    flow = .open
  }

  /// Sends the held bytes up to the next place where sending must rest.
  private mutating func send(_ held: HeldBytes) {
    let end = [held.stops.first, held.holes.first?.position, held.bytes.count].compactMap { $0 }.min() ?? held.sent
    outbound.markSecret()
    outbound.append(held.bytes.span.extracting(held.sent..<max(held.sent, end)))
    outbound.markSecret()
    wipe(&held.bytes, held.sent..<max(held.sent, end))
    held.sent = max(held.sent, end)
  }

  /// The command goes on behind what it rested for.
  mutating func resume(_ id: CommandID, now: MonotonicInstant) {
    if let held {
      send(held)
      rest(id, now: now)
    } else {
      flow = .open
    }
    if case .open = flow { pump(now: now) }
  }

  /// Forgets what was not sent.
  mutating func dropHeld() {
    if let held { wipe(&held.bytes, held.bytes.indices) }
    held = nil
  }

  mutating func pad(_ remaining: UInt64) {
    let count = min(remaining, UInt64(Self.outboundLowWatermark))
    outbound.append([UInt8](repeating: UInt8(ascii: " "), count: Int(count)))
    flow = .padding(remaining: remaining - count)
    if remaining > count { return }
    outbound.append("\r\n")
    flow = .open
    // When it went is not known here.
    let hadSent = hasSent
    pump(now: lastProgress)
    hasSent = hadSent
  }

  mutating func sendDone() {
    outbound.append("DONE\r\n")
    if isObserved { showLine("DONE") }
  }

  /// `now` is when DONE is sent; RFC 2177, section 3 allows it only once the server has answered IDLE.
  private mutating func endIdle(_ id: CommandID, _ idle: Idle, now: MonotonicInstant) {
    switch idle {
    case .starting(_, let isRenewal): flow = .idle(id, .starting(endWhenAsked: true, isRenewal: isRenewal))
    case .active:
      sendDone()
      flow = .idle(id, .ending(renew: false))
      lastProgress = now
    case .ending: flow = .idle(id, .ending(renew: false))
    }
  }
}
