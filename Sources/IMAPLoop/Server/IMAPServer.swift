internal import CUV
import IMAPStateMachine

/// A listening IMAP server on one loop: it accepts connections and hands each to a handler. What it serves is up to that.
public final class IMAPServer: @unchecked Sendable {
  // Sendable: everything but `endpoints` and the constants is only used on the loop's thread.

  /// Where to listen and what protects it.
  public struct Endpoint: Sendable {
    /// A numeric address.
    public var host: String
    /// The port; 0 lets the system choose one.
    public var port: UInt16
    /// `.tls`: TLS from the first byte. `.startTLS`: the client may ask for it. The context must be one for servers.
    public var security: TransportSecurity

    /// An endpoint, by default without TLS on a free port of the loopback interface.
    public init(host: String = "127.0.0.1", port: UInt16 = 0, security: TransportSecurity = .plain) {
      self.host = host
      self.port = port
      self.security = security
    }
  }

  /// The loop that serves the connections.
  public let loop: EventLoop
  /// The addresses that the server listens on, in the order of the endpoints, with the ports that the system chose.
  public let addresses: [SocketAddress]

  private let listeners: [Listener]
  private let setups: [ServerSetup]

  /// Listens on `endpoints`. `handler` runs on the loop's thread for each connection and returns who serves it, or nil to
  /// close it at once. Throws a `.listen` transport failure where an address cannot be used.
  public static func start(
    on loop: EventLoop, endpoints: [Endpoint] = [Endpoint()],
    configuration: ServerConnection.Configuration = .init(), handshakeTimeout: Duration = .seconds(30),
    handler: @escaping @Sendable (ServerChannel) -> (any ServerChannelDelegate)?
  ) async throws(ConnectionError) -> IMAPServer {
    let result: Result<IMAPServer, ConnectionError> = await loop.run {
      do throws(ConnectionError) {
        return .success(
          try IMAPServer(
            loop: loop, endpoints: endpoints, configuration: configuration, handshakeTimeout: handshakeTimeout,
            handler: handler))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Stops listening, closes every connection (clients are told by BYE where they can be) and returns when the last one is
  /// gone, which peers can delay by ten seconds at the most.
  public func shutdown() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      loop.submit { [self] in
        let open = Remaining(listeners.count + setups.count) { continuation.resume() }
        for listener in listeners { listener.close { open.done() } }
        for setup in setups {
          if setup.liveCount == 0 { open.done() } else { setup.onIdle = open.done }
        }
        for channel in channels() { channel.close() }
      }
    }
  }

  private init(
    loop: EventLoop, endpoints: [Endpoint], configuration: ServerConnection.Configuration, handshakeTimeout: Duration,
    handler: @escaping @Sendable (ServerChannel) -> (any ServerChannelDelegate)?
  ) throws(ConnectionError) {
    self.loop = loop
    var listeners: [Listener] = []
    var setups: [ServerSetup] = []
    do throws(ConnectionError) {
      for endpoint in endpoints {
        guard let address = SocketAddress(numeric: endpoint.host, port: endpoint.port) else {
          throw .transport(.init(.listen, message: "\(endpoint.host) is no numeric address"))
        }
        let setup = try Self.setup(endpoint, configuration, handshakeTimeout)
        do throws(LoopError) {
          listeners.append(
            try Listener(loop: loop, address: address) { stream in
              let channel = ServerChannel(loop: loop, setup: setup)
              if let delegate = handler(channel) {
                channel.start(stream, delegate: delegate)
              } else {
                setup.channelClosed()
              }
            })
        } catch {
          throw .transport(.init(.listen, code: Int(error.code), message: error.description))
        }
        setups.append(setup)
      }
    } catch {
      for listener in listeners { listener.close() }
      throw error
    }
    self.listeners = listeners
    self.setups = setups
    addresses = listeners.map(\.address)
  }

  private static func setup(
    _ endpoint: Endpoint, _ configuration: ServerConnection.Configuration, _ timeout: Duration
  ) throws(ConnectionError) -> ServerSetup {
    let context: TLSContext?
    var isImplicit = false
    switch endpoint.security {
    case .plain: context = nil
    case .startTLS(let tls): context = tls
    case .tls(let tls):
      context = tls
      isImplicit = true
    }
    if let context, !context.isServer {
      throw .transport(.init(.tls, message: "the TLS context of an endpoint is one for clients"))
    }
    return ServerSetup(
      tls: context, isImplicit: isImplicit, configuration: configuration, handshakeTimeout: timeout)
  }

  /// The channels of this server. The loop knows its sockets, so that no list of them costs memory for each.
  private func channels() -> [ServerChannel] {
    loop.streams().compactMap { $0.owner as? ServerChannel }
      .filter { channel in setups.contains { $0 === channel.setup } }
  }

  private final class Remaining {
    private var count: Int
    private let body: () -> Void

    init(_ count: Int, _ body: @escaping () -> Void) {
      self.count = count
      self.body = body
      if count == 0 { body() }
    }

    func done() {
      count -= 1
      if count == 0 { body() }
    }
  }
}
