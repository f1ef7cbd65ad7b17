import IMAPLoop
import IMAPStateMachine

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A real IMAP server over mailboxes in memory, to be started inside a test, a demo or a benchmark.
///
/// ```swift
/// let server = try await IMAPTestServer.start()
/// try await server.append(user: "user", message: .init("Subject: Hello\n\nWorld\n"))
/// // … connect to 127.0.0.1 and server.plainPort, or server.tlsPort trusting server.certificatePEM …
/// await server.shutdown()
/// ```
///
/// It serves IMAP4rev1 with IDLE, UIDPLUS, MOVE, CONDSTORE and more to many clients at once, over TCP, TLS and STARTTLS.
/// What one client changes, and what ``append(user:mailbox:message:)`` delivers, is pushed to all others that have the
/// mailbox open. Everything of one server happens on one `EventLoop`.
public final class IMAPTestServer: Sendable {
  /// The loop that serves the clients.
  public let loop: EventLoop
  /// Where clients connect without TLS; nil if the configuration asked for no such port.
  public let plainPort: UInt16?
  /// Where clients connect with TLS; nil if the configuration asked for no such port.
  public let tlsPort: UInt16?
  /// The server's certificate as PEM. It has signed itself, so this is what a client must trust.
  public let certificatePEM: String

  private let server: IMAPServer
  // Touched on the loop's thread only, once the server runs.
  private let core: ServerCore
  private let ownsLoop: Bool

  /// Starts a server on `loop`, or on a loop of its own that ``shutdown()`` ends. It listens when this returns.
  ///
  /// Throws ``TestServerError/connection(_:)`` where it cannot listen, and ``TestServerError/refused(_:)`` where a
  /// mailbox or message of the configuration is not possible.
  public static func start(
    _ configuration: Configuration = Configuration(), on loop: EventLoop? = nil
  ) async throws(TestServerError) -> IMAPTestServer {
    let certificate = try certificate(configuration)
    var ownLoop: EventLoop?
    if loop == nil {
      do throws(LoopError) { ownLoop = try EventLoop.start(name: "imap-test-server") } catch {
        throw .connection(.transport(.init(.listen, code: Int(error.code), message: error.description)))
      }
    }
    guard let used = loop ?? ownLoop else { throw .refused("no event loop") }
    do throws(TestServerError) {
      let core = try makeCore(configuration, used)
      return try await IMAPTestServer(configuration, certificate, core, used, ownsLoop: loop == nil)
    } catch {
      await ownLoop?.shutdown()
      throw error
    }
  }

  /// Closes all connections, stops listening and, if the server has a loop of its own, ends that. Returns when everything
  /// is closed.
  public func shutdown() async {
    await server.shutdown()
    if ownsLoop { await loop.shutdown() }
  }

  private init(
    _ configuration: Configuration, _ certificate: SelfSignedCertificate, _ core: ServerCore, _ loop: EventLoop,
    ownsLoop: Bool
  ) async throws(TestServerError) {
    do throws(ConnectionError) {
      let context = try TLSContext.server(identity: certificate.identity)
      var endpoints: [IMAPServer.Endpoint] = []
      if let port = configuration.plainPort {
        let security = configuration.offersStartTLS ? TransportSecurity.startTLS(context) : .plain
        endpoints.append(.init(host: configuration.host, port: port, security: security))
      }
      if let port = configuration.tlsPort {
        endpoints.append(.init(host: configuration.host, port: port, security: .tls(context)))
      }
      server = try await IMAPServer.start(on: loop, endpoints: endpoints, configuration: configuration.connection) {
        TestServerSession($0, core: core)
      }
    } catch {
      throw .connection(error)
    }
    var ports = server.addresses.map(\.port)[...]
    plainPort = configuration.plainPort == nil ? nil : ports.popFirst()
    tlsPort = configuration.tlsPort == nil ? nil : ports.popFirst()
    certificatePEM = certificate.certificatePEM
    self.core = core
    self.loop = loop
    self.ownsLoop = ownsLoop
  }

  /// Runs `body` on the loop with the store.
  func withStore<Result: Sendable>(
    _ body: @escaping @Sendable (MailStore) throws(TestServerError) -> Result
  ) async throws(TestServerError) -> Result {
    let core = core
    let result: Swift.Result<Result, TestServerError> = await loop.run {
      do throws(TestServerError) { return .success(try body(core.store)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// Runs `body` on the loop with everything there is.
  func withCore<Result: Sendable>(_ body: @escaping @Sendable (ServerCore) -> Result) async -> Result {
    let core = core
    return await loop.run { body(core) }
  }

  /// Seconds since 1970.
  static var now: Int64 { Int64(time(nil)) }

  private static func certificate(
    _ configuration: Configuration
  ) throws(TestServerError) -> SelfSignedCertificate {
    if let certificate = configuration.certificate { return certificate }
    let hosts = configuration.host == "localhost" ? ["localhost"] : ["localhost", configuration.host]
    do throws(ConnectionError) { return try SelfSignedCertificate.generate(hosts: hosts) } catch {
      throw .connection(error)
    }
  }

  private static func makeCore(
    _ configuration: Configuration, _ loop: EventLoop
  ) throws(TestServerError) -> ServerCore {
    var limits = StoreLimits()
    limits.bytes = max(0, configuration.quota)
    let store = MailStore(uidValidity: configuration.uidValidity, limits: limits)
    let start = InternalDate(unixSeconds: now)
    for user in configuration.users {
      let account = store.addUser(user.name, password: user.password)
      for mailbox in user.mailboxes {
        do throws(StoreError) {
          if account.mailbox(mailbox.name) == nil { try account.create(mailbox.name) }
          let made = try account.existing(mailbox.name)
          account.setAttributes(mailbox.attributes, of: mailbox.name)
          for message in mailbox.messages {
            try made.append(StoredMessage(message.bytes, internalDate: message.date ?? start), flags: message.flags)
          }
        } catch {
          throw TestServerError(error, mailbox.name)
        }
      }
    }
    return ServerCore(
      store: store, withheld: configuration.withheldCapabilities, requiresTLS: configuration.requiresTLS,
      offersStartTLS: configuration.offersStartTLS, mechanisms: configuration.mechanisms, clock: { now },
      later: { work in
        let box = LoopWork(body: work)
        loop.submit { box.body() }
      })
  }
}

/// A closure on its way to the end of the queue of the loop whose thread has made it, so that nothing crosses threads.
private struct LoopWork: @unchecked Sendable {
  let body: () -> Void
}
