import Testing

@testable import IMAPStateMachine

/// Times that some commands have of their own.
@Suite struct CommandTimeoutTests {
  private static let limits: [String: Duration] = [
    "search": .seconds(600), "UID FETCH": .seconds(300), "NOOP": .seconds(10), "IDLE": .seconds(7),
  ]

  private static func at(_ seconds: Int64) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
  }

  private static func start(_ input: inout ReceiveBuffer) throws -> ClientConnection {
    var configuration = ClientConnection.Configuration()
    configuration.commandTimeouts = limits
    var machine = ClientConnection(configuration, now: at(0))
    input.append(Array("* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hi\r\n".utf8).span)
    try read(&machine, &input, 0)
    return machine
  }

  private static func read(_ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ seconds: Int64) throws {
    while true {
      switch try machine.next(&input, now: at(seconds)) {
      case .needMoreInput, .paused: return
      default: break
      }
    }
  }

  private static func sent(_ machine: inout ClientConnection) {
    let count = machine.outbound.count
    machine.consumeOutbound(count)
  }

  @Test func theLongerOfTwoHolds() {
    let limits = CommandTimeouts(["SEARCH": .seconds(1), "search": .seconds(3), "Search": .seconds(2)])
    let number = limits.number(of: .search(.all))
    #expect(limits[number] == .seconds(3))
    #expect(limits[number + 1] == nil)
  }

  @Test(
    arguments: [
      (Command.noop, 10), (.search(.all, uid: false), 600), (.search(.all), 600), (.check, 120),
      (.fetch(.uids([1]), [.flags], FetchModifiers()), 300), (.fetch(.sequence([1]), [.flags], FetchModifiers()), 120),
    ] as [(Command, Int64)])
  func byName(_ command: Command, _ seconds: Int64) throws {
    var input = ReceiveBuffer()
    var machine = try Self.start(&input)
    _ = try machine.enqueue(.select("INBOX", SelectParameters()), now: Self.at(0))
    Self.sent(&machine)
    input.append(Array("* 1 EXISTS\r\nA1 OK done\r\n".utf8).span)
    try Self.read(&machine, &input, 1)
    let id = try machine.enqueue(command, now: Self.at(1))
    Self.sent(&machine)
    let deadline = machine.nextDeadline
    #expect(deadline == Self.at(1 + seconds))
    let end = Self.at(1 + seconds)
    machine.handleTimeout(now: MonotonicInstant(nanoseconds: end.nanoseconds - 1))
    var phase = machine.phase
    #expect(phase == .selected(readOnly: false))
    machine.handleTimeout(now: end)
    var failure: ConnectionError?
    reading: while true {
      switch try machine.next(&input, now: end) {
      case .failed(let failed, let error):
        #expect(failed == id)
        failure = error
      case .needMoreInput, .paused, .closed: break reading
      default: break
      }
    }
    #expect(failure == .timedOut(.command))
    phase = machine.phase
    #expect(phase == .closed)
  }

  /// The longest of those in flight counts, whatever order they are in.
  @Test func severalInFlight() throws {
    var input = ReceiveBuffer()
    var machine = try Self.start(&input)
    var deadlines: [MonotonicInstant?] = []
    for command in [.noop, .list(ListRequest(reference: "", patterns: ["*"])), .noop] as [Command] {
      _ = try machine.enqueue(command, now: Self.at(0))
      Self.sent(&machine)
      deadlines.append(machine.nextDeadline)
    }
    #expect(deadlines == [Self.at(10), Self.at(120), Self.at(120)])
    input.append(Array("A2 OK done\r\n".utf8).span)
    try Self.read(&machine, &input, 5)
    var deadline = machine.nextDeadline
    #expect(deadline == Self.at(15))
    input.append(Array("A1 OK done\r\nA3 OK done\r\n".utf8).span)
    try Self.read(&machine, &input, 6)
    deadline = machine.nextDeadline
    #expect(deadline == nil)
  }

  /// DONE has to be answered in IDLE's time, and a renewed IDLE, too; also behind a rest.
  @Test(arguments: [false, true]) func idle(_ rests: Bool) throws {
    var input = ReceiveBuffer()
    var machine = try Self.start(&input)
    let id = try machine.enqueue(.idle, now: Self.at(0))
    Self.sent(&machine)
    var deadline = machine.nextDeadline
    #expect(deadline == Self.at(7))
    input.append(Array("+ idling\r\n".utf8).span)
    try Self.read(&machine, &input, 1)
    if rests {
      guard let resting = machine.rest() else {
        Issue.record("it does not rest")
        return
      }
      machine.wake(resting)
    }
    try machine.endIdle(id, now: Self.at(20))
    Self.sent(&machine)
    deadline = machine.nextDeadline
    #expect(deadline == Self.at(27))
  }
}
