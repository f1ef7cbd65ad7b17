import Foundation
import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

/// Cancelling at each place where a call can wait. The caller goes on at once, and the same connection answers the next command
/// as if nothing had been.
@Suite(.timeLimit(.minutes(5))) struct CancellationTests {
  /// Cancels `call` once `server` has got `start`, and returns what it threw.
  private func cancelled(
    behind start: String, _ server: ScriptedServer, _ call: @escaping @Sendable () async throws -> Void
  ) async -> IMAPError? {
    let task = Task { try await call() }
    await server.received(start)
    task.cancel()
    do { try await task.value } catch { return error as? IMAPError }
    return nil
  }

  // MARK: Commands

  @Test func whatTheServerHasGoesOnWithoutItsCaller() async throws {
    let answers = [("UID FETCH 1 ", ["HOLD"]), ("UID FETCH 2 ", ["* 2 FETCH (UID 2 FLAGS (\\Seen))"])]
    try await withScript("", answers) { client, server in
      try await client.select(.inbox)
      let error = await cancelled(behind: "UID FETCH 1", server) { _ = try await client.fetch(.uids([1]), [.flags]) }
      #expect(error == .cancelled(command: "FETCH", outcomeUnknown: true))
      // While the answer is still due, and behind it.
      #expect(try await client.flags(of: [2]) == [2: [.seen]])
      server.release(["* 1 FETCH (UID 1 FLAGS (\\Deleted))"])
      #expect(try await client.flags(of: [2]) == [2: [.seen]])
      try await client.noop()
    }
  }

  @Test func whatIsAnsweredLateIsNobodys() async throws {
    let answers = [("UID SEARCH SEEN", ["HOLD"]), ("UID SEARCH ANSWERED", ["* SEARCH 7"])]
    try await withScript("", answers) { client, server in
      try await client.select(.inbox)
      let error = await cancelled(behind: "UID SEARCH", server) { _ = try await client.search(.flag(.seen)) }
      #expect(error?.reason == .cancelled)
      async let found = client.search(.flag(.answered))
      server.release(["* SEARCH 1 2 3"])
      #expect(try await found == [7])
    }
  }

  @Test(arguments: ["STORE", "COPY", "MOVE"]) func whatMayHaveBeenDoneIsSaid(_ name: String) async throws {
    try await withScript("MOVE", [("UID \(name)", ["HOLD"])]) { client, server in
      try await client.select(.inbox)
      let error = await cancelled(behind: "UID \(name)", server) {
        switch name {
        case "STORE": try await client.store(.uids([1]), StoreOperation(.add, [.seen]))
        case "COPY": try await client.copy(.uids([1]), to: "Archive")
        default: try await client.move(.uids([1]), to: "Archive")
        }
      }
      #expect(error == .cancelled(command: name, outcomeUnknown: true))
      #expect(error?.isOutcomeUnknown == true)
      server.release()
      try await client.noop()
    }
  }

  @Test func whatWasNotSentIsTakenBack() async throws {
    let answers = [("CHECK", ["HOLD"]), ("STATUS", []), ("UID STORE", [])]
    try await withScript("", answers, inFlight: 1) { client, server in
      try await client.select(.inbox)
      async let first: Void = client.check()
      await server.received("CHECK")
      let waiting = Task { try await client.store(.uids([1]), StoreOperation(.add, [.deleted])) }
      let other = Task { try await client.status(.inbox, [.messages]) }
      // Until it waits behind the other.
      _ = await client.phase
      waiting.cancel()
      await #expect(throws: IMAPError.cancelled(command: "STORE")) { try await waiting.value }
      server.release()
      try await first
      _ = try await other.value
      #expect(server.commands.filter { $0.hasPrefix("UID STORE") } == [])
    }
  }

  @Test func waitingForATurn() async throws {
    let answers = [("UID FETCH 1:*", ["HOLD"]), ("UID FETCH 2 ", ["* 2 FETCH (UID 2 FLAGS ())"])]
    try await withScript("", answers) { client, server in
      try await client.select(.inbox)
      async let all = client.fetch(.uids(.all), [.flags])
      await server.received("UID FETCH 1:*")
      let waiting = Task { try await client.fetch(.uids([1]), [.envelope]) }
      _ = await client.phase
      waiting.cancel()
      await #expect(throws: IMAPError.cancelled(command: "FETCH")) { try await waiting.value }
      async let next = client.flags(of: [2])
      server.release(["* 1 FETCH (UID 1 FLAGS ())"])
      #expect(try await all.count == 1)
      #expect(try await next == [2: []])
      #expect(!server.commands.contains { $0.contains("ENVELOPE") })
    }
  }

  @Test func aCancelledTaskSendsNothing() async throws {
    try await withScript("", []) { client, server in
      let task = Task {
        unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        try await client.noop()
      }
      await #expect(throws: IMAPError.cancelled(command: "NOOP")) { try await task.value }
      #expect(server.commands == [])
    }
  }

  // MARK: Flows

  @Test func idleEndsByDone() async throws {
    let answers = [("IDLE", ["+ idling", "HOLD"]), ("CHECK", [])]
    try await withScript("IDLE", answers) { client, server in
      try await client.select(.inbox)
      let (accepted, isAccepted) = AsyncStream.makeStream(of: Void.self)
      let task = Task { try await client.idle { isAccepted.finish() } }
      for await _ in accepted {}
      task.cancel()
      try await task.value
      try await client.check()
      #expect(server.commands.suffix(3) == ["IDLE", "DONE", "CHECK"])
    }
  }

  @Test func authenticateEndsByAStar() async throws {
    let answers = [("AUTHENTICATE", ["+ ", "HOLD"]), ("LOGIN", ["OK [CAPABILITY IMAP4rev1] in"]), ("STATUS", [])]
    try await withScript("AUTH=SLOW", isLoggedIn: false, answers) { client, server in
      let (asked, isAsked) = AsyncStream.makeStream(of: Void.self)
      let gate = DispatchSemaphore(value: 0)
      let mechanism = SASLCustom("SLOW", revealsSecret: false) { _ in
        isAsked.finish()
        gate.wait()
        return Secret("late")
      }
      let task = Task { try await client.authenticate(mechanism) }
      for await _ in asked {}
      task.cancel()
      await #expect(throws: IMAPError.cancelled(command: "AUTHENTICATE", outcomeUnknown: true)) { try await task.value }
      await server.received("*")
      gate.signal()
      try await client.login(user: "user", password: Secret("password"))
      #expect(await client.phase == .authenticated)
      _ = try await client.status(.inbox, [.messages])
    }
  }

  @Test func aMessageThatIsHereIsSentToItsEnd() async throws {
    try await withScript("", [("APPEND", ["HOLD"]), ("CHECK", [])]) { client, server in
      try await client.select(.inbox)
      let error = await cancelled(behind: "APPEND", server) { _ = try await client.append([0x61, 0x62], to: .inbox) }
      #expect(error == .cancelled(command: "APPEND", outcomeUnknown: true))
      server.say("+ go")
      await server.received("ab")
      try await client.check()
    }
  }

  @Test func aMessageFromASourceEndsTheConnection() async throws {
    try await withScript("", [("APPEND", ["+ go", "HOLD"])]) { client, server in
      let (source, continuation) = AsyncStream<[UInt8]>.makeStream()
      continuation.yield([0x61])
      let error = await cancelled(behind: "APPEND", server) {
        _ = try await client.append(source, byteCount: 10, to: .inbox)
      }
      // It was not stored.
      #expect(error == .cancelled(command: "APPEND"))
      await client.waitUntilClosed()
      #expect(await client.phase == .closed)
      continuation.finish()
    }
  }

  @Test func logoutHangsUp() async throws {
    try await withScript("", []) { client, _ in
      let task = Task {
        unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        await client.logout()
      }
      await task.value
      await client.waitUntilClosed()
      #expect(await client.phase == .closed)
    }
  }

  /// What is cancelled in its scope says goodbye all the same.
  @Test func leavingTheScopeLogsOut() async throws {
    let server = try ScriptedServer(capabilities: "", [("STATUS", ["HOLD"])])
    defer { server.stop() }
    let configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.port, security: .plain)
    let task = Task { try await IMAPClient.withClient(configuration) { _ = try await $0.status(.inbox, [.messages]) } }
    await server.received("STATUS")
    task.cancel()
    server.release()
    await #expect(throws: IMAPError.self) {
      try await task.value
      throw IMAPError.cancelled(command: "STATUS")
    }
    #expect(server.commands.count == 2 && server.commands.last == "LOGOUT")
  }

  @Test func waitingForTheEnd() async throws {
    try await withScript("", []) { client, server in
      let task = Task { await client.waitUntilClosed() }
      _ = await client.phase
      task.cancel()
      await task.value
      try await client.noop()
      #expect(server.commands == ["NOOP"])
    }
  }

  /// The kernel takes the connection, and nobody says a word.
  @Test func connecting() async throws {
    let (descriptor, port) = try FreePort.listener()
    let loop = try EventLoop.start()
    let task = Task {
      try await IMAPClient.connect(.init(host: "127.0.0.1", port: port, security: .plain), on: loop)
    }
    await blocking { _ = accept(descriptor, nil, nil) }
    task.cancel()
    await #expect(throws: IMAPError.cancelled(command: "connect")) { try await task.value }
    close(descriptor)
    #expect(await loop.shutdown().isClean)
  }

  // MARK: Together

  /// FETCHes of different messages need not wait for one another: all are there before the first is answered, and each gets
  /// what is its own, in whatever order it comes.
  @Test func fetchesOfDifferentMessagesGoTogether() async throws {
    let count = 100
    try await withScript("", [("UID FETCH", ["HOLD"])], inFlight: count) { client, server in
      try await client.select(.inbox)
      let answers = try await withThrowingTaskGroup(of: (UInt32, [FetchResponse]).self) { group in
        for number in 1...UInt32(count) {
          group.addTask { (number, try await client.fetch(.uids([UID(rawValue: number)]), [.flags])) }
        }
        await server.received("UID FETCH", count: count)
        // A change that somebody else made is nobody's, and a flag of a message that was asked for is its owner's.
        let lines = (1...count).shuffled().map { "* \($0) FETCH (FLAGS (k\($0)) UID \($0))" }
        server.release(lines + ["* 101 FETCH (UID 101 FLAGS (\\Seen))", "* 102 FETCH (FLAGS (\\Seen))"])
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      for number in 1...UInt32(count) {
        #expect(answers[number]?.map(\.uid) == [UID(rawValue: number)])
        #expect(answers[number]?.first?.flags == [Flag("k\(number)")])
      }
    }
  }

  /// What is named twice, or by its position, goes alone.
  @Test func fetchesThatCouldBeTakenForOneAnotherDoNot() async throws {
    try await withScript("", [("UID FETCH", ["HOLD"]), ("FETCH", ["HOLD"]), ("CHECK", [])]) { client, server in
      try await client.select(.inbox)
      async let one = client.fetch(.uids([1, 2, 3]), [.flags])
      await server.received("UID FETCH 1:3")
      async let two = client.fetch(.uids([3, 4]), [.flags])
      async let three = client.fetch(.sequence([1]), [.flags])
      try await client.check()
      #expect(server.commands.filter { $0.contains("FETCH") }.count == 1)
      server.release(["* 3 FETCH (UID 3 FLAGS ())"])
      // The other two in either order, each when the one before is over.
      for turn in 1...2 {
        await server.received(turn + 1) { $0.contains("FETCH") }
        #expect(server.commands.count { $0.contains("FETCH") } == turn + 1)
        server.release(["* 4 FETCH (UID 4 FLAGS ())"])
      }
      _ = try await one
      _ = try await (two, three)
    }
  }
}
