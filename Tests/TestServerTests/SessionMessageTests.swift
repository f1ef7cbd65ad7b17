import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite struct SessionMessageTests {
  private let mail =
    "From: Ada <ada@example.org>\nSubject: Hello\nDate: Mon, 14 Aug 2023 03:28:52 +0530\n\nline 1\nline 2\n"

  private func bench(_ count: Int, flags: [Flag] = []) throws -> SessionBench {
    let bench = SessionBench()
    for _ in 0..<count { try bench.deliver(mail, flags: flags) }
    return bench
  }

  // MARK: FETCH

  @Test func fetchOfEverythingParsed() throws {
    let client = try bench(1, flags: [.seen]).user(selecting: "INBOX")
    #expect(
      client.lines("a FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ ENVELOPE BODYSTRUCTURE BODY)") == [
        "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) INTERNALDATE \"13-Sep-2020 12:26:40 +0000\" RFC822.SIZE 102 MODSEQ (2) "
          + "ENVELOPE (\"Mon, 14 Aug 2023 03:28:52 +0530\" \"Hello\" ((\"Ada\" NIL \"ada\" \"example.org\")) "
          + "((\"Ada\" NIL \"ada\" \"example.org\")) ((\"Ada\" NIL \"ada\" \"example.org\")) NIL NIL NIL NIL NIL) "
          + "BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 16 2 NIL NIL NIL NIL) "
          + "BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 16 2))",
        "a OK FETCH completed",
      ])
  }

  @Test func fetchOfSections() throws {
    let client = try bench(1, flags: [.seen]).user(selecting: "INBOX")
    #expect(
      client.send("a FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY[TEXT]<2.4> BODY[1] BODY[2] BODY[TEXT]<99.1>)\r\n")
        == "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: Hello\r\n\r\n BODY[TEXT]<2> {4}\r\nne 1 "
        + "BODY[1] {16}\r\nline 1\r\nline 2\r\n BODY[2] NIL BODY[TEXT]<99> {0}\r\n)\r\na OK FETCH completed\r\n")
    #expect(
      client.send("b FETCH 1 (RFC822.TEXT RFC822.HEADER)\r\n").hasPrefix(
        "* 1 FETCH (RFC822.TEXT {16}\r\nline 1\r\nline 2\r\n RFC822.HEADER {86}\r\nFrom: Ada"))
    #expect(client.send("c FETCH 1 RFC822\r\n").hasPrefix("* 1 FETCH (RFC822 {102}\r\nFrom: Ada"))
  }

  @Test func fetchSetsSeenOnceAndTellsOthers() throws {
    let bench = try bench(2)
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    #expect(client.lines("a FETCH 1 BODY.PEEK[TEXT]").count == 5)
    #expect(bench.inbox.unseen == 2)
    client.send("b FETCH 1 BODY[TEXT]\r\n")
    #expect(bench.inbox.unseen == 1)
    let again = client.send("c UID FETCH 1 (BODY[TEXT] FLAGS)\r\n")
    #expect(again.components(separatedBy: "FLAGS").count == 2)
    #expect(other.lines("d NOOP") == ["* 1 FETCH (UID 1 FLAGS (\\Seen))", "d OK NOOP completed"])
    let reader = bench.user()
    reader.send("a EXAMINE INBOX\r\n")
    #expect(!reader.send("b FETCH 2 BODY[]\r\n").contains("FLAGS"))
    #expect(bench.inbox.unseen == 1)
  }

  @Test func seenIsToldWithTheBody() throws {
    let client = try bench(1).user(selecting: "INBOX")
    #expect(
      client.send("a FETCH 1 BODY[TEXT]\r\n")
        == "* 1 FETCH (BODY[TEXT] {16}\r\nline 1\r\nline 2\r\n FLAGS (\\Seen \\Recent))\r\na OK FETCH completed\r\n")
  }

  @Test func numbersOutOfRange() throws {
    let client = try bench(2).user(selecting: "INBOX")
    #expect(client.lines("a FETCH 3 FLAGS") == ["a BAD No message has this sequence number"])
    #expect(client.lines("b FETCH 1:3 FLAGS") == ["b BAD No message has this sequence number"])
    #expect(client.lines("c UID FETCH 77 FLAGS") == ["c OK FETCH completed"])
    #expect(client.lines("d UID FETCH 77:* FLAGS").first == "* 2 FETCH (UID 2 FLAGS (\\Recent))")
    #expect(client.lines("e FETCH *:1 UID").count == 3)
    let empty = SessionBench().user(selecting: "INBOX")
    #expect(empty.lines("a FETCH 1:* FLAGS").first?.hasPrefix("a BAD") == true)
    #expect(empty.lines("b UID FETCH 1:* FLAGS") == ["b OK FETCH completed"])
  }

  @Test func changedSince() throws {
    let client = try bench(3).user(selecting: "INBOX")
    #expect(
      client.lines("a FETCH 1:* (FLAGS) (CHANGEDSINCE 3)")
        == ["* 3 FETCH (FLAGS (\\Recent) MODSEQ (4))", "a OK FETCH completed"])
  }

  // MARK: STORE

  @Test func storeAnswersWithFlags() throws {
    let bench = try bench(3)
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    #expect(
      client.lines("a STORE 1:2 +FLAGS (\\Flagged)") == [
        "* 1 FETCH (FLAGS (\\Flagged \\Recent))", "* 2 FETCH (FLAGS (\\Flagged \\Recent))", "a OK STORE completed",
      ])
    #expect(client.lines("b UID STORE 2 -FLAGS \\Flagged").first == "* 2 FETCH (UID 2 FLAGS (\\Recent))")
    #expect(client.lines("c STORE 3 FLAGS.SILENT (\\Seen)") == ["c OK STORE completed"])
    #expect(
      other.lines("d FETCH 1 UID") == [
        "* 1 FETCH (UID 1)", "* 1 FETCH (UID 1 FLAGS (\\Flagged))", "* 2 FETCH (UID 2 FLAGS ())",
        "* 3 FETCH (UID 3 FLAGS (\\Seen))", "d OK FETCH completed",
      ])
  }

  @Test func newKeywordIsToldBeforeItIsUsed() throws {
    let bench = try bench(1)
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    let flags = "\\Seen \\Answered \\Flagged \\Deleted \\Draft $New"
    let news = ["* FLAGS (\(flags))", "* OK [PERMANENTFLAGS (\(flags) \\*)] Flags that can be set"]
    #expect(
      client.lines("a STORE 1 +FLAGS ($New)")
        == news + ["* 1 FETCH (FLAGS ($New \\Recent))", "a OK STORE completed"])
    #expect(other.lines("b NOOP") == news + ["* 1 FETCH (UID 1 FLAGS ($New))", "b OK NOOP completed"])
  }

  @Test func conditionalStore() throws {
    let bench = try bench(3)
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    other.send("a STORE 2 +FLAGS.SILENT (\\Flagged)\r\n")
    #expect(
      client.lines("a UID STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)") == [
        "* 1 FETCH (UID 1 MODSEQ (6))", "* 3 FETCH (UID 3 MODSEQ (6))",
        "* 2 FETCH (UID 2 MODSEQ (5) FLAGS (\\Flagged \\Recent))", "a OK [MODIFIED 2] Some messages have changed",
      ])
    // From here on the client is told modification sequences.
    other.send("a STORE 3 +FLAGS.SILENT (\\Draft)\r\n")
    #expect(client.lines("b NOOP").first == "* 3 FETCH (UID 3 MODSEQ (7) FLAGS (\\Seen \\Draft \\Recent))")
    #expect(
      client.lines("c STORE 1 +FLAGS (\\Draft)").first == "* 1 FETCH (MODSEQ (8) FLAGS (\\Seen \\Draft \\Recent))")
    #expect(client.lines("d STORE 1 +FLAGS.SILENT (\\Deleted)") == ["* 1 FETCH (MODSEQ (9))", "d OK STORE completed"])
  }

  @Test func readOnlyMailboxTakesNoChange() throws {
    let bench = try bench(1, flags: [.deleted])
    let client = bench.user()
    client.send("a EXAMINE INBOX\r\n")
    for command in ["STORE 1 FLAGS ()", "UID STORE 1 FLAGS ()", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 INBOX"] {
      #expect(client.lines("b \(command)") == ["b NO [CANNOT] Mailbox is open for reading only"], "\(command)")
    }
    #expect(client.lines("c COPY 1 INBOX").last?.hasPrefix("c OK [COPYUID 1 1 2]") == true)
  }

  // MARK: EXPUNGE

  @Test func expungeIsHeldBackWhereNumbersAreInUse() throws {
    let bench = try bench(4)
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    #expect(
      other.lines("a STORE 2:3 +FLAGS.SILENT (\\Deleted)") + other.lines("b EXPUNGE")
        == ["a OK STORE completed", "* 2 EXPUNGE", "* 2 EXPUNGE", "b OK EXPUNGE completed"])
    #expect(
      client.lines("c FETCH 1:4 UID")
        == ["* 1 FETCH (UID 1)", "* 4 FETCH (UID 4)", "c NO [EXPUNGEISSUED] Some of the messages no longer exist"])
    #expect(client.lines("d SEARCH ALL") == ["* SEARCH 1 4", "d OK SEARCH completed"])
    #expect(client.lines("e STORE 2 +FLAGS (\\Seen)").last?.hasPrefix("e NO [EXPUNGEISSUED]") == true)
    #expect(
      client.lines("f COPY 1:4 INBOX") == [
        "* 2 EXPUNGE", "* 2 EXPUNGE", "f NO [EXPUNGEISSUED] Some of the messages no longer exist",
      ])
    #expect(bench.inbox.messages.count == 2)
    #expect(client.lines("g FETCH 1:2 UID") == ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 4)", "g OK FETCH completed"])
  }

  @Test func expungeIsToldWithUIDCommands() throws {
    let bench = try bench(3)
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    other.send("a STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\n")
    #expect(other.lines("b UID EXPUNGE 2") == ["* 2 EXPUNGE", "b OK EXPUNGE completed"])
    #expect(
      client.lines("c UID SEARCH DELETED") == [
        "* SEARCH 1", "* 2 EXPUNGE", "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))", "c OK SEARCH completed",
      ])
  }

  // MARK: COPY, MOVE, SEARCH

  @Test func copyAndMove() throws {
    let bench = try bench(4, flags: [.flagged])
    let client = bench.user(selecting: "INBOX")
    #expect(client.lines("a COPY 1 Missing") == ["a NO [TRYCREATE] Mailbox does not exist"])
    client.send("b CREATE box\r\n")
    #expect(client.lines("c COPY 2,4 box") == ["c OK [COPYUID 2 2,4 1:2] COPY completed"])
    #expect(
      client.lines("d MOVE 1:2 box") == [
        "* OK [COPYUID 2 1:2 3:4] Moved", "* 1 EXPUNGE", "* 1 EXPUNGE", "d OK MOVE completed",
      ])
    #expect(
      client.lines("e UID MOVE 3:99 INBOX") == [
        "* OK [COPYUID 1 3:4 5:6] Moved", "* 1 EXPUNGE", "* 1 EXPUNGE", "* 2 EXISTS", "* 2 RECENT",
        "e OK MOVE completed",
      ])
    #expect(client.lines("f UID COPY 99 box") == ["f OK COPY completed"])
    #expect(client.lines("g STATUS box (MESSAGES UIDNEXT)").first == "* STATUS box (MESSAGES 4 UIDNEXT 5)")
  }

  @Test func search() throws {
    let bench = try bench(3)
    let client = bench.user(selecting: "INBOX")
    client.send("a STORE 2 +FLAGS.SILENT (\\Seen)\r\n")
    #expect(client.lines("a SEARCH UNSEEN SUBJECT hello") == ["* SEARCH 1 3", "a OK SEARCH completed"])
    #expect(client.lines("b UID SEARCH CHARSET utf-8 OR SEEN UID 3 NOT BODY zzz").first == "* SEARCH 2 3")
    #expect(client.lines("c SEARCH BODY zzz") == ["* SEARCH", "c OK SEARCH completed"])
    #expect(client.lines("d SEARCH MODSEQ 5").first == "* SEARCH 2 (MODSEQ 5)")
    #expect(
      client.lines("e SEARCH CHARSET KOI8-R ALL") == ["e NO [BADCHARSET (US-ASCII UTF-8)] Charset is not known"])
    #expect(client.lines("f SEARCH TEXT {5+}\r\nworld").first == "* SEARCH")
  }

  // MARK: IDLE

  @Test func idleIsTold() throws {
    let bench = try bench(2)
    let watcher = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    #expect(watcher.lines("a IDLE") == ["+ idling"])
    try bench.deliver(mail)
    #expect(watcher.take() == "* 3 EXISTS\r\n* 3 RECENT\r\n")
    other.send("a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n")
    #expect(watcher.take() == "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))\r\n")
    other.send("a EXPUNGE\r\n")
    #expect(watcher.take() == "* 1 EXPUNGE\r\n")
    #expect(watcher.lines("DONE") == ["a OK Idle ended"])
    try bench.deliver(mail)
    #expect(watcher.take() == "")
    #expect(watcher.lines("b NOOP").first == "* 3 EXISTS")
  }

  @Test func idleTellsWhatWasPending() throws {
    let bench = try bench(1)
    let watcher = bench.user(selecting: "INBOX")
    try bench.deliver(mail)
    #expect(watcher.lines("a IDLE") == ["+ idling", "* 2 EXISTS", "* 2 RECENT"])
  }

  @Test func idleWithoutMailbox() throws {
    let bench = SessionBench()
    let client = bench.user()
    #expect(client.lines("a IDLE") == ["+ idling"])
    try bench.deliver(mail)
    #expect(client.take() == "")
    #expect(client.lines("done") == ["a OK Idle ended"])
  }

  @Test func manyChangesAreToldAtOnce() throws {
    let bench = SessionBench()
    let watchers = (0..<20).map { _ in bench.user(selecting: "INBOX") }
    for watcher in watchers { watcher.send("a IDLE\r\n") }
    let inbox = bench.inbox
    for _ in 0..<50 { try inbox.append(StoredMessage(raw: "x")) }
    bench.settle()
    for watcher in watchers { #expect(watcher.take().hasPrefix("* 50 EXISTS\r\n")) }
  }

  @Test func idleClientThatDoesNotReadIsNotFlooded() throws {
    let bench = try bench(3)
    let watcher = bench.user(selecting: "INBOX")
    watcher.send("a IDLE\r\n")
    watcher.reads = false
    for round in 0..<20_000 {
      let action: StoreOperation.Action = round % 2 == 0 ? .add : .remove
      _ = try bench.inbox.store(StoreOperation(action, [.flagged]), in: uids(1...3))
      bench.settle()
    }
    #expect(watcher.waiting < 140_000)
    try bench.deliver(mail)
    watcher.reads = true
    bench.settle()
    #expect(watcher.take().contains("* 4 EXISTS\r\n"))
  }

  /// A client that asks for a large message many times and reads nothing does not make the server hold all of it.
  @Test func manyItemsOfALargeMessageAreWrittenInParts() throws {
    let bench = SessionBench()
    let length = 1_100_000
    try bench.deliver("Subject: large\n\n" + String(repeating: "x", count: length), "Subject: small\n\ny\n")
    let size = try #require(bench.inbox.messages.first?.content.size)
    let client = bench.user(selecting: "INBOX")
    client.reads = false
    let repeats = 6
    let items = Array(repeating: "BODY.PEEK[]", count: repeats).joined(separator: " ")
    client.send("a UID FETCH 1:2 (\(items) FLAGS)\r\n")
    #expect(client.waiting > size && client.waiting < 3 * size, "\(client.waiting) bytes wait")
    client.reads = true
    let lines = client.lines("b NOOP")
    #expect(lines.filter { $0.hasPrefix("* 1 FETCH (UID 1 ") }.count == repeats + 1)
    #expect(lines.filter { $0.utf8.count >= length }.count == repeats)
    // Once in each answer to UID FETCH, and the small message in one piece.
    #expect(lines.contains("* 1 FETCH (UID 1 FLAGS (\\Recent))"))
    #expect(lines.filter { $0.hasPrefix("* 2 FETCH (UID 2 BODY[]") }.count == 1)
    #expect(lines.contains { $0.hasPrefix("a OK") } && lines.last?.hasPrefix("b OK") == true)
  }

  /// The message goes away while a part of the answer waits.
  @Test func messageThatIsExpungedBetweenPartsEndsThere() throws {
    let bench = SessionBench()
    try bench.deliver("Subject: large\n\n" + String(repeating: "x", count: 1_100_000), "Subject: small\n\ny\n")
    let client = bench.user(selecting: "INBOX")
    client.reads = false
    client.send("a FETCH 1:2 (BODY.PEEK[] BODY.PEEK[] BODY.PEEK[] UID)\r\n")
    bench.user(selecting: "INBOX").send("s STORE 1 +FLAGS (\\Deleted)\r\ns EXPUNGE\r\n")
    client.reads = true
    let lines = client.lines("b NOOP")
    #expect(lines.filter { $0.hasPrefix("* 1 FETCH (") && $0.contains("BODY[]") }.count == 1)
    #expect(lines.filter { $0.hasPrefix("* 2 FETCH (BODY[]") }.count == 1)
    #expect(lines.contains("* 1 EXPUNGE"))
    #expect(lines.last?.hasPrefix("b OK") == true)
  }
}
