import IMAPLoop
import IMAPStateMachine
import Logging

/// Opens connections for an account.
struct Connector {
  let account: Account
  /// Whom to tell what is done.
  var logger: Logger?
  /// Lines that are kept for when the connection is lost.
  var recentLines = 0
  /// Who sees each line of the wire, without secrets.
  var wireObserver: (@Sendable (WireLine) -> Void)?
  private let tls: TLSContext?

  init(_ account: Account, tls: TLSContext?) {
    self.account = account
    self.tls = tls
  }

  /// What to log in with, asked for where that has to be.
  func credentials() throws(Failure) -> SignInCredentials { try account.credentials.credentials(of: account) }

  /// Connects and logs in.
  func connect(_ credentials: SignInCredentials, on loop: EventLoop) async throws(IMAPError) -> IMAPClient {
    var configuration = IMAPClient.Configuration(
      host: account.host, port: account.port, security: account.security)
    configuration.tls = tls
    // Whoever asks for no TLS has said that nothing shall protect the password.
    configuration.signIn.allowsPlaintext = account.security == .plain
    configuration.compresses = account.compresses
    let timeout = account.timeout
    configuration.connectTimeout = .seconds(timeout)
    configuration.connection.greetingTimeout = .seconds(timeout)
    configuration.connection.commandTimeout = .seconds(timeout)
    configuration.connection.logoutTimeout = .seconds(min(timeout, 5))
    configuration.logger = logger
    configuration.recentLines = recentLines
    configuration.connection.wireObserver = wireObserver
    let client = try await IMAPClient.connect(configuration, on: loop)
    do throws(IMAPError) {
      try await client.signIn(credentials)
    } catch {
      await client.logout()
      throw error
    }
    return client
  }
}
