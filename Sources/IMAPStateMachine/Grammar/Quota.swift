/// A QUOTA response (RFC 9208, section 5.1): what is used of a quota root's resources.
public struct Quota: Hashable, Sendable {
  /// One resource.
  public struct Resource: Hashable, Sendable {
    /// `STORAGE` (in units of 1,024 bytes), `MESSAGE`, `MAILBOX` or another, in upper case.
    public var name: String
    /// How much is used.
    public var usage: UInt64
    /// How much there is.
    public var limit: UInt64

    /// A resource.
    public init(_ name: String, usage: UInt64, limit: UInt64) {
      self.name = asciiUppercased(name)
      self.usage = usage
      self.limit = limit
    }
  }

  /// The quota root. It need not be a mailbox, and may be empty.
  public var root: [UInt8]
  /// Its resources.
  public var resources: [Resource]

  /// A quota.
  public init(root: [UInt8], resources: [Resource]) {
    self.root = root
    self.resources = resources
  }
}

/// A QUOTAROOT response (RFC 9208, section 5.2): the quota roots that a mailbox counts against.
public struct QuotaRoots: Hashable, Sendable {
  /// The mailbox.
  public var mailbox: MailboxName
  /// Its roots; there may be none.
  public var roots: [[UInt8]]

  /// Quota roots.
  public init(mailbox: MailboxName, roots: [[UInt8]]) {
    self.mailbox = mailbox
    self.roots = roots
  }
}

/// A limit that SETQUOTA sets (RFC 9208, section 4.1.3).
public struct QuotaLimit: Hashable, Sendable {
  /// The resource in upper case: `STORAGE` (in units of 1,024 bytes), `MESSAGE` or another.
  public var resource: String
  /// How much there may be of it.
  public var limit: UInt64

  /// A limit.
  public init(_ resource: String, _ limit: UInt64) {
    self.resource = asciiUppercased(resource)
    self.limit = limit
  }
}
