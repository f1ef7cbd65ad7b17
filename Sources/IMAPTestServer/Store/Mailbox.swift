import IMAPStateMachine

/// One message of a mailbox.
struct MailboxMessage {
  /// Its number, never used again.
  let uid: UInt32
  /// Its flags, in the bits of its mailbox.
  var flags: FlagSet
  /// When it last changed.
  var modSeq: UInt64
  /// What never changes.
  let content: StoredMessage
}

/// A mailbox: messages in ascending order of UID, counters, and what changed since its sessions last looked.
///
/// Changes go into one journal. Each ``SelectedView`` remembers how far it has read, so a change costs O(1) however many
/// sessions have the mailbox open, and a session that is told pays for the changes only. For use on one thread.
final class Mailbox {
  /// A line of the journal. New messages need none: their UIDs tell.
  struct Change {
    enum Kind { case expunge, flags }

    var kind: Kind
    var uid: UInt32
    /// The view whose session made the change; 0 where none did.
    var origin: UInt32
  }

  /// The value that makes UIDs unique over time (RFC 9051, section 2.3.1.1).
  let uidValidity: UInt32
  /// What the account may still hold.
  private let quota: Quota
  /// What LIST adds to the name, for example `\Sent`.
  var attributes: [Flag] = []

  /// The messages, UIDs ascending.
  private(set) var messages: [MailboxMessage] = []
  /// The UID of the next message.
  private(set) var nextUID: UInt32 = 1
  /// The modification sequence of the latest change (RFC 7162, section 3.1). Never 0.
  private(set) var highestModSeq: UInt64 = 1
  /// How many messages lack `\Seen`.
  private(set) var unseen = 0
  /// How many messages have `\Deleted`.
  private(set) var deleted = 0
  /// Bytes of all messages.
  private(set) var size = 0
  /// Messages from this UID on were not yet shown to a session that can change the mailbox (RFC 3501, section 2.3.2).
  private(set) var firstRecentUID: UInt32 = 1
  /// Which flags the messages have.
  private(set) var flagTable = FlagTable()

  private var journal: [Change] = []
  private var journalStart: UInt64 = 0
  private var views: [UInt32: SelectedView] = [:]
  private var listeners: [UInt32: SelectedView] = [:]
  private var lastViewID: UInt32 = 0

  init(uidValidity: UInt32, quota: Quota) {
    self.uidValidity = uidValidity
    self.quota = quota
  }

