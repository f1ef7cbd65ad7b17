/// How bytes of the client become steps. Nothing here lends bytes: a step holds values and positions, and
/// ``ServerConnection/next(_:now:)`` makes the event from it.
extension ServerConnection {
  enum Step {
    case needMoreInput
    case paused
    case command(ServerCommandID, CommandHead, Command)
    case offered(ServerCommandID, AppendRequest, LiteralHeader)
    case chunk(ServerCommandID, remaining: UInt64)
    case literalEnd(ServerCommandID)
    case literalAborted(ServerCommandID, ParseError)
    case response(ServerCommandID, count: Int)
    case cancelled(ServerCommandID)
    case idleDone(ServerCommandID)
    case malformed(tag: Range<Int>?, ParseError)
    case upgrade(Upgrade, ServerCommandID)
    case closed(CloseReason)
  }

  /// Goes on until there is something to report. Every turn either returns, consumes bytes or leaves its state for good.
  mutating func advance(_ input: inout ReceiveBuffer, _ now: MonotonicInstant) -> Step {
    while true {
      let step: Step?
      switch state {
      case .greeting, .running, .offered, .closed:
        return .paused
      case .closing(let reason):
        state.closeReported()
        return .closed(reason)
      case .upgradeReady(let id, let upgrade):
        if upgrade == .tls, failOnPlaintext(input) { continue }
        state.upgradeReported()
        return .upgrade(upgrade, id)
      case .upgrading(let upgrade):
        if upgrade == .tls, failOnPlaintext(input) { continue }
        step = input.isClosed ? starved(input) : .paused
      case .reading:
        if isOutboundFull { return .paused }
        step = readCommand(&input, now)
      case .literal(let active, let remaining):
        step = readLiteral(&input, active, remaining, now)
      case .literalTail(let active):
        step = readLiteralTail(&input, active, now)
      case .challenged(let active):
        step = readChallengeAnswer(&input, active, now)
      case .idling(let active):
        step = readDone(&input, active, now)
      case .swallowing(let count):
        step = swallow(&input, count)
      case .swallowingLine:
        step = swallowLine(&input)
      }
      if let step { return step }
    }
  }

  // MARK: Commands

  private mutating func readCommand(_ input: inout ReceiveBuffer, _ now: MonotonicInstant) -> Step? {
    guard let end = line(input) else { return starved(input) }
    let header = LiteralHeader.atEnd(of: input.readable, from: frame.lineStart, to: end)
    if let header { return readHeader(&input, header, end, now) }
    switch parse(input.readable.extracting(first: end)) {
    case .success(let (head, command)):
      let id = makeID()
      consume(end, of: &input, now)
      if head.name.carriesSecret { input.wipeReportedWhenDropped() }
      remember(input.reportedBytes.extracting(head.tag))
      badCommands = 0
      state.handedOut(ActiveCommand(id: id, name: head.name))
      return .command(id, head, command)
    case .failure(let error):
      return refuse(&input, nil, end, error, now)
    }
  }

  /// A line that goes on with a literal: the message of an APPEND is offered, any other is taken along with its command.
  private mutating func readHeader(
    _ input: inout ReceiveBuffer, _ header: LiteralHeader, _ end: Int, _ now: MonotonicInstant
  ) -> Step? {
    if frame.name == nil {
      switch head(input.readable.extracting(first: end)) {
      case .success(let head): frame.name = head.name
      case .failure(let error): return refuse(&input, header, end, error, now)
      }
    }
    if let name = frame.name, name.isAppend,
      CommandReader.endsInMessage(input.readable.extracting(first: end), parser)
    {
      return offer(&input, header, end, now)
    }
    guard let error = takeAlong(input, header, end) else { return nil }
    return refuse(&input, header, end, error, now)
  }

  /// Reads a literal together with its line. Returns what is wrong where it is too large.
  private mutating func takeAlong(
    _ input: borrowing ReceiveBuffer, _ header: LiteralHeader, _ end: Int
  ) -> ParseError? {
    let limits = configuration.limits
    let room = UInt64(max(0, min(limits.bufferedLiteral, limits.line - end)))
    guard header.byteCount <= room else {
      return ParseError(passed: .bufferedLiteral, room, at: LiteralHeader.brace(input.readable, before: end))
    }
    frame.skipLiteral(to: end + Int(header.byteCount))
    if header.isSynchronizing { output.append("+ OK\r\n") }
    return nil
  }

