import Testing

@testable import IMAPStateMachine

/// Every command of every extension: what is sent for it, and that the server's side reads the same from it.
@Suite struct CommandWireTests {
  struct Form: Sendable, CustomTestStringConvertible {
    var command: Command
    /// What is sent, without tag and line end; the bytes of messages are `#`.
    var wire: String
    var testDescription: String { wire }

    init(_ command: Command, _ wire: String) {
      self.command = command
      self.wire = wire
    }
  }

  /// A command as it is sent, with `#` for the bytes of messages.
  static func encode(
    _ command: Command, _ policy: LiteralPolicy = .nonSynchronizing, _ names: MailboxName.Encoding = .modifiedUTF7
  ) throws -> (bytes: [UInt8], holes: [CommandEncoder.Hole]) {
    var encoder = CommandEncoder(literals: policy, mailboxEncoding: names, hasSASLIR: true)
    try encoder.encode(command, tag: 1)
    let holes = encoder.holes
    return (encoder.output.takeTail(behind: 0), holes)
  }

  /// What the server's parser makes of it, literal after literal.
  static func parse(
    _ bytes: [UInt8], _ holes: [CommandEncoder.Hole], _ parser: CommandParser
  ) throws -> Command {
    guard let first = holes.first else { return try parser.parse(bytes.span).command }
    let ends = holes.dropFirst().map(\.position) + [bytes.count]
    let start = Array(bytes[..<first.position])
    guard case .append(var request) = try parser.parse(start.span).command else { return .noop }
    var isInCatenate = if case .catenate? = request.messages.last?.data { true } else { false }
    for (hole, end) in zip(holes, ends) {
      let line = Array(bytes[hole.position..<end])
      var reader = CommandReader(line.span, parser)
      let header = try reader.appendContinuation(&request, &isInCatenate)
      if header == nil {
        try reader.endOfLine()
        #expect(end == bytes.count)
      }
    }
    return .append(request)
  }

  static let liberal = CommandParser(takesUnknownCommands: true)

  @Test(arguments: all)
  func isWrittenAndReadBack(_ form: Form) throws {
    let (bytes, holes) = try Self.encode(form.command)
    var shown = bytes
    for hole in holes.reversed() {
      shown.insert(contentsOf: [UInt8](repeating: 0x23, count: Int(hole.byteCount)), at: hole.position)
    }
    #expect(String(decoding: shown, as: UTF8.self) == "A1 \(form.wire)\r\n")
    for policy in [LiteralPolicy.synchronizing, .upTo4096, .nonSynchronizing] {
      let (bytes, holes) = try Self.encode(form.command, policy)
      #expect(try Self.parse(bytes, holes, Self.liberal) == form.command)
    }
  }

