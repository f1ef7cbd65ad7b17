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
    var configuration = ServerConnection.Configuration()
    // Whoever opens very many at once lets the last of them wait for long.
    configuration.loginTimeout = .seconds(1800)
    let server = try await IMAPServer.start(
      on: loop, endpoints: [.init(host: "0.0.0.0", port: 0, security: security)], configuration: configuration,
      handshakeTimeout: .seconds(1800)
    ) { _ in unsafe FarEndSession(state) }
    self.server = server
    guard let port = server.addresses.first?.port else { throw BenchmarkError("no address") }
    return port
  }

  /// How many clients idle, or did.
  var idling: Int { state.idling.count }

  /// Tells one random client that there is mail, one that is not flooded.
  func tellOne() { state.tellOne() }

  /// Tells every client that is not flooded. Returns how many there are.
  func tellAll() -> Int { state.tellAll() }

  /// Sends short lines to one client as fast as it takes them, until ``stopFlood()``. Returns how many clients that is.
  func flood() -> Int {
    state.flood(state.idling.randomElement().map { [$0] } ?? [], Flood(.recent(1), count: 6_000))
  }

  /// Sends long lines to the clients whose number is below `count`.
  func fill(_ count: UInt32) -> Int {
    let text = String(repeating: "x", count: 1_000)
    return state.flood(state.idling.filter { $0.number < count }, Flood(.status(Status(.ok, text)), count: 80))
  }

  /// What was sent so far in all floods.
  func flooded() -> FarEndState.Flooded { state.flooded }

  /// Nothing more is sent but what was handed to the channels.
  func stopFlood() -> FarEndState.Flooded { state.stopFlood() }
}

/// What a client is sent without end.
final class Flood {
  let line: Response
  /// Lines at a time. They are more than the high watermark, so that the channel says when it wants more.
  let count: Int

  init(_ line: Response, count: Int) {
    self.line = line
    self.count = count
  }
}

/// What the sessions share. Used on the loop's thread only.
final class FarEndState {
  let stamp: Stamp
  /// The clients that idle. One that only renews its IDLE is told at once as well, which it may be at any time.
  var idling: [FarEndSession] = []
  private var chosen: [FarEndSession] = []
  private var lines = 0
  private var refills = 0
  private var random = SystemRandomNumberGenerator()

  struct Flooded: Sendable {
    var lines: Int
    /// How many clients take no more at the moment.
    var congested: Int
    /// How often one took more.
    var refills: Int
  }

  init(_ stamp: Stamp) { self.stamp = stamp }

  func tellOne() {
    // Few are flooded.
    for _ in 0..<1000 {
      guard let session = idling.randomElement(using: &random) else { return }
      if !session.isFlooded { return session.tell(stamp.now) }
    }
  }

  func tellAll() -> Int {
    var count = 0
    for session in idling where !session.isFlooded {
      session.tell(stamp.now)
      count += 1
    }
    return count
  }

  func flood(_ sessions: [FarEndSession], _ flood: Flood) -> Int {
    chosen = sessions
    (lines, refills) = (0, 0)
    for session in sessions { session.start(flood) }
    return sessions.count
  }

  func sent(_ count: Int) {
    lines += count
    refills += 1
  }

  var flooded: Flooded { Flooded(lines: lines, congested: chosen.count { $0.isCongested }, refills: refills) }

  func stopFlood() -> Flooded {
    for session in chosen { session.stopFlood() }
    let flooded = self.flooded
    chosen = []
    return flooded
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
  /// The name that it has logged in by.
  private(set) var number: UInt32 = .max
  private var flood: Flood?
  private let state: FarEndState
  private var channel: ServerChannel?
  private var idleID: ServerCommandID?

  init(_ state: FarEndState) { self.state = state }

  var isFlooded: Bool { flood != nil }

  var isCongested: Bool { channel?.isCongested ?? false }

  func tell(_ count: UInt32) {
    guard let channel else { return }
    try? channel.withConnection { machine throws(ConnectionError) in try machine.respond(.exists(count)) }
  }

  func start(_ flood: Flood) {
    self.flood = flood
    sendFlood()
  }

  func stopFlood() { flood = nil }

  private func sendFlood() {
    guard let channel, let flood else { return }
    channel.withConnection { machine in
      for _ in 0..<flood.count { try? machine.respond(flood.line) }
    }
    state.sent(flood.count)
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
    flood = nil
    self.channel = nil
  }

  private func answer(_ id: ServerCommandID, _ command: Command, _ channel: ServerChannel) throws(ConnectionError) {
    try channel.withConnection { machine throws(ConnectionError) in
      switch command {
      case .login(let user, _):
        number = UInt32(user) ?? .max
        try machine.complete(id, Status(.ok, code: .capability(Self.capabilities), "in"))
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
      case .fetch(.uids(let uids), _, _):
        let uid = UID(rawValue: uids.ranges.first?.first.number ?? 1)
        try machine.respond(.fetch(FetchResponse(sequence: 1, attributes: [.uid(uid), .flags([.seen])])))
        try machine.complete(id, Status(.ok, "done"))
      default: try machine.complete(id, Status(.ok, "done"))
      }
    }
  }

  private static let capabilities: [Capability] = [
    .imap4rev1, .idle, .init("LITERAL+"), .init("SASL-IR"), .uidPlus, .condStore, .qResync, .namespace,
  ]
  private static let flags: [Flag] = [.answered, .flagged, .deleted, .seen, .draft]
}
