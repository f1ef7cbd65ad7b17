import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite final class SelectedViewTests {
  private let message = StoredMessage(raw: "Subject: x\r\n\r\nbody\r\n")
  private var views: [SelectedView] = []

  // A mailbox and its views hold each other.
  deinit { for view in views { view.close() } }

  private func open(_ mailbox: Mailbox, readOnly: Bool = false) -> SelectedView {
    let view = mailbox.open(readOnly: readOnly)
    views.append(view)
    return view
  }

  private func mailbox(_ count: Int) throws -> Mailbox {
    let mailbox = emptyMailbox()
    for _ in 0..<count { try mailbox.append(message) }
    return mailbox
  }

  private func news(_ view: SelectedView, expunges: Bool = true) -> [SelectedView.Announcement] {
    var result: [SelectedView.Announcement] = []
    view.announce(expunges: expunges) { result.append($0) }
    return result
  }

  private func expunge(_ mailbox: Mailbox, _ range: ClosedRange<UInt32>) throws {
    _ = try mailbox.store(StoreOperation(.add, [.deleted]), in: uids(range))
    mailbox.expunge(in: uids(range))
  }

  @Test func expungedMessagesKeepTheirNumbersUntilAnnounced() throws {
    let mailbox = try mailbox(6)
    let view = open(mailbox)
    try expunge(mailbox, 2...3)
    try expunge(mailbox, 6...6)
    let late = try mailbox.append(message)
    #expect(view.count == 6)
    #expect(news(view, expunges: false) == [.exists(7), .recent(4)])
    #expect((1...7).map { view.uid(at: $0) } == [1, 2, 3, 4, 5, 6, late])
    #expect(view.uid(at: 0) == nil && view.uid(at: 8) == nil)
    #expect([1, 4, 5, late].map { view.number(of: $0) } == [1, 4, 5, 7])
    #expect(view.number(of: 2) == nil)
    #expect(news(view) == [.expunge(2), .expunge(2), .expunge(4)])
    #expect((1...4).map { view.uid(at: $0) } == [1, 4, 5, late])
    #expect(news(view).isEmpty)
  }

  @Test func flagChangesOfOthersAreAnnouncedOnce() throws {
    let mailbox = try mailbox(3)
    let mine = open(mailbox)
    let other = open(mailbox)
    _ = try mailbox.store(StoreOperation(.add, [.seen]), in: uids(2...3), by: mine)
    _ = try mailbox.store(StoreOperation(.add, [.flagged]), in: uids(3...3), by: mine)
    #expect(!mine.hasNews)
    #expect(other.hasNews)
    #expect(news(mine).isEmpty)
    #expect(news(other) == [.flags(2, index: 1), .flags(3, index: 2)])
    #expect(news(other).isEmpty)
    _ = try mailbox.store(StoreOperation(.add, [.draft]), in: uids(1...2), by: mine)
    other.forgetFlagChange(2)
    #expect(news(other) == [.flags(1, index: 0)])
  }

  @Test func messagesThatCameAndWentUnseenLeaveNoTrace() throws {
    let mailbox = try mailbox(2)
    let view = open(mailbox)
    try mailbox.append(message)
    try mailbox.append(message)
    try expunge(mailbox, 3...4)
    #expect(news(view).isEmpty)
    #expect(view.count == 2)
    try mailbox.append(message)
    #expect(news(view) == [.exists(3), .recent(3)])
  }

  @Test func selectionBySequenceAndUID() throws {
    let mailbox = try mailbox(5)
    let view = open(mailbox)
    try expunge(mailbox, 2...2)
    try mailbox.append(message)
    let all = try view.select(.sequence(.all))
    // The message that was not announced has no number yet.
    #expect(all == SelectedView.Selection(uids: uids(1...5), hasGhosts: true))
    #expect(try view.select(.sequence([3, 5])) == SelectedView.Selection(uids: uids(3...3, 5...5), hasGhosts: false))
    #expect(try view.select(.uids([2, 4, 99])).uids == uids(2...2, 4...4))
    #expect(try view.select(.uids(UIDSet(90...))).uids == uids(5...5))
    #expect(try view.select(.sequence(SequenceSet(ranges: [.init(.star, .star)]))).uids == uids(5...5))
    for bad in [SequenceSet(6), SequenceSet(ranges: [.init(0, 2)]), SequenceSet(ranges: [])] {
      #expect(throws: StoreError.invalidSequence) { try view.select(.sequence(bad)) }
    }
  }

  @Test func selectionInAnEmptyMailbox() throws {
    let view = open(emptyMailbox())
    #expect(throws: StoreError.invalidSequence) { try view.select(.sequence(.all)) }
    #expect(try view.select(.uids(.all)).uids.isEmpty)
    #expect(view.largestUID == 0 && view.firstUnseen == nil)
  }

  @Test func walkRestsWhileTheStoreChanges() throws {
    let mailbox = try mailbox(8)
    let view = open(mailbox)
    var walk = SelectionWalk(try view.select(.sequence(SequenceSet(ranges: [.init(1, 3), .init(5, 8)]))))
    func step() -> String? {
      walk.next(in: view).map { "\(view.number(at: $0)):\(mailbox.messages[$0].uid)" }
    }
    #expect(step() == "1:1")
    try expunge(mailbox, 1...2)
    #expect(step() == "3:3")
    #expect(step() == "5:5")
    try expunge(mailbox, 4...6)
    try mailbox.append(message)
    #expect(step() == "7:7")
    #expect(step() == "8:8")
    #expect(step() == nil)
    #expect(step() == nil)
  }

  @Test func recentGoesToTheFirstSessionThatCanWrite() throws {
    let mailbox = try mailbox(2)
    let reader = open(mailbox, readOnly: true)
    #expect(reader.recentCount == 2)
    #expect(mailbox.status(.recent) == 2)
    let first = open(mailbox)
    let second = open(mailbox)
    #expect(first.recentCount == 2 && second.recentCount == 0)
    #expect(mailbox.status(.recent) == 0)
    try mailbox.append(message, flags: [.seen])
    #expect(news(second) == [.exists(3), .recent(1)])
    #expect(news(first) == [.exists(3), .recent(2)])
    #expect(second.flags(mailbox.messages[2]) == [.seen, .recent])
    #expect(first.flags(mailbox.messages[2]) == [.seen])
    #expect(first.flags(mailbox.messages[0]) == [.recent])
  }

  @Test func firstUnseenIsASequenceNumber() throws {
    let mailbox = try mailbox(3)
    _ = try mailbox.store(StoreOperation(.add, [.seen]), in: uids(1...2))
    let view = open(mailbox)
    #expect(view.firstUnseen == 3)
    _ = try mailbox.store(StoreOperation(.add, [.seen]), in: uids(3...3))
    #expect(view.firstUnseen == nil)
  }

  @Test func listenersAreCalledOnceForMoreThanOneChange() throws {
    let mailbox = try mailbox(1)
    let view = open(mailbox)
    let other = open(mailbox)
    var calls = 0
    view.onChange = { calls += 1 }
    other.onChange = { calls += 100 }
    view.listen()
    try mailbox.append(message)
    try mailbox.append(message)
    #expect(calls == 1)
    view.listen()
    _ = try mailbox.store(StoreOperation(.add, [.seen]), in: uids(1...1), by: other)
    #expect(calls == 2)
    view.listen()
    view.stopListening()
    try mailbox.append(message)
    #expect(calls == 2)
    view.listen()
    view.close()
    try mailbox.append(message)
    #expect(calls == 2)
    view.listen()
    try mailbox.append(message)
    #expect(calls == 2 && mailbox.viewCount == 1)
  }

  @Test func deletedMailboxEmptiesItsViews() throws {
    let account = MailStore().addUser("ada", password: Secret("x"))
    let mailbox = try account.create("a")
    for _ in 0..<2 { try mailbox.append(message) }
    let view = open(mailbox)
    try account.delete("a")
    #expect(news(view) == [.expunge(1), .expunge(1)])
    #expect(view.count == 0)
  }

  @Test func journalIsBoundedWhileASessionLags() throws {
    let mailbox = try mailbox(10)
    let lagging = open(mailbox)
    let writer = open(mailbox)
    for round in 0..<2000 {
      let action: StoreOperation.Action = round % 2 == 0 ? .add : .remove
      _ = try mailbox.store(StoreOperation(action, [.flagged]), in: uids(1...10), by: writer)
    }
    #expect(mailbox.changes(from: 0).count <= 4096)
    try expunge(mailbox, 3...3)
    #expect(news(lagging).first == .expunge(3))
    #expect(news(lagging).isEmpty)
    #expect(lagging.count == 9)
  }

  // MARK: Against a model

  /// Some sessions change one mailbox at random and are told at random. A client that only follows what it is told always
  /// agrees with its view about which message has which number.
  @Test func clientsStayInStep() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    for _ in 0..<60 {
      let mailbox = try mailbox(random.next(below: 6))
      var clients = (0..<3).map { _ in Client(open(mailbox)) }
      for _ in 0..<80 {
        let who = random.next(below: clients.count)
        let low = UInt32(random.next(below: Int(mailbox.nextUID)) + 1)
        let range = low...(low + UInt32(random.next(below: 3)))
        switch random.next(below: 7) {
        case 0, 1: try mailbox.append(message)
        case 2: try expunge(mailbox, range)
        case 3:
          let operation = StoreOperation(random.next(below: 2) == 0 ? .add : .remove, [.flagged])
          _ = try mailbox.store(operation, in: uids(range), by: clients[who].view)
          for uid in range { clients[who].noteOwnChange(uid) }
        case 4: _ = try mailbox.move(uids(range), to: mailbox)
        default: clients[who].follow(expunges: random.next(below: 2) == 0)
        }
        clients[who].check("seed \(seed)")
      }
      for index in clients.indices {
        clients[index].follow(expunges: true)
        clients[index].check("seed \(seed)")
        #expect(clients[index].uids == mailbox.messages.map(\.uid), "seed \(seed)")
        let flagged = mailbox.messages.filter { $0.flags.contains(.flagged) }.map(\.uid)
        #expect(clients[index].flagged == Set(flagged), "seed \(seed)")
      }
    }
  }

  /// What a client knows that applies the announcements one after the other.
  private struct Client {
    let view: SelectedView
    var uids: [UInt32]
    var flagged: Set<UInt32> = []

    init(_ view: SelectedView) {
      self.view = view
      uids = view.mailbox.messages.map(\.uid)
    }

    mutating func follow(expunges: Bool) {
      view.announce(expunges: expunges) { item in
        switch item {
        case .expunge(let number): flagged.remove(uids.remove(at: Int(number.rawValue) - 1))
        case .exists(let count):
          // The client asks for the UIDs and flags of the messages that are new to it.
          for number in UInt32(uids.count + 1)...count {
            let uid = view.uid(at: number) ?? 0
            uids.append(uid)
            noteOwnChange(uid)
          }
        case .recent: break
        case .flags(let number, _): noteOwnChange(uids[Int(number.rawValue) - 1])
        }
      }
    }

    mutating func noteOwnChange(_ uid: UInt32) {
      guard uids.contains(uid), let index = view.mailbox.index(of: uid) else { return }
      if view.mailbox.messages[index].flags.contains(.flagged) { flagged.insert(uid) } else { flagged.remove(uid) }
    }

    func check(_ hint: String) {
      #expect(view.count == uids.count, "\(hint)")
      for (index, uid) in uids.enumerated() {
        let number = UInt32(index + 1)
        #expect(view.uid(at: number) == uid, "\(hint)")
        if view.mailbox.index(of: uid) != nil { #expect(view.number(of: uid)?.rawValue == number, "\(hint)") }
      }
    }
  }
}
