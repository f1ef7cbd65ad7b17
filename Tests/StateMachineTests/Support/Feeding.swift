import IMAPStateMachine
import Testing

/// How a test's bytes reach a parser.
enum Feed {
  case whole
  case bytewise
  case split(Int)
  case pieces([Int])

  func chunks(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    switch self {
    case .whole: return [bytes[...]]
    case .bytewise: return bytes.indices.map { bytes[$0...$0] }
    case .split(let index): return [bytes[..<index], bytes[index...]]
    case .pieces(let sizes):
      var chunks: [ArraySlice<UInt8>] = []
      var start = 0
      for size in sizes where start < bytes.count {
        let end = min(bytes.count, start + size)
        chunks.append(bytes[start..<end])
        start = end
      }
      if start < bytes.count { chunks.append(bytes[start...]) }
      return chunks
    }
  }
}

/// Every way to cut `count` bytes that each fixture is fed in: whole, bytewise and at each point.
func feeds(_ count: Int) -> [Feed] {
  [.whole, .bytewise] + (count > 1 ? (1..<count).map { .split($0) } : [])
}

/// The event log of a parser that is fed `bytes`, and how many bytes it left unread.
func responseLog(
  _ bytes: [UInt8], _ feed: Feed = .whole, limits: ParserLimits = ParserLimits(), closing: Bool = false
) -> (text: String, unread: Int) {
  var parser = ResponseParser(limits: limits)
  var input = ReceiveBuffer()
  var log = EventLog()
  drain(&parser, &input, &log)
  for chunk in feed.chunks(of: bytes) {
    input.append(Array(chunk).span)
    drain(&parser, &input, &log)
  }
  if closing {
    input.close()
    drain(&parser, &input, &log)
  }
  return (log.text, input.unread)
}

private func drain(_ parser: inout ResponseParser, _ input: inout ReceiveBuffer, _ log: inout EventLog) {
  do throws(ParseError) {
    while log.add(try parser.next(&input)) {}
  } catch {
    log.note("error \(error)")
  }
}

/// Bytes of `text`, LF standing for CRLF.
func wire(_ text: String) -> [UInt8] {
  var bytes: [UInt8] = []
  for byte in text.utf8 {
    if byte == 0x0a { bytes.append(0x0d) }
    bytes.append(byte)
  }
  return bytes
}

/// A small generator with a seed, so that a random test can be repeated (xorshift64*).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
