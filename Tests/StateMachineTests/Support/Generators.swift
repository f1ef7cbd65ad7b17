@testable import IMAPStateMachine

/// Random values of the protocol, each in the one form that writing and reading gives back.
struct Generator {
  var random: SeededGenerator

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(bound, 1), using: &random) }
  mutating func chance(_ one: Int) -> Bool { below(one) == 0 }
  mutating func list<Value>(upTo count: Int, _ make: (inout Generator) -> Value) -> [Value] {
    (0..<below(count + 1)).map { _ in make(&self) }
  }

  // MARK: Strings

  /// Texts that are easily written or read wrongly.
  static let awkwardTexts = [
    "", " ", "NIL", "nil", "a b", "a\"b", "\\", "a\\\\b\"", "\"", "{5}", "{3+}\r\n", "~{1}", "(", ")", "[x]", "%", "*",
    "a\r\nb", "\r", "\n", "=?UTF-8?Q?x?=", "\u{e4}\u{f6}\u{fc}", "\u{65e5}\u{672c}\u{8a9e}", "\u{1f600}", "+",
    "x) UID 5",
    "\" ", "\")", "tab\there", "0", "INBOX", "]", "<a@b>", "\u{1}\u{7f}",
  ]

  mutating func text() -> String {
    switch below(8) {
    case 0: String(repeating: "long ", count: below(1200))
    case 1...4: Self.awkwardTexts[below(Self.awkwardTexts.count)]
    default: Self.awkwardTexts[below(Self.awkwardTexts.count)] + Self.awkwardTexts[below(Self.awkwardTexts.count)]
    }
  }

  /// Bytes of any value.
  mutating func bytes() -> [UInt8] {
    if chance(4) { return list(upTo: 40) { UInt8($0.below(256)) } }
    return Array(text().utf8)
  }

  /// Bytes that are not empty and do not end in a space: servers put nothing, and spaces, where a word is due.
  mutating func word() -> [UInt8] { bytes() + [UInt8(ascii: "x")] }

  mutating func optionalBytes() -> [UInt8]? { chance(3) ? nil : bytes() }

  mutating func keyword() -> Flag { Flag(["$Forwarded", "Junk", "x-y.z", "a+b"][below(4)]) }

  mutating func flag() -> Flag {
    chance(3) ? keyword() : [.seen, .answered, .flagged, .deleted, .draft][below(5)]
  }

  // MARK: Messages

  mutating func set<Number: MessageNumber>() -> MessageSet<Number> {
    MessageSet(
      ranges: (0...below(4)).map { _ in
        let first = chance(6) ? UInt32.max : UInt32(1 + below(1_000_000))
        return MessageSet.Range(first, chance(2) ? first : chance(6) ? .max : UInt32(1 + below(4_294_967_000)))
      })
  }

  mutating func reference() -> MessageReference { chance(2) ? .uids(set()) : .sequence(set()) }

  mutating func address() -> Address {
    var address = Address(
      name: optionalBytes(), route: optionalBytes(), mailbox: optionalBytes(), host: optionalBytes())
    // Brackets around an address are read as none.
    if address.mailbox?.first == UInt8(ascii: "<"), address.host?.last == UInt8(ascii: ">") { address.host = nil }
    return address
  }

  mutating func envelope() -> Envelope {
    func addresses(_ generator: inout Generator) -> [Address] { generator.list(upTo: 2) { $0.address() } }
    return Envelope(
      date: optionalBytes(), subject: optionalBytes(), from: addresses(&self), sender: addresses(&self),
      replyTo: addresses(&self), to: addresses(&self), cc: addresses(&self), bcc: addresses(&self),
      inReplyTo: optionalBytes(), messageID: optionalBytes())
  }

  /// A structure with extension data where `extended`.
  mutating func structure(depth: Int = 0, extended: Bool = true) -> BodyStructure {
    if depth < 5, chance(3) {
      let parts = (0...below(3)).map { _ in structure(depth: depth + 1, extended: extended) }
      var multipart = BodyStructure.Multipart(parts: parts, subtype: bytes())
      if extended, chance(2) {
        multipart.parameters = parameters()
        if chance(2) || multipart.parameters.isEmpty { multipart.ext = ext() }
      }
      return .multipart(multipart)
    }
    var part = BodyStructure.Part(
      type: Array("application".utf8), subtype: bytes(), parameters: parameters(), id: optionalBytes(),
      description: optionalBytes(), encoding: word(), octets: random.next())
    switch below(3) {
    case 0:
      part.type = Array("Text".utf8)
      part.content = .text(lines: random.next())
    case 1 where depth < 5:
      part.type = Array("MESSAGE".utf8)
      part.subtype = Array((chance(2) ? "rfc822" : "Global").utf8)
      part.content = .message(envelope(), structure(depth: depth + 1, extended: extended), lines: random.next())
    default: break
    }
    if extended, chance(2) {
      part.md5 = optionalBytes()
      if chance(2) { part.ext = ext() }
    }
    return .single(part)
  }

  private mutating func parameters() -> [BodyStructure.Parameter] {
    list(upTo: 2) { BodyStructure.Parameter(name: $0.bytes(), value: $0.bytes()) }
  }

  private mutating func ext() -> BodyStructure.Extension {
    let disposition = chance(2) ? nil : BodyStructure.Disposition(type: word(), parameters: parameters())
    return BodyStructure.Extension(
      disposition: disposition, languages: list(upTo: 3) { $0.bytes() }, location: optionalBytes())
  }

  mutating func section() -> Section {
    let part = list(upTo: 3) { UInt32(1 + $0.below(300)) }
    let names = ["Date", "X-Y", "From"]
    switch below(6) {
    case 0: return Section(part: part)
    case 1: return Section(part: part, .header)
    case 2: return Section(part: part, .text)
    case 3: return Section(part: part.isEmpty ? [2] : part, .mime)
    case 4: return Section(part: part, .headerFields(Array(names.prefix(1 + below(3)))))
    default: return Section(part: part, .headerFieldsNot(Array(names.prefix(1 + below(3)))))
    }
  }

  mutating func attribute() -> FetchAttribute {
    switch below(9) {
    case 0: .uid(UID(rawValue: UInt32(1 + below(4_294_967_294))))
    case 1: .flags(list(upTo: 3) { $0.flag() })
    case 2: .internalDate(date())
    case 3: .rfc822Size(random.next())
    case 4: .modSeq(ModSeq(rawValue: random.next() >> 1))
    case 5: .envelope(envelope())
    case 6: .bodyStructure(structure())
    case 7: .body(structure(extended: false))
    default: .section(.body(section()), origin: chance(2) ? nil : UInt32(below(1000)), data: optionalBytes())
    }
  }

  mutating func date() -> InternalDate {
    InternalDate(unixSeconds: Int64(below(8_000_000_000)) - 4_000_000_000, zone: below(1400) - 700)
  }

  mutating func fetch() -> Response {
    .fetch(
      FetchResponse(
        sequence: SequenceNumber(rawValue: UInt32(1 + below(1000))), attributes: list(upTo: 6) { $0.attribute() }))
  }

  // MARK: Commands

  mutating func mailbox() -> MailboxName { MailboxName(text()) }

  mutating func day() -> SearchDate {
    SearchDate(year: 1970 + below(100), month: 1 + below(12), day: 1 + below(28))
      ?? SearchDate(InternalDate(unixSeconds: 0))
  }

  /// A key that is written as it is read: lists hold two keys or more.
  mutating func searchKey(depth: Int = 0) -> SearchKey {
    switch below(depth > 6 ? 20 : 24) {
    case 0: .all
    case 1: .flag(flag())
    case 2: .noFlag(flag())
    case 3: chance(2) ? .new : .old
    case 4: .uid(set())
    case 5: .sequence(set())
    case 6: .bcc(text())
    case 7: .cc(text())
    case 8: .from(text())
    case 9: .to(text())
    case 10: .subject(text())
    case 11: .body(text())
    case 12: .text(text())
    case 13: .header(text(), text())
    case 14: chance(2) ? .before(day()) : .on(day())
    case 15: chance(2) ? .since(day()) : .sentBefore(day())
    case 16: chance(2) ? .sentOn(day()) : .sentSince(day())
    case 17: .larger(UInt64(below(4_294_967_296)))
    case 18: .smaller(UInt64(below(4_294_967_296)))
    case 19: .modSeq(ModSeq(rawValue: random.next() >> 1))
    case 20, 21: .and((0...1 + below(3)).map { _ in searchKey(depth: depth + 1) })
    case 22: .or(searchKey(depth: depth + 1), searchKey(depth: depth + 1))
    default: .not(searchKey(depth: depth + 1))
    }
  }

  mutating func fetchItem() -> FetchItem {
    let plain: [FetchItem] = [
      .uid, .flags, .internalDate, .rfc822Size, .modSeq, .envelope, .bodyStructure, .body, .rfc822, .rfc822Header,
      .rfc822Text,
    ]
    if chance(2) { return plain[below(plain.count)] }
    let partial = chance(2) ? nil : PartialRange(offset: UInt32(below(9_999)), count: UInt32(1 + below(4_294_967_295)))
    return .section(section(), peek: chance(2), partial: partial)
  }

  /// A command that is allowed while a mailbox is selected, and changes no state.
  mutating func command() -> Command {
    switch below(15) {
    case 0: .id(chance(3) ? nil : list(upTo: 3) { IDField($0.text(), $0.chance(3) ? nil : $0.text()) })
    case 1: .list(reference: mailbox(), pattern: mailbox())
    case 2: .status(mailbox(), Array(StatusItem.allCases.shuffled(using: &random).prefix(1 + below(8))))
    case 3: .create(mailbox())
    case 4: .delete(mailbox())
    case 5: .copy(reference(), mailbox())
    case 6: .move(reference(), mailbox())
    case 7: .uidExpunge(set())
    case 8: store()
    case 9, 10: .search(searchKey(), uid: chance(2), charset: "UTF-8")
    case 11, 12:
      .fetch(
        reference(), (0...below(4)).map { _ in fetchItem() },
        changedSince: chance(2) ? nil : ModSeq(rawValue: random.next() >> 1))
    case 13: [.noop, .capability, .namespace, .expunge][below(4)]
    default: .id([IDField(text(), text())])
    }
  }

  private mutating func store() -> Command {
    let action = [StoreOperation.Action.replace, .add, .remove][below(3)]
    let operation = StoreOperation(action, list(upTo: 3) { $0.flag() }, silent: chance(2))
    return .store(reference(), operation, unchangedSince: chance(2) ? nil : ModSeq(rawValue: random.next() >> 1))
  }
}

extension SearchDate {
  init(_ date: InternalDate) {
    self = SearchDate(year: date.year, month: date.month, day: date.day) ?? SearchDate(date)
  }
}
