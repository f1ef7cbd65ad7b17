import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// What waits for whoever takes it is bounded by number and by bytes.
@Suite(.timeLimit(.minutes(1))) struct EventQueueTests {
  private func rest(_ queue: EventQueue<Int>) async throws -> [Int] {
    queue.finish()
    var all: [Int] = []
    while let event = try await queue.next() { all.append(event) }
    return all
  }

  @Test func theOldestGo() async throws {
    let byNumber = EventQueue<Int>(dropping: .oldest, count: 3, bytes: 100)
    for event in 1...5 { #expect(byNumber.add(event, bytes: 10)) }
    #expect(try await rest(byNumber) == [3, 4, 5])
    let byBytes = EventQueue<Int>(dropping: .oldest, count: 10, bytes: 100)
    for (event, bytes) in [(1, 60), (2, 30), (3, 10), (4, 1)] { byBytes.add(event, bytes: bytes) }
    #expect(try await rest(byBytes) == [2, 3, 4])
    // What was taken does not count any more.
    let taken = EventQueue<Int>(dropping: .oldest, count: 10, bytes: 100)
    for event in 1...100 {
      taken.add(event, bytes: 100)
      #expect(try await taken.next() == event)
    }
    // One is kept, however large it is.
    let large = EventQueue<Int>(dropping: .oldest, count: 10, bytes: 100)
    for event in 1...3 { large.add(event, bytes: 1000) }
    #expect(try await rest(large) == [3])
  }

  @Test func theNewestGo() async throws {
    let queue = EventQueue<Int>(dropping: .newest, count: 3, bytes: 100)
    #expect((1...5).map { queue.add($0, bytes: 10) } == [true, true, true, false, false])
    #expect(try await queue.next() == 1)
    #expect(!queue.add(6, bytes: 81))
    #expect(queue.add(7, bytes: 80))
    #expect(try await rest(queue) == [2, 3, 7])
    // Nobody is left to miss it.
    #expect(queue.add(8, bytes: 1))
    #expect(try await queue.next() == nil)
  }

  @Test func endsAsItWasEnded() async throws {
    let queue = EventQueue<Int>(dropping: .oldest, count: 3, bytes: 100)
    queue.add(1, bytes: 1)
    queue.finish(throwing: .connection(.closedLocally))
    queue.finish()
    #expect(try await queue.next() == 1)
    await #expect(throws: IMAPError.connection(.closedLocally)) { try await queue.next() }
    #expect(try await queue.next() == nil)
  }

  @Test func whoWaitsIsServed() async throws {
    let queue = EventQueue<Int>(dropping: .oldest, count: 3, bytes: 100)
    let first = Task { try await queue.next() }
    queue.add(1, bytes: 1)
    #expect(try await first.value == 1)
    let failing = Task { try await queue.next() }
    queue.finish(throwing: .connection(.closedLocally))
    await #expect(throws: IMAPError.connection(.closedLocally)) { try await failing.value }
    let other = EventQueue<Int>(dropping: .oldest, count: 3, bytes: 100)
    let cancelled = Task { try await other.next() }
    cancelled.cancel()
    #expect(try await cancelled.value == nil)
    #expect(try await other.next() == nil)
  }
}
