/// Names a command that was handed to ``ClientConnection/enqueue(_:now:)``. Later commands compare as larger.
public struct CommandID: Hashable, Sendable, Comparable, CustomStringConvertible {
  let rawValue: UInt32

  /// In the order of enqueueing.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// For a log. It is not the tag, which a command gets when it is sent: ``ClientConnection/tag(of:)``.
  public var description: String { "A\(rawValue)" }
}

/// What ``ClientConnection/next(_:now:)`` has to say. It borrows the receive buffer until the next call that mutates it,
/// and never the machine: a handler may enqueue commands while it looks at an event.
public enum ClientEvent: ~Escapable {
  /// Nothing more can be said before more bytes arrive or time passes.
  case needMoreInput
  /// Nothing will be said before ``ClientConnection/upgraded(_:now:)``; behind ``closed(_:)``, nothing ever.
  case paused
  /// The server's first line: OK or PREAUTH. A BYE there ends in ``closed(_:)``.
  case greeting(StatusView)
  /// Data of the server. It belongs to the session, not to one command: RFC 9051, section 7 lets it come at any time.
  case response(ResponseEvent)
  /// A command was completed, as the status says. It is the last event with this identifier.
  case completed(CommandID, StatusView)
  /// A command that was too long for a line was sent as several, and one of them is over, with OK; the command is not. What
  /// its code says, COPYUID or MODIFIED, is true of its own part of the messages: ``ResponseCode/joined(with:)``. Parts of
  /// FETCH and STORE are in flight together and may be over in any order, those of MOVE and UID EXPUNGE go one by one.
  ///
  /// Where a part fails, the parts that were not sent never are. Once those in flight are over, ``completed(_:_:)`` says how
  /// the first that failed did; how a second did is a ``response(_:)``.
  case partCompleted(CommandID, StatusView)
  /// The server asks something in a SASL exchange: answer with ``ClientConnection/answer(_:challenge:now:)``.
  case challenge(CommandID, ChallengeView)
  /// The bytes of an APPEND can be written, this many of them: see ``ClientConnection/write(_:literal:now:)``.
  case readyForLiteral(CommandID, byteCount: UInt64)
  /// The server accepted IDLE. Changes of the mailbox now come by themselves.
  case idling(CommandID)
  /// The server agreed to start a layer: set it up and call ``ClientConnection/upgraded(_:now:)``. It completes the
  /// command and is the last event with this identifier.
  case upgrade(Upgrade, CommandID)
  /// A command will not be completed. It is the last event with this identifier.
  case failed(CommandID, ConnectionError)
  /// The connection is over. It is the last event but ``paused``.
  case closed(CloseReason)
}

/// A SASL challenge, borrowed.
public struct ChallengeView: ~Escapable {
  /// The challenge as on the wire, without blanks around it.
  public let base64: ByteView

  /// Reads the text of a continuation request: some servers put spaces behind it.
  @_lifetime(copy text)
  init(_ text: ByteView) {
    var (start, end) = (0, text.count)
    while start < end, text.bytes[start] == 0x20 { start += 1 }
    while end > start, text.bytes[end - 1] == 0x20 { end -= 1 }
    base64 = text.slice(start..<end)
  }

  /// The decoded challenge; nil where it is not base64. Spaces inside count for nothing: UW's server is known to put some.
  public func decode() -> [UInt8]? {
    let symbols = base64.bytes.copy().filter { $0 != 0x20 }
    return Base64.decode(symbols.span)
  }
}
