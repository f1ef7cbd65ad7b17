import Foundation
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
    var checker = Checker(file: file, mailbox: mailbox, complaints: complaints.all)
    // What a wrong line leaves out would only be complained of again.
    for name in file.names where !complaints.concernsDefaults && !complaints.sections.contains(name) {
      checker.check(name)
    }
    if file.names.isEmpty, checker.complaints.isEmpty {
      throw Failure(.configuration, "\(path) has no account; write a section such as [work] for each")
    }
    if !checker.complaints.isEmpty {
      let lines = checker.complaints.sorted { $0.line < $1.line }
      throw Failure(.configuration, lines.map { "\(path):\($0.line): \($0.text)" })
    }
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

/// Makes accounts of the sections of a file.
private struct Checker {
  let file: ConfigurationFile
  let mailbox: String
  var complaints: [ConfigurationFile.Complaint]
  var entries: [AccountsFile.Entry] = []
  /// Accounts that say the same of TLS share what is made of it: roots take megabytes.
  private var contexts: [ConfigurationFile.Section: TLSContext?] = [:]

  init(file: ConfigurationFile, mailbox: String, complaints: [ConfigurationFile.Complaint]) {
    self.file = file
    self.mailbox = mailbox
    self.complaints = complaints
  }

  mutating func check(_ name: String) {
    guard let section = file.accounts[name] else { return }
    let line = file.lines[name] ?? 1
    func complain(_ text: String, _ complaints: inout [ConfigurationFile.Complaint]) {
      complaints.append(.init(line: line, text: "[\(name)] \(text)"))
    }
    let account: Account
    do throws(Failure) {
      account = try Account(
        [Account.Layer(values: section), Account.Layer(values: file.defaults)], file: 2, hint: "the file")
    } catch {
      return complain(Self.message(error), &complaints)
    }
    if account.place.isHost, !account.credentials.isRepeatable {
      complain("has no password; write password_command or oauth2_command", &complaints)
    }
    var isReadable = true
    for (path, option) in account.files where !FileManager.default.isReadableFile(atPath: path) {
      complain("names a file that cannot be read: \(path) (\(option))", &complaints)
      isReadable = false
    }
    let values = file.defaults.merging(section) { $1 }
    guard isReadable else { return }
    do throws(ConnectionError) {
      let connector = Connector(account, tls: try context(account, values))
      entries.append(
        .init(
          name: name, values: values, connector: connector, mailbox: MailboxName(values[.mailbox] ?? mailbox)))
    } catch {
      complain(Failure(.connection(error), host: account.host).message, &complaints)
    }
  }

  private mutating func context(
    _ account: Account, _ values: ConfigurationFile.Section
  ) throws(ConnectionError) -> TLSContext? {
    if account.security == .plain { return nil }
    let key = values.filter { $0.key.isTLS }
    if let known = contexts[key] { return known }
    let made = try TLSContext.client(account.tls)
    contexts[key] = made
    return made
  }

  /// Without the options of a command line that there is not.
  private static func message(_ failure: Failure) -> String {
    switch failure.status {
    case .usage where failure.message.hasPrefix("no server"): "names no server; write host"
    case .usage where failure.message.hasPrefix("no user"): "names no user; write username"
    default: failure.message
    }
  }
}
