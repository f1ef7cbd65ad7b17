import IMAPStateMachine

/// The flags of one message: a bit for each system flag and for each keyword of its mailbox. `\Recent` is not among them:
/// it belongs to a session.
struct FlagSet: Hashable {
  var bits: UInt128 = 0

  static let seen = FlagSet(bits: 1)
  static let answered = FlagSet(bits: 2)
  static let flagged = FlagSet(bits: 4)
  static let deleted = FlagSet(bits: 8)
  static let draft = FlagSet(bits: 16)

  func contains(_ other: FlagSet) -> Bool { bits & other.bits == other.bits }

  func union(_ other: FlagSet) -> FlagSet { FlagSet(bits: bits | other.bits) }

  func subtracting(_ other: FlagSet) -> FlagSet { FlagSet(bits: bits & ~other.bits) }
}

/// Which bit stands for which flag in one mailbox. Keywords get theirs when they first occur and keep it.
struct FlagTable {
  /// The flags of a mailbox in the order of their bits: the system flags, then the keywords.
  private(set) var flags: [Flag] = FlagTable.system
  private var indices: [Flag: Int] = [:]
  private var lists: [FlagSet: [Flag]] = [:]

  static let system: [Flag] = [.seen, .answered, .flagged, .deleted, .draft]

  /// Whether a further keyword can be made.
  var hasRoom: Bool { flags.count < UInt128.bitWidth }

  /// The bit of `flag`; nil where the mailbox never had it.
  func find(_ flag: Flag) -> FlagSet? {
    if let index = Self.system.firstIndex(of: flag) { return Self.bit(index) }
    return indices[flag].map { Self.bit($0) }
  }

  /// The bits of `list`, keywords made where they are new. Nil where there are too many keywords; nothing is made then.
  ///
  /// System flags that no client can set are left out (RFC 9051, section 7.1, PERMANENTFLAGS: the server may ignore them),
  /// and so is what is no flag at all.
  mutating func intern(_ list: [Flag]) -> FlagSet? {
    var result = FlagSet()
    var missing: [Flag] = []
    for flag in list {
      if let known = find(flag) {
        result = result.union(known)
      } else if Self.isKeyword(flag), !missing.contains(flag) {
        if flags.count + missing.count >= UInt128.bitWidth { return nil }
        missing.append(flag)
      }
    }
    for flag in missing {
      indices[flag] = flags.count
      result = result.union(Self.bit(flags.count))
      flags.append(flag)
    }
    return result
  }

  /// The flags of `set`. Complexity: O(1) for a set that was asked for before.
  mutating func list(_ set: FlagSet) -> [Flag] {
    if let known = lists[set] { return known }
    var result: [Flag] = []
    for (index, flag) in flags.enumerated() where set.contains(Self.bit(index)) { result.append(flag) }
    if lists.count >= Self.keptLists { lists.removeAll(keepingCapacity: true) }
    lists[set] = result
    return result
  }

  /// Whether a flag is a keyword: an atom (RFC 9051, section 9).
  private static func isKeyword(_ flag: Flag) -> Bool {
    let name = flag.rawValue.utf8
    return (1...maximumKeyword).contains(name.count)
      && name.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"(){%*\"\\]".utf8.contains($0) }
  }

  /// Bytes of a keyword. Real ones have about twenty.
  private static let maximumKeyword = 255

  private static func bit(_ index: Int) -> FlagSet { FlagSet(bits: 1 << UInt128(index)) }

  /// Most mailboxes have some dozens of combinations.
  private static let keptLists = 1024
}
