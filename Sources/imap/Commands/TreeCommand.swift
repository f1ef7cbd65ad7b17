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

/// Mailboxes by their place in the hierarchy.
struct MailboxTree {
  struct Node {
    /// The last part of the name.
    var name: String
    /// Nil where the server lists only what is below it.
    var listing: MailboxListing?
    fileprivate var children: [Int] = []
  }

  /// The first has no name: it holds the top level.
  private var nodes = [Node(name: "")]

  init(_ listings: [MailboxListing]) {
    var index: [Key: Int] = [:]
    for listing in listings {
      let name = listing.name.description
      let parts = listing.delimiter.map { name.split(separator: $0, maxSplits: Self.mostLevels) } ?? [name[...]]
      var parent = 0
      for part in parts.isEmpty ? [name[...]] : parts {
        let key = Key(parent: parent, name: String(part))
        if let known = index[key] {
          parent = known
        } else {
          nodes.append(Node(name: String(part)))
          nodes[parent].children.append(nodes.count - 1)
          parent = nodes.count - 1
          index[key] = parent
        }
      }
      nodes[parent].listing = listing
    }
  }

  /// Calls `body` with each node, its depth and the lines of the tree before its name, parents first.
  func walk<E: Error>(_ body: (Node, _ depth: Int, _ prefix: String) throws(E) -> Void) throws(E) {
    var open = nodes[0].children.reversed().map { (node: $0, depth: 0, prefix: "", lead: "") }
    while let (node, depth, prefix, lead) = open.popLast() {
      try body(nodes[node], depth, prefix)
      let children = nodes[node].children
      for (place, child) in children.enumerated().reversed() {
        let isLast = place == children.count - 1
        open.append((child, depth + 1, lead + (isLast ? "└── " : "├── "), lead + (isLast ? "    " : "│   ")))
      }
    }
  }

  private struct Key: Hashable {
    var parent: Int
    var name: String
  }

  /// A name of a hostile server may be nothing but delimiters.
  private static let mostLevels = 100
}
