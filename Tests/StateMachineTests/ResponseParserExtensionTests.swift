import IMAPStateMachine
import Testing

/// Responses of extensions, fed whole and at every split.
@Suite struct ResponseParserExtensionTests {
  typealias Fixture = ResponseParserTests.Fixture

  static let fixtures: [Fixture] = [
    Fixture(
      name: "extended search",
      input:
        "* ESEARCH (TAG \"A282\") MIN 2 COUNT 3\n* ESEARCH (TAG \"A283\") ALL 2,10:11\n* esearch (tag A1) uid all 4:18,21 modseq 12\n"
        + "* ESEARCH\n* ESEARCH (TAG \"h\") MODSEQ 1236\n* ESEARCH UID COUNT 17 ALL *:4\n"
        + "* ESEARCH (TAG \"b\" MAILBOX \"folder 1\" UIDVALIDITY 7) UID ALL 4001\n"
        + "* ESEARCH (TAG \"A01\") UID PARTIAL (-1:-100 200:250,252) PARTIAL (1:500 NIL)\n"
        + "* ESEARCH (TAG \"B01\") UID ADDTO (0 32768:32769 3 5) REMOVEFROM (1 2733)\n"
        + "* ESEARCH (TAG \"C\") ALL 1,5,10 RELEVANCY (4 99 42) X-NEW (a (b)) MIN x\n",
      log: """
        esearch tag=A282 min=2 count=3
        esearch tag=A283 all=2,10:11
        esearch tag=A1 uid all=4:18,21 modseq=12
        esearch tag=NIL
        esearch tag=h modseq=1236
        esearch tag=NIL uid count=17 all=*:4
        esearch tag=b mailbox=folder 1 uidvalidity=7 uid all=4001
        esearch tag=A01 uid partial=-1:-100/200:250,252 partial=1:500/NIL
        esearch tag=B01 uid addto=0@32768:32769;3@5 removefrom=1@2733
        esearch tag=C all=1,5,10 relevancy=[4, 99, 42] X-NEW?"(a (b))" invalid("MIN" "x" unexpected byte 0x78 at byte 0)
        """),
    Fixture(
      name: "JMAP, batches of UIDs, annotations of mailboxes",
      input:
        "* JMAPACCESS \"https://example.com/.s/[jmap]\"\n* jmapaccess https://x/y\n* JMAPACCESS\n* JMAPACCESS a b\n"
        + "* UIDBATCHES (TAG \"A143\") 215295:99695,99696:20000,7\n* UIDBATCHES (TAG \"A1\")\n* uidbatches 5:1 \n* UIDBATCHES (X 1)\n"
        + "* ANNOTATION \"INBOX\" \"/comment\" (\"value.shared\" \"x\" \"value.priv\" NIL)\n* ANNOTATION \"\" /motd ()\n* ANNOTATION INBOX /a (b)\n",
      log: """
        jmapaccess "https://example.com/.s/[jmap]"
        jmapaccess "https://x/y"
        malformed "* JMAPACCESS\\r\\n" unexpected end of line at byte 84
        malformed "* JMAPACCESS a b\\r\\n" unexpected byte 0x62 at byte 101
        uidbatches tag=A143 215295:99695,99696:20000,7
        uidbatches tag=A1 \n\
        uidbatches tag=NIL 5:1
        malformed "* UIDBATCHES (X 1)\\r\\n" invalid value at byte 216
        annotation INBOX "/comment" "value.shared"="x" "value.priv"=NIL
        annotation  "/motd"
        malformed "* ANNOTATION INBOX /a (b)\\r\\n" unexpected byte 0x62 at byte 342
        """),
    Fixture(
      name: "vanished",
      input:
        "* VANISHED (EARLIER) 41,43:116\n* VANISHED 405,407\n* vanished ( earlier )  1\n* VANISHED x\n* 3 EXISTS\n",
      log: """
        vanished 41,43:116 earlier
        vanished 405,407
        vanished 1 earlier
        malformed "* VANISHED x\\r\\n" unexpected byte 0x78 at byte 90
        exists 3
        """),
    Fixture(
      name: "sort",
      input: "* SORT 5 3 4 1 2\n* SORT\n* SORT 2 84 882 (MODSEQ 917162500)\n",
      log: "sort 5 3 4 1 2\nsort \nsort 2 84 882 modseq=917162500"),
    Fixture(
      name: "thread",
      input:
        "* THREAD (2)(3 6 (4 23)(44 7 96))\n* THREAD ((3)(5))\n* THREAD\n* THREAD ( 1 ( 2 ) ) (3)\n* THREAD (1 (2)\n* THREAD 1)\n* THREAD (x)\n",
      log: """
        thread (2)(3 6 (4 23) (44 7 96))
        thread ((3) (5))
        thread \n\
        thread (1 (2))(3)
        malformed "* THREAD (1 (2)\\r\\n" unexpected end of line at byte 105
        malformed "* THREAD 1)\\r\\n" unexpected end of line at byte 118
        malformed "* THREAD (x)\\r\\n" unexpected byte 0x78 at byte 130
        """),
    Fixture(
      name: "xlist and extended list data",
      input:
        "* XLIST (\\HasNoChildren \\Inbox) \"/\" \"Posteingang\"\n* LIST () \"/\" \"Foo\" (\"CHILDINFO\" (\"SUBSCRIBED\" \"RECURSIVEMATCH\"))\n"
        + "* LIST (\\NonExistent) \"/\" new (\"OLDNAME\" (\"old\") x 5)\n* LIST () \"/\" foo (CHILDINFO (\"SUBSCRIBED\"))\n"
        + "* LIST () \"/\" drafts (copy)\n* LIST () / a (b 2) c\n",
      log: """
        list (\\HasNoChildren \\Inbox) / Posteingang xlist
        list () / Foo childinfo=SUBSCRIBED,RECURSIVEMATCH
        list (\\NonExistent) / new oldname=old x="5"
        list () / foo childinfo=SUBSCRIBED
        list () / drafts (copy)
        list () / a (b 2) c
        """),
    Fixture(
      name: "access control",
      input:
        "* ACL INBOX Fred rwipsldexta \"-bad guy\" \"\" {3}\nbob lr\n* ACL x\n* LISTRIGHTS ~/Mail/saved smith la r swicdkxte\n"
        + "* LISTRIGHTS archive anyone \"\" l r s\n* MYRIGHTS INBOX rwiptsldaex\n* MYRIGHTS\n",
      log: """
        acl INBOX "Fred"=rwipsldexta "-bad guy"= "bob"=lr
        acl x
        listrights ~/Mail/saved "smith" la [r] [swicdkxte]
        listrights archive "anyone"  [l] [r] [s]
        myrights INBOX rwiptsldaex
        malformed "* MYRIGHTS\\r\\n" unexpected end of line at byte 191
        """),
    Fixture(
      name: "quota",
      input:
        "* QUOTA \"\" (STORAGE 10 512)\n* QUOTA \"!partition/sda4\" (STORAGE 104 10923847 MESSAGE 1 5000000000)\n* QUOTA x ()\n"
        + "* QUOTAROOT INBOX\n* QUOTAROOT INBOX \"\"\n* QUOTAROOT comp.mail.mime a \"b c\" {1}\nd\n",
      log: """
        quota "" STORAGE=10/512
        quota "!partition/sda4" STORAGE=104/10923847 MESSAGE=1/5000000000
        quota "x"
        quotaroot INBOX
        quotaroot INBOX ""
        quotaroot comp.mail.mime "a" "b c" "d"
        """),
    Fixture(
      name: "metadata",
      input:
        "* METADATA \"INBOX\" (/private/comment \"My own comment\" /shared/x NIL /shared/y {3}\na)b /shared/z ~{3}\n\u{0}(\")\n"
        + "* METADATA \"\" /shared/comment\n* METADATA \"INBOX\" /shared/comment /private/comment\n",
      log: """
        metadata INBOX "/private/comment"="My own comment" "/shared/x"=NIL "/shared/y"="a)b" "/shared/z"="\\x00('"
        metadata  changed "/shared/comment"
        metadata INBOX changed "/shared/comment" "/private/comment"
        """),
    Fixture(
      name: "namespace extensions",
      input:
        "* NAMESPACE ((\"\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\")(\"b\")) ) NIL ((\"Other/\" \"/\" \"TRANSLATION\" (\"Andere/\")))\n* NAMESPACE ((\"INBOX.\" \".\"))\n",
      log: """
        namespace (|/|"X-PARAM"="FLAG1","FLAG2") () (Other/|/|"TRANSLATION"="Andere/") invalid("PERSONAL" "('b')" unexpected byte 0x28 at byte 0)
        namespace (INBOX.|.) () ()
        """),
    Fixture(
      name: "language and comparator",
      input:
        "* LANGUAGE (EN DE IT i-default)\n* LANGUAGE (\"DE\")\n* COMPARATOR i;unicode-casemap\n* COMPARATOR \"i;basic;x\" (\"i;octet\" i;ascii-casemap)\n",
      log: """
        language EN DE IT i-default
        language DE
        comparator i;unicode-casemap []
        comparator i;basic;x [i;octet i;ascii-casemap]
        """),
    Fixture(
      name: "authorised URLs",
      input:
        "* GENURLAUTH \"imap://joe@example.com/INBOX/;uid=20;urlauth=anonymous:internal:9148\" imap://x/\n"
        + "* URLFETCH \"imap://a\" {5}\na)b\n \"imap://b\" NIL\n"
        + "* URLFETCH \"imap://c\" (BODYPARTSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 28 0)) (BINARY ~{3}\na\u{0}c) \"imap://d\" (BODY NIL) (X 5)\n",
      log: """
        genurlauth "imap://joe@example.com/INBOX/;uid=20;urlauth=anonymous:internal:9148" "imap://x/"
        urlfetch "imap://a"="a)b\\r\\n" "imap://b"=NIL
        urlfetch "imap://c"=[structure {"TEXT"/"PLAIN" () NIL NIL "7BIT" 28 lines=0 NIL -}; binary "a\\x00c"] "imap://d"=[body NIL; X?"5"]
        """),
    Fixture(
      name: "status with any item",
      input:
        "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 HIGHESTMODSEQ 7011231777 SIZE 44421243892 DELETED 3 DELETED-STORAGE 8 APPENDLIMIT 257890)\n"
        + "* STATUS {3}\na)b (APPENDLIMIT NIL MAILBOXID (F2212ea87-6097) X-NEW (1 (2)) X-GUID abc UNSEEN 4)\n",
      log: """
        mailbox-status blurdybloop MESSAGES=231 UIDNEXT=44292 DELETED=3 SIZE=44421243892 HIGHESTMODSEQ=7011231777 DELETED-STORAGE=8 APPENDLIMIT=257890
        mailbox-status a)b UNSEEN=4 APPENDLIMIT=NIL MAILBOXID=F2212ea87-6097 X-NEW="(1 (2))" X-GUID="abc"
        """),
    Fixture(
      name: "uidfetch",
      input:
        "* 25900 UIDFETCH (FLAGS (\\Seen) MODSEQ (65402))\n* 7 uidfetch (BODY[] {3}\na)b UID 7)\n* 4 UIDFETCH x\n",
      log: """
        uidfetch 25900
          flags \\Seen
          modseq 65402
        fetch end
        uidfetch 7
          literal BODY[] 3
          = "a)b"
          uid 7
        fetch end
        malformed "* 4 UIDFETCH x\\r\\n" unexpected byte 0x20 at byte 99
        """),
  ]

