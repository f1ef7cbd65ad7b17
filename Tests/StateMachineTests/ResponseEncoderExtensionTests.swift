import Testing

@testable import IMAPStateMachine

/// Responses of extensions as a server writes them, and as a client reads them again.
@Suite struct ResponseEncoderExtensionTests {
  typealias Form = ResponseEncoderTests.Form

  static let forms: [Form] = [
    Form(.vanished(UIDSet(ranges: [.init(41, 41), .init(43, 116)]), earlier: true), "* VANISHED (EARLIER) 41,43:116"),
    Form(.vanished([7], earlier: false), "* VANISHED 7"),
    Form(.sort(SearchResult(numbers: [5, 3], modSeq: 9)), "* SORT 5 3 (MODSEQ 9)"),
    Form(.sort(SearchResult()), "* SORT"),
    Form(.thread([]), "* THREAD"),
    Form(
      .thread([
        MessageThread([2]),
        MessageThread([3, 6], branches: [MessageThread([4, 23]), MessageThread([44, 7, 96])]),
        MessageThread(branches: [MessageThread([8]), MessageThread([9])]),
      ]),
      "* THREAD (2)(3 6 (4 23)(44 7 96))((8)(9))"),
    Form(.extendedSearch(ExtendedSearchResult()), "* ESEARCH"),
    Form(
      .extendedSearch(
        ExtendedSearchResult(
          tag: "A1", mailbox: "a b", uidValidity: 7, isUID: true,
          items: [
            .min(1), .max(9), .count(3), .all(.uids([1, 5, 6, 9])), .modSeq(4),
            .partial(SearchWindow(1, 100), .uids([1])), .partial(SearchWindow(1, 2, fromEnd: true), nil),
            .addTo([.init(position: 0, messages: .uids([4])), .init(position: 2, messages: .uids([9, 10]))]),
            .removeFrom([.init(position: 1, messages: .uids([3]))]), .relevancy([1, 100]),
            .unknown(name: "X-A", value: Array("(1 2)".utf8)),
          ])),
      "* ESEARCH (TAG \"A1\" MAILBOX \"a b\" UIDVALIDITY 7) UID MIN 1 MAX 9 COUNT 3 ALL 1,5:6,9 MODSEQ 4 "
        + "PARTIAL (1:100 1) PARTIAL (-1:-2 NIL) ADDTO (0 4 2 9:10) REMOVEFROM (1 3) RELEVANCY (1 100) X-A (1 2)"),
    Form(
      .extendedSearch(ExtendedSearchResult(tag: "x", items: [.all(.sequence([2]))])), "* ESEARCH (TAG \"x\") ALL 2"),
    Form(
      .acl(
        AccessControlList(
          mailbox: .inbox,
          entries: [
            .init(identifier: bytes("fred"), rights: "lrs"), .init(identifier: bytes("-a b"), rights: ""),
          ])),
      "* ACL INBOX fred lrs \"-a b\" \"\""),
    Form(
      .listRights(ListRights(mailbox: "x", identifier: bytes("u"), required: "", optional: ["l", "swi"])),
      "* LISTRIGHTS x u \"\" l swi"),
    Form(.myRights(MyRights(mailbox: "x y", rights: "lr")), "* MYRIGHTS \"x y\" lr"),
    Form(
      .quota(
        Quota(
          root: [], resources: [.init("STORAGE", usage: 10, limit: 512), .init("message", usage: 0, limit: .max)])),
      "* QUOTA \"\" (STORAGE 10 512 MESSAGE 0 18446744073709551615)"),
    Form(.quota(Quota(root: bytes("a b"), resources: [])), "* QUOTA \"a b\" ()"),
    Form(.quotaRoots(QuotaRoots(mailbox: .inbox, roots: [])), "* QUOTAROOT INBOX"),
    Form(.quotaRoots(QuotaRoots(mailbox: .inbox, roots: [[], bytes("b")])), "* QUOTAROOT INBOX \"\" b"),
    Form(
      .metadata(
        Metadata(
          mailbox: "",
          .values([
            .init(name: bytes("/shared/a"), value: bytes("x\r\n")), .init(name: bytes("/shared/b"), value: nil),
            .init(name: bytes("/shared/c"), value: [0x61, 0, 0x62]),
          ]))),
      "* METADATA \"\" (/shared/a {3}\r\nx\r\n /shared/b NIL /shared/c ~{3}\r\na\u{0}b)"),
    Form(
      .metadata(Metadata(mailbox: "x", .changed([bytes("/shared/a"), bytes("/private/b")]))),
      "* METADATA x /shared/a /private/b"),
    Form(.language(["EN", "i-default"]), "* LANGUAGE (EN i-default)"),
    Form(.comparator(Comparator(active: "i;octet")), "* COMPARATOR i;octet"),
    Form(
      .comparator(Comparator(active: "i;octet", matching: ["i;octet", "b"])), "* COMPARATOR i;octet (i;octet b)"),
    Form(.authorizedURLs([bytes("imap://a"), bytes("imap://b c")]), "* GENURLAUTH \"imap://a\" \"imap://b c\""),
    Form(
      .fetchedURLs([
        FetchedURL(bytes("u"), .data(bytes("x"))), FetchedURL(bytes("v"), .data(nil)),
        FetchedURL(
          bytes("w"),
          .parts([
            .structure(.single(ResponseEncoderTests.text)), .body(nil), .binary([0]),
            .unknown(name: "X", value: bytes("5")),
          ])),
      ]),
      "* URLFETCH \"u\" \"x\" \"v\" NIL \"w\" (BODYPARTSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL "
        + "\"7BIT\" 12 1)) (BODY NIL) (BINARY ~{1}\r\n\u{0}) (X 5)"),
    Form(
      .uidFetch(9, [.flags([.seen]), .binarySize(part: [1, 2], 5)]), "* 9 UIDFETCH (FLAGS (\\Seen) BINARY.SIZE[1.2] 5)"),
    Form(
      fetch([
        .preview(bytes("a \"b\"")), .preview(nil), .saveDate(InternalDate(unixSeconds: 0)), .saveDate(nil),
        .emailID("M1"), .emailID(nil), .threadID("T1"), .threadID(nil),
      ]),
      "* 2 FETCH (PREVIEW \"a \\\"b\\\"\" PREVIEW NIL SAVEDATE \"01-Jan-1970 00:00:00 +0000\" SAVEDATE NIL "
        + "EMAILID (M1) EMAILID NIL THREADID (T1) THREADID NIL)"),
    Form(
      fetch([.gmailMessageID(.max), .gmailThreadID(1), .gmailLabels(["\\Inbox", "a b", "\u{e4}"])]),
      "* 2 FETCH (X-GM-MSGID 18446744073709551615 X-GM-THRID 1 X-GM-LABELS (\"\\\\Inbox\" \"a b\" &AOQ-))"),
    Form(
      fetch([
        .annotations([
          .init(
            entry: bytes("/comment"),
            attributes: [
              .init(name: bytes("value.priv"), value: bytes("x")), .init(name: bytes("value.shared"), value: nil),
            ]),
          .init(entry: bytes("/b")),
        ])
      ]),
      "* 2 FETCH (ANNOTATION (/comment (value.priv \"x\" value.shared NIL) /b))"),
    Form(
      fetch([
        .section(.binary([1]), origin: nil, data: [0x61, 0]), .section(.binary([]), origin: 3, data: bytes("x")),
        .section(.binary([4]), origin: nil, data: nil),
      ]),
      "* 2 FETCH (BINARY[1] ~{2}\r\na\u{0} BINARY[]<3> {1}\r\nx BINARY[4] NIL)"),
    Form(
      .namespace(
        Namespaces(personal: [
          .init(prefix: "a", delimiter: "/", extensions: [.init(name: bytes("X"), values: [bytes("1"), bytes("2")])])
        ])),
      "* NAMESPACE ((\"a\" \"/\" \"X\" (\"1\" \"2\"))) NIL NIL"),
    Form(.mailboxStatus(status()), "* STATUS x (DELETED-STORAGE 7 APPENDLIMIT NIL MAILBOXID (F1) X-A (1 2))"),
    Form(.list(listing()), "* XLIST (\\Inbox) \"/\" x (CHILDINFO (\"SUBSCRIBED\") OLDNAME (y) X-A (1))"),
  ]

