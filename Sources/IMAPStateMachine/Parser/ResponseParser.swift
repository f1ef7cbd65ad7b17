/// Parses what a server sends: bytes in, borrowed events out. Usable alone, for benchmarks, fuzzers and other machines.
///
/// Add bytes to the buffer, call ``next(_:)`` until it returns ``ResponseEvent/needMoreInput``, and repeat. A line is
/// framed first, by a scan that resumes where it stopped, and parsed once it is whole, so the work is linear in the bytes
/// however they arrive. Section literals of FETCH are passed through as they come and never buffered.
public struct ResponseParser: ~Copyable {
  /// The bounds that the parser keeps.
  public let limits: ParserLimits
  /// How mailbox names are encoded. UTF-8 once UTF8=ACCEPT or IMAP4rev2 is enabled.
  public var mailboxEncoding: MailboxName.Encoding = .modifiedUTF7

  /// Where the bytes of the last event end: how much of the stream was read.
  public var position: Int { offset + reported }

  /// Where the response that was read last, or is being read, starts.
  public internal(set) var responsePosition = 0

  /// Whether a FETCH response was begun and not ended.
  public var isInsideResponse: Bool {
    switch phase {
    case .item, .fetch, .literal, .damaged, .fetchAborted: true
    case .idle, .framing, .failed: false
    }
  }

  /// Whether it is between responses and has looked at nothing behind them.
  var canRest: Bool { phase == .idle && scanned == 0 && reported == 0 && takesQuickLook }

  var phase = Phase.idle
  /// How many bytes at the front are known to hold no line end that framing still looks for. May lie behind the last byte
  /// that is here, while a literal's bytes are awaited.
  var scanned = 0
  /// Bytes of the stream before the front of the unread ones.
  var offset = 0
  /// Bytes that the last event covers: they leave the buffer with the next call.
  var reported = 0
  /// Up to which place in the stream responses may go without a tagged one among them.
  var allowance: Int
  /// The longest line that the quick look takes: what it finds meets the bounds on lines and on lists.
  let longestQuickLine: Int
  #if DEBUG
    /// Whether the quick look is taken. Tests do without it, to show that nothing depends on it.
    var takesQuickLook = true
  #else
    var takesQuickLook: Bool { true }
  #endif
  /// What ``nextOwned(_:)`` has collected of a FETCH response whose rest was not here yet. There from the first such one on.
  var owned: Box<OwnedFetch>?

  /// The FETCH response that is being read.
  var progress = FetchProgress()
  /// While framing: where the line starts that ends the response, and where it may have literals.
  @PackedPosition private var lineStart = 0
  private var places = LiteralPlaces()
  /// How many bytes are to come of a streamed section, or of a literal behind a damaged line of a FETCH response. The
  /// latter are a message's bytes too and must never be read as responses.
  var remaining: UInt64 = 0
  /// Why the rest of a FETCH response is damage, or what was thrown.
  var damage = ParseError(.invalidValue, offset: 0)

  enum Phase: UInt8 {
    /// Between responses.
    case idle
    /// Framing a response that is no FETCH; its first line was seen and may end in a literal.
    case framing
    /// Inside a FETCH response, before an item or its end, on a line that is all here.
    case item
    /// Inside a FETCH response; what comes must be read with care.
    case fetch
    /// Inside a streamed section.
    case literal
    /// Behind a damaged line of a FETCH response that ended in a literal.
    case damaged
    /// A FETCH response ended in damage; its end is still to be said.
    case fetchAborted
    /// A fatal error was thrown. It is thrown again by every call.
    case failed
  }

  /// A parser.
  public init(limits: ParserLimits = ParserLimits()) {
    self.limits = limits.countable
    allowance = Int(self.limits.unsolicitedBytes)
    longestQuickLine = min(self.limits.line, self.limits.listElements)
  }

  /// Whether nothing was read or looked at.
  var isNew: Bool { offset == 0 && reported == 0 && scanned == 0 && phase == .idle }

  /// Makes it as it was at its start.
  mutating func startAnew() {
    mailboxEncoding = .modifiedUTF7
    responsePosition = 0
    phase = .idle
    scanned = 0
    offset = 0
    reported = 0
    allowance = Int(limits.unsolicitedBytes)
    owned = nil
    progress = FetchProgress()
    lineStart = 0
    places = LiteralPlaces()
    remaining = 0
    damage = ParseError(.invalidValue, offset: 0)
  }

