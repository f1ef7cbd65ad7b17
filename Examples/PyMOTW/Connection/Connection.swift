import Foundation
import IMAPLoop
import IMAPStateMachine

/// Where the server is and who asks, from the file `~/.pymotw`, as the chapter has it: `hostname` in `[server]`, `username`
/// and `password` in `[account]`. Or from the environment: `IMAP_HOST`, `IMAP_PORT`, `IMAP_USER` and `IMAP_PASSWORD`;
/// `IMAP_CA_FILE` holds the certificates to trust instead of the system's. `IMAP_PLAIN` does without TLS, on loopback.
public struct Account {
  /// How to connect.
  public var configuration: IMAPClient.Configuration
  /// Who logs in.
  public var user: String
  /// What proves it.
  public var password: Secret

  /// What the environment says, and where it does not the file.
  public init() {
    let environment = ProcessInfo.processInfo.environment
    let file = Self.file("\(environment["HOME"] ?? "")/.pymotw")
    let isPlain = environment["IMAP_PLAIN"] != nil
    configuration = IMAPClient.Configuration(
      host: environment["IMAP_HOST"] ?? file["server.hostname"] ?? "127.0.0.1",
      port: environment["IMAP_PORT"].flatMap { UInt16($0) },
      security: isPlain ? .plain : .implicitTLS, trust: environment["IMAP_CA_FILE"].map { .file($0) } ?? .system)
    configuration.signIn.allowsPlaintext = isPlain
    user = environment["IMAP_USER"] ?? file["account.username"] ?? ""
    password = Secret(environment["IMAP_PASSWORD"] ?? file["account.password"] ?? "")
  }

  /// The values of an INI file, each by `section.key`; none where there is no such file.
  private static func file(_ path: String) -> [String: String] {
    var values: [String: String] = [:]
    var section = ""
    for line in ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(whereSeparator: \.isNewline) {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("[") {
        section = line.trimmingCharacters(in: ["[", "]"])
      } else if let end = line.firstIndex(where: { $0 == ":" || $0 == "=" }), !line.hasPrefix("#") {
        let key = line[..<end].trimmingCharacters(in: .whitespaces).lowercased()
        values["\(section).\(key)"] = line[line.index(after: end)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return values
  }
}

/// Connects, logs in, hands the client to `body`, and logs out. What goes wrong is one line, and exit status 1.
public func withConnection(_ body: (IMAPClient) async throws -> Void) async {
  let account = Account()
  do {
    try await IMAPClient.withClient(account.configuration) { client in
      try await client.signIn(user: account.user, password: account.password)
      try await body(client)
    }
  } catch {
    FileHandle.standardError.write(Data("ERROR: \(error)\n".utf8))
    exit(1)
  }
}

/// A day of the calendar of everybody: what the programs print of a date.
public func day(_ date: InternalDate?) -> String { date.map { SearchDate($0).description } ?? "unknown" }

extension [MailboxListing] {
  /// By name: servers list mailboxes in an order of their own.
  public func sorted() -> [MailboxListing] { sorted { $0.name.description < $1.name.description } }
}
