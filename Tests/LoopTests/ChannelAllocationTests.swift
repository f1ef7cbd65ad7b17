import AllocationCounter
import IMAPStateMachine
import Synchronization
import Testing

@testable import IMAPLoop

/// What an event costs in memory once a connection has warmed up, from the socket to the delegate: nothing.
@Suite(.timeLimit(.minutes(1)), .enabled(if: allocation_counter_works() != 0, "allocations are counted on glibc only"))
struct ChannelAllocationTests {
  private static let warmUp = 200
  private static let events = 1_000

  /// A debug build does not specialise the standard library: loops over arrays and literals of option sets take a block each.
  /// `Scripts/bench loop --allocations` checks that there are none in a release build.
  #if DEBUG
    private static let unoptimised: UInt64 = 5
  #else
    private static let unoptimised: UInt64 = 0
  #endif

  /// Each event comes by itself, from a server on another thread: it is an iteration of the loop with a read, and finds the machine
  /// at rest.
  @Test(arguments: [Protection.plain, .tls])
  func anEventAllocatesNothing(protection: Protection) async throws {
    let (events, allocations) = try await measure(protection, allocatesItself: false)
    #expect(events == Self.events)
    // OpenSSL takes its read buffer anew for each record, and a few bytes to parse it.
    let each = Self.unoptimised + (protection == .plain ? 0 : 2)
    #expect(allocations <= each * UInt64(Self.events), "\(allocations) allocations")
  }

  /// A handler that allocates is found: the check can fail.
  @Test func whatAHandlerAllocatesIsCounted() async throws {
    let (events, allocations) = try await measure(.plain, allocatesItself: true)
    #expect(events == Self.events && allocations >= UInt64(Self.events), "\(allocations) allocations")
  }

  private func measure(
    _ protection: Protection, allocatesItself: Bool
  ) async throws -> (events: Int, allocations: UInt64) {
    var result = (events: 0, allocations: UInt64(0))
    try await withLoop { far in
      try await withLoop { loop in
        let bench = try await TestBench(far, protection)
        let security = try bench.clientSecurity()
        let taken = Taken()
        let counter = await loop.run {
          Confined(Counter(taken, warmUp: Self.warmUp, events: Self.events, allocatesItself: allocatesItself))
        }
        await loop.run {
          counter.value.channel = ClientChannel(
            loop: loop, host: "127.0.0.1", port: bench.port, security: security, delegate: counter.value)
        }
        await until(far) { taken.isIdling.load(ordering: .acquiring) && bench.log.channels.count == 1 }
        await pace(bench, taken, Self.warmUp + Self.events + 1)
        result = await loop.run { (counter.value.counted, counter.value.allocations) }
        await loop.run { counter.value.channel?.close() }
        await until(loop) { counter.value.isClosed }
        await bench.server.shutdown()
      }
    }
    return result
  }

  /// Sends the next event when the last one was taken. It looks again and again, on the server's thread: whatever the client did to
  /// say so would be counted.
  private func pace(_ bench: TestBench, _ taken: Taken, _ count: Int) async {
    var sent = 0
    while sent < count {
      if taken.count.load(ordering: .acquiring) < sent {
        await Task.yield()
        continue
      }
      sent += 1
      let number = UInt32(sent)
      await bench.loop.run {
        for channel in bench.log.channels { try? channel.withConnection { try $0.respond(.exists(number)) } }
      }
    }
    while taken.count.load(ordering: .acquiring) < count { await Task.yield() }
  }

  /// How far the client is, for the other thread.
  private final class Taken: Sendable {
    let count = Atomic(0)
    let isIdling = Atomic(false)
  }

  /// Counts what its thread allocates between the first event behind the warm-up and the last.
  private final class Counter: ClientChannelDelegate {
    var channel: ClientChannel?
    private(set) var counted = 0
    private(set) var allocations: UInt64 = 0
    private(set) var isClosed = false
    private let taken: Taken
    private let warmUp: Int
    private let events: Int
    private let allocatesItself: Bool
    private var seen = 0
    private var kept: [UInt8] = []
    private var isIdling = false

    init(_ taken: Taken, warmUp: Int, events: Int, allocatesItself: Bool) {
      self.taken = taken
      self.warmUp = warmUp
      self.events = events
      self.allocatesItself = allocatesItself
    }

    func channelConnected(_ channel: ClientChannel) {}

    func channel(_ channel: ClientChannel, received event: borrowing ClientEvent) {
      switch copy event {
      case .greeting: _ = try? channel.send(.login(user: "u", password: Secret("p")))
      case .completed: if !isIdling { _ = try? channel.send(.idle) }
      case .idling:
        isIdling = true
        taken.isIdling.store(true, ordering: .releasing)
      case .response(.untagged(.exists)): if isIdling { count() }
      default: break
      }
    }

    func channelClosed(_ channel: ClientChannel, reason: CloseReason) {
      self.channel = nil
      isClosed = true
    }

    private func count() {
      seen += 1
      if allocatesItself { kept = [UInt8](repeating: 1, count: seen) }
      // From inside one event to inside another: so many whole iterations.
      if seen == warmUp + 1 {
        allocations = allocation_counter_begin()
      } else if seen == warmUp + 1 + events {
        allocations = allocation_counter_end() - allocations
        counted = events
      }
      taken.count.store(seen, ordering: .releasing)
    }
  }
}
