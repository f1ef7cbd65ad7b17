import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct StoreCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "store", abstract: "Change the flags or labels of messages.",
    discussion: """
      seen, answered, flagged, deleted and draft are the flags of RFC 9051, with or without their backslash; any other name
      is a keyword. Several are parted by commas, or by repeating the option.

      EXAMPLES
        imap store -a work 1:10 --add seen,todo
        imap store -a work 42 --set flagged
        imap search -a work from:bob | imap store -a work - --remove seen
        imap store -a gmail 42 --add-label Travel
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox of the messages. (default: INBOX)")
  var mailbox: String?

  @Argument(help: "UIDs, like 1:10,42 or 1:*; - reads them from standard input.")
  var uids: String

  @Option(help: ArgumentHelp("Flags that the messages get.", valueName: "flags"))
  var add: [String] = []

  @Option(help: ArgumentHelp("Flags that they lose.", valueName: "flags"))
  var remove: [String] = []

  @Option(help: ArgumentHelp("Flags that they have then, and no others; an empty name is none.", valueName: "flags"))
  var set: [String] = []

  @Option(help: ArgumentHelp("Labels that the messages get (Gmail).", valueName: "labels"))
  var addLabel: [String] = []

  @Option(help: ArgumentHelp("Labels that they lose (Gmail).", valueName: "labels"))
  var removeLabel: [String] = []

  @Flag(help: "One JSON object a line: sequence, items; what the messages have then.")
  var json = false

  func validate() throws {
    if add.isEmpty, remove.isEmpty, set.isEmpty, addLabel.isEmpty, removeLabel.isEmpty {
      throw ValidationError("Say what to change: --add, --remove, --set, --add-label or --remove-label.")
    }
    if !set.isEmpty, !add.isEmpty || !remove.isEmpty {
      throw ValidationError("--set says all flags; give it without --add and --remove.")
    }
  }

  func work(_ server: any MailServer) async throws {
    var operations: [StoreOperation] = []
    for (action, names) in [(StoreOperation.Action.replace, set), (.add, add), (.remove, remove)] where !names.isEmpty {
      operations.append(StoreOperation(action, try FlagNames.flags(names), silent: true))
    }
    try await server.withMessages(uids, of: mailbox, changing: true) { client, selected, named in
      let found = try await named.find(client)
      if found.isEmpty { return try named.failIfMissing([], in: selected) }
      let messages = MessageReference.uids(named.set(of: found))
      for operation in operations { try await client.store(messages, operation) }
      let labels: [(StoreOperation.Action, [String])] = [(.add, addLabel), (.remove, removeLabel)]
      for (action, names) in labels where !names.isEmpty {
        let list = names.flatMap { $0.split(separator: ",") }.map { GmailLabel(String($0)) }
        try await client.store(messages, LabelOperation(action, list, silent: true))
      }
      try named.failIfMissing(try await show(messages, client), in: selected)
    }
  }

  /// What they have now: servers need not say so of flags that did not change. Returns those that are still there.
  private func show(_ messages: MessageReference, _ client: IMAPClient) async throws -> [UID] {
    let hasLabels = !addLabel.isEmpty || !removeLabel.isEmpty
    let responses = try await client.fetch(messages, [.uid, .flags] + (hasLabels ? [.gmailLabels] : []))
    var table = Table([Table.Column("UID", right: true), Table.Column("FLAGS")])
    for response in responses {
      if json {
        try Console.line(
          JSON.object([
            ("sequence", .unsigned(UInt64(response.sequence.rawValue))),
            ("items", JSON.fetchItems(response.attributes)),
          ]))
        continue
      }
      var row = ["-", ""]
      for attribute in response.attributes {
        switch attribute {
        case .uid(let uid): row[0] = uid.description
        case .flags(let flags): row[1] = flags.map(\.rawValue).joined(separator: " ")
        case .gmailLabels(let labels): row[1] += " " + labels.map(\.description).joined(separator: " ")
        default: break
        }
      }
      try table.add(row)
    }
    try table.flush()
    return responses.compactMap(\.uid)
  }
}
