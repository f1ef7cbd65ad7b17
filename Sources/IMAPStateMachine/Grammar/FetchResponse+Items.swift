/// The items of a FETCH response by name. Each is nil where the server did not send it. Complexity: O(items).
extension FetchResponse {
  /// The unique identifier.
  public var uid: UID? { first { if case .uid(let uid) = $0 { uid } else { nil } } }
  /// The flags.
  public var flags: [Flag]? { first { if case .flags(let flags) = $0 { flags } else { nil } } }
  /// When the server received the message.
  public var internalDate: InternalDate? { first { if case .internalDate(let date) = $0 { date } else { nil } } }
  /// The size of the message in bytes.
  public var size: UInt64? { first { if case .rfc822Size(let size) = $0 { size } else { nil } } }
  /// The modification sequence.
  public var modSeq: ModSeq? { first { if case .modSeq(let modSeq) = $0 { modSeq } else { nil } } }
  /// The parsed header.
  public var envelope: Envelope? { first { if case .envelope(let envelope) = $0 { envelope } else { nil } } }
  /// The MIME structure: BODYSTRUCTURE, or BODY.
  public var bodyStructure: BodyStructure? {
    first {
      switch $0 {
      case .bodyStructure(let structure), .body(let structure): structure
      default: nil
      }
    }
  }
  /// The message's first words; nil where the server has none, too.
  public var preview: [UInt8]? { first { if case .preview(let text) = $0 { text } else { nil } } }
  /// X-GM-LABELS of Gmail.
  public var gmailLabels: [GmailLabel]? { first { if case .gmailLabels(let labels) = $0 { labels } else { nil } } }
  /// X-GM-MSGID of Gmail.
  public var gmailMessageID: UInt64? { first { if case .gmailMessageID(let id) = $0 { id } else { nil } } }
  /// X-GM-THRID of Gmail.
  public var gmailThreadID: UInt64? { first { if case .gmailThreadID(let id) = $0 { id } else { nil } } }

  /// The bytes of `section`, whatever the server called it: `BODY[HEADER]` is RFC822.HEADER, too, and a `BINARY` part the
  /// part. Names of header fields count without their case and order, as servers write them as they like. Nil for NIL, too.
  public func bytes(of section: Section = .full) -> [UInt8]? {
    first {
      if case .section(let name, _, let data) = $0, name.section?.isSame(as: section) == true { data } else { nil }
    }
  }

  private func first<Value>(_ item: (FetchAttribute) -> Value?) -> Value? {
    for attribute in attributes { if let value = item(attribute) { return value } }
    return nil
  }
}
