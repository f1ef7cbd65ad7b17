import IMAPStateMachine
import Testing

/// Where a `{n}` is a literal and where it is a word: framing and grammar must say the same, or the one swallows responses
/// and the other takes a message's bytes for them.
extension QuirkTests {
  static let literals: [Fixture] = [
    Fixture(
      name: "braces at the end of an unquoted name",
      input:
        "* LIST () \"/\" Budget {40}\n* LIST () \"/\" Other\n* LSUB () \"/\" foo{3}\n* LIST () \"/\" a (b {3}\n* LIST () \"/\" a b (c {3}\n"
        + "* LIST () \"/\" \"a\" {3}\n* LIST () \"/\" a (X ({3}\nb c))\nA1 OK LIST completed\n* 3 EXISTS\n",
      log: """
        list () / Budget {40}
        list () / Other
        lsub () / foo{3}
        list () / a (b {3}
        list () / a b (c {3}
        list () / a invalid("" "{3}" unexpected byte 0x7b at byte 0)
        list () / a X="({3}\\r\\nb c)"
        tagged A1 OK "LIST completed"
        exists 3
        """),
    Fixture(
      name: "braces where no string can be",
      input:
        "* STATUS a{3}\n* STATUS a {3}\n* FLAGS (a {3}\n* LIST (a {3}\n* SEARCH 1 {3}\n* 3 EXISTS {3}\n* CAPABILITY A {3}\n"
        + "* ID {3}\n* MYRIGHTS a b {3}\n* X \"a {3}\n* X a{3}\nA1 OK\n",
      log: """
        malformed "* STATUS a{3}\\r\\n" unexpected end of line at byte 13
        malformed "* STATUS a {3}\\r\\n" unexpected byte 0x7b at byte 26
        flags a {3}
        malformed "* LIST (a {3}\\r\\n" unexpected end of line at byte 60
        search 1 invalid("" "{3}" unexpected byte 0x7b at byte 0)
        exists 3
        capability A {3}
        malformed "* ID {3}\\r\\n" unexpected byte 0x7b at byte 119
        malformed "* MYRIGHTS a b {3}\\r\\n" unexpected byte 0x7b at byte 139
        unknown "* X 'a {3}\\r\\n"
        unknown "* X a{3}\\r\\n"
        tagged A1 OK ""
        """),
    Fixture(
      name: "every string as a literal",
      input:
        "* LIST () {1}\n/ {5}\na b c ({7}\nOLDNAME ({1}\nb))\n* STATUS {5}\n(b) c (X {1}\n) UNSEEN 1)\n* QUOTAROOT {5}\nINBOX {1}\na\n"
        + "* METADATA {5}\nINBOX ({2}\n/a {3}\nx y /b ~{1}\n\u{0})\n* METADATA \"\" {2}\n/a {2}\n/b\n* ACL {5}\nINBOX {4}\nfred lrs\n"
        + "* ID (\"name\" {3}\na b {1}\nv NIL)\n* ESEARCH (TAG {2}\nA1) UID COUNT 5\n* MYRIGHTS {5}\nINBOX {2}\nlr\n"
        + "* NAMESPACE (({1}\na \"/\")) NIL NIL\n* QUOTA {1}\na (STORAGE 1 2)\n* LISTRIGHTS {1}\na {1}\nb {1}\nc {1}\nd\n"
        + "* LANGUAGE ({2}\nde en)\n* URLFETCH {1}\na {3}\nb c\n* COMPARATOR {1}\na ({1}\nb)\n* JMAPACCESS {1}\na\n* GENURLAUTH {1}\na {1}\nb\n* 1 EXISTS\n",
      log: """
        list () / a b c oldname=b
        mailbox-status (b) c UNSEEN=1 X="{1}\\r\\n)"
        quotaroot INBOX "a"
        metadata INBOX "/a"="x y" "/b"="\\x00"
        metadata  changed "/a" "/b"
        acl INBOX "fred"=lrs
        id name=a b v=NIL
        esearch tag=A1 uid count=5
        myrights INBOX lr
        namespace (a|/) () ()
        quota "a" STORAGE=1/2
        listrights a "b" c [d]
        language de en
        urlfetch "a"="b c"
        comparator a [b]
        jmapaccess "a"
        genurlauth "a" "b"
        exists 1
        """),
    Fixture(
      name: "words behind a literal's braces outside FETCH",
      input:
        "* LIST () \"/\" {3} more\nabc\n* STATUS {1 byte}\na (UNSEEN 1)\n* LIST () \"/\" {3} \"x\n* ID (\"name\", {1}\na)\n",
      log: """
        list () / abc
        mailbox-status a UNSEEN=1
        list () / {3} "x
        id name=a
        """),
    Fixture(
      name: "quotes that a sender chose, with braces behind them",
      input:
        "* 1 FETCH (UID 7 ENVELOPE (\"d\" \"a\" {40} b\" NIL NIL NIL NIL NIL NIL NIL \"<i>\"))\nA1 OK FETCH done\n"
        + "* 2 FETCH (FLAGS (\\Seen {3} b) UID 8)\n* 3 FETCH (X {3} Y (a) UID 9)\n* 4 FETCH (BODY[] {3} \"any\" (words)\nabc UID 1)\n",
      log: """
        fetch 1
          uid 7
          envelope "d" "a" [] [] [] [] [] [] NIL NIL invalid("FROM" "{40}" invalid value at byte 0) invalid("SENDER" "b" invalid value at byte 0) invalid("REPLY-TO" "' NIL NIL NIL NIL NIL NIL NIL '<i>'" invalid value at byte 0)
        fetch end
        tagged A1 OK "FETCH done"
        fetch 2
          flags \\Seen {3} b
          uid 8
        fetch end
        fetch 3
          unknown "X" "{3}"
          unknown "Y" "(a)"
          uid 9
        fetch end
        fetch 4
          literal BODY[] 3
          = "abc"
          uid 1
        fetch end
        """),
    Fixture(
      name: "literals among the flags of a message",
      input: "* 1 FETCH (FLAGS ({3}\na)b \\Seen ~{1}\n) {1}x) UID 7)\n* 2 EXISTS\n",
      log: """
        fetch 1
          flags a)b \\Seen ) {1}x
          uid 7
        fetch end
        exists 2
        """),
    Fixture(
      name: "origins that are none",
      input:
        "* 1 FETCH (BODY[TEXT]<4294967296> {3}\nabc UID 7)\n* 2 FETCH (BODY[]<x> NIL UID 8)\n* 3 FETCH (BODY[]<5 \"a\" UID 9)\n"
        + "* 4 FETCH (BODY[1]<5{1}\na BINARY.SIZE[1]<z> 4 UID 1)\n",
      log: """
        fetch 1
          literal other "BODY[TEXT]<4294967296>" 3
          = "abc"
          uid 7
        fetch end
        fetch 2
          invalid "BODY[]<x>" "NIL" invalid value at byte 68
          uid 8
        fetch end
        fetch 3
          invalid "BODY[]<5" "'a'" invalid value at byte 101
          uid 9
        fetch end
        fetch 4
          literal other "BODY[1]<5" 1
          = "a"
          invalid "BINARY.SIZE[1]<z>" "4" invalid value at byte 157
          uid 1
        fetch end
        """),
    Fixture(
      name: "items without values",
      input:
        "* 1 FETCH (UID)\n* 2 FETCH (FLAGS () UID)\n* 3 FETCH (FLAGS)\n* 4 FETCH (UID 4 BODY[])\n* 5 FETCH (ENVELOPE)\n* 6 FETCH (X )\nA1 OK\n",
      log: """
        fetch 1
          invalid "UID" "" unexpected end of line at byte 14
        fetch end
        fetch 2
          flags 
          invalid "UID" "" unexpected end of line at byte 40
        fetch end
        fetch 3
          invalid "FLAGS" "" unexpected end of line at byte 59
        fetch end
        fetch 4
          uid 4
          invalid "BODY[]" "" unexpected end of line at byte 85
        fetch end
        fetch 5
          invalid "ENVELOPE" "" unexpected end of line at byte 107
        fetch end
        fetch 6
          invalid "X" "" unexpected end of line at byte 123
        fetch end
        tagged A1 OK ""
        """),
    Fixture(
      name: "numbers of messages that are signed, large or have an exponent",
      input:
        "* -5 EXISTS\n* 1e3 RECENT\n* 4294967296 EXISTS\n* +7 EXISTS\n* -3 EXPUNGE\n* 1e3 EXPUNGE\n* 4294967296 EXPUNGE\n* -1 X-COUNT\n* -x EXISTS\n* 2 EXISTS\n",
      log: """
        exists 0
        recent 1000
        exists 4294967295
        exists 7
        malformed "* -3 EXPUNGE\\r\\n" unexpected byte 0x2d at byte 63
        malformed "* 1e3 EXPUNGE\\r\\n" unexpected byte 0x65 at byte 78
        malformed "* 4294967296 EXPUNGE\\r\\n" number too large at byte 92
        unknown "* -1 X-COUNT\\r\\n"
        unknown "* -x EXISTS\\r\\n"
        exists 2
        """),
    Fixture(
      name: "response codes glued to the word",
      input:
        "* OK[ALERT] x {3}\n* PREAUTH[CAPABILITY IMAP4rev1] hi\nA1 NO[TRYCREATE] y {3}\n* BYE[X]z\n* OKAY[X] z\n*\tOK x\nA1 OK\n",
      log: """
        status OK [ALERT] "x {3}"
        status PREAUTH [CAPABILITY IMAP4REV1] "hi"
        tagged A1 NO [TRYCREATE] "y {3}"
        status BYE [X] "z"
        unknown "* OKAY[X] z\\r\\n"
        unknown "*\\x09OK x\\r\\n"
        tagged A1 OK ""
        """),
  ]
}