  private mutating func offer(
    _ input: inout ReceiveBuffer, _ header: LiteralHeader, _ end: Int, _ now: MonotonicInstant
  ) -> Step? {
    switch parse(input.readable.extracting(first: end)) {
    case .success(let (head, .append(request))):
      if !configuration.takesSeveralLiterals, case .catenate? = request.messages.first?.data {
        return refuse(&input, header, end, ParseError(.notAllowed, offset: head.nameRange.lowerBound), now)
      }
      if header.byteCount > configuration.limits.literal {
        let brace = LiteralHeader.brace(input.readable, before: end)
        let error = ParseError(passed: .literal, configuration.limits.literal, at: brace)
        return refuse(&input, header, end, error, now)
      }
      let id = makeID()
      consume(end, of: &input, now)
      remember(input.reportedBytes.extracting(head.tag))
      badCommands = 0
      appending = request
      if case .catenate? = request.messages.last?.data { isInCatenate = true } else { isInCatenate = false }
      state.offered(ActiveCommand(id: id, name: head.name), header)
      return .offered(id, request, header)
    case .success(let (head, _)):
      // Only an APPEND comes here.
      return refuse(&input, header, end, ParseError(.invalidValue, offset: head.nameRange.lowerBound), now)
    case .failure(let error):
      return refuse(&input, header, end, error, now)
    }
  }

  /// Answers a command with BAD. A literal that its last line announces is not taken.
  private mutating func refuse(
    _ input: inout ReceiveBuffer, _ header: LiteralHeader?, _ end: Int, _ error: ParseError, _ now: MonotonicInstant
  ) -> Step {
    let tag = CommandReader.tag(in: input.readable.extracting(first: end))
    let shifted = error.shifted(by: streamOffset)
    let brace = streamOffset + LiteralHeader.brace(input.readable, before: end)
    var status = Status(.bad, "Error in IMAP command: \(error)")
    if case .limit(let limit) = error.reason, limit.limit == .literal || limit.limit == .bufferedLiteral {
      // RFC 4469, section 4.2.
      status = Status(.no, code: .atom("TOOBIG"), "Literal too large: \(error)")
    }
    consume(end, of: &input, now)
    // The line may be a LOGIN that went wrong.
    input.wipeReportedWhenDropped()
    if let tag {
      encoder.encode(tag: input.reportedBytes.extracting(tag), status, into: &output)
    } else {
      output.append("* ")
      encoder.status(status, into: &output)
      output.append("\r\n")
    }
    state.refused(header)
    failIfUncounted(header, announcedAt: brace)
    countBadCommand()
    return .malformed(tag: tag, shifted)
  }

  /// A number of bytes that is too large to be counted, and that the client sends unasked: where its command ends will
  /// never be known.
  private mutating func failIfUncounted(_ header: LiteralHeader?, announcedAt brace: Int) {
    guard let header, !header.isSynchronizing, header.byteCount == .max else { return }
    fail(.limit(LimitExceeded(limit: .literal, value: configuration.limits.literal, offset: brace)))
  }

  private mutating func countBadCommand() {
    badCommands += 1
    if badCommands < configuration.maximumBadCommands || state.isOver { return }
    let value = UInt64(max(0, configuration.maximumBadCommands))
    fail(.limit(LimitExceeded(limit: .badCommands, value: value, offset: streamOffset)))
  }

  // MARK: Literals

  private mutating func readLiteral(
    _ input: inout ReceiveBuffer, _ active: ActiveCommand, _ remaining: UInt64, _ now: MonotonicInstant
  ) -> Step? {
    if remaining == 0 {
      state.receivedAll()
      return nil
    }
    let count = Int(min(remaining, UInt64(input.unread)))
    if count == 0 { return starved(input) }
    consume(count, of: &input, now)
    state.received(UInt64(count))
    return .chunk(active.id, remaining: remaining - UInt64(count))
  }

