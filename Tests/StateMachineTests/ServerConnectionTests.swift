import Testing

@testable import IMAPStateMachine

@Suite struct ServerConnectionTests {
  @Test func aSessionFromGreetingToLogout() {
    let bench = ServerTestBench()
    bench.feed(
      "a1 LOGIN fred \"pass word\"\r\na2 select INBOX\r\na3 UID FETCH 1:* (FLAGS)\r\na4 CLOSE\r\na5 LOGOUT\r\n")
    #expect(
      bench.log == [
        "a1 LOGIN: login(user: \"fred\", password: <redacted>)",
        "a2 select: select(INBOX)",
        "a3 UID FETCH: fetch(IMAPStateMachine.MessageReference.uids(1:*), [IMAPStateMachine.FetchItem.flags], "
          + "changedSince: nil)",
        "a4 CLOSE: close",
        "a5 LOGOUT: logout",
        "closed logout",
      ])
    #expect(
      bench.sentText == "* OK ready\r\na1 OK done\r\na2 OK done\r\na3 OK done\r\na4 OK done\r\n* BYE Logging out\r\n"
        + "a5 OK done\r\n")
    #expect(bench.machine.phase == .closed)
  }
}
