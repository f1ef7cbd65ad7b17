/// Names one command of one connection.
public struct ServerCommandID: Hashable, Sendable {
  let rawValue: UInt64
}

/// What a server's connection learns from its client. An event borrows the receive buffer only: while it lives, every verb
/// of the ``ServerConnection`` may be called.
public enum ServerEvent: ~Escapable {
  /// Everything in the buffer was used: read more and call again.
  case needMoreInput
  /// Nothing can be read until something else happens: the command that was handed out is completed, a challenge or IDLE
  /// is answered, outbound bytes are consumed, the connection is greeted or its upgrade done. Stop reading from the
  /// network and call `next` again behind that.
  case paused
  /// A whole command. Answer with ``ServerConnection/complete(_:_:)`` sooner or later, AUTHENTICATE possibly with
  /// ``ServerConnection/challenge(_:_:)`` and IDLE with ``ServerConnection/startIdle(_:)`` before that.
  case command(ServerCommandID, CommandView)
  /// An APPEND or REPLACE, or another literal of it: answer with ``ServerConnection/accept(_:)`` or
  /// ``ServerConnection/reject(_:with:)``.
  case literalOffered(ServerCommandID, AppendRequest, LiteralHeader)
  /// Some of the message's bytes, and how many are still to come.
  case literalChunk(ServerCommandID, Span<UInt8>, remaining: UInt64)
  /// The APPEND is whole: store the message and complete the command.
  case literalEnd(ServerCommandID)
  /// The message is whole, but what stands behind it makes the command invalid. Forget the message and complete the
  /// command with BAD.
  case literalAborted(ServerCommandID, ParseError)
  /// The client's answer to a challenge, decoded from base64. The bytes are overwritten with zeros afterwards.
  case saslResponse(ServerCommandID, ByteView)
  /// The client gave up with `*`, or sent something that is not base64: complete the command with BAD.
  case saslCancelled(ServerCommandID)
  /// The client ended IDLE: complete the command.
  case idleDone(ServerCommandID)
  /// A command that does not parse, is not known or not allowed in this state, or holds a literal that is too large. The
  /// machine has answered it with BAD already, tagged where `tag` is there. The offset counts from the stream's start.
  case malformed(tag: ByteView?, ParseError)
  /// STARTTLS or COMPRESS was completed with OK: send all outbound bytes, start the layer and call
  /// ``ServerConnection/upgraded(_:now:)``.
  case upgrade(Upgrade, ServerCommandID)
  /// The end: send the outbound bytes, then close the transport. Comes once.
  case closed(CloseReason)
}

/// A whole command, borrowed from the receive buffer; its arguments are parsed already.
public struct CommandView: ~Escapable {
  /// The client's tag.
  public let tag: ByteView
  /// The command's name as the client wrote it, `UID` and the word behind it included.
  public let name: ByteView
  /// The command.
  public let command: Command

  @_lifetime(copy line)
  init(_ line: Span<UInt8>, _ head: CommandHead, _ command: Command) {
    tag = ByteView(line.extracting(head.tag))
    name = ByteView(line.extracting(head.nameRange))
    self.command = command
  }

  /// The command as a value that may be kept. Complexity: O(1).
  public func copy() -> Command { command }
}
