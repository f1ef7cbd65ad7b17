/// An ACL response (RFC 4314, section 3.6), borrowed. Iterate a copy for the entries.
public struct AccessControlListView: ElementView, ~Escapable {
  /// The mailbox's name as on the wire.
  public let mailbox: StringView
  private let encoding: MailboxName.Encoding
  private var entries: Cursor

  /// Reads `mailbox [identifier rights ...]`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    mailbox = StringView(bytes, try cursor.astring())
    self.encoding = encoding
    entries = cursor
    var check = self
    while check.next() != nil {}
    try check.entries.expectListEnd()
  }

  /// The next entry, or nil behind the last.
  @_lifetime(copy self)
  public mutating func next() -> AccessControlEntryView? {
    entries.skipSpaces()
    let start = entries.index
    if let identifier = try? entries.astring() {
      entries.skipSpaces()
      if let rights = try? entries.astring() {
        return AccessControlEntryView(StringView(entries.bytes, identifier), StringView(entries.bytes, rights))
      }
    }
    entries.index = start
    return nil
  }

  mutating func skip() -> Bool { next() != nil }

  /// An owned copy.
  public func copy() -> AccessControlList {
    var list = AccessControlList(mailbox: MailboxName(wire: mailbox.copy(), encoding: encoding), entries: [])
    var iterator = self
    while let entry = iterator.next() {
      list.entries.append(
        AccessControlList.Entry(
          identifier: entry.identifier.copy(), rights: AccessRights(entry.rights.lossyString())),
        room: iterator.remaining)
    }
    return list
  }
}

/// One entry of an ACL, borrowed.
public struct AccessControlEntryView: ~Escapable {
  /// Who.
  public let identifier: StringView
  /// What, one letter each.
  public let rights: StringView

  @_lifetime(copy identifier, copy rights)
  init(_ identifier: StringView, _ rights: StringView) {
    self.identifier = identifier
    self.rights = rights
  }
}

/// A LISTRIGHTS response (RFC 4314, section 3.7), borrowed.
public struct ListRightsView: ~Escapable {
  /// The mailbox's name as on the wire.
  public let mailbox: StringView
  /// To whom rights can be given.
  public let identifier: StringView
  /// What is always granted.
  public let required: StringView
  /// What may be granted, group by group.
  public let optional: StringListView
  private let encoding: MailboxName.Encoding

  /// Reads `mailbox identifier required [optional ...]`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    mailbox = StringView(bytes, try cursor.astring())
    cursor.skipSpaces()
    identifier = StringView(bytes, try cursor.astring())
    cursor.skipSpaces()
    required = StringView(bytes, try cursor.astring())
    optional = StringListView(cursor.rest)
    self.encoding = encoding
    do throws(ParseError) { try optional.expectEnd() } catch { throw error.shifted(by: cursor.index) }
  }

  /// An owned copy.
  public func copy() -> ListRights {
    var rights = ListRights(
      mailbox: MailboxName(wire: mailbox.copy(), encoding: encoding), identifier: identifier.copy(),
      required: AccessRights(required.lossyString()), optional: [])
    var iterator = optional
    while let group = iterator.next() {
      rights.optional.append(AccessRights(group.lossyString()), room: iterator.count)
    }
    return rights
  }
}

/// A MYRIGHTS response (RFC 4314, section 3.8), borrowed.
public struct MyRightsView: ~Escapable {
  /// The mailbox's name as on the wire.
  public let mailbox: StringView
  /// What the user may do, one letter each.
  public let rights: StringView
  private let encoding: MailboxName.Encoding

  /// Reads `mailbox rights`.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, _ encoding: MailboxName.Encoding) throws(ParseError) {
    var cursor = Cursor(bytes)
    cursor.skipSpaces()
    mailbox = StringView(bytes, try cursor.astring())
    cursor.skipSpaces()
    rights = StringView(bytes, try cursor.astring())
    self.encoding = encoding
    try cursor.expectListEnd()
  }

  /// An owned copy.
  public func copy() -> MyRights {
    MyRights(
      mailbox: MailboxName(wire: mailbox.copy(), encoding: encoding), rights: AccessRights(rights.lossyString()))
  }
}
