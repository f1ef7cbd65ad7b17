import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct SearchCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Find messages; print their UIDs.",
    discussion: """
      Words that stand next to each other must all match; `or` between them, `not` before one, and parentheses do what they
      say. With --raw the criteria are those of the SEARCH command.

      WORDS
        seen unseen answered flagged deleted draft new all, and their opposites, as unflagged
        from:x to:x cc:x bcc:x subject:x body:x text:x header:Name=x id:x keyword:x
        since:day before:day on:day sentsince:day sentbefore:day senton:day; a day is 2026-01-31, today, yesterday, 7d
        larger:10k smaller:5m older:2h younger:7d uid:1:10 seq:1:10
        gmail:query label:x

      EXAMPLES
        imap search -a work unseen from:alice since:2026-02-01
        imap search -a work --query 'subject:"see you" (flagged or larger:1m) not from:bob'
        imap search -a work --raw UNSEEN FROM alice SINCE 1-Feb-2026
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to search. (default: INBOX)")
  var mailbox: String?

  @OptionGroup var search: SearchOptions

  @Flag(help: "A JSON object: mailbox, uidValidity, uids.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let key = try search.key()
    try await server.withMailbox(mailbox) { client, selected in
      let uids = try await client.search(key)
      server.found(uids, in: selected)
      try MessageArguments.show(uids, of: selected, json: json)
    }
  }
}

extension JSON {
  /// Which mailbox UIDs belong to.
  static func position(_ mailbox: SelectedMailbox) -> [Member] {
    [("mailbox", self.mailbox(mailbox.name)), ("uidValidity", mailbox.uidValidity.map { .unsigned($0) } ?? .null)]
  }

  static func uids(_ uids: some Sequence<UID>) -> JSON { .array(uids.map { .unsigned(UInt64($0.rawValue)) }) }
}
