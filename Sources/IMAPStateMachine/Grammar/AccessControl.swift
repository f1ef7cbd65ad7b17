/// Rights on a mailbox (RFC 4314, section 2), one letter each.
public struct AccessRights: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  /// The letters as on the wire.
  public var rawValue: String

  /// The rights that `letters` name.
  public init(_ letters: String) { rawValue = letters }

  /// The rights of a literal.
  public init(stringLiteral letters: String) { rawValue = letters }

  /// Whether all rights of `other` are here.
  public func contains(_ other: AccessRights) -> Bool {
    other.rawValue.utf8.allSatisfy { rawValue.utf8.contains($0) }
  }

  /// The letters.
  public var description: String { rawValue }
}

/// An ACL response (RFC 4314, section 3.6): who may do what.
public struct AccessControlList: Hashable, Sendable {
  /// The rights of one user or group.
  public struct Entry: Hashable, Sendable {
    /// Who. A leading `-` takes the rights away.
    public var identifier: [UInt8]
    /// What.
    public var rights: AccessRights

    /// An entry.
    public init(identifier: [UInt8], rights: AccessRights) {
      self.identifier = identifier
      self.rights = rights
    }
  }

  /// The mailbox.
  public var mailbox: MailboxName
  /// Its entries.
  public var entries: [Entry]

  /// A list.
  public init(mailbox: MailboxName, entries: [Entry]) {
    self.mailbox = mailbox
    self.entries = entries
  }
}

/// A LISTRIGHTS response (RFC 4314, section 3.7): which rights can be given.
public struct ListRights: Hashable, Sendable {
  /// The mailbox.
  public var mailbox: MailboxName
  /// To whom.
  public var identifier: [UInt8]
  /// What is always granted.
  public var required: AccessRights
  /// What may be granted; letters of one group only together.
  public var optional: [AccessRights]

  /// The rights that can be given.
  public init(mailbox: MailboxName, identifier: [UInt8], required: AccessRights, optional: [AccessRights] = []) {
    self.mailbox = mailbox
    self.identifier = identifier
    self.required = required
    self.optional = optional
  }
}

/// A MYRIGHTS response (RFC 4314, section 3.8).
public struct MyRights: Hashable, Sendable {
  /// The mailbox.
  public var mailbox: MailboxName
  /// What the user may do with it.
  public var rights: AccessRights

  /// The user's rights.
  public init(mailbox: MailboxName, rights: AccessRights) {
    self.mailbox = mailbox
    self.rights = rights
  }
}

/// What SETACL does with the rights of a user or group (RFC 4314, section 3.1).
public enum AccessRightsChange: Hashable, Sendable {
  /// These become the only ones.
  case replace(AccessRights)
  /// These are added.
  case add(AccessRights)
  /// These are removed.
  case remove(AccessRights)
}
