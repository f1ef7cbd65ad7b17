import IMAPLoop
import IMAPStateMachine
import Testing

/// Charsets by the C library's iconv.
@Suite struct CharsetTests {
  @Test(
    arguments: [
      ("ISO-8859-2", [0xb3, 0xf3, 0xbc], "łóź"), ("iso_8859-15", [0xa4], "€"), ("koi8-r", [0xd0, 0xd2, 0xc9], "при"),
      ("windows-1251", [0xef, 0xf0, 0xe8], "при"), ("CP1250", [0x9a], "š"), ("GB2312", [0xd6, 0xd0, 0xce, 0xc4], "中文"),
      ("gb18030", [0x81, 0x30, 0x81, 0x30], "\u{80}"), ("big5", [0xa4, 0xa4, 0xa4, 0xe5], "中文"),
      ("Shift_JIS", [0x93, 0xfa, 0x96, 0x7b], "日本"), ("euc-jp", [0xc6, 0xfc, 0xcb, 0xdc], "日本"),
      ("ISO-2022-JP", [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x4b, 0x5c, 0x1b, 0x28, 0x42], "日本"),
      ("euc-kr", [0xc7, 0xd1, 0xb1, 0xdb], "한글"), ("ks_c_5601-1987", [0xc7, 0xd1], "한"), ("TIS-620", [0xa1], "ก"),
      ("utf-7", Array("+AOQ-x".utf8), "äx"), ("UTF-16LE", [0x41, 0, 0xe4, 0], "Aä"), ("macintosh", [0x8a], "ä"),
      ("ibm850", [0x84], "ä"), ("cp437", [0x84], "ä"), ("ISO-8859-8-I", [0xe0], "א"), ("iso-8859-1", [0xe4], "ä"),
    ] as [(String, [UInt8], String)])
  func charsetsOfMail(_ charset: String, _ bytes: [UInt8], _ text: String) {
    #expect(CharsetDecoder.system.decode(bytes, charset: charset) == text)
  }

  @Test(arguments: [
    "", "x-unknown", "UTF-8//TRANSLIT", "ISO-8859-2//IGNORE", "../../tmp/x", "IBM1364", "UCS4", "ISO-8859-99", "CP",
    "IBM1",
    "ISO-2022-JP-3", "iso-8859-2\0",
  ])
  func charsetsThatNobodyMayAskFor(_ charset: String) {
    #expect(CharsetDecoder.system.decode([0x41], charset: charset) == nil)
  }

  /// What is wrong is marked, byte by byte, and what is behind it is still there.
  @Test func wrongBytes() {
    #expect(CharsetDecoder.system.decode([0x93, 0xfa, 0xff, 0x41], charset: "shift_jis") == "日\u{fffd}A")
    #expect(CharsetDecoder.system.decode([0x41, 0x93], charset: "shift_jis") == "A\u{fffd}")
    #expect(CharsetDecoder.system.decode([0xff, 0xff], charset: "euc-jp") == "\u{fffd}\u{fffd}")
    #expect(CharsetDecoder.system.decode([], charset: "euc-jp") == "")
  }

  /// Longer than the room that the converter gets at a time.
  @Test(arguments: [1, 1000, 1364, 1365, 1366, 2048, 4096, 50_000])
  func longTexts(_ count: Int) {
    let bytes = [UInt8](repeatElement([0xc6, 0xfc], count: count).joined())
    #expect(CharsetDecoder.system.decode(bytes, charset: "euc-jp") == String(repeating: "日", count: count))
    let wrong = [UInt8](repeatElement([0xc6, 0xfc, 0xff], count: count).joined())
    #expect(CharsetDecoder.system.decode(wrong, charset: "euc-jp") == String(repeating: "日\u{fffd}", count: count))
  }

  /// The escape sequences are in each word; a character may be cut in two between them all the same.
  @Test func encodedWords() {
    let envelope = Envelope(
      subject: Array("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= =?euc-jp?q?=C6?= =?EUC-JP?q?=FC?=".utf8),
      from: [Address(name: Array("=?koi8-r?q?=D0=D2=C9?=".utf8), mailbox: Array("a".utf8), host: Array("x".utf8))])
    #expect(envelope.decodedSubject == "日本日")
    #expect(envelope.from.map(\.displayName) == ["при"])
    #expect(envelope.from.map(\.formatted) == ["при <a@x>"])
    let friends = Address(mailbox: Array("=?koi8-r?q?=D0?=".utf8))
    #expect(([friends] + envelope.from + [Address()]).entries.map(\.formatted) == ["п: при <a@x>;"])
    #expect(Envelope().decodedSubject == nil)
  }
}
