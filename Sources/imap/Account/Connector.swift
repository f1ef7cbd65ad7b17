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

  /// What the server is called in messages.
  var name: String { account.place.isHost ? account.host : account.place.name }

  /// What to log in with, asked for where that has to be; nil where the server may know already who asks.
  func credentials() throws(Failure) -> SignInCredentials? {
    account.place.isHost ? try account.credentials.credentials(of: account) : nil
  }

  /// Connects, and logs in unless the server says that this has been done.
  func connect(_ known: SignInCredentials?, on loop: EventLoop) async throws(Failure) -> IMAPClient {
    do {
      let client = try await IMAPClient.connect(configuration, on: loop)
      do {
        if await client.phase != .authenticated {
          if account.user.isEmpty { throw Failure(.usage, "\(name) wants to know who asks; give --user") }
          try await signIn(client, known)
        }
      } catch {
        await client.logout()
        throw error
      }
      return client
    } catch let error as IMAPError {
      throw Failure(error, host: name, byToken: account.credentials.isToken)
    } catch {
      throw error as? Failure ?? Failure(.failure, "\(error)")
    }
  }

  /// A token that was kept may be good no longer, whatever its time: then a new one is tried, once.
  private func signIn(_ client: IMAPClient, _ known: SignInCredentials?) async throws {
    do {
      try await client.signIn(try known ?? account.credentials.credentials(of: account))
    } catch let error as IMAPError {
      guard error.reason == .notAuthenticated || error.reason == .expired, account.credentials.refused() else {
        throw error
      }
      try await client.signIn(try account.credentials.credentials(of: account))
    }
  }

  /// How to connect.
  var configuration: IMAPClient.Configuration {
    var configuration = IMAPClient.Configuration(
      host: account.host, port: account.port, security: account.security)
    configuration.tls = tls
    configuration.transport = account.place.transport
    configuration.proxy = account.proxy
    configuration.socket.localAddresses = account.localAddresses
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
    return configuration
  }
}
