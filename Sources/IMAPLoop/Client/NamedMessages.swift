import IMAPStateMachine

/// The messages that a FETCH names. A server may tell of others while it answers, whose flags have changed.
struct NamedMessages {
  private let messages: MessageReference
  private let hasStar: Bool

  /// Nil where all messages are named, where nobody can tell which they are, and where there is much to compare.
  init?(of command: borrowing Command) {
    guard case .fetch(let messages, _, _) = copy command, messages != .uids(.all), messages != .sequence(.all) else {
      return nil
    }
    switch messages {
    case .uids(let set):
      if set.isSavedResult || set.ranges.count > Self.mostRanges { return nil }
      hasStar = set.ranges.contains { $0.first.number == nil || $0.last.number == nil }
    case .sequence(let set):
      if set.isSavedResult || set.ranges.count > Self.mostRanges { return nil }
      hasStar = set.ranges.contains { $0.first.number == nil || $0.last.number == nil }
    }
    self.messages = messages
  }

  /// Whether `response` is about one of them; nil where that can't be told: `*` is the last message, whatever it is.
  func contains(_ response: FetchResponse) -> Bool? {
    let contains: Bool
    switch messages {
    case .uids(let set):
      guard let uid = response.uid else { return nil }
      contains = set.contains(uid, largest: UID(rawValue: .max))
    case .sequence(let set):
      // Courier says 0 where it does not know.
      if response.sequence == 0 { return nil }
      contains = set.contains(response.sequence, largest: SequenceNumber(rawValue: .max))
    }
    return contains ? true : hasStar ? nil : false
  }

  private static let mostRanges = 64
}
