import CHeap
import IMAPStateMachine

/// Many connections in IDLE, for what they keep allocated.
@safe
struct IdleConnections: ~Copyable {
  private static let count = 1000
  private let connections: UnsafeMutablePointer<ClientConnection>
  private var input = ReceiveBuffer()
  private var pool = ListPool()

  private init() {
    unsafe connections = .allocate(capacity: Self.count)
  }

  deinit {
    unsafe connections.deinitialize(count: Self.count)
    unsafe connections.deallocate()
  }

  /// Bytes on the heap for each connection, beside the connection itself.
  static func heapBytes(isSelected: Bool) throws -> Double {
    let configuration = ClientConnection.Configuration()
    var idle = IdleConnections()
    // One more, so that what all share is there before.
    var sample = ClientConnection(configuration, now: now)
    try idle.open(&sample, isSelected)
    let before = allocated()
    for index in 0..<count {
      var connection = ClientConnection(configuration, now: now)
      try idle.open(&connection, isSelected)
      unsafe (idle.connections + index).initialize(to: connection)
    }
    return Double(allocated() - before) / Double(count)
  }

  /// Logs in, and goes on to IDLE as servers answer.
  private mutating func open(_ connection: inout ClientConnection, _ isSelected: Bool) throws {
    try receive("* OK [CAPABILITY IMAP4rev1 IDLE LITERAL+ SASL-IR] ready\r\n", &connection)
    try send(.login(user: "joe", password: Secret("secret")), &connection)
    try receive("A1 OK [CAPABILITY IMAP4rev1 IDLE LITERAL+ SASL-IR CONDSTORE QRESYNC NAMESPACE] in\r\n", &connection)
    if isSelected {
      try send(.select(.inbox), &connection)
      try receive(
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] kept\r\n"
          + "* 3 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\nA2 OK [READ-WRITE] open\r\n", &connection)
    }
    try send(.idle, &connection)
    try receive("+ idling\r\n", &connection)
  }

  private func send(_ command: Command, _ connection: inout ClientConnection) throws {
    _ = try connection.enqueue(command, now: now)
    let count = connection.outbound.count
    connection.consumeOutbound(count)
  }

  private mutating func receive(_ text: String, _ connection: inout ClientConnection) throws {
    input.append(Array(text.utf8).span)
    try Self.drain(&connection, &input, &pool)
  }

  private static func drain(
    _ connection: inout ClientConnection, _ input: inout ReceiveBuffer, _ pool: inout ListPool
  ) throws {
    while true {
      switch try connection.next(&input, now: now, sharing: &pool) {
      case .needMoreInput: return
      case .failed(_, let error): throw error
      case .closed, .paused: throw BenchmarkError("the connection is closed")
      default: break
      }
    }
  }

  /// Bytes that are allocated and not freed.
  private static func allocated() -> Int { Int(heap_bytes()) }
}
