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
    try await server.withMessages(uids, of: mailbox) { client, selected, named in
      if named.isEmpty { return }
      if raw { return try await fetchRaw(named, client, selected) }
      var found: [UID] = []
      var table = Table(MessageLine.columns)
      for try await message in client.messages(.uids(named.set), items) where named.names(message.uid) {
        if let uid = message.uid { found.append(uid) }
        if json {
          try Console.line(
            JSON.object([
              ("sequence", .unsigned(UInt64(message.sequence.rawValue))),
              ("items", JSON.fetchItems(message.attributes, decoded: true)),
            ]))
        } else {
          try table.add(MessageLine.row(message))
        }
      }
      try table.flush()
      try named.failIfMissing(found, in: selected)
    }
  }

  private var items: [FetchItem] {
    let usual: [FetchItem] = [.flags, .internalDate, .rfc822Size, .envelope]
    return [.uid] + (item.isEmpty ? usual : item.map { .other($0) }) + (structure ? [.bodyStructure] : [])
  }

  private func fetchRaw(_ named: NamedMessages, _ client: IMAPClient, _ selected: SelectedMailbox) async throws {
    // The bytes do not say whose they are: who is there has to be known before.
    let found = try await named.find(client)
    let sink = ByteSink()
    if !found.isEmpty { try await sink.fetch(named.set(of: found), .full, from: client) }
    // Some of them may have gone meanwhile.
    try named.failIfMissing(sink.uids, in: selected)
  }
}
