/// A JSON value with its keys in the order given, so that output is stable and reads in the order it was meant.
enum JSON: Sendable {
  typealias Member = (key: String, value: JSON)

  case null
  case bool(Bool)
  case number(Int64)
  case unsigned(UInt64)
  case string(String)
  /// Bytes: a string where they are UTF-8, else `{"base64": ...}`.
  case bytes([UInt8])
  case array([JSON])
  case object([Member])

  /// As ``bytes(_:)``, nil as null.
  static func optional(_ bytes: [UInt8]?) -> JSON { bytes.map { .bytes($0) } ?? .null }

  /// As ``string(_:)``, nil as null.
  static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

  /// As ``unsigned(_:)``, nil as null.
  static func optional(_ number: UInt32?) -> JSON { number.map { .unsigned(UInt64($0)) } ?? .null }

  /// An object whose keys a peer chose. One that comes again gets `#2`, `#3` and so on: readers of JSON keep one value a
  /// key.
  static func distinct(_ members: [Member]) -> JSON {
    var counts: [String: Int] = [:]
    var members = members
    for index in members.indices {
      let key = members[index].key
      var distinct = key
      while counts[distinct] != nil {
        counts[key, default: 1] += 1
        distinct = "\(key)#\(counts[key, default: 1])"
      }
      counts[distinct] = 1
      members[index].key = distinct
    }
    return .object(members)
  }

  /// The value on one line.
  var text: String {
    var output: [UInt8] = []
    write(into: &output)
    return String(decoding: output, as: UTF8.self)
  }

  /// Appends the value on one line.
  func write(into output: inout [UInt8]) {
    switch self {
    case .null: output += "null".utf8
    case .bool(let value): output += (value ? "true" : "false").utf8
    case .number(let value): output += String(value).utf8
    case .unsigned(let value): output += String(value).utf8
    case .string(let text): Self.quote(text.utf8.span, into: &output)
    case .bytes(let bytes):
      if (try? UTF8Span(validating: bytes.span)) != nil {
        Self.quote(bytes.span, into: &output)
      } else {
        output += "{\"base64\":\"".utf8
        Self.base64(bytes, into: &output)
        output += "\"}".utf8
      }
    case .array(let values):
      output.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        value.write(into: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        Self.quote(member.key.utf8.span, into: &output)
        output.append(UInt8(ascii: ":"))
        member.value.write(into: &output)
      }
      output.append(UInt8(ascii: "}"))
    }
  }

  /// `text`, which is UTF-8, in quotes: control characters, DEL included, are escaped.
  private static func quote(_ text: Span<UInt8>, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + text.count + 2)
    output.append(UInt8(ascii: "\""))
    for index in text.indices {
      let byte = text[index]
      switch byte {
      case UInt8(ascii: "\""): output += "\\\"".utf8
      case UInt8(ascii: "\\"): output += "\\\\".utf8
      case 0x0a: output += "\\n".utf8
      case 0x0d: output += "\\r".utf8
      case 0x09: output += "\\t".utf8
      case 0..<0x20, 0x7f:
        output += "\\u00".utf8
        output.append(hexDigit(byte >> 4))
        output.append(hexDigit(byte & 15))
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

  private static func base64(_ bytes: [UInt8], into output: inout [UInt8]) {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let left = bytes.count - start
      let word =
        UInt32(bytes[start]) << 16 | (left > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
        | (left > 2 ? UInt32(bytes[start + 2]) : 0)
      for index in 0..<4 {
        let symbol = alphabet[Int(word >> UInt32(18 - 6 * index) & 63)]
        output.append(index > left ? UInt8(ascii: "=") : symbol)
      }
    }
  }
}
