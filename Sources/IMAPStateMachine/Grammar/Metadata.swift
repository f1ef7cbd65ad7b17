/// A METADATA response (RFC 5464, section 4.4): annotations of a mailbox, or of the server where its name is empty.
public struct Metadata: Hashable, Sendable {
  /// One annotation.
  public struct Entry: Hashable, Sendable {
    /// The entry's name, for example `/shared/comment`.
    public var name: [UInt8]
    /// Its value; nil where there is none.
    public var value: [UInt8]?

    /// An annotation.
    public init(name: [UInt8], value: [UInt8]?) {
      self.name = name
      self.value = value
    }
  }

  /// What the server says of the entries.
  public enum Content: Hashable, Sendable {
    /// Their values.
    case values([Entry])
    /// Only that they changed: their names (RFC 5464, section 4.4.2).
    case changed([[UInt8]])
  }

  /// The mailbox; the empty name is the server.
  public var mailbox: MailboxName
  /// The entries.
  public var content: Content

  /// Annotations of a mailbox.
  public init(mailbox: MailboxName, _ content: Content) {
    self.mailbox = mailbox
    self.content = content
  }
}

/// An annotation of a message in a FETCH response (RFC 5257, section 4.3).
public struct MessageAnnotation: Hashable, Sendable {
  /// One attribute of an annotation.
  public struct Attribute: Hashable, Sendable {
    /// `value.priv`, `size.shared` and the like.
    public var name: [UInt8]
    /// Its value; nil where there is none.
    public var value: [UInt8]?

    /// An attribute.
    public init(name: [UInt8], value: [UInt8]?) {
      self.name = name
      self.value = value
    }
  }

  /// The entry's name, for example `/comment`.
  public var entry: [UInt8]
  /// Its attributes; none where the server only says that the entry is there.
  public var attributes: [Attribute]

  /// An annotation.
  public init(entry: [UInt8], attributes: [Attribute] = []) {
    self.entry = entry
    self.attributes = attributes
  }
}

/// What GETMETADATA asks for besides the entries (RFC 5464, section 4.2).
public struct MetadataOptions: Hashable, Sendable {
  /// How far below an entry.
  public enum Depth: String, Hashable, Sendable {
    /// The entry alone.
    case zero = "0"
    /// One level below it, too.
    case one = "1"
    /// Everything below it, too.
    case infinity = "infinity"
  }

  /// Longer values are left out.
  public var maximumSize: UInt32?
  /// How far below the entries.
  public var depth: Depth?

  /// Options; none by default.
  public init(maximumSize: UInt32? = nil, depth: Depth? = nil) {
    self.maximumSize = maximumSize
    self.depth = depth
  }
}
