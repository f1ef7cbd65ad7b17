/// Lists that many connections have in common, each kept once: a server announces the same forty capabilities on every connection,
/// and the same few flags for every mailbox.
///
/// It belongs to whoever drives the connections, one for each thread that does; see ``ClientConnection/shareLists(in:)``.
public struct ListPool: Sendable {
  private var capabilities = Lists<Capability>()
  private var flags = Lists<Flag>()

  /// An empty pool.
  public init() {}

  /// How many lists it holds.
  public var count: Int { capabilities.count + flags.count }

  /// The list that is kept in the place of `list`, which it equals. Complexity: O(bytes of `list`).
  public mutating func shared(_ list: [Capability]) -> [Capability] { capabilities.shared(list) }

  /// The list that is kept in the place of `list`, which it equals. Complexity: O(bytes of `list`).
  public mutating func shared(_ list: [Flag]) -> [Flag] { flags.shared(list) }

  /// Lists of one kind.
  private struct Lists<Element: Hashable & Sendable>: Sendable {
    private var all: Set<[Element]> = []
    // Those that were asked for last. As a rule the next one is among them, and comparing it costs less than its hash.
    private var last: [Element]?
    private var beforeLast: [Element]?

    var count: Int { all.count }

    mutating func shared(_ list: [Element]) -> [Element] {
      if let last, list == last { return last }
      if let known = beforeLast, list == known {
        swap(&last, &beforeLast)
        return known
      }
      // A server may announce what it likes: a full pool keeps nothing more.
      if all.count >= Self.maximumCount, !all.contains(list) { return list }
      let known = all.insert(list).memberAfterInsert
      beforeLast = last
      last = known
      return known
    }

    /// Servers that one thread talks to are of few kinds, each with two or three lists.
    private static var maximumCount: Int { 256 }
  }
}