  /// The next event. Throws where framing is lost or a bound was passed: nothing behind that point can be trusted, and
  /// every later call throws the same. Damage that leaves the framing intact is an event.
  /// Complexity: linear in the bytes that became readable since the last call.
  @_lifetime(&input)
  public mutating func next(_ input: inout ReceiveBuffer) throws(ParseError) -> ResponseEvent {
    input.discardReported()
    offset &+= reported
    reported = 0
    var item = QuickItem()
    if takesQuickLook {
      if phase == .item {
        item = quickItem(input.readable)
        if item.kind.rawValue >= QuickItem.Kind.envelope.rawValue { item = quickStructure(&input, item) }
        if item.kind == .other { phase = .fetch }
      } else if phase == .idle, offset <= allowance {
        item = quickLine(input.readable)
      }
    }
    // The commonest are made here: a call costs more than they do.
    switch item.kind {
    case .other: return try nextOfAnyForm(&input)
    case .fetchBegin:
      report(&input, item.length)
      return .fetchBegin(SequenceNumber(rawValue: UInt32(truncatingIfNeeded: item.number)))
    case .uid:
      report(&input, item.length)
      return .fetchAttribute(.uid(UID(rawValue: UInt32(truncatingIfNeeded: item.number))))
    case .flags:
      report(&input, item.length)
      return .fetchAttribute(.flags(FlagListView(input.reportedBytes, plainAt: item.start)))
    case .fetchEnd:
      report(&input, item.length)
      phase = .idle
      return .fetchEnd
    case .size:
      report(&input, item.length)
      return .fetchAttribute(.rfc822Size(item.number))
    case .envelope:
      report(&input, item.length)
      return .fetchAttribute(.envelope(EnvelopeView(TapeView(input.reportedBytes, input.reportedTape), at: 0)))
    case .bodyStructure:
      report(&input, item.length)
      return .fetchAttribute(
        .bodyStructure(BodyStructureView(TapeView(input.reportedBytes, input.reportedTape), at: 0)))
    default: return try quickEvent(&input, item)
    }
  }

  /// The next event, where the quick look found none.
  @_lifetime(&input)
  mutating func nextOfAnyForm(_ input: inout ReceiveBuffer) throws(ParseError) -> ResponseEvent {
    while true {
      switch phase {
      case .item:
        phase = .fetch
      case .idle:
        skipNoise(&input)
        if offset > allowance { throw tooMuchUnsolicited() }
        guard try frameFirstLine(input.readable) else { return endOrMore(input) }
        if phase == .fetch { return fetchBegin(&input) }
      case .framing:
        guard let length = try frame(input.readable) else { return endOrMore(input) }
        phase = .idle
        scanned = 0
        try checkLists(input.readable.extracting(first: length))
        report(&input, length)
        if let tagged = Self.taggedLine(input.reportedBytes) {
          allowance = offset &+ length &+ Int(limits.unsolicitedBytes)
          return tagged.event(input.reportedBytes)
        }
        do throws(ParseError) {
          return try Self.response(input.reportedBytes, mailboxEncoding, nesting: limits.nesting, offset: offset)
        } catch {
          throw fail(error)
        }
      case .fetch:
        // What nearly always is behind a section.
        if progress.isBehindLiteral, progress.lineEnd == 0, progress.scanned == 0,
          input.readable.paddedWord(at: 0) & 0xff_ffff == keyword(")\r\n")
        {
          report(&input, 3)
          progress.isBehindLiteral = false
          phase = .idle
          return .fetchEnd
        }
        guard let step = try fetchStep(input.readable) else { return endOrMore(input) }
        report(&input, step.length)
        return try fetchEvent(&input, step)
      case .literal:
        return literalEvent(&input)
      case .damaged:
        if offset > allowance { throw tooMuchUnsolicited() }
        guard try passDamage(&input) else { return endOrMore(input) }
        return .malformed(ByteView(input.reportedBytes), damage)
      case .fetchAborted:
        phase = .idle
        return .fetchEnd
      case .failed:
        throw damage
      }
    }
  }

  /// Marks `length` bytes as covered by the event about to be returned.
  @inline(__always)
  mutating func report(_ input: inout ReceiveBuffer, _ length: Int) {
    input.reportNext(length)
    reported = length
  }

  /// Makes `error` sticky.
  mutating func fail(_ error: ParseError) -> ParseError {
    phase = .failed
    damage = error
    return error
  }

  /// Blank lines between responses and NULs before one: Exchange and others send them.
  private mutating func skipNoise(_ input: inout ReceiveBuffer) {
    if scanned > 0 || input.readable.byte(at: 0) > 0x0d { return }
    // No further than the bound, so that the error says the same place however the bytes arrived.
    let count = min(Self.noise(input.readable), max(allowance &+ 1 &- offset, 0))
    if count == 0 { return }
    input.report(count)
    input.discardReported()
    offset += count
  }

  private static func noise(_ bytes: Span<UInt8>) -> Int {
    var index = 0
    while index < bytes.count, bytes[index] == 0 || bytes[index] == 0x0d || bytes[index] == 0x0a { index += 1 }
    return index
  }

