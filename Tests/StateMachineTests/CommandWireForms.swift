@testable import IMAPStateMachine

/// Commands and exactly what is sent for them to a server with LITERAL+. Most are the examples of the RFCs.
extension CommandWireTests {
  static let sessionForms: [Form] = [
    Form(.language(["DE"]), "LANGUAGE \"DE\""),
    Form(.language([]), "LANGUAGE"),
    Form(.language(["FR-CA", "EN-CA"]), "LANGUAGE \"FR-CA\" \"EN-CA\""),
    Form(.comparator(["cz;*", "i;basic"]), "COMPARATOR \"cz;*\" \"i;basic\""),
    Form(.comparator([]), "COMPARATOR"),
    Form(.proxyAuth(user: "fred"), "PROXYAUTH \"fred\""),
    Form(.notify(.none), "NOTIFY NONE"),
    Form(
      .notify(
        .set(
          status: true,
          [
            NotifyGroup(
              .selected,
              [
                .messageNew([
                  .uid, .section(Section(.headerFields(["From", "To", "Subject"]))),
                ]), .messageExpunge,
              ]),
            NotifyGroup(.subtree(["INBOX/Lemonade"]), [.messageNew(), .messageExpunge]),
          ])),
      "NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From To Subject)]) MessageExpunge)) "
        + "(subtree \"INBOX/Lemonade\" (MessageNew MessageExpunge))"),
    Form(
      .notify(
        .set([
          NotifyGroup(.selectedDelayed, [.messageNew(), .messageExpunge, .flagChange, .annotationChange]),
          NotifyGroup(.mailboxes(["misc", "Lists/Lemonade"]), []),
          NotifyGroup(
            .personal,
            [.mailboxName, .subscriptionChange, .mailboxMetadataChange, .serverMetadataChange, .other("XThing")]),
          NotifyGroup(.inboxes, []), NotifyGroup(.subscribed, []),
        ])),
      "NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange AnnotationChange)) "
        + "(mailboxes (\"misc\" \"Lists/Lemonade\") NONE) "
        + "(personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange XThing)) "
        + "(inboxes NONE) (subscribed NONE)"),
    Form(
      .applePushService(
        ApplePushRequest(
          accountID: "0715A26B", deviceToken: "9142", subtopic: "com.apple.mobilemail", mailboxes: [.inbox, "Notes"])),
      "XAPPLEPUSHSERVICE aps-version 2 aps-account-id \"0715A26B\" aps-device-token \"9142\" aps-subtopic "
        + "\"com.apple.mobilemail\" mailboxes (\"INBOX\" \"Notes\")"),
    Form(
      .other(
        GenericCommand(
          "xfoo",
          [
            .atom("a"), .atom("\\Seen"), .number(7), .set([1, 2]), .set(.savedResult), .string("x y"),
            .string("a\r\nb"), .binary([0]), .list([]), .list([.atom("NIL"), .list([.number(0)])]),
            .raw("BINARY[1]<0.5>*"),
          ])),
      "XFOO a \\Seen 7 1:2 $ \"x y\" {4+}\r\na\r\nb ~{1+}\r\n\0 () (NIL (0)) BINARY[1]<0.5>*"),
    Form(
      .other(
        GenericCommand(
          "UID XCONVERT",
          [
            .number(1), .list([.string("text/plain"), .list([.string("charset"), .string("utf-8")])]), .atom("BINARY"),
          ])),
      "UID XCONVERT 1 (\"text/plain\" (\"charset\" \"utf-8\")) BINARY"),
    Form(
      .other(GenericCommand("XCONVERT", [.raw("BODY[HEADER.FIELDS (A \"B\")]"), .atom("BINARY[1]")])),
      "XCONVERT BODY[HEADER.FIELDS (A \"B\")] BINARY[1]"),
  ]

