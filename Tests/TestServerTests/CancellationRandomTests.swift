import IMAPLoop
import IMAPStateMachine
import Testing

@testable import IMAPTestServer

/// Commands of many tasks, some of which are cancelled at random moments. Afterwards the connection knows what a new one does.
@Suite(.timeLimit(.minutes(5))) struct CancellationRandomTests {
  @Test(arguments: 0..<6) func theConnectionStaysInStep(_ round: Int) async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    var without: Set<Capability> = []
    if round % 2 == 1 { without = [.literalPlus, Capability("LITERAL-"), .imap4rev2, .move] }
    try await withTestServer(.init(without: without)) { server in
      for number in 1...20 { try await server.append(user: "user", message: .numbered(number)) }
      try await server.create(user: "user", mailbox: "Other")
      var configuration = IMAPClient.Configuration(host: "127.0.0.1", port: server.plainPort, security: .plain)
      configuration.signIn.allowsPlaintext = true
      configuration.connection.maximumInFlight = [1, 3, 20][random.next(below: 3)]
      let client = try await IMAPClient.connect(configuration, on: server.loop)
      try await client.signIn(user: "user", password: Secret("password"))
      try await client.select(.inbox)
      for _ in 0..<20 {
        let tasks = (0..<8).map { _ in
          let step = Step(&random)
          return (Task { try await step.run(client) }, random.next(below: 6), step)
        }
        for (task, turns, step) in tasks {
          // Not the time but the number of turns of the loop is random.
          for _ in 0..<turns { _ = await client.phase }
          // Nobody else would end the last IDLE.
          if turns < 4 || step.isIdle { task.cancel() }
        }
        for (task, _, _) in tasks { _ = await task.result }
      }
      try await client.noop()
      #expect(await client.phase != .closed, "seed \(seed)")
      let known = try await client.fetch(.sequence(.all), [.uid, .flags, .rfc822Size])
      let selected = await client.selected
      let other = try await IMAPClient.connect(configuration, on: server.loop)
      try await other.signIn(user: "user", password: Secret("password"))
      let fresh = try await other.examine(.inbox)
      let all = fresh.exists == 0 ? [] : try await other.fetch(.sequence(.all), [.uid, .flags, .rfc822Size])
      #expect(selected?.exists == fresh.exists, "seed \(seed)")
      #expect(known.map(\.uid) == all.map(\.uid), "seed \(seed)")
      #expect(known.map(\.size) == all.map(\.size), "seed \(seed)")
      #expect(
        known.map { Set($0.flags ?? []).subtracting(["\\Recent"]) }
          == all.map { Set($0.flags ?? []).subtracting(["\\Recent"]) }, "seed \(seed)")
      await other.logout()
      await client.logout()
    }
  }

  private enum Step {
    case noop, idle, search, status
    case fetch(UIDSet, [FetchItem])
    case fetchByNumber(SequenceSet)
    case each(UIDSet, Int)
    case store(UIDSet, StoreOperation)
    case copy(UIDSet), move(UIDSet), expunge
    case append(Int)

    var isIdle: Bool { if case .idle = self { true } else { false } }

    init(_ random: inout SplitMix) {
      let first = UInt32(random.next(below: 30) + 1)
      let uids = UIDSet(UID(rawValue: first)...UID(rawValue: first + UInt32(random.next(below: 4))))
      let flag = [Flag.seen, .deleted, "key"][random.next(below: 3)]
      switch random.next(below: 14) {
      case 0: self = .noop
      case 1: self = .idle
      case 2: self = .search
      case 3: self = .status
      case 4: self = .fetch(uids, [.uid, .flags])
      case 5: self = .fetch(uids, [.uid, .section(.full)])
      case 6: self = .fetch(.all, [.uid, .envelope])
      case 7: self = .fetchByNumber(.all)
      case 8: self = .each(.all, random.next(below: 4))
      case 9: self = .store(uids, StoreOperation([.add, .remove][random.next(below: 2)], [flag]))
      case 10: self = .copy(uids)
      case 11: self = .move(uids)
      case 12: self = .expunge
      default: self = .append(random.next(below: 100_000))
      }
    }

    func run(_ client: IMAPClient) async throws {
      switch self {
      case .noop: try await client.noop()
      case .idle: try await client.idle()
      case .search: _ = try await client.search(.flag(.seen))
      case .status: _ = try await client.status("Other", [.messages])
      case .fetch(let uids, let items):
        for response in try await client.fetch(.uids(uids), items) {
          // Nobody gets what he has not asked for.
          if items.contains(.envelope) { #expect(response.envelope != nil) }
          if let uid = response.uid { #expect(uids.contains(uid, largest: UID(rawValue: .max))) }
        }
      case .fetchByNumber(let numbers): _ = try await client.fetch(.sequence(numbers), [.uid, .flags])
      case .each(let uids, let most):
        var count = 0
        for try await _ in client.messages(.uids(uids), [.uid, .section(.full)]) {
          count += 1
          if count > most { break }
        }
      case .store(let uids, let operation): try await client.store(.uids(uids), operation)
      case .copy(let uids): try await client.copy(.uids(uids), to: .inbox)
      case .move(let uids): try await client.move(.uids(uids), to: "Other")
      case .expunge: try await client.expunge()
      case .append(let size):
        try await client.append([UInt8](repeating: 0x61, count: size + 1), to: .inbox)
      }
    }
  }
}
