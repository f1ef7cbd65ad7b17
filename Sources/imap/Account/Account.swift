import Foundation
import IMAPLoop
import IMAPStateMachine

/// Where to connect, how, and as whom: what the command line, the environment and the configuration file say together.
struct Account {
  /// The server: what its certificate must be for.
  var host: String
  var place: Place
  var proxy: Proxy?
  /// Where connections come from; empty for wherever the system likes.
  var localAddresses: [SocketAddress]
  var port: UInt16?
  var user: String
  var security: IMAPClient.Configuration.Security
  /// How TLS works, and whom it trusts.
  var tls: TLSContext.ClientOptions
  /// Files that ``tls`` and ``proxy`` name, and which option or key did.
  var files: [(path: String, option: String, key: AccountKey)] = []
  /// Whether compression is asked for.
  var compresses: Bool
  /// Seconds.
  var timeout: Double
  var credentials: CredentialSource

  /// Where the server is.
  enum Place: Hashable {
    case host(String)
    /// A command whose standard input and output speak IMAP.
    case stream(String)
    /// The path of a UNIX socket.
    case socket(String)

    var transport: Transport {
      switch self {
      case .host: .tcp
      case .stream(let command): .shell(command)
      case .socket(let path): .unixSocket(path: FilePath.expanded(path))
      }
    }

    /// For messages.
    var name: String {
      switch self {
      case .host(let text): text
      // Not the line: what stands behind the program may be a secret.
      case .stream(let line): Transport.Command.shell(line).description
      // With a slash, which tells it from a host.
      case .socket(let path):
        FilePath.expanded(path).contains("/") ? FilePath.expanded(path) : "./" + path
      }
    }

    /// Whether it is reached by TCP.
    var isHost: Bool {
      if case .host = self { true } else { false }
    }
  }

  /// What one source says. Those before it in a list win.
  struct Layer {
    var values: [AccountKey: String]

    /// The server that this source names. In IMAPClient's files `stream` is a switch, and the command is the host.
    var place: Place? {
      if let path = values[.socket] { return .socket(path) }
      let host = values[.host]
      if let stream = values[.stream] {
        switch AccountKey.boolean(stream) {
        case nil: return .stream(stream)
        case true?: if let host { return .stream(host) }
        case false?: break
        }
      }
      return host.map { .host($0.lowercased()) }
    }

    /// Of two switches, nil where neither is named: STARTTLS where it is on, TLS or none where `ssl` says so.
    fileprivate var security: IMAPClient.Configuration.Security? {
      if boolean(.starttls) == true { return .startTLS }
      return boolean(.ssl).map { $0 ? .implicitTLS : .plain }
    }

    fileprivate func boolean(_ key: AccountKey) -> Bool? { values[key].flatMap { AccountKey.boolean($0) } }
  }

  /// The account that `layers` describe, the strongest first. `file` is the number of those of the configuration file, at the
  /// end: its credentials are for its own host and user, and given to no other.
  init(_ layers: [Layer], file: Int, hint: String) throws(Failure) {
    func value(_ key: AccountKey) -> String? { layers.lazy.compactMap { $0.values[key] }.first }
    guard let place = layers.lazy.compactMap(\.place).first else {
      if let stream = value(.stream) {
        // Taken as the switch that it is in IMAPClient's files.
        throw Failure(
          .usage,
          "no server is named: stream is a command, and \(stream) alone only says whether host is one; give the command, by its path "
            + "where that is its name, or a server by --host")
      }
      throw Failure(.usage, "no server is named; give --host, set IMAP_HOST, or write an account into \(hint)")
    }
    self.place = place
    let host = value(.host).flatMap { place == .stream($0) ? nil : $0 } ?? "localhost"
    // Whoever answers a command or on a socket may know already who asks.
    guard let user = value(.username) ?? (place.isHost ? nil : "") else {
      throw Failure(.usage, "no user is named; give --user, set IMAP_USERNAME, or write username into \(hint)")
    }
    self.host = host
    self.user = user
    port = value(.port).flatMap { UInt16($0) }
    proxy = try place.isHost ? value(.proxy).map(Self.proxy) : nil
    localAddresses =
      place.isHost
      ? AccountKey.words(value(.localAddress) ?? "").compactMap { SocketAddress(numeric: $0, port: 0) } : []
    security = layers.lazy.compactMap(\.security).first ?? (place.isHost ? .implicitTLS : .plain)
    compresses = value(.compress).flatMap { AccountKey.boolean($0) } ?? false
    timeout = value(.timeout).flatMap { AccountKey.seconds($0) } ?? 30

    let fromFile = layers.suffix(file)
    func named(_ key: AccountKey) -> String? { fromFile.lazy.compactMap { $0.values[key] }.first }
    let isOtherHost = fromFile.lazy.compactMap(\.place).first.map { $0 != place } ?? false
    let isOtherUser = named(.username).map { $0 != user } ?? false
    var usable = layers
    for index in usable.indices.suffix(file) where isOtherHost || isOtherUser {
      usable[index].values = usable[index].values.filter { !$0.key.isCredential }
      // Whom the file trusts blindly, or knows, is its own host.
      if isOtherHost { usable[index].values = usable[index].values.filter { !$0.key.isTrust } }
    }
    tls = TLSContext.ClientOptions(trust: Self.trust(usable))
    credentials = try CredentialSource(usable, host: host, user: user, hint: hint)
    setTLS(usable)
    // In a file it may stand for all accounts; on the command line it would protect nothing.
    let isHTTPS = proxy != nil && value(.proxy)?.lowercased().hasPrefix("https:") == true
    if !isHTTPS, layers.dropLast(file).first?.values[.proxyCAFile] != nil {
      throw Failure(.usage, "--proxy-ca-file is for a proxy whose URL starts with https://; check --proxy")
    }
    if isHTTPS, let path = value(.proxyCAFile).map({ FilePath.expanded($0) }) {
      proxy?.trust = .file(path)
      files.append((path, "--proxy-ca-file", .proxyCAFile))
    }
  }

