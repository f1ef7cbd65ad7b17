import CUV
import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// One end of a connection in memory. What is written to it stays until the test lets it go.
@safe
final class MeteredStream: RelayedStream {
  private var outgoing: ArraySlice<UInt8> = []
  private(set) var isShut = false

  override init(on loop: EventLoop) {
    super.init(on: loop)
    do throws(LoopError) { try open("open") } catch { Issue.record("\(error)") }
  }

  override func write(_ bytes: Span<UInt8>, queueing limit: Int) throws(LoopError) -> Int {
    if isClosing { throw LoopError(UV_ECANCELED.rawValue, "write") }
    let count = min(bytes.count, max(0, limit - queued))
    for index in 0..<count { outgoing.append(bytes[index]) }
    noteQueued(count)
    return count
  }

  override func shutdownWriting() { isShut = true }

  override func handleClosed() {
    isShut = true
    super.handleClosed()
  }

  /// Takes up to `count` bytes of what is queued.
  func take(_ count: Int) -> [UInt8] {
    if isClosing { return [] }
    let piece = Array(outgoing.prefix(count))
    if piece.isEmpty { return [] }
    outgoing = outgoing.dropFirst(piece.count)
    queued -= piece.count
    if queued == 0 { owner?.streamDrained(self) }
    return piece
  }

  /// As if `bytes` had come.
  func bring(_ bytes: [UInt8]) {
    if isClosing || bytes.isEmpty { return }
    incoming += bytes
    handOver()
  }

  /// Whether its owner reads, and has read everything.
  var isHungry: Bool { wantsRead && incoming.isEmpty }
}

/// A connection in memory on a clock that is moved: a second a step, in which so many bytes go in each direction.
final class MeteredLink: @unchecked Sendable {
  // Sendable: used on the loop's thread.
  let near: MeteredStream
  let far: MeteredStream
  /// Bytes that go towards the far end in a second, and towards the near one.
  var rates = (up: Int.max, down: Int.max)
  /// Seconds that went by.
  private(set) var seconds = 0
  private let loop: EventLoop

  init(_ loop: EventLoop) {
    self.loop = loop
    near = MeteredStream(on: loop)
    far = MeteredStream(on: loop)
  }

  /// Lets the time go by until `isDone`, or both ends are closed.
  func run(until isDone: @escaping @Sendable () -> Bool) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      loop.submit { [self] in step(isDone, continuation) }
    }
  }

  private func step(_ isDone: @escaping @Sendable () -> Bool, _ continuation: CheckedContinuation<Void, Never>) {
    if isDone() || (near.isClosing && far.isClosing) { return continuation.resume() }
    pass(near, far, rates.up)
    pass(far, near, rates.down)
    seconds += 1
    // One step an iteration, so that each lot is read by itself. The wheel may be a tick late.
    loop.schedule(after: .seconds(1)) { [self] in step(isDone, continuation) }
    loop.skip(.milliseconds(1005))
  }

  private func pass(_ source: MeteredStream, _ target: MeteredStream, _ rate: Int) {
    if rate == 0 { return }
    if target.isHungry { target.bring(source.take(rate)) }
    if source.isShut, source.queued == 0 || source.isClosing { target.end(.closed) }
  }

  /// A server on the far end.
  func serve(_ security: TransportSecurity, _ configuration: ServerConnection.Configuration, _ log: ServerLog) {
    let (context, isImplicit): (TLSContext?, Bool) =
      switch security {
      case .plain: (nil, false)
      case .tls(let context): (context, true)
      case .startTLS(let context): (context, false)
      }
    let setup = ServerSetup(
      tls: context, isImplicit: isImplicit, configuration: configuration, handshakeTimeout: .seconds(30))
    ServerChannel(loop: loop, setup: setup).start(far, delegate: AgreeingServer(log))
  }

  /// A client on the near end.
  func connect(
    _ security: TransportSecurity, _ configuration: ClientConnection.Configuration, _ log: ClientLog
  ) -> ClientChannel {
    let channel = ClientChannel(
      loop: loop, host: "mail.example", port: 993, transport: .pipe(MemoryPipe.pair().0), security: security,
      configuration: configuration, delegate: log)
    channel.setup?.opener?.cancel()
    channel.setup?.opener = nil
    channel.adopt(near)
    return channel
  }
}

/// What is between a channel and its socket. COMPRESS is sent behind the login.
enum Layers: String, CaseIterable, Sendable {
  case plain, tls, deflate, deflateInTLS

  var isTLS: Bool { self == .tls || self == .deflateInTLS }
  var isCompressed: Bool { self == .deflate || self == .deflateInTLS }
  var protection: Protection { isTLS ? .tls : .plain }
  /// The tag of the n-th command behind those that set the connection up.
  func tag(_ number: Int) -> String { "A\(number + (isCompressed ? 2 : 1))" }

  /// Logs in, compresses where that is wanted, and calls `begin`; then `next` with each line.
  func script(
    _ begin: @escaping (ClientChannel) -> Void, _ next: @escaping (ClientChannel, String) -> Void
  ) -> (ClientChannel, String) -> Void {
    let isCompressed = isCompressed
    return { channel, line in
      switch line {
      case "greeting ok": _ = try? channel.send(.login(user: "u", password: Secret("p")))
      case "A1 ok" where isCompressed: _ = try? channel.send(.compress)
      case "A1 ok", "compressed": begin(channel)
      default: next(channel, line)
      }
    }
  }
}

/// Lines of `count` characters that hardly compress.
func noiseLines(_ lines: Int, of count: Int, seed: UInt64 = 1) -> [String] {
  var random = SeededRandom(seed: seed)
  let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
  return (0..<lines).map { _ in
    String(decoding: (0..<count).map { _ in letters[Int.random(in: 0..<64, using: &random)] }, as: UTF8.self)
  }
}

/// Bytes that do not compress.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var random = SeededRandom(seed: seed)
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
}
