import Foundation
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPLoop

/// How a client's bytes get to where the fault is, and from there to the server.
struct FaultWay: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    case direct, socks5, httpConnect, httpsConnect, unixSocket

    var isProxy: Bool { self == .socks5 || self == .httpConnect || self == .httpsConnect }
    /// A UNIX socket knows no RST.
    var faults: [Fault.Kind] { self == .unixSocket ? [.close, .halfClose] : Fault.Kind.allCases }
  }

  private let loop: EventLoop
  private let listeners: Confined<[Listener]>
  private let unixSocket: UnixAcceptor?
  private let proxy: Proxy?
  private let port: UInt16

  /// `relay` gets each connection of the client, and the port where it goes on: the server's, which is `target`, or that of a proxy.
  init(
    _ loop: EventLoop, _ kind: Kind, to target: UInt16,
    _ relay: @escaping @Sendable (_ near: ByteStream, _ port: UInt16) -> Void
  ) async throws {
    self.loop = loop
    let listeners = Confined<[Listener]>([])
    self.listeners = listeners
    let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
    @Sendable func listen(_ accept: @escaping @Sendable (ByteStream) -> Void) async throws -> UInt16 {
      let port = await loop.run { () -> UInt16? in
        guard let listener = try? Listener(loop: loop, address: address, onAccept: accept) else { return nil }
        listeners.value.append(listener)
        return listener.address.port
      }
      return try #require(port)
    }
    if kind == .unixSocket {
      unixSocket = try UnixAcceptor(loop) { relay($0, target) }
      (proxy, port) = (nil, 0)
      return
    }
    unixSocket = nil
    if !kind.isProxy {
      proxy = nil
      port = try await listen { relay($0, target) }
      return
    }
    let (script, certificate) = try Self.script(kind)
    let security = try certificate.map { try TLSContext.server(identity: $0.identity) }
    let further = try await listen { stream in
      let secured = try? security.map { try TLSStream($0, host: nil, over: stream) }
      _ = TestProxy(secured ?? stream, script, to: target)
    }
    port = try await listen { relay($0, further) }
    proxy =
      switch kind {
      case .socks5: .socks5(host: "127.0.0.1", port: port, user: "u", password: Secret("p"))
      case .httpConnect: .httpConnect(host: "127.0.0.1", port: port)
      default:
        .httpsConnect(host: "127.0.0.1", port: port, trust: certificate.map { .pem($0.certificatePEM) } ?? .system)
      }
  }

  /// Starts to connect. Must run on the loop's thread, as the rest.
  func channel(security: TransportSecurity, delegate: FlowClient) -> ClientChannel {
    if let proxy {
      // Behind a proxy the name is the proxy's to look up.
      return ClientChannel(
        loop: loop, host: "localhost", port: 143, proxy: proxy, security: security, timeout: .seconds(60),
        delegate: delegate)
    }
    return ClientChannel(
      loop: loop, host: "127.0.0.1", port: port, transport: unixSocket.map { .unixSocket(path: $0.path) } ?? .tcp,
      security: security, timeout: .seconds(60), delegate: delegate)
  }

  func close() {
    for listener in listeners.value { listener.close() }
    listeners.value = []
    unixSocket?.close()
  }

  /// What a client says to a proxy, and is told.
  private static func script(_ kind: Kind) throws -> (TestProxy.Script, SelfSignedCertificate?) {
    if kind == .socks5 {
      let name = [3, 9] + Array("localhost".utf8) + [0, 143]
      let script = TestProxy.Script(
        expected: [[5, 2, 0, 2], [1, 1, UInt8(ascii: "u"), 1, UInt8(ascii: "p")], [5, 1, 0] + name],
        answers: [[5, 2], [1, 0], [5, 0, 0, 1, 127, 0, 0, 1, 0, 0]])
      return (script, nil)
    }
    let script = TestProxy.Script(
      expected: [Array("CONNECT localhost:143 HTTP/1.1\r\nHost: localhost:143\r\n\r\n".utf8)],
      answers: [Array("HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n".utf8)])
    return (script, kind == .httpsConnect ? try .generate(hosts: ["127.0.0.1"]) : nil)
  }
}

