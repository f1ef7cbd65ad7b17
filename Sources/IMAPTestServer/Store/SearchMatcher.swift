import IMAPStateMachine

/// A ``SearchKey`` made ready for one view: texts folded, sets sorted, flags turned to bits.
indirect enum SearchMatcher {
  case all
  case none
  case and([SearchMatcher])
  case or(SearchMatcher, SearchMatcher)
  case not(SearchMatcher)
  case flag(FlagSet)
  case recent
  case uids(NumberRanges)
  case numbers(NumberRanges)
  case header([UInt8], SearchText)
  case body(SearchText)
  case text(SearchText)
  case received(Day)
  case sent(Day)
  case larger(Int)
  case smaller(Int)
  case modSeq(UInt64)

  /// A comparison with a day.
  enum Day {
    case before(Int)
    case on(Int)
    case since(Int)

    func matches(_ order: Int) -> Bool {
      switch self {
      case .before(let day): order < day
      case .on(let day): order == day
      case .since(let day): order >= day
      }
    }
  }

  /// Prepares `key`. Throws where keys are nested too deeply.
  init(_ key: SearchKey, in view: SelectedView, depth: Int = 0) throws(StoreError) {
    if depth > Self.depthLimit { throw .tooComplex }
    switch key {
    case .all: self = .all
    case .and(let keys):
      var cheap: [SearchMatcher] = []
      var costly: [SearchMatcher] = []
      for key in keys {
        let matcher = try SearchMatcher(key, in: view, depth: depth + 1)
        // Keys that read messages come last: a cheap one may make them needless.
        if matcher.isCheap { cheap.append(matcher) } else { costly.append(matcher) }
      }
      self = .and(cheap + costly)
    case .or(let left, let right):
      let first = try SearchMatcher(left, in: view, depth: depth + 1)
      let second = try SearchMatcher(right, in: view, depth: depth + 1)
      self = first.isCheap ? .or(first, second) : .or(second, first)
    case .not(let key): self = .not(try SearchMatcher(key, in: view, depth: depth + 1))
    case .flag(let flag): self = Self.flag(flag, in: view)
    case .noFlag(let flag): self = .not(Self.flag(flag, in: view))
    case .new: self = .and([.recent, .not(.flag(.seen))])
    case .old: self = .not(.recent)
    case .uid(let set) where set.isSavedResult: throw .notOffered
    case .sequence(let set) where set.isSavedResult: throw .notOffered
    case .uid(let set): self = .uids(NumberRanges(set, largest: view.largestUID))
    case .sequence(let set): self = .numbers(NumberRanges(set, largest: UInt32(clamping: view.count)))
    case .bcc(let text): self = .header(Array("Bcc".utf8), SearchText(text))
    case .cc(let text): self = .header(Array("Cc".utf8), SearchText(text))
    case .from(let text): self = .header(Array("From".utf8), SearchText(text))
    case .to(let text): self = .header(Array("To".utf8), SearchText(text))
    case .subject(let text): self = .header(Array("Subject".utf8), SearchText(text))
    case .header(let name, let text): self = .header(Array(name.utf8), SearchText(text))
    case .body(let text): self = .body(SearchText(text))
    case .text(let text): self = .text(SearchText(text))
    case .before(let date): self = .received(.before(date.order))
    case .on(let date): self = .received(.on(date.order))
    case .since(let date): self = .received(.since(date.order))
    case .sentBefore(let date): self = .sent(.before(date.order))
    case .sentOn(let date): self = .sent(.on(date.order))
    case .sentSince(let date): self = .sent(.since(date.order))
    case .larger(let size): self = .larger(Int(clamping: size))
    case .smaller(let size): self = .smaller(Int(clamping: size))
    // RFC 7162, section 3.1.5: a server with one modification sequence a message ignores the entry.
    case .modSeq(let value, _): self = .modSeq(value.rawValue)
    case .older, .younger, .savedBefore, .savedOn, .savedSince, .saveDateSupported, .emailID, .threadID, .fuzzy,
      .filter, .annotation, .uidAfter, .uidBefore, .gmailRaw, .gmailMessageID, .gmailThreadID, .gmailLabel,
      .other:
      throw .notOffered
    }
  }

  /// Whether the message at `index` of the view's mailbox matches.
  func matches(_ message: MailboxMessage, at index: Int, in view: SelectedView) -> Bool {
    switch self {
    case .all: true
    case .none: false
    case .and(let keys): keys.allSatisfy { $0.matches(message, at: index, in: view) }
    case .or(let left, let right):
      left.matches(message, at: index, in: view) || right.matches(message, at: index, in: view)
    case .not(let key): !key.matches(message, at: index, in: view)
    case .flag(let flag): message.flags.contains(flag)
    case .recent: view.isRecent(message.uid)
    case .uids(let ranges): ranges.contains(message.uid)
    case .numbers(let ranges): ranges.contains(view.number(at: index).rawValue)
    case .header(let name, let text): message.content.headerHolds(text, name: name.span)
    case .body(let text): message.content.bodyHolds(text)
    case .text(let text): message.content.headerHolds(text) || message.content.bodyHolds(text)
    case .received(let day): day.matches(message.content.internalDate.dayOrder)
    case .sent(let day): message.content.sentDay.map { day.matches($0.order) } ?? false
    case .larger(let size): message.content.size > size
    case .smaller(let size): message.content.size < size
    case .modSeq(let value): message.modSeq >= value
    }
  }

  /// Whether a match needs no look into the message.
  var isCheap: Bool {
    switch self {
    case .and(let keys): keys.allSatisfy(\.isCheap)
    case .or(let left, let right): left.isCheap && right.isCheap
    case .not(let key): key.isCheap
    case .header, .body, .text, .sent: false
    default: true
    }
  }

  private static func flag(_ flag: Flag, in view: SelectedView) -> SearchMatcher {
    if flag == .recent { return .recent }
    return view.mailbox.flagTable.find(flag).map { .flag($0) } ?? .none
  }

  /// Keys inside one another. People write three.
  private static let depthLimit = 64
}

