/// SEARCH, SORT, THREAD, ESEARCH and their keys.
extension CommandEncoder {
  mutating func encodeSearches(_ command: Command) throws(EncodingError) {
    switch command {
    case .search(let key, let uid, let charset, let options):
      output.append(uid ? "UID SEARCH " : "SEARCH ")
      try returning(options)
      try self.charset(charset, for: key)
      try program(key)
    case .multiSearch(let search):
      output.append("ESEARCH ")
      if !search.source.isEmpty {
        output.append("IN ")
        try parentheses(search.source) { encoder, filter throws(EncodingError) in
          // RFC 7377, section 4: "We forbid the use of selected-delayed".
          encoder.place = .option
          if filter == .selectedDelayed { throw EncodingError() }
          try encoder.filter(filter)
        }
        output.append(UInt8(ascii: " "))
      }
      try returning(search.returning)
      try charset(search.charset, for: search.key)
      try program(search.key)
    case .sort(let criteria, let key, let uid, let charset, let options):
      output.append(uid ? "UID SORT " : "SORT ")
      try returning(options)
      place = .sortCriterion
      try parentheses(criteria) { encoder, criterion throws(EncodingError) in try encoder.criterion(criterion) }
      output.append(UInt8(ascii: " "))
      try self.charset(charset, holding: key)
      try program(key)
    case .thread(let algorithm, let key, let uid, let charset):
      output.append(uid ? "UID THREAD " : "THREAD ")
      place = .threadAlgorithm
      try atom(algorithm.rawValue)
      output.append(UInt8(ascii: " "))
      try self.charset(charset, holding: key)
      try program(key)
    case .cancelUpdate(let tags):
      output.append("CANCELUPDATE ")
      place = .tag
      try list(tags) { encoder, tag throws(EncodingError) in
        for byte in tag.utf8 where byte == 0x0d || byte == 0x0a || byte >= 0x80 {
          throw EncodingError(rule: .character)
        }
        try encoder.string(tag)
      }
    default:
      // Every command is written by one of the families.
      throw EncodingError()
    }
  }

  /// `1:500` or `-1:-100`.
  mutating func window(_ window: SearchWindow) throws(EncodingError) {
    if window.first == 0 || window.last == 0 {
      place = .option
      throw EncodingError(rule: .zero)
    }
    output.append(window.description)
  }

  private mutating func returning(_ options: [SearchReturnOption]?) throws(EncodingError) {
    guard let options else { return }
    output.append("RETURN ")
    place = .option
    if options.isEmpty { return output.append("() ") }
    try parentheses(options) { encoder, option throws(EncodingError) in try encoder.returning(option) }
    output.append(UInt8(ascii: " "))
  }

  private mutating func returning(_ option: SearchReturnOption) throws(EncodingError) {
    switch option {
    case .min: output.append("MIN")
    case .max: output.append("MAX")
    case .all: output.append("ALL")
    case .count: output.append("COUNT")
    case .save: output.append("SAVE")
    case .partial(let window):
      output.append("PARTIAL ")
      try self.window(window)
    case .update(let items):
      output.append("UPDATE")
      if items.isEmpty { return }
      output.append(UInt8(ascii: " "))
      try fetchItems(items)
    case .context: output.append("CONTEXT")
    case .relevancy: output.append("RELEVANCY")
    case .other(let name, let value):
      try atom(name)
      try optionalArgument(value)
    }
  }

  private mutating func criterion(_ criterion: SortCriterion) throws(EncodingError) {
    if criterion.isReversed { output.append("REVERSE ") }
    switch criterion.key {
    case .arrival: output.append("ARRIVAL")
    case .cc: output.append("CC")
    case .date: output.append("DATE")
    case .from: output.append("FROM")
    case .size: output.append("SIZE")
    case .subject: output.append("SUBJECT")
    case .to: output.append("TO")
    case .displayFrom: output.append("DISPLAYFROM")
    case .displayTo: output.append("DISPLAYTO")
    case .relevancy: output.append("RELEVANCY")
    case .annotation(let entry, let attribute):
      output.append("ANNOTATION ")
      try string(entry.span)
      output.append(UInt8(ascii: " "))
      try string(attribute.span)
    }
  }

  /// Text outside ASCII is sent as UTF-8 unless another charset is asked for, which then says so, except where everything is
  /// UTF-8 anyway: RFC 6855, section 3 forbids to name a charset once UTF8=ACCEPT is enabled.
  private mutating func charset(_ name: String?, for key: SearchKey) throws(EncodingError) {
    if mailboxEncoding == .utf8 {
      place = .charset
      if let name, !Self.isAtom(name) { throw EncodingError(rule: name.isEmpty ? .empty : .character) }
      return
    }
    guard let name = name ?? (SearchCharset(holding: key) > .ascii ? "UTF-8" : nil) else { return }
    output.append("CHARSET ")
    try charset(name, holding: key)
  }

  /// The charset and a space. What is not ASCII must fit: the texts are written in no other.
  private mutating func charset(_ name: String, holding key: SearchKey) throws(EncodingError) {
    place = .charset
    try atom(name)
    output.append(UInt8(ascii: " "))
    namesCharset = true
    let needed = SearchCharset(holding: key)
    if needed == .ascii { return }
    guard let charset = SearchCharset(named: name), charset >= needed else {
      place = .searchText
      throw EncodingError(rule: .charset)
    }
    texts = charset
  }

  private static func isAtom(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { ByteClass(of: $0).contains(.atom) }
  }

