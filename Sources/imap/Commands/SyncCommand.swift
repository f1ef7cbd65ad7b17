import ArgumentParser
import Foundation
import IMAPLoop
import IMAPStateMachine

struct SyncCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Keep a copy of mailboxes in Maildir folders.",
    discussion: """
      Goes one way: nothing on the server changes. INBOX is the folder itself, the others are below it as Maildir++ has
      them. What is there is not fetched again, so it can be ended at any time and goes on where it was; flags follow the
      server. Messages that the server no longer has stay, unless --remove is given.

      EXAMPLES
        imap sync -a work ~/Mail
        imap sync -a work --remove ~/Mail INBOX 'Archive*'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Folder of the copy.", completion: .directory)
  var folder: String

  @Argument(help: "Patterns of mailboxes. (default: all)")
  var patterns: [String] = []

  @Flag(help: "Remove messages that the server no longer has.")
  var remove = false

  @Flag(help: "One JSON object a line: mailbox, folder, uidValidity, fetched, changed, removed, there.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      try await server.ending(client, "run it again to go on") {
        var table = Table(
          [Table.Column("MAILBOX")]
            + ["FETCHED", "CHANGED", "REMOVED", "THERE"].map { Table.Column($0, right: true) })
        for listing in try await mailboxes(client) { try await sync(listing, client, &table) }
        try table.flush()
      }
    }
  }

  private func mailboxes(_ client: IMAPClient) async throws -> [MailboxListing] {
    var found: [MailboxListing] = []
    for pattern in patterns.isEmpty ? ["*"] : patterns {
      let listings = try await client.list(pattern: MailboxName(pattern))
      if listings.isEmpty { throw Failure(.missing, "no such mailbox: \(pattern); `imap list` shows those there are") }
      for listing in listings where !found.contains(where: { $0.name == listing.name }) {
        if !listing.attributes.contains("\\Noselect"), !listing.attributes.contains("\\NonExistent") {
          found.append(listing)
        }
      }
    }
    return found
  }

  private func sync(_ listing: MailboxListing, _ client: IMAPClient, _ table: inout Table) async throws {
    let maildir = try Maildir(folder, mailbox: listing.name, delimiter: listing.delimiter)
    let selected = try await client.examine(listing.name)
    guard let validity = selected.uidValidity, selected.keepsUIDs else {
      throw Failure(.refused, "\(listing.name) gives its messages new UIDs each time; it cannot be kept in step")
    }
    var remote: [UInt32: (flags: String, size: UInt64)] = [:]
    for try await message in client.messages(.uids(.all), [.uid, .flags, .rfc822Size]) {
      guard let uid = message.uid?.rawValue, uid > 0 else { continue }
      // News of flags may come behind what was asked for.
      var (flags, size) = remote[uid] ?? ("", 0)
      for attribute in message.attributes {
        switch attribute {
        case .flags(let list): flags = Maildir.letters(list)
        case .rfc822Size(let value): size = value
        default: break
        }
      }
      remote[uid] = (flags, size)
    }
    var (changed, removed, there) = (0, 0, 0)
    for entry in try maildir.entries() {
      if entry.uidValidity == validity, let known = remote.removeValue(forKey: entry.uid) {
        there += 1
        if known.flags == entry.flags { continue }
        var new = entry
        new.flags = known.flags
        try maildir.rename(entry, to: new)
        changed += 1
      } else if remove {
        try maildir.remove(entry)
        removed += 1
      } else {
        there += 1
      }
    }
    let writer = MaildirWriter(maildir, uidValidity: validity)
    let total = remote.values.reduce(0) { $0 &+ $1.size }
    try await TransferProgress("\(listing.name)", total: total) { writer.bytes }.during {
      let missing = remote.keys.sorted()
      // In portions, so that a line is not too long for the server.
      for start in stride(from: 0, to: missing.count, by: Self.portion) {
        let uids = missing[start..<min(start + Self.portion, missing.count)].map { UID(rawValue: $0) }
        try await writer.fetch(UIDSet(uids), from: client)
      }
    }
    let counts = [writer.messages, changed, removed, there + writer.messages]
    if json {
      let numbers = zip(["fetched", "changed", "removed", "there"], counts).map {
        (key: $0, value: JSON.number(Int64($1)))
      }
      try Console.line(
        JSON.object(
          [
            ("mailbox", JSON.mailbox(listing.name)), ("folder", .string(maildir.path)),
            ("uidValidity", .unsigned(validity)),
          ] + numbers))
    } else {
      try table.add([listing.name.description] + counts.map { String($0) })
    }
  }

  private static let portion = 500
}
