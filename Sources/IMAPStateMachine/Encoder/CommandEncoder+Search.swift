extension CommandEncoder {
  /// SEARCH. Text outside ASCII is sent as UTF-8, which the charset then says.
  mutating func encodeSearch(_ key: SearchKey, uid: Bool, charset: String?) throws(EncodingError) {
    output.append(uid ? "UID SEARCH " : "SEARCH ")
    if let charset {
      output.append("CHARSET ")
      try atom(charset)
      output.append(UInt8(ascii: " "))
    } else if Self.holdsNonASCII(key) {
      output.append("CHARSET UTF-8 ")
    }
    if case .and(let keys) = key, !keys.isEmpty {
      // Keys in a row are joined by "and": the outermost list needs no parentheses.
      try list(keys, depth: 1)
    } else {
      try self.key(key, depth: 0)
    }
  }

  private mutating func key(_ key: SearchKey, depth: Int) throws(EncodingError) {
    if depth > Self.maximumSearchNesting { throw EncodingError() }
    switch key {
    case .all: output.append("ALL")
    case .and(let keys):
      if keys.isEmpty { return output.append("ALL") }
      output.append(UInt8(ascii: "("))
      try list(keys, depth: depth + 1)
      output.append(UInt8(ascii: ")"))
    case .or(let left, let right):
      output.append("OR ")
      try self.key(left, depth: depth + 1)
      output.append(UInt8(ascii: " "))
      try self.key(right, depth: depth + 1)
    case .not(let inner):
      output.append("NOT ")
      try self.key(inner, depth: depth + 1)
    case .flag(let flag): try self.flag(flag, isSet: true)
    case .noFlag(let flag): try self.flag(flag, isSet: false)
    case .new: output.append("NEW")
    case .old: output.append("OLD")
    case .uid(let uids):
      output.append("UID ")
      try set(uids)
    case .sequence(let numbers): try set(numbers)
    case .bcc(let text): try pair("BCC ", text)
    case .cc(let text): try pair("CC ", text)
    case .from(let text): try pair("FROM ", text)
    case .to(let text): try pair("TO ", text)
    case .subject(let text): try pair("SUBJECT ", text)
    case .body(let text): try pair("BODY ", text)
    case .text(let text): try pair("TEXT ", text)
    case .header(let name, let text):
      output.append("HEADER ")
      try string(name)
      output.append(UInt8(ascii: " "))
      try string(text)
    case .before(let date): day("BEFORE ", date)
    case .on(let date): day("ON ", date)
    case .since(let date): day("SINCE ", date)
    case .sentBefore(let date): day("SENTBEFORE ", date)
    case .sentOn(let date): day("SENTON ", date)
    case .sentSince(let date): day("SENTSINCE ", date)
    case .larger(let size):
      output.append("LARGER ")
      output.append(decimal: size)
    case .smaller(let size):
      output.append("SMALLER ")
      output.append(decimal: size)
    case .modSeq(let value):
      output.append("MODSEQ ")
      output.append(decimal: value.rawValue)
    }
  }

  private mutating func list(_ keys: [SearchKey], depth: Int) throws(EncodingError) {
    for (index, key) in keys.enumerated() {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      try self.key(key, depth: depth)
    }
  }

  private mutating func pair(_ name: StaticString, _ text: String) throws(EncodingError) {
    output.append(name)
    try string(text)
  }

  private mutating func day(_ name: StaticString, _ date: SearchDate) {
    output.append(name)
    output.append(date.description)
  }

  private mutating func flag(_ flag: Flag, isSet: Bool) throws(EncodingError) {
    switch flag {
    case .seen: output.append(isSet ? "SEEN" : "UNSEEN")
    case .answered: output.append(isSet ? "ANSWERED" : "UNANSWERED")
    case .flagged: output.append(isSet ? "FLAGGED" : "UNFLAGGED")
    case .deleted: output.append(isSet ? "DELETED" : "UNDELETED")
    case .draft: output.append(isSet ? "DRAFT" : "UNDRAFT")
    case .recent: output.append(isSet ? "RECENT" : "OLD")
    default:
      if flag.isSystem { throw EncodingError() }
      output.append(isSet ? "KEYWORD " : "UNKEYWORD ")
      try atom(flag.rawValue)
    }
  }

  private static func holdsNonASCII(_ key: SearchKey) -> Bool {
    // By an explicit stack: nesting is checked when the key is written.
    var pending = [key]
    while let key = pending.popLast() {
      switch key {
      case .and(let keys): pending += keys
      case .or(let left, let right): pending += [left, right]
      case .not(let inner): pending.append(inner)
      case .bcc(let text), .cc(let text), .from(let text), .to(let text), .subject(let text), .body(let text),
        .text(let text):
        if !isASCII(text) { return true }
      case .header(let name, let text):
        if !isASCII(name) || !isASCII(text) { return true }
      default: break
      }
    }
    return false
  }

  private static func isASCII(_ text: String) -> Bool { text.utf8.allSatisfy { $0 < 0x80 } }
}
