import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// A mailbox of its own account, for tests that need nothing else.
func emptyMailbox(bytes: Int = 1 << 20) -> Mailbox { Mailbox(uidValidity: 1, quota: Quota(limit: bytes)) }

/// The numbers as a set for the store.
func uids(_ numbers: ClosedRange<UInt32>...) -> NumberRanges {
  var result = NumberRanges()
  for range in numbers { result.append(range) }
  return result
}

@Suite struct StoreTests {
  private let message = StoredMessage(raw: "Subject: x\r\n\r\nbody\r\n")

  // MARK: Mailbox

  @Test func appendCounts() throws {
    let mailbox = emptyMailbox()
    #expect(try mailbox.append(message, flags: [.seen, "Work"]) == 1)
    #expect(try mailbox.append(message, flags: [.deleted, "work", .recent, "\\Odd"]) == 2)
    #expect(mailbox.messages.map { mailbox.flags($0.flags) } == [[.seen, "Work"], [.deleted, "Work"]])
    #expect(mailbox.messages.map(\.modSeq) == [2, 3])
    let values = StatusItem.allCases.compactMap { item in mailbox.status(item).map { "\(item.rawValue) \($0)" } }
    #expect(
      values == [
        "MESSAGES 2", "RECENT 2", "UIDNEXT 3", "UIDVALIDITY 1", "UNSEEN 1", "DELETED 1", "SIZE 40", "HIGHESTMODSEQ 3",
      ])
  }

  @Test func appendOverQuotaChangesNothing() throws {
    let mailbox = emptyMailbox(bytes: 30)
    try mailbox.append(message)
    #expect(throws: StoreError.overQuota) { try mailbox.append(message) }
    #expect(mailbox.messages.count == 1 && mailbox.nextUID == 2 && mailbox.highestModSeq == 2)
    #expect(mailbox.expunge() == [])
    _ = try mailbox.store(StoreOperation(.add, [.deleted]), in: uids(1...1))
    #expect(mailbox.expunge() == [1])
    #expect(try mailbox.append(message) == 2)
  }

  @Test func emptyMessagesAreBounded() throws {
    let quota = Quota(limit: 100, messages: 3)
    let mailbox = Mailbox(uidValidity: 1, quota: quota)
    let empty = StoredMessage(raw: "")
    for _ in 0..<2 { try mailbox.append(empty, flags: [.deleted]) }
    #expect(throws: StoreError.overQuota) { try mailbox.copy(uids(1...2), to: mailbox) }
    try mailbox.append(empty)
    #expect(throws: StoreError.overQuota) { try mailbox.append(empty) }
    #expect(mailbox.expunge() == [1, 2])
    #expect(quota.messages == 1)
  }

  @Test func storeAddsRemovesReplaces() throws {
    let mailbox = emptyMailbox()
    for _ in 0..<3 { try mailbox.append(message, flags: [.flagged]) }
    let added = try mailbox.store(StoreOperation(.add, [.seen, "a"]), in: uids(1...2))
    #expect(added == Mailbox.StoreResult(stored: [1, 2], changed: [1, 2], modified: []))
    #expect(mailbox.messages.map(\.modSeq) == [5, 5, 4])
    #expect(mailbox.unseen == 1)
    let removed = try mailbox.store(StoreOperation(.remove, [.seen]), in: uids(2...9))
    #expect(removed == Mailbox.StoreResult(stored: [2, 3], changed: [2], modified: []))
    #expect(mailbox.unseen == 2)
    let replaced = try mailbox.store(StoreOperation(.replace, []), in: uids(1...1))
    #expect(replaced.changed == [1])
    #expect(mailbox.messages.map { mailbox.flags($0.flags) } == [[], [.flagged, "a"], [.flagged]])
    #expect(mailbox.highestModSeq == 7)
  }

  @Test func storeWithoutEffectKeepsModSeq() throws {
    let mailbox = emptyMailbox()
    try mailbox.append(message, flags: [.seen])
    let result = try mailbox.store(StoreOperation(.add, [.seen]), in: uids(1...1))
    #expect(result == Mailbox.StoreResult(stored: [1], changed: [], modified: []))
    #expect(mailbox.highestModSeq == 2)
  }

  @Test func storeUnchangedSinceLeavesNewerAlone() throws {
    let mailbox = emptyMailbox()
    for _ in 0..<3 { try mailbox.append(message) }
    _ = try mailbox.store(StoreOperation(.add, [.flagged]), in: uids(2...2))
    let result = try mailbox.store(StoreOperation(.add, [.seen]), in: uids(1...3), unchangedSince: 4)
    #expect(result == Mailbox.StoreResult(stored: [1, 3], changed: [1, 3], modified: [2]))
    let none = try mailbox.store(StoreOperation(.add, [.draft]), in: uids(1...3), unchangedSince: 0)
    #expect(none == Mailbox.StoreResult(stored: [], changed: [], modified: [1, 2, 3]))
  }

  @Test func keywordsAreBounded() throws {
    let mailbox = emptyMailbox()
    try mailbox.append(message)
    let many = (0..<123).map { Flag("k\($0)") }
    #expect(try mailbox.store(StoreOperation(.add, many), in: uids(1...1)).changed == [1])
    #expect(!mailbox.flagTable.hasRoom)
    #expect(mailbox.flags(mailbox.messages[0].flags) == many)
    #expect(throws: StoreError.limit) { try mailbox.store(StoreOperation(.add, ["more"]), in: uids(1...1)) }
    #expect(throws: StoreError.limit) { try mailbox.append(message, flags: ["more"]) }
    #expect(try mailbox.store(StoreOperation(.remove, ["K5"]), in: uids(1...1)).changed == [1])
  }

  @Test func expungeOnlyNamed() throws {
    let mailbox = emptyMailbox()
    for index in 0..<4 { try mailbox.append(message, flags: index == 1 ? [] : [.deleted]) }
    #expect(mailbox.expunge(in: uids(2...3)) == [3])
    #expect(mailbox.expunge() == [1, 4])
    #expect(mailbox.messages.map(\.uid) == [2])
    #expect(mailbox.deleted == 0 && mailbox.size == 20 && mailbox.nextUID == 5)
  }

  @Test func copyKeepsFlagsAndDate() throws {
    let quota = Quota(limit: 1000)
    let source = Mailbox(uidValidity: 1, quota: quota)
    let target = Mailbox(uidValidity: 2, quota: quota)
    try target.append(message, flags: ["other"])
    for _ in 0..<3 { try source.append(message, flags: [.seen, "mine"]) }
    let result = try source.copy(uids(1...1, 3...7), to: target)
    #expect(result == Mailbox.CopyResult(source: [1, 3], destination: [2, 3]))
    #expect(target.messages.map { target.flags($0.flags) } == [["other"], [.seen, "mine"], [.seen, "mine"]])
    #expect(target.messages[1].content === source.messages[0].content)
    #expect(source.messages.count == 3 && quota.used == 120)
  }

  @Test func copyOverQuotaCopiesNothing() throws {
    let source = emptyMailbox()
    for _ in 0..<3 { try source.append(message) }
    let target = emptyMailbox(bytes: 50)
    #expect(throws: StoreError.overQuota) { try source.copy(uids(1...3), to: target) }
    #expect(target.messages.isEmpty)
    #expect(throws: StoreError.overQuota) { try source.move(uids(1...3), to: target) }
    #expect(source.messages.count == 3)
  }

  @Test func moveWithinOneMailbox() throws {
    let mailbox = emptyMailbox()
    for _ in 0..<3 { try mailbox.append(message, flags: ["k"]) }
    #expect(try mailbox.move(uids(1...2), to: mailbox) == Mailbox.CopyResult(source: [1, 2], destination: [4, 5]))
    #expect(mailbox.messages.map(\.uid) == [3, 4, 5])
    // The range also covers the UIDs that the copies get.
    #expect(try mailbox.move(uids(3...100), to: mailbox).destination == [6, 7, 8])
    #expect(mailbox.messages.map(\.uid) == [6, 7, 8])
    #expect(mailbox.messages.allSatisfy { mailbox.flags($0.flags) == ["k"] })
  }

  // MARK: Accounts

  @Test func inboxAlwaysExistsInAnyCase() throws {
    let account = MailStore(uidValidity: 7).addUser("ada", password: Secret("x"))
    #expect(account.mailbox("inbox")?.uidValidity == 7)
    #expect(account.mailbox("INBOX") === account.mailbox(MailboxName(wire: Array("iNbOx".utf8))))
    #expect(throws: StoreError.inbox) { try account.delete("Inbox") }
    try account.create("inbox/a")
    #expect(account.mailbox("INBOX/a") != nil)
    #expect(throws: StoreError.alreadyExists) { try account.create("InBox/a") }
    #expect(throws: StoreError.alreadyExists) { try account.create("inbox") }
  }

  @Test func passwords() {
    let store = MailStore()
    store.addUser("ada", password: Secret("right"))
    #expect(store.authenticate(user: "ada", password: Secret("right")) != nil)
    #expect(store.authenticate(user: "ada", password: Secret("wrong")) == nil)
    #expect(store.authenticate(user: "Ada", password: Secret("right")) == nil)
    let again = store.addUser("ada", password: Secret("new"))
    #expect(store.authenticate(user: "ada", password: Secret("new")) === again)
  }

  @Test(arguments: ["", "/", "//", "/a", "a//b", "a*", "a%b", "a\u{7f}"])
  func invalidNames(name: String) {
    let account = MailStore().addUser("ada", password: Secret("x"))
    #expect(throws: StoreError.invalidName) { try account.create(MailboxName(wire: Array(name.utf8))) }
  }

  @Test func longAndDeepNamesAreRefused() {
    let account = MailStore().addUser("ada", password: Secret("x"))
    for name in [String(repeating: "a", count: 513), String(repeating: "a/", count: 20), "\u{1}", "ü"] {
      #expect(throws: StoreError.invalidName) { try account.create(MailboxName(wire: Array(name.utf8))) }
    }
    #expect(throws: Never.self) { try account.create("Entwürfe") }
  }

  @Test func mailboxesAreBounded() throws {
    var limits = StoreLimits()
    limits.mailboxes = 2
    let account = MailStore(limits: limits).addUser("ada", password: Secret("x"))
    try account.create("a")
    #expect(throws: StoreError.overQuota) { try account.create("b") }
    try account.delete("a")
    try account.create("b")
  }

  @Test func madeAgainMeansNewUIDValidity() throws {
    let account = MailStore().addUser("ada", password: Secret("x"))
    let first = try account.create("a").uidValidity
    try account.delete("a")
    #expect(throws: StoreError.nonexistent) { try account.delete("a") }
    #expect(try account.create("a").uidValidity > first)
  }

  @Test func utf8NamesAreTheSameMailbox() throws {
    let account = MailStore().addUser("ada", password: Secret("x"))
    let mailbox = try account.create("Entwürfe")
    #expect(account.mailbox(MailboxName(wire: Array("Entwürfe".utf8), encoding: .utf8)) === mailbox)
    #expect(account.mailbox(MailboxName(wire: Array("Entw&APw-rfe".utf8))) === mailbox)
  }

  // MARK: LIST

  private func listed(_ account: MailAccount, _ reference: String, _ pattern: String) -> [String] {
    account.list(
      reference: MailboxName(wire: Array(reference.utf8)), pattern: MailboxName(wire: Array(pattern.utf8))
    ).map { listing in
      let attributes = listing.attributes.filter { $0 != "\\HasNoChildren" }.map(\.rawValue)
      return ([listing.name.description] + attributes).joined(separator: " ")
    }
  }

  @Test func listPatterns() throws {
    let account = MailStore().addUser("ada", password: Secret("x"))
    for name in ["Work/2023/May", "Work/2024", "Sent", "Inbox/sub"] { try account.create(MailboxName(name)) }
    #expect(listed(account, "", "") == [" \\Noselect"])
    #expect(listed(account, "", "%") == ["INBOX \\HasChildren", "Sent", "Work \\Noselect \\HasChildren"])
    #expect(listed(account, "", "inb%") == ["INBOX \\HasChildren"])
    #expect(listed(account, "", "Work/%") == ["Work/2023 \\Noselect \\HasChildren", "Work/2024"])
    #expect(listed(account, "Work/", "%") == ["Work/2023 \\Noselect \\HasChildren", "Work/2024"])
    #expect(listed(account, "", "Work/%/%") == ["Work/2023/May"])
    #expect(listed(account, "", "*2*") == ["Work/2023 \\Noselect \\HasChildren", "Work/2023/May", "Work/2024"])
    #expect(listed(account, "", "*").count == 7)
    #expect(listed(account, "", "Sent") == ["Sent"])
    #expect(listed(account, "", "sent") == [])
    #expect(listed(account, "", String(repeating: "*", count: 5000)) == [])
    try account.delete("Sent")
    #expect(listed(account, "", "Sent") == [])
  }

  @Test(arguments: [
    ("*", "", true), ("%", "", true), ("", "", true), ("", "a", false), ("a", "", false), ("*%*", "a/b", true),
    ("%/%", "a/b", true), ("%", "a/b", false), ("%b", "a/b", false), ("*b", "a/b", true), ("a*a", "a", false),
    ("%a%", "bab", true), ("*a*a*a", "banana", true), ("*a%b", "xa/ab", true), ("*a%b", "xab/b", false),
  ])
  func pattern(pattern: String, name: String, expected: Bool) {
    let matcher = ListPattern(Array(pattern.utf8), delimiter: UInt8(ascii: "/"))
    #expect(matcher.matches(Array(name.utf8)) == expected)
  }

  @Test func hostilePatternIsNotExponential() {
    let matcher = ListPattern(Array(String(repeating: "*a%", count: 100).utf8), delimiter: UInt8(ascii: "/"))
    #expect(!matcher.matches(Array((String(repeating: "a", count: 500) + "/b/").utf8)))
  }

  // MARK: Ranges

  @Test func rangesAreNormalised() {
    let set = SequenceSet(ranges: [.init(9, 7), .init(1, 2), .init(3, 3), .init(8, SequenceSet.star), .init(20, 20)])
    let ranges = NumberRanges(set, largest: 12)
    #expect(ranges.ranges == [1...3, 7...12, 20...20])
    #expect(
      [0, 1, 3, 4, 6, 7, 12, 13, 20, 21].map { ranges.contains($0) } == [
        false, true, true, false, false, true, true, false, true, false,
      ])
    #expect(NumberRanges(UIDSet(ranges: [.init(50, UIDSet.star)]), largest: 12).ranges == [12...50])
    #expect(ranges.clamped(to: 3...8).ranges == [3...3, 7...8])
  }
}
