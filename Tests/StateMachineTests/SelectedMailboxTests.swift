import AllocationCounter
import Testing

@testable import IMAPStateMachine

/// What a connection knows of the selected mailbox, against a server that makes things up as it goes along.
@Suite struct SelectedMailboxTests {
  /// A connection that is logged in, fed line by line.
  private struct Client: ~Copyable {
    var machine: ClientConnection
    var input = ReceiveBuffer()
    let now = MonotonicInstant(nanoseconds: 0)

    init(_ configuration: ClientConnection.Configuration = .init(), capabilities: String = "IMAP4rev1") {
      machine = ClientConnection(configuration, now: now)
      receive("* PREAUTH [CAPABILITY \(capabilities)] hi")
    }

    mutating func receive(_ line: String) { receive(Array((line + "\r\n").utf8).span) }

    mutating func receive(_ bytes: Span<UInt8>) {
      input.append(bytes)
      do throws(ConnectionError) {
        while try Self.step(&machine, &input, now) {}
      } catch {
        Issue.record("\(error)")
      }
    }

    private static func step(
      _ machine: inout ClientConnection, _ input: inout ReceiveBuffer, _ now: MonotonicInstant
    ) throws(ConnectionError) -> Bool {
      switch try machine.next(&input, now: now) {
      case .needMoreInput, .paused: false
      default: true
      }
    }

    mutating func enqueue(_ command: Command) {
      do throws(ConnectionError) {
        _ = try machine.enqueue(command, now: now)
      } catch {
        Issue.record("\(error)")
      }
      machine.consumeOutbound(.max)
    }

    /// What the map knows: one UID or nil for each message.
    var uids: [UInt32?] {
      (0..<(machine.selected?.exists ?? 0)).map { machine.uid(of: SequenceNumber(rawValue: $0 + 1))?.rawValue }
    }
  }

  /// Two mailboxes, changes at any time, SELECT of the one and the other with what a server says in the middle of it.
  @Test(arguments: [0x5e1e_c701, 0x5e1e_c702, 0x5e1e_c703, 0x5e1e_c704] as [UInt64], [true, false])
  func followsTheServer(_ seed: UInt64, saysClosed: Bool) {
    var generator = Generator(seed: seed)
    for round in 0..<30 {
      let context = "seed \(seed), round \(round)"
      var configuration = ClientConnection.Configuration()
      configuration.mapsUIDs = true
      var client = Client(configuration, capabilities: saysClosed ? "CONDSTORE" : "IMAP4rev1")
      var server = Server()
      var tag = 0
      for _ in 0..<6 {
        tag += 1
        client.enqueue(generator.chance(3) ? .examine(.inbox) : .select(.inbox))
        if tag > 1, saysClosed {
          for _ in 0..<generator.below(4) { client.receive(server.change(&generator)) }
          server.expect(client.machine.selected?.exists, client.uids, context)
          client.receive("* OK [CLOSED] x")
        }
        #expect(client.machine.selected == nil, "\(context)")
        server = Server()
        client.receive(server.greet(generator.below(12)))
        for _ in 0..<generator.below(4) { client.receive(server.change(&generator)) }
        if generator.chance(6) {
          client.receive("A\(tag) NO no")
          #expect(client.machine.selected == nil, "\(context)")
          // There is nothing to close next time.
          tag += 1
          client.enqueue(.select(.inbox))
          server = Server()
          client.receive(server.greet(3))
        }
        client.receive("A\(tag) OK done")
        for _ in 0..<generator.below(30) {
          client.receive(server.change(&generator))
          server.expect(client.machine.selected?.exists, client.uids, context)
        }
      }
    }
  }

  /// A mailbox and what was told of it.
  private struct Server {
    private var uids: [UInt32] = []
    private var told: Set<UInt32> = []
    private var next: UInt32 = 1

    /// The first EXISTS.
    mutating func greet(_ count: Int) -> String {
      for _ in 0..<count { arrive(2) }
      return "* \(count) EXISTS"
    }

    private mutating func arrive(_ step: UInt32) {
      next += step
      uids.append(next)
    }

    /// Something happens, and the line that says so.
    mutating func change(_ generator: inout Generator) -> String {
      if uids.isEmpty || generator.chance(4) {
        for _ in 0...generator.below(4) { arrive(UInt32(1 + generator.below(3))) }
        return "* \(uids.count) EXISTS"
      }
      let place = generator.below(uids.count)
      switch generator.below(4) {
      case 0:
        uids.remove(at: place)
        return "* \(place + 1) EXPUNGE"
      case 1:
        // Any of them, in any order.
        let gone = uids.filter { _ in generator.chance(4) }.shuffled(using: &generator.random)
        if gone.isEmpty { return "* VANISHED (EARLIER) 1:500" }
        uids.removeAll { gone.contains($0) }
        return "* VANISHED \(gone.map { "\($0)" }.joined(separator: ","))"
      default:
        told.insert(uids[place])
        return "* \(place + 1) FETCH (FLAGS () UID \(uids[place]))"
      }
    }

    func expect(_ exists: UInt32?, _ known: [UInt32?], _ context: String) {
      #expect(exists == UInt32(uids.count), "\(context)")
      #expect(known == uids.map { told.contains($0) ? $0 : nil }, "\(context)")
    }
  }

  /// The map is off by default, and following the mailbox then allocates nothing; on, nothing for any of a thousand messages
  /// in a row, and a little where some are removed.
  @Test(
    .enabled(if: allocation_counter_works() != 0, "allocations are counted on glibc only"), arguments: [false, true])
  func isFollowedWithoutAllocation(_ mapsUIDs: Bool) {
    var configuration = ClientConnection.Configuration()
    configuration.mapsUIDs = mapsUIDs
    var client = Client(configuration)
    client.enqueue(.select(.inbox))
    client.receive("* 9 EXISTS")
    client.receive("* OK [HIGHESTMODSEQ 5] x")
    client.receive("A1 OK done")
    var text = "* 2000 EXISTS\r\n"
    for number in 1...1000 { text += "* \(number) FETCH (UID \(number) FLAGS (\\Seen) MODSEQ (\(number)))\r\n" }
    text += "* 1000 EXPUNGE\r\n* 999 EXPUNGE\r\n* 0 RECENT\r\n* OK Still here\r\n* 5 EXISTS\r\n"
    let bytes = Array(text.utf8)
    client.receive(bytes.span)
    let found = allocations { client.receive(bytes.span) }
    #expect(found <= (mapsUIDs ? 60 : 0))
    #expect(client.machine.selected?.exists == 5)
    #expect(client.uids == (mapsUIDs ? [1, 2, 3, 4, 5] : [nil, nil, nil, nil, nil]))
  }
}
