import IMAPStateMachine

enum ResponseBody {
  /// What a parser made of its input.
  enum Unit: Hashable {
    /// A response, and where it lay.
    case response(Response, start: Int, end: Int)
    /// What could not be read of a FETCH response, whatever pieces it came in.
    case damage([UInt8], ParseError)
    case failed(ParseError)
  }

  static func run(_ input: inout FuzzInput) throws(FuzzFailure) {
    let choice = input.byte()
    let cut = input.byte()
    let bytes = input.rest()
    let whole = try units([bytes[...]], choice, owned: false)
    let pieces = FuzzInput.pieces(of: input.again(bytes), cut)
    try agree(whole, try units(pieces, choice, owned: false), "cut")
    try agree(whole, try units([bytes[...]], choice, owned: true), "owned")
    try agree(whole, try units(pieces, choice, owned: true), "owned and cut")
  }

  private static func agree(_ one: [Unit], _ other: [Unit], _ what: String) throws(FuzzFailure) {
    for (a, b) in zip(one, other) { try require(a == b, "\(what): \(a) != \(b)") }
    try require(one.count == other.count, "\(what): \(one) != \(other)")
  }

  /// What is found in `pieces`. No more events come than the bytes can give.
  static func units(
    _ pieces: [ArraySlice<UInt8>], _ choice: UInt8, owned: Bool
  ) throws(FuzzFailure) -> [Unit] {
    var parser = ResponseParser(limits: FuzzInput.limits(choice))
    if choice & 2 != 0 { parser.mailboxEncoding = .utf8 }
    var input = ReceiveBuffer()
    var collector = Collector()
    var fed = 0
    for index in 0...pieces.count {
      if index == pieces.count {
        input.close()
      } else {
        input.append(Array(pieces[index]).span)
        fed += pieces[index].count
      }
      var bound = 4 * fed + 64
      while true {
        bound -= 1
        try require(bound > 0, "events without end")
        do throws(ParseError) {
          let goesOn =
            try owned ? nextOwned(&parser, &input, &collector) : next(&parser, &input, &collector)
          if !goesOn { break }
        } catch {
          collector.units.append(.failed(error))
          // Sticky: the same again, and nothing else.
          let again = failure(&parser, &input)
          try require(again == error, "\(error), then \(String(describing: again))")
          try inBounds(collector.units, fed)
          return collector.units
        }
      }
      try require(
        parser.position + input.unread == fed, "position \(parser.position) of \(fed), \(input.unread) unread")
    }
    try inBounds(collector.units, fed)
    return collector.units
  }

  /// Responses lie behind one another, and errors in what was fed.
  private static func inBounds(_ units: [Unit], _ fed: Int) throws(FuzzFailure) {
    var position = 0
    for unit in units {
      var offset: Int?
      switch unit {
      case .response(let response, let start, let end):
        try require(position <= start && start < end && end <= fed, "\(start) to \(end) behind \(position) of \(fed)")
        position = end
        if case .malformed(_, let error) = response { offset = error.offset }
      case .damage(_, let error), .failed(let error): offset = error.offset
      }
      if let offset { try require(0...fed ~= offset, "an error at \(offset) of \(fed)") }
    }
  }

  private static func failure(_ parser: inout ResponseParser, _ input: inout ReceiveBuffer) -> ParseError? {
    do throws(ParseError) {
      _ = try parser.nextOwned(&input)
      return nil
    } catch {
      return error
    }
  }

  private static func next(
    _ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ collector: inout Collector
  ) throws(ParseError) -> Bool {
    guard let response = collector.take(try parser.next(&input)) else { return !collector.isStopped }
    collector.add(response, parser.responsePosition, parser.position, inside: parser.isInsideResponse)
    return true
  }

  private static func nextOwned(
    _ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ collector: inout Collector
  ) throws(ParseError) -> Bool {
    guard let response = try parser.nextOwned(&input) else { return false }
    collector.add(response, parser.responsePosition, parser.position, inside: parser.isInsideResponse)
    return true
  }

  /// Joins what comes in pieces.
  struct Collector {
    var units: [Unit] = []
    var isStopped = false
    private var fetch = FetchResponse(sequence: 0, attributes: [])
    private var uid: UID?
    private var section: (name: SectionName, origin: UInt32?)?
    private var data: [UInt8] = []
    private var damage: (bytes: [UInt8], error: ParseError)?

    mutating func add(_ response: Response, _ start: Int, _ end: Int, inside: Bool) {
      if case .malformed(let bytes, let error) = response, inside {
        if damage == nil { damage = (bytes, error) } else { damage?.bytes += bytes }
        return
      }
      if let damage { units.append(.damage(damage.bytes, damage.error)) }
      damage = nil
      units.append(.response(response, start: start, end: end))
    }

    /// A response that the event completes.
    mutating func take(_ event: borrowing ResponseEvent) -> Response? {
      isStopped = false
      switch event {
      case .needMoreInput, .endOfInput: isStopped = true
      case .tagged(let tag, let status): return .tagged(tag: tag.lossyString(), status.copy())
      case .untagged(let view):
        Views.read(view)
        return view.copy()
      case .continuation(let text): return .continuation(text: text.copy())
      case .unknown(let line): return .unknown(line.copy())
      case .malformed(let line, let error): return .malformed(line.copy(), error)
      case .fetchBegin(let sequence):
        fetch = FetchResponse(sequence: sequence, attributes: [])
        uid = nil
      case .uidFetchBegin(let number):
        fetch = FetchResponse(sequence: 0, attributes: [])
        uid = number
      case .fetchAttribute(let attribute): fetch.attributes.append(attribute.copy())
      case .literalBegin(let view, _):
        section = (view.copy(), view.origin)
        data = []
      case .literalChunk(let bytes, _): data += copied(bytes)
      case .literalEnd:
        guard let section else { break }
        fetch.attributes.append(.section(section.name, origin: section.origin, data: data))
      case .fetchEnd: return uid.map { .uidFetch($0, fetch.attributes) } ?? .fetch(fetch)
      }
      return nil
    }
  }
}