  static let mailboxForms: [Form] = [
    Form(.list(reference: "", pattern: "*"), "LIST \"\" \"*\""),
    Form(
      .list(ListRequest(patterns: ["*"], selection: [.subscribed])), "LIST (SUBSCRIBED) \"\" \"*\""),
    Form(
      .list(ListRequest(patterns: ["%"], returning: [.children], extended: true)),
      "LIST \"\" \"%\" RETURN (CHILDREN)"),
    Form(
      .list(ListRequest(patterns: ["%"], selection: [.remote], returning: [.children])),
      "LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)"),
    Form(.list(ListRequest(patterns: ["%"], extended: true)), "LIST () \"\" \"%\""),
    Form(.list(ListRequest(patterns: ["INBOX", "Drafts", "Sent/%"])), "LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")"),
    Form(
      .list(ListRequest(patterns: ["*2"], selection: [.recursiveMatch, .subscribed])),
      "LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*2\""),
    Form(
      .list(ListRequest(patterns: ["*"], selection: [.specialUse], returning: [.specialUse, .subscribed])),
      "LIST (SPECIAL-USE) \"\" \"*\" RETURN (SPECIAL-USE SUBSCRIBED)"),
    Form(
      .list(ListRequest(patterns: ["%"], returning: [.status([.messages, .unseen]), .myRights])),
      "LIST \"\" \"%\" RETURN (STATUS (MESSAGES UNSEEN) MYRIGHTS)"),
    Form(
      .list(ListRequest(patterns: ["%"], returning: [.metadata([Array("/shared/color".utf8), Array("/x".utf8)])])),
      "LIST \"\" \"%\" RETURN (METADATA (\"/shared/color\" \"/x\"))"),
    Form(
      .list(
        ListRequest(
          patterns: ["%"],
          selection: [.other(name: "X-A", value: .list([.atom("b")])), .other(name: "X-C", value: nil)],
          returning: [.other(name: "X-D", value: .number(5))])),
      "LIST (X-A (b) X-C) \"\" \"%\" RETURN (X-D 5)"),
    Form(.lsub(reference: "#news.", pattern: "comp.mail.*"), "LSUB \"#news.\" \"comp.mail.*\""),
    Form(.xlist(reference: "", pattern: "*"), "XLIST \"\" \"*\""),
    Form(.create("MySpecial", specialUse: ["\\Drafts", "\\Sent"]), "CREATE \"MySpecial\" (USE (\\Drafts \\Sent))"),
    Form(.rename("blurdybloop", to: "sarasoop"), "RENAME \"blurdybloop\" \"sarasoop\""),
    Form(.subscribe("#news.comp.mail.mime"), "SUBSCRIBE \"#news.comp.mail.mime\""),
    Form(.unsubscribe("#news.comp.mail.mime"), "UNSUBSCRIBE \"#news.comp.mail.mime\""),
    Form(
      .status(.inbox, [.messages, .deleted, .deletedStorage, .mailboxID, .appendLimit, .highestModSeq, .size]),
      "STATUS \"INBOX\" (MESSAGES DELETED DELETED-STORAGE MAILBOXID APPENDLIMIT HIGHESTMODSEQ SIZE)"),
    Form(.select(.inbox, condStore: true), "SELECT \"INBOX\" (CONDSTORE)"),
    Form(
      .select(
        .inbox,
        SelectParameters(
          qResync: QResyncParameters(
            uidValidity: 67_890_007, modSeq: 20_050_715_194_045_000, knownUIDs: UIDSet(41...211),
            sequenceMatch: .init(sequence: [5, 6], uids: [9])))),
      "SELECT \"INBOX\" (QRESYNC (67890007 20050715194045000 41:211 (5:6 9)))"),
    Form(
      .select(.inbox, SelectParameters(qResync: QResyncParameters(uidValidity: 1, modSeq: 2))),
      "SELECT \"INBOX\" (QRESYNC (1 2))"),
    Form(
      .examine(
        .inbox,
        SelectParameters(
          condStore: true,
          qResync: QResyncParameters(uidValidity: 1, modSeq: 2, sequenceMatch: .init(sequence: [1], uids: [2])),
          annotate: true)), "EXAMINE \"INBOX\" (CONDSTORE QRESYNC (1 2 (1 2)) ANNOTATE)"),
  ]

