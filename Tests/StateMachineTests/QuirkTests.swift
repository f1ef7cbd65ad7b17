import IMAPStateMachine
import Testing

/// What deployed servers are known to send, and how it must be read: whole and at every split.
@Suite struct QuirkTests {
  typealias Fixture = ResponseParserTests.Fixture

  static let framing: [Fixture] = [
    Fixture(
      name: "blank lines between responses", input: "* 1 EXISTS\n\n\n* 2 EXISTS\n\nA1 OK\n",
      log: "exists 1\nexists 2\ntagged A1 OK \"\""),
    Fixture(name: "NUL bytes before a response", input: "\u{0}\u{0}* OK hi\n", log: "status OK \"hi\""),
    Fixture(
      name: "text inside and behind a literal's braces",
      input:
        "* 1 FETCH (BODY[] {3+ x y} and more\nabc UID 5)\n* LIST () \"/\" {2 bytes} \na/\n* 1 FETCH (ENVELOPE (NIL {1} z\ns NIL NIL NIL NIL NIL NIL NIL NIL))\n",
      log: """
        fetch 1
          literal BODY[] 3
          = "abc"
          uid 5
        fetch end
        list () / a/
        fetch 1
          envelope NIL "s" [] [] [] [] [] [] NIL NIL
        fetch end
        """),
    Fixture(
      name: "no line end behind a literal",
      input: "* 1 FETCH (BODY[TEXT] {5}\nhelloUID 7)\n* 2 FETCH (BODY[TEXT] {5}\nhello)\n",
      log: """
        fetch 1
          literal BODY[TEXT] 5
          = "hello"
          uid 7
        fetch end
        fetch 2
          literal BODY[TEXT] 5
          = "hello"
        fetch end
        """),
    Fixture(
      name: "a stray line end behind a literal that is too short",
      input:
        "* 1 FETCH (BODY[TEXT] {5}\nhello\n UID 7)\n* 2 FETCH (BODY[TEXT] {1}\nx\n)\n* 3 FETCH (BODY[TEXT] {1}\nx\n* 1 EXISTS\nA1 OK\n",
      log: """
        fetch 1
          literal BODY[TEXT] 5
          = "hello"
          uid 7
        fetch end
        fetch 2
          literal BODY[TEXT] 1
          = "x"
        fetch end
        fetch 3
          literal BODY[TEXT] 1
          = "x"
        fetch end
        exists 1
        tagged A1 OK ""
        """),
    Fixture(
      name: "a literal counted in characters: the name of an address goes on behind it",
      input:
        "* 1 FETCH (ENVELOPE (NIL \"s\" (({17}\nРецепция Офис № 6 NIL \"facility\" \"x.com\")) ((\"a\" \"b c\" d NIL \"m\" \"h\")) NIL NIL NIL NIL NIL NIL) UID 5)\n",
      log: """
        fetch 1
          envelope NIL "s" ["\(hex("Рецепция Офис № 6"))",NIL,"facility","x.com"] ["a' 'b c' d",NIL,"m","h"] [] [] [] [] NIL NIL
          uid 5
        fetch end
        """),
    Fixture(
      name: "an untagged literal", input: "* {25}\nThis should be skipped...\n* 1 EXISTS\n",
      log: "unknown \"* {25}\\r\\nThis should be skipped...\\r\\n\"\nexists 1"),
    Fixture(
      name: "a line without tag", input: "Server Unavailable. 15\n* BYE\n",
      log: "malformed \"Server Unavailable. 15\\r\\n\" unexpected byte 0x55 at byte 7\nstatus BYE \"\""),
    Fixture(
      name: "farewells in their own words",
      input:
        "* Goodbye : idle timeout expired\n* BYE bye\n* BYE bye\nA5 BYE IMAP4rev1 Server logging out\n* BYE [ALERT] Too many connections.\n",
      log: """
        unknown "* Goodbye : idle timeout expired\\r\\n"
        status BYE "bye"
        status BYE "bye"
        tagged A5 BYE "IMAP4rev1 Server logging out"
        status BYE [ALERT] "Too many connections."
        """),
    Fixture(
      name: "ID with commas and without tag",
      input:
        "* ID (\"name\", \"Bigfoot\", \"version\",\"1\",\"os\", NIL)\n* OK ID completed\n* ID (\"name\" \"one\")  \n* ID (\"a, b\" \"c\\\",d\")\n",
      log: """
        id name=Bigfoot version=1 os=NIL
        status OK "ID completed"
        id name=one
        id a, b=c",d
        """),
    Fixture(
      name: "lower case everywhere",
      input:
        "* ok hi\n* capability imap4rev1 idle\n* list (\\hasnochildren) \"/\" inbox\n* List () nil x\n* 3 exists\n* 1 fetch (uid 5 flags (\\seen) body[text] {1}\nx)\na1 ok [read-write] done\n",
      log: """
        status OK "hi"
        capability IMAP4REV1 IDLE
        list (\\hasnochildren) / INBOX
        list () NIL x
        exists 3
        fetch 1
          uid 5
          flags \\seen
          literal BODY[TEXT] 1
          = "x"
        fetch end
        tagged a1 OK [READ-WRITE] "done"
        """),
    Fixture(
      name: "spaces where none are due",
      input:
        "* STATUS x (MESSAGES 1  UIDNEXT  2 ) \n* CAPABILITY  IMAP4rev1  \n* ID ( \"a\"  \"b\" ) \n* SEARCH \n* SEARCH  1  2 \n* QUOTA \"\" (STORAGE 1  2  )\n* LIST  (  \\Noselect )  \"/\"  x  \n*  FLAGS  ( \\Seen ) \n* 1 FETCH ( UID 5 )\n",
      log: """
        mailbox-status x MESSAGES=1 UIDNEXT=2
        capability IMAP4REV1
        id a=b
        search \n\
        search 1 2
        quota "" STORAGE=1/2
        list (\\Noselect) / x
        flags \\Seen
        fetch 1
          uid 5
        fetch end
        """),
    Fixture(
      name: "status responses without text", input: "* OK\nA1 OK\nA1 OK [READ-WRITE]\n* NO [ALERT]\n",
      log: "status OK \"\"\ntagged A1 OK \"\"\ntagged A1 OK [READ-WRITE] \"\"\nstatus NO [ALERT] \"\""),
    Fixture(
      name: "continuations without space, with text, and too many", input: "+\n+ \n+go ahead\n+ VXNlcg==\n",
      log: "continue \"\"\ncontinue \"\"\ncontinue \"go ahead\"\ncontinue \"VXNlcg==\""),
    Fixture(
      name: "8-bit text",
      input:
        "* OK [CAPABILITY IMAP4rev1] Logged in – go ahead!\n* 1 FETCH (ENVELOPE (NIL \"Günstiger – ja\" NIL NIL NIL NIL NIL NIL NIL NIL))\n",
      log: """
        status OK [CAPABILITY IMAP4REV1] "Logged in \(hex("–")) go ahead!"
        fetch 1
          envelope NIL "\(hex("Günstiger – ja"))" [] [] [] [] [] [] NIL NIL
        fetch end
        """),
    Fixture(
      name: "braces in text are no literal",
      input: "* OK a {x} b {3}\n* NO {7}\nA1 BAD {2}\n* [ALERT] x {4}\n* 1 EXISTS\n",
      log: "status OK \"a {x} b {3}\"\nstatus NO \"{7}\"\ntagged A1 BAD \"{2}\"\nstatus OK [ALERT] \"x {4}\"\nexists 1"),
    Fixture(
      name: "untagged data anywhere", input: "* 1 RECENT\n* FLAGS (\\Seen)\n+ idling\n* 2 EXISTS\n",
      log: "recent 1\nflags \\Seen\ncontinue \"idling\"\nexists 2"),
  ]

