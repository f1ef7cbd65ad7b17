internal import DequeModule
import IMAPStateMachine

/// One of the last lines of a connection, as ``IMAPClient/recentLines`` tells them.
public struct RecentLine: Hashable, Sendable, CustomStringConvertible {
  /// When it came or went, counted from the beginning of the connection.
  public var elapsed: Duration
  /// The line, without secrets.
  public var line: WireLine

  /// A line.
  public init(elapsed: Duration, line: WireLine) {
    self.elapsed = elapsed
    self.line = line
  }

  /// For example `+0.125 S: A1 OK done`; the number is in seconds.
  public var description: String {
    let (seconds, attoseconds) = max(elapsed, .zero).components
    let milliseconds = String(attoseconds / 1_000_000_000_000_000)
    let padding = String(repeating: "0", count: max(0, 3 - milliseconds.utf8.count))
    return "+\(seconds).\(padding)\(milliseconds) \(line)"
  }
}

/// The last lines of a connection: at most so many, and 16 KiB of text in all.
struct RecentLines {
  private let limit: Int
  private var lines = Deque<RecentLine>()
  private var size = 0

  init(limit: Int) { self.limit = limit }

  var all: [RecentLine] { Array(lines) }

  mutating func append(_ line: RecentLine) {
    lines.append(line)
    size += line.line.text.utf8.count
    while lines.count > limit || size > Self.maximumSize, let first = lines.popFirst() {
      size -= first.line.text.utf8.count
    }
  }

  /// Above any single line: a byte of the wire takes four where it is a control character.
  static var maximumSize: Int { 16 * 1024 }
}
