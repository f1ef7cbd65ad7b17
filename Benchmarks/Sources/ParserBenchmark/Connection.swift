import IMAPStateMachine

/// A parser and its buffer, fed as a socket would feed them.
struct Connection: ~Copyable {
  /// How many bytes one read gives where a workload does not say.
  static let readSize = 16 * 1024

  private var parser = ResponseParser()
  private var input = ReceiveBuffer()
  private(set) var sink = Sink()

  /// Parses all of `fixture`, which ends behind a response, so it may be called again.
  mutating func parse(
    _ fixture: Fixture, _ mode: Mode, _ reading: Reading, readSize: Int
  ) throws(ParseError) {
    let bytes = fixture.bytes.span
    var position = 0
    while position < bytes.count {
      let end = min(position + readSize, bytes.count)
      input.append(bytes.extracting(position..<end))
      try consume(mode, reading, &parser, &input, &sink)
      position = end
    }
  }

  /// Throws where the responses did not come out as they should: the figures would say nothing.
  func verify(_ workload: Workload) throws(BenchmarkError) {
    if sink.refused > 0 { throw BenchmarkError("\(workload.name): \(sink.refused) responses or items were refused") }
    if input.unread > 0 || parser.isInsideResponse {
      throw BenchmarkError("\(workload.name): the last response has no end")
    }
  }
}