  static let fetchFixtures: [Fixture] = [
    Fixture(
      name: "binary",
      input:
        "* 1 FETCH (BINARY[1.2] ~{6}\na\u{0})\nb BINARY[3]<5> {2}\n)) BINARY[] NIL BINARY[4] \"q\" BINARY.SIZE[1.2] 6 BINARY.SIZE[] 9 BINARY[x] {1}\ny BINARY 5)\n",
      log: """
        fetch 1
          literal BINARY[1.2] 6
          = "a\\x00)\\r\\nb"
          literal BINARY[3]<5> 2
          = "))"
          section BINARY[] NIL
          section BINARY[4] "q"
          binary.size[1.2] 6
          binary.size[] 9
          literal other "BINARY[x]" 1
          = "y"
          unknown "BINARY" "5"
        fetch end
        """),
    Fixture(
      name: "preview, save date, object identifiers",
      input:
        "* 1 FETCH (PREVIEW \"Lunch?\" SAVEDATE \"28-Nov-2014 14:10:59 +1300\" EMAILID (M6d99ac3275bb4e) THREADID (T64b478a75b7ea9))\n"
        + "* 2 FETCH (PREVIEW NIL SAVEDATE NIL THREADID NIL EMAILID NIL)\n* 3 FETCH (PREVIEW {4}\na(\n SAVEDATE x EMAILID () THREADID T1 UID 5)\n",
      log: """
        fetch 1
          preview "Lunch?"
          savedate 2014-11-28T14:10:59+13:00
          emailid M6d99ac3275bb4e
          threadid T64b478a75b7ea9
        fetch end
        fetch 2
          preview NIL
          savedate NIL
          threadid NIL
          emailid NIL
        fetch end
        fetch 3
          preview "a(\\r\\n"
          invalid "SAVEDATE" "x" unexpected byte 0x78 at byte 222
          invalid "EMAILID" "()" unexpected byte 0x29 at byte 233
          threadid T1
          uid 5
        fetch end
        """),
    Fixture(
      name: "gmail",
      input:
        "* 1 FETCH (X-GM-THRID 1278455344230334865 X-GM-MSGID 1278455344230334866 X-GM-LABELS (\\Inbox \"\\\\Sent\" Important \"Muy Importante\" {3}\na)b Entw&APw-rfe ~x <y 'z +n \"\"))\n"
        + "* 2 FETCH (X-GM-LABELS () X-GM-MSGID 1x)\n",
      log: """
        fetch 1
          x-gm-thrid 1278455344230334865
          x-gm-msgid 1278455344230334866
          x-gm-labels [\\Inbox|\\Sent|Important|Muy Importante|a)b|Entwürfe|~x|<y|'z|+n|]
        fetch end
        fetch 2
          x-gm-labels []
          invalid "X-GM-MSGID" "1x" unexpected byte 0x78 at byte 207
        fetch end
        """),
    Fixture(
      name: "annotations",
      input:
        "* 1 FETCH (ANNOTATION (/comment (value.priv \"My comment\" value.shared NIL) \"/alt subject\" (value.priv {2}\n)( size.priv \"10\")))\n* 2 FETCH (ANNOTATION (/a /b) UID 3)\n",
      log: """
        fetch 1
          annotation "/comment" "value.priv"="My comment" "value.shared"=NIL; "/alt subject" "value.priv"=")(" "size.priv"="10"
        fetch end
        fetch 2
          annotation "/a"; "/b"
          uid 3
        fetch end
        """),
  ]

