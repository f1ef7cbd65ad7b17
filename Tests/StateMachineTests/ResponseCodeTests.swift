import IMAPStateMachine
import Testing

/// Response codes: typed, and the same again when they are written.
@Suite struct ResponseCodeTests {
  struct Form: Sendable, CustomTestStringConvertible {
    var text: String
    var code: ResponseCode
    var testDescription: String { text }

    init(_ text: String, _ code: ResponseCode) {
      self.text = text
      self.code = code
    }
  }

  /// A code that is known, with arguments that it does not have.
  private static func invalid(_ name: String, _ arguments: String, _ reason: ParseError.Reason, at offset: Int) -> Form
  {
    Form(
      arguments.isEmpty ? name : "\(name) \(arguments)",
      .invalid(name: name, arguments: Array(arguments.utf8), reason: ParseError(reason, offset: offset)))
  }

  static let forms: [Form] = [
    Form("UNAVAILABLE", .unavailable), Form("AUTHENTICATIONFAILED", .authenticationFailed),
    Form("AUTHORIZATIONFAILED", .authorizationFailed), Form("EXPIRED", .expired),
    Form("PRIVACYREQUIRED", .privacyRequired), Form("CONTACTADMIN", .contactAdmin), Form("NOPERM", .noPermission),
    Form("INUSE", .inUse), Form("EXPUNGEISSUED", .expungeIssued), Form("CORRUPTION", .corruption),
    Form("SERVERBUG", .serverBug), Form("CLIENTBUG", .clientBug), Form("CANNOT", .cannot), Form("LIMIT", .limit),
    Form("OVERQUOTA", .overQuota), Form("ALREADYEXISTS", .alreadyExists), Form("NONEXISTENT", .nonexistent),
    Form("HASCHILDREN", .hasChildren), Form("NOTSAVED", .notSaved), Form("UNKNOWN-CTE", .unknownCTE),
    Form("TOOBIG", .tooBig), Form("COMPRESSIONACTIVE", .compressionActive), Form("USEATTR", .useAttribute),
    Form("NOTIFICATIONOVERFLOW", .notificationOverflow), Form("BADCOMPARATOR", .badComparator),
    Form("TEMPFAIL", .temporaryFailure), Form("UIDREQUIRED", .uidRequired),
    Form("BADURL /INBOX;uid=20", .badURL("/INBOX;uid=20")),
    Form("WEBALERT https://accounts.example/x?y=1", .webAlert("https://accounts.example/x?y=1")),
    Form("WEBALERT", .atom("WEBALERT")),
    Form("REFERRAL imap://u;AUTH=*@h/", .referral(["imap://u;AUTH=*@h/"])),
    Form("BADEVENT (MessageNew MessageExpunge)", .badEvent(["MessageNew", "MessageExpunge"])),
    Form("METADATA LONGENTRIES 2199", .metadata(.longEntries(2199))),
    Form("METADATA MAXSIZE 1024", .metadata(.maxSize(1024))), Form("METADATA TOOMANY", .metadata(.tooMany)),
    Form("METADATA NOPRIVATE", .metadata(.noPrivate)),
    Form("MAILBOXID (F2212ea87-6097-4256)", .mailboxID("F2212ea87-6097-4256")),
    Form("NOUPDATE \"B02\"", .noUpdate(tag: "B02")), Form("NOUPDATE \"a\\\"b\"", .noUpdate(tag: "a\"b")),
    Form(
      "URLMECH INTERNAL XSAMPLE=P34OKhO7VEkCbsiYY8rGEg==",
      .urlMechanisms(["INTERNAL", "XSAMPLE=P34OKhO7VEkCbsiYY8rGEg=="])),
    Form("INPROGRESS", .inProgress(tag: nil, done: nil, goal: nil)),
    Form("INPROGRESS (\"A001\" 454 1000)", .inProgress(tag: "A001", done: 454, goal: 1000)),
    Form("INPROGRESS (NIL 5 NIL)", .inProgress(tag: nil, done: 5, goal: nil)),
    Form("ANNOTATE TOOBIG", .annotations(.tooBig)), Form("ANNOTATE TOOMANY", .annotations(.tooMany)),
    Form("ANNOTATIONS NONE", .annotations(.none)),
    Form("ANNOTATIONS READ-ONLY", .annotations(.readOnly(isPrivate: true))),
    Form("ANNOTATIONS 20480 NOPRIVATE", .annotations(.supported(maxSize: 20480, isPrivate: false))),
    Form("ANNOTATIONS 8", .annotations(.supported(maxSize: 8, isPrivate: true))),
    Form("MAXCONVERTMESSAGES 1", .maxConvertMessages(1)), Form("MAXCONVERTPARTS 2", .maxConvertParts(2)),
    Form("UNDEFINED-FILTER on-the-road", .undefinedFilter("on-the-road")),
    Form("MESSAGELIMIT 1000 23221", .messageLimit(1000, last: 23221)),
    Form("MESSAGELIMIT 5", .messageLimit(5, last: nil)),
    Form("COPYUID 0 1:3 5,7:8", .copyUID(validity: 0, source: [1, 2, 3], destination: [5, 7, 8])),
    Form("PERMANENTFLAGS (\\Seen [css3-page] \\*)", .permanentFlags(["\\Seen", "[css3-page]", .anyKeyword])),
    Form("X-FOO a (b) [c] \"d\"", .other(name: "X-FOO", arguments: Array("a (b) [c] \"d\"".utf8))),
    Form("METADATA HUGE 5", .other(name: "METADATA", arguments: Array("HUGE 5".utf8))),
    invalid("MAXCONVERTPARTS", "2 x", .unexpectedByte(0x20), at: 1),
    invalid("UIDNEXT", "abc", .unexpectedByte(0x61), at: 0), invalid("UNSEEN", "3 4", .unexpectedByte(0x20), at: 1),
    invalid("APPENDUID", "38505 x", .unexpectedByte(0x78), at: 6),
    invalid("APPENDUID", "38505 3955 x", .unexpectedByte(0x20), at: 10),
    invalid("COPYUID", "1 2", .unexpectedEnd, at: 3), invalid("MODIFIED", "1,,2", .unexpectedByte(0x2c), at: 2),
    invalid("HIGHESTMODSEQ", "(5)", .unexpectedByte(0x28), at: 0), invalid("UIDVALIDITY", "", .unexpectedEnd, at: 0),
    invalid("PERMANENTFLAGS", "", .unexpectedEnd, at: 0), invalid("BADURL", "", .unexpectedEnd, at: 0),
    invalid("MAILBOXID", "(a b)", .unexpectedByte(0x62), at: 3),
    invalid("INPROGRESS", "(\"A1\" x NIL)", .unexpectedByte(0x78), at: 6),
    invalid("METADATA", "LONGENTRIES x", .unexpectedByte(0x78), at: 12),
    invalid("BADCHARSET", "(utf-8) x", .unexpectedByte(0x78), at: 8),
    Form("NIL", .atom("NIL")),
  ]

