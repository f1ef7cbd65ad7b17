import IMAPStateMachine

extension MessageTree {
  /// What BODYSTRUCTURE shows of `bytes`, the message that this tree was made from; BODY without `extended`
  /// (RFC 9051, section 7.5.2).
  func bodyStructure(of bytes: [UInt8], extended: Bool) -> BodyStructure {
    structure(of: 0, bytes, extended)
  }

  /// Recurses at most ``MessageLimits/depth`` deep, since no tree is deeper.
  private func structure(of index: Int, _ bytes: [UInt8], _ extended: Bool) -> BodyStructure {
    let part = parts[index]
    let fields = MIMEFields(bytes, in: part.header)
    let ext = BodyStructure.Extension(
      disposition: fields.disposition, languages: fields.languages, location: fields.location)
    if part.media.isMultipart {
      return .multipart(
        BodyStructure.Multipart(
          parts: part.children.map { structure(of: $0, bytes, extended) }, subtype: part.media.subtype,
          parameters: extended ? part.media.parameters : [], ext: extended ? ext : nil))
    }
    let content: BodyStructure.Part.Content
    if part.media.isMessage, let child = part.children.first {
      let envelope = Envelope(header: bytes, in: parts[child].header)
      content = .message(envelope, structure(of: child, bytes, extended), lines: part.lines)
    } else if part.media.isText {
      content = .text(lines: part.lines)
    } else {
      content = .basic
    }
    return .single(
      BodyStructure.Part(
        type: part.media.type, subtype: part.media.subtype, parameters: part.media.parameters, id: fields.id,
        description: fields.description, encoding: fields.encoding, octets: UInt64(part.body.count), content: content,
        md5: extended ? fields.md5 : nil, ext: extended ? ext : nil))
  }
}
