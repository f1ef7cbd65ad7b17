import IMAPStateMachine

/// A JSON value with its keys in the order given, so that output is stable and reads in the order it was meant.
enum JSON {
  case null
  case bool(Bool)
  case number(Int64)
  case unsigned(UInt64)
  case string(String)
  case array([JSON])
  case object([(key: String, value: JSON)])

  /// Bytes: a string where they are UTF-8, else `{"base64": ...}`.
  static func bytes(_ bytes: [UInt8]) -> JSON {
    if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
    return .object([("base64", .string(base64(bytes)))])
  }

  /// As ``bytes(_:)``, nil as null.
  static func optional(_ bytes: [UInt8]?) -> JSON { bytes.map { .bytes($0) } ?? .null }

  /// The value on one line.
  var text: String {
    var output = ""
    write(into: &output)
    return output
  }

  private func write(into output: inout String) {
    switch self {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .number(let value): output += String(value)
    case .unsigned(let value): output += String(value)
    case .string(let text): Self.quote(text, into: &output)
    case .array(let values):
      output += "["
      for (index, value) in values.enumerated() {
        if index > 0 { output += "," }
        value.write(into: &output)
      }
      output += "]"
    case .object(let members):
      output += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { output += "," }
        Self.quote(member.key, into: &output)
        output += ":"
        member.value.write(into: &output)
      }
      output += "}"
    }
  }

  private static func quote(_ text: String, into output: inout String) {
    output += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var output: [UInt8] = []
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
    return String(decoding: output, as: UTF8.self)
  }
}
