import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct StatusCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show how many messages mailboxes have.",
    discussion: """
      EXAMPLES
        imap status -a work INBOX Archive
        imap status -a work --item messages --item size INBOX
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Mailboxes.")
  var mailboxes = ["INBOX"]

  @Option(help: "What to ask for, as messages, unseen, uidnext, uidvalidity, size, deleted; may be repeated.")
  var item: [StatusItem] = []

  @Flag(help: "One JSON object a line: mailbox, items.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let items = item.isEmpty ? [.messages, .unseen, .uidNext, .uidValidity] : item
    var table = Table(
      [Table.Column("MAILBOX")] + items.map { Table.Column($0.rawValue, right: $0 != .mailboxID) })
    try await server.forEach(mailboxes, finish: { try table.flush() }) { client, name in
      guard let status = try await client.status(name, items) else {
        throw Failure(.protocolError, "the server gave no status of \(name)")
      }
      if json {
        try Console.line(JSON.object(JSON.mailboxStatus(status)))
      } else {
        try table.add([status.mailbox.description] + items.map { Self.text(status, $0) })
      }
    }
  }

  private static func text(_ status: MailboxStatus, _ item: StatusItem) -> String {
    if item == .mailboxID { return status.mailboxID ?? "-" }
    guard let value = status[item] else { return "-" }
    let isSize = [.size, .deletedStorage, .appendLimit].contains(item)
    return isSize && Console.hasReader ? Human.bytes(value) : String(value)
  }
}

extension StatusItem: ExpressibleByArgument {
  /// The item's name in any case.
  public init?(argument: String) { self.init(rawValue: JSON.upper(argument)) }
}
