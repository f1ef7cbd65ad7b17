/// FETCH and what it holds.
extension ResponseEncoder {
  func fetch(
    _ number: UInt32, _ name: StaticString, _ attributes: [FetchAttribute], into output: inout SendBuffer
  ) throws(ConnectionError) {
    output.append("* ")
    output.append(decimal: number)
    output.append(name)
    var isFirst = true
    for attribute in attributes {
      if !isFirst { output.append(0x20) }
      isFirst = false
      try self.attribute(attribute, into: &output)
    }
    output.append(0x29)
  }

  private func attribute(_ attribute: FetchAttribute, into output: inout SendBuffer) throws(ConnectionError) {
    switch attribute {
    case .uid(let uid):
      output.append("UID ")
      output.append(decimal: uid.rawValue)
    case .flags(let flags):
      output.append("FLAGS ")
      try self.flags(flags, into: &output)
    case .internalDate(let date): internalDate(date, into: &output)
    case .binarySize, .preview, .saveDate, .emailID, .threadID, .gmailMessageID, .gmailThreadID, .gmailLabels,
      .annotations:
      try extended(attribute, into: &output)
    case .rfc822Size(let size):
      output.append("RFC822.SIZE ")
      output.append(decimal: size)
    case .modSeq(let value): modSeq(value, into: &output)
    case .envelope(let envelope):
      output.append("ENVELOPE ")
      self.envelope(envelope, into: &output)
    case .bodyStructure(let structure):
      output.append("BODYSTRUCTURE ")
      self.structure(structure, extended: true, into: &output)
    case .body(let structure):
      output.append("BODY ")
      self.structure(structure, extended: false, into: &output)
    case .section(let name, let origin, let data):
      try sectionName(name, origin: origin, into: &output)
      if case .binary = name, data?.contains(0) == true { output.append(0x7e) }
      if let data { literal(data.span, into: &output) } else { output.append("NIL") }
    case .unknown(let name, let value), .invalid(let name, let value, _):
      try rawName(name, into: &output)
      output.append(0x20)
      try raw(value, into: &output)
    }
  }

  /// The items of extensions.
  private func extended(_ attribute: FetchAttribute, into output: inout SendBuffer) throws(ConnectionError) {
    switch attribute {
    case .binarySize(let part, let size):
      output.append("BINARY.SIZE[")
      section(Section(part: part), into: &output)
      output.append("] \(size)")
    case .preview(let text):
      output.append("PREVIEW ")
      nstring(text, into: &output)
    case .saveDate(let date): output.append(date.map { "SAVEDATE \"\($0)\"" } ?? "SAVEDATE NIL")
    case .emailID(let id): try objectID("EMAILID ", id, into: &output)
    case .threadID(let id): try objectID("THREADID ", id, into: &output)
    case .gmailMessageID(let id): output.append("X-GM-MSGID \(id)")
    case .gmailThreadID(let id): output.append("X-GM-THRID \(id)")
    case .gmailLabels(let labels):
      output.append("X-GM-LABELS (")
      joined(labels, into: &output) { astring($0.bytes, into: &$1) }
      output.append(0x29)
    case .annotations(let list): annotations(list, into: &output)
    default: throw unencodable
    }
  }

  private func objectID(
    _ name: StaticString, _ id: String?, into output: inout SendBuffer
  ) throws(ConnectionError) {
    output.append(name)
    guard let id else { return output.append("NIL") }
    output.append(0x28)
    try atom(id, into: &output)
    output.append(0x29)
  }

  func internalDate(_ date: InternalDate, into output: inout SendBuffer) {
    output.append("INTERNALDATE \"")
    output.append(date.description)
    output.append(0x22)
  }

  func modSeq(_ value: ModSeq, into output: inout SendBuffer) {
    output.append("MODSEQ (")
    output.append(decimal: value.rawValue)
    output.append(0x29)
  }

  /// The item's name with its space: header field names in the order and spelling that the client used.
  func sectionName(_ name: SectionName, origin: UInt32?, into output: inout SendBuffer) throws(ConnectionError) {
    switch name {
    case .rfc822: output.append("RFC822")
    case .rfc822Header: output.append("RFC822.HEADER")
    case .rfc822Text: output.append("RFC822.TEXT")
    case .binary(let part):
      output.append("BINARY[")
      section(Section(part: part), into: &output)
      output.append(0x5d)
    case .body(let section):
      output.append("BODY[")
      self.section(section, into: &output)
      output.append(0x5d)
    case .other(let name):
      // Any other item's value is no message.
      let word = Array(name.prefix { $0 != UInt8(ascii: "[") })
      guard name.last == 0x5d, word.span.equalsIgnoringCase("BODY") || word.span.equalsIgnoringCase("BINARY") else {
        throw unencodable
      }
      try rawName(name, into: &output)
    }
    if let origin {
      output.append(0x3c)
      output.append(decimal: origin)
      output.append(0x3e)
    }
    output.append(0x20)
  }

  private func section(_ section: Section, into output: inout SendBuffer) {
    var isFirst = true
    for number in section.part {
      if !isFirst { output.append(0x2e) }
      isFirst = false
      output.append(decimal: number)
    }
    if !isFirst, section.kind != .full { output.append(0x2e) }
    switch section.kind {
    case .full: break
    case .header: output.append("HEADER")
    case .text: output.append("TEXT")
    case .mime: output.append("MIME")
    case .headerFields(let names):
      output.append("HEADER.FIELDS ")
      fieldNames(names, into: &output)
    case .headerFieldsNot(let names):
      output.append("HEADER.FIELDS.NOT ")
      fieldNames(names, into: &output)
    }
  }

  private func fieldNames(_ names: [String], into output: inout SendBuffer) {
    output.append(0x28)
    var isFirst = true
    for name in names {
      if !isFirst { output.append(0x20) }
      isFirst = false
      // A bare bracket would end the section for a reader that looks for one.
      let bytes = Array(name.utf8)
      if bytes.contains(0x5d) { string(bytes, into: &output) } else { astring(bytes, into: &output) }
    }
    output.append(0x29)
  }

  func envelope(_ envelope: Envelope, into output: inout SendBuffer) {
    output.append(0x28)
    nstring(envelope.date, into: &output)
    output.append(0x20)
    nstring(envelope.subject, into: &output)
    for list in [envelope.from, envelope.sender, envelope.replyTo, envelope.to, envelope.cc, envelope.bcc] {
      output.append(0x20)
      addresses(list, into: &output)
    }
    output.append(0x20)
    nstring(envelope.inReplyTo, into: &output)
    output.append(0x20)
    nstring(envelope.messageID, into: &output)
    output.append(0x29)
  }

  private func addresses(_ list: [Address], into output: inout SendBuffer) {
    if list.isEmpty { return output.append("NIL") }
    output.append(0x28)
    for address in list {
      output.append(0x28)
      nstring(address.name, into: &output)
      output.append(0x20)
      nstring(address.route, into: &output)
      output.append(0x20)
      nstring(address.mailbox, into: &output)
      output.append(0x20)
      nstring(address.host, into: &output)
      output.append(0x29)
    }
    output.append(0x29)
  }
}
