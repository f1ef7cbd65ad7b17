import CUV
import Foundation
import IMAPStateMachine
import IMAPTestServer
import Testing

@testable import IMAPLoop

/// A resolver whose answers the test gives. Used on its loop's thread.
final class ScriptedResolver: @unchecked Sendable {
  private(set) var asked: [String] = []
  private var pending: [(host: String, completion: (NameCache.Outcome) -> Void)] = []
  private let loop: EventLoop

  private init(_ loop: EventLoop) { self.loop = loop }

  /// Stands in for the system's resolver of `loop` while `body` runs.
  static func with(_ loop: EventLoop, _ body: (ScriptedResolver) async throws -> Void) async throws {
    let resolver = ScriptedResolver(loop)
    await loop.run {
      loop.resolver.substitute = { host, completion in
        resolver.asked.append(host)
        resolver.pending.append((host, completion))
      }
    }
    let result: Result<Void, any Error>
    do { result = .success(try await body(resolver)) } catch { result = .failure(error) }
    await loop.run {
      // What is left holds the resolver.
      resolver.pending = []
      loop.resolver.substitute = nil
    }
    try result.get()
  }

  /// Answers the oldest question for `host`.
  func answer(_ host: String, _ outcome: NameCache.Outcome) {
    guard let index = pending.firstIndex(where: { $0.host == host }) else {
      Issue.record("\(host) was not asked for")
      return
    }
    pending.remove(at: index).completion(outcome)
  }

  /// How many questions have no answer.
  var unanswered: Int { pending.count }

  /// How the system says that there is no such name.
  static let unknown = NameCache.Outcome.failure(LoopError(UV_EAI_NONAME.rawValue, "resolve").connectionError(.resolve))
  static let loopback = NameCache.Outcome.success([SocketAddress(numeric: "127.0.0.1", port: 0)].compactMap { $0 })
}

