/// A response code, borrowed.
public struct ResponseCodeView: ~Escapable {
  /// The code's name.
  public let name: ByteView
  /// What follows the name and a space; empty where nothing does.
  public let arguments: ByteView

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) {
    var start = 0
    while start < bytes.count, bytes[start] == 0x20 { start += 1 }
    var end = start
    while end < bytes.count, bytes[end] != 0x20 { end += 1 }
    name = ByteView(bytes.extracting(start..<end))
    while end < bytes.count, bytes[end] == 0x20 { end += 1 }
    var last = bytes.count
    while last > end, bytes[last - 1] == 0x20 { last -= 1 }
    arguments = ByteView(bytes.extracting(end..<last))
  }

  /// The typed code. What does not parse as its name promises becomes
  /// ``ResponseCode/invalid(name:arguments:reason:)``.
  public func copy() -> ResponseCode {
    if arguments.isEmpty, let code = bare() { return code }
    do throws(ParseError) {
      if let code = try typed() { return code }
    } catch {
      return .invalid(name: name.uppercasedString(), arguments: arguments.copy(), reason: error)
    }
    let name = name.uppercasedString()
    return arguments.isEmpty ? .atom(name) : .other(name: name, arguments: arguments.copy())
  }

  /// A code without arguments that has a case of its own.
  private func bare() -> ResponseCode? {
    switch name.bytes.foldedWord(0..<name.count) {
    case keyword("ALERT"): return .alert
    case keyword("PARSE"): return .parse
    case keyword("NOMODSEQ"): return .noModSeq
    case keyword("CLOSED"): return .closed
    default: break
    }
    if name.equalsIgnoringCase("READ-ONLY") { return .readOnly }
    if name.equalsIgnoringCase("READ-WRITE") { return .readWrite }
    if name.equalsIgnoringCase("TRYCREATE") { return .tryCreate }
    if name.equalsIgnoringCase("UIDNOTSTICKY") { return .uidNotSticky }
    if name.equalsIgnoringCase("BADCHARSET") { return .badCharset([]) }
    if name.equalsIgnoringCase("INPROGRESS") { return .inProgress(tag: nil, done: nil, goal: nil) }
    return nil
  }

  /// A code with arguments; nil for one that is not known.
  private func typed() throws(ParseError) -> ResponseCode? {
    var cursor = Cursor(arguments.bytes)
    var found = try mailboxCode(&cursor)
    if found == nil { found = try extensionCode(&cursor) }
    guard let code = found else { return nil }
    // What is left over would be lost.
    if !cursor.isAtEnd { throw cursor.unexpected }
    return code
  }

  /// The codes of RFC 3501, RFC 4315 and RFC 7162.
  private func mailboxCode(_ cursor: inout Cursor) throws(ParseError) -> ResponseCode? {
    switch name.bytes.foldedWord(0..<name.count) {
    case keyword("UIDNEXT"): return .uidNext(try cursor.quantity32())
    case keyword("UNSEEN"): return .unseen(try cursor.quantity32())
    case keyword("MODIFIED"):
      let set = try cursor.setView()
      if !cursor.isAtEnd { throw cursor.unexpected }
      return .modified(set.copy())
    case keyword("COPYUID"): return try copyUID(&cursor)
    default: break
    }
    if name.equalsIgnoringCase("CAPABILITY") { return .capability(CapabilityListView(try all(&cursor)).copy()) }
    if name.equalsIgnoringCase("PERMANENTFLAGS") { return .permanentFlags(FlagListView(try all(&cursor)).copy()) }
    if name.equalsIgnoringCase("BADCHARSET") {
      let list = StringListView(try all(&cursor))
      try list.expectEnd()
      return .badCharset(list.strings())
    }
    // Servers send more than the 32 bits of RFC 9051. A number that is cut would be that of another mailbox.
    if name.equalsIgnoringCase("UIDVALIDITY") { return .uidValidity(try cursor.number()) }
    if name.equalsIgnoringCase("HIGHESTMODSEQ") { return .highestModSeq(ModSeq(rawValue: try cursor.quantity())) }
    if name.equalsIgnoringCase("APPENDUID") {
      let validity = try cursor.number()
      cursor.skipSpaces()
      let uids = try cursor.setView()
      if !cursor.isAtEnd { throw cursor.unexpected }
      return .appendUID(validity: validity, uids: uids.copy())
    }
    return nil
  }

  /// `validity source destination`. Outlook.com leaves both sets out where nothing was copied.
  private func copyUID(_ cursor: inout Cursor) throws(ParseError) -> ResponseCode {
    let validity = try cursor.number()
    cursor.skipSpaces()
    let none = UIDSet(ranges: [])
    if cursor.isAtEnd { return .copyUID(validity: validity, source: none, destination: none) }
    let source = try cursor.setView()
    cursor.skipSpaces()
    let destination = try cursor.setView()
    if !cursor.isAtEnd { throw cursor.unexpected }
    return .copyUID(validity: validity, source: source.copy(), destination: destination.copy())
  }

  /// The codes of the other extensions.
  private func extensionCode(_ cursor: inout Cursor) throws(ParseError) -> ResponseCode? {
    switch name.bytes.foldedWord(0..<name.count) {
    case keyword("BADURL"): return .badURL(try all(&cursor).lossyString())
    case keyword("WEBALERT"): return cursor.isAtEnd ? nil : .webAlert(try all(&cursor).lossyString())
    // RFC 2193, section 6: one URL or more.
    case keyword("REFERRAL"): return .referral(Self.words(try all(&cursor)))
    case keyword("BADEVENT"): return .badEvent(FlagListView(try all(&cursor)).strings())
    case keyword("URLMECH"): return .urlMechanisms(FlagListView(try all(&cursor)).strings())
    case keyword("METADATA"):
      guard let code = try metadata(&cursor) else { return nil }
      return .metadata(code)
    case keyword("ANNOTATE"):
      guard let code = try annotate(&cursor) else { return nil }
      return .annotations(code)
    case keyword("NOUPDATE"):
      let tag = try cursor.astring()
      return .noUpdate(tag: cursor.view(tag).lossyString())
    default: break
    }
    if name.equalsIgnoringCase("ANNOTATIONS") { return .annotations(try annotations(&cursor)) }
    if name.equalsIgnoringCase("INPROGRESS") { return try progress(&cursor) }
    if name.equalsIgnoringCase("MAXCONVERTMESSAGES") { return .maxConvertMessages(try cursor.quantity32()) }
    if name.equalsIgnoringCase("MAXCONVERTPARTS") { return .maxConvertParts(try cursor.quantity32()) }
    if name.equalsIgnoringCase("UNDEFINED-FILTER") { return .undefinedFilter(try all(&cursor).lossyString()) }
    if name.equalsIgnoringCase("MAILBOXID") {
      let id = try StatusItemView.objectID(all(&cursor))
      return .mailboxID(id.lossyString())
    }
    if name.equalsIgnoringCase("MESSAGELIMIT") {
      let count = try cursor.quantity32()
      cursor.skipSpaces()
      return .messageLimit(count, last: cursor.isAtEnd ? nil : UID(rawValue: try cursor.number32()))
    }
    return nil
  }

  /// The arguments, of which there must be some.
  @_lifetime(copy self)
  private func all(_ cursor: inout Cursor) throws(ParseError) -> Span<UInt8> {
    if cursor.isAtEnd { throw cursor.unexpected }
    cursor.index = cursor.bytes.count
    return arguments.bytes
  }

  /// What spaces separate, whatever it is.
  private static func words(_ bytes: Span<UInt8>) -> [String] {
    var list: [String] = []
    var start = 0
    for index in 0...bytes.count where index == bytes.count || bytes[index] == 0x20 {
      if index > start {
        list.append(bytes.extracting(start..<index).lossyString(), room: bytes.count(of: 0x20))
      }
      start = index + 1
    }
    return list
  }

  /// Nil for a word that is not known.
  private func metadata(_ cursor: inout Cursor) throws(ParseError) -> MetadataCode? {
    let word = cursor.bytes.extracting(try cursor.run(of: .token))
    cursor.skipSpaces()
    if word.equalsIgnoringCase("LONGENTRIES") { return .longEntries(try cursor.quantity()) }
    if word.equalsIgnoringCase("MAXSIZE") { return .maxSize(try cursor.quantity()) }
    if word.equalsIgnoringCase("TOOMANY") { return .tooMany }
    return word.equalsIgnoringCase("NOPRIVATE") ? .noPrivate : nil
  }

  /// Nil for a word that is not known.
  private func annotate(_ cursor: inout Cursor) throws(ParseError) -> AnnotationsCode? {
    let word = cursor.bytes.extracting(try cursor.run(of: .token))
    if word.equalsIgnoringCase("TOOBIG") { return .tooBig }
    return word.equalsIgnoringCase("TOOMANY") ? .tooMany : nil
  }

  private func annotations(_ cursor: inout Cursor) throws(ParseError) -> AnnotationsCode {
    let word = try cursor.run(of: .token)
    let text = cursor.bytes.extracting(word)
    cursor.skipSpaces()
    if text.equalsIgnoringCase("NONE") { return .none }
    var isPrivate = true
    if !cursor.isAtEnd {
      let option = cursor.bytes.extracting(try cursor.run(of: .token))
      guard option.equalsIgnoringCase("NOPRIVATE") else { throw ParseError(.invalidValue, offset: 0) }
      isPrivate = false
    }
    if text.equalsIgnoringCase("READ-ONLY") { return .readOnly(isPrivate: isPrivate) }
    var number = Cursor(text)
    let maxSize = try number.quantity()
    if !number.isAtEnd { throw number.unexpected }
    return .supported(maxSize: maxSize, isPrivate: isPrivate)
  }

  /// `(tag done goal)`, each of which may be NIL (RFC 9585, section 4).
  private func progress(_ cursor: inout Cursor) throws(ParseError) -> ResponseCode {
    try cursor.expect(UInt8(ascii: "("))
    cursor.skipSpaces()
    let tag: StringToken? = try cursor.nastring()
    cursor.skipSpaces()
    let done = try cursor.nquantity32()
    cursor.skipSpaces()
    let goal = try cursor.nquantity32()
    cursor.skipSpaces()
    try cursor.expect(UInt8(ascii: ")"))
    return .inProgress(tag: tag.map { cursor.view($0).lossyString() }, done: done, goal: goal)
  }
}
