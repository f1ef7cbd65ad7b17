import IMAPStateMachine
import Testing

/// Encoded words (RFC 2047), parameters (RFC 2231) and addresses as a person reads them.
@Suite struct EncodedWordTests {
  private func decoded(_ field: String) -> String { EncodedWord.decode(Array(field.utf8)) }

  /// The examples of RFC 2047, section 8, with what they are shown as.
  @Test(arguments: [
    ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
    ("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>", "Keld Jørn Simonsen <keld@dkuug.dk>"),
    ("=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>", "André Pirard <PIRARD@vm1.ulg.ac.be>"),
    (
      "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-1?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
      "If you can read this you understand the example."
    ),
    ("(=?ISO-8859-1?Q?a?=)", "(a)"), ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
    ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"), ("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
    ("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"), ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
    ("(=?ISO-8859-1?Q?a?= =?US-ASCII?Q?_b?=)", "(a b)"),
    ("=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
  ])
  func examplesOfTheRFC(_ field: String, _ text: String) { #expect(decoded(field) == text) }

  @Test(arguments: [
    // A character in two words, in Q and in B.
    ("=?UTF-8?Q?caf=C3?= =?UTF-8?Q?=A9?=", "café"), ("=?utf-8?B?w6k=?= =?UTF-8?b?4oI=?= =?UTF-8?B?rA==?=", "é€"),
    // One of them in each encoding.
    ("=?UTF-8?Q?=E2=82?= =?UTF-8?B?rA==?=", "€"),
    // Without spaces around, inside of words and quotes, with spaces and without its end.
    ("Re:=?utf-8?q?=C3=A4?=x", "Re:äx"), ("\"=?utf-8?q?=C3=A4?=\"", "\"ä\""), ("=?utf-8?q?a b?=", "a b"),
    ("=?utf-8?B?w6Q?=", "ä"), ("=?utf-8?B?w6R?=", "ä"), ("=?utf-8?B?w6Q=\r\n ?=", "ä"),
    ("=?utf-8?q?100=?=", "100="), ("=?utf-8?q?=zz?=", "=zz"), ("=?utf-8?q??=", ""),
    // What is none stays.
    ("=?utf-8?x?a?=", "=?utf-8?x?a?="), ("=?utf-8?B?*?=", "=?utf-8?B?*?="), ("=?utf-8?Q?a", "=?utf-8?Q?a"),
    ("=?", "=?"), ("=?a", "=?a"), ("=?a?", "=?a?"), ("=?a?q", "=?a?q"), ("=?a?q?", "=?a?q?"), ("==?=", "==?="),
    ("=??q?a?=", "=??q?a?="), ("=?*en?q?a?=", "=?*en?q?a?="), ("1 = 2?", "1 = 2?"), ("", ""),
    ("=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b"),
    ("=?x-unknown?q?=41?= =?x-unknown?q?b?=", "=?x-unknown?q?=41?= =?x-unknown?q?b?="),
    // UTF-8 as it is (RFC 6532), and folding.
    ("Grüße aus 東京", "Grüße aus 東京"), ("a\r\n b\r\n\tc", "a b c"),
    // Nobody writes lines of his own.
    ("=?utf-8?q?a=0D=0Ab=00c=1B[2J=C2=85=E2=80=A8d?=", "a  b c [2J  d"), ("a\u{0}b\u{7f}", "a b "),
    ("=?us-ascii?q?caf=C3=A9?=", "café"), ("=?windows-1252?q?=80=93?=", "€\u{201c}"),
  ])
  func whatSendersWrite(_ field: String, _ text: String) { #expect(decoded(field) == text) }

  @Test func bytesThatNobodyNames() {
    #expect(EncodedWord.decode([0x63, 0x61, 0x66, 0xe9]) == "café")
    #expect(EncodedWord.decode([0x93, 0x61, 0x94, 0x81]) == "“a”\u{fffd}")
    // UTF-8 that is wrong, in a word that says it is.
    #expect(decoded("=?utf-8?q?a=FFb?=") == "a\u{fffd}b")
  }

  @Test func otherCharsetsAreAskedFor() {
    let charsets = CharsetDecoder { bytes, charset in charset == "X-ROT" ? "<\(bytes.count)>" : nil }
    #expect(EncodedWord.decode(Array("=?x-rot?q?abc?= =?X-Rot?q?de?= f".utf8), charsets: charsets) == "<5> f")
  }

  /// A field that changes its charset with every word does not keep converters busy for ever.
  @Test func conversionsAreBounded() {
    let field = Array(String(repeating: "=?x?q?a?==?y?q?b?=", count: 5000).utf8)
    let text = EncodedWord.decode(field, charsets: CharsetDecoder { _, _ in "." })
    #expect(text.prefix { $0 == "." }.count == CharsetDecoder.mostConversions)
    #expect(text.hasSuffix("=?x?q?a?==?y?q?b?="))
  }

  /// What is read is counted, not timed: each of these would take minutes if it were not linear.
  @Test(arguments: ["=?", "=?a?q?", "=?utf-8?q?a?= ", "=?utf-8?B?", "=?utf-8?q?=C3?=", "=", " ", "?="])
  func longFieldsAreLinear(_ piece: String) {
    let field = Array(String(repeating: piece, count: 100_000).utf8)
    #expect(EncodedWord.decode(field).utf8.count <= field.count * 3)
  }

  /// Random cuts of words and bytes: no trap, and never a control character.
  @Test func randomFields() {
    let seed = UInt64.random(in: .min ... .max)
    var random = SeededGenerator(seed: seed)
    let pieces = [
      "=?", "utf-8", "?q?", "?B?", "?=", " ", "=C3", "=", "w6Q=", "\r\n ", "*en", "\u{0}", "ü", "iso-8859-1",
    ]
    for _ in 0..<5000 {
      var field: [UInt8] = []
      for _ in 0..<Int.random(in: 0..<20, using: &random) {
        field += Array(pieces.randomElement(using: &random)?.utf8 ?? "".utf8)
        if Int.random(in: 0..<8, using: &random) == 0 { field.append(UInt8.random(in: .min ... .max, using: &random)) }
      }
      let text = EncodedWord.decode(field)
      #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }, "seed \(seed): \(field)")
    }
  }

  // MARK: Parameters

  private func parameter(_ parameters: [(String, String)], _ name: String = "filename") -> String? {
    parameters.map { BodyStructure.Parameter(name: Array($0.0.utf8), value: Array($0.1.utf8)) }.decoded(name)
  }

  @Test func parameters() {
    #expect(parameter([("FileName", "a.txt")]) == "a.txt")
    #expect(parameter([("name", "a.txt")]) == nil)
    // RFC 2231, sections 3 and 4.
    #expect(parameter([("URL*0", "ftp://"), ("URL*1", "cs.utk.edu/")], "url") == "ftp://cs.utk.edu/")
    #expect(
      parameter([("title*", "us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A")], "title") == "This is ***fun***")
    #expect(
      parameter(
        [
          ("title*1*", "%2A%2A%2Afun%2A%2A%2A%20"), ("title*0*", "us-ascii'en'This%20is%20even%20more%20"),
          ("title*2", "isn't it!"),
        ], "title") == "This is even more ***fun*** isn't it!")
    // A character cut in two, the better form first, encoded words where none may be.
    #expect(parameter([("filename*0*", "utf-8''%C3"), ("filename*1*", "%A4.txt")]) == "ä.txt")
    #expect(parameter([("filename", "a.txt"), ("filename*", "utf-8''%C3%A4.txt")]) == "ä.txt")
    #expect(parameter([("filename", "=?utf-8?q?=C3=A4?=.txt")]) == "ä.txt")
    // What is wrong.
    #expect(parameter([("filename*", "no quotes %41")]) == "no quotes A")
    #expect(parameter([("filename*", "x-none''%E4")]) == "ä")
    #expect(parameter([("filename*0", "a"), ("filename*2", "c"), ("filename*01", "b")]) == "a")
    #expect(parameter([("filename*99999999999999999999", "a")]) == nil)
    #expect(parameter([("filename*-1", "a"), ("filename*", "''%4"), ("filename*x", "")]) == "%4")
    #expect(parameter([("filename*", "utf-8''a%0D%0Ab")]) == "a  b")
  }

  // MARK: Addresses

  private func address(_ name: String?, _ mailbox: String?, _ host: String?) -> Address {
    Address(
      name: name.map { Array($0.utf8) }, mailbox: mailbox.map { Array($0.utf8) }, host: host.map { Array($0.utf8) })
  }

  @Test func addresses() {
    let ada = address("=?utf-8?q?Ad=C3=A4?= Love", "ada", "example.org")
    #expect(ada.displayName(charsets: .builtIn) == "Adä Love")
    #expect(ada.email == "ada@example.org")
    #expect(ada.formatted(charsets: .builtIn) == "Adä Love <ada@example.org>")
    #expect(address("Love, Ada", "a b", "x").formatted(charsets: .builtIn) == "\"Love, Ada\" <\"a b\"@x>")
    #expect(address(nil, "a\"b\\c", "x").email == "\"a\\\"b\\\\c\"@x")
    #expect(address(nil, "a..b", "x").email == "\"a..b\"@x")
    #expect(address(nil, "", "x").email == "\"\"@x")
    #expect(address(nil, "grüße", "bücher.example").email == "grüße@bücher.example")
    #expect(address(nil, "a\r\nb", "x\r\ny").email == "\"a  b\"@x  y")
    #expect(address("n", "group", nil).email == nil)
    #expect(address(nil, nil, nil).formatted(charsets: .builtIn) == "")
  }

  @Test func groups() {
    let (a, b, c) = (address(nil, "a", "x"), address(nil, "b", "x"), address(nil, "c", "x"))
    let (friends, foes, end) = (address(nil, "friends", nil), address(nil, "foes", nil), address(nil, nil, nil))
    func group(_ name: String, _ members: [Address]) -> AddressEntry { .group(name: Array(name.utf8), members) }
    #expect([a, friends, b, c, end, a].entries == [.address(a), group("friends", [b, c]), .address(a)])
    #expect([friends, end].entries == [group("friends", [])])
    // What has no end, or no start, or starts in another.
    #expect([friends, a].entries == [group("friends", [a])])
    #expect([end, a, end].entries == [.address(a)])
    #expect([friends, a, foes, b, end].entries == [group("friends", [a]), group("foes", [b])])
    #expect([friends, b, end].entries.flatMap(\.addresses) == [b])
    #expect([Address]().entries == [])
  }
}
