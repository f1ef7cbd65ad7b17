import IMAPStateMachine

/// Turns what a client sent into lines.
///
/// Which literals a server took is not to be seen in a client's bytes: each that was announced is read.
struct CommandDecoder {
  private let showsSecrets: Bool
  private let parser: CommandParser
  private let limits = ParserLimits()
  /// The command that is coming in, behind the ones that are done.
  private var bytes: [UInt8] = []
  /// Where it starts in ``bytes``.
  private var start = 0
  /// Where ``bytes`` starts in the stream.
  private var streamOffset = 0
  /// Bytes before this one hold no line end that is still looked for. Lies behind the last one while a literal's bytes
  /// are awaited.
  private var scanned = 0
  /// Where the current line of the command starts.
  private var lineStart = 0
  /// Bytes of the command that are no literal's, up to ``lineStart``.
  private var lineBytes = 0
  private var literals: [Range<Int>] = []
  /// The literal of an APPEND's message, once it was announced: the command's arguments end there for the parser.
  private var message: Int?
  private var expected = Expected.command

  /// What the last command lets the client send besides commands.
  private enum Expected { case command, authentication, done }

  init(showsSecrets: Bool) {
    self.showsSecrets = showsSecrets
    parser = CommandParser(limits: limits)
  }

  mutating func feed(_ piece: ArraySlice<UInt8>, to lines: inout DecodedLines) throws {
    bytes += piece
    while let end = try nextEnd(&lines) {
      try lines.unit(streamOffset + start, to: streamOffset + end, command(to: end))
      begin(at: end)
    }
    if start > 0 { compact() }
  }

  mutating func end(_ lines: inout DecodedLines) throws {
    if start < bytes.count { try lines.incomplete(streamOffset + start, to: streamOffset + bytes.count) }
  }

  /// Drops the commands that are done. How far the next one was framed stays known.
  private mutating func compact() {
    bytes.removeFirst(start)
    streamOffset += start
    scanned -= start
    lineStart -= start
    for index in literals.indices {
      literals[index] = literals[index].lowerBound - start..<literals[index].upperBound - start
    }
    start = 0
  }

  private mutating func begin(at index: Int) {
    start = index
    scanned = index
    lineStart = index
    lineBytes = 0
    literals.removeAll(keepingCapacity: true)
    message = nil
  }

  // MARK: Framing

  /// Where the command ends that starts at ``start``; nil while that is not known.
  private mutating func nextEnd(_ lines: inout DecodedLines) throws -> Int? {
    while true {
      let found = scanned < bytes.count ? bytes[scanned...].firstIndex(of: 0x0a) : nil
      if lineBytes + (found ?? max(bytes.count, lineStart)) - lineStart >= limits.line {
        try lines.failed(passed(.line, UInt64(limits.line), at: start))
      }
      guard let found else {
        scanned = max(scanned, bytes.count)
        return nil
      }
      let end = found + 1
      guard let count = ClientSyntax.literal(atEndOf: bytes[lineStart..<end]) else { return end }
      if count > limits.literal {
        let brace = bytes[lineStart..<end].lastIndex(of: UInt8(ascii: "{")) ?? lineStart
        try lines.failed(passed(.literal, limits.literal, at: brace))
      }
      // Before it there is at most the mailbox.
      if message == nil, literals.count < 2, announcesMessage(end) { message = literals.count }
      lineBytes += end - lineStart
      lineStart = end + Int(count)
      scanned = lineStart
      literals.append(end..<lineStart)
    }
  }

  private func passed(_ limit: LimitExceeded.Limit, _ value: UInt64, at index: Int) -> ParseError {
    ParseError(passed: limit, value, at: streamOffset + index)
  }

  /// The commands whose last argument is a message.
  private static let uploads: Set<String> = ["APPEND", "REPLACE", "UID REPLACE"]

  /// Whether the literal whose header ends before `end` is the message of one of ``uploads``: all before it makes a command.
  private func announcesMessage(_ end: Int) -> Bool {
    guard Self.uploads.contains(ClientSyntax(bytes[start..<end], literals).name) else { return false }
    return (try? parser.parse(bytes[start..<end].span)) != nil
  }

  // MARK: Meaning

  private mutating func command(to end: Int) -> [JSON.Member] {
    let line = bytes[start..<end]
    if let members = answer(line) { return members }
    var syntax = ClientSyntax(line, literals)
    // What the parser is asked of an APPEND ends where the message starts.
    let parsed = message.map { bytes[start..<literals[$0].lowerBound] } ?? line
    let mayHoldSecret = expected == .authentication || syntax.mayHoldSecret
    do throws(ParseError) {
      _ = try parser.parse(parsed.span)
      guard let arguments = syntax.arguments() else { throw ParseError(.invalidValue, offset: 0) }
      expected = syntax.name == "AUTHENTICATE" ? .authentication : syntax.name == "IDLE" ? .done : .command
      return Self.head(syntax) + [("arguments", .array(redacted(arguments, syntax.name)))]
    } catch {
      let isHidden = mayHoldSecret && !showsSecrets
      let raw: JSON = isHidden ? .redacted : .bytes(Array(line))
      // Not even its words are shown of a line that may be a password.
      if case .unknownCommand = error.reason, !isHidden { return Self.head(syntax) + [("raw", raw)] }
      var error = error
      error.offset += streamOffset + start
      return [("type", .string("malformed")), ("raw", raw), ("reason", .string(error.description))]
    }
  }

  private static func head(_ syntax: ClientSyntax) -> [JSON.Member] {
    [("type", .string("command")), ("tag", .string(syntax.tag)), ("name", .string(syntax.name))]
  }

  /// What a client sends behind a continuation request: a line of a SASL exchange, or DONE.
  private mutating func answer(_ line: ArraySlice<UInt8>) -> [JSON.Member]? {
    var text = line
    while let last = text.last, last == 0x0a || last == 0x0d { text = text.dropLast() }
    let name: String
    let value: JSON
    switch expected {
    // Every command has a space.
    case .authentication where !text.contains(0x20):
      name = "AUTHENTICATE"
      value = showsSecrets || text == [0x2a] ? .bytes(Array(text)) : .redacted
    case .done where JSON.upper(JSON.key(Array(text))) == "DONE":
      name = "IDLE"
      value = .bytes(Array(text))
      expected = .command
    default: return nil
    }
    return [("type", .string("continuation")), ("command", .string(name)), ("text", value)]
  }

  /// `arguments` without the password of LOGIN and the initial response of AUTHENTICATE.
  private func redacted(_ arguments: [JSON], _ name: String) -> [JSON] {
    if showsSecrets || (name != "LOGIN" && name != "AUTHENTICATE") { return arguments }
    return arguments.prefix(1) + arguments.dropFirst().map { _ in .redacted }
  }
}

extension JSON {
  /// Stands where a secret was.
  static var redacted: JSON { .string("<redacted>") }
}