  static let accessForms: [Form] = [
    Form(
      .setACL("INBOX/Drafts", identifier: "Byron", .replace("lrswikda")),
      "SETACL \"INBOX/Drafts\" \"Byron\" \"lrswikda\""
    ),
    Form(.setACL("INBOX/Drafts", identifier: "Chris", .add("cda")), "SETACL \"INBOX/Drafts\" \"Chris\" \"+cda\""),
    Form(.setACL("x", identifier: "-fred", .remove("")), "SETACL \"x\" \"-fred\" \"-\""),
    Form(.deleteACL(.inbox, identifier: Array("Fred".utf8)), "DELETEACL \"INBOX\" \"Fred\""),
    Form(.getACL("INBOX/Drafts"), "GETACL \"INBOX/Drafts\""),
    Form(.listRights("~/Mail/saved", identifier: Array("smith".utf8)), "LISTRIGHTS \"~/Mail/saved\" \"smith\""),
    Form(.myRights(.inbox), "MYRIGHTS \"INBOX\""),
    Form(.getQuota(root: "!partition/sda4"), "GETQUOTA \"!partition/sda4\""),
    Form(.getQuota(root: ""), "GETQUOTA \"\""),
    Form(.getQuotaRoot(.inbox), "GETQUOTAROOT \"INBOX\""),
    Form(
      .setQuota(root: Array("#user/alice".utf8), [QuotaLimit("storage", 510), QuotaLimit("MESSAGE", 7)]),
      "SETQUOTA \"#user/alice\" (STORAGE 510 MESSAGE 7)"),
    Form(.setQuota(root: [], []), "SETQUOTA \"\" ()"),
    Form(.getMetadata("", entries: ["/shared/comment"]), "GETMETADATA \"\" \"/shared/comment\""),
    Form(
      .getMetadata(
        .inbox, entries: ["/shared/comment", "/private/comment"], MetadataOptions(maximumSize: 1024, depth: .infinity)),
      "GETMETADATA (MAXSIZE 1024 DEPTH infinity) \"INBOX\" (\"/shared/comment\" \"/private/comment\")"),
    Form(
      .getMetadata(.inbox, entries: ["/a"], MetadataOptions(depth: .one)), "GETMETADATA (DEPTH 1) \"INBOX\" \"/a\""),
    Form(
      .setMetadata(
        .inbox,
        [
          .init(name: Array("/private/comment".utf8), value: Array("My new comment".utf8)),
          .init(name: Array("/a".utf8), value: nil), .init(name: Array("/b".utf8), value: [0x61, 0, 0x62]),
        ]),
      "SETMETADATA \"INBOX\" (\"/private/comment\" \"My new comment\" \"/a\" NIL \"/b\" ~{3+}\r\na\0b)"),
    Form(
      .getAnnotation(mailbox: "INBOX", entries: [Array("/comment".utf8)], attributes: [Array("value.priv".utf8)]),
      "GETANNOTATION \"INBOX\" \"/comment\" \"value.priv\""),
    Form(
      .getAnnotation(mailbox: "*", entries: [[0x61], [0x2a]], attributes: [[0x62], [0x63]]),
      "GETANNOTATION \"*\" (\"a\" \"*\") (\"b\" \"c\")"),
    Form(
      .setAnnotation(
        mailbox: "INBOX",
        [
          MessageAnnotation(
            entry: Array("/comment".utf8), attributes: [.init(name: Array("value.priv".utf8), value: Array("x".utf8))])
        ]), "SETANNOTATION \"INBOX\" \"/comment\" (\"value.priv\" \"x\")"),
    Form(
      .setAnnotation(
        mailbox: "INBOX",
        [
          MessageAnnotation(entry: [0x61], attributes: [.init(name: [0x62], value: nil)]),
          MessageAnnotation(entry: [0x63], attributes: [.init(name: [0x64], value: [0x65])]),
        ]), "SETANNOTATION \"INBOX\" (\"a\" (\"b\" NIL) \"c\" (\"d\" \"e\"))"),
    Form(
      .generateURLAuth([URLAuthRequest("imap://joe@example.com/INBOX/;uid=20;urlauth=anonymous", mechanism: "internal")]
      ),
      "GENURLAUTH \"imap://joe@example.com/INBOX/;uid=20;urlauth=anonymous\" INTERNAL"),
    Form(
      .fetchURLs([URLFetchRequest("imap://x/1"), URLFetchRequest("imap://x/2", [.body, .structure, .binary])]),
      "URLFETCH \"imap://x/1\" (\"imap://x/2\" BODY BODYPARTSTRUCTURE BINARY)"),
    Form(.resetKey(nil), "RESETKEY"),
    Form(.resetKey(.inbox), "RESETKEY \"INBOX\""),
    Form(.resetKey(.inbox, mechanisms: ["INTERNAL", "XSAMPLE"]), "RESETKEY \"INBOX\" INTERNAL XSAMPLE"),
  ]