  /// From one connection to the other, with every kind of literal and in pieces.
  @Test(arguments: all, [[], [.literalPlus], [.literalMinus]] as [[Capability]])
  func arrives(_ form: Form, _ capabilities: [Capability]) throws {
    let pair = try Pair.ready(for: form.command, capabilities: capabilities, server: Pair.liberal)
    pair.largestChunk = 7
    let id = try pair.enqueue(form.command)
    pair.messages[id] = [UInt8](repeating: 0x23, count: 1000)[...]
    pair.settle()
    #expect(pair.commands.last == form.command, "\(pair.serverLog) \(pair.failures)")
    #expect(pair.endings[id] == 1, "\(pair.clientLog)")
    #expect(pair.completions[id]?.condition == .ok, "\(pair.serverLog)")
    #expect(pair.serverLog.allSatisfy { !$0.hasPrefix("malformed") && !$0.hasPrefix("aborted") })
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[noop]?.condition == .ok)
  }

  // MARK: Refusals

  static let refused: [Command] = [
    .language(["\0"]), .comparator(["a\0"]), .proxyAuth(user: "\0"), .notify(.set([])),
    .notify(.set([NotifyGroup(.subtree([]), [])])), .notify(.set([NotifyGroup(.selected, [.other("a b")])])),
    .notify(.set([NotifyGroup(.mailboxes([MailboxName(wire: [0])]), [])])),
    .applePushService(ApplePushRequest(accountID: "a", deviceToken: "b", subtopic: "c", mailboxes: [])),
    .list(ListRequest(patterns: [])), .list(ListRequest(patterns: ["x"], selection: [.recursiveMatch])),
    .list(ListRequest(patterns: ["x"], selection: [.remote, .recursiveMatch])),
    .list(ListRequest(patterns: ["x"], returning: [.status([])])),
    .list(ListRequest(patterns: ["x"], returning: [.metadata([])])),
    .list(ListRequest(patterns: ["x"], returning: [.other(name: "a b", value: nil)])),
    .create("x", specialUse: ["a b"]), .rename("x", to: MailboxName(wire: [0])),
    .select("x", SelectParameters(qResync: QResyncParameters(uidValidity: 0, modSeq: 1))),
    .select("x", SelectParameters(qResync: QResyncParameters(uidValidity: 1, modSeq: 0))),
    .select("x", SelectParameters(qResync: QResyncParameters(uidValidity: 1, modSeq: 1, knownUIDs: .all))),
    .select("x", SelectParameters(qResync: QResyncParameters(uidValidity: 1, modSeq: 1, knownUIDs: .savedResult))),
    .select("x", SelectParameters(qResync: QResyncParameters(uidValidity: 1, modSeq: 1, knownUIDs: []))),
    .append(AppendRequest(mailbox: "x", messages: [])),
    .append(AppendRequest(mailbox: "x", messages: [AppendMessage(.catenate([]))])),
    .append(AppendRequest(mailbox: "x", messages: [AppendMessage(.catenate([.url("\0")]))])),
    .replace(.uid(0), with: AppendRequest(mailbox: "x", byteCount: 1)),
    .replace(
      .uid(1), with: AppendRequest(mailbox: "x", messages: [AppendMessage(byteCount: 1), AppendMessage(byteCount: 1)])),
    .setACL("x", identifier: "a", .replace("+a")), .setACL("x", identifier: "\0", .add("a")),
    .setQuota(root: [], [QuotaLimit("a b", 1)]), .setQuota(root: [], [QuotaLimit("a", .max)]),
    .getMetadata("x", entries: [[UInt8]]()), .setMetadata("x", []), .setMetadata("x", [.init(name: [0], value: nil)]),
    .getAnnotation(mailbox: "x", entries: [], attributes: [[0x61]]), .setAnnotation(mailbox: "x", []),
    .setAnnotation(mailbox: "x", [MessageAnnotation(entry: [0x61])]), .generateURLAuth([]), .fetchURLs([]),
    .generateURLAuth([URLAuthRequest("x", mechanism: "a b")]), .resetKey(nil, mechanisms: ["X"]),
    .cancelUpdate(tags: []), .cancelUpdate(tags: ["a\r\nb"]), .uidBatches(size: 0),
    .uidBatches(size: 1, batches: 0...1), .conversions(from: "\0", to: "*"),
    .rlist(reference: "", pattern: MailboxName(wire: [0])),
    .convert(.uids([1]), ConversionRequest(to: "a b", [.uid])), .convert(.uids([1]), ConversionRequest(to: nil, [])),
    .convert(.uids([1]), ConversionRequest(to: "a/\"b", [.uid])),
    .convert(.uids([1]), ConversionRequest(to: nil, parameters: [.init("\0", "")], [.uid])),
    .convert(.uids([1]), ConversionRequest(to: nil, [.mime([])])),
    .convert(.uids([1]), ConversionRequest(to: nil, [.binary([0])])), .partial(0, .rfc822, first: 1, count: 1),
    .partial(1, .rfc822, first: 0, count: 1), .partial(1, .rfc822, first: 1, count: 0),
    .partial(1, .flags, first: 1, count: 1),
    .partial(1, .section(.full, partial: PartialRange(offset: 0, count: 1)), first: 1, count: 1),
    .search(.older(0)), .search(.younger(0)), .search(.emailID("a b")), .search(.threadID("")),
    .search(.filter("a/b")), .search(.filter("a\r\nb")), .search(.gmailRaw("\0")), .search(.uidAfter(0)),
    .search(.larger(.max)), .search(.modSeq(ModSeq(rawValue: .max))), .search(.modSeq(1, entry: ModSeqEntry("\0"))),
    .search(.all, returning: [.partial(SearchWindow(0, 1))]), .search(.all, returning: [.other(name: "", value: nil)]),
    .search(.all, returning: [.other(name: "X", value: .raw("a\r\nb"))]), .sort([], .all),
    .sort([SortCriterion(.date)], .all, charset: "a b"), .thread(ThreadAlgorithm("a b"), .all),
    .multiSearch(MultiSearch(in: [.selectedDelayed], .all)),
    .fetch(.sequence([1]), [.uid], FetchModifiers(changedSince: 1, vanished: true)),
    .fetch(.sequence([1]), [.uid], FetchModifiers(partial: SearchWindow(1, 2))),
    .fetch(.uids([1]), [.uid], FetchModifiers(vanished: true)), .fetch(.uids([1]), [.binary([0])]),
    .fetch(.uids([1]), [.annotations(entries: [], attributes: [])]),
    .fetch(.uids([1]), [.other("X) (Y")]), .fetch(.uids([1]), [.other("X\r\nY")]), .fetch(.uids([1]), [.other("")]),
    .fetch(.uids([1]), [.other("X (")]), .fetch(.uids([1]), [.other("X {5}")]), .fetch(.uids([1]), [.other("X[")]),
    .fetch(.uids([1]), [.other("X \"{5}")]), .fetch(.uids([1]), [.other("X ({1}\r\na)")]),
    .storeAnnotations(.uids([1]), []), .storeLabels(.uids([1]), LabelOperation(.add, [GmailLabel(wire: [0])])),
    .other(GenericCommand("")), .other(GenericCommand("A B")), .other(GenericCommand("UID A B")),
    .other(GenericCommand("X\r\nY")), .other(GenericCommand("idle")), .other(GenericCommand("LOGIN", [.raw("a b")])),
    .other(GenericCommand("uid replace")), .other(GenericCommand("X", [.atom("a b")])),
    .other(GenericCommand("X", [.atom("")])), .other(GenericCommand("X", [.atom("\\")])),
    .other(GenericCommand("X", [.atom("a\r\nb")])), .other(GenericCommand("X", [.string([0])])),
    .other(GenericCommand("X", [.raw("")])), .other(GenericCommand("X", [.raw("a\nb")])),
    .other(GenericCommand("X", [.raw([0])])), .other(GenericCommand("X", [.raw("a {5}")])),
    .other(GenericCommand("X", [.raw("~{5+} ")])), .other(GenericCommand("X", [.set([])])),
    .other(GenericCommand("X", [(0..<100).reduce(CommandArgument.number(1)) { inner, _ in .list([inner]) }])),
  ]

  @Test(arguments: refused.indices)
  func isRefused(_ index: Int) throws {
    #expect(throws: CommandEncoder.EncodingError.self, "\(Self.refused[index])") {
      try Self.encode(Self.refused[index])
    }
    let pair = try Pair(capabilities: [], selecting: true, server: Pair.liberal)
    let sent = pair.sentByClient.count
    let id = try pair.enqueue(Self.refused[index])
    pair.settle()
    #expect(pair.sentByClient.count == sent)
    #expect(pair.endings[id] == 1)
    #expect(pair.completions[id] == nil)
  }

  /// RFC 6855, section 3: with UTF8=ACCEPT the client names no charset.
  @Test func noCharsetOnceEverythingIsUTF8() throws {
    let key = SearchKey.text("\u{e4}")
    for charset in [nil, "UTF-8"] {
      let search = try Self.encode(.search(key, charset: charset), .nonSynchronizing, .utf8).bytes
      #expect(String(decoding: search, as: UTF8.self) == "A1 UID SEARCH TEXT {2+}\r\n\u{e4}\r\n")
      let several = Command.multiSearch(MultiSearch(in: [], key, charset: charset))
      let bytes = try Self.encode(several, .nonSynchronizing, .utf8).bytes
      #expect(String(decoding: bytes, as: UTF8.self) == "A1 ESEARCH TEXT {2+}\r\n\u{e4}\r\n")
    }
    let before = try Self.encode(.search(key)).bytes
    #expect(String(decoding: before, as: UTF8.self) == "A1 UID SEARCH CHARSET UTF-8 TEXT {2+}\r\n\u{e4}\r\n")
    // SORT has a charset always (RFC 5256, section 3).
    let sort = try Self.encode(.sort([SortCriterion(.date)], .all), .nonSynchronizing, .utf8).bytes
    #expect(String(decoding: sort, as: UTF8.self) == "A1 UID SORT (DATE) UTF-8 ALL\r\n")
  }

  /// Cut and changed at every byte: nothing traps, and no error points outside of the line.
  @Test func brokenFormsThrow() throws {
    var accepted = 0
    for form in Self.all {
      let (bytes, holes) = try Self.encode(form.command)
      let line = Array(bytes[..<(holes.first?.position ?? bytes.count)])
      var variants = (0..<line.count).map { Array(line[..<$0]) }
      for index in line.indices {
        for byte: UInt8 in [0, 0x0a, 0x20, 0x22, 0x28, 0x29, 0x2a, 0x39, 0x5b, 0x5c, 0x5d, 0x7b, 0x7e, 0xff] {
          var changed = line
          changed[index] = byte
          variants.append(changed)
        }
      }
      for variant in variants {
        for parser in [Self.liberal, CommandParser()] {
          do throws(ParseError) {
            _ = try parser.parse(variant.span)
            accepted += 1
          } catch {
            #expect((0...variant.count).contains(error.offset), "\(variant)")
          }
        }
      }
    }
    #expect(accepted > 0)
  }

  /// Random commands of every kind, each written and read back.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func randomCommands(_ seed: UInt64) throws {
    var generator = Generator(seed: seed)
    for number in 0..<1500 {
      let command = generator.anyCommand()
      for policy in [LiteralPolicy.synchronizing, .nonSynchronizing] {
        let (bytes, holes) = try Self.encode(command, policy)
        let parsed = try Self.parse(bytes, holes, Self.liberal)
        #expect(parsed == command, "seed \(seed), command \(number): \(String(decoding: bytes, as: UTF8.self))")
      }
    }
  }

  /// The same through two connections, pipelined as far as the machine lets them.
  @Test(arguments: [[], [.literalPlus], [.literalMinus]] as [[Capability]])
  func randomCommandsArrive(_ capabilities: [Capability]) throws {
    let seed: UInt64 = 0x5eed_0007
    var generator = Generator(seed: seed)
    let pair = try Pair(capabilities: capabilities, enabling: [.qResync], selecting: true, server: Pair.liberal)
    pair.largestChunk = 1000
    var commands: [Command] = []
    for _ in 0..<400 {
      let command = generator.anyCommand()
      if command.isOnlyForSome { continue }
      commands.append(command)
      let id = try pair.enqueue(command)
      pair.messages[id] = [UInt8](repeating: 0x23, count: 100_000)[...]
    }
    pair.settle()
    #expect(pair.commands == [.enable([.qResync]), .select(.inbox)] + commands, "seed \(seed)")
    #expect(pair.completions.values.allSatisfy { $0.condition == .ok }, "seed \(seed)")
    #expect(pair.completions.count == commands.count + 2, "seed \(seed)")
  }
}
