/// Parameters of Content-Type and Content-Disposition as a person reads them.
extension [BodyStructure.Parameter] {
  /// The value of the parameter `name`: in pieces and with a charset where it was written so (RFC 2231), else with encoded words,
  /// which no RFC allows there and many programs write. Nil where there is no such parameter. Complexity: O(n).
  public func decoded(_ name: String, charsets: CharsetDecoder = .builtIn) -> String? {
    let wanted = asciiUppercased(name)
    var plain: [UInt8]?
    var extended: [UInt8]?
    var pieces: [Int: (value: [UInt8], isEncoded: Bool)] = [:]
    for parameter in self {
      let written = asciiUppercased(String(decoding: parameter.name, as: UTF8.self))
      if written == wanted {
        plain = plain ?? parameter.value
        continue
      }
      guard written.hasPrefix(wanted) else { continue }
      var rest = written.dropFirst(wanted.count)
      if rest == "*" {
        extended = extended ?? parameter.value
        continue
      }
      // RFC 2231, section 3: name*0, name*1*, without leading zeros.
      guard rest.first == "*" else { continue }
      rest = rest.dropFirst()
      let isEncoded = rest.last == "*"
      if isEncoded { rest = rest.dropLast() }
      guard let number = Int(rest), number >= 0, String(number) == rest, pieces[number] == nil else { continue }
      pieces[number] = (parameter.value, isEncoded)
    }
    // RFC 2231, section 4.1, and RFC 6266, section 4.3: what names its charset is better than what does not.
    if let extended { return Self.text(Self.split(extended), charsets) }
    if let first = pieces[0] {
      var (charset, bytes) = first.isEncoded ? Self.split(first.value) : (nil, first.value)
      var number = 1
      while let piece = pieces[number] {
        bytes += piece.isEncoded ? Self.unescaped(piece.value[...]) : piece.value
        number += 1
      }
      return Self.text((charset, bytes), charsets)
    }
    return plain.map { EncodedWord.decode($0, charsets: charsets) }
  }

  /// `charset'language'text`. A value without the two quotes is text in a charset that nobody knows.
  private static func split(_ value: [UInt8]) -> (charset: String?, bytes: [UInt8]) {
    let quote = UInt8(ascii: "'")
    guard let first = value.firstIndex(of: quote), let second = value[(first + 1)...].firstIndex(of: quote) else {
      return (nil, unescaped(value[...]))
    }
    let charset = String(decoding: value[..<first], as: UTF8.self)
    return (charset.isEmpty ? nil : charset, unescaped(value[(second + 1)...]))
  }

  private static func unescaped(_ value: ArraySlice<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(value.count)
    var index = value.startIndex
    while index < value.endIndex {
      if value[index] == UInt8(ascii: "%"), index + 2 < value.endIndex, let high = hexValue(value[index + 1]),
        let low = hexValue(value[index + 2])
      {
        bytes.append(high << 4 | low)
        index += 3
      } else {
        bytes.append(value[index])
        index += 1
      }
    }
    return bytes
  }

  private static func text(_ value: (charset: String?, bytes: [UInt8]), _ charsets: CharsetDecoder) -> String {
    let text = value.charset.flatMap { charsets.decode(value.bytes, charset: $0) }
    return EncodedWord.withoutControls(text ?? CharsetDecoder.unlabelled(value.bytes))
  }
}