  private static func proxy(_ url: String) throws(Failure) -> Proxy {
    do throws(InvalidArgument) { return try Proxy(url: url) } catch { throw Failure(.usage, "\(error); check --proxy") }
  }

  /// Whoever names the certificates to trust wants them checked, whatever is said behind that.
  private static func trust(_ layers: [Layer]) -> TLSContext.Trust {
    var mustVerify = false
    for layer in layers {
      switch layer.boolean(.sslVerifyCert) {
      case false? where !mustVerify: return .insecure
      case true?: mustVerify = true
      default: break
      }
      if let path = layer.values[.sslCAFile] { return .file(FilePath.expanded(path)) }
      if let path = layer.values[.sslCAPath] { return .folder(FilePath.expanded(path)) }
    }
    return .system
  }

  private mutating func setTLS(_ layers: [Layer]) {
    func value(_ key: AccountKey) -> String? { layers.lazy.compactMap { $0.values[key] }.first }
    func file(_ key: AccountKey, _ option: String) -> String? {
      guard let path = value(key).map({ FilePath.expanded($0) }) else { return nil }
      files.append((path, option, key))
      return path
    }
    switch tls.trust {
    case .file(let path): files.append((path, "--ca-file", .sslCAFile))
    case .folder(let path): files.append((path, "--ca-path", .sslCAPath))
    default: break
    }
    tls.checksHost = layers.lazy.compactMap { $0.boolean(.sslCheckHostname) }.first ?? true
    tls.pins = AccountKey.words(value(.sslPin) ?? "").compactMap { TLSPin($0) }
    // Whoever checks nothing else still means the pins that he has named.
    if tls.trust == .insecure, !tls.pins.isEmpty { tls.trust = .pinsOnly }
    if let version = value(.sslMinVersion).flatMap({ AccountKey.version($0) }) { tls.minimumVersion = version }
    tls.revocationListFile = file(.sslCRLFile, "--crl")
    tls.keyLogFile = value(.sslKeyLog).map { FilePath.expanded($0) }
    if let certificate = file(.sslClientCert, "--client-cert") {
      // Both are often in one file.
      let key = file(.sslClientKey, "--client-key") ?? certificate
      tls.identity = .files(
        certificate: certificate, key: key,
        passphrase: .callback { PasswordPrompt.passphrase(of: key) })
    }
  }

  /// What the environment says. Throws all that is wrong with it at once.
  static func environment(_ variables: [String: String]) throws(Failure) -> Layer {
    var layer = Layer(values: [:])
    var complaints: [String] = []
    for key in AccountKey.allCases {
      guard let name = key.variables.first(where: { variables[$0] != nil }), let value = variables[name] else {
        continue
      }
      if let complaint = key.complaint(value) { complaints.append("\(name): \(complaint)") }
      layer.values[key] = value
    }
    if !complaints.isEmpty { throw Failure(.configuration, complaints) }
    return layer
  }

  /// Where the configuration file is unless somebody says otherwise.
  static func defaultPath(_ variables: [String: String]) -> String {
    if let folder = variables["XDG_CONFIG_HOME"], folder.hasPrefix("/") { return folder + "/imap/config" }
    return (variables["HOME"] ?? NSHomeDirectory()) + "/.config/imap/config"
  }
}
