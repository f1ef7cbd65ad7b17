/// Lists that many connections have in common, each kept once: a server announces the same forty capabilities on every connection,
/// and the same few flags for every mailbox. A list that comes again in the same bytes is not read again.
///
/// It belongs to whoever drives the connections, one for each thread that does; see ``ClientConnection/next(_:now:sharing:)``.
public struct ListPool: Sendable {
  private var capabilities = Lists<Announcement>()
  private var flags = Lists<[Flag]>()
  private let room: Int
  private let seed: UInt64

  /// An empty pool.
  public init() {
    room = Self.maximumCount
    // Another one in each process, so that no server can choose lists that look the same.
    seed = UInt64(bitPattern: Int64(Hasher().finalize())) | 1 << 63 | 1
  }

  private init(room: Int) {
    self.room = room
    seed = 1
  }

  /// One that never holds any.
  static var none: ListPool { ListPool(room: 0) }

  /// How many lists it holds.
  public var count: Int { capabilities.count + flags.count }

  /// What `view` announces. Complexity: O(bytes of `view`).
  mutating func announcement(_ view: CapabilityListView) -> Announcement {
    if room == 0 { return Announcement(view.copy()) }
    let mark = mark(view.wire)
    if let known = capabilities.known(view.wire, mark) { return known }
    let list = Announcement(view.copy())
    capabilities.keep(list, view.wire, mark, room: room)
    return list
  }

  /// The flags of `view`. Complexity: O(bytes of `view`).
  mutating func flags(_ view: FlagListView) -> [Flag] {
    if room == 0 { return view.copy() }
    let mark = mark(view.wire)
    if let known = flags.known(view.wire, mark) { return known }
    let list = view.copy()
    flags.keep(list, view.wire, mark, room: room)
    return list
  }

  /// Servers that one thread talks to are of few kinds, each with two or three lists.
  private static var maximumCount: Int { 256 }

  /// Tells nearly all lists apart.
  private func mark(_ wire: Span<UInt8>) -> UInt64 {
    var mark = seed.byteSwapped ^ UInt64(truncatingIfNeeded: wire.count)
    var index = 0
    while index < wire.count {
      // Both halves: the lower one alone would not show what differs in the highest bits.
      let product = (mark ^ wire.paddedWord(at: index)).multipliedFullWidth(by: seed)
      mark = product.high ^ product.low
      index &+= 8
    }
    return mark
  }

  /// Lists of one kind, by the bytes that they were read from.
  private struct Lists<List: Sendable>: Sendable {
    private var all: [(mark: UInt64, wire: [UInt8], list: List)] = []

    var count: Int { all.count }

    func known(_ wire: Span<UInt8>, _ mark: UInt64) -> List? {
      for index in all.indices where all[index].mark == mark && wire.equals(all[index].wire) { return all[index].list }
      return nil
    }

    /// A server may announce what it likes: neither many lists nor long ones are kept.
    mutating func keep(_ list: List, _ wire: Span<UInt8>, _ mark: UInt64, room: Int) {
      if all.count < room, wire.count <= Self.maximumLength { all.append((mark, wire.copy(), list)) }
    }

    private static var maximumLength: Int { 4096 }
  }
}

/// What a server has announced, and what follows from it for each command: looked up once, not for each command.
struct Announcement: Sendable {
  let list: [Capability]
  /// How literals are written.
  let literals: LiteralPolicy
  let hasSASLIR: Bool

  init(_ list: [Capability]) {
    self.list = list
    literals = LiteralPolicy(list)
    hasSASLIR = list.contains(.saslIR)
  }
}
