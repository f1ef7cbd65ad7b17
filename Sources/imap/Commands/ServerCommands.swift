import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct NamespaceCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "namespace", abstract: "Show where the user's own, other users' and shared mailboxes are.",
    discussion: """
      EXAMPLE
        imap namespace -a work
      """)

  @OptionGroup var connection: ConnectionOptions

  @Flag(help: "A JSON object: personal, otherUsers, shared, arrays of prefix and delimiter.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      let spaces = try await client.namespace()
      if json { return try Console.line(JSON.object(JSON.namespaces(spaces))) }
      var table = Table([Table.Column("WHOSE"), Table.Column("PREFIX"), Table.Column("DELIMITER")])
      for (whose, list) in [
        ("personal", spaces.personal), ("other users", spaces.otherUsers), ("shared", spaces.shared),
      ] {
        for space in list {
          try table.add([whose, "\"\(space.prefix)\"", space.delimiter.map { "\"\($0)\"" } ?? "none"])
        }
      }
      try table.flush()
    }
  }
}

struct IDCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "id", abstract: "Ask which server it is, and say which client this is.",
    discussion: """
      EXAMPLES
        imap id -a work
        imap id -a work --field name=imap --field version=1
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: ArgumentHelp("What to say of this client, as name=imap; may be repeated.", valueName: "name=value"))
  var field: [String] = []

  @Flag(help: "A JSON object: fields.")
  var json = false

  func work(_ server: any MailServer) async throws {
    let fields = try field.map { text throws(Failure) in
      guard let equals = text.firstIndex(of: "=") else {
        throw Failure(.usage, "\(text) is no field; write a name and a value, as name=imap")
      }
      return IDField(String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
    try await server.withClient { client in
      let answer = try await client.id(fields.isEmpty ? nil : fields)
      if json { return try Console.line(JSON.object([("fields", answer.map { JSON.id($0) } ?? .null)])) }
      var table = Table([Table.Column("FIELD"), Table.Column("VALUE")])
      for field in answer ?? [] { try table.add([field.name, field.value ?? "-"]) }
      try table.flush()
    }
  }
}

struct CapabilityCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "capability", abstract: "Show what the server can do.",
    discussion: """
      EXAMPLE
        imap capability -a work
      """)

  @OptionGroup var connection: ConnectionOptions

  @Flag(help: "A JSON object: capabilities.")
  var json = false

  func work(_ server: any MailServer) async throws {
    try await server.withClient { client in
      let list = try await client.capability()
      if json { return try Console.line(JSON.object([("capabilities", JSON.capabilities(list))])) }
      for capability in list { try Console.line(capability.rawValue) }
    }
  }
}
