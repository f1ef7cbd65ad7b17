import IMAPStateMachine

/// Encoding what was parsed is a fixed point: parsed and encoded again it gives the same bytes.
enum RoundTripBody {
  static func run(_ input: inout FuzzInput) throws(FuzzFailure) {
    let choice = input.byte()
    let encoding: MailboxName.Encoding = choice & 2 != 0 ? .utf8 : .modifiedUTF7
    let bytes = input.rest()
    if choice & 1 == 0 { try responses(bytes, encoding, input) } else { try command(bytes, encoding, input) }
  }

  private static func responses(
    _ bytes: [UInt8], _ encoding: MailboxName.Encoding, _ input: FuzzInput
  ) throws(FuzzFailure) {
    let encoder = ResponseEncoder(mailboxEncoding: encoding)
    for response in parse(bytes, encoding) {
      // What has no form of its own is refused: damage, and raw bytes that only a lenient reader takes.
      guard let first = try? encoder.encode(response) else { continue }
      let again = parse(input.again(first), encoding)
      try require(again.count == 1, "\(text(first)) is read as \(again)")
      guard let second = try? encoder.encode(again[0]) else {
        throw FuzzFailure(description: "\(text(first)) was encoded once only")
      }
      try require(second == first, "\(text(first)) became \(text(second))")
    }
  }

  private static func parse(_ bytes: [UInt8], _ encoding: MailboxName.Encoding) -> [Response] {
    var input = ReceiveBuffer()
    input.append(bytes.span)
    input.close()
    var parser = ResponseParser()
    parser.mailboxEncoding = encoding
    var responses: [Response] = []
    while let response = try? parser.nextOwned(&input) {
      if case .malformed = response, parser.isInsideResponse { continue }
      responses.append(response)
    }
    return responses
  }

  private static func command(
    _ bytes: [UInt8], _ encoding: MailboxName.Encoding, _ input: FuzzInput
  ) throws(FuzzFailure) {
    let parser = CommandParser()
    guard let (_, command) = try? parser.parse(bytes.span), let first = ClientLines.wire(of: command) else { return }
    let (again, error) = parse(input.again(first), parser)
    guard let again else {
      throw FuzzFailure(description: "\(text(first)) does not parse: \(String(describing: error))")
    }
    let second = ClientLines.wire(of: again)
    try require(second == first, "\(text(first)) became \(text(second ?? []))")
  }

  private static func parse(_ line: [UInt8], _ parser: CommandParser) -> (Command?, ParseError?) {
    do throws(ParseError) {
      return (try parser.parse((Array("A1 ".utf8) + line).span).command, nil)
    } catch {
      return (nil, error)
    }
  }
}
