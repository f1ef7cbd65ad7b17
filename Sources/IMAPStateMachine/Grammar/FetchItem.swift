/// A data item that FETCH asks for (RFC 9051, section 6.4.5).
public enum FetchItem: Hashable, Sendable {
  /// The unique identifier.
  case uid
  /// The flags.
  case flags
  /// When the server received the message.
  case internalDate
  /// The size of the message in bytes.
  case rfc822Size
  /// The modification sequence (RFC 7162, section 3.1.4.2).
  case modSeq
  /// The parsed header.
  case envelope
  /// The MIME structure with extension data.
  case bodyStructure
  /// The MIME structure without extension data.
  case body
  /// `BODY[section]`, or `BODY.PEEK[section]`, which does not set `\Seen`.
  case section(Section, peek: Bool = true, partial: PartialRange? = nil)
  /// The whole message, setting `\Seen` (RFC 3501).
  case rfc822
  /// The header, not setting `\Seen` (RFC 3501).
  case rfc822Header
  /// The body, setting `\Seen` (RFC 3501).
  case rfc822Text
}

/// One data item of a FETCH response.
public enum FetchAttribute: Hashable, Sendable {
  /// The unique identifier.
  case uid(UID)
  /// The flags.
  case flags([Flag])
  /// When the server received the message.
  case internalDate(InternalDate)
  /// The size of the message in bytes.
  case rfc822Size(UInt64)
  /// The modification sequence.
  case modSeq(ModSeq)
  /// The parsed header.
  case envelope(Envelope)
  /// BODYSTRUCTURE.
  case bodyStructure(BodyStructure)
  /// BODY without a section.
  case body(BodyStructure)
  /// A section's bytes, nil for NIL; `origin` is the offset of a partial fetch.
  case section(SectionName, origin: UInt32?, data: [UInt8]?)
  /// An item that the parser does not know, with its value as on the wire.
  case unknown(name: [UInt8], value: [UInt8])
  /// An item that it knows and cannot interpret. The other items of the response stand.
  case invalid(name: [UInt8], value: [UInt8], reason: ParseError)
}

/// Which bytes of a message a FETCH response holds.
public enum SectionName: Hashable, Sendable {
  /// `BODY[section]`.
  case body(Section)
  /// `RFC822`: as `BODY[]`.
  case rfc822
  /// `RFC822.HEADER`: as `BODY[HEADER]`.
  case rfc822Header
  /// `RFC822.TEXT`: as `BODY[TEXT]`.
  case rfc822Text

  /// The section that the name stands for.
  public var section: Section {
    switch self {
    case .body(let section): section
    case .rfc822: .full
    case .rfc822Header: .header
    case .rfc822Text: .text
    }
  }
}

/// A whole FETCH response as an owned value.
public struct FetchResponse: Hashable, Sendable {
  /// The message.
  public var sequence: SequenceNumber
  /// The data items, in the order the server sent them.
  public var attributes: [FetchAttribute]

  /// A response.
  public init(sequence: SequenceNumber, attributes: [FetchAttribute]) {
    self.sequence = sequence
    self.attributes = attributes
  }
}
