import IMAPStateMachine

/// The messages that a FETCH names. A server may tell of others while it answers, whose flags have changed.
struct NamedMessages {
  private let messages: MessageReference
  private let hasStar: Bool

  /// Nil where all messages are named, where nobody can tell which they are, as for `*`, and where there is much to compare.
  init?(of command: borrowing Command) {
    guard case .fetch(let messages, _, _) = copy command, messages != .uids(.all), messages != .sequence(.all) else {
      return nil
    }
    let hasStar =
      switch messages {
      case .uids(let set): Self.hasStar(set)
      case .sequence(let set): Self.hasStar(set)
      }
    guard let hasStar else { return nil }
    self.hasStar = hasStar
    self.messages = messages
  }

  /// Whether `response` is about one of them; nil where that can't be told: `50:*` has the last message, whatever it is.
  func contains(_ response: FetchResponse) -> Bool? {
    let contains: Bool
    switch messages {
    case .uids(let set):
      // Some servers leave it out.
      guard let uid = response.uid else { return true }
      contains = set.contains(uid, largest: UID(rawValue: .max))
    case .sequence(let set):
      // Courier says 0 where it does not know.
      if response.sequence == 0 { return true }
      contains = set.contains(response.sequence, largest: SequenceNumber(rawValue: .max))
    }
    return contains ? true : hasStar ? nil : false
  }

  /// Nil where nobody can tell what is in the set, or there is much to compare.
  private static func hasStar<Number>(_ set: MessageSet<Number>) -> Bool? {
    if set.isSavedResult || set.ranges.count > mostRanges { return nil }
    if set.ranges.contains(where: { $0.first.number == nil && $0.last.number == nil }) { return nil }
    return set.ranges.contains { $0.first.number == nil || $0.last.number == nil }
  }

  private static let mostRanges = 64
}