  static let codes: [Fixture] = [
    Fixture(
      name: "response codes without OK", input: "[COPYUID 55 31 6]\n* 1 EXPUNGE\n* [COPYUID 123456 1 2]\n",
      log: "status OK [COPYUID 55 31 6] \"\"\nexpunge 1\nstatus OK [COPYUID 123456 1 2] \"\""),
    Fixture(
      name: "COPYUID without sets", input: "A1 OK [COPYUID 55  ] done\n", log: "tagged A1 OK [COPYUID 55  ] \"done\""),
    Fixture(
      name: "zero and numbers above 32 bits",
      input:
        "* OK [UIDVALIDITY 0] a\n* OK [COPYUID 0 1 2] b\n* OK [APPENDUID 0 4] c\n* OK [UIDNEXT 0] d\n* OK [UNSEEN 0] e\n* OK [UIDVALIDITY 4294967299] f\n* STATUS x (UIDVALIDITY 4294967299)\n",
      log: """
        status OK [UIDVALIDITY 0] "a"
        status OK [COPYUID 0 1 2] "b"
        status OK [APPENDUID 0 4] "c"
        status OK [UIDNEXT 0] "d"
        status OK [UNSEEN 0] "e"
        status OK [UIDVALIDITY 4294967299] "f"
        mailbox-status x UIDVALIDITY=4294967299
        """),
    Fixture(
      name: "COPYUID before and in the completion",
      input: "* OK [COPYUID 432432 42:69 1202:1229]\n* 22 EXPUNGE\nA1 OK [COPYUID 9 1 2] Done\n",
      log: "status OK [COPYUID 432432 42:69 1202:1229] \"\"\nexpunge 22\ntagged A1 OK [COPYUID 9 1 2] \"Done\""),
    Fixture(
      name: "brackets inside a code",
      input:
        "* OK [PERMANENTFLAGS (\\Seen [css3-page] \\*)] Limited\n* OK [PERMANENTFLAGS (\\Seen *)] x\n* OK [permanentflags (a]b [c) ] y\n",
      log: """
        status OK [PERMANENTFLAGS (\\Seen [css3-page] \\*)] "Limited"
        status OK [PERMANENTFLAGS (\\Seen \\*)] "x"
        status OK [PERMANENTFLAGS (a]b [c)] "y"
        """),
    Fixture(
      name: "spaces inside the brackets of a code",
      input: "* OK [ CAPABILITY  IMAP4rev1 ] a\n* OK [UIDNEXT  5 ] b\n* OK [ ALERT ] c\n",
      log: "status OK [CAPABILITY IMAP4REV1] \"a\"\nstatus OK [UIDNEXT 5] \"b\"\nstatus OK [ALERT] \"c\""),
    Fixture(
      name: "codes whose arguments make no sense",
      input: "* OK [UIDNEXT abc] a\n* OK [COPYUID 55 () ()] b\n* OK [MODIFIED] c\n* 1 EXISTS\n",
      log: """
        status OK [UIDNEXT abc] "a"
        status OK [COPYUID 55 () ()] "b"
        status OK [MODIFIED] "c"
        exists 1
        """),
    Fixture(
      name: "codes of no standard",
      input:
        "* NO [NIL] a\n* NO [REFERRAL imap://u;AUTH=*@h/] b\n* NO [WEBALERT https://a.b/?c=d] Web login required\n* OK [XFOO (1 \"]\" 2)] c\n",
      log: """
        status NO [NIL] "a"
        status NO [REFERRAL imap://u;AUTH=*@h/] "b"
        status NO [WEBALERT https://a.b/?c=d] "Web login required"
        status OK [XFOO (1 "]" 2)] "c"
        """),
    Fixture(
      name: "LITERAL + with a space", input: "* CAPABILITY IMAP4rev1 LITERAL + IDLE\n* OK [CAPABILITY LITERAL +] x\n",
      log: "capability IMAP4REV1 LITERAL+ IDLE\nstatus OK [CAPABILITY LITERAL+] \"x\""),
    Fixture(
      name: "flags and labels with plus signs",
      input: "* 1 FETCH (X-GM-LABELS (+IMNews) FLAGS (\\Draft + TAG TAG2))\n* FLAGS (+ +x)\n",
      log: """
        fetch 1
          x-gm-labels [+IMNews]
          flags \\Draft + TAG TAG2
        fetch end
        flags + +x
        """),
    Fixture(
      name: "refusals that only text tells", input: "A2 BAD User is authenticated but not connected.\n",
      log: "tagged A2 BAD \"User is authenticated but not connected.\""),
  ]

