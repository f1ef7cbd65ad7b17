import IMAPLoop
import IMAPStateMachine
import Synchronization
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How long a call of a pool waits for its connection.
@Suite(.serialized, .timeLimit(.minutes(1))) struct PoolTimeoutTests {
  private static func configuration(_ port: UInt16) -> IMAPPool.Configuration {
    var client = IMAPClient.Configuration(host: "127.0.0.1", port: port, security: .plain)
    client.signIn.allowsPlaintext = true
    // Nobody waits for that.
    client.connection.commandTimeout = .seconds(3600)
    client.connection.greetingTimeout = .seconds(3600)
    client.connection.logoutTimeout = .seconds(3600)
    var configuration = IMAPPool.Configuration(client: client) {
      .password(user: "user", password: Secret("password"))
    }
    configuration.probeAfter = .zero
    return configuration
  }

  /// The first connection answers nothing but what it is asked for first.
  private static func deaf() throws -> ScriptedServer {
    try ScriptedServer(capabilities: "") { connection, command in
      switch command {
      case "LOGOUT": connection == 1 ? ["HOLD"] : ["* BYE"]
      case "NOOP": connection == 1 ? ["HOLD"] : []
      default: []
      }
    }
  }

  /// One whose peer is gone is found out in the time that the caller has, and closed without a word.
  @Test func aDeadSpareTakesNoLongerThanTheCallerWaits() async throws {
    let server = try Self.deaf()
    defer { server.stop() }
    let loop = try EventLoop.start()
    let pool = IMAPPool(Self.configuration(server.port), on: loop)
    try await pool.withClient { try await $0.create("x") }
    await #expect(throws: IMAPError.connection(.timedOut(.turn))) {
      try await pool.withClient(timeout: .milliseconds(20)) { _ in }
    }
    #expect(await pool.connectionCount == 0)
    #expect(server.commands == [#"CREATE "x""#, "NOOP"])
    // The next one has another connection.
    try await pool.withClient { try await $0.create("x") }
    #expect(server.connectionCount == 2)
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }

  private final class Order: Sendable {
    private let numbers = Mutex<[Int]>([])

    var all: [Int] { numbers.withLock { $0 } }

    func add(_ number: Int) { numbers.withLock { $0.append(number) } }
  }

  /// Whoever finds out that the spare one is gone opens another one in his turn, and is not overtaken by one that came later.
  @Test func whoFindsADeadSpareKeepsTheTurn() async throws {
    let server = try Self.deaf()
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = Self.configuration(server.port)
    configuration.maximum = 1
    configuration.probeTimeout = .milliseconds(100)
    let pool = IMAPPool(configuration, on: loop)
    try await pool.withClient { try await $0.create("x") }
    let order = Order()
    let first = Task.immediate { try await pool.withClient { _ in order.add(1) } }
    await server.received("NOOP")
    let second = Task.immediate { try await pool.withClient { _ in order.add(2) } }
    try await first.value
    try await second.value
    #expect(order.all == [1, 2])
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }

  /// A server that takes connections and says nothing.
  @Test func connectingTakesNoLongerThanTheCallerWaits() async throws {
    let (listener, port) = try FreePort.listener()
    defer { close(listener) }
    let loop = try EventLoop.start()
    let pool = IMAPPool(Self.configuration(port), on: loop)
    await #expect(throws: IMAPError.connection(.timedOut(.turn))) {
      try await pool.withClient(timeout: .milliseconds(20)) { _ in }
    }
    #expect(await pool.connectionCount == 0)
    await pool.close()
    #expect(await loop.shutdown().isClean)
  }

  /// The one login in an hour was made already.
  @Test func theWaitForALoginIsBounded() async throws {
    let server = try Self.deaf()
    defer { server.stop() }
    let loop = try EventLoop.start()
    var configuration = Self.configuration(server.port)
    configuration.loginLimit = LoginLimit(perHost: 1, in: .seconds(3600))
    configuration.limit = ConnectionLimit(perHost: 1)
    let pool = IMAPPool(configuration, on: loop)
    let other = IMAPPool(configuration, on: loop)
    try await pool.withClient { try await $0.create("x") }
    for _ in 0..<3 {
      await #expect(throws: IMAPError.connection(.timedOut(.turn))) {
        try await other.withClient(timeout: .milliseconds(5)) { _ in }
      }
    }
    #expect(await other.connectionCount == 0)
    #expect(server.connectionCount == 1)
    await pool.close()
    await other.close()
    #expect(await loop.shutdown().isClean)
  }
}
