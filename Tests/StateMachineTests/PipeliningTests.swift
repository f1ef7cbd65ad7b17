import Testing

@testable import IMAPStateMachine

/// Which commands may be sent before others are completed (RFC 9051, section 5.5).
@Suite struct PipeliningTests {
  private static let fetch = Command.fetch(.sequence([1]), [.envelope])
  private static let fetchFlags = Command.fetch(.sequence([1]), [.flags])
  private static let fetchBody = Command.fetch(.sequence([1]), [.section(.full, peek: false)])
  private static let peekBody = Command.fetch(.sequence([1]), [.section(.full)])
  private static let uidFetch = Command.fetch(.uids([1]), [.envelope])
  private static let store = Command.store(.sequence([1]), StoreOperation(.add, [.seen]))
  private static let uidStore = Command.store(.uids([1]), StoreOperation(.add, [.seen]))
  private static let search = Command.search(.subject("x"), uid: false)
  private static let searchUnseen = Command.search(.noFlag(.seen), uid: false)
  private static let uidSearch = Command.search(.subject("x"))
  private static let uidSearchBySequence = Command.search(.or(.subject("x"), .not(.and([.all, .sequence([1])]))))
  private static let copy = Command.copy(.sequence([1]), "x")
  private static let uidCopy = Command.copy(.uids([1]), "x")

  struct Sequence: Sendable, CustomTestStringConvertible {
    var name: String
    var commands: [Command]
    /// How many of them are in flight at once.
    var inFlight: Int
    var testDescription: String { name }

    init(_ name: String, _ commands: [Command], _ inFlight: Int) {
      self.name = name
      self.commands = commands
      self.inFlight = inFlight
    }
  }

  static let sequences: [Sequence] = [
    // The examples of the section that are invalid.
    Sequence("FETCH + NOOP + STORE", [fetch, .noop, store], 2),
    Sequence("STORE + COPY + FETCH", [store, copy, fetch], 2),
    Sequence("COPY + COPY", [copy, copy], 1),
    // Those that are valid.
    Sequence("FETCH + STORE + SEARCH + NOOP", [fetch, store, search, .noop], 4),
    Sequence("STORE + COPY + EXPUNGE", [store, copy, .expunge], 3),
    Sequence("UID SEARCH + UID SEARCH", [uidSearch, uidSearch], 2),
    Sequence("UID SEARCH + UID SEARCH with sequence numbers", [uidSearch, uidSearchBySequence], 1),
    // The ambiguity that the section names first.
    Sequence("FETCH that sets \\Seen + SEARCH UNSEEN", [fetchBody, searchUnseen], 1),
    Sequence("FETCH that peeks + SEARCH UNSEEN", [peekBody, searchUnseen], 2),
    Sequence("FETCH that sets \\Seen + SEARCH SUBJECT", [fetchBody, search], 2),
    Sequence("FETCH FLAGS + FETCH that sets \\Seen", [fetchFlags, fetchBody], 2),
    Sequence("SEARCH UNSEEN + FETCH FLAGS", [searchUnseen, fetchFlags], 2),
    Sequence("STORE + STORE", [store, store], 1),
    Sequence(
      "STORE + conditional STORE", [store, .store(.sequence([1]), StoreOperation(.add, []), unchangedSince: 1)], 1),
    Sequence("STORE + FETCH CHANGEDSINCE", [store, .fetch(.sequence([1]), [.uid], changedSince: 1)], 1),
    Sequence("STORE + FETCH MODSEQ", [store, .fetch(.sequence([1]), [.modSeq])], 1),
    Sequence("STORE + SEARCH MODSEQ", [store, .search(.modSeq(1), uid: false)], 1),
    Sequence("STORE + SEARCH NOT NEW", [store, .search(.or(.all, .not(.new)), uid: false)], 1),
    // EXPUNGE may come during every command but FETCH, STORE and SEARCH.
    Sequence("UID FETCH + FETCH", [uidFetch, fetch], 1),
    Sequence("UID STORE + FETCH", [uidStore, fetch], 1),
    Sequence("NOOP + UID FETCH", [.noop, uidFetch], 2),
    Sequence("FETCH + UID FETCH + NOOP", [fetch, uidFetch, .noop], 3),
    Sequence("CAPABILITY + SEARCH", [.capability, search], 1),
    // Mailboxes.
    Sequence("CREATE + STATUS", [.create("x"), .status("x", [.messages])], 1),
    Sequence(
      "STATUS + STATUS + LIST",
      [.status("x", [.messages]), .status("y", [.messages]), .list(reference: "", pattern: "%")], 3),
    Sequence("STATUS + DELETE", [.status("x", [.messages]), .delete("x")], 2),
    Sequence("UID COPY + UID COPY", [uidCopy, uidCopy], 1),
    Sequence("UID MOVE + LIST", [.move(.uids([1]), "x"), .list(reference: "", pattern: "%")], 1),
    Sequence("UID MOVE + UID SEARCH", [.move(.uids([1]), "x"), uidSearch], 1),
    Sequence("UID STORE + STATUS UNSEEN", [uidStore, .status("x", [.unseen])], 1),
    // What changes the state, or the meaning of a continuation request, is alone.
    Sequence("SELECT + UID FETCH", [.select("x"), uidFetch], 1),
    Sequence("UID FETCH + SELECT", [uidFetch, .select("x")], 1),
    Sequence("NOOP + CLOSE", [.noop, .close], 1),
    Sequence("ENABLE + LIST", [.enable([.utf8Accept]), .list(reference: "", pattern: "%")], 1),
    Sequence("NOOP + LOGOUT", [.noop, .logout], 1),
    Sequence("IDLE + NOOP", [.idle, .noop], 1),
  ]

  @Test(arguments: sequences) func asEarlyAsTheRuleLetsIt(_ sequence: Sequence) throws {
    let traits = sequence.commands.map { CommandTraits($0) }
    var inFlight = 0
    for (index, trait) in traits.enumerated() {
      if !traits[..<index].allSatisfy({ trait.mayFollow($0) }) { break }
      inFlight += 1
    }
    #expect(inFlight == sequence.inFlight)

    // The same in a connection whose server completes nothing.
    let pair = try Pair(capabilities: [], selecting: true)
    let now = pair.now
    let before = pair.sentByClient.count
    for command in sequence.commands { _ = try pair.client.enqueue(command, now: now) }
    pair.script = { _, _, _ in true }
    pair.settle()
    let lines = pair.sentByClient[before...].count { $0 == 0x0a }
    #expect(lines == sequence.inFlight)
  }

  /// RFC 9051, section 5.5: a continuation must be over before any other command is begun.
  @Test func nothingIsSentWhileALiteralWaits() throws {
    let pair = try Pair(capabilities: [], selecting: true)
    pair.script = { _, _, _ in true }
    let before = pair.sentByClient.count
    _ = try pair.enqueue(.append(AppendRequest(mailbox: "x", byteCount: 5)))
    _ = try pair.enqueue(.noop)
    pair.settle()
    #expect(String(decoding: pair.sentByClient[before...], as: UTF8.self) == "A2 APPEND \"x\" {5}\r\n")
  }

  @Test func noMoreThanTheMaximumIsInFlight() throws {
    var configuration = ClientConnection.Configuration()
    configuration.maximumInFlight = 3
    let pair = Pair(configuration)
    pair.script = { _, _, _ in true }
    for _ in 0..<10 { _ = try pair.enqueue(.noop) }
    pair.settle()
    #expect(pair.sentByClient.count { $0 == 0x0a } == 3)
  }
}