  @_lifetime(immortal)
  private func endOrMore(_ input: borrowing ReceiveBuffer) -> ResponseEvent {
    guard input.isClosed else { return .needMoreInput }
    if phase == .idle { return .endOfInput(clean: input.unread == 0) }
    return .endOfInput(clean: false)
  }

  /// Looks for the end of a response's first line and decides by it how the rest is framed. False while it is not here.
  private mutating func frameFirstLine(_ bytes: Span<UInt8>) throws(ParseError) -> Bool {
    let end = bytes.firstLF(from: scanned)
    if end >= limits.line { throw limitPassed(.line, UInt64(limits.line)) }
    if end >= bytes.count {
      scanned = bytes.count
      return false
    }
    scanned = end
    responsePosition = offset
    let line = bytes.extracting(0...end)
    if progress.begin(line) {
      phase = .fetch
    } else {
      phase = .framing
      lineStart = 0
    }
    return true
  }

  /// The length of the response whose first line was seen; nil while it is not all here.
  private mutating func frame(_ bytes: Span<UInt8>) throws(ParseError) -> Int? {
    while true {
      // The end of the first line was found before.
      let end = bytes.byte(at: scanned) == 0x0a ? scanned : bytes.firstLF(from: scanned)
      if end >= limits.line { throw limitPassed(.line, UInt64(limits.line)) }
      if end >= bytes.count {
        scanned = max(scanned, bytes.count)
        return nil
      }
      guard bytes[0] == UInt8(ascii: "*"), LiteralHeader.mayEnd(bytes, from: lineStart, to: end + 1) else {
        return end + 1
      }
      if lineStart == 0 { places = LiteralPlaces(bytes.extracting(0...end)) }
      guard let literal = places.header(bytes, to: end + 1) else { return end + 1 }
      guard literal.byteCount <= UInt64(limits.bufferedLiteral) else {
        let brace = LiteralHeader.brace(bytes, before: end)
        throw limitPassed(.bufferedLiteral, UInt64(limits.bufferedLiteral), at: brace)
      }
      lineStart = end + 1 + Int(literal.byteCount)
      scanned = lineStart
    }
  }

  /// The next step through a FETCH response; nil while the line that it needs is not here.
  private mutating func fetchStep(_ bytes: Span<UInt8>) throws(ParseError) -> FetchProgress.Step? {
    do throws(ParseError) {
      while try progress.completeLine(bytes, limits, offset: offset) {
        let step = try progress.step(bytes, limits, offset: offset)
        if case .more = step { continue }
        return step
      }
      return nil
    } catch {
      throw fail(error)
    }
  }

  /// The parts of a line that is a tagged response; nil where it is none.
  private static func taggedLine(_ line: Span<UInt8>) -> TaggedLine? {
    switch line.byte(at: 0) {
    case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "["): nil
    default: try? TaggedLine(line)
    }
  }

  /// Throws where a list of the response has too many elements, or is too deep.
  private mutating func checkLists(_ line: Span<UInt8>) throws(ParseError) {
    let check = ElementCount(limit: limits.listElements, nesting: limits.nesting)
    if !check.isNeeded(line) { return }
    do throws(ParseError) {
      try check.checkResponse(line)
    } catch {
      throw fail(error.shifted(by: offset))
    }
  }

  @inline(never)
  private mutating func tooMuchUnsolicited() -> ParseError {
    limitPassed(.unsolicitedBytes, limits.unsolicitedBytes)
  }

  mutating func limitPassed(
    _ limit: LimitExceeded.Limit, _ value: UInt64, at index: Int = 0
  ) -> ParseError {
    let position = offset + index
    return fail(ParseError(passed: limit, value, at: position))
  }
}

/// The word of a status response.
typealias Condition = Status.Condition

extension Status.Condition {
  /// The condition that `range` of `bytes` names, ASCII case ignored.
  init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
    switch bytes.foldedWord(range) {
    case keyword("OK"): self = .ok
    case keyword("NO"): self = .no
    case keyword("BAD"): self = .bad
    case keyword("BYE"): self = .bye
    case keyword("PREAUTH"): self = .preauth
    default: return nil
    }
  }
}

extension Cursor {
  /// Steps over the word of a status response, if it is next. Servers leave out the space between it and a response code.
  @_lifetime(self: copy self)
  mutating func eatCondition() -> Condition? {
    let start = index
    // What nearly all say.
    if bytes.paddedWord(at: start) & 0xff_ffff == keyword("OK ") {
      index = start &+ 2
      return .ok
    }
    let end = bytes.firstNotToken(from: start)
    index = end
    if let condition = Condition(bytes, start..<end) { return condition }
    index = start
    while index < end, bytes[index] != UInt8(ascii: "[") { index &+= 1 }
    if index < end, let condition = Condition(bytes, start..<index) { return condition }
    index = start
    return nil
  }
}
