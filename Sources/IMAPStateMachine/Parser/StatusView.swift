/// A status response, borrowed.
public struct StatusView: ~Escapable {
  /// How it went.
  public let condition: Status.Condition
  /// The response code, where there is one.
  public let code: ResponseCodeView?
  /// The text for people; empty where the server sent none.
  public let text: ByteView

  /// Reads `[code] text`, the line's end being cut off already.
  @_lifetime(copy bytes)
  init(_ condition: Status.Condition, _ bytes: Span<UInt8>) {
    self.condition = condition
    var start = 0
    while start < bytes.count, bytes[start] == 0x20 { start += 1 }
    guard start < bytes.count, bytes[start] == 0x5b, let end = Self.closingBracket(bytes, from: start) else {
      code = nil
      text = ByteView(bytes.extracting(start..<bytes.count))
      return
    }
    code = ResponseCodeView(bytes.extracting(start + 1..<end))
    start = end + 1
    while start < bytes.count, bytes[start] == 0x20 { start += 1 }
    text = ByteView(bytes.extracting(start..<bytes.count))
  }

  /// An owned copy.
  public func copy() -> Status {
    // Optional chaining cannot carry a borrowed view.
    switch code {
    case .some(let code): Status(condition, code: code.copy(), text.lossyString())
    case .none: Status(condition, text.lossyString())
    }
  }

  /// Brackets nest: `[PERMANENTFLAGS (\Seen [x])]` is seen in the wild.
  private static func closingBracket(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    var depth = 0
    for index in start..<bytes.count {
      if bytes[index] == 0x5b { depth += 1 }
      if bytes[index] == 0x5d {
        depth -= 1
        if depth == 0 { return index }
      }
    }
    return nil
  }
}

/// A response code, borrowed.
public struct ResponseCodeView: ~Escapable {
  /// The code's name.
  public let name: ByteView
  /// What follows the name and a space; empty where nothing does.
  public let arguments: ByteView

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    var end = 0
    while end < bytes.count, bytes[end] != 0x20 { end += 1 }
    name = ByteView(bytes.extracting(0..<end))
    while end < bytes.count, bytes[end] == 0x20 { end += 1 }
    arguments = ByteView(bytes.extracting(end..<bytes.count))
  }

  /// The typed code. What does not parse as its name promises becomes ``ResponseCode/other(name:arguments:)``.
  public func copy() -> ResponseCode {
    if let code = try? typed() { return code }
    let name = asciiUppercased(name.lossyString())
    return arguments.isEmpty ? .atom(name) : .other(name: name, arguments: arguments.copy())
  }

  private func typed() throws(ParseError) -> ResponseCode? {
    var cursor = Cursor(arguments.bytes)
    let bytes = name.bytes
    if bytes.equalsIgnoringCase("CAPABILITY") { return .capability(CapabilityListView(arguments.bytes).copy()) }
    if bytes.equalsIgnoringCase("PERMANENTFLAGS") { return .permanentFlags(FlagListView(arguments.bytes).copy()) }
    if bytes.equalsIgnoringCase("BADCHARSET") { return .badCharset(try charsets(&cursor)) }
    if bytes.equalsIgnoringCase("APPENDUID") {
      let validity = try cursor.number32()
      cursor.skipSpaces()
      return .appendUID(validity: validity, uids: try cursor.messageSet())
    }
    if bytes.equalsIgnoringCase("COPYUID") {
      let validity = try cursor.number32()
      cursor.skipSpaces()
      let source: UIDSet = try cursor.messageSet()
      cursor.skipSpaces()
      return .copyUID(validity: validity, source: source, destination: try cursor.messageSet())
    }
    if bytes.equalsIgnoringCase("UIDNEXT") { return .uidNext(try cursor.number32()) }
    if bytes.equalsIgnoringCase("UIDVALIDITY") { return .uidValidity(try cursor.number32()) }
    if bytes.equalsIgnoringCase("UNSEEN") { return .unseen(try cursor.number32()) }
    if bytes.equalsIgnoringCase("HIGHESTMODSEQ") { return .highestModSeq(ModSeq(rawValue: try cursor.number())) }
    if bytes.equalsIgnoringCase("MODIFIED") { return .modified(try cursor.messageSet()) }
    if !arguments.isEmpty { return nil }
    if bytes.equalsIgnoringCase("ALERT") { return .alert }
    if bytes.equalsIgnoringCase("PARSE") { return .parse }
    if bytes.equalsIgnoringCase("READ-ONLY") { return .readOnly }
    if bytes.equalsIgnoringCase("READ-WRITE") { return .readWrite }
    if bytes.equalsIgnoringCase("TRYCREATE") { return .tryCreate }
    if bytes.equalsIgnoringCase("UIDNOTSTICKY") { return .uidNotSticky }
    if bytes.equalsIgnoringCase("NOMODSEQ") { return .noModSeq }
    if bytes.equalsIgnoringCase("CLOSED") { return .closed }
    return nil
  }

  private func charsets(_ cursor: inout Cursor) throws(ParseError) -> [String] {
    var names: [String] = []
    if !cursor.eat(UInt8(ascii: "(")) { return names }
    while true {
      cursor.skipSpaces()
      if cursor.eat(UInt8(ascii: ")")) { return names }
      let token = try cursor.astring()
      names.append(cursor.view(token).lossyString())
    }
  }
}

extension Cursor {
  /// A sequence-set (RFC 9051, section 9). Its size is bounded by its line.
  @_lifetime(self: copy self)
  mutating func messageSet<Number: MessageNumber>() throws(ParseError) -> MessageSet<Number> {
    var set = MessageSet<Number>(ranges: [])
    repeat {
      let first = try setNumber()
      let last = eat(UInt8(ascii: ":")) ? try setNumber() : first
      set.ranges.append(MessageSet.Range(first, last))
    } while eat(UInt8(ascii: ","))
    return set
  }

  @_lifetime(self: copy self)
  private mutating func setNumber() throws(ParseError) -> MessageBound {
    eat(UInt8(ascii: "*")) ? .star : MessageBound(try number32())
  }
}