  static let messageForms: [Form] = [
    Form(.check, "CHECK"),
    Form(.uidExpunge(.savedResult), "UID EXPUNGE $"),
    Form(.copy(.sequence(.savedResult), "Other Messages"), "COPY $ \"Other Messages\""),
    Form(.move(.uids(.savedResult), "Trash"), "UID MOVE $ \"Trash\""),
    Form(
      .fetch(
        .sequence([1]),
        [
          .binary([1, 2]), .binary([], peek: false, partial: PartialRange(offset: 0, count: 9)), .binarySize([3]),
          .preview(), .preview(lazy: true), .saveDate, .emailID, .threadID, .gmailMessageID, .gmailThreadID,
          .gmailLabels, .modSeq,
        ]),
      "FETCH 1 (BINARY.PEEK[1.2] BINARY[]<0.9> BINARY.SIZE[3] PREVIEW PREVIEW (LAZY) SAVEDATE EMAILID THREADID "
        + "X-GM-MSGID X-GM-THRID X-GM-LABELS MODSEQ)"),
    Form(
      .fetch(
        .uids([1123]),
        [
          .uid,
          .annotations(
            entries: [Array("/comment".utf8), Array("/altsubject".utf8)],
            attributes: [Array("value".utf8), Array("size".utf8)]),
        ]), "UID FETCH 1123 (UID ANNOTATION ((\"/comment\" \"/altsubject\") (\"value\" \"size\")))"),
    Form(
      .fetch(.sequence([1]), [.annotations(entries: [Array("/%".utf8)], attributes: [Array("value.shared".utf8)])]),
      "FETCH 1 (ANNOTATION (\"/%\" \"value.shared\"))"),
    Form(
      .fetch(
        .uids(UIDSet(25900...26600)), [.uid, .flags],
        FetchModifiers(changedSince: 98305, vanished: true, partial: SearchWindow(1, 30, fromEnd: true))),
      "UID FETCH 25900:26600 (UID FLAGS) (CHANGEDSINCE 98305 VANISHED PARTIAL -1:-30)"),
    Form(
      .fetch(.uids(UIDSet(25900...26600)), [.uid], FetchModifiers(partial: SearchWindow(1, 5))),
      "UID FETCH 25900:26600 (UID) (PARTIAL 1:5)"),
    Form(
      .fetch(.sequence([1]), [.other("X-THING[1.2 (a b)]<5>"), .other("Y (LAZY)"), .uid]),
      "FETCH 1 (X-THING[1.2 (a b)]<5> Y (LAZY) UID)"),
    Form(
      .storeLabels(.uids([7]), LabelOperation(.add, ["\\Inbox", "my label", "&"]), unchangedSince: 5),
      "UID STORE 7 (UNCHANGEDSINCE 5) +X-GM-LABELS (\\Inbox \"my label\" \"&-\")"),
    Form(
      .storeLabels(.sequence([7]), LabelOperation(.remove, [], silent: true)), "STORE 7 -X-GM-LABELS.SILENT ()"),
    Form(
      .storeAnnotations(
        .sequence([1]),
        [
          MessageAnnotation(
            entry: Array("/comment".utf8),
            attributes: [.init(name: Array("value.priv".utf8), value: Array("My new comment".utf8))])
        ]), "STORE 1 ANNOTATION (\"/comment\" (\"value.priv\" \"My new comment\"))"),
    // The examples of RFC 5259.
    Form(.conversions(from: "image/*", to: "text/*"), "CONVERSIONS \"image/*\" \"text/*\""),
    Form(
      .convert(
        .sequence([2]), ConversionRequest(to: "text/plain", parameters: [.init("charset", "us-ascii")], [.binary([3])])),
      "CONVERT 2 (\"text/plain\" (\"charset\" \"us-ascii\")) (BINARY[3])"),
    Form(
      .convert(
        .sequence([2]),
        ConversionRequest(
          to: "TEXT/PLAIN", [.binary([4], partial: PartialRange(offset: 2001, count: 1000)), .binarySize([4])])),
      "CONVERT 2 (\"TEXT/PLAIN\") (BINARY[4]<2001.1000> BINARY.SIZE[4])"),
    Form(
      .convert(
        .sequence([2]),
        ConversionRequest(
          to: nil, parameters: [.init("CHARSET", "utf-8")], [.header(), .header([1]), .mime([1, 2]), .uid])),
      "CONVERT 2 (NIL (\"CHARSET\" \"utf-8\")) (BODY[HEADER] BODY[1.HEADER] BODY[1.2.MIME] UID)"),
    Form(
      .convert(.uids([100]), ConversionRequest(to: nil, [.available([2]), .structure([2])])),
      "UID CONVERT 100 (NIL) (AVAILABLECONVERSIONS[2] BODYPARTSTRUCTURE[2])"),
    Form(
      .partial(4, .section(Section(part: [1])), first: 1, count: 1024), "PARTIAL 4 BODY.PEEK[1] 1 1024"),
    Form(.partial(4, .rfc822, first: 1025, count: 1024), "PARTIAL 4 RFC822 1025 1024"),
    Form(.rlist(reference: "", pattern: "%"), "RLIST \"\" \"%\""),
    Form(.rlsub(reference: "#news.", pattern: "*"), "RLSUB \"#news.\" \"*\""),
    Form(.getJMAPAccess, "GETJMAPACCESS"), Form(.uidBatches(size: 2000), "UIDBATCHES 2000"),
    Form(.uidBatches(size: 2000, batches: 11...20), "UIDBATCHES 2000 11:20"),
    Form(.cancelUpdate(tags: ["B01", "A\"2"]), "CANCELUPDATE \"B01\" \"A\\\"2\""),
  ]

