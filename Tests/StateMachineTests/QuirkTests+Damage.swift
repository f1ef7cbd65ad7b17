import IMAPStateMachine
import Testing

/// Damage inside responses other than FETCH: what cannot be interpreted is told with its bytes, and the rest stands. And
/// lines of servers whose quirk is what they mean, not how they are written.
extension QuirkTests {
  static let damage: [Fixture] = [
    Fixture(
      name: "STATUS items without values, of other types, and no items at all",
      input:
        "* STATUS a (MESSAGES abc UIDNEXT 5 X (1 2) MAILBOXID () APPENDLIMIT x)\n* STATUS a (UNSEEN 1 UIDNEXT)\n"
        + "* STATUS a (MESSAGES 1 \"x\" UNSEEN 2)\n* STATUS a (MESSAGES 1\n* STATUS a (MESSAGES 5x)\n* STATUS a\n",
      log: """
        mailbox-status a UIDNEXT=5 X="(1 2)" invalid("MESSAGES" "abc" unexpected byte 0x61 at byte 0) invalid("MAILBOXID" "()" unexpected byte 0x29 at byte 1) invalid("APPENDLIMIT" "x" unexpected byte 0x78 at byte 0)
        mailbox-status a UNSEEN=1 invalid("UIDNEXT" "" unexpected end of line at byte 0)
        mailbox-status a MESSAGES=1 invalid("" "'x' UNSEEN 2)" invalid value at byte 0)
        mailbox-status a MESSAGES=1
        mailbox-status a invalid("MESSAGES" "5x" unexpected byte 0x78 at byte 1)
        malformed "* STATUS a\\r\\n" unexpected end of line at byte 201
        """),
    Fixture(
      name: "STATUS of an unquoted name with spaces",
      input: "* STATUS My Folder (MESSAGES 1)\n* STATUS a (b) (UNSEEN 2)\n",
      log: """
        mailbox-status My Folder MESSAGES=1
        mailbox-status a invalid("b" "" unexpected end of line at byte 0) invalid("" "(UNSEEN 2)" invalid value at byte 0)
        """),
    Fixture(
      name: "ESEARCH items",
      input:
        "* ESEARCH (TAG \"a\") UID MIN x MAX 5 COUNT\n* ESEARCH ALL 1:2,,3 COUNT 5 PARTIAL (1:5 2 3)\n"
        + "* ESEARCH ADDTO (0 1:2 x) RELEVANCY (4 x) MODSEQ (5 \"q\n",
      log: """
        esearch tag=a uid invalid("MIN" "x" unexpected byte 0x78 at byte 0) max=5 invalid("COUNT" "" unexpected end of line at byte 0)
        esearch tag=NIL invalid("ALL" "1:2,,3" unexpected byte 0x2c at byte 4) count=5 invalid("PARTIAL" "(1:5 2 3)" unexpected byte 0x33 at byte 7)
        esearch tag=NIL invalid("ADDTO" "(0 1:2 x)" unexpected byte 0x78 at byte 7) invalid("RELEVANCY" "(4 x)" invalid value at byte 0) invalid("MODSEQ" "" unexpected end of line at byte 0) invalid("" "(5 'q" unexpected byte 0x28 at byte 0)
        """),
    Fixture(
      name: "SEARCH and SORT with lists and strings that do not end",
      input: "* SEARCH 1 (MODSEQ 5 2 3\n* SEARCH 1 \"a 2 3\n* SEARCH (1 (1\n* SORT 3 \"x\n* SEARCH 5 ) 6\n"
        + "* SEARCH 4294967296 7\n",
      log: """
        search 1 invalid("" "(MODSEQ 5 2 3" unexpected byte 0x28 at byte 0)
        search 1 invalid("" "'a 2 3" unexpected byte 0x22 at byte 0)
        search  invalid("" "(1 (1" unexpected byte 0x28 at byte 0)
        sort 3 invalid("" "'x" unexpected byte 0x22 at byte 0)
        search 5 invalid("" ") 6" unexpected byte 0x29 at byte 0)
        search 7 invalid("" "4294967296" number too large at byte 0)
        """),
    Fixture(
      name: "items that come twice",
      input: "* STATUS a (MESSAGES 1 MESSAGES 2 MAILBOXID (x) MAILBOXID (y))\n"
        + "* LIST () \"/\" a (OLDNAME (\"b\") OLDNAME (\"c\"))\n* LIST () \"/\" a (OLDNAME (b c))\n"
        + "* LIST () \"/\" a ()\n",
      log: """
        mailbox-status a MESSAGES=1 MAILBOXID=x MESSAGES="2" MAILBOXID="(y)"
        list () / a oldname=b invalid("OLDNAME" "c" invalid value at byte 0)
        list () / a invalid("OLDNAME" "(b c)" invalid value at byte 0)
        list () / a
        """),
    Fixture(
      name: "codes whose strings have brackets",
      input: "* NO [NOUPDATE \"B]02\"] too many\n* OK [INPROGRESS (\"A]1\" 1 2)] x\n* NO [XFOO \"a] b\n"
        + "* OK [REFERRAL imap://a/ imap://b/] x\n* OK [UIDVALIDITY 99999999999999999999] x\n* OK [APPENDUID 1e1 5] x\n",
      log: """
        status NO [NOUPDATE "B]02"] "too many"
        status OK [INPROGRESS ("A]1" 1 2)] "x"
        status NO [XFOO "a] "b"
        status OK [REFERRAL imap://a/ imap://b/] "x"
        status OK [UIDVALIDITY 99999999999999999999] "x"
        status OK [APPENDUID 1e1 5] "x"
        """),
    Fixture(
      name: "SEARCH and SORT with more than numbers",
      input: "* SEARCH 1 2x 99999999999 (MODSEQ 5) 3 (x \"y\")\n* SORT 1 (MODSEQ x)\n",
      log: """
        search 1 3 modseq=5 invalid("" "2x" unexpected byte 0x32 at byte 0) invalid("" "99999999999" number too large at byte 0) invalid("" "(x 'y')" unexpected byte 0x28 at byte 0)
        sort 1 invalid("" "(MODSEQ x)" unexpected byte 0x28 at byte 0)
        """),
    Fixture(
      name: "delimiters of several characters, and words behind the name",
      input: "* LIST () \"//\" a\n* LIST () \"/\" \"a\" b\n* LIST () \"/\" \"a\" (OLDNAME () X)\n",
      log: """
        list () NIL a invalid("DELIMITER" "//" invalid value at byte 0)
        list () / a invalid("" "b" unexpected byte 0x62 at byte 0)
        list () / a invalid("OLDNAME" "()" invalid value at byte 0) invalid("" "X)" unexpected byte 0x58 at byte 0)
        """),
    Fixture(
      name: "lines of which a part would be lost",
      input:
        "* QUOTA \"\" (STORAGE 1)\n* ACL a fred\n* MYRIGHTS My Box lrs\n* METADATA a (/b)\n* NAMESPACE x\n* VANISHED 1:3 x\n"
        + "* URLFETCH \"a\"\n* ID (\"a\" (x))\n* LISTRIGHTS a b c d (e)\n* COMPARATOR a (b\"\n* QUOTAROOT a (b (c))\n* 1 EXISTS\n",
      log: """
        malformed "* QUOTA '' (STORAGE 1)\\r\\n" unexpected byte 0x53 at byte 12
        malformed "* ACL a fred\\r\\n" unexpected byte 0x66 at byte 32
        malformed "* MYRIGHTS My Box lrs\\r\\n" unexpected byte 0x6c at byte 56
        malformed "* METADATA a (/b)\\r\\n" unexpected byte 0x2f at byte 75
        malformed "* NAMESPACE x\\r\\n" unexpected byte 0x78 at byte 92
        malformed "* VANISHED 1:3 x\\r\\n" unexpected byte 0x78 at byte 110
        malformed "* URLFETCH 'a'\\r\\n" unexpected byte 0x22 at byte 124
        malformed "* ID ('a' (x))\\r\\n" unexpected byte 0x22 at byte 135
        malformed "* LISTRIGHTS a b c d (e)\\r\\n" unexpected byte 0x28 at byte 166
        malformed "* COMPARATOR a (b'\\r\\n" unexpected byte 0x22 at byte 188
        malformed "* QUOTAROOT a (b (c))\\r\\n" unexpected byte 0x28 at byte 208
        exists 1
        """),
    Fixture(
      name: "bytes behind a structure of URLFETCH",
      input: "* URLFETCH \"a\" (BODYPARTSTRUCTURE (\"A\" \"B\" NIL NIL NIL \"7BIT\" 1) junk)\n",
      log: """
        urlfetch "a"=[invalid("BODYPARTSTRUCTURE" "('A' 'B' NIL NIL NIL '7BIT' 1) junk" unexpected byte 0x6a at byte 31)]
        """),
    Fixture(
      name: "an empty flag in quotes", input: "* FLAGS (\"\" \"\\\\Seen\" a)\n",
      log: """
        flags \\Seen a
        """),
    Fixture(
      name: "parts of URLFETCH", input: "* URLFETCH \"a\" (BODY)(BINARY x)(BODYPARTSTRUCTURE NIL)((x) 1)(X 5)\n",
      log: """
        urlfetch "a"=[invalid("BODY" "" unexpected end of line at byte 0); invalid("BINARY" "x" unexpected byte 0x78 at byte 0); invalid("BODYPARTSTRUCTURE" "NIL" unexpected byte 0x4e at byte 0); invalid("" "((x) 1)" unexpected byte 0x28 at byte 1); X?"5"]
        """),
    // Dovecot.
    Fixture(
      name: "parts of URLFETCH in one pair of parentheses",
      input:
        "* URLFETCH \"a\" (BODYPARTSTRUCTURE (\"A\" \"B\" NIL NIL NIL \"7BIT\" 1) BODY {3}\na)b BINARY NIL)\n* URLFETCH \"b\" (BODY \"x\" X 5)"
        + " \"c\" (BINARY NIL  body x) (X 5 BODY NIL) () (BODY \"BODY\")\n",
      log: """
        urlfetch "a"=[structure {"A"/"B" () NIL NIL "7BIT" 1 NIL -}; body "a)b"; binary NIL]
        urlfetch "b"=[invalid("BODY" "'x' X 5" unexpected byte 0x58 at byte 4)] "c"=[binary NIL; invalid("body" "x" unexpected byte 0x78 at byte 0); X?"5 BODY NIL"; invalid("" "()" unexpected end of line at byte 1); body "BODY"]
        """),
    Fixture(
      name: "dates that end with their line, and before they should",
      input:
        "* 1 FETCH (UID 3 INTERNALDATE \"26-Sep-2020 0\n41:59 +0000\" X 5)\n"
        + "* 2 FETCH (UID 3 INTERNALDATE \"26-Sep-2020 0\" X \"9 +0000\" UID 4)\n",
      log: """
        fetch 1
          uid 3
        malformed " INTERNALDATE '26-Sep-2020 0\\r\\n" unterminated string at byte 31
        fetch end
        malformed "41:59 +0000' X 5)\\r\\n" unexpected byte 0x2b at byte 52
        fetch 2
          uid 3
          invalid "INTERNALDATE" "'26-Sep-2020 0'" invalid value at byte 95
          unknown "X" "'9 +0000'"
          uid 4
        fetch end
        """),
    Fixture(
      name: "items of FETCH that hold more than they may",
      input: "* 1 FETCH (EMAILID (M1 M2) ANNOTATION (/c (v)) ANNOTATION (/c (v \"x\") (y)) UID 5) x\n* 2 EXISTS\n",
      log: """
        fetch 1
          invalid "EMAILID" "(M1 M2)" unexpected byte 0x4d at byte 23
          invalid "ANNOTATION" "(/c (v))" invalid value at byte 38
          invalid "ANNOTATION" "(/c (v 'x') (y))" unexpected byte 0x28 at byte 70
          uid 5
        malformed ") x\\r\\n" unexpected byte 0x78 at byte 82
        fetch end
        exists 2
        """),
  ]