  static let mailboxes: [Fixture] = [
    Fixture(
      name: "unquoted names with tabs and spaces",
      input:
        "* LIST (\\HasNoChildren) \"/\" INBOX/Da\tOggetto\tRicevuto\t\n* LIST () \"/\" My Folder\n* LSUB () \".\" a (b)\n",
      log: """
        list (\\HasNoChildren) / INBOX/Da\tOggetto\tRicevuto\t
        list () / My Folder
        lsub () . a (b)
        """),
    Fixture(
      name: "names with brackets, of digits, and as literals",
      input:
        "* LIST () \"/\" [Gmail]/Trash\n* LIST () \"/\" INBOX/[x]\n* LIST () \"/\" 2011\n* LIST () \"/\" 0123\n* LIST () \"/\" {4}\na\"b)\n* STATUS {3}\na b (MESSAGES 1)\n",
      log: """
        list () / [Gmail]/Trash
        list () / INBOX/[x]
        list () / 2011
        list () / 0123
        list () / a"b)
        mailbox-status a b MESSAGES=1
        """),
    Fixture(
      name: "names that start or end with the delimiter",
      input: "* LIST () \"/\" \"Public Folders/\"\n* LIST () \"/\" /x\n* LIST (\\NonExistent) \"/\" y\n",
      log: "list () / Public Folders/\nlist () / /x\nlist (\\NonExistent) / y"),
    Fixture(
      name: "only INBOX folds case",
      input: "* LIST () \"/\" Inbox\n* LIST () \"/\" Inbox/A\n* XLIST (\\Inbox) \"/\" Posta\n",
      log: "list () / INBOX\nlist () / Inbox/A\nlist (\\Inbox) / Posta xlist"),
    Fixture(
      name: "names that are no modified UTF-7",
      input: "* LIST () \"/\" \"a&b\"\n* LIST () \"/\" \"Entwürfe\"\n* LIST () \"/\" &AGE\n",
      log: "list () / a&b\nlist () / Entwürfe\nlist () / &AGE"),
    Fixture(
      name: "flags in forms of their own",
      input:
        "* FLAGS (\"\\Seen\" \"\\\\Draft\" \"$x\" \"a b\" NIL \\seen [x] ü \\*)\n* FLAGS NIL\n* FLAGS ()\n* 1 FETCH (FLAGS NIL X-GM-LABELS (NIL \"\"))\n",
      log: """
        flags \\Seen \\Draft $x a b NIL \\seen [x] ü \\*
        flags \n\
        flags \n\
        fetch 1
          flags \n\
          x-gm-labels [NIL|]
        fetch end
        """),
    Fixture(
      name: "labels in modified UTF-7", input: "* 1 FETCH (X-GM-LABELS (\"Entw&APw-rfe\" &bad))\n",
      log: "fetch 1\n  x-gm-labels [Entwürfe|&bad]\nfetch end"),
    Fixture(
      name: "quota roots that are no mailboxes, and large quotas",
      input:
        "* QUOTAROOT INBOX \"User quota\"\n* QUOTA \"User quota\" (STORAGE 99999999999 1E12)\n* QUOTA (STORAGE 1 2)\n",
      log:
        "quotaroot INBOX \"User quota\"\nquota \"User quota\" STORAGE=99999999999/1000000000000\nquota \"\" STORAGE=1/2"
    ),
    Fixture(
      name: "MAILBOXID with and without parentheses",
      input:
        "* OK [MAILBOXID abc] x\n* OK [MAILBOXID (abc)] x\n* STATUS x (MAILBOXID abc MESSAGES 1)\n* STATUS x (MAILBOXID (abc))\n",
      log: """
        status OK [MAILBOXID (abc)] "x"
        status OK [MAILBOXID (abc)] "x"
        mailbox-status x MESSAGES=1 MAILBOXID=abc
        mailbox-status x MAILBOXID=abc
        """),
  ]

