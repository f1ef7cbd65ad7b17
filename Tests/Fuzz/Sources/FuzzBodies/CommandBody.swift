import IMAPStateMachine

/// A server's connection with a handler that says yes or no as the input chooses, and the command parser alone.
enum CommandBody {
  static func run(_ input: inout FuzzInput) throws(FuzzFailure) {
    let choice = input.byte()
    let cut = input.byte()
    let bytes = input.rest()
    var parser = CommandParser(limits: FuzzInput.limits(choice))
    if choice & 2 != 0 { parser.mailboxEncoding = .utf8 }
    _ = try? parser.parse(bytes.span)
    let whole = try serve([bytes[...]], choice)
    let pieces = try serve(FuzzInput.pieces(of: input.again(bytes), cut), choice)
    for (a, b) in zip(whole.log, pieces.log) { try require(a == b, "\(a) != \(b)") }
    try require(whole.log.count == pieces.log.count, "\(whole.log) != \(pieces.log)")
    try require(whole.sent == pieces.sent, "answers: \(text(whole.sent)) != \(text(pieces.sent))")
  }

  /// What a step was about, as a value that can be kept.
  private enum Step: Hashable {
    case waiting
    case command(ServerCommandID, tag: [UInt8], name: [UInt8], Command)
    case offered(ServerCommandID, AppendRequest, LiteralHeader)
    case chunk(ServerCommandID, [UInt8])
    case literalEnd(ServerCommandID)
    case literalAborted(ServerCommandID, ParseError)
    case response(ServerCommandID, [UInt8])
    case cancelled(ServerCommandID)
    case idleDone(ServerCommandID)
    case malformed(tag: [UInt8]?, ParseError)
    case upgrade(Upgrade, ServerCommandID)
    case closed(String)
  }

  private static let now = MonotonicInstant(nanoseconds: 0)

  private static func serve(
    _ pieces: [ArraySlice<UInt8>], _ choice: UInt8
  ) throws(FuzzFailure) -> (log: [Step], sent: [UInt8]) {
    var configuration = ServerConnection.Configuration()
    configuration.limits = choice & 1 != 0 ? FuzzInput.limits(1) : .server
    configuration.isEncrypted = choice & 4 != 0
    configuration.maximumBadCommands = choice & 1 != 0 ? 3 : 100
    configuration.takesSeveralLiterals = choice & 32 != 0
    configuration.passesUnknownCommands = choice & 64 != 0
    var machine = ServerConnection(configuration, now: now)
    machine.greet(Status(choice & 8 != 0 ? .preauth : .ok, "hi"))
    var input = ReceiveBuffer()
    var log: [Step] = []
    var sent: [UInt8] = []
    var fed = 0
    for index in 0...pieces.count {
      if index == pieces.count {
        input.close()
      } else {
        input.append(Array(pieces[index]).span)
        fed += pieces[index].count
      }
      var bound = 8 * fed + 64
      while true {
        bound -= 1
        try require(bound > 0, "events without end")
        let step = try next(&machine, &input)
        take(&machine, into: &sent)
        if step == .waiting { break }
        try handle(step, &machine, choice)
        // The bytes of a literal come in the pieces that they came in.
        if case .chunk(let id, let bytes) = step, case .chunk(_, let before)? = log.last {
          log[log.count - 1] = .chunk(id, before + bytes)
        } else {
          log.append(step)
        }
        if case .closed = step { return (log, sent) }
      }
    }
    return (log, sent)
  }

  private static func take(_ machine: inout ServerConnection, into sent: inout [UInt8]) {
    sent += copied(machine.outbound)
    machine.consumeOutbound(machine.outboundCount)
  }

  private static func next(
    _ machine: inout ServerConnection, _ input: inout ReceiveBuffer
  ) throws(FuzzFailure) -> Step {
    do throws(ConnectionError) {
      switch try machine.next(&input, now: now) {
      case .needMoreInput, .paused: return .waiting
      case .command(let id, let view):
        return .command(id, tag: view.tag.copy(), name: view.name.copy(), view.command)
      case .literalOffered(let id, let request, let header): return .offered(id, request, header)
      case .literalChunk(let id, let bytes, _):
        return .chunk(id, copied(bytes))
      case .literalEnd(let id): return .literalEnd(id)
      case .literalAborted(let id, let error): return .literalAborted(id, error)
      case .saslResponse(let id, let bytes): return .response(id, bytes.copy())
      case .saslCancelled(let id): return .cancelled(id)
      case .idleDone(let id): return .idleDone(id)
      case .malformed(let tag, let error):
        switch tag {
        case .some(let tag): return .malformed(tag: tag.copy(), error)
        case .none: return .malformed(tag: nil, error)
        }
      case .upgrade(let upgrade, let id): return .upgrade(upgrade, id)
      case .closed(let reason): return .closed("\(reason)")
      }
    } catch {
      throw FuzzFailure(description: "a client's bytes made the machine throw: \(error)")
    }
  }

  /// Answers. What is asked for must be possible.
  private static func handle(_ step: Step, _ machine: inout ServerConnection, _ choice: UInt8) throws(FuzzFailure) {
    let isWilling = choice & 16 == 0
    do throws(ConnectionError) {
      switch step {
      case .command(let id, _, _, .startTLS):
        // What comes behind an accepted STARTTLS depends on when it comes.
        try machine.complete(id, Status(.no, "not now"))
      case .command(let id, _, _, .idle) where isWilling: try machine.startIdle(id)
      case .command(let id, _, _, .authenticate) where isWilling: try machine.challenge(id, [0x61].span)
      case .command(let id, _, _, _), .literalEnd(let id), .response(let id, _), .idleDone(let id):
        try machine.complete(id, Status(isWilling ? .ok : .no, "done"))
      case .offered(let id, _, _):
        if isWilling { try machine.accept(id) } else { try machine.reject(id, with: Status(.no, "no room")) }
      case .literalAborted(let id, _), .cancelled(let id): try machine.complete(id, Status(.bad, "what?"))
      // What is behind the command is read as if the layer changed nothing.
      case .upgrade(let upgrade, _): machine.upgraded(upgrade, now: now)
      case .waiting, .chunk, .malformed, .closed: break
      }
    } catch {
      throw FuzzFailure(description: "\(step) cannot be answered: \(error)")
    }
  }
}
