import Testing

@testable import IMAPStateMachine

/// A client's and a server's connection joined in memory. Time is virtual: it stands still while bytes move, and jumps from
/// one deadline to the next.
///
/// The user of the client is played by the properties: what to write for an APPEND, what to answer to a challenge. The
/// server's handler is ``script``, and where that does not want a command, ``answer(_:_:)``.
final class Pair {
  enum Direction: Sendable { case toServer, toClient }

  /// A handler of commands. False leaves the command to ``answer(_:_:)``.
  typealias Script = (Pair, ServerCommandID, Command) throws(ConnectionError) -> Bool

  var client: ClientConnection
  var server: ServerConnection
  private(set) var clientInput = ReceiveBuffer()
  private(set) var serverInput = ReceiveBuffer()
  private(set) var now = MonotonicInstant(nanoseconds: 0)

  /// Sees the bytes in flight and may change them.
  var filter: (Direction, inout [UInt8]) -> Void = { _, _ in }
  /// How many bytes move at once.
  var largestChunk = Int.max
  /// What the server does with a command.
  var script: Script = { _, _, _ in false }

  // What the client's user does.
  /// The messages of APPEND commands, as far as they are not written yet.
  var messages: [CommandID: ArraySlice<UInt8>] = [:]
  /// How many bytes of a message are written at once.
  var writeSize = Int.max
  /// Answers to challenges, in order; behind the last one the exchange is cancelled.
  var saslAnswers: [[UInt8]] = []

  // What the client saw.
  private(set) var clientLog: [String] = []
  private(set) var responses: [Response] = []
  private(set) var completions: [CommandID: Status] = [:]
  private(set) var failures: [CommandID: ConnectionError] = [:]
  /// How many final events each command got.
  private(set) var endings: [CommandID: Int] = [:]
  private(set) var clientClosed: [CloseReason] = []
  private(set) var largestOutbound = 0
  private var collected = OwnedFetch()

  // What the server saw.
  private(set) var serverLog: [String] = []
  private(set) var commands: [Command] = []
  private(set) var uploads: [[UInt8]] = []
  private(set) var saslResponses: [[UInt8]] = []
  private(set) var serverClosed: [CloseReason] = []
  /// An IDLE that the server runs.
  private(set) var idling: ServerCommandID?
  /// The last APPEND.
  private var appending: ServerCommandID?
  /// Everything that the client and the server sent, as it left them.
  private(set) var sentByClient: [UInt8] = []
  private(set) var sentByServer: [UInt8] = []

  /// Events and bytes so far. A round that adds nothing was idle.
  private var activity = 0

  init(
    _ client: ClientConnection.Configuration = .init(), server: ServerConnection.Configuration = .init(),
    greeting: Status = Status(.preauth, "hi")
  ) {
    self.client = ClientConnection(client, now: now)
    self.server = ServerConnection(server, now: now)
    self.server.greet(greeting)
  }

  /// A pair whose client knows these capabilities and is logged in.
  convenience init(
    capabilities: [Capability], enabling: [Capability] = [], selecting: Bool = false,
    server: ServerConnection.Configuration = .init()
  ) throws {
    self.init(server: server, greeting: Status(.preauth, code: .capability(capabilities), "hi"))
    settle()
    if !enabling.isEmpty {
      _ = try enqueue(.enable(enabling))
      settle()
    }
    if selecting {
      _ = try enqueue(.select(.inbox))
      settle()
    }
  }

  /// A pair whose client is logged in and may send `command`: what it needs is enabled, and a mailbox is selected, but for
  /// ENABLE, which comes before that.
  static func ready(
    for command: Command, capabilities: [Capability] = [], server: ServerConnection.Configuration = .init()
  ) throws -> Pair {
    if case .enable = command { return try Pair(capabilities: capabilities, server: server) }
    return try Pair(
      capabilities: capabilities, enabling: command.needsQResync ? [.qResync] : [], selecting: true, server: server)
  }

  // What the client knows; `#expect` cannot look into a type that is not copyable.
  var phase: ClientConnection.Phase { client.phase }
  var selected: SelectedMailbox? { client.selected }
  var capabilities: [Capability]? { client.capabilities }
  var isSecure: Bool { client.isSecure }
  var enabled: [Capability] { client.enabled }

  // MARK: Time and bytes

  func enqueue(_ command: Command) throws(ConnectionError) -> CommandID { try client.enqueue(command, now: now) }

