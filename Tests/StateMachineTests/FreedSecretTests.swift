import AllocationCounter
import IMAPStateMachine
import Testing

/// No block that is freed holds a password.
@Suite(.enabled(if: allocation_counter_works() != 0, "free is watched on glibc only")) struct FreedSecretTests {
  /// The buffer grows at another place of the password each time.
  @Test(arguments: 1...200) func aLoginLeavesNothingBehind(nameLength: Int) throws {
    // What is looked for is written down once, and never freed while it is.
    let password = Array("hunter2-hunter2-hunter2-hunter2-hunter2".utf8)
    let part = Array(password.prefix(12))
    let user = String(repeating: "u", count: nameLength)
    let secret = Secret(password)
    let now = MonotonicInstant(nanoseconds: 0)
    var input = ReceiveBuffer()
    var machine = ClientConnection(ClientConnection.Configuration(), now: now)
    input.append(Array("* OK [CAPABILITY IMAP4rev1] hi\r\n".utf8).span)
    greeting: while true {
      if case .needMoreInput = try machine.next(&input, now: now) { break greeting }
    }
    let found = try unsafe part.withUnsafeBytes { part in
      unsafe allocation_counter_watch(part.baseAddress, part.count)
      defer { allocation_counter_watch(nil, 0) }
      _ = try machine.enqueue(.login(user: user, password: secret), now: now)
      let count = machine.outbound.count
      machine.consumeOutbound(count)
      return allocation_counter_sightings()
    }
    #expect(found == 0)
  }

  /// The watch sees what it is there for.
  @Test func aFreedBlockIsLookedAt() {
    let part = Array("hunter2".utf8)
    let found = unsafe part.withUnsafeBytes { part in
      unsafe allocation_counter_watch(part.baseAddress, part.count)
      defer { allocation_counter_watch(nil, 0) }
      let block = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
      unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
      unsafe (block + 9).copyMemory(from: part.baseAddress!, byteCount: part.count)
      unsafe block.deallocate()
      return allocation_counter_sightings()
    }
    #expect(found == 1)
  }
}
