import ArgumentParser
import Foundation
import IMAPLoop
import IMAPStateMachine
import Logging

/// Where to connect and as whom: the same for every command that talks to a server. What is not said here the environment
/// and the configuration file say.
struct ConnectionOptions: ParsableArguments {
  enum TLS: String, ExpressibleByArgument, CaseIterable {
    case implicit, starttls, none
  }

  @Option(name: .shortAndLong, help: "Account of the configuration file.")
  var account: String?

  @Option(
    help: ArgumentHelp(
      "Configuration file; an empty name is none. (default: ~/.config/imap/config)", valueName: "file"),
    completion: .file())
  var config: String?

  @Option(help: "Host name or address of the server.")
  var host: String?

  @Option(help: "Port of the server, 1 to 65535. (default: 993 with --tls implicit, else 143)")
  var port: UInt16?

  @Option(
    help: ArgumentHelp("Command that speaks IMAP on its standard input and output.", valueName: "command"))
  var stream: String?

  @Option(help: ArgumentHelp("UNIX socket of the server.", valueName: "path"), completion: .file())
  var socket: String?

  @Option(
    help: ArgumentHelp(
      "Proxy: socks5://host:port, socks4://host:port, http://host:port or https://host:port.", valueName: "url"))
  var proxy: String?

  @Option(
    help: ArgumentHelp(
      "PEM file with the certificates to trust for an https proxy, instead of the system's.", valueName: "file"),
    completion: .file())
  var proxyCAFile: String?

  @Option(
    help: ArgumentHelp(
      "Address of this machine to connect from; several with commas, for more than 12000 connections to one server.",
      valueName: "addresses"))
  var localAddress: String?

  @Option(help: "User name.")
  var user: String?

  @Option(help: ArgumentHelp("File whose first line is the password.", valueName: "file"), completion: .file())
  var passwordFile: String?

  @Flag(help: "Read the password from the first line of standard input.")
  var passwordStdin = false

  @Option(help: "How TLS starts: implicit, starttls or none. (default: implicit)")
  var tls: TLS?

  @Option(
    help: ArgumentHelp("PEM file with the certificates to trust instead of the system's.", valueName: "file"),
    completion: .file())
  var caFile: String?

  @Option(
    help: ArgumentHelp(
      "Folder with the certificates to trust, each named by its hash as openssl rehash does it.", valueName: "folder"),
    completion: .directory)
  var caPath: String?

  @Option(
    help: ArgumentHelp(
      "What the certificate must match: sha256/BASE64 of a public key, or the certificate's SHA-256 in hexadecimal. May "
        + "come several times.", valueName: "pin"))
  var pin: [String] = []

  @Option(
    help: ArgumentHelp("PEM file with the certificate to show to the server.", valueName: "file"), completion: .file())
  var clientCert: String?

  @Option(
    help: ArgumentHelp(
      "PEM file with its private key. (default: the file of the certificate)", valueName: "file"), completion: .file())
  var clientKey: String?

  @Option(help: ArgumentHelp("Oldest version of TLS: 1.2 or 1.3. (default: 1.2)", valueName: "version"))
  var tlsMin: String?

  @Option(
    help: ArgumentHelp("PEM file with certificate revocation lists to check with.", valueName: "file"),
    completion: .file())
  var crl: String?

  @Option(
    help: ArgumentHelp(
      "File to append the keys of the connection to, for Wireshark. Whoever reads it can read all of the connection.",
      valueName: "file"), completion: .file())
  var keyLog: String?

  @Flag(help: "Accept a certificate that is for another host, if it is trusted otherwise.")
  var noCheckHostname = false

  @Flag(help: "Accept any certificate. Anybody on the way can then read and change everything.")
  var insecure = false

  @Flag(help: "Compress both directions where the server can.")
  var compress = false

  @Option(
    help: ArgumentHelp("Seconds that connecting, and each answer, may take. (default: 30)", valueName: "seconds"))
  var timeout: Double?

  @Flag(
    name: .shortAndLong,
    help: "Tell on standard error what is done: commands and how they end; -vv shows the lines of the wire, too.")
  var verbose: Int

  @Flag(help: "Show the lines of the wire on standard error, without passwords and tokens.")
  var wire = false

