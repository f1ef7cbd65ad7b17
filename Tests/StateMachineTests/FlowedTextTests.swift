import IMAPStateMachine
import Testing

/// `format=flowed` (RFC 3676).
@Suite struct FlowedTextTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var text: String
    var deletesSpace = false
    var expected: String

    init(_ name: String, _ text: String, deletesSpace: Bool = false, _ expected: String) {
      testDescription = name
      self.text = text
      self.deletesSpace = deletesSpace
      self.expected = expected
    }
  }

  static let cases: [Case] = [
    Case("fixed lines", "one\r\ntwo\r\n", "one\r\ntwo\r\n"),
    Case("a paragraph", "one \r\ntwo \r\nthree\r\nfour\r\n", "one two three\r\nfour\r\n"),
    Case("line feeds", "one \ntwo\nthree", "one two\nthree"),
    Case("DelSp", "Donaudampf \r\nschiff  \r\nfahrt\r\n", deletesSpace: true, "Donaudampfschiff fahrt\r\n"),
    Case("stuffing", " From me\r\n > no quote\r\n  two\r\n", "From me\r\n> no quote\r\n two\r\n"),
    Case(
      "quotes, the example of section 4.5",
      ">>>Take some more tea.\r\n>>I've had nothing yet, \r\n>>so I can't take more.\r\n>You mean LESS.\r\nNobody\r\n",
      ">>> Take some more tea.\r\n>> I've had nothing yet, so I can't take more.\r\n> You mean LESS.\r\nNobody\r\n"
    ),
    Case("stuffed quotes", "> one \r\n>two\r\n>> three\r\n", "> one two\r\n>> three\r\n"),
    Case("the depth ends a paragraph", "> one \r\ntwo\r\n>>x \r\n> y", "> one \r\ntwo\r\n>> x \r\n> y"),
    Case("the depth ends a paragraph with DelSp", ">a \r\nb\r\n", deletesSpace: true, "> a\r\nb\r\n"),
    Case("a signature", "one \r\n-- \r\nJoe \r\nSmith\r\n", "one \r\n-- \r\nJoe Smith\r\n"),
    Case("a signature with DelSp", "one \r\n-- \r\nJoe\r\n", deletesSpace: true, "one\r\n-- \r\nJoe\r\n"),
    Case("a quoted signature", "> a \r\n> -- \r\n> b\r\n", "> a \r\n> -- \r\n> b\r\n"),
    Case("no signature", "-- x\r\n--\r\n--- \r\nyes\r\n-", "-- x\r\n--\r\n--- yes\r\n-"),
    Case("a signature at the very end", "a\r\n-- ", "a\r\n-- "),
    Case("empty lines", "\r\n\r\n>\r\n> \r\na\r\n", "\r\n\r\n>\r\n>\r\na\r\n"),
    Case("an empty line ends a paragraph", "one \r\n\r\ntwo", "one \r\ntwo"),
    Case("carriage returns alone", "a\rb \r\r\nc\r", "a\rb \r\r\nc\r"),
    Case("nothing follows", "one \r\n", "one \r\n"),
    Case("it ends in the middle", "one ", "one "),
    Case("UTF-8", "h\u{e4}llo \r\nw\u{f6}rld\u{1f600}\r\n", "h\u{e4}llo w\u{f6}rld\u{1f600}\r\n"),
    Case("nothing", "", ""),
  ]

  /// Whole, cut at each place, and byte by byte.
  @Test(arguments: cases) func everySplit(_ entry: Case) {
    let bytes = Array(entry.text.utf8)
    for cut in 0...bytes.count {
      var decoder = FlowedText(deletesSpace: entry.deletesSpace)
      let output = decoder.decode(Array(bytes[..<cut])) + decoder.decode(Array(bytes[cut...])) + decoder.finish()
      #expect(String(decoding: output, as: UTF8.self) == entry.expected, "cut at \(cut)")
    }
    var decoder = FlowedText(deletesSpace: entry.deletesSpace)
    // Twice: the end leaves nothing behind.
    for _ in 0..<2 {
      var output: [UInt8] = []
      for byte in bytes { output += decoder.decode([byte]) }
      output += decoder.finish()
      #expect(String(decoding: output, as: UTF8.self) == entry.expected)
    }
  }

  /// Whatever comes, nothing but `>`, blanks and line ends comes or goes, and no piece makes a difference.
  @Test func anyText() {
    let seed: UInt64 = 0x5eed_f10e
    var generator = Generator(seed: seed)
    let alphabet = Array("> -\r\nab".utf8)
    for round in 0..<2000 {
      let bytes = (0..<generator.below(60)).map { _ in alphabet[generator.below(alphabet.count)] }
      var whole = FlowedText(deletesSpace: round % 2 == 0)
      var pieces = whole
      let expected = whole.decode(bytes) + whole.finish()
      var output: [UInt8] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = 1 + generator.below(5)
        output += pieces.decode(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      output += pieces.finish()
      #expect(output == expected, "seed \(seed), round \(round)")
      let letters = Set("ab-".utf8)
      #expect(output.filter { letters.contains($0) } == bytes.filter { letters.contains($0) }, "seed \(seed), \(round)")
    }
  }

  /// Quotes without end are text from some depth on: what is held does not grow.
  @Test func quotesWithoutEnd() {
    var decoder = FlowedText()
    let piece = [UInt8](repeating: UInt8(ascii: ">"), count: 1000)
    var count = 0
    for _ in 0..<100 { count += decoder.decode(piece).count }
    #expect(count == 100_000 + 1)
    #expect(decoder.finish().isEmpty)
  }

  @Test(
    arguments: [
      ("text/plain", [("format", "Flowed"), ("DelSp", "Yes")], "ab"), ("text/plain", [("FORMAT", "flowed")], "a b"),
      ("text/plain", [("format", "fixed")], nil), ("text/html", [("format", "flowed")], nil), ("text/plain", [], nil),
    ] as [(String, [(String, String)], String?)])
  func parameters(_ type: String, _ parameters: [(String, String)], _ expected: String?) throws {
    let names = type.split(separator: "/").map { "\"\($0)\"" }.joined(separator: " ")
    let list = parameters.map { "\"\($0.0)\" \"\($0.1)\"" }.joined(separator: " ")
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    let line = "* 1 FETCH (BODYSTRUCTURE (\(names) \(list.isEmpty ? "NIL" : "(\(list))") NIL NIL \"7BIT\" 4 1))\r\n"
    input.append(Array(line.utf8).span)
    guard case .fetch(let response)? = try parser.nextOwned(&input) else {
      Issue.record("no FETCH")
      return
    }
    let part = try #require(response.bodyStructure?.parts.first)
    var decoder = FlowedText(part)
    let text = decoder.map { _ in
      String(decoding: (decoder?.decode(Array("a \r\nb".utf8)) ?? []) + (decoder?.finish() ?? []), as: UTF8.self)
    }
    #expect(text == expected)
  }
}
