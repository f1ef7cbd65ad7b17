/// ENVELOPE, BODYSTRUCTURE and BODY: values of many parts, which are written to the buffer's tape.
extension ResponseParser {
  /// Reads the value of `item`, an ENVELOPE or BODYSTRUCTURE that starts there; other for a form that wants care.
  mutating func quickStructure(_ input: inout ReceiveBuffer, _ item: QuickItem) -> QuickItem {
    input.writeTape { bytes, tape in quickStructure(bytes, item, &tape) }
  }

  private mutating func quickStructure(_ bytes: Span<UInt8>, _ item: QuickItem, _ tape: inout Tape) -> QuickItem {
    var scanner = Scanner(bytes, at: item.start, lineEnd: progress.lineEnd, longestLine: longestQuickLine, limits)
    let isRead =
      item.kind == .envelope
      ? limits.nesting >= 4 && scanner.envelope(&tape) : scanner.body(&tape, nesting: limits.nesting)
    return isRead && !tape.isFull ? finished(item, scanner) : QuickItem()
  }

  /// The event of a structure whose bytes were reported, in any form. Throws only where a bound is passed.
  @_lifetime(&input)
  mutating func structureEvent(
    _ input: inout ReceiveBuffer, _ token: FetchItemToken
  ) throws(ParseError) -> ResponseEvent {
    let failure = input.writeTapeFromReported { bytes, tape in
      Self.write(bytes.extracting(token.value), token, limits, &tape)
    }
    let value = input.reportedBytes.extracting(token.value)
    if let failure = failure?.shifted(by: offset + token.value.lowerBound) {
      if case .limit = failure.reason { throw fail(failure) }
      return .fetchAttribute(
        .invalid(name: ByteView(input.reportedBytes.extracting(token.name)), value: ByteView(value), failure))
    }
    switch token.kind {
    case .envelope: return .fetchAttribute(.envelope(EnvelopeView(TapeView(value, input.reportedTape), at: 0)))
    case .body: return .fetchAttribute(.body(BodyStructureView(TapeView(value, input.reportedTape), at: 0)))
    default: return .fetchAttribute(.bodyStructure(BodyStructureView(TapeView(value, input.reportedTape), at: 0)))
    }
  }

  /// What is wrong with the value; nil where it was written.
  private static func write(
    _ value: Span<UInt8>, _ token: FetchItemToken, _ limits: ParserLimits, _ tape: inout Tape
  ) -> ParseError? {
    do throws(ParseError) {
      if case .envelope = token.kind {
        try EnvelopeTape.write(value, at: 0, &tape)
      } else {
        try BodyWriter.write(value, nesting: limits.nesting, &tape)
      }
      if tape.isFull { throw tapeIsFull }
      return nil
    } catch {
      return error
    }
  }
}

/// An ENVELOPE or BODYSTRUCTURE has more parts than a ``Tape`` can say.
private var tapeIsFull: ParseError {
  ParseError(passed: .structure, UInt64(Tape.maximum), at: 0)
}

extension BodyStructure {
  /// Reads one from `value`, which is all here.
  init(_ value: Span<UInt8>, nesting: Int) throws(ParseError) {
    var tape = Tape()
    var rest = Cursor(value, at: try BodyWriter.write(value, nesting: nesting, &tape))
    if tape.isFull { throw tapeIsFull }
    rest.skipSpaces()
    if !rest.isAtEnd { throw rest.unexpected }
    self = BodyStructureView(TapeView(value, tape.entries), at: 0).copy()
  }
}

extension FetchItemToken {
  /// Whether the value is one of those that are written to the tape.
  var isStructure: Bool {
    switch kind {
    case .envelope, .bodyStructure, .body: true
    default: false
    }
  }
}
