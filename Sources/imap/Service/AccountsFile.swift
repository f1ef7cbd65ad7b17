import IMAPLoop
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
  var descriptors: Int { entries.reduce(0) { $0 + $1.descriptors } }

  /// A line for each server, or proxy, to which more connections go than source addresses have room for.
  var crowds: [String] {
    struct Target: Hashable {
      var host: String
      var port: UInt16
    }
    var crowds: [Target: (accounts: Int, sources: Set<SocketAddress>)] = [:]
    for account in entries.map(\.connector.account) where account.place.isHost {
      let target =
        account.proxy.map { Target(host: $0.host, port: $0.port) }
        ?? Target(host: account.host, port: account.port ?? (account.security == .implicitTLS ? 993 : 143))
      crowds[target, default: (0, [])].accounts += 1
      crowds[target]?.sources.formUnion(account.localAddresses)
    }
    let room = SocketOptions.connectionsPerSource
    return crowds.sorted { $0.key.host < $1.key.host }.compactMap { target, crowd in
      let sources = max(1, crowd.sources.count)
      let needed = (crowd.accounts + room - 1) / room
      if needed <= sources { return nil }
      let addresses = sources == 1 ? "1 address" : "\(sources) addresses"
      return "\(crowd.accounts) connections to \(target.host) come from \(addresses) of this machine: unless the "
        + "host has several itself, those behind \(sources * room) are slow to open, and may fail; give \(needed) by local_address"
    }
  }
}

extension AccountsFile.Entry {
  /// How many descriptors it needs when it is connected.
  var descriptors: Int {
    // A command has a pipe for each direction.
    if case .stream = connector.account.place { 2 } else { 1 }
  }
}
