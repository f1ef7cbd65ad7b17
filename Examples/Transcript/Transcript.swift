// Shows what the engine makes of a recorded session: one line an event. To run it:
//
//   swift run --package-path Examples Transcript Examples/Transcript/Sessions/server.txt
//   swift run --package-path Examples Transcript --role client --chunk 7 Examples/Transcript/Sessions/client.txt
//
// The file holds what a server sent, or with `--role client` what a client sent. `--chunk` bytes are fed at a time: the events
// are the same, but for the pieces that literals come in.

// C declares `stdout` and `stderr` as variables.
@unsafe @preconcurrency import Glibc
import IMAPStateMachine

@main struct Transcript {
  static func main() {
    do {
      var arguments = CommandLine.arguments.dropFirst()
      var (role, chunk, file) = ("server", 64 << 10, String?.none)
      while let argument = arguments.popFirst() {
        switch argument {
        case "--role": role = arguments.popFirst() ?? ""
        case "--chunk": chunk = arguments.popFirst().flatMap { Int($0) } ?? 0
        default: file = argument
        }
      }
      guard let file, chunk > 0, role == "server" || role == "client" else {
        throw Failure("usage: Transcript [--role server|client] [--chunk BYTES] FILE")
      }
      let bytes = try contents(of: file)
      if role == "server" { try showServer(bytes, chunk) } else { try showClient(bytes, chunk) }
    } catch {
      unsafe fputs("Transcript: \(error)\n", stderr)
      exit(1)
    }
  }

  /// Appends `bytes` a chunk at a time, and lets `drain` take the events out behind each. The end of the file is the end of
  /// the input.
  private static func feed(
    _ bytes: [UInt8], _ chunk: Int, _ drain: (inout ReceiveBuffer) throws -> Void
  ) rethrows {
    var input = ReceiveBuffer()
    var start = 0
    while start < bytes.count {
      let end = min(start + chunk, bytes.count)
      input.append(bytes.span.extracting(start..<end))
      start = end
      try drain(&input)
    }
    input.close()
    try drain(&input)
  }
}

// MARK: What a server sent

/// The parser alone: no command was sent here, so a machine would not know the tags.
func showServer(_ bytes: [UInt8], _ chunk: Int) throws {
  var parser = ResponseParser()
  try Transcript.show(bytes, chunk, &parser)
}

extension Transcript {
  fileprivate static func show(_ bytes: [UInt8], _ chunk: Int, _ parser: inout ResponseParser) throws {
    var isOver = false
    try feed(bytes, chunk) { input in
      while !isOver {
        let event = try parser.next(&input)
        if case .needMoreInput = event { return }
        if case .endOfInput = event { isOver = true }
        print(describe(event))
      }
    }
  }

  /// An event borrows the buffer. `copy()` makes values that can be kept, and printed.
  private static func describe(_ event: borrowing ResponseEvent) -> String {
    switch copy event {
    case .needMoreInput: "need more input"
    case .tagged(let tag, let status): "tagged \(tag.lossyString().debugDescription) \(status.copy())"
    case .untagged(.list(let mailbox)): "list \(mailbox.copy().name) \(mailbox.attributes.copy())"
    case .untagged(.search(let result)): "search \(result.copy().numbers)"
    case .untagged(let view): "untagged \(view.copy())"
    case .continuation(let text): "continuation \(text.lossyString().debugDescription)"
    case .fetchBegin(let number): "fetch \(number) {"
    case .uidFetchBegin(let uid): "uidfetch \(uid) {"
    case .fetchAttribute(.invalid(let name, _, let error)): "  invalid \(name.lossyString().debugDescription): \(error)"
    case .fetchAttribute(let item): "  \(item.copy())"
    case .literalBegin(let section, let header):
      "  \(section.raw.lossyString().debugDescription): \(header.byteCount) bytes"
    case .literalChunk(let bytes, let remaining): "    chunk of \(bytes.count), \(remaining) to come"
    case .literalEnd: "  end of literal"
    case .fetchEnd: "}"
    case .unknown(let line): "unknown \(line.lossyString().debugDescription)"
    case .malformed(let line, let error): "malformed \(line.lossyString().debugDescription): \(error)"
    case .endOfInput(let clean): clean ? "end of input" : "end of input inside a response"
    }
  }
}

// MARK: What a client sent

/// The server's machine, which answers every command with OK, so that it goes on as the client did.
func showClient(_ bytes: [UInt8], _ chunk: Int) throws {
  let now = MonotonicInstant(nanoseconds: 0)
  var machine = ServerConnection(now: now)
  machine.greet(Status(.ok, "ready"))
  try Transcript.show(bytes, chunk, &machine, now)
}

extension Transcript {
  fileprivate static func show(
    _ bytes: [UInt8], _ chunk: Int, _ machine: inout ServerConnection, _ now: MonotonicInstant
  ) throws {
    try feed(bytes, chunk) { input in
      while true {
        // The answers would go to the client. They are dropped: it said all that it had to say already.
        machine.consumeOutbound(machine.outboundCount)
        switch try machine.next(&input, now: now) {
        case .needMoreInput, .paused: return
        case .command(let id, let view):
          print("command \(view.tag.lossyString()) \(view.name.lossyString())")
          switch view.command {
          case .idle: try machine.startIdle(id)
          case .authenticate(let exchange) where exchange.initialResponse == nil:
            let nothing: [UInt8] = []
            try machine.challenge(id, nothing.span)
          default: try machine.complete(id, Status(.ok, "done"))
          }
        case .literalOffered(let id, let request, let header):
          print("append to \("\(request.mailbox)".debugDescription): \(header.byteCount) bytes")
          try machine.accept(id)
        case .literalChunk(_, let bytes, let remaining): print("  chunk of \(bytes.count), \(remaining) to come")
        case .literalEnd(let id):
          print("end of append")
          try machine.complete(id, Status(.ok, "done"))
        case .literalAborted(let id, let error):
          print("append that is none: \(error)")
          try machine.complete(id, Status(.bad, "no such command"))
        case .saslResponse(let id, let response):
          print("response of \(response.count) bytes")
          try machine.complete(id, Status(.ok, "done"))
        case .saslCancelled(let id):
          print("authentication cancelled")
          try machine.complete(id, Status(.bad, "cancelled"))
        case .idleDone(let id):
          print("end of IDLE")
          try machine.complete(id, Status(.ok, "done"))
        case .malformed(let tag, let error):
          print("malformed \(tag?.lossyString().debugDescription ?? "line"): \(error)")
        case .upgrade(let upgrade, _):
          print("upgrade to \(upgrade)")
          machine.upgraded(upgrade, now: now)
        case .closed(let reason):
          print("closed: \(reason)")
          return
        }
      }
    }
  }
}

struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}

/// All of a file.
func contents(of path: String) throws -> [UInt8] {
  guard let file = unsafe fopen(path, "rb") else {
    throw Failure("\(path): \(unsafe String(cString: strerror(errno)))")
  }
  defer { unsafe fclose(file) }
  var bytes: [UInt8] = []
  while true {
    let byte = unsafe getc(file)
    if byte == EOF { return bytes }
    bytes.append(UInt8(truncatingIfNeeded: byte))
  }
}
