import IMAPStateMachine

/// Users with their mailboxes and messages, in memory. For use on one thread.
final class MailStore {
  private var accounts: [String: MailAccount] = [:]
  private let limits: StoreLimits
  private let uidValidities: UIDValidities

  /// An empty store. The first mailbox gets `uidValidity`, each further one a larger value.
  init(uidValidity: UInt32 = 1, limits: StoreLimits = StoreLimits()) {
    self.limits = limits
    uidValidities = UIDValidities(next: max(uidValidity, 1))
  }

  /// Adds a user with an empty INBOX, or gives an existing one a new password.
  @discardableResult
  func addUser(_ name: String, password: Secret) -> MailAccount {
    if let account = accounts[name] {
      account.password = password
      return account
    }
    let account = MailAccount(password: password, limits: limits, uidValidities: uidValidities)
    accounts[name] = account
    return account
  }

  /// The account of `user`.
  func account(_ user: String) -> MailAccount? { accounts[user] }

  /// The account of `user` if `password` is right.
  func authenticate(user: String, password: Secret) -> MailAccount? {
    guard let account = accounts[user], account.password == password else { return nil }
    return account
  }
}

/// The values that UIDVALIDITY takes: a mailbox that is made again under an old name must not look like the old one.
final class UIDValidities {
  private var next: UInt32

  init(next: UInt32) { self.next = next }

  func take() -> UInt32 {
    defer { next = next == .max ? 1 : next + 1 }
    return next
  }
}

/// Bytes and messages that one account holds.
final class Quota {
  private let limit: Int
  private let messageLimit: Int
  private(set) var used = 0
  private(set) var messages = 0

  init(limit: Int, messages: Int = StoreLimits().messages) {
    self.limit = limit
    messageLimit = messages
  }

  /// Takes `count` bytes for so many messages, or throws.
  func reserve(_ count: Int, messages: Int) throws(StoreError) {
    if count > limit - used || messages > messageLimit - self.messages { throw .overQuota }
    used += count
    self.messages += messages
  }

  /// Gives `count` bytes of so many messages back.
  func release(_ count: Int, messages: Int) {
    used = max(0, used - count)
    self.messages = max(0, self.messages - messages)
  }
}

/// One user: a password and a tree of mailboxes. INBOX always exists.
final class MailAccount {
  /// What LOGIN must say.
  var password: Secret
  /// What separates the levels of mailbox names.
  static let delimiter = UInt8(ascii: "/")

  private var mailboxes: [[UInt8]: Mailbox] = [:]
  private var subscriptions: Set<[UInt8]> = []
  private var listing: [(name: [UInt8], attributes: [Flag])]?
  private let limits: StoreLimits
  private let uidValidities: UIDValidities
  /// What the account may still hold.
  let quota: Quota

  init(password: Secret, limits: StoreLimits, uidValidities: UIDValidities) {
    self.password = password
    self.limits = limits
    self.uidValidities = uidValidities
    quota = Quota(limit: limits.bytes, messages: limits.messages)
    mailboxes[Self.inbox] = Mailbox(uidValidity: uidValidities.take(), quota: quota)
  }

  /// The mailbox `name`.
  func mailbox(_ name: MailboxName) -> Mailbox? { mailboxes[Self.key(name)] }

  /// The mailbox `name`, or an error that says that it does not exist.
  func existing(_ name: MailboxName) throws(StoreError) -> Mailbox {
    guard let mailbox = mailbox(name) else { throw .nonexistent }
    return mailbox
  }

  /// Makes a mailbox. A delimiter at the end only says that the client is going to make mailboxes below (RFC 9051, section
  /// 6.3.4) and is dropped.
  @discardableResult
  func create(_ name: MailboxName) throws(StoreError) -> Mailbox {
    var key = Self.key(name)
    if key.last == Self.delimiter { key.removeLast() }
    guard isValid(key) else { throw .invalidName }
    if mailboxes[key] != nil { throw .alreadyExists }
    if mailboxes.count >= limits.mailboxes { throw .overQuota }
    let mailbox = Mailbox(uidValidity: uidValidities.take(), quota: quota)
    mailboxes[key] = mailbox
    listing = nil
    return mailbox
  }

  /// Sets what LIST shows of a mailbox besides its children.
  func setAttributes(_ attributes: [Flag], of name: MailboxName) {
    mailbox(name)?.attributes = attributes
    listing = nil
  }

  /// Removes a mailbox with its messages. Those below it stay (RFC 9051, section 6.3.5). Sessions that have it open see
  /// its messages go and keep an empty mailbox.
  func delete(_ name: MailboxName) throws(StoreError) {
    let key = Self.key(name)
    if key == Self.inbox { throw .inbox }
    guard let mailbox = mailboxes.removeValue(forKey: key) else { throw .nonexistent }
    listing = nil
    mailbox.removeAll()
  }

