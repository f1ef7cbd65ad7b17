/// Atoms, strings, flags and status texts.
extension ResponseEncoder {
  /// The error for a value that has no form on the wire.
  var unencodable: ConnectionError { .misuse(ConnectionError.Misuse(.unencodable, state: "encoding a response")) }

  func isLineBreaking(_ byte: UInt8) -> Bool { byte == 0x0d || byte == 0x0a || byte == 0 }

  /// Condition, response code and text.
  func status(_ status: borrowing Status, into output: inout SendBuffer) {
    output.append(status.condition.rawValue)
    output.append(0x20)
    if let code = status.code {
      output.append(0x5b)
      self.code(code, into: &output)
      output.append("] ")
    }
    // Blanks at its ends are a part of the text, but behind them `[` would still be read as a response code.
    var mayStartCode = status.code == nil
    for byte in status.text.utf8 {
      let fit = isLineBreaking(byte) ? 0x20 : byte
      output.append(mayStartCode && fit == 0x5b ? 0x28 : fit)
      if fit != 0x20 { mayStartCode = false }
    }
  }

  /// An atom, or a tag.
  func atom(_ text: String, into output: inout SendBuffer) throws(ConnectionError) {
    if text.isEmpty { throw unencodable }
    for byte in text.utf8 where !ByteClass(of: byte).contains(.astring) { throw unencodable }
    output.append(text)
  }

  /// Flags in parentheses.
  func flags(_ flags: [Flag], into output: inout SendBuffer) throws(ConnectionError) {
    output.append(0x28)
    var isFirst = true
    for flag in flags {
      if !isFirst { output.append(0x20) }
      isFirst = false
      try self.flag(flag, into: &output)
    }
    output.append(0x29)
  }

  /// Those of `flags` that have a form on the wire, separated by spaces.
  func validFlags(_ flags: [Flag], into output: inout SendBuffer) {
    var isFirst = true
    for flag in flags {
      let start = output.count
      if !isFirst { output.append(0x20) }
      do throws(ConnectionError) {
        try self.flag(flag, into: &output)
        isFirst = false
      } catch {
        _ = output.takeTail(behind: start)
      }
    }
  }

  private func flag(_ flag: Flag, into output: inout SendBuffer) throws(ConnectionError) {
    if flag == .anyKeyword { return output.append("\\*") }
    let name = flag.rawValue.utf8.dropFirst(flag.isSystem ? 1 : 0)
    if name.isEmpty { throw unencodable }
    for byte in name where !ByteClass(of: byte).contains(.astring) { throw unencodable }
    output.append(flag.rawValue)
  }

  /// A mailbox name as an astring.
  func mailbox(_ name: MailboxName, into output: inout SendBuffer) {
    astring(name.bytes(in: mailboxEncoding), into: &output)
  }

  /// Bare where possible, else a string.
  func astring(_ bytes: [UInt8], into output: inout SendBuffer) {
    let isBare = !bytes.isEmpty && bytes.allSatisfy { ByteClass(of: $0).contains(.astring) }
    // A mailbox of that name is not the value NIL.
    if isBare, !bytes.span.equalsIgnoringCase("NIL") {
      output.append(bytes)
    } else {
      string(bytes, into: &output)
    }
  }

  /// A string, or NIL.
  func nstring(_ bytes: [UInt8]?, into output: inout SendBuffer) {
    if let bytes { string(bytes, into: &output) } else { output.append("NIL") }
  }

  /// Quoted where that is possible, else a literal.
  func string(_ bytes: [UInt8], into output: inout SendBuffer) {
    guard isQuotable(bytes) else { return literal(bytes.span, into: &output) }
    output.append(0x22)
    for byte in bytes {
      if byte == 0x22 || byte == 0x5c { output.append(0x5c) }
      output.append(byte)
    }
    output.append(0x22)
  }

  /// RFC 9051, section 4.3: a quoted string has no CR, LF or NUL; before UTF-8 is enabled it has 7-bit bytes only
  /// (RFC 6855, section 3). A long one is better a literal: its reader need not look for its end.
  private func isQuotable(_ bytes: [UInt8]) -> Bool {
    if bytes.count > Self.longestQuoted { return false }
    var isASCII = true
    for byte in bytes {
      if isLineBreaking(byte) { return false }
      if byte >= 0x80 { isASCII = false }
    }
    return isASCII || (mailboxEncoding == .utf8 && bytes.span.utf8String() != nil)
  }

  func literal(_ bytes: Span<UInt8>, into output: inout SendBuffer) {
    output.append(0x7b)
    output.append(decimal: UInt64(bytes.count))
    output.append("}\r\n")
    output.append(bytes)
  }

  private static let longestQuoted = 4096
}
