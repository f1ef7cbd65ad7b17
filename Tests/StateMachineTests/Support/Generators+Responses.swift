@testable import IMAPStateMachine

/// Random responses of every kind, each value in the one form that writing and reading gives back.
extension Generator {
  /// Values in their form on the wire, for what has no type of its own.
  static let rawValues = [
    "5", "(1 (2 \"x y\") NIL)", "(a)", "()", "({3}\r\na)b)", "(\"\\\"\")", "0", "18446744073709551615", "((((x))))",
  ]

  mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }

  mutating func raw() -> [UInt8] { Array(pick(Self.rawValues).utf8) }

  mutating func number() -> UInt32 { chance(5) ? .max : chance(5) ? 0 : UInt32(below(4_294_967_296)) }

  mutating func positive() -> UInt32 { max(1, number()) }

  mutating func large() -> UInt64 { chance(5) ? .max : random.next() >> UInt64(below(64)) }

  mutating func modSeq() -> ModSeq { ModSeq(rawValue: large() >> 1) }

  mutating func string() -> String { text() }

  /// A word without anything that would end it.
  mutating func atom() -> String { pick(["A1", "i;octet", "x-y.z_1", "a+b", "0", "en-GB", "=", "'~`|"]) }

  // MARK: Status responses

  mutating func responseText() -> String {
    pick([
      "", "done", "foo {5}", "a [b] c", "50% \"off\"", "\u{e4}\u{1f600}", "x)", "* 1 EXISTS", "+", "a  b", "]", "NIL",
    ])
  }

  mutating func status(_ conditions: [Status.Condition]) -> Status {
    Status(pick(conditions), code: chance(3) ? nil : code(), responseText())
  }

  mutating func code() -> ResponseCode {
    switch below(35) {
    case 0: .alert
    case 1: .badCharset(list(upTo: 3) { $0.atom() })
    case 2: .capability(capabilities() + [.idle])
    case 3: .parse
    case 4: .permanentFlags(list(upTo: 3) { $0.flag() } + (chance(2) ? [.anyKeyword] : []))
    case 5: .readOnly
    case 6: .readWrite
    case 7: .tryCreate
    case 8: .uidNext(number())
    case 9: .uidValidity(UInt64(number()) << 8)
    case 10: .unseen(number())
    case 11: .appendUID(validity: UInt64(number()), uids: set())
    case 12:
      chance(4)
        ? .copyUID(validity: UInt64(number()), source: [], destination: [])
        : .copyUID(validity: UInt64(number()), source: set(), destination: set())
    case 13: .uidNotSticky
    case 14: .highestModSeq(modSeq())
    case 15: .noModSeq
    case 16: .modified(set())
    case 17: .closed
    case 18: .badURL(pick(["/20?", "imap://x/y;uid=1 [z]", "\u{e4}"]))
    case 19: .badEvent(list(upTo: 2) { $0.atom() } + ["MessageNew"])
    case 20: .metadata(pick([.longEntries(large()), .maxSize(large()), .tooMany, .noPrivate]))
    case 21:
      .annotations(
        pick([
          .tooBig, .tooMany, .none, .supported(maxSize: large(), isPrivate: chance(2)), .readOnly(isPrivate: chance(2)),
        ]))
    case 22: .mailboxID(objectID())
    case 23: .referral(pick([["IMAP://user;AUTH=*@h/"], ["imap://h/a%20b", "imap://i/"]]))
    case 24: .noUpdate(tag: pick(["B02", "a b", "\\\"", "NIL", ""]))
    case 25: .urlMechanisms(list(upTo: 2) { $0.atom() } + ["INTERNAL"])
    case 26:
      chance(3)
        ? .inProgress(tag: nil, done: nil, goal: nil)
        : .inProgress(
          tag: chance(3) ? nil : pick(["A1", "a b", "\\\"", "NIL", ""]), done: chance(2) ? nil : number(),
          goal: chance(2) ? nil : number())
    case 27: .maxConvertMessages(number())
    case 28: .maxConvertParts(number())
    case 29: .undefinedFilter(pick(["on-the-road", "a"]))
    case 30: .messageLimit(number(), last: chance(2) ? nil : UID(rawValue: positive()))
    case 31: pick([.authenticationFailed, .overQuota, .expired, .unknownCTE, .uidRequired, .useAttribute])
    case 32: .atom(pick(["X-NEW", "WEBALERT", "+"]))
    case 33: .webAlert(pick(["https://x.example/1?a=%5B&b", "y"]))
    default: .other(name: pick(["X-NEW", "X-ALERT", "X-UIDNEXT"]), arguments: Array("https://x/[1] (a \"b\")".utf8))
    }
  }

  mutating func capabilities() -> [Capability] {
    list(upTo: 4) { $0.pick([.imap4rev1, .imap4rev2, .literalPlus, .auth("SCRAM-SHA-256"), "X-GM-EXT-1", .condStore]) }
  }

  mutating func objectID() -> String { pick(["F2212ea87-6097-4256-9d51-71338625", "a_b-1", "0"]) }

  // MARK: Mailbox data

  /// A name as a server that writes in `encoding` has it.
  mutating func mailbox(in encoding: MailboxName.Encoding) -> MailboxName {
    switch encoding {
    case .modifiedUTF7: chance(4) ? MailboxName(wire: bytes()) : MailboxName(text())
    case .utf8: MailboxName(wire: chance(4) ? bytes() : Array(text().utf8), encoding: .utf8)
    }
  }

  mutating func delimiter() -> Character? { pick([nil, "/", ".", "\\", "\"", " ", "a", "~"]) }

  /// LIST and LSUB share a type; XLIST is a LIST.
  mutating func listing(_ encoding: MailboxName.Encoding, isLSub: Bool) -> MailboxListing {
    let attributes: [Flag] = list(upTo: 3) {
      $0.pick(["\\HasChildren", "\\Noselect", "\\Sent", "\\NonExistent", "\\Important", "$x"])
    }
    var listing = MailboxListing(attributes: attributes, delimiter: delimiter(), name: mailbox(in: encoding))
    if isLSub { return listing }
    listing.isXList = chance(4)
    if chance(3) { listing.childInfo = list(upTo: 2) { $0.pick(["SUBSCRIBED", "SPECIAL-USE"]) } }
    if chance(3) { listing.oldName = mailbox(in: encoding) }
    listing.extended = list(upTo: 2) { RawItem(name: $0.atom(), value: $0.raw()) }
    return listing
  }

  mutating func mailboxStatus(_ encoding: MailboxName.Encoding) -> MailboxStatus {
    var status = MailboxStatus(mailbox: mailbox(in: encoding))
    for item in StatusItem.allCases where chance(2) {
      switch item {
      case .mailboxID: status.mailboxID = objectID()
      case .appendLimit: status.appendLimit = chance(2) ? AppendLimit.none : .bytes(large())
      default: status[item] = large()
      }
    }
    status.others = list(upTo: 2) { RawItem(name: $0.pick(["X-A", "X-B.C"]), value: $0.raw()) }
    return status
  }

  mutating func namespaces(_ encoding: MailboxName.Encoding) -> Namespaces {
    func kind(_ generator: inout Generator) -> [Namespaces.Namespace] {
      generator.list(upTo: 3) {
        Namespaces.Namespace(
          prefix: $0.mailbox(in: encoding), delimiter: $0.delimiter(),
          extensions: $0.list(upTo: 2) {
            Namespaces.Extension(name: $0.bytes(), values: $0.list(upTo: 3) { $0.bytes() })
          })
      }
    }
    return Namespaces(personal: kind(&self), otherUsers: kind(&self), shared: kind(&self))
  }

  // MARK: Searching

  mutating func searchResult() -> SearchResult {
    SearchResult(numbers: list(upTo: 6) { $0.positive() }, modSeq: chance(2) ? nil : modSeq())
  }

  mutating func thread(depth: Int = 0) -> MessageThread {
    let messages = list(upTo: 3) { $0.positive() }
    // One branch is the run going on, and branches without a parent are two at least.
    if depth > 3 || chance(2) { return MessageThread(messages.isEmpty ? [7] : messages) }
    return MessageThread(messages, branches: (0...1 + below(2)).map { _ in thread(depth: depth + 1) })
  }

  mutating func extendedSearch(_ encoding: MailboxName.Encoding) -> ExtendedSearchResult {
    let isUID = chance(2)
    func reference(_ generator: inout Generator) -> MessageReference {
      isUID ? .uids(generator.set()) : .sequence(generator.set())
    }
    func updates(_ generator: inout Generator) -> [ExtendedSearchResult.Update] {
      generator.list(upTo: 3) { .init(position: $0.number(), messages: reference(&$0)) }
    }
    let items: [ExtendedSearchResult.Item] = list(upTo: 5) {
      switch $0.below(10) {
      case 0: .min($0.positive())
      case 1: .max($0.positive())
      case 2: .count($0.large())
      case 3: .all(reference(&$0))
      case 4: .modSeq($0.modSeq())
      case 5:
        .partial(
          SearchWindow($0.positive(), $0.positive(), fromEnd: $0.chance(2)), $0.chance(3) ? nil : reference(&$0))
      case 6: .addTo(updates(&$0))
      case 7: .removeFrom(updates(&$0))
      case 8: .relevancy($0.list(upTo: 3) { UInt32(1 + $0.below(100)) })
      default: .unknown(name: "X-A", value: $0.raw())
      }
    }
    return ExtendedSearchResult(
      tag: chance(3) ? nil : string(), mailbox: chance(2) ? nil : mailbox(in: encoding),
      uidValidity: chance(2) ? nil : UInt64(positive()), isUID: isUID, items: items)
  }

  // MARK: FETCH

  /// Items of extensions, and those of ``attribute()``.
  mutating func anyAttribute() -> FetchAttribute {
    switch below(16) {
    case 0: .binarySize(part: (0..<below(4)).map { _ in UInt32(1 + below(300)) }, large())
    case 1: .preview(optionalBytes())
    case 2: .saveDate(chance(3) ? nil : date())
    case 3: .emailID(chance(3) ? nil : objectID())
    case 4: .threadID(chance(3) ? nil : objectID())
    case 5: .gmailMessageID(large())
    case 6: .gmailThreadID(large())
    case 7: .gmailLabels(list(upTo: 3) { GmailLabel(wire: $0.bytes()) })
    case 8:
      .annotations(
        list(upTo: 3) {
          MessageAnnotation(
            entry: $0.bytes(), attributes: $0.list(upTo: 2) { .init(name: $0.bytes(), value: $0.optionalBytes()) })
        })
    case 9:
      .section(
        .binary((0..<below(3)).map { _ in UInt32(1 + below(300)) }), origin: chance(2) ? nil : number(),
        data: optionalBytes())
    case 10: .section(pick([.rfc822, .rfc822Header, .rfc822Text]), origin: nil, data: optionalBytes())
    case 11: .unknown(name: Array(pick(["X-A", "XAOL.SPAM.REASON", "X-B[1]<2>"]).utf8), value: raw())
    default: attribute()
    }
  }

  // MARK: Access, quota, metadata, languages and URLs

  mutating func metadata(_ encoding: MailboxName.Encoding) -> Metadata {
    let mailbox = mailbox(in: encoding)
    if chance(3) { return Metadata(mailbox: mailbox, .changed((0...below(3)).map { _ in [0x2f] + bytes() })) }
    return Metadata(mailbox: mailbox, .values(list(upTo: 3) { .init(name: $0.bytes(), value: $0.optionalBytes()) }))
  }

  mutating func fetchedURL() -> FetchedURL {
    if chance(2) { return FetchedURL(bytes(), .data(optionalBytes())) }
    let parts: [FetchedURL.Part] = (0...below(3)).map { _ in
      switch below(4) {
      case 0: .structure(structure())
      case 1: .body(optionalBytes())
      case 2: .binary(optionalBytes())
      default: .unknown(name: "X-A", value: raw())
      }
    }
    return FetchedURL(bytes(), .parts(parts))
  }

  // MARK: Responses

  /// A response that the encoder writes, of any kind.
  mutating func response(_ encoding: MailboxName.Encoding = .modifiedUTF7) -> Response {
    switch below(43) {
    case 0, 34...37: return .tagged(tag: pick(["A1", "0", "a.b-c", "~"]), status([.ok, .no, .bad]))
    case 1: return .status(status([.ok, .no, .bad, .bye, .preauth]))
    case 2: return .continuation(text: Array(pick(["", "go on", "PDE4OTYu=", "{5}", "\u{e4}"]).utf8))
    case 3: return .capability(capabilities())
    case 4: return .enabled(capabilities())
    case 5: return .id(chance(4) ? nil : list(upTo: 3) { IDField($0.string(), $0.chance(3) ? nil : $0.string()) })
    case 6: return .namespace(namespaces(encoding))
    case 7, 8: return .list(listing(encoding, isLSub: false))
    case 9: return .lsub(listing(encoding, isLSub: true))
    case 10, 11: return .mailboxStatus(mailboxStatus(encoding))
    case 12: return .flags(list(upTo: 4) { $0.flag() })
    case 13: return .search(searchResult())
    case 14: return .exists(number())
    case 15: return .recent(number())
    case 16: return .expunge(SequenceNumber(rawValue: positive()))
    case 17: return .vanished(set(), earlier: chance(2))
    case 18: return .sort(searchResult())
    case 19: return .thread(list(upTo: 3) { $0.thread() })
    case 20, 21: return .extendedSearch(extendedSearch(encoding))
    case 22:
      return .acl(
        AccessControlList(
          mailbox: mailbox(in: encoding),
          entries: list(upTo: 3) { .init(identifier: $0.bytes(), rights: AccessRights($0.string())) }))
    case 23:
      return .listRights(
        ListRights(
          mailbox: mailbox(in: encoding), identifier: bytes(), required: AccessRights(string()),
          optional: list(upTo: 3) { AccessRights($0.string()) }))
    case 24: return .myRights(MyRights(mailbox: mailbox(in: encoding), rights: AccessRights(string())))
    case 25:
      return .quota(
        Quota(
          root: bytes(),
          resources: list(upTo: 3) {
            .init($0.pick(["STORAGE", "MESSAGE", "X-A"]), usage: $0.large(), limit: $0.large())
          }))
    case 26: return .quotaRoots(QuotaRoots(mailbox: mailbox(in: encoding), roots: list(upTo: 3) { $0.bytes() }))
    case 27: return .metadata(metadata(encoding))
    case 28: return .language((0..<below(4)).map { _ in atom() })
    case 29: return .comparator(Comparator(active: string(), matching: list(upTo: 3) { $0.string() }))
    case 30: return .authorizedURLs(list(upTo: 3) { $0.bytes() })
    case 31: return .fetchedURLs(list(upTo: 3) { $0.fetchedURL() })
    case 32: return .uidFetch(UID(rawValue: positive()), list(upTo: 6) { $0.anyAttribute() })
    case 38: return .jmapAccess(bytes())
    case 39: return .uidBatches(UIDBatches(tag: chance(3) ? nil : string(), batches: chance(4) ? [] : set()))
    case 40:
      return .annotation(
        mailbox: mailbox(in: encoding),
        MessageAnnotation(
          entry: bytes(), attributes: list(upTo: 3) { .init(name: $0.bytes(), value: $0.optionalBytes()) }))
    case 33: return .unknown(Array("* X-NEW \(pick(Self.rawValues))\r\n".utf8))
    default:
      return .fetch(
        FetchResponse(sequence: SequenceNumber(rawValue: positive()), attributes: list(upTo: 6) { $0.anyAttribute() }))
    }
  }
}
