import IMAPStateMachine
import IMAPTestServer
import Testing

@testable import IMAPLoop

/// Pools that share how many connections there may be to a host.
@Suite(.serialized, .timeLimit(.minutes(2))) struct PoolLimitTests {
  private static let host = "127.0.0.1"

  /// Opens once, for all that wait.
  private actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func open() {
      isOpen = true
      for continuation in waiting { continuation.resume() }
      waiting = []
    }

    func pass() async {
      if isOpen { return }
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  /// Holds a connection until it is told to give it back.
  private struct Holder {
    let gate: Gate
    let task: Task<ObjectIdentifier, any Error>

    /// Returns when it has the connection.
    init(_ pool: IMAPPool) async {
      let (gate, hasIt) = (Gate(), Gate())
      self.gate = gate
      task = Task {
        try await pool.withClient { client in
          await hasIt.open()
          await gate.pass()
          return ObjectIdentifier(client)
        }
      }
      await hasIt.pass()
    }

    @discardableResult
    func giveBack() async throws -> ObjectIdentifier {
      await gate.open()
      return try await task.value
    }
  }

  /// Calls on the loop's thread: whoever calls again goes on before those that were woken meanwhile.
  private actor Caller {
    private let pool: IMAPPool
    private let loop: EventLoop
    private(set) var begun: Set<Int> = []
    /// Who had a connection.
    private(set) var order: [Int] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    init(_ pool: IMAPPool, _ loop: EventLoop) { (self.pool, self.loop) = (pool, loop) }

    func call(
      _ number: Int, times: Int = 1, _ body: @escaping @Sendable (_ turn: Int, IMAPClient) async throws -> Void
    ) async throws {
      begun.insert(number)
      for turn in 0..<times {
        try await pool.withClient { client in
          await self.note(number)
          try await body(turn, client)
        }
      }
    }

    private func note(_ number: Int) { order.append(number) }
  }

  private static func configuration(
    _ server: IMAPTestServer, _ limit: ConnectionLimit, maximum: Int = 4
  ) -> IMAPPool.Configuration {
    var client = IMAPClient.Configuration(host: Self.host, port: server.plainPort, security: .plain)
    client.signIn.allowsPlaintext = true
    var configuration = IMAPPool.Configuration(client: client) {
      .password(user: "user", password: Secret("password"))
    }
    configuration.maximum = maximum
    configuration.limit = limit
    return configuration
  }

  private func withPools(
    _ count: Int = 2, maximum: Int = 4, most: Int,
    _ body: (IMAPTestServer, ConnectionLimit, [IMAPPool]) async throws -> Void
  ) async throws {
    let server = try await IMAPTestServer.start()
    let limit = ConnectionLimit(perHost: most)
    let configuration = Self.configuration(server, limit, maximum: maximum)
    let pools = (0..<count).map { _ in IMAPPool(configuration, on: server.loop) }
    try await body(server, limit, pools)
    for pool in pools { await pool.close() }
    for pool in pools { #expect(await pool.connectionCount == 0) }
    // All that there may be are there again.
    for _ in 0..<most { #expect(await limit.tryTake(Self.host)) }
    #expect(await !limit.tryTake(Self.host))
    await server.shutdown()
  }

  /// A pool whose only connection is in use gets what another one keeps and does not use.
  @Test func aSpareOfAnotherPoolIsTaken() async throws {
    try await withPools(most: 2) { server, _, pools in
      try await pools[1].withClient { try await $0.noop() }
      let holder = await Holder(pools[0])
      try await pools[0].withClient(timeout: .seconds(20)) { try await $0.noop() }
      // The server may hear of the end of one a little later.
      while await server.connectionCount > 2 { await Task.yield() }
      try await holder.giveBack()
    }
  }

  /// The body of a call may call again where there is room.
  @Test func callsInsideOfCalls() async throws {
    try await withPools(most: 3) { server, _, pools in
      try await pools[1].withClient { _ in try await pools[1].withClient { try await $0.noop() } }
      #expect(await server.connectionCount == 2)
      try await pools[0].withClient { _ in
        try await pools[0].withClient(timeout: .seconds(20)) { _ in
          try await pools[0].withClient(timeout: .seconds(20)) { try await $0.noop() }
        }
      }
    }
  }

  /// Who waits gets what another pool gives back, whatever that would keep.
  @Test(arguments: [true, false]) func whatAnotherPoolGivesBack(_ hasOne: Bool) async throws {
    try await withPools(most: 2) { _, limit, pools in
      let other = await Holder(pools[1])
      let holder = await Holder(hasOne ? pools[0] : pools[1])
      let waiting = Task { try await pools[0].withClient(timeout: .seconds(60)) { try await $0.noop() } }
      while await !limit.isWanted(Self.host) { await Task.yield() }
      try await other.giveBack()
      try await waiting.value
      try await holder.giveBack()
    }
  }

  /// And what comes back to its own, which is first here.
  @Test func whatComesBackToThePool() async throws {
    try await withPools(most: 2) { server, limit, pools in
      let other = await Holder(pools[1])
      let holder = await Holder(pools[0])
      let waiting = Task { try await pools[0].withClient(timeout: .seconds(60)) { ObjectIdentifier($0) } }
      while await !limit.isWanted(Self.host) { await Task.yield() }
      #expect(try await holder.giveBack() == waiting.value)
      #expect(await !limit.isWanted(Self.host))
      try await other.giveBack()
    }
  }

  /// Nobody is overtaken by one that gives a connection back and calls again at once, whether that is kept or not.
  @Test(arguments: [1, 4], [true, false]) func theOrderOfTheCallsIsKept(_ maximum: Int, _ isKept: Bool) async throws {
    try await withPools(1, maximum: maximum, most: 1) { server, limit, pools in
      let caller = Caller(pools[0], server.loop)
      let (gate, hasIt) = (Gate(), Gate())
      let greedy = Task {
        try await caller.call(0, times: 3) { turn, client in
          if turn == 0 {
            await hasIt.open()
            await gate.pass()
          }
          if !isKept { await client.close() }
        }
      }
      await hasIt.pass()
      // Those that wait for room at the host come there by and by: of one of them it is known.
      let numbers = maximum == 1 ? 1...3 : 1...1
      var others: [Task<Void, any Error>] = []
      for number in numbers {
        others.append(Task { try await caller.call(number) { _, client in if !isKept { await client.close() } } })
        while await !caller.begun.contains(number) { await Task.yield() }
        if maximum > 1 { while await !limit.isWanted(Self.host) { await Task.yield() } }
      }
      await gate.open()
      try await greedy.value
      for task in others { try await task.value }
      #expect(await caller.order == [0] + numbers + [0, 0])
    }
  }

  /// A pool that nobody has closed, and nobody has any more.
  @Test func aPoolThatIsGoneHoldsNothing() async throws {
    try await withPools(1, most: 1) { server, limit, pools in
      for _ in 0..<3 {
        let gone = IMAPPool(Self.configuration(server, limit), on: server.loop)
        try await gone.withClient(timeout: .seconds(20)) { try await $0.noop() }
      }
      try await pools[0].withClient(timeout: .seconds(20)) { try await $0.noop() }
    }
  }

  /// Who has waited long enough, or is told not to, leaves no trace.
  @Test func whoGivesUpHoldsNothing() async throws {
    try await withPools(most: 2) { _, limit, pools in
      let other = await Holder(pools[1])
      let holder = await Holder(pools[0])
      await #expect(throws: IMAPError.connection(.timedOut(.turn))) {
        try await pools[0].withClient(timeout: .milliseconds(5)) { _ in }
      }
      let cancelled = Task { try await pools[0].withClient { _ in } }
      while await !limit.isWanted(Self.host) { await Task.yield() }
      cancelled.cancel()
      await #expect(throws: IMAPError.cancelled(command: "connect")) { try await cancelled.value }
      let closed = Task { try await pools[0].withClient { _ in } }
      while await !limit.isWanted(Self.host) { await Task.yield() }
      await pools[0].close()
      await #expect(throws: IMAPError.connection(.closedLocally)) { try await closed.value }
      #expect(await !limit.isWanted(Self.host))
      try await holder.giveBack()
      try await other.giveBack()
    }
  }

  /// Where one of those that wait gives up the others go on to wait, and do not wake each other again and again.
  @Test func whoGivesUpWakesNobodyInVain() async throws {
    try await withPools(most: 2) { server, limit, pools in
      // From then on it knows how many there may be.
      try await pools[0].withClient { try await $0.noop() }
      let holders = [await Holder(pools[1]), await Holder(pools[1])]
      let waiting = (0..<3).map { _ in Task { try await pools[0].withClient { try await $0.noop() } } }
      while await pools[0].connectionCount < 3 { await Task.yield() }
      let cancelled = Task { try await pools[0].withClient { _ in } }
      while await pools[0].connectionCount < 4 { await Task.yield() }
      for _ in 0..<100 { await server.loop.run {} }
      cancelled.cancel()
      await #expect(throws: IMAPError.cancelled(command: "connect")) { try await cancelled.value }
      for _ in 0..<1000 { await server.loop.run {} }
      #expect(await pools[0].wakeCount <= 4)
      for holder in holders { try await holder.giveBack() }
      for task in waiting { try await task.value }
    }
  }

  /// Everybody gets one, and none is lost on the way, whoever gives up meanwhile.
  @Test func manyCallersOfManyPools() async throws {
    try await withPools(3, most: 2) { server, _, pools in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<90 {
          let pool = pools[number % 3]
          group.addTask {
            if number % 5 == 4 {
              let task = Task { try await pool.withClient { try await $0.noop() } }
              for _ in 0..<(number % 7) { await Task.yield() }
              task.cancel()
              _ = await task.result
            } else if number % 5 == 3 {
              _ = try? await pool.withClient(timeout: .milliseconds(number % 4)) { try await $0.noop() }
            } else {
              try await pool.withClient { client in
                try await client.noop()
                // The server may hear of the end of one a little later.
                while await server.connectionCount > 2 { await Task.yield() }
              }
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
