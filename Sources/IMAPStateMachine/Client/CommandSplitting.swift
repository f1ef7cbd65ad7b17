/// Commands that are too long for a line of the server's (RFC 7162, section 4), sent as several. When each of them is sent is
/// the business of ``ClientState``.
extension Command {
  /// Commands that together do the same, none with a longer line than `maximum` bytes; nil where there are none.
  ///
  /// `length` is that of this command's line. Only commands are split that name messages by UID, and whose parts mean the
  /// same: FETCH, STORE, MOVE and UID EXPUNGE go over message after message. COPY is all or nothing (RFC 9051, section
  /// 6.4.7), and sequence numbers could change between the parts.
  func split(lineOf length: Int, to maximum: Int) -> [Command]? {
    switch self {
    case .fetch(.uids(let set), let items, let modifiers) where modifiers.partial == nil:
      Self.split(set, length, maximum)?.map { .fetch(.uids($0), items, modifiers) }
    case .store(.uids(let set), let operation, let since):
      Self.split(set, length, maximum)?.map { .store(.uids($0), operation, unchangedSince: since) }
    case .storeLabels(.uids(let set), let operation, let since):
      Self.split(set, length, maximum)?.map { .storeLabels(.uids($0), operation, unchangedSince: since) }
    case .storeAnnotations(.uids(let set), let values, let since):
      Self.split(set, length, maximum)?.map { .storeAnnotations(.uids($0), values, unchangedSince: since) }
    case .move(.uids(let set), let mailbox):
      Self.split(set, length, maximum)?.map { .move(.uids($0), mailbox) }
    case .uidExpunge(let set):
      Self.split(set, length, maximum)?.map { .uidExpunge($0) }
    default: nil
    }
  }

  /// Sets of neighbouring ranges whose text leaves room for the rest of the line.
  private static func split(_ set: UIDSet, _ length: Int, _ maximum: Int) -> [UIDSet]? {
    if set.isSavedResult { return nil }
    // A comma stands between two ranges.
    let widths = set.ranges.map { width($0.first) + ($0.last == $0.first ? 0 : 1 + width($0.last)) + 1 }
    let others = length - (widths.reduce(0, +) - 1)
    var sets: [UIDSet] = []
    var ranges: [UIDSet.Range] = []
    var used = others
    for (range, width) in zip(set.ranges, widths) {
      if used + width - 1 > maximum {
        if ranges.isEmpty { return nil }
        sets.append(UIDSet(ranges: ranges))
        ranges = []
        used = others
      }
      if used + width - 1 > maximum { return nil }
      ranges.append(range)
      used += width
    }
    if !ranges.isEmpty { sets.append(UIDSet(ranges: ranges)) }
    return sets
  }

  /// How many bytes a bound takes on the wire.
  private static func width(_ bound: MessageBound) -> Int {
    guard var number = bound.number else { return 1 }
    var count = 1
    while number >= 10 {
      number /= 10
      count += 1
    }
    return count
  }
}
