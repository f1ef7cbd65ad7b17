import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct MetadataCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metadata", abstract: "Show and change annotations of mailboxes and of the server.",
    discussion: """
      EXAMPLES
        imap metadata get -a work --mailbox INBOX /private/comment
        imap metadata set -a work --mailbox INBOX /private/comment 'read this'
        imap metadata remove -a work --mailbox INBOX /private/comment
        imap metadata get -a work /shared/admin
      """,
    subcommands: [MetadataGet.self, MetadataSet.self, MetadataRemove.self])
}

struct MetadataGet: MailCommand {
  /// RFC 5464, section 4.2.2.
  enum Depth: String, ExpressibleByArgument, CaseIterable {
    case zero = "0"
    case one = "1"
    case infinity
  }

  static let configuration = CommandConfiguration(commandName: "get", abstract: "Show annotations.")

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "The mailbox. (default: the server)")
  var mailbox = ""

  @Option(help: "Show those below the entries, too: 0, 1 or infinity.")
  var depth: Depth?

  @Argument(help: "Entries, as /private/comment.")
  var entries: [String]

  @Flag(help: "A JSON object: mailbox, entries, an array of name and value.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      let options = MetadataOptions(depth: depth.flatMap { MetadataOptions.Depth(rawValue: $0.rawValue) })
      let found = try await client.metadata(of: MailboxName(mailbox), entries, options)
      if json {
        let metadata = Metadata(mailbox: MailboxName(mailbox), .values(found))
        return try Console.line(JSON.object(JSON.extensionData(.metadata(metadata)).members))
      }
      var table = Table([Table.Column("ENTRY"), Table.Column("VALUE")])
      for entry in found {
        try table.add([MessageLine.printable(entry.name), entry.value.map { MessageLine.printable($0) } ?? "-"])
      }
      try table.flush()
    }
  }
}

struct MetadataSet: MailCommand {
  static let configuration = CommandConfiguration(commandName: "set", abstract: "Give an annotation a value.")

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "The mailbox. (default: the server)")
  var mailbox = ""

  @Argument(help: "The entry, as /private/comment.")
  var entry: String

  @Argument(help: "Its value.")
  var value: String

  @Flag(help: "A JSON object: mailbox, done, entry.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      let change = Metadata.Entry(name: Array(entry.utf8), value: Array(value.utf8))
      try await client.setMetadata(of: MailboxName(mailbox), [change])
      try Done.show(mailbox, "\(entry) set", json, [("entry", .string(entry))])
    }
  }
}

struct MetadataRemove: MailCommand {
  static let configuration = CommandConfiguration(commandName: "remove", abstract: "Remove annotations.")

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "The mailbox. (default: the server)")
  var mailbox = ""

  @Argument(help: "Entries, as /private/comment.")
  var entries: [String]

  @Flag(help: "One JSON object a line: mailbox, done, entry.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      try await client.setMetadata(
        of: MailboxName(mailbox), entries.map { Metadata.Entry(name: Array($0.utf8), value: nil) })
      for entry in entries { try Done.show(mailbox, "\(entry) removed", json, [("entry", .string(entry))]) }
    }
  }
}
