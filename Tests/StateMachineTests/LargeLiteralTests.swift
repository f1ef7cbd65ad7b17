import AllocationCounter
import Testing

@testable import IMAPStateMachine

/// A section of any size passes through in the memory of one read.
@Suite struct LargeLiteralTests {
  private static let size = 1 << 30

  @Test(.timeLimit(.minutes(5)))
  func aGibibytePassesThroughInConstantMemory() throws {
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    let piece = [UInt8](repeating: 0x61, count: 64 << 10)
    input.append(wire("* 1 FETCH (UID 7 BODY[] {\(Self.size)}\n").span)
    var passed: UInt64 = 0
    var left: UInt64 = 0
    #expect(try Self.drain(&parser, &input, &passed, &left) == ["fetch 1", "uid", "literal \(Self.size)"])
    // The buffer has its size after the first reads.
    var capacity = 0
    var found = 0
    for index in 0..<Self.size / piece.count {
      let before = allocation_counter_begin()
      input.append(piece.span)
      var isEmpty = false
      switch try parser.next(&input) {
      case .literalChunk(let bytes, let remaining):
        passed += UInt64(bytes.count)
        left = remaining
      default: isEmpty = true
      }
      if isEmpty { Issue.record("no chunk at piece \(index)") }
      if index > 1 { found += Int(allocation_counter_end() - before) } else { capacity = Self.capacity(&input) }
    }
    #expect(passed == UInt64(Self.size))
    #expect(left == 0)
    #expect(found == 0)
    #expect(Self.capacity(&input) == capacity)
    #expect(capacity <= 4 * piece.count)
    input.append(wire(" FLAGS (\\Seen))\n* 2 EXISTS\n").span)
    #expect(try Self.drain(&parser, &input, &passed, &left) == ["literal end", "flags", "fetch end", "exists 2"])
    #expect(input.unread == 0)
  }

  /// How many bytes the buffer has room for behind what it holds, which is nothing.
  private static func capacity(_ input: inout ReceiveBuffer) -> Int {
    unsafe input.prepareForRead(suggested: 1).count
  }

  private static func drain(
    _ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ passed: inout UInt64, _ left: inout UInt64
  ) throws -> [String] {
    var log: [String] = []
    while true {
      switch try parser.next(&input) {
      case .needMoreInput: return log
      case .fetchBegin(let sequence): log.append("fetch \(sequence)")
      case .fetchAttribute(.uid): log.append("uid")
      case .fetchAttribute(.flags): log.append("flags")
      case .literalBegin(_, let header): log.append("literal \(header.byteCount)")
      case .literalEnd: log.append("literal end")
      case .fetchEnd: log.append("fetch end")
      case .untagged(.exists(let count)): log.append("exists \(count)")
      default: log.append("something else")
      }
    }
  }
}
