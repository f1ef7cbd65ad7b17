import CUV
import Foundation
import IMAPStateMachine
import IMAPTestServer
import Testing

@testable import IMAPLoop

/// What goes wrong with a connection, and when.
struct Fault: Sendable, CustomStringConvertible {
  enum Kind: String, CaseIterable, Sendable {
    /// Both directions are closed.
    case close
    /// Nothing more comes, but everything is taken.
    case halfClose
    /// A reset (RST).
    case reset
  }

  var kind = Kind.close
  /// Bytes that pass before.
  var limit = Int.max
  /// Whether those are the client's, and the fault hits the server.
  var hitsServer = false
  /// Bytes that pass at a time, each time by itself.
  var piece = Int.max

  var description: String { "\(kind) behind byte \(limit) of the \(hitsServer ? "client" : "server")" }
}

extension TCPStream {
  /// Closes so that the peer is told by RST.
  func reset() {
    var descriptor: uv_os_fd_t = -1
    var option = linger(l_onoff: 1, l_linger: 0)
    if unsafe uv_fileno(raw, &descriptor) == 0 {
      unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
    close()
  }
}

/// Stands between a client and a server, and has a fault.
@safe
final class FaultyRelay: StreamOwner, @unchecked Sendable {
  /// Sendable: only used on the loop's thread.
  private struct Lane {
    var waiting: [UInt8] = []
    var passed = 0
    var allowed = Int.max
    /// The source sends no more.
    var hasEnded = false
    var isPassing = false
  }

  private let near: ByteStream
  private var far: ByteStream?
  /// What the server says, and what the client says.
  private var lanes = [Lane(), Lane()]
  private let fault: Fault
  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
  private let loop: EventLoop

  init(_ near: ByteStream, to port: UInt16, _ fault: Fault) {
    self.near = near
    self.fault = fault
    loop = near.loop
    lanes[fault.hitsServer ? 1 : 0].allowed = fault.limit
    near.owner = self
    _ = try? near.startReading()
    _ = Connector(loop: loop, host: "127.0.0.1", port: port, deadline: loop.now.advanced(by: .seconds(60))) {
      [self] result in
      guard case .success(let stream) = result else { return near.close() }
      if near.isClosing { return stream.close() }
      far = stream
      stream.owner = self
      _ = try? stream.startReading()
      pass(1)
    }
  }

  deinit { unsafe memory.deallocate() }

  /// How many bytes of the server have passed, and of the client.
  var passed: (ofServer: Int, ofClient: Int) { (lanes[0].passed, lanes[1].passed) }

  func streamConnected(_ stream: ByteStream, error: ConnectionError?) {}
  @unsafe func streamBuffer(_ stream: ByteStream) -> UnsafeMutableRawBufferPointer { unsafe memory }

  func stream(_ stream: ByteStream, received count: Int) {
    if count == 0 { return }
    let lane = stream === near ? 1 : 0
    unsafe lanes[lane].waiting += Array(memory[..<count])
    if !lanes[lane].isPassing { pass(lane) }
  }

  /// One piece an iteration, so that each is read by itself.
  private func pass(_ lane: Int) {
    lanes[lane].isPassing = false
    guard let target = lane == 0 ? near : far, !target.isClosing else { return }
    let count = min(fault.piece, lanes[lane].waiting.count, lanes[lane].allowed)
    let bytes = Array(lanes[lane].waiting.prefix(count))
    _ = try? target.write(bytes.span)
    lanes[lane].waiting.removeFirst(count)
    lanes[lane].passed += count
    lanes[lane].allowed -= count
    if lanes[lane].allowed == 0 {
      strike(target)
    } else if !lanes[lane].waiting.isEmpty {
      lanes[lane].isPassing = true
      loop.submit { [self] in pass(lane) }
    } else if lanes[lane].hasEnded {
      closeBoth()
    }
  }

  private func strike(_ target: ByteStream) {
    switch fault.kind {
    case .close: closeBoth()
    case .halfClose: target.shutdownWriting()
    case .reset:
      (target as? TCPStream)?.reset()
      closeBoth()
    }
  }

  func streamEnded(_ stream: ByteStream) {
    let lane = stream === near ? 1 : 0
    lanes[lane].hasEnded = true
    if lanes[lane].waiting.isEmpty || lanes[lane].allowed == 0 { closeBoth() }
  }

  func streamFailed(_ stream: ByteStream, _ error: ConnectionError) { closeBoth() }
  func streamDrained(_ stream: ByteStream) {}
  func streamClosed(_ stream: ByteStream) { closeBoth() }

  private func closeBoth() {
    near.close()
    far?.close()
  }
}

/// A client that goes through the commands of a session, and keeps what each came to.
final class FlowClient: ClientChannelDelegate {
  private var steps: ArraySlice<[Command]>
  private var current: Set<CommandID> = []
  private static let message = [UInt8]("Subject: appended\r\n\r\nsome text\r\n".utf8)
  private let startsTLS: Bool
  private let done: Promise<Void>

  private(set) var reason: CloseReason?
  private(set) var isConnected = false
  private(set) var isSecured = false
  private(set) var completed = 0
  private(set) var failures: [ConnectionError] = []
  /// What must not happen, and did.
  private(set) var problems: [String] = []
  /// Commands that were sent and did not end.
  private(set) var open: Set<CommandID> = []
  /// Bytes of IMAP.
  private var bytes = (ofServer: 0, ofClient: 0)

  init(startTLS: Bool, compressed: Bool, _ done: Promise<Void>) {
    steps = Self.session(startTLS: startTLS, compressed: compressed)[...]
    startsTLS = startTLS
    self.done = done
  }