  private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  private static func fetch(_ attributes: [FetchAttribute]) -> Response {
    .fetch(FetchResponse(sequence: 2, attributes: attributes))
  }

  private static func status() -> MailboxStatus {
    var status = MailboxStatus(mailbox: "x")
    status.deletedStorage = 7
    status.appendLimit = AppendLimit.none
    status.mailboxID = "F1"
    status.others = [RawItem(name: "X-A", value: bytes("(1 2)"))]
    return status
  }

  private static func listing() -> MailboxListing {
    var listing = MailboxListing(attributes: ["\\Inbox"], delimiter: "/", name: "x")
    listing.isXList = true
    listing.childInfo = ["SUBSCRIBED"]
    listing.oldName = "y"
    listing.extended = [RawItem(name: "X-A", value: bytes("(1)"))]
    return listing
  }

  @Test(arguments: forms) func isReadAsItWasWritten(_ form: Form) throws {
    let bytes = try ResponseEncoder().encode(form.response)
    #expect(String(decoding: bytes, as: UTF8.self) == form.text + "\r\n")
    var input = ReceiveBuffer()
    input.append(bytes.span)
    var parser = ResponseParser()
    #expect(try parser.nextOwned(&input) == form.response)
    #expect(input.unread == 0)
  }

  @Test func whatHasNoFormIsRefused() {
    var status = MailboxStatus(mailbox: "x")
    status.mailboxID = "a b"
    let refused: [Response] = [
      .mailboxStatus(status),
      .fetch(FetchResponse(sequence: 1, attributes: [.emailID("a)")])),
      .extendedSearch(ExtendedSearchResult(items: [.unknown(name: "a b", value: [])])),
    ]
    for response in refused {
      #expect(throws: ConnectionError.self) { try ResponseEncoder().encode(response) }
    }
  }
}
