import IMAPStateMachine
import Testing

@Suite struct ResponseParserTests {
  struct Fixture: CustomTestStringConvertible, Sendable {
    var name: String
    var input: String
    var log: String
    var testDescription: String { name }
  }

  static let fixtures: [Fixture] = [
    Fixture(
      name: "status responses",
      input:
        "* OK [CAPABILITY IMAP4rev1 IDLE] ready\n* NO [ALERT] disk full\n* bye going\nA1 OK [READ-WRITE] done\nA2 BAD\n",
      log: """
        status OK [CAPABILITY IMAP4REV1 IDLE] "ready"
        status NO [ALERT] "disk full"
        status BYE "going"
        tagged A1 OK [READ-WRITE] "done"
        tagged A2 BAD ""
        """),
    Fixture(
      name: "braces in text are text",
      input: "* OK foo {5}\n* 1 EXISTS\nA1 NO over quota {3}\n+ go on {2}\n* 2 EXISTS\n",
      log: """
        status OK "foo {5}"
        exists 1
        tagged A1 NO "over quota {3}"
        continue "go on {2}"
        exists 2
        """),
    Fixture(
      name: "response codes",
      input:
        "* OK [UIDVALIDITY 7] x\n* OK [PERMANENTFLAGS (\\Seen [odd] \\*)] y\nA1 OK [COPYUID 9 1:3,5 11:14] z\n"
        + "A2 OK [APPENDUID 9 12] a\n* OK [HIGHESTMODSEQ 715194045007] b\nA3 NO [NONEXISTENT] c\n* OK [X-FOO a b] d\n"
        + "A4 OK [MODIFIED 7,9] e\n* OK [UNSEEN] f\n",
      log: """
        status OK [UIDVALIDITY 7] "x"
        status OK [PERMANENTFLAGS (\\Seen [odd] \\*)] "y"
        tagged A1 OK [COPYUID 9 1:3,5 11:14] "z"
        tagged A2 OK [APPENDUID 9 12] "a"
        status OK [HIGHESTMODSEQ 715194045007] "b"
        tagged A3 NO [NONEXISTENT] "c"
        status OK [X-FOO a b] "d"
        tagged A4 OK [MODIFIED 7,9] "e"
        status OK [UNSEEN] "f"
        """),
    Fixture(
      name: "mailbox data",
      input:
        "* CAPABILITY IMAP4rev1 LITERAL+ \n* FLAGS (\\Answered \\Seen $Junk)\n* 23 EXISTS\n* 0 RECENT\n* 7 EXPUNGE\n"
        + "* SEARCH 2 84 882\n* SEARCH \n* SEARCH 2 5 (MODSEQ 917162500)\n* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292 )\n"
        + "* ENABLED CONDSTORE QRESYNC\n* ID (\"name\" \"Cyrus\" \"os\" NIL)\n* ID NIL\n",
      log: """
        capability IMAP4REV1 LITERAL+
        flags \\Answered \\Seen $Junk
        exists 23
        recent 0
        expunge 7
        search 2 84 882
        search \n\
        search 2 5 modseq=917162500
        mailbox-status a b MESSAGES=231 UIDNEXT=44292
        enabled CONDSTORE QRESYNC
        id name=Cyrus os=NIL
        id NIL
        """),
    Fixture(
      name: "list in all its string forms",
      input:
        "* LIST (\\HasNoChildren) \"/\" INBOX\n* list () \"\\\\\" \"a\\\"b\\\\c\"\n* LIST (\\Noselect) NIL {7}\nfoo bar\n"
        + "* LSUB () \".\" Entw&APw-rfe\n* LIST () \"/\" [Gmail]/Trash\n* LIST () \"/\" INBOX/with\ttab and space\n",
      log: """
        list (\\HasNoChildren) / INBOX
        list () \\ a"b\\c
        list (\\Noselect) NIL foo bar
        lsub () . Entwürfe
        list () / [Gmail]/Trash
        list () / INBOX/with\ttab and space
        """),
    Fixture(
      name: "namespace",
      input: "* NAMESPACE ((\"\" \"/\")) NIL ((\"Shared/\" \"/\" \"X-P\" (\"F\" \"G\"))(\"#news.\" \".\"))\n",
      log: "namespace (|/) () (Shared/|/|\"X-P\"=\"F\",\"G\" #news.|.)"),
    Fixture(
      name: "fetch scalars",
      input:
        "* 12 FETCH (FLAGS (\\Seen $x) UID 4827313 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 MODSEQ (12121231000))\n"
        + "* 13 fetch (flags ())\n* 14 FETCH ()\n",
      log: """
        fetch 12
          flags \\Seen $x
          uid 4827313
          internaldate 1996-07-17T02:44:25-07:00
          size 4286
          modseq 12121231000
        fetch end
        fetch 13
          flags \n\
        fetch end
        fetch 14
        fetch end
        """),
    Fixture(
      name: "fetch envelope",
      input:
        "* 1 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"a \\\"quoted\\\" subject\" ((\"Terry\" NIL \"gray\" \"cac\")) "
        + "NIL NIL ((NIL NIL \"imap\" \"cac\")(NIL NIL \"two\" \"x\")) NIL NIL NIL \"<B27397@cac>\"))\n",
      log: """
        fetch 1
          envelope "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "a 'quoted' subject" ["Terry",NIL,"gray","cac"] [] [] [NIL,NIL,"imap","cac";NIL,NIL,"two","x"] [] [] NIL "<B27397@cac>"
        fetch end
        """),
    Fixture(
      name: "literals inside an envelope are kept with it",
      input:
        "* 1 FETCH (UID 5 ENVELOPE (NIL {6}\n(a) \"b (({3}\nTom NIL {1}\nt \"h\")) NIL NIL NIL NIL NIL NIL {4}\n<i>) ) FLAGS (\\Seen))\n",
      log: """
        fetch 1
          uid 5
          envelope NIL "(a) 'b" ["Tom",NIL,"t","h"] [] [] [] [] [] NIL "<i>)"
          flags \\Seen
        fetch end
        """),
    Fixture(
      name: "fetch bodystructure",
      input:
        "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"8bit\" 12 1 NIL NIL NIL NIL)"
        + "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 3 1) 7 NIL (\"attachment\" (\"filename\" \"x\")) (\"en\" \"de\") \"loc\" 5 (6 \"x\"))"
        + " \"mixed\" (\"boundary\" \"b\") NIL NIL))\n* 2 FETCH (BODY (\"image\" \"png\" NIL \"<id>\" \"d\" \"base64\" 4))\n",
      log: """
        fetch 1
          bodystructure {{"text"/"plain" ("charset"="utf-8") NIL NIL "8bit" 12 lines=1 NIL NIL [] NIL} {"message"/"rfc822" () NIL NIL "7bit" 99 message(NIL "s" [] [] [] [] [] [] NIL NIL {"TEXT"/"HTML" () NIL NIL "7BIT" 3 lines=1 NIL -} lines=7) NIL "attachment"("filename"="x") ["\\"en\\"", "\\"de\\""] "loc"} "mixed" ("boundary"="b") NIL [] NIL}
        fetch end
        fetch 2
          body {"image"/"png" () "<id>" "d" "base64" 4 NIL -}
        fetch end
        """),
    Fixture(
      name: "sections stream",
      input:
        "* 1 FETCH (UID 9 BODY[] {10}\na\nb)\n{3} FLAGS (\\Seen) BODY[1.HEADER.FIELDS (DATE \"From\")]<5> {0}\n"
        + " BODY[2.MIME] NIL RFC822.TEXT \"q\\\"\")\n* 2 EXISTS\n",
      log: """
        fetch 1
          uid 9
          literal BODY[] 10
          = "a\\r\\nb)\\r\\n{3}"
          flags \\Seen
          literal BODY[1.HEADER.FIELDS (DATE From)]<5> 0
          = ""
          section BODY[2.MIME] NIL
          section RFC822.TEXT "q'"
        fetch end
        exists 2
        """),
    Fixture(
      name: "blank lines and NULs between responses",
      input: "\n\u{0}\u{0}* OK hi\n\n* 1 EXISTS\n",
      log: """
        status OK "hi"
        exists 1
        """),
    Fixture(
      name: "runs of spaces",
      input: "*  5   EXISTS \n* 5  FETCH  (  UID   7   FLAGS  ( \\Seen   \\Draft ) )\nA1   OK   done\n",
      log: """
        exists 5
        fetch 5
          uid 7
          flags \\Seen \\Draft
        fetch end
        tagged A1 OK "  done"
        """),
    Fixture(
      name: "what is not known is an event",
      input:
        "* CONVERSION (TAG \"1\") 5\n* X-DATA {3}\na(b more\n* XFOO (EARLIER) 1:5\n* 5 XFOO bar\n* 3 FETCH (X-NEW (a (b \"c)\")) X-LIT {2}\n)) UID 3)\n* (odd)\n",
      log: """
        unknown "* CONVERSION (TAG '1') 5\\r\\n"
        unknown "* X-DATA {3}\\r\\na(b more\\r\\n"
        unknown "* XFOO (EARLIER) 1:5\\r\\n"
        unknown "* 5 XFOO bar\\r\\n"
        fetch 3
          unknown "X-NEW" "(a (b 'c)'))"
          unknown "X-LIT" "{2}\\r\\n))"
          uid 3
        fetch end
        unknown "* (odd)\\r\\n"
        """),
    Fixture(
      name: "damage stays where it is",
      input:
        "Server Unavailable. 15\n* 4294967296 EXISTS\n* 1 FETCH (UID x FLAGS (\\Seen) MODSEQ (-1) ENVELOPE 1 RFC822.SIZE 5)\n* 2 FETCH (UID 1 )) junk\n* 3 FETCH (FLAGS \"open)\n* LIST broken\n* 1 EXISTS\n",
      log: """
        malformed "Server Unavailable. 15\\r\\n" unexpected byte 0x55 at byte 7
        exists 4294967295
        fetch 1
          invalid "UID" "x" unexpected byte 0x78 at byte 60
          flags \\Seen
          invalid "MODSEQ" "(-1)" unexpected byte 0x2d at byte 84
          invalid "ENVELOPE" "1" unexpected byte 0x31 at byte 97
          size 5
        fetch end
        fetch 2
          uid 1
        malformed " )) junk\\r\\n" unexpected byte 0x6a at byte 135
        fetch end
        fetch 3
        malformed "FLAGS 'open)\\r\\n" unterminated string at byte 159
        fetch end
        malformed "* LIST broken\\r\\n" unexpected end of line at byte 179
        exists 1
        """),
    Fixture(
      name: "a body behind damage is never read as responses",
      input:
        "* 1 FETCH (UID 9 BODY[HEADER {14}\n* 77 EXPUNGE\n UID 5 X {3}\na\n)\n* 1 EXISTS\n",
      log: """
        fetch 1
          uid 9
        malformed " BODY[HEADER {14}\\r\\n* 77 EXPUNGE\\r\\n UID 5 X {3}\\r\\na\\r\\n)\\r\\n" unexpected end of line at byte 33
        fetch end
        exists 1
        """),
    Fixture(
      name: "quotes inside quotes",
      input: "* 1 FETCH (ENVELOPE (NIL \"=?UTF-8?Q?\"x=C3\"?=\" NIL NIL NIL NIL NIL NIL NIL \"<a\"b@c>\"))\n",
      log: """
        fetch 1
          envelope NIL "=?UTF-8?Q?'x=C3'?=" [] [] [] [] [] [] NIL "<a'b@c>"
        fetch end
        """),
  ]

