/// Lists that many connections have in common, each kept once: a server announces the same forty capabilities on every connection,
/// and the same few flags for every mailbox.
///
/// It belongs to whoever drives the connections, one for each thread that does; see ``ClientConnection/shareLists(in:)``.
public struct ListPool: Sendable {
  private var capabilities: Set<[Capability]> = []
  private var flags: Set<[Flag]> = []

  /// An empty pool.
  public init() {}

  /// How many lists it holds.
  public var count: Int { capabilities.count + flags.count }

  /// The list that is kept in the place of `list`, which it equals. Complexity: O(bytes of `list`).
  public mutating func shared(_ list: [Capability]) -> [Capability] { Self.shared(list, in: &capabilities) }

  /// The list that is kept in the place of `list`, which it equals. Complexity: O(bytes of `list`).
  public mutating func shared(_ list: [Flag]) -> [Flag] { Self.shared(list, in: &flags) }

  private static func shared<Element>(_ list: [Element], in lists: inout Set<[Element]>) -> [Element] {
    // A server may announce what it likes: a full pool keeps nothing more.
    if lists.count >= maximumCount, !lists.contains(list) { return list }
    return lists.insert(list).memberAfterInsert
  }

  /// Servers that one thread talks to are of few kinds, each with two or three lists.
  private static var maximumCount: Int { 256 }
}
