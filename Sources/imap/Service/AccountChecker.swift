import Foundation
import IMAPLoop
import IMAPStateMachine

/// Makes accounts of the sections of a file, and finds all that is wrong with them: whatever a key is complained of, the others
/// are checked, and nothing is complained of that may come of it.
struct AccountChecker {
  private(set) var complaints: [ConfigurationFile.Complaint]
  /// The accounts of which nothing is wrong.
  private(set) var entries: [AccountsFile.Entry] = []

  private let file: ConfigurationFile
  private let mailbox: String
  /// The keys that are complained of, by section.
  private let doubtful: [String: Set<AccountKey>]
  private let defaults: ConfigurationFile.Section
  /// What is wrong with `[DEFAULT]` is wrong with every account, and told once.
  private var told: Set<ConfigurationFile.Complaint> = []
  /// Accounts that say the same of TLS share what is made of it: roots take megabytes.
  private var contexts: [ConfigurationFile.Section: Made] = [:]

  private enum Made {
    case context(TLSContext)
    /// What is wrong, and with which key; nil where nobody can say.
    case wrong([(key: AccountKey?, text: String)])
  }

  init(_ file: ConfigurationFile, _ complaints: ConfigurationFile.Complaints, mailbox: String) {
    self.file = file
    self.mailbox = mailbox
    self.complaints = complaints.all
    doubtful = complaints.keys
    defaults = Self.replaced(file.defaults, complaints.keys[ConfigurationFile.defaultName] ?? [])
  }

  /// Checks the account `name`.
  mutating func check(_ name: String) {
    let before = complaints.count
    let doubtful = doubtful[name] ?? []
    var section = Self.replaced(file.accounts[name] ?? [:], doubtful)
    let defaults = doubtful.isEmpty ? defaults : defaults.filter { !doubtful.contains($0.key) }
    var layers: [Account.Layer] { [Account.Layer(values: section), Account.Layer(values: defaults)] }
    func isSaid(_ key: AccountKey) -> Bool { section[key] != nil || defaults[key] != nil }

    if !layers.contains(where: { $0.place != nil }) {
      complain("names no server; write host", name)
      section[.host] = AccountKey.host.standIn
    }
    if layers.lazy.compactMap(\.place).first?.isHost == true, !isSaid(.username) {
      complain("names no user; write username", name)
      section[.username] = AccountKey.username.standIn
    }
    guard let account = account(layers, name) else { return }
    if account.place.isHost, !account.credentials.isRepeatable {
      complain("has no password; write password_command or oauth2_command", name)
    }
    var unreadable: Set<AccountKey> = []
    for (path, _, key) in account.files where !FileManager.default.isReadableFile(atPath: path) {
      complain("names a file that cannot be read: \(path) (\(key.rawValue))", name, key)
      unreadable.insert(key)
    }
    let values = defaults.merging(section) { $1 }
    let tls = account.security == .plain ? nil : context(account, values, unreadable, name)
    guard complaints.count == before else { return }
    entries.append(
      .init(
        name: name, values: values, connector: Connector(account, tls: tls),
        mailbox: MailboxName(values[.mailbox] ?? mailbox)))
  }

  /// What is complained of gives way to something that leads to no other complaint.
  private static func replaced(
    _ section: ConfigurationFile.Section, _ doubtful: Set<AccountKey>
  ) -> ConfigurationFile.Section {
    var section = section
    for key in doubtful { section[key] = key.standIn }
    // Whether there should be a token or a password is not known: any will do.
    if doubtful.contains(.oauth2), section[.oauth2Command] == nil {
      section[.oauth2Command] = AccountKey.oauth2Command.standIn
    }
    return section
  }

  /// The account that `layers` describe, which name a server and a user: what else can be missing are parts of a token.
  private mutating func account(_ layers: [Account.Layer], _ name: String) -> Account? {
    do throws(Failure) {
      return try Account(layers, file: 2, hint: "the file")
    } catch {
      for text in [error.message] + error.others { complain(text, name) }
    }
    var layers = layers
    for index in layers.indices { layers[index].values[.oauth2] = nil }
    layers[0].values[.oauth2Command] = AccountKey.oauth2Command.standIn
    return try? Account(layers, file: 2, hint: "the file")
  }

  // MARK: TLS

  private mutating func context(
    _ account: Account, _ values: ConfigurationFile.Section, _ unreadable: Set<AccountKey>, _ name: String
  ) -> TLSContext? {
    let said = values.filter { $0.key.isTLS }
    let made = contexts[said] ?? Self.make(account)
    contexts[said] = made
    switch made {
    case .context(let context): return context
    case .wrong(let parts):
      let doubtful = (doubtful[name] ?? []).union(doubtful[ConfigurationFile.defaultName] ?? [])
      for (key, text) in parts {
        if let key, unreadable.contains(key) { continue }
        // The key of a certificate is in the same file unless somebody says otherwise.
        let others: Set<AccountKey> = [.sslClientCert, .sslClientKey]
        if key == .sslClientCert, !others.isDisjoint(with: unreadable.union(doubtful)) { continue }
        complain(text, name, key)
      }
      return nil
    }
  }

  private static func make(_ account: Account) -> Made {
    let whole: String
    do throws(ConnectionError) {
      return .context(try TLSContext.client(account.tls))
    } catch {
      whole = Failure(.connection(error), host: account.host).message
    }
    // OpenSSL says what is wrong first; each part alone says all that is.
    var parts: [(key: AccountKey?, text: String)] = []
    func attempt(_ key: AccountKey?, _ set: (inout TLSContext.ClientOptions) -> Void) {
      var options = TLSContext.ClientOptions(trust: .insecure)
      set(&options)
      do throws(ConnectionError) { _ = try TLSContext.client(options) } catch {
        parts.append((key, Failure(.connection(error), host: account.host).message))
      }
    }
    let tls = account.tls
    switch tls.trust {
    case .file: attempt(.sslCAFile) { $0.trust = tls.trust }
    case .folder: attempt(.sslCAPath) { $0.trust = tls.trust }
    default: break
    }
    attempt(.sslCRLFile) { $0.revocationListFile = tls.revocationListFile }
    attempt(.sslClientCert) { $0.identity = tls.identity }
    attempt(.sslKeyLog) { $0.keyLogFile = tls.keyLogFile }
    attempt(.sslMinVersion) { $0.minimumVersion = tls.minimumVersion }
    return .wrong(parts.isEmpty ? [(nil, whole)] : parts)
  }

  // MARK: Complaints

  /// Complains of the account `name`, in the line of `key` where that is said, else in that of the section.
  private mutating func complain(_ text: String, _ name: String, _ key: AccountKey? = nil) {
    var (section, line) = (name, file.lines[name] ?? 1)
    for place in [name, ConfigurationFile.defaultName] {
      guard let key, let found = file.keyLines[place]?[key] else { continue }
      (section, line) = (place, found)
      break
    }
    let complaint = ConfigurationFile.Complaint(line: line, text: "[\(section)] \(text)")
    if told.insert(complaint).inserted { complaints.append(complaint) }
  }
}
