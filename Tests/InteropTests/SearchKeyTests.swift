import IMAPLoop
import IMAPStateMachine
import Testing

/// Searches that need more than to be sent.
@Suite(.timeLimit(.minutes(2))) struct SearchKeyTests {
  private static let answers: [(command: String, lines: [String])] = [
    ("CAPABILITY", []), ("UID SEARCH", ["* SEARCH 2 3"]), ("SEARCH", ["* SEARCH 1"]), ("UID SORT", ["* SORT 3 2"]),
    ("UID THREAD", ["* THREAD (2 3)"]), ("ESEARCH", []),
  ]
  private static let capabilities = "SORT THREAD=REFERENCES MULTISEARCH"

  private func sent(_ server: ScriptedServer) -> [String] { server.commands.filter { $0.contains("SEARCH") } }

  /// An empty set, as of a search that found nothing, is nothing to ask for.
  @Test(arguments: [
    SearchKey.uid([]), .sequence([]), .uid([]) && .unseen, .and([.from("a"), .and([.all, .uid([])])]),
    .or(.uid([]), .sequence([])), !(!.uid([])), .fuzzy(.uid([])), .not(.or(.not(.uid([])), .seen)),
  ])
  func whatNothingCanMatchIsNotSent(_ key: SearchKey) async throws {
    try await withScript(Self.capabilities, Self.answers) { client, server in
      try await client.select(.inbox)
      #expect(try await client.search(key) == [])
      #expect(try await client.searchSequence(key) == [])
      #expect(try await client.search(key, returning: [.min, .max, .all]).items.isEmpty)
      #expect(try await client.search(key, returning: [.all, .count]).items == [.count(0)])
      #expect(try await client.search(MultiSearch(in: [.inboxes], key)).isEmpty)
      #expect(try await client.sort([SortCriterion(.date)], key) == [])
      #expect(try await client.thread(.references, key).isEmpty)
      try await client.noop()
      #expect(server.commands.filter { $0 != "NOOP" && !$0.hasPrefix("CAPABILITY") } == ["SELECT \"INBOX\""])
    }
  }

  @Test(
    arguments: [
      (.or(.uid([]), .unseen), "UNSEEN"), (!.uid([]), "ALL"), (.unseen && !.sequence([]), "UNSEEN"),
      (.or(.seen, .and([.uid([]), .draft])), "SEEN"), (.or(.seen, .not(.uid([]))), "ALL"),
      (.and([.not(.uid([])), .not(.sequence([]))]), "ALL"), (.and([.uid([1]), .or(.seen, .uid([]))]), "UID 1 SEEN"),
      (.and([]), "ALL"), (.uid([7]), "UID 7"),
    ] as [(SearchKey, String)])
  func theRestIsSent(_ key: SearchKey, _ text: String) async throws {
    try await withScript("", Self.answers) { client, server in
      try await client.select(.inbox)
      #expect(try await client.search(key) == [2, 3])
      #expect(sent(server) == ["UID SEARCH \(text)"])
    }
  }

  /// RFC 9051, section 6.4.4.1: a search with SAVE that finds nothing leaves an empty result behind.
  @Test func whatLastsIsSent() async throws {
    let answers = [(command: "UID SEARCH RETURN (SAVE) NOT ALL", lines: [String]())] + Self.answers
    try await withScript("ESEARCH SEARCHRES", answers) { client, server in
      try await client.select(.inbox)
      #expect(try await client.search(.uid([]), returning: [.save]).items.isEmpty)
      #expect(sent(server) == ["UID SEARCH RETURN (SAVE) NOT ALL"])
    }
  }

  /// How deep keys lie in each other is up to the caller.
  @Test func deepKeys() async throws {
    var key = SearchKey.uid([])
    for _ in 0..<500 { key = .fuzzy(key) }
    let deep = key
    try await withScript("SEARCH=FUZZY", Self.answers) { client, _ in
      try await client.select(.inbox)
      let error = IMAPError.invalidArgument(InvalidArgument(.searchKey, .nesting), command: "SEARCH")
      await #expect(throws: error) { try await client.search(deep) }
    }
  }

  /// Keys of an extension that has no case here.
  @Test func keysThatTheServerAloneKnows() async throws {
    try await withScript(Self.capabilities + " ESEARCH", Self.answers) { client, server in
      try await client.select(.inbox)
      let key = SearchKey.other("X-GUID", [.atom("abc")]) && .unseen
      #expect(try await client.search(key) == [2, 3])
      #expect(try await client.sort([SortCriterion(.date)], key) == [3, 2])
      #expect(try await client.thread(.references, .other("X-MAILBOX", [.raw("\"Sent\"")])).count == 1)
      _ = try await client.search(!.other("X-GUID", [.string("a b")]), returning: [.count])
      #expect(
        server.commands.filter { $0.hasPrefix("UID ") } == [
          "UID SEARCH X-GUID abc UNSEEN", "UID SORT (DATE) UTF-8 X-GUID abc UNSEEN",
          "UID THREAD REFERENCES UTF-8 X-MAILBOX \"Sent\"", "UID SEARCH RETURN (COUNT) NOT X-GUID \"a b\"",
        ])
    }
  }
}
