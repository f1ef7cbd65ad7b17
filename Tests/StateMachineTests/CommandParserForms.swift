@testable import IMAPStateMachine

/// Command lines and what they mean, and lines that mean nothing.
extension CommandParserTests {
  static let sessionForms: [Form] = [
    Form("CAPABILITY", .capability),
    Form("capability", .capability),
    Form("NoOp", .noop),
    Form("LOGOUT", .logout),
    Form("ID NIL", .id(nil)),
    Form("ID ()", .id([])),
    Form("id (\"name\" \"x\"  \"version\" NIL)", .id([IDField("name", "x"), IDField("version", nil)])),
    Form("STARTTLS", .startTLS),
    Form("LOGIN fred secret", .login(user: "fred", password: Secret("secret"))),
    Form("LOGIN  \"fred\"   \"se cret\\\"\\\\\"", .login(user: "fred", password: Secret("se cret\"\\"))),
    Form("LOGIN {4}\r\nfred {6+}\r\nse\r\nct", .login(user: "fred", password: Secret("se\r\nct"))),
    Form("LOGIN fr]ed \"\"", .login(user: "fr]ed", password: Secret(""))),
    Form("AUTHENTICATE plain", .authenticate(SASLExchange(mechanism: "PLAIN"))),
    Form(
      "AUTHENTICATE PLAIN AGEAYg==",
      .authenticate(SASLExchange(mechanism: "PLAIN", initialResponse: Secret([0, 0x61, 0, 0x62])))),
    Form("AUTHENTICATE EXTERNAL =", .authenticate(SASLExchange(mechanism: "EXTERNAL", initialResponse: Secret([])))),
    Form("ENABLE CONDSTORE utf8=accept", .enable([.condStore, .utf8Accept])),
    Form("NAMESPACE", .namespace), Form("getjmapaccess", .getJMAPAccess),
    Form("IDLE", .idle),
    Form("CLOSE", .close),
    Form("UNSELECT", .unselect),
    Form("EXPUNGE", .expunge),
    Form("UID EXPUNGE 3,5:*", .uidExpunge(UIDSet(ranges: [.init(3, 3), .init(5, UIDSet.star)]))),
    Form("uid  expunge 7", .uidExpunge([7])),
  ]

  static let mailboxForms: [Form] = [
    Form("LIST \"\" *", .list(reference: "", pattern: MailboxName(wire: [0x2a]))),
    Form("LIST a/ %b*c%", .list(reference: "a/", pattern: MailboxName(wire: Array("%b*c%".utf8)))),
    Form("LIST \"\" \"\"", .list(reference: "", pattern: "")),
    Form("LIST \"\" {1+}\r\n%", .list(reference: "", pattern: "%")),
    Form("STATUS inbox (MESSAGES uidnext)", .status(.inbox, [.messages, .uidNext])),
    Form(
      "STATUS \"a b\" (UNSEEN UIDVALIDITY SIZE HIGHESTMODSEQ DELETED RECENT UNSEEN )",
      .status("a b", [.unseen, .uidValidity, .size, .highestModSeq, .deleted, .recent])),
    Form("CREATE &AOQ-", .create("\u{e4}")),
    Form("DELETE {3}\r\na b", .delete("a b")),
    Form("SELECT INBOX", .select(.inbox)),
    Form("SELECT InBox (CONDSTORE)", .select(.inbox, condStore: true)),
    Form("EXAMINE Sent(condstore)", .examine("Sent", condStore: true)),
    Form("APPEND INBOX {12}", .append(AppendRequest(mailbox: .inbox, byteCount: 12))),
    Form("APPEND {1}\r\na () {12+}", .append(AppendRequest(mailbox: "a", byteCount: 12))),
    Form(
      "APPEND \"a b\" (\\Seen $Fwd) \" 7-Feb-1994 21:52:25 -0830\" {0}",
      .append(
        AppendRequest(
          mailbox: "a b", flags: [.seen, "$Fwd"],
          date: InternalDate(year: 1994, month: 2, day: 7, hour: 21, minute: 52, second: 25, zone: -510), byteCount: 0))
    ),
    Form(
      "APPEND a \"17-jul-2026 00:00:60 +0000\" {5}",
      .append(
        AppendRequest(
          mailbox: "a", date: InternalDate(year: 2026, month: 7, day: 17, hour: 0, minute: 0, second: 60, zone: 0),
          byteCount: 5))),
    Form("COPY 2:4 Trash", .copy(.sequence([2, 3, 4]), "Trash")),
    Form("UID COPY 9:7,* \"x\"", .copy(.uids(UIDSet(ranges: [.init(9, 7), .init(UIDSet.star, UIDSet.star)])), "x")),
    Form("MOVE 1 a", .move(.sequence([1]), "a")),
    Form("UID MOVE 4294967295 a", .move(.uids(UIDSet(UID(rawValue: .max))), "a")),
  ]

