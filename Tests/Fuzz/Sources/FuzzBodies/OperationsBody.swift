import IMAPStateMachine

/// A client's connection, whose user, network and clock do what the input says.
enum OperationsBody {
  static func run(_ input: inout FuzzInput) throws(FuzzFailure) {
    var session = Session(choice: input.byte())
    var calls = 0
    while !input.isEmpty, calls < 4000 {
      calls += 1
      try session.call(&input)
    }
    try session.finish(hasFault: input.hasFault)
  }

  private struct Session: ~Copyable {
    private var machine: ClientConnection
    private var input = ReceiveBuffer()
    private var now = MonotonicInstant(nanoseconds: 0)
    private var enqueued: [CommandID] = []
    private var endings: [CommandID: Int] = [:]
    private var completions = 0
    private var closed = 0
    private var thrown: ConnectionError?
    private let mapsUIDs: Bool

    init(choice: UInt8) {
      var configuration = ClientConnection.Configuration()
      configuration.isSecure = choice & 1 != 0
      configuration.requiresTLS = choice & 2 != 0
      configuration.maximumInFlight = choice & 4 != 0 ? 2 : 20
      configuration.maximumQueued = choice & 8 != 0 ? 3 : 100
      if choice & 16 != 0 { configuration.limits.line = 120 }
      // Short enough that sets of UIDs go in parts.
      if choice & 64 != 0 { configuration.maximumLineLength = 30 }
      configuration.mapsUIDs = choice & 32 != 0
      configuration.maximumUIDRanges = choice & 8 != 0 ? 3 : 100
      mapsUIDs = configuration.mapsUIDs
      machine = ClientConnection(configuration, now: now)
      let greetings = [
        "", "* OK hi\r\n", "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ IDLE] hi\r\n", "* OK [CAPABILITY SASL-IR] hi\r\n",
      ]
      input.append(Array(greetings[Int(choice >> 6)].utf8).span)
    }

    /// One call. The rest of its bytes say with what.
    mutating func call(_ source: inout FuzzInput) throws(FuzzFailure) {
      let operation = source.byte()
      let value = source.byte()
      switch operation & 15 {
      case 0, 1:
        let command = Self.command(value)
        if let id = try? machine.enqueue(command, now: now) { enqueued.append(id) }
      case 2, 3: input.append(Array(Self.lines[Int(value) % Self.lines.count].utf8).span)
      case 4, 5:
        // The oldest command in flight mostly, as completions come in order; else any.
        let number = value & 0x80 == 0 ? completions + 1 : Int(value & 31)
        let endings = [
          "OK done", "NO [BADCHARSET (ISO-8859-1)] no", "BAD what",
          "OK [CAPABILITY IMAP4rev1 LITERAL+ STARTTLS IDLE] x",
        ]
        input.append(Array("A\(number) \(endings[Int(value >> 5) & 3])\r\n".utf8).span)
      case 6: input.append(source.take(Int(value & 63)).span)
      case 7:
        now = now.advanced(by: .seconds(Int(value) * 2))
        machine.handleTimeout(now: now)
      case 8:
        if let deadline = machine.nextDeadline, value & 1 == 0 { now = max(now, deadline) }
        machine.handleTimeout(now: now)
      case 9:
        let literal = [UInt8](repeating: 0x61, count: Int(value))
        if let id = recent(value) { _ = try? machine.write(id, literal: literal.span, now: now) }
      case 10: if let id = recent(value) { try? machine.endIdle(id, now: now) }
      case 11:
        guard let id = recent(value) else { break }
        if value & 8 == 0 {
          try? machine.answer(id, challenge: source.take(Int(value & 7)).span, now: now)
        } else {
          try? machine.cancelAuthentication(id, now: now)
        }
      case 12: machine.consumeOutbound(value & 1 == 0 ? .max : Int(value) - 20)
      case 13: machine.upgraded(.tls, now: now)
      case 14 where value == 0: input.close()
      case 15 where value == 0: machine.close(now: now)
      case 15 where value == 1: machine.transportFailed(.transport(.init(.read, message: "reset")))
      default: break
      }
      if operation & 16 == 0 { try drain() }
      try checkMailbox(UInt32(value))
    }

    /// What is known of the selected mailbox agrees with itself: a message and its UID name each other, UIDs ascend, and
    /// there are none behind the last message.
    private func checkMailbox(_ value: UInt32) throws(FuzzFailure) {
      let mailbox = machine.selected
      if case .selected = machine.phase {
        try require(mailbox != nil, "a mailbox is selected and none is known")
      } else if machine.phase != .closed, machine.phase != .loggingOut {
        try require(mailbox == nil, "a mailbox is known and none is selected")
      }
      let exists = mailbox?.exists ?? 0
      var last: UInt32 = 0
      for place in [1, 2, 3, value, exists].filter({ $0 > 0 && $0 <= exists }).sorted() {
        let number = SequenceNumber(rawValue: place)
        guard let uid = machine.uid(of: number) else { continue }
        try require(mapsUIDs, "a map that nobody wants")
        try require(machine.sequence(of: uid) == number, "message \(place) has UID \(uid), which is another's")
        try require(uid.rawValue >= last, "UIDs that do not ascend")
        last = uid.rawValue
      }
      try require(machine.uid(of: SequenceNumber(rawValue: 0)) == nil, "a message 0")
      if exists < .max {
        try require(machine.uid(of: SequenceNumber(rawValue: exists + 1)) == nil, "a UID behind the last message")
      }
      if let place = machine.sequence(of: UID(rawValue: value)) {
        try require(place.rawValue > 0 && place.rawValue <= exists, "a place behind the last message")
      }
    }

