import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite struct MultipartTests {
  /// The example of RFC 9051, section 6.4.5.1.
  private let complex = StoredMessage(
    lines: """
      Subject: outer
      Content-Type: multipart/mixed; boundary=outer

      preamble
      --outer

      part one
      --outer
      Content-Type: application/octet-stream

      part two
      --outer
      Content-Type: message/rfc822

      Subject: third
      Content-Type: multipart/mixed; boundary="in third"

      --in third

      3.1 text
      --in third
      Content-Type: application/octet-stream

      3.2 bytes

      --in third--
      third epilogue
      --outer
      Content-Type: multipart/mixed; boundary=fourth

      --fourth
      Content-Type: image/gif
      X: 4.1

      gif
      --fourth
      Content-Type: message/rfc822

      Subject: 4.2
      Content-Type: multipart/mixed; boundary=deep

      --deep

      4.2.1
      --deep
      Content-Type: multipart/alternative; boundary=deeper

      --deeper

      4.2.2.1
      --deeper
      Content-Type: text/richtext

      4.2.2.2
      --deeper--
      --deep--
      --fourth--
      --outer--
      epilogue

      """)

  @Test(arguments: [
    ([1], "part one"), ([2], "part two"), ([3, 1], "3.1 text"), ([3, 2], "3.2 bytes\r\n"), ([4, 1], "gif"),
    ([4, 2, 1], "4.2.1"), ([4, 2, 2, 1], "4.2.2.1"), ([4, 2, 2, 2], "4.2.2.2"),
  ])
  func parts(path: [UInt32], expected: String) {
    #expect(complex.text(Section(part: path)) == expected)
  }

  @Test(
    arguments: [[0], [5], [1, 1], [3, 3], [4, 2, 2, 3], [4, 2, 2, 1, 1], [.max], [1, 1, 1, 1, 1]] as [[UInt32]])
  func missingParts(path: [UInt32]) {
    #expect(complex.text(Section(part: path)) == nil)
    #expect(complex.text(Section(part: path, .mime)) == nil)
    #expect(complex.text(Section(part: path, .header)) == nil)
  }

  @Test func headersOfNestedMessages() {
    let header = "Subject: third\r\nContent-Type: multipart/mixed; boundary=\"in third\"\r\n\r\n"
    #expect(complex.text(Section(part: [3], .header)) == header)
    #expect(complex.text(Section(part: [3], .headerFields(["subject"]))) == "Subject: third\r\n\r\n")
    #expect(complex.text(Section(part: [4, 2], .headerFieldsNot(["content-type"]))) == "Subject: 4.2\r\n\r\n")
    #expect(complex.text(Section(part: [3], .text))?.hasPrefix("--in third\r\n") == true)
    #expect(complex.text(Section(part: [3], .text))?.hasSuffix("--in third--\r\nthird epilogue") == true)
    #expect(
      complex.text(Section(part: [3]))
        == complex.text(Section(part: [3], .header)).map {
          $0 + (complex.text(Section(part: [3], .text)) ?? "")
        })
    #expect(complex.text(Section(part: [4, 1], .mime)) == "Content-Type: image/gif\r\nX: 4.1\r\n\r\n")
    #expect(complex.text(Section(part: [1], .mime)) == "\r\n")
    // A leaf has no header of a message.
    #expect(complex.text(Section(part: [1], .header)) == nil)
    #expect(complex.text(Section(part: [1], .text)) == nil)
    #expect(complex.text(Section(.mime)) == nil)
  }

  @Test func structureOfNestedMessages() {
    let text = #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT""#
    let third =
      #"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 189 (NIL "third" NIL NIL NIL NIL NIL NIL NIL NIL) "#
      + #"(\#(text) 8 0)("APPLICATION" "OCTET-STREAM" NIL NIL NIL "7BIT" 11) "MIXED") 12)"#
    let fourth =
      #"(("IMAGE" "GIF" NIL NIL NIL "7BIT" 3)("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 234 "#
      + #"(NIL "4.2" NIL NIL NIL NIL NIL NIL NIL NIL) (\#(text) 5 0)(\#(text) 7 0)"#
      + #"("TEXT" "RICHTEXT" NIL NIL NIL "7BIT" 7 0) "ALTERNATIVE") "MIXED") 17) "MIXED")"#
    #expect(
      complex.bodyText
        == #"(\#(text) 8 0)("APPLICATION" "OCTET-STREAM" NIL NIL NIL "7BIT" 8)\#(third)\#(fourth) "MIXED")"#)
  }

  @Test func onePartMessageHasPartOne() {
    let message = StoredMessage(raw: "A: b\r\n\r\nbody")
    #expect(message.text(Section(part: [1])) == "body")
    #expect(message.text(Section(part: [1], .mime)) == "A: b\r\n\r\n")
    #expect(message.text(Section(part: [2])) == nil)
    #expect(message.text(Section(part: [1, 1])) == nil)
  }

  @Test func messageThatIsAMessage() {
    let message = StoredMessage(raw: "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody")
    #expect(message.text(Section(part: [1])) == "Subject: in\r\n\r\nbody")
    #expect(message.text(Section(part: [1], .header)) == "Subject: in\r\n\r\n")
    #expect(message.text(Section(part: [1], .text)) == "body")
    #expect(message.text(Section(part: [1, 1])) == "body")
    #expect(message.text(Section(part: [1, 1, 1])) == nil)
    #expect(
      message.bodyText == #"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 19 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) "#
        + #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 4 0) 2)"#)
  }

  @Test func missingFinalBoundary() {
    let message = StoredMessage(
      raw: "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\none\r\n--B\r\n\r\ntwo\r\n")
    #expect(message.text(Section(part: [1])) == "one")
    #expect(message.text(Section(part: [2])) == "two\r\n")
    #expect(message.text(Section(part: [3])) == nil)
  }

  @Test func outerDelimiterClosesInnerMultipart() {
    let message = StoredMessage(
      lines: """
        Content-Type: multipart/mixed; boundary=B

        --B
        Content-Type: multipart/alternative; boundary=C

        --C

        inner, never closed
        --B

        outer
        --B--

        """)
    #expect(message.text(Section(part: [1, 1])) == "inner, never closed")
    #expect(message.text(Section(part: [1, 2])) == nil)
    #expect(message.text(Section(part: [2])) == "outer")
  }

  @Test func longestBoundaryIsMeant() {
    let message = StoredMessage(
      lines: """
        Content-Type: multipart/mixed; boundary=B

        --B
        Content-Type: multipart/alternative; boundary=BB

        --BB

        in BB
        --BB--
        --B  \t

        in B
        --B-- trailing
        --B

        epilogue
        """)
    #expect(message.text(Section(part: [1, 1])) == "in BB")
    #expect(message.text(Section(part: [2])) == "in B")
    #expect(message.text(Section(part: [3])) == nil)
  }

  @Test func equalBoundariesMeanTheInnermost() {
    let message = StoredMessage(
      lines: "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: multipart/mixed; boundary=B\n\n"
        + "--B\n\nx\n--B--\n--B\n\ny\n--B--\n")
    #expect(message.text(Section(part: [1, 1])) == "x")
    #expect(message.text(Section(part: [2])) == "y")
  }

  @Test func noDelimiterAtAll() {
    let message = StoredMessage(raw: "Content-Type: multipart/mixed; boundary=B\r\n\r\nonly text\r\n")
    #expect(
      message.bodyText == #"(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0) "MIXED")"#)
    #expect(message.text(Section(part: [1])) == "")
    #expect(message.text(.text) == "only text\r\n")
  }

  @Test func headerOnlyMultipart() {
    let message = StoredMessage(raw: "Content-Type: multipart/mixed; boundary=B")
    #expect(message.bodyText == #"(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0) "MIXED")"#)
    let rfc822 = StoredMessage(raw: "Content-Type: message/rfc822\r\n")
    #expect(
      rfc822.bodyText == #"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "#
        + #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0) 0)"#)
  }

  @Test func emptyParts() {
    let message = StoredMessage(lines: "Content-Type: multipart/mixed; boundary=B\n\n--B\n--B\n\n--B\n\n\n--B--")
    #expect(message.tree.parts[0].children.count == 3)
    for part in [1, 2, 3] as [UInt32] { #expect(message.text(Section(part: [part])) == "", "part \(part)") }
    #expect(message.text(Section(part: [1], .mime)) == "")
    #expect(message.text(Section(part: [2], .mime)) == "\r\n")
  }

  @Test func digestPartsAreMessages() {
    let message = StoredMessage(
      lines: "Content-Type: multipart/digest; boundary=B\n\n--B\n\nSubject: a\n\nx\n"
        + "--B\nContent-Type: TEXT/plain\n\ny\n--B--")
    #expect(
      message.bodyText == #"(("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 15 "#
        + #"(NIL "a" NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1 0) 2)"#
        + #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1 0) "DIGEST")"#)
    #expect(message.text(Section(part: [1], .header)) == "Subject: a\r\n\r\n")
  }

  // MARK: Hostile messages

  @Test func nestingIsBounded() {
    var text = ""
    for level in 0..<5000 { text += "Content-Type: multipart/mixed; boundary=b\(level)x\r\n\r\n--b\(level)x\r\n" }
    let message = StoredMessage(raw: text)
    #expect(message.tree.parts.count == MessageLimits.depth)
    #expect(message.tree.parts.last?.media == .opaque)
    #expect(message.structureText.hasPrefix(String(repeating: "(", count: MessageLimits.depth) + "\"APPLICATION\""))
  }

  @Test func nestedMessagesAreBounded() {
    let text = String(repeating: "Content-Type: message/rfc822\r\n\r\n", count: 100_000)
    let message = StoredMessage(raw: text)
    #expect(message.tree.parts.count == MessageLimits.depth)
    #expect(message.text(Section(part: [UInt32](repeating: 1, count: 1000))) == nil)
    #expect(message.structureText.contains("\"OCTET-STREAM\""))
  }

  @Test func partCountIsBounded() {
    let text = "Content-Type: multipart/mixed; boundary=B\r\n\r\n" + String(repeating: "--B\r\n", count: 50_000)
    #expect(StoredMessage(raw: text).tree.parts.count == MessageLimits.parts)
  }

  @Test func resultIsKept() {
    let message = StoredMessage(lines: "Subject: x\n\ny")
    #expect(message.envelope == message.envelope)
    #expect(message.bodyStructure(extended: true) == message.bodyStructure(extended: true))
    #expect(message.bodyStructure(extended: true) != message.bodyStructure(extended: false))
  }
}
