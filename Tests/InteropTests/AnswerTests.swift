import IMAPLoop
import IMAPStateMachine
import Testing

/// Each command has its own answer, however many others are in flight.
@Suite(.serialized, .timeLimit(.minutes(2))) struct AnswerTests {
  /// Dovecot answers searches that come together all at once, before it completes the first.
  @Test func searchesGoOneByOne() async throws {
    let answers = [("UID SEARCH", ["HOLD"]), ("STATUS", ["HOLD"])]
    try await withScript("", answers) { client, server in
      try await client.select(.inbox)
      async let first = client.search(.subject("a"))
      await server.received("UID SEARCH")
      async let second = client.search(.subject("b"))
      // Another kind does not wait.
      async let status = client.status("Other", [.messages])
      await server.received("STATUS")
      #expect(server.commands.count { $0.hasPrefix("UID SEARCH") } == 1)
      server.release(["* SEARCH 1 2", #"* STATUS "Other" (MESSAGES 7)"#])
      let answer1 = try await first
      #expect(answer1 == [1, 2])
      let answer2 = try await status?.messages
      #expect(answer2 == 7)
      await server.received("UID SEARCH", count: 2)
      server.release(["* SEARCH 3"])
      let answer3 = try await second
      #expect(answer3 == [3])
    }
  }

  /// The answers come in a batch, the last one first: the tag says whose each is.
  @Test func extendedSearchesGoTogether() async throws {
    try await withScript("ESEARCH", [("UID SEARCH", ["HOLD"])]) { client, server in
      try await client.select(.inbox)
      let keys = ["a", "b", "c"]
      let tasks = keys.map { key in
        Task { try await client.search(.subject(key), returning: [.all]).all }
      }
      await server.received("UID SEARCH", count: 3)
      // Which tags those are is known from SELECT, the first command.
      let sent = server.commands.filter { $0.hasPrefix("UID SEARCH") }
      var lines: [String] = []
      for (index, command) in sent.enumerated().reversed() {
        let key = try #require(keys.firstIndex { command.contains("\"\($0)\"") })
        lines.append("* ESEARCH (TAG \"\(server.tags[server.tags.count - sent.count + index])\") UID ALL \(key + 1)")
      }
      server.release(lines)
      for (index, task) in tasks.enumerated() {
        let answer4 = try await task.value
        #expect(answer4 == .uids([UID(rawValue: UInt32(index + 1))]))
      }
    }
  }

  @Test func statusesGoTogetherByName() async throws {
    try await withScript("", [("STATUS", ["HOLD"])]) { client, server in
      async let a = client.status("A", [.messages])
      await server.received("STATUS")
      async let b = client.status("b", [.messages])
      await server.received("STATUS", count: 2)
      // Of the same one, in another case: that waits.
      async let again = client.status("B", [.messages])
      async let inbox = client.status("inbox", [.messages])
      await server.received("STATUS", count: 3)
      #expect(server.commands.last == #"STATUS "INBOX" (MESSAGES)"#)
      server.release([
        "* STATUS Inbox (MESSAGES 3)", "* STATUS b (MESSAGES 2)", "* STATUS other (MESSAGES 9)",
        "* STATUS a (MESSAGES 1)",
      ])
      let answer5 = try await a?.messages
      #expect(answer5 == 1)
      let answer6 = try await b?.messages
      #expect(answer6 == 2)
      let answer7 = try await inbox?.messages
      #expect(answer7 == 3)
      await server.received("STATUS", count: 4)
      server.release(["* STATUS B (MESSAGES 4)"])
      let answer8 = try await again?.messages
      #expect(answer8 == 4)
    }
  }

  /// One that waits for its turn is never sent; one that was sent keeps its turn until it is over.
  @Test func waitingIsCancelled() async throws {
    try await withScript("", [("LIST", ["HOLD"])]) { client, server in
      let first = Task { try await client.list(pattern: "a*") }
      await server.received("LIST")
      let second = Task { try await client.list(pattern: "b*") }
      let third = Task { try await client.list(pattern: "c*") }
      second.cancel()
      await #expect(throws: IMAPError.cancelled(command: "LIST")) { try await second.value }
      first.cancel()
      await #expect(throws: IMAPError.cancelled(command: "LIST", outcomeUnknown: true)) { try await first.value }
      #expect(server.commands.count { $0.hasPrefix("LIST") } == 1)
      server.release([#"* LIST () "/" a1"#])
      await server.received("LIST", count: 2)
      server.release([#"* LIST () "/" c1"#])
      let answer9 = try await third.value.map(\.name)
      #expect(answer9 == ["c1"])
      #expect(server.commands.filter { $0.hasPrefix("LIST") }.map { $0.contains("c*") } == [false, true])
    }
  }

  /// Twenty different searches at once, with and without RETURN, and as many patterns of LIST.
  @Test(arguments: ServerKind.all) func manyAtOnce(_ kind: ServerKind) async throws {
    try await withServer(kind) { _, client, _ in
      let count = 20
      for number in 1...count {
        let text = "From: a@example.org\r\nSubject: word\(number)x\r\n\r\ntext\r\n"
        try await client.append(Array(text.utf8), to: .inbox)
        try await client.create(kind.mailbox("box\(number)x"))
      }
      try await client.select(.inbox)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 1...count {
          let uid = UID(rawValue: UInt32(number))
          group.addTask {
            let found = try await client.search(.subject("word\(number)x"))
            #expect(found == [uid])
          }
          group.addTask {
            let answer = try await client.search(.subject("word\(number)x"), returning: [.all, .count])
            #expect(answer.all == .uids([uid]) && answer.count == 1, "\(number): \(answer)")
          }
          group.addTask {
            let pattern = kind.mailbox("box\(number)x")
            let listings = try await client.list(pattern: pattern)
            #expect(listings.map(\.name) == [pattern])
            let status = try await client.status(pattern, [.messages])
            #expect(status?.messages == 0)
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
