import AllocationCounter
import Testing

@testable import IMAPStateMachine

/// What a connection costs in memory: nothing for a command once its buffers are there, and little while it is idle.
@Suite struct ClientAllocationTests {
  static let commands: [Command] = [
    .noop,
    .fetch(.uids(.all), [.uid, .flags]),
    .store(.uids(.all), StoreOperation(.add, [.seen], silent: true)),
  ]

  /// Enqueued, sent, answered and completed: not one block, in as many rounds as it takes for tags to grow longer.
  @Test(
    .enabled(if: allocation_counter_works() != 0, "allocations are counted on glibc only"),
    arguments: commands.indices)
  func aCommandAllocatesNothingAfterTheFirst(index: Int) throws {
    let command = Self.commands[index]
    var bench = try Bench()
    // Tags have up to six digits here, and buffers grow with them.
    try bench.run(command, tag: 2, answer: "* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n", padding: 200)
    for tag in 3..<1200 {
      let found = try bench.run(command, tag: tag, answer: "* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n* 3 EXISTS\r\n")
      #expect(found == 0, "tag \(tag)")
      if found > 0 { break }
    }
    #expect(bench.completed == 1198)
  }

  /// Without the first round something is found: the check can fail.
  @Test(.enabled(if: allocation_counter_works() != 0, "allocations are counted on glibc only"))
  func theFirstCommandAllocates() throws {
    var bench = try Bench()
    // Longer than what the buffer has room for since the connection was set up.
    let uids = UIDSet((1...100).map { UID(rawValue: 2 * $0) })
    #expect(try bench.run(.fetch(.uids(uids), [.uid]), tag: 2, answer: "") > 0)
  }

  @Test func aConnectionIsSmall() {
    #expect(MemoryLayout<ClientConnection>.size <= 520)
    #expect(MemoryLayout<ClientConnection.Configuration>.size <= 9)
  }

  /// Nothing but what is known of the mailbox is kept on the heap during IDLE.
  @Test func anIdleConnectionGivesItsStorageBack() throws {
    var bench = try Bench()
    try bench.run(Self.commands[1], tag: 2, answer: "")
    #expect(bench.machine.state.outbound.capacity > 0)
    _ = try bench.machine.enqueue(.idle, now: Bench.now)
    bench.send()
    try bench.receive("+ idling\r\n")
    #expect(bench.machine.state.outbound.capacity == 0)
    #expect(bench.machine.state.held == nil && bench.machine.state.parser.owned == nil)
    #expect(bench.machine.state.inFlight.count == 1)
  }

  @Test func configurationsAreSharedUntilOneIsChanged() {
    var first = ClientConnection.Configuration()
    first.maximumInFlight = 3
    var second = first
    second.maximumInFlight = 4
    second.limits.line = 100
    #expect(first.maximumInFlight == 3 && second.maximumInFlight == 4)
    #expect(first.limits.line != 100 && second.limits.line == 100)
  }

  // MARK: Capabilities

  @Test func equalListsAreSharedByConnections() throws {
    var pool = ListPool()
    let one = try Bench(sharing: &pool)
    var other = try Bench(sharing: &pool)
    #expect(pool.count == 1)
    #expect(one.machine.capabilities == ["IMAP4REV1", "LITERAL+", "SASL-IR", "IDLE"])
    #expect(one.machine.capabilities == other.machine.capabilities)
    #expect(address(one.machine.capabilities) == address(other.machine.capabilities))
    // A list that changed is another one.
    try other.receive("* CAPABILITY IMAP4rev1 IDLE\r\n", sharing: &pool)
    #expect(pool.count == 2)
    #expect(other.machine.capabilities == ["IMAP4REV1", "IDLE"])
    #expect(one.machine.capabilities?.count == 4)
  }

  /// What follows from a list for the commands is the same for whoever has it of the pool.
  @Test func aSharedListSaysHowLiteralsAreWritten() throws {
    var pool = ListPool()
    let one = try Bench(sharing: &pool)
    let other = try Bench(sharing: &pool)
    let alone = try Bench()
    #expect(one.machine.state.literals == alone.machine.state.literals)
    #expect(other.machine.state.literals == alone.machine.state.literals)
    #expect(one.machine.state.hasSASLIR && other.machine.state.hasSASLIR && alone.machine.state.hasSASLIR)
  }

  @Test func equalFlagsAreSharedByMailboxes() throws {
    var pool = ListPool()
    var one = try Bench(sharing: &pool)
    var other = try Bench(sharing: &pool)
    let lines = "* FLAGS (\\Seen \\Draft)\r\n* OK [PERMANENTFLAGS (\\Seen)] kept\r\n"
    try one.receive(lines, sharing: &pool)
    #expect(pool.count == 3)
    try other.receive(lines, sharing: &pool)
    #expect(pool.count == 3)
    #expect(other.machine.selected?.flags == [.seen, .draft])
    #expect(other.machine.selected?.permanentFlags == [.seen])
    #expect(address(one.machine.selected?.flags) == address(other.machine.selected?.flags))
    #expect(address(one.machine.selected?.permanentFlags) == address(other.machine.selected?.permanentFlags))
  }