  mutating func validate() throws {
    let named: [(option: String, value: String?)] = [
      ("--host", host), ("--stream", stream), ("--socket", socket), ("--proxy", proxy),
      ("--proxy-ca-file", proxyCAFile), ("--password-file", passwordFile), ("--ca-file", caFile), ("--ca-path", caPath),
      ("--client-cert", clientCert), ("--client-key", clientKey), ("--crl", crl), ("--key-log", keyLog),
    ]
    for (option, value) in named where value?.isEmpty == true {
      throw ValidationError("\(option) has no value; give one, or leave the option out.")
    }
    if port == 0 { throw ValidationError("--port must be from 1 to 65535.") }
    if passwordFile != nil, passwordStdin {
      throw ValidationError("Give the password by --password-file or by --password-stdin, not both.")
    }
    if clientKey != nil, clientCert == nil { throw ValidationError("--client-key needs --client-cert.") }
    for pin in pin { if let wrong = AccountKey.sslPin.complaint(pin) { throw ValidationError("--pin: \(wrong)") } }
    if let tlsMin, AccountKey.version(tlsMin) == nil { throw ValidationError("--tls-min is 1.2 or 1.3.") }
    if stream != nil, socket != nil { throw ValidationError("Give the server by --stream or by --socket, not both.") }
    if proxy != nil, stream != nil || socket != nil {
      throw ValidationError("--proxy is for --host, not for --stream or --socket.")
    }
    if let proxy, let complaint = AccountKey.proxy.complaint(proxy) { throw ValidationError("--\(complaint)") }
    if localAddress != nil, stream != nil || socket != nil {
      throw ValidationError("--local-address is for --host, not for --stream or --socket.")
    }
    if let localAddress, let complaint = AccountKey.localAddress.complaint(localAddress) {
      throw ValidationError("--local-address: \(complaint)")
    }
    if let complaint = ignoredProtection(isPlain: tls == TLS.none, isInsecure: insecure) {
      throw ValidationError(complaint)
    }
    if let timeout, !(timeout > 0 && timeout < 1e6) {
      throw ValidationError("--timeout must be above 0 and below 1000000.")
    }
  }

  /// Whether one of these was given.
  var isSaid: Bool {
    account != nil || config != nil || !options.values.isEmpty || passwordFile != nil || passwordStdin
      || verbose > 0 || wire
  }

  /// What all sources say together, checked as far as that can be done here.
  func connector() throws(Failure) -> Connector {
    let account = try resolve()
    for (path, option, key) in account.files where !FileManager.default.isReadableFile(atPath: path) {
      throw Failure(.file, "cannot read \(path), which \(option) or \(key.rawValue) names")
    }
    let tls: TLSContext?
    do throws(ConnectionError) { tls = account.security == .plain ? nil : try TLSContext.client(account.tls) } catch {
      throw Failure(.connection(error), host: account.host)
    }
    var connector = Connector(account, tls: tls)
    connector.logger = logger
    // The lines are shown as they come where somebody watches them.
    if verbose == 1, !wire { connector.recentLines = 20 }
    return connector
  }

  /// Whether the lines of the wire are wanted.
  var showsWire: Bool { wire || verbose > 1 }

  private var logger: Logger? {
    if verbose == 0, !wire { return nil }
    let level: Logger.Level = showsWire ? .trace : .debug
    return Logger(label: "imap", factory: { _ in ConsoleLogHandler(logLevel: level) })
  }

  /// What is said where an option asks for a protection that there is not: whoever gives it counts on it.
  private func ignoredProtection(isPlain: Bool, isInsecure: Bool) -> String? {
    let checks = [("--ca-file", caFile != nil), ("--ca-path", caPath != nil), ("--crl", crl != nil)]
    let others = [("--pin", !pin.isEmpty), ("--client-cert", clientCert != nil), ("--tls-min", tlsMin != nil)]
    if isPlain, let (option, _) = (checks + others).first(where: \.1) {
      return "\(option) protects nothing without TLS; use --tls implicit or --tls starttls, or leave it out."
    }
    if isInsecure, let (option, _) = checks.first(where: \.1) {
      return
        "\(option) counts for nothing where no certificate is checked, as by --insecure; give one of them, not both."
    }
    return nil
  }

