import IMAPStateMachine

/// What never changes of a message: its bytes, when they came, and what parsing them gives. Copies of a message share it.
///
/// Each result is computed when it is first asked for, and kept. For use on one thread.
final class StoredMessage {
  /// The message as it was delivered.
  let bytes: [UInt8]
  /// When it was delivered.
  let internalDate: InternalDate

  private var cachedTree: MessageTree?
  private var cachedHeader: Range<Int>?
  private var cachedEnvelope: Envelope?
  private var cachedStructure: BodyStructure?
  private var cachedShortStructure: BodyStructure?

  init(_ bytes: [UInt8], internalDate: InternalDate) {
    self.bytes = bytes
    self.internalDate = internalDate
  }

  /// Its size: RFC822.SIZE.
  var size: Int { bytes.count }

  /// Its parts.
  var tree: MessageTree {
    if let cachedTree { return cachedTree }
    let tree = MessageTree(bytes)
    cachedTree = tree
    return tree
  }

  /// Its header with the empty line. Needs no look at the body.
  var header: Range<Int> {
    if let cachedHeader { return cachedHeader }
    let bytes = bytes
    let range = 0..<HeaderFields.headerEnd(bytes.span, from: 0)
    cachedHeader = range
    return range
  }

  /// Its ENVELOPE.
  var envelope: Envelope {
    if let cachedEnvelope { return cachedEnvelope }
    let envelope = Envelope(header: bytes, in: header)
    cachedEnvelope = envelope
    return envelope
  }

  /// The day of its Date field.
  var sentDay: SearchDate? { envelope.date.flatMap { DateField.day($0) } }

  /// Its BODYSTRUCTURE, or BODY without `extended`.
  func bodyStructure(extended: Bool) -> BodyStructure {
    if let cached = extended ? cachedStructure : cachedShortStructure { return cached }
    let structure = tree.bodyStructure(of: bytes, extended: extended)
    if extended { cachedStructure = structure } else { cachedShortStructure = structure }
    return structure
  }

  /// The bytes of `section`, cut to `partial`; nil where the message has no such part.
  func section(_ section: Section, partial: PartialRange? = nil) -> SectionBytes? {
    let whole =
      section.part.isEmpty
      ? MessageTree.content(section.kind, header: header, body: header.upperBound..<bytes.count, of: bytes)
      : tree.section(section, of: bytes)
    return whole?.cut(to: partial)
  }
}
