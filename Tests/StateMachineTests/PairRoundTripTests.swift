import Testing

@testable import IMAPStateMachine

/// Every command that the client can send reaches the server as it was, and every response the client.
@Suite struct PairRoundTripTests {
  // MARK: Commands

  static let policies: [[Capability]] = [[], [.literalPlus], [.literalMinus], [.imap4rev2]]

  /// The command arrives, is answered and completed.
  private func expectArrival(_ command: Command, _ capabilities: [Capability]) throws {
    let pair: Pair
    switch command {
    case .login, .authenticate, .startTLS:
      pair = Pair(greeting: Status(.ok, code: .capability(capabilities + [.saslIR]), "hi"))
    default: pair = try Pair.ready(for: command, capabilities: capabilities)
    }
    let id = try pair.enqueue(command)
    if case .append(let request) = command {
      pair.messages[id] = [UInt8](repeating: 0x78, count: Int(request.byteCount))[...]
    }
    pair.settle()
    let arrived = pair.commands.last
    #expect(arrived == command, "\(pair.serverLog) \(pair.failures)")
    switch command {
    case .authenticate, .startTLS: #expect(pair.endings[id] == 1)
    case .idle:
      #expect(pair.clientLog.last == "idling \(id)")
      try pair.client.endIdle(id, now: pair.now)
      pair.settle()
      #expect(pair.completions[id]?.condition == .ok)
    default: #expect(pair.completions[id]?.condition == .ok)
    }
    #expect(pair.serverLog.allSatisfy { !$0.hasPrefix("malformed") })
  }

  @Test(arguments: CommandParserTests.sessionForms, policies)
  func sessionCommands(_ form: CommandParserTests.Form, _ capabilities: [Capability]) throws {
    try expectArrival(form.command, capabilities)
  }

  @Test(arguments: CommandParserTests.mailboxForms, policies)
  func mailboxCommands(_ form: CommandParserTests.Form, _ capabilities: [Capability]) throws {
    try expectArrival(form.command, capabilities)
  }

  @Test(arguments: CommandParserTests.fetchForms + CommandParserTests.storeForms, policies)
  func messageCommands(_ form: CommandParserTests.Form, _ capabilities: [Capability]) throws {
    try expectArrival(form.command, capabilities)
  }

  @Test(arguments: CommandParserTests.searchForms, policies)
  func searchCommands(_ form: CommandParserTests.Form, _ capabilities: [Capability]) throws {
    guard case .search(let key, let uid, let charset, nil) = form.command else { return }
    // The client names the charset itself where it must.
    try expectArrival(.search(key, uid: uid, charset: charset ?? "UTF-8"), capabilities)
  }

  /// Each text in every place that takes one, with every kind of literal.
  @Test(arguments: policies)
  func awkwardTexts(_ capabilities: [Capability]) throws {
    let long = [String(repeating: "x\"", count: 700), String(repeating: "y\\", count: 3000)]
    for text in Generator.awkwardTexts + long {
      try expectArrival(.login(user: text, password: Secret(text)), capabilities)
      let name = MailboxName(text)
      try expectArrival(.select(name), capabilities)
      try expectArrival(.list(reference: name, pattern: name), capabilities)
      try expectArrival(.append(AppendRequest(mailbox: name, flags: [.seen, "$x"], byteCount: 5000)), capabilities)
      try expectArrival(.copy(.uids([1]), name), capabilities)
      try expectArrival(.id([IDField(text, text), IDField("x", nil)]), capabilities)
      try expectArrival(.search(.or(.header(text, text), .not(.text(text))), charset: "UTF-8"), capabilities)
    }
  }

  /// A name whose bytes are no modified UTF-7 goes back as it came.
  @Test(arguments: policies)
  func namesThatDoNotDecode(_ capabilities: [Capability]) throws {
    for wire: [UInt8] in [[0xe4, 0xf6], Array("&AOQ".utf8), Array("a&b".utf8), [0x61, 0x0d, 0x0a, 0xff]] {
      try expectArrival(.select(MailboxName(wire: wire)), capabilities)
    }
  }

