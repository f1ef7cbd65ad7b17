import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show how many messages mailboxes have.",
    discussion: """
      EXAMPLE
        imap status --host imap.example.org --user joe --password-file pw INBOX Archive
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Mailboxes.")
  var mailboxes = ["INBOX"]

  @Flag(help: "One JSON object a line: mailbox, items.")
  var json = false

  func run() async throws {
    try await reporting {
      try await connection.withClient { client in
        for name in mailboxes {
          let items: [StatusItem] = [.messages, .unseen, .uidNext, .uidValidity]
          guard let status = try await client.status(MailboxName(name), items) else {
            throw Failure(.protocolError, "the server gave no status of \(name)")
          }
          if json {
            try Console.line(JSON.object(JSON.mailboxStatus(status)))
          } else {
            let values = items.compactMap { item in status[item].map { "\(item.rawValue.lowercased()) \($0)" } }
            try Console.line("\(status.mailbox)\t\(values.joined(separator: ", "))")
          }
        }
      }
    }
  }
}
