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
  case uidValidity(UInt64)
  /// The first unseen message.
  case unseen(UInt32)
  /// Where an appended message went (RFC 4315, section 3).
  case appendUID(validity: UInt64, uids: UIDSet)
  /// Which messages a copy or move made (RFC 4315, section 3): both sets in the same order.
  case copyUID(validity: UInt64, source: UIDSet, destination: UIDSet)
  /// The mailbox does not keep UIDs.
  case uidNotSticky
  /// The mailbox's highest modification sequence (RFC 7162).
  case highestModSeq(ModSeq)
  /// The mailbox has no modification sequences (RFC 7162).
  case noModSeq
  /// The messages that a conditional STORE left alone: by UID for UID STORE, else by sequence number (RFC 7162, section
  /// 3.1.3).
  case modified(MessageSet<MessageID>)
  /// The mailbox that was selected is closed: what follows concerns the next (RFC 7162, section 3.2.11).
  case closed
  /// A URL of CATENATE or URLAUTH that cannot be resolved (RFC 4469).
  case badURL(String)
  /// NOTIFY asked for events that the server does not know; those that it knows (RFC 5465).
  case badEvent([String])
  /// Something about METADATA (RFC 5464).
  case metadata(MetadataCode)
  /// Something about annotations of messages (RFC 5257).
  case annotations(AnnotationsCode)
  /// The unique name of the mailbox that was created or selected (RFC 8474).
  case mailboxID(String)
  /// Go to one of these URLs instead (RFC 2221, RFC 2193).
  case referral([String])
  /// The search with this tag is not kept up to date any longer (RFC 5267).
  case noUpdate(tag: String)
  /// The ways to authorise URLs that the mailbox has, each with its data where it has some (RFC 4467).
  case urlMechanisms([String])
  /// A command is still running (RFC 9585).
  case inProgress(tag: String?, done: UInt32?, goal: UInt32?)
  /// The user has to open this page, mostly to log in there (Gmail). Gmail says it in a line before that which refuses the
  /// login; the error that `IMAPClient` throws has it then.
  case webAlert(String)
  /// At most so many messages can be converted at once (RFC 5259).
  case maxConvertMessages(UInt32)
  /// At most so many parts can be converted at once (RFC 5259).
  case maxConvertParts(UInt32)
  /// There is no such filter (RFC 5466).
  case undefinedFilter(String)
  /// A command was applied to so many messages only, the last one this (RFC 9738).
  case messageLimit(UInt32, last: UID?)
  /// A code without arguments, in upper case: those of RFC 5530 and any other.
  case atom(String)
  /// A code with arguments that the parser does not know, as on the wire.
  case other(name: String, arguments: [UInt8])
  /// A code that it knows, with arguments that it cannot interpret, or without those that the code needs. The offset in
  /// `reason` counts from the first byte of `arguments`.
  case invalid(name: String, arguments: [UInt8], reason: ParseError)

  /// RFC 5530: the credentials are wrong.
  public static let authenticationFailed = ResponseCode.atom("AUTHENTICATIONFAILED")
  /// RFC 5530: the user may not act for the other one.
  public static let authorizationFailed = ResponseCode.atom("AUTHORIZATIONFAILED")
  /// RFC 5530: the password must be changed.
  public static let expired = ResponseCode.atom("EXPIRED")
  /// RFC 5530: this needs TLS.
  public static let privacyRequired = ResponseCode.atom("PRIVACYREQUIRED")
  /// RFC 5530: the user should talk to the administrator.
  public static let contactAdmin = ResponseCode.atom("CONTACTADMIN")
  /// RFC 5530: the user may not do this.
  public static let noPermission = ResponseCode.atom("NOPERM")
  /// RFC 5530: something is locked by somebody else.
  public static let inUse = ResponseCode.atom("INUSE")
  /// RFC 5530: messages went away that the client was not told of.
  public static let expungeIssued = ResponseCode.atom("EXPUNGEISSUED")
  /// RFC 5530: the mailbox is damaged.
  public static let corruption = ResponseCode.atom("CORRUPTION")
  /// RFC 5530: the server has a bug.
  public static let serverBug = ResponseCode.atom("SERVERBUG")
  /// RFC 5530: the client broke a rule of the protocol.
  public static let clientBug = ResponseCode.atom("CLIENTBUG")
  /// RFC 5530: the operation cannot be done in this way.
  public static let cannot = ResponseCode.atom("CANNOT")
  /// RFC 5530: a limit was reached.
  public static let limit = ResponseCode.atom("LIMIT")
  /// RFC 5530, RFC 9208: the user has no room left.
  public static let overQuota = ResponseCode.atom("OVERQUOTA")
  /// RFC 5530: the mailbox exists already.
  public static let alreadyExists = ResponseCode.atom("ALREADYEXISTS")
  /// RFC 5530: the mailbox does not exist.
  public static let nonexistent = ResponseCode.atom("NONEXISTENT")
  /// RFC 5530: a subsystem that is needed is down for now.
  public static let unavailable = ResponseCode.atom("UNAVAILABLE")
  /// RFC 9051: the mailbox has children and cannot be deleted.
  public static let hasChildren = ResponseCode.atom("HASCHILDREN")
  /// RFC 5182: the result of the search was not kept.
  public static let notSaved = ResponseCode.atom("NOTSAVED")
  /// RFC 3516: the part has a transfer encoding that the server does not know.
  public static let unknownCTE = ResponseCode.atom("UNKNOWN-CTE")
  /// RFC 4469: the message would be too large.
  public static let tooBig = ResponseCode.atom("TOOBIG")
  /// RFC 4978: the connection is compressed already.
  public static let compressionActive = ResponseCode.atom("COMPRESSIONACTIVE")
  /// RFC 6154: the special use cannot be had.
  public static let useAttribute = ResponseCode.atom("USEATTR")
  /// RFC 5465: the server gave up notifying.
  public static let notificationOverflow = ResponseCode.atom("NOTIFICATIONOVERFLOW")
  /// RFC 5255: no comparator matches.
  public static let badComparator = ResponseCode.atom("BADCOMPARATOR")
  /// RFC 5259: a conversion failed and may succeed later.
  public static let temporaryFailure = ResponseCode.atom("TEMPFAIL")
  /// RFC 9586: the connection knows no sequence numbers.
  public static let uidRequired = ResponseCode.atom("UIDREQUIRED")

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
    case .badURL(let url): "BADURL \(url)"
    case .webAlert(let url): "WEBALERT \(url)"
    case .badEvent(let names): "BADEVENT (\(names.joined(separator: " ")))"
    case .metadata(let code): "METADATA \(code)"
    case .annotations(let code): code.description
    case .mailboxID(let id): "MAILBOXID (\(id))"
    case .referral(let urls): "REFERRAL \(urls.joined(separator: " "))"
    case .noUpdate(let tag): "NOUPDATE \(quotedString(tag))"
    case .urlMechanisms(let names): "URLMECH \(names.joined(separator: " "))"
    case .inProgress(nil, nil, nil): "INPROGRESS"
    case .inProgress(let tag, let done, let goal):
      "INPROGRESS (\(tag.map { quotedString($0) } ?? "NIL") \(Self.number(done)) \(Self.number(goal)))"
    case .maxConvertMessages(let count): "MAXCONVERTMESSAGES \(count)"
    case .maxConvertParts(let count): "MAXCONVERTPARTS \(count)"
    case .undefinedFilter(let name): "UNDEFINED-FILTER \(name)"
    case .messageLimit(let count, let last): "MESSAGELIMIT \(count)\(last.map { " \($0)" } ?? "")"
    case .atom(let name): name
    case .other(let name, let arguments), .invalid(let name, let arguments, _):
      arguments.isEmpty ? name : "\(name) \(arguments.span.lossyString())"
    }
  }

  private static func number(_ number: UInt32?) -> String { number.map { String($0) } ?? "NIL" }
}

