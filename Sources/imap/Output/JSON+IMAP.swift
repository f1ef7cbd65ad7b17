import IMAPStateMachine

extension JSON {
  static func flags(_ flags: [MessageFlag]) -> JSON { .array(flags.map { .string($0.rawValue) }) }

  static func code(_ code: ResponseCode?) -> JSON {
    guard let code else { return .null }
    func named(_ name: String, _ members: [(String, JSON)] = []) -> JSON {
      .object([("name", .string(name))] + members.map { (key: $0.0, value: $0.1) })
    }
    switch code {
    case .capability(let list): return named("CAPABILITY", [("capabilities", capabilities(list))])
    case .permanentFlags(let list): return named("PERMANENTFLAGS", [("flags", flags(list))])
    case .badCharset(let names): return named("BADCHARSET", [("charsets", .array(names.map { .string($0) }))])
    case .uidNext(let value): return named("UIDNEXT", [("value", .unsigned(UInt64(value)))])
    case .uidValidity(let value): return named("UIDVALIDITY", [("value", .unsigned(UInt64(value)))])
    case .unseen(let value): return named("UNSEEN", [("value", .unsigned(UInt64(value)))])
    case .highestModSeq(let value): return named("HIGHESTMODSEQ", [("value", .unsigned(value.rawValue))])
    case .appendUID(let validity, let uids):
      return named(
        "APPENDUID", [("uidValidity", .unsigned(UInt64(validity))), ("uids", .string(uids.description))])
    case .copyUID(let validity, let source, let destination):
      return named(
        "COPYUID",
        [
          ("uidValidity", .unsigned(UInt64(validity))), ("source", .string(source.description)),
          ("destination", .string(destination.description)),
        ])
    case .modified(let set): return named("MODIFIED", [("messages", .string(set.description))])
    case .badURL(let url): return named("BADURL", [("url", .string(url))])
    case .webAlert(let url): return named("WEBALERT", [("url", .string(url))])
    case .referral(let urls): return named("REFERRAL", [("urls", .array(urls.map { .string($0) }))])
    case .badEvent(let names): return named("BADEVENT", [("events", .array(names.map { .string($0) }))])
    case .metadata(let code): return named("METADATA", metadataCode(code))
    case .annotations(let code): return annotationsCode(code)
    case .mailboxID(let id): return named("MAILBOXID", [("id", .string(id))])
    case .noUpdate(let tag): return named("NOUPDATE", [("tag", .string(tag))])
    case .urlMechanisms(let names): return named("URLMECH", [("mechanisms", .array(names.map { .string($0) }))])
    case .inProgress(let tag, let done, let goal):
      return named("INPROGRESS", [("tag", .optional(tag)), ("done", .optional(done)), ("goal", .optional(goal))])
    case .maxConvertMessages(let count): return named("MAXCONVERTMESSAGES", [("value", .unsigned(UInt64(count)))])
    case .maxConvertParts(let count): return named("MAXCONVERTPARTS", [("value", .unsigned(UInt64(count)))])
    case .undefinedFilter(let name): return named("UNDEFINED-FILTER", [("filter", .string(name))])
    case .messageLimit(let count, let last):
      return named("MESSAGELIMIT", [("value", .unsigned(UInt64(count))), ("lastUID", .optional(last?.rawValue))])
    case .other(let name, let arguments): return named(name, [("arguments", .bytes(arguments))])
    case .invalid(let name, let arguments, let reason):
      return .object([("name", .string(name))] + invalid(arguments, reason))
    case .alert, .parse, .readOnly, .readWrite, .tryCreate, .uidNotSticky, .noModSeq, .closed, .atom:
      return named(code.description)
    }
  }

  private static func metadataCode(_ code: MetadataCode) -> [(String, JSON)] {
    switch code {
    case .longEntries(let size): [("kind", .string("LONGENTRIES")), ("value", .unsigned(size))]
    case .maxSize(let size): [("kind", .string("MAXSIZE")), ("value", .unsigned(size))]
    case .tooMany: [("kind", .string("TOOMANY"))]
    case .noPrivate: [("kind", .string("NOPRIVATE"))]
    }
  }

