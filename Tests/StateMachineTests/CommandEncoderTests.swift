import Testing

@testable import IMAPStateMachine

/// What a client writes, and what it refuses to write.
@Suite struct CommandEncoderTests {
  private static func encode(
    _ command: Command, _ policy: LiteralPolicy = .synchronizing, hasSASLIR: Bool = true
  ) throws -> (text: String, stops: [Int]) {
    var encoder = CommandEncoder(literals: policy, mailboxEncoding: .modifiedUTF7, hasSASLIR: hasSASLIR)
    try encoder.encode(command, tag: 1)
    let stops = encoder.stops
    return (String(decoding: encoder.output.takeTail(behind: 0), as: UTF8.self), stops)
  }

  static let refused: [Command] = [
    // RFC 9051, section 9: no string holds NUL.
    .login(user: "a\0", password: Secret("b")), .login(user: "a", password: Secret("b\0")),
    .select(MailboxName("a\0b").raw),
    .create(MailboxName(wire: [0])), .search(.text("\0")), .search(.header("\0", "x")), .id([IDField("\0", nil)]),
    .id([IDField("x", "\0")]), .list(reference: MailboxName(wire: [0]), pattern: "x"),
    .list(reference: "x", pattern: MailboxName(wire: [0])), .status(MailboxName(wire: [0]), [.messages]),
    .append(AppendRequest(mailbox: MailboxName(wire: [0]), byteCount: 1)), .copy(.uids([1]), MailboxName(wire: [0])),
    // Atoms have no line break, no space, no quote, and are not empty.
    .authenticate(SASLExchange(mechanism: "PLAIN\r\nA2 LOGOUT")), .authenticate(SASLExchange(mechanism: "")),
    .authenticate(SASLExchange(mechanism: "A B")), .enable(["X\r\nY"]), .enable(["A B"]), .enable([""]), .enable([]),
    .store(.uids([1]), StoreOperation(.add, ["a b"])), .store(.uids([1]), StoreOperation(.add, [""])),
    .store(.uids([1]), StoreOperation(.add, ["\\"])), .store(.uids([1]), StoreOperation(.add, ["x\r\ny"])),
    .store(.uids([1]), StoreOperation(.add, ["\\Seen)"])), .store(.uids([1]), StoreOperation(.add, [.anyKeyword])),
    .append(AppendRequest(mailbox: "x", flags: ["\u{e4}"], byteCount: 1)), .search(.flag("a b")), .search(.noFlag("")),
    .search(.flag("\\Unknown")), .search(.flag(.anyKeyword)), .search(.all, charset: "UTF 8"),
    .search(.all, charset: ""),
    // No bytes stand for these texts in the charset that is asked for.
    .search(.text("\u{44e}"), charset: "ISO-8859-1"), .search(.not(.header("X", "\u{e4}")), charset: "us-ascii"),
    .multiSearch(MultiSearch(in: [], .subject("\u{e4}"), charset: "KOI8-R")),
    .sort([SortCriterion(.date)], .or(.all, .from("\u{20ac}")), charset: "ISO-8859-1"),
    .thread(.references, .and([.seen, .bcc("\u{e4}")]), charset: "UTF-16"),
    .search(.gmailLabel(GmailLabel(wire: [0xc3, 0xa4])), charset: "ISO-8859-1"),
    .search(.annotation(entry: [0x2f], attribute: [0x61], value: [0xc3, 0xa4]), charset: "ISO-8859-1"),
    .fetch(.uids([1]), [.section(Section(.headerFields(["A\r\nB"])))]),
    .fetch(.uids([1]), [.section(Section(.headerFields(["A B"])))]),
    .fetch(.uids([1]), [.section(Section(.headerFields([])))]),
    .fetch(.uids([1]), [.section(Section(.headerFieldsNot([])))]),
    // Nothing to name.
    .fetch(.uids([]), [.uid]), .fetch(.sequence([]), [.uid]), .fetch(.uids([1]), []), .uidExpunge([]),
    .store(.uids([]), StoreOperation(.add, [.seen])), .copy(.sequence([]), "x"), .move(.uids([]), "x"),
    .search(.uid([])), .search(.not(.sequence([]))), .status("x", []),
    // RFC 9051, section 9: numbers of messages and parts start at 1, and so do lengths.
    .fetch(.uids([0]), [.uid]), .fetch(.uids(UIDSet(ranges: [.init(1, 0)])), [.uid]),
    .fetch(.uids([1]), [.section(Section(part: [1, 0]))]), .fetch(.uids([1]), [.section(Section(.mime))]),
    .fetch(.uids([1]), [.section(.full, partial: PartialRange(offset: 0, count: 0))]),
  ]

