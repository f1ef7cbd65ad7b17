import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// Sessions under random commands. What holds for every answer is checked, not its text.
@Suite struct SessionRandomTests {
  /// A client that counts messages as RFC 9051, section 7.5.1 tells it to.
  private struct Follower {
    let client: SessionBench.Client
    var count = 0

    /// Gives a command and checks the answer. `isSelect` starts the count anew.
    mutating func run(_ command: String, _ hint: String) {
      let lines = client.lines("t \(command)")
      let tagged = lines.filter { $0.hasPrefix("t ") }
      #expect(tagged.count == 1 && lines.last?.hasPrefix("t ") == true, "\(hint): \(command): \(lines)")
      let usesNumbers = ["FETCH", "STORE", "SEARCH"].contains { command.hasPrefix($0) }
      for line in lines {
        if line.hasPrefix("* OK [CLOSED]") { count = 0 }
        guard line.hasPrefix("* ") else { continue }
        let words = line.split(separator: " ")
        guard words.count > 2, let number = Int(words[1]) else { continue }
        switch words[2] {
        case "EXISTS":
          #expect(number >= count, "\(hint): EXISTS went down: \(command): \(lines)")
          count = number
        case "EXPUNGE":
          #expect(!usesNumbers, "\(hint): EXPUNGE with \(command)")
          #expect((1...max(count, 1)).contains(number), "\(hint): \(command): \(line) of \(count)")
          count -= 1
        case "FETCH": #expect((1...max(count, 1)).contains(number), "\(hint): \(command): \(line) of \(count)")
        default: break
        }
      }
    }
  }

  @Test func countsAlwaysFit() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    for round in 0..<15 {
      let bench = SessionBench()
      for _ in 0..<random.next(below: 8) { try bench.deliver("Subject: x\n\nbody\n") }
      var followers = (0..<3).map { _ in Follower(client: bench.user()) }
      for index in followers.indices { followers[index].run("SELECT INBOX", "seed \(seed)") }
      for _ in 0..<120 {
        let who = random.next(below: followers.count)
        followers[who].run(command(&random), "seed \(seed), round \(round)")
      }
      for index in followers.indices {
        followers[index].run("NOOP", "seed \(seed)")
        #expect(followers[index].count == bench.inbox.messages.count, "seed \(seed)")
      }
      let size = bench.inbox.messages.reduce(0) { $0 + $1.content.size }
      #expect(bench.inbox.size == size, "seed \(seed)")
      #expect(bench.inbox.unseen == bench.inbox.messages.count { !$0.flags.contains(.seen) }, "seed \(seed)")
      #expect(bench.inbox.deleted == bench.inbox.messages.count { $0.flags.contains(.deleted) }, "seed \(seed)")
      #expect(bench.core.store.account("user")?.quota.used == size, "seed \(seed)")
      #expect(bench.core.store.account("user")?.quota.messages == bench.inbox.messages.count, "seed \(seed)")
    }
  }

  private func command(_ random: inout SplitMix) -> String {
    let low = random.next(below: 10) + 1
    let set = ["\(low)", "\(low):\(low + 2)", "1:*", "*", "\(low),1"][random.next(below: 5)]
    let flag = ["\\Deleted", "\\Seen", "key\(low)"][random.next(below: 3)]
    let sign = ["+", "-", ""][random.next(below: 3)]
    return [
      "NOOP", "EXPUNGE", "UID EXPUNGE \(set)", "FETCH \(set) FLAGS", "UID FETCH \(set) BODY[TEXT]",
      "STORE \(set) \(sign)FLAGS (\(flag))", "UID STORE \(set) \(sign)FLAGS.SILENT (\(flag))",
      "STORE \(set) (UNCHANGEDSINCE \(low * 3)) +FLAGS (\(flag))", "SEARCH DELETED", "UID SEARCH NOT SEEN BODY b",
      "COPY \(set) INBOX", "UID MOVE \(set) INBOX", "SELECT INBOX", "STATUS INBOX (MESSAGES UNSEEN)",
      "APPEND INBOX (\(flag)) {4+}\r\nabcd", "FETCH 1:* (UID) (CHANGEDSINCE \(low))", "FETCH \(set) BODY[1]",
    ][random.next(below: 17)]
  }

  /// Bytes that are no commands never end the process, and the store stays whole.
  @Test func noise() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    let pieces = [
      "a ", "LOGIN user password", "SELECT INBOX", "FETCH ", "1:*", " (", ")", "BODY[", "]", "<0.1>", "{3+}\r\n",
      "{5}\r\n",
      "\r\n", "\n", "\"", "\\", "APPEND INBOX ", "IDLE\r\n", "DONE\r\n", "AUTHENTICATE PLAIN\r\n", "AAAA\r\n", "*",
      "UID ", "STORE 1 FLAGS ", "SEARCH ", "OR ", "NOT ", "TEXT x", "LIST \"\" ", "%", "4294967295", "0", "\0",
      "\u{ff}",
      "a1 SELECT INBOX\r\n", "a2 LOGIN user password\r\n", "a3 FETCH 1:* BODY[1.2.3.MIME]<5.5>\r\n", "CREATE a/b\r\n",
    ]
    for _ in 0..<200 {
      let bench = SessionBench()
      try bench.deliver("Subject: x\n\nbody\n", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n")
      let client = random.next(below: 2) == 0 ? bench.connect() : bench.user(selecting: "INBOX")
      let text = (0..<random.next(below: 60)).map { _ in pieces[random.next(below: pieces.count)] }.joined()
      client.send(text)
      client.hangUp()
      #expect(!client.take().contains("LIVELOCK"), "seed \(seed): \(text.debugDescription)")
      #expect(bench.core.sessions.isEmpty && bench.inbox.viewCount == 0, "seed \(seed): \(text.debugDescription)")
      let size = bench.inbox.messages.reduce(0) { $0 + $1.content.size }
      #expect(bench.core.store.account("user")?.quota.used == size, "seed \(seed): \(text.debugDescription)")
    }
  }
}
