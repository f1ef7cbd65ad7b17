/// A status response: condition, response code and text (RFC 9051, section 7.1).
public struct Status: Hashable, Sendable, CustomStringConvertible {
  /// How it went.
  public enum Condition: String, Hashable, Sendable {
    /// Success, or information where untagged.
    case ok = "OK"
    /// Failure, or a warning where untagged.
    case no = "NO"
    /// The command was not understood or not allowed.
    case bad = "BAD"
    /// The server closes the connection.
    case bye = "BYE"
    /// Greeting of a connection that is authenticated already.
    case preauth = "PREAUTH"
  }

  /// How it went.
  public var condition: Condition
  /// The machine-readable part in brackets.
  public var code: ResponseCode?
  /// The text for people; empty where the server sent none.
  public var text: String

  /// A status.
  public init(_ condition: Condition, code: ResponseCode? = nil, _ text: String) {
    self.condition = condition
    self.code = code
    self.text = text
  }

  /// As on the wire.
  public var description: String {
    let code = code.map { " [\($0)]" } ?? ""
    return "\(condition.rawValue)\(code)\(text.isEmpty ? "" : " ")\(text)"
  }
}

/// A response code (RFC 9051, section 7.1; RFC 5530; extensions).
public enum ResponseCode: Hashable, Sendable, CustomStringConvertible {
  /// The text must be shown to the user.
  case alert
  /// The search charset is not supported; the server may name those that are.
  case badCharset([String])
  /// The server's capabilities.
  case capability([Capability])
  /// The server could not parse a message's header.
  case parse
  /// The flags that can be changed for good.
  case permanentFlags([Flag])
  /// The mailbox is open for reading only.
  case readOnly
  /// The mailbox is open for reading and writing.
  case readWrite
  /// The target mailbox does not exist and could be created.
  case tryCreate
  /// The UID that the next message will get, as far as is known.
  case uidNext(UInt32)
  /// The mailbox's UID validity value.
  case uidValidity(UInt32)
  /// The first unseen message.
  case unseen(UInt32)
  /// Where an appended message went (RFC 4315, section 3).
  case appendUID(validity: UInt32, uids: UIDSet)
  /// Which messages a copy or move made (RFC 4315, section 3): both sets in the same order.
  case copyUID(validity: UInt32, source: UIDSet, destination: UIDSet)
  /// The mailbox does not keep UIDs.
  case uidNotSticky
  /// The mailbox's highest modification sequence (RFC 7162).
  case highestModSeq(ModSeq)
  /// The mailbox has no modification sequences (RFC 7162).
  case noModSeq
  /// The messages that a conditional STORE left alone (RFC 7162).
  case modified(MessageSet<UID>)
  /// The mailbox that was selected is closed: what follows concerns the next (RFC 7162, section 3.2.11).
  case closed
  /// A code without arguments, in upper case: those of RFC 5530 and any other.
  case atom(String)
  /// A code with arguments that the parser does not know, as on the wire.
  case other(name: String, arguments: [UInt8])

  /// RFC 5530: the credentials are wrong.
  public static let authenticationFailed = ResponseCode.atom("AUTHENTICATIONFAILED")
  /// RFC 5530: the mailbox does not exist.
  public static let nonexistent = ResponseCode.atom("NONEXISTENT")
  /// RFC 5530: the mailbox exists already.
  public static let alreadyExists = ResponseCode.atom("ALREADYEXISTS")
  /// RFC 5530: a subsystem that is needed is down for now.
  public static let unavailable = ResponseCode.atom("UNAVAILABLE")
  /// RFC 5530: the operation cannot be done in this way.
  public static let cannot = ResponseCode.atom("CANNOT")
  /// RFC 5530: the client broke a rule of the protocol.
  public static let clientBug = ResponseCode.atom("CLIENTBUG")

  /// As on the wire between the brackets.
  public var description: String {
    switch self {
    case .alert: "ALERT"
    case .badCharset(let names): names.isEmpty ? "BADCHARSET" : "BADCHARSET (\(names.joined(separator: " ")))"
    case .capability(let list): "CAPABILITY \(list.map(\.rawValue).joined(separator: " "))"
    case .parse: "PARSE"
    case .permanentFlags(let flags): "PERMANENTFLAGS (\(flags.map(\.rawValue).joined(separator: " ")))"
    case .readOnly: "READ-ONLY"
    case .readWrite: "READ-WRITE"
    case .tryCreate: "TRYCREATE"
    case .uidNext(let uid): "UIDNEXT \(uid)"
    case .uidValidity(let value): "UIDVALIDITY \(value)"
    case .unseen(let number): "UNSEEN \(number)"
    case .appendUID(let validity, let uids): "APPENDUID \(validity) \(uids)"
    case .copyUID(let validity, let source, let destination): "COPYUID \(validity) \(source) \(destination)"
    case .uidNotSticky: "UIDNOTSTICKY"
    case .highestModSeq(let value): "HIGHESTMODSEQ \(value)"
    case .noModSeq: "NOMODSEQ"
    case .modified(let set): "MODIFIED \(set)"
    case .closed: "CLOSED"
    case .atom(let name): name
    case .other(let name, let arguments): "\(name) \(arguments.span.lossyString())"
    }
  }
}
