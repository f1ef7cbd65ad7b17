/// How many libuv handles and requests one loop opened, closed and freed. All three are equal once a loop has shut down;
/// anything else is a leak.
public struct HandleCounters: Sendable, Hashable, CustomStringConvertible {
  /// What is counted.
  public enum Kind: Int, Sendable, Hashable, CaseIterable {
    /// The loop's own handles: its inbox, its timer and its end-of-tick hook.
    case loop
    /// Connections.
    case stream
    /// Listening sockets.
    case listener
    /// Requests to connect, to shut down and to write.
    case request
    /// Name look-ups.
    case lookup
    /// TLS sessions.
    case tls
    /// Child processes.
    case process
  }

  /// The life of one kind of handle.
  public struct Count: Sendable, Hashable {
    /// Made.
    public internal(set) var opened = 0
    /// Told to close, or done.
    public internal(set) var closed = 0
    /// Its memory given back.
    public internal(set) var freed = 0
  }

  private var counts = [Count](repeating: Count(), count: Kind.allCases.count)

  /// No handle at all.
  public init() {}

  /// The counts of one kind.
  public internal(set) subscript(kind: Kind) -> Count {
    get { counts[kind.rawValue] }
    set { counts[kind.rawValue] = newValue }
  }

  /// Whether everything that was opened was closed and freed.
  public var isBalanced: Bool { counts.allSatisfy { $0.opened == $0.closed && $0.closed == $0.freed } }

  /// One line: opened/closed/freed by kind.
  public var description: String {
    Kind.allCases.map { "\($0) \(self[$0].opened)/\(self[$0].closed)/\(self[$0].freed)" }.joined(separator: ", ")
  }

  mutating func open(_ kind: Kind) { counts[kind.rawValue].opened += 1 }
  mutating func close(_ kind: Kind) { counts[kind.rawValue].closed += 1 }
  mutating func free(_ kind: Kind) { counts[kind.rawValue].freed += 1 }
}
