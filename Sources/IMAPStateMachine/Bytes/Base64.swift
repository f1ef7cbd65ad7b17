/// Base64 of RFC 4648, section 4, as SASL exchanges use it (RFC 3501, section 6.2.2).
enum Base64 {
  /// Appends the encoding of `bytes`, padded, without line breaks.
  static func encode(_ bytes: Span<UInt8>, into output: inout [UInt8]) {
    var index = 0
    while index < bytes.count {
      let left = bytes.count - index
      let b0 = UInt32(bytes[index])
      let b1 = left > 1 ? UInt32(bytes[index + 1]) : 0
      let b2 = left > 2 ? UInt32(bytes[index + 2]) : 0
      let word = b0 << 16 | b1 << 8 | b2
      output.append(symbol(word >> 18))
      output.append(symbol(word >> 12))
      output.append(left > 1 ? symbol(word >> 6) : UInt8(ascii: "="))
      output.append(left > 2 ? symbol(word) : UInt8(ascii: "="))
      index += 3
    }
  }

  /// The bytes that `text` encodes; nil where it is not base64. Missing padding is accepted, data behind padding is not.
  static func decode(_ text: Span<UInt8>) -> [UInt8]? {
    var output: [UInt8] = []
    output.reserveCapacity(text.count / 4 * 3)
    var word: UInt32 = 0
    var bits = 0
    var padding = 0
    for index in text.indices {
      let byte = text[index]
      if byte == UInt8(ascii: "=") {
        padding += 1
        continue
      }
      guard padding == 0, let value = value(byte) else { return nil }
      word = word << 6 | UInt32(value)
      bits += 6
      if bits >= 8 {
        bits -= 8
        output.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
      }
    }
    // A single symbol holds six bits: not a byte. More than two padding signs never occur.
    return bits == 6 || padding > 2 ? nil : output
  }

  /// As ``decode(_:)``, but only what an encoder makes: padded, and no bits behind the last byte.
  static func decodeStrictly(_ text: Span<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0, let bytes = decode(text) else { return nil }
    var again: [UInt8] = []
    again.reserveCapacity(text.count)
    encode(bytes.span, into: &again)
    return text.equals(again) ? bytes : nil
  }

  private static func symbol(_ value: UInt32) -> UInt8 {
    switch UInt8(truncatingIfNeeded: value & 63) {
    case let v where v < 26: UInt8(ascii: "A") + v
    case let v where v < 52: UInt8(ascii: "a") + (v - 26)
    case let v where v < 62: UInt8(ascii: "0") + (v - 52)
    case 62: UInt8(ascii: "+")
    default: UInt8(ascii: "/")
    }
  }

  private static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
