import Testing

@testable import IMAPStateMachine

/// Whatever value the encoder writes, the parser reads the same value from it.
@Suite struct ResponseRoundTripTests {
  /// How often each case of the grammar's types was written and read.
  private struct Coverage {
    var responses: Set<String> = []
    var attributes: Set<String> = []
    var codes: Set<String> = []
    var searchItems: Set<String> = []

    mutating func add(_ response: Response) {
      responses.insert(name(response))
      switch response {
      case .fetch(let fetch): for attribute in fetch.attributes { attributes.insert(name(attribute)) }
      case .uidFetch(_, let list): for attribute in list { attributes.insert(name(attribute)) }
      case .tagged(_, let status), .status(let status): if let code = status.code { codes.insert(name(code)) }
      case .extendedSearch(let result): for item in result.items { searchItems.insert(name(item)) }
      default: break
      }
    }

    private func name(_ value: Any) -> String {
      Mirror(reflecting: value).children.first?.label ?? "\(value)"
    }
  }

  /// A response that is read from `bytes`, and whether that was all; fed in pieces of `size` bytes.
  private static func read(_ bytes: [UInt8], _ encoding: MailboxName.Encoding, by size: Int = .max) throws -> Response?
  {
    var input = ReceiveBuffer()
    var parser = ResponseParser()
    parser.mailboxEncoding = encoding
    var found: Response?
    var start = 0
    while start < bytes.count {
      let end = size < bytes.count - start ? start + size : bytes.count
      input.append(bytes[start..<end].span)
      start = end
      while let response = try parser.nextOwned(&input) {
        if found != nil { return nil }
        found = response
      }
    }
    return input.unread == 0 && !parser.isInsideResponse ? found : nil
  }

