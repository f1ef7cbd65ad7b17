import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite struct MessageTests {
  private let plain = StoredMessage(
    lines: """
      From: Ada <ada@example.org>
      Subject: folded
       subject
      Date: Mon, 14 Aug 2023 03:28:52 +0530

      Hello
      world

      """)

  // MARK: Header and envelope

  @Test func envelopeOfPlainMessage() {
    #expect(
      WireText.envelope(plain.envelope)
        == #"("Mon, 14 Aug 2023 03:28:52 +0530" "folded subject" (("Ada" NIL "ada" "example.org")) "#
        + #"(("Ada" NIL "ada" "example.org")) (("Ada" NIL "ada" "example.org")) NIL NIL NIL NIL NIL)"#)
  }

  @Test func senderAndReplyToKeepTheirOwnValue() {
    let message = StoredMessage(
      lines: "FROM: a@x\nsender: b@x\nReply-to : c@x\nTo: d@x\nTo: e@x\nCC: f@x\nBcc: g@x\nIn-Reply-To: <1@x>\n"
        + "Message-Id:\t<2@x>\nSubject:\nSubject: second\n\n")
    #expect(
      WireText.envelope(message.envelope)
        == #"(NIL "" ((NIL NIL "a" "x")) ((NIL NIL "b" "x")) ((NIL NIL "c" "x")) "#
        + #"((NIL NIL "d" "x")(NIL NIL "e" "x")) ((NIL NIL "f" "x")) ((NIL NIL "g" "x")) "<1@x>" "<2@x>")"#)
  }

  @Test func emptySenderTakesFrom() {
    let message = StoredMessage(lines: "From: a@x\nSender:\nReply-To:  \n\n")
    #expect(message.envelope.sender == message.envelope.from)
    #expect(message.envelope.replyTo == message.envelope.from)
  }

  @Test func nulAndLineBreaksLeaveEnvelopeStrings() {
    let message = StoredMessage(raw: "Subject: a\0b\r\n\tc\rd\r\n\r\n")
    #expect(message.envelope.subject == Array("ab\tcd".utf8))
  }

  @Test func oversizedFieldIsCut() {
    let message = StoredMessage(raw: "Subject: " + String(repeating: "x", count: 200_000) + "\r\n\r\n")
    #expect(message.envelope.subject?.count == MessageLimits.fieldBytes)
  }

  // MARK: Structure of single parts

  @Test func structureOfPlainMessage() {
    #expect(plain.structureText == #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 14 2 NIL NIL NIL NIL)"#)
    #expect(plain.bodyText == #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 14 2)"#)
  }

  @Test func allFieldsOfAPart() {
    let message = StoredMessage(
      lines: """
        content-type: text/HTML ; charset="utf-8"; Format = flowed (c)
        Content-Transfer-Encoding: (really) Quoted-Printable
        Content-ID: <id@x>
        Content-Description: what
         it is
        Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
        Content-Disposition: attachment; filename="a;b.txt"; size=3
        Content-Language: de, en-US (c)
        Content-Location: http://x/y

        x
        """)
    #expect(
      message.structureText
        == #"("TEXT" "HTML" ("CHARSET" "utf-8" "FORMAT" "flowed") "<id@x>" "what it is" "QUOTED-PRINTABLE" 1 0 "#
        + #""Q2hlY2sgSW50ZWdyaXR5IQ==" ("ATTACHMENT" ("FILENAME" "a;b.txt" "SIZE" "3")) ("de" "en-US") "http://x/y")"#)
  }

  @Test(arguments: [
    ("image/png", #"("IMAGE" "PNG" NIL NIL NIL "7BIT" 2)"#),
    ("text", #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2 1)"#),
    ("text/", #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2 1)"#),
    ("multipart/mixed", #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2 1)"#),
    (#"multipart/mixed; boundary="""#, #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2 1)"#),
    ("a/b; x=1;; =2; y; z=\"3", #"("A" "B" ("X" "1" "Z" "3") NIL NIL "7BIT" 2)"#),
    ("a/b c/d; e=f g; h=i", #"("A" "B" ("E" "f" "H" "i") NIL NIL "7BIT" 2)"#),
  ])
  func contentType(value: String, expected: String) {
    #expect(StoredMessage(raw: "Content-Type: \(value)\r\n\r\n\r\n").bodyText == expected)
  }

  @Test func firstOfRepeatedFieldsCounts() {
    let message = StoredMessage(raw: "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n")
    #expect(message.bodyText == #"("A" "B" NIL NIL NIL "7BIT" 0)"#)
  }

  // MARK: Awkward messages

  @Test func emptyMessage() {
    let message = StoredMessage(raw: "")
    #expect(message.structureText == #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)"#)
    #expect(WireText.envelope(message.envelope) == "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")
    for section in [Section.full, .header, .text, Section(.headerFields(["A"])), Section(part: [1])] {
      #expect(message.text(section) == "", "\(section)")
    }
  }

  @Test func noHeader() {
    let message = StoredMessage(raw: "\r\nbody\r\n")
    #expect(message.text(.header) == "\r\n")
    #expect(message.text(.text) == "body\r\n")
    #expect(message.text(Section(.headerFields(["Subject"]))) == "\r\n")
  }

  @Test func noBodyAndNoEmptyLine() {
    let message = StoredMessage(raw: "Subject: x\r\nTo: y\r\n")
    #expect(message.text(.header) == "Subject: x\r\nTo: y\r\n")
    #expect(message.text(.text) == "")
    #expect(message.text(Section(.headerFields(["TO"]))) == "To: y\r\n")
    let cut = StoredMessage(raw: "Subject: x")
    #expect(cut.text(.header) == "Subject: x")
    #expect(cut.envelope.subject == Array("x".utf8))
  }

  @Test func bareLineFeeds() {
    let message = StoredMessage(
      raw: "Subject: a\n b\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\none\n--B\nX: y\n\ntwo\n\n--B--\nend")
    #expect(message.envelope.subject == Array("a b".utf8))
    #expect(message.text(Section(part: [1])) == "one")
    #expect(message.text(Section(part: [2])) == "two\n")
    #expect(message.text(Section(part: [2], .mime)) == "X: y\n\n")
    #expect(message.text(Section(.headerFields(["subject"]))) == "Subject: a\n b\n\n")
  }

  @Test func eightBitBytesStay() {
    let bytes = Array("Subject: ".utf8) + [0xe4, 0xff] + Array("\r\n\r\n".utf8) + [0x80, 0xfe, 0x0d, 0x0a]
    let message = StoredMessage(bytes, internalDate: InternalDate(unixSeconds: 0))
    #expect(message.envelope.subject == [0xe4, 0xff])
    #expect(message.section(.text)?.bytes(of: bytes) == [0x80, 0xfe, 0x0d, 0x0a])
  }

  @Test func linesWithoutColonStayInTheHeader() {
    let message = StoredMessage(raw: "From x\r\n folded\r\nSubject: s\r\n: nameless\r\n\r\nbody")
    #expect(message.envelope.subject == Array("s".utf8))
    #expect(message.text(.text) == "body")
    #expect(
      message.text(Section(.headerFieldsNot(["subject"]))) == "From x\r\n folded\r\n: nameless\r\n\r\n")
  }

  @Test func headerFieldSubsets() {
    let message = StoredMessage(raw: "A: 1\r\nB: 2\r\n 3\r\nA: 4\r\nAB: 5\r\n\r\nx")
    #expect(message.text(Section(.headerFields(["a"]))) == "A: 1\r\nA: 4\r\n\r\n")
    #expect(message.text(Section(.headerFields(["b", "zz"]))) == "B: 2\r\n 3\r\n\r\n")
    #expect(message.text(Section(.headerFieldsNot(["A", "ab"]))) == "B: 2\r\n 3\r\n\r\n")
    #expect(message.text(Section(.headerFields([]))) == "\r\n")
  }

  // MARK: Partial ranges

  @Test func partials() {
    let message = StoredMessage(raw: "A: 1\r\n\r\n0123456789")
    #expect(message.text(.text, partial: PartialRange(offset: 0, count: 4)) == "0123")
    #expect(message.text(.text, partial: PartialRange(offset: 8, count: 4)) == "89")
    #expect(message.text(.text, partial: PartialRange(offset: 10, count: 4)) == "")
    #expect(message.text(.text, partial: PartialRange(offset: .max, count: .max)) == "")
    #expect(message.text(.text, partial: PartialRange(offset: 0, count: .max)) == "0123456789")
    #expect(message.text(Section(.headerFields(["A"])), partial: PartialRange(offset: 3, count: 4)) == "1\r\n\r")
  }

  // MARK: Random bytes

  /// Whatever the message holds, header and body of each part lie inside it, and parts lie inside their parents.
  @Test func treeRangesAreNested() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    let pieces = [
      "--a", "--b", "--ab", "--", "\r\n", "\n", "\r", "Content-Type: multipart/mixed; boundary=a\r\n",
      "Content-Type: multipart/digest; boundary=b\r\n", "Content-Type: multipart/x; boundary=ab\r\n",
      "Content-Type: message/rfc822\r\n", "Subject: x\r\n", "\r\n\r\n", "text", " ", ":",
    ]
    for _ in 0..<2000 {
      let text = (0..<random.next(below: 40)).map { _ in pieces[random.next(below: pieces.count)] }.joined()
      let message = StoredMessage(raw: text)
      let parts = message.tree.parts
      let hint = "seed \(seed): \(text.debugDescription)"
      for part in parts {
        #expect(part.header.upperBound <= part.body.lowerBound, "\(hint)")
        #expect(part.body.upperBound <= text.utf8.count, "\(hint)")
        #expect(part.lines == UInt64(message.bytes[part.body].count { $0 == 0x0a }), "\(hint)")
        for child in part.children.map({ parts[$0] }) {
          #expect(part.body.lowerBound <= child.header.lowerBound, "\(hint)")
          #expect(child.body.upperBound <= part.body.upperBound, "\(hint)")
        }
      }
      #expect(message.header == parts.first?.header, "seed \(seed)")
      #expect(message.text(.full) == text, "seed \(seed)")
    }
  }
}
