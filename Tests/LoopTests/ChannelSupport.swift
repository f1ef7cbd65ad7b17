import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A client's delegate that writes down what happens and runs a script.
final class ClientLog: ClientChannelDelegate {
  var lines: [String] = []
  var closeCount = 0
  var chunkBytes = 0
  var writableCount = 0
  /// Called with each line as it is written down.
  var onLine: ((ClientChannel, String) -> Void)?
  var onChunk: (() -> Void)?
  var onLiteral: ((ClientChannel, CommandID) -> Void)?
  var onWritable: ((ClientChannel) -> Void)?
  var onClosed: ((ClientLog) -> Void)?

  func channelConnected(_ channel: ClientChannel) { add(channel, "connected") }

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    switch copy event {
    case .greeting(let status): add(channel, "greeting \(status.copy().condition)")
    case .completed(let id, let status): add(channel, "\(id) \(status.copy().condition)")
    case .failed(let id, let error): add(channel, "\(id) failed: \(error)")
    case .idling(let id): add(channel, "\(id) idling")
    case .upgrade(_, let id): add(channel, "\(id) upgrade")
    case .challenge(let id, _): add(channel, "\(id) challenge")
    case .readyForLiteral(let id, _): onLiteral?(channel, id)
    case .response(.literalChunk(let bytes, _)):
      chunkBytes += bytes.count
      onChunk?()
    case .response(.untagged(.exists(let count))): add(channel, "\(count) exists")
    case .response: add(channel, "response")
    default: add(channel, "unexpected event")
    }
  }

  func channelSecured(_ channel: ClientChannel) { add(channel, "secured") }
  func channelCompressed(_ channel: ClientChannel) { add(channel, "compressed") }
  func channelWritable(_ channel: ClientChannel) {
    writableCount += 1
    onWritable?(channel)
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    closeCount += 1
    lines.append("closed: \(describe(reason))")
    onClosed?(self)
    // Scripts hold what they are part of.
    onLine = nil
    onChunk = nil
    onLiteral = nil
    onWritable = nil
    onClosed = nil
  }

  private func add(_ channel: ClientChannel, _ line: String) {
    lines.append(line)
    onLine?(channel, line)
  }
}

func describe(_ reason: CloseReason) -> String {
  switch reason {
  case .logout: "logout"
  case .refused(let text): "refused \(text)"
  case .bye(let text): "bye \(text)"
  case .endOfInput: "end of input"
  case .local: "local"
  case .error(let error): "error \(error)"
  }
}

/// A server's delegate that agrees to everything.
final class AgreeingServer: ServerChannelDelegate {
  let log: ServerLog
  var idle: ServerCommandID?
  var appended = 0

  init(_ log: ServerLog) { self.log = log }

  func channelConnected(_ channel: ServerChannel) {
    log.channels.append(channel)
    channel.withConnection { $0.greet(Status(.ok, "ready")) }
  }

  func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
    do throws(ConnectionError) {
      switch copy event {
      case .command(let id, let view): try answer(id, view.copy(), channel)
      case .literalOffered(let id, _, _): try channel.withConnection { c throws(ConnectionError) in try c.accept(id) }
      case .literalChunk(_, let bytes, _): appended += bytes.count
      case .literalEnd(let id):
        log.lines.append("appended \(appended)")
        try complete(id, channel)
      case .idleDone(let id):
        idle = nil
        try complete(id, channel)
      case .upgrade: log.lines.append("upgrade")
      default: log.lines.append("other event")
      }
    } catch {
      log.lines.append("refused: \(error)")
    }
  }

  func channelSecured(_ channel: ServerChannel) { log.lines.append("secured \(channel.isSecure)") }
  func channelCompressed(_ channel: ServerChannel) { log.lines.append("compressed \(channel.isCompressed)") }
  func channelWritable(_ channel: ServerChannel) { log.writableCount += 1 }

  func channelClosed(_ channel: ServerChannel, reason: CloseReason) {
    log.channels.removeAll { $0 === channel }
    log.lines.append("closed: \(describe(reason))")
    log.onClosed?()
  }

  private func answer(_ id: ServerCommandID, _ command: Command, _ channel: ServerChannel) throws(ConnectionError) {
    switch command {
    case .idle:
      idle = id
      try channel.withConnection { c throws(ConnectionError) in try c.startIdle(id) }
    case .noop:
      // A push to everybody who is idle, from inside this connection's event.
      for other in log.channels where other !== channel {
        try other.withConnection { c throws(ConnectionError) in try c.respond(.exists(7)) }
      }
      try complete(id, channel)
    case .list:
      try channel.withConnection { c throws(ConnectionError) in
        for line in log.answer { try c.respond(.status(Status(.ok, line))) }
      }
      try complete(id, channel)
    default: try complete(id, channel)
    }
  }

  private func complete(_ id: ServerCommandID, _ channel: ServerChannel) throws(ConnectionError) {
    try channel.withConnection { c throws(ConnectionError) in try c.complete(id, Status(.ok, "done")) }
  }
}

