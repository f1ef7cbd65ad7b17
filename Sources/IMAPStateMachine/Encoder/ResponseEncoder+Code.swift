/// Response codes.
extension ResponseEncoder {
  /// What stands between the brackets. A question mark stands for what has no form there: line ends, brackets unless they
  /// match (one too many would end the code early), and in a list of words what would end a word or the list.
  func code(_ code: ResponseCode, into output: inout SendBuffer) {
    var bytes = Self.bytes(of: code)
    while true {
      let fit = fitting(bytes)
      if fit == bytes { return output.append(bytes) }
      // With question marks in it, what had no type may have one, which is written in its own way: without a quote, say, so
      // that a bracket is bare. Each time there are fewer bytes that do not fit.
      bytes = Self.bytes(of: ResponseCodeView(fit.span).copy())
    }
  }

  private func fitting(_ bytes: [UInt8]) -> [UInt8] {
    // Nor may a bracket of the text be the one that ends the code.
    let framed = [0x5b] + bytes + [0x5d, 0x20, 0x5d]
    let isBalanced = StatusView.closingBracket(framed.span, from: 0) == bytes.count + 1
    return bytes.map { byte in
      let isUnfit = isLineBreaking(byte) || (!isBalanced && (byte == 0x5b || byte == 0x5d))
      return isUnfit ? Self.questionMark : byte
    }
  }

  private static func bytes(of code: ResponseCode) -> [UInt8] {
    switch code {
    case .badCharset(let names) where !names.isEmpty: list("BADCHARSET", names.map(charset))
    case .permanentFlags(let flags): list("PERMANENTFLAGS", flags.map { word($0.rawValue) })
    case .badEvent(let names): list("BADEVENT", names.map(word))
    case .mailboxID(let id): list("MAILBOXID", [word(id)])
    case .capability(let list): words(Array("CAPABILITY".utf8), list.map { word($0.rawValue) })
    case .urlMechanisms(let names): words(Array("URLMECH".utf8), names.map(word))
    case .atom(let name): self.name(name)
    case .other(let name, let arguments), .invalid(let name, let arguments, _): words(self.name(name), [arguments])
    default: Array(code.description.utf8)
    }
  }

  private static func list(_ name: String, _ words: [[UInt8]]) -> [UInt8] {
    Array("\(name) (".utf8) + words.filter { !$0.isEmpty }.joined(separator: [0x20]) + [0x29]
  }

  /// No space follows the last: readers take a name with nothing behind its space for another code.
  private static func words(_ name: [UInt8], _ words: [[UInt8]]) -> [UInt8] {
    Array(([name] + words).filter { !$0.isEmpty }.joined(separator: [0x20]))
  }

  /// The name of a code ends at a space.
  private static func name(_ text: String) -> [UInt8] { text.utf8.map { $0 == 0x20 ? questionMark : $0 } }

  /// A word that is read as one.
  private static func word(_ text: String) -> [UInt8] {
    text.utf8.map { $0 != 0x22 && ByteClass(of: $0).contains(.token) ? $0 : questionMark }
  }

  /// RFC 9051, section 9: a charset is an atom, or a quoted string.
  private static func charset(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    if !bytes.isEmpty, bytes.allSatisfy({ ByteClass(of: $0).contains(.atom) }), text.uppercased() != "NIL" {
      return bytes
    }
    return [0x22] + bytes.flatMap { $0 == 0x22 || $0 == 0x5c ? [0x5c, $0] : [$0] } + [0x22]
  }

  private static let questionMark = UInt8(ascii: "?")
}
