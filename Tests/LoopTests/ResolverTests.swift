import IMAPStateMachine
import Testing

@testable import IMAPLoop

@Suite struct NameCacheTests {
  private let found: NameCache.Outcome = .success([SocketAddress(numeric: "192.0.2.1", port: 0)].compactMap { $0 })
  private let failure: NameCache.Outcome = .failure(.transport(.init(.resolve, message: "no such name")))

  @Test func keepsForAWhile() {
    var cache = NameCache()
    cache.keep("a.example", found, milliseconds(0))
    cache.keep("b.example", failure, milliseconds(0))
    #expect(cache.find("A.Example", milliseconds(59_999)) == found)
    #expect(cache.find("b.example", milliseconds(4999)) == failure)
    #expect(cache.find("b.example", milliseconds(5000)) == nil)
    #expect(cache.find("a.example", milliseconds(60_000)) == nil)
    #expect(cache.count == 0)
  }

  @Test func isBounded() {
    var cache = NameCache()
    cache.limits.names = 3
    for index in 0..<10 { cache.keep("\(index).example", found, milliseconds(Int64(index))) }
    #expect(cache.count == 3)
    #expect(cache.find("9.example", milliseconds(10)) == found)
    #expect(cache.find("6.example", milliseconds(10)) == nil)
    // Those that are over go first.
    cache.keep("late.example", found, milliseconds(60_008))
    #expect(cache.count == 2)
    cache.forget("LATE.example")
    #expect(cache.find("late.example", milliseconds(60_008)) == nil)
    cache.clear()
    #expect(cache.count == 0)
  }

  @Test func whatSaysNothingOfTheNameIsNotKept() {
    var cache = NameCache()
    cache.keep("a.example", .failure(.closedLocally), milliseconds(0))
    cache.keep("a.example", .failure(.transport(.init(.resolve, code: -24, message: "EMFILE"))), milliseconds(0))
    #expect(cache.count == 0)
    cache.limits.lifetime = .zero
    cache.keep("a.example", found, milliseconds(0))
    #expect(cache.count == 0)
  }
}

@Suite(.timeLimit(.minutes(1))) struct ResolverTests {
  /// Answers that the test gives.
  private final class Answers {
    var asked: [String] = []
    var pending: [(NameCache.Outcome) -> Void] = []
  }

  private static let address = SocketAddress(numeric: "192.0.2.1", port: 0)

  @Test func theSameNameIsAskedForOnce() async throws {
    try await withLoop { loop in
      let lines = await loop.run { () -> [String] in
        let answers = Answers()
        var lines: [String] = []
        loop.resolver.substitute = { host, completion in
          answers.asked.append(host)
          answers.pending.append(completion)
        }
        func ask(_ host: String, _ port: UInt16) -> Resolver.Query {
          loop.resolver.resolve(host: host, port: port) { outcome in
            lines.append("\(host) \(outcome.map { "\($0)" })")
          }
        }
        _ = ask("mail.example", 143)
        _ = ask("MAIL.example", 993)
        ask("mail.example", 1).cancel()
        _ = ask("other.example", 143)
        _ = ask("third.example", 143)
        lines.append("asked \(answers.asked)")
        answers.pending[0](.success([Self.address].compactMap { $0 }))
        lines.append("asked \(answers.asked)")
        answers.pending[1](.failure(.timedOut(.resolve)))
        answers.pending[2](.success([Self.address].compactMap { $0 }))
        loop.resolver.substitute = nil
        return lines
      }
      #expect(
        lines == [
          #"asked ["mail.example", "other.example"]"#,
          #"mail.example success("[192.0.2.1:143]")"#, #"MAIL.example success("[192.0.2.1:993]")"#,
          #"asked ["mail.example", "other.example", "third.example"]"#,
          #"other.example failure(timed out: resolve)"#, #"third.example success("[192.0.2.1:143]")"#,
        ])
    }
  }

  @Test func whatIsKnownIsNotAskedForUntilItIsForgotten() async throws {
    try await withLoop { loop in
      let done = Promise<String>()
      loop.submit {
        var asked = 0
        loop.resolver.substitute = { _, completion in
          asked += 1
          loop.schedule(after: .zero) { completion(.success([Self.address].compactMap { $0 })) }
        }
        func ask(_ then: @escaping () -> Void) {
          var isInside = true
          _ = loop.resolver.resolve(host: "mail.example", port: 143) { _ in
            #expect(!isInside)
            then()
          }
          isInside = false
        }
        ask {
          ask {
            let before = asked
            loop.clearNameCache()
            ask {
              loop.nameCacheLimits.lifetime = .zero
              ask { done.fulfil("\(before) \(asked)") }
            }
          }
        }
      }
      #expect(await done.value == "1 3")
      await loop.run { loop.resolver.substitute = nil }
    }
  }

  /// A cancelled look-up does not keep a later one for the same name from being answered.
  @Test func cancelledAndAskedAnew() async throws {
    try await withLoop { loop in
      let done = Promise<Bool>()
      loop.submit {
        let first = loop.resolver.resolve(host: "localhost", port: 1) { _ in Issue.record("was cancelled") }
        first.cancel()
        first.cancel()
        _ = loop.resolver.resolve(host: "localhost", port: 1) { done.fulfil($0.error == nil) }
      }
      #expect(await done.value)
    }
  }

  @Test func aNameWhoseAddressesAreDeadIsAskedForAnew() async throws {
    try await withLoop { loop in
      let done = Promise<Int>()
      loop.submit {
        var asked = 0
        loop.resolver.substitute = { _, completion in
          asked += 1
          // Nothing can be connected to there.
          let nowhere = SocketAddress(numeric: "127.0.0.1", port: 0)
          loop.schedule(after: .zero) { completion(.success([nowhere].compactMap { $0 })) }
        }
        let deadline = loop.now.advanced(by: .seconds(10))
        func connect(_ then: @escaping (ConnectionError?) -> Void) {
          _ = Connector(loop: loop, host: "mail.example", port: 0, deadline: deadline) { then($0.error) }
        }
        connect { error in
          #expect(error?.transportMessage.contains("127.0.0.1:0") == true, "\(String(describing: error))")
          connect { _ in done.fulfil(asked) }
        }
      }
      #expect(await done.value == 2)
      await loop.run { loop.resolver.substitute = nil }
    }
  }
}
