import ArgumentParser
import Foundation
import IMAPLoop
import IMAPStateMachine

/// Where to connect and as whom: the same for every command that talks to a server.
struct ConnectionOptions: ParsableArguments {
  enum TLS: String, ExpressibleByArgument, CaseIterable {
    case implicit, starttls, none
  }

  @Option(help: "Host name or address of the server.")
  var host: String

  @Option(help: "Port of the server. (default: 993 with --tls implicit, else 143)")
  var port: UInt16?

  @Option(help: "User name.")
  var user: String

  @Option(help: ArgumentHelp("File whose first line is the password.", valueName: "file"))
  var passwordFile: String?

  @Flag(help: "Read the password from the first line of standard input.")
  var passwordStdin = false

  @Option(help: "How TLS starts: implicit, starttls or none.")
  var tls = TLS.implicit

  @Option(help: ArgumentHelp("PEM file with the certificates to trust instead of the system's.", valueName: "file"))
  var caFile: String?

  @Flag(help: "Accept any certificate. Anybody on the way can then read and change everything.")
  var insecure = false

  @Option(help: ArgumentHelp("Seconds that connecting, and each answer, may take.", valueName: "seconds"))
  var timeout = 30.0

  mutating func validate() throws {
    if passwordFile != nil, passwordStdin {
      throw ValidationError("Give the password by --password-file or by --password-stdin, not both.")
    }
    if passwordFile == nil, !passwordStdin {
      throw ValidationError("Give the password by --password-file FILE or by --password-stdin.")
    }
    if !(timeout > 0 && timeout < 1e6) { throw ValidationError("--timeout must be above 0.") }
  }

  /// Connects, logs in, runs `body`, logs out. Errors become a ``Failure``.
  func withClient(_ body: (IMAPClient) async throws -> Void) async throws {
    if let caFile, !FileManager.default.isReadableFile(atPath: caFile) {
      throw Failure(.file, "cannot read \(caFile); --ca-file names a PEM file with certificates")
    }
    let password = try readPassword()
    var configuration = IMAPClient.Configuration(host: host, port: port)
    configuration.security =
      switch tls {
      case .implicit: .implicitTLS
      case .starttls: .startTLS
      case .none: .plain
      }
    configuration.trust = insecure ? .insecure : caFile.map { .file($0) } ?? .system
    // Whoever asks for no TLS has said that nothing shall protect the password.
    configuration.signIn.allowsPlaintext = tls == .none
    configuration.connectTimeout = .seconds(timeout)
    configuration.connection.greetingTimeout = .seconds(timeout)
    configuration.connection.commandTimeout = .seconds(timeout)
    configuration.connection.logoutTimeout = .seconds(min(timeout, 5))
    let loop = try EventLoop.start()
    do {
      let client = try await IMAPClient.connect(configuration, on: loop)
      do {
        try await client.signIn(user: user, password: password)
        try await body(client)
      } catch {
        await client.logout()
        throw error
      }
      await client.logout()
    } catch let error as IMAPError {
      await loop.shutdown()
      throw Failure(error, host: host)
    } catch {
      await loop.shutdown()
      throw error
    }
    await loop.shutdown()
  }

  private func readPassword() throws -> Secret {
    if let passwordFile {
      guard let data = FileManager.default.contents(atPath: passwordFile) else {
        throw Failure(.file, "cannot read the password file \(passwordFile)")
      }
      return Secret(firstLine(data))
    }
    guard let line = readLine(strippingNewline: true) else {
      throw Failure(.file, "standard input has no line with a password")
    }
    return Secret(line)
  }

  private func firstLine(_ data: Data) -> [UInt8] {
    var line = Array(data.prefix { $0 != 0x0a })
    if line.last == 0x0d { line.removeLast() }
    return line
  }
}