  /// A server may announce what it likes: many lists, and long ones.
  @Test func aFullPoolKeepsNothingMore() throws {
    var pool = ListPool()
    var bench = try Bench(sharing: &pool)
    let long = "X" + String(repeating: "Y", count: 4096)
    try bench.receive("* CAPABILITY \(long)\r\n", sharing: &pool)
    #expect(pool.count == 1)
    #expect(bench.machine.capabilities == [Capability(long)])
    for number in 0..<1000 {
      try bench.receive("* CAPABILITY X\(number)\r\n", sharing: &pool)
      #expect(bench.machine.capabilities == [Capability("X\(number)")])
    }
    #expect(pool.count == 256)
    for number in 0..<1000 {
      try bench.receive("* CAPABILITY X\(number)\r\n", sharing: &pool)
      #expect(bench.machine.capabilities == [Capability("X\(number)")])
    }
    #expect(pool.count == 256)
    // Those that it knows are still of the pool.
    let other = try Bench(sharing: &pool)
    let another = try Bench(sharing: &pool)
    #expect(address(other.machine.capabilities) == address(another.machine.capabilities))
  }

  @Test func whatSaysNothingChangesNothing() throws {
    var pool = ListPool()
    var bench = try Bench(sharing: &pool)
    try bench.receive("* FLAGS (a b)\r\n* OK [PERMANENTFLAGS (a)] x\r\n", sharing: &pool)
    let count = pool.count
    try bench.receive("* OK [CAPABILITY] x\r\n* OK [CAPABILITY ] x\r\n* OK [PERMANENTFLAGS] x\r\n", sharing: &pool)
    try bench.receive("* NO [PERMANENTFLAGS (b)] x\r\n", sharing: &pool)
    #expect(pool.count == count)
    #expect(bench.machine.capabilities?.count == 4)
    #expect(bench.machine.selected?.permanentFlags == ["a"])
    try bench.receive("* FLAGS NIL\r\n* OK [PERMANENTFLAGS ()] x\r\n", sharing: &pool)
    #expect(bench.machine.selected?.flags == [] && bench.machine.selected?.permanentFlags == [])
  }

  private func address<Element>(_ list: [Element]?) -> UInt? {
    unsafe list?.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
  }
}

/// A connection with a mailbox open, fed by hand.
private struct Bench: ~Copyable {
  static let now = MonotonicInstant(nanoseconds: 0)

  var machine = ClientConnection(now: now)
  private var input = ReceiveBuffer()
  private(set) var completed = 0

  init() throws {
    var lists = ListPool.none
    try self.init(sharing: &lists)
  }

  init(sharing lists: inout ListPool) throws {
    try receive("* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR IDLE] hi\r\n", sharing: &lists)
    _ = try machine.enqueue(.select(.inbox), now: Self.now)
    send()
    try receive("* 2 EXISTS\r\nA1 OK [READ-WRITE] open\r\n", sharing: &lists)
    completed = 0
  }

  /// Runs `command` to its end. Returns how many blocks were allocated.
  @discardableResult
  mutating func run(_ command: Command, tag: Int, answer: String, padding: Int = 0) throws -> Int {
    let bytes = Array((answer + "A\(tag) OK done\(String(repeating: ".", count: padding))\r\n").utf8)
    let before = allocation_counter_begin()
    defer { _ = allocation_counter_end() }
    _ = try machine.enqueue(command, now: Self.now)
    if machine.nextDeadline == nil { return -1 }
    send()
    try receive(bytes)
    return Int(allocation_counter_end() - before)
  }

  mutating func send() {
    machine.consumeOutbound(machine.outboundCount)
  }

  mutating func receive(_ text: String) throws { try receive(Array(text.utf8)) }

  mutating func receive(_ text: String, sharing lists: inout ListPool) throws {
    input.append(Array(text.utf8).span)
    try Self.drain(&machine, &input, &completed, &lists)
  }

  private mutating func receive(_ bytes: [UInt8]) throws {
    input.append(bytes.span)
    var lists = ListPool.none
    try Self.drain(&machine, &input, &completed, &lists)
  }

  private static func drain(
    _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ completed: inout Int, _ lists: inout ListPool
  ) throws {
    while true {
      switch try machine.next(&input, now: now, sharing: &lists) {
      case .needMoreInput, .paused: return
      case .completed: completed += 1
      default: break
      }
    }
  }
}
