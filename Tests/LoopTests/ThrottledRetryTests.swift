import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// When what was throttled is tried again: time and chance are arguments.
@Suite struct ThrottledRetryTests {
  private static func refusal(_ text: String, _ command: String = "UID SEARCH") -> IMAPError {
    .refused(command: command, Status(.no, text))
  }

  @Test func waitsAsLongAsTheServerAsks() {
    var retry = ThrottledRetry(attempts: 4, longestWait: .seconds(60))
    let error = Self.refusal("Suggested Backoff Time: 20 milliseconds")
    var waits: [Duration?] = []
    for _ in 0..<4 { waits.append(retry.wait(after: error, chance: .max)) }
    #expect(waits == [.milliseconds(20), .milliseconds(20), .milliseconds(20), nil])
  }

  @Test func waitsLongerEachTimeWhereItNamesNone() {
    var retry = ThrottledRetry(attempts: 100, longestWait: .seconds(10))
    let error = Self.refusal("[THROTTLED]")
    var waits: [Duration?] = []
    for _ in 0..<6 { waits.append(retry.wait(after: error, chance: 0)) }
    #expect(waits == [.seconds(1), .seconds(2), .seconds(4), .seconds(8), nil, nil])
  }

  @Test func doesNotWaitForOthers() {
    for text in ["no", "Suggested Backoff Time: 61 seconds"] {
      var retry = ThrottledRetry(attempts: 4, longestWait: .seconds(60))
      #expect(retry.wait(after: Self.refusal(text), chance: 0) == nil)
    }
    var retry = ThrottledRetry(attempts: 1, longestWait: .seconds(60))
    #expect(retry.wait(after: Self.refusal("[THROTTLED]"), chance: 0) == nil)
  }

  /// The command that was refused was not done; another that was sent before it has been.
  @Test func changesAreMadeOnce() {
    let copy = Command.copy(.uids([1]), "x")
    func store(_ since: ModSeq?) -> Command { .store(.uids([1]), StoreOperation(.add, [.seen]), unchangedSince: since) }
    let cases: [(sent: [(String, Command)], parts: String?, refused: String, mayRepeat: Bool)] = [
      ([("UID COPY", copy)], nil, "UID COPY", true),
      ([("UID COPY", copy)], "UID COPY", "UID COPY", false),
      ([("UID COPY", copy), ("UID COPY", copy)], nil, "UID COPY", false),
      ([("UID COPY", copy)], nil, "UID STORE", false),
      ([("NOOP", .noop), ("UID SEARCH", .search(.all))], "UID SEARCH", "UID SEARCH", true),
      ([], nil, "NOOP", true),
      ([("UID STORE", store(nil))], nil, "NOOP", true),
      ([("UID STORE", store(7))], nil, "NOOP", false),
      ([("EXPUNGE", .expunge)], nil, "NOOP", false),
    ]
    for entry in cases {
      let attempt = ThrottledAttempt()
      for (name, command) in entry.sent { attempt.note(name, command) }
      if let name = entry.parts { attempt.noteParts(name) }
      #expect(attempt.maySendAgain(Self.refusal("[THROTTLED]", entry.refused)) == entry.mayRepeat, "\(entry)")
    }
    let attempt = ThrottledAttempt()
    #expect(!attempt.maySendAgain(.cancelled(command: "NOOP", outcomeUnknown: true)))
    #expect(!attempt.maySendAgain(.outcomeUnknown(command: "NOOP", .closedByPeer(bye: "[THROTTLED]"))))
  }
}