  static let fetchForms: [Form] = [
    Form("FETCH 1 ALL", .fetch(.sequence([1]), [.flags, .internalDate, .rfc822Size, .envelope])),
    Form("FETCH 1 fast", .fetch(.sequence([1]), [.flags, .internalDate, .rfc822Size])),
    Form("FETCH 1 FULL", .fetch(.sequence([1]), [.flags, .internalDate, .rfc822Size, .envelope, .body])),
    Form("FETCH 1 FLAGS", .fetch(.sequence([1]), [.flags])),
    Form(
      "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ ENVELOPE BODYSTRUCTURE BODY)",
      .fetch(
        .uids(.all), [.uid, .flags, .internalDate, .rfc822Size, .modSeq, .envelope, .bodyStructure, .body])),
    Form(
      "FETCH 1 ( RFC822 RFC822.HEADER  RFC822.TEXT )", .fetch(.sequence([1]), [.rfc822, .rfc822Header, .rfc822Text])),
    Form("FETCH 1 BODY[]", .fetch(.sequence([1]), [.section(.full, peek: false)])),
    Form("FETCH 1 body.peek[header]", .fetch(.sequence([1]), [.section(.header)])),
    Form(
      "FETCH 1 (BODY.PEEK[1.2.MIME] BODY[3] BODY[4.TEXT]<0.100>)",
      .fetch(
        .sequence([1]),
        [
          .section(Section(part: [1, 2], .mime)), .section(Section(part: [3]), peek: false),
          .section(Section(part: [4], .text), peek: false, partial: PartialRange(offset: 0, count: 100)),
        ])),
    Form(
      "FETCH 1 BODY.PEEK[HEADER.FIELDS (Date \"From\" {2}\r\nTo)]",
      .fetch(.sequence([1]), [.section(Section(.headerFields(["Date", "From", "To"])))])),
    Form(
      "FETCH 1 BODY.PEEK[2.HEADER.FIELDS.NOT (X)]<5.1>",
      .fetch(
        .sequence([1]),
        [.section(Section(part: [2], .headerFieldsNot(["X"])), partial: PartialRange(offset: 5, count: 1))])),
    Form("UID FETCH 5 (FLAGS) (CHANGEDSINCE 12345)", .fetch(.uids([5]), [.flags], changedSince: 12345)),
    Form(
      "FETCH 5 FLAGS (changedsince 9223372036854775807)",
      .fetch(.sequence([5]), [.flags], changedSince: 9_223_372_036_854_775_807)),
  ]

  static let storeForms: [Form] = [
    Form("convert 1 (nil) body[header]", .convert(.sequence([1]), ConversionRequest(to: nil, [.header()]))),
    Form(
      "UID CONVERT 1 ( \"text/plain\" ( charset utf-8 ) ) ( UID binary[1] )",
      .convert(
        .uids([1]),
        ConversionRequest(to: "text/plain", parameters: [.init("charset", "utf-8")], [.uid, .binary([1])]))),
    Form("conversions \"*\" image/jpeg", .conversions(from: "*", to: "image/jpeg")),
    Form("PARTIAL 1 body[] 1 10", .partial(1, .section(.full, peek: false), first: 1, count: 10)),
    Form("rlsub \"\" %", .rlsub(reference: "", pattern: "%")),
    Form("STORE 1 FLAGS (\\Seen)", .store(.sequence([1]), StoreOperation(.replace, [.seen]))),
    Form("STORE 1 +FLAGS \\Seen", .store(.sequence([1]), StoreOperation(.add, [.seen]))),
    Form(
      "STORE 1 -flags.silent \\Seen $a", .store(.sequence([1]), StoreOperation(.remove, [.seen, "$a"], silent: true))),
    Form("UID STORE 1 FLAGS.SILENT ()", .store(.uids([1]), StoreOperation(.replace, [], silent: true))),
    Form(
      "UID STORE 1:3 (UNCHANGEDSINCE 77) +FLAGS.SILENT (\\Deleted)",
      .store(.uids([1, 2, 3]), StoreOperation(.add, [.deleted], silent: true), unchangedSince: 77)),
  ]

