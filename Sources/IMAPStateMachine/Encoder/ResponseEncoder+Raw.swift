/// What is written as it came from a wire, or as its maker thinks that it should look there. It is checked: what a value
/// holds must not end the line, nor the list that it is in, nor announce a literal that is not there.
extension ResponseEncoder {
  /// One value: a word, a string, a literal or a list.
  func raw(_ bytes: [UInt8], into output: inout SendBuffer) throws(ConnectionError) {
    var cursor = Cursor(bytes.span)
    guard let range = try? cursor.value(), range.lowerBound == 0, cursor.isAtEnd else { throw unencodable }
    // A word that looks like a literal's header would be one at the end of a line.
    if bytes.last == UInt8(ascii: "}"), bytes.contains(UInt8(ascii: "{")), !bytes.contains(0x0a) { throw unencodable }
    if bytes.contains(0x0a), !isFramed(bytes) { throw unencodable }
    output.append(bytes)
  }

  /// Whether a reader finds the end of a response behind `bytes`: their line ends are those of literals, and announced in a
  /// form that frames them.
  private func isFramed(_ bytes: [UInt8]) -> Bool {
    var input = ReceiveBuffer()
    input.append(Array("* X (".utf8).span)
    input.append(bytes.span)
    input.append([0x29, 0x0d, 0x0a].span)
    let count = input.unread
    var parser = ResponseParser()
    guard (try? parser.nextOwned(&input)) != nil else { return false }
    return parser.position == count && !parser.isInsideResponse
  }

  /// The name of a data item: a word, and possibly a section in brackets with an offset behind it.
  func rawName(_ bytes: [UInt8], into output: inout SendBuffer) throws(ConnectionError) {
    var isInBrackets = false
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "["):
        if isInBrackets || index == 0 { throw unencodable }
        isInBrackets = true
      case UInt8(ascii: "]"):
        if !isInBrackets { throw unencodable }
        isInBrackets = false
      case UInt8(ascii: "("), UInt8(ascii: ")"), 0x20: if !isInBrackets { throw unencodable }
      default: if !ByteClass(of: byte).contains(.atom) { throw unencodable }
      }
    }
    if bytes.isEmpty || isInBrackets { throw unencodable }
    output.append(bytes)
  }

  /// A whole line with its literals, its end added where it is missing. It must be read as one response.
  func rawLine(_ bytes: [UInt8], into output: inout SendBuffer) throws(ConnectionError) {
    var line = bytes
    if line.last != 0x0a { line += [0x0d, 0x0a] }
    var input = ReceiveBuffer()
    input.append(line.span)
    var parser = ResponseParser()
    guard let response = try? parser.nextOwned(&input), parser.position == line.count, parser.responsePosition == 0,
      !parser.isInsideResponse
    else { throw unencodable }
    if case .malformed = response { throw unencodable }
    output.append(line)
  }
}
