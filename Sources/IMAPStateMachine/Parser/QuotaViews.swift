/// A QUOTA response (RFC 9208, section 5.1), borrowed. Iterate a copy for the resources.
public struct QuotaView: ElementView, ~Escapable {
  /// The quota root.
  public let root: StringView
  private var resources: Cursor

  /// Reads `root (name usage limit ...)`. A server that has one root only may leave it out.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    let isMissing = cursor.peek == UInt8(ascii: "(")
    let root = isMissing ? StringToken(range: 0..<0, hasEscapes: false) : try cursor.astring()
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: "("))
    self.root = StringView(bytes, root)
    resources = cursor
    var check = self
    while check.next() != nil {}
    try check.resources.expectListEnd()
  }

  /// The next resource, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> QuotaResourceView? {
    resources.skipSpaces()
    let start = resources.index
    if let name = try? resources.astring() {
      resources.skipSpaces()
      if let usage = try? resources.quantity() {
        resources.skipSpaces()
        if let limit = try? resources.quantity() {
          return QuotaResourceView(StringView(resources.bytes, name), usage, limit)
        }
      }
    }
    resources.index = start
    return nil
  }

  mutating func skip() -> Bool { next() != nil }

  /// An owned copy.
  public func copy() -> Quota {
    var quota = Quota(root: root.copy(), resources: [])
    var iterator = self
    while let resource = iterator.next() {
      quota.resources.append(
        Quota.Resource(resource.name.uppercasedString(), usage: resource.usage, limit: resource.limit),
        room: iterator.remaining)
    }
    return quota
  }
}

/// One resource of a quota root, borrowed.
public struct QuotaResourceView: ~Escapable {
  /// The resource's name as on the wire.
  public let name: StringView
  /// How much is used.
  public let usage: UInt64
  /// How much there is.
  public let limit: UInt64

  @_lifetime(copy name)
  init(_ name: StringView, _ usage: UInt64, _ limit: UInt64) {
    self.name = name
    self.usage = usage
    self.limit = limit
  }
}

/// A QUOTAROOT response (RFC 9208, section 5.2), borrowed.
public struct QuotaRootsView: ~Escapable {
  /// The mailbox's name as on the wire.
  public let mailbox: StringView
  /// The roots that it counts against.
  public let roots: StringListView
  private let encoding: MailboxName.Encoding

  /// Reads `mailbox [root ...]`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    mailbox = StringView(bytes, try cursor.astring())
    roots = StringListView(cursor.rest)
    self.encoding = encoding
    do throws(ParseError) { try roots.expectEnd() } catch { throw error.shifted(by: cursor.index) }
  }

  /// An owned copy.
  public func copy() -> QuotaRoots {
    QuotaRoots(mailbox: MailboxName(wire: mailbox.copy(), encoding: encoding), roots: roots.copy())
  }
}
