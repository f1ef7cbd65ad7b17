import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct AppendCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "append", abstract: "Add messages from files to a mailbox.",
    discussion: """
      Line ends are made CRLF, as RFC 5322 wants them, unless --as-is is given.

      EXAMPLES
        imap append -a work --mailbox Sent --flag seen letter.eml
        imap append -a work --mailbox Notes - < note.eml
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox that gets the messages.")
  var mailbox = "INBOX"

  @Option(
    name: .customLong("flag"), help: "Flag that the messages get, as seen, flagged or a keyword; may be repeated.")
  var flags: [String] = []

  @Option(
    help: ArgumentHelp(
      "When they came, as 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+01:00. (default: now)", valueName: "time"))
  var date: String?

  @Flag(help: "Send the files' bytes unchanged.")
  var asIs = false

  @Argument(help: "Files, one message each; - is standard input.", completion: .file())
  var files: [String]

  @Flag(help: "One JSON object a line: file, uidValidity, uids.")
  var json = false

  func validate() throws {
    if files.count(where: { $0 == "-" }) > 1 { throw ValidationError("Standard input can be read once.") }
    if files.contains("-"), connection.passwordStdin {
      throw ValidationError("Standard input cannot be both the password and a message; use --password-file.")
    }
  }

  func work(_ server: any MailServer) async throws {
    let flags = try FlagNames.flags(self.flags)
    let date = try self.date.map { text throws(Failure) in
      guard let date = InternalDate(rfc3339: text) else {
        throw Failure(
          .usage,
          "--date: \(text) is no time; write a day that there is, the time and the zone, as 2026-01-31T12:00:00Z or "
            + "2026-01-31T12:00:00+01:00")
      }
      return date
    }
    if files.contains("-"), server.ownsInput {
      throw Failure(.usage, "standard input is where commands come from; name a file")
    }
    // Looked at before connecting: a missing file must not leave half of the messages behind.
    let messages = try files.map { try MessageSource($0, isCanonical: !asIs) }
    try await server.withClient(into: mailbox) { client in
      for message in messages {
        let sent = Counter()
        var result: CopyResult?
        try await TransferProgress(message.name, total: message.byteCount) { UInt64(sent.count) }.during {
          do throws(IMAPError) {
            result = try await client.append(
              message.pieces(counting: sent), byteCount: message.byteCount, to: MailboxName(mailbox),
              flags: flags, date: date)
          } catch .outcomeUnknown(_, let cause) where UInt64(sent.count) < message.byteCount {
            // A message that the server does not have whole is not there.
            throw IMAPError.connection(cause)
          }
        }
        try show(message.name, result)
      }
    }
  }

  private func show(_ file: String, _ result: CopyResult?) throws(OutputError) {
    if json {
      try Console.line(
        JSON.object([
          ("file", .string(file)), ("uidValidity", result.map { .unsigned($0.uidValidity) } ?? .null),
          ("uids", result.map { .string($0.destination.description) } ?? .null),
        ]))
    } else {
      try Console.line([file] + (result.map { ["UID \($0.destination)"] } ?? []))
    }
  }
}

extension InternalDate {
  /// The time of `text`, in the zone that is written there: a date-time of RFC 3339, section 5.6, without fractions of a second,
  /// which IMAP has not. The zone may lack its colon, as `date +%z` writes it. Nil where it is anything else, or no such time.
  fileprivate init?(rfc3339 text: String) {
    var rest = Array(text.utf8)[...]
    func number(_ digits: Int) -> Int? {
      let field = rest.prefix(digits)
      rest = rest.dropFirst(digits)
      guard field.count == digits, field.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      return field.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    func take(_ mark: Character) -> Bool {
      guard let byte = rest.first, byte == mark.asciiValue else { return false }
      rest = rest.dropFirst()
      return true
    }
    guard let year = number(4), take("-"), let month = number(2), take("-"), let day = number(2), take("T"),
      let hour = number(2), take(":"), let minute = number(2), take(":"), let second = number(2)
    else { return nil }
    var zone = 0
    if !take("Z") {
      let isWest = take("-")
      guard isWest || take("+"), let hours = number(2), hours < 24 else { return nil }
      _ = take(":")
      guard let minutes = number(2), minutes < 60 else { return nil }
      zone = (isWest ? -1 : 1) * (hours * 60 + minutes)
    }
    if !rest.isEmpty { return nil }
    self.init(year: year, month: month, day: day, hour: hour, minute: minute, second: second, zone: zone)
  }
}

/// A message that is read from a file, twice: its size has to be known before its first byte is sent.
struct MessageSource {
  var name: String
  /// How many bytes there will be.
  var byteCount: UInt64 = 0
  private var lines: LineEnds
  /// What came on standard input, which can be read only once.
  private var bytes: [UInt8]?

  /// Looks at the file called `name`, or standard input for `-`. With `isCanonical` each line end becomes CRLF.
  init(_ name: String, isCanonical: Bool) throws(Failure) {
    self.name = name
    lines = LineEnds(isCanonical: isCanonical)
    var counting = lines
    let input = try InputBytes(name == "-" ? nil : name)
    var held: [UInt8] = []
    while true {
      let piece = try input.next(Self.pieceSize)
      if piece.isEmpty { break }
      if name == "-" { held += piece }
      byteCount += UInt64(counting.convert(piece).count)
    }
    if name == "-" { bytes = held }
    if byteCount == 0 { throw Failure(.file, "\(name == "-" ? "standard input" : name) is empty; a message has bytes") }
  }

  /// The message, piece by piece; `counter` tells how many bytes were taken.
  func pieces(counting counter: Counter) -> AsyncThrowingStream<[UInt8], any Error> {
    let reader = Reader(self)
    return AsyncThrowingStream { () async throws in
      let piece = try await reader.next()
      if let piece { counter.add(piece.count) }
      return piece
    }
  }

  /// Reads the pieces, one at a time.
  private actor Reader {
    private let source: MessageSource
    private var lines: LineEnds
    private var input: InputBytes?
    private var isRead = false

    init(_ source: MessageSource) {
      self.source = source
      lines = source.lines
    }

    func next() throws -> [UInt8]? {
      if let bytes = source.bytes {
        if isRead { return nil }
        isRead = true
        return lines.convert(bytes)
      }
      if input == nil { input = try InputBytes(source.name) }
      let piece = try input?.next(MessageSource.pieceSize) ?? []
      return piece.isEmpty ? nil : lines.convert(piece)
    }
  }

  private static let pieceSize = 64 * 1024
}

/// Makes line ends CRLF, piece by piece.
private struct LineEnds {
  let isCanonical: Bool
  private var previous: UInt8 = 0

  init(isCanonical: Bool) { self.isCanonical = isCanonical }

  mutating func convert(_ bytes: [UInt8]) -> [UInt8] {
    if !isCanonical { return bytes }
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + bytes.count / 32)
    for byte in bytes {
      if byte == 0x0a, previous != 0x0d { output.append(0x0d) }
      output.append(byte)
      previous = byte
    }
    return output
  }
}