  /// Gives a mailbox another name, and those below it (RFC 9051, section 6.3.6). INBOX keeps its own.
  func rename(_ name: MailboxName, to newName: MailboxName) throws(StoreError) {
    let (old, new) = (Self.key(name), Self.key(newName))
    if old == Self.inbox { throw .inbox }
    guard isValid(new) else { throw .invalidName }
    if mailboxes[old] == nil { throw .nonexistent }
    // A mailbox below itself would be nowhere.
    if new.starts(with: old + [Self.delimiter]) { throw .invalidName }
    let moved = mailboxes.keys.filter { $0 == old || $0.starts(with: old + [Self.delimiter]) }
    for key in moved {
      let target = new + key.dropFirst(old.count)
      if mailboxes[target] != nil { throw .alreadyExists }
      if !isValid(target) { throw .invalidName }
    }
    for key in moved { mailboxes[new + key.dropFirst(old.count)] = mailboxes.removeValue(forKey: key) }
    listing = nil
  }

  /// Adds a name to those that LSUB shows. It need not be a mailbox's.
  func subscribe(_ name: MailboxName) throws(StoreError) {
    let key = Self.key(name)
    guard isValid(key) else { throw .invalidName }
    if subscriptions.count >= limits.mailboxes { throw .overQuota }
    subscriptions.insert(key)
  }

  /// Takes a name from those that LSUB shows.
  func unsubscribe(_ name: MailboxName) { subscriptions.remove(Self.key(name)) }

  /// The subscribed names that match, in order (RFC 3501, section 6.3.9).
  func subscribed(reference: MailboxName, pattern: MailboxName) -> [MailboxListing] {
    let text = reference.bytes + pattern.bytes
    // No name is longer than that, and a wildcard a byte is more than enough.
    if text.count > 2 * limits.nameBytes { return [] }
    let wanted = ListPattern(text, delimiter: Self.delimiter)
    let delimiter = Character(Unicode.Scalar(Self.delimiter))
    return subscriptions.filter { wanted.matches($0, ignoringCase: $0 == Self.inbox) }
      .sorted { $0.lexicographicallyPrecedes($1) }
      .map { MailboxListing(attributes: [], delimiter: delimiter, name: MailboxName(wire: $0)) }
  }

  /// The mailboxes whose names match, in order, and the levels above them (`\Noselect`). An empty `pattern` asks for the
  /// delimiter only (RFC 9051, section 6.3.9).
  func list(reference: MailboxName, pattern: MailboxName) -> [MailboxListing] {
    let delimiter = Character(Unicode.Scalar(Self.delimiter))
    if pattern.bytes.isEmpty {
      return [MailboxListing(attributes: ["\\Noselect"], delimiter: delimiter, name: MailboxName(wire: []))]
    }
    let text = reference.bytes + pattern.bytes
    // No name is longer than that, and a wildcard a byte is more than enough.
    if text.count > 2 * limits.nameBytes { return [] }
    let wanted = ListPattern(text, delimiter: Self.delimiter)
    var result: [MailboxListing] = []
    for (name, attributes) in names()
    where wanted.matches(name) || (name == Self.inbox && wanted.matches(name, ignoringCase: true)) {
      result.append(MailboxListing(attributes: attributes, delimiter: delimiter, name: MailboxName(wire: name)))
    }
    return result
  }

  /// All names with their attributes, in order. Kept until a mailbox is made or removed.
  private func names() -> [(name: [UInt8], attributes: [Flag])] {
    if let listing { return listing }
    var parents: Set<[UInt8]> = []
    for name in mailboxes.keys {
      for (index, byte) in name.enumerated() where byte == Self.delimiter { parents.insert(Array(name[..<index])) }
    }
    let all = parents.union(mailboxes.keys).sorted { $0.lexicographicallyPrecedes($1) }
    let result = all.map { name in
      let mailbox = mailboxes[name]
      var attributes: [Flag] = mailbox?.attributes ?? ["\\Noselect"]
      attributes.append(parents.contains(name) ? "\\HasChildren" : "\\HasNoChildren")
      return (name: name, attributes: attributes)
    }
    listing = result
    return result
  }

  /// What a name is found by. The first level `INBOX` is the same in any case, as the name INBOX is.
  private static func key(_ name: MailboxName) -> [UInt8] {
    let bytes = name.encoding == .modifiedUTF7 ? name.bytes : MailboxName(name.description).bytes
    let end = bytes.firstIndex(of: delimiter) ?? bytes.endIndex
    return bytes[..<end].map(\.uppercasedASCII) == inbox ? inbox + bytes[end...] : bytes
  }

  private func isValid(_ key: [UInt8]) -> Bool {
    if key.isEmpty || key.count > limits.nameBytes { return false }
    let levels = key.split(separator: Self.delimiter, omittingEmptySubsequences: false)
    if levels.count > limits.nameLevels || levels.contains(where: \.isEmpty) { return false }
    // Printable ASCII is all that modified UTF-7 has. Wildcards would make LIST ambiguous.
    return key.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "*") && $0 != UInt8(ascii: "%") }
  }

  private static let inbox = Array("INBOX".utf8)
}