  static let meanings: [Fixture] = [
    Fixture(
      name: "refusals of logins that only text tells",
      input:
        "A1 NO SELECT Unsafe Login. Please contact kefu@188.com for help\nA1 NO [ALERT] Too many simultaneous connections. (Failure)\n"
        + "A1 NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)\n"
        + "A1 NO [ALERT] Application-specific password required: https://a.b/c (Failure)\nA1 NO [OCF12] x\n",
      log: """
        tagged A1 NO "SELECT Unsafe Login. Please contact kefu@188.com for help"
        tagged A1 NO [ALERT] "Too many simultaneous connections. (Failure)"
        tagged A1 NO [UNAVAILABLE] "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)"
        tagged A1 NO [ALERT] "Application-specific password required: https://a.b/c (Failure)"
        tagged A1 NO [OCF12] "x"
        """),
    Fixture(
      name: "ID of one key, and of one without its value",
      input: "* ID (\"name\" \"x\")\n* ID (\"name\")\n* ID (\"a\" \"b\" \"c\" )\n",
      log: "id name=x\nid name=NIL\nid a=b c=NIL"),
    Fixture(
      name: "prompts with a NUL, and signs of life", input: "+ VXNlciBOYW1lAA==\n* OK Still here\n",
      log: "continue \"VXNlciBOYW1lAA==\"\nstatus OK \"Still here\""),
    Fixture(
      name: "XLIST answered with LIST", input: "* LIST (\\HasNoChildren \\Inbox) \"/\" \"Posta in arrivo\"\n",
      log: "list (\\HasNoChildren \\Inbox) / Posta in arrivo"),
    Fixture(
      name: "STATUS of another mailbox, and twice",
      input: "* STATUS b (MESSAGES 1)\n* STATUS a (MESSAGES 1)\n* STATUS a (MESSAGES 2)\n",
      log: "mailbox-status b MESSAGES=1\nmailbox-status a MESSAGES=1\nmailbox-status a MESSAGES=2"),
    Fixture(
      name: "codes that turn a refusal into something else",
      input:
        "A1 NO [ALREADYEXISTS] Duplicate folder\nA2 NO [BADCHARSET (US-ASCII \"UTF-8\")] x\nA3 NO [BADCHARSET] y\nA4 NO [TRYCREATE] z\n",
      log: """
        tagged A1 NO [ALREADYEXISTS] "Duplicate folder"
        tagged A2 NO [BADCHARSET (US-ASCII UTF-8)] "x"
        tagged A3 NO [BADCHARSET] "y"
        tagged A4 NO [TRYCREATE] "z"
        """),
  ]
}
