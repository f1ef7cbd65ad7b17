import Testing

@testable import IMAPStateMachine

/// Commands that do more than to be answered, and the rules of every command in every state.
@Suite struct CommandFlowTests {
  // MARK: The end in mid-command

  /// What the server never saw was not done; of the rest nobody knows.
  @Test func whatMayHaveBeenDone() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 2
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    input.append(Array("* PREAUTH hi\r\n".utf8).span)
    #expect(Self.kinds(&client, &input, now) == ["greeting", "more"])
    var ids: [CommandID] = []
    for name in ["a", "b", "c"] as [MailboxName] { ids.append(try client.enqueue(.create(name), now: now)) }
    #expect(Self.sent(&client) == "A1 CREATE \"a\"\r\nA2 CREATE \"b\"\r\n")
    input.append(Array("A1 OK done\r\n".utf8).span)
    #expect(Self.kinds(&client, &input, now) == ["completed", "more"])
    #expect(Self.sent(&client) == "A3 CREATE \"c\"\r\n")
    ids.append(try client.enqueue(.create("d"), now: now))
    #expect(ids.map { client.mayHaveBeenDone($0) } == [false, false, false, false])
    input.close()
    #expect(Self.kinds(&client, &input, now) == ["failed", "failed", "failed", "other", "paused"])
    #expect(ids.map { client.mayHaveBeenDone($0) } == [false, true, true, false])
  }

  /// A part was done before the rest could not be sent.
  @Test func whatMayHaveBeenDoneInPart() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 1
    configuration.maximumLineLength = 60
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    input.append(Array("* PREAUTH hi\r\n".utf8).span)
    _ = Self.kinds(&client, &input, now)
    _ = try client.enqueue(.select(.inbox), now: now)
    input.append(Array("A1 OK done\r\n".utf8).span)
    _ = Self.kinds(&client, &input, now)
    let uids = UIDSet((1...30).map { UID(rawValue: $0 * 2) })
    let id = try client.enqueue(.store(.uids(uids), StoreOperation(.add, [.seen])), now: now)
    input.append(Array("A2 OK done\r\n* OK [CLOSED] gone\r\n".utf8).span)
    _ = Self.kinds(&client, &input, now)
    input.append(Array("A3 OK done\r\n".utf8).span)
    #expect(Self.kinds(&client, &input, now).contains("failed"))
    let mayHaveBeen = client.mayHaveBeenDone(id)
    #expect(mayHaveBeen)
    // It is not the end of the connection.
    _ = try client.enqueue(.noop, now: now)
    #expect(Self.sent(&client).hasSuffix("NOOP\r\n"))
  }

  /// What is kept of such commands is bounded while the connection lives.
  @Test func whatMayHaveBeenDoneIsKeptForTheLast() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 1
    configuration.maximumLineLength = 60
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    input.append(Array("* PREAUTH hi\r\n".utf8).span)
    let uids = UIDSet((1...30).map { UID(rawValue: $0 * 2) })
    var ids: [CommandID] = []
    for _ in 0..<300 {
      _ = Self.kinds(&client, &input, now)
      let select = try client.enqueue(.select(.inbox), now: now)
      input.append(Array("\(client.tag(of: select) ?? "") OK done\r\n".utf8).span)
      _ = Self.kinds(&client, &input, now)
      let id = try client.enqueue(.store(.uids(uids), StoreOperation(.add, [.seen])), now: now)
      ids.append(id)
      input.append(Array("\(client.tag(of: id) ?? "") OK done\r\n* OK [CLOSED] gone\r\n".utf8).span)
      _ = Self.kinds(&client, &input, now)
      input.append(Array("\(client.tag(of: id) ?? "") OK done\r\n".utf8).span)
    }
    _ = Self.kinds(&client, &input, now)
    let known = ids.map { client.mayHaveBeenDone($0) }
    #expect(known == [Bool](repeating: false, count: 44) + [Bool](repeating: true, count: 256))
  }

  /// Commands in any number that are too long for a line cost no stack.
  @Test func manyCommandsInParts() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 1_000_000
    configuration.maximumQueued = 20_000
    configuration.maximumLineLength = 40
    let now = MonotonicInstant(nanoseconds: 0)
    var client = ClientConnection(configuration, now: now)
    var input = ReceiveBuffer()
    input.append(Array("* PREAUTH hi\r\n".utf8).span)
    _ = Self.kinds(&client, &input, now)
    _ = try client.enqueue(.select(.inbox), now: now)
    let uids = UIDSet((1...12).map { UID(rawValue: $0 * 2) })
    for _ in 0..<500 { _ = try client.enqueue(.fetch(.uids(uids), [.uid]), now: now) }
    _ = Self.sent(&client)
    input.append(Array("A1 OK done\r\n".utf8).span)
    _ = Self.kinds(&client, &input, now)
    #expect(Self.sent(&client).utf8.count > 500 * 40)
  }

  // MARK: COMPRESS and UNAUTHENTICATE

  @Test func compressHandsTheStreamOver() throws {
    var client = ClientConnection(now: MonotonicInstant(nanoseconds: 0))
    var input = ReceiveBuffer()
    let now = MonotonicInstant(nanoseconds: 0)
    func feed(_ text: String) {
      let bytes = Array(text.utf8)
      input.append(bytes.span)
    }
    feed("* PREAUTH hi\r\n")
    #expect(Self.kinds(&client, &input, now) == ["greeting", "more"])
    let id = try client.enqueue(.compress, now: now)
    _ = try client.enqueue(.noop, now: now)
    #expect(Self.sent(&client) == "A1 COMPRESS DEFLATE\r\n")
    // RFC 4978, section 3: what follows the answer is compressed. It is left for the inflater.
    feed("A1 OK active\r\n\u{1}\u{2}raw")
    #expect(Self.kinds(&client, &input, now) == ["upgrade deflate \(id)", "paused"])
    let unread = input.takeUnread()
    #expect(unread == [1, 2] + Array("raw".utf8))
    #expect(Self.sent(&client) == "")
    client.upgraded(.tls, now: now)
    #expect(Self.kinds(&client, &input, now) == ["paused"])
    client.upgraded(.deflate, now: now)
    #expect(Self.sent(&client) == "A2 NOOP\r\n")
    let isSecure = client.isSecure
    #expect(!isSecure)
    feed("A2 OK done\r\n")
    #expect(Self.kinds(&client, &input, now) == ["completed", "more"])
    // A second layer is refused, and so is what would end the first one in the middle of the streams.
    _ = try client.enqueue(.compress, now: now)
    _ = try client.enqueue(.unauthenticate, now: now)
    #expect(Self.kinds(&client, &input, now) == ["failed", "failed", "more"])
    #expect(Self.sent(&client) == "")
  }

  @Test func aRefusedCompressChangesNothing() throws {
    let pair = try Pair(capabilities: [], selecting: true)
    pair.script = { pair, id, command throws(ConnectionError) in
      guard case .compress = command else { return false }
      try pair.server.complete(id, Status(.no, "not today"))
      return true
    }
    let id = try pair.enqueue(.compress)
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[id]?.condition == .no)
    #expect(pair.completions[noop]?.condition == .ok)
  }

  @Test func unauthenticateGoesBack() throws {
    let pair = try Pair(capabilities: [.imap4rev1, .enable], enabling: [.utf8Accept], selecting: true)
    #expect(pair.enabled == [.utf8Accept])
    let id = try pair.enqueue(.unauthenticate)
    let list = try pair.enqueue(.list(reference: "", pattern: "*"))
    pair.settle()
    #expect(pair.completions[id]?.condition == .ok)
    #expect(pair.phase == .notAuthenticated)
    let phase = pair.server.phase
    #expect(phase == .notAuthenticated)
    #expect(pair.selected == nil)
    #expect(pair.capabilities == nil)
    #expect(pair.enabled == [])
    #expect(pair.failures[list] != nil)
    let login = try pair.enqueue(.login(user: "a", password: Secret("b")))
    // Names are in modified UTF-7 again, in both directions.
    let select = try pair.enqueue(.select("\u{e4}"))
    pair.settle()
    #expect(pair.completions[login]?.condition == .ok)
    #expect(pair.completions[select]?.condition == .ok)
    #expect(String(decoding: pair.sentByClient, as: UTF8.self).hasSuffix("SELECT \"&AOQ-\"\r\n"))
    #expect(pair.commands.last == .select("\u{e4}"))
  }

  // MARK: Several literals

  static let several = AppendRequest(
    mailbox: "x",
    messages: [
      AppendMessage(byteCount: 3), AppendMessage(.catenate([.text(byteCount: 2), .url("a\nb"), .text(byteCount: 4)])),
    ])

  @Test func messagesArePutWhereTheyBelong() throws {
    for capabilities in [[], [.literalPlus]] as [[Capability]] {
      for writeSize in [1, 2, 100] {
        let pair = try Pair(capabilities: capabilities, selecting: true, server: Pair.liberal)
        pair.writeSize = writeSize
        let id = try pair.enqueue(.append(Self.several))
        pair.messages[id] = Array("abcdefghi".utf8)[...]
        let noop = try pair.enqueue(.noop)
        pair.settle()
        #expect(pair.uploads == ["abc", "de", "fghi"].map { Array($0.utf8) })
        #expect(pair.commands.dropFirst() == [.append(Self.several), .noop])
        #expect(pair.completions[id]?.condition == .ok)
        #expect(pair.completions[noop]?.condition == .ok)
      }
    }
  }

  /// The server refuses the first, the second or the third literal, before it came or in the middle of it.
  @Test(arguments: [0, 1, 2], [[], [.literalPlus]] as [[Capability]])
  func refusalsOfOneLiteralEndTheCommand(_ refused: Int, _ capabilities: [Capability]) throws {
    let pair = try Pair(capabilities: capabilities, selecting: true, server: Pair.liberal)
    var offered = 0
    pair.script = { pair, id, command throws(ConnectionError) in
      guard case .append = command else { return false }
      offered += 1
      if offered <= refused { return false }
      try pair.server.reject(id, with: Status(.no, code: .tryCreate, "no"))
      return true
    }
    let id = try pair.enqueue(.append(Self.several))
    pair.messages[id] = Array("abcdefghi".utf8)[...]
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[id]?.condition == .no)
    #expect(pair.completions[noop]?.condition == .ok)
    #expect(pair.serverLog == [])
    let request = pair.server.appendRequest
    #expect(request == nil)
  }

  /// A server that did not say that it takes them answers BAD and goes on.
  @Test func severalLiteralsAreOptIn() throws {
    let requests: [AppendRequest] = [
      Self.several, AppendRequest(mailbox: "x", messages: [AppendMessage(.catenate([.text(byteCount: 2)]))]),
      AppendRequest(mailbox: "x", messages: [AppendMessage(.utf8(byteCount: 2)), AppendMessage(byteCount: 2)]),
    ]
    for request in requests {
      for capabilities in [[], [.literalPlus]] as [[Capability]] {
        let pair = try Pair(capabilities: capabilities, selecting: true)
        let id = try pair.enqueue(.append(request))
        pair.messages[id] = Array("abcdefghi".utf8)[...]
        let noop = try pair.enqueue(.noop)
        pair.settle()
        #expect(pair.completions[id]?.condition == .bad, "\(request)")
        #expect(pair.completions[noop]?.condition == .ok, "\(request)")
      }
    }
  }

  @Test func partsAreBounded() throws {
    var configuration = Pair.liberal
    configuration.limits.appendParts = 3
    let pair = try Pair(capabilities: [.literalPlus], selecting: true, server: configuration)
    let messages = (0..<4).map { _ in AppendMessage(byteCount: 1) }
    let id = try pair.enqueue(.append(AppendRequest(mailbox: "x", messages: messages)))
    pair.messages[id] = [1, 2, 3, 4]
    let parts = [CatenatePart](repeating: .url("x"), count: 4)
    let second = try pair.enqueue(.append(AppendRequest(mailbox: "x", messages: [AppendMessage(.catenate(parts))])))
    let third = try pair.enqueue(.append(AppendRequest(mailbox: "x", messages: Array(messages.dropLast()))))
    pair.messages[third] = [1, 2, 3]
    pair.settle()
    #expect(pair.completions[id]?.condition == .bad)
    let text = try #require(pair.completions[id]?.text)
    #expect(text.hasPrefix("limit of 3 for parts of APPEND passed at byte "), "\(text)")
    #expect(pair.completions[second]?.condition == .bad)
    #expect(pair.completions[third]?.condition == .ok)
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[noop]?.condition == .ok)
  }

  // MARK: Every command

  static let every: [Command] =
    CommandWireTests.all.map(\.command) + CommandParserTests.sessionForms.map(\.command)
    + CommandParserTests.mailboxForms.map(\.command) + CommandParserTests.fetchForms.map(\.command)
    + CommandParserTests.storeForms.map(\.command) + CommandParserTests.searchForms.map(\.command)
    + [.compress, .unauthenticate, .check]

  /// In every state a command is either sent and answered, or fails; client and server agree on which.
  @Test func statesAreTheSameOnBothSides() throws {
    for command in Self.every {
      for (greeting, selects) in [
        (Status(.ok, "hi"), false), (Status(.preauth, "hi"), false), (Status(.preauth, "hi"), true),
      ] {
        let pair = Pair(server: Pair.liberal, greeting: greeting)
        pair.settle()
        if selects { _ = try pair.enqueue(.select(.inbox)) }
        pair.settle()
        let id = try pair.enqueue(command)
        pair.messages[id] = [UInt8](repeating: 0x23, count: 1 << 13)[...]
        pair.settle()
        let isWaiting = if case .idle = command { pair.idling != nil } else { false }
        #expect(isWaiting || pair.endings[id] == 1, "\(command)")
        if pair.failures[id] == nil {
          #expect(!pair.serverLog.contains { $0.hasPrefix("malformed") }, "\(command): \(pair.serverLog)")
          continue
        }
        // What the client does not send, the server would not take.
        guard case .misuse(let misuse)? = pair.failures[id], misuse.rule == .wrongState else { continue }
        let (bytes, holes) = try CommandWireTests.encode(command)
        let bench = ServerTestBench(Pair.liberal, greeting: greeting)
        if selects { bench.feed("s SELECT INBOX\r\n") }
        bench.feed(String(decoding: bytes[..<(holes.first?.position ?? bytes.count)], as: UTF8.self))
        #expect(bench.log.last?.hasPrefix("malformed") == true, "\(command): \(bench.log)")
      }
    }
  }

  /// RFC 9051, section 5.5, for every pair of commands.
  @Test func pipeliningHoldsForEveryPair() {
    let traits = Self.every.map { CommandTraits.of($0) }
    for (command, trait) in zip(Self.every, traits) {
      // No EXPUNGE comes during FETCH, STORE, SEARCH and CONVERT by sequence number; during all others it may.
      let isExempt =
        switch command {
        case .fetch(.sequence, _, _), .store(.sequence, _, _), .storeLabels(.sequence, _, _),
          .storeAnnotations(.sequence, _, _), .search(_, uid: false, _, _), .convert(.sequence, _):
          true
        default: false
        }
      #expect(trait.contains(.mayExpunge) || trait.contains(.barrier) || isExempt, "\(command)")
      if trait.contains(.mayExpunge) { #expect(!isExempt, "\(command)") }
      for (other, earlier) in zip(Self.every, traits) {
        guard trait.mayFollow(earlier, selected: .inbox) else { continue }
        #expect(!trait.contains(.barrier) && !earlier.contains(.barrier), "\(command) behind \(other)")
        if trait.contains(.usesSequenceNumbers) {
          #expect(!earlier.contains(.mayExpunge), "\(command) behind \(other)")
        }
      }
    }
  }

  /// Those that only read are sent without a look at the table, which must say the same.
  @Test func whatOnlyReadsGoesWithWhatOnlyReads() {
    let reading = Self.every.map { CommandTraits.of($0) }.filter(\.isOnlyReading)
    #expect(reading.count > 10)
    for one in reading {
      for other in reading {
        #expect(one.mayFollow(other, selected: .inbox) && one.mayFollow(other, selected: nil))
      }
    }
  }

  // MARK: Parts

  private static func sent(_ client: inout ClientConnection) -> String {
    let text = String(decoding: client.outbound.copy(), as: UTF8.self)
    client.consumeOutbound(text.utf8.count)
    return text
  }

  /// The events up to the next rest.
  private static func kinds(
    _ client: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant
  ) -> [String] {
    var kinds: [String] = []
    while true {
      let kind: String
      do throws(ConnectionError) {
        switch try client.next(&input, now: now) {
        case .needMoreInput: kind = "more"
        case .paused: kind = "paused"
        case .greeting: kind = "greeting"
        case .completed: kind = "completed"
        case .failed: kind = "failed"
        case .upgrade(let upgrade, let id): kind = "upgrade \(upgrade) \(id)"
        default: kind = "other"
        }
      } catch {
        kind = "threw"
      }
      kinds.append(kind)
      if kind == "more" || kind == "paused" || kind == "threw" { return kinds }
    }
  }
}