  /// What stands behind a message: the line's end, or another message or part of one.
  private mutating func readLiteralTail(
    _ input: inout ReceiveBuffer, _ active: ActiveCommand, _ now: MonotonicInstant
  ) -> Step? {
    guard let end = line(input) else { return starved(input) }
    let header = LiteralHeader.atEnd(of: input.readable, from: frame.lineStart, to: end)
    var error: ParseError?
    switch tail(of: input.readable.extracting(first: end)) {
    case .failure(let reason):
      if configuration.takesSeveralLiterals, let header, reason.reason == .unexpectedEnd, reason.offset == end {
        // The literal is a URL's: its bytes are part of the line.
        error = takeAlong(input, header, end)
        if error == nil { return nil }
      } else {
        error = reason
      }
    case .success(let (request, isInCatenate, next?)):
      if configuration.takesSeveralLiterals, next.byteCount <= configuration.limits.literal {
        appending = request
        self.isInCatenate = isInCatenate
        consume(end, of: &input, now)
        state.offeredMore(next)
        return .offered(active.id, request, next)
      }
      let brace = LiteralHeader.brace(input.readable, before: end)
      error =
        configuration.takesSeveralLiterals
        ? ParseError(passed: .literal, configuration.limits.literal, at: brace) : ParseError(.notAllowed, offset: 0)
    case .success(let (request, _, nil)): appending = request
    }
    error = error?.shifted(by: streamOffset)
    let brace = streamOffset + LiteralHeader.brace(input.readable, before: end)
    consume(end, of: &input, now)
    state.appended(header)
    failIfUncounted(header, announcedAt: brace)
    // Nobody is asked for an answer that could not be sent any more.
    if state.isOver { return nil }
    if let error { return .literalAborted(active.id, error) }
    return .literalEnd(active.id)
  }

  /// The request with what the rest of its line says.
  private func tail(of line: Span<UInt8>) -> Result<(AppendRequest, Bool, LiteralHeader?), ParseError> {
    guard var request = appending else { return .failure(ParseError(.notAllowed, offset: 0)) }
    var reader = CommandReader(line, parser)
    var isInCatenate = isInCatenate
    do throws(ParseError) {
      if !configuration.takesSeveralLiterals, !reader.isAtUTF8End(of: request) {
        try reader.endOfLine()
        return .success((request, false, nil))
      }
      let header = try reader.appendContinuation(&request, &isInCatenate)
      if header == nil { try reader.endOfLine() }
      return .success((request, isInCatenate, header))
    } catch {
      return .failure(error)
    }
  }

  private mutating func swallow(_ input: inout ReceiveBuffer, _ count: UInt64) -> Step? {
    let taken = Int(min(count, UInt64(input.unread)))
    drop(taken, of: &input)
    state.swallowed(UInt64(taken))
    return UInt64(taken) == count ? nil : starved(input)
  }

  /// The rest of a command that was answered already. It may announce another literal.
  private mutating func swallowLine(_ input: inout ReceiveBuffer) -> Step? {
    guard let end = line(input) else { return starved(input) }
    let header = LiteralHeader.atEnd(of: input.readable, from: 0, to: end)
    let brace = streamOffset + LiteralHeader.brace(input.readable, before: end)
    drop(end, of: &input)
    state.swallowedLine(header)
    failIfUncounted(header, announcedAt: brace)
    return nil
  }

  // MARK: Answers

  private mutating func readChallengeAnswer(
    _ input: inout ReceiveBuffer, _ active: ActiveCommand, _ now: MonotonicInstant
  ) -> Step? {
    guard let end = line(input) else { return starved(input) }
    let length = content(of: input.readable, to: end)
    let isCancelled = length == 1 && input.readable[0] == 0x2a
    consume(end, of: &input, now)
    input.wipeReportedWhenDropped()
    if !isCancelled, let count = input.decodeReportedBase64(length) {
      state.responded()
      return .response(active.id, count: count)
    }
    state.ended()
    if !isCancelled { countBadCommand() }
    if state.isOver { return nil }
    return .cancelled(active.id)
  }

