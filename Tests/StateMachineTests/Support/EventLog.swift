import IMAPStateMachine

/// Events as text, one line each, the same however the bytes were cut: chunks of one literal are joined.
struct EventLog {
  private(set) var lines: [String] = []
  private var literal: [UInt8]?
  private var damage: (bytes: [UInt8], error: ParseError)?

  var text: String { lines.joined(separator: "\n") }

  mutating func note(_ line: String) { lines.append(line) }

  /// Adds the event; false where it says that nothing is to be had now.
  mutating func add(_ event: borrowing ResponseEvent) -> Bool {
    switch copy event {
    case .needMoreInput: return false
    case .endOfInput(let clean):
      lines.append(clean ? "end" : "end inside a response")
      return false
    case .tagged(let tag, let status): lines.append("tagged \(tag.lossyString()) \(quoted(status.copy()))")
    case .untagged(let view): lines.append(describe(view.copy()))
    case .continuation(let text): lines.append("continue \(quoted(text.copy()))")
    case .fetchBegin(let sequence): lines.append("fetch \(sequence)")
    case .uidFetchBegin(let uid): lines.append("uidfetch \(uid)")
    case .fetchAttribute(let attribute): lines.append("  \(describe(attribute.copy()))")
    case .literalBegin(let section, let header):
      literal = []
      let origin = section.origin.map { "<\($0)>" } ?? ""
      lines.append("  literal \(describe(section.copy()))\(origin) \(header.byteCount)")
    case .literalChunk(let bytes, _):
      for index in bytes.indices { literal?.append(bytes[index]) }
    case .literalEnd:
      lines.append("  = \(quoted(literal ?? []))")
      literal = nil
    case .fetchEnd: lines.append("fetch end")
    case .unknown(let line): lines.append("unknown \(quoted(line.copy()))")
    case .malformed(let line, let error):
      // What follows a damaged line comes in pieces, under the same error.
      if let last = damage, last.error == error { lines.removeLast() } else { damage = nil }
      let bytes = (damage?.bytes ?? []) + line.copy()
      damage = (bytes, error)
      lines.append("malformed \(quoted(bytes)) \(error)")
    }
    return true
  }

  func describe(_ response: Response) -> String {
    switch response {
    case .status(let status): "status \(quoted(status))"
    case .capability(let list): "capability \(list.map(\.rawValue).joined(separator: " "))"
    case .enabled(let list): "enabled \(list.map(\.rawValue).joined(separator: " "))"
    case .id(let fields):
      "id \(fields.map { $0.map { "\($0.name)=\($0.value ?? "NIL")" }.joined(separator: " ") } ?? "NIL")"
    case .namespace(let spaces):
      "namespace "
        + [spaces.personal, spaces.otherUsers, spaces.shared].map { kind in
          "(" + kind.map { describe($0) }.joined(separator: " ") + ")"
        }.joined(separator: " ") + describe(spaces.invalid)
    case .list(let listing): "list \(describe(listing))"
    case .lsub(let listing): "lsub \(describe(listing))"
    case .mailboxStatus(let status):
      "mailbox-status \(status.mailbox) "
        + describeItems(status).joined(separator: " ")
    case .flags(let flags): "flags \(flags.map(\.rawValue).joined(separator: " "))"
    case .search(let result):
      "search \(result.numbers.map { String($0) }.joined(separator: " "))"
        + (result.modSeq.map { " modseq=\($0)" } ?? "") + describe(result.invalid)
    case .exists(let count): "exists \(count)"
    case .recent(let count): "recent \(count)"
    case .expunge(let sequence): "expunge \(sequence)"
    default: describeExtension(response)
    }
  }

  private func describe(_ listing: MailboxListing) -> String {
    "(\(listing.attributes.map(\.rawValue).joined(separator: " "))) \(listing.delimiter.map { String($0) } ?? "NIL") \(listing.name)"
      + (listing.isXList ? " xlist" : "")
      + (listing.childInfo.isEmpty ? "" : " childinfo=\(listing.childInfo.joined(separator: ","))")
      + (listing.oldName.map { " oldname=\($0)" } ?? "")
      + listing.extended.map { " \($0.name)=\(quoted($0.value))" }.joined() + describe(listing.invalid)
  }

  func describe(_ items: [InvalidItem]) -> String { items.map { " \(describe($0))" }.joined() }

  func describe(_ item: InvalidItem) -> String {
    "invalid(\(quoted(item.name)) \(quoted(item.value)) \(item.reason))"
  }

  func optional(_ bytes: [UInt8]?) -> String { bytes.map { quoted($0) } ?? "NIL" }

