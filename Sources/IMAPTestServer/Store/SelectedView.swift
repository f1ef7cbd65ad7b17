import IMAPStateMachine

/// A mailbox as one session knows it: its sequence numbers lag behind the store until the session may be told.
///
/// RFC 9051, section 7.5.1: "An EXPUNGE response MUST NOT be sent when no command is in progress, nor while responding to a
/// FETCH, STORE, or SEARCH command". Until then a message that is gone keeps its number as a ghost. The view holds no list
/// of the messages: a session that is up to date costs the same however large the mailbox is. For use on one thread.
final class SelectedView {
  /// Something that the session has to tell its client.
  enum Announcement: Equatable {
    /// A message went away; the ones behind it move up.
    case expunge(SequenceNumber)
    /// How many messages there are.
    case exists(UInt32)
    /// How many of them are recent.
    case recent(UInt32)
    /// The flags of a message changed. `index` is its place in ``Mailbox/messages``.
    case flags(SequenceNumber, index: Int)
  }

  /// The mailbox.
  let mailbox: Mailbox
  /// Which view of the mailbox this is.
  let id: UInt32
  /// Whether it was opened with EXAMINE.
  let isReadOnly: Bool
  /// Called once when the mailbox changes after ``listen()``.
  var onChange: (() -> Void)?

  /// The largest UID that the session knows of.
  private var lastUID: UInt32
  /// UIDs that are gone from the store and still have a number here, ascending.
  private var ghosts: [UInt32] = []
  /// UIDs whose flags another session changed.
  private var changedFlags: Set<UInt32> = []
  /// The recent messages of this session.
  private var recent = NumberRanges()
  private var cursor: UInt64

  /// For ``Mailbox/open(readOnly:)``.
  init(_ mailbox: Mailbox, id: UInt32, readOnly: Bool, cursor: UInt64) {
    self.mailbox = mailbox
    self.id = id
    self.isReadOnly = readOnly
    self.cursor = cursor
    lastUID = mailbox.nextUID - 1
    takeRecent()
  }

  /// Ends the view.
  func close() {
    onChange = nil
    mailbox.remove(self)
  }

  /// How many messages the session knows of.
  var count: Int {
    readJournal()
    return liveCount + ghosts.count
  }

  /// How many of them are recent.
  var recentCount: Int {
    recent.ranges.reduce(0) { sum, range in
      sum + mailbox.index(from: range.upperBound &+ 1) - mailbox.index(from: range.lowerBound)
    }
  }

  /// The first message without `\Seen`. Complexity: O(n).
  var firstUnseen: SequenceNumber? {
    if mailbox.unseen == 0 { return nil }
    let index = mailbox.messages.prefix(liveCount).firstIndex { !$0.flags.contains(.seen) }
    return index.map { number(at: $0) }
  }

  /// The flags of a message as the session sees them.
  func flags(_ message: MailboxMessage) -> [Flag] {
    let flags = mailbox.flags(message.flags)
    return isRecent(message.uid) ? flags + [.recent] : flags
  }

  /// Whether the message is recent in this session.
  func isRecent(_ uid: UInt32) -> Bool { !recent.isEmpty && recent.contains(uid) }

  /// The sequence number of the message at `index` of ``Mailbox/messages``.
  func number(at index: Int) -> SequenceNumber {
    readJournal()
    let number = index + 1 + (ghosts.isEmpty ? 0 : ghostCount(below: mailbox.messages[index].uid))
    return SequenceNumber(rawValue: UInt32(clamping: number))
  }

  /// The sequence number of the message with `uid`; nil where the session does not know one.
  func number(of uid: UInt32) -> SequenceNumber? {
    guard uid <= lastUID, let index = mailbox.index(of: uid) else { return nil }
    return number(at: index)
  }

  // MARK: Naming messages

  /// Messages that a command names.
  struct Selection: Equatable {
    /// Their UIDs. Numbers between them that no message has may be covered as well.
    var uids: NumberRanges
    /// Whether some of them are gone from the store.
    var hasGhosts: Bool
  }

  /// The messages that `reference` names. Throws where a sequence number is not in use; UIDs that no message has are
  /// passed over (RFC 9051, section 6.4.9).
  func select(_ reference: MessageReference) throws(StoreError) -> Selection {
    switch reference {
    case .uids(let set) where set.isSavedResult: throw .notOffered
    case .sequence(let set) where set.isSavedResult: throw .notOffered
    case .uids(let set): return select(NumberRanges(set, largest: largestUID))
    case .sequence(let set):
      let numbers = NumberRanges(set, largest: UInt32(clamping: count))
      guard let first = numbers.first, let last = numbers.last, first >= 1, last <= count else {
        throw .invalidSequence
      }
      var uids = NumberRanges()
      for range in numbers.ranges {
        guard let low = uid(at: range.lowerBound), let high = uid(at: range.upperBound) else { throw .invalidSequence }
        uids.append(low...high)
      }
      return select(uids)
    }
  }

  /// The UID that `*` stands for; 0 in an empty mailbox.
  var largestUID: UInt32 {
    readJournal()
    let live = liveCount
    return max(live > 0 ? mailbox.messages[live - 1].uid : 0, ghosts.last ?? 0)
  }

