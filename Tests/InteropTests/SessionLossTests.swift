import IMAPLoop
import IMAPStateMachine
import Testing

/// What a session says of a connection that was lost.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionLossTests {
  /// Nothing of the user's is in doubt, whatever the session itself had asked for.
  @Test(arguments: ["IDLE", "NOOP", "SELECT", "FETCH"]) func nothingIsInDoubt(_ command: String) async throws {
    let server = try ScriptedServer(capabilities: command == "IDLE" ? "IDLE" : "") { _, line in
      let name = String(line.prefix { $0 != " " })
      return switch name {
      case command: name == "IDLE" ? ["+ idling", "DROP"] : ["DROP"]
      case "SELECT": ["* 1 EXISTS"]
      case "FETCH": ["* 1 FETCH (UID 1 FLAGS ())"]
      case "LOGOUT": ["* BYE"]
      default: []
      }
    }
    defer { server.stop() }
    let loop = try EventLoop.start()
    let session = IMAPSession(.scripted(server), on: loop)
    var events = await session.start().makeAsyncIterator()
    let event = await events.skip { if case .disconnected = $0 { true } else { false } }
    guard case .disconnected(let error, _)? = event else { return }
    #expect(!error.isOutcomeUnknown, "\(error)")
    #expect(error.reason == .connectionLost(outcomeUnknown: false), "\(error)")
    await session.stop()
    #expect(await loop.shutdown().isClean)
  }
}
