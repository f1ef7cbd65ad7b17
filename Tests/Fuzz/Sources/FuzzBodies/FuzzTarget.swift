import IMAPStateMachine

/// What must hold for any bytes. Each body is an ordinary function: libFuzzer calls it with inputs that it makes up, and
/// `swift test` with the seeds and with every input that ever broke something. The first bytes of an input choose
/// limits, encodings and how the rest is cut.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// The response parser: whole and cut input, borrowed events and owned values say the same.
  case response
  /// A server's connection: whole and cut input give the same events and answers. The command parser alone.
  case command
  /// ENVELOPE and BODYSTRUCTURE: every field of every view is read, and agrees with the copy.
  case structure
  /// Mailbox names in modified UTF-7 and UTF-8.
  case names
  /// What was parsed and encoded is parsed and encoded to the same bytes: responses and commands.
  case roundtrip
  /// A client's connection, called in any order: it ends once, and so does every command.
  case operations

  /// Throws where `bytes` break what must hold. A trap is the other way to fail.
  public func run(_ bytes: [UInt8]) throws(FuzzFailure) { try run(bytes, withFault: false) }

  /// With a fault one of the two results that a body compares is wrong on purpose, so that it must throw: a body that
  /// notices nothing would find nothing.
  func run(_ bytes: [UInt8], withFault hasFault: Bool) throws(FuzzFailure) {
    var input = FuzzInput(bytes, hasFault: hasFault)
    switch self {
    case .response: try ResponseBody.run(&input)
    case .command: try CommandBody.run(&input)
    case .structure: try StructureBody.run(&input)
    case .names: try NamesBody.run(&input)
    case .roundtrip: try RoundTripBody.run(&input)
    case .operations: try OperationsBody.run(&input)
    }
  }
}

/// Something that must hold did not.
public struct FuzzFailure: Error, CustomStringConvertible {
  /// What did not hold.
  public var description: String
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(FuzzFailure) {
  if !condition { throw FuzzFailure(description: message()) }
}

/// The bytes of an input, taken from the front. Behind the end they are 0.
struct FuzzInput {
  private var bytes: ArraySlice<UInt8>
  /// Whether the second of two results must be wrong.
  let hasFault: Bool

  init(_ bytes: [UInt8], hasFault: Bool = false) {
    self.bytes = bytes[...]
    self.hasFault = hasFault
  }

  var isEmpty: Bool { bytes.isEmpty }

  mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

  mutating func take(_ count: Int) -> [UInt8] {
    let taken = bytes.prefix(count)
    bytes = bytes.dropFirst(taken.count)
    return Array(taken)
  }

  mutating func rest() -> [UInt8] { take(bytes.count) }

  /// `bytes` for the second of two results. A fault takes the third byte from the end, which is the last of a line.
  func again(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    if hasFault, !bytes.isEmpty { bytes.remove(at: max(0, bytes.count - 3)) }
    return bytes
  }

  /// Limits that are easily passed, or the defaults.
  static func limits(_ choice: UInt8) -> ParserLimits {
    var limits = ParserLimits()
    if choice & 1 != 0 {
      limits.line = 120
      limits.bufferedLiteral = 12
      limits.literal = 30
      limits.nesting = 5
      limits.fetchItems = 6
    }
    return limits
  }

  /// `bytes` in pieces: of one size for a small `choice`, else of sizes that follow from it.
  static func pieces(of bytes: [UInt8], _ choice: UInt8) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var state = UInt32(choice)
    var start = 0
    while start < bytes.count {
      state = state &* 1_664_525 &+ 1_013_904_223
      let size = choice < 8 ? 1 + Int(choice) : 1 + Int(state >> 24) % Int(choice)
      let end = min(bytes.count, start + size)
      pieces.append(bytes[start..<end])
      start = end
    }
    return pieces
  }
}

func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self).debugDescription }

func copied(_ span: Span<UInt8>) -> [UInt8] { ByteView(span).copy() }

/// The bytes of a view, nil for NIL.
func bytes(_ view: borrowing StringView?) -> [UInt8]? {
  switch copy view {
  case .some(let view): view.copy()
  case .none: nil
  }
}
