import Testing

@testable import IMAPStateMachine

/// Calls that do not fit, in every state that a connection can be in: each is refused with the state's name, and changes
/// nothing.
@Suite struct ClientMisuseTests {
  /// A conversation that leads to a state, and what may be called there.
  struct Situation: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var phase: String
    var steps: [Step]
    var allowed: Set<Verb>
    /// What a verb gets to hear that does not fit.
    var error: ConnectionError?

    init(
      _ name: String, _ phase: String, _ steps: [Step], allows: Set<Verb> = [.enqueue], error: ConnectionError? = nil
    ) {
      testDescription = name
      self.phase = phase
      self.steps = steps
      allowed = allows
      self.error = error
    }
  }

  enum Step: Sendable {
    case server(String)
    case user(Command)
    case write(Int)
    case answer
    case cancel
    case endIdle
    case close
  }

  enum Verb: CaseIterable, Sendable { case enqueue, answer, cancel, write, writeTooMuch, endIdle }

  private static let append = Command.append(AppendRequest(mailbox: "Sent", byteCount: 9))
  private static let authenticate = Command.authenticate(SASLExchange(mechanism: "X-ASK"))
  private static let preauth = Step.server("* PREAUTH hi\n")
  private static let greeting = Step.server("* OK hi\n")

  static let situations: [Situation] = [
    Situation("before the greeting", "waiting for the greeting", []),
    Situation("with a command that waits for the greeting", "waiting for the greeting", [.user(append)]),
    Situation("not authenticated", "not authenticated", [greeting]),
    Situation("authenticated", "authenticated", [preauth]),
    Situation("selected", "mailbox selected", [preauth, .user(.select(.inbox)), .server("A1 OK x\n")]),
    Situation(
      "selected for reading", "mailbox selected for reading", [preauth, .user(.examine(.inbox)), .server("A1 OK x\n")]),
    Situation("with a command in flight", "authenticated", [preauth, .user(.noop)]),
    Situation(
      "while a literal waits", "authenticated", [preauth, .user(.getQuota(root: "j\u{f6}e"))]),
    Situation("while a message waits", "authenticated", [preauth, .user(append)]),
    Situation(
      "while a message is written", "authenticated", [preauth, .user(append), .server("+ go\n")],
      allows: [.enqueue, .write]),
    Situation(
      "behind a message", "authenticated", [preauth, .user(append), .server("+ go\n"), .write(9)]),
    Situation(
      "while a message that was refused is filled up", "authenticated",
      [.server("* PREAUTH [CAPABILITY LITERAL+] hi\n"), .user(append), .write(2), .server("A1 NO full\n")]),
    Situation("while a mechanism waits", "not authenticated", [greeting, .user(authenticate)]),
    Situation(
      "while a challenge is open", "not authenticated", [greeting, .user(authenticate), .server("+ eA==\n")],
      allows: [.enqueue, .answer, .cancel]),
    Situation(
      "behind an answer", "not authenticated", [greeting, .user(authenticate), .server("+ eA==\n"), .answer]),
    Situation(
      "behind a cancelled exchange", "not authenticated", [greeting, .user(authenticate), .server("+ eA==\n"), .cancel]),
    Situation("while an IDLE waits", "authenticated", [preauth, .user(.idle)], allows: [.enqueue, .endIdle]),
    Situation("idling", "authenticated", [preauth, .user(.idle), .server("+ x\n")], allows: [.enqueue, .endIdle]),
    Situation(
      "behind DONE", "authenticated", [preauth, .user(.idle), .server("+ x\n"), .endIdle],
      allows: [.enqueue, .endIdle]),
    Situation("behind STARTTLS", "not authenticated", [greeting, .user(.startTLS)]),
    Situation("while TLS is made", "not authenticated", [greeting, .user(.startTLS), .server("A1 OK x\n")]),
    Situation("while DEFLATE is made", "authenticated", [preauth, .user(.compress), .server("A1 OK x\n")]),
    Situation("behind LOGOUT", "logging out", [preauth, .user(.logout)], allows: []),
    Situation("logged out", "closed", [preauth, .user(.logout), .server("* BYE x\nA1 OK x\n")], allows: []),
    Situation(
      "behind BYE", "logging out", [preauth, .user(.noop), .server("* BYE gone\n")], allows: [],
      error: .closedByPeer(bye: "gone")),
    Situation("closed", "closed", [preauth, .user(.noop), .close], allows: []),
  ]

  @Test(arguments: situations) func whatDoesNotFitChangesNothing(_ situation: Situation) throws {
    for verb in Verb.allCases {
      var bench = try Bench(situation.steps)
      #expect(bench.machine.phase.description == situation.phase)
      let before = bench.snapshot
      let error = bench.call(verb)
      if situation.allowed.contains(verb) {
        #expect(error == nil, "\(verb)")
        continue
      }
      switch error {
      case .misuse(let misuse)?:
        #expect(misuse.state == situation.phase, "\(verb)")
        #expect(situation.error == nil, "\(verb)")
      case let other: #expect(other == situation.error && other != nil, "\(verb)")
      }
      #expect(bench.snapshot == before, "\(verb)")
    }
  }

  /// The verbs that cannot throw do nothing where nothing asked for them.
  @Test(arguments: situations) func whatNobodyAskedForDoesNothing(_ situation: Situation) throws {
    var bench = try Bench(situation.steps)
    let before = bench.snapshot
    bench.machine.handleTimeout(now: Bench.now)
    bench.machine.consumeOutbound(-1)
    bench.machine.consumeOutbound(0)
    if !before.contains("upgrading(IMAPStateMachine.Upgrade.tls)") { bench.machine.upgraded(.tls, now: Bench.now) }
    if !before.contains("upgrading(IMAPStateMachine.Upgrade.deflate)") {
      bench.machine.upgraded(.deflate, now: Bench.now)
    }
    #expect(bench.snapshot == before)
  }

  static let hostileLines = [
    "+ \n", "+ eA==\n", "* BYE gone\n", "* BYE\n* BYE\n* OK\n+ go\n", "* PREAUTH again\n", "* OK [CLOSED] x\n",
    "A9 OK [CAPABILITY X] never sent\n", "B1 OK not ours\n", "A0 OK x\n", "A1 OK x\n", "A1 NO x\n",
    "A1 BAD x\nA1 OK x\n",
    "A1 BYE x\n", "A1 PREAUTH x\n", "* ENABLED UTF8=ACCEPT UIDONLY QRESYNC\n", "* VANISHED 1:*\n",
    "* 4294967295 EXPUNGE\n",
    "* 0 EXISTS\n* 1 EXPUNGE\n", "* 1 FETCH (FLAGS ({3}\nabc) BODY[] {2}\nab)\n", "* {5}\nabcde\n", "* OK {5}\n",
    "* 1 FETCH (BODY[] {9}\nabc", "* CAPABILITY\n", "* OK [CAPABILITY LOGINDISABLED] x\n", "\0\0\n", ")\n", "* \n",
    "* LOGOUT\n", "A1 OK [COPYUID 1 1:* 1:*] x\n", "* OK [HIGHESTMODSEQ 99999999999999999999] x\n",
  ]

  /// A server may say anything at any time: every command ends once, the connection once, no byte follows a BYE, and nobody is
  /// logged in who did not ask for it.
  @Test(arguments: situations) func whateverAServerSays(_ situation: Situation) throws {
    for line in Self.hostileLines {
      for next in ["", "A1 OK x\n", "A2 OK x\n", "* BYE x\n"] {
        var bench = try Bench(situation.steps)
        // What is in flight may end, and what waits may go.
        _ = try? bench.machine.enqueue(.noop, now: Bench.now)
        let wasLoggedIn = bench.machine.phase != .notAuthenticated && bench.machine.phase != .greeting
        let mayLogIn = bench.machine.state.inFlight.first?.kind == .login
        bench.hear(line)
        bench.hear(next)
        if bench.machine.state.byeText != nil { #expect(bench.machine.outboundCount == 0, "\(line)\(next)") }
        if !wasLoggedIn, !mayLogIn, !line.contains("PREAUTH") {
          let phase = bench.machine.phase
          #expect(phase != .authenticated && phase != .selected(readOnly: false), "\(line)\(next)")
        }
        bench.end()
        #expect(bench.machine.phase == .closed && bench.machine.outboundCount == 0, "\(line)\(next)")
        #expect(bench.closings == 1, "\(line)\(next)")
        #expect(bench.endings.values.allSatisfy { $0 == 1 }, "\(line)\(next)")
        #expect(bench.endings.count == Int(bench.machine.state.nextID) - 1, "\(line)\(next)")
      }
    }
  }

  /// Where TLS must come, commands of unknown meaning wait for it as passwords do.
  @Test func unknownCommandsNeedTLSWherePasswordsDo() throws {
    var configuration = ClientConnection.Configuration()
    configuration.requiresTLS = true
    var bench = try Bench([Self.greeting], configuration)
    let id = try bench.machine.enqueue(.other(GenericCommand("XLOGIN", [.atom("secret")])), now: Bench.now)
    #expect(bench.machine.outboundCount == 0)
    try bench.drain()
    let error = ConnectionError.misuse(.init(.tlsRequired, state: "not authenticated"))
    #expect(bench.failures[id] == error)
    #expect(error.description == "TLS is required and not in use (not authenticated)")
  }

  /// What a command holds of passwords is in no description, whatever became of it.
  @Test func noDescriptionShowsASecret() throws {
    let commands: [Command] = [
      .login(user: "joe", password: Secret("hunter2")),
      .authenticate(SASLExchange(mechanism: "PLAIN", initialResponse: Secret("hunter2"))),
    ]
    for command in commands {
      var texts = ["\(command)", String(reflecting: command)]
      dump(command, to: &texts[0])
      for steps in [[], [Self.greeting], [Self.preauth]] {
        var bench = try Bench(steps)
        _ = try bench.machine.enqueue(command, now: Bench.now)
        texts.append("\(bench.machine.state.flow)")
        var queue = ""
        for queued in bench.machine.state.queue { dump(queued, to: &queue) }
        texts.append(queue)
        bench.machine.close(now: Bench.now)
        try bench.drain()
        texts += bench.failures.values.map { "\($0) \(String(reflecting: $0))" }
      }
      for text in texts { #expect(!text.contains("hunter2") && !text.contains("aHVudGVyMg")) }
    }
  }
}

/// A connection in one of the states, whose last command is the one that the verbs name.
private struct Bench: ~Copyable {
  static let now = MonotonicInstant(nanoseconds: 0)

  var machine: ClientConnection
  private var input = ReceiveBuffer()
  private var id: CommandID?
  private(set) var failures: [CommandID: ConnectionError] = [:]
  private(set) var endings: [CommandID: Int] = [:]
  private(set) var closings = 0

  init(_ steps: [ClientMisuseTests.Step], _ configuration: ClientConnection.Configuration = .init()) throws {
    machine = ClientConnection(configuration, now: Self.now)
    for step in steps {
      switch step {
      case .server(let text):
        machine.consumeOutbound(machine.outboundCount)
        input.append(wire(text).span)
      case .user(let command): id = try machine.enqueue(command, now: Self.now)
      case .write(let count):
        let bytes = [UInt8](repeating: 0x61, count: count)
        _ = try machine.write(try #require(id), literal: bytes.span, now: Self.now)
      case .answer: try machine.answer(try #require(id), challenge: [UInt8]().span, now: Self.now)
      case .cancel: try machine.cancelAuthentication(try #require(id), now: Self.now)
      case .endIdle: try machine.endIdle(try #require(id), now: Self.now)
      case .close: machine.close(now: Self.now)
      }
      try drain()
    }
  }

  /// Everything that a call could change.
  var snapshot: String {
    let outbound = String(decoding: machine.outbound.copy(), as: UTF8.self)
    let state =
      "\(machine.state.session) \(machine.state.flow) \(machine.state.queue.count) \(machine.state.pending.count)"
    let counts = "\(machine.state.inFlight.count) \(machine.state.nextID) \(machine.state.nextTag)"
    let time = "\(machine.nextDeadline?.nanoseconds ?? -1) \(machine.state.hasSent)"
    let held = machine.state.held.map { "\($0.sent) \($0.bytes.count)" } ?? ""
    return [machine.phase.description, outbound, state, counts, time, held].joined(separator: "|")
  }

  mutating func call(_ verb: ClientMisuseTests.Verb) -> ConnectionError? {
    // One that never was, where there is none.
    let id = self.id ?? CommandID(rawValue: 77)
    let bytes: [UInt8] = [0x61]
    do throws(ConnectionError) {
      switch verb {
      case .enqueue: _ = try machine.enqueue(.noop, now: Self.now)
      case .answer: try machine.answer(id, challenge: bytes.span, now: Self.now)
      case .cancel: try machine.cancelAuthentication(id, now: Self.now)
      case .write: _ = try machine.write(id, literal: bytes.span, now: Self.now)
      case .writeTooMuch:
        let many = [UInt8](repeating: 0x61, count: 10)
        _ = try machine.write(id, literal: many.span, now: Self.now)
      case .endIdle: try machine.endIdle(id, now: Self.now)
      }
      return nil
    } catch {
      return error
    }
  }

  mutating func hear(_ text: String) {
    input.append(wire(text).span)
    // An error is told by an event before it is thrown.
    try? drain()
  }

  mutating func end() {
    input.close()
    try? drain()
    // A layer that nobody sets up.
    machine.close(now: Self.now)
    try? drain()
  }

  mutating func drain() throws {
    while let ending = try Self.next(&machine, &input, &closings) {
      if let id = ending.id { endings[id, default: 0] += 1 }
      if let id = ending.id, let error = ending.error { failures[id] = error }
    }
  }

  private static func next(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ closings: inout Int
  ) throws -> (id: CommandID?, error: ConnectionError?)? {
    switch try machine.next(&input, now: now) {
    case .needMoreInput, .paused: return nil
    case .failed(let id, let error): return (id, error)
    case .completed(let id, _), .upgrade(_, let id): return (id, nil)
    case .closed: closings += 1
    default: break
    }
    return (nil, nil)
  }
}
