import Testing

@testable import IMAPStateMachine

/// Extension commands as clients write them: other letter case, more spaces, bare words and literals in place of quoted
/// strings; and what is wrong with those that are none.
@Suite struct CommandExtensionForms {
  typealias Form = CommandParserTests.Form
  typealias Fault = CommandParserTests.Fault

  static let forms: [Form] = [
    Form("lsub \"\" *", .lsub(reference: "", pattern: "*")),
    Form("XList \"\" \"%\"", .xlist(reference: "", pattern: "%")),
    Form("rename {3}\r\na b  c", .rename("a b", to: "c")),
    Form("subscribe inbox", .subscribe(.inbox)),
    Form("UNSUBSCRIBE  a", .unsubscribe("a")),
    Form("Check", .check),
    Form("unauthenticate", .unauthenticate),
    Form("compress deflate", .compress),
    Form("proxyauth fred", .proxyAuth(user: "fred")),
    Form("LANGUAGE de fr", .language(["de", "fr"])),
    Form("create Everything (use (\\All ))", .create("Everything", specialUse: ["\\All"])),
    // The example of RFC 5819 has no space before the reference.
    Form(
      "LIST (SUBSCRIBED RECURSIVEMATCH)\"\" % RETURN (STATUS (MESSAGES))",
      .list(
        ListRequest(
          patterns: ["%"], selection: [.subscribed, .recursiveMatch], returning: [.status([.messages])]))),
    Form(
      "list ( subscribed  remote ) \"\" ( % music/rock ) return ( children )",
      .list(
        ListRequest(patterns: ["%", "music/rock"], selection: [.subscribed, .remote], returning: [.children]))),
    Form("LIST \"\" (foo)", .list(ListRequest(patterns: ["foo"], extended: true))),
    Form("LIST \"\" % RETURN ()", .list(ListRequest(patterns: ["%"], extended: true))),
    Form(
      "SELECT inbox (qresync ( 67890007 90060115194045000 41:211,214:541 ) condstore)",
      .select(
        .inbox,
        SelectParameters(
          condStore: true,
          qResync: QResyncParameters(
            uidValidity: 67_890_007, modSeq: 90_060_115_194_045_000,
            knownUIDs: UIDSet(ranges: [.init(41, 211), .init(214, 541)]))))),
    Form("SeTacl INBOX/Drafts David lrswida", .setACL("INBOX/Drafts", identifier: "David", .replace("lrswida"))),
    Form("setacl INBOX/Drafts Chris +cda", .setACL("INBOX/Drafts", identifier: "Chris", .add("cda"))),
    Form("DeleteAcl INBOX Fred", .deleteACL(.inbox, identifier: Array("Fred".utf8))),
    Form("getquota \"\"", .getQuota(root: "")),
    Form("SETQUOTA \"\" (STORAGE 512)", .setQuota(root: [], [QuotaLimit("STORAGE", 512)])),
    Form("GETMETADATA \"\" /shared/comment", .getMetadata("", entries: ["/shared/comment"])),
    // RFC 5464's examples have the options behind the mailbox, and entries without parentheses.
    Form(
      "GETMETADATA \"INBOX\" (MAXSIZE 1024) (/shared/comment /private/comment)",
      .getMetadata(
        .inbox, entries: ["/shared/comment", "/private/comment"], MetadataOptions(maximumSize: 1024))),
    Form(
      "getmetadata INBOX (depth 1) /private/filters/values",
      .getMetadata(.inbox, entries: ["/private/filters/values"], MetadataOptions(depth: .one))),
    Form(
      "GETMETADATA \"INBOX\" (/shared/comment /private/comment)",
      .getMetadata(.inbox, entries: ["/shared/comment", "/private/comment"])),
    Form(
      "GETMETADATA INBOX /shared/comment /private/comment",
      .getMetadata(.inbox, entries: ["/shared/comment", "/private/comment"])),
    Form(
      "SETMETADATA INBOX (/private/comment {5}\r\nx\r\ny\n /b nil)",
      .setMetadata(
        .inbox,
        [
          .init(name: Array("/private/comment".utf8), value: Array("x\r\ny\n".utf8)),
          .init(name: Array("/b".utf8), value: nil),
        ])),
    Form(
      "getannotation INBOX \"/*\" (value.priv value.shared)",
      .getAnnotation(
        mailbox: "INBOX", entries: [Array("/*".utf8)],
        attributes: [Array("value.priv".utf8), Array("value.shared".utf8)])),
    Form("urlfetch imap://x/1", .fetchURLs([URLFetchRequest("imap://x/1")])),
    Form(
      "NOTIFY set (Selected ( messagenew messageexpunge ))",
      .notify(.set([NotifyGroup(.selected, [.messageNew(), .messageExpunge])]))),
    Form(
      "xapplepushservice mailboxes (INBOX) aps-version \"2\" aps-subtopic c aps-account-id a aps-device-token b",
      .applePushService(
        ApplePushRequest(accountID: "a", deviceToken: "b", subtopic: "c", mailboxes: [.inbox]))),
    Form(
      "search return (min max) charset utf-8 $ unseen",
      .search(.and([.sequence(.savedResult), .noFlag(.seen)]), uid: false, charset: "utf-8", returning: [.min, .max])),
    Form(
      "SEARCH FUZZY SUBJECT work FROM user@example.com",
      .search(.and([.fuzzy(.subject("work")), .from("user@example.com")]), uid: false)),
    Form(
      "uid search x-gm-raw {4}\r\na\"b\" x-gm-labels \\Inbox x-gm-labels foo",
      .search(.and([.gmailRaw("a\"b\""), .gmailLabel("\\Inbox"), .gmailLabel("foo")]))),
    Form(
      "SEARCH ANNOTATION * value.priv \"IMAP4\"",
      .search(
        .annotation(entry: [0x2a], attribute: Array("value.priv".utf8), value: Array("IMAP4".utf8)), uid: false)),
    Form(
      "sort (reverse date  subject) \"utf-8\" all",
      .sort(
        [SortCriterion(.date, reversed: true), SortCriterion(.subject)], .all, uid: false, charset: "utf-8")),
    Form("uid thread references utf-8 seen", .thread(.references, .flag(.seen), charset: "utf-8")),
    Form(
      "uid fetch 1:* (binary.peek[1]<0.10> preview ( lazy ) x-gm-labels)",
      .fetch(
        .uids(.all),
        [.binary([1], partial: PartialRange(offset: 0, count: 10)), .preview(lazy: true), .gmailLabels])),
    Form("UID FETCH 1 PREVIEW (CHANGEDSINCE 5)", .fetch(.uids([1]), [.preview()], changedSince: 5)),
    Form("FETCH 1 PREVIEW (LAZY)", .fetch(.sequence([1]), [.preview(lazy: true)])),
    Form(
      "FETCH 1 (ANNOTATION (/comment value))",
      .fetch(
        .sequence([1]), [.annotations(entries: [Array("/comment".utf8)], attributes: [Array("value".utf8)])])),
    Form("uid store 7 +x-gm-labels \\Inbox foo", .storeLabels(.uids([7]), LabelOperation(.add, ["\\Inbox", "foo"]))),
    Form(
      "UID STORE $ +FLAGS.SILENT (\\Deleted)",
      .store(.uids(.savedResult), StoreOperation(.add, [.deleted], silent: true))),
    Form("APPEND a UTF8 (~{5}", .append(AppendRequest(mailbox: "a", messages: [AppendMessage(.utf8(byteCount: 5))]))),
    Form(
      "append a catenate ( url /x  text {5}",
      .append(
        AppendRequest(mailbox: "a", messages: [AppendMessage(.catenate([.url("/x"), .text(byteCount: 5)]))]))),
    Form(
      "uid replace * a ~{5}",
      .replace(.uid(nil), with: AppendRequest(mailbox: "a", messages: [AppendMessage(.binary(byteCount: 5))]))),
  ]

