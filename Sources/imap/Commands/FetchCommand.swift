import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct FetchCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Show messages, or their bytes.",
    discussion: """
      Without --raw a line a message: UID, date, size, flags, sender and subject. With --raw the message as it is.

      EXAMPLES
        imap fetch -a work 1:10,42
        imap fetch -a work --raw 42 > message.eml
        imap fetch -a work --json --structure '1:*'
        imap search -a work unseen | imap fetch -a work -
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to read. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input.")
  var uids = "1:*"

  @Flag(help: "Print the messages' bytes and nothing else. Does not mark them as seen.")
  var raw = false

  @Flag(help: "With --json: add the MIME structure.")
  var structure = false

  @Option(help: "With --json: this item of FETCH instead of the usual ones, as PREVIEW; may be repeated.")
  var item: [String] = []

  @Flag(help: "One JSON object a line: sequence, items.")
  var json = false

  func validate() throws {
    if raw, json { throw ValidationError("Give --raw or --json, not both.") }
    if !json, structure || !item.isEmpty { throw ValidationError("--structure and --item need --json.") }
  }

  func work(_ server: any MailServer) async throws {
    let set = try MessageArguments.uids(uids, server)
    try await server.withMailbox(mailbox) { client, selected in
      if raw { return try await fetchRaw(set, client, selected) }
      var isEmpty = true
      var table = Table(MessageLine.columns)
      for try await message in client.messages(.uids(set), items) {
        isEmpty = false
        if json {
          try Console.line(
            JSON.object([
              ("sequence", .unsigned(UInt64(message.sequence.rawValue))),
              ("items", JSON.fetchItems(message.attributes)),
            ]))
        } else {
          try table.add(MessageLine.row(message))
        }
      }
      try table.flush()
      if isEmpty { try MessageArguments.failIfExplicit(set, in: selected) }
    }
  }

  private var items: [FetchItem] {
    if !item.isEmpty { return [.uid] + item.map { .other($0) } }
    return [.uid, .flags, .internalDate, .rfc822Size, .envelope] + (structure ? [.bodyStructure] : [])
  }

  private func fetchRaw(_ set: UIDSet, _ client: IMAPClient, _ selected: SelectedMailbox) async throws {
    let sink = ByteSink()
    try await sink.fetch(set, .full, from: client)
    if sink.isUnused { try MessageArguments.failIfExplicit(set, in: selected) }
  }
}
