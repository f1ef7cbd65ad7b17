/// Lists of capabilities that many connections have in common, each kept once: a server announces the same forty words on
/// every connection.
///
/// It belongs to whoever drives the connections, one for each thread that does; see
/// ``ClientConnection/shareCapabilities(in:)``.
public struct CapabilityPool: Sendable {
  private var lists: Set<[Capability]> = []

  /// An empty pool.
  public init() {}

  /// How many lists it holds.
  public var count: Int { lists.count }

  /// The list that is kept in the place of `list`, which it equals. Complexity: O(bytes of `list`).
  public mutating func shared(_ list: [Capability]) -> [Capability] {
    // A server may announce what it likes: a full pool keeps nothing more.
    if lists.count >= Self.maximumCount, !lists.contains(list) { return list }
    return lists.insert(list).memberAfterInsert
  }

  /// Servers that one thread talks to are of few kinds, each with two or three lists.
  private static let maximumCount = 256
}
