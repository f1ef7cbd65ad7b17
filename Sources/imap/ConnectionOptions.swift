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

  @Option(help: "Port of the server. (default: 993 with --tls implicit, else 143)")
  var port: UInt16?

  @Option(
    help: ArgumentHelp("Command that speaks IMAP on its standard input and output.", valueName: "command"))
  var stream: String?

  @Option(help: ArgumentHelp("UNIX socket of the server.", valueName: "path"), completion: .file())
  var socket: String?

  @Option(help: ArgumentHelp("Proxy: socks5://host:port or http://host:port.", valueName: "url"))
  var proxy: String?

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

  @Flag(help: "Accept any certificate. Anybody on the way can then read and change everything.")
  var insecure = false

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
    if passwordFile != nil, passwordStdin {
      throw ValidationError("Give the password by --password-file or by --password-stdin, not both.")
    }
    if stream != nil, socket != nil { throw ValidationError("Give the server by --stream or by --socket, not both.") }
    if proxy != nil, stream != nil || socket != nil {
      throw ValidationError("--proxy is for --host, not for --stream or --socket.")
    }
    if let proxy, let complaint = AccountKey.proxy.complaint(proxy) { throw ValidationError("--\(complaint)") }
    if let timeout, !(timeout > 0 && timeout < 1e6) { throw ValidationError("--timeout must be above 0.") }
  }

  /// Connects, logs in, runs `body`, logs out. Errors become a ``Failure``.
  func withClient(_ body: (IMAPClient) async throws -> Void) async throws {
    let account = try resolve()
    if case .file(let path) = account.trust, !FileManager.default.isReadableFile(atPath: path) {
      throw Failure(.file, "cannot read \(path); --ca-file or ssl_ca_file names a PEM file with certificates")
    }
    // Asked for before the server waits, where it will want them.
    let known = account.place.isHost ? try account.credentials.credentials(of: account) : nil
    var configuration = IMAPClient.Configuration(
      host: account.host, port: account.port, security: account.security, trust: account.trust)
    configuration.transport = account.place.transport
    configuration.proxy = account.proxy
    // Whoever asks for no TLS has said that nothing shall protect the password.
    configuration.signIn.allowsPlaintext = account.security == .plain
    let timeout = account.timeout
    configuration.connectTimeout = .seconds(timeout)
    configuration.connection.greetingTimeout = .seconds(timeout)
    configuration.connection.commandTimeout = .seconds(timeout)
    configuration.connection.logoutTimeout = .seconds(min(timeout, 5))
    configuration.logger = logger
    // The lines are shown as they come where somebody watches them.
    if verbose == 1, !wire { configuration.recentLines = 20 }
    let loop = try EventLoop.start()
    do {
      let client = try await IMAPClient.connect(configuration, on: loop)
      do {
        // PREAUTH: the server knows who asks.
        if await client.phase != .authenticated {
          if account.user.isEmpty {
            throw Failure(.usage, "\(account.place.name) wants to know who asks; give --user")
          }
          try await client.signIn(try known ?? account.credentials.credentials(of: account))
        }
        try await body(client)
      } catch {
        await client.logout()
        throw error
      }
      await client.logout()
    } catch let error as IMAPError {
      await loop.shutdown()
      throw Failure(error, host: account.place.isHost ? account.host : account.place.name)
    } catch {
      await loop.shutdown()
      throw error
    }
    await loop.shutdown()
  }

  private var logger: Logger? {
    if verbose == 0, !wire { return nil }
    let level: Logger.Level = wire || verbose > 1 ? .trace : .debug
    return Logger(label: "imap", factory: { _ in ConsoleLogHandler(logLevel: level) })
  }

  /// As ``withClient(_:)``, with `mailbox` open for reading, or for changing it.
  func withMailbox(
    _ mailbox: String, changing: Bool = false, _ body: (IMAPClient, SelectedMailbox) async throws -> Void
  ) async throws {
    try await withClient { client in
      let name = MailboxName(mailbox)
      let selected = changing ? try await client.select(name) : try await client.examine(name)
      if changing, selected.isReadOnly {
        throw Failure(.refused, "\(mailbox) can only be read; `imap acl my \(mailbox)` shows what you may do with it")
      }
      try await body(client, selected)
    }
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
    values[.port] = port.map { String($0) }
    values[.username] = user
    values[.sslCAFile] = caFile
    values[.timeout] = timeout.map { String($0) }
    if insecure { values[.sslVerifyCert] = "no" }
    switch tls {
    case .implicit?: (values[.ssl], values[.starttls]) = ("yes", "no")
    case .starttls?: values[.starttls] = "yes"
    case .none?: (values[.ssl], values[.starttls]) = ("no", "no")
    case nil: break
    }
    return Account.Layer(values: values)
  }
}