  /// A session: two commands in flight where that is possible, a literal in each direction, IDLE.
  private static func session(startTLS: Bool, compressed: Bool) -> [[Command]] {
    let append = AppendRequest(mailbox: "INBOX", byteCount: UInt64(message.count))
    let before: [[Command]] = startTLS ? [[.startTLS]] : []
    return before + [[.login(user: "user", password: Secret("password"))]] + (compressed ? [[.compress]] : []) + [
      [.select("INBOX"), .noop],
      [.fetch(.sequence(.all), [.uid, .flags, .section(.full)]), .noop],
      [.append(append), .noop],
      [.idle],
      [.noop, .logout],
    ]
  }

  func channelConnected(_ channel: ClientChannel) {
    check("connected")
    isConnected = true
  }

  func channel(_ channel: ClientChannel, sent byteCount: Int) { bytes.ofClient += byteCount }

  func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
    check("an event")
    switch copy event {
    case .greeting: next(channel)
    case .completed(let id, let status):
      if status.copy().condition != .ok { problems.append("\(id) \(status.copy())") }
      completed += 1
      end(id)
      if current.isEmpty { next(channel) }
    case .upgrade(_, let id): end(id)
    case .failed(let id, let error):
      failures.append(error)
      end(id)
    case .idling(let id): try? channel.endIdle(id)
    case .readyForLiteral(let id, _):
      let bytes = Self.message
      _ = try? channel.write(id, literal: bytes.span)
    default: break
    }
  }

  func channelSecured(_ channel: ClientChannel) {
    check("secured")
    isSecured = true
    if startsTLS { next(channel) }
  }

  func channelCompressed(_ channel: ClientChannel) {
    check("compressed")
    next(channel)
  }

  func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
    check("closed")
    bytes.ofServer = channel.receivedCount
    self.reason = reason
    done.fulfil(())
  }

  private func next(_ channel: ClientChannel) {
    guard let step = steps.popFirst() else { return }
    for command in step {
      do throws(ConnectionError) {
        let id = try channel.send(command)
        open.insert(id)
        current.insert(id)
      } catch {
        problems.append("refused: \(error)")
      }
    }
  }

  private func end(_ id: CommandID) {
    if open.remove(id) == nil { problems.append("\(id) ended twice") }
    current.remove(id)
  }

  private func check(_ what: String) {
    if reason != nil { problems.append("\(what) behind the end") }
  }

  /// What a test may look at on its own thread: whatever happened, each command has ended once. `passed` are the bytes that a relay
  /// has seen; where there is none, those of IMAP.
  func report(passed: (ofServer: Int, ofClient: Int)? = nil) -> Report {
    if !open.isEmpty { problems.append("\(open) never ended") }
    return Report(
      reason: reason, isConnected: isConnected, isSecured: isSecured, completed: completed, failures: failures,
      problems: problems, bytes: passed ?? bytes)
  }

  struct Report: Sendable {
    var reason: CloseReason?
    var isConnected: Bool
    var isSecured: Bool
    var completed: Int
    var failures: [ConnectionError]
    var problems: [String]
    var bytes: (ofServer: Int, ofClient: Int)
  }
}

/// Sessions with a test server through a relay that has faults.
struct FaultBench: Sendable {
  enum Layers: String, CaseIterable, Sendable {
    case plain, tls, startTLS, deflate, deflateInTLS

    var isTLS: Bool { self == .tls || self == .startTLS || self == .deflateInTLS }
    var isCompressed: Bool { self == .deflate || self == .deflateInTLS }
  }

  let loop: EventLoop
  private let server: IMAPTestServer
  private let layers: Layers
  private let security: TransportSecurity
  private let way: FaultWay
  private let fault = Confined(Fault())
  private let relay = Confined<FaultyRelay?>(nil)

  init(_ loop: EventLoop, _ layers: Layers, _ kind: FaultWay.Kind = .direct) async throws {
    self.loop = loop
    self.layers = layers
    let message = IMAPTestServer.Configuration.Message("Subject: one\n\n" + String(repeating: "body ", count: 20))
    server = try await IMAPTestServer.start(
      .init(users: [.init("user", password: "password", mailboxes: [.init("INBOX", messages: [message])])]), on: loop)
    let isImplicit = layers == .tls || layers == .deflateInTLS
    let context = try TLSContext.client(trust: .pem(server.certificatePEM))
    security = isImplicit ? .tls(context) : layers == .startTLS ? .startTLS(context) : .plain
    let target = try #require(isImplicit ? server.tlsPort : server.plainPort)
    way = try await FaultWay(loop, kind, to: target) { [fault, relay] stream, port in
      relay.value = FaultyRelay(stream, to: port, fault.value)
    }
  }

  /// Runs a session until its channel is closed.
  func run(_ fault: Fault) async -> FlowClient.Report {
    let done = Promise<Void>()
    let client = await loop.run { [self] in
      self.fault.value = fault
      relay.value = nil
      let client = FlowClient(startTLS: layers == .startTLS, compressed: layers.isCompressed, done)
      _ = way.channel(security: security, delegate: client)
      return Confined(client)
    }
    await done.value
    return await loop.run { [relay] in client.value.report(passed: relay.value?.passed ?? (0, 0)) }
  }

  func shutdown() async {
    await loop.run { [relay, way] in
      way.close()
      relay.value = nil
    }
    await server.shutdown()
    #expect(await server.connectionCount == 0)
  }
}

/// Waits until `condition` is true, which is looked at on the loop's thread.
func until(_ loop: EventLoop, _ condition: @escaping @Sendable () -> Bool) async {
  await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
    @Sendable func look() {
      if condition() { return continuation.resume() }
      loop.schedule(after: .milliseconds(1)) { look() }
    }
    loop.submit { look() }
  }
}
