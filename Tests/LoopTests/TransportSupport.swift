import Foundation
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPLoop

/// One direction of a ``MemoryPipe``.
final class Lane: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var isClosed = false
    var reader: CheckedContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  func send(_ bytes: [UInt8]) { change { $0.bytes += bytes } }
  func close() { change { $0.isClosed = true } }

  private func change(_ body: (inout State) -> Void) {
    let reader = state.withLock { state in
      body(&state)
      return state.reader.take()
    }
    reader?.resume()
  }

  func receive(upTo count: Int) async -> [UInt8]? {
    while true {
      let (found, isOver) = state.withLock { state in
        let found = Array(state.bytes.prefix(count))
        state.bytes.removeFirst(found.count)
        return (found, found.isEmpty && state.isClosed)
      }
      if !found.isEmpty { return found }
      if isOver { return nil }
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if !state.bytes.isEmpty || state.isClosed { return true }
          state.reader = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    }
  }
}

/// One end of a pipe in memory, which brings `piece` bytes at a time.
final class MemoryPipe: BytePipe {
  let incoming: Lane
  let outgoing: Lane
  private let piece: Int
  private let calls = Mutex((receives: 0, closes: 0))

  init(_ incoming: Lane, _ outgoing: Lane, piece: Int = .max) {
    self.incoming = incoming
    self.outgoing = outgoing
    self.piece = piece
  }

  /// Both ends.
  static func pair(piece: Int = .max) -> (MemoryPipe, MemoryPipe) {
    let (one, other) = (Lane(), Lane())
    return (MemoryPipe(one, other, piece: piece), MemoryPipe(other, one, piece: piece))
  }

  var receives: Int { calls.withLock(\.receives) }
  var closes: Int { calls.withLock(\.closes) }

  func send(_ bytes: [UInt8]) async throws { outgoing.send(bytes) }

  func receive(upTo count: Int) async throws -> [UInt8]? {
    calls.withLock { $0.receives += 1 }
    return await incoming.receive(upTo: min(count, piece))
  }

  func close() async {
    calls.withLock { $0.closes += 1 }
    outgoing.close()
    incoming.close()
  }
}

/// The far end of transports that are no TCP: a server's connection on whatever stream it is given.
struct FarEnd: Sendable {
  let loop: EventLoop
  let log = ServerLog()
  let certificate: SelfSignedCertificate
  let protection: Protection
  private let context: TLSContext

  init(_ loop: EventLoop, _ protection: Protection) throws {
    self.loop = loop
    self.protection = protection
    certificate = try SelfSignedCertificate.generate(hosts: ["mail.example"])
    context = try TLSContext.server(identity: certificate.identity)
  }

  /// Must run on the loop's thread.
  func serve(_ stream: ByteStream) {
    let setup = ServerSetup(
      tls: protection == .plain ? nil : context, isImplicit: protection == .tls, configuration: .init(),
      handshakeTimeout: .seconds(20))
    ServerChannel(loop: loop, setup: setup).start(stream, delegate: AgreeingServer(log))
  }

  func serve(_ pipe: any BytePipe) async throws {
    let error: LoopError? = await loop.run {
      do throws(LoopError) {
        serve(try TaskStream(loop: loop, pipe))
        return nil
      } catch {
        return error
      }
    }
    if let error { throw error }
  }

  func serve(descriptor: Int32) async throws {
    let error: LoopError? = await loop.run {
      do throws(LoopError) {
        let stream = try PipeStream(loop: loop)
        try stream.open(descriptor)
        serve(stream)
        return nil
      } catch {
        return error
      }
    }
    if let error { throw error }
  }

  func configuration(_ transport: Transport) -> IMAPClient.Configuration {
    let security: IMAPClient.Configuration.Security =
      switch protection {
      case .plain: .plain
      case .tls: .implicitTLS
      case .startTLS: .startTLS
      }
    var configuration = IMAPClient.Configuration(
      transport: transport, host: "mail.example", security: security, trust: .pem(certificate.certificatePEM))
    configuration.connectTimeout = .seconds(20)
    return configuration
  }

  /// Connects, runs some commands, and logs out.
  func converse(_ transport: Transport) async throws {
    let client = try await IMAPClient.connect(configuration(transport), on: loop)
    #expect(await client.greeting?.text == "ready")
    try await client.login(user: "joe", password: Secret("pw"))
    // 200 KB the other way.
    _ = try await client.run(.list(ListRequest(patterns: ["*"])))
    try await client.noop()
    let isSecure = await loop.run { client.assumeIsolated { $0.channel.isSecure } }
    #expect(isSecure == (protection != .plain))
    await client.logout()
  }
}

struct SystemError: Error { var code = errno }

/// Two connected UNIX sockets.
func socketPair() throws -> (Int32, Int32) {
  var pair: [Int32] = [-1, -1]
  #if canImport(Glibc)
    let kind = Int32(SOCK_STREAM.rawValue)
  #else
    let kind = SOCK_STREAM
  #endif
  guard unsafe socketpair(AF_UNIX, kind, 0, &pair) == 0 else { throw SystemError() }
  return (pair[0], pair[1])
}

/// A UNIX socket under a name of its own that connections can be made to.
func listeningUnixSocket() throws -> (descriptor: Int32, path: String) {
  let path = FileManager.default.temporaryDirectory.path + "/imap-\(UUID().uuidString.prefix(8)).sock"
  #if canImport(Glibc)
    let kind = Int32(SOCK_STREAM.rawValue)
  #else
    let kind = SOCK_STREAM
  #endif
  let descriptor = socket(AF_UNIX, kind, 0)
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let bytes = Array(path.utf8)
  unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in unsafe target.copyBytes(from: bytes) }
  let isListening = unsafe withUnsafePointer(to: &address) { address in
    unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      unsafe bind(descriptor, address, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 && listen(descriptor, 128) == 0
    }
  }
  if !isListening { throw SystemError() }
  return (descriptor, path)
}

/// A UNIX socket that takes one connection, on a thread of its own.
final class UnixListener: Sendable {
  let path: String
  let accepted = Promise<Int32>()
  private let descriptor: Int32

  init() throws {
    (descriptor, path) = try listeningUnixSocket()
    Thread.detachNewThread { [self] in accepted.fulfil(accept(descriptor, nil, nil)) }
  }

  deinit {
    close(descriptor)
    unsafe unlink(path)
  }
}