  /// What all sources say together.
  private func resolve() throws(Failure) -> Account {
    let variables = ProcessInfo.processInfo.environment
    let path = config ?? variables["IMAP_CONFIG"] ?? Account.defaultPath(variables)
    let isNamed = config != nil || variables["IMAP_CONFIG"] != nil
    let name = account ?? variables["IMAP_ACCOUNT"]
    var file: ConfigurationFile?
    if !path.isEmpty, isNamed || name != nil || FileManager.default.fileExists(atPath: path) {
      file = try ConfigurationFile.read(path)
    }
    if let warning = file?.warning() { Console.error("imap: \(warning)") }

    var fileLayers: [Account.Layer] = []
    if let name {
      guard let section = file?.accounts[name] else {
        let known = file.map { $0.names.isEmpty ? "there is none" : "there are \($0.names.joined(separator: ", "))" }
        throw Failure(.configuration, "no account \(name) in \(path); \(known ?? "name a file by --config")")
      }
      fileLayers.append(Account.Layer(values: section))
    }
    if let file { fileLayers.append(Account.Layer(values: file.defaults)) }
    let layers = [options, try Account.environment(variables)] + fileLayers
    var hint = path.isEmpty ? "a configuration file" : path
    if name == nil, let file, !file.names.isEmpty {
      hint += ", which has the accounts \(file.names.joined(separator: ", ")) for --account"
    }
    var result = try Account(layers, file: fileLayers.count, hint: hint)
    let isInsecure = [.insecure, .pinsOnly].contains(result.tls.trust)
    if var complaint = ignoredProtection(isPlain: result.security == .plain, isInsecure: isInsecure) {
      complaint.removeLast()
      throw Failure(.usage, complaint)
    }
    if let passwordFile { result.credentials = .passwordFile(passwordFile) }
    if passwordStdin { result.credentials = .standardInput }
    return result
  }

  private var options: Account.Layer {
    var values: [AccountKey: String] = [:]
    values[.host] = host
    values[.stream] = stream
    values[.socket] = socket
    values[.proxy] = proxy
    values[.proxyCAFile] = proxyCAFile
    values[.localAddress] = localAddress
    values[.port] = port.map { String($0) }
    values[.username] = user
    values[.sslCAFile] = caFile
    values[.timeout] = timeout.map { String($0) }
    values[.sslCAPath] = caPath
    values[.sslPin] = pin.isEmpty ? nil : pin.joined(separator: " ")
    values[.sslClientCert] = clientCert
    values[.sslClientKey] = clientKey
    values[.sslMinVersion] = tlsMin
    values[.sslCRLFile] = crl
    values[.sslKeyLog] = keyLog
    if noCheckHostname { values[.sslCheckHostname] = "no" }
    if insecure { values[.sslVerifyCert] = "no" }
    if compress { values[.compress] = "yes" }
    switch tls {
    case .implicit?: (values[.ssl], values[.starttls]) = ("yes", "no")
    case .starttls?: values[.starttls] = "yes"
    case .none?: (values[.ssl], values[.starttls]) = ("no", "no")
    case nil: break
    }
    return Account.Layer(values: values)
  }
}

extension ConnectionOptions: MailServer {
  /// Connects, logs in, runs `body`, logs out. Ctrl-C ends all of that.
  func withServer(_ body: (_ client: IMAPClient, _ host: String) async throws -> Void) async throws {
    let connector = try connector()
    let credentials = try connector.credentials()
    let loop = try EventLoop.start()
    do {
      try await Interruption.endsConnection({ try await connector.connect(credentials, on: loop) }) { client in
        try await body(client, connector.name)
      }
    } catch {
      await loop.shutdown()
      throw Failure(serverError: error, host: connector.name) ?? error
    }
    await loop.shutdown()
  }

  func withMailbox(
    _ mailbox: String?, changing: Bool, _ body: (IMAPClient, SelectedMailbox) async throws -> Void
  ) async throws {
    try await withClient { client in
      let name = MailboxName(mailbox ?? "INBOX")
      let selected = try await MailboxError.naming(name) { try await open(name, changing: changing, client) }
      try await body(client, selected)
    }
  }

  func listedUIDs() throws(Failure) -> NamedMessages {
    if passwordStdin {
      throw Failure(.usage, "standard input cannot be both the password and the UIDs; use --password-file")
    }
    return try MessageArguments.inputUIDs()
  }

  func found(_ uids: [UID], in mailbox: SelectedMailbox) {}

  func ending(_ client: IMAPClient, _ consequence: String, _ work: () async throws -> Void) async throws {
    try await Interruption.ends(client, consequence, work)
  }

  var ownsInput: Bool { passwordStdin }

  var openMailbox: MailboxName? { nil }

  var openingAdvice: String { "open one by --mailbox" }
}