  static let searchForms: [Form] = [
    Form("SEARCH ALL", .search(.all, uid: false)),
    Form("UID SEARCH all", .search(.all)),
    Form("UID SEARCH CHARSET UTF-8 TEXT {4+}\r\n\u{e4}\u{f6}", .search(.text("\u{e4}\u{f6}"), charset: "UTF-8")),
    Form("UID SEARCH charset \"us-ascii\" SEEN", .search(.flag(.seen), charset: "us-ascii")),
    Form(
      "UID SEARCH ANSWERED DELETED DRAFT FLAGGED RECENT SEEN",
      .search(
        .and([
          .flag(.answered), .flag(.deleted), .flag(.draft), .flag(.flagged), .flag(.recent), .flag(.seen),
        ]))),
    Form(
      "UID SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN NEW OLD",
      .search(
        .and([
          .noFlag(.answered), .noFlag(.deleted), .noFlag(.draft), .noFlag(.flagged), .noFlag(.seen), .new, .old,
        ]))),
    Form("UID SEARCH KEYWORD $Fwd UNKEYWORD Junk", .search(.and([.flag("$Fwd"), .noFlag("Junk")]))),
    Form("UID SEARCH BCC a CC b FROM c TO d", .search(.and([.bcc("a"), .cc("b"), .from("c"), .to("d")]))),
    Form("UID SEARCH SUBJECT \"x y\" BODY z TEXT \"\"", .search(.and([.subject("x y"), .body("z"), .text("")]))),
    Form("UID SEARCH HEADER Message-ID \"<1@x>\"", .search(.header("Message-ID", "<1@x>"))),
    Form("UID SEARCH HEADER X \"\"", .search(.header("X", ""))),
    Form(
      "UID SEARCH BEFORE 1-Feb-1994 ON \"02-mar-1995\" SINCE 31-Dec-2026",
      .search(
        .and([.before(day(1994, 2, 1)), .on(day(1995, 3, 2)), .since(day(2026, 12, 31))]))),
    Form(
      "UID SEARCH SENTBEFORE 1-Apr-1994 SENTON 1-May-1994 SENTSINCE 1-Jun-1994",
      .search(.and([.sentBefore(day(1994, 4, 1)), .sentOn(day(1994, 5, 1)), .sentSince(day(1994, 6, 1))]))),
    Form("UID SEARCH LARGER 4294967295 SMALLER 0", .search(.and([.larger(4_294_967_295), .smaller(0)]))),
    Form("UID SEARCH MODSEQ 620162338", .search(.modSeq(620_162_338))),
    Form("UID SEARCH MODSEQ \"/flags/\\\\draft\" all 7", .search(.modSeq(7, entry: ModSeqEntry("/flags/\\draft")))),
    Form("UID SEARCH 1:3 UID 7:*", .search(.and([.sequence([1, 2, 3]), .uid(UIDSet(7...))]))),
    Form("UID SEARCH *", .search(.sequence(SequenceSet(ranges: [.init(SequenceSet.star, SequenceSet.star)])))),
    Form("UID SEARCH NOT SEEN", .search(.not(.flag(.seen)))),
    Form("UID SEARCH OR FROM a (TO b SEEN)", .search(.or(.from("a"), .and([.to("b"), .flag(.seen)])))),
    Form("UID SEARCH (( ALL )) ( NEW  OLD )", .search(.and([.all, .and([.new, .old])]))),
  ]

  static func day(_ year: Int, _ month: Int, _ day: Int) -> SearchDate {
    guard let date = SearchDate(year: year, month: month, day: day) else { preconditionFailure("bad table") }
    return date
  }

