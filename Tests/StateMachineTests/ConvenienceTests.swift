import Testing

@testable import IMAPStateMachine

/// Searches as they are said, parts of a message, what mailboxes are for, and items of a FETCH by name.
@Suite struct ConvenienceTests {
  // MARK: Searches

  @Test func searchesAsTheyAreSaid() {
    let day = SearchDate(year: 2024, month: 1, day: 31)
    let key: SearchKey = .from("anna") && .since(2024, 1, 31) && !.seen
    #expect(key == .and([.from("anna"), day.map { .since($0) } ?? .all, .noFlag(.seen)]))
    let either: SearchKey = .subject("a") || .body("b") && .unseen
    #expect(either == .or(.subject("a"), .and([.body("b"), .unseen])))
    let neither: SearchKey = !(.from("a") || .from("b"))
    #expect(neither == .not(.or(.from("a"), .from("b"))))
    let twice: SearchKey = !(!.from("a"))
    #expect(twice == .from("a"))
    let negated = !SearchKey.unseen
    #expect(negated == .seen)
    #expect([.from("a"), [.seen, .draft]] as SearchKey == .and([.from("a"), .and([.seen, .draft])]))
    let chain: SearchKey = .all && .seen && (.draft && .recent)
    #expect(chain == .and([.all, .seen, .draft, .recent]))
    #expect(SearchKey.keyword("$Work") == .flag("$Work"))
    #expect(SearchKey.hasHeader("List-Id") == .header("List-Id", ""))
  }

  /// A server limits how deep a search nests.
  @Test func alternativesAreABalancedTree() {
    func depth(_ key: SearchKey) -> Int {
      if case .or(let left, let right) = key { 1 + max(depth(left), depth(right)) } else { 0 }
    }
    func leaves(_ key: SearchKey) -> [SearchKey] {
      if case .or(let left, let right) = key { leaves(left) + leaves(right) } else { [key] }
    }
    let keys = (0..<1000).map { SearchKey.from("\($0)") }
    #expect(depth(.any(of: keys)) == 10)
    #expect(leaves(.any(of: keys)) == keys)
    #expect(SearchKey.any(of: [.seen]) == .seen)
    #expect(SearchKey.any(of: []) == .not(.all))
  }

  @Test(arguments: [
    SearchKey.since(2024, 2, 30), .before(2024, 13, 1), .on(-1, 1, 1), .sentBefore(2023, 2, 29), .sentOn(2024, 0, 1),
    .sentSince(10000, 1, 1), !.since(2024, 2, 30), .from("a") && .since(2024, 2, 30),
  ])
  func whatIsNoSearchIsRefused(_ key: SearchKey) {
    var encoder = CommandEncoder(literals: .synchronizing, mailboxEncoding: .modifiedUTF7, hasSASLIR: true)
    #expect(throws: CommandEncoder.EncodingError.self) { try encoder.encode(.search(key), tag: 1) }
  }