/// What all connections of a test server have to tell. Used on the loop's thread.
final class ServerLog: @unchecked Sendable {
  var lines: [String] = []
  var channels: [ServerChannel] = []
  var writableCount = 0
  /// What LIST is answered with: 200 KB of it.
  var answer = Array(repeating: String(repeating: "x", count: 1000), count: 200)
  var onClosed: (() -> Void)?
}

/// The kinds of connection that a channel test runs on.
enum Protection: String, CaseIterable, Sendable { case plain, tls, startTLS }

/// A server for channel tests, with its certificate.
struct TestBench: Sendable {
  let loop: EventLoop
  let server: IMAPServer
  let log: ServerLog
  let certificate: SelfSignedCertificate
  let protection: Protection

  init(
    _ loop: EventLoop, _ protection: Protection = .plain, configuration: ServerConnection.Configuration = .init(),
    handshakeTimeout: Duration = .seconds(30)
  ) async throws {
    let certificate = try SelfSignedCertificate.generate(hosts: ["localhost", "127.0.0.1"])
    let context = try TLSContext.server(identity: certificate.identity)
    let security: TransportSecurity =
      switch protection {
      case .plain: .plain
      case .tls: .tls(context)
      case .startTLS: .startTLS(context)
      }
    let log = ServerLog()
    self.loop = loop
    self.log = log
    self.certificate = certificate
    self.protection = protection
    server = try await IMAPServer.start(
      on: loop, endpoints: [.init(security: security)], configuration: configuration, handshakeTimeout: handshakeTimeout
    ) { _ in AgreeingServer(log) }
  }

  var port: UInt16 { server.addresses.first?.port ?? 0 }

  func clientSecurity() throws -> TransportSecurity {
    let context = try TLSContext.client(trust: .pem(certificate.certificatePEM))
    return switch protection {
    case .plain: .plain
    case .tls: .tls(context)
    case .startTLS: .startTLS(context)
    }
  }

  /// Runs a client until it is closed and returns what it wrote down. `script` prepares it on the loop's thread.
  func client(
    host: String = "127.0.0.1", port: UInt16? = nil, security: TransportSecurity? = nil,
    configuration: ClientConnection.Configuration = .init(), timeout: Duration = .seconds(20),
    _ script: @escaping @Sendable (ClientLog) -> Void
  ) async throws -> [String] {
    let security = try security ?? clientSecurity()
    return await runClient(
      loop, host: host, port: port ?? self.port, security: security, configuration: configuration, timeout: timeout,
      script)
  }
}

/// Runs a client until it is closed, and on to the end of that tick, and returns what it wrote down.
func runClient(
  _ loop: EventLoop, host: String = "127.0.0.1", port: UInt16, security: TransportSecurity,
  configuration: ClientConnection.Configuration = .init(), timeout: Duration = .seconds(20),
  _ script: @escaping @Sendable (ClientLog) -> Void
) async -> [String] {
  let done = Promise<Void>()
  let log = Confined(ClientLog())
  loop.submit {
    script(log.value)
    let closed = log.value.onClosed
    log.value.onClosed = {
      closed?($0)
      done.fulfil(())
    }
    _ = ClientChannel(
      loop: loop, host: host, port: port, security: security, configuration: configuration, timeout: timeout,
      delegate: log.value)
  }
  await done.value
  return await loop.run {
    #expect(log.value.closeCount == 1)
    return log.value.lines
  }
}
