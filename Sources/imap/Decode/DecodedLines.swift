import ArgumentParser
import IMAPStateMachine

/// The lines of `imap decode`, gathered so that a small response costs no system call of its own.
struct DecodedLines: ~Copyable {
  private var bytes: [UInt8] = []
  /// Written in pieces of about this size.
  private static let enough = 256 * 1024

  /// One unit of the input: where it lies, and what it says.
  mutating func unit(_ offset: Int, to end: Int, _ members: [JSON.Member]) throws(OutputError) {
    try line(
      .object([("offset", .number(Int64(offset))), ("length", .number(Int64(end - offset)))] + members))
  }

  /// The last line where framing was lost.
  mutating func failed(_ error: ParseError) throws -> Never {
    var fault = "peer"
    if case .limit = error.reason { fault = "limit" }
    try line(
      .object([
        ("type", .string("error")), ("offset", .number(Int64(error.offset))), ("fault", .string(fault)),
        ("message", .string(error.description)),
      ]))
    try flush()
    throw ExitCode(1)
  }

  /// The last line where the input ends too early.
  mutating func incomplete(_ offset: Int, to end: Int) throws -> Never {
    try unit(offset, to: end, [("type", .string("incomplete"))])
    try flush()
    throw ExitCode(2)
  }

  /// Writes what was gathered.
  mutating func flush() throws(OutputError) {
    if bytes.isEmpty { return }
    try Console.bytes(bytes)
    bytes.removeAll(keepingCapacity: bytes.capacity <= 4 * Self.enough)
  }

  private mutating func line(_ value: JSON) throws(OutputError) {
    value.write(into: &bytes)
    bytes.append(0x0a)
    if bytes.count >= Self.enough { try flush() }
  }
}
