import IMAPStateMachine
import Testing

/// The example in README.md, section "Without the loop". The code between the two marks is the same there: change both.
@Suite struct ReadmeTests {
  @Test func exampleRunsALogin() throws {
    var server = ScriptedServer([
      "* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n", "A1 OK in\r\n", "* 3 EXISTS\r\nA2 OK [READ-WRITE] open\r\n",
      "* BYE bye\r\nA3 OK out\r\n",
    ])
    var output: [String] = []
    try run(send: { server.take($0) }, receive: { server.next() }, print: { output.append($0) })
    #expect(output.contains("3 messages"))
    #expect(output.contains { $0.hasPrefix("closed") })
    let sent = String(decoding: server.received, as: UTF8.self)
    #expect(sent.hasPrefix("A1 LOGIN ") && sent.hasSuffix("A3 LOGOUT\r\n"), "\(sent)")
    #expect(sent.contains("A2 SELECT "), "\(sent)")
  }

  /// What the reader of the README has instead: a socket and a clock.
  private struct ScriptedServer {
    private var lines: ArraySlice<String>
    private(set) var received: [UInt8] = []

    init(_ lines: [String]) { self.lines = lines[...] }

    /// Takes a few bytes at a time, as a socket may.
    mutating func take(_ bytes: Span<UInt8>) -> Int {
      let count = min(bytes.count, 7)
      for index in 0..<count { received.append(bytes[index]) }
      return count
    }

    mutating func next() -> [UInt8] { lines.popFirst().map { Array($0.utf8) } ?? [] }
  }
}

private func now() -> MonotonicInstant { MonotonicInstant(nanoseconds: 0) }

// README: begin

/// Tells what has happened until more bytes are needed. Returns false when the connection is over.
func handleEvents(
  _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, print: (String) -> Void
) throws(ConnectionError) -> Bool {
  while true {
    switch try machine.next(&input, now: now()) {
    case .needMoreInput: return true
    case .completed(let id, let status): print("\(id): \(status.condition)")
    case .response(.untagged(.exists(let count))): print("\(count) messages")
    case .failed(let id, let error): print("\(id): \(error)")
    case .closed(let reason):
      print("closed: \(reason)")
      return false
    case .paused: return false
    default: break
    }
  }
}

/// Logs in, opens INBOX and logs out. `send` and `receive` are your socket: `send` says how much it took, `receive`
/// returns nothing at the end.
func run(
  send: (Span<UInt8>) throws -> Int, receive: () throws -> [UInt8], print: (String) -> Void
) throws {
  var machine = ClientConnection(now: now())
  var input = ReceiveBuffer()
  _ = try machine.enqueue(.login(user: "joe", password: Secret("secret")), now: now())
  _ = try machine.enqueue(.select(.inbox), now: now())
  _ = try machine.enqueue(.logout, now: now())
  while try handleEvents(&machine, &input, print: print) {
    while machine.outbound.count > 0 {
      let count = try send(machine.outbound)
      machine.consumeOutbound(count)
    }
    let bytes = try receive()
    if bytes.isEmpty { input.close() } else { input.append(bytes.span) }
  }
}

// README: end