  @Test(arguments: fixtures + fetchFixtures) func fixtureAtEverySplit(_ fixture: Fixture) {
    let bytes = wire(fixture.input)
    for feed in feeds(bytes.count) {
      let result = responseLog(bytes, feed)
      #expect(result.text == fixture.log, "\(feed)")
      #expect(result.unread == 0, "\(feed)")
    }
  }

  @Test func threadsDeeperThanTheLimitAreFatal() {
    var limits = ParserLimits()
    limits.nesting = 3
    func line(_ depth: Int) -> String {
      "* THREAD " + String(repeating: "(1 ", count: depth) + String(repeating: ")", count: depth) + "\n"
    }
    let log = responseLog(wire(line(3) + line(4) + "* 1 EXISTS\n"), limits: limits).text
    #expect(
      log == """
        thread (1 (1 (1)))
        error limit of 3 for nesting passed at byte 41
        """)
  }

  /// A chain of replies is no deeper than its branches are: such a line costs no stack.
  @Test func longConversationsAreFlat() throws {
    let numbers = (1...50_000).map { String($0) }.joined(separator: " ")
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(wire("* THREAD (\(numbers))\n").span)
    guard case .thread(let threads) = try parser.nextOwned(&input) else {
      Issue.record("no thread")
      return
    }
    #expect(threads.count == 1)
    #expect(threads.first?.messages.count == 50_000)
    #expect(try ResponseEncoder().encode(.thread(threads)).count == wire("* THREAD (\(numbers))\n").count)
  }

  @Test func deepThreadsAreWrittenWithoutRecursion() {
    var thread = MessageThread([1])
    for number in UInt32(2)...1000 { thread = MessageThread([number], branches: [thread]) }
    // An encoder walks a value of any depth without recursion.
    let bytes = try? ResponseEncoder().encode(.thread([thread]))
    #expect(bytes?.filter { $0 == UInt8(ascii: "(") }.count == 1000)
    #expect(bytes?.filter { $0 == UInt8(ascii: ")") }.count == 1000)
  }
}
