import IMAPLoop
import IMAPStateMachine
import IMAPTestServer
import Testing

/// The embedded server says of a message what Dovecot says of it.
@Suite(.serialized) struct AgreementTests {
  /// Messages with something awkward that the RFCs decide. Where they leave it open, and the two differ, nothing is here.
  private static let awkward = [
    "\nonly a body\n", "Subject: no body\n", "Subject: no line end", "no field\nSubject: but this\n\nx\n",
    "Subject: folded\n and\n again\nTo: a@b,\n c@d\nTo: e@f\nCc:\n\nx",
    "From: Ada <a@b>, \"C, D\" <c@d>, e@f (Comment), G: h@i, J <j@k>;\nTo: undisclosed:;\nCc: <@r1,@r2:u@h>\n"
      + "Sender: s@t\nReply-To:\nDate: any\nMessage-ID: <1@2>\nIn-Reply-To: <0@2>\n\nx",
    "From: \"a\\\"b\" <\"x y\"@z>\nCc: (c) n (d) <e@f> (g)\nSubject: =?utf-8?q?=C3=BC?=\n\nx",
    "Subject: ü\nFrom: ü <a@b>\n\nü\n",
    "Content-Type: text/plain; charset=utf-8; format=flowed; name=\"a;b\"\nContent-Disposition: attachment; "
      + "filename=\"x y.txt\"\nContent-Language: de, en\nContent-Location: http://x\nContent-ID: <i@d>\n"
      + "Content-Description: foo bar\nContent-MD5: abc=\nContent-Transfer-Encoding: QUOTED-printable\n\nx=\n",
    "Content-Type: multipart/mixed; boundary=B\n\n--B\n\none\n--B\n\nno final boundary\n",
    "Content-Type: multipart/mixed; boundary=B\n\nno parts\n",
    "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: multipart/alternative; boundary=C\n\n--C\n\n"
      + "never closed\n--B\n\nout\n--B--\n",
    "Content-Type: multipart/mixed; boundary=A\n\npreamble\n--A  \nContent-Type: image/gif\n\nx\n--Ax\n\ny\n--A--z\nepilogue",
    "Content-Type: multipart/digest; boundary=B\n\n--B\n\nSubject: a\n\nx\n--B\nContent-Type: text/plain\n\ny\n--B--\n",
    "Content-Type: message/rfc822\n\nSubject: in\nFrom: a@b\n\nbody\nmore",
    "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: deep\nFrom: a@b\n\nbody\n",
    "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: message/rfc822\n\nSubject: in\n"
      + "Content-Type: multipart/mixed; boundary=D\n\n--D\n\nx\n--D--\nepilogue\n--B--\n",
    "Content-Type: message/delivery-status\n\na: b\n\nc: d\n", "Content-Type: text/x-unknown; charset=x\n\n\n\n\n",
  ]

  @Test func messages() async throws {
    try await withBoth { dovecot, own in
      var messages = SampleMessage.fifty.dropLast().map(\.bytes)
      messages += Self.awkward.map { IMAPTestServer.Configuration.Message($0).bytes }
      for message in messages {
        _ = try await dovecot.append(message, to: .inbox)
        _ = try await own.append(message, to: .inbox)
      }
      _ = try await dovecot.select(.inbox)
      _ = try await own.select(.inbox)
      let theirs = try await dovecot.fetch(.sequence(.all), Self.items)
      let ours = try await own.fetch(.sequence(.all), Self.items)
      #expect(ours.count == messages.count && theirs.count == messages.count)
      for ((ours, theirs), message) in zip(zip(ours, theirs), messages) {
        let text = String(decoding: message.prefix(300), as: UTF8.self)
        for (own, other) in zip(ours.attributes.map(Self.comparable), theirs.attributes.map(Self.comparable)) {
          #expect(own == other, "\(text.debugDescription)")
        }
      }
      for key in Self.keys {
        let found = try await own.search(key)
        let theirs = try await dovecot.search(key)
        #expect(found == theirs, "\(key)")
        #expect(!found.isEmpty, "\(key)")
      }
    }
  }

