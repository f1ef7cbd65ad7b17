/// A mailbox that is selected or being selected, and what only the machine needs to know of it. Out of line: most of a
/// connection's state is small, and connections are many.
final class TrackedMailbox {
  /// Unchecked for exclusive access, which every untagged response would pay for: nobody is called back while one lasts.
  @safe @exclusivity(unchecked) private(set) var mailbox: SelectedMailbox
  /// Which UIDs the messages have; nil where nobody wants to know.
  var uids: UIDMap? { map?.value }
  /// What SELECT said that the client knew, until it is completed.
  private var asked: Box<QResyncParameters>?
  private let isExamined: Bool
  private var map: Box<UIDMap>?
  /// Whether the server has said that what comes now is of this mailbox.
  private var isBehindClosed = false
  /// The message of the FETCH response that is being read; 0 where there is none.
  private var fetching: UInt32 = 0
  /// The largest modification sequence that came in a FETCH response since the last completion.
  private var fetchedModSeq: UInt64 = 0
  /// Whether the server named the highest one since then.
  private var hasNamedHighest = false

  init(_ name: MailboxName, isExamined: Bool, asked: QResyncParameters?, uids: UIDMap?) {
    mailbox = SelectedMailbox(name)
    mailbox.isReadOnly = isExamined
    self.isExamined = isExamined
    self.asked = asked.map { Box($0) }
    map = uids.map { Box($0) }
  }

  /// RFC 7162, section 3.2.11: what came before CLOSED is of the mailbox that was selected before. Starts again.
  func begin(uids: UIDMap?) {
    if isBehindClosed { return }
    isBehindClosed = true
    let name = mailbox.name
    mailbox = SelectedMailbox(name)
    mailbox.isReadOnly = isExamined
    map = uids.map { Box($0) }
    fetching = 0
    fetchedModSeq = 0
    hasNamedHighest = false
  }

  func apply(_ view: borrowing UntaggedView, _ lists: inout ListPool) {
    switch copy view {
    // Servers are known to take messages away without a word. Which they were, nobody knows: those at the end are the best
    // guess, since others would have moved.
    case .exists(let count): resize(to: count)
    case .recent(let count): mailbox.recent = count
    case .expunge(let number): expunge(number.rawValue)
    case .vanished(let view) where !view.isEarlier: vanish(view)
    case .flags(let list): mailbox.flags = lists.flags(list)
    case .status(let status): apply(status, &lists)
    default: break
    }
  }

  /// Takes over what a response code says of the mailbox.
  func apply(_ status: borrowing StatusView, _ lists: inout ListPool) {
    switch status.code {
    case .some(let code):
      // RFC 4315, section 3: of a NO one code counts.
      let counts = status.condition == .ok || (status.condition == .no && code.name.equalsIgnoringCase("UIDNOTSTICKY"))
      if !counts { return }
      if code.name.equalsIgnoringCase("PERMANENTFLAGS"), !code.arguments.isEmpty {
        mailbox.permanentFlags = lists.flags(FlagListView(code.arguments.bytes))
        return
      }
      let code = code.copy()
      if case .uidValidity(let value) = code, mailbox.uidValidity ?? value != value { map?.value.forget() }
      if case .highestModSeq = code { hasNamedHighest = true }
      mailbox.apply(code)
    case .none: break
    }
  }

  // MARK: FETCH

  func fetchBegins(_ number: SequenceNumber) { fetching = number.rawValue }

  func fetchEnds() { fetching = 0 }

  func noteFetched(_ uid: UID) {
    if fetching > 0 { map?.value.record(uid.rawValue, at: Int(fetching) - 1) }
  }

  func noteFetched(_ value: ModSeq) {
    // RFC 7162, section 7: 63 bits.
    if value.rawValue <= UInt64(Int64.max) { fetchedModSeq = max(fetchedModSeq, value.rawValue) }
  }

  // MARK: Completions

  /// A command was completed. RFC 7162, section 6: only now may modification sequences of messages be taken for the
  /// mailbox's, and only where the server did not name that.
  ///
  /// Codes of a completion are of what the command was about: CREATE has MAILBOXID of the new mailbox (RFC 8474, section
  /// 4.1). Only HIGHESTMODSEQ always is of the selected one (RFC 7162, section 3.2.8).
  func commandEnded(_ status: borrowing StatusView, isSelect: Bool, _ lists: inout ListPool) {
    switch status.code {
    case .some(let code): if isSelect || code.name.equalsIgnoringCase("HIGHESTMODSEQ") { apply(status, &lists) }
    case .none: break
    }
    // Most commands tell nothing of modification sequences.
    if fetchedModSeq == 0, !hasNamedHighest { return }
    if !hasNamedHighest, let highest = mailbox.highestModSeq, highest.rawValue < fetchedModSeq {
      mailbox.highestModSeq = ModSeq(rawValue: fetchedModSeq)
    }
    fetchedModSeq = 0
    hasNamedHighest = false
  }

  /// What was completed is the SELECT or EXAMINE of this mailbox.
  func selectEnded() {
    // RFC 9051, section 6.3.3: whatever a server says.
    if isExamined { mailbox.isReadOnly = true }
    guard let asked = asked?.value else { return }
    self.asked = nil
    if let validity = mailbox.uidValidity, validity != asked.uidValidity {
      mailbox.resynchronization = .uidValidityChanged(from: asked.uidValidity)
    } else {
      mailbox.resynchronization = mailbox.highestModSeq == nil ? .unavailable : .resynchronized
    }
  }

  // MARK: Messages

  private func resize(to count: UInt32) {
    mailbox.exists = count
    map?.value.resize(to: count)
  }

  /// RFC 9051, section 7.5.1: an EXPUNGE decrements the number of messages. Servers are known to name messages that there
  /// are not.
  private func expunge(_ number: UInt32) {
    guard number > 0, number <= mailbox.exists else { return }
    mailbox.exists -= 1
    map?.value.remove(at: Int(number) - 1)
  }

  /// RFC 7162, section 3.2.10.2: each UID is of a message that was there. Without a map that is believed.
  private func vanish(_ view: borrowing VanishedView) {
    var ranges = view.uids
    while let range = ranges.next() {
      guard let first = range.first.number, let last = range.last.number else { continue }
      let bounds = min(first, last)...max(first, last)
      if let map {
        map.value.vanish(bounds)
        mailbox.exists = UInt32(clamping: map.value.count)
      } else {
        let count = UInt64(bounds.upperBound - bounds.lowerBound) + 1
        mailbox.exists -= UInt32(truncatingIfNeeded: min(UInt64(mailbox.exists), count))
      }
    }
  }
}
