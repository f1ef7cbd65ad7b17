import ArgumentParser
import IMAPLoop
import IMAPStateMachine

struct RawCommand: MailCommand {
  static let configuration = CommandConfiguration(
    commandName: "raw", abstract: "Send a command as it is, and print what the server answers.",
    discussion: """
      For what has no subcommand. The arguments are sent as they stand, with spaces between them. Commands that change the
      connection itself, as LOGIN, SELECT and IDLE, are refused; --mailbox opens a mailbox first: for reading, and for changing
      it where the command is one that does, as STORE, MOVE and EXPUNGE.

      A literal in an answer stands behind its length, with its line breaks and without other control characters; programs take
      --json.

      EXAMPLES
        imap raw -a work NOOP
        imap raw -a work 'STATUS INBOX (MESSAGES)'
        imap raw -a work --mailbox INBOX UID FETCH 1:10 '(FLAGS PREVIEW)'
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .shortAndLong, help: "Mailbox to open first.")
  var mailbox: String?

  @Flag(help: "With --mailbox: open it for changing it, whatever the command is.")
  var readWrite = false

  @Flag(help: "One JSON object a response, as of `imap decode`; the last one is the completion.")
  var json = false

  @Argument(help: "The command and its arguments.")
  var words: [String]

  func work(_ server: any MailServer) async throws {
    let command = try self.command()
    if mailbox == nil, server.openMailbox == nil,
      Self.inMailbox.contains(command.name) || command.name.hasPrefix("UID ")
    {
      throw Failure(.usage, "\(command.name) needs a mailbox; \(server.openingAdvice)")
    }
    if Self.changing.contains(command.name), mailbox != nil || server.openMailbox != nil {
      return try await server.withMailbox(mailbox, changing: true) { client, _ in
        try await send(command, client, server)
      }
    }
    try await server.withClient { client in
      if let mailbox {
        let name = MailboxName(mailbox)
        if readWrite { try await client.select(name) } else { try await client.examine(name) }
      }
      try await send(command, client, server)
    }
  }

  private func send(_ command: GenericCommand, _ client: IMAPClient, _ server: any MailServer) async throws {
    let (status, responses) = try await answer(command, client)
    for response in responses { try show(response) }
    if json {
      try Console.line(JSON.object(JSON.response(.tagged(tag: "", status))))
    } else {
      try Console.line(status.description)
    }
  }

  /// What the server says to `command`. Messages are news to the client unless it knows that they were asked for.
  private func answer(_ command: GenericCommand, _ client: IMAPClient) async throws -> (Status, [Response]) {
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

  /// All that is sent, but for the tag.
  private var text: String { words.joined(separator: " ") }

  /// The command's name is the first word of what is sent, or the first two, however that was parted into arguments.
  private func command() throws(Failure) -> GenericCommand {
    if text.utf8.contains(where: { $0 == 0x0d || $0 == 0x0a || $0 == 0 }) {
      throw Failure(.usage, "a command is one line; leave line breaks and NUL out")
    }
    var rest = text.drop { $0 == " " }
    func word() -> String {
      let word = rest.prefix { $0 != " " }
      rest = rest.dropFirst(word.count).drop { $0 == " " }
      return String(word)
    }
    var typed = word()
    if typed.isEmpty { throw Failure(.usage, "name a command, as in `imap raw NOOP`") }
    if JSON.upper(typed) == "UID", !rest.isEmpty { typed += " " + word() }
    let name = JSON.upper(typed)
    if !name.utf8.allSatisfy(Self.isInName) {
      throw Failure(.usage, "\(typed) is no name of a command; write that first, as in `imap raw NOOP`")
    }
    if Self.refused.contains(name) {
      throw Failure(
        .usage, "\(name) changes the connection itself and cannot be sent as it is; use --mailbox for SELECT")
    }
    return GenericCommand(name, rest.isEmpty ? [] : [.raw(String(rest))])
  }

  /// What stands in the names of commands, those of extensions included; and the space behind UID.
  private static func isInName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
      UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: " "):
      true
    default: false
    }
  }

  /// What the client has to know of.
  private static let refused: Set<String> = [
    "APPEND", "AUTHENTICATE", "CLOSE", "COMPRESS", "ENABLE", "EXAMINE", "IDLE", "LOGIN", "LOGOUT", "NOTIFY", "SELECT",
    "STARTTLS", "UNAUTHENTICATE", "UNSELECT",
  ]

  /// What is about the messages of a mailbox that is open, as all is that has UID in front.
  private static let inMailbox: Set<String> = [
    "CHECK", "CONVERT", "COPY", "EXPUNGE", "FETCH", "MOVE", "REPLACE", "SEARCH", "SORT", "STORE", "THREAD",
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
    try Console.bytes(Array((Self.text(line) + "\n").utf8))
  }

  /// `response` as people read it: the line breaks in its literals are line breaks, and other control characters do not get
  /// through.
  private static func text(_ response: [UInt8]) -> String {
    var lines = String(decoding: response, as: UTF8.self).split(omittingEmptySubsequences: false) { character in
      character == "\r\n" || character == "\n" || character == "\r"
    }
    // Its own end.
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { Console.printable(String($0)) }.joined(separator: "\n")
  }
}