  static let searchForms: [Form] = [
    Form(
      .search(.noFlag(.deleted), uid: false, returning: [.context, .count]),
      "SEARCH RETURN (CONTEXT COUNT) UNDELETED"),
    Form(.search(.all, returning: []), "UID SEARCH RETURN () ALL"),
    Form(
      .search(.all, returning: [.min, .max, .all, .count, .save, .relevancy, .partial(SearchWindow(1, 500))]),
      "UID SEARCH RETURN (MIN MAX ALL COUNT SAVE RELEVANCY PARTIAL 1:500) ALL"),
    Form(
      .search(.noFlag(.deleted), returning: [.partial(SearchWindow(1, 100, fromEnd: true))]),
      "UID SEARCH RETURN (PARTIAL -1:-100) UNDELETED"),
    Form(
      .search(.flag(.deleted), returning: [.update(), .update([.uid, .flags]), .other(name: "X", value: .list([]))]),
      "UID SEARCH RETURN (UPDATE UPDATE (UID FLAGS) X ()) DELETED"),
    Form(
      .search(.and([.sequence(.savedResult), .uid(.savedResult), .smaller(4096)]), uid: false),
      "SEARCH $ UID $ SMALLER 4096"),
    Form(.search(.fuzzy(.subject("IMAP break")), uid: false), "SEARCH FUZZY SUBJECT \"IMAP break\""),
    Form(.search(.fuzzy(.and([.subject("a"), .from("b")]))), "UID SEARCH FUZZY (SUBJECT \"a\" FROM \"b\")"),
    Form(.search(.and([.older(604_800), .younger(1)])), "UID SEARCH OLDER 604800 YOUNGER 1"),
    Form(
      .search(
        .and([
          .savedBefore(day(2014, 12, 28)), .savedOn(day(2014, 12, 28)), .savedSince(day(2014, 12, 28)),
          .saveDateSupported,
        ])), "UID SEARCH SAVEDBEFORE 28-Dec-2014 SAVEDON 28-Dec-2014 SAVEDSINCE 28-Dec-2014 SAVEDATESUPPORTED"),
    Form(
      .search(.or(.emailID("M6d99ac3275bb4e"), .threadID("T64b478a75b7ea9")), uid: false),
      "SEARCH OR EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9"),
    Form(
      .search(
        .and([
          .gmailRaw("has:attachment in:unread"), .gmailMessageID(1_278_455_344_230_334_865), .gmailThreadID(.max),
          .gmailLabel("foo"), .gmailLabel("\\Important"),
        ])),
      "UID SEARCH X-GM-RAW \"has:attachment in:unread\" X-GM-MSGID 1278455344230334865 X-GM-THRID 18446744073709551615 "
        + "X-GM-LABELS \"foo\" X-GM-LABELS \\Important"),
    Form(.search(.filter("on-the-road"), uid: false), "SEARCH FILTER on-the-road"),
    Form(
      .search(
        .annotation(entry: Array("/comment".utf8), attribute: Array("value".utf8), value: Array("IMAP4".utf8)),
        uid: false), "SEARCH ANNOTATION \"/comment\" \"value\" \"IMAP4\""),
    Form(.search(.annotation(entry: [0x2a], attribute: [0x78], value: nil)), "UID SEARCH ANNOTATION \"*\" \"x\" NIL"),
    Form(.search(.and([.uidAfter(25000), .uidBefore(26000)])), "UID SEARCH UIDAFTER 25000 UIDBEFORE 26000"),
    Form(
      .search(.modSeq(620_162_338, entry: ModSeqEntry("/flags/\\draft")), uid: false),
      "SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338"),
    Form(.search(.larger(9_223_372_036_854_775_807)), "UID SEARCH LARGER 9223372036854775807"),
    Form(
      .sort([SortCriterion(.subject), SortCriterion(.date, reversed: true)], .all, uid: false),
      "SORT (SUBJECT REVERSE DATE) UTF-8 ALL"),
    Form(
      .sort(
        [.arrival, .cc, .from, .size, .to, .displayFrom, .displayTo, .relevancy].map { SortCriterion($0) },
        .text("x"), charset: "US-ASCII"),
      "UID SORT (ARRIVAL CC FROM SIZE TO DISPLAYFROM DISPLAYTO RELEVANCY) US-ASCII TEXT \"x\""),
    Form(
      .sort([SortCriterion(.date, reversed: true)], .and([.noFlag(.deleted), .new]), returning: []),
      "UID SORT RETURN () (REVERSE DATE) UTF-8 UNDELETED NEW"),
    Form(
      .sort(
        [SortCriterion(.annotation(entry: Array("/altsubject".utf8), attribute: Array("value.shared".utf8)))], .all,
        uid: false), "SORT (ANNOTATION \"/altsubject\" \"value.shared\") UTF-8 ALL"),
    Form(
      .thread(.orderedSubject, .and([.since(day(2000, 3, 5)), .from("smith")]), uid: false),
      "THREAD ORDEREDSUBJECT UTF-8 SINCE 5-Mar-2000 FROM \"smith\""),
    Form(.thread(.references, .all, charset: "US-ASCII"), "UID THREAD REFERENCES US-ASCII ALL"),
    Form(
      .multiSearch(MultiSearch(in: [.mailboxes(["folder1"]), .subtree(["folder2"])], .noFlag(.seen))),
      "ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") UNSEEN"),
    Form(
      .multiSearch(
        MultiSearch(in: [.subtreeOne(["a", "b"]), .selected], .subject("chad"), returning: [.min, .count])),
      "ESEARCH IN (subtree-one (\"a\" \"b\") selected) RETURN (MIN COUNT) SUBJECT \"chad\""),
    Form(.multiSearch(MultiSearch(in: [], .all)), "ESEARCH ALL"),
  ]

