import IMAPStateMachine

/// SEARCH, SORT and THREAD. Numbers are UIDs; of sequence numbers the functions are named. A key of an extension that the server has
/// not announced throws `.capabilityMissing`. An empty set of messages, as of a search that found nothing, matches no message: a key
/// that nothing can match because of one finds nothing, and the server is not asked.
extension IMAPClient {
  /// SEARCH (RFC 9051, section 6.4.4): the UIDs of the messages that match. `charset` is that of the texts in `key`; nil leaves
  /// it to the connection.
  ///
  /// Where `key` is a set of UIDs, or names one that must hold them, and that is too long for a line, there is a search for each part
  /// of it.
  public func search(_ key: SearchKey, charset: String? = nil) async throws(IMAPError) -> [UID] {
    guard let key = key.withoutEmptySets else { return [] }
    // As for COPY.
    let selection = expectedSelection
    do throws(IMAPError) {
      return try await numbers("SEARCH", .search(key, uid: true, charset: charset)).map { UID(rawValue: $0) }
    } catch {
      guard let (first, second) = error.halves(of: key) else { throw error }
      return try await tied(to: selection) { () async throws(IMAPError) -> [UID] in
        let found = try await search(first, charset: charset)
        return found + (try await search(second, charset: charset))
      }
    }
  }

  /// SEARCH: the sequence numbers of the messages that match.
  public func searchSequence(_ key: SearchKey, charset: String? = nil) async throws(IMAPError) -> [SequenceNumber] {
    guard let key = key.withoutEmptySets else { return [] }
    return try await numbers("SEARCH", .search(key, uid: false, charset: charset)).map {
      SequenceNumber(rawValue: $0)
    }
  }

  /// SEARCH with RETURN (RFC 4731, 9394): only what `returning` asks for goes over the wire. On a server that has no ESEARCH the
  /// messages are searched for and min, max, count and all are made of the result; other options throw
  /// `.capabilityMissing`. Either way a search by `MODSEQ` brings the highest modification sequence of what it has found (RFC
  /// 7162, section 3.1.10). Where nothing can match, the server is asked only for what lasts, as SAVE does.
  public func search(
    _ key: SearchKey, returning: [SearchReturnOption], charset: String? = nil
  ) async throws(IMAPError) -> ExtendedSearchResult {
    let known: [SearchReturnOption] = [.min, .max, .count, .all]
    let isPlain = returning.allSatisfy { known.contains($0) }
    let matching = key.withoutEmptySets
    if matching == nil, isPlain {
      return ExtendedSearchResult(isUID: true, items: returning.contains(.count) ? [.count(0)] : [])
    }
    let key = matching ?? .not(.all)
    if try await has("ESEARCH") {
      let command = Command.search(key, uid: true, charset: charset, returning: returning)
      return try await gather("SEARCH", command, into: SearchAnswer()) { $1.take($0) }.value.extended(isUID: true)
    }
    if !isPlain { throw .capabilityMissing(Capability("ESEARCH"), command: "SEARCH") }
    let command = Command.search(key, uid: true, charset: charset)
    let answer = try await gather("SEARCH", command, into: SearchAnswer()) { $1.take($0) }.value
    let found = answer.numbers(limit: limit).map { UID(rawValue: $0) }
    var items: [ExtendedSearchResult.Item] = []
    for option in returning.isEmpty ? [.all] : returning {
      switch option {
      case .min: if let first = found.min() { items.append(.min(first.rawValue)) }
      case .max: if let last = found.max() { items.append(.max(last.rawValue)) }
      case .count: items.append(.count(UInt64(found.count)))
      case .all: if !found.isEmpty { items.append(.all(.uids(UIDSet(found)))) }
      default: break
      }
    }
    if let modSeq = answer.modSeq { items.append(.modSeq(modSeq)) }
    return ExtendedSearchResult(isUID: true, items: items)
  }

  /// A search through several mailboxes (RFC 7377): a result for each in which something was found. Throws `.capabilityMissing`
  /// without MULTISEARCH.
  public func search(_ search: MultiSearch) async throws(IMAPError) -> [ExtendedSearchResult] {
    var search = search
    guard let key = search.key.withoutEmptySets else { return [] }
    search.key = key
    return try await gather("ESEARCH", .multiSearch(search), into: []) { view, results in
      guard case .extendedSearch(let result) = copy view else { return false }
      results.append(result.copy())
      return true
    }.value
  }

  /// SORT (RFC 5256): the UIDs of the messages that match, in the order asked for. Throws `.capabilityMissing` where the server
  /// can't.
  public func sort(
    _ order: [SortCriterion], _ key: SearchKey = .all, charset: String = "UTF-8"
  ) async throws(IMAPError) -> [UID] {
    guard let key = key.withoutEmptySets else { return [] }
    return try await numbers("SORT", .sort(order, key, uid: true, charset: charset)).map { UID(rawValue: $0) }
  }

