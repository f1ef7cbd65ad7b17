import IMAPStateMachine

@testable import IMAPTestServer

/// Values as FETCH would show them, so that a test compares one line of text. Strings are shown in quotes, whatever they
/// hold.
enum WireText {
  static func string(_ bytes: [UInt8]?) -> String {
    guard let bytes else { return "NIL" }
    return "\"\(String(decoding: bytes, as: UTF8.self))\""
  }

  static func addresses(_ list: [Address]) -> String {
    if list.isEmpty { return "NIL" }
    let items = list.map { "(\(string($0.name)) \(string($0.route)) \(string($0.mailbox)) \(string($0.host)))" }
    return "(\(items.joined()))"
  }

  static func envelope(_ envelope: Envelope) -> String {
    let lists = [envelope.from, envelope.sender, envelope.replyTo, envelope.to, envelope.cc, envelope.bcc]
    return "(\(string(envelope.date)) \(string(envelope.subject)) \(lists.map(addresses).joined(separator: " ")) "
      + "\(string(envelope.inReplyTo)) \(string(envelope.messageID)))"
  }

  static func structure(_ structure: BodyStructure) -> String {
    switch structure {
    case .multipart(let multipart):
      let parts = multipart.parts.map { Self.structure($0) }.joined()
      let ext = multipart.ext.map { " \(parameters(multipart.parameters)) \(Self.ext($0))" } ?? ""
      return "(\(parts) \(string(multipart.subtype))\(ext))"
    case .single(let part):
      var text =
        "(\(string(part.type)) \(string(part.subtype)) \(parameters(part.parameters)) \(string(part.id)) "
        + "\(string(part.description)) \(string(part.encoding)) \(part.octets)"
      switch part.content {
      case .basic: break
      case .text(let lines): text += " \(lines)"
      case .message(let envelope, let inner, let lines):
        text += " \(Self.envelope(envelope)) \(Self.structure(inner)) \(lines)"
      }
      if let ext = part.ext { text += " \(string(part.md5)) \(Self.ext(ext))" }
      return text + ")"
    }
  }

  private static func parameters(_ list: [BodyStructure.Parameter]) -> String {
    if list.isEmpty { return "NIL" }
    return "(\(list.map { "\(string($0.name)) \(string($0.value))" }.joined(separator: " ")))"
  }

  private static func ext(_ ext: BodyStructure.Extension) -> String {
    let disposition = ext.disposition.map { "(\(string($0.type)) \(parameters($0.parameters)))" } ?? "NIL"
    let languages = ext.languages.isEmpty ? "NIL" : "(\(ext.languages.map { string($0) }.joined(separator: " ")))"
    return "\(disposition) \(languages) \(string(ext.location))"
  }
}

extension StoredMessage {
  /// A message of `text`, whose line breaks become CRLF.
  convenience init(lines text: String) {
    self.init(crlf(text), internalDate: InternalDate(unixSeconds: 1_700_000_000))
  }

  /// A message of exactly `text`.
  convenience init(raw text: String) {
    self.init(Array(text.utf8), internalDate: InternalDate(unixSeconds: 1_700_000_000))
  }

  /// The bytes of a section as text; nil where there is no such part.
  func text(_ section: Section, partial: PartialRange? = nil) -> String? {
    self.section(section, partial: partial).map { String(decoding: $0.bytes(of: bytes), as: UTF8.self) }
  }

  /// BODYSTRUCTURE as text.
  var structureText: String { WireText.structure(bodyStructure(extended: true)) }

  /// BODY as text.
  var bodyText: String { WireText.structure(bodyStructure(extended: false)) }
}

/// `text` in bytes, each LF made CRLF.
func crlf(_ text: String) -> [UInt8] {
  var output: [UInt8] = []
  for byte in text.utf8 {
    if byte == 0x0a { output.append(0x0d) }
    output.append(byte)
  }
  return output
}
