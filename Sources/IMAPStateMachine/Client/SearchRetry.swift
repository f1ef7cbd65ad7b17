/// Searches whose charset the server does not know (RFC 9051, section 6.4.4; RFC 5256, section 3).
extension Command {
  /// The same search for a server that refused it with BADCHARSET: without a charset, or in one that the server has and all
  /// texts can be written in. Nil where there is none, and where the search does not mean the same any more.
  ///
  /// `wasLast` says that nothing was sent behind the search.
  func inAnotherCharset(_ refusal: borrowing ResponseCodeView, wasLast: Bool) -> Command? {
    switch self {
    case .search(let key, let uid, let charset, let options):
      if Self.hasChanged(key, uid, options, wasLast) { return nil }
      if SearchCharset(holding: key) == .ascii { return .search(key, uid: uid, returning: options) }
      guard let other = Self.charset(for: key, not: charset ?? "UTF-8", refusal) else { return nil }
      return .search(key, uid: uid, charset: other, returning: options)
    case .multiSearch(var search):
      if Self.hasChanged(search.key, true, search.returning, wasLast) { return nil }
      let isASCII = SearchCharset(holding: search.key) == .ascii
      search.charset = isASCII ? nil : Self.charset(for: search.key, not: search.charset ?? "UTF-8", refusal)
      return isASCII || search.charset != nil ? .multiSearch(search) : nil
    case .sort(let criteria, let key, let uid, let charset, let options):
      if Self.hasChanged(key, uid, options, wasLast) { return nil }
      guard let other = Self.mandatoryCharset(for: key, not: charset, refusal) else { return nil }
      return .sort(criteria, key, uid: uid, charset: other, returning: options)
    case .thread(let algorithm, let key, let uid, let charset):
      if Self.hasChanged(key, uid, nil, wasLast) { return nil }
      guard let other = Self.mandatoryCharset(for: key, not: charset, refusal) else { return nil }
      return .thread(algorithm, key, uid: uid, charset: other)
    default: return nil
    }
  }

  /// RFC 5256, section 3: SORT and THREAD always name a charset, and each server knows US-ASCII.
  private static func mandatoryCharset(
    for key: SearchKey, not refused: String, _ refusal: borrowing ResponseCodeView
  ) -> String? {
    if SearchCharset(holding: key) == .ascii, SearchCharset(named: refused) != .ascii { return "US-ASCII" }
    return charset(for: key, not: refused, refusal)
  }

  /// The one of those which the refusal lists that holds most, in the server's spelling.
  private static func charset(
    for key: SearchKey, not refused: String, _ refusal: borrowing ResponseCodeView
  ) -> String? {
    var best: (charset: SearchCharset, name: String)?
    let needed = SearchCharset(holding: key)
    // The parentheses of the list are missing in an example of RFC 9051, section 6.4.4.4, and need not be there.
    var list = StringListView(refusal.arguments.bytes)
    while let word = list.next() {
      let name = word.lossyString()
      guard let charset = SearchCharset(named: name), charset >= needed,
        asciiUppercased(name) != asciiUppercased(refused)
      else { continue }
      if let best, best.charset >= charset { continue }
      best = (charset, name)
    }
    return best?.name
  }

  /// Whether a search that goes again may find something else, or something else may have come of what was sent behind it.
  private static func hasChanged(
    _ key: SearchKey, _ isUID: Bool, _ options: [SearchReturnOption]?, _ wasLast: Bool
  ) -> Bool {
    let names = key.messagesNamed
    // RFC 9051, section 6.4.4.1: a search with SAVE that is refused leaves `$` empty. The same search cannot name it then, and
    // what was sent behind has used it already, or made it anew.
    let saves = options?.contains(.save) ?? false
    if names.savedResult, saves || !wasLast { return true }
    if saves, !wasLast { return true }
    // RFC 9051, section 7.5.1: EXPUNGE may have come during the search with UID, or what was sent behind.
    return names.numbers && (isUID || !wasLast)
  }
}

extension SearchKey {
  /// Whether `$` or sequence numbers are a part of it.
  fileprivate var messagesNamed: (savedResult: Bool, numbers: Bool) {
    var names = (savedResult: false, numbers: false)
    // By an explicit stack: nesting is checked when the key is written.
    var pending = [self]
    while let key = pending.popLast() {
      switch key {
      case .sequence(let set):
        if set.isSavedResult { names.savedResult = true } else { names.numbers = true }
      case .uid(let set): if set.isSavedResult { names.savedResult = true }
      case .and(let keys): pending += keys
      case .or(let left, let right): pending += [left, right]
      case .not(let inner), .fuzzy(let inner): pending.append(inner)
      case .other(_, let arguments):
        let contents = CommandArgument.list(arguments).contents
        if contents.savedResult || contents.isRaw { names.savedResult = true }
        if contents.sequenceNumbers || contents.isRaw { names.numbers = true }
      default: break
      }
    }
    return names
  }
}
