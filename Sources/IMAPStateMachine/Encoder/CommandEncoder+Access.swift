/// Commands about access, quota, metadata and URLs.
extension CommandEncoder {
  /// Writes `command` if it is one of these.
  mutating func encodeAccess(_ command: Command) throws(EncodingError) -> Bool {
    switch command {
    case .setACL(let name, let identifier, let change):
      try one("SETACL ", name)
      try argument(identifier)
      try rights(change)
    case .deleteACL(let name, let identifier):
      try one("DELETEACL ", name)
      try argument(identifier)
    case .getACL(let name): try one("GETACL ", name)
    case .listRights(let name, let identifier):
      try one("LISTRIGHTS ", name)
      try argument(identifier)
    case .myRights(let name): try one("MYRIGHTS ", name)
    case .getQuota(let root):
      output.append("GETQUOTA ")
      place = .quotaRoot
      try string(root.span)
    case .getQuotaRoot(let name): try one("GETQUOTAROOT ", name)
    case .setQuota(let root, let limits): try encodeSetQuota(root, limits)
    case .getMetadata(let name, let entries, let options): try encodeGetMetadata(name, entries, options)
    case .setMetadata(let name, let entries):
      try one("SETMETADATA ", name)
      output.append(UInt8(ascii: " "))
      place = .entry
      try parentheses(entries) { encoder, entry throws(EncodingError) in
        encoder.place = .entry
        try encoder.string(entry.name.span)
        encoder.output.append(UInt8(ascii: " "))
        encoder.place = .value
        try encoder.value(entry.value)
      }
    case .getAnnotation(let name, let entries, let attributes):
      try one("GETANNOTATION ", name)
      place = .annotation
      output.append(UInt8(ascii: " "))
      try oneOrMore(entries)
      output.append(UInt8(ascii: " "))
      try oneOrMore(attributes)
    case .setAnnotation(let name, let entries):
      try one("SETANNOTATION ", name)
      place = .annotation
      output.append(UInt8(ascii: " "))
      if entries.count == 1, let entry = entries.first { try annotation(entry) } else { try annotations(entries) }
    case .generateURLAuth(let requests):
      output.append("GENURLAUTH ")
      place = .url
      try list(requests) { encoder, request throws(EncodingError) in
        try encoder.string(request.url.span)
        encoder.output.append(UInt8(ascii: " "))
        try encoder.atom(request.mechanism)
      }
    case .fetchURLs(let requests): try encodeFetchURLs(requests)
    case .resetKey(let name, let mechanisms): try encodeResetKey(name, mechanisms)
    default: return false
    }
    return true
  }

  /// Annotations of a message, in parentheses (RFC 5257, section 5).
  mutating func annotations(_ values: [MessageAnnotation]) throws(EncodingError) {
    place = .annotation
    try parentheses(values) { encoder, value throws(EncodingError) in try encoder.annotation(value) }
  }

  /// One string bare, or several in parentheses.
  mutating func oneOrMore(_ values: [[UInt8]]) throws(EncodingError) {
    if values.count == 1, let value = values.first { try string(value.span) } else { try strings(values) }
  }

  private mutating func annotation(_ value: MessageAnnotation) throws(EncodingError) {
    try string(value.entry.span)
    output.append(UInt8(ascii: " "))
    try parentheses(value.attributes) { encoder, attribute throws(EncodingError) in
      try encoder.string(attribute.name.span)
      encoder.output.append(UInt8(ascii: " "))
      try encoder.value(attribute.value)
    }
  }

  private mutating func argument(_ bytes: [UInt8]) throws(EncodingError) {
    place = .identifier
    output.append(UInt8(ascii: " "))
    try string(bytes.span)
  }

  private mutating func rights(_ change: AccessRightsChange) throws(EncodingError) {
    place = .rights
    switch change {
    // RFC 4314, section 3.1: a leading `+` or `-` adds or removes, so rights themselves start with neither.
    case .replace(let rights):
      if rights.rawValue.hasPrefix("+") || rights.rawValue.hasPrefix("-") { throw EncodingError() }
      output.append(UInt8(ascii: " "))
      try string(rights.rawValue)
    case .add(let rights):
      output.append(UInt8(ascii: " "))
      try string("+" + rights.rawValue)
    case .remove(let rights):
      output.append(UInt8(ascii: " "))
      try string("-" + rights.rawValue)
    }
  }

  private mutating func encodeSetQuota(_ root: [UInt8], _ limits: [QuotaLimit]) throws(EncodingError) {
    output.append("SETQUOTA ")
    place = .quotaRoot
    try string(root.span)
    place = .quotaLimit
    // RFC 9208, section 4.1.3: an empty list removes all limits.
    if limits.isEmpty { return output.append(" ()") }
    output.append(UInt8(ascii: " "))
    try parentheses(limits) { encoder, limit throws(EncodingError) in
      try encoder.atom(limit.resource)
      encoder.output.append(UInt8(ascii: " "))
      // RFC 9208, section 7: 63 bits.
      if limit.limit > UInt64(Int64.max) { throw EncodingError(rule: .tooLarge) }
      encoder.output.append(decimal: limit.limit)
    }
  }

  private mutating func encodeGetMetadata(
    _ name: MailboxName, _ entries: [[UInt8]], _ options: MetadataOptions
  ) throws(EncodingError) {
    output.append("GETMETADATA ")
    if options.maximumSize != nil || options.depth != nil {
      output.append(UInt8(ascii: "("))
      if let size = options.maximumSize {
        output.append("MAXSIZE ")
        output.append(decimal: size)
      }
      if let depth = options.depth {
        output.append(options.maximumSize == nil ? "DEPTH " : " DEPTH ")
        output.append(depth.rawValue)
      }
      output.append(") ")
    }
    try mailbox(name)
    output.append(UInt8(ascii: " "))
    place = .entry
    try oneOrMore(entries)
  }

  private mutating func encodeFetchURLs(_ requests: [URLFetchRequest]) throws(EncodingError) {
    output.append("URLFETCH ")
    place = .url
    try list(requests) { encoder, request throws(EncodingError) in
      guard let items = request.items else { return try encoder.string(request.url.span) }
      encoder.output.append(UInt8(ascii: "("))
      try encoder.string(request.url.span)
      for item in items {
        encoder.output.append(UInt8(ascii: " "))
        encoder.output.append(item.rawValue)
      }
      encoder.output.append(UInt8(ascii: ")"))
    }
  }

  private mutating func encodeResetKey(_ name: MailboxName?, _ mechanisms: [String]) throws(EncodingError) {
    output.append("RESETKEY")
    place = .mechanism
    guard let name else {
      // RFC 4467, section 9: mechanisms stand behind a mailbox only.
      if !mechanisms.isEmpty { throw EncodingError() }
      return
    }
    output.append(UInt8(ascii: " "))
    try mailbox(name)
    place = .mechanism
    for mechanism in mechanisms {
      output.append(UInt8(ascii: " "))
      try atom(mechanism)
    }
  }
}