  /// The bytes of `text` as the log shows them.
  private static func hex(_ text: String) -> String {
    text.utf8.map { $0 < 0x80 ? String(UnicodeScalar($0)) : "\\x" + String($0, radix: 16) }.joined()
  }

  @Test(arguments: framing + codes + mailboxes + fetch + searches + damage + meanings + literals)
  func isReadAtEverySplit(
    _ fixture: Fixture
  ) {
    check(wire(fixture.input), fixture.log)
  }

  @Test(arguments: envelopes + structures + shapes + structureDamage)
  func structuresAreReadAtEverySplit(_ fixture: Fixture) {
    check(wire(fixture.input), fixture.log)
  }

  private func check(_ bytes: [UInt8], _ log: String) {
    for feed in feeds(bytes.count) {
      let result = responseLog(bytes, feed)
      #expect(result.text == log, "\(feed)")
      #expect(result.unread == 0, "\(feed)")
    }
  }

  /// What a client reads a server can write, and it is read as the same again.
  @Test(
    arguments: framing + codes + mailboxes + fetch + searches + envelopes + structures + shapes + structureDamage
      + damage + meanings + literals)
  func whatIsReadCanBeWritten(_ fixture: Fixture) throws { try writeAgain(fixture) }

  @Test(
    arguments: ResponseParserTests.fixtures + ResponseParserExtensionTests.fixtures
      + ResponseParserExtensionTests.fetchFixtures)
  func whatFollowsTheStandardsCanBeWrittenToo(_ fixture: Fixture) throws {
    try writeAgain(fixture, isStandard: true)
  }