  @Test(arguments: forms)
  func isUnderstood(_ form: Form) throws {
    let line = Array("t \(form.line)\r\n".utf8)
    #expect(try CommandParser().parse(line.span).command == form.command)
  }

  static let faults: [Fault] = [
    Fault("a COMPRESS GZIP", .invalidValue, 11),
    Fault("a CHECK x", .unexpectedByte(0x78), 8),
    Fault("a RENAME x", .unexpectedEnd, 10),
    Fault("a CREATE x (WITH (\\All))", .invalidValue, 12),
    Fault("a LIST (RECURSIVEMATCH) \"\" %", .invalidValue, 7),
    Fault("a LIST (REMOTE RECURSIVEMATCH) \"\" %", .invalidValue, 7),
    Fault("a LIST \"\" ()", .unexpectedByte(0x29), 11),
    Fault("a LIST \"\" % CHILDREN", .invalidValue, 12),
    Fault("a LIST \"\" % RETURN (STATUS (WEIGHT))", .invalidValue, 28),
    Fault("a SELECT x (QRESYNC (0 1))", .invalidValue, 21),
    Fault("a SELECT x (QRESYNC (1 0))", .invalidValue, 23),
    Fault("a SELECT x (QRESYNC (1 1 1:*))", .invalidValue, 25),
    Fault("a SELECT x (QRESYNC (1 1 5 (1:3 $)))", .invalidValue, 32),
    Fault("a SETQUOTA \"\" (STORAGE 9223372036854775808)", .numberTooLarge, 23),
    Fault("a GETMETADATA x (DEPTH 2) /a", .invalidValue, 23),
    Fault("a GETMETADATA (SIZE 2) x /a", .invalidValue, 15),
    Fault("a SETMETADATA x (/a)", .unexpectedByte(0x29), 19),
    Fault("a URLFETCH (x HEAD)", .invalidValue, 14),
    Fault("a NOTIFY ALL", .invalidValue, 9),
    Fault("a NOTIFY SET", .unexpectedEnd, 12),
    Fault("a NOTIFY SET (everything NONE)", .invalidValue, 14),
    Fault("a XAPPLEPUSHSERVICE aps-version 2", .unexpectedEnd, 33),
    Fault("a SEARCH RETURN ALL", .unexpectedByte(0x41), 16),
    Fault("a SEARCH RETURN (PARTIAL 1:-5) ALL", .unexpectedByte(0x2d), 27),
    Fault("a SEARCH RETURN (PARTIAL 0:5) ALL", .invalidValue, 25),
    Fault("a SEARCH MODSEQ \"x\" any 5", .invalidValue, 20),
    Fault("a SEARCH MODSEQ \"/flags/\u{e9}\" all 5", .invalidValue, 17),
    Fault("a SORT (WEIGHT) UTF-8 ALL", .invalidValue, 8),
    Fault("a SORT () UTF-8 ALL", .unexpectedByte(0x29), 8),
    Fault("a ESEARCH IN (selected-delayed) ALL", .invalidValue, 14),
    Fault("a FETCH 1 FLAGS (VANISHED CHANGEDSINCE 5)", .invalidValue, 17),
    Fault("a UID FETCH 1 FLAGS (VANISHED)", .invalidValue, 20),
    Fault("a FETCH 1 FLAGS (PARTIAL 1:5)", .invalidValue, 17),
    Fault("a FETCH 1 BINARY[TEXT]", .unexpectedByte(0x54), 17),
    Fault("a FETCH 1 X-THING", .invalidValue, 10),
    Fault("a UIDBATCHES 0", .invalidValue, 13), Fault("a PARTIAL 1 FLAGS 1 1", .invalidValue, 12),
    Fault("a PARTIAL 1 BODY[]<0.1> 1 1", .invalidValue, 12), Fault("a PARTIAL 1 RFC822 0 1", .invalidValue, 19),
    Fault("a CONVERT 1 (text/plain) UID", .unexpectedByte(0x74), 13),
    Fault("a CONVERT 1 (NIL) BODY[TEXT]", .invalidValue, 18), Fault("a CONVERT 1 (NIL) FLAGS", .unexpectedEnd, 23),
    Fault("a CONVERT 1 (NIL) X[1]", .invalidValue, 18),
    Fault("a CONVERT 1 (NIL) BODY[HEADER]<0.1>", .unexpectedEnd, 35),
    Fault("a UIDBATCHES 5 9:3", .invalidValue, 15),
    Fault("a APPEND x CATENATE ()", .unexpectedByte(0x29), 21),
    Fault("a APPEND x CATENATE (FILE {3}", .invalidValue, 21),
    Fault("a APPEND x UTF8 ({3}", .unexpectedByte(0x7b), 17),
    Fault("a REPLACE 0 x {3}", .invalidValue, 10),
    Fault("a XNOPE", .unknownCommand, 2),
    Fault("a UID XNOPE", .unknownCommand, 2),
  ]

