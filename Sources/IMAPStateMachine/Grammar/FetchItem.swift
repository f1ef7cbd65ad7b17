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
  /// `BINARY[part]` or `BINARY.PEEK[part]`: a part without its transfer encoding (RFC 3516; RFC 9051).
  case binary([UInt32], peek: Bool = true, partial: PartialRange? = nil)
  /// `BINARY.SIZE[part]`: how many bytes that has.
  case binarySize([UInt32])
  /// The first words of the text. A `lazy` server answers NIL where it would have to work for it (RFC 8970).
  case preview(lazy: Bool = false)
  /// When the message was put into the mailbox (RFC 8514).
  case saveDate
  /// What the message is called in every mailbox (RFC 8474).
  case emailID
  /// What its thread is called (RFC 8474).
  case threadID
  /// X-GM-MSGID of Gmail.
  case gmailMessageID
  /// X-GM-THRID of Gmail.
  case gmailThreadID
  /// X-GM-LABELS of Gmail.
  case gmailLabels
  /// Annotations of the message; entries may have wildcards (RFC 5257, section 4.3).
  case annotations(entries: [[UInt8]], attributes: [[UInt8]])
  /// An item without a case of its own, as on the wire: a word, possibly with a section in brackets and a list in
  /// parentheses behind it.
  case other(String)
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
  indirect case bodyStructure(BodyStructure)
  /// BODY without a section.
  indirect case body(BodyStructure)
  /// How many bytes `BINARY[part]` has (RFC 3516).
  case binarySize(part: [UInt32], UInt64)
  /// The first words of the text; nil where the server has none (RFC 8970).
  case preview([UInt8]?)
  /// When the message came into this mailbox; nil where the mailbox does not keep it (RFC 8514).
  case saveDate(InternalDate?)
  /// What the message is called in every mailbox; nil for NIL (RFC 8474).
  case emailID(String?)
  /// What its thread is called; nil where it has none (RFC 8474).
  case threadID(String?)
  /// X-GM-MSGID of Gmail.
  case gmailMessageID(UInt64)
  /// X-GM-THRID of Gmail.
  case gmailThreadID(UInt64)
  /// X-GM-LABELS of Gmail.
  case gmailLabels([GmailLabel])
  /// Annotations of the message (RFC 5257).
  case annotations([MessageAnnotation])
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
  /// `BINARY[part]`: a part without its transfer encoding (RFC 3516).
  case binary([UInt32])
  /// A name whose brackets hold no section, as on the wire up to the closing one.
  case other([UInt8])

  /// The section that the name stands for; nil for ``other(_:)``.
  public var section: Section? {
    switch self {
    case .body(let section): section
    case .rfc822: .full
    case .rfc822Header: .header
    case .rfc822Text: .text
    case .binary(let part): Section(part: part)
    case .other: nil
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

/// A label of Gmail: a system label with its backslash, or a mailbox name.
public struct GmailLabel: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  /// The label as on the wire.
  public let bytes: [UInt8]

  /// A label as it came from the wire.
  public init(wire bytes: [UInt8]) { self.bytes = bytes }

  /// The label that a person reads as `text`.
  public init(_ text: String) { bytes = ModifiedUTF7.encode(text) }

  /// The label of a literal.
  public init(stringLiteral text: String) { self.init(text) }

  /// The label as a person reads it. What does not decode is shown as it is on the wire.
  public var description: String { ModifiedUTF7.decode(bytes.span) ?? bytes.span.lossyString() }
}
