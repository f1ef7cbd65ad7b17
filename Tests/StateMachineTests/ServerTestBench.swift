@testable import IMAPStateMachine

/// Drives a ``ServerConnection`` with a handler that says yes to nearly everything, and writes down what happened. What it
/// writes does not depend on the chunks that the client's bytes come in: literal chunks are joined.
final class ServerTestBench {
  var machine: ServerConnection
  var input = ReceiveBuffer()
  var now = MonotonicInstant(nanoseconds: 0)
  var log: [String] = []
  /// Everything that was sent to the client.
  var sent: [UInt8] = []
  /// The last command that was handed out.
  var id: ServerCommandID?
  /// Whether commands are completed by the bench. Without it the test does it.
  var answers = true
  private var literal: [UInt8] = []

  init(
    _ configuration: ServerConnection.Configuration = .init(), greeting: Status? = Status(.ok, "ready"),
    answers: Bool = true
  ) {
    machine = ServerConnection(configuration, now: now)
    self.answers = answers
    if let greeting { machine.greet(greeting) }
  }

  var sentText: String { String(decoding: sent, as: UTF8.self) }

  /// What was sent since the last call.
  func takeSent() -> String {
    defer { sent = [] }
    return sentText
  }

  func feed(_ text: String) { feed(Array(text.utf8)) }

  func feed(_ bytes: [UInt8]) {
    input.append(bytes.span)
    drive()
  }

  func feed(_ bytes: ArraySlice<UInt8>) { feed(Array(bytes)) }

  func close() {
    input.close()
    drive()
  }

  /// Calls `next` until nothing more comes of it.
  func drive() {
    // Bounded: a machine that reports events for ever is a bug that must fail, not hang.
    var budget = 100_000 + input.unread * 4
    while step(&input) {
      budget -= 1
      if budget < 0 {
        log.append("livelock")
        return
      }
    }
    flush()
  }

  func flush() {
    sent += machine.outbound.copy()
    machine.consumeOutbound(machine.outboundCount)
  }

  /// One call of `next`. False where the bench has to wait.
  private func step(_ input: inout ReceiveBuffer) -> Bool {
    do throws(ConnectionError) {
      switch try machine.next(&input, now: now) {
      case .needMoreInput: return false
      case .paused:
        if machine.outboundCount == 0 { return false }
        let count = sent.count
        flush()
        return machine.isOutboundFull || sent.count != count
      case .command(let id, let view):
        let command = view.copy()
        log.append("\(view.tag.lossyString()) \(view.name.lossyString()): \(command)")
        self.id = id
        if answers { try answer(id, command) }
      case .literalOffered(let id, let request, let header):
        let kind = "\(header.isBinary ? "~" : "")\(header.byteCount)\(header.isSynchronizing ? "" : "+")"
        log.append("offered \(request.mailbox) \(request.flags) \(request.date?.description ?? "-") \(kind)")
        self.id = id
        literal = []
        if answers {
          if request.mailbox == "Refused" {
            try machine.reject(id, with: Status(.no, code: .tryCreate, "no such mailbox"))
          } else {
            try machine.accept(id)
          }
        }
      case .literalChunk(_, let bytes, _):
        for index in bytes.indices { literal.append(bytes[index]) }
      case .literalEnd(let id):
        log.append("literal \(String(decoding: literal, as: UTF8.self).debugDescription)")
        if answers { try machine.complete(id, Status(.ok, "appended")) }
      case .literalAborted(let id, let error):
        log.append("aborted: \(error)")
        if answers { try machine.complete(id, Status(.bad, "trailing bytes")) }
      case .saslResponse(let id, let bytes):
        log.append("response \(bytes.lossyString().debugDescription)")
        if answers { try machine.complete(id, Status(.ok, "authenticated")) }
      case .saslCancelled(let id):
        log.append("cancelled")
        if answers { try machine.complete(id, Status(.bad, "cancelled")) }
      case .idleDone(let id):
        log.append("done")
        if answers { try machine.complete(id, Status(.ok, "idle ended")) }
      case .malformed(let tag?, let error):
        log.append("malformed \(tag.lossyString()): \(error)")
      case .malformed(nil, let error):
        log.append("malformed: \(error)")
      case .upgrade(let upgrade, _):
        log.append("upgrade \(upgrade)")
        flush()
        if answers { machine.upgraded(upgrade, now: now) }
      case .closed(let reason):
        log.append("closed \(reason)")
      }
      return true
    } catch {
      log.append("threw \(error)")
      return true
    }
  }

  private func answer(_ id: ServerCommandID, _ command: Command) throws(ConnectionError) {
    switch command {
    case .authenticate(let exchange) where exchange.initialResponse == nil:
      let challenge: [UInt8] = Array("hello".utf8)
      try machine.challenge(id, challenge.span)
    case .idle: try machine.startIdle(id)
    case .select(let name, _) where name == "Refused":
      try machine.complete(id, Status(.no, code: .nonexistent, "no such mailbox"))
    case .enable(let list):
      try machine.respond(.enabled(list))
      try machine.complete(id, Status(.ok, "done"))
    default: try machine.complete(id, Status(.ok, "done"))
    }
  }
}