  func describe(_ attribute: FetchAttribute) -> String {
    switch attribute {
    case .uid(let uid): "uid \(uid)"
    case .flags(let flags): "flags \(flags.map(\.rawValue).joined(separator: " "))"
    case .internalDate(let date): "internaldate \(date.iso8601)"
    case .rfc822Size(let size): "size \(size)"
    case .modSeq(let value): "modseq \(value)"
    case .envelope(let envelope): "envelope \(describe(envelope))"
    case .binarySize(let part, let size): "binary.size[\(Section(part: part))] \(size)"
    case .preview(let text): "preview \(optional(text))"
    case .saveDate(let date): "savedate \(date?.iso8601 ?? "NIL")"
    case .emailID(let id): "emailid \(id ?? "NIL")"
    case .threadID(let id): "threadid \(id ?? "NIL")"
    case .gmailMessageID(let id): "x-gm-msgid \(id)"
    case .gmailThreadID(let id): "x-gm-thrid \(id)"
    case .gmailLabels(let labels): "x-gm-labels [\(labels.map(\.description).joined(separator: "|"))]"
    case .annotations(let list):
      "annotation "
        + list.map { annotation in
          quoted(annotation.entry)
            + annotation.attributes.map { " \(quoted($0.name))=\(optional($0.value))" }.joined()
        }.joined(separator: "; ")
    case .bodyStructure(let body): "bodystructure \(describe(body))"
    case .body(let body): "body \(describe(body))"
    case .section(let name, let origin, let data):
      "section \(describe(name))\(origin.map { "<\($0)>" } ?? "") \(data.map { quoted($0) } ?? "NIL")"
    case .unknown(let name, let value): "unknown \(quoted(name)) \(quoted(value))"
    case .invalid(let name, let value, let reason): "invalid \(quoted(name)) \(quoted(value)) \(reason)"
    }
  }

  func describe(_ name: SectionName) -> String {
    switch name {
    case .body(let section): "BODY[\(section)]"
    case .rfc822: "RFC822"
    case .rfc822Header: "RFC822.HEADER"
    case .rfc822Text: "RFC822.TEXT"
    case .binary(let part): "BINARY[\(Section(part: part))]"
    case .other(let name): "other \(quoted(name))"
    }
  }

  private func describe(_ envelope: Envelope) -> String {
    func list(_ addresses: [Address]) -> String {
      "["
        + addresses.map { address in
          [address.name, address.route, address.mailbox, address.host].map { $0.map { quoted($0) } ?? "NIL" }
            .joined(separator: ",")
        }.joined(separator: ";") + "]"
    }
    func text(_ bytes: [UInt8]?) -> String { bytes.map { quoted($0) } ?? "NIL" }
    return [
      text(envelope.date), text(envelope.subject), list(envelope.from), list(envelope.sender), list(envelope.replyTo),
      list(envelope.to), list(envelope.cc), list(envelope.bcc), text(envelope.inReplyTo), text(envelope.messageID),
    ].joined(separator: " ") + describe(envelope.invalid)
  }

  func describe(_ body: BodyStructure) -> String {
    func text(_ bytes: [UInt8]?) -> String { bytes.map { quoted($0) } ?? "NIL" }
    func list(_ parameters: [BodyStructure.Parameter]) -> String {
      "(" + parameters.map { "\(text($0.name))=\(text($0.value))" }.joined(separator: " ") + ")"
    }
    func tail(_ ext: BodyStructure.Extension?) -> String {
      guard let ext else { return "-" }
      let disposition = ext.disposition.map { "\(text($0.type))\(list($0.parameters))" } ?? "NIL"
      return "\(disposition) \(ext.languages.map { text($0) }) \(text(ext.location))"
    }
    switch body {
    case .multipart(let multipart):
      return "{\(multipart.parts.map { describe($0) }.joined(separator: " ")) \(text(multipart.subtype)) "
        + "\(list(multipart.parameters)) \(tail(multipart.ext))\(describe(multipart.invalid))}"
    case .single(let part):
      let content: String =
        switch part.content {
        case .basic: ""
        case .text(let lines): " lines=\(lines)"
        case .message(let envelope, let inner, let lines):
          " message(\(describe(envelope)) \(describe(inner)) lines=\(lines))"
        }
      let tail = tail(part.ext) + describe(part.invalid)
      return "{\(text(part.type))/\(text(part.subtype)) \(list(part.parameters)) \(text(part.id)) "
        + "\(text(part.description)) \(text(part.encoding)) \(part.octets)\(content) \(text(part.md5)) \(tail)}"
    }
  }

  private func quoted(_ status: Status) -> String {
    "\(status.condition.rawValue)\(status.code.map { " [\($0)]" } ?? "") \(quoted(Array(status.text.utf8)))"
  }

  func quoted(_ bytes: [UInt8]) -> String {
    var text = "\""
    for byte in bytes {
      switch byte {
      case 0x0d: text += "\\r"
      case 0x0a: text += "\\n"
      case 0x22: text += "'"
      case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return text + "\""
  }
}