/// Names that are answered late, wrongly or never. The clock is the test's: nobody waits.
@Suite(.timeLimit(.minutes(1))) struct ResolutionTests {
  /// Begins to connect; what comes of it is nil for a connection.
  private func connect(
    _ loop: EventLoop, _ host: String, port: UInt16 = 9, within time: Duration = .seconds(30)
  ) async -> Promise<ConnectionError?> {
    let done = Promise<ConnectionError?>()
    await loop.run {
      _ = Connector(loop: loop, host: host, port: port, deadline: loop.now.advanced(by: time)) { result in
        if case .success(let stream) = result { stream.close() }
        done.fulfil(result.error)
      }
    }
    return done
  }

  private func withBench(_ body: (EventLoop, ScriptedResolver, TestBench) async throws -> Void) async throws {
    try await withLoop { loop in
      let bench = try await TestBench(loop)
      try await ScriptedResolver.with(loop) { try await body(loop, $0, bench) }
      await bench.server.shutdown()
    }
  }

  @Test func noAnswerIsATimeOutOfTheLookUp() async throws {
    try await withBench { loop, resolver, bench in
      let done = await connect(loop, "mail.example")
      await loop.run { loop.skip(.seconds(30)) }
      #expect(await done.value == .timedOut(.resolve))
    }
  }

  @Test func anAnswerInTimeConnects() async throws {
    try await withBench { loop, resolver, bench in
      let done = await connect(loop, "mail.example", port: bench.port)
      await loop.run {
        loop.skip(.seconds(29))
        resolver.answer("mail.example", ScriptedResolver.loopback)
      }
      #expect(await done.value == nil)
    }
  }

  @Test func anAnswerBehindTheTimeOutIsForTheNext() async throws {
    try await withBench { loop, resolver, bench in
      let late = await connect(loop, "mail.example", port: bench.port)
      await loop.run { loop.skip(.seconds(30)) }
      #expect(await late.value == .timedOut(.resolve))
      await loop.run { resolver.answer("mail.example", ScriptedResolver.loopback) }
      #expect(await connect(loop, "MAIL.example", port: bench.port).value == nil)
      #expect(await loop.run { resolver.asked } == ["mail.example"])
    }
  }

  /// The system goes on with what nobody waits for any more. Whoever wants the same name joins.
  @Test func aLookUpThatHangsIsJoined() async throws {
    try await withBench { loop, resolver, bench in
      for _ in 0..<3 {
        let late = await connect(loop, "mail.example", port: bench.port)
        await loop.run { loop.skip(.seconds(30)) }
        #expect(await late.value == .timedOut(.resolve))
      }
      let last = await connect(loop, "mail.example", port: bench.port)
      await loop.run {
        #expect(resolver.asked == ["mail.example"])
        resolver.answer("mail.example", ScriptedResolver.loopback)
      }
      #expect(await last.value == nil)
    }
  }

  @Test func lookUpsThatHangHoldUpNoOtherName() async throws {
    try await withBench { loop, resolver, bench in
      let first = await connect(loop, "one.example")
      let second = await connect(loop, "two.example")
      let third = await connect(loop, "three.example", port: bench.port, within: .seconds(60))
      #expect(await loop.run { resolver.asked } == ["one.example", "two.example"])
      await loop.run { loop.skip(.seconds(30)) }
      #expect(await first.value == .timedOut(.resolve))
      #expect(await second.value == .timedOut(.resolve))
      await loop.run {
        #expect(resolver.asked == ["one.example", "two.example", "three.example"])
        resolver.answer("three.example", ScriptedResolver.loopback)
      }
      #expect(await third.value == nil)
    }
  }

  /// Those that hang are bounded: behind eight the next name waits until one of them is answered.
  @Test func onlySoManyHangAtOnce() async throws {
    try await withBench { loop, resolver, bench in
      for index in 0..<12 {
        let done = await connect(loop, "\(index).example")
        await loop.run { loop.skip(.seconds(30)) }
        #expect(await done.value == .timedOut(.resolve))
      }
      #expect(await loop.run { resolver.asked } == (0..<8).map { "\($0).example" })
      let next = await connect(loop, "next.example", port: bench.port)
      await loop.run {
        #expect(resolver.unanswered == Resolver.mostRunning)
        resolver.answer("5.example", ScriptedResolver.unknown)
        #expect(resolver.asked.last == "next.example")
        resolver.answer("next.example", ScriptedResolver.loopback)
      }
      #expect(await next.value == nil)
    }
  }

  @Test(arguments: [UV_EAI_NONAME, UV_EAI_AGAIN, UV_EAI_FAIL])
  func whatTheSystemSaysComesThrough(code: uv_errno_t) async throws {
    try await withBench { loop, resolver, bench in
      let done = await connect(loop, "host.invalid")
      await loop.run {
        resolver.answer("host.invalid", .failure(LoopError(code.rawValue, "resolve").connectionError(.resolve)))
      }
      guard case .transport(let failure)? = await done.value else {
        Issue.record("\(code) was no failure")
        return
      }
      #expect(failure.operation == .resolve)
      #expect(failure.code == Int(code.rawValue))
    }
  }

  /// What is no name the system is not asked for.
  @Test(arguments: [("", UV_EINVAL), ("a\u{0}b", UV_EINVAL)])
  func noNameAtAll(host: String, code: uv_errno_t) async throws {
    try await withLoop { loop in
      guard case .transport(let failure)? = await connect(loop, host).value else {
        Issue.record("\(host) was no failure")
        return
      }
      #expect(failure.operation == .resolve)
      #expect(failure.code == Int(code.rawValue))
    }
  }

  @Test func clientsAreToldWhy() async throws {
    try await withBench { loop, resolver, bench in
      let client = Task {
        try await IMAPClient.connect(.init(host: "mail.example", port: bench.port, security: .plain), on: loop)
      }
      await until(loop) { resolver.unanswered == 1 }
      await loop.run { resolver.answer("mail.example", ScriptedResolver.unknown) }
      await #expect {
        try await client.value
      } throws: { error in
        guard case .connection(.transport(let failure))? = error as? IMAPError else { return false }
        return failure.operation == .resolve && failure.code == Int(UV_EAI_NONAME.rawValue)
          && failure.message.contains("EAI_NONAME")
      }
    }
  }

  /// A session tries again and again; the name is asked for only when its failure is not known any more.
  @Test func aSessionComesBackWithTheName() async throws {
    try await withLoop { other in
      let server = try await IMAPTestServer.start(on: other)
      try await withLoop { loop in
        try await ScriptedResolver.with(loop) { resolver in
          var client = IMAPClient.Configuration(host: "mail.example", port: server.plainPort, security: .plain)
          client.signIn.allowsPlaintext = true
          var configuration = IMAPSession.Configuration(client: client) {
            .password(user: "user", password: Secret("password"))
          }
          configuration.backoff = Backoff(initial: .milliseconds(2), maximum: .milliseconds(4))
          let session = IMAPSession(configuration, on: loop)
          let events = await session.start()
          await until(loop) { resolver.unanswered == 1 }
          await loop.run { resolver.answer("mail.example", ScriptedResolver.unknown) }
          var failures = 0
          var isConnected = false
          for await event in events {
            switch event {
            case .disconnected(let error, _):
              guard case .connection(.transport(let failure)) = error else {
                Issue.record("\(error)")
                continue
              }
              #expect(failure.operation == .resolve)
              #expect(failure.code == Int(UV_EAI_NONAME.rawValue))
              failures += 1
              if failures != 5 { continue }
              // Nobody was asked five times.
              #expect(await loop.run { resolver.asked.count } == 1)
              await loop.run { loop.skip(.seconds(5)) }
              await until(loop) { resolver.unanswered == 1 }
              await loop.run { resolver.answer("mail.example", ScriptedResolver.loopback) }
            case .connected: isConnected = true
            default: break
            }
            if isConnected { break }
          }
          #expect(isConnected)
          #expect(failures >= 5)
          #expect(await loop.run { resolver.asked.count } == 2)
          await session.stop()
        }
      }
      await server.shutdown()
    }
  }

  /// Loops know nothing of each other's names.
  @Test func twoLoopsAskEachForThemselves() async throws {
    try await withBench { loop, resolver, bench in
      try await withLoop { second in
        try await ScriptedResolver.with(second) { others in
          let hanging = [await connect(loop, "one.example"), await connect(loop, "two.example")]
          let done = await connect(second, "one.example", port: bench.port)
          await second.run { others.answer("one.example", ScriptedResolver.loopback) }
          #expect(await done.value == nil)
          await loop.run {
            #expect(resolver.unanswered == 2)
            resolver.answer("two.example", ScriptedResolver.unknown)
            loop.skip(.seconds(30))
          }
          #expect(await hanging[0].value == .timedOut(.resolve))
          #expect(await hanging[1].value?.transportOperation == .resolve)
          #expect(await second.run { others.asked } == ["one.example"])
        }
      }
    }
  }

  /// The system's resolver, by both loops at once, for names that need no server.
  @Test func twoLoopsShareTheSystemsThreads() async throws {
    try await withLoop { one in
      try await withLoop { other in
        var answers: [Promise<Bool>] = []
        for index in 1...20 {
          for loop in [one, other] {
            let done = Promise<Bool>()
            answers.append(done)
            loop.submit {
              _ = loop.resolver.resolve(host: "127.0.0.\(index)", port: 1) {
                done.fulfil((try? $0.get().map(\.host)) == ["127.0.0.\(index)"])
              }
            }
          }
        }
        for answer in answers { #expect(await answer.value) }
      }
    }
  }
}
