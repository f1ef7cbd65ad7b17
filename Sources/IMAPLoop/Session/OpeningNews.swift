import IMAPStateMachine

/// What happens while a session opens its mailbox: the news that wait until it is open, and what its own FETCHes tell of the messages.
/// Used on the loop's thread only.
struct OpeningNews {
  /// What came, with the bytes of each.
  private(set) var held: [(event: MailboxEvent, bytes: Int)] = []
  private var heldBytes = 0
  /// Whether more came than is kept.
  private(set) var isOverfull = false
  /// How many of ``held`` came before SELECT was completed.
  private(set) var answerCount = 0
  /// How many messages were expunged since SELECT, of which ``held`` does not tell any more.
  private(set) var expungedCount: UInt32 = 0
  /// What the FETCHes have told, and how many events were held by then.
  private var told: [(response: FetchResponse, place: Int)] = []
  /// How many there were when the last of them was completed.
  private var toldPlace = 0
  /// How many of them were reckoned with between two batches.
  private var reckonedPlace = 0
  private var steps = 0

  /// Whether something that is held, or was, has removed a message.
  var hasRemovals: Bool { expungedCount > 0 || held.contains { $0.event.isRemoval } }

  /// Keeps an event. False where there is no more room, the first time.
  mutating func hold(_ event: MailboxEvent, _ bytes: Int) -> Bool {
    if isOverfull { return true }
    if held.count >= IMAPSession.mostEvents || heldBytes >= IMAPSession.mostBytes {
      isOverfull = true
      return false
    }
    held.append((event, bytes))
    heldBytes += bytes
    return true
  }

  /// SELECT is completed: what came before was its answer, or of the mailbox that was open. With NOTIFY news may follow at once.
  mutating func selected() {
    held.removeAll { $0.event.isRemoval }
    answerCount = held.count
  }

  // MARK: FETCH

  /// The first FETCH of several is about to be sent.
  mutating func begin() {
    told = []
    (toldPlace, reckonedPlace, steps) = (held.count, held.count, 0)
  }

  /// A FETCH has told of a message.
  mutating func tell(_ response: FetchResponse) { told.append((response, held.count)) }

  /// A FETCH is completed.
  mutating func complete() { toldPlace = held.count }

  /// Of `exists` messages the first `done` were asked for: what has gone since the last call is taken off both. Who asks by number
  /// knows of it by now, and those behind it have moved up.
  mutating func reckon(_ done: inout UInt64, _ exists: inout UInt64) throws(IMAPError) {
    for (event, _) in held.dropFirst(reckonedPlace) {
      switch event {
      case .expunged(let number):
        if UInt64(number.rawValue) <= done { done -= 1 }
        if UInt64(number.rawValue) <= exists { exists -= 1 }
      case .vanished(let uids):
        try count(told.count, times: uids.ranges.count)
        let gone = told.count { $0.response.uid.map { uids.contains($0, largest: $0) } ?? false }
        done -= min(done, UInt64(gone))
        exists -= min(exists, UInt64(gone))
      default: break
      }
    }
    reckonedPlace = held.count
  }

  /// The messages that the FETCHes have told of and that were not expunged before the last of them was completed. Takes the expunges
  /// out of ``held``.
  mutating func present() throws(IMAPError) -> [FetchResponse] {
    defer { told = [] }
    var merger = FetchMerger()
    var expunges: [(number: SequenceNumber, place: Int)] = []
    for (place, held) in held.prefix(toldPlace).enumerated() {
      if case .expunged(let number) = held.event { expunges.append((number, place)) }
    }
    if expunges.isEmpty {
      for (response, _) in told { merger.add(response) }
      return merger.responses
    }
    try count(expunges.count, times: told.count)
    var numbers: [(number: UInt32, uid: UID)] = []
    var gone: Set<UID> = []
    var next = 0
    func expunge(before place: Int) {
      while next < expunges.count, expunges[next].place < place {
        let expunged = expunges[next].number.rawValue
        next += 1
        merger.renumber()
        for message in numbers where message.number == expunged { gone.insert(message.uid) }
        numbers.removeAll { $0.number == expunged }
        for index in numbers.indices where numbers[index].number > expunged { numbers[index].number -= 1 }
      }
    }
    for (response, place) in told {
      expunge(before: place)
      merger.add(response)
      if let uid = response.uid { numbers.append((response.sequence.rawValue, uid)) }
    }
    expunge(before: toldPlace)
    forget(expunges.count)
    return merger.responses.filter { response in response.uid.map { !gone.contains($0) } ?? true }
  }

  /// Takes all `count` expunges out of what was held before the last FETCH was completed, as if they had come before SELECT.
  private mutating func forget(_ count: Int) {
    var kept: [(event: MailboxEvent, bytes: Int)] = []
    var before: UInt32 = 0
    for (event, bytes) in held.prefix(toldPlace) {
      switch event {
      case .expunged: before += 1
      case .exists(let exists):
        let behind = UInt32(clamping: count) - before
        kept.append((.exists(exists - min(exists, behind)), bytes))
      default: kept.append((event, bytes))
      }
    }
    held = kept + held.dropFirst(toldPlace)
    toldPlace = kept.count
    expungedCount += before
  }

  /// Nobody is to keep the loop busy by removing messages.
  private mutating func count(_ messages: Int, times changes: Int) throws(IMAPError) {
    steps += messages * changes
    if steps > Self.mostSteps { throw .connection(.closedLocally) }
  }

  private static let mostSteps = 20_000_000
}

extension MailboxEvent {
  /// Whether messages are gone.
  fileprivate var isRemoval: Bool {
    switch self {
    case .expunged, .vanished: true
    default: false
    }
  }
}
