import IMAPStateMachine

/// Joins what a server says of one message in several FETCH responses: servers are known to split the answer, and to put news of flags
/// between.
struct FetchMerger {
  private(set) var responses: [FetchResponse] = []
  /// Where messages are in ``responses``: nil while the responses come in order, as nearly all do.
  private var places: Places?
  /// The first of ``responses`` whose sequence number still holds.
  private var firstNumbered = 0

  private struct Places {
    var numbers: [SequenceNumber: Int] = [:]
    var uids: [UID: Int] = [:]
  }

  /// A message was expunged: sequence numbers stand for others from now on.
  mutating func renumber() {
    firstNumbered = responses.count
    places?.numbers = [:]
  }

  /// Complexity: O(1) while responses come in order, and then amortised.
  mutating func add(_ response: FetchResponse) {
    if places == nil, responses.isEmpty || Self.isBehind(response, responses[responses.count - 1]) {
      responses.append(response)
      return
    }
    if places == nil {
      places = Places()
      for index in responses.indices { note(index) }
    }
    if let index = place(of: response) {
      responses[index].add(response.attributes)
      note(index)
    } else {
      responses.append(response)
      note(responses.count - 1)
    }
  }

  /// Whether it can't be about the same message as `last`, nor as any before that one.
  private static func isBehind(_ response: FetchResponse, _ last: FetchResponse) -> Bool {
    if let uid = response.uid, let other = last.uid {
      if uid <= other { return false }
      if response.sequence == 0, last.sequence == 0 { return true }
    }
    return response.sequence > last.sequence && (response.uid == nil) == (last.uid == nil)
  }

  private func place(of response: FetchResponse) -> Int? {
    if let uid = response.uid, let index = places?.uids[uid] { return index }
    // Courier says 0 where it does not know, and with UIDONLY there are none.
    guard response.sequence != 0, let index = places?.numbers[response.sequence] else { return nil }
    // Two UIDs are two messages.
    return response.uid == nil || responses[index].uid == nil ? index : nil
  }

  private mutating func note(_ index: Int) {
    if let uid = responses[index].uid { places?.uids[uid] = index }
    if index >= firstNumbered { places?.numbers[responses[index].sequence] = index }
  }
}

extension FetchResponse {
  /// Whether `other`, which came right behind it, is about the same message.
  func isContinued(by other: FetchResponse) -> Bool {
    if let uid, let otherUID = other.uid { return uid == otherUID }
    // 0 where the server does not know.
    return sequence != 0 && sequence == other.sequence
  }

  /// Takes over what another response says of the message. Of what changes the later word counts.
  mutating func add(_ others: [FetchAttribute]) {
    for attribute in others {
      if let index = attributes.firstIndex(where: { $0.isReplaced(by: attribute) }) {
        attributes[index] = attribute
      } else if !attributes.contains(attribute) {
        attributes.append(attribute)
      }
    }
  }
}

extension FetchAttribute {
  fileprivate func isReplaced(by other: FetchAttribute) -> Bool {
    switch (self, other) {
    case (.flags, .flags), (.modSeq, .modSeq), (.gmailLabels, .gmailLabels): true
    default: false
    }
  }
}