  private func writeAgain(_ fixture: Fixture, isStandard: Bool = false) throws {
    var checked = 0
    for response in try responses(wire(fixture.input)) {
      // Quirks of names and flags have no form of their own: a server refuses to write them.
      guard let written = try? ResponseEncoder().encode(response) else { continue }
      let again = try responses(written)
      #expect(again.count == 1)
      for other in again {
        #expect(try ResponseEncoder().encode(other) == written)
        // Quirks are written as the standards have them, and what could not be interpreted is not.
        if isStandard, !fixture.log.contains("invalid") { #expect(other == response) }
      }
      checked += 1
    }
    if !fixture.log.contains("malformed"), !fixture.log.contains("\\Seen \\Draft $x") { #expect(checked > 0) }
  }

  private func responses(_ bytes: [UInt8]) throws -> [Response] {
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(bytes.span)
    var list: [Response] = []
    while let response = try parser.nextOwned(&input) { list.append(response) }
    return list
  }

  /// `\n` alone ends lines, literal headers among them.
  @Test func bareLineFeeds() {
    check(
      Array("* OK hi\n* 1 FETCH (BODY[] {3}\na\nb UID 5)\n* LIST () \"/\" {1}\nx\nA1 OK\n".utf8),
      """
      status OK "hi"
      fetch 1
        literal BODY[] 3
        = "a\\nb"
        uid 5
      fetch end
      list () / x
      tagged A1 OK ""
      """)
  }

  /// Bytes that are no UTF-8 stay; where text is made of them they are ISO 8859-1.
  @Test func latin1() {
    let refused = Array("T2 NO No such folder : ".utf8) + [0xe0, 0xe8, 0xec] + Array("\r\n".utf8)
    let envelope =
      Array("* 1 FETCH (ENVELOPE (NIL \"H".utf8) + [0xfc] + Array("nstig\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n".utf8)
    let list = Array("* LIST () \"/\" ".utf8) + [0x61, 0xe4] + Array("\r\n".utf8)
    check(
      refused + envelope + list,
      """
      tagged T2 NO "No such folder : \(Self.hex("àèì"))"
      fetch 1
        envelope NIL "H\\xfcnstig" [] [] [] [] [] [] NIL NIL
      fetch end
      list () / aä
      """)
  }

  /// The raw bytes are the name's identity, whatever it decodes to.
  @Test func namesKeepTheirBytes() throws {
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    let name: [UInt8] = [0x61, 0xe4, 0x26, 0x78]
    input.append((Array("* LIST () \"/\" ".utf8) + name + [0x0d, 0x0a]).span)
    guard case .list(let listing) = try parser.nextOwned(&input) else {
      Issue.record("no listing")
      return
    }
    #expect(listing.name.bytes == name)
  }

  /// One line of more than a megabyte.
  @Test func longSearchLines() throws {
    let numbers = Array(UInt32(1_000_000)...1_150_000)
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    let line = wire("* SEARCH \(numbers.map { String($0) }.joined(separator: " "))\n")
    var result: Response?
    for start in stride(from: 0, to: line.count, by: 1460) {
      input.append(Array(line[start..<min(line.count, start + 1460)]).span)
      result = try parser.nextOwned(&input) ?? result
    }
    #expect(line.count > 1 << 20)
    #expect(result == .search(SearchResult(numbers: numbers)))
  }

  /// Each name is read once, although each of them ends a line: anything else would not end in a lifetime.
  @Test func manyHeaderFieldsAsLiterals() throws {
    let names = (0..<20_000).map { "X-\($0)" }
    let list = names.map { "{\($0.utf8.count)}\n\($0)" }.joined(separator: " ")
    let line = wire("* 1 FETCH (BODY[HEADER.FIELDS (\(list))] {2}\nab UID 5)\n")
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    var result: Response?
    for start in stride(from: 0, to: line.count, by: 1460) {
      input.append(Array(line[start..<min(line.count, start + 1460)]).span)
      result = try parser.nextOwned(&input) ?? result
    }
    let section = FetchAttribute.section(.body(Section(.headerFields(names))), origin: nil, data: Array("ab".utf8))
    #expect(result == .fetch(FetchResponse(sequence: 1, attributes: [section, .uid(5)])))
  }

  /// Deeper than the limit is a fatal error that names it; as deep as the limit is read.
  @Test func nestedStructures() {
    func line(_ depth: Int) -> [UInt8] {
      let open = String(repeating: "(", count: depth - 1)
      let close = String(repeating: " \"MIXED\")", count: depth - 1)
      return wire("* 1 FETCH (BODYSTRUCTURE \(open)(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)\(close) UID 5)\n")
    }
    let deep = responseLog(line(64)).text
    #expect(deep.contains("  bodystructure {{{{"))
    #expect(deep.contains("  uid 5"))
    #expect(!deep.contains("invalid"))
    #expect(responseLog(line(65)).text.contains("error limit of 64 for nesting passed at byte 89"))
    #expect(responseLog(line(100_000)).text.contains("error limit of 64 for nesting passed at byte 89"))
  }
}
