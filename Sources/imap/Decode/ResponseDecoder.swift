import IMAPStateMachine

/// Turns what a server sent into lines.
struct ResponseDecoder: ~Copyable {
  private var parser = ResponseParser()
  private var input = ReceiveBuffer()
  private var fetch = CollectedFetch()
  private var fed = 0

  mutating func feed(_ bytes: ArraySlice<UInt8>, to lines: inout DecodedLines) throws {
    fed += bytes.count
    input.append(bytes.span)
    try drain(&lines)
  }

  mutating func end(_ lines: inout DecodedLines) throws {
    input.close()
    try drain(&lines)
    if parser.isInsideResponse { try lines.incomplete(parser.responsePosition, to: fed) }
    if input.unread > 0 { try lines.incomplete(parser.position, to: fed) }
  }

  private mutating func drain(_ lines: inout DecodedLines) throws {
    while true {
      let found: Found
      do throws(ParseError) {
        found = try Self.next(&parser, &input, &fetch)
      } catch {
        try lines.failed(error)
      }
      switch found {
      case .nothing: return
      case .part: break
      case .malformed(let members):
        // The rest of a FETCH response comes in as many pieces as it was read in: it is told of with the response.
        if !parser.isInsideResponse { try lines.unit(parser.responsePosition, to: parser.position, members) }
      case .whole(let members): try lines.unit(parser.responsePosition, to: parser.position, members)
      }
    }
  }

  /// The three are arguments because an event borrows one of them.
  private static func next(
    _ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ fetch: inout CollectedFetch
  ) throws(ParseError) -> Found { fetch.take(try parser.next(&input)) }

  /// What an event was good for.
  enum Found {
    /// More input is needed.
    case nothing
    /// A part of a response.
    case part
    /// A line that does not parse, or a piece of a FETCH response that does not.
    case malformed([JSON.Member])
    /// A response.
    case whole([JSON.Member])
  }
}

/// A FETCH response while it comes in.
private struct CollectedFetch {
  private var head: [JSON.Member] = []
  private var items: [JSON.Member] = []
  private var literal: (key: String, bytes: [UInt8])?
  /// What could not be read of the response, and why.
  private var damage: (bytes: [UInt8], error: ParseError)?

  /// Takes an event; responses other than FETCH come back at once.
  mutating func take(_ event: borrowing ResponseEvent) -> ResponseDecoder.Found {
    switch event {
    case .needMoreInput, .endOfInput: return .nothing
    case .tagged(let tag, let status):
      return .whole(
        [
          ("type", .string("tagged")), ("tag", .string(tag.lossyString())),
          ("status", .string(status.condition.rawValue)),
        ] + Self.members(status))
    case .untagged(.status(let status)):
      return .whole(JSON.untagged(status.condition.rawValue, Self.members(status)))
    case .untagged(let view): return .whole(JSON.response(view.copy()))
    case .continuation(let text): return .whole([("type", .string("continuation")), ("text", .bytes(text.copy()))])
    case .unknown(let line): return .whole(JSON.response(.unknown(line.copy())))
    case .fetchBegin(let sequence): begin("FETCH", sequence.rawValue)
    case .uidFetchBegin(let uid): begin("UIDFETCH", uid.rawValue)
    case .fetchAttribute(let attribute): items.append(JSON.item(attribute.copy()))
    case .literalBegin(let section, _):
      literal = (JSON.sectionName(section.copy(), section.origin), [])
    case .literalChunk(let bytes, _):
      unsafe bytes.withUnsafeBufferPointer { unsafe literal?.bytes.append(contentsOf: $0) }
    case .literalEnd:
      if let literal { items.append((literal.key, .bytes(literal.bytes))) }
      literal = nil
    case .malformed(let line, let error):
      if head.isEmpty { return .malformed(JSON.response(.malformed(line.copy(), error))) }
      let piece = line.copy()
      if damage == nil { damage = (piece, error) } else { damage?.bytes += piece }
    case .fetchEnd: return .whole(end())
    }
    return .part
  }

  private mutating func begin(_ name: String, _ number: UInt32) {
    self = CollectedFetch()
    head = [("name", .string(name)), ("number", .unsigned(UInt64(number)))]
  }

  private mutating func end() -> [JSON.Member] {
    defer { self = CollectedFetch() }
    let members = head + [("items", JSON.distinct(items))]
    guard let damage else { return [("type", .string("untagged"))] + members }
    return [("type", .string("malformed"))] + members
      + [("raw", .bytes(damage.bytes)), ("reason", .string(damage.error.description))]
  }

  private static func members(_ status: borrowing StatusView) -> [JSON.Member] {
    [("code", JSON.code(status.copy().code)), ("text", .bytes(status.text.copy()))]
  }
}
