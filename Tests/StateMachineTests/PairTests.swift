import Testing

@testable import IMAPStateMachine

/// Both roles against each other.
@Suite struct PairTests {
  // MARK: Sessions

  @Test func aWholeSession() throws {
    let pair = Pair(greeting: Status(.ok, "hi"))
    let commands: [Command] = [
      .capability, .login(user: "joe", password: Secret("secret")), .select(.inbox),
      .search(.all), .fetch(.uids([2]), [.flags, .section(.full)]), .store(.uids([2]), StoreOperation(.add, [.seen])),
      .copy(.uids([1]), "Trash"), .expunge, .close, .logout,
    ]
    var ids: [CommandID] = []
    for command in commands { ids.append(try pair.enqueue(command)) }
    pair.settle()
    #expect(pair.commands == commands)
    for id in ids { #expect(pair.completions[id]?.condition == .ok, "\(id)") }
    #expect(pair.clientClosed == [.logout])
    #expect(pair.serverClosed == [.logout])
    #expect(pair.responses.contains(.search(SearchResult(numbers: [1, 2, 3]))))
  }

  /// The same commands, all at once and one after the other, in whole and in single bytes: the same end.
  @Test(arguments: [1, 7, Int.max])
  func pipelinedIsTheSameAsSerial(_ chunk: Int) throws {
    let commands: [Command] = [
      .select(.inbox), .fetch(.uids([1]), [.flags]), .search(.flag(.seen)), .noop, .fetch(.sequence([1]), [.uid]),
      .store(.sequence([2]), StoreOperation(.add, [.flagged])), .search(.all, uid: false), .status("x", [.messages]),
      .create("new"), .list(reference: "", pattern: "%"), .uidExpunge([3]), .expunge, .noop,
    ]
    func run(pipelined: Bool) throws -> Pair {
      let pair = Pair()
      pair.largestChunk = chunk
      for command in commands {
        _ = try pair.enqueue(command)
        if !pipelined { pair.settle() }
      }
      pair.settle()
      return pair
    }
    let serial = try run(pipelined: false)
    let pipelined = try run(pipelined: true)
    #expect(pipelined.commands == commands)
    #expect(pipelined.commands == serial.commands)
    #expect(pipelined.completions == serial.completions)
    #expect(pipelined.responses == serial.responses)
    #expect(pipelined.client.selected == serial.selected)
    #expect(pipelined.client.selected?.exists == 3)
    #expect(pipelined.client.phase == serial.phase)
    #expect(pipelined.completions.count == commands.count)
  }

  @Test func startTLSUpToTheUpgradeOnBothSides() throws {
    let pair = Pair(greeting: Status(.ok, code: .capability([.startTLS]), "hi"))
    let start = try pair.enqueue(.startTLS)
    let login = try pair.enqueue(.login(user: "a", password: Secret("b")))
    pair.settle()
    #expect(pair.serverLog == ["upgrade tls"])
    #expect(pair.clientLog.contains("upgrade tls \(start)"))
    #expect(pair.isSecure)
    #expect(pair.endings[start] == 1)
    #expect(pair.completions[login]?.condition == .ok)
    // RFC 9051, section 6.2.1: what was announced before TLS is void. This is from the answer to LOGIN.
    #expect(pair.capabilities == [.imap4rev1])
  }

  /// RFC 9051, section 11.1: bytes between the answer and the handshake may be anybody's.
  @Test func bytesBehindTheStartTLSAnswerAreFatalAndTheCommandFails() throws {
    let pair = Pair(greeting: Status(.ok, "hi"))
    let start = try pair.enqueue(.startTLS)
    let login = try pair.enqueue(.login(user: "a", password: Secret("b")))
    pair.filter = { direction, bytes in
      if direction == .toClient, bytes.starts(with: Array("A1 OK".utf8)) { bytes += Array("* OK x\r\n".utf8) }
    }
    pair.settle()
    let error = ConnectionError.peer(.init(.plaintextAfterStartTLS))
    #expect(pair.clientClosed == [.error(error)])
    #expect(pair.failures == [start: error, login: error])
  }

  // MARK: IDLE

  @Test func idlePushesAndIsRenewedByTheClock() throws {
    var configuration = ClientConnection.Configuration()
    configuration.idleRenewal = .seconds(100)
    let pair = Pair(configuration)
    let select = try pair.enqueue(.select(.inbox))
    let idle = try pair.enqueue(.idle)
    pair.settle()
    #expect(pair.completions[select]?.condition == .ok)
    #expect(pair.clientLog.last == "idling \(idle)")
    try pair.server.respond(.exists(4))
    pair.settle()
    #expect(pair.selected?.exists == 4)
    pair.drive(for: .seconds(350))
    #expect(pair.serverLog == ["done at 100", "done at 200", "done at 300"])
    // The user sees one IDLE.
    #expect(pair.clientLog.filter { $0.hasPrefix("idling") }.count == 1)
    #expect(pair.completions[idle] == nil)
    try pair.server.respond(.expunge(1))
    pair.settle()
    #expect(pair.selected?.exists == 3)
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[idle]?.condition == .ok)
    #expect(pair.completions[noop]?.condition == .ok)
    #expect(pair.serverLog.last == "done at 350")
  }

