import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct ListCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List mailboxes.",
    discussion: """
      EXAMPLES
        imap list -a work 'Archive/%'
        imap list -a work --subscribed --status
      """)

  @OptionGroup var connection: ConnectionOptions

  @OptionGroup var selection: ListOptions

  @Argument(help: "Pattern: * stands for anything, % for anything within one level.")
  var pattern = "*"

  @Flag(help: "Show how many messages each has, and how many of them are unseen.")
  var status = false

  @Flag(help: "One JSON object a line: attributes, delimiter, mailbox, mailboxRaw; with --status also status.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      let answer = try await selection.list(pattern, client, status: status)
      if answer.listings.isEmpty, !pattern.contains(where: { $0 == "*" || $0 == "%" }) {
        throw Failure(.missing, "no such mailbox: \(pattern); `imap list` shows those there are")
      }
      var columns = [Table.Column("MAILBOX"), Table.Column("ATTRIBUTES")]
      if status { columns += [Table.Column("MESSAGES", right: true), Table.Column("UNSEEN", right: true)] }
      var table = Table(columns)
      for listing in answer.listings {
        let status = answer.statuses.first { $0.mailbox == listing.name }
        if json {
          var members = JSON.listing(listing)
          if self.status { members.append(("status", status.map { .object(JSON.mailboxStatus($0)) } ?? .null)) }
          try Console.line(JSON.object(members))
        } else {
          let attributes = listing.attributes.map(\.rawValue).joined(separator: " ")
          let counts = [status?.messages, status?.unseen].map { $0.map { String($0) } ?? "-" }
          try table.add([listing.name.description, attributes] + (self.status ? counts : []))
        }
      }
      try table.flush()
    }
  }
}

/// Which mailboxes are listed.
struct ListOptions: ParsableArguments {
  @Option(help: "What the pattern is relative to.")
  var reference = ""

  @Flag(help: "Only mailboxes that are subscribed.")
  var subscribed = false

  @Flag(help: "Only mailboxes with a special use, as the one for drafts.")
  var specialUse = false

  /// The mailboxes, with their status where that is wanted. What a server cannot do at once is done one by one.
  func list(_ pattern: String, _ client: IMAPClient, status: Bool) async throws -> ListAnswer {
    let items: [StatusItem] = [.messages, .unseen]
    let isRev2 = try await client.supports(.imap4rev2)
    let isExtended = isRev2 ? true : try await client.supports("LIST-EXTENDED")
    let knowsUses = isRev2 ? true : try await client.supports(.specialUse)
    let givesStatus = isRev2 ? true : try await client.supports("LIST-STATUS")
    var request = ListRequest(reference: MailboxName(reference), patterns: [MailboxName(pattern)])
    if isExtended {
      if subscribed { request.selection.append(.subscribed) }
      if knowsUses {
        if specialUse { request.selection.append(.specialUse) }
        request.returning = [.children, .specialUse]
      }
      if status, givesStatus { request.returning.append(.status(items)) }
      request.isExtended = !request.selection.isEmpty || !request.returning.isEmpty
    }
    var answer: ListAnswer
    if subscribed, !isExtended {
      answer = ListAnswer()
      answer.listings = try await client.listSubscribed(
        reference: MailboxName(reference), pattern: MailboxName(pattern))
    } else {
      answer = try await client.list(request)
    }
    if specialUse {
      answer.listings.removeAll { listing in !listing.attributes.contains { Self.uses.contains($0) } }
    }
    if status {
      let known = Set(answer.statuses.map(\.mailbox))
      for listing in answer.listings where !known.contains(listing.name) && Self.canSelect(listing) {
        let found = try await MailboxError.naming(listing.name) { try await Self.status(listing.name, items, client) }
        if let found { answer.statuses.append(found) }
      }
    }
    return answer
  }

  /// Nil of one that went away in between, or that may not be looked at.
  private static func status(
    _ mailbox: MailboxName, _ items: [StatusItem], _ client: IMAPClient
  ) async throws -> MailboxStatus? {
    do throws(IMAPError) { return try await client.status(mailbox, items) } catch {
      if isRefusal(error) { return nil }
      throw error
    }
  }

  /// Whether it is the server's NO.
  private static func isRefusal(_ error: IMAPError) -> Bool { if case .refused = error { true } else { false } }

  private static func canSelect(_ listing: MailboxListing) -> Bool {
    !listing.attributes.contains("\\Noselect") && !listing.attributes.contains("\\NonExistent")
  }

  /// RFC 6154, section 2, RFC 8457, and Gmail's.
  private static let uses: Set<MessageFlag> = [
    "\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important", "\\Inbox", "\\Spam",
    "\\Starred", "\\AllMail",
  ]
}
