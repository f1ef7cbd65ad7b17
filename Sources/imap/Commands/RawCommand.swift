import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct RawCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "raw", abstract: "Send a command as it is, and print what the server answers.",
    discussion: """
      For what has no subcommand. The arguments are sent as they stand, with spaces between them. Commands that change the
      connection itself, as LOGIN, SELECT and IDLE, are refused; --mailbox opens a mailbox first.

      EXAMPLES
        imap raw -a work NOOP
        imap raw -a work --mailbox INBOX UID FETCH 1:10 '(FLAGS PREVIEW)'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to open first.")
  var mailbox: String?

  @Flag(help: "With --mailbox: open it for changing it.")
  var readWrite = false

  @Flag(help: "One JSON object a response, as of `imap decode`; the last one is the completion.")
  var json = false

  @Argument(help: "The command and its arguments.")
  var words: [String]

  func work(_ server: any MailServer) async throws {
    let command = try self.command()
    try await server.withClient { client in
      if let mailbox {
        let name = MailboxName(mailbox)
        if readWrite { try await client.select(name) } else { try await client.examine(name) }
      }
      let (status, responses): (Status, [Response])
      do {
        (status, responses) = try await answer(command, client)
      } catch let error as IMAPError {
        guard error.status != nil, Self.changing.contains(command.name), let name = await client.selected?.name,
          await client.selected?.isReadOnly == true
        else { throw error }
        throw Failure(
          .refused,
          "\(error); \(name) is open for reading only: --mailbox \(name) --read-write opens it for changing it")
      }
      for response in responses { try show(response) }
      if json {
        try Console.line(JSON.object(JSON.response(.tagged(tag: "", status))))
      } else {
        try Console.line(status.description)
      }
    }
  }

  /// What the server says to `command`. Messages are news to the client unless it knows that they were asked for.
  private func answer(_ command: GenericCommand, _ client: IMAPClient) async throws -> (Status, [Response]) {
    let text = ([command.name] + words.dropFirst(command.name.hasPrefix("UID ") ? 2 : 1)).joined(separator: " ")
    switch try? CommandParser().parse(Array("A \(text)\r\n".utf8).span).command {
    case .fetch(let messages, let items, let modifiers)?:
      var responses: [Response] = []
      for try await message in client.messages(messages, items, modifiers) { responses.append(.fetch(message)) }
      return (Status(.ok, "\(command.name) completed"), responses)
    case .store(let messages, let operation, nil)?:
      let responses = try await client.store(messages, operation)
      return (Status(.ok, "\(command.name) completed"), responses.map { .fetch($0) })
    default: return try await client.run(command)
    }
  }

  private func command() throws(Failure) -> GenericCommand {
    var words = words[...]
    var name = JSON.upper(words.removeFirst())
    if name == "UID", let second = words.popFirst() { name += " " + JSON.upper(second) }
    if Self.refused.contains(name) {
      throw Failure(
        .usage, "\(name) changes the connection itself and cannot be sent as it is; use --mailbox for SELECT")
    }
    let text = words.joined(separator: " ")
    if text.utf8.contains(where: { $0 == 0x0d || $0 == 0x0a || $0 == 0 }) {
      throw Failure(.usage, "a command is one line; leave line breaks and NUL out")
    }
    return GenericCommand(name, text.isEmpty ? [] : [.raw(text)])
  }

  /// What the client has to know of.
  private static let refused: Set<String> = [
    "APPEND", "AUTHENTICATE", "CLOSE", "COMPRESS", "ENABLE", "EXAMINE", "IDLE", "LOGIN", "LOGOUT", "NOTIFY", "SELECT",
    "STARTTLS", "UNAUTHENTICATE", "UNSELECT",
  ]

  /// What needs a mailbox that is open for changing it.
  private static let changing: Set<String> = [
    "EXPUNGE", "MOVE", "REPLACE", "STORE", "UID EXPUNGE", "UID MOVE", "UID REPLACE", "UID STORE",
  ]

  private func show(_ response: Response) throws {
    if json { return try Console.line(JSON.object(JSON.response(response))) }
    let line: [UInt8]
    do throws(ConnectionError) { line = try ResponseEncoder().encode(response) } catch {
      return try Console.line(JSON.object(JSON.response(response)))
    }
    try Console.line(MessageLine.printable(Array(line.prefix { $0 != 0x0d && $0 != 0x0a })))
  }
}
