import Foundation
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPLoop

@Suite(.timeLimit(.minutes(1))) struct EventLoopTests {
  @Test func startsAndStopsClean() async throws {
    let loop = try EventLoop.start()
    let report = await loop.shutdown()
    #expect(report.isClean, "\(report)")
    #expect(report.counters[.loop].freed == 3)
    #expect(await loop.shutdown() == report)
  }

  @Test func runsWorkOnItsOwnThread() async throws {
    try await withLoop { loop in
      #expect(!loop.inEventLoop)
      #expect(await loop.run { loop.inEventLoop })
    }
  }

  @Test func workOfManyThreadsArrivesOnceAndInOrder() async throws {
    try await withLoop { loop in
      let seen = Confined([[Int]](repeating: [], count: 8))
      await withTaskGroup(of: Void.self) { group in
        for thread in 0..<8 {
          group.addTask { for number in 0..<5000 { loop.submit { seen.value[thread].append(number) } } }
        }
      }
      let result = await loop.run { seen.value }
      for numbers in result { #expect(numbers == Array(0..<5000)) }
    }
  }

  @Test func workThatMakesWorkDoesNotStarveTimers() async throws {
    try await withLoop { loop in
      let done = Promise<Int>()
      let rounds = Confined(0)
      let stop = Confined(false)
      @Sendable func again() {
        rounds.value += 1
        if !stop.value { loop.submit(again) }
      }
      loop.submit {
        again()
        loop.schedule(after: .milliseconds(5)) {
          stop.value = true
          done.fulfil(rounds.value)
        }
      }
      #expect(await done.value > 0)
    }
  }

  actor Counter {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
    private(set) var count = 0
    private(set) var wasElsewhere = false
    init(_ loop: EventLoop) { self.loop = loop }
    func increment() {
      count += 1
      if !loop.inEventLoop { wasElsewhere = true }
    }
  }

  @Test func isTheExecutorOfActors() async throws {
    try await withLoop { loop in
      let counter = Counter(loop)
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<8 { group.addTask { for _ in 0..<500 { await counter.increment() } } }
      }
      #expect(await counter.count == 4000)
      #expect(await !counter.wasElsewhere)
      // `assumeIsolated` asks the executor.
      let seen = await loop.run { counter.assumeIsolated { $0.count } }
      #expect(seen == 4000)
    }
  }

  @Test func actorsOutliveTheirLoop() async throws {
    let loop = try EventLoop.start()
    let counter = Counter(loop)
    await counter.increment()
    await loop.shutdown()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { for _ in 0..<200 { await counter.increment() } } }
    }
    #expect(await counter.count == 1601)
    #expect(await !counter.wasElsewhere)
  }

  @Test func workDuringShutdownIsNotLost() async throws {
    for _ in 0..<50 {
      let loop = try EventLoop.start()
      let counter = Counter(loop)
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<4 { group.addTask { for _ in 0..<50 { await counter.increment() } } }
        group.addTask { await loop.shutdown() }
      }
      #expect(await counter.count == 200)
      #expect(await loop.shutdown().isClean)
    }
  }

  @Test func timersFireInOrderAndOnce() async throws {
    try await withLoop { loop in
      let done = Promise<[Int]>()
      let fired = Confined<[Int]>([])
      let start = await loop.run {
        let start = loop.now
        for delay in [60, 20, 40] { loop.schedule(after: .milliseconds(delay)) { fired.value.append(delay) } }
        loop.schedule(after: .milliseconds(10)) { fired.value.append(10) }.cancel()
        loop.schedule(after: .milliseconds(100)) { done.fulfil(fired.value) }
        return start
      }
      #expect(await done.value == [20, 40, 60])
      #expect(await loop.run { loop.now } >= start.advanced(by: .milliseconds(100)))
    }
  }

  @Test func timerCanScheduleAndCancelOthers() async throws {
    try await withLoop { loop in
      let done = Promise<Bool>()
      loop.submit {
        let victim = Confined<LoopTimer?>(nil)
        loop.schedule(after: .milliseconds(5)) {
          victim.value?.cancel()
          loop.schedule(after: .zero) { loop.schedule(after: .milliseconds(30)) { done.fulfil(true) } }
        }
        victim.value = loop.schedule(after: .milliseconds(20)) { done.fulfil(false) }
      }
      #expect(await done.value)
    }
  }

  @Test func pendingTimersDoNotHoldAShutdown() async throws {
    try await withLoop { loop in
      await loop.run { for hours in 1..<100 { loop.schedule(after: .seconds(3600 * hours)) { Issue.record("fired") } } }
    }
  }

  final class Ticker: LoopMember {
    var ticks = 0
    var again = 0
    /// Called by the tick that does not ask for another one.
    var onLast: (() -> Void)?
    override func tick() {
      ticks += 1
      if again > 0 {
        again -= 1
        loop.markDirty(self)
      } else {
        onLast?()
        onLast = nil
      }
    }
  }

  @Test func dirtyMembersTickOnceBeforeTheLoopWaits() async throws {
    try await withLoop { loop in
      let ticker = Confined<Ticker?>(nil)
      let ticked = Promise<Void>()
      loop.submit {
        let new = Ticker(loop: loop)
        ticker.value = new
        new.onLast = { ticked.fulfil(()) }
        for _ in 0..<5 { loop.markDirty(new) }
      }
      // Nothing but the mark makes it tick. Work from outside may run in the same turn as the mark, or in any later one.
      await ticked.value
      #expect(await loop.run { ticker.value?.ticks } == 1)
      // More rounds than one turn does: the loop goes on by itself.
      let done = Promise<Void>()
      loop.submit {
        ticker.value?.again = 50
        ticker.value?.onLast = { done.fulfil(()) }
        ticker.value.map(loop.markDirty)
      }
      await done.value
      #expect(await loop.run { ticker.value?.ticks } == 52)
    }
  }

  @Test func groupSharesWorkOut() async throws {
    let group = try LoopGroup(threads: 3)
    let picked = (0..<6).map { _ in ObjectIdentifier(group.next()) }
    #expect(Set(picked).count == 3)
    #expect(picked[0..<3] == picked[3..<6])
    let reports = await group.shutdown()
    #expect(reports.count == 3)
    #expect(reports.filter(\.isClean).count == 3)
  }
}
