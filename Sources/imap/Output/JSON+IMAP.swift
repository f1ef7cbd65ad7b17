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
    case .other(let name, let arguments): return named(name, [("arguments", .bytes(arguments))])
    default:
      // The name, and what follows it as it is on the wire.
      let text = code.description
      guard let space = text.firstIndex(of: " ") else { return named(text) }
      return named(String(text[..<space]), [("arguments", .string(String(text[text.index(after: space)...])))])
    }
  }

  static func capabilities(_ list: [Capability]) -> JSON { .array(list.map { .string($0.rawValue) }) }

  static func listing(_ listing: MailboxListing) -> [(key: String, value: JSON)] {
    [
      ("attributes", flags(listing.attributes)),
      ("delimiter", listing.delimiter.map { .string(String($0)) } ?? .null),
      ("mailbox", .string(listing.name.description)),
      ("mailboxRaw", .bytes(listing.name.bytes)),
    ] + listExtensions(listing)
  }

  static func mailboxStatus(_ status: MailboxStatus) -> [(key: String, value: JSON)] {
    var items = StatusItem.allCases.compactMap { item in
      status[item].map { (key: item.rawValue, value: JSON.unsigned($0)) }
    }
    if status.appendLimit == AppendLimit.none { items.append(("APPENDLIMIT", .null)) }
    if let id = status.mailboxID { items.append(("MAILBOXID", .string(id))) }
    items += status.others.map { (key: $0.name, value: .bytes($0.value)) }
    return [("mailbox", .string(status.mailbox.description)), ("items", .object(items))]
  }

  static func search(_ result: SearchResult) -> [(key: String, value: JSON)] {
    [
      ("ids", .array(result.numbers.map { .unsigned(UInt64($0)) })),
      ("modseq", result.modSeq.map { .unsigned($0.rawValue) } ?? .null),
    ]
  }

  static func id(_ fields: [IDField]?) -> JSON {
    guard let fields else { return .null }
    return .object(fields.map { (key: $0.name, value: $0.value.map { .string($0) } ?? .null) })
  }

  static func namespaces(_ spaces: Namespaces) -> [(key: String, value: JSON)] {
    func list(_ spaces: [Namespaces.Namespace]) -> JSON {
      .array(
        spaces.map { space in
          .object([
            ("prefix", .string(space.prefix.description)),
            ("delimiter", space.delimiter.map { .string(String($0)) } ?? .null),
            ("extensions", .array(space.extensions.map { namespaceExtension($0) })),
          ])
        })
    }
    return [
      ("personal", list(spaces.personal)), ("otherUsers", list(spaces.otherUsers)), ("shared", list(spaces.shared)),
    ]
  }

  /// The items of a FETCH response, by their canonical names in upper case.
  static func fetchItems(_ attributes: [FetchAttribute]) -> JSON {
    .object(attributes.map { item($0) })
  }

  private static func item(_ attribute: FetchAttribute) -> (key: String, value: JSON) {
    switch attribute {
    case .uid(let uid): ("UID", .unsigned(UInt64(uid.rawValue)))
    case .flags(let list): ("FLAGS", flags(list))
    case .internalDate(let date): ("INTERNALDATE", .string(date.iso8601))
    case .rfc822Size(let size): ("RFC822.SIZE", .unsigned(size))
    case .modSeq(let value): ("MODSEQ", .unsigned(value.rawValue))
    case .envelope(let envelope): ("ENVELOPE", self.envelope(envelope))
    case .binarySize(let part, let size):
      ("BINARY.SIZE[\(Section(part: part))]", .unsigned(size))
    case .preview(let text): ("PREVIEW", .optional(text))
    case .saveDate(let date): ("SAVEDATE", date.map { .string($0.iso8601) } ?? .null)
    case .emailID(let id): ("EMAILID", id.map { .string($0) } ?? .null)
    case .threadID(let id): ("THREADID", id.map { .string($0) } ?? .null)
    case .gmailMessageID(let id): ("X-GM-MSGID", .unsigned(id))
    case .gmailThreadID(let id): ("X-GM-THRID", .unsigned(id))
    case .gmailLabels(let labels): ("X-GM-LABELS", .array(labels.map { .string($0.description) }))
    case .annotations(let list): ("ANNOTATION", annotations(list))
    case .bodyStructure(let body): ("BODYSTRUCTURE", structure(body))
    case .body(let body): ("BODY", structure(body))
    case .section(let name, let origin, let data): (sectionName(name, origin), .optional(data))
    case .unknown(let name, let value): (upper(name), .bytes(value))
    case .invalid(let name, let value, let reason):
      (upper(name), .object([("invalid", .bytes(value)), ("reason", .string(reason.description))]))
    }
  }

  private static func upper(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self).uppercased() }

  private static func sectionName(_ name: SectionName, _ origin: UInt32?) -> String {
    let suffix = origin.map { "<\($0)>" } ?? ""
    return switch name {
    case .body(let section): "BODY[\(section.description.uppercased())]\(suffix)"
    case .rfc822: "RFC822"
    case .rfc822Header: "RFC822.HEADER"
    case .rfc822Text: "RFC822.TEXT"
    case .binary(let part): "BINARY[\(Section(part: part))]\(suffix)"
    }
  }

  static func envelope(_ envelope: Envelope) -> JSON {
    func addresses(_ list: [Address]) -> JSON {
      if list.isEmpty { return .null }
      return .array(
        list.map { address in
          .object([
            ("name", .optional(address.name)), ("route", .optional(address.route)),
            ("mailbox", .optional(address.mailbox)), ("host", .optional(address.host)),
          ])
        })
    }
    return .object([
      ("date", .optional(envelope.date)), ("subject", .optional(envelope.subject)),
      ("from", addresses(envelope.from)), ("sender", addresses(envelope.sender)),
      ("replyTo", addresses(envelope.replyTo)), ("to", addresses(envelope.to)), ("cc", addresses(envelope.cc)),
      ("bcc", addresses(envelope.bcc)), ("inReplyTo", .optional(envelope.inReplyTo)),
      ("messageId", .optional(envelope.messageID)),
    ])
  }

  private static func parameters(_ list: [BodyStructure.Parameter]) -> JSON {
    .object(list.map { (key: String(decoding: $0.name, as: UTF8.self), value: .bytes($0.value)) })
  }

  private static func extensionMembers(_ ext: BodyStructure.Extension?) -> [(key: String, value: JSON)] {
    let disposition = ext?.disposition.map {
      JSON.object([("type", .bytes($0.type)), ("parameters", parameters($0.parameters))])
    }
    return [
      ("disposition", disposition ?? .null),
      ("language", ext.map { .array($0.languages.map { .bytes($0) }) } ?? .null),
      ("location", .optional(ext?.location)),
    ]
  }

  static func structure(_ body: BodyStructure) -> JSON {
    switch body {
    case .multipart(let multipart):
      return .object(
        [
          ("type", .string("multipart")), ("subtype", .bytes(multipart.subtype)),
          ("parameters", parameters(multipart.parameters)), ("parts", .array(multipart.parts.map { structure($0) })),
        ] + extensionMembers(multipart.ext))
    case .single(let part):
      var members: [(key: String, value: JSON)] = [
        ("type", .bytes(part.type)), ("subtype", .bytes(part.subtype)), ("parameters", parameters(part.parameters)),
        ("id", .optional(part.id)), ("description", .optional(part.description)), ("encoding", .bytes(part.encoding)),
        ("octets", .unsigned(part.octets)),
      ]
      switch part.content {
      case .basic: break
      case .text(let lines): members.append(("lines", .unsigned(lines)))
      case .message(let envelope, let inner, let lines):
        members += [
          ("lines", .unsigned(lines)), ("envelope", self.envelope(envelope)), ("body", structure(inner)),
        ]
      }
      members.append(("md5", .optional(part.md5)))
      return .object(members + extensionMembers(part.ext))
    }
  }
}
