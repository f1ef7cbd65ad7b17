import Foundation
import IMAPLoop
import IMAPStateMachine
import Testing

/// A server goes away under a session that watches, and comes back.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ServerRestartTests {
  private static let cases = ServerKind.all.flatMap { kind in [(kind, SIGTERM), (kind, SIGKILL)] }

  private static func message(_ subject: String) -> [UInt8] {
    Array("From: a@example.org\r\nSubject: \(subject)\r\n\r\ntext of \(subject)\r\n".utf8)
  }

  /// The session's events alone tell all that a client sees that looks for the first time.
  @Test(arguments: cases) func nothingIsLost(_ kind: ServerKind, _ signal: Int32) async throws {
    let server = try kind.start()
    let loop = try EventLoop.start()
    var other = try await server.client(on: loop)
    for number in 1...5 { try await other.append(Self.message("\(number)"), to: .inbox) }

    // Every login but the first waits until what is to happen meanwhile has happened.
    let gate = Gate()
    let password = server.password
    let logins = Counter()
    var options = IMAPSession.Configuration(client: server.configuration()) {
      if await logins.next() > 1 { await gate.wait() }
      return .password(user: "joe", password: Secret(password))
    }
    options.backoff = Backoff(initial: .milliseconds(1), maximum: .milliseconds(50))
    let session = IMAPSession(options, on: loop)
    var view = SessionView(await session.start())

    try await view.wait { $0.connections == 1 }
    #expect(view.known == [1: [], 2: [], 3: [], 4: [], 5: []])
    // Seen in IDLE.
    try await other.append(Self.message("6"), to: .inbox)
    try await view.wait { $0.messages.count == 6 }
    try await view.learn(session)
    try await other.select(.inbox)
    try await other.addFlags([.flagged], to: [3])
    try await view.wait { $0.known[3] == [.flagged] }
    try await other.delete([2])
    try await view.wait { $0.messages.count == 5 }
    #expect(view.known == [1: [], 3: [.flagged], 4: [], 5: [], 6: []])

    server.end(signal)
    try await view.wait { $0.disconnections > 0 }
    await other.close()
    if let courier = server as? CourierServer {
      // Delivered while no server runs.
      let file = "\(courier.maildir(of: "joe"))/new/1700000000.M1P1.localhost"
      try Data(Self.message("away")).write(to: URL(fileURLWithPath: file))
      try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file)
    }
    try server.start()
    // Delivered and changed before the session is back.
    other = try await server.client(on: loop)
    try await other.append(Self.message("7"), to: .inbox, flags: [.seen])
    try await other.select(.inbox)
    try await other.delete([4])
    try await other.addFlags([.answered], to: [5])
    try await other.removeFlags([.flagged], from: [3])
    await gate.open()
    try await view.wait { $0.connections == 2 }
    try await view.learn(session)
    #expect(view.known == (try await Self.fresh(server, loop)))
    #expect(view.known[5] == [.answered])
    #expect(view.known[4] == nil)

    // It watches again.
    let count = view.messages.count
    try await other.append(Self.message("8"), to: .inbox)
    try await view.wait { $0.messages.count == count + 1 }
    try await view.learn(session)
    #expect(view.known == (try await Self.fresh(server, loop)))
    await session.stop()
    await other.logout()
    #expect(await loop.shutdown().isClean)
  }

  /// What a client sees that has never been there.
  private static func fresh(_ server: RealServer, _ loop: EventLoop) async throws -> [UID: Set<Flag>] {
    let client = try await server.client(on: loop)
    try await client.examine(.inbox)
    var messages: [UID: Set<Flag>] = [:]
    for response in try await client.fetch(.uids(.all), [.uid, .flags]) {
      if let uid = response.uid { messages[uid] = Set(response.flags ?? []).subtracting([.recent]) }
    }
    await client.logout()
    return messages
  }
}

/// The mailbox as the events of a session tell it.
private struct SessionView {
  struct Message {
    /// Nil as long as only the number of messages is known.
    var uid: UID?
    var flags: Set<Flag> = []
  }

  struct Ended: Error {
    var reason: IMAPError?
  }

  private var events: AsyncStream<SessionEvent>.AsyncIterator
  private(set) var messages: [Message] = []
  private(set) var connections = 0
  private(set) var disconnections = 0

  init(_ events: AsyncStream<SessionEvent>) { self.events = events.makeAsyncIterator() }

  /// The messages whose UIDs are known.
  var known: [UID: Set<Flag>] {
    var known: [UID: Set<Flag>] = [:]
    for message in messages { if let uid = message.uid { known[uid] = message.flags } }
    return known
  }

  /// Takes events until `condition` holds.
  mutating func wait(_ condition: (SessionView) -> Bool) async throws {
    while !condition(self) {
      guard let event = await events.next() else { throw Ended() }
      try take(event)
    }
  }

  /// Asks for the UIDs and flags of the messages of which only the number is known.
  mutating func learn(_ session: IMAPSession) async throws {
    for index in messages.indices where messages[index].uid == nil {
      let number = SequenceNumber(rawValue: UInt32(index + 1))
      let response = try await session.withClient { try await $0.fetchOne(number, [.uid, .flags]) }
      messages[index] = Message(uid: response?.uid, flags: Self.named(response?.flags))
    }
  }

  private mutating func take(_ event: SessionEvent) throws {
    switch event {
    case .connected(_, let resumption):
      connections += 1
      switch resumption {
      case .fresh(let states), .current(let states):
        messages = states.map { Message(uid: $0.uid, flags: Self.named($0.flags)) }
      case .changes(let vanished, let changed):
        remove(vanished)
        for state in changed {
          let message = Message(uid: state.uid, flags: Self.named(state.flags))
          if let index = messages.firstIndex(where: { $0.uid == state.uid }) {
            messages[index] = message
          } else {
            messages.append(message)
          }
        }
      case .notAsked: break
      }
    case .mailbox(let event): take(event)
    case .disconnected: disconnections += 1
    case .stopped(let reason): throw Ended(reason: reason)
    }
  }

  private mutating func take(_ event: MailboxEvent) {
    switch event {
    case .exists(let count): while messages.count < Int(count) { messages.append(Message()) }
    case .expunged(let number): messages.remove(at: Int(number.rawValue) - 1)
    case .vanished(let uids): remove(uids)
    case .changed(let response):
      let index = Int(response.sequence.rawValue) - 1
      if messages.indices.contains(index), let flags = response.flags {
        messages[index].flags = Self.named(flags)
        if let uid = response.uid { messages[index].uid = uid }
      }
    default: break
    }
  }

  private mutating func remove(_ uids: UIDSet) {
    let ranges = uids.ranges.map { $0.bounds(largest: .max) }
    messages.removeAll { message in
      message.uid.map { uid in ranges.contains { $0.contains(uid.rawValue) } } ?? false
    }
  }

  private static func named(_ flags: [Flag]?) -> Set<Flag> { Set(flags ?? []).subtracting([.recent]) }
}

/// Holds back whoever waits until it is opened.
private actor Gate {
  private var isOpen = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func wait() async {
    if isOpen { return }
    await withCheckedContinuation { waiting.append($0) }
  }

  func open() {
    isOpen = true
    for continuation in waiting { continuation.resume() }
    waiting = []
  }
}