/// What METADATA response codes say (RFC 5464, sections 4.2.1 and 4.3).
public enum MetadataCode: Hashable, Sendable, CustomStringConvertible {
  /// Values were left out because they are too long; the longest has so many bytes.
  case longEntries(UInt64)
  /// The value is too long; so many bytes are allowed.
  case maxSize(UInt64)
  /// There are too many annotations.
  case tooMany
  /// The server has no private annotations.
  case noPrivate

  /// As on the wire behind `METADATA`.
  public var description: String {
    switch self {
    case .longEntries(let size): "LONGENTRIES \(size)"
    case .maxSize(let size): "MAXSIZE \(size)"
    case .tooMany: "TOOMANY"
    case .noPrivate: "NOPRIVATE"
    }
  }
}

/// What ANNOTATE and ANNOTATIONS response codes say (RFC 5257, sections 3.4 and 4.6).
public enum AnnotationsCode: Hashable, Sendable, CustomStringConvertible {
  /// The value is too long.
  case tooBig
  /// There are too many annotations.
  case tooMany
  /// The selected mailbox has annotations of at most so many bytes; `isPrivate` false where none are private.
  case supported(maxSize: UInt64, isPrivate: Bool)
  /// The selected mailbox has annotations that cannot be changed.
  case readOnly(isPrivate: Bool)
  /// The selected mailbox has no annotations.
  case none

  /// The whole code as on the wire.
  public var description: String {
    switch self {
    case .tooBig: "ANNOTATE TOOBIG"
    case .tooMany: "ANNOTATE TOOMANY"
    case .supported(let size, let isPrivate): "ANNOTATIONS \(size)\(isPrivate ? "" : " NOPRIVATE")"
    case .readOnly(let isPrivate): "ANNOTATIONS READ-ONLY\(isPrivate ? "" : " NOPRIVATE")"
    case .none: "ANNOTATIONS NONE"
    }
  }
}
