import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// A proxy that knows how to be asked, and speaks to one server whatever it is asked for. Used on the loop's thread.
@safe
final class TestProxy: StreamOwner {
  /// What it says to each piece of the handshake that it has read whole; the last answer opens the way.
  struct Script: Sendable {
    var expected: [[UInt8]]
    var answers: [[UInt8]]
  }

  private let near: ByteStream
  private var far: ByteStream?
  private let script: Script
  private let port: UInt16?
  private var step = 0
  private var input: [UInt8] = []
  private var held: [UInt8]
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)

  /// `port` is the server's; nil lets it end behind the last answer. `isLate` sends the last answer together with the first
  /// bytes of the server.
  init(_ near: ByteStream, _ script: Script, to port: UInt16?) {
    self.near = near
    self.script = script
    self.port = port
    held = []
    near.owner = self
    if let near = near as? TLSStream { near.start() } else { _ = try? near.startReading() }
  }

  deinit { unsafe memory.deallocate() }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {
    if error == nil { _ = try? near.startReading() } else { close() }
  }

  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }

  func stream(_ stream: ByteStream, received count: Int) {
    let bytes = unsafe Array(memory[..<count])
    if stream === far {
      // The answer and the greeting go out as one.
      _ = try? near.write((held + bytes).span)
      held = []
      return
    }
    if let far {
      _ = try? far.write(bytes.span)
      return
    }
    input += bytes
    while step < script.expected.count, input.starts(with: script.expected[step]) {
      input.removeFirst(script.expected[step].count)
      let answer = script.answers[step]
      step += 1
      if step < script.expected.count {
        _ = try? near.write(answer.span)
      } else if let port {
        held = answer
        connect(to: port)
      } else {
        _ = try? near.write(answer.span)
        near.shutdownWriting()
      }
    }
  }

  private func connect(to port: UInt16) {
    let loop = near.loop
    let deadline = loop.now.advanced(by: .seconds(10))
    _ = Connector(loop: loop, host: "127.0.0.1", port: port, deadline: deadline) { [self] result in
      guard case .success(let stream) = result else { return near.close() }
      if near.isClosing { return stream.close() }
      far = stream
      stream.owner = self
      _ = try? stream.startReading()
      // A server with TLS waits for the client.
      if held.isEmpty { return }
      loop.schedule(after: .milliseconds(20)) { [self] in
        if held.isEmpty || near.isClosing { return }
        let bytes = held
        held = []
        _ = try? near.write(bytes.span)
      }
    }
  }

  func streamEnded(_ stream: ByteStream) { close() }
  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { close() }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) { close() }

  private func close() {
    near.close()
    far?.close()
  }
}