  @Test(arguments: faults)
  func whatIsWrongAndWhere(_ fault: Fault) {
    #expect(throws: ParseError(fault.reason, offset: fault.offset)) {
      try CommandParser().parse(Array((fault.line + "\r\n").utf8).span)
    }
  }

  @Test func unknownCommandsAreTreesWhereTheyAreWanted() throws {
    let parser = CommandParser(takesUnknownCommands: true)
    func parse(_ line: String) throws -> Command { try parser.parse(Array("t \(line)\r\n".utf8).span).command }
    #expect(try parse("xfoo") == .other(GenericCommand("XFOO")))
    #expect(
      try parse("GETFILTER a  \"b\" {1+}\r\nc ~{1}\r\nd 1:* (NIL)")
        == .other(
          GenericCommand(
            "GETFILTER",
            [
              .atom("a"), .string("b"), .string("c"), .binary([0x64]), .set(.all), .list([.atom("NIL")]),
            ])))
    #expect(try parse("UID SNIPPET 1") == .other(GenericCommand("UID SNIPPET", [.number(1)])))
    #expect(
      try parse("X 99999999999999999999 3:3 \\")
        == .other(
          GenericCommand("X", [.atom("99999999999999999999"), .atom("3:3"), .raw("\\")])))
    // Nesting is bounded.
    let deep = String(repeating: "(", count: 100) + String(repeating: ")", count: 100)
    #expect(throws: ParseError.self) { try parse("X \(deep)") }
    for line in ["X (a", "X a)", "X \"a", "X a{5}b", "X [a", "X \"a\"b"] {
      #expect(throws: ParseError.self, "\(line)") { try parse(line) }
    }
  }
}
