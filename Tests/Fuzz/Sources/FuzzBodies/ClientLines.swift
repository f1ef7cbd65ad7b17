import IMAPStateMachine

/// What clients send, and how it comes to be sent.
enum ClientLines {
  static let now = MonotonicInstant(nanoseconds: 0)

  /// What a client sends for `command` without its tag; nil where it refuses. The message of an APPEND is not written.
  static func wire(of command: Command) -> [UInt8]? {
    var configuration = ClientConnection.Configuration()
    var greeting = "PREAUTH"
    switch command {
    case .startTLS: greeting = "OK"
    case .login, .authenticate:
      greeting = "OK"
      configuration.isSecure = true
    default: configuration.isSecure = true
    }
    let capabilities =
      "IMAP4rev1 STARTTLS LITERAL+ SASL-IR ENABLE IDLE NAMESPACE ID UNSELECT UIDPLUS MOVE CONDSTORE QRESYNC"
    var machine = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    input.append(Array("* \(greeting) [CAPABILITY \(capabilities)] hi\r\n".utf8).span)
    drain(&machine, &input)
    if greeting == "PREAUTH" {
      guard (try? machine.enqueue(.select(.inbox), now: now)) != nil else { return nil }
      drain(&machine, &input)
      let tag = take(&machine).prefix { $0 != 0x20 }
      let answer = tag + Array(" OK [READ-WRITE] done\r\n".utf8)
      input.append(Array(answer).span)
      drain(&machine, &input)
    }
    guard (try? machine.enqueue(command, now: now)) != nil else { return nil }
    drain(&machine, &input)
    var line = take(&machine)
    // A message without bytes is over with its header, and a command of one message with it.
    if case .append = command, let end = line.lastIndex(where: { $0 != 0x29 && $0 != 0x0d && $0 != 0x0a }),
      line[end] == UInt8(ascii: "}"), line.count > end + 3
    {
      line.removeSubrange((end + 3)...)
    }
    guard let space = line.firstIndex(of: 0x20) else { return nil }
    return Array(line[(space + 1)...])
  }

  private static func take(_ machine: inout ClientConnection) -> [UInt8] {
    let bytes = copied(machine.outbound)
    machine.consumeOutbound(bytes.count)
    return bytes
  }

  private static func drain(_ machine: inout ClientConnection, _ input: inout ReceiveBuffer) {
    while let goesOn = try? step(&machine, &input), goesOn {}
  }

  private static func step(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer
  ) throws(ConnectionError) -> Bool {
    switch try machine.next(&input, now: now) {
    case .needMoreInput, .paused, .closed: false
    default: true
    }
  }
}