@Suite(.timeLimit(.minutes(1))) struct ProxyTests {
  private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// Runs a client through a proxy with `script`, and returns what it wrote down. The server's name is `localhost`, which only
  /// the proxy would look up.
  private func converse(
    _ bench: TestBench, _ script: TestProxy.Script, reachesServer: Bool = true, security: TLSContext? = nil,
    _ proxy: (UInt16) -> Proxy
  ) async throws -> [String] {
    let loop = bench.loop
    let target = reachesServer ? bench.port : nil
    let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
    let listener = Confined<Listener?>(nil)
    let port = await loop.run {
      // It would be asked for a name that it must not look up.
      loop.resolver.substitute = { host, _ in Issue.record("\(host) was looked up") }
      listener.value = try? Listener(loop: loop, address: address) { stream in
        let near = try? security.map { try TLSStream($0, host: nil, over: stream) }
        _ = TestProxy(near ?? stream, script, to: target)
      }
      return listener.value?.address.port ?? 0
    }
    let clientSecurity = try bench.clientSecurity()
    let proxy = proxy(port)
    let done = Promise<[String]>()
    loop.submit {
      let log = ClientLog()
      log.onLine = { channel, line in
        switch line {
        case "greeting ok": _ = try? channel.send(.noop)
        case "A1 ok": _ = try? channel.send(.logout)
        default: break
        }
      }
      log.onClosed = { done.fulfil($0.lines.filter { $0 != "response" && $0 != "secured" }) }
      _ = ClientChannel(
        loop: loop, host: "localhost", port: 143, proxy: proxy, security: clientSecurity, timeout: .seconds(20),
        delegate: log)
    }
    let lines = await done.value
    await loop.run {
      listener.value?.close()
      loop.resolver.substitute = nil
    }
    return lines
  }

  private static let name = [3, 9] + bytes("localhost") + [0, 143]

  @Test(arguments: [Protection.plain, .tls]) func socks5(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let script = TestProxy.Script(
        expected: [[5, 2, 0, 2], [1, 1] + Self.bytes("u") + [1] + Self.bytes("p"), [5, 1, 0] + Self.name],
        answers: [[5, 2], [1, 0], [5, 0, 0, 1, 127, 0, 0, 1, 0, 0]])
      let lines = try await converse(bench, script) {
        .socks5(host: "127.0.0.1", port: $0, user: "u", password: Secret("p"))
      }
      #expect(lines == ["connected", "greeting ok", "A1 ok", "A2 ok", "closed: logout"])
      await bench.server.shutdown()
    }
  }

  @Test(arguments: [Protection.plain, .tls]) func httpConnect(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let script = TestProxy.Script(
        expected: [Self.bytes("CONNECT localhost:143 HTTP/1.1\r\nHost: localhost:143\r\n\r\n")],
        answers: [Self.bytes("HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n")])
      let lines = try await converse(bench, script) { .httpConnect(host: "127.0.0.1", port: $0) }
      #expect(lines == ["connected", "greeting ok", "A1 ok", "A2 ok", "closed: logout"])
      await bench.server.shutdown()
    }
  }

  /// TLS to the proxy, and the server's own inside it.
  @Test(arguments: [Protection.plain, .tls]) func httpsConnect(protection: Protection) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop, protection)
      let certificate = try SelfSignedCertificate.generate(hosts: ["127.0.0.1"])
      let script = TestProxy.Script(
        expected: [
          Self.bytes(
            "CONNECT localhost:143 HTTP/1.1\r\nHost: localhost:143\r\nProxy-Authorization: Basic dTpw\r\n\r\n")
        ],
        answers: [Self.bytes("HTTP/1.1 200 OK\r\n\r\n")])
      let lines = try await converse(bench, script, security: .server(identity: certificate.identity)) {
        .httpsConnect(
          host: "127.0.0.1", port: $0, user: "u", password: Secret("p"), trust: .pem(certificate.certificatePEM))
      }
      #expect(lines == ["connected", "greeting ok", "A1 ok", "A2 ok", "closed: logout"])
      await bench.server.shutdown()
    }
  }

  /// A proxy that is not the one that is meant is told nothing.
  @Test func aProxyThatCannotProveItself() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let certificate = try SelfSignedCertificate.generate(hosts: ["proxy.example"])
      let script = TestProxy.Script(expected: [[0]], answers: [[]])
      let security = try TLSContext.server(identity: certificate.identity)
      let untrusted = try await converse(bench, script, reachesServer: false, security: security) {
        .httpsConnect(host: "127.0.0.1", port: $0)
      }
      #expect(untrusted.count == 1 && untrusted[0].contains("proxy https://127.0.0.1:"), "\(untrusted)")
      #expect(untrusted[0].contains("self-signed"), "\(untrusted)")
      let other = try await converse(bench, script, reachesServer: false, security: security) {
        .httpsConnect(host: "127.0.0.1", port: $0, trust: .pem(certificate.certificatePEM))
      }
      #expect(other.count == 1 && other[0].contains("127.0.0.1"), "\(other)")
      #expect(other[0].contains("mismatch") || other[0].contains("not for"), "\(other)")
      // One that speaks no TLS.
      let plain = try await converse(
        bench, .init(expected: [[22, 3, 1]], answers: [Self.bytes("HTTP/1.1 400 Bad Request\r\n\r\n")]),
        reachesServer: false
      ) { .httpsConnect(host: "127.0.0.1", port: $0) }
      #expect(plain.count == 1 && plain[0].hasPrefix("closed: error proxy: proxy https://127.0.0.1:"), "\(plain)")
      await bench.server.shutdown()
    }
  }

  @Test func whatTheProxyRefusesIsTheReason() async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      let hello: [UInt8] = [5, 1, 0]
      let refused = TestProxy.Script(
        expected: [hello, [5, 1, 0] + Self.name], answers: [[5, 0], [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]])
      let first = try await converse(bench, refused, reachesServer: false) { .socks5(host: "127.0.0.1", port: $0) }
      #expect(first.count == 1)
      #expect(first.last?.hasSuffix("cannot connect: connection refused") == true, "\(first)")
      let cut = TestProxy.Script(expected: [hello], answers: [[5]])
      let second = try await converse(bench, cut, reachesServer: false) { .socks5(host: "127.0.0.1", port: $0) }
      #expect(second.last?.hasSuffix("closed the connection") == true, "\(second)")
      await bench.server.shutdown()
    }
  }

  @Test func aProxyThatIsNotThere() async throws {
    try await withLoop { loop in
      let lines = Promise<[String]>()
      loop.submit {
        let log = ClientLog()
        log.onClosed = { lines.fulfil($0.lines) }
        _ = ClientChannel(
          loop: loop, host: "mail.example", port: 143, proxy: .socks5(host: "127.0.0.1", port: 1), security: .plain,
          delegate: log)
      }
      let last = await lines.value.last
      #expect(
        last?.hasPrefix("closed: error proxy: proxy socks5://127.0.0.1:1: 127.0.0.1:1: ") == true, "\(last ?? "")")
    }
  }

  @Test func aSilentProxyIsGivenUp() async throws {
    try await withLoop { loop in
      let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
      let lines = Promise<[String]>()
      loop.submit {
        let never = TestProxy.Script(expected: [[0]], answers: [[]])
        let listener = try? Listener(loop: loop, address: address) { _ = TestProxy($0, never, to: nil) }
        let log = ClientLog()
        log.onClosed = {
          lines.fulfil($0.lines)
          listener?.close()
        }
        _ = ClientChannel(
          loop: loop, host: "mail.example", port: 143,
          proxy: .httpConnect(host: "127.0.0.1", port: listener?.address.port ?? 0), security: .plain,
          timeout: .milliseconds(30), delegate: log)
      }
      #expect(await lines.value == ["closed: error timed out: connect"])
    }
  }
}
