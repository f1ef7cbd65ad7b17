import IMAPStateMachine

extension CommandNeed {
  /// RFC 4731; IMAP4rev2 includes it.
  static let extendedSearch = revision2("ESEARCH")
  /// RFC 5182; IMAP4rev2 includes it.
  static let savedResult = revision2("SEARCHRES")
  /// RFC 6203, section 3.
  static let fuzzy = only("SEARCH=FUZZY")
  /// RFC 8514.
  static let saveDate = only("SAVEDATE")
}

extension SearchKey {
  /// What the server must have announced for this key and those in it, each once. Complexity: O(keys).
  var needs: [CommandNeed] {
    var needs: [CommandNeed] = []
    // Without recursion: how deep keys lie in each other is up to the caller.
    var open = [self]
    while let key = open.popLast() {
      switch key {
      case .and(let keys): open += keys
      case .or(let first, let second): open += [first, second]
      case .not(let key): open.append(key)
      case .fuzzy(let key):
        open.append(key)
        needs.addOnce(.fuzzy)
      default: if let need = key.need { needs.addOnce(need) }
      }
    }
    return needs
  }

  /// What this key alone needs.
  private var need: CommandNeed? {
    switch self {
    case .uid(let set): set.isSavedResult ? .savedResult : nil
    case .sequence(let set): set.isSavedResult ? .savedResult : nil
    case .modSeq: .condStore
    case .older, .younger: .only("WITHIN")
    case .savedBefore, .savedOn, .savedSince, .saveDateSupported: .saveDate
    case .emailID, .threadID: .objectID
    case .filter: .only("FILTERS")
    case .annotation: .annotate
    // RFC 9738, section 3.2; the capability's name goes on with the limit.
    case .uidAfter, .uidBefore: .any("MESSAGELIMIT", prefix: "MESSAGELIMIT=")
    case .gmailRaw, .gmailMessageID, .gmailThreadID, .gmailLabel: .gmail
    default: nil
    }
  }
}

extension [SearchReturnOption]? {
  /// What a search with these options needs; `extended` is what lets the command have any.
  func needs(_ extended: CommandNeed, context: Capability) -> [CommandNeed] {
    guard let options = self else { return [] }
    var needs = [extended]
    for option in options {
      switch option {
      case .min, .max, .all, .count, .other: break
      case .save: needs.addOnce(.savedResult)
      // RFC 9394, section 3.1: either of the two will do for a SEARCH; of a SORT only RFC 5267 speaks.
      case .partial: needs.addOnce(extended == .extendedSearch ? .any("PARTIAL", context) : .only(context))
      case .update, .context: needs.addOnce(.only(context))
      case .relevancy: needs.addOnce(.fuzzy)
      }
    }
    return needs
  }
}

extension SortCriterion {
  /// What the criterion needs besides SORT.
  var need: CommandNeed? {
    switch key {
    case .arrival, .cc, .date, .from, .size, .subject, .to: nil
    case .displayFrom, .displayTo: .only("SORT=DISPLAY")
    case .relevancy: .fuzzy
    case .annotation: .annotate
    }
  }
}

extension [CommandNeed] {
  fileprivate mutating func addOnce(_ need: CommandNeed) {
    if !contains(need) { append(need) }
  }
}