  @Test func aClientThatDoesNotRenewIsLoggedOut() throws {
    var configuration = ClientConnection.Configuration()
    configuration.idleRenewal = .seconds(29 * 60)
    var server = ServerConnection.Configuration()
    server.autologout = .seconds(28 * 60)
    let pair = Pair(configuration, server: server)
    let idle = try pair.enqueue(.idle)
    pair.drive(for: .seconds(28 * 60 - 1))
    #expect(pair.serverClosed.isEmpty)
    pair.drive(for: .seconds(1))
    #expect(pair.serverClosed == [.error(.timedOut(.autologout))])
    #expect(pair.clientClosed == [.bye("Autologout; idle for too long")])
    #expect(pair.failures[idle] == .closedByPeer(bye: "Autologout; idle for too long"))
  }

  // MARK: Time

  /// RFC 2177, section 3: at least every 29 minutes.
  @Test func anIdleIsRenewedWithin29Minutes() {
    var configuration = ClientConnection.Configuration()
    #expect(configuration.idleRenewal == .seconds(5 * 60))
    configuration.idleRenewal = .seconds(28 * 60)
    #expect(configuration.idleRenewal == .seconds(28 * 60))
    configuration.idleRenewal = .seconds(3600)
    #expect(configuration.idleRenewal == .seconds(29 * 60))
  }

  @Test func aServerThatSaysNothingTimesOut() throws {
    let pair = Pair()
    pair.script = { _, _, _ in true }
    let noop = try pair.enqueue(.noop)
    pair.drive(for: .seconds(119))
    #expect(pair.clientClosed.isEmpty)
    pair.drive(for: .seconds(1))
    #expect(pair.failures == [noop: .timedOut(.command)])
    #expect(pair.clientClosed == [.error(.timedOut(.command))])
  }

  /// A long line that trickles in is no event for a long time, and still the server is at work.
  @Test func everyByteIsProgress() throws {
    var machine = ClientConnection(now: MonotonicInstant(nanoseconds: 0))
    var input = ReceiveBuffer()
    input.append(Array("* PREAUTH hi\r\n".utf8).span)
    func drain(_ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ seconds: Int64) throws -> Int {
      var events = 0
      let now = MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
      machine.handleTimeout(now: now)
      while true {
        switch try machine.next(&input, now: now) {
        case .needMoreInput, .paused: return events
        default: events += 1
        }
      }
    }
    _ = try drain(&machine, &input, 0)
    _ = try machine.enqueue(.noop, now: MonotonicInstant(nanoseconds: 0))
    for (index, byte) in "* SEARCH 1 2 3".utf8.enumerated() {
      let seconds = Int64(60 + 60 * index)
      input.append([byte].span)
      #expect(try drain(&machine, &input, seconds) == 0)
      let deadline = machine.nextDeadline
      #expect(deadline == MonotonicInstant(nanoseconds: (seconds + 120) * 1_000_000_000))
    }
    let phase = machine.phase
    #expect(phase == .authenticated)
  }

  @Test func aCutConnectionFailsEveryCommandOnce() throws {
    let pair = Pair()
    pair.script = { _, _, _ in true }
    var ids: [CommandID] = []
    for _ in 0..<30 { ids.append(try pair.enqueue(.noop)) }
    pair.settle()
    pair.cut(.toClient)
    pair.settle()
    #expect(pair.clientClosed == [.endOfInput])
    for id in ids {
      #expect(pair.failures[id] == .closedByPeer(bye: nil))
      #expect(pair.endings[id] == 1)
    }
  }