  /// Queues an APPEND of `message`.
  func append(_ message: [UInt8], to mailbox: MailboxName = "Sent") throws(ConnectionError) -> CommandID {
    let id = try enqueue(.append(AppendRequest(mailbox: mailbox, byteCount: UInt64(message.count))))
    messages[id] = message[...]
    return id
  }

  /// Ends what one side can read.
  func cut(_ direction: Direction) {
    switch direction {
    case .toServer: serverInput.close()
    case .toClient: clientInput.close()
    }
  }

  /// Moves what there is, and lets `duration` pass, from deadline to deadline.
  func drive(for duration: Duration = .zero) {
    settle()
    let end = now.advanced(by: duration)
    for _ in 0..<10_000 {
      guard let deadline = nextDeadline, deadline <= end else {
        now = end
        return
      }
      now = max(now, deadline)
      client.handleTimeout(now: now)
      server.handleTimeout(now: now)
      settle()
    }
    Issue.record("deadlines without end")
  }

  /// Moves bytes until both sides are idle.
  func settle() {
    if !driveBounded(1_000_000) { Issue.record("livelock") }
  }

  /// Moves bytes for at most `rounds`; false where both sides are not idle by then.
  func driveBounded(_ rounds: Int = 1000) -> Bool {
    for _ in 0..<rounds {
      if !step() { return true }
    }
    return false
  }

  var nextDeadline: MonotonicInstant? {
    switch (client.nextDeadline, server.nextDeadline) {
    case (let left?, let right?): min(left, right)
    case (let left, let right): left ?? right
    }
  }

  /// One round in both directions; false where nothing moved.
  private func step() -> Bool {
    let before = activity
    pump { clientStep(&clientInput) }
    carryToServer()
    pump { serverStep(&serverInput) }
    carryToClient()
    return activity != before
  }

  /// Takes events until there are none. Each either covers bytes or ends something, so their number is bounded.
  private func pump(_ next: () -> Bool) {
    let bound = 10_000 + clientInput.unread + serverInput.unread
    for _ in 0..<bound {
      if !next() { return }
      activity += 1
    }
    Issue.record("events without end")
  }

  private func carryToServer() {
    var bytes = Array(client.outbound.copy().prefix(largestChunk))
    largestOutbound = max(largestOutbound, client.outbound.count)
    client.consumeOutbound(bytes.count)
    activity += bytes.count
    sentByClient += bytes
    filter(.toServer, &bytes)
    serverInput.append(bytes.span)
    if !clientClosed.isEmpty { serverInput.close() }
  }

  private func carryToClient() {
    var bytes = Array(server.outbound.copy().prefix(largestChunk))
    server.consumeOutbound(bytes.count)
    activity += bytes.count
    sentByServer += bytes
    filter(.toClient, &bytes)
    clientInput.append(bytes.span)
    if !serverClosed.isEmpty, server.outboundCount == 0 { clientInput.close() }
  }

  // MARK: The client's user

  private func clientStep(_ input: inout ReceiveBuffer) -> Bool {
    do throws(ConnectionError) {
      switch try client.next(&input, now: now) {
      case .needMoreInput, .paused: return false
      case .greeting(let status): clientLog.append("greeting \(status.copy())")
      case .response(let event): collect(event)
      case .partCompleted(let id, let status): clientLog.append("part completed \(id) \(status.copy())")
      case .completed(let id, let status):
        let status = status.copy()
        clientLog.append("completed \(id) \(status)")
        completions[id] = status
        endings[id, default: 0] += 1
      case .challenge(let id, _):
        if saslAnswers.isEmpty {
          try client.cancelAuthentication(id, now: now)
        } else {
          let answer = saslAnswers.removeFirst()
          try client.answer(id, challenge: answer.span, now: now)
        }
      case .readyForLiteral(let id, let count):
        clientLog.append("ready \(id) \(count)")
        try writeMessage(id, Int(clamping: count))
      case .idling(let id): clientLog.append("idling \(id)")
      case .upgrade(let upgrade, let id):
        clientLog.append("upgrade \(upgrade) \(id)")
        endings[id, default: 0] += 1
        client.upgraded(upgrade, now: now)
      case .failed(let id, let error):
        clientLog.append("failed \(id) \(error)")
        failures[id] = error
        endings[id, default: 0] += 1
      case .closed(let reason):
        clientLog.append("closed \(reason)")
        clientClosed.append(reason)
      }
      return true
    } catch {
      // What is thrown behind the end is thrown for ever, and says nothing new.
      if clientClosed.isEmpty { Issue.record("client: \(error)") }
      return false
    }
  }