  private static func annotationsCode(_ code: AnnotationsCode) -> JSON {
    func named(_ name: String, _ kind: String, private isPrivate: Bool? = nil, size: UInt64? = nil) -> JSON {
      .object(
        [("name", .string(name)), ("kind", .string(kind))] + (size.map { [("value", .unsigned($0))] } ?? [])
          + (isPrivate.map { [("private", .bool($0))] } ?? []))
    }
    return switch code {
    case .tooBig: named("ANNOTATE", "TOOBIG")
    case .tooMany: named("ANNOTATE", "TOOMANY")
    case .supported(let size, let isPrivate): named("ANNOTATIONS", "MAXSIZE", private: isPrivate, size: size)
    case .readOnly(let isPrivate): named("ANNOTATIONS", "READ-ONLY", private: isPrivate)
    case .none: named("ANNOTATIONS", "NONE")
    }
  }

  /// The name as people read it; as on the wire where it does not decode.
  static func mailbox(_ name: MailboxName) -> JSON { wireText(name.bytes, name.description) }

  /// What `bytes` say to people, and the bytes where they are no text.
  private static func wireText(_ bytes: [UInt8], _ text: String) -> JSON {
    (try? UTF8Span(validating: bytes.span)) == nil ? .bytes(bytes) : .string(text)
  }

  static func capabilities(_ list: [Capability]) -> JSON { .array(list.map { .string($0.rawValue) }) }

  static func listing(_ listing: MailboxListing) -> [Member] {
    let invalidDelimiter = listing.invalid.first { $0.name == delimiterName }.map { invalid($0).value }
    return [
      ("attributes", flags(listing.attributes)),
      ("delimiter", invalidDelimiter ?? listing.delimiter.map { .string(String($0)) } ?? .null),
      ("mailbox", mailbox(listing.name)),
      ("mailboxRaw", .bytes(listing.name.bytes)),
    ] + listExtensions(listing)
  }

  static func mailboxStatus(_ status: MailboxStatus) -> [Member] {
    var items = StatusItem.allCases.compactMap { item in
      status[item].map { (key: item.rawValue, value: JSON.unsigned($0)) }
    }
    if status.appendLimit == AppendLimit.none { items.append(("APPENDLIMIT", .null)) }
    if let id = status.mailboxID { items.append(("MAILBOXID", .string(id))) }
    items += status.others.map { (key: $0.name, value: .bytes($0.value)) } + status.invalid.map { invalid($0) }
    return [("mailbox", mailbox(status.mailbox)), ("items", distinct(items))]
  }

  static func search(_ result: SearchResult) -> [Member] {
    [
      ("ids", .array(result.numbers.map { .unsigned(UInt64($0)) })),
      ("modseq", result.modSeq.map { .unsigned($0.rawValue) } ?? .null),
    ] + (result.invalid.isEmpty ? [] : [("invalid", .array(result.invalid.map { invalid($0).value }))])
  }

  /// What could not be interpreted, under its name.
  static func invalid(_ item: InvalidItem) -> Member { (upper(item.name), .object(invalid(item.value, item.reason))) }

  static func invalid(_ raw: [UInt8], _ reason: ParseError) -> [Member] {
    [("invalid", .bytes(raw)), ("reason", .string(reason.description))]
  }

  static func id(_ fields: [IDField]?) -> JSON {
    guard let fields else { return .null }
    return distinct(fields.map { (key: $0.name, value: .optional($0.value)) })
  }

  static func namespaces(_ spaces: Namespaces) -> [Member] {
    func list(_ list: [Namespaces.Namespace], _ kind: String) -> JSON {
      let invalid = spaces.invalid.filter { $0.name == Array(kind.utf8) }.map { self.invalid($0).value }
      if list.isEmpty, invalid.isEmpty { return .null }
      return .array(
        list.map { space in
          .object([
            ("prefix", mailbox(space.prefix)),
            ("delimiter", space.delimiter.map { .string(String($0)) } ?? .null),
            ("extensions", .array(space.extensions.map { namespaceExtension($0) })),
          ])
        } + invalid)
    }
    return [
      ("personal", list(spaces.personal, "PERSONAL")), ("otherUsers", list(spaces.otherUsers, "OTHER")),
      ("shared", list(spaces.shared, "SHARED")),
    ]
  }

  /// The items of a FETCH response, by their canonical names in upper case. With `decoded` an ENVELOPE also has its texts as
  /// people read them.
  static func fetchItems(_ attributes: [FetchAttribute], decoded: Bool = false) -> JSON {
    distinct(attributes.map { item($0, decoded: decoded) })
  }