  @Test(arguments: [MailboxName.Encoding.modifiedUTF7, .utf8])
  func randomResponses(_ encoding: MailboxName.Encoding) throws {
    let encoder = ResponseEncoder(mailboxEncoding: encoding)
    var coverage = Coverage()
    for seed: UInt64 in 1...4000 {
      var generator = Generator(seed: seed &* 0x9e37_79b9_7f4a_7c15)
      let response = generator.response(encoding)
      let bytes = try encoder.encode(response)
      let size = [Int.max, 1, 2, 5, 17][generator.below(5)]
      let read = try Self.read(bytes, encoding, by: size)
      #expect(read == response, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
      // What is no value of its own on the wire is written in one way only.
      if let read { #expect(try encoder.encode(read) == bytes, "seed \(seed)") }
      coverage.add(response)
    }
    #expect(
      coverage.responses.sorted() == [
        "acl", "annotation", "authorizedURLs", "capability", "comparator", "continuation", "enabled", "exists",
        "expunge",
        "extendedSearch", "fetch", "fetchedURLs", "flags", "id", "jmapAccess", "language", "list", "listRights", "lsub",
        "mailboxStatus", "metadata", "myRights", "namespace", "quota", "quotaRoots", "recent", "search", "sort",
        "status", "tagged", "thread", "uidBatches", "uidFetch", "unknown", "vanished",
      ])
    #expect(
      coverage.attributes.sorted() == [
        "annotations", "binarySize", "body", "bodyStructure", "emailID", "envelope", "flags", "gmailLabels",
        "gmailMessageID", "gmailThreadID", "internalDate", "modSeq", "preview", "rfc822Size", "saveDate", "section",
        "threadID", "uid", "unknown",
      ])
    #expect(
      coverage.codes.sorted() == [
        "ALERT", "CLOSED", "NOMODSEQ", "PARSE", "READ-ONLY", "READ-WRITE", "TRYCREATE", "UIDNOTSTICKY", "annotations",
        "appendUID", "atom", "badCharset", "badEvent", "badURL", "capability", "copyUID", "highestModSeq",
        "inProgress", "mailboxID", "maxConvertMessages", "maxConvertParts", "messageLimit", "metadata", "modified",
        "noUpdate", "other", "permanentFlags", "referral", "uidNext", "uidValidity", "undefinedFilter", "unseen",
        "urlMechanisms", "webAlert",
      ])
    #expect(
      coverage.searchItems.sorted() == [
        "addTo", "all", "count", "max", "min", "modSeq", "partial", "relevancy", "removeFrom", "unknown",
      ])
  }

  /// Responses behind one another: what one leaves behind, the next would read.
  @Test func responsesInARow() throws {
    let seed: UInt64 = 0x5eed_0011
    var generator = Generator(seed: seed)
    let responses = (0..<1500).map { _ in generator.response() }
    let bytes = try responses.flatMap { try ResponseEncoder().encode($0) }
    for size in [1, 1460, Int.max] {
      var input = ReceiveBuffer()
      var parser = ResponseParser()
      var index = 0
      for chunk in Feed.pieces(Array(repeating: size, count: size == .max ? 1 : bytes.count / size)).chunks(of: bytes) {
        input.append(chunk.span)
        while let response = try parser.nextOwned(&input) {
          #expect(index < responses.count && response == responses[index], "seed \(seed), response \(index)")
          index += 1
        }
      }
      #expect(index == responses.count && input.unread == 0, "seed \(seed), pieces of \(size)")
    }
  }

  /// What a value holds never ends its line early and never announces a literal: it is written so that one response is
  /// read, or it is refused.
  @Test func hostileValuesStayOneResponse() throws {
    let texts =
      Generator.awkwardTexts + [
        "a\r\n* 1 EXISTS\r\n", "\n* 1 EXISTS", "{5}", "x {5}", "{5}\r\n", "~{5}", "{5+}", "\u{0}", "a\u{0}b", ")", "(",
        "())", "\"",
        "] x\r\n* 2 EXISTS", "[", "]", "a]b", "[a", "x{1}", "{99999999999}\r\n", "(\"", "({3}", "({3}\r\nabc",
        "({3}\r\nabc)",
        "a b", "\r\n", "A1 OK", "+ x", "* OK", "\u{85}\u{2028}", "{3}\r\nabc", "{3}\r\nabcd\r\n",
      ]
    var written = 0
    for text in texts {
      for (name, response) in Self.hostile(text) {
        let bytes: [UInt8]
        do { bytes = try ResponseEncoder().encode(response) } catch { continue }
        written += 1
        let read = try? Self.read(bytes, .modifiedUTF7)
        #expect(
          read != nil, "\(name) of \(text.debugDescription): \(String(decoding: bytes, as: UTF8.self).debugDescription)"
        )
      }
    }
    // Strings can hold anything: most is written.
    #expect(written > texts.count * 15)
  }

  private static func hostile(_ text: String) -> [(String, Response)] {
    let bytes = Array(text.utf8)
    func fetch(_ attribute: FetchAttribute) -> Response {
      .fetch(FetchResponse(sequence: 1, attributes: [attribute, .uid(7)]))
    }
    func status(_ code: ResponseCode?, _ text: String = "x") -> Response { .status(Status(.ok, code: code, text)) }
    func search(_ item: ExtendedSearchResult.Item) -> Response {
      .extendedSearch(ExtendedSearchResult(tag: text, items: [item]))
    }
    var listing = MailboxListing(attributes: [], delimiter: text.first, name: MailboxName(wire: bytes))
    listing.childInfo = [text]
    var extended = MailboxListing(attributes: [], delimiter: nil, name: "x")
    extended.extended = [RawItem(name: "X", value: bytes)]
    var mailboxStatus = MailboxStatus(mailbox: "x")
    mailboxStatus.others = [RawItem(name: "X", value: bytes)]
    let error = ParseError(.invalidValue, offset: 0)
    return [
      ("tag", .tagged(tag: text, Status(.ok, "x"))), ("text", status(nil, text)),
      ("text behind a code", status(.alert, text)),
      ("charset", status(.badCharset([text]))), ("capability code", status(.capability([Capability(text)]))),
      ("permanent flag", status(.permanentFlags([Flag(text)]))), ("bad URL", status(.badURL(text))),
      ("event", status(.badEvent([text]))), ("mailbox id", status(.mailboxID(text))),
      ("referral", status(.referral([text]))),
      ("tag of a code", status(.noUpdate(tag: text))), ("mechanism", status(.urlMechanisms([text]))),
      ("progress", status(.inProgress(tag: text, done: 1, goal: nil))), ("filter", status(.undefinedFilter(text))),
      ("code", status(.atom(text))), ("arguments", status(.other(name: "X", arguments: bytes))),
      ("name of a code", status(.other(name: text, arguments: [0x31]))), ("continuation", .continuation(text: bytes)),
      ("capability", .capability([Capability(text)])), ("ID", .id([IDField(text, text)])),
      ("namespace", .namespace(Namespaces(personal: [.init(prefix: MailboxName(wire: bytes), delimiter: text.first)]))),
      ("listing", .list(listing)), ("extended listing", .list(extended)),
      ("status item", .mailboxStatus(mailboxStatus)),
      ("flag", .flags([Flag(text)])), ("search tag", search(.count(1))),
      ("search item", .extendedSearch(ExtendedSearchResult(items: [.unknown(name: "X", value: bytes)]))),
      ("search item's name", .extendedSearch(ExtendedSearchResult(items: [.unknown(name: text, value: [0x31])]))),
      ("rights", .myRights(MyRights(mailbox: "x", rights: AccessRights(text)))),
      ("quota", .quota(Quota(root: bytes, resources: [.init(text, usage: 1, limit: 2)]))),
      ("metadata", .metadata(Metadata(mailbox: "x", .changed([bytes])))), ("language", .language([text])),
      ("comparator", .comparator(Comparator(active: text, matching: [text]))), ("URL", .authorizedURLs([bytes])),
      ("URL item", .fetchedURLs([FetchedURL([0x61], .parts([.unknown(name: "X", value: bytes)]))])),
      ("URL item's name", .fetchedURLs([FetchedURL([0x61], .parts([.unknown(name: text, value: [0x31])]))])),
      ("line", .unknown(bytes)), ("line behind a star", .unknown(Array("* X ".utf8) + bytes)),
      ("item", fetch(.unknown(name: Array("X".utf8), value: bytes))),
      ("item's name", fetch(.unknown(name: bytes, value: [0x31]))),
      ("invalid item", fetch(.invalid(name: Array("FLAGS".utf8), value: bytes, reason: error))),
      ("email id", fetch(.emailID(text))), ("label", fetch(.gmailLabels([GmailLabel(wire: bytes)]))),
      ("field name", fetch(.section(.body(Section(.headerFields([text]))), origin: nil, data: bytes))),
    ]
  }
}
