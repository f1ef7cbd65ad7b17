import ArgumentParser
import IMAPLoop
import IMAPStateMachine

/// Where a command finds the server: over a connection of its own, or over that of a shell.
protocol MailServer: Sendable {
  /// Runs `body` on a connection that is logged in, to the server that errors call `host`. Errors become a ``Failure``.
  func withServer(_ body: (_ client: IMAPClient, _ host: String) async throws -> Void) async throws

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
  /// As ``withServer(_:)``.
  func withClient(_ body: (IMAPClient) async throws -> Void) async throws {
    try await withServer { client, _ in try await body(client) }
  }

  /// As ``withServer(_:)``, for what is done to `mailbox`, which errors name.
  func withClient(of mailbox: String, _ body: (IMAPClient) async throws -> Void) async throws {
    try await withClient { client in try await MailboxError.naming(MailboxName(mailbox)) { try await body(client) } }
  }

  /// As ``withServer(_:)``, for what is put into `mailbox`, which errors name where it is not there.
  func withClient(into mailbox: String, _ body: (IMAPClient) async throws -> Void) async throws {
    try await withClient { client in
      try await MailboxError.namingTarget(MailboxName(mailbox)) { try await body(client) }
    }
  }

  /// Does `work` to each of `mailboxes`. Where that fails for one of them, a line on standard error says which, and the others are
  /// done all the same; the status is that of the first. What ends the connection ends this. `finish` comes last in any case.
  func forEach(
    _ mailboxes: [String], finish: () throws -> Void = {}, _ work: (IMAPClient, MailboxName) async throws -> Void
  ) async throws {
    try await withServer { client, host in
      var first: ExitStatus?
      for name in mailboxes.map({ MailboxName($0) }) {
        let failure: Failure
        do {
          try await MailboxError.naming(name) { try await work(client, name) }
          continue
        } catch let error as Failure {
          failure = error
        } catch var error as MailboxError {
          guard error.leavesConnection else {
            error.first = first
            try finish()
            throw error
          }
          failure = Failure(error.error, host: host, mailbox: name)
        }
        Console.error("imap: \(failure.message)")
        first = first ?? failure.status
      }
      try finish()
      // All has been said.
      if let first { throw Failure(first, "") }
    }
  }

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

/// What went wrong with a mailbox: a server's answer mostly does not name it.
struct MailboxError: Error {
  var mailbox: MailboxName
  var error: IMAPError
  /// How it went wrong with an earlier one, which is the status.
  var first: ExitStatus?

  /// Whether others can be tried.
  var leavesConnection: Bool {
    switch error {
    case .refused, .rejected, .noSuchMailbox, .invalidArgument, .readOnly: true
    default: false
    }
  }

  /// Runs `work`. Its errors name `mailbox`, those for which `isMeant` says so.
  static func naming<Result>(
    _ mailbox: MailboxName, where isMeant: (IMAPError) -> Bool = { _ in true }, _ work: () async throws -> Result
  ) async throws -> Result {
    do { return try await work() } catch let error as IMAPError where isMeant(error) {
      throw MailboxError(mailbox: mailbox, error: error)
    }
  }

  /// As ``naming(_:where:_:)``, for a command that has a target besides: what is said to be missing is that.
  static func namingTarget<Result>(_ target: MailboxName, _ work: () async throws -> Result) async throws -> Result {
    try await naming(target, where: { $0.reason == .noSuchMailbox }, work)
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