  private static let items: [FetchItem] =
    [.rfc822Size, .flags, .envelope, .bodyStructure, .body, .section(.full), .section(.header), .section(.text)]
    + [
      Section(part: [1]), Section(part: [1], .mime), Section(part: [1], .header), Section(part: [1], .text),
      Section(part: [2]), Section(part: [2], .mime), Section(.headerFieldsNot(["FROM", "SUBJECT"])),
    ].map { .section($0) } + [.section(.text, partial: PartialRange(offset: 3, count: 10))]

  private static let keys: [SearchKey] = [
    .all, .subject("EIGHT"), .from("ada"), .to("c@d"), .header("cc", "e@f"), .body("one"), .text("hello"),
    .larger(500), .smaller(300), .not(.body("one")), .or(.subject("folded"), .subject("plain")), .noFlag(.seen),
  ]

  /// What two servers must agree on. They may show a missing part as NIL or as nothing, letters of names that have no case
  /// in either, one language as a string or a list, and a default charset for text that is not plain.
  private static func comparable(_ attribute: FetchAttribute) -> String {
    switch attribute {
    case .section(let name, let origin, var data):
      // RFC 2046, section 5.1.1: the line break behind an inner multipart belongs to the outer delimiter. Dovecot leaves it
      // with the part.
      if name.section == Section(part: [1]), data?.suffix(4).elementsEqual([0x2d, 0x2d, 0x0d, 0x0a]) == true {
        data?.removeLast(2)
      }
      return "\(name) \(origin.map(String.init) ?? "") \(String(decoding: data ?? [], as: UTF8.self))"
    case .bodyStructure(let structure), .body(let structure): return comparable(structure)
    // The servers do not agree on who is the first to see a message.
    case .flags(let flags): return "\(flags.filter { $0 != .recent })"
    default: return "\(attribute)"
    }
  }

  private static func comparable(_ structure: BodyStructure) -> String {
    switch structure {
    case .multipart(let multipart):
      let parts = multipart.parts.map { comparable($0) }
      return "(\(parts) \(text(multipart.subtype)) \(parameters(multipart.parameters)) \(ext(multipart.ext)))"
    case .single(let part):
      let content =
        switch part.content {
        case .basic: ""
        case .text(let lines): "\(lines)"
        case .message(let envelope, let structure, let lines): "\(envelope) \(comparable(structure)) \(lines)"
        }
      let fields = [part.id, part.description, part.md5].map { $0.map { String(decoding: $0, as: UTF8.self) } ?? "-" }
      return "\(text(part.type))/\(text(part.subtype)) \(parameters(part.parameters)) \(fields) \(text(part.encoding)) "
        + "\(part.octets) \(content) \(ext(part.ext))"
    }
  }

  private static func parameters(_ list: [BodyStructure.Parameter]) -> String {
    list.map { "\(text($0.name))=\(text($0.value))" }.filter { $0 != "CHARSET=US-ASCII" }.joined(separator: ";")
  }

  private static func ext(_ ext: BodyStructure.Extension?) -> String {
    guard let ext else { return "" }
    let disposition = ext.disposition.map { "\(text($0.type)) \(parameters($0.parameters))" } ?? "-"
    return "\(disposition) \(ext.languages.map(text)) \(ext.location.map(text) ?? "-")"
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).uppercased() }

  private func withBoth(_ body: (IMAPClient, IMAPClient) async throws -> Void) async throws {
    let dovecot = try DovecotServer()
    let server = try await IMAPTestServer.start()
    let loop = try EventLoop.start()
    let theirs = try await IMAPClient.connect(
      .init(host: "localhost", port: dovecot.tlsPort, trust: .file(dovecot.certificateFile)), on: loop)
    try await theirs.login(user: "ada", password: Secret(dovecot.password))
    let ours = try await IMAPClient.connect(
      .init(host: "localhost", port: server.tlsPort, trust: .pem(server.certificatePEM)), on: loop)
    try await ours.login(user: "user", password: Secret("password"))
    try await body(theirs, ours)
    await theirs.logout()
    await ours.logout()
    await server.shutdown()
    #expect(await loop.shutdown().isClean)
  }
}