  /// One item of a FETCH response.
  static func item(_ attribute: FetchAttribute, decoded: Bool = false) -> Member {
    switch attribute {
    case .uid(let uid): ("UID", .unsigned(UInt64(uid.rawValue)))
    case .flags(let list): ("FLAGS", flags(list))
    case .internalDate(let date): ("INTERNALDATE", .string(date.iso8601))
    case .rfc822Size(let size): ("RFC822.SIZE", .unsigned(size))
    case .modSeq(let value): ("MODSEQ", .unsigned(value.rawValue))
    case .envelope(let envelope): ("ENVELOPE", self.envelope(envelope, decoded: decoded))
    case .binarySize(let part, let size):
      ("BINARY.SIZE[\(Section(part: part))]", .unsigned(size))
    case .preview(let text): ("PREVIEW", .optional(text))
    case .saveDate(let date): ("SAVEDATE", date.map { .string($0.iso8601) } ?? .null)
    case .emailID(let id): ("EMAILID", .optional(id))
    case .threadID(let id): ("THREADID", .optional(id))
    case .gmailMessageID(let id): ("X-GM-MSGID", .unsigned(id))
    case .gmailThreadID(let id): ("X-GM-THRID", .unsigned(id))
    case .gmailLabels(let labels): ("X-GM-LABELS", .array(labels.map { wireText($0.bytes, $0.description) }))
    case .annotations(let list): ("ANNOTATION", annotations(list))
    case .bodyStructure(let body): ("BODYSTRUCTURE", structure(body, decoded: decoded))
    case .body(let body): ("BODY", structure(body, decoded: decoded))
    case .section(let name, let origin, let data): (sectionName(name, origin), .optional(data))
    case .unknown(let name, let value): (upper(name), .bytes(value))
    case .invalid(let name, let value, let reason):
      (upper(name), .object(invalid(value, reason)))
    }
  }

  private static func upper(_ name: [UInt8]) -> String { upper(key(name)) }

  /// ASCII letters in upper case, whatever the locale.
  static func upper(_ text: String) -> String {
    String(decoding: text.utf8.map { (0x61...0x7a).contains($0) ? $0 - 0x20 : $0 }, as: UTF8.self)
  }

  /// Bytes as a key, which must be a string: UTF-8, else each byte the character of that number.
  static func key(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(Unicode.Scalar(byte)) }
    return String(text)
  }

  static func sectionName(_ name: SectionName, _ origin: UInt32?) -> String {
    let suffix = origin.map { "<\($0)>" } ?? ""
    return switch name {
    case .body(let section): "BODY[\(upper(section.description))]\(suffix)"
    case .rfc822: "RFC822"
    case .rfc822Header: "RFC822.HEADER"
    case .rfc822Text: "RFC822.TEXT"
    case .binary(let part): "BINARY[\(Section(part: part))]\(suffix)"
    case .other(let name): "\(upper(name))\(suffix)"
    }
  }

  static func envelope(_ envelope: Envelope, decoded: Bool = false) -> JSON {
    func damage(_ field: Envelope.Field) -> [JSON] {
      let name = Array(field.description.utf8)
      return envelope.invalid.filter { $0.name == name }.map { .object(invalid($0.value, $0.reason)) }
    }
    func text(_ value: [UInt8]?, _ field: Envelope.Field) -> JSON { damage(field).first ?? .optional(value) }
    func addresses(_ list: [Address], _ field: Envelope.Field) -> JSON {
      let damage = damage(field)
      if list.isEmpty, damage.isEmpty { return .null }
      return .array(
        list.map { address in
          .object(
            [
              ("name", .optional(address.name)), ("route", .optional(address.route)),
              ("mailbox", .optional(address.mailbox)), ("host", .optional(address.host)),
            ] + (decoded ? [("displayName", .optional(address.displayName))] : []))
        } + damage)
    }
    let members: [Member] = [
      ("date", text(envelope.date, .date)), ("subject", text(envelope.subject, .subject)),
      ("from", addresses(envelope.from, .from)), ("sender", addresses(envelope.sender, .sender)),
      ("replyTo", addresses(envelope.replyTo, .replyTo)), ("to", addresses(envelope.to, .to)),
      ("cc", addresses(envelope.cc, .cc)), ("bcc", addresses(envelope.bcc, .bcc)),
      ("inReplyTo", text(envelope.inReplyTo, .inReplyTo)), ("messageId", text(envelope.messageID, .messageID)),
    ]
    return .object(members + (decoded ? [("decodedSubject", .optional(envelope.decodedSubject))] : []))
  }

}
