/// The way through a FETCH response.
extension ResponseParser {
  /// Reports `* n FETCH (`.
  @_lifetime(&input)
  mutating func fetchBegin(_ input: inout ReceiveBuffer) -> ResponseEvent {
    report(&input, progress.prefix)
    progress.lineEnd -= progress.prefix
    phase = .item
    scanned = 0
    return progress.isUID
      ? .uidFetchBegin(UID(rawValue: progress.sequence.rawValue)) : .fetchBegin(progress.sequence)
  }

  /// Turns positions into the event, whose bytes were reported.
  @_lifetime(&input)
  mutating func fetchEvent(
    _ input: inout ReceiveBuffer, _ step: FetchProgress.Step
  ) throws(ParseError) -> ResponseEvent {
    progress.lineEnd -= step.length
    progress.isBehindLiteral = false
    progress.emptyLineEnd = 0
    switch step {
    case .more:
      return .needMoreInput
    case .end:
      phase = .idle
      progress = FetchProgress()
      return .fetchEnd
    case .item(let token, _):
      phase = .item
      if token.isStructure { return try structureEvent(&input, token) }
      return .fetchAttribute(Self.attribute(input.reportedBytes, token, limits, offset: offset))
    case .literal(let token, let header, _):
      progress.lineEnd = 0
      progress.scanned = 0
      phase = .literal
      remaining = header.byteCount
      return .literalBegin(Self.section(input.reportedBytes, token), header)
    case .damaged(let error, _):
      damage = error
      progress = FetchProgress()
      try leaveDamagedLine(input.reportedBytes)
      return .malformed(ByteView(input.reportedBytes), error)
    }
  }

  /// Reports a piece of what belongs to a damaged FETCH response. False while nothing of it is here.
  mutating func passDamage(_ input: inout ReceiveBuffer) throws(ParseError) -> Bool {
    if remaining > 0 {
      let count = min(UInt64(input.unread), remaining)
      report(&input, Int(count))
      allowance &+= Int(count)
      remaining -= count
      return count > 0
    }
    let end = input.readable.firstLF(from: scanned)
    if end >= limits.line { throw limitPassed(.line, UInt64(limits.line)) }
    if end >= input.unread {
      scanned = end
      return false
    }
    scanned = 0
    report(&input, end + 1)
    try leaveDamagedLine(input.reportedBytes)
    return true
  }

  /// Goes on behind a damaged line: with the literal in which it ends, if it does.
  private mutating func leaveDamagedLine(_ line: Span<UInt8>) throws(ParseError) {
    if let header = LiteralHeader.atEnd(of: line, from: 0, to: line.count) {
      if header.byteCount > limits.literal {
        throw limitPassed(.literal, limits.literal, at: LiteralHeader.brace(line, before: line.count))
      }
      phase = .damaged
      remaining = header.byteCount
    } else {
      phase = .fetchAborted
    }
  }

  /// Passes on what is here of a section's bytes.
  @_lifetime(&input)
  mutating func literalEvent(_ input: inout ReceiveBuffer) -> ResponseEvent {
    if remaining == 0 {
      progress.isBehindLiteral = true
      phase = .fetch
      return .literalEnd
    }
    let available = UInt64(input.unread)
    if available == 0 { return input.isClosed ? .endOfInput(clean: false) : .needMoreInput }
    let count = min(available, remaining)
    report(&input, Int(count))
    allowance &+= Int(count)
    remaining -= count
    return .literalChunk(input.reportedBytes, remaining: remaining)
  }
}