  @Test func searchesFromText() throws {
    #expect(try SearchKey(parsing: "ALL") == .all)
    #expect(
      try SearchKey(parsing: "UNSEEN since 31-Jan-2024 OR FROM \"anna\" NOT (SUBJECT \"grüße\" DELETED)")
        == .and([
          .unseen, .since(2024, 1, 31), .or(.from("anna"), .not(.and([.subject("grüße"), .deleted]))),
        ]))
    #expect(try SearchKey(parsing: "X-GM-RAW \"has:attachment\"") == .gmailRaw("has:attachment"))
  }

  /// Python's libraries want the charset there.
  @Test(arguments: ["UTF-8", "utf8", "US-ASCII", "\"UTF-8\""])
  func charsetBeforeATextSaysNothingNew(_ charset: String) throws {
    #expect(try SearchKey(parsing: "CHARSET \(charset) SUBJECT \"grüße\"") == .subject("grüße"))
  }

  @Test(
    arguments: [
      ("", 0, ""), ("ALL FROM", 8, ""), ("SINCE 31-Foo-2024", 9, "Foo-2024"), ("(ALL", 4, ""),
      ("ALL\r\nX LOGOUT", 5, "X"), ("FROM \"a", 5, "\"a"), ("FROM {3}\r\nabc X", 14, "X"),
    ] as [(String, Int, String)])
  func textThatIsNoSearch(_ text: String, _ offset: Int, _ word: String) {
    #expect {
      try SearchKey(parsing: text)
    } throws: { error in
      guard let error = error as? SearchTextError else { return false }
      return error.offset == offset && error.word == word
    }
  }

  /// The word, the place, and what to do.
  @Test(
    arguments: [
      ("FOO bar", SearchTextError.Reason.unknownKey, 0, "FOO", "unknown search key at byte 0: FOO; check the spelling"),
      ("UNSEEN (x-guid abc)", .unknownKey, 8, "x-guid", "unknown search key at byte 8: x-guid; check the spelling"),
      (
        "CHARSET KOI8-R ALL", .charset, 0, "CHARSET", "a charset other than UTF-8 at byte 0: CHARSET; leave CHARSET out"
      ),
      ("RETURN (MIN) ALL", .returnOptions, 0, "RETURN", "options of a search at byte 0: RETURN; leave RETURN out"),
      ("ON 31-Feb-2024", .syntax(.invalidValue), 3, "31-Feb-2024", "invalid value at byte 3: 31-Feb-2024"),
    ] as [(String, SearchTextError.Reason, Int, String, String)])
  func whatIsWrongIsNamed(
    _ text: String, _ reason: SearchTextError.Reason, _ offset: Int, _ word: String, _ description: String
  ) {
    #expect {
      try SearchKey(parsing: text)
    } throws: { error in
      guard let error = error as? SearchTextError else { return false }
      return error.reason == reason && error.offset == offset && error.word == word
        && error.description.hasPrefix(description)
    }
  }

  private func encoded(_ command: Command) throws -> String {
    var encoder = CommandEncoder(literals: .nonSynchronizing, mailboxEncoding: .modifiedUTF7, hasSASLIR: true)
    do throws(CommandEncoder.EncodingError) {
      try encoder.encode(command, tag: 1)
    } catch {
      throw InvalidArgument(encoder.place, error.rule)
    }
    return String(decoding: encoder.output.takeTail(behind: 0), as: UTF8.self)
  }

  /// Keys that have no case, with arguments of every kind, and wherever keys can stand.
  @Test func keysOfNoCase() throws {
    let guid = SearchKey.other("X-GUID", [.atom("abc")])
    #expect(try encoded(.search(guid)) == "A1 UID SEARCH X-GUID abc\r\n")
    #expect(try encoded(.search(.other("X-BARE"))) == "A1 UID SEARCH X-BARE\r\n")
    #expect(
      try encoded(.search(guid && !.seen && (!guid || .fuzzy(guid)), returning: [.count]))
        == "A1 UID SEARCH RETURN (COUNT) X-GUID abc UNSEEN OR NOT X-GUID abc FUZZY X-GUID abc\r\n")
    #expect(
      try encoded(.sort([SortCriterion(.date)], guid)) == "A1 UID SORT (DATE) UTF-8 X-GUID abc\r\n")
    #expect(
      try encoded(.thread(.references, .other("X", [.raw("a (b \"c\")"), .number(7), .set([1, 2])])))
        == "A1 UID THREAD REFERENCES UTF-8 X a (b \"c\") 7 1:2\r\n")
    #expect(
      try encoded(.search(.other("X-MAILBOX", [.list([.string("a \"b\""), .string("ü")])])))
        == "A1 UID SEARCH CHARSET UTF-8 X-MAILBOX (\"a \\\"b\\\"\" {2+}\r\nü)\r\n")
  }

  @Test(
    arguments: [
      (SearchKey.other("", []), InvalidArgument(.searchKey, .empty)), (.other("X Y"), .init(.searchKey, .character)),
      (.other("1:3"), .init(.searchKey, .character)), (.other("$"), .init(.searchKey, .character)),
      (.other("X\r\nA2 LOGOUT"), .init(.searchKey, .character)), (.other("(X)"), .init(.searchKey, .character)),
      (.other("X", [.raw("a\r\nA2 LOGOUT")]), .init(.argument, .character)),
      (.other("X", [.raw("a\0")]), .init(.argument, .character)), (.other("X", [.raw("")]), .init(.argument, .empty)),
      (.other("X", [.raw("{3}")]), .init(.argument, .form)),
      (.other("X", [.atom("a b")]), .init(.argument, .character)),
      (.other("X", [.string("a\0")]), .init(.argument, .nul)), (.other("X", [.set([])]), .init(.messages, .empty)),
      (.since(2024, 2, 31), .init(.date, .noSuchDay)), (!.sentOn(2023, 2, 29), .init(.date, .noSuchDay)),
    ] as [(SearchKey, InvalidArgument)])
  func whatCannotBeSentSaysWhy(_ key: SearchKey, _ expected: InvalidArgument) {
    #expect(throws: expected) { try encoded(.search(.all && key)) }
    #expect(throws: expected) { try encoded(.search(.or(.all, key))) }
  }

  @Test func aDayThatThereIsNotIsShown() {
    for (key, text) in [
      (SearchKey.since(2024, 2, 31), "since(2024-2-31)"), (.on(2024, 13, 1), "on(2024-13-1)"),
      (.before(.max, .min, 1), "before(32767--32768-1)"), (.sentOn(2024, 2, 29), "sentOn(29-Feb-2024)"),
    ] {
      #expect("\(key)".hasSuffix(text), "\(key)")
    }
  }

  @Test func days() throws {
    let date = try #require(InternalDate(year: 2024, month: 2, day: 29, hour: 23, minute: 30, second: 0, zone: -60))
    #expect(SearchDate(date).description == "29-Feb-2024")
    #expect(SearchDate(unixSeconds: date.unixSeconds).description == "1-Mar-2024")
    #expect(SearchDate(unixSeconds: date.unixSeconds, zone: -60).description == "29-Feb-2024")
  }

  // MARK: Parts

  private typealias Parameters = [(String, String)]

  private func part(
    _ type: String, _ parameters: Parameters = [], disposition: (String, Parameters)? = nil,
    _ content: BodyStructure.Part.Content = .basic
  ) -> BodyStructure {
    func list(_ parameters: Parameters) -> [BodyStructure.Parameter] {
      parameters.map { BodyStructure.Parameter(name: Array($0.0.utf8), value: Array($0.1.utf8)) }
    }
    let words = type.split(separator: "/").map { Array($0.utf8) }
    let disposition = disposition.map {
      BodyStructure.Disposition(type: Array($0.0.utf8), parameters: list($0.1))
    }
    return .single(
      BodyStructure.Part(
        type: words[0], subtype: words[1], parameters: list(parameters), octets: 1, content: content,
        ext: BodyStructure.Extension(disposition: disposition)))
  }

  private func multipart(_ subtype: String, _ parts: [BodyStructure]) -> BodyStructure {
    .multipart(BodyStructure.Multipart(parts: parts, subtype: Array(subtype.utf8)))
  }

  private func message(_ inner: BodyStructure) -> BodyStructure {
    part("MESSAGE/RFC822", [], .message(Envelope(), inner, lines: 1))
  }

  /// The tree of RFC 9051, section 6.4.5.1, with the numbers that it gives.
  @Test func pathsAreThoseOfTheRFC() {
    let tree = multipart(
      "MIXED",
      [
        part("TEXT/PLAIN"), part("APPLICATION/OCTET-STREAM"),
        message(multipart("MIXED", [part("TEXT/PLAIN"), part("APPLICATION/OCTET-STREAM")])),
        multipart(
          "MIXED",
          [
            part("IMAGE/GIF"),
            message(
              multipart(
                "MIXED", [part("TEXT/PLAIN"), multipart("ALTERNATIVE", [part("TEXT/PLAIN"), part("TEXT/RICHTEXT")])])),
          ]),
      ])
    let numbers = tree.parts.map { "\($0.number) \($0.mediaType)" }
    #expect(
      numbers == [
        "1 text/plain", "2 application/octet-stream", "3 message/rfc822", "3.1 text/plain",
        "3.2 application/octet-stream", "4.1 image/gif", "4.2 message/rfc822", "4.2.1 text/plain", "4.2.2.1 text/plain",
        "4.2.2.2 text/richtext",
      ])
    #expect(tree.part(at: [4, 2, 2, 1])?.mediaType == "text/plain")
    #expect(tree.part(at: [4, 2, 2]) == nil)
    #expect(tree.part(at: []) == nil)
    #expect(tree.textPart?.number == "1")
    #expect(tree.attachments.map(\.number) == ["2", "3", "4.1", "4.2"])
    #expect(tree.part(at: [4, 1])?.section.description == "4.1")
  }

  @Test func aMessageWithoutPartsIsItsPartOne() {
    #expect(part("TEXT/PLAIN").parts.map(\.number) == ["1"])
    #expect(part("TEXT/PLAIN").textPart?.section.description == "1")
    #expect(message(part("TEXT/PLAIN")).parts.map(\.number) == ["1", "1.1"])
    #expect(multipart("MIXED", []).parts.isEmpty)
  }

  @Test func textsAndAttachments() {
    let tree = multipart(
      "MIXED",
      [
        multipart(
          "ALTERNATIVE",
          [part("TEXT/PLAIN"), multipart("RELATED", [part("TEXT/HTML"), part("IMAGE/PNG", [("NAME", "logo.png")])])]),
        part("TEXT/PLAIN", [("NAME", "notes.txt")]),
        part("IMAGE/PNG", disposition: ("INLINE", [("FILENAME", "b.png")])),
        part("TEXT/HTML", disposition: ("ATTACHMENT", [("FILENAME*", "utf-8''%C3%A4.html")])),
        part("APPLICATION/PDF", disposition: ("attachment", [])),
        message(multipart("MIXED", [part("TEXT/HTML"), part("APPLICATION/ZIP")])),
      ])
    #expect(tree.textPart?.number == "1.1")
    #expect(tree.htmlPart?.number == "1.2.1")
    #expect(tree.attachments.map(\.number) == ["2", "4", "5", "6"])
    #expect(tree.attachments.map { $0.fileName(charsets: .builtIn) } == ["notes.txt", "ä.html", nil, nil])
    #expect(tree.part(at: [1, 2, 2])?.isRelated == true)
    #expect(tree.part(at: [6, 1])?.isInMessage == true)
    #expect(multipart("MIXED", [part("IMAGE/PNG")]).textPart == nil)
  }

  /// No stack is used up by a tree of any depth.
  @Test func deepTrees() {
    var tree = part("TEXT/PLAIN")
    for _ in 0..<300 { tree = multipart("MIXED", [tree]) }
    #expect(tree.parts.first?.path.count == 300)
  }

  // MARK: What mailboxes are for

  private func listing(
    _ name: String, _ attributes: [Flag] = [], _ delimiter: Character? = "/", xlist: Bool = false
  ) -> MailboxListing {
    var listing = MailboxListing(attributes: attributes, delimiter: delimiter, name: MailboxName(name))
    listing.isXList = xlist
    return listing
  }

  @Test func whatTheServerSaysComesFirst() {
    let listings = [listing("Sent"), listing("Odd", ["\\SENT"]), listing("INBOX")]
    let found = SpecialUse.sent.find(in: listings)
    #expect(found?.name == "Odd")
    #expect(found?.source == .specialUse)
    #expect(listings[1].specialUses == [.sent])
    let gmail = [listing("[Gmail]", ["\\Noselect"]), listing("[Gmail]/Alle", ["\\AllMail"], xlist: true)]
    #expect(SpecialUse.all.find(in: gmail)?.source == .xlist)
    #expect(gmail[1].specialUses == [.all])
    #expect(SpecialUse.sent.find(in: [listing("Sent", ["\\Noselect"])]) == nil)
    #expect(SpecialUse.sent.find(in: [listing("Sent", ["\\NonExistent"])]) == nil)
  }

  @Test(arguments: [
    ("Sent", SpecialUse.sent), ("Sent Items", .sent), ("Gesendete Objekte", .sent), ("Éléments envoyés", .sent),
    ("E\u{301}le\u{301}ments envoye\u{301}s", .sent), ("Enviados", .sent), ("Posta inviata", .sent),
    ("Verzonden items", .sent), ("Itens Enviados", .sent), ("Wysłane", .sent), ("Skickat", .sent),
    ("Sendt post", .sent),
    ("Lähetetyt", .sent), ("ОТПРАВЛЕННЫЕ", .sent), ("Odeslaná pošta", .sent), ("送信済みメール", .sent), ("已发送", .sent),
    ("Entwürfe", .drafts), ("Brouillons", .drafts), ("Черновики", .drafts), ("下書き", .drafts), ("Luonnokset", .drafts),
    ("Papierkorb", .trash), ("Corbeille", .trash), ("Papelera", .trash), ("Cestino", .trash), ("Prullenbak", .trash),
    ("Kosz", .trash), ("Papperskorgen", .trash), ("Корзина", .trash), ("ゴミ箱", .trash), ("垃圾桶", .trash),
    ("Spam", .junk), ("Junk E-mail", .junk), ("Courrier indésirable", .junk), ("迷惑メール", .junk), ("Archiv", .archive),
    ("Archief", .archive), ("アーカイブ", .archive), ("Alle Nachrichten", .all), ("Starred", .flagged),
    ("Wichtig", .important),
  ])
  func namesInManyLanguages(_ name: String, _ use: SpecialUse) {
    for listing in [
      listing(name), listing("INBOX.\(name)", [], "."), listing("[Gmail]/\(name)"), listing(name, [], nil),
    ] {
      let found = use.find(in: [self.listing("INBOX"), listing])
      #expect(found?.listing == listing)
      #expect(found?.source == .name)
    }
    #expect(use.find(in: [listing("Projects/\(name)")]) == nil)
    #expect(use.find(in: [listing("#mh/\(name)")], prefixes: ["#mh/"])?.name == MailboxName("#mh/\(name)"))
    for other in SpecialUse.allCases where other != use { #expect(other.find(in: [listing(name)]) == nil) }
  }

  @Test func theMoreCertainNameWins() {
    #expect(SpecialUse.sent.find(in: [listing("Gesendet"), listing("Sent")])?.name == "Sent")
    #expect(SpecialUse.sent.find(in: [listing("sent"), listing("Sent")])?.name == "sent")
    #expect(SpecialUse.sent.find(in: []) == nil)
  }

  // MARK: Items by name

  @Test func itemsByName() throws {
    let date = InternalDate(unixSeconds: 0)
    let structure = part("TEXT/PLAIN")
    let response = FetchResponse(
      sequence: 3,
      attributes: [
        .uid(7), .flags([.seen]), .internalDate(date), .rfc822Size(9), .modSeq(5), .envelope(Envelope(date: [1])),
        .bodyStructure(structure), .preview([2]), .gmailLabels(["a"]), .gmailMessageID(1), .gmailThreadID(2),
        .section(.rfc822Header, origin: nil, data: [3]), .section(.body(Section(part: [2])), origin: nil, data: nil),
        .section(.body(.full), origin: nil, data: [4]),
      ])
    #expect(response.uid == 7)
    #expect(response.flags == [.seen])
    #expect(response.internalDate == date)
    #expect(response.size == 9)
    #expect(response.modSeq == 5)
    #expect(response.envelope == Envelope(date: [1]))
    #expect(response.bodyStructure == structure)
    #expect(response.preview == [2])
    #expect(response.gmailLabels == ["a"])
    #expect(response.gmailMessageID == 1)
    #expect(response.gmailThreadID == 2)
    #expect(response.bytes(of: .header) == [3])
    #expect(response.bytes(of: Section(part: [2])) == nil)
    #expect(response.bytes() == [4])
    let empty = FetchResponse(sequence: 1, attributes: [])
    #expect(empty.uid == nil && empty.bytes() == nil && empty.bodyStructure == nil)
  }
}
