/// A line of LIST or LSUB (RFC 9051, section 7.3.1).
public struct MailboxListing: Hashable, Sendable {
  /// `\HasChildren`, `\Noselect`, special uses and others.
  public var attributes: [Flag]
  /// What separates the levels of the hierarchy; nil in a flat one.
  public var delimiter: Character?
  /// The name.
  public var name: MailboxName

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

  /// A status without items.
  public init(mailbox: MailboxName) { self.mailbox = mailbox }

  /// The value of `item`.
  public subscript(item: StatusItem) -> UInt64? {
    get { self[keyPath: Self.field(item)] }
    set { self[keyPath: Self.field(item)] = newValue }
  }

  private static func field(_ item: StatusItem) -> WritableKeyPath<MailboxStatus, UInt64?> {
    switch item {
    case .messages: \.messages
    case .recent: \.recent
    case .uidNext: \.uidNext
    case .uidValidity: \.uidValidity
    case .unseen: \.unseen
    case .deleted: \.deleted
    case .size: \.size
    case .highestModSeq: \.highestModSeq
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

    /// A namespace.
    public init(prefix: MailboxName, delimiter: Character?) {
      self.prefix = prefix
      self.delimiter = delimiter
    }
  }

  /// The user's own mailboxes.
  public var personal: [Namespace]
  /// Other users' mailboxes.
  public var otherUsers: [Namespace]
  /// Mailboxes that are shared.
  public var shared: [Namespace]

  /// Namespaces of each kind; empty stands for NIL.
  public init(personal: [Namespace] = [], otherUsers: [Namespace] = [], shared: [Namespace] = []) {
    self.personal = personal
    self.otherUsers = otherUsers
    self.shared = shared
  }
}
