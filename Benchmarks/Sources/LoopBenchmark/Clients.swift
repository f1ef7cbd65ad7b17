import IMAPLoop
import IMAPStateMachine

/// Many connections on one loop, as those have them who use ``IMAPClient``: each with a task that takes the events of its mailbox.
actor Clients {
  private let loop: EventLoop
  private let settings: FleetSettings
  private let tally: EventTally
  private var watching: [Task<Void, Never>] = []
  private var told: [UInt8] = []
  private var next = 0
  private var wanted = 0
  private var failures = 0
  private var reasons: [String] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  init(loop: EventLoop, settings: FleetSettings) {
    self.loop = loop
    self.settings = settings
    tally = EventTally(settings.stamp)
  }

  /// Opens so many more, and returns how many have failed so far, and why. They may not idle yet.
  func open(_ count: Int) async -> (failures: Int, reasons: [String]) {
    wanted += count
    watching.reserveCapacity(wanted)
    told += [UInt8](repeating: 0, count: count)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<settings.inFlight { group.addTask { await self.openSome() } }
    }
    return (failures, reasons)
  }

  func expect(_ count: Int, forEach: Bool) { tally.expect(count, forEach: forEach) }

  /// Returns when all events that are expected have come, or none has for so many seconds.
  func awaitEvents(_ seconds: Int) async -> EventTally.Result {
    // A continuation's body is not isolated to the actor otherwise.
    await wait(seconds)
    return tally.result
  }

  /// The numbers of those whom the last burst has not told.
  func missing() -> [Int] { told.indices.filter { told[$0] != tally.generation } }

  private func wait(_ seconds: Int) async {
    await withCheckedContinuation { tally.wait(seconds, on: loop, $0) }
  }

  private func openSome() async {
    while next < wanted {
      let number = next
      next += 1
      do {
        let client = try await settings.client(number, on: loop)
        watching.append(Task { await watch(client, number) })
      } catch {
        failed("\(error)")
      }
    }
  }

  private func watch(_ client: IMAPClient, _ number: Int) async {
    do {
      for try await event in client.watch() {
        if case .exists(let count) = event { tally.received(count, told: &told[number]) }
      }
      failed("the connection has ended")
    } catch {
      failed("\(error)")
    }
  }

  private func failed(_ reason: String) {
    failures += 1
    if reasons.count < 5 { reasons.append(reason) }
  }
}

extension FleetSettings {
  /// A client with a mailbox open.
  func client(_ number: Int, on loop: EventLoop) async throws -> IMAPClient {
    var configuration = IMAPClient.Configuration(host: host(of: number), port: port, security: .plain)
    if case .tls(let context) = security {
      configuration.security = .implicitTLS
      configuration.tls = context
    }
    configuration.connectTimeout = timeout
    configuration.socket = socket
    let client = try await IMAPClient.connect(configuration, on: loop)
    try await client.login(user: String(number), password: Secret("secret"))
    _ = try await client.select(.inbox)
    return client
  }
}

/// Request and answer by ``IMAPClient``: so many tasks of each wait for an answer. They ask for different messages: those who
/// ask for the same wait for one another.
actor ClientRequests {
  private let loop: EventLoop
  private(set) var completed = 0
  private(set) var failure: String?

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  init(loop: EventLoop) { self.loop = loop }

  func start(_ settings: FleetSettings, _ number: Int, depth: Int) async throws {
    let client = try await settings.client(number, on: loop)
    for uid in 1...UInt32(depth) { Task { await ask(client, UID(rawValue: uid)) } }
  }

  private func ask(_ client: IMAPClient, _ uid: UID) async {
    let message = MessageReference.uids(UIDSet(uid))
    do {
      while true {
        let answers = try await client.fetch(message, [.flags])
        guard answers.count == 1, answers.first?.uid == uid else { throw BenchmarkError("a wrong answer: \(answers)") }
        completed += 1
      }
    } catch {
      failure = "\(error)"
    }
  }
}
