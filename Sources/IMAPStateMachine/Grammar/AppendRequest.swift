/// What APPEND says besides the bytes of its messages, which are streamed (RFC 9051, section 6.3.12).
public struct AppendRequest: Hashable, Sendable {
  /// Where the messages go.
  public var mailbox: MailboxName
  /// The messages. Several need MULTIAPPEND (RFC 3502); none cannot be sent.
  public var messages: [AppendMessage]
  /// The message that goes away for the new one: the command is REPLACE then (RFC 8508).
  public var replacing: ReplacedMessage?
  /// The largest message that the mailbox takes, as ``MailboxStatus/appendLimit`` says; nil where that is not known, and
  /// ``ClientConnection/appendLimit`` holds. It is not sent: a message that is larger makes the command fail with `.limit`
  /// before a byte of it is (RFC 7889, section 3).
  public var limit: AppendLimit?

  /// A request to append several messages.
  public init(
    mailbox: MailboxName, messages: [AppendMessage], replacing: ReplacedMessage? = nil, limit: AppendLimit? = nil
  ) {
    self.mailbox = mailbox
    self.messages = messages
    self.replacing = replacing
    self.limit = limit
  }

  /// A request to append one message of `byteCount` bytes.
  public init(
    mailbox: MailboxName, flags: [Flag] = [], date: InternalDate? = nil, byteCount: UInt64, limit: AppendLimit? = nil
  ) {
    let message = AppendMessage(flags: flags, date: date, byteCount: byteCount)
    self.init(mailbox: mailbox, messages: [message], limit: limit)
  }

  /// The flags of the first message.
  public var flags: [Flag] { messages.first?.flags ?? [] }

  /// The date of the first message.
  public var date: InternalDate? { messages.first?.date }

  /// How many bytes of the first message follow.
  public var byteCount: UInt64 { messages.first?.byteCount ?? 0 }
}

/// The message that REPLACE removes; nil is `*`, the last one.
public enum ReplacedMessage: Hashable, Sendable {
  /// By unique identifier.
  case uid(UID?)
  /// By position in the mailbox.
  case sequence(SequenceNumber?)
}

/// One message of an APPEND.
public struct AppendMessage: Hashable, Sendable {
  /// The flags that it gets.
  public var flags: [Flag]
  /// Its internal date; nil lets the server take the current time.
  public var date: InternalDate?
  /// The annotations that it gets (RFC 5257, section 4.5).
  public var annotations: [MessageAnnotation]
  /// Where its bytes come from.
  public var data: AppendData

  /// A message.
  public init(
    flags: [Flag] = [], date: InternalDate? = nil, annotations: [MessageAnnotation] = [], _ data: AppendData
  ) {
    self.flags = flags
    self.date = date
    self.annotations = annotations
    self.data = data
  }

  /// A message of `byteCount` bytes.
  public init(flags: [Flag] = [], date: InternalDate? = nil, byteCount: UInt64) {
    self.init(flags: flags, date: date, .literal(byteCount: byteCount))
  }

  /// How many bytes are streamed for it, those of other messages not counted.
  public var byteCount: UInt64 {
    switch data {
    case .literal(let count), .binary(let count), .utf8(let count): count
    case .catenate(let parts):
      parts.reduce(0) { sum, part in
        guard case .text(let count, _) = part else { return sum }
        let (total, overflow) = sum.addingReportingOverflow(count)
        return overflow ? .max : total
      }
    }
  }
}

/// Where the bytes of an appended message come from.
public enum AppendData: Hashable, Sendable {
  /// A literal of so many bytes.
  case literal(byteCount: UInt64)
  /// A literal8, which may hold NUL (RFC 3516, section 4.4).
  case binary(byteCount: UInt64)
  /// A message with UTF-8 in its header; UTF8=ACCEPT must be enabled (RFC 6855, section 4).
  case utf8(byteCount: UInt64)
  /// Pieces that the server puts together (RFC 4469).
  case catenate([CatenatePart])
}

/// A piece of a message (RFC 4469, section 3).
public enum CatenatePart: Hashable, Sendable {
  /// The part of a message that the server has under this IMAP URL.
  case url(String)
  /// So many bytes that are streamed; `binary` ones may hold NUL.
  case text(byteCount: UInt64, binary: Bool = false)
}
