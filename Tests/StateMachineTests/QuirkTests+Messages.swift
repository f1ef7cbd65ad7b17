import IMAPStateMachine

/// FETCH and SEARCH.
extension QuirkTests {
  static let fetch: [Fixture] = [
    Fixture(
      name: "message numbers of 0 and below",
      input: "* 0 FETCH (UID 5)\n* -3 FETCH (UID 6 BODY[] {3}\n)\n)\n* 1 FETCH (MODSEQ (0))\n",
      log: """
        fetch 0
          uid 5
        fetch end
        fetch 0
          uid 6
          literal BODY[] 3
          = ")\\r\\n"
        fetch end
        fetch 1
          modseq 0
        fetch end
        """),
    Fixture(
      name: "a modification sequence below 0 is none", input: "* 1 FETCH (MODSEQ (-1) UID 5 MODSEQ (0) MODSEQ 7)\n",
      log: """
        fetch 1
          invalid "MODSEQ" "(-1)" unexpected byte 0x2d at byte 19
          uid 5
          modseq 0
          modseq 7
        fetch end
        """),
    Fixture(
      name: "items in parentheses of their own",
      input:
        "* 1 FETCH (UID 1 (ENVELOPE (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)) BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1) (FLAGS (\\Seen)) (UID 2 MODSEQ (3)))\n",
      log: """
        fetch 1
          uid 1
          envelope NIL "s" [] [] [] [] [] [] NIL NIL
          bodystructure {"TEXT"/"PLAIN" () NIL NIL "7BIT" 1 lines=1 NIL -}
          flags \\Seen
          uid 2
          modseq 3
        fetch end
        """),
    Fixture(
      name: "flags behind a literal and in the middle", input: "* 1 FETCH (BODY[] {1}\nx FLAGS (\\Seen) UID 5)\n",
      log: "fetch 1\n  literal BODY[] 1\n  = \"x\"\n  flags \\Seen\n  uid 5\nfetch end"),
    Fixture(
      name: "nothing, and a space too many", input: "* 6 FETCH ()\n* 7 FETCH (UID 19436 )\n* 8 FETCH ( )\n",
      log: "fetch 6\nfetch end\nfetch 7\n  uid 19436\nfetch end\nfetch 8\nfetch end"),
    Fixture(
      name: "items of no standard", input: "* 1 FETCH (XAOL.SPAM.REASON foo XAOL-MSGID (a (b) \"c\") X 5 UID 9)\n",
      log: """
        fetch 1
          unknown "XAOL.SPAM.REASON" "foo"
          unknown "XAOL-MSGID" "(a (b) 'c')"
          unknown "X" "5"
          uid 9
        fetch end
        """),
    Fixture(
      name: "partial fetches answered in all forms",
      input: "* 1 FETCH (BODY[]<0.1024> {1}\na BODY[]<0> {1}\nb BODY[] {1}\nc BODY[TEXT]<5> \"d\")\n",
      log: """
        fetch 1
          literal BODY[]<0> 1
          = "a"
          literal BODY[]<0> 1
          = "b"
          literal BODY[] 1
          = "c"
          section BODY[TEXT]<5> "d"
        fetch end
        """),
    Fixture(
      name: "header fields quoted, bare and as literals",
      input:
        "* 1 FETCH (BODY[HEADER.FIELDS (\"Date\" Subject)] {1}\na body[header.fields ({4}\nDa]e {2}\nTo)] {1}\nb BODY[HEADER.FIELDS (\"X]\" DATE)] NIL BODY[HEADER.FIELDS ({0}\n)] {1}\nc UID 5)\n",
      log: """
        fetch 1
          literal BODY[HEADER.FIELDS (Date Subject)] 1
          = "a"
          literal BODY[HEADER.FIELDS (Da]e To)] 1
          = "b"
          section BODY[HEADER.FIELDS (X] DATE)] NIL
          literal BODY[HEADER.FIELDS ()] 1
          = "c"
          uid 5
        fetch end
        """),
    Fixture(
      name: "several responses for one message", input: "* 1 FETCH (FLAGS (\\Seen))\n* 1 FETCH (UID 5)\n",
      log: "fetch 1\n  flags \\Seen\nfetch end\nfetch 1\n  uid 5\nfetch end"),
    Fixture(
      name: "data with a refusal", input: "* 1 FETCH (UID 5)\nA1 NO Some of the requested messages no longer exist.\n",
      log: "fetch 1\n  uid 5\nfetch end\ntagged A1 NO \"Some of the requested messages no longer exist.\""),
    Fixture(
      name: "a list closed too early",
      input:
        "* 1 FETCH (BODY[HEADER] {1}\nx) FLAGS (\\Seen) UID 5)\n* 2 FETCH (UID 6) FLAGS\n* 3 FETCH (BODY[] {1}\nx))\n",
      log: """
        fetch 1
          literal BODY[HEADER] 1
          = "x"
          flags \\Seen
          uid 5
        fetch end
        fetch 2
          uid 6
        malformed ") FLAGS\\r\\n" unexpected byte 0x46 at byte 72
        fetch end
        fetch 3
          literal BODY[] 1
          = "x"
        fetch end
        """),
    Fixture(
      name: "sizes below 0 and with exponents",
      input:
        "* 1 FETCH (RFC822.SIZE -1 BODY (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" -1 -1))\n* 2 FETCH (RFC822.SIZE 1.5E+3 RFC822.SIZE 99999999999999999999 RFC822.SIZE x)\n",
      log: """
        fetch 1
          size 0
          body {"TEXT"/"PLAIN" () NIL NIL "7BIT" 0 lines=0 NIL -}
        fetch end
        fetch 2
          size 1500
          size 18446744073709551615
          invalid "RFC822.SIZE" "x" unexpected byte 0x78 at byte 150
        fetch end
        """),
    Fixture(
      name: "object identifiers that are NIL", input: "* 1 FETCH (THREADID NIL EMAILID NIL)\n",
      log: "fetch 1\n  threadid NIL\n  emailid NIL\nfetch end"),
    Fixture(
      name: "labels that start oddly", input: "* 1 FETCH (X-GM-LABELS (~x <x 'x ü [y] a] {z))\n",
      log: "fetch 1\n  x-gm-labels [~x|<x|'x|ü|[y]|a]|{z]\nfetch end"),
    Fixture(
      name: "labels that are no strings",
      input: "* 1 FETCH (X-GM-LABELS (a \"b\" () \"\" (c)) X-GM-LABELS () X-GM-LABELS NIL X-GM-LABELS (a \"\")"
        + " UID 5)\n",
      log: """
        fetch 1
          invalid "X-GM-LABELS" "(a 'b' () '' (c))" unexpected byte 0x28 at byte 30
          x-gm-labels []
          x-gm-labels []
          x-gm-labels [a|]
          uid 5
        fetch end
        """),
    Fixture(
      name: "days that no month has, and years without a century",
      input:
        "* 1 FETCH (INTERNALDATE \"31-Feb-2024 01:02:03 +0000\" SAVEDATE \"31-Apr-2024 01:02:03 +0000\" UID 5)\n"
        + "* 2 FETCH (INTERNALDATE \"17-Jul-96 01:02:03 +0000\" UID 6)\n",
      log: """
        fetch 1
          invalid "INTERNALDATE" "'31-Feb-2024 01:02:03 +0000'" invalid value at byte 24
          invalid "SAVEDATE" "'31-Apr-2024 01:02:03 +0000'" invalid value at byte 62
          uid 5
        fetch end
        fetch 2
          invalid "INTERNALDATE" "'17-Jul-96 01:02:03 +0000'" invalid value at byte 123
          uid 6
        fetch end
        """),
  ]

  static let searches: [Fixture] = [
    Fixture(
      name: "SEARCH and ESEARCH for either",
      input:
        "* SEARCH 1 2\n* ESEARCH (TAG \"A1\") ALL 1:2\n* ESEARCH ALL 1:2\n* ESEARCH UID\n* ESEARCH (TAG \"a\") (COUNT 17 MIN 5)\n",
      log:
        "search 1 2\nesearch tag=A1 all=1:2\nesearch tag=NIL all=1:2\nesearch tag=NIL uid\nesearch tag=a count=17 min=5"
    ),
    Fixture(
      name: "several lines, duplicates and nothing",
      input: "* SEARCH 3 3 1\n* SEARCH 2\n* SEARCH \n* SEARCH\n* SEARCH 1 x 2\n",
      log: "search 3 3 1\nsearch 2\nsearch \nsearch \nsearch 1 2 invalid(\"\" \"x\" unexpected byte 0x78 at byte 0)"),
  ]

  private static func envelope(_ name: String, _ value: String, _ log: String) -> Fixture {
    Fixture(
      name: name, input: "* 1 FETCH (ENVELOPE \(value) UID 5)\n",
      log: "fetch 1\n  envelope \(log)\n  uid 5\nfetch end")
  }

  private static let nils = "NIL NIL NIL NIL NIL NIL"

  static let envelopes: [Fixture] = [
    envelope(
      "no Message-ID", "(NIL \"s\" \(nils) \"Your message\")", "NIL \"s\" [] [] [] [] [] [] \"Your message\" NIL"),
    envelope("no In-Reply-To", "(NIL \"s\" \(nils) \"<a@b>\")", "NIL \"s\" [] [] [] [] [] [] NIL \"<a@b>\""),
    envelope("neither", "(NIL \"s\" \(nils))", "NIL \"s\" [] [] [] [] [] [] NIL NIL"),
    envelope(
      "quotes inside quotes", "(NIL \"=?UTF-8?Q?\"Dummy=C3=ADa\"?=\" \(nils) NIL \"<abc\"def@x>\")",
      "NIL \"=?UTF-8?Q?'Dummy=C3=ADa'?=\" [] [] [] [] [] [] NIL \"<abc'def@x>\""),
    envelope("a Message-ID without brackets", "(NIL NIL \(nils) NIL \"a@b\")", "NIL NIL [] [] [] [] [] [] NIL \"a@b\""),
    envelope(
      "brackets around an address",
      "(NIL NIL ((NIL NIL \"<members=headspace.com\" \"members.headspace.com>\")) NIL NIL NIL NIL NIL NIL NIL)",
      "NIL NIL [NIL,NIL,\"members=headspace.com\",\"members.headspace.com\"] [] [] [] [] [] NIL NIL"),
    envelope(
      "a name without address",
      "(NIL NIL ((\"Microsoft Exchange Server\" NIL NIL \".MISSING-HOST-NAME.\")) NIL NIL NIL NIL NIL NIL NIL)",
      "NIL NIL [\"Microsoft Exchange Server\",NIL,NIL,\".MISSING-HOST-NAME.\"] [] [] [] [] [] NIL NIL"),
    envelope(
      "NIL inside an address list", "(NIL NIL (NIL (\"x\" NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL NIL)",
      "NIL NIL [\"x\",NIL,\"a\",\"b\"] [] [] [] [] [] NIL NIL"),
    envelope(
      "empty address lists", "(NIL NIL () ( ) (()) NIL NIL NIL NIL NIL)", "NIL NIL [] [] [] [] [] [] NIL NIL"),
    envelope(
      "spaces between and behind addresses",
      "(NIL NIL ((NIL NIL \"undisclosed-recipients\" NIL) (NIL NIL NIL NIL)  ) ( (NIL NIL \"a\" \"b\")  (NIL NIL \"c\" \"d\" ) ) NIL NIL NIL NIL NIL NIL )",
      "NIL NIL [NIL,NIL,\"undisclosed-recipients\",NIL;NIL,NIL,NIL,NIL] [NIL,NIL,\"a\",\"b\";NIL,NIL,\"c\",\"d\"] [] [] [] [] NIL NIL"
    ),
    envelope(
      "routes and dates of any form", "(\"yesterday\" \"\" ((NIL \"@a,@b\" \"c\" \"d\")) NIL NIL NIL NIL NIL NIL NIL)",
      "\"yesterday\" \"\" [NIL,\"@a,@b\",\"c\",\"d\"] [] [] [] [] [] NIL NIL"),
    envelope(
      "one bad address and a bad date",
      "((1) \"s\" ((\"x\" (\"y\")) (NIL NIL \"a\" \"b\") \"z\" (NIL NIL \"c\" \"d\")) NIL NIL NIL NIL NIL NIL NIL)",
      "NIL \"s\" [NIL,NIL,\"a\",\"b\";NIL,NIL,\"c\",\"d\"] [] [] [] [] [] NIL NIL"
        + " invalid(\"DATE\" \"(1)\" invalid value at byte 0)"
        + " invalid(\"FROM\" \"('x' ('y'))\" invalid value at byte 0)"
        + " invalid(\"FROM\" \"'z'\" invalid value at byte 0)"),
    envelope(
      "fields of another kind", "(() \"s\" \"a@b\" 5 NIL NIL NIL NIL (\"x\") \"<id>\")",
      "NIL \"s\" [] [] [] [] [] [] NIL \"<id>\" invalid(\"FROM\" \"'a@b'\" invalid value at byte 0)"
        + " invalid(\"SENDER\" \"5\" invalid value at byte 0)"
        + " invalid(\"IN-REPLY-TO\" \"('x')\" invalid value at byte 0)"),
    Fixture(
      name: "a bad envelope",
      input: "* 1 FETCH (ENVELOPE NIL FLAGS () ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) UID 5)\n",
      log: """
        fetch 1
          invalid "ENVELOPE" "NIL" unexpected byte 0x4e at byte 20
          flags \n\
          invalid "ENVELOPE" "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" unexpected byte 0x4e at byte 83
          uid 5
        fetch end
        """),
  ]

  private static func structure(_ name: String, _ value: String, _ log: String) -> Fixture {
    Fixture(
      name: name, input: "* 1 FETCH (BODYSTRUCTURE \(value) UID 5)\n",
      log: "fetch 1\n  bodystructure \(log)\n  uid 5\nfetch end")
  }

  static let structures: [Fixture] = [
    structure(
      "multipart without parts", "(\"ALTERNATIVE\" (\"BOUNDARY\" \"x\") NIL NIL)",
      "{ \"ALTERNATIVE\" (\"BOUNDARY\"=\"x\") NIL [] NIL}"),
    structure(
      "multipart without parts, with disposition", "(\"RELATED\" NIL (\"ATTACHMENT\" NIL) NIL)",
      "{ \"RELATED\" () \"ATTACHMENT\"() [] NIL}"),
    structure("nothing but a subtype", "(\"ALTERNATIVE\")", "{ \"ALTERNATIVE\" () -}"),
    structure(
      "multipart without parts among others",
      "((\"ALTERNATIVE\" (\"BOUNDARY\" \"x\") NIL NIL) () (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 2) \"MIXED\")",
      "{{ \"ALTERNATIVE\" (\"BOUNDARY\"=\"x\") NIL [] NIL} { \"\" () -} {\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 lines=2 NIL -} \"MIXED\" () -}"
    ),
    structure(
      "no type at all", "(NIL NIL NIL NIL NIL \"7BIT\" 563 NIL NIL NIL NIL)",
      "{\"APPLICATION\"/\"OCTET-STREAM\" () NIL NIL \"7BIT\" 563 NIL NIL [] NIL}"),
    structure(
      "no type", "(NIL \"PDF\" NIL NIL NIL \"7BIT\" 563)", "{\"APPLICATION\"/\"PDF\" () NIL NIL \"7BIT\" 563 NIL -}"),
    structure(
      "a subtype alone", "( \"X-ZIP\" (\"BOUNDARY\" \"\") NIL NIL \"base64\" 4096)",
      "{\"APPLICATION\"/\"X-ZIP\" (\"BOUNDARY\"=\"\") NIL NIL \"base64\" 4096 NIL -}"),
    structure(
      "APPLICATION alone", "(\"APPLICATION\" NIL NIL NIL \"base64\" 356)",
      "{\"APPLICATION\"/\"OCTET-STREAM\" () NIL NIL \"base64\" 356 NIL -}"),
    structure(
      "TEXT alone", "(\"TEXT\" (\"CHARSET\" \"windows-1251\") NIL NIL \"base64\" 356 5)",
      "{\"TEXT\"/\"PLAIN\" (\"CHARSET\"=\"windows-1251\") NIL NIL \"base64\" 356 lines=5 NIL -}"),
    structure(
      "AUDIO and MESSAGE alone", "((\"AUDIO\" NIL NIL NIL \"base64\" 3)(\"MESSAGE\" NIL NIL NIL \"7BIT\" 4) \"MIXED\")",
      "{{\"AUDIO\"/\"BASIC\" () NIL NIL \"base64\" 3 NIL -} {\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 4 NIL -} \"MIXED\" () -}"
    ),
    structure(
      "quotes inside parameters",
      "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"3D\"Windows-1252\"\") NIL \"\"\"\" \"7BIT\" 1 2)",
      "{\"TEXT\"/\"PLAIN\" (\"CHARSET\"=\"3D'Windows-1252'\") NIL \"''\" \"7BIT\" 1 lines=2 NIL -}"),
    structure(
      "quotes inside a type", "(\"MOUNDARY=\"_006_5D_\"\" \"OCTET-STREAM\" NIL NIL NIL \"base64\" 9)",
      "{\"MOUNDARY='_006_5D_'\"/\"OCTET-STREAM\" () NIL NIL \"base64\" 9 NIL -}"),
    structure(
      "encodings NIL, bare and with a space",
      "((\"A\" \"B\" NIL NIL NIL NIL 1)(\"A\" \"B\" NIL NIL NIL base64 2)(\"A\" \"B\" NIL NIL NIL \"7bit \" 3)(\"A\" \"B\" NIL NIL NIL 7BIT 4) \"MIXED\")",
      "{{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL -} {\"A\"/\"B\" () NIL NIL \"base64\" 2 NIL -} {\"A\"/\"B\" () NIL NIL \"7bit\" 3 NIL -} {\"A\"/\"B\" () NIL NIL \"7BIT\" 4 NIL -} \"MIXED\" () -}"
    ),
    structure(
      "dispositions in forms of their own",
      "((\"A\" \"B\" NIL NIL NIL \"7BIT\" 1 NIL \"inline\" NIL NIL)(\"A\" \"B\" NIL NIL NIL \"7BIT\" 2 NIL (NIL NIL) NIL NIL)"
        + "(\"A\" \"B\" NIL NIL NIL \"7BIT\" 3 NIL \"attachment\" (\"filename\" \"x\") NIL NIL)(\"A\" \"B\" NIL NIL NIL \"7BIT\" 4 NIL (\"inline\") NIL NIL)"
        + "(\"A\" \"B\" NIL NIL NIL \"7BIT\" 5 NIL \"\" NIL NIL)(\"A\" \"B\" NIL NIL NIL \"7BIT\" 6 NIL (\"\" NIL) NIL NIL) \"MIXED\")",
      "{{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL \"inline\"() [] NIL} {\"A\"/\"B\" () NIL NIL \"7BIT\" 2 NIL NIL [] NIL} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 3 NIL \"attachment\"(\"filename\"=\"x\") [] NIL} {\"A\"/\"B\" () NIL NIL \"7BIT\" 4 NIL \"inline\"() [] NIL} "
        + "{\"A\"/\"B\" () NIL NIL \"7BIT\" 5 NIL \"attachment\"() [] NIL} {\"A\"/\"B\" () NIL NIL \"7BIT\" 6 NIL \"attachment\"() [] NIL} \"MIXED\" () -}"
    ),
    structure(
      "a description in place of a disposition",
      "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 2) \"SIGNED\" (\"boundary\" \"x\") \"S/MIME Encrypted Message\" NIL)",
      "{{\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 lines=2 NIL -} \"SIGNED\" (\"boundary\"=\"x\") NIL [] NIL}"),
    structure(
      "a location that is a list, and more than that",
      "(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1 NIL NIL NIL () (1 (\"x\" (2))) 7 NIL)",
      "{\"A\"/\"B\" () NIL NIL \"7BIT\" 1 NIL NIL [] NIL}"),
    structure(
      "text without lines",
      "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 NIL (\"inline\" NIL) \"en\" NIL)",
      "{\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 NIL \"inline\"() [\"\\\"en\\\"\"] NIL}"),
    structure(
      "a message as a basic part",
      "(\"MESSAGE\" \"RFC822\" (\"NAME\" \"x\") NIL NIL \"7BIT\" 5930 NIL (\"ATTACHMENT\" (\"FILENAME\" \"x\")) NIL)",
      "{\"MESSAGE\"/\"RFC822\" (\"NAME\"=\"x\") NIL NIL \"7BIT\" 5930 NIL \"ATTACHMENT\"(\"FILENAME\"=\"x\") [] NIL}"),
    structure(
      "a message whose body is empty",
      "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 59 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) () 3)",
      "{\"MESSAGE\"/\"RFC822\" () NIL NIL \"7BIT\" 59 message(NIL NIL [] [] [] [] [] [] NIL NIL { \"\" () -} lines=3) NIL -}"
    ),
    structure(
      "a delivery status in the form of a message",
      "(\"MESSAGE\" \"DELIVERY-STATUS\" NIL NIL NIL \"7BIT\" 59 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 2) 3)",
      "{\"MESSAGE\"/\"DELIVERY-STATUS\" () NIL NIL \"7BIT\" 59 message(NIL NIL [] [] [] [] [] [] NIL NIL {\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 lines=2 NIL -} lines=3) NIL -}"
    ),
    structure(
      "no parameters before a disposition",
      "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 2) \"x-zip\" NIL (\"attachment\" (\"filename\" \"y\")) NIL NIL)",
      "{{\"TEXT\"/\"PLAIN\" () NIL NIL \"7BIT\" 1 lines=2 NIL -} \"x-zip\" () \"attachment\"(\"filename\"=\"y\") [] NIL}"
    ),
    structure(
      "spaces between parts, and literals",
      "( (\"TEXT\" {5}\nPLAIN NIL NIL {3}\na)b \"7BIT\" 1 2 )  (\"A\" \"B\" ({4}\nname {1}\n\") NIL NIL \"7BIT\" 1)   \"MIXED\" )",
      "{{\"TEXT\"/\"PLAIN\" () NIL \"a)b\" \"7BIT\" 1 lines=2 NIL -} {\"A\"/\"B\" (\"name\"=\"'\") NIL NIL \"7BIT\" 1 NIL -} \"MIXED\" () -}"
    ),
    Fixture(
      name: "an untagged line in the middle",
      input: "* 1 FETCH (BODY ((\"TEXT\" \"PLAIN\" NIL\n* 5 EXISTS\n NIL NIL \"7BIT\" 1 2) \"MIXED\"))\n* 6 EXISTS\n",
      log: """
        fetch 1
        malformed "BODY (('TEXT' 'PLAIN' NIL\\r\\n" unexpected end of line at byte 36
        fetch end
        exists 5
        malformed " NIL NIL '7BIT' 1 2) 'MIXED'))\\r\\n" unexpected byte 0x20 at byte 50
        exists 6
        """),
    Fixture(
      name: "a structure that makes no sense", input: "* 1 FETCH (BODYSTRUCTURE (1 2) BODY NIL UID 5)\n",
      log: """
        fetch 1
          invalid "BODYSTRUCTURE" "(1 2)" unexpected byte 0x31 at byte 26
          invalid "BODY" "NIL" unexpected byte 0x4e at byte 36
          uid 5
        fetch end
        """),
  ]
}