/// A UNIX socket that takes connections on a thread of its own, and gives them to a loop.
final class UnixAcceptor: Sendable {
  let path: String
  private let isClosed = Mutex(false)
  private let descriptor: Int32

  init(_ loop: EventLoop, _ accepted: @escaping @Sendable (PipeStream) -> Void) throws {
    (descriptor, path) = try listeningUnixSocket()
    Thread.detachNewThread { [descriptor] in
      while true {
        let connection = accept(descriptor, nil, nil)
        if connection < 0 { break }
        loop.submit {
          guard let stream = try? PipeStream(loop: loop), (try? stream.take(connection)) != nil else { return }
          accepted(stream)
        }
      }
      _ = systemClose(descriptor)
    }
  }

  deinit { close() }

  func close() {
    let wasClosed = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return isClosed
    }
    if wasClosed { return }
    // Ends the wait for the next one.
    shutdown(descriptor, Int32(SHUT_RDWR))
    unsafe unlink(path)
  }
}

/// A server in a few lines of shell, which has a fault of its own behind so many of its bytes, or takes so many of the client's only.
enum FaultyChild {
  /// A child that ends behind the fault's limit: by itself, by closing its output, or by a signal. One that takes no more of the
  /// client's bytes answers what it has read, and ends by itself.
  private static func transport(_ fault: Fault) -> Transport {
    let line = fault.hitsServer ? "dd bs=1 count=\"$4\" 2>/dev/null | (\(server))" : server
    let limits = fault.hitsServer ? (Int.max, fault.limit) : (fault.limit, Int.max)
    var command = Transport.Command(
      "/bin/sh", ["-c", line, "sh", String(limits.0), fault.kind.rawValue, "\r\n", String(limits.1)])
    command.keepsErrorOutput = false
    return .command(command)
  }

  /// `say` prints its argument, as far as the bytes that are left go. The message of the APPEND has three lines, and the command's
  /// own end follows.
  private static let server = """
    left=$1 fault=$2 e=$3
    say() {
      if [ ${#1} -lt "$left" ]; then
        printf %s "$1"
        left=$((left - ${#1}))
        return
      fi
      printf "%.${left}s" "$1"
      case $fault in
        close) exit 0 ;;
        halfClose) exec >&-; while read -r line; do :; done; exit 0 ;;
        reset) kill -9 $$ ;;
      esac
    }
    say "* OK [CAPABILITY IMAP4rev1 IDLE] ready$e"
    while read -r tag name rest; do
      case $name in
        SELECT) say "* 1 EXISTS$e* FLAGS (\\Seen)$e* OK [UIDVALIDITY 1] valid$e$tag OK [READ-WRITE] selected$e" ;;
        FETCH) say "* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {9}${e}line${e}two)$e$tag OK fetched$e" ;;
        APPEND) say "+ go on$e"; for line in 1 2 3 4; do read -r line; done; say "$tag OK appended$e" ;;
        IDLE*) say "+ idling$e"; read -r line; say "$tag OK idled$e" ;;
        LOGOUT*) say "* BYE bye$e$tag OK bye$e"; exit 0 ;;
        *) say "$tag OK done$e" ;;
      esac
    done
    """

  /// Runs a session with such a child until its channel is closed.
  static func run(_ loop: EventLoop, _ fault: Fault) async -> FlowClient.Report {
    let done = Promise<Void>()
    let client = await loop.run {
      let client = FlowClient(startTLS: false, compressed: false, done)
      _ = ClientChannel(
        loop: loop, host: "", port: 0, transport: transport(fault), security: .plain, timeout: .seconds(60),
        delegate: client)
      return Confined(client)
    }
    await done.value
    return await loop.run { client.value.report() }
  }
}
