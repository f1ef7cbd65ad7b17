import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct DeleteCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete messages for good: these, and no others.",
    discussion: """
      They are marked deleted and expunged. What others have marked in the same mailbox stays. Nothing is asked.

      EXAMPLE
        imap delete -a work --mailbox Trash 1:10,42
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox of the messages. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input.")
  var uids: String

  @Flag(help: "A JSON object: mailbox, uidValidity, uids.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withMessages(uids, of: mailbox, changing: true) { client, selected, messages in
      let found = try await messages.find(client)
      if !found.isEmpty {
        try await client.delete(UIDSet(found))
        try Removed.show(found, selected, json)
      }
      try messages.failIfMissing(found, in: selected)
    }
  }
}

struct ExpungeCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "expunge", abstract: "Remove messages that are marked deleted.",
    discussion: """
      All that are, or those of the given UIDs that are.

      EXAMPLES
        imap expunge -a work --mailbox Trash
        imap expunge -a work 1:10
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox of the messages. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input. (default: all)")
  var uids: String?

  @Flag(help: "A JSON object: mailbox, uidValidity, uids.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let marked = SearchKey.flag(.deleted)
    if let uids {
      return try await server.withMessages(uids, of: mailbox, changing: true) { client, selected, messages in
        let found = try await messages.find(client, marked)
        if !found.isEmpty { try await client.expunge(UIDSet(found)) }
        try Removed.show(found, selected, json)
      }
    }
    try await server.withMailbox(mailbox, changing: true) { client, selected in
      let found = try await client.search(marked)
      if !found.isEmpty { try await client.expunge() }
      try Removed.show(found, selected, json)
    }
  }
}

/// What is told of messages that went.
private enum Removed {
  static func show(_ uids: [UID], _ mailbox: SelectedMailbox, _ json: Bool) throws(OutputError) {
    if json {
      try Console.line(JSON.object(JSON.position(mailbox) + [("uids", JSON.uids(uids))]))
    } else if Console.hasReader {
      try Console.line("\(Human.count(uids.count, "message")) removed")
    } else {
      for uid in uids { try Console.line(uid.description) }
    }
  }
}