    /// Whatever happened, the end comes once, and each command's as well.
    mutating func finish(hasFault: Bool) throws(FuzzFailure) {
      machine.close(now: now)
      try drain()
      try require(closed == 1, "closed \(closed) times")
      if hasFault, let id = enqueued.last { endings[id] = nil }
      for id in enqueued { try require(endings[id] == 1, "\(id) ended \(endings[id] ?? 0) times") }
      try require(endings.count == enqueued.count, "endings of commands that never were")
      try require(machine.nextDeadline == nil, "a deadline behind the end")
      try require(machine.outbound.isEmpty, "bytes behind the end")
      try require(machine.phase == .closed, "\(machine.phase) behind the end")
    }

    private func recent(_ value: UInt8) -> CommandID? {
      enqueued.isEmpty ? nil : enqueued[max(0, enqueued.count - 1 - Int(value >> 4) % 3)]
    }

    private mutating func drain() throws(FuzzFailure) {
      var bound = 4 * input.unread + 8 * enqueued.count + 256
      while true {
        bound -= 1
        try require(bound > 0, "events without end")
        let step: Step
        do throws(ConnectionError) {
          step = try Self.next(&machine, &input, now)
        } catch {
          try require(closed == 1, "threw \(error) before it closed")
          try require(thrown == nil || thrown == error, "threw \(error) after \(String(describing: thrown))")
          thrown = error
          return
        }
        switch step {
        case .waiting: return
        case .ended(let id):
          endings[id, default: 0] += 1
          completions += 1
        case .closed: closed += 1
        case .event: break
        }
        try require(closed == 0 || step == .closed, "an event behind the end")
      }
    }

    private enum Step: Equatable {
      case waiting
      case event
      case ended(CommandID)
      case closed
    }

    private static func next(
      _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant
    ) throws(ConnectionError) -> Step {
      switch try machine.next(&input, now: now) {
      case .needMoreInput, .paused: return .waiting
      case .completed(let id, _), .failed(let id, _), .upgrade(_, let id): return .ended(id)
      case .closed: return .closed
      case .response, .greeting, .partCompleted, .challenge, .readyForLiteral, .idling: return .event
      }
    }

    private static func command(_ value: UInt8) -> Command {
      switch value % 25 {
      case 0: .noop
      case 1: .login(user: "joe", password: Secret("pass word"))
      case 2: .login(user: "j\u{f6}e", password: Secret("\r\n"))
      case 3: .authenticate(SASLExchange(mechanism: "PLAIN", initialResponse: Secret("\u{0}joe\u{0}x")))
      case 4: .authenticate(SASLExchange(mechanism: "CRAM-MD5"))
      case 5: .startTLS
      case 6: .capability
      case 7: .enable([.utf8Accept, .condStore])
      case 8: .select(.inbox)
      case 9: .examine("a b")
      case 10: .idle
      case 11: .append(AppendRequest(mailbox: "Sent", byteCount: UInt64(value)))
      case 12: .append(AppendRequest(mailbox: "S\r\n", flags: [.seen], byteCount: 100_000))
      case 13: .fetch(.uids([1, 3, 5, 7, 9]), [.flags, .envelope])
      case 14: .store(.sequence([1, 2]), StoreOperation(.add, [.seen]))
      case 15: .search(.subject("a\r\n\u{e4}"), charset: "UTF-8")
      case 16: .expunge
      case 17: .close
      case 18: .logout
      case 19: .enable([.qResync, .uidOnly])
      case 20: .select("b", SelectParameters(condStore: true, qResync: QResyncParameters(uidValidity: 1, modSeq: 2)))
      case 21: .notify(.set([NotifyGroup(.selected, [.messageNew(), .messageExpunge])]))
      case 22: .unauthenticate
      case 23: .fetch(.sequence([2, 3]), [.uid, .modSeq])
      default: .id([IDField("name", "\"\\")])
      }
    }

    private static let lines = [
      "* 3 EXISTS\r\n", "* 1 EXPUNGE\r\n", "+ \r\n", "+ aGVsbG8=\r\n", "+ idling\r\n", "* ENABLED UTF8=ACCEPT\r\n",
      "* CAPABILITY IMAP4rev1 LITERAL+ IDLE STARTTLS\r\n", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n",
      "* 1 FETCH (UID 1 BODY[] {3}\r\nabc FLAGS ())\r\n", "* 2 FETCH (FLAGS (\\Seen)", ")\r\n",
      "* VANISHED 1:2\r\n", "* FLAGS (\\Seen)\r\n", "* OK [UIDVALIDITY 1] x\r\n", "* OK [CLOSED] x\r\n",
      "* BYE bye\r\n",
      "* LIST () NIL {1}\r\na\r\n", "* SEARCH 1 2\r\n", "* OK still here\r\n", "\r\n", "* X\r\n",
      "* 4294967295 EXISTS\r\n", "* 5 EXISTS\r\n", "* 2 FETCH (UID 4)\r\n", "* 3 FETCH (UID 5 MODSEQ (7))\r\n",
      "* 1 FETCH (UID 4)\r\n", "* VANISHED 4\r\n", "* VANISHED (EARLIER) 1:9\r\n", "* 2 EXPUNGE\r\n", "* 0 EXISTS\r\n",
      "* ENABLED QRESYNC UIDONLY\r\n", "* OK [UIDVALIDITY 2] x\r\n", "* OK [HIGHESTMODSEQ 5] x\r\n",
    ]
  }
}
