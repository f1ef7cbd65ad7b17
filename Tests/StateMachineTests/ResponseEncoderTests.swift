import Testing

@testable import IMAPStateMachine

@Suite struct ResponseEncoderTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let response: Response
    let text: String
    var testDescription: String { text }

    init(_ response: Response, _ text: String) {
      self.response = response
      self.text = text
    }
  }

  @Test(arguments: statusForms + mailboxForms)
  func statusAndMailboxData(_ form: Form) throws { try check(form) }

  @Test(arguments: fetchForms)
  func fetchData(_ form: Form) throws { try check(form) }

  /// The text is as expected, and the client's parser reads the same value from it.
  private func check(_ form: Form) throws {
    let bytes = try ResponseEncoder().encode(form.response)
    #expect(String(decoding: bytes, as: UTF8.self) == form.text + "\r\n")
    var input = ReceiveBuffer()
    input.append(bytes.span)
    var parser = ResponseParser()
    #expect(try parser.nextOwned(&input) == form.response)
    #expect(input.unread == 0)
  }

  static let statusForms: [Form] = [
    Form(.tagged(tag: "A1", Status(.ok, "done")), "A1 OK done"),
    Form(.tagged(tag: "A1", Status(.no, code: .tryCreate, "no")), "A1 NO [TRYCREATE] no"),
    Form(.status(Status(.bad, "what?")), "* BAD what?"),
    Form(.status(Status(.bye, "see you")), "* BYE see you"),
    Form(.status(Status(.preauth, "hi")), "* PREAUTH hi"),
    Form(.status(Status(.ok, code: .alert, "x [y] z")), "* OK [ALERT] x [y] z"),
    Form(
      .status(Status(.ok, code: .capability(["IMAP4REV1", "AUTH=PLAIN"]), "hi")),
      "* OK [CAPABILITY IMAP4REV1 AUTH=PLAIN] hi"),
    Form(
      .status(Status(.ok, code: .permanentFlags([.seen, .anyKeyword]), "limited")),
      "* OK [PERMANENTFLAGS (\\Seen \\*)] limited"),
    Form(.status(Status(.ok, code: .uidNext(7), "next")), "* OK [UIDNEXT 7] next"),
    Form(.status(Status(.ok, code: .uidValidity(.max), "valid")), "* OK [UIDVALIDITY 18446744073709551615] valid"),
    Form(.status(Status(.ok, code: .unseen(3), "first")), "* OK [UNSEEN 3] first"),
    Form(.status(Status(.ok, code: .highestModSeq(9), "x")), "* OK [HIGHESTMODSEQ 9] x"),
    Form(.status(Status(.ok, code: .noModSeq, "x")), "* OK [NOMODSEQ] x"),
    Form(.status(Status(.ok, code: .closed, "x")), "* OK [CLOSED] x"),
    Form(.status(Status(.ok, code: .parse, "x")), "* OK [PARSE] x"),
    Form(.status(Status(.no, code: .uidNotSticky, "x")), "* NO [UIDNOTSTICKY] x"),
    Form(.tagged(tag: "1", Status(.ok, code: .readOnly, "x")), "1 OK [READ-ONLY] x"),
    Form(.tagged(tag: "1", Status(.ok, code: .readWrite, "x")), "1 OK [READ-WRITE] x"),
    Form(.tagged(tag: "1", Status(.no, code: .badCharset([]), "x")), "1 NO [BADCHARSET] x"),
    Form(.tagged(tag: "1", Status(.no, code: .badCharset(["UTF-8", "A"]), "x")), "1 NO [BADCHARSET (UTF-8 A)] x"),
    Form(
      .tagged(tag: "1", Status(.ok, code: .appendUID(validity: 38505, uids: [3955]), "x")),
      "1 OK [APPENDUID 38505 3955] x"),
    Form(
      .tagged(
        tag: "1", Status(.ok, code: .copyUID(validity: 1, source: [304, 319, 320], destination: [1, 2, 3]), "x")),
      "1 OK [COPYUID 1 304,319:320 1:3] x"),
    Form(.tagged(tag: "1", Status(.ok, code: .modified([7, 9]), "x")), "1 OK [MODIFIED 7,9] x"),
    Form(.tagged(tag: "1", Status(.no, code: .authenticationFailed, "x")), "1 NO [AUTHENTICATIONFAILED] x"),
    Form(
      .tagged(tag: "1", Status(.no, code: .badURL("/x;y"), "x")),
      "1 NO [BADURL /x;y] x"),
    Form(.continuation(text: Array("idling".utf8)), "+ idling"),
    Form(.capability(["IMAP4REV1", "LITERAL+"]), "* CAPABILITY IMAP4REV1 LITERAL+"),
    Form(.enabled([.condStore]), "* ENABLED CONDSTORE"),
    Form(.id(nil), "* ID NIL"),
    Form(.id([IDField("name", "a\"b\\"), IDField("v", nil)]), "* ID (\"name\" \"a\\\"b\\\\\" \"v\" NIL)"),
  ]

  static let mailboxForms: [Form] = [
    Form(.namespace(Namespaces()), "* NAMESPACE NIL NIL NIL"),
    Form(
      .namespace(
        Namespaces(
          personal: [.init(prefix: "", delimiter: "/")],
          shared: [.init(prefix: "#a ", delimiter: "."), .init(prefix: "b", delimiter: nil)])),
      "* NAMESPACE ((\"\" \"/\")) NIL ((\"#a \" \".\")(\"b\" NIL))"),
    Form(.list(MailboxListing(attributes: [], delimiter: "/", name: .inbox)), "* LIST () \"/\" INBOX"),
    Form(
      .list(MailboxListing(attributes: ["\\HasNoChildren", "\\Sent"], delimiter: "\\", name: "a b\"")),
      "* LIST (\\HasNoChildren \\Sent) \"\\\\\" \"a b\\\"\""),
    Form(.list(MailboxListing(attributes: [], delimiter: nil, name: "nil")), "* LIST () NIL \"nil\""),
    Form(.list(MailboxListing(attributes: [], delimiter: nil, name: "")), "* LIST () NIL \"\""),
    Form(
      .lsub(MailboxListing(attributes: [.init("\\Noselect")], delimiter: ".", name: "\u{e4}.&")),
      "* LSUB (\\Noselect) \".\" &AOQ-.&-"),
    Form(
      .list(MailboxListing(attributes: [], delimiter: "/", name: MailboxName(wire: [0x61, 0x0d, 0x0a]))),
      "* LIST () \"/\" {3}\r\na\r\n"),
    Form(.mailboxStatus(status { _ in }), "* STATUS INBOX ()"),
    Form(
      .mailboxStatus(
        status {
          $0.messages = 1
          $0.recent = 0
          $0.uidNext = 4
          $0.uidValidity = 5
          $0.unseen = 6
          $0.deleted = 7
          $0.size = 8
          $0.highestModSeq = 9
        }),
      "* STATUS INBOX (MESSAGES 1 RECENT 0 UIDNEXT 4 UIDVALIDITY 5 UNSEEN 6 DELETED 7 SIZE 8 HIGHESTMODSEQ 9)"),
    Form(.flags([.answered, "$Fwd", .deleted]), "* FLAGS (\\Answered $Fwd \\Deleted)"),
    Form(.search(SearchResult()), "* SEARCH"),
    Form(.search(SearchResult(numbers: [2, 3, .max], modSeq: 12)), "* SEARCH 2 3 4294967295 (MODSEQ 12)"),
    Form(.exists(0), "* 0 EXISTS"),
    Form(.recent(3), "* 3 RECENT"),
    Form(.expunge(4), "* 4 EXPUNGE"),
  ]

  private static func status(_ fill: (inout MailboxStatus) -> Void) -> MailboxStatus {
    var status = MailboxStatus(mailbox: .inbox)
    fill(&status)
    return status
  }

  static let envelope = Envelope(
    date: bytes("Wed, 17 Jul 1996 02:23:25 -0700"), subject: bytes("a \"b\""),
    from: [Address(name: bytes("T"), mailbox: bytes("gray"), host: bytes("x.y"))], sender: [], replyTo: [],
    to: [Address(mailbox: bytes("g")), Address(mailbox: bytes("a"), host: bytes("b")), Address()],
    messageID: bytes("<1@x>"))

  static let envelopeText =
    "(\"Wed, 17 Jul 1996 02:23:25 -0700\" \"a \\\"b\\\"\" ((\"T\" NIL \"gray\" \"x.y\")) NIL NIL "
    + "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL \"<1@x>\")"

  static let text = BodyStructure.Part(
    type: bytes("TEXT"), subtype: bytes("PLAIN"), parameters: [.init(name: bytes("CHARSET"), value: bytes("UTF-8"))],
    octets: 12, content: .text(lines: 1))

  static let fetchForms: [Form] = [
    fetch([.uid(7), .flags([.seen]), .rfc822Size(9), .modSeq(4)], "UID 7 FLAGS (\\Seen) RFC822.SIZE 9 MODSEQ (4)"),
    fetch([.flags([])], "FLAGS ()"),
    fetch(
      [.internalDate(InternalDate(unixSeconds: 0, zone: -90))], "INTERNALDATE \"31-Dec-1969 22:30:00 -0130\""),
    fetch([.envelope(envelope)], "ENVELOPE \(envelopeText)"),
    fetch([.envelope(Envelope())], "ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
    fetch([.section(.body(.full), origin: nil, data: bytes("a\r\nb"))], "BODY[] {4}\r\na\r\nb"),
    fetch([.section(.body(.full), origin: 5, data: [])], "BODY[]<5> {0}\r\n"),
    fetch([.section(.body(Section(part: [9])), origin: nil, data: nil)], "BODY[9] NIL"),
    fetch(
      [.section(.body(Section(part: [1, 2], .mime)), origin: nil, data: bytes("x"))], "BODY[1.2.MIME] {1}\r\nx"),
    fetch(
      [.section(.body(Section(.headerFields(["DATE", "FROM"]))), origin: 0, data: bytes("x"))],
      "BODY[HEADER.FIELDS (DATE FROM)]<0> {1}\r\nx"),
    fetch(
      [.section(.body(Section(part: [3], .headerFieldsNot(["X"]))), origin: nil, data: bytes("x")), .uid(1)],
      "BODY[3.HEADER.FIELDS.NOT (X)] {1}\r\nx UID 1"),
    fetch([.section(.rfc822, origin: nil, data: bytes("x"))], "RFC822 {1}\r\nx"),
    fetch([.section(.other(bytes("BODY[A (b))]")), origin: 7, data: bytes("x"))], "BODY[A (b))]<7> {1}\r\nx"),
    fetch([.section(.rfc822Header, origin: nil, data: bytes("x"))], "RFC822.HEADER {1}\r\nx"),
    fetch([.section(.rfc822Text, origin: nil, data: bytes("x"))], "RFC822.TEXT {1}\r\nx"),
    fetch(
      [.body(.single(text))],
      "BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"7BIT\" 12 1)"),
    fetch(
      [
        .bodyStructure(
          .multipart(
            .init(
              parts: [
                .single(text),
                .single(
                  .init(
                    type: bytes("IMAGE"), subtype: bytes("PNG"), id: bytes("<i>"), description: bytes("d"),
                    encoding: bytes("BASE64"), octets: 5, md5: bytes("m"),
                    ext: .init(
                      disposition: .init(
                        type: bytes("attachment"), parameters: [.init(name: bytes("filename"), value: bytes("a b"))]),
                      languages: [bytes("de"), bytes("en")], location: bytes("l")))),
              ], subtype: bytes("MIXED"), parameters: [.init(name: bytes("BOUNDARY"), value: bytes("="))],
              ext: .init(languages: [bytes("de")]))))
      ],
      "BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"7BIT\" 12 1)"
        + "(\"IMAGE\" \"PNG\" NIL \"<i>\" \"d\" \"BASE64\" 5 \"m\" (\"attachment\" (\"filename\" \"a b\")) "
        + "(\"de\" \"en\") \"l\") \"MIXED\" (\"BOUNDARY\" \"=\") NIL \"de\" NIL)"),
    fetch(
      [
        .bodyStructure(
          .single(
            .init(
              type: bytes("MESSAGE"), subtype: bytes("RFC822"), octets: 99,
              content: .message(envelope, .single(text), lines: 4))))
      ],
      "BODYSTRUCTURE (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 99 \(envelopeText) "
        + "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"7BIT\" 12 1) 4)"),
  ]

  private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  private static func fetch(_ attributes: [FetchAttribute], _ text: String) -> Form {
    Form(.fetch(FetchResponse(sequence: 2, attributes: attributes)), "* 2 FETCH (\(text))")
  }

  private func text(_ response: Response, _ encoder: ResponseEncoder = .init()) throws -> String {
    String(decoding: try encoder.encode(response), as: UTF8.self)
  }

  @Test func nothingBreaksALine() throws {
    #expect(try text(.status(Status(.ok, "a\r\nb\u{0}c"))) == "* OK a  b c\r\n")
    #expect(try text(.status(Status(.ok, "[ALERT] x"))) == "* OK (ALERT] x\r\n")
    #expect(try text(.status(Status(.ok, code: .atom("X]\r\nY"), "z"))) == "* OK [X???Y] z\r\n")
    #expect(
      try text(.status(Status(.ok, code: .other(name: "A", arguments: [0x5d, 0x0a, 0xe4]), "z")))
        == String(decoding: Array("* OK [A ??".utf8) + [0xe4] + Array("] z\r\n".utf8), as: UTF8.self))
    #expect(try text(.continuation(text: [0x61, 0x0d, 0x0a])) == "+ a  \r\n")
    #expect(try text(.status(Status(.ok, " \r\n[a \u{0}\r\n"))) == "* OK    (a    \r\n")
    #expect(try text(.id([IDField("a\r\nb", "c")])) == "* ID ({4}\r\na\r\nb \"c\")\r\n")
  }

  @Test func blanksOfATextAreKept() throws {
    for body in ["", " ", "a", " a", "a  ", "  a [b] ", "\t"] {
      for code: ResponseCode? in [nil, .alert, .atom("X")] {
        let response = Response.status(Status(.ok, code: code, body))
        let line = try text(response)
        #expect(line == "* OK \(code.map { "[\($0)] " } ?? "")\(body)\r\n")
        #expect(try read(line) == response)
      }
      #expect(try read("+ \(body)\r\n") == .continuation(text: Self.bytes(body)))
    }
    // Without the space, as some servers write it.
    #expect(try read("+\r\n") == .continuation(text: []))
    #expect(try read("A1 OK\r\n") == .tagged(tag: "A1", Status(.ok, "")))
    // What is behind the blanks is no code.
    #expect(try text(.status(Status(.ok, "  [a] b"))) == "* OK   (a] b\r\n")
  }

  private func read(_ line: String) throws -> Response? {
    var input = ReceiveBuffer()
    input.append(Self.bytes(line).span)
    var parser = ResponseParser()
    return try parser.nextOwned(&input)
  }

  @Test func aWordOfACodeStaysOne() throws {
    func line(_ code: ResponseCode) throws -> String { try text(.status(Status(.ok, code: code, "x"))) }
    #expect(try line(.permanentFlags(["a b)", "\\Seen", "\\*"])) == "* OK [PERMANENTFLAGS (a?b? \\Seen \\*)] x\r\n")
    #expect(
      try line(.badCharset(["a b", "UTF-8", "c\"", "nil"]))
        == "* OK [BADCHARSET (\"a b\" UTF-8 \"c\\\"\" \"nil\")] x\r\n")
    #expect(try line(.badEvent(["(a", "b"])) == "* OK [BADEVENT (?a b)] x\r\n")
    #expect(try line(.capability(["A B", "C"])) == "* OK [CAPABILITY A?B C] x\r\n")
    #expect(try line(.mailboxID("a)b")) == "* OK [MAILBOXID (a?b)] x\r\n")
    #expect(try line(.atom("A B")) == "* OK [A?B] x\r\n")
  }

  @Test func whatHasNoFormIsRefused() {
    let refused: [Response] = [
      .tagged(tag: "a b", Status(.ok, "x")), .tagged(tag: "", Status(.ok, "x")), .capability(["A B"]),
      .enabled(["A\r\n"]), .flags(["a b"]), .flags(["\\"]), .flags([""]), .flags(["\\Seen)"]),
      .malformed([0x2a], ParseError(.unexpectedEnd, offset: 0)),
      .fetch(FetchResponse(sequence: 1, attributes: [.uid(1), .flags(["\r\n"])])),
    ]
    for response in refused {
      #expect(throws: ConnectionError.self) { try ResponseEncoder().encode(response) }
      // What was there before stays, what was half written does not.
      var output = SendBuffer()
      output.append("x")
      try? ResponseEncoder().encode(response, into: &output)
      #expect(output.takeTail(behind: 0) == [0x78])
    }
  }

  @Test func namesAreUTF8WhereAgreedOn() throws {
    let response = Response.list(MailboxListing(attributes: [], delimiter: "/", name: "\u{e4}"))
    #expect(try text(response) == "* LIST () \"/\" &AOQ-\r\n")
    #expect(try text(response, ResponseEncoder(mailboxEncoding: .utf8)) == "* LIST () \"/\" \"\u{e4}\"\r\n")
  }

  @Test func a8BitStringIsALiteralUnlessUTF8IsAgreedOn() throws {
    var envelope = Envelope()
    envelope.subject = Self.bytes("\u{e4}")
    let response = Response.fetch(FetchResponse(sequence: 1, attributes: [.envelope(envelope)]))
    #expect(try text(response).contains("{2}\r\n\u{e4} "))
    #expect(try text(response, ResponseEncoder(mailboxEncoding: .utf8)).contains("\"\u{e4}\" "))
  }

  @Test func structuresWithoutEndAndWithoutPartsAreWritten() throws {
    var structure = BodyStructure.multipart(.init(parts: [], subtype: Self.bytes("X")))
    let empty = Response.fetch(FetchResponse(sequence: 1, attributes: [.body(structure)]))
    #expect(try text(empty) == "* 1 FETCH (BODY ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) \"X\"))\r\n")
    for _ in 0..<1000 { structure = .multipart(.init(parts: [structure], subtype: Self.bytes("X"))) }
    let deep = try text(.fetch(FetchResponse(sequence: 1, attributes: [.body(structure)])))
    #expect(deep.utf8.count { $0 == UInt8(ascii: "(") } == 257 + 2)
    #expect(deep.utf8.count { $0 == UInt8(ascii: ")") } == 257 + 2)
  }
}