  static let faults: [Fault] = [
    Fault("", .unexpectedEnd, 0),
    Fault("a", .unexpectedEnd, 1),
    Fault("a ", .unexpectedEnd, 2),
    Fault("+ NOOP", .unexpectedByte(0x2b), 0),
    Fault("a+b NOOP", .unexpectedByte(0x2b), 1),
    Fault("* NOOP", .unexpectedByte(0x2a), 0),
    Fault("a(b NOOP", .unexpectedByte(0x28), 1),
    Fault("a NOPE", .unknownCommand, 2),
    Fault("a UID", .unexpectedEnd, 5),
    Fault("a UID NOOP", .unknownCommand, 2),
    Fault("a NOOP x", .unexpectedByte(0x78), 7),
    Fault("a NOOP\rx", .unexpectedByte(0x78), 7),
    Fault("a NOOP()", .unexpectedByte(0x28), 6),
    Fault("a LOGIN fred", .unexpectedEnd, 12),
    Fault("a LOGIN fred x y", .unexpectedByte(0x79), 15),
    Fault("a LOGIN fred \"x", .unterminatedString, 13),
    Fault("a LOGIN fred \"x\\", .unterminatedString, 13),
    Fault("a LOGIN fred \"x\"y", .unexpectedByte(0x79), 16),
    Fault("a LOGIN fred {9}\r\nabc", .unexpectedEnd, 18),
    Fault("a LOGIN fred pa%ss", .unexpectedByte(0x25), 15),
    Fault("a AUTHENTICATE", .unexpectedEnd, 14),
    Fault("a AUTHENTICATE PLAIN !!!!", .invalidValue, 21),
    Fault("a AUTHENTICATE PLAIN AA== AA==", .unexpectedByte(0x41), 26),
    Fault("a ENABLE", .unexpectedEnd, 8),
    Fault("a ID", .unexpectedEnd, 4),
    Fault("a ID (\"name\")", .unexpectedByte(0x29), 12),
    Fault("a ID (NIL NIL)", .unexpectedByte(0x4e), 6),
    Fault("a LIST \"\"", .unexpectedEnd, 9),
    Fault("a STATUS x ()", .unexpectedByte(0x29), 12),
    Fault("a STATUS x (MESSAGES WEIGHT)", .invalidValue, 21),
    Fault("a STATUS x MESSAGES", .unexpectedByte(0x4d), 11),
    Fault("a SELECT x (QRESYNC)", .unexpectedByte(0x29), 19),
    Fault("a SELECT x (QSYNC)", .invalidValue, 12),
    Fault("a SELECT x y", .unexpectedByte(0x79), 11),
    Fault("a APPEND x", .unexpectedEnd, 10),
    Fault("a APPEND x y", .unexpectedByte(0x79), 11),
    Fault("a APPEND x (\\Seen {3}", .unexpectedByte(0x7b), 18),
    Fault("a APPEND x \"1-Feb-1994\" {3}", .unexpectedByte(0x22), 22),
    Fault("a APPEND x \"32-Feb-1994 00:00:00 +0000\" {3}", .invalidValue, 12),
    Fault("a APPEND x \"01-Feb-1994 00:00:00 +0060\" {3}", .invalidValue, 12),
    Fault("a UID EXPUNGE 0", .invalidValue, 14),
    Fault("a UID EXPUNGE 1,,2", .unexpectedByte(0x2c), 16),
    Fault("a UID EXPUNGE 1:", .unexpectedEnd, 16),
    Fault("a UID EXPUNGE 4294967296", .numberTooLarge, 14),
    Fault("a UID EXPUNGE 99999999999999999999999", .numberTooLarge, 14),
    Fault("a FETCH 1", .unexpectedEnd, 9),
    Fault("a FETCH 1 ()", .unexpectedByte(0x29), 11),
    Fault("a FETCH 1 (ALL)", .invalidValue, 11),
    Fault("a FETCH 1 (FLAGS", .unexpectedEnd, 16),
    Fault("a FETCH 1 (FLAGS)) ", .unexpectedByte(0x29), 17),
    Fault("a FETCH 1 WEIGHT", .invalidValue, 10),
    Fault("a FETCH 1 FLAGS[1]", .invalidValue, 10),
    Fault("a FETCH 1 BODY[MIME]", .invalidValue, 15),
    Fault("a FETCH 1 BODY[0]", .invalidValue, 15),
    Fault("a FETCH 1 BODY[1.]", .unexpectedByte(0x5d), 17),
    Fault("a FETCH 1 BODY[1TEXT]", .unexpectedByte(0x54), 16),
    Fault("a FETCH 1 BODY[HEADER.FIELDS ()]", .unexpectedByte(0x29), 30),
    Fault("a FETCH 1 BODY[]<0.0>", .invalidValue, 19),
    Fault("a FETCH 1 BODY[]<1>", .unexpectedByte(0x3e), 18),
    Fault("a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)", .numberTooLarge, 30),
    Fault("a FETCH 1 FLAGS (VANISHED)", .invalidValue, 17),
    Fault("a STORE 1 FLAGS", .unexpectedEnd, 15),
    Fault("a STORE 1 =FLAGS ()", .invalidValue, 10),
    Fault("a STORE 1 FLAGS (\\)", .unexpectedByte(0x29), 18),
    Fault("a COPY 1", .unexpectedEnd, 8),
    Fault("a SEARCH", .unexpectedEnd, 8),
    Fault("a SEARCH ()", .unexpectedByte(0x29), 10),
    Fault("a SEARCH (ALL", .unexpectedEnd, 13),
    Fault("a SEARCH ALL)", .unexpectedByte(0x29), 12),
    Fault("a SEARCH SEEN(ALL)", .unexpectedByte(0x28), 13),
    Fault("a SEARCH OR SEEN", .unexpectedEnd, 16),
    Fault("a SEARCH YOUNGER 0", .invalidValue, 17),
    Fault("a SEARCH YOUNGISH 5", .unknownSearchKey, 9),
    Fault("a SEARCH SINCE 1-Foo-1994", .invalidValue, 17),
    Fault("a SEARCH SINCE 0-Jan-1994", .invalidValue, 15),
    Fault("a SEARCH SINCE 1-Jan-94", .unexpectedEnd, 23),
  ]
}