  /// The UID of the message with a sequence number, be it gone or not; nil where the number is not in use. Complexity:
  /// O(log n), squared where there are ghosts.
  func uid(at number: UInt32) -> UInt32? {
    guard number >= 1, number <= count else { return nil }
    let position = Int(number) - 1
    // How many ghosts have a number below `number`: the place of ghost j is j plus the messages below it.
    var (low, high) = (0, ghosts.count)
    while low < high {
      let middle = (low + high) / 2
      if middle + mailbox.index(from: ghosts[middle]) < position { low = middle + 1 } else { high = middle }
    }
    if low < ghosts.count, low + mailbox.index(from: ghosts[low]) == position { return ghosts[low] }
    return mailbox.messages[position - low].uid
  }

  private func select(_ uids: NumberRanges) -> Selection {
    readJournal()
    if lastUID == 0 { return Selection(uids: NumberRanges(), hasGhosts: false) }
    let known = uids.clamped(to: 1...lastUID)
    return Selection(uids: known, hasGhosts: ghosts.contains { known.contains($0) })
  }

  // MARK: Telling

  /// Asks for one call of ``onChange`` at the next change.
  func listen() { mailbox.addListener(self) }

  /// Takes that back.
  func stopListening() { mailbox.removeListener(self) }

  /// Whether there is anything to announce.
  var hasNews: Bool {
    readJournal()
    return !ghosts.isEmpty || !changedFlags.isEmpty || liveCount < mailbox.messages.count
  }

  /// Tells `body` what changed since the last call, in an order that a client can follow. Without `expunges` messages that
  /// went away keep their numbers. Complexity: O(changes x log n).
  func announce(expunges: Bool, _ body: (Announcement) -> Void) {
    readJournal()
    var hasNewCount = false
    if expunges, !ghosts.isEmpty {
      // From the lowest on: those before it are gone already, so only messages that stay count.
      for uid in ghosts { body(.expunge(SequenceNumber(rawValue: UInt32(clamping: mailbox.index(from: uid) + 1)))) }
      ghosts.removeAll()
    }
    if lastUID < mailbox.nextUID - 1 {
      hasNewCount = liveCount < mailbox.messages.count
      lastUID = mailbox.nextUID - 1
    }
    if hasNewCount {
      takeRecent()
      body(.exists(UInt32(clamping: count)))
      body(.recent(UInt32(clamping: recentCount)))
    }
    if changedFlags.isEmpty { return }
    let changed = changedFlags.sorted()
    changedFlags.removeAll()
    for uid in changed {
      if let index = mailbox.index(of: uid) { body(.flags(number(at: index), index: index)) }
    }
  }

  /// Says that the client is about to be told the flags of `uid` anyway.
  func forgetFlagChange(_ uid: UInt32) {
    readJournal()
    if !changedFlags.isEmpty { changedFlags.remove(uid) }
  }

  /// Takes the journal's new lines over. Complexity: O(lines).
  func readJournal() {
    let end = mailbox.journalEnd
    if cursor == end { return }
    let oldGhosts = ghosts.count
    for change in mailbox.changes(from: cursor) where change.uid <= lastUID {
      switch change.kind {
      case .expunge:
        ghosts.append(change.uid)
        changedFlags.remove(change.uid)
      case .flags:
        if change.origin != id { changedFlags.insert(change.uid) }
      }
    }
    cursor = end
    if ghosts.count > oldGhosts { ghosts.sort() }
  }

  /// How many messages of the store the session knows of.
  var liveCount: Int {
    lastUID == mailbox.nextUID - 1 ? mailbox.messages.count : mailbox.index(from: lastUID &+ 1)
  }

  private func ghostCount(below uid: UInt32) -> Int {
    var (low, high) = (0, ghosts.count)
    while low < high {
      let middle = (low + high) / 2
      if ghosts[middle] < uid { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func takeRecent() {
    if isReadOnly {
      // RFC 9051, section 6.3.3: EXAMINE changes nothing, so the messages stay recent for the next session.
      if mailbox.firstRecentUID < mailbox.nextUID { recent.append(mailbox.firstRecentUID...(mailbox.nextUID - 1)) }
    } else if let range = mailbox.takeRecent() {
      recent.append(range)
    }
  }
}

/// Walks over a selection, one message at a time, and can rest in between: the store may change meanwhile.
struct SelectionWalk {
  private let uids: NumberRanges
  private var nextUID: UInt32
  private var hint = 0

  /// The walk over `selection` from its first message.
  init(_ selection: SelectedView.Selection) {
    uids = selection.uids
    nextUID = uids.first ?? .max
  }

  /// The index of the next message in ``Mailbox/messages``; nil at the end. Complexity: O(1) unless the store changed, or
  /// the next message is not the neighbour.
  mutating func next(in view: SelectedView) -> Int? {
    let messages = view.mailbox.messages
    while nextUID < UInt32.max {
      if hint > messages.count || (hint > 0 && messages[hint - 1].uid >= nextUID)
        || (hint < messages.count && messages[hint].uid < nextUID)
      {
        hint = view.mailbox.index(from: nextUID)
      }
      guard hint < messages.count else { break }
      let uid = messages[hint].uid
      let range = uids.firstRange(endingAtOrAfter: uid)
      guard range < uids.ranges.count else { break }
      if uids.ranges[range].lowerBound <= uid {
        nextUID = uid + 1
        hint += 1
        return hint - 1
      }
      nextUID = uids.ranges[range].lowerBound
    }
    nextUID = .max
    return nil
  }
}
