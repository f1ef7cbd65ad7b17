/// Messages of several kinds, each with what a server must say of it.
struct SampleMessage: Sendable {
  var name: String
  var bytes: [UInt8]
  var subject: String?
  /// The media types from the outside in, in the order in which they stand: `multipart/mixed(text/plain image/png)`.
  var shape: String

  /// Fifty of them: every kind several times, and one of 5 MB.
  static let fifty: [SampleMessage] = {
    let kinds: [@Sendable (Int) -> SampleMessage] = [plain, eightBit, nested, empty, headerOnly, longLines, attached]
    return (0..<49).map { kinds[$0 % kinds.count]($0) } + [large]
  }()

  private static func plain(_ number: Int) -> SampleMessage {
    SampleMessage(
      name: "plain \(number)",
      bytes: header(number, "Plain message \(number)") + text("\r\nHello \(number)\r\nBye.\r\n"),
      subject: "Plain message \(number)", shape: "text/plain")
  }

  private static func eightBit(_ number: Int) -> SampleMessage {
    SampleMessage(
      name: "8-bit \(number)",
      bytes: header(number, "Eight bits \(number)")
        + text("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
        + [0x47, 0x72, 0xfc, 0xdf, 0x65, 0x20] + (0x80...0xff) + text("\r\n"),
      subject: "Eight bits \(number)", shape: "text/plain")
  }

  private static func nested(_ number: Int) -> SampleMessage {
    SampleMessage(
      name: "nested \(number)",
      bytes: header(number, "Nested \(number)")
        + text(
          """
          Content-Type: multipart/mixed; boundary="outer"\r
          \r
          preamble\r
          --outer\r
          Content-Type: multipart/alternative; boundary=inner\r
          \r
          --inner\r
          \r
          plain\r
          --inner\r
          Content-Type: text/html; charset="utf-8"\r
          \r
          <p>html</p>\r
          --inner--\r
          --outer\r
          Content-Type: message/rfc822\r
          \r
          Subject: inside \(number)\r
          From: in@example.org\r
          \r
          body of the inside\r
          --outer--\r
          epilogue\r

          """),
      subject: "Nested \(number)",
      shape: "multipart/mixed(multipart/alternative(text/plain text/html) message/rfc822<text/plain>)")
  }

  /// No header and no body: only the line between them.
  private static func empty(_ number: Int) -> SampleMessage {
    SampleMessage(name: "empty \(number)", bytes: text("\r\n"), subject: nil, shape: "text/plain")
  }

  private static func headerOnly(_ number: Int) -> SampleMessage {
    SampleMessage(
      name: "header only \(number)", bytes: header(number, "No body \(number)") + text("\r\n"),
      subject: "No body \(number)", shape: "text/plain")
  }

  private static func longLines(_ number: Int) -> SampleMessage {
    SampleMessage(
      name: "long lines \(number)",
      bytes: header(number, "Long \(String(repeating: "subject ", count: 200))\(number)") + text("\r\n")
        + [UInt8](repeating: UInt8(ascii: "x"), count: 20_000) + text("\r\n"),
      subject: "Long \(String(repeating: "subject ", count: 200))\(number)", shape: "text/plain")
  }

  private static func attached(_ number: Int) -> SampleMessage {
    SampleMessage(
      name: "attached \(number)",
      bytes: header(number, "A \\\"quoted\\\" subject {\(number)}")
        + text(
          """
          Content-Type: multipart/mixed; boundary=b\r
          \r
          --b\r
          Content-Type: text/plain\r
          \r
          see {5}\r
          ) A1 OK done\r
          --b\r
          Content-Type: application/octet-stream; name="a b.bin"\r
          Content-Disposition: attachment; filename="a b.bin"\r
          Content-Transfer-Encoding: base64\r
          \r
          AAECAwQFBgc=\r
          --b--\r

          """),
      subject: "A \\\"quoted\\\" subject {\(number)}",
      shape: "multipart/mixed(text/plain application/octet-stream)")
  }

  private static let large: SampleMessage = {
    var body: [UInt8] = []
    body.reserveCapacity(5 << 20)
    var state: UInt32 = 1
    while body.count < 5 << 20 {
      for _ in 0..<76 {
        state = state &* 1_664_525 &+ 1_013_904_223
        body.append(0x21 + UInt8(state >> 24) % 94)
      }
      body += [0x0d, 0x0a]
    }
    return SampleMessage(
      name: "5 MB", bytes: header(99, "Five megabytes") + text("\r\n") + body, subject: "Five megabytes",
      shape: "text/plain")
  }()

  private static func header(_ number: Int, _ subject: String) -> [UInt8] {
    text(
      """
      From: "Sender \(number)" <sender\(number)@example.org>\r
      To: <one@example.org>, Two <two@example.net>\r
      Subject: \(subject)\r
      Date: Sat, 21 Nov 2026 10:00:\(number % 60 < 10 ? "0" : "")\(number % 60) +0100\r
      Message-ID: <m\(number)@example.org>\r
      MIME-Version: 1.0\r

      """)
  }

  private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }
}