  @Test func everySectionInEveryForm() throws {
    let kinds: [Section.Kind] = [
      .full, .header, .text, .mime, .headerFields(["Date"]), .headerFields(["Date", "X-Y"]), .headerFieldsNot(["To"]),
    ]
    let pair = try Pair(capabilities: [], selecting: true)
    var commands: [Command] = []
    for part: [UInt32] in [[], [1], [4_294_967_295], [1, 2, 3]] {
      for kind in kinds where kind != .mime || !part.isEmpty {
        for partial in [nil, PartialRange(offset: 0, count: 1), PartialRange(offset: .max, count: .max)] {
          for peek in [true, false] {
            let item = FetchItem.section(Section(part: part, kind), peek: peek, partial: partial)
            commands.append(.fetch(.uids([1]), [item, .uid, item]))
          }
        }
      }
    }
    for command in commands { _ = try pair.enqueue(command) }
    pair.settle()
    #expect(pair.commands == [.select(.inbox)] + commands)
    // The answers name the same sections.
    let sections = pair.responses.filter { if case .fetch = $0 { true } else { false } }
    #expect(sections.count == commands.count)
    for (response, command) in zip(sections, commands) {
      guard case .fetch(let response) = response, case .fetch(_, let items, _) = command,
        case .section(let asked, _, let partial) = items[0]
      else { continue }
      #expect(
        response.attributes.first
          == .section(.body(asked), origin: partial?.offset, data: Pair.message))
    }
  }

  /// 4 x 300 random commands, pipelined as far as the machine lets them.
  @Test(arguments: policies)
  func randomCommands(_ capabilities: [Capability]) throws {
    let seed: UInt64 = 0x5eed_0001
    var generator = Generator(seed: seed)
    let pair = try Pair(capabilities: capabilities, selecting: true)
    pair.largestChunk = 1000
    let commands = (0..<300).map { _ in generator.command() }
    for command in commands { _ = try pair.enqueue(command) }
    pair.settle()
    #expect(pair.commands == [.select(.inbox)] + commands, "seed \(seed)")
    #expect(pair.completions.count == commands.count + 1, "seed \(seed)")
    #expect(pair.completions.values.allSatisfy { $0.condition == .ok }, "seed \(seed)")
  }

  /// Without SASL-IR the initial response answers the first, empty challenge.
  @Test(arguments: [[], Array("\0joe\0secret".utf8), [UInt8](0...255)])
  func initialResponseWithoutSASLIR(_ bytes: [UInt8]) throws {
    let pair = Pair(greeting: Status(.ok, code: .capability([.imap4rev1]), "hi"))
    let id = try pair.enqueue(.authenticate(SASLExchange(mechanism: "plain", initialResponse: Secret(bytes))))
    pair.settle()
    #expect(pair.commands == [.authenticate(SASLExchange(mechanism: "PLAIN"))])
    #expect(pair.saslResponses == [bytes])
    #expect(pair.completions[id]?.condition == .ok)
    #expect(pair.phase == .authenticated)
  }

  @Test func challengesAreAnsweredOrCancelled() throws {
    let pair = Pair(greeting: Status(.ok, "hi"))
    pair.saslAnswers = [Array("answer".utf8)]
    let first = try pair.enqueue(.authenticate(SASLExchange(mechanism: "X")))
    pair.script = { (pair, id, _) throws(ConnectionError) in
      let question = Array("question".utf8)
      try pair.server.challenge(id, question.span)
      return true
    }
    pair.settle()
    #expect(pair.saslResponses == [Array("answer".utf8)])
    #expect(pair.completions[first]?.condition == .ok)
    let other = Pair(greeting: Status(.ok, "hi"))
    let second = try other.enqueue(.authenticate(SASLExchange(mechanism: "X")))
    other.settle()
    #expect(other.completions[second] == Status(.bad, "cancelled"))
    #expect(other.phase == .notAuthenticated)
  }

  /// After ENABLE UTF8=ACCEPT names are UTF-8 in both directions.
  @Test func namesAreUTF8OnceEnabled() throws {
    let pair = try Pair(capabilities: [.enable, .utf8Accept])
    let text = "Entw\u{fc}rfe/\u{65e5}\u{672c}"
    _ = try pair.enqueue(.list(reference: "", pattern: MailboxName(text)))
    _ = try pair.enqueue(.enable([.utf8Accept]))
    _ = try pair.enqueue(.list(reference: "", pattern: MailboxName(text)))
    pair.settle()
    let wire = Array(text.utf8)
    #expect(
      pair.commands.last
        == .list(
          reference: MailboxName(wire: [], encoding: .utf8), pattern: MailboxName(wire: wire, encoding: .utf8)))
    let names = pair.responses.compactMap { if case .list(let listing) = $0 { listing.name } else { nil } }
    #expect(names == [MailboxName(text), MailboxName(wire: wire, encoding: .utf8)])
    #expect(names.map(\.description) == [text, text])
  }

  // MARK: Responses

  /// Each response through the connections, and through the parser alone.
  @Test(arguments: ResponseEncoderTests.statusForms + ResponseEncoderTests.mailboxForms)
  func responsesArrive(_ form: ResponseEncoderTests.Form) throws { try expectArrival(of: form.response) }

  @Test(arguments: ResponseEncoderTests.fetchForms)
  func fetchResponsesArrive(_ form: ResponseEncoderTests.Form) throws { try expectArrival(of: form.response) }

  private func expectArrival(of response: Response, chunk: Int = .max) throws {
    let pair = try Pair(capabilities: [])
    pair.largestChunk = chunk
    var expected: [Response] = []
    pair.script = { (pair, id, _) throws(ConnectionError) in
      switch response {
      // The machine says these itself, where they belong.
      case .continuation, .status(Status(.preauth, "hi")): try pair.server.complete(id, Status(.ok, "done"))
      case .tagged(_, let status): try pair.server.complete(id, status)
      default:
        try pair.server.respond(response)
        expected = [response]
        if case .status(let status) = response, status.condition == .bye { return true }
        try pair.server.complete(id, Status(.ok, "done"))
      }
      return true
    }
    let id = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.responses == expected)
    if case .tagged(_, let status) = response { #expect(pair.completions[id] == status) }

    let bytes = try ResponseEncoder().encode(response)
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(bytes.span)
    #expect(try parser.nextOwned(&input) == response)
    #expect(input.unread == 0)
  }

  /// ENVELOPE, BODYSTRUCTURE and bodies of any bytes, 400 responses, in chunks of any size.
  @Test func randomFetchResponsesArrive() throws {
    let seed: UInt64 = 0x5eed_0002
    var generator = Generator(seed: seed)
    let responses = (0..<400).map { _ in generator.fetch() }
    let pair = try Pair(capabilities: [])
    pair.largestChunk = 1 + generator.below(5000)
    pair.script = { (pair, id, _) throws(ConnectionError) in
      for response in responses { try pair.server.respond(response) }
      try pair.server.complete(id, Status(.ok, "done"))
      return true
    }
    let id = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[id]?.condition == .ok)
    #expect(pair.responses.count == responses.count)
    for (index, pairOfResponses) in zip(pair.responses, responses).enumerated() {
      #expect(pairOfResponses.0 == pairOfResponses.1, "seed \(seed), response \(index)")
    }
    // The same bytes to the parser alone.
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(pair.sentByServer.span)
    var owned: [Response] = []
    while let response = try parser.nextOwned(&input) { owned.append(response) }
    #expect(owned.dropFirst().dropLast() == responses[...], "seed \(seed)")
  }

  /// A body far above every buffer passes through in pieces.
  @Test func aBodyIsStreamed() throws {
    let pair = try Pair(capabilities: [], selecting: true)
    pair.largestChunk = 10_000
    var random = SeededGenerator(seed: 3)
    let body = (0..<3_000_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    pair.script = { (pair, id, _) throws(ConnectionError) in
      pair.server.writeFetch(1) { writer in
        writer.uid(9)
        writer.section(.body(.full), bytes: body.span)
        writer.flags([.seen])
      }
      try pair.server.complete(id, Status(.ok, "done"))
      return true
    }
    _ = try pair.enqueue(.fetch(.uids([9]), [.section(.full)]))
    pair.settle()
    let expected: [FetchAttribute] = [
      .uid(9), .section(.body(.full), origin: nil, data: body), .flags([.seen]),
    ]
    #expect(pair.responses.last == .fetch(FetchResponse(sequence: 1, attributes: expected)))
  }
}
