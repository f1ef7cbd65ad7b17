/// CONVERT, and what came before FETCH could tell parts.
extension CommandEncoder {
  mutating func encodeConversions(_ from: String, _ to: String) throws(EncodingError) {
    output.append("CONVERSIONS ")
    try string(from)
    output.append(UInt8(ascii: " "))
    try string(to)
  }

  mutating func encodeConvert(
    _ messages: MessageReference, _ request: ConversionRequest
  ) throws(EncodingError) {
    try reference(messages, "CONVERT")
    output.append(" (")
    if let type = request.type {
      // RFC 5259, section 10: the type is always quoted, so it can be no literal.
      if type.isEmpty || type.utf8.count > Self.longestQuoted { throw EncodingError() }
      if !type.utf8.allSatisfy({ ByteClass(of: $0).contains(.atom) }) { throw EncodingError() }
      try string(type)
    } else {
      output.append("NIL")
    }
    if !request.parameters.isEmpty {
      output.append(UInt8(ascii: " "))
      try parentheses(request.parameters) { encoder, parameter throws(EncodingError) in
        try encoder.string(parameter.name)
        encoder.output.append(UInt8(ascii: " "))
        try encoder.string(parameter.value)
      }
    }
    output.append(") ")
    try parentheses(request.items) { encoder, item throws(EncodingError) in try encoder.conversionItem(item) }
  }

  private mutating func conversionItem(_ item: ConversionRequest.Item) throws(EncodingError) {
    switch item {
    case .uid: output.append("UID")
    case .binary(let part, let range):
      try bracketed("BINARY[", Section(part: part))
      try partial(range)
    case .binarySize(let part): try bracketed("BINARY.SIZE[", Section(part: part))
    case .structure(let part): try bracketed("BODYPARTSTRUCTURE[", Section(part: part))
    case .header(let part): try bracketed("BODY[", Section(part: part, .header))
    case .mime(let part): try bracketed("BODY[", Section(part: part, .mime))
    case .available(let part): try bracketed("AVAILABLECONVERSIONS[", Section(part: part))
    }
  }

  private mutating func bracketed(_ name: StaticString, _ section: Section) throws(EncodingError) {
    output.append(name)
    try self.section(section)
    output.append(UInt8(ascii: "]"))
  }

  mutating func encodePartial(
    _ message: SequenceNumber, _ item: FetchItem, _ first: UInt32, _ count: UInt32
  ) throws(EncodingError) {
    switch item {
    case .section(_, _, partial: nil), .rfc822, .rfc822Header, .rfc822Text, .other: break
    default: throw EncodingError()
    }
    if message.rawValue == 0 || first == 0 || count == 0 { throw EncodingError() }
    output.append("PARTIAL ")
    output.append(decimal: message.rawValue)
    output.append(UInt8(ascii: " "))
    try fetchItem(item)
    output.append(UInt8(ascii: " "))
    output.append(decimal: first)
    output.append(UInt8(ascii: " "))
    output.append(decimal: count)
  }
}
