import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct SortCommand: MailCommand {
  /// What to go by.
  enum Order: String, ExpressibleByArgument, CaseIterable {
    case arrival, cc, date, from, size, subject, to
    case displayFrom = "display-from"
    case displayTo = "display-to"

    var key: SortCriterion.Key {
      switch self {
      case .arrival: .arrival
      case .cc: .cc
      case .date: .date
      case .from: .from
      case .size: .size
      case .subject: .subject
      case .to: .to
      case .displayFrom: .displayFrom
      case .displayTo: .displayTo
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "sort", abstract: "Find messages; print their UIDs in an order that the server makes.",
    discussion: """
      EXAMPLE
        imap sort -a work --by subject --by date unseen
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to search. (default: INBOX)")
  var mailbox: String?

  @Option(help: "What to go by; may be repeated, the first counts most.")
  var by: [Order] = []

  @Flag(help: "The last one first.")
  var reverse = false

  @OptionGroup var search: SearchOptions

  @Flag(help: "A JSON object: mailbox, uidValidity, uids.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let key = try search.key()
    let order = (by.isEmpty ? [.arrival] : by).map { SortCriterion($0.key, reversed: reverse) }
    try await server.withMailbox(mailbox) { client, selected in
      let uids = try await client.sort(order, key)
      server.found(uids, in: selected)
      try MessageArguments.show(uids, of: selected, json: json)
    }
  }
}