  @Test(arguments: fixtures) func fixtureAtEverySplit(_ fixture: Fixture) {
    let bytes = wire(fixture.input)
    for feed in feeds(bytes.count) {
      let result = responseLog(bytes, feed)
      #expect(result.text == fixture.log, "\(feed)")
      #expect(result.unread == 0, "\(feed)")
    }
  }

  /// What a search answers, with what nobody knows.
  @Test func correlatorsOfESEARCH() throws {
    for (text, correlator) in [
      ("(TAG \"A1\" X-WHO (a b)) UID ALL 1:3", "(TAG \"A1\" X-WHO (a b))"), (" ( TAG A1 ) COUNT 1", "( TAG A1 )"),
      ("UID ALL 1", nil),
    ] as [(String, String?)] {
      var parser = ResponseParser()
      var input = ReceiveBuffer()
      input.append(wire("* ESEARCH \(text)\n").span)
      guard case .untagged(.extendedSearch(let view)) = try parser.next(&input) else {
        Issue.record("no ESEARCH: \(text)")
        continue
      }
      switch view.correlator {
      case .some(let raw): #expect(raw.string() == correlator)
      case .none: #expect(correlator == nil)
      }
    }
  }

  /// A list that is that of From again, or nearly so, is what it is without From.
  @Test func listsThatComeAgain() throws {
    func lists(_ from: [UInt8], _ other: [UInt8]) throws -> (sender: [Address], replyTo: [Address])? {
      let bytes =
        wire("* 1 FETCH (ENVELOPE (NIL NIL ") + from + wire(" ") + other + wire(" ") + other
        + wire(" NIL NIL NIL NIL NIL))\n")
      var parser = ResponseParser()
      var input = ReceiveBuffer()
      input.append(bytes.span)
      guard case .fetchBegin = try parser.next(&input),
        case .fetchAttribute(.envelope(let view)) = try parser.next(&input)
      else { return nil }
      let envelope = view.copy()
      return (envelope.sender, envelope.replyTo)
    }
    let froms = [
      "((NIL NIL \"a\" \"b\"))", "((\"\" NIL \"mailbox\" \"example.org\"))",
      "((\"Name of one\" NIL \"mailbox\" \"host.example\"))",
      "((\"x\" NIL \"y\" \"z\")(NIL NIL \"with \\\" in it\" \"z\")(\"\" NIL NIL NIL))",
      "(({9}\nA literal NIL \"mailbox\" \"host\"))", "NIL", "()",
    ].map { wire($0) }
    var compared = 0
    for from in froms {
      for index in from.indices {
        for byte: UInt8 in [0x20, 0x22, 0x28, 0x29, 0x5c, 0x4e, 0x61, from[index]] {
          var other = from
          other[index] = byte
          guard let alone = try? lists(wire("NIL"), other) else { continue }
          let beside = try #require(try lists(from, other))
          #expect(beside == alone, "\(String(decoding: other, as: UTF8.self))")
          compared += alone.sender.count
        }
        var longer = from
        longer.insert(0x61, at: index)
        if let alone = try? lists(wire("NIL"), longer) {
          #expect(try lists(from, longer)?.sender == alone.sender, "\(String(decoding: longer, as: UTF8.self))")
        }
      }
      let same = try #require(try lists(from, from))
      #expect(same.sender == same.replyTo)
    }
    #expect(compared > 500)
  }
}
