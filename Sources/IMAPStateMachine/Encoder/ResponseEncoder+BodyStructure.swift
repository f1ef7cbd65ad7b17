/// BODY and BODYSTRUCTURE (RFC 9051, section 9: body).
extension ResponseEncoder {
  /// Deeper than any client reads. What is below is announced as bytes without structure.
  private static let deepest = 256

  func structure(
    _ structure: BodyStructure, extended: Bool, depth: Int = 0, into output: inout SendBuffer
  ) {
    if depth > Self.deepest {
      return output.append("(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" 0)")
    }
    output.append(0x28)
    switch structure {
    case .single(let part): self.part(part, extended: extended, depth: depth, into: &output)
    case .multipart(let multipart): self.multipart(multipart, extended: extended, depth: depth, into: &output)
    }
    output.append(0x29)
  }

  private func part(_ part: BodyStructure.Part, extended: Bool, depth: Int, into output: inout SendBuffer) {
    string(part.type, into: &output)
    output.append(0x20)
    string(part.subtype, into: &output)
    output.append(0x20)
    parameters(part.parameters, into: &output)
    output.append(0x20)
    nstring(part.id, into: &output)
    output.append(0x20)
    nstring(part.description, into: &output)
    output.append(0x20)
    string(part.encoding, into: &output)
    output.append(0x20)
    output.append(decimal: part.octets)
    switch part.content {
    case .basic: break
    case .text(let lines):
      output.append(0x20)
      output.append(decimal: lines)
    case .message(let envelope, let structure, let lines):
      output.append(0x20)
      self.envelope(envelope, into: &output)
      output.append(0x20)
      self.structure(structure, extended: extended, depth: depth + 1, into: &output)
      output.append(0x20)
      output.append(decimal: lines)
    }
    guard extended, part.md5 != nil || part.ext != nil else { return }
    output.append(0x20)
    nstring(part.md5, into: &output)
    ext(part.ext, into: &output)
  }

  private func multipart(
    _ multipart: BodyStructure.Multipart, extended: Bool, depth: Int, into output: inout SendBuffer
  ) {
    for part in multipart.parts { structure(part, extended: extended, depth: depth + 1, into: &output) }
    // The grammar wants at least one part; of a multipart without any, an empty text is the part.
    if multipart.parts.isEmpty { output.append("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)") }
    output.append(0x20)
    string(multipart.subtype, into: &output)
    guard extended, !multipart.parameters.isEmpty || multipart.ext != nil else { return }
    output.append(0x20)
    parameters(multipart.parameters, into: &output)
    ext(multipart.ext, into: &output)
  }

  private func parameters(_ list: [BodyStructure.Parameter], into output: inout SendBuffer) {
    if list.isEmpty { return output.append("NIL") }
    output.append(0x28)
    var isFirst = true
    for parameter in list {
      if !isFirst { output.append(0x20) }
      isFirst = false
      string(parameter.name, into: &output)
      output.append(0x20)
      string(parameter.value, into: &output)
    }
    output.append(0x29)
  }

  /// Disposition, languages and location, each with the space before it.
  private func ext(_ ext: BodyStructure.Extension?, into output: inout SendBuffer) {
    guard let ext else { return }
    if let disposition = ext.disposition {
      output.append(" (")
      string(disposition.type, into: &output)
      output.append(0x20)
      parameters(disposition.parameters, into: &output)
      output.append(") ")
    } else {
      output.append(" NIL ")
    }
    switch ext.languages.count {
    case 0: output.append("NIL")
    case 1: string(ext.languages[0], into: &output)
    default:
      output.append(0x28)
      var isFirst = true
      for language in ext.languages {
        if !isFirst { output.append(0x20) }
        isFirst = false
        string(language, into: &output)
      }
      output.append(0x29)
    }
    output.append(0x20)
    nstring(ext.location, into: &output)
  }
}
