import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite final class SearchTests {
  private let mailbox = emptyMailbox()
  private let view: SelectedView

  init() throws {
    let messages: [(String, [Flag], InternalDate?)] = [
      (
        """
        From: Ada Lovelace <ada@example.org>
        To: charles@example.org
        Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= =?utf-8?B?IGF1cyBLw7Zsbg==?=
        Date: Mon, 14 Aug 2023 23:30:00 -0800

        Engine notes
        """, [.seen, .flagged], InternalDate(year: 2023, month: 8, day: 15, hour: 23, minute: 59, second: 0, zone: -600)
      ),
      (
        """
        From: bob@example.org
        Cc: ada@example.org
        Bcc: hidden@example.org
        Subject: folded
         words
        Date: 1 Jan 99 00:00 GMT
        Content-Type: text/plain; charset=iso-8859-1
        Content-Transfer-Encoding: quoted-printable

        Stra=DFe und caf=E9, soft=
        broken
        """, ["Work"], InternalDate(year: 2024, month: 1, day: 1, hour: 0, minute: 0, second: 0, zone: 0)
      ),
      (
        """
        X-Empty:
        Content-Type: multipart/mixed; boundary=B

        --B
        Content-Transfer-Encoding: base64

        VMO8ciBvZmZlbg==
        --B
        Content-Type: message/rfc822

        Subject: inner subject

        inner body
        --B--
        """, [.deleted, .answered, .draft], nil
      ),
    ]
    for (text, flags, date) in messages {
      let content = StoredMessage(crlf(text), internalDate: date ?? InternalDate(unixSeconds: 0))
      try mailbox.append(content, flags: flags)
    }
    view = mailbox.open(readOnly: false)
  }

  // A mailbox and its views hold each other.
  deinit { view.close() }

  private func found(_ key: SearchKey) throws -> [UInt32] { try view.search(key, uid: true).numbers }

  @Test(
    arguments: [
      (.all, [1, 2, 3]), (.flag(.seen), [1]), (.noFlag(.seen), [2, 3]), (.flag("work"), [2]), (.flag("other"), []),
      (.noFlag("other"), [1, 2, 3]), (.flag(.recent), [1, 2, 3]), (.new, [2, 3]), (.old, []),
      (.and([]), [1, 2, 3]), (.and([.flag(.deleted), .flag(.draft)]), [3]), (.or(.flag(.seen), .flag(.draft)), [1, 3]),
      (.not(.or(.flag(.seen), .flag(.draft))), [2]), (.uid([2, 3, 9]), [2, 3]), (.uid(UIDSet(7...)), [3]),
      (.sequence(SequenceSet(ranges: [.init(.star, .star)])), [3]), (.sequence([7]), []),
      (.uid(UIDSet(UID(rawValue: .max))), []),
      (.modSeq(3), [2, 3]), (.larger(195), [2]), (.smaller(195), [1]),
    ] as [(SearchKey, [UInt32])])
  func states(key: SearchKey, expected: [UInt32]) throws {
    #expect(try found(key) == expected)
  }

  @Test(
    arguments: [
      (.from("LOVE"), [1]), (.from("example"), [1, 2]), (.to("Charles"), [1]), (.cc("ada"), [2]), (.bcc("hidden"), [2]),
      (.subject("grüße aus köln"), [1]), (.subject("GRÜSSE"), []), (.subject("folded words"), [2]),
      (.subject("inner"), []), (.header("X-EMPTY", ""), [3]), (.header("x-empty", "x"), []),
      (.header("cc", "ada"), [2]),
      (.body("engine"), [1]), (.body("STRASSE"), []), (.body("straße und CAFÉ, softbroken"), [2]),
      (.body("tür OFFEN"), [3]),
      (.body("VMO8"), []), (.body("inner subject"), [3]), (.body("inner body"), [3]), (.body("lovelace"), []),
      (.body(""), [1, 2, 3]), (.text("lovelace"), [1]), (.text("x-empty"), [3]), (.text("from: bob"), [2]),
      (.text("zzz"), []), (.subject(""), [1, 2]),
    ] as [(SearchKey, [UInt32])])
  func texts(key: SearchKey, expected: [UInt32]) throws {
    #expect(try found(key) == expected)
  }

  @Test func dates() throws {
    let day = try #require(SearchDate(year: 2023, month: 8, day: 15))
    #expect(try found(.on(day)) == [1])
    #expect(try found(.before(day)) == [3])
    #expect(try found(.since(day)) == [1, 2])
    let sent = try #require(SearchDate(year: 2023, month: 8, day: 14))
    #expect(try found(.sentOn(sent)) == [1])
    #expect(try found(.sentBefore(sent)) == [2])
    #expect(try found(.sentSince(sent)) == [1])
  }

  @Test(
    arguments: [
      ("Mon, 14 Aug 2023 03:28:52 +0530", "14-Aug-2023"), ("1 jan 99", "1-Jan-1999"), ("1 January 49 x", "1-Jan-2049"),
      ("Tue,(c) 5\tMAR(c)103", "5-Mar-2003"), ("14-Aug-2023 10:00", "14-Aug-2023"), ("", nil), ("Mon", nil),
      ("Mon, 32 Aug 2023", nil), ("14 Foo 2023", nil), ("14 Aug", nil), ("14 Aug 99999", nil), ("14 A 2023", nil),
    ] as [(String, String?)])
  func dateField(text: String, expected: String?) {
    #expect(DateField.day(Array(text.utf8))?.description == expected)
  }

  @Test func numbersAreThoseOfTheView() throws {
    _ = try mailbox.store(StoreOperation(.add, [.deleted]), in: uids(2...2))
    mailbox.expunge(in: uids(2...2))
    try mailbox.append(StoredMessage(raw: "late"))
    #expect(try view.search(.all, uid: false).numbers == [1, 3])
    #expect(try view.search(.sequence([2, 3]), uid: true).numbers == [3])
    view.announce(expunges: true) { _ in }
    #expect(try view.search(.all, uid: false).numbers == [1, 2, 3])
  }

  @Test func modSeqIsGivenWhereItWasAskedFor() throws {
    #expect(try view.search(.all, uid: true).modSeq == nil)
    #expect(try view.search(.and([.not(.modSeq(4)), .all]), uid: true).modSeq == 3)
    #expect(try view.search(.modSeq(99), uid: true) == SearchResult(numbers: [], modSeq: nil))
  }

  @Test func nestingIsBounded() {
    var key = SearchKey.all
    for _ in 0..<100 { key = .not(key) }
    #expect(throws: StoreError.tooComplex) { try view.search(key, uid: true) }
  }

  @Test(arguments: [
    ("=?utf-8?q?a_b=3F?=", "a b?"), ("x =?utf-8?B?w7w=?= y", "x ü y"), ("=?x?Q?a?= =?x?Q?b?=  c", "ab  c"),
    ("=?utf-8*de?Q?a?=", "a"), ("=?ISO-8859-1?Q?=FC?=", "ü"), ("=?utf-8?Q?a", "=?utf-8?Q?a"), ("=?", "=?"),
    ("=?a?bb?c?=", "=?a?bb?c?="), ("=?utf-8?X?a?=", "=?utf-8?X?a?="), (" a ", " a "), ("a?b", "a?b"),
    ("=?utf-8?Q?a b?=", "=?utf-8?Q?a b?="), ("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"),
  ])
  func encodedWords(text: String, expected: String) {
    #expect(String(decoding: TransferDecoding.encodedWords(Array(text.utf8)), as: UTF8.self) == expected)
  }

  @Test(arguments: [
    ("a=3D=\r\nb=\nc= \t\r\nd", "a=bcd"), ("=", "="), ("=4", "=4"), ("=4x", "=4x"), ("=41", "A"), ("a_b", "a_b"),
  ])
  func quotedPrintable(text: String, expected: String) {
    let bytes = Array(text.utf8)
    let decoded = TransferDecoding.quotedPrintable(bytes.span)
    #expect(String(decoding: decoded, as: UTF8.self) == expected)
  }

  @Test(arguments: [
    ("QUJD", "ABC"), ("QU\r\nJD RA==QQ", "ABCD"), ("Q", ""), ("", ""), ("QUI", "AB"), ("*Q-U_J.D", "ABC"),
  ])
  func base64(text: String, expected: String) {
    let bytes = Array(text.utf8)
    let decoded = TransferDecoding.base64(bytes.span)
    #expect(String(decoding: decoded, as: UTF8.self) == expected)
  }

  /// The search agrees with the plain way of looking at each place.
  @Test func substringsAgreeWithTheNaiveWay() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    for _ in 0..<5000 {
      let text = (0..<random.next(below: 30)).map { _ in UInt8(ascii: "a") + UInt8(random.next(below: 2)) }
      let wanted = (0..<random.next(below: 6)).map { _ in UInt8(ascii: "a") + UInt8(random.next(below: 2)) }
      let naive = wanted.isEmpty || (0..<text.count).contains { text[$0...].starts(with: wanted) }
      let haystack = text.map(\.uppercasedASCII)
      let found = SearchText(String(decoding: wanted, as: UTF8.self)).isFound(in: haystack.span)
      #expect(found == naive, "seed \(seed): \(text) \(wanted)")
    }
  }
}
