import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct CreateCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make mailboxes.",
    discussion: """
      EXAMPLES
        imap create -a work Archive/2026
        imap create -a work --special-use sent Gesendet
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Names of the new mailboxes.")
  var mailboxes: [String]

  @Option(help: "What it is for, as sent, drafts, trash, junk, archive; may be repeated.")
  var specialUse: [String] = []

  @Flag(help: "Subscribe to them, too.")
  var subscribe = false

  @Flag(help: "One JSON object a line: mailbox, done.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let uses = specialUse.map { MessageFlag($0.hasPrefix("\\") ? $0 : "\\" + $0) }
    try await server.forEach(mailboxes) { client, name in
      try await client.create(name, specialUse: uses)
      if subscribe { try await client.subscribe(name) }
      try Done.show(name.description, "created", json)
    }
  }
}

struct RenameCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "rename", abstract: "Give a mailbox another name.",
    discussion: """
      Those below it move along. Of INBOX the messages move, and it stays.

      EXAMPLE
        imap rename -a work Lists/libuv Lists/uv
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "The mailbox.")
  var mailbox: String

  @Argument(help: "Its new name.")
  var name: String

  @Flag(help: "A JSON object: mailbox, done, name.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      try await client.rename(MailboxName(mailbox), to: MailboxName(name))
      try Done.show(mailbox, "renamed", json, [("name", .string(name))])
    }
  }
}

struct RemoveMailboxCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove-mailbox", abstract: "Remove mailboxes with all messages in them.",
    discussion: """
      Nothing is asked, and nothing brings them back. `imap delete` is for single messages.

      EXAMPLE
        imap remove-mailbox -a work Archive/1999
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var selection: MailboxesOptions

  var json: Bool {
    get { selection.json }
    set { selection.json = newValue }
  }

  func work(_ server: any MailServer) async throws {
    try await selection.forEach(server, "removed") { client, name in try await client.delete(name) }
  }
}

struct SubscribeCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "subscribe", abstract: "Subscribe to mailboxes: mail programs show these.",
    discussion: """
      EXAMPLE
        imap subscribe -a work Lists/uv
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var selection: MailboxesOptions

  var json: Bool {
    get { selection.json }
    set { selection.json = newValue }
  }

  func work(_ server: any MailServer) async throws {
    try await selection.forEach(server, "subscribed") { client, name in try await client.subscribe(name) }
  }
}

struct UnsubscribeCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "unsubscribe", abstract: "End the subscription of mailboxes. They stay.",
    discussion: """
      EXAMPLE
        imap unsubscribe -a work Lists/uv
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var selection: MailboxesOptions

  var json: Bool {
    get { selection.json }
    set { selection.json = newValue }
  }

  func work(_ server: any MailServer) async throws {
    try await selection.forEach(server, "unsubscribed") { client, name in try await client.unsubscribe(name) }
  }
}

/// Mailboxes to which the same is done, one after the other.
struct MailboxesOptions: ParsableArguments {
  @Argument(help: "Mailboxes.")
  var mailboxes: [String]

  @Flag(help: "One JSON object a line: mailbox, done.")
  var json = false

  /// Runs `change` for each, and tells that it is `done`.
  func forEach(
    _ server: any MailServer, _ done: String, _ change: (IMAPClient, MailboxName) async throws -> Void
  ) async throws {
    try await server.forEach(mailboxes) { client, name in
      try await change(client, name)
      try Done.show(name.description, done, json)
    }
  }
}

/// What is told of a change: something to a program that asks, a line to a person, and nothing into a pipe.
enum Done {
  static func show(
    _ mailbox: String, _ what: String, _ json: Bool, _ members: [JSON.Member] = []
  ) throws(OutputError) {
    if json {
      try Console.line(JSON.object([("mailbox", .string(mailbox)), ("done", .string(what))] + members))
    } else if Console.hasReader {
      try Console.line("\(mailbox)  \(what)")
    }
  }
}