  @Test(arguments: refused.indices)
  func isRefused(_ index: Int) throws {
    let command = Self.refused[index]
    #expect(throws: CommandEncoder.EncodingError.self, "\(command)") { try Self.encode(command) }

    // In a connection only that command fails, and not a byte of it is sent.
    let isLogin: Bool
    switch command {
    case .login, .authenticate: isLogin = true
    default: isLogin = false
    }
    let pair = isLogin ? Pair(greeting: Status(.ok, "hi")) : try Pair.ready(for: command)
    pair.settle()
    let sent = pair.sentByClient.count
    let id = try pair.enqueue(command)
    pair.settle()
    guard case .misuse(let misuse)? = pair.failures[id] else {
      Issue.record("\(command) did not fail: \(pair.clientLog)")
      return
    }
    #expect(misuse.rule == .unencodable)
    #expect(pair.sentByClient.count == sent)
    let noop = try pair.enqueue(.noop)
    pair.settle()
    #expect(pair.completions[noop]?.condition == .ok)
    #expect(pair.endings[id] == 1)
  }

  @Test func searchKeysNestToABound() throws {
    func nested(_ depth: Int) -> SearchKey { (0..<depth).reduce(.all) { key, _ in .not(key) } }
    _ = try Self.encode(.search(nested(CommandEncoder.maximumSearchNesting)))
    #expect(throws: CommandEncoder.EncodingError.self) {
      try Self.encode(.search(nested(CommandEncoder.maximumSearchNesting + 1)))
    }
    #expect(throws: CommandEncoder.EncodingError.self) { try Self.encode(.search(nested(5000))) }
  }

  // MARK: Strings

  struct Form: Sendable, CustomTestStringConvertible {
    var user: String
    var text: String
    /// Where sending stops, counted from the line's start.
    var stops: [Int] = []
    var policy = LiteralPolicy.synchronizing
    var testDescription: String { "\(user.prefix(10)) \(policy)" }
  }

  private static let long = String(repeating: "x", count: 1025)
  private static let longer = String(repeating: "x", count: 4097)

  @Test(arguments: [
    Form(user: "joe", text: "\"joe\""), Form(user: "", text: "\"\""), Form(user: "a\"b\\c", text: "\"a\\\"b\\\\c\""),
    Form(user: "{5}", text: "\"{5}\""), Form(user: "NIL", text: "\"NIL\""),
    Form(user: "a\r\nb", text: "{4}\r\na\r\nb", stops: [14]),
    Form(user: "a\r\nb", text: "{4+}\r\na\r\nb", policy: .nonSynchronizing),
    Form(user: "\u{e4}", text: "{2+}\r\n\u{e4}", policy: .upTo4096),
    Form(user: "\u{e4}", text: "{2}\r\n\u{e4}", stops: [14]),
    Form(user: long, text: "{1025+}\r\n\(long)", policy: .upTo4096),
    // RFC 7888, section 5: LITERAL- ends at 4096 bytes.
    Form(user: String(longer.dropLast()), text: "{4096+}\r\n\(longer.dropLast())", policy: .upTo4096),
    Form(user: longer, text: "{4097}\r\n\(longer)", stops: [17], policy: .upTo4096),
    Form(user: longer, text: "{4097+}\r\n\(longer)", policy: .nonSynchronizing),
  ])
  func strings(_ form: Form) throws {
    let encoded = try Self.encode(.login(user: form.user, password: Secret("p")), form.policy)
    #expect(encoded.text == "A1 LOGIN \(form.text) \"p\"\r\n")
    #expect(encoded.stops == form.stops)
  }

  @Test func whichLiteralsAServerTakes() {
    #expect(LiteralPolicy([]) == .synchronizing)
    #expect(LiteralPolicy([.imap4rev1, .literalMinus]) == .upTo4096)
    // RFC 9051, section 4.3: it is part of IMAP4rev2.
    #expect(LiteralPolicy([.imap4rev2]) == .upTo4096)
    #expect(LiteralPolicy([.literalMinus, .literalPlus]) == .nonSynchronizing)
  }

  @Test func theInitialResponseGoesAlongWhereItMay() throws {
    let exchange = SASLExchange(mechanism: "plain", initialResponse: Secret("\0a\0b"))
    #expect(try Self.encode(.authenticate(exchange)).text == "A1 AUTHENTICATE PLAIN AGEAYg==\r\n")
    #expect(try Self.encode(.authenticate(exchange), hasSASLIR: false).text == "A1 AUTHENTICATE PLAIN\r\n")
    // RFC 4959, section 3: an empty one is `=`.
    let empty = SASLExchange(mechanism: "external", initialResponse: Secret(""))
    #expect(try Self.encode(.authenticate(empty)).text == "A1 AUTHENTICATE EXTERNAL =\r\n")
  }

  /// The charset is named exactly where text needs it.
  @Test func searchNamesItsCharset() throws {
    #expect(try Self.encode(.search(.text("a"))).text == "A1 UID SEARCH TEXT \"a\"\r\n")
    let key = SearchKey.or(.all, .not(.and([.seen, .header("X", "\u{e4}")])))
    #expect(
      try Self.encode(.search(key, uid: false), .nonSynchronizing).text
        == "A1 SEARCH CHARSET UTF-8 OR ALL NOT (SEEN HEADER \"X\" {2+}\r\n\u{e4})\r\n")
  }

  /// Every character of ISO-8859-1 is one byte, which is read as that character, whatever else it could be.
  @Test func textsInLatin1() throws {
    let text = String(String.UnicodeScalarView((1...0xff).map { Unicode.Scalar(UInt8($0)) }))
    for text in [text, "\u{c3}\u{a4}", "plain"] {
      let key = SearchKey.or(.subject(text), .not(.header(text, "")))
      for command in [
        Command.search(key, charset: "iso-8859-1"),
        .multiSearch(MultiSearch(in: [.inboxes], key, charset: "LATIN1")),
        .sort([SortCriterion(.date)], key, charset: "ISO_8859-1"), .thread(.references, key, charset: "ISO-8859-1"),
      ] {
        var encoder = CommandEncoder(literals: .nonSynchronizing, mailboxEncoding: .modifiedUTF7, hasSASLIR: false)
        try encoder.encode(command, tag: 1)
        let bytes = encoder.output.takeTail(behind: 0)
        let parsed = try CommandParser().parse(bytes.span).command
        #expect(parsed == command)
        #expect(String(decoding: bytes, as: UTF8.self).contains(text) == (text == "plain"))
      }
    }
  }

  @Test func tagsAreReadBack() {
    for (text, number) in [("A1", 1), ("a1", 1), ("A4294967295", 4_294_967_295)] as [(String, UInt32)] {
      let bytes = Array(text.utf8)
      #expect(CommandTag.number(bytes.span) == number)
    }
    for text in ["", "A", "1", "B1", "A0", "A01", "A4294967296", "A1 ", "A-1", "A1x", "AA1"] {
      let bytes = Array(text.utf8)
      #expect(CommandTag.number(bytes.span) == nil, "\(text)")
    }
  }
}

extension MailboxName {
  /// The text's own bytes, not encoded.
  fileprivate var raw: MailboxName { MailboxName(wire: Array(description.utf8)) }
}
