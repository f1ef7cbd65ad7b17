import IMAPStateMachine
import Testing

@testable import IMAPTestServer

@Suite struct SessionMailboxTests {
  @Test func selectTellsEverything() throws {
    let bench = SessionBench()
    try bench.deliver("a", flags: [.seen, "Work"])
    try bench.deliver("b")
    let client = bench.user()
    let flags = "\\Seen \\Answered \\Flagged \\Deleted \\Draft Work"
    #expect(
      client.lines("a SELECT inbox") == [
        "* 2 EXISTS", "* 2 RECENT", "* FLAGS (\(flags))",
        "* OK [PERMANENTFLAGS (\(flags) \\*)] Flags that can be set", "* OK [UNSEEN 2] First unseen message",
        "* OK [UIDVALIDITY 1] UIDs are valid", "* OK [UIDNEXT 3] Next UID", "* OK [HIGHESTMODSEQ 3] Latest change",
        "a OK [READ-WRITE] SELECT completed",
      ])
    let again = client.lines("b EXAMINE INBOX")
    #expect(again.first == "* OK [CLOSED] Previous mailbox is closed")
    #expect(again.contains("* 0 RECENT") && again.contains("* OK [PERMANENTFLAGS ()] No flag can be changed"))
    #expect(again.last == "b OK [READ-ONLY] EXAMINE completed")
  }

  @Test func selectWithCondStoreTellsModSeqs() throws {
    let bench = SessionBench()
    try bench.deliver("a")
    let other = bench.user(selecting: "INBOX")
    let client = bench.user()
    #expect(client.lines("a SELECT INBOX (CONDSTORE)").contains("* OK [HIGHESTMODSEQ 2] Latest change"))
    other.send("a STORE 1 +FLAGS (\\Seen)\r\n")
    #expect(client.lines("b NOOP").first == "* 1 FETCH (UID 1 MODSEQ (3) FLAGS (\\Seen))")
  }

  @Test func failedSelectLeavesNothingSelected() {
    let client = SessionBench().user(selecting: "INBOX")
    #expect(
      client.lines("a SELECT Missing")
        == ["* OK [CLOSED] Previous mailbox is closed", "a NO [NONEXISTENT] Mailbox does not exist"])
    #expect(client.lines("b FETCH 1 FLAGS").first?.hasPrefix("b BAD") == true)
  }

  @Test func createListDelete() {
    let client = SessionBench().user()
    #expect(client.lines("a CREATE Work/2024/") == ["a OK CREATE completed"])
    #expect(client.lines("b CREATE Work/2024") == ["b NO [ALREADYEXISTS] Mailbox exists already"])
    #expect(client.lines("c CREATE \"a*\"") == ["c NO [CANNOT] Not a name for a mailbox"])
    #expect(
      client.lines("d LIST \"\" %") == [
        "* LIST (\\HasNoChildren) \"/\" INBOX", "* LIST (\\Noselect \\HasChildren) \"/\" Work", "d OK LIST completed",
      ])
    #expect(client.lines("e LIST \"\" \"\"") == ["* LIST (\\Noselect) \"/\" \"\"", "e OK LIST completed"])
    #expect(client.lines("f DELETE INBOX") == ["f NO [CANNOT] INBOX cannot be deleted or renamed"])
    #expect(client.lines("g DELETE Work") == ["g NO [NONEXISTENT] Mailbox does not exist"])
    #expect(client.lines("h DELETE Work/2024") == ["h OK DELETE completed"])
    #expect(client.lines("i LIST \"\" *") == ["* LIST (\\HasNoChildren) \"/\" INBOX", "i OK LIST completed"])
  }

  @Test func renameAndSubscribe() {
    let client = SessionBench().user()
    #expect(client.lines("a CREATE Work/2024") == ["a OK CREATE completed"])
    #expect(client.lines("b CREATE Other") == ["b OK CREATE completed"])
    #expect(client.lines("c RENAME Work Job") == ["c NO [NONEXISTENT] Mailbox does not exist"])
    #expect(client.lines("d RENAME INBOX x") == ["d NO [CANNOT] INBOX cannot be deleted or renamed"])
    #expect(client.lines("e RENAME Other Work/2024") == ["e NO [ALREADYEXISTS] Mailbox exists already"])
    #expect(client.lines("f RENAME Other Other/x") == ["f NO [CANNOT] Not a name for a mailbox"])
    #expect(client.lines("g CREATE Other/b") == ["g OK CREATE completed"])
    #expect(client.lines("h RENAME Other Work/y") == ["h OK RENAME completed"])
    #expect(
      client.lines("i LIST \"\" Work/*") == [
        "* LIST (\\HasNoChildren) \"/\" Work/2024", "* LIST (\\HasChildren) \"/\" Work/y",
        "* LIST (\\HasNoChildren) \"/\" Work/y/b", "i OK LIST completed",
      ])
    #expect(client.lines("j SUBSCRIBE Work/y") == ["j OK SUBSCRIBE completed"])
    #expect(client.lines("k SUBSCRIBE inbox") == ["k OK SUBSCRIBE completed"])
    #expect(
      client.lines("l LSUB \"\" *")
        == ["* LSUB () \"/\" INBOX", "* LSUB () \"/\" Work/y", "l OK LSUB completed"])
    #expect(client.lines("m UNSUBSCRIBE INBOX") == ["m OK UNSUBSCRIBE completed"])
    #expect(client.lines("n LSUB \"\" \"in*\"") == ["n OK LSUB completed"])
  }

  /// What the server does not have, it says so of, whatever state it is asked in.
  @Test func whatIsNotOfferedIsRefused() {
    let client = SessionBench().user(selecting: "INBOX")
    for line in [
      "LIST (SUBSCRIBED) \"\" *", "XLIST \"\" *", "CREATE x (USE (\\Sent))", "GETACL INBOX", "GETQUOTA \"\"",
      "GETMETADATA \"\" /a", "NOTIFY NONE", "UNAUTHENTICATE", "LANGUAGE", "SORT (DATE) UTF-8 ALL",
      "SEARCH RETURN (MIN) ALL", "SEARCH YOUNGER 5", "SEARCH $", "FETCH $ UID", "FETCH 1 PREVIEW",
      "UID FETCH 1 UID (PARTIAL 1:5)", "STORE 1 +X-GM-LABELS (a)", "UIDBATCHES 5", "THREAD REFERENCES UTF-8 ALL",
      "ESEARCH ALL", "CANCELUPDATE \"a\"", "APPEND x CATENATE (URL \"y\")", "XFOO",
    ] {
      let answer = client.lines("a \(line)")
      #expect(answer.count == 1 && answer[0].hasPrefix("a BAD"), "\(line): \(answer)")
    }
    #expect(client.lines("b CHECK") == ["b OK CHECK completed"])
    #expect(client.lines("c SELECT INBOX (QRESYNC (1 1))") == ["c BAD QRESYNC is not offered"])
    #expect(client.lines("d REPLACE 1 INBOX {3+}\r\nabc") == ["d BAD REPLACE is not offered"])
  }

  @Test func status() throws {
    let bench = SessionBench()
    try bench.deliver("Subject: x\n\nbody\n", flags: [.deleted])
    let client = bench.user()
    #expect(
      client.lines("a STATUS InBox (SIZE MESSAGES UIDNEXT UNSEEN UIDVALIDITY RECENT DELETED HIGHESTMODSEQ)") == [
        "* STATUS INBOX (MESSAGES 1 RECENT 1 UIDNEXT 2 UIDVALIDITY 1 UNSEEN 1 DELETED 1 SIZE 20 HIGHESTMODSEQ 2)",
        "a OK STATUS completed",
      ])
    #expect(client.lines("b STATUS Missing (MESSAGES)") == ["b NO [NONEXISTENT] Mailbox does not exist"])
  }

  // MARK: APPEND

  @Test func appendWithAndWithoutContinuation() {
    let bench = SessionBench()
    let client = bench.user(selecting: "INBOX")
    #expect(
      client.lines("a APPEND INBOX (\\Seen k) \"14-Aug-2023 03:28:52 +0530\" {10}") == ["+ Ready for literal data"])
    #expect(
      client.lines("A: b\r\n\r\nxy")
        == [
          "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft k)",
          "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft k \\*)] Flags that can be set",
          "* 1 EXISTS", "* 1 RECENT", "a OK [APPENDUID 1 1] APPEND completed",
        ])
    #expect(client.lines("b APPEND INBOX {3+}\r\nxyz").last == "b OK [APPENDUID 1 2] APPEND completed")
    #expect(
      client.lines("c FETCH 1:2 (FLAGS INTERNALDATE BODY.PEEK[])") == [
        "* 1 FETCH (FLAGS (\\Seen k \\Recent) INTERNALDATE \"14-Aug-2023 03:28:52 +0530\" BODY[] {10}", "A: b", "",
        "xy)", "* 2 FETCH (FLAGS (\\Recent) INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" BODY[] {3}", "xyz)",
        "c OK FETCH completed",
      ])
  }

  @Test func refusedAppends() throws {
    let bench = SessionBench(quota: 100)
    let client = bench.user()
    #expect(client.lines("a APPEND Missing {5}") == ["a NO [TRYCREATE] Mailbox does not exist"])
    #expect(client.lines("b APPEND INBOX {101}") == ["b NO [OVERQUOTA] Account is full"])
    #expect(client.lines("c APPEND Missing {3+}\r\nabc") == ["c NO [TRYCREATE] Mailbox does not exist"])
    #expect(client.lines("d APPEND INBOX ~{3}") == ["d BAD BINARY is not offered"])
    #expect(client.lines("e APPEND INBOX {3+}\r\na\0b") == ["e NO [CANNOT] Message holds NUL"])
    #expect(client.lines("f APPEND INBOX {3+}\r\nabc more").first?.hasPrefix("f BAD") == true)
    #expect(
      client.lines("g APPEND INBOX {90+}\r\n" + String(repeating: "x", count: 90)).last?.hasPrefix("g OK") == true)
    #expect(
      client.lines("h APPEND INBOX {20+}\r\n" + String(repeating: "x", count: 20)) == [
        "h NO [OVERQUOTA] Account is full"
      ])
    #expect(bench.core.store.account("user")?.quota.used == 90)
    #expect(bench.inbox.messages.count == 1)
  }

  @Test func mailboxDeletedWhileAMessageArrives() throws {
    let bench = SessionBench()
    let client = bench.user()
    let other = bench.user()
    client.send("a CREATE box\r\nb APPEND box {3}\r\n")
    other.send("a DELETE box\r\nb CREATE box\r\n")
    #expect(client.lines("xyz") == ["b NO [TRYCREATE] Mailbox does not exist"])
    #expect(bench.core.store.account("user")?.mailbox("box")?.messages.isEmpty == true)
  }

  // MARK: CLOSE and UNSELECT

  @Test func closeExpungesSilently() throws {
    let bench = SessionBench()
    try bench.deliver("a", "b", flags: [.deleted])
    let client = bench.user(selecting: "INBOX")
    let other = bench.user(selecting: "INBOX")
    #expect(client.lines("a UNSELECT") == ["a OK UNSELECT completed"])
    #expect(bench.inbox.messages.count == 2)
    client.send("a EXAMINE INBOX\r\n")
    #expect(client.lines("b CLOSE") == ["b OK CLOSE completed"])
    #expect(bench.inbox.messages.count == 2)
    client.send("a SELECT INBOX\r\n")
    #expect(client.lines("b CLOSE") == ["b OK CLOSE completed"])
    #expect(bench.inbox.messages.isEmpty)
    #expect(other.lines("a NOOP") == ["* 1 EXPUNGE", "* 1 EXPUNGE", "a OK NOOP completed"])
  }

  @Test func deletedMailboxEmptiesItself() throws {
    let bench = SessionBench()
    let client = bench.user()
    client.send("a CREATE box\r\nb APPEND box {1+}\r\nx\r\nc SELECT box\r\n")
    #expect(client.lines("d DELETE box") == ["* 1 EXPUNGE", "d OK DELETE completed"])
    #expect(client.lines("e UID FETCH 1:* FLAGS") == ["e OK FETCH completed"])
    #expect(client.lines("f SELECT box").last == "f NO [NONEXISTENT] Mailbox does not exist")
  }

  // MARK: Long answers

  @Test func longAnswersRestWhileTheClientDoesNotRead() throws {
    let bench = SessionBench()
    let body = String(repeating: "0123456789abcdef", count: 4096)
    for _ in 0..<40 { try bench.deliver("Subject: x\n\n" + body) }
    let client = bench.user(selecting: "INBOX")
    client.reads = false
    client.send("a FETCH 1:* BODY.PEEK[]\r\nb NOOP\r\n")
    #expect(client.waiting < 300_000, "a message at a time above the limit, not all of them")
    let other = bench.user(selecting: "INBOX")
    other.send("a STORE 30:40 +FLAGS (\\Deleted)\r\na EXPUNGE\r\n")
    client.reads = true
    bench.settle()
    let answer = client.take()
    #expect(answer.components(separatedBy: " FETCH (BODY[]").count - 1 == 29)
    // The sequence numbers of what is left did not move before FETCH was over.
    #expect(answer.contains("* 29 FETCH"))
    #expect(
      answer.hasSuffix(
        "a OK FETCH completed\r\n" + String(repeating: "* 30 EXPUNGE\r\n", count: 11) + "b OK NOOP completed\r\n"))
  }

  @Test func listOfManyMailboxes() throws {
    let bench = SessionBench()
    let account = try #require(bench.core.store.account("user"))
    for index in 0..<3000 { try account.create(MailboxName("box\(index)")) }
    let client = bench.user()
    #expect(client.lines("a LIST \"\" box%").count == 3001)
  }
}

extension String {
  /// The parts between occurrences of `separator`.
  func components(separatedBy separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}
