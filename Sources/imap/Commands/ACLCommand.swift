import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct ACLCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "acl", abstract: "Show and change who may do what with a mailbox.",
    discussion: """
      Rights are letters (RFC 4314, section 2.1): l see it, r read it, s change \\Seen, w change other flags, i add messages,
      p post to it, k make mailboxes below it, x remove it, t mark messages deleted, e expunge, a change rights.

      EXAMPLES
        imap acl get -a work Shared
        imap acl set -a work Shared ann lrs
        imap acl set -a work Shared ann w --add
        imap acl remove -a work Shared ann
        imap acl my -a work Shared
        imap acl grantable -a work Shared ann
      """,
    subcommands: [ACLGet.self, ACLSet.self, ACLRemove.self, ACLMy.self, ACLGrantable.self])
}

struct ACLGet: MailCommand {
  static let configuration = CommandConfiguration(commandName: "get", abstract: "Show who may do what.")

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "The mailbox.")
  var mailbox: String

  @Flag(help: "A JSON object: mailbox, entries, an array of identifier and rights.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      let list = try await client.accessControlList(of: MailboxName(mailbox))
      if json { return try Console.line(JSON.object(JSON.extensionData(.acl(list)).members)) }
      var table = Table([Table.Column("WHO"), Table.Column("RIGHTS")])
      for entry in list.entries { try table.add([MessageLine.printable(entry.identifier), entry.rights.rawValue]) }
      try table.flush()
    }
  }
}

struct ACLSet: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Give somebody rights, in the place of those that he has.")

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "The mailbox.")
  var mailbox: String

  @Argument(help: "A user or a group, as the server names them.")
  var who: String

  @Argument(help: "Letters, as lrs.")
  var rights: String

  @Flag(help: "Give these and leave the others.")
  var add = false

  @Flag(help: "Take these away and leave the others.")
  var revoke = false

  @Flag(help: "A JSON object: mailbox, done, identifier.")
  var json = false

  func validate() throws {
    if add, revoke { throw ValidationError("Give --add or --revoke, not both.") }
  }

  func work(_ server: any MailServer) async throws {
    if !rights.utf8.allSatisfy({ (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }) {
      throw Failure(.usage, "\(rights) are no rights; write lower-case letters, as lrs")
    }
    let letters = AccessRights(rights)
    let change: AccessRightsChange = add ? .add(letters) : revoke ? .remove(letters) : .replace(letters)
    try await server.withClient(of: mailbox) { client in
      try await client.setAccess(MailboxName(mailbox), for: who, change)
      try Done.show(mailbox, "rights set", json, [("identifier", .string(who))])
    }
  }
}

struct ACLRemove: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove what the list says of somebody.")

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "The mailbox.")
  var mailbox: String

  @Argument(help: "A user or a group, as the server names them.")
  var who: String

  @Flag(help: "A JSON object: mailbox, done, identifier.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      try await client.removeAccess(MailboxName(mailbox), for: who)
      try Done.show(mailbox, "rights removed", json, [("identifier", .string(who))])
    }
  }
}

struct ACLMy: MailCommand {
  static let configuration = CommandConfiguration(commandName: "my", abstract: "Show what you may do.")

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "The mailbox.")
  var mailbox = "INBOX"

  @Flag(help: "A JSON object: mailbox, rights.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      let rights = try await client.myRights(MailboxName(mailbox))
      if json {
        try Console.line(JSON.object([("mailbox", .string(mailbox)), ("rights", .string(rights.rawValue))]))
      } else {
        try Console.line(rights.rawValue)
      }
    }
  }
}

struct ACLGrantable: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "grantable", abstract: "Show which rights somebody can be given.")

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "The mailbox.")
  var mailbox: String

  @Argument(help: "A user or a group, as the server names them.")
  var who: String

  @Flag(help: "A JSON object: mailbox, identifier, required, optional.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient(of: mailbox) { client in
      guard let rights = try await client.grantableRights(MailboxName(mailbox), for: who) else {
        throw Failure(.protocolError, "the server gave no rights of \(who)")
      }
      if json { return try Console.line(JSON.object(JSON.extensionData(.listRights(rights)).members)) }
      var table = Table([Table.Column("ALWAYS"), Table.Column("TOGETHER")])
      try table.add([rights.required.rawValue, rights.optional.map(\.rawValue).joined(separator: " ")])
      try table.flush()
    }
  }
}
