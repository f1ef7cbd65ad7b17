import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct TreeCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "tree", abstract: "Show mailboxes as a tree.",
    discussion: """
      EXAMPLES
        imap tree -a work
        imap tree -a work --status 'Archive*'
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var selection: ListOptions

  @Argument(help: "Pattern: * stands for anything, % for anything within one level.")
  var pattern = "*"

  @Flag(help: "Show how many messages each has, and how many of them are unseen.")
  var status = false

  @Flag(
    help: "One JSON object a line, parents first: name, depth, exists, attributes, mailbox; with --status also status.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      let answer = try await selection.list(pattern, client, status: status)
      let tree = MailboxTree(answer.listings)
      try tree.walk { node, depth, prefix throws(OutputError) in
        let status = answer.statuses.first { $0.mailbox == node.listing?.name }
        if json {
          var members: [JSON.Member] = [
            ("name", .string(node.name)), ("depth", .unsigned(UInt64(depth))), ("exists", .bool(node.listing != nil)),
            ("attributes", JSON.flags(node.listing?.attributes ?? [])),
            ("mailbox", node.listing.map { JSON.mailbox($0.name) } ?? .null),
          ]
          if self.status { members.append(("status", status.map { .object(JSON.mailboxStatus($0)) } ?? .null)) }
          try Console.line(JSON.object(members))
        } else {
          var line = prefix + node.name
          if let messages = status?.messages { line += "  \(messages)" }
          if let unseen = status?.unseen, unseen > 0 { line += " (\(unseen) unseen)" }
          try Console.line(line)
        }
      }
    }
  }
}
