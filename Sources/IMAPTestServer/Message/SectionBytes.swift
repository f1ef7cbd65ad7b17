import IMAPStateMachine

/// The bytes of a section: mostly a range of the message, so that nothing is copied.
enum SectionBytes: Equatable {
  /// A range of the message.
  case range(Range<Int>)
  /// Bytes that are no contiguous part of the message: a header subset.
  case collected([UInt8])

  /// How many bytes there are.
  var count: Int {
    switch self {
    case .range(let range): range.count
    case .collected(let bytes): bytes.count
    }
  }

  /// The part that `partial` names; empty where it starts behind the end (RFC 9051, section 6.4.5).
  func cut(to partial: PartialRange?) -> SectionBytes {
    guard let partial else { return self }
    let start = min(Int(partial.offset), count)
    let length = min(Int(partial.count), count - start)
    switch self {
    case .range(let range):
      let lower = range.lowerBound + start
      return .range(lower..<(lower + length))
    case .collected(let bytes): return .collected(Array(bytes[start..<(start + length)]))
    }
  }

  /// The bytes, `message` being what they are a section of.
  func bytes(of message: [UInt8]) -> [UInt8] {
    switch self {
    case .range(let range): Array(message[range])
    case .collected(let bytes): bytes
    }
  }
}

extension MessageTree {
  /// The bytes of `section`; nil where the message has no such part (RFC 9051, section 6.4.5.1).
  func section(_ section: Section, of bytes: [UInt8]) -> SectionBytes? {
    if section.part.isEmpty {
      return Self.content(section.kind, header: parts[0].header, body: parts[0].body, of: bytes)
    }
    guard let index = part(section.part) else { return nil }
    switch section.kind {
    case .full: return .range(parts[index].body)
    case .mime: return .range(parts[index].header)
    case .header, .headerFields, .headerFieldsNot, .text:
      // "provided that the numeric part specifier refers to a part of type MESSAGE/RFC822 or MESSAGE/GLOBAL".
      guard parts[index].media.isMessage, let child = parts[index].children.first else { return nil }
      return Self.content(section.kind, header: parts[child].header, body: parts[child].body, of: bytes)
    }
  }

  /// A section of a message whose header and body are known; nil for MIME, which needs a part number.
  static func content(
    _ kind: Section.Kind, header: Range<Int>, body: Range<Int>, of bytes: [UInt8]
  ) -> SectionBytes? {
    switch kind {
    case .full: .range(header.lowerBound..<max(header.upperBound, body.upperBound))
    case .header: .range(header)
    case .headerFields(let names): .collected(fields(of: bytes, in: header) { Self.contains(names, $0) })
    case .headerFieldsNot(let names): .collected(fields(of: bytes, in: header) { !Self.contains(names, $0) })
    case .text: .range(body)
    case .mime: nil
    }
  }

  /// The part that the numbers lead to from the message itself; nil where there is none.
  private func part(_ path: [UInt32]) -> Int? {
    var index = 0
    // Whether `index` is a message whose body the next number is about, and not yet its part 1.
    var isMessage = true
    for number in path {
      if parts[index].media.isMessage, !isMessage, let child = parts[index].children.first {
        // "A part of type MESSAGE/RFC822 [...] also has nested part numbers, referring to parts of the MESSAGE part's
        // body."
        index = child
        isMessage = true
      }
      if parts[index].media.isMultipart {
        guard number >= 1, Int(number) <= parts[index].children.count else { return nil }
        index = parts[index].children[Int(number) - 1]
      } else if !isMessage || number != 1 {
        // "Every message has at least one part number": part 1 of a message without parts is its body.
        return nil
      }
      isMessage = false
    }
    return index
  }

  /// The fields of a header that `isWanted` chooses by name, and its empty line: "the blank line is included in all header
  /// fetches, except in the case of a message that has no body and no blank line".
  private static func fields(
    of bytes: [UInt8], in header: Range<Int>, where isWanted: (Span<UInt8>) -> Bool
  ) -> [UInt8] {
    var output: [UInt8] = []
    let span = bytes.span
    var end = header.lowerBound
    for field in HeaderFields(bytes, in: header) {
      end = field.whole.upperBound
      if isWanted(span.extracting(field.name)) { output += bytes[field.whole] }
    }
    output += bytes[end..<header.upperBound]
    return output
  }

  private static func contains(_ names: [String], _ name: Span<UInt8>) -> Bool {
    names.contains { name.matches($0.utf8.span) }
  }
}
