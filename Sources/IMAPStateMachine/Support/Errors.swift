/// Bytes that are not what the grammar allows at that place.
public struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was wrong.
  public enum Reason: Hashable, Sendable {
    /// A byte that cannot stand there.
    case unexpectedByte(UInt8)
    /// The line ended too early.
    case unexpectedEnd
    /// A number that its type cannot hold.
    case numberTooLarge
    /// A quoted string without its end.
    case unterminatedString
    /// Base64, a date or another encoded value that does not decode.
    case invalidValue
    /// A command that the parser does not know.
    case unknownCommand
    /// A key of a search that the parser does not know.
    case unknownSearchKey
    /// A command that the state of the connection does not allow (RFC 9051, section 6).
    case notAllowed
    /// A bound was passed.
    case limit(LimitExceeded)
  }

  /// What was wrong.
  public var reason: Reason
  /// Where: bytes from the start of the stream, or of the view that was read.
  public var offset: Int

  /// An error at `offset`.
  public init(_ reason: Reason, offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  /// The error of passing `limit`, which is `value`, at `offset`.
  public init(passed limit: LimitExceeded.Limit, _ value: UInt64, at offset: Int) {
    self.init(.limit(LimitExceeded(limit: limit, value: value, offset: offset)), offset: offset)
  }

  /// One line for a log. It names single bytes only, so it can hold no secret.
  public var description: String {
    switch reason {
    case .unexpectedByte(let byte): "unexpected byte 0x\(String(byte, radix: 16)) at byte \(offset)"
    case .unexpectedEnd: "unexpected end of line at byte \(offset)"
    case .numberTooLarge: "number too large at byte \(offset)"
    case .unterminatedString: "unterminated string at byte \(offset)"
    case .invalidValue: "invalid value at byte \(offset)"
    case .unknownCommand: "unknown command at byte \(offset)"
    case .unknownSearchKey: "unknown search key at byte \(offset)"
    case .notAllowed: "command not allowed in this state at byte \(offset)"
    case .limit(let limit): limit.description
    }
  }

  /// The same error, `base` bytes further on.
  func shifted(by base: Int) -> ParseError {
    var error = self
    error.offset &+= base
    if case .limit(var limit) = reason {
      limit.offset &+= base
      error.reason = .limit(limit)
    }
    return error
  }
}

