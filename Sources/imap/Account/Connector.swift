import IMAPLoop
import IMAPStateMachine

/// Opens connections for an account.
struct Connector {
  let account: Account

  init(_ account: Account) { self.account = account }

  /// What to log in with, asked for where that has to be.
  func credentials() throws(Failure) -> SignInCredentials { try account.credentials.credentials(of: account) }

  /// Connects and logs in.
  func connect(_ credentials: SignInCredentials, on loop: EventLoop) async throws(IMAPError) -> IMAPClient {
    var configuration = IMAPClient.Configuration(
      host: account.host, port: account.port, security: account.security, trust: account.trust)
    // Whoever asks for no TLS has said that nothing shall protect the password.
    configuration.signIn.allowsPlaintext = account.security == .plain
    let timeout = account.timeout
    configuration.connectTimeout = .seconds(timeout)
    configuration.connection.greetingTimeout = .seconds(timeout)
    configuration.connection.commandTimeout = .seconds(timeout)
    configuration.connection.logoutTimeout = .seconds(min(timeout, 5))
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
