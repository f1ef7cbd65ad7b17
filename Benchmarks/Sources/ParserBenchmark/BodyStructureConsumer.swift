import IMAPStateMachine

/// Whether reading a BODYSTRUCTURE through its view makes an owned value. The report marks the figures where it does.
let structuresAreCopied = true

extension Sink {
  /// Reads every field of a structure. The view has no fields of its own: its owned copy is walked.
  mutating func read(_ view: borrowing BodyStructureView) throws(ParseError) { read(try view.copy()) }

  private mutating func read(_ structure: BodyStructure) {
    switch structure {
    case .multipart(let multipart):
      for part in multipart.parts { read(part) }
      add(multipart.subtype.span)
      read(multipart.parameters)
      if let ext = multipart.ext { read(ext) }
    case .single(let part):
      add(part.type.span)
      add(part.subtype.span)
      read(part.parameters)
      read(part.id)
      read(part.description)
      add(part.encoding.span)
      add(part.octets)
      switch part.content {
      case .basic: break
      case .text(let lines): add(lines)
      case .message(let envelope, let body, let lines):
        read(envelope.subject)
        read(body)
        add(lines)
      }
      read(part.md5)
      if let ext = part.ext { read(ext) }
    }
  }

  private mutating func read(_ bytes: [UInt8]?) {
    if let bytes { add(bytes.span) } else { add(1) }
  }

  private mutating func read(_ parameters: [BodyStructure.Parameter]) {
    for parameter in parameters {
      add(parameter.name.span)
      add(parameter.value.span)
    }
  }

  private mutating func read(_ ext: BodyStructure.Extension) {
    if let disposition = ext.disposition {
      add(disposition.type.span)
      read(disposition.parameters)
    }
    for language in ext.languages { add(language.span) }
    read(ext.location)
  }
}
