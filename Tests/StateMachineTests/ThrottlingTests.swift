import IMAPStateMachine
import Testing

/// What servers say that have had enough of a client.
@Suite struct ThrottlingTests {
  struct Line: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var isThrottled: Bool
    var backoff: Duration?

    init(_ line: String, _ isThrottled: Bool, _ backoff: Duration? = nil) {
      testDescription = line
      self.isThrottled = isThrottled
      self.backoff = backoff
    }
  }

  static let lines: [Line] = [
    Line(
      "A1 NO Request is throttled. Suggested Backoff Time: 299961 milliseconds", true, .milliseconds(299_961)),
    Line("A1 BAD suggested backoff time:5 seconds, please", true, .seconds(5)),
    Line("A1 NO Suggested Backoff Time: 7", true, .milliseconds(7)),
    Line("A1 NO Suggested Backoff Time: 0 milliseconds", true, .zero),
    Line("A1 NO Suggested Backoff Time: -5 milliseconds", false),
    Line("A1 NO Suggested Backoff Time: soon", false),
    Line("A1 NO Suggested Backoff Time:", false),
    Line("A1 NO Suggested Backoff Time: 99999999999999999999999", true, .milliseconds(Int64.max)),
    Line("A1 OK Success [THROTTLED]", true),
    Line("A1 OK [THROTTLED] Success", true),
    Line("A1 NO [throttled]", true),
    Line("A1 NO Request is refused", false),
    Line("A1 NO", false),
    Line("* BYE [UNAVAILABLE] Suggested Backoff Time: 10 milliseconds", true, .milliseconds(10)),
  ]

  @Test(arguments: lines) func isRead(_ line: Line) throws {
    var parser = ResponseParser()
    var input = ReceiveBuffer()
    input.append(Array("\(line.testDescription)\r\n".utf8).span)
    let status: Status
    let view: (isThrottled: Bool, backoff: Duration?)
    switch try parser.next(&input) {
    case .tagged(_, let found), .untagged(.status(let found)):
      status = found.copy()
      view = (found.isThrottled, found.suggestedBackoff)
    default:
      Issue.record("no status")
      return
    }
    #expect(view.isThrottled == line.isThrottled)
    #expect(view.backoff == line.backoff)
    #expect(status.isThrottled == line.isThrottled)
    #expect(status.suggestedBackoff == line.backoff)
    #expect(Status.suggestedBackoff(in: status.text) == line.backoff)
  }
}
