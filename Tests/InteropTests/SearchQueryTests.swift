import IMAPStateMachine
import Testing

@testable import imap

/// The language of `imap search`.
@Suite struct SearchQueryTests {
  private static let today = SearchDate(year: 2026, month: 3, day: 1)

  private static func key(_ text: String) throws -> SearchKey {
    try SearchQuery.parse(text, today: try #require(today))
  }

  private static func key(words: [String]) throws -> SearchKey {
    try SearchQuery.parse(words: words, today: try #require(today))
  }

  private static func day(_ year: Int, _ month: Int, _ day: Int) throws -> SearchDate {
    try #require(SearchDate(year: year, month: month, day: day))
  }

  @Test func words() throws {
    let cases: [(String, SearchKey)] = [
      ("all", .all), ("unseen", .noFlag(.seen)), ("READ", .flag(.seen)), ("from:anna", .from("anna")),
      (#"subject:"x y""#, .subject("x y")), (#"subject:"say \"hi\" \\""#, .subject(#"say "hi" \"#)),
      (#""from:x y""#, .from("x y")), ("to:a:b", .to("a:b")), ("header:List-Id", .header("List-Id", "")),
      ("header:X-A=b=c", .header("X-A", "b=c")), ("id:<1@x>", .header("Message-ID", "<1@x>")),
      ("larger:10k", .larger(10_240)), ("smaller:2M", .smaller(2 << 20)), ("larger:7", .larger(7)),
      ("older:2h", .older(7200)), ("younger:1w", .younger(604_800)),
      ("uid:1:10,42", .uid(UIDSet(ranges: [.init(1, 10), .init(42, 42)]))),
      ("uid:5:*", .and([.uid(UIDSet(ranges: [.init(.init(5), .star)])), .not(.uid(UIDSet(ranges: [.init(1, 4)])))])),
      ("uid:1:*", .uid(.all)),
      ("seq:1:2", .sequence(SequenceSet(1...2))), ("modseq:9", .modSeq(9)),
      ("keyword:todo", .flag("todo")), ("keyword:seen", .flag(.seen)),
      ("gmail:has:attachment", .gmailRaw("has:attachment")),
      ("label:Süd", .gmailLabel(GmailLabel("Süd"))),
    ]
    for (text, expected) in cases { #expect(try Self.key(text) == expected, "\(text)") }
  }

  @Test func days() throws {
    let cases: [(String, SearchKey)] = [
      ("since:2026-01-31", .since(try Self.day(2026, 1, 31))), ("on:today", .on(try Self.day(2026, 3, 1))),
      ("before:yesterday", .before(try Self.day(2026, 2, 28))), ("sentsince:1w", .sentSince(try Self.day(2026, 2, 22))),
      ("senton:60d", .sentOn(try Self.day(2025, 12, 31))),
      ("sentbefore:2024-02-29", .sentBefore(try Self.day(2024, 2, 29))),
      ("savedsince:0d", .savedSince(try Self.day(2026, 3, 1))),
    ]
    for (text, expected) in cases { #expect(try Self.key(text) == expected, "\(text)") }
  }

  @Test func howTheyCombine() throws {
    let (a, b, c) = (SearchKey.from("a"), SearchKey.from("b"), SearchKey.from("c"))
    #expect(try Self.key("from:a from:b and from:c") == .and([a, b, c]))
    #expect(try Self.key("from:a from:b or from:c") == .or(.and([a, b]), c))
    #expect(try Self.key("from:a (from:b or from:c)") == .and([a, .or(b, c)]))
    #expect(try Self.key("not from:a from:b") == .and([.not(a), b]))
    #expect(try Self.key("not not from:a") == a)
    #expect(try Self.key("not (from:a or (from:b))") == .not(.or(a, b)))
    #expect(try Self.key("from:a OR from:b or from:c") == .or(a, .or(b, c)))
    // A word that is quoted is no operator, but "or" cannot be a criterion either way.
    #expect(throws: Failure.self) { try Self.key("from:a or") }
  }

  /// What a shell makes of it: each argument a word, quotes gone.
  @Test func wordsOfAShell() throws {
    #expect(try Self.key(words: ["subject:see you", "unseen"]) == .and([.subject("see you"), .noFlag(.seen)]))
    #expect(
      try Self.key(words: ["(from:a", "or", "from:b)", "seen"]) == .and([.or(.from("a"), .from("b")), .flag(.seen)]))
    #expect(try Self.key(words: ["subject:(x)"]) == .subject("(x)"))
    #expect(try Self.key(words: ["(subject:(x))"]) == .subject("(x)"))
    #expect(try Self.key(words: ["text:a \"b"]) == .text("a \"b"))
    for words in [[], [""], ["seen", ""], [" ", "seen"]] {
      #expect(throws: Failure.self, "\(words)") { try Self.key(words: words) }
    }
  }

  @Test(arguments: [
    "", " ", "\"\"", "header:List-Id=", "unsen", "from:", "since:2026-02-30", "since:soon", "larger:many",
    "larger:99999999999999999999",
    "larger:99999999999g",
    "older:0", "older:9999999w", "uid:x", "uid:0", "modseq:-1", "nosuch:x", "(seen", "seen)", "()", "not", "or seen",
    "seen or or seen",
    "\"seen", "keyword:a b\u{7f}", ":x",
  ])
  func wrongQueries(_ text: String) {
    #expect { try Self.key(text) } throws: { error in
      guard let failure = error as? Failure else { return false }
      return failure.status == .usage && !failure.message.isEmpty && !failure.message.contains("\n")
    }
  }

  /// As long and as deep as a command line can be.
  @Test func noQueryIsTooMuch() throws {
    #expect(throws: Failure.self) { try Self.key(String(repeating: "(", count: 100_000)) }
    #expect(throws: Failure.self) { try Self.key(words: [String(repeating: "(", count: 100_000) + "seen"]) }
    var depth = 0
    var open = [(try Self.key(Array(repeating: "seen", count: 20_000).joined(separator: " or ")), 1)]
    while let (key, level) = open.popLast() {
      depth = max(depth, level)
      if case .or(let left, let right) = key { open += [(left, level + 1), (right, level + 1)] }
    }
    #expect(depth == 16)
    _ = try Self.key(String(repeating: "not ", count: 99_999) + "seen")
  }

  @Test func transferDecoders() {
    let texts: [(String, [String], String)] = [
      ("BASE64", ["aGVs", "bG8", "gd29y\r\nbGQ", "=", "=garbage"], "hello world"),
      ("quoted-printable", ["caf=C", "3=A9=", "\r", "\nx =\n=3dy=", "4"], "caféx =y=4"),
      ("quoted-printable", ["a=zb==41="], "a=zb=A"), ("quoted-printable", ["a=\rb"], "a=\rb"),
      ("8bit", ["=41"], "=41"), ("x-unknown", ["=41"], "=41"),
    ]
    for (name, pieces, expected) in texts {
      let whole = pieces.map { Array($0.utf8) }
      for pieces in [whole, whole.joined().map { [$0] }] {
        var decoder = TransferDecoder(Array(name.utf8))
        var output = pieces.flatMap { decoder.decode($0) }
        output += decoder.finish()
        #expect(String(decoding: output, as: UTF8.self) == expected, "\(name) \(pieces)")
      }
    }
  }

  @Test func tables() throws {
    var table = Table([.init("NAME"), .init("N", right: true), .init("TEXT")], width: 20)
    try table.add(["a", "1", "x"])
    try table.add(["日本", "100", "long long text"])
    try table.add(["e\u{301}", "", "a\u{1b}[31m\tb"])
    #expect(table.lines() == ["NAME    N  TEXT", "a       1  x", "日本  100  long lon…", "e\u{301}          a?[31m b"])
    #expect(table.lines().isEmpty)
    // Later lines keep the columns of the first.
    try table.add(["longer", "2", ""])
    #expect(table.lines() == ["longer    2"])
    #expect(
      [0, 1023, 1024, 1536, 10_240, 20 << 20, 3 << 40, .max].map { Human.bytes($0) } == [
        "0", "1023", "1.0K", "1.5K", "10K", "20M", "3.0T", "16384P",
      ])
  }
}