  @Test(arguments: forms) func isTypedAndWrittenAgain(_ form: Form) throws {
    let line = wire("A1 NO [\(form.text)] text\n")
    for feed in feeds(line.count) {
      var parser = ResponseParser()
      var input = ReceiveBuffer()
      var response: Response?
      for chunk in feed.chunks(of: line) {
        input.append(Array(chunk).span)
        response = try parser.nextOwned(&input) ?? response
      }
      #expect(response == .tagged(tag: "A1", Status(.no, code: form.code, "text")), "\(feed)")
    }
    #expect(form.code.description == form.text)
    #expect(try ResponseEncoder().encode(.tagged(tag: "A1", Status(.no, code: form.code, "text"))) == line)
  }

  @Test func namesFoldCase() {
    #expect(
      responseLog(wire("* ok [unknown-cte] a\n* OK [metadata toomany] b\n* OK [inprogress (\"x\" 1 2)]\n")).text == """
        status OK [UNKNOWN-CTE] "a"
        status OK [METADATA TOOMANY] "b"
        status OK [INPROGRESS ("x" 1 2)] ""
        """)
  }

  @Test func aNumberWithMoreBehindItIsKept() {
    #expect(
      responseLog(wire("* OK [ANNOTATIONS 20480?? NOPRIVATE] a\n")).text == """
        status OK [ANNOTATIONS 20480?? NOPRIVATE] "a"
        """)
  }

  @Test func bracketsThatDoNotMatchEndAtTheFirst() {
    #expect(
      responseLog(wire("* OK [X-A [b] text\n* OK [c text\n")).text == """
        status OK [X-A [b] "text"
        status OK "[c text"
        """)
  }
}
