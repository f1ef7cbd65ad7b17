/// FETCH of more messages than a server answers at once, sent as several commands.
extension Command {
  /// Commands that together do the same, none of which names more than `most` messages; nil where this one does not, and where it
  /// can't be told: of `*`, of sequence numbers, which could change between the parts, and of the saved result. A UID that is named
  /// counts, whether there is a message or not. Nil as well where there would be more than 1000: few have so many messages, and
  /// who writes `1:4294967295` does not mean that.
  func batches(of most: UInt32) -> [Command]? {
    guard case .fetch(.uids(let set), let items, let modifiers) = self, modifiers.partial == nil, most > 0 else {
      return nil
    }
    var sets: [UIDSet] = []
    var ranges: [UIDSet.Range] = []
    var room = most
    for range in set.ranges {
      guard var first = range.first.number, var last = range.last.number else { return nil }
      if first > last { swap(&first, &last) }
      while true {
        if room == 0 {
          sets.append(UIDSet(ranges: ranges))
          (ranges, room) = ([], most)
          if sets.count >= Self.mostBatches { return nil }
        }
        let end = last - first < room ? last : first + (room - 1)
        ranges.append(UIDSet.Range(first, end))
        room -= end - first + 1
        if end == last { break }
        first = end + 1
      }
    }
    if sets.isEmpty { return nil }
    sets.append(UIDSet(ranges: ranges))
    return sets.map { .fetch(.uids($0), items, modifiers) }
  }

  /// How many bytes the set of a FETCH takes on the wire.
  var setWidth: Int { if case .fetch(.uids(let set), _, _) = self { set.description.utf8.count } else { 0 } }

  private static var mostBatches: Int { 1000 }
}