extension SearchKey {
  /// Whether the search asks for modification sequences, so that its result names the highest one (RFC 7162, section
  /// 3.1.5). Call it for keys that ``SearchMatcher`` took, whose depth is bounded.
  var asksForModSeq: Bool {
    switch self {
    case .modSeq: true
    case .and(let keys): keys.contains(where: \.asksForModSeq)
    case .or(let left, let right): left.asksForModSeq || right.asksForModSeq
    case .not(let key): key.asksForModSeq
    default: false
    }
  }
}

/// A search that can rest between two messages: the store may change meanwhile.
struct SearchRun {
  private let matcher: SearchMatcher
  private let asksForModSeq: Bool
  private var nextUID: UInt32 = 1
  private var found: [UInt32] = []
  private var highest: UInt64 = 0

  /// Prepares the search for `key`. Throws where that is too complex.
  init(_ key: SearchKey, in view: SelectedView) throws(StoreError) {
    matcher = try SearchMatcher(key, in: view)
    asksForModSeq = key.asksForModSeq
  }

  /// Looks at some more messages. Returns whether there are any left.
  mutating func advance(in view: SelectedView) -> Bool {
    let first = view.mailbox.index(from: nextUID)
    let end = min(view.liveCount, first + (matcher.isCheap ? Self.cheapBatch : Self.costlyBatch))
    let messages = view.mailbox.messages
    if first >= end { return false }
    for index in first..<end where matcher.matches(messages[index], at: index, in: view) {
      found.append(messages[index].uid)
      highest = max(highest, messages[index].modSeq)
    }
    nextUID = messages[end - 1].uid + 1
    return end < view.liveCount
  }

  /// What was found: UIDs, or sequence numbers without `uid`.
  func result(uid: Bool, in view: SelectedView) -> SearchResult {
    var result = SearchResult()
    result.numbers = uid ? found : found.compactMap { view.number(of: $0)?.rawValue }
    // RFC 7162, section 3.1.5: without a match the response has no MODSEQ.
    if highest > 0, asksForModSeq { result.modSeq = ModSeq(rawValue: highest) }
    return result
  }

  /// Messages of which only flags and numbers are looked at: less than a millisecond.
  private static let cheapBatch = 8192
  /// Messages that are read. Twenty of 25 KiB take about a millisecond.
  private static let costlyBatch = 16
}

extension SelectedView {
  /// The messages that match: their UIDs, or their sequence numbers without `uid`. Throws where the key is too complex.
  func search(_ key: SearchKey, uid: Bool) throws(StoreError) -> SearchResult {
    var run = try SearchRun(key, in: self)
    while run.advance(in: self) {}
    return run.result(uid: uid, in: self)
  }
}