  /// THREAD (RFC 5256): conversations, their messages as UIDs. Throws `.capabilityMissing` where the server lacks the
  /// algorithm.
  public func thread(
    _ algorithm: ThreadAlgorithm = .references, _ key: SearchKey = .all, charset: String = "UTF-8"
  ) async throws(IMAPError) -> [MessageThread] {
    guard let key = key.withoutEmptySets else { return [] }
    return try await gather("THREAD", .thread(algorithm, key, uid: true, charset: charset), into: []) { view, threads in
      guard case .thread(let answer) = copy view else { return false }
      threads += answer.copy()
      return true
    }.value
  }

  /// UIDBATCHES: where the UIDs of each run of `size` messages lie, the newest first. Throws `.capabilityMissing` without it.
  public func uidBatches(
    size: UInt32, batches: ClosedRange<UInt32>? = nil
  ) async throws(IMAPError) -> UIDBatches? {
    return try await gather("UIDBATCHES", .uidBatches(size: size, batches: batches), into: nil) { view, answer in
      guard case .uidBatches(let batches) = copy view else { return false }
      answer = batches.copy()
      return true
    }.value
  }

  /// CANCELUPDATE (RFC 5267, section 4.4): searches with these tags are no longer kept up to date.
  public func cancelUpdate(tags: [String]) async throws(IMAPError) {
    try await run("CANCELUPDATE", .cancelUpdate(tags: tags))
  }

  /// The numbers that a SEARCH or SORT found. Once IMAP4rev2 is enabled the answer is an ESEARCH (RFC 9051, section 6.4.4).
  private func numbers(_ name: String, _ command: Command) async throws(IMAPError) -> [UInt32] {
    let answer = try await gather(name, command, into: SearchAnswer()) { $1.take($0) }.value
    return answer.numbers(limit: limit)
  }

  /// No server finds more messages than there are; what claims to is not written out.
  private var limit: Int { max(Int(channel.selected?.exists ?? 0), Self.fewest) }

  /// Room for messages that came after the last word about how many there are.
  private static let fewest = 100_000
}

extension IMAPError {
  /// Keys that together find what `key` does, where this says that it is too long for a line, by parts of the set of UIDs that all must
  /// be in. The parts are apart, unless the caller's set names a message twice.
  fileprivate func halves(of key: SearchKey) -> (SearchKey, SearchKey)? {
    switch key {
    case .uid(let uids): return halves(of: .uids(uids)).map { (.uid($0), .uid($1)) }
    case .and(var keys):
      for (index, part) in keys.enumerated() {
        guard case .uid = part, let (first, second) = halves(of: part) else { continue }
        keys[index] = first
        let whole = SearchKey.and(keys)
        keys[index] = second
        return (whole, .and(keys))
      }
      return nil
    default: return nil
    }
  }
}

/// What came for a search: SEARCH, SORT or ESEARCH.
private struct SearchAnswer {
  private var found = SearchResult()
  private var results: [ExtendedSearchResult] = []

  /// Takes the answer. Some servers give it in several lines.
  mutating func take(_ view: borrowing UntaggedView) -> Bool {
    switch copy view {
    case .search(let numbers), .sort(let numbers):
      let more = numbers.copy()
      found.numbers += more.numbers
      found.modSeq = more.modSeq ?? found.modSeq
    case .extendedSearch(let result):
      // Without a tag it is for the first that has none yet.
      switch result.tag {
      case .none where !results.isEmpty: return false
      default: results.append(result.copy())
      }
    default: return false
    }
    return true
  }

  /// That of a SEARCH (RFC 7162, section 3.1.5).
  var modSeq: ModSeq? { found.modSeq }

  /// At most `limit` numbers, in the order of the answer.
  func numbers(limit: Int) -> [UInt32] {
    var numbers = found.numbers
    for result in results {
      let room = max(limit - numbers.count, 0)
      switch result.all {
      case .uids(let set): numbers += set.numbers(limit: room).map(\.rawValue)
      case .sequence(let set): numbers += set.numbers(limit: room).map(\.rawValue)
      case nil: break
      }
    }
    return numbers
  }

  /// All of the answer as one ESEARCH.
  func extended(isUID: Bool) -> ExtendedSearchResult {
    if var first = results.first {
      for other in results.dropFirst() { first.items += other.items }
      return first
    }
    var items: [ExtendedSearchResult.Item] = []
    if !found.numbers.isEmpty { items.append(.all(.uids(UIDSet(found.numbers.map { UID(rawValue: $0) })))) }
    if let modSeq = found.modSeq { items.append(.modSeq(modSeq)) }
    return ExtendedSearchResult(isUID: isUID, items: items)
  }
}
