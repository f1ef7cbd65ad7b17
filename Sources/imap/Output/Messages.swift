import IMAPLoop
import IMAPStateMachine

/// Message sets from the command line, and what is found for them to take.
enum MessageArguments {
  /// The UIDs that standard input lists, a number or set a line: none where it is empty, as behind a search that finds nothing.
  static func inputUIDs() throws(Failure) -> NamedMessages {
    var ranges: [UIDSet.Range] = []
    while let line = readLine() {
      // What `imap search` and `imap fetch` print into a pipe: the UID is the first field.
      guard let word = line.split(whereSeparator: \.isWhitespace).first else { continue }
      ranges += try set(String(word)).ranges
    }
    return NamedMessages(ranges)
  }

  /// Prints what was found, a UID a line, or an object for programs.
  static func show(_ uids: [UID], of mailbox: SelectedMailbox, json: Bool) throws(OutputError) {
    if json { return try Console.line(JSON.object(JSON.position(mailbox) + [("uids", JSON.uids(uids))])) }
    for uid in uids { try Console.line(uid.description) }
  }

  /// The UIDs of `1:10,42` or `1:*`.
  static func set(_ text: String) throws(Failure) -> UIDSet {
    let line = Array("A UID EXPUNGE \(text)\r\n".utf8)
    if let parsed = try? CommandParser().parse(line.span), case .uidExpunge(let set) = parsed.command,
      !set.isSavedResult
    {
      return set
    }
    throw Failure(.usage, "\(text) names no messages; write UIDs like 1:10,42 or 1:*")
  }
}

/// A message on one line.
enum MessageLine {
  static let columns = [
    Table.Column("UID", right: true), Table.Column("DATE"), Table.Column("SIZE", right: true), Table.Column("FLAGS"),
    Table.Column("FROM"), Table.Column("SUBJECT"),
  ]

  static func row(_ message: FetchResponse, isForPeople: Bool = Console.hasReader) -> [String] {
    var row = ["-", "-", "-", "", "", ""]
    for attribute in message.attributes {
      switch attribute {
      case .uid(let value): row[0] = value.description
      case .internalDate(let value): row[1] = isForPeople ? shortDate(value) : value.iso8601
      case .rfc822Size(let value): row[2] = isForPeople ? Human.bytes(value) : String(value)
      case .flags(let list): row[3] = list.map(\.rawValue).joined(separator: " ")
      case .envelope(let envelope):
        row[5] = Console.printable(envelope.decodedSubject ?? "")
        if let sender = envelope.from.first {
          row[4] = isForPeople ? Table.cut(name(sender), to: 24) : address(sender)
        }
      default: break
      }
    }
    return row
  }

  private static func shortDate(_ date: InternalDate) -> String {
    String(date.iso8601.prefix(16)).replacing("T", with: " ")
  }

  /// The name where there is one.
  private static func name(_ address: Address) -> String {
    if let name = address.displayName, !name.isEmpty { return Console.printable(name) }
    return self.address(address)
  }

  private static func address(_ address: Address) -> String {
    let mailbox = printable(address.mailbox ?? []) + (address.host.map { "@" + printable($0) } ?? "")
    return address.displayName.map { "\(Console.printable($0)) <\(mailbox)>" } ?? mailbox
  }

  /// No control character of a message reaches the terminal.
  static func printable(_ bytes: [UInt8]) -> String {
    String(
      String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? " " : Character(scalar)
      })
  }
}
