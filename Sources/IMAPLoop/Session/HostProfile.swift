import IMAPStateMachine

/// What is known of a provider's servers and no capability says. A session or a pool looks for that of its host; give it others,
/// or none, by its configuration.
public struct HostProfile: Hashable, Sendable {
  /// What the provider is called.
  public var name: String
  /// What the names of its hosts end with, in lower case: the whole name, or what is behind a dot.
  public var hosts: [String]
  /// A word that its greeting has, whatever the host is called; nil where there is none.
  public var greeting: String?
  /// An IDLE must be renewed in this time, or the connection is gone; nil where RFC 2177 holds.
  public var idleLifetime: Duration?
  /// Connections to one account at the most.
  public var connections: Int?
  /// Commands in flight at the most.
  public var commandsInFlight: Int?
  /// Messages that one FETCH may name. One that a caller gives is sent as several where it names them by UIDs; a set with `*`, and
  /// sequence numbers, go as they are.
  public var fetchBatch: UInt32?
  /// Bytes that the line of a command may have.
  public var lineLength: Int?
  /// Whether nobody may open a mailbox who has not said who he is (ID, RFC 2971).
  public var needsID: Bool

  /// A profile.
  public init(
    _ name: String, hosts: [String], greeting: String? = nil, idleLifetime: Duration? = nil, connections: Int? = nil,
    commandsInFlight: Int? = nil, fetchBatch: UInt32? = nil, lineLength: Int? = nil, needsID: Bool = false
  ) {
    self.name = name
    self.hosts = hosts
    self.greeting = greeting
    self.idleLifetime = idleLifetime
    self.connections = connections
    self.commandsInFlight = commandsInFlight
    self.fetchBatch = fetchBatch
    self.lineLength = lineLength
    self.needsID = needsID
  }

  /// Those that are known here.
  public static let known = [
    HostProfile("Gmail", hosts: ["gmail.com", "googlemail.com"], idleLifetime: .seconds(9 * 60), connections: 15),
    HostProfile(
      "Yahoo", hosts: ["yahoo.com", "aol.com", "yahoo.co.jp"], idleLifetime: .seconds(170), lineLength: 1000),
    HostProfile("Rambler", hosts: ["rambler.ru"], idleLifetime: .seconds(50)),
    HostProfile(
      "NetEase", hosts: ["163.com", "126.com", "yeah.net", "188.com"], greeting: "coremail",
      idleLifetime: .seconds(50), needsID: true),
    HostProfile("Microsoft 365", hosts: ["office365.com"], connections: 20, commandsInFlight: 20),
    HostProfile(
      "Outlook.com", hosts: ["outlook.com", "hotmail.com", "live.com"], connections: 20, commandsInFlight: 20,
      fetchBatch: 1000),
    // "IMAP4rev1 2007e.404", and "IMAP4rev1 2004.357" before it.
    HostProfile("UW", hosts: [], greeting: "imap4rev1 20", lineLength: 1000),
    // What it does by default, which its administrator may have changed.
    HostProfile("Dovecot", hosts: [], greeting: "dovecot", connections: 10),
  ]

  /// The first of `profiles` that is for `host`; where none is, for a server that greets with `greeting`. Letter case does not
  /// count. Complexity: O(profiles).
  public static func find(host: String, greeting: String = "", in profiles: [HostProfile] = known) -> HostProfile? {
    let host = host.lowercased()
    let named = profiles.first { profile in
      profile.hosts.contains { host == $0 || host.hasSuffix(".\($0)") }
    }
    if let named { return named }
    let greeting = greeting.lowercased()
    return profiles.first { profile in profile.greeting.map { greeting.contains($0.lowercased()) } ?? false }
  }

  /// What is said of the client where the server wants to hear something and nobody has said what.
  static let identification = [IDField("name", "swift-imap-engine"), IDField("version", "1")]
}

extension IMAPClient.Configuration {
  /// Makes the bounds as narrow as those of `profile`, where they are wider.
  public mutating func apply(_ profile: HostProfile) {
    if let lifetime = profile.idleLifetime { connection.idleRenewal = min(connection.idleRenewal, lifetime) }
    if let most = profile.commandsInFlight { connection.maximumInFlight = min(connection.maximumInFlight, most) }
    if let most = profile.lineLength { connection.maximumLineLength = min(connection.maximumLineLength, most) }
    if let most = profile.fetchBatch {
      connection.maximumFetchBatch = min(connection.maximumFetchBatch ?? .max, most)
    }
  }
}

extension IMAPClient {
  /// Makes the bounds of the connection as narrow as those of `profile`: what only the greeting told it did not know at its start.
  func apply(_ profile: HostProfile) {
    channel.narrow(
      commandsInFlight: profile.commandsInFlight, lineLength: profile.lineLength, fetchBatch: profile.fetchBatch)
  }
}
