/// An item in its form on the wire, for what has no type of its own.
public struct RawItem: Hashable, Sendable {
  /// The item's name.
  public var name: String
  /// Its value as on the wire.
  public var value: [UInt8]

  /// An item.
  public init(name: String, value: [UInt8]) {
    self.name = name
    self.value = value
  }
}

/// A line of LIST or LSUB (RFC 9051, section 7.3.1).
public struct MailboxListing: Hashable, Sendable {
  /// `\HasChildren`, `\Noselect`, special uses and others.
  public var attributes: [Flag]
  /// What separates the levels of the hierarchy; nil in a flat one.
  public var delimiter: Character?
  /// The name.
  public var name: MailboxName
  /// Whether the line was XLIST, which Gmail had before SPECIAL-USE.
  public var isXList = false
  /// CHILDINFO: why the mailbox is listed although it does not match itself (RFC 5258, section 6).
  public var childInfo: [String] = []
  /// OLDNAME: what the mailbox was called before (RFC 9051, section 7.3.1; RFC 5465).
  public var oldName: MailboxName?
  /// Other extended data.
  public var extended: [RawItem] = []
  /// Extended data that could not be interpreted; under the name `DELIMITER` the delimiter that is more than one character.
  /// They are not sent.
  public var invalid: [InvalidItem] = []

  /// A listing.
  public init(attributes: [Flag], delimiter: Character?, name: MailboxName) {
    self.attributes = attributes
    self.delimiter = delimiter
    self.name = name
  }
}

/// An item that STATUS asks for (RFC 9051, section 6.3.11).
public enum StatusItem: String, Hashable, Sendable, CaseIterable {
  /// How many messages there are.
  case messages = "MESSAGES"
  /// How many are new to every session (RFC 3501).
  case recent = "RECENT"
  /// The next UID.
  case uidNext = "UIDNEXT"
  /// The UID validity value.
  case uidValidity = "UIDVALIDITY"
  /// How many messages lack `\Seen`.
  case unseen = "UNSEEN"
  /// How many messages have `\Deleted` (RFC 9051).
  case deleted = "DELETED"
  /// The size of all messages in bytes (RFC 8438).
  case size = "SIZE"
  /// The highest modification sequence (RFC 7162).
  case highestModSeq = "HIGHESTMODSEQ"
  /// How much storage an EXPUNGE would free (RFC 9208, section 4.1.4).
  case deletedStorage = "DELETED-STORAGE"
  /// The size of the largest message that can be appended (RFC 7889).
  case appendLimit = "APPENDLIMIT"
  /// The mailbox's unique name (RFC 8474). The only item that is no number.
  case mailboxID = "MAILBOXID"
}

/// The size of the largest message that a mailbox takes (RFC 7889, section 3.2).
public enum AppendLimit: Hashable, Sendable {
  /// At most so many bytes.
  case bytes(UInt64)
  /// NIL: the mailbox has no limit of its own.
  case none
}

/// What a STATUS response says of a mailbox. Items that it does not hold are nil.
public struct MailboxStatus: Hashable, Sendable {
  /// The mailbox.
  public var mailbox: MailboxName
  /// How many messages there are.
  public var messages: UInt64?
  /// How many are new to every session.
  public var recent: UInt64?
  /// The next UID.
  public var uidNext: UInt64?
  /// The UID validity value.
  public var uidValidity: UInt64?
  /// How many messages lack `\Seen`.
  public var unseen: UInt64?
  /// How many messages have `\Deleted`.
  public var deleted: UInt64?
  /// The size of all messages in bytes.
  public var size: UInt64?
  /// The highest modification sequence.
  public var highestModSeq: UInt64?
  /// How much storage an EXPUNGE would free.
  public var deletedStorage: UInt64?
  /// The size of the largest message that can be appended.
  public var appendLimit: AppendLimit?
  /// The mailbox's unique name.
  public var mailboxID: String?
  /// Items that ``StatusItem`` does not name.
  public var others: [RawItem] = []
  /// Items that could not be interpreted. They are not sent.
  public var invalid: [InvalidItem] = []

  /// A status without items.
  public init(mailbox: MailboxName) { self.mailbox = mailbox }

  /// The number that `item` stands for; nil where there is none. ``StatusItem/mailboxID`` never has one.
  public subscript(item: StatusItem) -> UInt64? {
    get {
      switch item {
      case .messages: messages
      case .recent: recent
      case .uidNext: uidNext
      case .uidValidity: uidValidity
      case .unseen: unseen
      case .deleted: deleted
      case .size: size
      case .highestModSeq: highestModSeq
      case .deletedStorage: deletedStorage
      case .appendLimit: if case .bytes(let count) = appendLimit { count } else { nil }
      case .mailboxID: nil
      }
    }
    set {
      switch item {
      case .messages: messages = newValue
      case .recent: recent = newValue
      case .uidNext: uidNext = newValue
      case .uidValidity: uidValidity = newValue
      case .unseen: unseen = newValue
      case .deleted: deleted = newValue
      case .size: size = newValue
      case .highestModSeq: highestModSeq = newValue
      case .deletedStorage: deletedStorage = newValue
      case .appendLimit: appendLimit = newValue.map { .bytes($0) }
      case .mailboxID: break
      }
    }
  }
}

/// The namespaces of a server (RFC 2342).
public struct Namespaces: Hashable, Sendable {
  /// One namespace.
  public struct Namespace: Hashable, Sendable {
    /// What its mailbox names start with.
    public var prefix: MailboxName
    /// What separates the levels of its hierarchy; nil in a flat one.
    public var delimiter: Character?
    /// What extensions say of it (RFC 2342, section 6).
    public var extensions: [Extension]

    /// A namespace.
    public init(prefix: MailboxName, delimiter: Character?, extensions: [Extension] = []) {
      self.prefix = prefix
      self.delimiter = delimiter
      self.extensions = extensions
    }
  }

  /// What an extension says of a namespace, for example `TRANSLATION` (RFC 5255, section 3.4).
  public struct Extension: Hashable, Sendable {
    /// The extension's name.
    public var name: [UInt8]
    /// Its values.
    public var values: [[UInt8]]

    /// An extension's values.
    public init(name: [UInt8], values: [[UInt8]]) {
      self.name = name
      self.values = values
    }
  }

  /// The user's own mailboxes.
  public var personal: [Namespace]
  /// Other users' mailboxes.
  public var otherUsers: [Namespace]
  /// Mailboxes that are shared.
  public var shared: [Namespace]
  /// Namespaces, and parts of them, that could not be interpreted, under the name of their kind: `PERSONAL`, `OTHER`
  /// or `SHARED`. They are not sent.
  public var invalid: [InvalidItem] = []

  /// Namespaces of each kind; empty stands for NIL.
  public init(personal: [Namespace] = [], otherUsers: [Namespace] = [], shared: [Namespace] = []) {
    self.personal = personal
    self.otherUsers = otherUsers
    self.shared = shared
  }
}
