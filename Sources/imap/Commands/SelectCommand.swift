import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct SelectCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "select", abstract: "Open a mailbox and show its state.",
    discussion: """
      It is opened for reading only (EXAMINE) unless --read-write is given, which makes the messages in it no longer recent.

      EXAMPLE
        imap select -a work Archive
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Mailbox to open.")
  var mailbox = "INBOX"

  @Flag(help: "Open it for changing it (SELECT).")
  var readWrite = false

  @Flag(
    help:
      "A JSON object: mailbox, readOnly, exists, recent, uidValidity, uidNext, flags, permanentFlags, highestModSeq.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      let name = MailboxName(mailbox)
      let state = readWrite ? try await client.select(name) : try await client.examine(name)
      if json { return try Console.line(JSON.object(Self.json(state))) }
      var table = Table([Table.Column("WHAT"), Table.Column("VALUE")])
      for (name, value) in Self.json(state) where value.isSaid { try table.add([name, value.plainText]) }
      try table.flush()
    }
  }

  private static func json(_ state: SelectedMailbox) -> [JSON.Member] {
    [
      ("mailbox", JSON.mailbox(state.name)), ("readOnly", .bool(state.isReadOnly)),
      ("exists", .unsigned(UInt64(state.exists))), ("recent", .unsigned(UInt64(state.recent))),
      ("uidValidity", state.uidValidity.map { .unsigned($0) } ?? .null), ("uidNext", .optional(state.uidNext)),
      ("flags", JSON.flags(state.flags)), ("permanentFlags", state.permanentFlags.map { JSON.flags($0) } ?? .null),
      ("highestModSeq", state.highestModSeq.map { .unsigned($0.rawValue) } ?? .null),
      ("mailboxID", .optional(state.mailboxID)),
    ]
  }
}

extension JSON {
  /// Whether this is not null.
  var isSaid: Bool { if case .null = self { false } else { true } }

  /// As people read it: strings without quotes, arrays with spaces between their elements.
  var plainText: String {
    switch self {
    case .string(let text): text
    case .bytes(let bytes): MessageLine.printable(bytes)
    case .array(let values): values.map(\.plainText).joined(separator: " ")
    case .null: "-"
    default: text
    }
  }
}