/// Why a connection, or one command on it, cannot go on. The case says who is at fault.
public enum ConnectionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The peer broke the protocol.
  case peer(PeerViolation)
  /// The peer's bytes have no framing that can be followed.
  case parse(ParseError)
  /// The peer's bytes passed a bound.
  case limit(LimitExceeded)
  /// A call that is not allowed in this state. Nothing was changed by it.
  case misuse(Misuse)
  /// The peer did not do in time what it had to.
  case timedOut(TimeoutKind)
  /// The network or TLS failed below the protocol.
  case transport(TransportFailure)
  /// The server ended the connection; the text of its BYE where it said one.
  case closedByPeer(bye: String?)
  /// This side closed the connection while the command was in flight.
  case closedLocally

  /// How the peer broke the protocol.
  public struct PeerViolation: Hashable, Sendable {
    /// The rule that was broken.
    public enum Rule: String, Hashable, Sendable {
      /// RFC 3501, section 7.1.1, 7.1.4, 7.1.5: the first line is an untagged OK, PREAUTH or BYE.
      case greeting = "the first line is no greeting"
      /// A tagged response whose tag was never sent.
      case unknownTag = "completion with a tag that was never sent"
      /// RFC 9051, section 11.1: bytes between the STARTTLS answer and the TLS handshake were not sent by the server.
      case plaintextAfterStartTLS = "plain text behind the answer to STARTTLS"
      /// RFC 9051, section 7.1.4: PREAUTH makes STARTTLS impossible.
      case preauthWithoutTLS = "PREAUTH on a connection that must use TLS"
      /// A SASL exchange that makes no sense for its mechanism.
      case authentication = "authentication exchange out of order"
    }

    /// The rule that was broken.
    public var rule: Rule
    /// What the peer said, cut to one short line.
    public var text: String

    /// A violation of `rule` by a line that said `text`.
    public init(_ rule: Rule, text: String = "") {
      self.rule = rule
      self.text = text
    }
  }

  /// A call that the machine refused.
  public struct Misuse: Hashable, Sendable {
    /// What was wrong with the call.
    public enum Rule: String, Hashable, Sendable {
      /// RFC 3501, section 6: the command is not valid in this state.
      case wrongState = "command not allowed in this state"
      /// The identifier names no command that could take the call.
      case unknownCommand = "no such command in flight"
      /// More literal bytes than were announced.
      case literalOverrun = "more bytes than the literal was announced with"
      /// The connection is closed or closing.
      case closed = "connection is closed"
      /// RFC 3501, section 6.2.3: the server advertises LOGINDISABLED.
      case loginDisabled = "LOGIN is disabled on this connection"
      /// A password or what a mechanism makes of it, where TLS must come first
      /// (``ClientConnection/Configuration/requiresTLS``).
      case tlsRequired = "TLS is required and not in use"
      /// A value that cannot be written as the protocol wants it; ``argument`` says which and why.
      case unencodable = "value cannot be sent"
      /// RFC 5161, section 3.1: ENABLE is not allowed once a mailbox was selected.
      case enableAfterSelect = "ENABLE after a mailbox was selected"
      /// An extension is used that must be enabled first, and was not (RFC 7162, sections 3.2.5 and 3.2.6).
      case notEnabled = "extension not enabled"
      /// Sequence numbers are forbidden: UIDONLY is enabled (RFC 9586), or NOTIFY lets EXPUNGE come at any time (RFC 5465,
      /// section 5.3).
      case sequenceNumbers = "sequence numbers have no meaning here"
    }

    /// What was wrong with the call.
    public var rule: Rule
    /// The state that the machine was in.
    public var state: String
    /// The argument of a command that cannot be sent.
    public var argument: InvalidArgument?

    /// A refused call.
    public init(_ rule: Rule, state: String) {
      self.rule = rule
      self.state = state
    }

    /// A command with an argument that cannot be sent.
    public init(_ argument: InvalidArgument, state: String) {
      rule = .unencodable
      self.state = state
      self.argument = argument
    }
  }

  /// A failure below the protocol.
  public struct TransportFailure: Hashable, Sendable {
    /// What was being done.
    public enum Operation: String, Hashable, Sendable, CaseIterable {
      /// Looking up a name.
      case resolve
      /// Opening a TCP connection.
      case connect
      /// The TLS handshake, or a record.
      case tls
      /// Checking the certificate of the peer.
      case certificate
      /// Inflating or compressing (RFC 4978).
      case deflate
      /// Reading.
      case read
      /// Writing.
      case write
      /// Waiting for connections.
      case listen
      /// A program that speaks IMAP could not be run, or has ended.
      case command
      /// A proxy did not do what it was asked to.
      case proxy
    }

    /// What was being done.
    public var operation: Operation
    /// Why TLS failed; nil where it did not.
    public var tls: TLSFailure?
    /// The number that the operating system, libuv, OpenSSL or zlib gave; 0 where there is none.
    public var code: Int
    /// What went wrong, as one line.
    public var message: String

    /// A failure of `operation`.
    public init(_ operation: Operation, code: Int = 0, message: String, tls: TLSFailure? = nil) {
      self.operation = operation
      self.tls = tls
      self.code = code
      self.message = message
    }
  }

  /// One line for a person or a log, control characters escaped. It never holds a secret.
  public var description: String { WireLine.escaped(text) }

  private var text: String {
    switch self {
    case .peer(let violation):
      violation.text.isEmpty ? violation.rule.rawValue : "\(violation.rule.rawValue): \(violation.text)"
    case .parse(let error): error.description
    case .limit(let limit): limit.description
    case .misuse(let misuse):
      if let argument = misuse.argument { argument.description } else { "\(misuse.rule.rawValue) (\(misuse.state))" }
    case .timedOut(let kind): "timed out: \(kind.rawValue)"
    case .transport(let failure): "\(failure.operation.rawValue): \(failure.message)"
    case .closedByPeer(let bye?): "server closed the connection: \(bye)"
    case .closedByPeer(nil): "server closed the connection"
    case .closedLocally: "connection closed"
    }
  }

  init(_ error: ParseError) {
    if case .limit(let limit) = error.reason { self = .limit(limit) } else { self = .parse(error) }
  }
}

/// What took too long.
public enum TimeoutKind: String, Hashable, Sendable {
  /// Name resolution.
  case resolve
  /// The TCP connection.
  case connect
  /// The TLS handshake.
  case tls = "TLS handshake"
  /// The server's first line.
  case greeting
  /// No byte came although a command is in flight.
  case command
  /// The answer to STARTTLS.
  case startTLS = "STARTTLS"
  /// What the server has to say next in AUTHENTICATE.
  case authentication
  /// The continuation request that lets a literal be sent.
  case continuation = "continuation request"
  /// The continuation request that answers IDLE.
  case idle = "IDLE"
  /// The answer to DONE, which ends or renews an IDLE.
  case done = "DONE"
  /// The peer takes none of the bytes that wait to be sent.
  case sending
  /// The answer to LOGOUT.
  case logout
  /// A connection, or a mailbox, that others use.
  case turn = "waiting for others"
  /// A client that did not authenticate in time.
  case login
  /// A client that sent nothing for long (RFC 9051, section 5.4).
  case autologout
}