  /// The index of the first message whose UID is `uid` or larger. Complexity: O(log n).
  func index(from uid: UInt32) -> Int {
    var (low, high) = (0, messages.count)
    while low < high {
      let middle = (low + high) / 2
      if messages[middle].uid < uid { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The index of the message with `uid`.
  func index(of uid: UInt32) -> Int? {
    let index = index(from: uid)
    return index < messages.count && messages[index].uid == uid ? index : nil
  }

  /// The flags of `set` by name.
  func flags(_ set: FlagSet) -> [Flag] { flagTable.list(set) }

  /// The value of a STATUS item (RFC 9051, section 6.3.11).
  func status(_ item: StatusItem) -> UInt64? {
    switch item {
    case .messages: UInt64(messages.count)
    case .recent: UInt64(messages.count - index(from: firstRecentUID))
    case .uidNext: UInt64(nextUID)
    case .uidValidity: UInt64(uidValidity)
    case .unseen: UInt64(unseen)
    case .deleted: UInt64(deleted)
    case .size: UInt64(size)
    case .highestModSeq: highestModSeq
    case .deletedStorage, .appendLimit, .mailboxID: nil
    }
  }
}

// MARK: - Changes

extension Mailbox {
  /// What ``store(_:in:unchangedSince:by:)`` did.
  struct StoreResult: Equatable {
    /// The messages that now have the flags, whether they changed or not.
    var stored: [UInt32] = []
    /// Those of them that changed.
    var changed: [UInt32] = []
    /// The messages that were left alone since they changed after `unchangedSince`.
    var modified: [UInt32] = []
  }

  /// Which messages became which: both lists in the same, ascending order.
  struct CopyResult: Equatable {
    var source: [UInt32] = []
    var destination: [UInt32] = []
  }

  /// Adds a message at the end. Throws where the account is full or the keywords are too many; nothing is changed then.
  @discardableResult
  func append(_ content: StoredMessage, flags: [Flag] = []) throws(StoreError) -> UInt32 {
    guard let set = flagTable.intern(flags), nextUID < UInt32.max else { throw .limit }
    try quota.reserve(content.size, messages: 1)
    highestModSeq += 1
    let uid = add(content, set)
    notify()
    return uid
  }

  /// Changes the flags of the messages in `uids`. Messages that changed after `unchangedSince` are left alone (RFC 7162,
  /// section 3.1.3). Throws where the keywords are too many; nothing is changed then.
  func store(
    _ operation: StoreOperation, in uids: NumberRanges, unchangedSince: ModSeq? = nil, by view: SelectedView? = nil
  ) throws(StoreError) -> StoreResult {
    guard let set = flagTable.intern(operation.flags) else { throw .limit }
    var result = StoreResult()
    for index in indices(in: uids) {
      let message = messages[index]
      if let limit = unchangedSince?.rawValue, message.modSeq > limit {
        result.modified.append(message.uid)
        continue
      }
      result.stored.append(message.uid)
      let flags =
        switch operation.action {
        case .replace: set
        case .add: message.flags.union(set)
        case .remove: message.flags.subtracting(set)
        }
      if flags == message.flags { continue }
      if result.changed.isEmpty { highestModSeq += 1 }
      result.changed.append(message.uid)
      count(message, -1)
      messages[index].flags = flags
      messages[index].modSeq = highestModSeq
      count(messages[index], 1)
      record(Change(kind: .flags, uid: message.uid, origin: view?.id ?? 0))
    }
    if !result.changed.isEmpty { notify() }
    return result
  }

  /// Removes the messages with `\Deleted`: all, or those in `uids` (RFC 4315, section 2.1). Returns their UIDs.
  @discardableResult
  func expunge(in uids: NumberRanges? = nil) -> [UInt32] {
    if deleted == 0 { return [] }
    return remove { message in message.flags.contains(.deleted) && uids?.contains(message.uid) != false }
  }

  /// Removes the messages in `uids`, whatever their flags.
  func remove(_ uids: NumberRanges) { remove { uids.contains($0.uid) } }

  /// Removes every message: the mailbox is being deleted.
  func removeAll() { remove { _ in true } }

  /// Copies the messages in `uids` to the end of `target`: all of them or, where it throws, none (RFC 9051, section 6.4.7).
  func copy(_ uids: NumberRanges, to target: Mailbox) throws(StoreError) -> CopyResult {
    let indices = indices(in: uids)
    if indices.isEmpty { return CopyResult() }
    guard UInt64(target.nextUID) + UInt64(indices.count) < UInt64(UInt32.max) else { throw .limit }
    var sets: [FlagSet: FlagSet] = [:]
    for index in indices where target !== self {
      let set = messages[index].flags
      if sets[set] != nil { continue }
      guard let copy = target.flagTable.intern(flags(set)) else { throw .limit }
      sets[set] = copy
    }
    let size = indices.reduce(0) { $0 + messages[$1].content.size }
    try target.quota.reserve(size, messages: indices.count)
    // Behind this line nothing fails. The messages are taken first: source and target may be the same mailbox.
    let copied = indices.map { messages[$0] }
    var result = CopyResult()
    target.highestModSeq += 1
    for message in copied {
      result.source.append(message.uid)
      result.destination.append(target.add(message.content, sets[message.flags] ?? message.flags))
    }
    target.notify()
    return result
  }

  /// Copies the messages in `uids` to `target` and removes them here (RFC 6851).
  func move(_ uids: NumberRanges, to target: Mailbox) throws(StoreError) -> CopyResult {
    let result = try copy(uids, to: target)
    if let last = result.source.last {
      // Of a move within one mailbox the copies must stay; their UIDs are above those of the originals.
      remove { message in message.uid <= last && uids.contains(message.uid) }
    }
    return result
  }

  /// The indices of the messages in `uids`, ascending. Complexity: O(result + ranges x log n).
  func indices(in uids: NumberRanges) -> [Int] {
    var result: [Int] = []
    for range in uids.ranges {
      var index = index(from: range.lowerBound)
      while index < messages.count, messages[index].uid <= range.upperBound {
        result.append(index)
        index += 1
      }
      if index == messages.count { break }
    }
    return result
  }

  private func add(_ content: StoredMessage, _ flags: FlagSet) -> UInt32 {
    let message = MailboxMessage(uid: nextUID, flags: flags, modSeq: highestModSeq, content: content)
    nextUID += 1
    messages.append(message)
    count(message, 1)
    return message.uid
  }

  @discardableResult
  private func remove(where isGone: (MailboxMessage) -> Bool) -> [UInt32] {
    var removed: [UInt32] = []
    messages.removeAll { message in
      if !isGone(message) { return false }
      removed.append(message.uid)
      count(message, -1)
      quota.release(message.content.size, messages: 1)
      return true
    }
    if removed.isEmpty { return [] }
    highestModSeq += 1
    for uid in removed { record(Change(kind: .expunge, uid: uid, origin: 0)) }
    notify()
    return removed
  }

  /// Adds a message to the counters, or takes it out of them.
  private func count(_ message: MailboxMessage, _ sign: Int) {
    size += sign * message.content.size
    if !message.flags.contains(.seen) { unseen += sign }
    if message.flags.contains(.deleted) { deleted += sign }
  }
}

// MARK: - Views

extension Mailbox {
  /// Opens the mailbox for a session. With `readOnly` the session does not take the recent messages.
  func open(readOnly: Bool) -> SelectedView {
    // Four billion sessions on one mailbox would wrap; an identifier that is in use is skipped.
    repeat { lastViewID &+= 1 } while lastViewID == 0 || views[lastViewID] != nil
    let view = SelectedView(self, id: lastViewID, readOnly: readOnly, cursor: journalEnd)
    views[view.id] = view
    return view
  }

  /// Forgets a view. Called by ``SelectedView/close()``.
  func remove(_ view: SelectedView) {
    views[view.id] = nil
    listeners[view.id] = nil
    if views.isEmpty { dropJournal() }
  }

  /// Calls ``SelectedView/onChange`` once at the next change.
  func addListener(_ view: SelectedView) { if views[view.id] != nil { listeners[view.id] = view } }

  /// Takes the call back.
  func removeListener(_ view: SelectedView) { listeners[view.id] = nil }

  /// How many sessions have the mailbox open.
  var viewCount: Int { views.count }

  /// The position behind the journal's last line.
  var journalEnd: UInt64 { journalStart + UInt64(journal.count) }

  /// The journal's lines from `cursor` on.
  func changes(from cursor: UInt64) -> ArraySlice<Change> {
    let skipped = cursor > journalStart ? cursor - journalStart : 0
    return journal.dropFirst(Int(min(skipped, UInt64(journal.count))))
  }

  /// The messages that are recent to a session that opens the mailbox for writing now, and to no later one.
  func takeRecent() -> ClosedRange<UInt32>? {
    if firstRecentUID >= nextUID { return nil }
    defer { firstRecentUID = nextUID }
    return firstRecentUID...(nextUID - 1)
  }

  private func record(_ change: Change) {
    if views.isEmpty { return }
    if journal.count >= Self.journalLimit {
      // Sessions that lag take their share now; each keeps less than one entry for a message.
      for view in views.values { view.readJournal() }
      dropJournal()
    }
    journal.append(change)
  }

  private func dropJournal() {
    journalStart = journalEnd
    journal.removeAll(keepingCapacity: true)
  }

  private func notify() {
    if listeners.isEmpty { return }
    // A callback may listen again.
    let called = listeners
    listeners = [:]
    for view in called.values { view.onChange?() }
  }

  /// Lines that are kept for sessions that lag: 48 KiB.
  private static let journalLimit = 4096
}