  /// RFC 2177, section 3: only DONE ends IDLE. Anything else is answered untagged, for it is no command.
  private mutating func readDone(
    _ input: inout ReceiveBuffer, _ active: ActiveCommand, _ now: MonotonicInstant
  ) -> Step? {
    guard let end = line(input) else { return starved(input) }
    var length = content(of: input.readable, to: end)
    while length > 0, input.readable[length - 1] == 0x20 { length -= 1 }
    let isDone = input.readable.extracting(first: length).equalsIgnoringCase("DONE")
    let first = length > 0 ? input.readable[0] : 0x0a
    let start = streamOffset
    consume(end, of: &input, now)
    if isDone {
      state.ended()
      return .idleDone(active.id)
    }
    output.append("* BAD Expected DONE\r\n")
    countBadCommand()
    return .malformed(tag: nil, ParseError(.unexpectedByte(first), offset: start))
  }

  // MARK: Parts

  /// The end of the current line, if it is there. A line that is too long ends the connection: the caller then sees that
  /// the state has changed.
  private mutating func line(_ input: borrowing ReceiveBuffer) -> Int? {
    let limit = configuration.limits.line
    switch frame.advance(input.readable, limit: limit) {
    case .line(let end): return end
    case .more: return nil
    case .tooLong:
      fail(.limit(LimitExceeded(limit: .line, value: UInt64(max(0, limit)), offset: streamOffset + max(0, limit))))
      return nil
    }
  }

  /// How many bytes the line has that ends before `end`, without its line end.
  private func content(of bytes: Span<UInt8>, to end: Int) -> Int {
    var length = end - 1
    if length > 0, bytes[length - 1] == 0x0d { length -= 1 }
    return length
  }

  /// Nothing can be made of the bytes that are there. At the end of input that is the end.
  private mutating func starved(_ input: borrowing ReceiveBuffer) -> Step? {
    if state.isOver { return nil }
    if !input.isClosed { return .needMoreInput }
    let isCut =
      switch state {
      case .literal, .literalTail, .swallowing, .swallowingLine: true
      default: input.unread > 0
      }
    let end = ParseError(.unexpectedEnd, offset: streamOffset + input.unread)
    state.close(isCut ? .error(.parse(end)) : .endOfInput)
    return nil
  }

  /// RFC 9051, section 11.1: bytes that came before the TLS handshake were not protected by it. A server that took them
  /// for commands would let anyone on the way speak for the client.
  private mutating func failOnPlaintext(_ input: borrowing ReceiveBuffer) -> Bool {
    if input.unread == 0 { return false }
    fail(.peer(ConnectionError.PeerViolation(.plaintextAfterStartTLS)))
    return true
  }

  private func parse(_ line: Span<UInt8>) -> Result<(CommandHead, Command), ParseError> {
    var reader = CommandReader(line, parser)
    do throws(ParseError) {
      let head = try reader.head()
      try checkAllowed(head)
      return .success((head, try reader.arguments(of: head)))
    } catch {
      return .failure(error)
    }
  }

  private func head(_ line: Span<UInt8>) -> Result<CommandHead, ParseError> {
    var reader = CommandReader(line, parser)
    do throws(ParseError) {
      let head = try reader.head()
      try checkAllowed(head)
      return .success(head)
    } catch {
      return .failure(error)
    }
  }

  private func checkAllowed(_ head: CommandHead) throws(ParseError) {
    if !head.name.isAllowed(in: access, encrypted: isEncrypted) {
      throw ParseError(.notAllowed, offset: head.nameRange.lowerBound)
    }
  }

  private mutating func remember(_ tag: Span<UInt8>) {
    self.tag.removeAll(keepingCapacity: true)
    for index in tag.indices { self.tag.append(tag[index]) }
  }

  /// The event about to be returned covers the first `count` unread bytes.
  private mutating func consume(_ count: Int, of input: inout ReceiveBuffer, _ now: MonotonicInstant) {
    input.report(count)
    streamOffset &+= count
    frame = CommandFrame()
    touch(now)
  }

  /// No event covers the first `count` unread bytes.
  private mutating func drop(_ count: Int, of input: inout ReceiveBuffer) {
    input.report(count)
    input.discardReported()
    streamOffset &+= count
    frame = CommandFrame()
  }
}