  private mutating func searchText(
    _ text: String, _ argument: InvalidArgument.Argument = .searchText
  ) throws(EncodingError) {
    place = argument
    guard let bytes = texts.bytes(of: text) else { throw EncodingError(rule: .charset) }
    try string(bytes.span)
  }

  private mutating func program(_ key: SearchKey) throws(EncodingError) {
    if case .and(let keys) = key, !keys.isEmpty {
      // Keys in a row are joined by "and": the outermost list needs no parentheses.
      try list(keys, depth: 1)
    } else {
      try self.key(key, depth: 0)
    }
  }

  private mutating func key(_ key: SearchKey, depth: Int) throws(EncodingError) {
    place = .searchKey
    if depth > Self.maximumSearchNesting { throw EncodingError(rule: .nesting) }
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
      try searchText(name, .headerField)
      output.append(UInt8(ascii: " "))
      try searchText(text)
    case .before(let date): try day("BEFORE ", date)
    case .on(let date): try day("ON ", date)
    case .since(let date): try day("SINCE ", date)
    case .sentBefore(let date): try day("SENTBEFORE ", date)
    case .sentOn(let date): try day("SENTON ", date)
    case .sentSince(let date): try day("SENTSINCE ", date)
    case .larger(let size): try self.size("LARGER ", size)
    case .smaller(let size): try self.size("SMALLER ", size)
    default: try extensionKey(key, depth: depth)
    }
  }

  /// A key of an extension.
  private mutating func extensionKey(_ key: SearchKey, depth: Int) throws(EncodingError) {
    switch key {
    case .modSeq(let value, let entry):
      output.append("MODSEQ ")
      if let entry {
        if !ModSeqEntry.isQuotable(entry.name) { throw EncodingError() }
        try string(entry.name)
        output.append(UInt8(ascii: " "))
        output.append(entry.scope.rawValue)
        output.append(UInt8(ascii: " "))
      }
      try modSeq(value)
    case .older(let seconds): try interval("OLDER ", seconds)
    case .younger(let seconds): try interval("YOUNGER ", seconds)
    case .savedBefore(let date): try day("SAVEDBEFORE ", date)
    case .savedOn(let date): try day("SAVEDON ", date)
    case .savedSince(let date): try day("SAVEDSINCE ", date)
    case .saveDateSupported: output.append("SAVEDATESUPPORTED")
    case .emailID(let id):
      output.append("EMAILID ")
      try atom(id)
    case .threadID(let id):
      output.append("THREADID ")
      try atom(id)
    case .fuzzy(let inner):
      output.append("FUZZY ")
      try self.key(inner, depth: depth + 1)
    case .filter(let name):
      output.append("FILTER ")
      if name.utf8.contains(UInt8(ascii: "/")) { throw EncodingError() }
      try atom(name)
    case .annotation(let entry, let attribute, let value):
      output.append("ANNOTATION ")
      try string(entry.span)
      output.append(UInt8(ascii: " "))
      try string(attribute.span)
      output.append(UInt8(ascii: " "))
      try self.value(value)
    case .uidAfter(let uid): try interval("UIDAFTER ", uid.rawValue)
    case .uidBefore(let uid): try interval("UIDBEFORE ", uid.rawValue)
    case .gmailRaw(let query): try pair("X-GM-RAW ", query)
    case .gmailMessageID(let id):
      output.append("X-GM-MSGID ")
      output.append(decimal: id)
    case .gmailThreadID(let id):
      output.append("X-GM-THRID ")
      output.append(decimal: id)
    case .gmailLabel(let label):
      output.append("X-GM-LABELS ")
      try self.label(label)
    case .other(let name, let arguments):
      try label(ofExtension: name)
      for value in arguments {
        output.append(UInt8(ascii: " "))
        try argument(value)
      }
    default:
      // Every key is written here or by ``key(_:depth:)``.
      throw EncodingError()
    }
  }

  /// RFC 9051, section 9: tagged-ext-label. What begins with a digit would be a set of messages, and `$` is one.
  private mutating func label(ofExtension name: String) throws(EncodingError) {
    if name.isEmpty { throw EncodingError(rule: .empty) }
    for (index, byte) in name.utf8.enumerated() {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"),
        UInt8(ascii: "_"), UInt8(ascii: "."):
        break
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"):
        if index == 0 { throw EncodingError(rule: .character) }
      default: throw EncodingError(rule: .character)
      }
    }
    output.append(name)
  }

  /// A number above 0.
  private mutating func interval(_ name: StaticString, _ number: UInt32) throws(EncodingError) {
    if number == 0 { throw EncodingError(rule: .zero) }
    output.append(name)
    output.append(decimal: number)
  }

  private mutating func list(_ keys: [SearchKey], depth: Int) throws(EncodingError) {
    for (index, key) in keys.enumerated() {
      if index > 0 { output.append(UInt8(ascii: " ")) }
      try self.key(key, depth: depth)
    }
  }

  private mutating func pair(_ name: StaticString, _ text: String) throws(EncodingError) {
    output.append(name)
    try searchText(text)
  }

  private mutating func size(_ name: StaticString, _ size: UInt64) throws(EncodingError) {
    // RFC 9051, section 9: number64 has 63 bits.
    if size > UInt64(Int64.max) { throw EncodingError(rule: .tooLarge) }
    output.append(name)
    output.append(decimal: size)
  }

  private mutating func day(_ name: StaticString, _ date: SearchDate) throws(EncodingError) {
    if !date.isDay {
      place = .date
      throw EncodingError(rule: .noSuchDay)
    }
    output.append(name)
    output.append(date.description)
  }

  private mutating func flag(_ flag: Flag, isSet: Bool) throws(EncodingError) {
    place = .flag
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
}
