import ArgumentParser
import IMAPLoop
import IMAPStateMachine

/// Where a command finds the server: over a connection of its own, or over that of a shell.
protocol MailServer: Sendable {
  /// Runs `body` on a connection that is logged in. Errors become a ``Failure``.
  func withClient(_ body: (IMAPClient) async throws -> Void) async throws

  /// As ``withClient(_:)``, with a mailbox open for reading, or for changing it. Nil is the one that is meant where none is
  /// named.
  func withMailbox(
    _ mailbox: String?, changing: Bool, _ body: (IMAPClient, SelectedMailbox) async throws -> Void
  ) async throws

  /// What `-` stands for in the place of UIDs; see ``withMessages(_:of:changing:_:)``.
  func listedUIDs() throws(Failure) -> NamedMessages

  /// A search has found `uids`.
  func found(_ uids: [UID], in mailbox: SelectedMailbox)

  /// Runs `work`. Where Ctrl-C ends it the failure says what became of it.
  func ending(_ client: IMAPClient, _ consequence: String, _ work: () async throws -> Void) async throws

  /// The mailbox that is open before a command opens one.
  var openMailbox: MailboxName? { get }

  /// How a mailbox is opened for a command that needs one.
  var openingAdvice: String { get }

  /// Whether standard input is read by somebody else, so that no command may.
  var ownsInput: Bool { get }
}

extension MailServer {
  func withMailbox(
    _ mailbox: String?, _ body: (IMAPClient, SelectedMailbox) async throws -> Void
  ) async throws {
    try await withMailbox(mailbox, changing: false, body)
  }

  /// As ``withMailbox(_:changing:_:)``, with the messages that `text` names. Throws where `-` stands for those of another one.
  func withMessages(
    _ text: String, of mailbox: String?, changing: Bool = false,
    _ body: (IMAPClient, SelectedMailbox, NamedMessages) async throws -> Void
  ) async throws {
    // What is listed is read before anybody connects.
    let named = text == "-" ? try listedUIDs() : NamedMessages(try MessageArguments.set(text).ranges)
    try await withMailbox(mailbox, changing: changing) { client, selected in
      try named.failIfElsewhere(selected)
      try await body(client, selected, named)
    }
  }

  /// Opens `mailbox`. Throws where it shall be changed and cannot be.
  func open(_ mailbox: MailboxName, changing: Bool, _ client: IMAPClient) async throws -> SelectedMailbox {
    let selected = changing ? try await client.select(mailbox) : try await client.examine(mailbox)
    if changing, selected.isReadOnly {
      throw Failure(.refused, "\(mailbox) can only be read; `imap acl my \(mailbox)` shows what you may do with it")
    }
    return selected
  }
}

/// A subcommand that talks to a server: on its own when it is the program, and as a line of `imap shell`.
protocol MailCommand: AsyncParsableCommand {
  /// Which server that is.
  var connection: ConnectionOptions { get }
  /// Whether it prints JSON.
  var json: Bool { get set }
  /// Does what the command says.
  func work(_ server: any MailServer) async throws
}

extension MailCommand {
  func run() async throws { try await reporting { try await work(connection) } }
}
