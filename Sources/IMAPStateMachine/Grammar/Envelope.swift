/// One address of an ENVELOPE (RFC 9051, section 7.5.2). Every field may be NIL.
public struct Address: Hashable, Sendable {
  /// The display name, not decoded (RFC 2047 words stay as they are).
  public var name: [UInt8]?
  /// The source route of RFC 822; NIL in practice.
  public var route: [UInt8]?
  /// The part before `@`; in a group's start its name, in a group's end NIL.
  public var mailbox: [UInt8]?
  /// The part behind `@`; NIL marks a group's start or end.
  public var host: [UInt8]?

  /// An address of these fields.
  public init(name: [UInt8]? = nil, route: [UInt8]? = nil, mailbox: [UInt8]? = nil, host: [UInt8]? = nil) {
    self.name = name
    self.route = route
    self.mailbox = mailbox
    self.host = host
  }
}

/// The ENVELOPE of a message (RFC 9051, section 7.5.2): header fields as the server parsed them, bytes not decoded. An
/// empty address list stands for NIL.
public struct Envelope: Hashable, Sendable {
  /// The Date field as written.
  public var date: [UInt8]?
  /// The Subject field, not decoded.
  public var subject: [UInt8]?
  /// The From field.
  public var from: [Address]
  /// The Sender field; servers repeat From where it is missing.
  public var sender: [Address]
  /// The Reply-To field; servers repeat From where it is missing.
  public var replyTo: [Address]
  /// The To field.
  public var to: [Address]
  /// The Cc field.
  public var cc: [Address]
  /// The Bcc field.
  public var bcc: [Address]
  /// The In-Reply-To field.
  public var inReplyTo: [UInt8]?
  /// The Message-ID field with its angle brackets.
  public var messageID: [UInt8]?
  /// Fields that are neither a string nor NIL, and what is no address in the place of one, each under the name of its
  /// field, such as `REPLY-TO`. Elsewhere they count as NIL.
  public var invalid: [InvalidItem]

  /// An envelope of these fields.
  public init(
    date: [UInt8]? = nil, subject: [UInt8]? = nil, from: [Address] = [], sender: [Address] = [],
    replyTo: [Address] = [], to: [Address] = [], cc: [Address] = [], bcc: [Address] = [],
    inReplyTo: [UInt8]? = nil, messageID: [UInt8]? = nil, invalid: [InvalidItem] = []
  ) {
    self.date = date
    self.subject = subject
    self.from = from
    self.sender = sender
    self.replyTo = replyTo
    self.to = to
    self.cc = cc
    self.bcc = bcc
    self.inReplyTo = inReplyTo
    self.messageID = messageID
    self.invalid = invalid
  }

  /// The fields in the order of the wire.
  public enum Field: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Date.
    case date
    /// Subject.
    case subject
    /// From.
    case from
    /// Sender.
    case sender
    /// Reply-To.
    case replyTo
    /// To.
    case to
    /// Cc.
    case cc
    /// Bcc.
    case bcc
    /// In-Reply-To.
    case inReplyTo
    /// Message-ID.
    case messageID

    /// The header field's name in upper case.
    public var description: String {
      switch self {
      case .date: "DATE"
      case .subject: "SUBJECT"
      case .from: "FROM"
      case .sender: "SENDER"
      case .replyTo: "REPLY-TO"
      case .to: "TO"
      case .cc: "CC"
      case .bcc: "BCC"
      case .inReplyTo: "IN-REPLY-TO"
      case .messageID: "MESSAGE-ID"
      }
    }
  }
}
