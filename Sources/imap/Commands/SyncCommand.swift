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
      server. Messages that the server no longer has stay, unless --remove is given. A mailbox that cannot be copied is named;
      the others are copied all the same, and the status is that of the first that failed.

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

  func validate() throws {
    if folder.isEmpty { throw ValidationError("The copy needs the name of a folder.") }
  }

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      try await server.ending(client, "run it again to go on") {
        var table = Table(
          [Table.Column("MAILBOX")]
            + ["FETCHED", "CHANGED", "REMOVED", "THERE"].map { Table.Column($0, right: true) })
        let listings = try await mailboxes(client)
        try Maildir.makeRoot(folder)
        var first: ExitStatus?
        for listing in listings {
          do { try await sync(listing, client, &table) } catch {
            let failure: Failure
            do { failure = try await Self.failure(error, client) } catch {
              try? table.flush()
              throw error
            }
            Console.error("imap: \(listing.name): \(failure.message)")
            first = first ?? failure.status
          }
        }
        try table.flush()
        // Each has been told of.
        if let first { throw Failure(first, "") }
      }
    }
  }

  /// Why one mailbox is not copied. Throws `error` where the others could not be either.
  private static func failure(_ error: any Error, _ client: IMAPClient) async throws -> Failure {
    if let error = error as? DiskFailure { throw error.failure }
    if Task.isCancelled { throw error }
    switch await client.phase {
    case .authenticated, .selected: break
    default: throw error
    }
    if let failure = error as? Failure { return failure }
    switch error as? IMAPError {
    case nil, .connection?, .outcomeUnknown?, .cancelled?: throw error
    case let error?: return Failure(error, host: "the server")
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
    let selected = try await client.examine(listing.name)
    guard let validity = selected.uidValidity, selected.keepsUIDs else {
      throw Failure(.refused, "its messages get new UIDs each time; it cannot be kept in step")
    }
    let maildir = try Maildir(folder, mailbox: listing.name, delimiter: listing.delimiter)
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
    var (changed, there) = (0, 0)
    var gone: [Maildir.Entry] = []
    for entry in try maildir.entries() {
      if entry.uidValidity == validity, let known = remote.removeValue(forKey: entry.uid) {
        there += 1
        if known.flags == entry.flags { continue }
        var new = entry
        new.flags = known.flags
        try maildir.rename(entry, to: new)
        changed += 1
      } else if remove {
        gone.append(entry)
      } else {
        there += 1
      }
    }
    let writer = MaildirWriter(maildir, uidValidity: validity)
    let total = remote.values.reduce(0) { $0 &+ $1.size }
    let new = remote.keys.sorted().map { UID(rawValue: $0) }
    try await TransferProgress("\(listing.name)", total: total) { writer.bytes }.during {
      for uids in Self.portions(new) { try await writer.fetch(UIDSet(uids), from: client) }
    }
    let fetched = writer.uids.intersection(new)
    let unsent = try await Self.there(new.filter { !fetched.contains($0) }, client)
    // Only once all that takes its place is there.
    let removed = unsent.isEmpty ? try await Self.withoutThose(gone, validity, client) : []
    for entry in removed { try maildir.remove(entry) }
    there += gone.count - removed.count + fetched.count
    try show(listing, maildir, validity, [fetched.count, changed, removed.count, there], &table)
    if unsent.isEmpty { return }
    throw Failure(
      .missing,
      "the server has messages that it does not send: UID \(NamedMessages(unsent).shown); the others are done, and the next run "
        + "asks for these again")
  }

  /// `gone` without what the server still has: what it leaves out of a list it may have all the same.
  private static func withoutThose(
    _ gone: [Maildir.Entry], _ validity: UInt64, _ client: IMAPClient
  ) async throws -> [Maildir.Entry] {
    let doubted = gone.filter { $0.uidValidity == validity && $0.uid > 0 }.map { UID(rawValue: $0.uid) }
    let kept = Set(try await there(doubted, client))
    return gone.filter { $0.uidValidity != validity || !kept.contains(UID(rawValue: $0.uid)) }
  }

  /// Those of `uids` that the server still has.
  private static func there(_ uids: [UID], _ client: IMAPClient) async throws -> [UID] {
    var found: Set<UID> = []
    for uids in portions(uids) {
      found.formUnion(try await client.fetch(.uids(UIDSet(uids)), [.uid]).compactMap(\.uid))
    }
    return uids.filter { found.contains($0) }
  }

  /// So many at once that a line is not too long for the server.
  private static func portions(_ uids: [UID]) -> [ArraySlice<UID>] {
    stride(from: 0, to: uids.count, by: 500).map { uids[$0..<min($0 + 500, uids.count)] }
  }

  private func show(
    _ listing: MailboxListing, _ maildir: Maildir, _ validity: UInt64, _ counts: [Int], _ table: inout Table
  ) throws(OutputError) {
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
}