  /// Writes what belongs into one literal, which still lacks `byteCount` bytes.
  private func writeMessage(_ id: CommandID, _ byteCount: Int) throws(ConnectionError) {
    var left = byteCount
    while left > 0, let rest = messages[id], !rest.isEmpty {
      let piece = Array(rest.prefix(min(left, writeSize)))
      let count = try client.write(id, literal: piece.span, now: now)
      messages[id] = rest.dropFirst(count)
      left -= count
      if count < piece.count { return }
    }
  }

  private func collect(_ event: borrowing ResponseEvent) {
    switch copy event {
    case .untagged(let view): responses.append(view.copy())
    case .tagged(let tag, let status): responses.append(.tagged(tag: tag.lossyString(), status.copy()))
    case .continuation(let text): responses.append(.continuation(text: text.copy()))
    case .unknown(let line): responses.append(.unknown(line.copy()))
    case .malformed(let line, let error): responses.append(.malformed(line.copy(), error))
    case .fetchBegin(let sequence):
      collected = OwnedFetch(response: FetchResponse(sequence: sequence, attributes: []))
    case .uidFetchBegin(let uid):
      collected = OwnedFetch()
      collected.uid = uid
    case .fetchAttribute(let attribute): collected.response.attributes.append(attribute.copy())
    case .literalBegin(let section, let header): collected.begin(section, header)
    case .literalChunk(let bytes, _): collected.append(bytes)
    case .literalEnd: collected.end()
    case .fetchEnd: responses.append(collected.whole)
    case .needMoreInput, .endOfInput: Issue.record("an event of the parser that is none of the connection")
    }
  }

  // MARK: The server

  private func serverStep(_ input: inout ReceiveBuffer) -> Bool {
    do throws(ConnectionError) {
      switch try server.next(&input, now: now) {
      case .needMoreInput, .paused: return false
      case .command(let id, let view):
        let command = view.copy()
        commands.append(command)
        try handle(id, command)
      case .literalOffered(let id, let request, _):
        if appending == id { commands.removeLast() }
        appending = id
        commands.append(.append(request))
        uploads.append([])
        try handle(id, .append(request))
      case .literalChunk(_, let bytes, _):
        uploads[uploads.count - 1] += bytes.copy()
      case .literalEnd(let id):
        if let request = server.appendRequest { commands[commands.count - 1] = .append(request) }
        let uids = UIDSet(UID(rawValue: UInt32(uploads.count)))
        try server.complete(id, Status(.ok, code: .appendUID(validity: 7, uids: uids), "appended"))
      case .literalAborted(let id, let error):
        serverLog.append("aborted \(error)")
        try server.complete(id, Status(.bad, "\(error)"))
      case .saslResponse(let id, let bytes):
        saslResponses.append(bytes.copy())
        try server.complete(id, Status(.ok, "in"))
      case .saslCancelled(let id): try server.complete(id, Status(.bad, "cancelled"))
      case .idleDone(let id):
        idling = nil
        serverLog.append("done at \(now.nanoseconds / 1_000_000_000)")
        try server.complete(id, Status(.ok, "idle ended"))
      case .malformed(_, let error): serverLog.append("malformed \(error)")
      case .upgrade(let upgrade, _):
        serverLog.append("upgrade \(upgrade)")
        carryToClient()
        server.upgraded(upgrade, now: now)
      case .closed(let reason):
        serverLog.append("closed \(reason)")
        serverClosed.append(reason)
      }
      return true
    } catch {
      Issue.record("server: \(error)")
      return false
    }
  }

  private func handle(_ id: ServerCommandID, _ command: Command) throws(ConnectionError) {
    if try script(self, id, command) { return }
    try answer(id, command)
  }

  /// A handler took IDLE on.
  func startIdle(_ id: ServerCommandID) throws(ConnectionError) {
    try server.startIdle(id)
    idling = id
  }
}

extension Command {
  /// Whether it is refused unless QRESYNC is enabled.
  var needsQResync: Bool {
    switch self {
    case .select(_, let parameters), .examine(_, let parameters): parameters.qResync != nil
    case .fetch(_, _, let modifiers): modifiers.vanished
    default: false
    }
  }

  /// Whether it is refused behind SELECT, or makes others refused.
  var isOnlyForSome: Bool {
    switch self {
    case .enable: true
    case .notify(.set(_, let groups)):
      groups.contains { $0.filter == .selected && $0.events.contains(.messageExpunge) }
    default: false
    }
  }
}
