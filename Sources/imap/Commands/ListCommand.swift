import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List mailboxes.",
    discussion: """
      EXAMPLE
        imap list --host imap.example.org --user joe --password-file pw 'Archive/%'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Pattern: * stands for anything, % for anything within one level.")
  var pattern = "*"

  @Flag(help: "One JSON object a line: attributes, delimiter, mailbox, mailboxRaw.")
  var json = false

  func run() async throws {
    try await reporting {
      try await connection.withClient { client in
        for listing in try await client.list(pattern: MailboxName(pattern)) {
          if json {
            try Console.line(JSON.object(JSON.listing(listing)))
          } else {
            let attributes = listing.attributes.map(\.rawValue).joined(separator: " ")
            try Console.line(attributes.isEmpty ? listing.name.description : "\(listing.name)\t\(attributes)")
          }
        }
      }
    }
  }
}
