import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct FetchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Show messages, or their bytes.",
    discussion: """
      Without --raw a line a message: UID, date, size, flags, sender and subject. With --raw the message as it is.

      EXAMPLES
        imap fetch --host imap.example.org --user joe --password-file pw 1:10,42
        imap fetch --host imap.example.org --user joe --password-file pw --raw 42 > message.eml
        imap fetch --host imap.example.org --user joe --password-file pw --json --structure '1:*'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "Mailbox to read.")
  var mailbox = "INBOX"

  @Argument(help: "UIDs, like 1:10,42 or 1:*.")
  var uids = "1:*"

  @Flag(help: "Print the messages' bytes and nothing else. Does not mark them as seen.")
  var raw = false

  @Flag(help: "With --json: add the MIME structure.")
  var structure = false

  @Flag(help: "One JSON object a line: sequence, items.")
  var json = false

  func run() async throws {
    try await reporting {
      let set = try MessageArguments.uids(uids)
      try await connection.withClient { client in
        _ = try await client.examine(MailboxName(mailbox))
        if raw {
          try await client.fetch(.uids(set), [.section(.full)]) { event in
            if case .literalChunk(let bytes, _) = copy event { Console.bytes(ByteView(bytes).copy()) }
            if case .fetchAttribute(.section(_, .some(let text))) = copy event { Console.bytes(text.copy()) }
          }
          return
        }
        var items: [FetchItem] = [.uid, .flags, .internalDate, .rfc822Size, .envelope]
        if structure { items.append(.bodyStructure) }
        for message in try await client.fetch(.uids(set), items) {
          if json {
            Console.line(
              JSON.object([
                ("sequence", .unsigned(UInt64(message.sequence.rawValue))),
                ("items", JSON.fetchItems(message.attributes)),
              ]).text)
          } else {
            Console.line(MessageLine.text(message))
          }
        }
      }
    }
  }
}

/// Message sets from the command line.
enum MessageArguments {
  static func uids(_ text: String) throws -> UIDSet {
    let line = Array("A UID EXPUNGE \(text)\r\n".utf8)
    if let parsed = try? CommandParser().parse(line.span), case .uidExpunge(let set) = parsed.command { return set }
    throw Failure(.usage, "\(text) names no messages; write UIDs like 1:10,42 or 1:*")
  }
}

/// A message on one line.
enum MessageLine {
  static func text(_ message: FetchResponse) -> String {
    var uid = "-"
    var date = "-"
    var size = "-"
    var flags = ""
    var from = ""
    var subject = ""
    for attribute in message.attributes {
      switch attribute {
      case .uid(let value): uid = value.description
      case .internalDate(let value): date = value.iso8601
      case .rfc822Size(let value): size = String(value)
      case .flags(let list): flags = list.map(\.rawValue).joined(separator: " ")
      case .envelope(let envelope):
        subject = printable(envelope.subject ?? [])
        if let sender = envelope.from.first { from = address(sender) }
      default: break
      }
    }
    return [uid, date, size, flags, from, subject].joined(separator: "\t")
  }

  private static func address(_ address: Address) -> String {
    let mailbox = printable(address.mailbox ?? []) + (address.host.map { "@" + printable($0) } ?? "")
    return address.name.map { "\(printable($0)) <\(mailbox)>" } ?? mailbox
  }

  /// No control character of a message reaches the terminal.
  private static func printable(_ bytes: [UInt8]) -> String {
    String(
      String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? " " : Character(scalar)
      })
  }
}
