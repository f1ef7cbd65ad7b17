import Glibc
import IMAPLoop
import IMAPStateMachine

/// The server's side: answers what the clients of the benchmark send, and sends when it is told to. It stores nothing, so that
/// its part of the processor's time is small.
actor FarEnd {
  private let loop: EventLoop
  private let state: FarEndState
  private var server: IMAPServer?

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  init(loop: EventLoop, stamp: Stamp) {
    self.loop = loop
    state = FarEndState(stamp)
  }

  /// Listens on all addresses, so that clients may spread over those of the loopback network. Returns the port.
  func start(_ security: TransportSecurity) async throws -> UInt16 {
    // Nothing here is sent between `body` and the end of it but on the loop's thread.
    nonisolated(unsafe) let state = self.state
    let server = try await IMAPServer.start(
      on: loop, endpoints: [.init(host: "0.0.0.0", port: 0, security: security)]
    ) { _ in unsafe FarEndSession(state) }
    self.server = server
    guard let port = server.addresses.first?.port else { throw BenchmarkError("no address") }
    return port
  }

  /// How many clients idle, or did.
  var idling: Int { state.idling.count }

  /// Tells one random client that there is mail.
  func tellOne() { state.tellOne() }

  /// Tells every client. Returns how many there were.
  func tellAll() -> Int { state.tellAll() }

  /// Sends to one client as fast as it takes it, until ``stopFlood()``.
  func flood() { state.flood() }

  /// Returns how many lines were sent.
  func stopFlood() -> Int { state.stopFlood() }
}

/// What the sessions share. Used on the loop's thread only.
final class FarEndState {
  let stamp: Stamp
  /// The clients that idle. One that only renews its IDLE is told at once as well, which it may be at any time.
  var idling: [FarEndSession] = []
  private var flooded: FarEndSession?
  private var random = SystemRandomNumberGenerator()

  init(_ stamp: Stamp) { self.stamp = stamp }

  func tellOne() { idling.randomElement(using: &random)?.tell(stamp.now) }

  func tellAll() -> Int {
    for session in idling { session.tell(stamp.now) }
    return idling.count
  }

  func flood() {
    flooded = idling.randomElement(using: &random)
    flooded?.isFlooded = true
    flooded?.sendFlood()
  }

  func stopFlood() -> Int {
    flooded?.isFlooded = false
    return flooded?.flooded ?? 0
  }

  func add(_ session: FarEndSession) {
    if session.place != nil { return }
    session.place = idling.count
    idling.append(session)
  }

  func remove(_ session: FarEndSession) {
    guard let place = session.place, let last = idling.popLast() else { return }
    session.place = nil
    if last === session { return }
    idling[place] = last
    last.place = place
  }
}

/// One client.
final class FarEndSession: ServerChannelDelegate {
  /// Where it stands among those that idle.
  var place: Int?
  var isFlooded = false
  private(set) var flooded = 0
  private let state: FarEndState
  private var channel: ServerChannel?
  private var idleID: ServerCommandID?

  init(_ state: FarEndState) { self.state = state }

  func tell(_ count: UInt32) { respond(.exists(count)) }

  /// As many lines as go without waiting; more when those are sent.
  func sendFlood() {
    guard let channel, isFlooded else { return }
    for _ in 0..<2_000 { respond(.recent(1)) }
    flooded += 2_000
    if !channel.isCongested { channel.loop.schedule(after: .zero) { [self] in sendFlood() } }
  }

  func channelConnected(_ channel: ServerChannel) {
    self.channel = channel
    channel.withConnection { $0.greet(Status(.ok, code: .capability(Self.capabilities), "ready")) }
  }

  func channel(_ channel: ServerChannel, received event: borrowing ServerEvent) {
    do throws(ConnectionError) {
      switch copy event {
      case .command(let id, let command): try answer(id, command.command, channel)
      case .idleDone(let id):
        try channel.withConnection { machine throws(ConnectionError) in try machine.complete(id, Status(.ok, "done")) }
      case .literalOffered(let id, _, _):
        try channel.withConnection { machine throws(ConnectionError) in try machine.reject(id, with: Status(.no, "no"))
        }
      default: break
      }
    } catch {
      channel.close()
    }
  }

  func channelWritable(_ channel: ServerChannel) { sendFlood() }

  func channelClosed(_ channel: ServerChannel, reason: CloseReason) {
    state.remove(self)
    isFlooded = false
    self.channel = nil
  }

  private func answer(_ id: ServerCommandID, _ command: Command, _ channel: ServerChannel) throws(ConnectionError) {
    try channel.withConnection { machine throws(ConnectionError) in
      switch command {
      case .login: try machine.complete(id, Status(.ok, code: .capability(Self.capabilities), "in"))
      case .select, .examine:
        try machine.respond(.flags(Self.flags))
        try machine.respond(.exists(0))
        try machine.respond(.status(Status(.ok, code: .permanentFlags(Self.flags), "kept")))
        try machine.respond(.status(Status(.ok, code: .uidValidity(1_700_000_000), "valid")))
        try machine.respond(.status(Status(.ok, code: .uidNext(1), "next")))
        try machine.complete(id, Status(.ok, code: .readWrite, "open"))
      case .capability:
        try machine.respond(.capability(Self.capabilities))
        try machine.complete(id, Status(.ok, "done"))
      case .idle:
        try machine.startIdle(id)
        state.add(self)
      case .fetch:
        try machine.respond(.fetch(FetchResponse(sequence: 1, attributes: [.uid(1), .flags([.seen])])))
        try machine.complete(id, Status(.ok, "done"))
      default: try machine.complete(id, Status(.ok, "done"))
      }
    }
  }

  private func respond(_ response: Response) {
    guard let channel else { return }
    try? channel.withConnection { machine throws(ConnectionError) in try machine.respond(response) }
  }

  private static let capabilities: [Capability] = [
    .imap4rev1, .idle, .init("LITERAL+"), .init("SASL-IR"), .uidPlus, .condStore, .qResync, .namespace,
  ]
  private static let flags: [Flag] = [.answered, .flagged, .deleted, .seen, .draft]
}
