import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct CopyCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy", abstract: "Copy messages to another mailbox.",
    discussion: """
      EXAMPLE
        imap copy -a work 1:10 Archive
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var transfer: TransferOptions

  var json: Bool {
    get { transfer.json }
    set { transfer.json = newValue }
  }

  func work(_ server: any MailServer) async throws { try await transfer.run(server, isMove: false) }
}

struct MoveCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "move", abstract: "Move messages to another mailbox.",
    discussion: """
      On a server without MOVE they are copied, and then these and no others are expunged.

      EXAMPLE
        imap move -a work --mailbox Inbox/Lists 1:10,42 Archive
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var transfer: TransferOptions

  var json: Bool {
    get { transfer.json }
    set { transfer.json = newValue }
  }

  func work(_ server: any MailServer) async throws { try await transfer.run(server, isMove: true) }
}

/// Which messages go where.
struct TransferOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "Mailbox of the messages. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input.")
  var uids: String

  @Argument(help: "Mailbox that gets them.")
  var target: String

  @Flag(help: "Make the target where it is not there.")
  var create = false

  @Flag(help: "A JSON object: mailbox, target, uidValidity, source, destination.")
  var json = false

  func run(_ server: any MailServer, isMove: Bool) async throws {
    try await server.withMessages(uids, of: mailbox, changing: isMove) { client, selected, messages in
      // Servers say OK where there was nothing to do.
      let there = try await messages.find(client)
      if there.isEmpty { return try messages.failIfMissing([], in: selected) }
      let found = UIDSet(there)
      let name = MailboxName(target)
      if create, try await !client.mailboxExists(name) { try await client.create(name) }
      let result = try await MailboxError.namingTarget(name) {
        isMove ? try await client.move(.uids(found), to: name) : try await client.copy(.uids(found), to: name)
      }
      try show(result, found, selected.name.description)
      try messages.failIfMissing(there, in: selected)
    }
  }

  private func show(_ result: CopyResult?, _ found: UIDSet, _ mailbox: String) throws {
    if json {
      return try Console.line(
        JSON.object([
          ("mailbox", .string(mailbox)), ("target", .string(target)),
          ("uidValidity", result.map { .unsigned($0.uidValidity) } ?? .null),
          ("source", .string((result?.source ?? found).description)),
          ("destination", result.map { .string($0.destination.description) } ?? .null),
        ]))
    }
    let place = result.map { "\(target) UID \($0.destination)" } ?? target
    try Console.line(["\(mailbox) UID \((result?.source ?? found).description)", place])
  }
}
