/// Modified UTF-7 of RFC 3501, section 5.1.3: printable ASCII stands for itself, `&` is `&-`, and everything else is
/// UTF-16 in a base64 that has `,` for `/`, between `&` and `-`.
enum ModifiedUTF7 {
  static func encode(_ text: String) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.utf8.count)
    var pending: [UInt8] = []
    for scalar in text.unicodeScalars {
      if scalar.value >= 0x20, scalar.value <= 0x7e {
        flush(&pending, into: &output)
        output.append(UInt8(scalar.value))
        if scalar == "&" { output.append(UInt8(ascii: "-")) }
      } else {
        for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
          pending.append(UInt8(truncatingIfNeeded: unit >> 8))
          pending.append(UInt8(truncatingIfNeeded: unit))
        }
      }
    }
    flush(&pending, into: &output)
    return output
  }

  /// The text that `bytes` stand for; nil where they are no modified UTF-7 (8-bit bytes, broken base64, lone surrogates).
  static func decode(_ bytes: Span<UInt8>) -> String? {
    var text = ""
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      guard byte >= 0x20, byte <= 0x7e else { return nil }
      if byte != UInt8(ascii: "&") {
        text.unicodeScalars.append(Unicode.Scalar(byte))
        continue
      }
      var word: [UInt8] = []
      var isClosed = false
      while index < bytes.count {
        let symbol = bytes[index]
        index += 1
        if symbol == UInt8(ascii: "-") {
          isClosed = true
          break
        }
        // `/` is no symbol of this alphabet; `,` is.
        if symbol == UInt8(ascii: "/") || symbol == UInt8(ascii: "=") { return nil }
        word.append(symbol == UInt8(ascii: ",") ? UInt8(ascii: "/") : symbol)
      }
      guard isClosed else { return nil }
      if word.isEmpty {
        text.append("&")
        continue
      }
      guard let data = Base64.decode(word.span), data.count % 2 == 0, !data.isEmpty else { return nil }
      var units: [UInt16] = []
      for pair in stride(from: 0, to: data.count, by: 2) {
        units.append(UInt16(data[pair]) << 8 | UInt16(data[pair + 1]))
      }
      guard let decoded = String(validating: units, as: UTF16.self) else { return nil }
      text += decoded
    }
    return text
  }

  private static func flush(_ pending: inout [UInt8], into output: inout [UInt8]) {
    if pending.isEmpty { return }
    output.append(UInt8(ascii: "&"))
    let start = output.count
    Base64.encode(pending.span, into: &output)
    while output.last == UInt8(ascii: "=") { output.removeLast() }
    for index in start..<output.count where output[index] == UInt8(ascii: "/") { output[index] = UInt8(ascii: ",") }
    output.append(UInt8(ascii: "-"))
    pending.removeAll(keepingCapacity: true)
  }
}
