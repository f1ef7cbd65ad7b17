import IMAPStateMachine

/// What `imap` prints of BODYSTRUCTURE and BODY: docs/decode.md.
extension JSON {
  /// All levels. With `decoded` each envelope also has its texts as people read them.
  static func structure(_ body: BodyStructure, decoded: Bool = false) -> JSON {
    switch body {
    case .multipart(let multipart):
      let damage = BodyDamageMembers(multipart.invalid)
      return .object(
        [
          ("type", .string("multipart")), ("subtype", damage[.subtype] ?? .bytes(multipart.subtype)),
          ("parameters", parameters(multipart.parameters, damage.members(.parameters))),
          ("parts", .array(multipart.parts.map { structure($0, decoded: decoded) } + damage.elements(.parts))),
        ] + extensionMembers(multipart.ext, damage))
    case .single(let part): return single(part, decoded: decoded)
    }
  }

  private static func single(_ part: BodyStructure.Part, decoded: Bool) -> JSON {
    let damage = BodyDamageMembers(part.invalid)
    var members: [Member] = [
      ("type", .bytes(part.type)), ("subtype", damage[.subtype] ?? .bytes(part.subtype)),
      ("parameters", parameters(part.parameters, damage.members(.parameters))),
      ("id", damage[.id] ?? .optional(part.id)),
      ("description", damage[.description] ?? .optional(part.description)),
      ("encoding", damage[.encoding] ?? .bytes(part.encoding)), ("octets", damage[.octets] ?? .unsigned(part.octets)),
    ]
    switch part.content {
    case .basic: break
    case .text(let lines): members.append(("lines", damage[.lines] ?? .unsigned(lines)))
    case .message(let envelope, let inner, let lines):
      members += [
        ("lines", damage[.lines] ?? .unsigned(lines)),
        ("envelope", damage[.envelope] ?? self.envelope(envelope, decoded: decoded)),
        ("body", damage[.body] ?? structure(inner, decoded: decoded)),
      ]
    }
    members.append(("md5", damage[.md5] ?? .optional(part.md5)))
    return .object(members + extensionMembers(part.ext, damage))
  }

  private static func extensionMembers(_ ext: BodyStructure.Extension?, _ damage: BodyDamageMembers) -> [Member] {
    var disposition = damage.members(.disposition)
    if let known = ext?.disposition {
      disposition = [("type", .bytes(known.type)), ("parameters", parameters(known.parameters, []))] + disposition
    }
    let languages = (ext?.languages ?? []).map { JSON.bytes($0) } + damage.elements(.language)
    return [
      ("disposition", disposition.isEmpty ? .null : .object(disposition)),
      ("language", languages.isEmpty ? .null : .array(languages)),
      ("location", damage[.location] ?? .optional(ext?.location)),
    ]
  }

  private static func parameters(_ list: [BodyStructure.Parameter], _ damage: [Member]) -> JSON {
    if list.isEmpty, damage.isEmpty { return .null }
    return distinct(damage + list.map { (key: key($0.name), value: .bytes($0.value)) })
  }
}

/// What of one level could not be interpreted, by field.
private struct BodyDamageMembers {
  private let items: [InvalidItem]

  init(_ items: [InvalidItem]) { self.items = items }

  /// What stands in the place of a field; nil where the field is not damaged.
  subscript(field: BodyStructure.Field) -> JSON? { elements(field).first }

  /// What goes behind the elements of an array.
  func elements(_ field: BodyStructure.Field) -> [JSON] {
    let members = members(field)
    return members.isEmpty ? [] : [.object(members)]
  }

  /// What goes beside the members of an object.
  func members(_ field: BodyStructure.Field) -> [JSON.Member] {
    guard !items.isEmpty else { return [] }
    let name = Array(field.description.utf8)
    return items.first { $0.name == name }.map { JSON.invalid($0.value, $0.reason) } ?? []
  }
}
