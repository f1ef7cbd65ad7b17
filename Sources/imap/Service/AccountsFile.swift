import IMAPStateMachine

/// The accounts that a service watches, as its file has them.
struct AccountsFile {
  /// One of them.
  struct Entry {
    var name: String
    /// What the file says of it, `[DEFAULT]` included: where this stays the account is not touched.
    var values: ConfigurationFile.Section
    var connector: Connector
    var mailbox: MailboxName
  }

  var path: String
  /// In the order of the file.
  var entries: [Entry]

  /// Reads and checks the file at `path`; `mailbox` is watched where it names none. Throws all that is wrong with it at once, by
  /// line.
  static func read(_ path: String, mailbox: String) throws(Failure) -> AccountsFile {
    let (file, complaints) = try ConfigurationFile.load(path)
    var checker = AccountChecker(file, complaints, mailbox: mailbox)
    for name in file.names { checker.check(name) }
    var wrong = ConfigurationFile.messages(checker.complaints, of: path)
    if file.names.isEmpty { wrong.append("\(path) has no account; write a section such as [work] for each") }
    if !wrong.isEmpty { throw Failure(.configuration, wrong) }
    if let warning = file.warning() { Console.error("imap: \(warning)") }
    return AccountsFile(path: path, entries: checker.entries)
  }

  /// How many descriptors the accounts need when all of them are connected.
  var descriptors: Int {
    // A command has a pipe for each direction.
    entries.reduce(0) { sum, entry in
      if case .stream = entry.connector.account.place { sum + 2 } else { sum + 1 }
    }
  }
}