  /// APPEND. `#n` stands for a message of n bytes.
  static let appendForms: [Form] = [
    Form(.append(AppendRequest(mailbox: "a", byteCount: 3)), "APPEND \"a\" {3+}\r\n###"),
    Form(
      .append(
        AppendRequest(
          mailbox: "saved-messages",
          messages: [
            AppendMessage(flags: [.seen], byteCount: 3),
            AppendMessage(date: InternalDate(unixSeconds: 0), byteCount: 0),
            AppendMessage(flags: ["\\Seen", "$MDNSent"], .binary(byteCount: 2)),
          ])),
      "APPEND \"saved-messages\" (\\Seen) {3+}\r\n### \"01-Jan-1970 00:00:00 +0000\" {0+}\r\n (\\Seen $MDNSent) "
        + "~{2+}\r\n##"),
    Form(
      .append(
        AppendRequest(mailbox: "a", messages: [AppendMessage(.utf8(byteCount: 4)), AppendMessage(byteCount: 1)])),
      "APPEND \"a\" UTF8 (~{4+}\r\n####) {1+}\r\n#"),
    Form(
      .append(
        AppendRequest(
          mailbox: "Drafts",
          messages: [
            AppendMessage(
              flags: [.seen, .draft],
              .catenate([
                .url("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER"), .text(byteCount: 4),
                .url("/Drafts;UID=20/;section=1.MIME"), .url("a\r\nb"), .text(byteCount: 2, binary: true),
              ])),
            AppendMessage(.catenate([.text(byteCount: 0), .url("x")])),
          ])),
      "APPEND \"Drafts\" (\\Seen \\Draft) CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER\" TEXT "
        + "{4+}\r\n#### URL \"/Drafts;UID=20/;section=1.MIME\" URL {4+}\r\na\r\nb TEXT ~{2+}\r\n##) CATENATE (TEXT "
        + "{0+}\r\n URL \"x\")"),
    Form(
      .append(AppendRequest(mailbox: "Drafts", messages: [AppendMessage(.catenate([.url("/a"), .url("b\nc")]))])),
      "APPEND \"Drafts\" CATENATE (URL \"/a\" URL {3+}\r\nb\nc)"),
    Form(
      .append(
        AppendRequest(
          mailbox: "drafts",
          messages: [
            AppendMessage(
              annotations: [
                MessageAnnotation(
                  entry: Array("/comment".utf8),
                  attributes: [.init(name: Array("value.priv".utf8), value: Array("a\nb".utf8))])
              ], .literal(byteCount: 2))
          ])), "APPEND \"drafts\" ANNOTATION (\"/comment\" (\"value.priv\" {3+}\r\na\nb)) {2+}\r\n##"),
    Form(
      .replace(.sequence(4), with: AppendRequest(mailbox: "Drafts", flags: [.seen, .draft], byteCount: 3)),
      "REPLACE 4 \"Drafts\" (\\Seen \\Draft) {3+}\r\n###"),
    Form(
      .replace(.uid(2000), with: AppendRequest(mailbox: "Drafts", byteCount: 3)),
      "UID REPLACE 2000 \"Drafts\" {3+}\r\n###"
    ),
    Form(
      .replace(
        .uid(nil), with: AppendRequest(mailbox: "a", messages: [AppendMessage(.catenate([.text(byteCount: 1)]))])),
      "UID REPLACE * \"a\" CATENATE (TEXT {1+}\r\n#)"),
  ]

  static let all = sessionForms + mailboxForms + accessForms + messageForms + searchForms + appendForms

  static func day(_ year: Int, _ month: Int, _ day: Int) -> SearchDate { CommandParserTests.day(year, month, day) }
}