  // MARK: APPEND

  struct Upload: Sendable, CustomTestStringConvertible {
    var capabilities: [Capability]
    var chunk: Int
    var testDescription: String { "\(capabilities) in chunks of \(chunk)" }
  }

  @Test(arguments: [
    Upload(capabilities: [], chunk: .max), Upload(capabilities: [.literalPlus], chunk: 50_000),
    Upload(capabilities: [.literalMinus], chunk: 1_000_000), Upload(capabilities: [.literalPlus], chunk: 3000),
  ])
  func appendOfAMegabyteInSmallWrites(_ upload: Upload) throws {
    let pair = try Pair(capabilities: upload.capabilities)
    pair.writeSize = 1000
    pair.largestChunk = upload.chunk
    var random = SeededGenerator(seed: 11)
    let message = (0..<1_048_576).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let id = try pair.append(message)
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.uploads.count == 1)
    #expect(pair.uploads.first == message)
    #expect(pair.completions[id]?.code == .appendUID(validity: 7, uids: [1]))
    #expect(pair.completions[noop]?.condition == .ok)
    // The watermark is 256 KiB; the command's line and end come on top.
    #expect(pair.largestOutbound <= 256 << 10 + 100)
    #expect(pair.clientLog.filter { $0.hasPrefix("ready \(id)") }.count > 1)
  }

  @Test(arguments: [[], [Capability.literalPlus]])
  func anEmptyMessageNeedsNoBytes(_ capabilities: [Capability]) throws {
    let pair = try Pair(capabilities: capabilities)
    let id = try pair.append([])
    pair.settle()
    #expect(pair.uploads == [[]])
    #expect(pair.completions[id]?.condition == .ok)
  }

  /// A server that refuses in the middle gets blanks for the rest, and the next command is understood.
  @Test func anAppendRefusedInTheMiddleIsPadded() throws {
    let pair = try Pair(capabilities: [.literalPlus])
    pair.script = { (pair, id, command) throws(ConnectionError) in
      guard case .append = command else { return false }
      try pair.server.reject(id, with: Status(.no, code: .atom("OVERQUOTA"), "full"))
      return true
    }
    let id = try pair.enqueue(.append(AppendRequest(mailbox: "x", byteCount: 1_000_000)))
    pair.messages[id] = Array("only the start of it".utf8)[...]
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[id]?.code == .atom("OVERQUOTA"))
    #expect(pair.completions[noop]?.condition == .ok)
    #expect(pair.commands.last == .noop)
    #expect(pair.sentByClient.count > 1_000_000)
  }

  /// What was asked for once and written since is not asked for again.
  @Test func readyForLiteralIsNeverStale() throws {
    let now = MonotonicInstant(nanoseconds: 0)
    var machine = ClientConnection(now: now)
    var input = ReceiveBuffer()
    input.append(Array("* PREAUTH [CAPABILITY LITERAL+] hi\r\n".utf8).span)
    func events(_ machine: inout ClientConnection, _ input: inout ReceiveBuffer) throws -> [String] {
      var log: [String] = []
      while true {
        switch try machine.next(&input, now: now) {
        case .needMoreInput, .paused: return log
        case .readyForLiteral(let id, let count): log.append("ready \(id) \(count)")
        default: log.append("other")
        }
      }
    }
    _ = try events(&machine, &input)
    let size = 300 << 10
    let id = try machine.enqueue(.append(AppendRequest(mailbox: "x", byteCount: UInt64(size))), now: now)
    #expect(try events(&machine, &input) == ["ready A1 \(size)"])
    let message = [UInt8](repeating: 0x61, count: size)
    let first = try machine.write(id, literal: message.span, now: now)
    #expect(first < size)
    // An empty write does not take back that more is to come.
    let nothing: [UInt8] = []
    #expect(try machine.write(id, literal: nothing.span, now: now) == 0)
    machine.consumeOutbound(.max)
    let second = message.span.extracting(droppingFirst: first + 1)
    #expect(try machine.write(id, literal: second, now: now) == size - first - 1)
    #expect(try events(&machine, &input) == ["ready A1 1"])
    machine.consumeOutbound(.max)
    #expect(try machine.write(id, literal: message.span.extracting(first: 1), now: now) == 1)
    #expect(try events(&machine, &input).isEmpty)
  }
}
