import IMAPLoop
import IMAPStateMachine
import Testing

/// MOVE on a server that has none: what was done in part says so.
@Suite(.timeLimit(.minutes(2))) struct MoveByCopyTests {
  private static let answers = [
    ("UID SEARCH", ["* SEARCH 3 4"]), ("SELECT", ["* 9 EXISTS"]), ("UID COPY", ["OK [COPYUID 7 3:4 11:12] done"]),
  ]

  @Test func copiesAreMadeWhereTheRestIsRefused() async throws {
    let answers = Self.answers + [("UID STORE", ["NO [NOPERM] you may not delete"])]
    try await withScript("UIDPLUS", answers) { client, server in
      try await client.select(.inbox)
      do {
        try await client.move(.uids([3, 4, 9]), to: "Archive")
        Issue.record("nothing was thrown")
      } catch IMAPError.copiedOnly(let copies, let error) {
        #expect(copies?.uidValidity == 7 && copies?.source == [3, 4] && copies?.destination == [11, 12])
        #expect(error.reason == .noPermission)
        let whole = IMAPError.copiedOnly(copies, error)
        #expect(whole.reason == .noPermission && whole.isOutcomeUnknown && whole.status == error.status)
        #expect(
          whole.description
            == "some of the messages are copied, and the rest is not done: STORE refused by the server: NO [NOPERM] you may not delete"
        )
      }
      #expect(
        server.commands.suffix(3) == [
          "UID SEARCH UID 3:4,9", #"UID COPY 3:4 "Archive""#, #"UID STORE 3:4 +FLAGS.SILENT (\Deleted)"#,
        ])
    }
  }

  @Test func copiesAreMadeWhereTheRestIsCancelled() async throws {
    try await withScript("UIDPLUS", Self.answers + [("UID STORE", ["HOLD"])]) { client, server in
      try await client.select(.inbox)
      let moving = Task { try await client.move(.uids([3, 4]), to: "Archive") }
      await server.received(1) { $0.hasPrefix("UID STORE") }
      moving.cancel()
      await #expect {
        try await moving.value
      } throws: { error in
        guard case .copiedOnly(let copies, .cancelled("STORE", outcomeUnknown: true))? = error as? IMAPError else {
          return false
        }
        return copies?.destination == [11, 12]
      }
      server.release()
      // The connection goes on.
      try await client.noop()
    }
  }

  /// A copy that is refused leaves nothing.
  @Test func aRefusedCopyIsARefusal() async throws {
    let answers = [("UID SEARCH", ["* SEARCH 3"]), ("SELECT", ["* 9 EXISTS"]), ("UID COPY", ["NO [OVERQUOTA] full"])]
    try await withScript("UIDPLUS", answers) { client, server in
      try await client.select(.inbox)
      await #expect {
        try await client.move(.uids([3]), to: "Archive")
      } throws: { error in
        guard case .refused("COPY", _)? = error as? IMAPError else { return false }
        return true
      }
      #expect(server.commands.allSatisfy { !$0.hasPrefix("UID STORE") })
    }
  }
}
