import IMAPStateMachine

/// A connection with a mailbox open, and the server's part of the conversation.
struct SelectedConnection: ~Copyable {
  private var machine = ClientConnection(now: now)
  private var input = ReceiveBuffer()
  private var answer: [UInt8] = []
  /// Commands that were completed with OK.
  private(set) var completed = 0

  init() throws {
    try receive("* PREAUTH [CAPABILITY IMAP4rev1 IDLE LITERAL+ SASL-IR CONDSTORE] hi\r\n")
    try run(.select(.inbox))
    completed = 0
  }

  /// Enqueues `command`, sends it, and reads its completion.
  mutating func run(_ command: Command) throws {
    let before = completed
    try Self.exchange(command, &machine, &input, &answer, &completed)
    if completed != before + 1 { throw BenchmarkError("a command was not completed") }
  }

  private static func exchange(
    _ command: Command, _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ answer: inout [UInt8],
    _ completed: inout Int
  ) throws {
    _ = try machine.enqueue(command, now: now)
    let count = writeAnswer(to: machine.outbound, &answer)
    machine.consumeOutbound(count)
    input.append(answer.span)
    try drain(&machine, &input, &completed)
  }

  /// The completion of the command that `sent` starts with, written over the last one: it begins with the same tag.
  private static func writeAnswer(to sent: Span<UInt8>, _ answer: inout [UInt8]) -> Int {
    answer.removeAll(keepingCapacity: true)
    for index in sent.indices {
      answer.append(sent[index])
      if sent[index] == UInt8(ascii: " ") { break }
    }
    answer.append(contentsOf: "OK done\r\n".utf8)
    return sent.count
  }

  private mutating func receive(_ text: String) throws {
    input.append(Array(text.utf8).span)
    try Self.drain(&machine, &input, &completed)
  }

  private static func drain(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ completed: inout Int
  ) throws {
    while true {
      switch try machine.next(&input, now: now) {
      case .needMoreInput: return
      case .completed(_, let status): if status.condition == .ok { completed += 1 }
      case .failed(_, let error): throw error
      case .closed, .paused: throw BenchmarkError("the connection is closed")
      default: break
      }
    }
  }
}

/// The clock stands still: what depends on it is not measured here.
let now = MonotonicInstant(nanoseconds: 0)
